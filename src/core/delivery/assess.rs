//! From a lease's pods to its replicas: which pod stands for which replica, and what each is judged. Replicas keep their numbers as
//! long as their pods live, so that an interval continues under the number it began with. May not judge by itself: that is `pod`.

use std::{borrow::Borrow, collections::BTreeMap};

use k8s_openapi::api::core::v1::{Node, Pod};

use super::{
    Assessment, Ended, Finding, Owner,
    pod::{ended_at, judge},
};
use crate::core::documents::manifest::Form;

/// The label a Job's controller puts on each pod of an indexed Job.
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Who pays while images are pulled; a term of the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullBilling {
    /// The clock stands until everything runs.
    Provider,
    /// The clock runs once the sandbox is up.
    Tenant,
}

/// What was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// How many replicas.
    pub replicas: u16,
    /// What keeps them.
    pub form: Form,
    /// The device's resource name.
    pub device: String,
    /// Devices of each replica.
    pub devices: u32,
    /// Who pays while images are pulled.
    pub pull: PullBilling,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// From 0.
    pub index: u16,
    /// The uid of the pod that stands for it, none while there is none.
    pub pod_uid: Option<String>,
    /// What is known of it.
    pub assessment: Assessment,
    /// Its end by the cluster's own stamps, where all its containers have ended.
    pub ended: Option<Ended>,
}

/// Judges every expected replica. `pods` are those of the lease's namespace that carry its label, `nodes` may be the whole cluster's,
/// `before` says which pod (uid) stood for which replica at the last assessment; it may be empty after a restart.
pub fn assess<P: Borrow<Pod>, N: Borrow<Node>>(
    expected: &Expected,
    pods: impl IntoIterator<Item = P>,
    nodes: impl IntoIterator<Item = N>,
    before: &BTreeMap<u16, String>,
) -> Vec<Replica> {
    let pods: Vec<P> = pods.into_iter().collect();
    let nodes: Vec<N> = nodes.into_iter().collect();
    let nodes: BTreeMap<&str, &Node> = nodes
        .iter()
        .map(Borrow::borrow)
        .filter_map(|node: &Node| Some((node.metadata.name.as_deref()?, node)))
        .collect();
    let pods: Vec<&Pod> = pods.iter().map(Borrow::borrow).collect();
    let chosen = match expected.form {
        Form::Job => by_index(expected.replicas, &pods),
        Form::Deployment => by_slot(expected.replicas, &pods, before),
    };
    (0..expected.replicas)
        .map(|index| match chosen.get(&index) {
            Some(pod) => Replica {
                index,
                pod_uid: pod.metadata.uid.clone(),
                assessment: judge(pod, &nodes, expected),
                ended: ended_at(pod),
            },
            None => Replica {
                index,
                pod_uid: None,
                assessment: Assessment::NotDelivered {
                    owner: Owner::Provider,
                    finding: Finding::new("PodMissing", &format!("replica {index} has no pod")),
                },
                ended: None,
            },
        })
        .collect()
}

/// Says of every replica without a pod why the cluster makes none, in the cluster's own words.
pub fn explain(replicas: &mut [Replica], refused: &Finding) {
    for replica in replicas.iter_mut().filter(|replica| replica.pod_uid.is_none()) {
        if let Assessment::NotDelivered { finding, .. } = &mut replica.assessment {
            finding.clone_from(refused);
        }
    }
}

/// Better candidates sort first: those that stay before those that go, living before failed, newer before older.
fn rank(pod: &Pod) -> (bool, bool, std::cmp::Reverse<Option<i64>>, String) {
    let failed = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Failed");
    let created = pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0.as_millisecond());
    (
        pod.metadata.deletion_timestamp.is_some(),
        failed,
        std::cmp::Reverse(created),
        pod.metadata.name.clone().unwrap_or_default(),
    )
}

fn by_index<'a>(replicas: u16, pods: &[&'a Pod]) -> BTreeMap<u16, &'a Pod> {
    let mut chosen: BTreeMap<u16, &'a Pod> = BTreeMap::new();
    for pod in pods {
        let label = pod
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(COMPLETION_INDEX));
        let Some(index) = label
            .and_then(|index| index.parse::<u16>().ok())
            .filter(|index| *index < replicas)
        else {
            continue;
        };
        let better = chosen.get(&index).is_none_or(|other| rank(pod) < rank(other));
        if better {
            chosen.insert(index, pod);
        }
    }
    chosen
}

fn by_slot<'a>(replicas: u16, pods: &[&'a Pod], before: &BTreeMap<u16, String>) -> BTreeMap<u16, &'a Pod> {
    let mut best: Vec<&Pod> = pods.to_vec();
    best.sort_by_cached_key(|pod| rank(pod));
    best.truncate(usize::from(replicas));
    let mut chosen: BTreeMap<u16, &'a Pod> = BTreeMap::new();
    let mut left = Vec::new();
    for pod in best {
        let uid = pod.metadata.uid.as_deref();
        let slot = before
            .iter()
            .find(|(index, held)| **index < replicas && Some(held.as_str()) == uid);
        match slot {
            Some((index, _)) => {
                chosen.insert(*index, pod);
            }
            None => left.push(pod),
        }
    }
    // Oldest first, so that the first assessment of all numbers replicas as they came.
    let mut left = left.into_iter().rev();
    for index in 0..replicas {
        if !chosen.contains_key(&index)
            && let Some(pod) = left.next()
        {
            chosen.insert(index, pod);
        }
    }
    chosen
}
