//! Nodes that exist in the API only, kept alive by kwok: for scale, and where there is no root for a real one. Pods on
//! them become Running without anything running; no logs, no exec, no devices.

use serde_json::{Value, json};

use super::control_plane::part;
use super::gpus::gpu_labels;
use super::part::{Part, Place, Ready};
use super::state::WorldState;
use crate::prepare::Tools;

const ANNOTATION: &str = "kwok.x-k8s.io/node";
const GPUS: u32 = 8;

/// kwok itself.
pub(super) fn kwok(world: &WorldState, tools: &Tools, place: Place, port: u16) -> Part {
    let mut arguments = vec![
        format!("--kubeconfig={}", world.kubeconfig.display()),
        "--manage-all-nodes=false".into(),
        format!("--manage-nodes-with-annotation-selector={ANNOTATION}=fake"),
        format!("--server-address=127.0.0.1:{port}"),
    ];
    arguments.extend(
        tools
            .kwok_stages()
            .iter()
            .map(|stage| format!("--config={}", stage.display())),
    );
    part(world, place, "kwok", Ready::Started, arguments)
}

/// The nodes, as one list to be created. Beside a real node they carry a taint, so that nothing lands on them by
/// accident.
pub(super) fn nodes(count: u32, beside_a_real_node: Option<&str>) -> Value {
    let taints = match beside_a_real_node {
        Some(_) => json!([{ "key": ANNOTATION, "value": "fake", "effect": "NoSchedule" }]),
        None => json!([]),
    };
    let items: Vec<Value> = (0..count)
        .map(|number| node(&format!("kwok-{number}"), &taints))
        .collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn node(name: &str, taints: &Value) -> Value {
    let mut labels = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "type": "kwok",
    });
    for (label, value) in gpu_labels(GPUS) {
        labels[label] = json!(value);
    }
    let resources = json!({
        "cpu": "128",
        "memory": "1024Gi",
        "ephemeral-storage": "2Ti",
        "pods": "110",
        "nvidia.com/gpu": GPUS.to_string(),
    });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": { ANNOTATION: "fake", "node.alpha.kubernetes.io/ttl": "0" },
        },
        "spec": { "taints": taints },
        "status": { "capacity": resources, "allocatable": resources },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn fake_nodes_beside_a_real_one_are_tainted_and_alone_they_are_not() {
        assert_eq!(
            nodes(1, Some("gpu-node"))["items"][0]["spec"]["taints"][0]["effect"],
            "NoSchedule"
        );
        assert_eq!(nodes(1, None)["items"][0]["spec"]["taints"], json!([]));
    }

    #[test]
    fn a_fake_node_offers_eight_gpus_with_the_labels_of_a_real_one() {
        let list = nodes(3, None);
        assert_eq!(list["items"].as_array().unwrap().len(), 3);
        let node = &list["items"][2];
        assert_eq!(node["metadata"]["name"], "kwok-2");
        assert_eq!(node["status"]["allocatable"]["nvidia.com/gpu"], "8");
        assert_eq!(
            node["metadata"]["labels"]["nvidia.com/gpu.product"],
            "NVIDIA-H100-80GB-HBM3"
        );
    }
}
