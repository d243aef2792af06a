//! The leader's lock: a coordination.k8s.io Lease held by one of the replicas (architecture: rule 7). Every write carries the version it
//! was decided on, so of two candidates one conflicts. A candidate judges expiry by its own clock from the last change it saw, never by
//! the holder's stamps; the holder counts from before its last accepted request. May not act for the leader: losing it ends the process.

mod clock;
mod guard;

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use clock::{Clock, Machine};
pub use guard::GuardError;

use super::{
    KubeError,
    apply::{Created, create},
    error::Class,
    within,
};

/// Others may take the lock when it has not changed for this long.
pub const HELD_FOR: Duration = Duration::from_secs(15);
/// The holder stops when no renewal was accepted for this long: with [`super::REQUEST_TIMEOUT`] no request of its outlives [`HELD_FOR`].
pub const RENEWED_BY: Duration = Duration::from_secs(10);
/// Between two tries, of holder and candidates alike.
pub const RETRIED_EVERY: Duration = Duration::from_secs(2);
/// One try of the holder waits no longer, so that at least two more fit before [`RENEWED_BY`].
const TRY: Duration = Duration::from_secs(3);

/// Why holding ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// We were asked to stop and gave it back.
    Released,
    /// It is no longer ours: the process must end now, without writing.
    Lost {
        /// Why.
        why: String,
    },
}

/// Whether we lead, for whoever must not write after it ended: asked again before every write, by [`Fence::guard`] for all of them.
#[derive(Clone)]
pub struct Fence {
    clock: Arc<dyn Clock>,
    renewed: Arc<Mutex<Option<Duration>>>,
}

impl Fence {
    /// Whether the last accepted renewal is young enough. False after a suspended machine wakes, before anybody else notices.
    #[must_use]
    pub fn holds(&self) -> bool {
        let renewed = self.renewed.lock().map_or(None, |renewed| *renewed);
        renewed.is_some_and(|renewed| self.clock.elapsed().saturating_sub(renewed) < RENEWED_BY)
    }

    fn set(&self, renewed: Option<Duration>) {
        if let Ok(mut held) = self.renewed.lock() {
            *held = renewed;
        }
    }

    fn age(&self) -> Duration {
        let renewed = self.renewed.lock().map_or(None, |renewed| *renewed);
        renewed.map_or(Duration::MAX, |renewed| {
            self.clock.elapsed().saturating_sub(renewed)
        })
    }
}

/// One candidate.
pub struct Lock {
    api: Api<Lease>,
    name: String,
    us: String,
    fence: Fence,
    clock: Arc<dyn Clock>,
    holder: watch::Sender<Option<String>>,
}

/// What a candidate saw and when it last changed.
struct Seen {
    version: Option<String>,
    at: Duration,
}

impl Lock {
    /// A candidate for the Lease `name` in `namespace`; `us` must differ between replicas and between runs (pod name and uid).
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, us: &str, clock: Arc<dyn Clock>) -> Self {
        let (holder, _) = watch::channel(None);
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            us: us.to_owned(),
            fence: Fence {
                clock: clock.clone(),
                renewed: Arc::default(),
            },
            clock,
            holder,
        }
    }

    /// Tells at any time whether we lead.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Who holds it as far as we saw, for logs and state pages.
    #[must_use]
    pub fn holder(&self) -> watch::Receiver<Option<String>> {
        self.holder.subscribe()
    }

    /// Waits until the lock is ours; errors of the API server only cost tries. None when `stop` comes first: what was asked by then is answered
    /// before that, so that a lock taken in this moment is given back and nobody has to wait until it expires.
    pub async fn acquire(&self, stop: &CancellationToken) -> Option<Held<'_>> {
        let mut seen = Seen {
            version: None,
            at: self.clock.elapsed(),
        };
        while !stop.is_cancelled() {
            match self.try_acquire(&mut seen).await {
                Ok(Some(held)) if stop.is_cancelled() => {
                    held.release().await;
                    return None;
                }
                Ok(Some(held)) => return Some(held),
                Ok(None) => {}
                Err(error) => tracing::warn!(lock = self.name, %error, "cannot try for the lock"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RETRIED_EVERY) => {}
            }
        }
        None
    }

    async fn try_acquire(&self, seen: &mut Seen) -> Result<Option<Held<'_>>, KubeError> {
        let Some(lease) = within("get the leader's lease", self.api.get_opt(&self.name)).await? else {
            let asked_at = self.clock.elapsed();
            let lease = self.ours(None, 0);
            return match create(&self.api, &self.us, &lease).await? {
                Created::New(lease) => Ok(Some(self.held(lease, asked_at))),
                Created::Exists => Ok(None),
            };
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty());
        self.holder
            .send_if_modified(|known| std::mem::replace(known, holder.clone()) != holder);
        if lease.metadata.resource_version != seen.version {
            *seen = Seen {
                version: lease.metadata.resource_version.clone(),
                at: self.clock.elapsed(),
            };
        }
        let for_seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let for_long = Duration::from_secs(for_seconds.unwrap_or(HELD_FOR.as_secs())).max(HELD_FOR);
        let expired = self.clock.elapsed().saturating_sub(seen.at) >= for_long;
        // A lease under our own name that we do not hold is left from a run of the same name; it expires like any other.
        if holder.is_some() && !expired {
            return Ok(None);
        }
        let asked_at = self.clock.elapsed();
        let next = self.ours(
            Some(&lease),
            spec.lease_transitions.unwrap_or(0).saturating_add(1),
        );
        match within(
            "take the leader's lease",
            self.api.replace(&self.name, &PostParams::default(), &next),
        )
        .await
        {
            Ok(lease) => Ok(Some(self.held(lease, asked_at))),
            Err(error) if error.class() == Class::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn held(&self, lease: Lease, asked_at: Duration) -> Held<'_> {
        self.fence.set(Some(asked_at));
        self.holder.send_replace(Some(self.us.clone()));
        Held { lock: self, lease }
    }

    /// The record under our name, on the version of the one it replaces.
    fn ours(&self, before: Option<&Lease>, transitions: i32) -> Lease {
        let now = MicroTime(Timestamp::now());
        let acquired = match before.and_then(|lease| lease.spec.as_ref()) {
            Some(spec) if spec.lease_transitions == Some(transitions) => spec.acquire_time.clone(),
            Some(_) | None => None,
        };
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: before.and_then(|lease| lease.metadata.resource_version.clone()),
                uid: before.and_then(|lease| lease.metadata.uid.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.us.clone()),
                lease_duration_seconds: i32::try_from(HELD_FOR.as_secs()).ok(),
                lease_transitions: Some(transitions),
                acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// The lock, held.
pub struct Held<'a> {
    lock: &'a Lock,
    lease: Lease,
}

impl Held<'_> {
    /// Which holding of the lock this is; grows with every change of holder.
    #[must_use]
    pub fn term(&self) -> i32 {
        self.lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or(0)
    }

    /// Renews until `stop`, then gives the lock back; or until it is lost.
    pub async fn keep(mut self, stop: impl Future<Output = ()>) -> Ended {
        let mut stop = std::pin::pin!(stop);
        loop {
            // Never past the moment at which we are deposed: requests begun until then end before anybody may follow.
            let left = RENEWED_BY.saturating_sub(self.lock.fence.age());
            tokio::select! {
                () = &mut stop => return self.release().await,
                () = tokio::time::sleep(RETRIED_EVERY.min(left)) => {}
            }
            if let Err(why) = self.renew().await {
                self.lock.fence.set(None);
                return Ended::Lost { why };
            }
        }
    }

    /// One renewal; an error means that the lock is lost.
    async fn renew(&mut self) -> Result<(), String> {
        let age = self.lock.fence.age();
        let left = RENEWED_BY.checked_sub(age).filter(|left| !left.is_zero());
        let Some(left) = left else {
            return Err(format!("not renewed for {} s", age.as_secs()));
        };
        // A try never outlasts what is left, so a silent API server deposes us in time.
        match tokio::time::timeout(left.min(TRY), self.ask()).await {
            Err(_) => {
                tracing::warn!(lock = self.lock.name, "renewal of the lock was not answered");
                Ok(())
            }
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refusal::Later(error))) => {
                tracing::warn!(lock = self.lock.name, %error, "renewal of the lock failed");
                Ok(())
            }
            Ok(Err(Refusal::Lost(why))) => Err(why),
        }
    }

    async fn ask(&mut self) -> Result<(), Refusal> {
        let asked_at = self.lock.clock.elapsed();
        let next = self.lock.ours(Some(&self.lease), self.term());
        let answer = within(
            "renew the leader's lease",
            self.lock
                .api
                .replace(&self.lock.name, &PostParams::default(), &next),
        )
        .await;
        match answer {
            Ok(lease) => {
                self.lease = lease;
                self.lock.fence.set(Some(asked_at));
                Ok(())
            }
            // Somebody wrote it: an earlier try of ours that was not answered, or the next leader.
            Err(error) if error.class() == Class::Conflict => {
                let found = within("get the leader's lease", self.lock.api.get_opt(&self.lock.name)).await;
                match found.map_err(Refusal::Later)? {
                    Some(lease) if self.is_ours(&lease) => {
                        self.lease = lease;
                        Ok(())
                    }
                    Some(lease) => {
                        let holder = lease
                            .spec
                            .and_then(|spec| spec.holder_identity)
                            .unwrap_or_default();
                        Err(Refusal::Lost(format!("{holder:?} holds it now")))
                    }
                    None => Err(Refusal::Lost("the Lease object was deleted".to_owned())),
                }
            }
            Err(error) if error.class() == Class::NotFound => {
                Err(Refusal::Lost("the Lease object was deleted".to_owned()))
            }
            Err(error) => Err(Refusal::Later(error)),
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
        holder == Some(self.lock.us.as_str())
            && spec.and_then(|spec| spec.lease_transitions) == Some(self.term())
    }

    async fn release(self) -> Ended {
        if !self.lock.fence.holds() {
            return Ended::Lost {
                why: "not renewed before the stop".to_owned(),
            };
        }
        // Nothing may be written under the lock from here on.
        self.lock.fence.set(None);
        let mut free = self.lock.ours(Some(&self.lease), self.term());
        if let Some(spec) = free.spec.as_mut() {
            spec.holder_identity = None;
        }
        let params = PostParams::default();
        match within(
            "release the leader's lease",
            self.lock.api.replace(&self.lock.name, &params, &free),
        )
        .await
        {
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(lock = self.lock.name, %error, "the lock was not given back; it expires");
            }
        }
        Ended::Released
    }
}

enum Refusal {
    Later(KubeError),
    Lost(String),
}

#[cfg(test)]
mod tests;
