//! JSON Schemas of Kubernetes' own kinds, one file a kind, made from the OpenAPI documents in the pinned sources: kubeconform would fetch
//! some from the internet otherwise. Unlike those documents they refuse a field that a kind does not have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Error, file, write};

/// Where an OpenAPI document keeps its schemas.
const SCHEMAS: &str = "#/components/schemas/";

/// Writes `<kind>-<group>-<version>.json` for every kind of the documents in `from` (`api/openapi-spec/v3` of the sources).
pub(super) fn write_all(from: &Path, into: &Path) -> Result<(), Error> {
    for found in fs::read_dir(from).map_err(file(from))? {
        let path = found.map_err(file(from))?.path();
        let text = fs::read(&path).map_err(file(&path))?;
        let document: Value = serde_json::from_slice(&text)
            .map_err(std::io::Error::other)
            .map_err(file(&path))?;
        for (name, schema) in of_kinds(&document) {
            write(&into.join(name), schema.to_string().as_bytes())?;
        }
    }
    Ok(())
}

/// Every kind of one document by the name of its file.
fn of_kinds(document: &Value) -> Vec<(String, Value)> {
    let Some(schemas) = document["components"]["schemas"].as_object() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, schema) in schemas {
        // Some schemas, such as DeleteOptions, are of many groups; they are no kinds that anybody applies.
        let [kind] = schema["x-kubernetes-group-version-kind"]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice)
        else {
            continue;
        };
        let word = |field: &str| kind[field].as_str().unwrap_or_default().to_lowercase();
        let (group, version) = (word("group"), word("version"));
        let group = group.split('.').next().filter(|group| !group.is_empty());
        let suffix = group.map_or(version.clone(), |group| format!("{group}-{version}"));
        found.push((format!("{}-{suffix}.json", word("kind")), alone(name, schemas)));
    }
    found
}

/// Every version of a definition by the name of its file.
pub(super) fn of_definition(definition: &Value) -> Vec<(String, Value)> {
    let spec = &definition["spec"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let group = word(&spec["group"]);
    let group = group.split('.').next().unwrap_or_default();
    let versions = spec["versions"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    versions
        .iter()
        .map(|version| {
            let name = format!(
                "{}-{group}-{}.json",
                word(&spec["names"]["kind"]),
                word(&version["name"])
            );
            (name, close(&version["schema"]["openAPIV3Schema"]))
        })
        .collect()
}

/// A schema with all that it refers to, and nothing else.
fn alone(name: &str, schemas: &Map<String, Value>) -> Value {
    let mut needed = BTreeSet::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        if let Some(schema) = schemas.get(&name).filter(|_| needed.insert(name.clone())) {
            referred(schema, &mut next);
        }
    }
    let closed: Map<String, Value> = needed
        .into_iter()
        .filter_map(|name| schemas.get(&name).map(|schema| (name.clone(), close(schema))))
        .collect();
    json!({ "$ref": format!("{SCHEMAS}{name}"), "components": { "schemas": closed } })
}

fn referred(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                found.extend(name.strip_prefix(SCHEMAS).map(str::to_owned));
            }
            fields.values().for_each(|value| referred(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| referred(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The schema, refusing fields that it does not name.
fn close(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut closed: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), close(value)))
                .collect();
            let is_object = fields.get("type").and_then(Value::as_str) == Some("object");
            let keeps_others = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            let open = keeps_others || fields.contains_key("additionalProperties");
            if is_object && fields.contains_key("properties") && !open {
                closed.insert("additionalProperties".into(), Value::Bool(false));
            }
            Value::Object(closed)
        }
        Value::Array(items) => Value::Array(items.iter().map(close).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_definition_gives_a_schema_a_version_that_refuses_other_fields_where_the_kind_does() {
        let schema = json!({ "type": "object", "properties": {
            "metadata": { "type": "object" },
            "spec": { "type": "object", "properties": { "size": { "type": "integer" } } },
            "free": { "type": "object", "properties": {}, "x-kubernetes-preserve-unknown-fields": true },
        } });
        let version = |name: &str| json!({ "name": name, "schema": { "openAPIV3Schema": schema } });
        let found = of_definition(&json!({ "spec": {
            "group": "things.example.com",
            "names": { "kind": "Thing" },
            "versions": [version("v1"), version("v1beta1")],
        } }));
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["thing-things-v1.json", "thing-things-v1beta1.json"]);
        let fields = &found[0].1["properties"];
        assert_eq!(found[0].1["additionalProperties"], false);
        assert_eq!(fields["spec"]["additionalProperties"], false);
        assert!(fields["free"].get("additionalProperties").is_none());
        assert!(fields["metadata"].get("additionalProperties").is_none());
    }

    #[test]
    fn a_kind_comes_with_what_it_refers_to_and_refuses_other_fields() {
        let kind = |group: &str, name: &str| json!([{ "group": group, "version": "v1", "kind": name }]);
        let document = json!({ "components": { "schemas": {
            "a.Thing": {
                "type": "object",
                "properties": { "size": { "allOf": [{ "$ref": "#/components/schemas/a.Size" }] } },
                "x-kubernetes-group-version-kind": kind("things.example.com", "Thing"),
            },
            "a.Size": { "type": "object", "properties": { "inner": { "$ref": "#/components/schemas/a.Size" } } },
            "a.Free": { "type": "object", "additionalProperties": { "type": "string" } },
            "a.Core": { "type": "object", "x-kubernetes-group-version-kind": kind("", "Core") },
        } } });
        let found = of_kinds(&document);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["core-v1.json", "thing-things-v1.json"]);
        let schemas = &found[1].1["components"]["schemas"];
        assert_eq!(schemas["a.Thing"]["additionalProperties"], false);
        assert_eq!(schemas["a.Size"]["additionalProperties"], false);
        assert!(schemas.get("a.Free").is_none(), "{schemas}");
    }
}
