//! docs/airgap.md names every image that a cluster must have: those the chart renders, and what the operator itself asks for. `make manifests`
//! writes the list.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use leaseport_e2e::chart::{documents, folder, repository};

use crate::TOOLS;

const FROM: &str = "<!-- images: from here, made by `make manifests` -->\n";
const TO: &str = "<!-- images: to here -->\n";

/// Images with the templates that name them, of a release with everything of our own that runs.
fn rendered() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let values = folder().join("ci/manifests-values.yaml");
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (source, text) in documents(&TOOLS.helm.template(&values, &[])?) {
        let images = text.lines().filter_map(|line| {
            let line = line.trim().trim_start_matches("- ");
            line.strip_prefix("image: ")
        });
        for image in images {
            let image = image.trim_matches('"').to_owned();
            found.entry(image).or_default().insert(source.clone());
        }
    }
    Ok(found)
}

/// What the placeholder pods run where no value names another, read where the operator's flag is declared.
fn pause() -> Result<String> {
    let flags =
        fs::read_to_string(repository().join("src/cli/operator.rs")).context("src/cli/operator.rs")?;
    let (_, rest) = flags
        .split_once("LEASEPORT_PAUSE_IMAGE")
        .context("no flag for the pause image")?;
    let default = rest
        .split_once("default_value = \"")
        .and_then(|(_, rest)| rest.split('"').next());
    Ok(default.context("the flag has no default")?.to_owned())
}

#[test]
fn the_images_on_the_page_about_air_gaps_are_those_of_the_manifests() {
    let rows = rendered().unwrap().into_iter().map(|(image, sources)| {
        let sources: Vec<String> = sources.into_iter().map(|source| format!("`{source}`")).collect();
        format!(
            "| `{image}` | {} | `image.registry`, `image.repository`, `image.tag` or `image.digest` |\n",
            sources.join(", ")
        )
    });
    let rows: String = rows.collect();
    let pause = pause().unwrap();
    let wanted = format!(
        "| image | named by | value |\n|---|---|---|\n{rows}| `{pause}` | the operator, for placeholder pods | `leases.pauseImage` |\n"
    );
    let path = repository().join("docs/airgap.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(FROM).unwrap();
    let (table, after) = rest.split_once(TO).unwrap();
    if std::env::var_os("LEASEPORT_WRITE").is_some() {
        fs::write(&path, format!("{before}{FROM}{wanted}{TO}{after}")).unwrap();
    } else {
        assert!(table == wanted, "docs/airgap.md is old: run `make manifests`");
    }
    // What the page tells people to carry over is what it lists.
    for image in wanted.lines().skip(2).filter_map(|row| row.split('`').nth(1)) {
        let name = image.rsplit('/').next().unwrap();
        assert!(
            after.contains(image) && after.contains(name),
            "docs/airgap.md carries no {image}"
        );
    }
}
