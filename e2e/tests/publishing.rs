//! What a release publishes besides the image, made here from the sources as .github/workflows/release.yml makes it, and held against the tools that
//! will read it. Nothing leaves this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use leaseport_e2e::chart::repository;
use leaseport_e2e::prepare::{self, Need, Tools};
use leaseport_e2e::progress::Progress;
use serde_json::Value;

const HOME: &str = "https://github.com/example/leaseport";

static TOOLS: LazyLock<Tools> = LazyLock::new(|| {
    let needs = BTreeSet::from([Need::Publishing, Need::Helm]);
    prepare::prepare(&prepare::cache_folder(), &needs, Progress::lines()).unwrap()
});

/// What a program of the repository or of the tools prints.
fn said(command: &mut Command) -> String {
    let output = command.current_dir(repository()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    told
}

fn script(name: &str) -> Command {
    Command::new(repository().join("release").join(name))
}

/// The binaries as the release has them before they are packed; what is in them does not matter to who packs them.
fn binaries(folder: &Path) {
    for arch in ["amd64", "arm64"] {
        let at = folder.join(format!("linux_{arch}"));
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("leaseport"), format!("#!/bin/sh\necho for {arch}\n")).unwrap();
    }
}

fn workflows() -> Vec<(String, String)> {
    let folder = repository().join(".github/workflows");
    let mut found: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn the_workflows_are_what_github_would_take() {
    let mut actionlint = Command::new(TOOLS.program("actionlint").unwrap());
    // Neither of its companions is pinned here: whatever this machine has of them is not asked.
    actionlint.args(["-shellcheck=", "-pyflakes=", "-no-color"]);
    for (path, _) in workflows() {
        actionlint.arg(path);
    }
    assert_eq!(said(&mut actionlint), "");
}

#[test]
fn every_action_is_named_by_a_commit_and_says_which_version_that_is() {
    let mut seen = 0;
    for (path, text) in workflows() {
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let (_, action) = line.split_once("uses: ").unwrap();
            let (name, rest) = action.split_once('@').unwrap();
            let (commit, version) = rest.split_once(" # v").unwrap_or_default();
            assert!(
                commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()) && !version.is_empty(),
                "{path}: {name}@{rest}"
            );
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} actions: the search is wrong");
}

#[test]
fn a_job_has_the_rights_it_names_and_no_others() {
    for (path, text) in workflows() {
        assert!(
            text.contains("\npermissions: {}\n"),
            "{path}: rights for all jobs"
        );
        let jobs = text.matches("    runs-on: ").count();
        assert_eq!(text.matches("    permissions:\n").count(), jobs, "{path}");
        assert!(!text.contains("pull_request_target"), "{path}");
    }
}

#[test]
fn krew_takes_the_manifest_and_its_sums_are_those_of_the_archives() {
    let folder = tempfile::tempdir().unwrap();
    binaries(folder.path());
    said(script("krew.sh").arg(HOME).arg(folder.path()));
    let manifest = folder.path().join("leaseport.yaml");
    said(
        Command::new(TOOLS.program("validate-krew-manifest").unwrap())
            .arg("-skip-install")
            .arg("-manifest")
            .arg(&manifest),
    );

    let text = fs::read_to_string(&manifest).unwrap();
    for left in ["VERSION", "REPOSITORY", "SUM_"] {
        assert!(!text.contains(left), "{left} is not filled in:\n{text}");
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut platforms = 0;
    for pair in words.windows(4).filter(|pair| pair[0] == "uri:") {
        let archive = folder.path().join(pair[1].rsplit('/').next().unwrap());
        let sum = said(Command::new("sha256sum").arg(&archive));
        assert_eq!(sum.split_whitespace().next(), Some(pair[3]), "{}", pair[1]);
        let listed = said(
            Command::new("tar")
                .arg("--list")
                .arg("--gzip")
                .arg("--file")
                .arg(archive),
        );
        assert_eq!(listed, "LICENSE\nkubectl-leaseport\n");
        platforms += 1;
    }
    assert_eq!(platforms, 2);
}

#[test]
fn krew_installs_from_the_archive_what_runs_as_a_plugin() {
    let folder = tempfile::tempdir().unwrap();
    binaries(folder.path());
    said(script("krew.sh").arg(HOME).arg(folder.path()));
    let archive = format!(
        "kubectl-leaseport-{}-linux-arm64.tar.gz",
        env!("CARGO_PKG_VERSION")
    );
    said(
        Command::new(TOOLS.program("krew").unwrap())
            .arg("install")
            .arg(format!(
                "--manifest={}",
                folder.path().join("leaseport.yaml").display()
            ))
            .arg(format!("--archive={}", folder.path().join(archive).display()))
            .envs([("KREW_OS", "linux"), ("KREW_ARCH", "arm64")])
            .env("KREW_ROOT", folder.path().join("krew")),
    );
    let plugin = folder.path().join("krew/bin/kubectl-leaseport");
    assert_eq!(said(&mut Command::new(plugin)), "for arm64\n");
}

#[test]
fn the_same_binaries_give_the_same_archives() {
    let sums = || {
        let folder = tempfile::tempdir().unwrap();
        binaries(folder.path());
        said(script("krew.sh").arg(HOME).arg(folder.path()));
        fs::read_to_string(folder.path().join("leaseport.yaml")).unwrap()
    };
    assert_eq!(sums(), sums());
}

#[test]
fn a_published_chart_runs_the_published_image_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let digest = format!("sha256:{}", "5".repeat(64));
    let helm = TOOLS.program("helm").unwrap();
    let packed = said(
        script("chart.sh")
            .args([HOME, "ghcr.io/example/leaseport", &digest])
            .arg(folder.path())
            .env("HELM", helm)
            .env("HELM_CACHE_HOME", folder.path())
            .env("HELM_CONFIG_HOME", folder.path())
            .env("HELM_DATA_HOME", folder.path()),
    );
    // The script itself renders the chart and looks which image it runs; what Artifact Hub reads is looked at here.
    let shown = said(Command::new(helm).args(["show", "chart", packed.trim()]));
    for line in [
        format!("home: {HOME}"),
        format!(
            "      image: ghcr.io/example/leaseport:{}@{digest}",
            env!("CARGO_PKG_VERSION")
        ),
    ] {
        assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
    }
    said(Command::new(helm).args(["lint", "--strict", packed.trim()]));
}

#[test]
fn a_tag_that_the_sources_do_not_name_is_not_released() {
    let version = env!("CARGO_PKG_VERSION");
    let notes = said(script("notes.sh").arg(format!("v{version}")));
    assert!(notes.contains("### "), "{notes}");
    let refused = script("notes.sh").arg("v999.0.0").output().unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains(version) && told.contains("999.0.0"), "{told}");
}

/// Name and version of what cargo links into the binary, ours aside.
fn linked(target: &str) -> BTreeSet<(String, String)> {
    let listed = said(Command::new("cargo").args([
        "tree",
        "--locked",
        "--package=leaseport",
        "--edges=normal,no-proc-macro",
        "--target",
        target,
        "--prefix=none",
    ]));
    listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((
                words.next()?.to_owned(),
                words.next()?.trim_start_matches('v').to_owned(),
            ))
        })
        .filter(|(name, _)| name != "leaseport")
        .collect()
}

#[test]
fn the_bill_of_materials_lists_what_is_linked_with_licences_and_is_the_same_each_time() {
    for (arch, target) in [
        ("amd64", "x86_64-unknown-linux-gnu"),
        ("arm64", "aarch64-unknown-linux-gnu"),
    ] {
        let text = said(script("sbom.sh").arg(arch));
        assert!(
            text == said(script("sbom.sh").arg(arch)),
            "{arch}: twice, and not the same"
        );
        assert!(
            !text.contains(&repository().display().to_string()) && !text.contains("file://"),
            "{arch}: a folder of this machine is in it"
        );
        let bill: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bill["bomFormat"], "CycloneDX");
        assert_eq!(
            bill["metadata"]["component"]["version"],
            env!("CARGO_PKG_VERSION")
        );
        let mut listed = BTreeSet::new();
        for component in bill["components"].as_array().unwrap() {
            let text = |key: &str| component[key].as_str().unwrap().to_owned();
            assert!(component["licenses"][0].is_object(), "{component}");
            assert_eq!(component["hashes"][0]["alg"], "SHA-256", "{component}");
            assert!(text("purl").starts_with("pkg:cargo/"), "{component}");
            listed.insert((text("name"), text("version")));
        }
        assert_eq!(listed, linked(target), "{arch}");
        // Test tools bring this in by their features; the binary has never had it.
        assert!(
            !listed
                .iter()
                .any(|(name, _)| name == "proptest" || name == "revm")
        );
    }
}
