//! The documents keep to the code: each block of commands is played by a scenario, or is checked word by word, or says why it cannot run here;
//! objects in them are what the API server takes; links lead somewhere; tests and reasons that they name exist.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commands;
mod page;
mod reasons;
#[allow(dead_code)]
#[path = "../schema/mod.rs"]
mod schema;
mod shell;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use leaseport::{api, cli::needs_file, yaml};
use page::{page, pages, root};
use regex::Regex;
use serde_json::Value;

/// Pages whose `sh` blocks a scenario runs as they stand, all but those with a reason; the scenario names the page.
const PLAYED: [(&str, &str); 7] = [
    ("docs/quickstart-provider.md", "e2e/tests/pages.rs"),
    ("docs/rotation.md", "e2e/tests/pages.rs"),
    ("docs/troubleshooting.md", "e2e/tests/pages.rs"),
    ("docs/upgrade.md", "e2e/tests/pages.rs"),
    ("docs/uninstall.md", "e2e/tests/pages.rs"),
    ("examples/batch-job/README.md", "e2e/tests/lease/examples.rs"),
    ("examples/hello-gpu/README.md", "e2e/tests/lease/examples.rs"),
];

/// Languages a block may have.
const LANGUAGES: [&str; 6] = ["sh", "yaml", "mermaid", "rust", "json", "text"];

/// Kinds in documents that other projects define; their schemas are not ours to check.
const KINDS_OF_OTHERS: [&str; 3] = ["Cluster", "ClusterImagePolicy", "Kustomization"];

#[test]
fn every_block_says_what_it_is() {
    for page in pages() {
        for block in &page.blocks {
            assert!(
                LANGUAGES.contains(&block.language.as_str()),
                "{}: {:?} is none of {LANGUAGES:?}",
                page.at(block),
                block.language
            );
        }
    }
}

#[test]
fn a_page_that_is_played_is_named_by_its_scenario() {
    for (path, scenario) in PLAYED {
        let text = fs::read_to_string(root().join(scenario)).unwrap();
        let name = Path::new(path)
            .strip_prefix("examples")
            .map_or(path, |rest| rest.parent().unwrap().to_str().unwrap());
        assert!(
            text.contains(&format!("\"{name}\"")),
            "{scenario} plays no {name}"
        );
        assert!(
            page(path).blocks.iter().any(|block| block.language == "sh"),
            "{path}"
        );
    }
}

#[test]
fn a_block_that_is_not_played_is_one_that_can_be_checked_or_says_why_it_is_neither() {
    for page in pages() {
        if PLAYED.iter().any(|(path, _)| *path == page.path) {
            continue;
        }
        for block in page.blocks.iter().filter(|block| block.language == "sh") {
            if let Some(reason) = &block.not_run {
                assert!(reason.len() > 8, "{}: {reason}", page.at(block));
                continue;
            }
            for words in shell::script(&block.text).commands {
                let program = words.first().unwrap();
                assert!(
                    commands::KNOWN.contains(&program.as_str()),
                    "{}: nobody checks {program}: let a scenario play the page, or write `<!-- not run here: WHY -->` above the block",
                    page.at(block)
                );
            }
        }
    }
}

#[test]
fn every_command_names_verbs_flags_values_kinds_and_files_that_exist() {
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.language == "sh") {
            for words in shell::script(&block.text).commands {
                let said = commands::wrong(&words);
                wrong.extend(said.iter().map(|it| format!("{}: {it}", page.at(block))));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a text of YAML.
fn wrong_yaml(text: &str) -> Vec<String> {
    if text.starts_with("# values of the chart\n") {
        return commands::values(text);
    }
    if text.starts_with("needs:") {
        return needs_file::read(text)
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect();
    }
    let documents = match yaml::documents::<Value>(text) {
        Ok(documents) => documents,
        Err(error) => return vec![error.to_string()],
    };
    documents
        .iter()
        .flat_map(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            let ours = object["apiVersion"] == format!("{}/{}", api::GROUP, api::VERSION);
            match (ours, KINDS_OF_OTHERS.contains(&kind)) {
                (true, _) => schema::refusals(&schema::definition(kind), object, None),
                (false, true) => Vec::new(),
                (false, false) => vec![format!("nobody checks a {kind:?}")],
            }
        })
        .collect()
}

#[test]
fn every_object_values_or_needs_in_a_page_is_one_that_is_taken() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        for block in &page.blocks {
            let documents = match block.language.as_str() {
                "yaml" => vec![block.text.clone()],
                "sh" => shell::script(&block.text).documents,
                _ => Vec::new(),
            };
            for text in documents {
                seen += 1;
                let said = wrong_yaml(&text);
                wrong.extend(said.iter().map(|it| format!("{}: {it}", page.at(block))));
            }
        }
    }
    assert!(seen >= 8, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!wrong_yaml("# values of the chart\ngateway: { enable: true }\n").is_empty());
    assert!(!wrong_yaml("apiVersion: leaseport.dev/v1alpha1\nkind: ComputeWallet\nspec: {}\n").is_empty());
    assert!(!wrong_yaml("apiVersion: v1\nkind: Pod\n").is_empty());
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let mut wrong = Vec::new();
    for page in pages() {
        let here = Path::new(&page.path).parent().unwrap();
        for (to, anchor) in page.links() {
            let target = if to.is_empty() {
                PathBuf::from(&page.path)
            } else {
                plain(&here.join(&to))
            };
            if !root().join(&target).exists() {
                wrong.push(format!("{}: {to} is not there", page.path));
            } else if let (Some(anchor), true) = (&anchor, target.extension().is_some_and(|end| end == "md"))
            {
                let anchors = self::page(target.to_str().unwrap()).anchors();
                if !anchors.contains(anchor) {
                    wrong.push(format!(
                        "{}: {} has no heading {anchor}; it has {anchors:?}",
                        page.path,
                        target.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_index_leads_to_every_page() {
    let index = page("docs/README.md");
    let listed: BTreeSet<String> = index.links().into_iter().map(|(to, _)| to).collect();
    for page in pages() {
        if let Some(name) = page
            .path
            .strip_prefix("docs/")
            .filter(|name| !name.contains('/') && *name != "README.md")
        {
            assert!(listed.contains(name), "docs/README.md does not lead to {name}");
        }
    }
}

/// All sources that hold tests.
fn sources() -> String {
    fn walk(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                walk(&path, text);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "sol") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    for folder in ["src", "tests", "e2e/src", "e2e/tests", "contracts/test"] {
        walk(&root().join(folder), &mut text);
    }
    text
}

#[test]
fn every_test_that_a_page_names_exists() {
    let sources = sources();
    let name = Regex::new(r"`((?:test[A-Za-z]*_)?[A-Za-z0-9]+(?:_[A-Za-z0-9]+){3,})(…?)`").unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        for found in name.captures_iter(&page.prose) {
            let word = &found[1];
            if word.starts_with("leaseport_") || word.chars().all(|it| it.is_ascii_uppercase() || it == '_') {
                continue;
            }
            seen += 1;
            let is_whole = found[2].is_empty();
            let exists = if is_whole {
                sources.contains(&format!("fn {word}("))
                    || sources.contains(&format!("function {word}("))
                    || sources.contains(&format!("\"{word}\""))
            } else {
                sources.contains(word)
            };
            if !exists {
                wrong.push(format!("{}: no test is called {word}", page.path));
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn troubleshooting_explains_every_reason_of_the_code_and_no_other() {
    let troubles = page("docs/troubleshooting.md");
    let word = Regex::new(r"`([A-Z][a-z]+(?:[A-Z][a-z]*)*)`").unwrap();
    let explained: BTreeMap<String, usize> =
        word.captures_iter(&troubles.prose)
            .fold(BTreeMap::new(), |mut counts, found| {
                *counts.entry(found[1].to_owned()).or_default() += 1;
                counts
            });
    let code = reasons::of_the_code();
    assert!(code.len() > 200, "{}", code.len());
    let silent: Vec<&String> = code
        .iter()
        .filter(|it| !reasons::is_other(it) && !explained.contains_key(*it))
        .collect();
    assert!(
        silent.is_empty(),
        "docs/troubleshooting.md does not explain {silent:?}"
    );
    let sources = sources();
    let invented: Vec<&String> = explained
        .keys()
        .filter(|it| {
            !code.contains(*it)
                && !sources.contains(&format!("\"{it}\""))
                && !sources.contains(&format!("{it} {{"))
        })
        .collect();
    assert!(
        invented.is_empty(),
        "docs/troubleshooting.md explains what nothing says: {invented:?}"
    );
}
