//! A hold: placeholder pods owned by a ComputeBid, so that the scheduler itself keeps the room a signature promises. They run nothing,
//! see no device, and end by themselves should the operator be gone. May not outlive their bid: the owner reference sees to it.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Capabilities, Container, Pod, PodSecurityContext, PodSpec, SecurityContext},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use super::{
    containers::{around, no_devices, requirements, seccomp},
    names::{BID_LABEL, MANAGED_BY, MANAGED_BY_LABEL},
    template::Ground,
};
use crate::core::resources::Resources;

/// What to hold and for whom.
#[derive(Debug, Clone)]
pub struct Hold<'a> {
    /// Owner reference to the ComputeBid, as controller.
    pub bid: OwnerReference,
    /// The bid's namespace, which is the provider's.
    pub namespace: &'a str,
    /// Size of one replica.
    pub replica: Resources,
    /// How many.
    pub replicas: u16,
    /// The same ground lease pods will stand on.
    pub ground: &'a Ground,
    /// An image that does nothing, for example `registry.k8s.io/pause:3.10`.
    pub pause_image: &'a str,
    /// The kubelet ends a placeholder after this long on its node.
    pub max_seconds: u32,
}

/// The placeholder pods, named `<bid>-<replica>`.
#[must_use]
pub fn hold(hold: &Hold<'_>) -> Vec<Pod> {
    (0..hold.replicas)
        .map(|replica| placeholder(hold, replica))
        .collect()
}

fn placeholder(hold: &Hold<'_>, replica: u16) -> Pod {
    let labels = [
        (BID_LABEL, hold.bid.name.as_str()),
        (MANAGED_BY_LABEL, MANAGED_BY),
    ];
    Pod {
        metadata: ObjectMeta {
            name: Some(format!("{}-{replica}", hold.bid.name)),
            namespace: Some(hold.namespace.to_owned()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            ),
            owner_references: Some(vec![hold.bid.clone()]),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![Container {
                name: "hold".to_owned(),
                image: Some(hold.pause_image.to_owned()),
                image_pull_policy: Some("IfNotPresent".to_owned()),
                env: Some(vec![no_devices()]),
                resources: Some(requirements(&hold.ground.supply.device, &hold.replica)),
                security_context: Some(SecurityContext {
                    allow_privilege_escalation: Some(false),
                    capabilities: Some(Capabilities {
                        drop: Some(vec!["ALL".to_owned()]),
                        add: None,
                    }),
                    read_only_root_filesystem: Some(true),
                    ..SecurityContext::default()
                }),
                ..Container::default()
            }],
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(65_535),
                seccomp_profile: Some(seccomp()),
                ..PodSecurityContext::default()
            }),
            runtime_class_name: hold.ground.isolation.runtime_class.clone(),
            restart_policy: Some("Never".to_owned()),
            active_deadline_seconds: Some(i64::from(hold.max_seconds)),
            termination_grace_period_seconds: Some(0),
            ..around(hold.ground)
        }),
        ..Pod::default()
    }
}
