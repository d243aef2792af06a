//! Every documented combination of values, through lint, template and the schemas of Kubernetes' own kinds.

use std::collections::BTreeSet;

use leaseport_e2e::chart::{combinations, documents};

use crate::TOOLS;

/// Kinds whose schemas are not Kubernetes'.
const KINDS_OF_OTHERS: [&str; 2] = ["Certificate", "TLSRoute"];

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
            .conform(&text, &KINDS_OF_OTHERS)
            .unwrap_or_else(|error| panic!("{}: {error:#}", values.display()));
        assert!(
            said.contains("Invalid: 0, Errors: 0"),
            "{}: {said}",
            values.display()
        );
    }
}

#[test]
fn a_field_that_a_kind_does_not_have_is_found() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\nspec:\n  replica: 2\n";
    let error = TOOLS.conform(manifest, &[]).unwrap_err().to_string();
    assert!(error.contains("replica"), "{error}");
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
