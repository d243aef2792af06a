//! One lease as its plan takes it: the chain at three depths, the object, the namespace, the manifest, the workload and its delivery.
//! What does not answer is Unknown. Never writes.

mod chain;
mod cluster;
mod memory;
mod object;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use thiserror::Error;

pub use chain::{ORDER_LIFE, purse, stage};
pub use cluster::{RunnableManifest, unscheduled};
pub use memory::Memory;
pub use object::finish_of;

use super::{
    clock::Clock,
    ground::{self, GroundError},
    markets::{Market, Markets},
    stores::Stores,
    transactions::sent,
};
use crate::{
    api::{ComputeLease, ComputeProvider, transaction::IntentKind},
    core::{
        canon::Snapshot,
        delivery::{Replica, explain},
        documents::{
            needs::{Needs, NeedsError},
            terms::Terms,
        },
        ids::{IdError, LeaseKey, TermsHash},
        plan::lease::{Duties, Observed, Policy},
        settings::Settings,
        time::Now,
        view::ChainView,
        workload::{
            Ground, LeaseTemplate,
            names::{self, Identity},
        },
    },
};

/// Why a lease cannot be observed at all; anything less is a field of what was observed.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// The spec's ids do not read; the operator wrote them, so somebody changed them.
    #[error("ComputeLease spec.{field} {value:?}: {source}")]
    Id {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
        /// Why.
        source: IdError,
    },
    /// The terms hash is no hash.
    #[error("ComputeLease spec.termsHash {0:?} is not 32 bytes in hex")]
    Terms(String),
    /// The needs do not decode.
    #[error("ComputeLease spec.needs: {0}")]
    Needs(#[from] NeedsError),
    /// The offer cannot be used.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// The object has no uid or namespace yet.
    #[error("ComputeLease has no metadata.{0}")]
    Metadata(&'static str),
}

/// Where observation looks.
#[derive(Clone)]
pub struct Eyes {
    /// Reads that no store covers: one lease's own objects.
    pub client: Client,
    /// Caches.
    pub stores: Stores,
    /// Chain views.
    pub markets: Markets,
    /// Clocks.
    pub clock: Clock,
    /// Flags.
    pub settings: Arc<Settings>,
    /// What was read of leases' own objects before.
    pub memory: Memory,
}

/// A lease and all that acts on it need.
pub struct Sight {
    /// The object.
    pub lease: Arc<ComputeLease>,
    /// Its namespace in the cluster (the provider's).
    pub home: String,
    /// Its uid.
    pub uid: String,
    /// Id and terms.
    pub key: LeaseKey,
    /// How its objects are named and labelled.
    pub identity: Identity,
    /// What the order asked for.
    pub needs: Needs,
    /// Terms as on chain, where any depth knows them.
    pub terms: Option<Arc<Terms>>,
    /// Its provider.
    pub provider: Option<Arc<ComputeProvider>>,
    /// Its market.
    pub market: Option<Arc<Market>>,
    /// The view this was seen in.
    pub view: Option<Arc<ChainView>>,
    /// What the offer gives; none when the offer is gone.
    pub ground: Option<Ground>,
    /// The manifest, if it may run.
    pub manifest: Option<RunnableManifest>,
    /// Each replica's delivery.
    pub replicas: Vec<Replica>,
    /// Pods in the lease's namespace.
    pub pods: Vec<Arc<Pod>>,
    /// What the plan takes.
    pub observed: Observed,
    /// What does not change.
    pub policy: Policy,
    /// The moment.
    pub now: Now,
}

/// How a reconcile pass knows whether pods in the store are as they are in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodWatch {
    /// The watch is live.
    Live,
    /// It is not: everything about pods is Unknown.
    Broken,
}

impl Eyes {
    /// Observes one lease.
    ///
    /// # Errors
    /// The object itself cannot be read.
    pub async fn lease(&self, lease: Arc<ComputeLease>, pods: PodWatch) -> Result<Sight, LeaseError> {
        let key = key_of(&lease)?;
        let home = lease.namespace().ok_or(LeaseError::Metadata("namespace"))?;
        let uid = lease.uid().ok_or(LeaseError::Metadata("uid"))?;
        let needs = Needs::decode(lease.spec.needs.as_bytes())?;
        let provider = self.stores.provider(&home, &lease.spec.provider_ref.name);
        let offer = lease
            .spec
            .offer_ref
            .as_ref()
            .and_then(|offer| self.stores.offer(&home, &offer.name));
        let market = self.markets.get(&lease.spec.market_ref.name);
        let view = market.as_ref().and_then(|market| market.view());
        let now = self.clock.now(view.as_ref().map(|view| view.now()));
        let chain = self.chain_side(&lease, &key, market.as_deref(), view.as_deref(), now);
        let terms = view.as_ref().and_then(|view| terms_of(view, &key));
        let ground = offer.as_ref().map(|offer| ground::ground(offer, &self.settings));
        let identity = identity(&key, market.as_deref(), &lease);
        let pods_here = self.stores.pods_in(&identity.namespace());
        let look = memory::Look::at(&lease, &pods_here, pods, now.steady);
        let (namespace, made) = self.namespace(&lease, &identity).await;
        let (manifest_side, manifest) = self
            .manifest(&lease, &identity, &needs, namespace, made, &look)
            .await;
        let template = ground.as_ref().map(|ground| LeaseTemplate {
            identity,
            needs: &needs,
            ground,
        });
        let workload = self
            .workload(template.as_ref(), manifest.as_ref(), namespace, &pods_here, &look)
            .await;
        let mut replicas = self.replicas(
            &lease,
            &needs,
            offer.as_deref(),
            manifest.as_ref(),
            &pods_here,
            pods,
        );
        if let Some(refused) = &workload.refused {
            explain(&mut replicas, refused);
        }
        let observed = Observed {
            chain,
            object: object::object_side(
                &lease,
                view.as_deref().and_then(|view| view.head.book.lease(&key)),
                now,
            ),
            namespace,
            manifest: manifest_side,
            workload: workload.side,
            delivery: cluster::delivery_side(&replicas),
            finish: object::noted_finish(&lease).or(workload.finish),
            handover: self.handover(&lease, &home, &pods_here),
            duties: self.duties(&uid, &key),
            evidence: chain::evidence(&lease, &key, market.as_deref(), view.as_deref()),
        };
        let suspend_after = match &offer {
            Some(offer) => ground::suspend_after(offer)?,
            None => Some(Duration::from_secs(6 * 3600)),
        };
        let policy = Policy {
            final_reports: market
                .as_ref()
                .map_or(u64::MAX, |market| market.windows.final_reports.into()),
            decline_margin: object::decline_margin(&lease),
            grace: object::grace(&lease),
            suspend_after,
        };
        Ok(Sight {
            lease,
            home,
            uid,
            key,
            identity,
            needs,
            terms,
            provider,
            market,
            view,
            ground,
            manifest,
            replicas,
            pods: pods_here,
            observed,
            policy,
            now,
        })
    }

    fn duties(&self, uid: &str, key: &LeaseKey) -> Duties {
        let of = |kind| sent(&self.stores.transactions, uid, kind, &epoch(key));
        Duties {
            start: of(IntentKind::Start),
            decline: of(IntentKind::Decline),
            stop: of(IntentKind::Stop),
            finalize: of(IntentKind::Finalize),
        }
    }
}

/// What makes one lease's duties its own: after a reorganisation the same object never serves other terms.
#[must_use]
pub fn epoch(key: &LeaseKey) -> String {
    format!("{}/{}", key.id, key.terms)
}

/// Id and terms of a lease object.
///
/// # Errors
/// A field does not read.
pub fn key_of(lease: &ComputeLease) -> Result<LeaseKey, LeaseError> {
    let spec = &lease.spec;
    let id = spec.lease_id.parse().map_err(|source| LeaseError::Id {
        field: "leaseId",
        value: spec.lease_id.clone(),
        source,
    })?;
    let terms = spec
        .terms_hash
        .parse()
        .map(TermsHash)
        .map_err(|_| LeaseError::Terms(spec.terms_hash.clone()))?;
    Ok(LeaseKey { id, terms })
}

fn identity(key: &LeaseKey, market: Option<&Market>, lease: &ComputeLease) -> Identity {
    let recorded = lease
        .labels()
        .get(names::CHAIN_LABEL)
        .and_then(|chain| chain.parse().ok());
    let chain = market
        .map(|market| market.chain.0)
        .or(recorded)
        .unwrap_or_default();
    Identity {
        chain: crate::core::ids::ChainId(chain),
        lease: *key,
    }
}

fn terms_of(view: &ChainView, key: &LeaseKey) -> Option<Arc<Terms>> {
    let of = |at: &Snapshot| at.book.lease(key).map(|found| found.lease.terms.clone());
    of(&view.head)
        .or_else(|| of(&view.start))
        .or_else(|| of(&view.finalized))
}
