//! Who owns what, row by row, and what a pod is judged to be.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod replicas;
mod rulings;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::core::{documents::manifest::Form, usage::meter};

const UUID: &str = "GPU-8f6a2a6e-0c1f-4a3e-9a0e-5f7c1d2b3a4c";

fn expected() -> Expected {
    Expected {
        replicas: 1,
        form: Form::Deployment,
        device: "nvidia.com/gpu".into(),
        devices: 1,
        pull: PullBilling::Provider,
    }
}

fn node(ready: &str) -> Node {
    serde_json::from_value(json!({
        "metadata": { "name": "n1" },
        "status": { "conditions": [{ "type": "Ready", "status": ready, "message": "said so" }] },
    }))
    .unwrap()
}

fn devices(health: &str) -> Value {
    json!([{ "name": "nvidia.com/gpu", "resources": [{ "resourceID": format!("{UUID}::3"), "health": health }] }])
}

fn container(state: Value) -> Value {
    json!({
        "name": "main", "image": "registry.example/a:1", "imageID": "", "ready": true, "restartCount": 0,
        "containerID": "containerd://aa", "state": state, "allocatedResourcesStatus": devices("Healthy"),
    })
}

fn running() -> Value {
    json!({ "running": { "startedAt": "2026-11-22T12:00:00Z" } })
}

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "p", "uid": "u1", "creationTimestamp": "2026-11-22T11:59:00Z" },
        "spec": { "nodeName": "n1", "containers": [{ "name": "main" }] },
        "status": status,
    }))
    .unwrap()
}

fn with(state: Value) -> Pod {
    pod(json!({
        "phase": "Running",
        "conditions": [{ "type": "PodReadyToStartContainers", "status": "True" }],
        "containerStatuses": [container(state)],
    }))
}

fn one(pod: Pod, node: Node, expected: &Expected) -> Assessment {
    let mut replicas = assess(expected, [pod], [node], &BTreeMap::new());
    assert_eq!(replicas.len(), 1);
    replicas.remove(0).assessment
}

fn told(pod: Pod) -> (Ruling, String) {
    match one(pod, node("True"), &expected()) {
        Assessment::Delivered { note, .. } => (
            Ruling::Tenant,
            note.map_or_else(|| "Delivered".into(), |note| note.reason),
        ),
        Assessment::NotDelivered {
            owner: Owner::Provider,
            finding,
        } => (Ruling::Provider, finding.reason),
        Assessment::NotDelivered {
            owner: Owner::Tenant,
            finding,
        } => (Ruling::Tenant, format!("Ended{}", finding.reason)),
        Assessment::Unknown(finding) => (Ruling::Unknown, finding.reason),
    }
}
