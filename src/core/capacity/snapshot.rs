//! The picture itself: nodes of one offer, what pods take from them, what of ours still waits for a node.
//! Immutable; simulating gives a new picture. May not be kept across passes.

use std::{borrow::Borrow, collections::BTreeMap};

use k8s_openapi::{
    api::core::v1::{Node, Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::{
    Fit, NoFit, NodeOrder, NodeRoom, Placement,
    demand::{pod_demand, pod_weighs},
    fit,
};
use crate::core::{
    resources::Resources,
    workload::names::{BID_LABEL, LEASE_LABEL},
};

/// Which nodes and which device an offer sells.
#[derive(Debug, Clone, PartialEq)]
pub struct Supply {
    /// Which nodes, by label, as the offer's `spec.nodes.selector` says.
    pub selector: LabelSelector,
    /// The device's resource name, for example `nvidia.com/gpu`; also the taint key our pods tolerate.
    pub device: String,
}

impl Supply {
    /// Whether a node belongs to the offer.
    #[must_use]
    pub fn covers(&self, node: &Node) -> bool {
        let none = BTreeMap::new();
        let labels = node.metadata.labels.as_ref().unwrap_or(&none);
        let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.selector.match_labels.iter().flatten().all(equal)
            && self.selector.match_expressions.iter().flatten().all(|wanted| {
                let found = labels.get(&wanted.key);
                let listed = || wanted.values.iter().flatten().any(|value| Some(value) == found);
                match wanted.operator.as_str() {
                    "In" => listed(),
                    "NotIn" => !listed(),
                    "Exists" => found.is_some(),
                    "DoesNotExist" => found.is_none(),
                    // Kubernetes knows no other; matching nothing sells nothing.
                    _ => false,
                }
            })
    }
}

/// Who a pod runs for, as far as an offer's books go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Lease,
    Hold,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PodUse {
    uid: String,
    node: Option<usize>,
    amount: Resources,
    kind: Use,
}

/// Devices of an offer by use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utilization {
    /// Devices the nodes offer, whatever state the node is in.
    pub total: u32,
    /// Devices under lease pods.
    pub leased: u32,
    /// Devices under holds of bids.
    pub held: u32,
    /// Devices under the owner's own pods.
    pub other: u32,
    /// Devices a new lease could get: on open nodes, under nobody.
    pub free: u32,
}

/// Nodes and pods of an offer at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    nodes: Vec<NodeRoom>,
    pods: Vec<PodUse>,
}

impl Snapshot {
    /// Takes the picture. Counted are all pods bound (or nominated) to the offer's nodes, and leases' and holds' pods that
    /// still wait for a node, since they were promised before whatever is asked now. `pods` may hold the whole cluster's.
    pub fn of<N: Borrow<Node>, P: Borrow<Pod>>(
        supply: &Supply,
        nodes: impl IntoIterator<Item = N>,
        pods: impl IntoIterator<Item = P>,
    ) -> Self {
        let mut rooms: Vec<NodeRoom> = nodes
            .into_iter()
            .filter(|node| supply.covers(node.borrow()))
            .map(|node| NodeRoom::of(node.borrow(), &supply.device))
            .collect();
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        let index: BTreeMap<String, usize> = rooms
            .iter()
            .enumerate()
            .map(|(at, room)| (room.name.clone(), at))
            .collect();
        let mut uses = Vec::new();
        for pod in pods {
            let pod = pod.borrow();
            if !pod_weighs(pod) {
                continue;
            }
            let bound = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            let nominated = pod
                .status
                .as_ref()
                .and_then(|status| status.nominated_node_name.as_deref());
            let labels = pod.metadata.labels.as_ref();
            let labelled = |name: &str| labels.is_some_and(|labels| labels.contains_key(name));
            let kind = if labelled(BID_LABEL) {
                Use::Hold
            } else if labelled(LEASE_LABEL) {
                Use::Lease
            } else {
                Use::Other
            };
            let node = match bound.or(nominated).filter(|name| !name.is_empty()) {
                Some(name) => match index.get(name) {
                    Some(at) => Some(*at),
                    None => continue,
                },
                None if kind == Use::Other || !waits_for(pod, supply) => continue,
                None => None,
            };
            let amount = pod_demand(pod, &supply.device);
            if let Some(room) = node.and_then(|at| rooms.get_mut(at)) {
                room.take(amount, 1);
            }
            uses.push(PodUse {
                uid: pod.metadata.uid.clone().unwrap_or_default(),
                node,
                amount,
                kind,
            });
        }
        Self {
            nodes: rooms,
            pods: uses,
        }
    }

    /// The nodes, by name.
    #[must_use]
    pub fn nodes(&self) -> &[NodeRoom] {
        &self.nodes
    }

    /// Whether so many replicas of this size can run now, and where, with `keep_free` devices left to the owner afterwards.
    ///
    /// # Errors
    /// The first thing that is short, with numbers.
    pub fn fits(&self, replica: &Resources, replicas: u16, keep_free: u32) -> Result<Fit, NoFit> {
        let mut rooms = self.nodes.clone();
        for waiting in self.pods.iter().filter(|pod| pod.node.is_none()) {
            fit::reserve(&mut rooms, &waiting.amount);
        }
        fit::place(&rooms, replica, replicas, keep_free)
    }

    /// The picture with these replicas on these nodes; a node that is not ours is ignored.
    #[must_use]
    pub fn with(&self, replica: &Resources, placements: &[Placement]) -> Self {
        let mut next = self.clone();
        for placement in placements {
            if let Some((at, room)) = next
                .nodes
                .iter_mut()
                .enumerate()
                .find(|(_, room)| room.name == placement.node)
            {
                room.take(*replica, 1);
                next.pods.push(PodUse {
                    uid: String::new(),
                    node: Some(at),
                    amount: *replica,
                    kind: Use::Hold,
                });
            }
        }
        next
    }

    /// The picture without these pods, by uid: what would be free if they went.
    #[must_use]
    pub fn without(&self, uids: &[&str]) -> Self {
        let mut next = self.clone();
        next.pods.retain(|pod| !uids.contains(&pod.uid.as_str()));
        for (at, room) in next.nodes.iter_mut().enumerate() {
            let here = next.pods.iter().filter(|pod| pod.node == Some(at));
            let (used, pods) = here.fold((Resources::default(), 0u32), |(used, pods), pod| {
                (used.plus(pod.amount), pods.saturating_add(1))
            });
            (room.used, room.pods) = (used, pods);
        }
        next
    }

    /// Devices by use.
    #[must_use]
    pub fn utilization(&self) -> Utilization {
        let sum = |kind: Use| {
            self.pods
                .iter()
                .filter(|pod| pod.kind == kind && pod.node.is_some())
                .fold(0u32, |sum, pod| sum.saturating_add(pod.amount.gpus))
        };
        Utilization {
            total: self
                .nodes
                .iter()
                .fold(0u32, |sum, node| sum.saturating_add(node.allocatable.gpus)),
            leased: sum(Use::Lease),
            held: sum(Use::Hold),
            other: sum(Use::Other),
            free: self
                .nodes
                .iter()
                .filter(|node| node.order == NodeOrder::Open)
                .fold(0u32, |sum, node| sum.saturating_add(node.free().gpus)),
        }
    }
}

/// Whether an unbound pod of ours waits for this supply: it asks for the device, and for nodes by the same labels where it names any.
fn waits_for(pod: &Pod, supply: &Supply) -> bool {
    let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
    let same = |(key, value): (&String, &String)| {
        selector
            .and_then(|selector| selector.get(key))
            .is_none_or(|found| found == value)
    };
    pod_demand(pod, &supply.device) != Resources::default()
        && supply.selector.match_labels.iter().flatten().all(same)
}

#[cfg(test)]
mod tests;
