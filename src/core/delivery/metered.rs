//! Replicas as the meter takes them. May not add or leave out a replica.

use std::collections::BTreeMap;

use super::{Assessment, Proof, Replica};
use crate::core::usage::meter;

/// One look for [`meter::Meter::observe`].
#[must_use]
pub fn metered(replicas: &[Replica]) -> BTreeMap<u16, meter::Delivery> {
    replicas
        .iter()
        .map(|replica| (replica.index, delivery(replica)))
        .collect()
}

fn delivery(replica: &Replica) -> meter::Delivery {
    match &replica.assessment {
        Assessment::Delivered { proof, .. } => meter::Delivery::Delivered(of(proof)),
        Assessment::NotDelivered { .. } => meter::Delivery::NotDelivered {
            ended: replica.ended.as_ref().map(|ended| meter::Ended {
                proof: of(&ended.proof),
                at: ended.at,
            }),
        },
        Assessment::Unknown(_) => meter::Delivery::Unknown,
    }
}

fn of(proof: &Proof) -> meter::Proof {
    let starts: Vec<meter::ContainerStart<'_>> = proof
        .containers
        .iter()
        .map(|container| meter::ContainerStart {
            name: &container.name,
            id: container.id.as_deref(),
            started_at: container.started_at,
        })
        .collect();
    meter::Proof::of(&proof.pod, &proof.pod_uid, &starts)
}
