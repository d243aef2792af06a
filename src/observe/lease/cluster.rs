//! A lease's own objects in the cluster: namespace, manifest, workload, pods. Pods come from the watch of all pods; the rest is asked for by name,
//! since our rights inside a lease's namespace are a binding there and no right to list anywhere, and remembered until something hints at a change.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{B256, keccak256};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentStatus},
        batch::v1::Job,
        core::v1::{Namespace, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{Api, Resource, ResourceExt};

use super::{
    Eyes, PodWatch,
    memory::{Look, Verdict},
};
use crate::{
    api::{ComputeLease, ComputeOffer},
    core::{
        delivery::{Assessment, Expected, Finding, Finish, Replica, assess, finish},
        documents::{
            manifest::{Form, Manifest, ManifestError},
            needs::Needs,
        },
        plan::lease::{DeliverySide, HandOver, ManifestSide, NamespaceSide, WorkloadSide},
        workload::{
            Change, LeaseTemplate, MANIFEST_KEY, Power,
            names::{self, Identity},
            workload,
        },
    },
    observe::{ground, meters},
};

/// A manifest that may run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnableManifest {
    /// What runs.
    pub manifest: Manifest,
    /// keccak-256 of its canonical bytes.
    pub hash: B256,
}

/// A workload as it was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// What shows which manifest and settings it was made from.
    pub(super) meta: ObjectMeta,
    /// How it ended, if it is a Job and has.
    pub(super) finish: Option<Finish>,
    /// How many pods it is to have.
    pub(super) wanted: usize,
    /// Why the cluster makes no pods of it, where it says so.
    pub(super) refused: Option<Finding>,
}

/// What there is to say of a lease's workload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Workload {
    pub(super) side: WorkloadSide,
    /// How it ended, if it has.
    pub(super) finish: Option<Finish>,
    /// Why the cluster makes no pods of it.
    pub(super) refused: Option<Finding>,
}

impl Workload {
    const fn only(side: WorkloadSide) -> Self {
        Self {
            side,
            finish: None,
            refused: None,
        }
    }
}

impl Found {
    fn deployment(found: Deployment) -> Self {
        let replicas = found.spec.as_ref().and_then(|spec| spec.replicas);
        Self {
            finish: None,
            wanted: usize::try_from(replicas.unwrap_or(1)).unwrap_or_default(),
            refused: found.status.as_ref().and_then(refused),
            meta: found.metadata,
        }
    }

    fn job(found: Job) -> Self {
        Self {
            finish: finish(&found),
            wanted: 0,
            refused: None,
            meta: found.metadata,
        }
    }
}

/// A quota or an admission policy that lets no pod through is told here and in events; nothing else of a Deployment shows it.
fn refused(status: &DeploymentStatus) -> Option<Finding> {
    let condition = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    let text = |word: &Option<String>| word.clone().unwrap_or_default();
    Some(Finding::new(&text(&condition.reason), &text(&condition.message)))
}

impl Eyes {
    /// The namespace, and when it was made.
    pub(super) async fn namespace(
        &self,
        lease: &ComputeLease,
        identity: &Identity,
    ) -> (NamespaceSide, Option<Time>) {
        let name = identity.namespace();
        // Status names the namespace once everything in it was applied, never before.
        let furnished = lease.status.as_ref().and_then(|status| status.namespace.as_ref()) == Some(&name);
        let seen = |found: &ObjectMeta| {
            (
                namespace_side(identity, found, furnished),
                found.creation_timestamp.clone(),
            )
        };
        if let Some(found) = self.stores.namespace(&name) {
            return seen(&found.metadata);
        }
        // The store holds labelled namespaces only: one without our labels may stand under our name.
        match Api::<Namespace>::all(self.client.clone()).get_opt(&name).await {
            Ok(Some(found)) => seen(&found.metadata),
            Ok(None) => (NamespaceSide::Absent, None),
            Err(_) => (NamespaceSide::Unknown, None),
        }
    }

    pub(super) async fn manifest(
        &self,
        lease: &ComputeLease,
        identity: &Identity,
        needs: &Needs,
        namespace: NamespaceSide,
        made: Option<Time>,
        look: &Look,
    ) -> (ManifestSide, Option<RunnableManifest>) {
        let received = lease
            .status
            .as_ref()
            .is_some_and(|status| status.manifest.is_some());
        // An object made again, after the namespace, has lost the note of what the namespace holds.
        let again = made
            .zip(lease.metadata.creation_timestamp.as_ref())
            .is_some_and(|(made, object)| made.0 < object.0);
        let verdict = match (
            manifest_place(namespace, received, again),
            self.memory.manifest(look),
        ) {
            (Place::Nowhere, _) => return (ManifestSide::Awaited, None),
            (_, Some(known)) => known,
            (Place::OutOfReach, None) => return (ManifestSide::Unknown, None),
            (Place::Namespace, None) => {
                let secrets = Api::<Secret>::namespaced(self.client.clone(), &identity.namespace());
                let bytes = match secrets.get_opt(names::MANIFEST_SECRET).await {
                    Ok(Some(secret)) => secret
                        .data
                        .and_then(|mut data| data.remove(MANIFEST_KEY))
                        .map(|bytes| bytes.0),
                    Ok(None) => None,
                    Err(_) => return (ManifestSide::Unknown, None),
                };
                // What is not there yet is not remembered.
                let Some(bytes) = bytes else {
                    return (ManifestSide::Awaited, None);
                };
                let verdict: Verdict = runnable(lease, &bytes, needs);
                self.memory.keep_manifest(look, &verdict);
                verdict
            }
        };
        match verdict {
            Ok(manifest) => (ManifestSide::Ready, Some(manifest)),
            Err(reason) => (ManifestSide::Refused { reason }, None),
        }
    }

    pub(super) async fn workload(
        &self,
        template: Option<&LeaseTemplate<'_>>,
        manifest: Option<&RunnableManifest>,
        namespace: NamespaceSide,
        pods: &[Arc<Pod>],
        look: &Look,
    ) -> Workload {
        match namespace {
            NamespaceSide::Absent => return Workload::only(WorkloadSide::Absent),
            NamespaceSide::Unknown | NamespaceSide::Foreign | NamespaceSide::Leaving => {
                return Workload::only(WorkloadSide::Unknown);
            }
            // Bare with a manifest is what an object made again finds: what ran before still does.
            NamespaceSide::Ours | NamespaceSide::Bare => {}
        }
        let (Some(template), Some(manifest)) = (template, manifest) else {
            let side = if manifest.is_none() {
                WorkloadSide::Absent
            } else {
                WorkloadSide::Unknown
            };
            return Workload::only(side);
        };
        let home = template.identity.namespace();
        let found = match self.memory.workload(look) {
            Some(known) => known,
            None => {
                let found = match manifest.manifest.form {
                    Form::Deployment => Api::<Deployment>::namespaced(self.client.clone(), &home)
                        .get_opt(names::WORKLOAD)
                        .await
                        .map(|found| found.map(Found::deployment)),
                    Form::Job => Api::<Job>::namespaced(self.client.clone(), &home)
                        .get_opt(names::WORKLOAD)
                        .await
                        .map(|found| found.map(Found::job)),
                };
                let Ok(found) = found else {
                    return Workload::only(WorkloadSide::Unknown);
                };
                if tells_by_its_pods(manifest.manifest.form, found.as_ref(), pods) {
                    self.memory.keep_workload(look, found.as_ref());
                }
                found
            }
        };
        let Some(found) = found else {
            return Workload::only(WorkloadSide::Absent);
        };
        let meta = &found.meta;
        let matches = |power| {
            workload(template, &manifest.manifest, manifest.hash, power).is_ok_and(|objects| {
                objects
                    .last()
                    .is_some_and(|object| object.change(Some(meta)) == Change::None)
            })
        };
        let side = if matches(Power::On) {
            WorkloadSide::Current
        } else if matches(Power::Off) {
            WorkloadSide::Paused
        } else {
            WorkloadSide::Outdated
        };
        Workload {
            side,
            finish: found.finish,
            refused: found.refused,
        }
    }

    pub(super) fn replicas(
        &self,
        lease: &ComputeLease,
        needs: &Needs,
        offer: Option<&ComputeOffer>,
        manifest: Option<&RunnableManifest>,
        pods: &[Arc<Pod>],
        watch: PodWatch,
    ) -> Vec<Replica> {
        let (Some(offer), Some(manifest)) = (offer, manifest) else {
            return Vec::new();
        };
        if watch == PodWatch::Broken {
            return Vec::new();
        }
        let expected = Expected {
            replicas: needs.replicas,
            form: manifest.manifest.form,
            device: offer.spec.device.resource_name.clone(),
            devices: u32::from(manifest.manifest.replica().gpus as u16),
            pull: ground::pull(offer),
        };
        let before: BTreeMap<u16, String> = meters::persisted(lease.status.as_ref())
            .open
            .into_iter()
            .map(|open| (open.replica, open.proof.pod_uid))
            .collect();
        let nodes = self.stores.nodes.state();
        assess(
            &expected,
            pods.iter().map(AsRef::<Pod>::as_ref),
            nodes.iter().map(AsRef::as_ref),
            &before,
        )
    }

    pub(super) fn handover(&self, lease: &ComputeLease, home: &str, pods: &[Arc<Pod>]) -> HandOver {
        let waiting = pods.iter().any(|pod| unscheduled(pod));
        if waiting && !self.held(lease, home).is_empty() {
            HandOver::Due
        } else {
            HandOver::Nothing
        }
    }

    /// The placeholder pods of the bid the lease was won with.
    #[must_use]
    pub fn held(&self, lease: &ComputeLease, home: &str) -> Vec<Arc<Pod>> {
        let Some(bid) = &lease.spec.bid_ref else {
            return Vec::new();
        };
        let of_bid = |pod: &Arc<Pod>| {
            pod.labels().get(names::BID_LABEL) == Some(&bid.name) && pod.meta().deletion_timestamp.is_none()
        };
        self.stores.pods_in(home).into_iter().filter(of_bid).collect()
    }
}

fn namespace_side(identity: &Identity, found: &ObjectMeta, furnished: bool) -> NamespaceSide {
    match (
        identity.owns(found),
        found.deletion_timestamp.is_some(),
        furnished,
    ) {
        (Err(_), _, _) => NamespaceSide::Foreign,
        (Ok(()), true, _) => NamespaceSide::Leaving,
        (Ok(()), false, true) => NamespaceSide::Ours,
        (Ok(()), false, false) => NamespaceSide::Bare,
    }
}

/// Where a lease's manifest is to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// None came yet.
    Nowhere,
    /// In the lease's namespace.
    Namespace,
    /// It may be there, but it is not ours to ask: our rights are bindings inside, which go first when it is deleted, and never were in a stranger's.
    OutOfReach,
}

const fn manifest_place(namespace: NamespaceSide, received: bool, again: bool) -> Place {
    let noted = received || again;
    match namespace {
        NamespaceSide::Leaving | NamespaceSide::Foreign if noted => Place::OutOfReach,
        NamespaceSide::Ours | NamespaceSide::Unknown if noted => Place::Namespace,
        NamespaceSide::Bare if again => Place::Namespace,
        NamespaceSide::Absent
        | NamespaceSide::Bare
        | NamespaceSide::Ours
        | NamespaceSide::Leaving
        | NamespaceSide::Foreign
        | NamespaceSide::Unknown => Place::Nowhere,
    }
}

/// The end of a Job comes after the end of its pods and leaves no trace in them, and why a Deployment has fewer pods than it wants leaves none
/// either: what was read meanwhile is not remembered.
fn tells_by_its_pods(form: Form, found: Option<&Found>, pods: &[Arc<Pod>]) -> bool {
    let ended = |pod: &Arc<Pod>| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    match form {
        Form::Deployment => found.is_none_or(|found| pods.len() >= found.wanted),
        Form::Job => found.is_some_and(|found| found.finish.is_some()) || !pods.iter().all(ended),
    }
}

fn runnable(lease: &ComputeLease, bytes: &[u8], needs: &Needs) -> Result<RunnableManifest, String> {
    let hash = keccak256(bytes);
    if hash.to_string() != lease.spec.manifest_hash {
        return Err(format!(
            "the stored manifest hashes to {hash}, the lease names {}: send the manifest the order was posted with",
            lease.spec.manifest_hash
        ));
    }
    let text = |error: ManifestError| error.to_string();
    let manifest = Manifest::decode(bytes).map_err(text)?;
    manifest.fits(needs).map_err(text)?;
    Ok(RunnableManifest { manifest, hash })
}

pub(super) fn delivery_side(replicas: &[Replica]) -> DeliverySide {
    let (mut delivered, mut unknown) = (0usize, 0usize);
    for replica in replicas {
        match replica.assessment {
            Assessment::Delivered { .. } => delivered += 1,
            Assessment::NotDelivered { .. } => {}
            Assessment::Unknown(_) => unknown += 1,
        }
    }
    match (delivered, unknown) {
        (_, _) if replicas.is_empty() => DeliverySide::Unknown,
        (all, _) if all == replicas.len() => DeliverySide::Delivered,
        (0, 0) => DeliverySide::Withheld,
        (0, _) => DeliverySide::Unknown,
        (_, _) => DeliverySide::Partly,
    }
}

/// Not bound to a node and not on its way out.
#[must_use]
pub fn unscheduled(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_that_is_going_gone_or_a_strangers_is_asked_for_nothing() {
        for (received, again) in [(true, false), (false, true), (true, true)] {
            for side in [NamespaceSide::Leaving, NamespaceSide::Foreign] {
                assert_eq!(manifest_place(side, received, again), Place::OutOfReach);
            }
            assert_eq!(
                manifest_place(NamespaceSide::Absent, received, again),
                Place::Nowhere
            );
            assert_eq!(
                manifest_place(NamespaceSide::Ours, received, again),
                Place::Namespace
            );
        }
        assert_eq!(manifest_place(NamespaceSide::Bare, true, false), Place::Nowhere);
        assert_eq!(manifest_place(NamespaceSide::Bare, true, true), Place::Namespace);
    }

    fn pod(phase: &str) -> Arc<Pod> {
        Arc::new(serde_json::from_value(json!({ "metadata": {}, "status": { "phase": phase } })).unwrap())
    }

    fn job(conditions: &serde_json::Value) -> Found {
        let job = json!({ "metadata": {}, "status": { "conditions": conditions } });
        Found::job(serde_json::from_value(job).unwrap())
    }

    #[test]
    fn a_job_whose_pods_have_ended_is_read_again_until_it_says_how_it_ended() {
        let runs = job(&json!([]));
        let ended = job(&json!([{ "type": "Complete", "status": "True" }]));
        let told = |found, pods: &[Arc<Pod>]| tells_by_its_pods(Form::Job, found, pods);
        assert!(told(Some(&runs), &[pod("Succeeded"), pod("Running")]));
        assert!(!told(Some(&runs), &[pod("Succeeded"), pod("Failed")]));
        assert!(!told(Some(&runs), &[]));
        assert!(told(Some(&ended), &[]));
    }

    fn deployment(replicas: i32, conditions: &serde_json::Value) -> Found {
        let object = json!({
            "metadata": {}, "status": { "conditions": conditions },
            "spec": { "replicas": replicas, "selector": {}, "template": {} },
        });
        Found::deployment(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_deployment_that_lacks_pods_is_read_again_until_it_has_them_or_says_why_it_gets_none() {
        let told = |replicas, pods: &[Arc<Pod>]| {
            tells_by_its_pods(Form::Deployment, Some(&deployment(replicas, &json!([]))), pods)
        };
        assert!(told(1, &[pod("Running")]));
        assert!(!told(2, &[pod("Running")]));
        assert!(told(0, &[]), "scaled to zero it lacks nothing");
        assert!(tells_by_its_pods(Form::Deployment, None, &[]));
    }

    #[test]
    fn why_the_cluster_makes_no_pods_is_taken_from_the_deployments_own_condition() {
        let said = "admission webhook \"validate.kyverno.svc-fail\" denied the request: no owner";
        let failing = |status: &str| {
            json!([
                { "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable" },
                { "type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": said },
            ])
        };
        assert_eq!(
            deployment(1, &failing("True")).refused,
            Some(Finding::new("FailedCreate", said))
        );
        assert_eq!(deployment(1, &failing("False")).refused, None);
        assert_eq!(deployment(1, &json!([])).refused, None);
    }
}
