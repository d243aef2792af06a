//! One node as capacity: whether it may take new work and how much room is left. May not judge running pods: a cordoned node keeps what it runs.

use k8s_openapi::api::core::v1::{Node, Taint};

use super::{
    demand::amounts,
    quantity::{self, Rounding},
};
use crate::core::resources::Resources;

/// What a node says of itself, as far as new work goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeOrder {
    /// Ready and open.
    Open,
    /// Ready, but its owner cordoned it or a taint keeps our pods away.
    Closed,
    /// Its kubelet says that it is not Ready.
    NotReady,
    /// Its kubelet has not been heard of; not the same as broken.
    Unknown,
}

/// Judges a node; `tolerated` is the taint key our pods tolerate (the device's resource name).
#[must_use]
pub fn node_order(node: &Node, tolerated: &str) -> NodeOrder {
    let ready = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .and_then(|conditions| conditions.iter().find(|condition| condition.type_ == "Ready"))
        .map(|condition| condition.status.as_str());
    match ready {
        Some("True") => {}
        Some("False") => return NodeOrder::NotReady,
        Some(_) | None => return NodeOrder::Unknown,
    }
    let spec = node.spec.as_ref();
    let cordoned = spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
    let keeps_away =
        |taint: &Taint| taint.key != tolerated && matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    let tainted = spec
        .and_then(|spec| spec.taints.as_ref())
        .is_some_and(|taints| taints.iter().any(keeps_away));
    if cordoned || tainted || node.metadata.deletion_timestamp.is_some() {
        NodeOrder::Closed
    } else {
        NodeOrder::Open
    }
}

/// One node's room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRoom {
    /// The node's name.
    pub name: String,
    /// Whether it takes new work.
    pub order: NodeOrder,
    /// What its kubelet offers to pods; unhealthy devices are already missing here.
    pub allocatable: Resources,
    /// How many pods its kubelet runs at most.
    pub pods_max: u32,
    /// What pods on it ask for.
    pub used: Resources,
    /// How many pods are on it.
    pub pods: u32,
}

impl NodeRoom {
    pub(super) fn of(node: &Node, device: &str) -> Self {
        let map = node
            .status
            .as_ref()
            .and_then(|status| status.allocatable.as_ref());
        let pods_max = map
            .and_then(|map| map.get("pods"))
            .and_then(|pods| quantity::whole(pods, Rounding::Down))
            .map_or(0, |pods| u32::try_from(pods).unwrap_or(u32::MAX));
        Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            order: node_order(node, device),
            allocatable: map.map_or_else(Resources::default, |map| amounts(map, device, Rounding::Down)),
            pods_max,
            used: Resources::default(),
            pods: 0,
        }
    }

    /// What is left, nothing where more is used than offered.
    #[must_use]
    pub const fn free(&self) -> Resources {
        self.allocatable.minus(self.used)
    }

    /// How many replicas of this size fit into what is left, whether or not the node is open.
    #[must_use]
    pub fn fits(&self, replica: &Resources) -> u32 {
        replicas_in(&self.free(), self.pods_max.saturating_sub(self.pods), replica)
    }

    /// How many would fit if the node were empty.
    #[must_use]
    pub fn fits_empty(&self, replica: &Resources) -> u32 {
        replicas_in(&self.allocatable, self.pods_max, replica)
    }

    pub(super) const fn take(&mut self, amount: Resources, pods: u32) {
        self.used = self.used.plus(amount);
        self.pods = self.pods.saturating_add(pods);
    }
}

fn replicas_in(room: &Resources, pods: u32, replica: &Resources) -> u32 {
    let times = |room: u64, each: u64| room.checked_div(each).unwrap_or(u64::MAX);
    let least = times(u64::from(room.gpus), u64::from(replica.gpus))
        .min(times(room.cpu_milli, replica.cpu_milli))
        .min(times(room.memory_mib, replica.memory_mib))
        .min(times(room.storage_mib, replica.storage_mib))
        .min(u64::from(pods));
    u32::try_from(least).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case(json!({}), "True", NodeOrder::Open)]
    #[case(json!({}), "False", NodeOrder::NotReady)]
    #[case(json!({}), "Unknown", NodeOrder::Unknown)]
    #[case(json!({ "unschedulable": true }), "True", NodeOrder::Closed)]
    #[case(json!({ "taints": [{ "key": "nvidia.com/gpu", "effect": "NoSchedule" }] }), "True", NodeOrder::Open)]
    #[case(json!({ "taints": [{ "key": "dedicated", "effect": "NoSchedule" }] }), "True", NodeOrder::Closed)]
    #[case(json!({ "taints": [{ "key": "dedicated", "effect": "PreferNoSchedule" }] }), "True", NodeOrder::Open)]
    fn a_node_takes_new_work_only_when_open(
        #[case] spec: Value,
        #[case] ready: &str,
        #[case] expected: NodeOrder,
    ) {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "n" }, "spec": spec,
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap();
        assert_eq!(node_order(&node, "nvidia.com/gpu"), expected);
    }

    #[test]
    fn a_node_that_never_reported_is_unknown() {
        assert_eq!(node_order(&Node::default(), "nvidia.com/gpu"), NodeOrder::Unknown);
    }
}
