//! Whether a command could do what it says: verbs, flags and values of the chart that exist, files and kinds that are there.

use std::{fs, sync::LazyLock};

use clap::{Command, CommandFactory};
use leaseport::{api, cli::Cli, yaml};
use serde_json::Value;

use crate::{page::root, shell::Words};

/// Programs whose lines are checked here, or say nothing that could be wrong.
pub(crate) const KNOWN: [&str; 19] = [
    "leaseport",
    "helm",
    "kubectl",
    "make",
    "cargo",
    "envsubst",
    "export",
    "cd",
    "echo",
    "cat",
    "sleep",
    "grep",
    "awk",
    "curl",
    "env",
    "openssl",
    "docker",
    "leaseport-world",
    "contracts/check.sh",
];

static CHART: LazyLock<Value> = LazyLock::new(|| {
    let text = fs::read_to_string(root().join("charts/leaseport/values.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
});

/// What is wrong with a command; nothing if it can be.
pub(crate) fn wrong(words: &Words) -> Vec<String> {
    let mut wrong = missing_files(words);
    match words.first().map(String::as_str) {
        Some("leaseport") => wrong.extend(leaseport(words)),
        Some("kubectl") if words.get(1).is_some_and(|verb| verb == "leaseport") => {
            wrong.extend(leaseport(&words[1..].to_vec()));
        }
        Some("helm") => wrong.extend(helm(words)),
        Some("kubectl") => wrong.extend(kubectl(words)),
        Some("make") => wrong.extend(make(words)),
        _ => {}
    }
    wrong
}

/// Paths of the repository that are not there.
fn missing_files(words: &Words) -> Vec<String> {
    let folders = [
        "docs/",
        "deploy/",
        "charts/",
        "crds/",
        "e2e/",
        "examples/",
        "contracts/",
    ];
    words
        .iter()
        .map(|word| word.rsplit('=').next().unwrap_or(word))
        .filter(|word| folders.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(['$', '<', '*']))
        .filter(|word| !root().join(word).exists())
        .map(|word| format!("{word} is not there"))
        .collect()
}

/// Verbs and flags against the real command line; values are placeholders here.
fn leaseport(words: &Words) -> Vec<String> {
    let line = Cli::command();
    let (mut verb, mut path) = (&line, "leaseport".to_owned());
    let mut wrong = Vec::new();
    let mut words = words.iter().skip(1).peekable();
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix("--") {
            let (name, value) = flag
                .split_once('=')
                .map_or((flag, None), |(name, value)| (name, Some(value)));
            match argument(&line, verb, |it| {
                it.get_long() == Some(name) || it.get_all_aliases().is_some_and(|all| all.contains(&name))
            }) {
                _ if ["help", "version"].contains(&name) => {}
                None => wrong.push(format!("{path} knows no --{name}")),
                Some(true) if value.is_none() => drop(words.next()),
                Some(_) => {}
            }
        } else if let Some(name) = word.strip_prefix('-').and_then(|flag| flag.chars().next()) {
            match argument(&line, verb, |it| it.get_short() == Some(name)) {
                None => wrong.push(format!("{path} knows no -{name}")),
                Some(true) => drop(words.next()),
                Some(false) => {}
            }
        } else if let Some(below) = verb.find_subcommand(word) {
            verb = below;
            path = format!("{path} {word}");
        } else if verb.has_subcommands() {
            wrong.push(format!("{path} knows no {word}"));
        } else if verb.get_positionals().next().is_none() {
            wrong.push(format!("{path} takes no {word}"));
        }
    }
    if verb.has_subcommands() {
        wrong.push(format!("{path} is no verb by itself"));
    }
    wrong
}

/// Whether a flag takes a value; none if nobody knows it.
fn argument(line: &Command, verb: &Command, is: impl Fn(&clap::Arg) -> bool) -> Option<bool> {
    let own = verb.get_arguments().find(|it| is(it));
    own.or_else(|| line.get_arguments().find(|it| it.is_global_set() && is(it)))
        .map(|found| found.get_action().takes_values())
}

fn helm(words: &Words) -> Vec<String> {
    let verbs = [
        "install",
        "upgrade",
        "uninstall",
        "rollback",
        "test",
        "template",
        "lint",
        "package",
        "repo",
        "get",
        "diff",
        "status",
    ];
    let mut wrong = Vec::new();
    if words.get(1).is_none_or(|verb| !verbs.contains(&verb.as_str())) {
        wrong.push(format!("helm knows no {:?}", words.get(1)));
    }
    if !words.iter().any(|word| word == "charts/leaseport") {
        return wrong;
    }
    for (at, word) in words.iter().enumerate() {
        let said = match word.as_str() {
            "--set" | "--set-string" => words.get(at + 1).map(String::as_str),
            other => other.strip_prefix("--set="),
        };
        for assignment in said.map(assignments).unwrap_or_default() {
            let path = assignment
                .split_once('=')
                .map_or(assignment.as_str(), |(path, _)| path);
            if !is_value(&CHART, &steps(path)) {
                wrong.push(format!("the chart has no value {path}"));
            }
        }
    }
    wrong
}

/// `a=1,b={2,3}` as its parts.
fn assignments(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for it in text.chars() {
        match it {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (it, depth, parts.last_mut()) {
            (',', 0, _) => parts.push(String::new()),
            (it, _, Some(part)) => part.push(it),
            (_, _, None) => {}
        }
    }
    parts
}

/// `a[0].b\.c` as its steps; an index is `[]`.
fn steps(path: &str) -> Vec<String> {
    let hidden = path.replace("\\.", "\u{1}");
    hidden
        .split('.')
        .flat_map(|step| match step.split_once('[') {
            Some((name, _)) => vec![name.to_owned(), "[]".to_owned()],
            None => vec![step.replace('\u{1}', ".")],
        })
        .collect()
}

/// Whether a schema has a place for a value.
fn is_value(schema: &Value, steps: &[String]) -> bool {
    let schema = schema["$ref"].as_str().map_or(schema, |reference| {
        CHART
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(&Value::Null)
    });
    let Some((first, rest)) = steps.split_first() else {
        return !schema.is_null();
    };
    let below = match first.as_str() {
        "[]" => &schema["items"],
        name if schema["properties"][name].is_object() => &schema["properties"][name],
        _ if schema["additionalProperties"].is_object() => &schema["additionalProperties"],
        _ => return false,
    };
    is_value(below, rest)
}

/// What is wrong with a document of values for the chart.
pub(crate) fn values(text: &str) -> Vec<String> {
    fn compare(schema: &Value, value: &Value, path: &mut Vec<String>, wrong: &mut Vec<String>) {
        if !path.is_empty() && !is_value(schema, path) {
            wrong.push(format!("the chart has no value {}", path.join(".")));
            return;
        }
        for (name, below) in value.as_object().into_iter().flatten() {
            path.push(name.clone());
            // Labels and selectors are the admin's own.
            if !["namespaceSelector", "nodeSelector", "podSelector"].contains(&name.as_str()) {
                compare(schema, below, path, wrong);
            }
            path.pop();
        }
    }
    let mut wrong = Vec::new();
    match yaml::from_str::<Value>(text) {
        Ok(value) => compare(&CHART, &value, &mut Vec::new(), &mut wrong),
        Err(error) => wrong.push(error.to_string()),
    }
    wrong
}

/// Kinds of ours that are written as nobody calls them.
fn kubectl(words: &Words) -> Vec<String> {
    let known: Vec<String> = api::definitions()
        .into_iter()
        .flat_map(|definition| {
            let names = definition.spec.names;
            [names.plural, names.kind.to_lowercase()]
        })
        .collect();
    words
        .iter()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .flat_map(|word| word.split([',', '/']))
        .map(|word| word.trim_end_matches(".leaseport.dev"))
        .filter(|word| word.starts_with("compute"))
        .filter(|word| !known.iter().any(|it| it == word))
        .map(|word| format!("no kind is called {word}"))
        .collect()
}

fn make(words: &Words) -> Vec<String> {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    words
        .iter()
        .skip(1)
        .filter(|word| !word.contains('=') && !word.starts_with('-'))
        .filter(|target| {
            !makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")))
        })
        .map(|target| format!("make knows no {target}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Vec<String> {
        wrong(&line.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn a_flag_a_verb_a_value_a_kind_a_file_or_a_target_that_is_not_there_is_named() {
        for (line, word) in [
            ("leaseport provider register --stakes 1", "--stakes"),
            ("leaseport provider unregister", "unregister"),
            ("leaseport provider", "no verb by itself"),
            (
                "helm install x charts/leaseport --set gateway.enable=true",
                "gateway.enable",
            ),
            (
                "helm upgrade x charts/leaseport --set providerNamespaces[0].names=a",
                "names",
            ),
            ("kubectl get computeorders", "computeorders"),
            (
                "kubectl apply --filename deploy/nothing.yaml",
                "deploy/nothing.yaml",
            ),
            ("make everything", "everything"),
        ] {
            let said = of(line);
            assert!(said.iter().any(|it| it.contains(word)), "{line}: {said:?}");
        }
    }

    #[test]
    fn what_is_right_passes() {
        for line in [
            "leaseport provider register --rpc $RPC_URL --operator-key $A:bid --log debug",
            "leaseport lease get LEASE -o json",
            "helm upgrade x charts/leaseport --set a=1",
            "helm upgrade x charts/leaseport --set providerNamespaces[0].name=a,providerNamespaces[0].walletSecrets={a,b}",
            "helm upgrade x charts/leaseport --set gateway.service.annotations.example\\.com/a=b",
            "kubectl get computeleases.leaseport.dev,computewallet/duty",
            "make demo",
        ] {
            let wanted: &[&str] = if line.ends_with("a=1") {
                &["the chart has no value a"]
            } else {
                &[]
            };
            assert_eq!(of(line), wanted, "{line}");
        }
    }
}
