//! What a person may write wrong in values, each with what helm answers. The schema refuses it before a template is read, or a template does.

use leaseport_e2e::chart::folder;

use crate::TOOLS;

/// The mistake as `--set-json`, and words of the one answer.
const MISTAKES: &[(&str, &[&str])] = &[
    // A word that is not there, at each level.
    (r#"operater={"replicas":2}"#, &["operater"]),
    (r#"operator.replica=2"#, &["operator", "replica"]),
    (r#"gateway.tls.secretName="x""#, &["gateway", "tls", "secretName"]),
    (r#"crds.keeep=true"#, &["crds", "keeep"]),
    (r#"image.name="x""#, &["image", "name"]),
    (
        r#"providerNamespaces=[{"name":"a","wallets":["x"]}]"#,
        &["providerNamespaces", "wallets"],
    ),
    (
        r#"operator.resources={"request":{"cpu":"1"}}"#,
        &["resources", "request"],
    ),
    (r#"operator.tolerations=[{"keys":"x"}]"#, &["tolerations", "keys"]),
    (
        r#"operator.affinity={"podAntiafinity":{}}"#,
        &["affinity", "podAntiafinity"],
    ),
    (
        r#"networkPolicy.metricsFrom=[{"podSelector":{"labels":{}}}]"#,
        &["metricsFrom", "labels"],
    ),
    // Secrets have no place in values.
    (r#"gateway.tls.key="-----BEGIN""#, &["gateway", "tls", "key"]),
    (r#"wallet={"privateKey":"0x01"}"#, &["wallet"]),
    // Another type.
    (r#"operator.replicas="2""#, &["operator", "replicas", "integer"]),
    (r#"crds.enabled="yes""#, &["crds", "enabled", "boolean"]),
    (
        r#"leases.denyEgress="10.0.0.0/8""#,
        &["leases", "denyEgress", "array"],
    ),
    (
        r#"imagePullSecrets=["registry"]"#,
        &["imagePullSecrets", "object"],
    ),
    (r#"commonLabels={"team":7}"#, &["commonLabels", "team", "string"]),
    // A value that cannot be.
    (r#"operator.replicas=0"#, &["operator", "replicas", "minimum"]),
    (r#"image.digest="sha256:abc""#, &["image", "digest"]),
    (r#"image.tag="a tag""#, &["image", "tag"]),
    (r#"image.pullPolicy="Sometimes""#, &["image", "pullPolicy"]),
    (r#"log.format="xml""#, &["log", "format"]),
    (r#"proxy.https="proxy:3128""#, &["proxy", "https"]),
    (r#"leases.dns="google""#, &["leases", "dns"]),
    (r#"leases.denyEgress=["10.0.0.0"]"#, &["leases", "denyEgress"]),
    (
        r#"leases.terminationGraceSeconds=-1"#,
        &["terminationGraceSeconds", "minimum"],
    ),
    (
        r#"providerNamespaces=[{"create":true}]"#,
        &["providerNamespaces", "name"],
    ),
    (
        r#"providerNamespaces=[{"name":"GPU"}]"#,
        &["providerNamespaces", "name"],
    ),
    (r#"operator.extraArgs=["debug"]"#, &["operator", "extraArgs"]),
    (
        r#"gateway.service.type="Headless""#,
        &["gateway", "service", "type"],
    ),
    (r#"gateway.service.port=70000"#, &["gateway", "service", "port"]),
    (
        r#"gateway.tls.certManager.issuerKind="CA""#,
        &["certManager", "issuerKind"],
    ),
    (r#"gateway.route.version="v2""#, &["gateway", "route", "version"]),
    (
        r#"monitoring.serviceMonitor.interval="30""#,
        &["monitoring", "serviceMonitor", "interval"],
    ),
    (
        r#"monitoring.serviceMonitors=true"#,
        &["monitoring", "serviceMonitors"],
    ),
    // Values that need each other.
    (r#"gateway={"enabled":true}"#, &["gateway.provider.name is empty"]),
    (
        r#"gateway={"enabled":true,"provider":{"name":"main"}}"#,
        &["gateway.provider.namespace is empty"],
    ),
    (r#"gateway.ingress.enabled=true"#, &["gateway.enabled = false"]),
    (
        r#"gateway={"enabled":true,"provider":{"name":"main","namespace":"a"},"service":{"nodePort":30443}}"#,
        &["gateway.service.nodePort = 30443", "NodePort or LoadBalancer"],
    ),
    (
        r#"gateway={"enabled":true,"provider":{"name":"main","namespace":"a"},"tls":{"certManager":{"enabled":true}}}"#,
        &["gateway.tls.certManager.issuer is empty"],
    ),
    (
        r#"gateway={"enabled":true,"provider":{"name":"main","namespace":"a"},"route":{"enabled":true}}"#,
        &["gateway.route.parentRefs is empty"],
    ),
    (
        r#"gateway={"enabled":true,"provider":{"name":"main","namespace":"a"},"ingress":{"enabled":true}}"#,
        &["gateway.ingress.host is empty"],
    ),
    (
        r#"monitoring={"services":false,"serviceMonitor":{"enabled":true}}"#,
        &["monitoring.services = false", "nothing to scrape"],
    ),
    (
        r#"extraCA={"configMap":"a","secret":"b"}"#,
        &["set one of the two"],
    ),
    (
        r#"providerNamespaces=[{"name":"a"},{"name":"a"}]"#,
        &[r#""a" is listed twice"#],
    ),
    (
        r#"providerNamespaces=[{"name":"leaseport-system"}]"#,
        &["is the release's own namespace"],
    ),
];

#[test]
fn every_mistake_in_values_is_refused_and_named() {
    let values = folder().join("ci/defaults-values.yaml");
    for helm in TOOLS.helms() {
        for (mistake, words) in MISTAKES {
            let said = match helm.template(&values, &["--set-json", mistake]) {
                Ok(_) => panic!("{} takes {mistake}", helm.name),
                Err(error) => format!("{error:#}"),
            };
            // The command line is part of the message; what helm said comes after it.
            let said = said.split(" ended with ").last().unwrap_or_default();
            for word in *words {
                assert!(
                    said.contains(word),
                    "{} {mistake}: no {word:?} in {said}",
                    helm.name
                );
            }
        }
    }
}
