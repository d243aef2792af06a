//! deploy/ is what the chart renders with `ci/manifests-values.yaml`, less what only Helm reads. `make manifests` writes it.

use std::collections::BTreeSet;
use std::fs;

use leaseport_e2e::chart::{documents, folder, repository};

use crate::TOOLS;

/// Each file of deploy/ with the templates it is made of.
const FILES: [(&str, &[&str]); 15] = [
    ("priority-classes.yaml", &["priority-classes.yaml"]),
    ("rbac-operator.yaml", &["operator/rights.yaml"]),
    ("rbac-gateway.yaml", &["gateway/rights.yaml"]),
    ("rbac-lease.yaml", &["lease-rights.yaml"]),
    (
        "admission.yaml",
        &["admission-namespaces.yaml", "admission-bindings.yaml"],
    ),
    ("network.yaml", &["network.yaml"]),
    (
        "operator.yaml",
        &["operator/deployment.yaml", "operator/disruption.yaml"],
    ),
    (
        "gateway.yaml",
        &[
            "gateway/deployment.yaml",
            "gateway/service.yaml",
            "gateway/disruption.yaml",
        ],
    ),
    ("provider/holds.yaml", &["provider/holds.yaml"]),
    ("provider/evidence.yaml", &["provider/evidence.yaml"]),
    ("provider/wallets.yaml", &["provider/wallets.yaml"]),
    ("observability/services.yaml", &["monitoring/services.yaml"]),
    (
        "observability/service-monitor.yaml",
        &["monitoring/service-monitor.yaml"],
    ),
    ("observability/prometheus-rules.yaml", &["monitoring/rules.yaml"]),
    ("observability/dashboards.yaml", &["monitoring/dashboards.yaml"]),
];

/// What a release has and deploy/ has not: definitions are in crds/, namespaces are written by hand (the release's own is Helm's to make), the
/// guard is for `helm uninstall`, the check for `helm test`, and the operator makes its lock itself.
const OF_RELEASES: [&str; 5] = [
    "crds.yaml",
    "provider/namespace.yaml",
    "uninstall-guard.yaml",
    "operator/lock.yaml",
    "tests/check.yaml",
];

/// Labels by which Helm and its tools find what is theirs.
const OF_HELM: [&str; 4] = [
    "helm.sh/chart: ",
    "app.kubernetes.io/instance: ",
    "app.kubernetes.io/version: ",
    "app.kubernetes.io/managed-by: Helm",
];

fn plain(document: &str) -> String {
    document
        .lines()
        .filter(|line| !OF_HELM.iter().any(|word| line.trim_start().starts_with(word)))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    let rendered = TOOLS
        .helm
        .template(&folder().join("ci/manifests-values.yaml"), &[])
        .unwrap();
    let rendered = documents(&rendered);
    let used: BTreeSet<&str> = FILES
        .iter()
        .flat_map(|(_, templates)| templates.iter().copied())
        .chain(OF_RELEASES)
        .collect();
    let made: BTreeSet<&str> = rendered.iter().map(|(source, _)| source.as_str()).collect();
    assert_eq!(made, used);

    let write = std::env::var_os("LEASEPORT_WRITE").is_some();
    for (name, templates) in FILES {
        let text: Vec<String> = templates
            .iter()
            .flat_map(|template| rendered.iter().filter(move |(source, _)| source == template))
            .map(|(_, document)| plain(document))
            .collect();
        let text = text.join("---\n");
        let path = repository().join("deploy").join(name);
        if write {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "deploy/{name} is not what charts/leaseport renders: change the template, then `make manifests`"
        );
    }
}
