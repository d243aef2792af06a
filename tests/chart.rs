//! That the chart says what the rest of the repository says, and documents what it takes. What it renders is tested through helm in e2e.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use leaseport::yaml;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn chart(name: &str) -> String {
    fs::read_to_string(root().join("charts/leaseport").join(name)).unwrap()
}

fn values() -> Value {
    yaml::from_str(&chart("values.yaml")).unwrap()
}

/// Whether generated files are to be written anew instead of compared.
fn writes() -> bool {
    std::env::var_os("LEASEPORT_WRITE").is_some()
}

/// A value with its documentation.
struct Documented {
    path: String,
    default: Value,
    text: String,
}

/// What values.yaml says line by line: the comment above a key is what documents it.
fn documented() -> Vec<Documented> {
    let all = values();
    let (mut found, mut above, mut comment) = (Vec::new(), Vec::<(usize, String)>::new(), Vec::new());
    // Where the default of a value is written over several lines, those are its own and not values of the chart.
    let mut inside: Option<usize> = None;
    for line in chart("values.yaml").lines() {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim();
        if inside.is_some_and(|outer| indent > outer && !word.is_empty()) {
            continue;
        }
        inside = None;
        if let Some(text) = word.strip_prefix("# ") {
            comment.push(text.to_owned());
            continue;
        }
        let Some((key, rest)) = word.split_once(':') else {
            comment.clear();
            continue;
        };
        above.retain(|(outer, _)| *outer < indent);
        above.push((indent, key.to_owned()));
        let path: Vec<&str> = above.iter().map(|(_, key)| key.as_str()).collect();
        if rest.trim().is_empty() && comment.is_empty() {
            continue;
        }
        if rest.trim().is_empty() {
            inside = Some(indent);
        }
        let default = all.pointer(&format!("/{}", path.join("/"))).unwrap().clone();
        found.push(Documented {
            path: path.join("."),
            default,
            text: comment.join(" "),
        });
        comment.clear();
    }
    found
}

/// Every value that has no values below it, as a path; what an admin fills freely counts as one.
fn leaves(path: &str, value: &Value, known: &BTreeSet<String>, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !known.contains(path) => {
            for (key, value) in fields {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(&below, value, known, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn every_value_is_documented_by_the_comment_above_it() {
    let documented = documented();
    let known: BTreeSet<String> = documented.iter().map(|it| it.path.clone()).collect();
    let mut found = Vec::new();
    leaves("", &values(), &known, &mut found);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), known);
    for it in documented {
        assert!(
            it.text.ends_with('.'),
            "{} has no sentence: {:?}",
            it.path,
            it.text
        );
    }
}

#[test]
fn the_table_in_the_charts_readme_is_made_of_values_yaml() {
    const FROM: &str = "<!-- values: from here, made by `make manifests` -->\n";
    const TO: &str = "<!-- values: to here -->\n";
    let rows: String = documented()
        .iter()
        .map(|it| {
            format!(
                "| `{}` | `{}` | {} |\n",
                it.path,
                it.default,
                it.text.replace('|', "\\|")
            )
        })
        .collect();
    let wanted = format!("| value | default | |\n|---|---|---|\n{rows}");
    let readme = chart("README.md");
    let (before, rest) = readme.split_once(FROM).unwrap();
    let (table, after) = rest.split_once(TO).unwrap();
    if writes() {
        let text = format!("{before}{FROM}{wanted}{TO}{after}");
        fs::write(root().join("charts/leaseport/README.md"), text).unwrap();
    } else {
        assert!(
            table == wanted,
            "charts/leaseport/README.md is not what values.yaml says: run `make manifests`"
        );
    }
}

#[test]
fn the_definitions_in_the_chart_are_those_of_the_repository() {
    let names = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let (from, to) = (root().join("crds"), root().join("charts/leaseport/files/crds"));
    assert_eq!(names(&from), names(&to));
    for name in names(&from) {
        let text = fs::read_to_string(from.join(&name)).unwrap();
        assert_eq!(
            text.matches("\nmetadata:\n").count(),
            1,
            "{name}: the chart puts its labels in where metadata begins"
        );
        assert!(
            text == fs::read_to_string(to.join(&name)).unwrap(),
            "charts/leaseport/files/crds/{name} is old: run `make crds`"
        );
    }
}

#[test]
fn the_chart_installs_this_version_of_the_program() {
    let chart: Value = yaml::from_str(&chart("Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// With YAML's merge keys carried out, as Helm reads it.
fn merged(value: Value) -> Value {
    let Value::Object(mut fields) = value else {
        return value;
    };
    let mut all = match fields.remove("<<") {
        Some(Value::Object(base)) => base,
        _ => serde_json::Map::new(),
    };
    all.extend(fields);
    Value::Object(
        all.into_iter()
            .map(|(name, value)| (name, merged(value)))
            .collect(),
    )
}

#[test]
fn every_documented_value_differs_from_its_default_in_a_combination_that_is_tested() {
    let combinations: Vec<Value> = fs::read_dir(root().join("charts/leaseport/ci"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|text| merged(yaml::from_str(&text).unwrap()))
        .collect();
    let untried: Vec<String> = documented()
        .into_iter()
        .filter(|it| {
            let at = format!("/{}", it.path.replace('.', "/"));
            let differs = |values: &Value| values.pointer(&at).is_some_and(|value| *value != it.default);
            !combinations.iter().any(differs)
        })
        .map(|it| it.path)
        .collect();
    assert_eq!(untried, Vec::<String>::new());
}

#[test]
fn the_last_package_is_of_an_older_version_than_the_chart() {
    let chart: Value = yaml::from_str(&chart("Chart.yaml")).unwrap();
    let parts =
        |version: &str| -> Vec<u64> { version.split('.').map(|part| part.parse().unwrap()).collect() };
    let packages: Vec<String> = fs::read_dir(root().join("e2e/fixtures"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("leaseport-")?.strip_suffix(".tgz")?.to_owned()))
        .collect();
    assert_eq!(packages.len(), 1, "{packages:?}");
    assert!(
        parts(&packages[0]) < parts(chart["version"].as_str().unwrap()),
        "{packages:?}"
    );
}

/// Every schema in a schema, with where it is.
fn schemas<'a>(path: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    found.push((path.to_owned(), schema));
    for (key, value) in schema.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("properties" | "definitions", Value::Object(fields)) => {
                for (name, schema) in fields {
                    schemas(&format!("{path}.{name}"), schema, found);
                }
            }
            ("items", schema) => schemas(&format!("{path}[]"), schema, found),
            _ => {}
        }
    }
}

#[test]
fn the_schema_refuses_every_word_it_does_not_name() {
    let schema: Value = serde_json::from_str(&chart("values.schema.json")).unwrap();
    let mut found = Vec::new();
    schemas("", &schema, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    // What is Kubernetes' own and larger than the chart, and what Helm hands to every chart.
    let free = ["nodeAffinity", "podAffinity", "podAntiAffinity", "global"];
    for (path, schema) in found {
        let name = path.rsplit('.').next().unwrap_or_default();
        if schema["type"] == "object" && !free.contains(&name) {
            assert!(
                schema["additionalProperties"] == false || schema["additionalProperties"].is_object(),
                "{path} takes any word"
            );
        }
    }
}

#[test]
fn the_schema_names_every_value_and_no_other() {
    let schema: Value = serde_json::from_str(&chart("values.schema.json")).unwrap();
    for it in documented() {
        let pointer = format!("/properties/{}", it.path.replace('.', "/properties/"));
        assert!(
            schema.pointer(&pointer).is_some(),
            "{} is not in the schema",
            it.path
        );
    }
    fn compare(path: &str, schema: &Value, values: &Value) {
        let (Some(fields), Some(values)) = (schema["properties"].as_object(), values.as_object()) else {
            return;
        };
        for (name, schema) in fields.iter().filter(|(name, _)| *name != "global") {
            let value = values
                .get(name)
                .unwrap_or_else(|| panic!("{path}.{name} is in the schema and not in values.yaml"));
            if !value.as_object().is_some_and(serde_json::Map::is_empty) {
                compare(&format!("{path}.{name}"), schema, value);
            }
        }
    }
    compare("", &schema, &values());
}
