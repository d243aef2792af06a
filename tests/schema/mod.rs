//! Checks a JSON object against a definition as an API server does: structure, unknown fields, then CEL rules.
//! Knows the part of OpenAPI that our definitions use and fails on any other keyword, so that nothing passes unread.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::Validator;
use leaseport::api;
use serde_json::{Map, Value};

/// The definition of a kind.
pub(crate) fn definition(kind: &str) -> CustomResourceDefinition {
    api::definitions()
        .into_iter()
        .find(|definition| definition.spec.names.kind == kind)
        .unwrap_or_else(|| panic!("no kind {kind}"))
}

/// Its schema as JSON.
pub(crate) fn schema(definition: &CustomResourceDefinition) -> Value {
    let version = definition.spec.versions.first().expect("one version");
    serde_json::to_value(
        version
            .schema
            .as_ref()
            .and_then(|s| s.open_api_v3_schema.as_ref())
            .expect("a schema"),
    )
    .expect("schemas are JSON")
}

/// Every reason for which the API server would refuse `object` (as an update of `old`, where given).
pub(crate) fn refusals(
    definition: &CustomResourceDefinition,
    object: &Value,
    old: Option<&Value>,
) -> Vec<String> {
    let schema = schema(definition);
    let mut found = Vec::new();
    let mut body = object.clone();
    if let Some(body) = body.as_object_mut() {
        for known in ["apiVersion", "kind", "metadata"] {
            body.remove(known);
        }
    }
    structure(&schema, &body, "", &mut found);
    let defaulted = with_defaults(&schema, object);
    let old = old.map(|old| with_defaults(&schema, old));
    if let Err(errors) = Validator::new().validate(&schema, &defaulted, old.as_ref()) {
        found.extend(
            errors
                .into_vec()
                .into_iter()
                .map(|error| format!("{}: {}", error.field_path, error.message)),
        );
    }
    found
}

/// The object with the schema's defaults filled in, as the API server stores it.
pub(crate) fn with_defaults(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut filled = fields.clone();
            for (name, property) in members(schema, "properties") {
                if !filled.contains_key(&name)
                    && let Some(default) = property.get("default")
                {
                    filled.insert(name.clone(), default.clone());
                }
                if let Some(field) = filled.get(&name) {
                    let field = with_defaults(&property, field);
                    filled.insert(name, field);
                }
            }
            Value::Object(filled)
        }
        Value::Array(items) => {
            let item_schema = schema.get("items").unwrap_or(&Value::Null);
            Value::Array(
                items
                    .iter()
                    .map(|item| with_defaults(item_schema, item))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn members(schema: &Value, keyword: &str) -> Map<String, Value> {
    schema
        .get(keyword)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn structure(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let number = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let mut fail = |what: String| found.push(format!("{path}: {what}"));
    if value.is_null() {
        if schema.get("nullable") != Some(&Value::Bool(true)) {
            fail("null".to_owned());
        }
        return;
    }
    for (keyword, wanted) in schema.as_object().into_iter().flatten() {
        match keyword.as_str() {
            "type" => {
                let holds = match wanted.as_str() {
                    Some("object") => value.is_object(),
                    Some("array") => value.is_array(),
                    Some("string") => value.is_string(),
                    Some("integer") => value.is_i64() || value.is_u64(),
                    Some("boolean") => value.is_boolean(),
                    other => panic!("type {other:?} at {path} is not checked"),
                };
                if !holds {
                    fail(format!("{value} is no {wanted}"));
                }
            }
            "enum" => {
                if !wanted.as_array().is_some_and(|choices| choices.contains(value)) {
                    fail(format!("{value} is none of {wanted}"));
                }
            }
            "pattern" => {
                let pattern =
                    regex::Regex::new(wanted.as_str().expect("a pattern")).expect("a regular expression");
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    fail(format!("{value} does not match {pattern}"));
                }
            }
            "maxLength" | "minLength" | "maxItems" | "minItems" => {
                let size = value
                    .as_str()
                    .map(|text| text.chars().count())
                    .or_else(|| value.as_array().map(Vec::len))
                    .map(|size| size as f64);
                let wanted = number(keyword).expect("a number");
                if size.is_some_and(|size| {
                    if keyword.starts_with("max") {
                        size > wanted
                    } else {
                        size < wanted
                    }
                }) {
                    fail(format!("{value} breaks {keyword} {wanted}"));
                }
            }
            "maximum" | "minimum" => {
                let wanted = number(keyword).expect("a number");
                if value.as_f64().is_some_and(|it| {
                    if keyword == "maximum" {
                        it > wanted
                    } else {
                        it < wanted
                    }
                }) {
                    fail(format!("{value} breaks {keyword} {wanted}"));
                }
            }
            "required" => {
                for name in wanted.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.get(name).is_none() {
                        fail(format!("{name} is missing"));
                    }
                }
            }
            "properties"
            | "additionalProperties"
            | "items"
            | "default"
            | "description"
            | "format"
            | "nullable"
            | "title"
            | "x-kubernetes-validations"
            | "x-kubernetes-list-type"
            | "x-kubernetes-list-map-keys"
            | "x-kubernetes-map-type"
            | "x-kubernetes-int-or-string"
            | "anyOf" => {}
            other => panic!("keyword {other} at {path} is not checked"),
        }
    }
    if let Some(fields) = value.as_object() {
        let properties = members(schema, "properties");
        for (name, field) in fields {
            let path = format!("{path}.{name}");
            match (properties.get(name), schema.get("additionalProperties")) {
                (Some(property), _) => structure(property, field, &path, found),
                (None, Some(any)) if any.is_object() => structure(any, field, &path, found),
                (None, _) => found.push(format!("{path}: unknown field")),
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        structure(
            schema.get("items").unwrap_or(&Value::Null),
            item,
            &format!("{path}[{index}]"),
            found,
        );
    }
}
