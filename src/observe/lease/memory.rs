//! What was read of a lease's own objects, so that a lease that just runs asks the API server for nothing, block after block. Remembered only
//! while nothing hints at a change: the object, its pods and what the gateway noted are the same, and we applied nothing since. A change that leaves
//! no such trace is found when the memory ends. Kept in this process alone; forgetting costs two requests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{
    PodWatch,
    cluster::{Found, RunnableManifest},
};
use crate::{
    api::ComputeLease,
    core::time::{Steady, UnixMillis},
};

/// Longest life of what is remembered.
const MEMORY: Duration = Duration::from_secs(300);

/// A manifest that may run, or why it may not.
pub(super) type Verdict = Result<RunnableManifest, String>;

/// What a change of a lease's objects would change too, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    uid: String,
    trace: Trace,
    at: Steady,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    generation: Option<i64>,
    /// Hash and revision the gateway noted, and whether the namespace is known as furnished.
    manifest: Option<(String, i64)>,
    furnished: bool,
    /// Uid and version of each pod in the namespace; none while nobody watches them.
    pods: Option<Vec<(Option<String>, Option<String>)>>,
}

impl Look {
    pub(super) fn at(lease: &ComputeLease, pods: &[Arc<Pod>], watch: PodWatch, at: Steady) -> Self {
        let status = lease.status.as_ref();
        let mut versions: Vec<_> = pods
            .iter()
            .map(|pod| (pod.uid(), pod.resource_version()))
            .collect();
        versions.sort_unstable();
        Self {
            uid: lease.uid().unwrap_or_default(),
            trace: Trace {
                generation: lease.metadata.generation,
                manifest: status
                    .and_then(|status| status.manifest.as_ref())
                    .map(|receipt| (receipt.hash.clone(), receipt.revision)),
                furnished: status.is_some_and(|status| status.namespace.is_some()),
                pods: match watch {
                    PodWatch::Live => Some(versions),
                    PodWatch::Broken => None,
                },
            },
            at,
        }
    }
}

#[derive(Debug, Clone)]
struct Kept<T> {
    value: T,
    trace: Trace,
    at: Steady,
}

impl<T: Clone> Kept<T> {
    fn of(value: T, look: &Look) -> Self {
        Self {
            value,
            trace: look.trace.clone(),
            at: look.at,
        }
    }

    fn still(&self, look: &Look) -> Option<T> {
        let holds = self.trace == look.trace && look.trace.pods.is_some() && look.at.since(self.at) < MEMORY;
        holds.then(|| self.value.clone())
    }
}

#[derive(Debug, Default)]
struct Known {
    manifest: Option<Kept<Verdict>>,
    workload: Option<Kept<Option<Found>>>,
}

#[derive(Debug, Default)]
struct Inner {
    leases: BTreeMap<String, Known>,
    /// Since when a market is not followed.
    silent: BTreeMap<String, UnixMillis>,
}

/// By uid of the ComputeLease. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Inner>>);

impl Memory {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn manifest(&self, look: &Look) -> Option<Verdict> {
        self.inner().leases.get(&look.uid)?.manifest.as_ref()?.still(look)
    }

    pub(super) fn keep_manifest(&self, look: &Look, verdict: &Verdict) {
        let kept = Kept::of(verdict.clone(), look);
        self.inner().leases.entry(look.uid.clone()).or_default().manifest = Some(kept);
    }

    pub(super) fn workload(&self, look: &Look) -> Option<Option<Found>> {
        self.inner().leases.get(&look.uid)?.workload.as_ref()?.still(look)
    }

    pub(super) fn keep_workload(&self, look: &Look, found: Option<&Found>) {
        let kept = Kept::of(found.cloned(), look);
        self.inner().leases.entry(look.uid.clone()).or_default().workload = Some(kept);
    }

    /// We are about to change something of this lease, or it is over.
    pub fn forget(&self, uid: &str) {
        self.inner().leases.remove(uid);
    }

    /// Since when a market has been silent as far as being followed goes: since it is followed, or since it was first found not to be.
    pub(super) fn silent_since(
        &self,
        market: &str,
        followed: Option<UnixMillis>,
        now: UnixMillis,
    ) -> UnixMillis {
        let mut inner = self.inner();
        match followed {
            Some(since) => {
                inner.silent.remove(market);
                since
            }
            None => *inner.silent.entry(market.to_owned()).or_insert(now),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn look(version: &str, second: u64) -> Look {
        Look {
            uid: "u".into(),
            trace: Trace {
                generation: Some(1),
                manifest: Some(("0x1".into(), 1)),
                furnished: true,
                pods: Some(vec![(Some("p".into()), Some(version.into()))]),
            },
            at: Steady(Duration::from_secs(second)),
        }
    }

    fn found() -> Found {
        Found {
            meta: ObjectMeta {
                name: Some("workload".into()),
                ..ObjectMeta::default()
            },
            finish: None,
            wanted: 1,
            refused: None,
        }
    }

    #[test]
    fn a_lease_whose_pods_and_object_are_the_same_is_not_read_again() {
        let memory = Memory::default();
        assert_eq!(memory.workload(&look("1", 0)), None);
        memory.keep_workload(&look("1", 0), Some(&found()));
        assert_eq!(memory.workload(&look("1", 200)), Some(Some(found())));
    }

    #[test]
    fn a_changed_pod_our_own_write_five_minutes_or_a_broken_watch_end_what_is_remembered() {
        let memory = Memory::default();
        let keep = || memory.keep_workload(&look("1", 0), None);
        keep();
        assert_eq!(memory.workload(&look("2", 1)), None);
        assert_eq!(memory.workload(&look("1", 300)), None);
        let mut blind = look("1", 1);
        blind.trace.pods = None;
        memory.keep_workload(&blind, None);
        assert_eq!(memory.workload(&blind), None);
        keep();
        memory.forget("u");
        assert_eq!(memory.workload(&look("1", 1)), None);
    }

    #[test]
    fn a_market_that_is_not_followed_is_silent_since_it_was_first_missed() {
        let memory = Memory::default();
        let at = UnixMillis;
        assert_eq!(memory.silent_since("m", None, at(5)), at(5));
        assert_eq!(memory.silent_since("m", None, at(9)), at(5));
        assert_eq!(memory.silent_since("m", Some(at(8)), at(10)), at(8));
        assert_eq!(memory.silent_since("m", None, at(20)), at(20));
    }
}
