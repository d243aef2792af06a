//! Whether a newer schema refuses what an older one took. Knows a short list of keywords and takes any change of another one, and of a CEL
//! rule, for a narrower one: what is really wider is then named in [`WIDER`] with its reason.

use serde_json::Value;

/// Changes that look narrower and are not: path, keyword or rule, and why every object that was valid still is.
const WIDER: &[(&str, &str, &str)] = &[];

/// Keywords that refuse nothing.
const FREE: [&str; 7] = [
    "description",
    "title",
    "default",
    "example",
    "properties",
    "items",
    "additionalProperties",
];

/// Everything that `then` allowed and `today` does not.
pub(crate) fn taken_back(then: &Value, today: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(then, today, "", &mut found);
    found
        .into_iter()
        .filter(|(path, what, _)| !WIDER.iter().any(|(at, word, _)| at == path && word == what))
        .map(|(_, _, said)| said)
        .collect()
}

type Taken = (String, String, String);

fn compare(then: &Value, today: &Value, path: &str, found: &mut Vec<Taken>) {
    let (old, new) = (fields(then), fields(today));
    let keywords: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for keyword in keywords {
        if FREE.contains(&keyword.as_str()) {
            continue;
        }
        let (was, is) = (old.get(keyword.as_str()), new.get(keyword.as_str()));
        let mut say =
            |said: String| found.push((path.to_owned(), keyword.clone(), format!("{path}: {said}")));
        let number = |value: Option<&Value>| value.and_then(Value::as_f64);
        match keyword.as_str() {
            "maximum" | "maxLength" | "maxItems" | "maxProperties" => {
                if number(is).is_some_and(|is| number(was).is_none_or(|was| is < was)) {
                    say(format!("{keyword} is {is:?}, was {was:?}"));
                }
            }
            "minimum" | "minLength" | "minItems" | "minProperties" => {
                if number(is).is_some_and(|is| number(was).is_none_or(|was| is > was)) {
                    say(format!("{keyword} is {is:?}, was {was:?}"));
                }
            }
            "enum" => match (list(was), list(is)) {
                (_, None) => {}
                (None, Some(is)) => say(format!("enum is {is:?}, was none")),
                (Some(was), Some(is)) => {
                    for value in was.iter().filter(|value| !is.contains(value)) {
                        say(format!("{value} is no value any more"));
                    }
                }
            },
            "required" => {
                for name in list(is).into_iter().flatten() {
                    let before = list(was).is_some_and(|was| was.contains(name));
                    let name = name.as_str().unwrap_or_default();
                    // The API server fills a default in before it looks.
                    let filled = today["properties"][name].get("default").is_some();
                    if !before && !filled {
                        say(format!("{name} is required"));
                    }
                }
            }
            "nullable" | "x-kubernetes-preserve-unknown-fields" => {
                if was == Some(&Value::Bool(true)) && is != was {
                    say(format!("{keyword} is gone"));
                }
            }
            "x-kubernetes-validations" => {
                let rule = |value: &Value| value["rule"].as_str().unwrap_or_default().to_owned();
                let known: Vec<String> = list(was).into_iter().flatten().map(rule).collect();
                for rule in list(is).into_iter().flatten().map(rule) {
                    if !known.contains(&rule) {
                        found.push((path.to_owned(), rule.clone(), format!("{path}: new rule {rule}")));
                    }
                }
            }
            // A pattern, format, type or kind of list that is gone refuses nothing; another one may.
            _ => {
                if is.is_some() && is != was || is.is_none() && keyword.as_str() == "type" {
                    say(format!("{keyword} is {is:?}, was {was:?}"));
                }
            }
        }
    }
    below(then, today, path, found);
}

fn below(then: &Value, today: &Value, path: &str, found: &mut Vec<Taken>) {
    let open = today.get("additionalProperties").is_some_and(Value::is_object);
    for (name, was) in then["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match today["properties"].get(name) {
            Some(is) => compare(was, is, &below, found),
            None if open => {}
            None => found.push((below.clone(), "properties".to_owned(), format!("{below} is gone"))),
        }
    }
    for (keyword, step) in [("items", "[]"), ("additionalProperties", "{}")] {
        let (was, is) = (&then[keyword], &today[keyword]);
        if was.is_object() {
            compare(was, is, &format!("{path}{step}"), found);
        }
    }
}

fn fields(schema: &Value) -> serde_json::Map<String, Value> {
    schema.as_object().cloned().unwrap_or_default()
}

fn list(value: Option<&Value>) -> Option<&Vec<Value>> {
    value.and_then(Value::as_array)
}
