//! That the Dockerfile says what the rest of the repository says. The image itself is built and run by the end-to-end scenarios.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The lines of the Dockerfile that begin with this word, without it.
fn lines(instruction: &str) -> Vec<String> {
    let text = read("Dockerfile");
    let found = text.lines().filter_map(|line| line.strip_prefix(instruction));
    found.map(|rest| rest.trim().to_owned()).collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

#[test]
fn the_image_is_compiled_by_the_release_that_is_pinned() {
    let pinned = read("rust-toolchain.toml");
    let channel = pinned
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .unwrap()
        .trim_matches('"');
    let base = lines("ARG TOOLCHAIN=").pop().unwrap();
    let digest = base
        .strip_prefix(&format!("docker.io/library/rust:{channel}-slim-bookworm@sha256:"))
        .unwrap_or_else(|| panic!("{base} is not of {channel}, or by no digest"));
    assert!(
        digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()),
        "{digest}"
    );
}

#[test]
fn no_stage_begins_with_an_image_that_is_not_pinned() {
    let own: Vec<String> = lines("FROM ")
        .iter()
        .filter_map(|line| line.split_once(" AS "))
        .map(|(_, name)| name.to_owned())
        .collect();
    for line in lines("FROM ") {
        let from = line
            .split_whitespace()
            .find(|word| !word.starts_with("--"))
            .unwrap();
        let known = ["scratch", "$TOOLCHAIN"].contains(&from) || own.iter().any(|name| name == from);
        assert!(
            known,
            "FROM {line}: {from} is neither a stage nor the pinned toolchain"
        );
    }
}

/// An argument ends with its stage (Dockerfile reference, ARG): one that is used and not said is empty, and an empty architecture is the builder's own.
#[test]
fn a_stage_that_uses_an_argument_says_it() {
    let text = read("Dockerfile");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    assert!(stages.len() >= 5, "{}", stages.len());
    let mut used = 0;
    for stage in stages {
        let name = stage.lines().next().unwrap();
        for argument in ["TARGETARCH", "VERSION", "REVISION"] {
            let uses = |line: &str| !line.starts_with('#') && line.contains(&format!("${argument}"));
            if !stage.lines().any(uses) {
                continue;
            }
            used += 1;
            let said = stage
                .lines()
                .filter_map(|line| line.strip_prefix("ARG "))
                .any(|said| said.split('=').next() == Some(argument));
            assert!(
                said,
                "FROM {name}: ${argument} is used, and there is no ARG {argument}"
            );
        }
    }
    assert!(used >= 5, "{used}");
}

#[test]
fn nothing_of_a_base_is_in_the_image_that_the_dockerfile_does_not_name() {
    assert_eq!(lines("FROM ").last().unwrap(), "scratch");
}

#[test]
fn the_images_version_is_the_packages() {
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(lines("ARG ").contains(&version), "{version}");
}

#[test]
fn the_manifests_run_this_version_as_the_images_user_who_is_a_number() {
    let user = lines("USER ").pop().unwrap();
    let (user, group) = user.split_once(':').unwrap();
    assert_ne!(user.parse::<u32>().unwrap(), 0);
    let image = format!("image: leaseport:{}\n", env!("CARGO_PKG_VERSION"));
    for file in ["deploy/operator.yaml", "deploy/gateway.yaml"] {
        let text = read(file);
        assert!(text.contains(&image), "{file} runs another image than {image}");
        assert!(
            text.contains(&format!("runAsUser: {user}\n")),
            "{file} has another user"
        );
        assert!(
            text.contains(&format!("runAsGroup: {group}\n")),
            "{file} has another group"
        );
    }
}

/// A path in quotes that is a file of the repository outside of `src/`, as macros that embed files name it.
fn embedded(source: &Path, text: &str) -> Vec<PathBuf> {
    let beside = source.parent().unwrap();
    text.split('"')
        .filter(|word| word.contains('/') && word.contains('.') && !word.contains(char::is_whitespace))
        .flat_map(|word| [root().join(word), beside.join(word)])
        .filter(|path| path.is_file())
        .map(|path| path.canonicalize().unwrap())
        .filter(|path| !path.starts_with(root().join("src")))
        .collect()
}

#[test]
fn every_file_that_the_sources_embed_is_copied_into_the_build() {
    let copied: Vec<PathBuf> = lines("COPY ")
        .iter()
        .filter(|line| !line.starts_with("--from="))
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (_, sources) = words.split_last().unwrap();
            sources.iter().map(|word| root().join(word)).collect::<Vec<_>>()
        })
        .collect();
    let ignored = read(".dockerignore");
    for path in &copied {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(path.exists(), "{name} is copied and is not there");
        assert!(
            ignored.lines().any(|line| line == format!("!{name}")),
            "{name} is copied and .dockerignore keeps it out"
        );
    }
    let mut seen = 0;
    for source in files(&root().join("src")) {
        for file in embedded(&source, &fs::read_to_string(&source).unwrap_or_default()) {
            seen += 1;
            assert!(
                copied.iter().any(|path| file.starts_with(path)),
                "{} embeds {}, which the Dockerfile does not copy",
                source.display(),
                file.display()
            );
        }
    }
    assert!(seen >= 2, "no embedded file was found: the search is wrong");
}
