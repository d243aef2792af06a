//! Every documented combination of values, through lint, template and the schemas of Kubernetes' own kinds.

use std::collections::BTreeSet;

use leaseport_e2e::chart::{combinations, documents};
use serde_json::Value;

use crate::TOOLS;

#[test]
fn every_combination_of_values_passes_lint_strictly_with_both_helms() {
    for helm in TOOLS.helms() {
        for values in combinations().unwrap() {
            let said = helm.lint(&values).unwrap_or_else(|error| {
                panic!("{} lint with {}: {error:#}", helm.name, values.display());
            });
            assert!(
                said.contains("1 chart(s) linted, 0 chart(s) failed"),
                "{}: {said}",
                helm.name
            );
        }
    }
}

#[test]
fn every_combination_of_values_gives_objects_that_the_api_knows_field_by_field() {
    for values in combinations().unwrap() {
        let text = TOOLS.helm.template(&values, &[]).unwrap();
        let said = TOOLS
            .conform(&text)
            .unwrap_or_else(|error| panic!("{}: {error:#}", values.display()));
        assert!(
            said.contains("Invalid: 0, Errors: 0, Skipped: 0"),
            "{}: {said}",
            values.display()
        );
    }
}

#[test]
fn a_field_that_a_kind_does_not_have_is_found() {
    for (kind, spec, field) in [
        ("apps/v1\nkind: Deployment", "replica: 2", "replica"),
        ("cert-manager.io/v1\nkind: Certificate", "dnsName: x", "dnsName"),
        (
            "gateway.networking.k8s.io/v1alpha3\nkind: TLSRoute",
            "hostNames: [x]",
            "hostNames",
        ),
        (
            "monitoring.coreos.com/v1\nkind: ServiceMonitor",
            "endpoint: []",
            "endpoint",
        ),
        (
            "monitoring.coreos.com/v1\nkind: PrometheusRule",
            "groups: [{name: x, rules: [{expression: up}]}]",
            "expression",
        ),
    ] {
        let manifest = format!("apiVersion: {kind}\nmetadata:\n  name: x\nspec:\n  {spec}\n");
        let error = TOOLS.conform(&manifest).unwrap_err().to_string();
        assert!(error.contains(field), "{kind}: {error}");
    }
}

/// Every value that takes one of a few words, with each of them, as `--set-json` says it.
fn choices(path: &str, schema: &Value, found: &mut Vec<String>) {
    if schema["type"] == "boolean" {
        found.extend([true, false].map(|word| format!("{path}={word}")));
    }
    for word in schema["enum"].as_array().into_iter().flatten() {
        found.push(format!("{path}={word}"));
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        choices(&below, schema, found);
    }
}

#[test]
fn each_word_that_a_value_may_be_gives_valid_objects_or_a_reason_against_it() {
    let schema = std::fs::read_to_string(leaseport_e2e::chart::folder().join("values.schema.json")).unwrap();
    let mut choices_there = Vec::new();
    choices("", &serde_json::from_str(&schema).unwrap(), &mut choices_there);
    assert!(choices_there.len() >= 40, "{choices_there:?}");
    let values = leaseport_e2e::chart::folder().join("ci/everything-values.yaml");
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for choice in &choices_there {
        match TOOLS.helm.template(&values, &["--set-json", choice]) {
            // Definitions are large, checked with every file of values, and not what a choice is about.
            Ok(text) => all.extend(
                documents(&text)
                    .into_iter()
                    .filter(|(source, _)| source != "crds.yaml")
                    .map(|(_, document)| format!("# {choice}\n{document}")),
            ),
            Err(error) => refused.push((choice.as_str(), format!("{error:#}"))),
        }
    }
    let said = TOOLS.conform(&all.join("---\n")).unwrap();
    assert!(said.contains("Invalid: 0, Errors: 0, Skipped: 0"), "{said}");
    // With everything on, these alone contradict the rest, and say so.
    let reasons = [
        ("gateway.enabled=false", "enable the gateway, or none of them"),
        (
            r#"gateway.service.type="ClusterIP""#,
            "set the type to NodePort or LoadBalancer",
        ),
        (
            r#"gateway.route.version="""#,
            "name the version in gateway.route.version",
        ),
        ("monitoring.services=false", "set monitoring.services to true"),
    ];
    for (choice, said) in &refused {
        let reason = reasons.iter().find(|(known, _)| known == choice);
        assert!(
            reason.is_some_and(|(_, words)| said.contains(words)),
            "{choice}: {said}"
        );
    }
    assert_eq!(refused.len(), reasons.len());
}

#[test]
fn both_helms_render_the_same_objects() {
    for values in combinations().unwrap() {
        let [four, three] = TOOLS.helms().map(|helm| {
            documents(&helm.template(&values, &[]).unwrap())
                .into_iter()
                .collect::<BTreeSet<_>>()
        });
        assert!(four == three, "{}", values.display());
    }
}

#[test]
fn definitions_stay_when_the_release_leaves_unless_the_admin_says_otherwise() {
    let kept = |name: &str| {
        let values = leaseport_e2e::chart::folder().join(format!("ci/{name}-values.yaml"));
        let rendered = TOOLS.helm.template(&values, &[]).unwrap();
        let definitions: Vec<_> = documents(&rendered)
            .into_iter()
            .filter(|(source, _)| source == "crds.yaml")
            .collect();
        let kept = definitions
            .iter()
            .filter(|(_, text)| text.contains("\n    helm.sh/resource-policy: keep\n"));
        (definitions.len(), kept.count())
    };
    assert_eq!(kept("defaults"), (7, 7));
    assert_eq!(kept("losing"), (7, 0));
    assert_eq!(kept("bare"), (0, 0));
}

#[test]
fn an_image_is_named_by_registry_repository_and_digest_or_tag() {
    let image = |name: &str, more: &[&str]| {
        let values = leaseport_e2e::chart::folder().join(format!("ci/{name}-values.yaml"));
        let rendered = TOOLS.helm.template(&values, more).unwrap();
        let line = rendered
            .lines()
            .find_map(|line| line.trim().strip_prefix("image: "));
        line.unwrap().to_owned()
    };
    assert_eq!(image("defaults", &[]), "leaseport:0.1.0");
    assert_eq!(
        image("defaults", &["--set", "image.registry=r.example.com,image.tag=x"]),
        "r.example.com/leaseport:x"
    );
    assert_eq!(
        image("registry", &[]),
        "registry.example.com:5000/gpu/leaseport@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    );
}

#[test]
fn a_route_takes_the_newest_version_that_the_cluster_serves() {
    let values = leaseport_e2e::chart::folder().join("ci/gateway-values.yaml");
    let rendered = |more: &[&str]| TOOLS.helm.template(&values, more);
    let asked = ["--set", "gateway.route.version="];
    let none = rendered(&asked).unwrap_err().to_string();
    assert!(none.contains("this cluster serves no TLSRoute"), "{none}");
    let served = |versions: &[&str]| {
        let names: Vec<String> = versions
            .iter()
            .map(|version| format!("--api-versions=gateway.networking.k8s.io/{version}/TLSRoute"))
            .collect();
        let more: Vec<&str> = asked
            .into_iter()
            .chain(names.iter().map(String::as_str))
            .collect();
        rendered(&more).unwrap()
    };
    assert!(served(&["v1alpha2", "v1alpha3"]).contains("apiVersion: gateway.networking.k8s.io/v1alpha3\n"));
    assert!(served(&["v1alpha3", "v1"]).contains("apiVersion: gateway.networking.k8s.io/v1\n"));
}

#[test]
fn a_kind_that_the_cluster_does_not_serve_is_refused_by_the_value_that_asks_for_it() {
    let cluster = "--api-versions=apps/v1/Deployment";
    for (name, value, kind) in [
        (
            "monitoring",
            "monitoring.serviceMonitor.enabled",
            "monitoring.coreos.com/v1/ServiceMonitor",
        ),
        (
            "monitoring",
            "monitoring.rules.enabled",
            "monitoring.coreos.com/v1/PrometheusRule",
        ),
        (
            "gateway",
            "gateway.tls.certManager.enabled",
            "cert-manager.io/v1/Certificate",
        ),
    ] {
        let values = leaseport_e2e::chart::folder().join(format!("ci/{name}-values.yaml"));
        let others = [
            "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
            "--api-versions=monitoring.coreos.com/v1/PrometheusRule",
            "--api-versions=cert-manager.io/v1/Certificate",
        ];
        let others: Vec<&str> = others
            .into_iter()
            .filter(|other| !other.ends_with(kind))
            .collect();
        for helm in TOOLS.helms() {
            let said = helm
                .template(&values, &[&[cluster], others.as_slice()].concat())
                .unwrap_err()
                .to_string();
            assert!(
                said.contains(&format!("{value} = true and this cluster serves no {kind}")),
                "{said}"
            );
            // Without a cluster nobody knows what it serves.
            helm.template(&values, &[]).unwrap();
        }
    }
}

#[test]
fn a_runbooks_address_begins_where_the_admin_says() {
    let values = leaseport_e2e::chart::folder().join("ci/monitoring-values.yaml");
    let rendered = TOOLS.helm.template(&values, &[]).unwrap();
    let addresses: Vec<&str> = rendered
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url: "))
        .collect();
    assert!(addresses.len() >= 13, "{addresses:?}");
    for address in addresses {
        assert!(
            address.starts_with("https://runbooks.example.com/leaseport/Leaseport"),
            "{address}"
        );
    }
}
