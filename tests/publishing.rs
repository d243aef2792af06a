//! What Artifact Hub and krew will show of us agrees with the sources. That the tools themselves take it is tested in e2e.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use leaseport::{api, yaml};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// An annotation of the chart for Artifact Hub, read as the YAML that most of them are.
fn annotation(name: &str) -> Value {
    let chart: Value = yaml::from_str(&read("charts/leaseport/Chart.yaml")).unwrap();
    let text = chart["annotations"][format!("artifacthub.io/{name}")]
        .as_str()
        .unwrap_or_else(|| panic!("Chart.yaml has no artifacthub.io/{name}"))
        .to_owned();
    yaml::from_str(&text).unwrap_or_else(|error| panic!("artifacthub.io/{name}: {error}"))
}

/// The definitions by name: kind and served version.
fn definitions() -> BTreeMap<String, (String, String)> {
    let files = fs::read_dir(root().join("crds")).unwrap();
    files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .map(|text| yaml::from_str::<Value>(&text).unwrap())
        .map(|definition| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let spec = &definition["spec"];
            (
                text(&definition["metadata"]["name"]),
                (text(&spec["names"]["kind"]), text(&spec["versions"][0]["name"])),
            )
        })
        .collect()
}

#[test]
fn artifact_hub_is_told_of_each_definition_once() {
    let mut told = BTreeMap::new();
    for one in annotation("crds").as_array().unwrap() {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        assert!(
            text("displayName").len() > 5 && text("description").len() > 20,
            "{one}"
        );
        let before = told.insert(text("name"), (text("kind"), text("version")));
        assert!(before.is_none(), "{one}");
    }
    assert_eq!(told, definitions());
}

#[test]
fn artifact_hubs_examples_are_objects_that_the_operator_reads() {
    let examples = annotation("crdsExamples");
    let mut kinds = Vec::new();
    for example in examples.as_array().unwrap() {
        assert_eq!(example["apiVersion"], "leaseport.dev/v1alpha1");
        let one = example.clone();
        let kind = one["kind"].as_str().unwrap().to_owned();
        let read = match kind.as_str() {
            "ComputeMarket" => {
                serde_json::from_value::<api::ComputeMarket>(one).map(|o| serde_json::to_value(o.spec))
            }
            "ComputeProvider" => {
                serde_json::from_value::<api::ComputeProvider>(one).map(|o| serde_json::to_value(o.spec))
            }
            "ComputeWallet" => {
                serde_json::from_value::<api::ComputeWallet>(one).map(|o| serde_json::to_value(o.spec))
            }
            "ComputeOffer" => {
                serde_json::from_value::<api::ComputeOffer>(one).map(|o| serde_json::to_value(o.spec))
            }
            other => panic!("an example of {other}, which nobody writes by hand"),
        };
        let read = read.unwrap_or_else(|error| panic!("{kind}: {error}")).unwrap();
        // What the operator reads of it has every field that the example has: none is misspelt.
        for field in example["spec"].as_object().unwrap().keys() {
            assert!(!read[field].is_null(), "{kind}.spec.{field} is not read");
        }
        kinds.push(kind);
    }
    assert_eq!(
        kinds,
        [
            "ComputeMarket",
            "ComputeProvider",
            "ComputeWallet",
            "ComputeOffer"
        ]
    );
}

#[test]
fn what_is_told_besides_is_in_artifact_hubs_words() {
    let chart: Value = yaml::from_str(&read("charts/leaseport/Chart.yaml")).unwrap();
    let of = |name: &str| chart["annotations"][format!("artifacthub.io/{name}")].clone();
    assert_eq!(of("license"), "Apache-2.0");
    assert_eq!(of("operator"), "true");
    let levels = [
        "Basic Install",
        "Seamless Upgrades",
        "Full Lifecycle",
        "Deep Insights",
        "Auto Pilot",
    ];
    assert!(levels.iter().any(|level| of("operatorCapabilities") == *level));
    let categories = [
        "ai-machine-learning",
        "database",
        "integration-delivery",
        "monitoring-logging",
        "networking",
        "security",
        "storage",
        "streaming-messaging",
    ];
    assert!(categories.iter().any(|category| of("category") == *category));
    assert_eq!(
        of("prerelease") == "true",
        env!("CARGO_PKG_VERSION").starts_with("0.")
    );
    let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
    for change in annotation("changes").as_array().unwrap() {
        assert!(kinds.iter().any(|kind| change["kind"] == *kind), "{change}");
        assert!(change["description"].as_str().unwrap().len() > 20, "{change}");
    }
}

#[test]
fn a_published_chart_can_append_to_the_annotations() {
    let text = read("charts/leaseport/Chart.yaml");
    let (_, after) = text.split_once("\nannotations:\n").unwrap();
    assert!(
        after.lines().all(|line| line.starts_with("  ")),
        "annotations are last"
    );
}

#[test]
fn the_changelog_has_a_section_of_this_version() {
    let text = read("CHANGELOG.md");
    let title = format!("\n## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&title), "{title}");
    let words = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    for line in text.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(
            words.contains(&line),
            "{line} is none of Keep a Changelog's words"
        );
    }
}
