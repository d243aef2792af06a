//! What every controller is given: eyes, meters, hands, and where it reports. Composed once by app; decides nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Client, Resource, ResourceExt, runtime::reflector::ObjectRef};

pub use super::receipt::Desk;
use crate::{
    act::transact::{TransactContext, WalletName},
    api::{ComputeProvider, condition::reason::INVALID_SPEC, reference::WalletRef},
    kube_io::{
        KubeError,
        error::Class,
        events::{Events, Happening, Severity},
        lock::Fence,
        reconcile::Outcome,
        reflected::{Health, Reflected, Watches},
    },
    observe::{
        lease::{Eyes, PodWatch},
        meters::Meters,
    },
    telemetry::{Metrics, Subject},
};

/// Field manager of everything the operator applies.
pub const MANAGER: &str = "leaseport-operator";

/// Names are looked at again this often even if no event came: a lost event costs a period, never a lease.
pub const RESYNC: Duration = Duration::from_secs(300);

/// Until the cache has seen the change that came in between.
const OVERTAKEN: Duration = Duration::from_millis(50);

/// The means to transact, one a market. Cheap to clone.
#[derive(Clone, Default)]
pub struct Transacts(Arc<RwLock<BTreeMap<String, Arc<TransactContext>>>>);

impl Transacts {
    /// Those of one market, if it is followed.
    #[must_use]
    pub fn get(&self, market: &str) -> Option<Arc<TransactContext>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(market)
            .cloned()
    }

    /// From now on these.
    pub fn put(&self, market: String, context: Arc<TransactContext>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(market, context);
    }

    /// The market is no longer followed.
    pub fn remove(&self, market: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(market);
    }
}

/// What every controller is given. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The read side.
    pub eyes: Eyes,
    /// Running meters.
    pub meters: Meters,
    /// Transactions.
    pub transacts: Transacts,
    /// Where receipts are signed, one pass at a time.
    pub desk: Desk,
    /// Metrics.
    pub metrics: Metrics,
    /// Events on objects.
    pub events: Events,
    /// The cache of pods, for its health.
    pub pods: Reflected<Pod>,
    /// Every cache's health.
    pub watches: Watches,
    /// Whether this replica leads: markets are followed by all, everything else is done by the leader alone.
    pub fence: Fence,
}

/// Shows an object's conditions as gauges, for alerts.
pub fn gauge<K>(metrics: &Metrics, object: &K, conditions: &[Condition])
where
    K: Resource<DynamicType = ()>,
{
    let (kind, namespace, name) = (
        K::kind(&()),
        object.namespace().unwrap_or_default(),
        object.name_any(),
    );
    let subject = Subject {
        kind: &kind,
        namespace: &namespace,
        name: &name,
    };
    for condition in conditions {
        let value = match condition.status.as_str() {
            "True" => 1,
            "False" => 0,
            _ => -1,
        };
        metrics.condition(&subject, &condition.type_, value);
    }
}

/// Takes the gauges of an object that is gone away.
pub fn ungauge<K>(metrics: &Metrics, name: &ObjectRef<K>, conditions: &[&str])
where
    K: Resource<DynamicType = ()>,
{
    let subject = Subject {
        kind: &K::kind(&()),
        namespace: name.namespace.as_deref().unwrap_or_default(),
        name: &name.name,
    };
    metrics.forget(&subject, conditions);
}

impl Context {
    /// The cluster.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.eyes.client
    }

    /// Whether pods are known as they are.
    #[must_use]
    pub fn pod_watch(&self) -> PodWatch {
        match self.pods.health() {
            Health::Live => PodWatch::Live,
            Health::Starting | Health::Failing { .. } => PodWatch::Broken,
        }
    }

    /// Tells people on the object what happened; a failure to tell is logged and changes nothing.
    pub async fn tell<K>(&self, about: &K, severity: Severity, reason: &str, action: &str, note: String)
    where
        K: Resource<DynamicType = ()> + Sync,
    {
        let happening = Happening {
            severity,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note,
        };
        if let Err(error) = self.events.record(about, &happening).await {
            tracing::debug!(%error, reason, "event not recorded");
        }
    }

    /// What was seen of an object; none when its spec cannot be read, which its people are told, since only they can mend it.
    pub async fn legible<K, T, E>(&self, about: &K, seen: Result<T, E>) -> Option<T>
    where
        K: Resource<DynamicType = ()> + Sync,
        E: std::fmt::Display,
    {
        match seen {
            Ok(seen) => Some(seen),
            Err(error) => {
                self.tell(
                    about,
                    Severity::Warning,
                    INVALID_SPEC,
                    "Observe",
                    error.to_string(),
                )
                .await;
                None
            }
        }
    }

    /// Counts a pass and says how it ended in the log.
    pub fn passed<K>(
        &self,
        kind: &'static str,
        name: &ObjectRef<K>,
        began: std::time::Instant,
        outcome: Outcome,
    ) -> Outcome
    where
        K: Resource<DynamicType = ()>,
    {
        let label = match outcome {
            Outcome::Done => "ok",
            Outcome::After(_) => "wait",
            Outcome::Failed => "error",
        };
        self.metrics.reconciled(kind, label, began.elapsed());
        tracing::debug!(kind, name = %name, outcome = label, "pass");
        outcome
    }
}

/// How to go on where a status was not written. One that was overtaken is soon looked at again, since the cache will have seen the change
/// that came in between; a pause after a failure would cost an order that comes meanwhile.
pub fn unwritten(kind: &'static str, name: Option<&String>, error: &KubeError) -> Outcome {
    if error.class() == Class::Conflict {
        tracing::debug!(kind, name, "status overtaken");
        return Outcome::After(OVERTAKEN);
    }
    tracing::warn!(kind, name, %error, "status not written");
    Outcome::Failed
}

/// A wallet of a provider: in the provider's namespace unless it says otherwise.
#[must_use]
pub fn wallet_name(provider: &ComputeProvider, wallet: &WalletRef) -> WalletName {
    let own = provider.metadata.namespace.clone().unwrap_or_default();
    WalletName {
        namespace: wallet.namespace_or(&own).to_owned(),
        name: wallet.name.clone(),
    }
}
