//! One container and the pod around it. Limits equal requests, so nobody is sold what a neighbour may take back.
//! May not decide how many run.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction, HTTPGetAction,
        NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodDNSConfig,
        PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile, SecretKeySelector,
        SecurityContext, TCPSocketAction, Toleration,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{
    names::{TENANT_ACCOUNT, VALUES_SECRET},
    template::{BuildError, Dns, Ground, LeaseTemplate, Level, RootPolicy},
};
use crate::core::{documents::manifest, resources::Resources};

/// Root inside gets these and no more: what package managers and servers that drop privileges use. All are within Pod Security `baseline`.
const ROOT_CAPABILITIES: [&str; 8] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
];

/// The pod of one replica.
pub(super) fn pod(
    template: &LeaseTemplate<'_>,
    manifest: &manifest::Manifest,
) -> Result<PodSpec, BuildError> {
    let level = template.level()?;
    let ground = template.ground;
    let in_user_namespace = template.needs.run_as_root && ground.isolation.root == RootPolicy::UserNamespace;
    Ok(PodSpec {
        containers: manifest
            .containers
            .iter()
            .map(|spec| container(template, level, spec))
            .collect(),
        service_account_name: Some(TENANT_ACCOUNT.to_owned()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true).filter(|_| !template.needs.run_as_root),
            seccomp_profile: Some(seccomp()),
            ..PodSecurityContext::default()
        }),
        host_users: Some(false).filter(|_| in_user_namespace),
        runtime_class_name: ground.isolation.runtime_class.clone(),
        termination_grace_period_seconds: Some(i64::from(ground.termination_grace_seconds)),
        ..around(ground)
    })
}

/// What lease and hold pods share: nodes, tolerations, priority, and no way into the API.
pub(super) fn around(ground: &Ground) -> PodSpec {
    let (dns_policy, dns_config) = match &ground.isolation.dns {
        Dns::Cluster => ("ClusterFirst", None),
        Dns::Node => ("Default", None),
        Dns::Servers(servers) => (
            "None",
            Some(PodDNSConfig {
                nameservers: Some(servers.iter().map(ToString::to_string).collect()),
                ..PodDNSConfig::default()
            }),
        ),
    };
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        dns_policy: Some(dns_policy.to_owned()),
        dns_config,
        node_selector: ground.supply.selector.match_labels.clone(),
        affinity: affinity(&ground.supply.selector),
        priority_class_name: ground.priority_class.clone(),
        tolerations: Some(vec![Toleration {
            key: Some(ground.supply.device.clone()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoSchedule".to_owned()),
            ..Toleration::default()
        }]),
        ..PodSpec::default()
    }
}

fn affinity(selector: &LabelSelector) -> Option<Affinity> {
    let wanted: Vec<NodeSelectorRequirement> = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|wanted| NodeSelectorRequirement {
            key: wanted.key.clone(),
            operator: wanted.operator.clone(),
            values: wanted.values.clone(),
        })
        .collect();
    if wanted.is_empty() {
        return None;
    }
    Some(Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![NodeSelectorTerm {
                    match_expressions: Some(wanted),
                    ..NodeSelectorTerm::default()
                }],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    })
}

pub(super) fn seccomp() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        ..SeccompProfile::default()
    }
}

/// Without this a CUDA image's own `NVIDIA_VISIBLE_DEVICES=all` would give a container every GPU of the node.
pub(super) fn no_devices() -> EnvVar {
    EnvVar {
        name: "NVIDIA_VISIBLE_DEVICES".to_owned(),
        value: Some("void".to_owned()),
        ..EnvVar::default()
    }
}

pub(super) fn requirements(device: &str, amount: &Resources) -> ResourceRequirements {
    let mut map = BTreeMap::from([
        ("cpu".to_owned(), Quantity(format!("{}m", amount.cpu_milli))),
        ("memory".to_owned(), Quantity(format!("{}Mi", amount.memory_mib))),
        (
            "ephemeral-storage".to_owned(),
            Quantity(format!("{}Mi", amount.storage_mib)),
        ),
    ]);
    if amount.gpus > 0 {
        map.insert(device.to_owned(), Quantity(amount.gpus.to_string()));
    }
    ResourceRequirements {
        limits: Some(map.clone()),
        requests: Some(map),
        ..ResourceRequirements::default()
    }
}

fn container(template: &LeaseTemplate<'_>, level: Level, spec: &manifest::Container) -> Container {
    let mut env: Vec<EnvVar> = spec.env.iter().map(variable).collect();
    if spec.gpus == 0 {
        env.push(no_devices());
    }
    let few = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let add = match (level, template.needs.run_as_root) {
        (Level::Restricted, false) => None,
        // Restricted allows one capability to be added, user namespace or not.
        (Level::Restricted, true) => few(&["NET_BIND_SERVICE"]),
        (Level::Baseline, true | false) => few(&ROOT_CAPABILITIES),
    };
    let some = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
    Container {
        name: spec.name.clone(),
        image: Some(spec.image.clone()),
        image_pull_policy: Some(pull_policy(&spec.image).to_owned()),
        command: some(&spec.command),
        args: some(&spec.args),
        env: Some(env).filter(|env| !env.is_empty()),
        ports: Some(spec.ports.iter().map(port).collect::<Vec<_>>()).filter(|ports| !ports.is_empty()),
        readiness_probe: spec.readiness.as_ref().map(probe),
        resources: Some(requirements(&template.ground.supply.device, &spec.resources())),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add,
            }),
            run_as_user: spec.run_as_user.map(i64::from),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// As Kubernetes itself would default it; written down so that the object says it.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let latest = match name.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    };
    if latest && !image.contains('@') {
        "Always"
    } else {
        "IfNotPresent"
    }
}

// `$(NAME)` in values, command and args keeps Kubernetes' meaning, so that `--token=$(TOKEN)` works with a secret.
fn variable(spec: &manifest::EnvVar) -> EnvVar {
    EnvVar {
        name: spec.name.clone(),
        value: spec.value.clone(),
        value_from: spec.secret.as_ref().map(|key| EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: VALUES_SECRET.to_owned(),
                key: key.clone(),
                optional: Some(false),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn port(spec: &manifest::Port) -> ContainerPort {
    ContainerPort {
        name: Some(spec.name.clone()),
        container_port: i32::from(spec.port),
        protocol: Some(protocol(spec.protocol).to_owned()),
        ..ContainerPort::default()
    }
}

pub(super) const fn protocol(protocol: manifest::Protocol) -> &'static str {
    match protocol {
        manifest::Protocol::Tcp => "TCP",
        manifest::Protocol::Udp => "UDP",
    }
}

fn probe(spec: &manifest::Probe) -> Probe {
    let number = |port: u16| IntOrString::Int(i32::from(port));
    match spec {
        manifest::Probe::Http {
            path,
            port,
            period_seconds,
        } => Probe {
            http_get: Some(HTTPGetAction {
                path: Some(path.clone()),
                port: number(*port),
                ..HTTPGetAction::default()
            }),
            period_seconds: Some(i32::from(*period_seconds)),
            ..Probe::default()
        },
        manifest::Probe::Tcp { port, period_seconds } => Probe {
            tcp_socket: Some(TCPSocketAction {
                port: number(*port),
                ..TCPSocketAction::default()
            }),
            period_seconds: Some(i32::from(*period_seconds)),
            ..Probe::default()
        },
        manifest::Probe::Exec {
            command,
            period_seconds,
        } => Probe {
            exec: Some(ExecAction {
                command: Some(command.clone()),
            }),
            period_seconds: Some(i32::from(*period_seconds)),
            ..Probe::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("busybox", "Always")]
    #[case("busybox:latest", "Always")]
    #[case("localhost:5000/busybox", "Always")]
    #[case("busybox:1.36", "IfNotPresent")]
    #[case("localhost:5000/busybox:1.36", "IfNotPresent")]
    #[case("busybox@sha256:aa", "IfNotPresent")]
    fn the_pull_policy_is_kubernetes_own_default(#[case] image: &str, #[case] policy: &str) {
        assert_eq!(pull_policy(image), policy);
    }
}
