//! What was ever shipped stays readable: every object of every version in tests/fixtures/api is valid under the definitions of today, also as
//! an update of itself, and no definition takes back what a shipped one allowed. docs/development.md says how the corpus grows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod narrow;
#[path = "../schema/mod.rs"]
mod schema;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use leaseport::{api, yaml};
use schema::refusals;
use serde_json::Value;

/// A version of the API that was shipped.
struct Shipped {
    name: String,
    definitions: Vec<CustomResourceDefinition>,
    /// With the names of their files.
    objects: Vec<(String, Value)>,
}

impl Shipped {
    fn definition(&self, kind: &str) -> &CustomResourceDefinition {
        let found = self
            .definitions
            .iter()
            .find(|definition| definition.spec.names.kind == kind);
        found.unwrap_or_else(|| panic!("{}: no definition of {kind}", self.name))
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

fn shipped() -> Vec<Shipped> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/api");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    files(&root)
        .iter()
        .map(|version| Shipped {
            name: version.file_name().unwrap().to_string_lossy().into_owned(),
            definitions: files(&version.join("crds"))
                .iter()
                .map(|path| yaml::from_str(&read(path)).unwrap())
                .collect(),
            objects: files(&version.join("objects"))
                .iter()
                .map(|path| {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    (name, yaml::from_str(&read(path)).unwrap())
                })
                .collect(),
        })
        .collect()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

#[test]
fn every_object_that_was_ever_valid_is_valid_today_also_as_an_update_of_itself() {
    for version in shipped() {
        assert!(!version.objects.is_empty(), "{}", version.name);
        for (name, object) in &version.objects {
            let then = version.definition(kind(object));
            let today = schema::definition(kind(object));
            for (which, definition) in [("then", then), ("today", &today)] {
                for old in [None, Some(object)] {
                    let refused = refusals(definition, object, old);
                    assert_eq!(refused, Vec::<String>::new(), "{} {name}, {which}", version.name);
                }
            }
        }
    }
}

/// Each property of a schema by its path, lists and maps as one step.
fn fields(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(property, &path, found);
        found.insert(path);
    }
    if schema["items"].is_object() {
        fields(&schema["items"], path, found);
    }
}

/// Each field that an object has, as [`fields`] names them.
fn used(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                let path = format!("{path}.{name}");
                used(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| used(item, path, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_objects_of_a_version_use_each_field_that_it_has_and_some_only_those_that_they_must() {
    for version in shipped() {
        for definition in &version.definitions {
            let of = &definition.spec.names.kind;
            let objects: Vec<&Value> = version
                .objects
                .iter()
                .map(|(_, object)| object)
                .filter(|object| kind(object) == of)
                .collect();
            let mut wanted = BTreeSet::new();
            let schema = schema::schema(definition);
            for part in ["spec", "status"] {
                fields(&schema["properties"][part], part, &mut wanted);
            }
            let mut there = BTreeSet::new();
            for object in &objects {
                for part in ["spec", "status"] {
                    used(&object[part], part, &mut there);
                }
            }
            let lacking: Vec<&String> = wanted.difference(&there).collect();
            assert!(
                lacking.is_empty(),
                "{} {of}: no object has {lacking:?}",
                version.name
            );
            assert!(
                objects.iter().any(|object| object.get("status").is_none()),
                "{} {of}: no object is fresh",
                version.name
            );
        }
    }
}

#[test]
fn no_definition_takes_back_what_a_shipped_one_allowed() {
    for version in shipped() {
        for then in &version.definitions {
            let of = &then.spec.names.kind;
            let today = api::definitions()
                .into_iter()
                .find(|definition| definition.spec.names.kind == *of)
                .unwrap_or_else(|| panic!("{}: {of} is gone", version.name));
            assert_eq!(then.metadata.name, today.metadata.name);
            assert_eq!(then.spec.scope, today.spec.scope, "{of}");
            for served in &then.spec.versions {
                let now = today.spec.versions.iter().find(|now| now.name == served.name);
                assert!(
                    now.is_some_and(|now| now.served || !served.served),
                    "{}: {of} {} is not served any more",
                    version.name,
                    served.name
                );
            }
            let taken = narrow::taken_back(&schema::schema(then), &schema::schema(&today));
            assert_eq!(taken, Vec::<String>::new(), "{} {of}", version.name);
        }
    }
}

#[test]
fn the_version_that_is_built_is_in_the_corpus_with_every_kind() {
    let name = format!("v{}", env!("CARGO_PKG_VERSION"));
    let shipped = shipped();
    let current = shipped
        .iter()
        .find(|version| version.name == name)
        .unwrap_or_else(|| panic!("tests/fixtures/api/{name} is missing: see docs/development.md"));
    for definition in api::definitions() {
        current.definition(&definition.spec.names.kind);
    }
}

#[test]
fn each_way_to_take_something_back_is_seen() {
    let of = |spec: Value| serde_json::json!({ "type": "object", "properties": { "spec": spec } });
    let text = |more: Value| {
        let mut property = serde_json::json!({ "type": "string" });
        property
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        of(serde_json::json!({ "type": "object", "properties": { "a": property } }))
    };
    let plain = text(serde_json::json!({}));
    let cases = [
        (
            plain.clone(),
            of(serde_json::json!({ "type": "object", "properties": {} })),
            "spec.a is gone",
        ),
        (
            plain.clone(),
            of(serde_json::json!({ "type": "object", "properties": { "a": { "type": "integer" } } })),
            "type",
        ),
        (
            plain.clone(),
            of(
                serde_json::json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } } }),
            ),
            "a is required",
        ),
        (
            text(serde_json::json!({ "enum": ["x", "y"] })),
            text(serde_json::json!({ "enum": ["x", "z"] })),
            "\"y\" is no value any more",
        ),
        (plain.clone(), text(serde_json::json!({ "enum": ["x"] })), "enum"),
        (
            plain.clone(),
            text(serde_json::json!({ "maxLength": 9 })),
            "maxLength",
        ),
        (
            text(serde_json::json!({ "maxLength": 9 })),
            text(serde_json::json!({ "maxLength": 8 })),
            "maxLength",
        ),
        (
            text(serde_json::json!({ "minLength": 1 })),
            text(serde_json::json!({ "minLength": 2 })),
            "minLength",
        ),
        (
            text(serde_json::json!({ "pattern": "^a" })),
            text(serde_json::json!({ "pattern": "^b" })),
            "pattern",
        ),
        (
            plain.clone(),
            text(serde_json::json!({ "format": "date-time" })),
            "format",
        ),
        (
            text(serde_json::json!({ "nullable": true })),
            plain.clone(),
            "nullable",
        ),
        (
            plain.clone(),
            text(serde_json::json!({ "x-kubernetes-validations": [{ "rule": "self != ''" }] })),
            "self != ''",
        ),
    ];
    for (then, today, word) in cases {
        let found = narrow::taken_back(&then, &today);
        assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
    }
    let wider = [
        (plain.clone(), plain.clone()),
        (
            text(serde_json::json!({ "enum": ["x"] })),
            text(serde_json::json!({ "enum": ["x", "y"] })),
        ),
        (text(serde_json::json!({ "maxLength": 8 })), plain.clone()),
        (text(serde_json::json!({ "pattern": "^a" })), plain.clone()),
        (
            plain.clone(),
            text(serde_json::json!({ "nullable": true, "description": "x" })),
        ),
        (
            plain,
            of(serde_json::json!({
                "type": "object", "required": ["b"],
                "properties": { "a": { "type": "string" }, "b": { "type": "string", "default": "x", "maxLength": 3 } },
            })),
        ),
    ];
    for (then, today) in wider {
        assert_eq!(narrow::taken_back(&then, &today), Vec::<String>::new());
    }
}
