//! Which of the projects that many clusters have is in this one, and what that means for Leaseport. It is told and never judged: no neighbour is
//! needed, and none makes the check fail. Reads what the API server serves, which every account may, and no object; docs/beside.md says more.

use kube::{Client, core::GroupVersionKind, discovery::Discovery};

use super::{Finding, Verdict, answered};

/// A project that a cluster may have.
struct Neighbour {
    name: &'static str,
    /// It is here where one of these is served: API group and kind, any kind where it is empty.
    signs: &'static [(&'static str, &'static str)],
    /// Kinds of its that the chart makes objects of.
    uses: &'static [Use],
    /// What follows from its being here.
    means: &'static str,
}

/// A kind that a value of the chart asks for.
struct Use {
    group: &'static str,
    kind: &'static str,
    /// Versions that the chart can write.
    versions: &'static [&'static str],
    value: &'static str,
}

const POLICIES: &str = "what it denies is told as DeniedByPolicy in its words; exempt by the labels leaseport.dev/lease (namespaces of leases), \
                        app.kubernetes.io/managed-by=leaseport (placeholder pods), app.kubernetes.io/name=leaseport (our own pods)";

const NEIGHBOURS: [Neighbour; 7] = [
    Neighbour {
        name: "GPU Operator",
        signs: &[("nvidia.com", "ClusterPolicy")],
        uses: &[],
        means: "an offer selects nodes by its labels (nvidia.com/gpu.product) and names its resource in device.resourceName; nothing of it is \
                configured",
    },
    Neighbour {
        name: "Kueue",
        signs: &[("kueue.x-k8s.io", "")],
        uses: &[],
        means: "workloads of leases have no queue name: with manageJobsWithoutQueueName, leave out namespaces labelled leaseport.dev/lease and the \
                provider's in managedJobsNamespaceSelector",
    },
    Neighbour {
        name: "cert-manager",
        signs: &[("cert-manager.io", "")],
        uses: &[Use {
            group: "cert-manager.io",
            kind: "Certificate",
            versions: &["v1"],
            value: "gateway.tls.certManager",
        }],
        means: "it can make the gateway's certificate; the key stays the same at renewal, since the pin on chain is the key's",
    },
    Neighbour {
        name: "Gateway API",
        signs: &[("gateway.networking.k8s.io", "")],
        uses: &[Use {
            group: "gateway.networking.k8s.io",
            kind: "TLSRoute",
            versions: &["v1", "v1alpha3", "v1alpha2"],
            value: "gateway.route",
        }],
        means: "a Gateway of yours that passes TLS through can lead to ours",
    },
    Neighbour {
        name: "Prometheus Operator",
        signs: &[("monitoring.coreos.com", "")],
        uses: &[
            Use {
                group: "monitoring.coreos.com",
                kind: "ServiceMonitor",
                versions: &["v1"],
                value: "monitoring.serviceMonitor",
            },
            Use {
                group: "monitoring.coreos.com",
                kind: "PrometheusRule",
                versions: &["v1"],
                value: "monitoring.rules",
            },
        ],
        means: "it can scrape metrics and judge alerts",
    },
    Neighbour {
        name: "Kyverno",
        signs: &[("kyverno.io", ""), ("policies.kyverno.io", "")],
        uses: &[],
        means: POLICIES,
    },
    Neighbour {
        name: "Gatekeeper",
        signs: &[("templates.gatekeeper.sh", ""), ("constraints.gatekeeper.sh", "")],
        uses: &[],
        means: POLICIES,
    },
];

/// Asks the API server what it serves. An answer that does not come leaves it open who is there.
pub(super) async fn look(client: &Client) -> Vec<Finding> {
    let signs = NEIGHBOURS.iter().flat_map(|neighbour| neighbour.signs);
    let groups: Vec<&str> = signs.map(|(group, _)| *group).collect();
    let discovery = Discovery::new(client.clone()).filter(&groups);
    match answered(discovery.run_aggregated()).await {
        Ok(discovery) => tell(&kinds(&discovery)),
        Err(why) => vec![Finding {
            what: "beside".to_owned(),
            verdict: Verdict::Open,
            found: format!("not known: {why}"),
            remedy: "let this account ask what is served (system:discovery); nothing depends on it"
                .to_owned(),
        }],
    }
}

fn kinds(discovery: &Discovery) -> Vec<GroupVersionKind> {
    let mut all = Vec::new();
    for group in discovery.groups() {
        for version in group.versions() {
            for (resource, _) in group.versioned_resources(version) {
                all.push(GroupVersionKind::gvk(group.name(), version, &resource.kind));
            }
        }
    }
    all
}

/// What to say of a cluster that serves these kinds.
fn tell(served: &[GroupVersionKind]) -> Vec<Finding> {
    let found: Vec<Finding> = NEIGHBOURS
        .iter()
        .filter(|neighbour| neighbour.is_in(served))
        .map(|neighbour| neighbour.told(served))
        .collect();
    if !found.is_empty() {
        return found;
    }
    let names: Vec<&str> = NEIGHBOURS.iter().map(|neighbour| neighbour.name).collect();
    vec![info(
        "beside",
        format!("none of {} found; all are optional", names.join(", ")),
        "",
    )]
}

impl Neighbour {
    fn is_in(&self, served: &[GroupVersionKind]) -> bool {
        served.iter().any(|one| {
            self.signs
                .iter()
                .any(|(group, kind)| one.group == *group && (kind.is_empty() || one.kind == *kind))
        })
    }

    fn told(&self, served: &[GroupVersionKind]) -> Finding {
        let what = format!("beside: {}", self.name);
        let Some((lacking, found)) = self.kinds(served) else {
            return info(what, "found", self.means);
        };
        let can: Vec<&str> = self
            .uses
            .iter()
            .map(|one| one.value)
            .filter(|value| !lacking.contains(value))
            .collect();
        let mut means = Vec::new();
        if !can.is_empty() {
            means.push(format!("{}: {}", can.join(", "), self.means));
        }
        if !lacking.is_empty() {
            means.push(format!(
                "leave {} off until its definitions are installed",
                lacking.join(", ")
            ));
        }
        info(what, found, means.join("; "))
    }

    /// The values that ask for what is not served, and which versions of each kind are; none where the chart uses no kind.
    fn kinds(&self, served: &[GroupVersionKind]) -> Option<(Vec<&'static str>, String)> {
        if self.uses.is_empty() {
            return None;
        }
        let mut lacking = Vec::new();
        let mut said = Vec::new();
        for one in self.uses {
            let versions: Vec<&str> = one
                .versions
                .iter()
                .copied()
                .filter(|version| served.contains(&GroupVersionKind::gvk(one.group, version, one.kind)))
                .collect();
            if versions.is_empty() {
                lacking.push(one.value);
                said.push(format!("no {} ({})", one.kind, one.versions.join(", ")));
            } else {
                said.push(format!("{} {}", one.kind, versions.join(", ")));
            }
        }
        Some((lacking, said.join("; ")))
    }
}

fn info(what: impl Into<String>, found: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        verdict: Verdict::Info,
        found: found.into(),
        remedy: means.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::api;

    fn served(kinds: &[(&str, &str, &str)]) -> Vec<GroupVersionKind> {
        kinds
            .iter()
            .map(|(group, version, kind)| GroupVersionKind::gvk(group, version, kind))
            .collect()
    }

    fn one(kinds: &[(&str, &str, &str)]) -> Finding {
        let found = tell(&served(kinds));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    #[test]
    fn a_cluster_without_neighbours_gets_one_line_that_says_none_is_needed() {
        let finding = one(&[
            ("apps", "v1", "Deployment"),
            (api::GROUP, "v1alpha1", "ComputeLease"),
        ]);
        assert_eq!(
            (finding.what.as_str(), finding.found.as_str()),
            (
                "beside",
                "none of GPU Operator, Kueue, cert-manager, Gateway API, Prometheus Operator, Kyverno, Gatekeeper found; all are optional"
            )
        );
        assert_eq!((finding.verdict, finding.remedy.as_str()), (Verdict::Info, ""));
    }

    #[test]
    fn each_neighbour_is_known_by_what_it_serves_and_only_told() {
        for (name, kind) in [
            ("GPU Operator", ("nvidia.com", "v1", "ClusterPolicy")),
            ("Kueue", ("kueue.x-k8s.io", "v1beta2", "ClusterQueue")),
            ("cert-manager", ("cert-manager.io", "v1", "Certificate")),
            ("Gateway API", ("gateway.networking.k8s.io", "v1", "Gateway")),
            (
                "Prometheus Operator",
                ("monitoring.coreos.com", "v1", "Prometheus"),
            ),
            ("Kyverno", ("policies.kyverno.io", "v1", "ValidatingPolicy")),
            ("Kyverno", ("kyverno.io", "v1", "ClusterPolicy")),
            (
                "Gatekeeper",
                ("templates.gatekeeper.sh", "v1", "ConstraintTemplate"),
            ),
            (
                "Gatekeeper",
                ("constraints.gatekeeper.sh", "v1beta1", "K8sAllowedRepos"),
            ),
        ] {
            let finding = one(&[kind]);
            assert_eq!(finding.what, format!("beside: {name}"));
            assert_eq!(finding.verdict, Verdict::Info);
        }
    }

    #[test]
    fn another_kind_of_nvidia_s_group_is_not_the_gpu_operator() {
        let finding = one(&[("nvidia.com", "v1alpha1", "Something")]);
        assert_eq!(finding.what, "beside");
    }

    #[test]
    fn the_versions_of_a_tlsroute_are_told_newest_first_and_without_one_the_value_stays_off() {
        let route = |version| ("gateway.networking.k8s.io", version, "TLSRoute");
        let finding = one(&[route("v1alpha2"), route("v1"), route("v2")]);
        assert_eq!(finding.found, "TLSRoute v1, v1alpha2");
        assert!(finding.remedy.starts_with("gateway.route: "), "{finding:?}");
        let finding = one(&[("gateway.networking.k8s.io", "v1", "HTTPRoute")]);
        assert_eq!(finding.found, "no TLSRoute (v1, v1alpha3, v1alpha2)");
        assert_eq!(
            finding.remedy,
            "leave gateway.route off until its definitions are installed"
        );
    }

    #[test]
    fn of_two_kinds_the_one_that_is_not_served_keeps_its_own_value_off() {
        let finding = one(&[("monitoring.coreos.com", "v1", "ServiceMonitor")]);
        assert_eq!(finding.found, "ServiceMonitor v1; no PrometheusRule (v1)");
        assert_eq!(
            finding.remedy,
            "monitoring.serviceMonitor: it can scrape metrics and judge alerts; leave monitoring.rules off until its definitions are installed"
        );
    }

    #[test]
    fn the_page_about_neighbours_names_each_and_every_value_and_label_that_is_told() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/beside.md")).unwrap();
        for neighbour in &NEIGHBOURS {
            assert!(page.contains(neighbour.name), "{}", neighbour.name);
            for one in neighbour.uses {
                let section = one
                    .value
                    .rsplit_once('.')
                    .map_or(one.value, |(section, _)| section);
                assert!(page.contains(section), "{}", one.value);
            }
        }
        for word in [
            "managedJobsNamespaceSelector",
            "manageJobsWithoutQueueName",
            "nvidia.com/gpu.product",
            "device.resourceName",
            "leaseport.dev/lease",
            "DeniedByPolicy",
        ] {
            let told = NEIGHBOURS.iter().any(|neighbour| neighbour.means.contains(word));
            assert!(told && page.contains(word), "{word}");
        }
    }
}
