//! The import table of docs/architecture.md as a test: it reads every `crate::` path and outside crate name in src/
//! and fails on a breach, so that the shape of the program cannot rot unseen.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One row: a room, the rooms of ours it may use, and outside paths it must not name.
struct Row {
    room: &'static str,
    may_use: &'static [&'static str],
    must_not_name: &'static [&'static str],
}

const NO_SHELL: &[&str] = &[
    "tokio::",
    "kube::Client",
    "kube::runtime",
    "kube::Api",
    "kube::api::Api",
    "alloy::providers",
    "alloy::network",
    "alloy::transports",
    "tracing::",
    "std::env",
    "std::fs",
    "std::net::Tcp",
    "SystemTime",
    "Instant::now",
    "getrandom",
    "thread::sleep",
    "reqwest",
];

const TABLE: &[Row] = &[
    Row {
        room: "api",
        may_use: &["api"],
        must_not_name: NO_SHELL,
    },
    Row {
        room: "core",
        may_use: &["core", "api"],
        must_not_name: NO_SHELL,
    },
    Row {
        room: "observe",
        may_use: &["observe", "core", "api", "kube_io", "chain_io", "telemetry"],
        must_not_name: &[],
    },
    Row {
        room: "kube_io",
        may_use: &[
            "kube_io",
            "api",
            "core::workload",
            "core::ids",
            "core::time",
            "telemetry",
        ],
        must_not_name: &["alloy::providers"],
    },
    Row {
        room: "chain_io",
        may_use: &[
            "chain_io",
            "core::book",
            "core::canon",
            "core::documents",
            "core::ids",
            "core::money",
            "core::time",
            "core::tx",
            "core::view",
            "telemetry",
        ],
        must_not_name: &["kube::", "k8s_openapi"],
    },
    Row {
        room: "act",
        may_use: &["act", "core", "api", "kube_io", "chain_io", "telemetry"],
        must_not_name: &[],
    },
    Row {
        room: "controllers",
        may_use: &[
            "controllers",
            "observe",
            "core",
            "api",
            "act",
            "kube_io",
            "chain_io",
            "telemetry",
        ],
        must_not_name: &["alloy::providers"],
    },
    Row {
        room: "gateway",
        may_use: &["gateway", "core", "api", "observe", "act", "kube_io", "telemetry"],
        must_not_name: &["alloy::providers"],
    },
    Row {
        room: "cli",
        may_use: &[
            "cli",
            "core",
            "api",
            "observe",
            "act",
            "yaml",
            "outbound",
            "chain_io",
            "gateway",
            "app",
            "config",
            "ops_http",
            "telemetry",
        ],
        must_not_name: &[],
    },
    Row {
        room: "outbound",
        may_use: &["outbound", "core::documents", "core::ids", "core::time"],
        must_not_name: &["kube::"],
    },
    Row {
        room: "ops_http",
        may_use: &["ops_http", "telemetry"],
        must_not_name: &["kube::", "alloy::"],
    },
    Row {
        room: "telemetry",
        may_use: &["telemetry"],
        must_not_name: &["kube::", "alloy::"],
    },
    Row {
        room: "yaml",
        may_use: &["yaml"],
        must_not_name: &["kube::Client", "alloy::"],
    },
    Row {
        room: "app",
        may_use: &[
            "app",
            "api",
            "act",
            "chain_io",
            "config",
            "controllers",
            "core",
            "gateway",
            "kube_io",
            "observe",
            "ops_http",
            "telemetry",
        ],
        must_not_name: &[],
    },
    Row {
        room: "config",
        may_use: &["config", "core"],
        must_not_name: &["kube::Client", "alloy::providers"],
    },
    Row {
        room: "main",
        may_use: &["cli", "app", "config"],
        must_not_name: &[],
    },
    Row {
        room: "lib",
        may_use: &[],
        must_not_name: &[],
    },
];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

/// Modules that exist under `cfg(test)` alone; they may use what they like.
const TEST_FILES: [&str; 4] = ["tests.rs", "fixtures.rs", "mock.rs", "model.rs"];

fn is_test(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| TEST_FILES.iter().any(|test| name == *test))
}

fn all_sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .filter(|path| !is_test(path))
        .map(|path| {
            let below = path.strip_prefix(&root).unwrap();
            let first = below
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = code_of(&fs::read_to_string(&path).unwrap());
            (room, below.to_path_buf(), text)
        })
        .collect()
}

/// The program without comments and without its tests, which may use what they like.
fn code_of(source: &str) -> String {
    let shipped = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    shipped
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every `crate::a::b` in the text as `a` and `a::b`; `use crate::{a::b, c}` groups count each member.
fn own_paths(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        for path in members(rest) {
            found.insert(path);
        }
    }
    found
}

/// The paths that start a use tree: at most two segments each, which is as deep as the table looks.
fn members(rest: &str) -> Vec<String> {
    if let Some(inside) = rest.strip_prefix('{') {
        let mut depth = 0usize;
        let mut start = 0usize;
        let mut out = Vec::new();
        for (index, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    out.extend(members(inside[start..index].trim()));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    out.extend(members(inside[start..index].trim()));
                    start = index + 1;
                }
                _ => {}
            }
        }
        return out;
    }
    let first: String = rest
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    if first.is_empty() {
        return Vec::new();
    }
    let Some(after) = rest[first.len()..].strip_prefix("::") else {
        return vec![first];
    };
    if after.starts_with('{') {
        return members(after)
            .into_iter()
            .map(|m| format!("{first}::{}", m.split("::").next().unwrap_or_default()))
            .collect();
    }
    let second: String = after
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    vec![if second.is_empty() {
        first
    } else {
        format!("{first}::{second}")
    }]
}

fn allowed(row: &Row, path: &str) -> bool {
    row.may_use
        .iter()
        .any(|may| path == *may || path.starts_with(&format!("{may}::")))
}

#[test]
fn every_room_uses_only_the_rooms_its_row_of_the_table_allows() {
    let mut breaches = Vec::new();
    for (room, file, text) in all_sources() {
        let Some(row) = TABLE.iter().find(|row| row.room == room) else {
            breaches.push(format!(
                "{}: room {room:?} has no row in tests/imports.rs",
                file.display()
            ));
            continue;
        };
        for path in own_paths(&text) {
            if !allowed(row, &path) {
                breaches.push(format!("{}: {room} may not use crate::{path}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn no_room_names_an_outside_thing_that_its_row_forbids() {
    let mut breaches = Vec::new();
    for (room, file, text) in all_sources() {
        let Some(row) = TABLE.iter().find(|row| row.room == room) else {
            continue;
        };
        for name in row.must_not_name {
            if text.contains(name) {
                breaches.push(format!("{}: {room} names {name}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn serde_yaml_is_used_in_one_module_only() {
    let users: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, _, text)| text.contains("serde_yaml::"))
        .map(|(room, ..)| room)
        .collect();
    assert!(
        users.iter().all(|room| room == "yaml"),
        "serde_yaml is used in {users:?}: go through crate::yaml"
    );
}

#[test]
fn every_module_opens_by_saying_why_it_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let silent: Vec<_> = files
        .into_iter()
        .filter(|path| !is_test(path) && !fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "without a first //! line: {silent:?}");
}

#[test]
fn the_reader_of_this_table_sees_grouped_and_nested_paths() {
    let text = "use crate::{core::{ids, money::X}, act::run};\nfn f() { crate::api::lease::g() }";
    let seen: Vec<_> = own_paths(text).into_iter().collect();
    assert_eq!(seen, ["act::run", "api::lease", "core::ids", "core::money"]);
}
