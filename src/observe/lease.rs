//! One lease as its plan takes it: the chain at three depths, the object, the namespace, the manifest, the workload and its delivery.
//! What does not answer is Unknown. Never writes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy::primitives::{B256, keccak256};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{Namespace, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource, ResourceExt};
use thiserror::Error;

use super::{
    clock::Clock,
    ground::{self, GroundError},
    markets::{Market, Markets, trust},
    meters,
    stores::Stores,
    transactions::sent,
};
use crate::{
    api::{
        ComputeLease, ComputeOffer, ComputeProvider, lease::CloseReason, name::CLOSE_FINALIZER,
        transaction::IntentKind,
    },
    core::{
        book::{Metered, StoredPhase},
        canon::Snapshot,
        delivery::{Assessment, Expected, Replica, assess},
        documents::{
            manifest::{Form, Manifest, ManifestError},
            needs::{Needs, NeedsError},
            terms::Terms,
        },
        ids::{IdError, LeaseKey, OrderHash, TermsHash},
        plan::{
            duty::Trust,
            lease::{
                ChainSide, DeliverySide, Duties, HandOver, ManifestSide, NamespaceSide, ObjectSide, Observed,
                Policy, Proof, Stage, Wish, WorkloadSide, reason,
            },
        },
        settings::Settings,
        time::{ChainSeconds, Now},
        view::{ChainView, SeenOpening},
        workload::{Change, Ground, LeaseTemplate, MANIFEST_KEY, Power, names, names::Identity, workload},
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
}

/// A manifest that may run.
#[derive(Debug, Clone)]
pub struct RunnableManifest {
    /// What runs.
    pub manifest: Manifest,
    /// keccak-256 of its canonical bytes.
    pub hash: B256,
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
        let chain = chain_side(&lease, &key, market.as_deref(), view.as_deref(), now);
        let terms = view.as_ref().and_then(|view| terms_of(view, &key));
        let ground = offer.as_ref().map(|offer| ground::ground(offer, &self.settings));
        let identity = identity(&key, market.as_deref(), &lease);
        let namespace = self.namespace(&lease, &identity).await;
        let (manifest_side, manifest) = self.manifest(&lease, &identity, &needs, namespace).await;
        let template = ground.as_ref().map(|ground| LeaseTemplate {
            identity,
            needs: &needs,
            ground,
        });
        let workload = self
            .workload(template.as_ref(), manifest.as_ref(), namespace)
            .await;
        let pods_here = self.stores.pods_in(&identity.namespace());
        let replicas = self.replicas(
            &lease,
            &needs,
            offer.as_deref(),
            manifest.as_ref(),
            &pods_here,
            pods,
        );
        let observed = Observed {
            chain,
            object: object_side(&lease, now),
            namespace,
            manifest: manifest_side,
            workload,
            delivery: delivery_side(&replicas),
            handover: self.handover(&lease, &home, &pods_here),
            duties: self.duties(&uid, &key),
        };
        let suspend_after = match &offer {
            Some(offer) => ground::suspend_after(offer)?,
            None => Some(Duration::from_secs(6 * 3600)),
        };
        let policy = Policy {
            final_reports: market
                .as_ref()
                .map_or(u64::MAX, |market| market.windows.final_reports.into()),
            decline_margin: decline_margin(&lease),
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

    async fn namespace(&self, lease: &ComputeLease, identity: &Identity) -> NamespaceSide {
        let name = identity.namespace();
        // Status names the namespace once everything in it was applied, never before.
        let furnished = lease.status.as_ref().and_then(|status| status.namespace.as_ref()) == Some(&name);
        if let Some(found) = self.stores.namespace(&name) {
            return namespace_side(identity, &found.metadata, furnished);
        }
        // The store holds labelled namespaces only: one without our labels may stand under our name.
        match Api::<Namespace>::all(self.client.clone()).get_opt(&name).await {
            Ok(Some(found)) => namespace_side(identity, &found.metadata, furnished),
            Ok(None) => NamespaceSide::Absent,
            Err(_) => NamespaceSide::Unknown,
        }
    }

    async fn manifest(
        &self,
        lease: &ComputeLease,
        identity: &Identity,
        needs: &Needs,
        namespace: NamespaceSide,
    ) -> (ManifestSide, Option<RunnableManifest>) {
        let received = lease
            .status
            .as_ref()
            .and_then(|status| status.manifest.as_ref())
            .is_some();
        if !received || matches!(namespace, NamespaceSide::Absent | NamespaceSide::Bare) {
            return (ManifestSide::Awaited, None);
        }
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &identity.namespace());
        let bytes = match secrets.get_opt(names::MANIFEST_SECRET).await {
            Ok(Some(secret)) => secret
                .data
                .and_then(|mut data| data.remove(MANIFEST_KEY))
                .map(|bytes| bytes.0),
            Ok(None) => None,
            Err(_) => return (ManifestSide::Unknown, None),
        };
        let Some(bytes) = bytes else {
            return (ManifestSide::Awaited, None);
        };
        match runnable(lease, &bytes, needs) {
            Ok(manifest) => (ManifestSide::Ready, Some(manifest)),
            Err(reason) => (ManifestSide::Refused { reason }, None),
        }
    }

    async fn workload(
        &self,
        template: Option<&LeaseTemplate<'_>>,
        manifest: Option<&RunnableManifest>,
        namespace: NamespaceSide,
    ) -> WorkloadSide {
        match namespace {
            NamespaceSide::Absent | NamespaceSide::Bare => return WorkloadSide::Absent,
            NamespaceSide::Unknown | NamespaceSide::Foreign | NamespaceSide::Leaving => {
                return WorkloadSide::Unknown;
            }
            NamespaceSide::Ours => {}
        }
        let (Some(template), Some(manifest)) = (template, manifest) else {
            return if manifest.is_none() {
                WorkloadSide::Absent
            } else {
                WorkloadSide::Unknown
            };
        };
        let home = template.identity.namespace();
        let found = match manifest.manifest.form {
            Form::Deployment => meta(
                Api::<Deployment>::namespaced(self.client.clone(), &home)
                    .get_opt(names::WORKLOAD)
                    .await,
            ),
            Form::Job => meta(
                Api::<Job>::namespaced(self.client.clone(), &home)
                    .get_opt(names::WORKLOAD)
                    .await,
            ),
        };
        let Ok(found) = found else {
            return WorkloadSide::Unknown;
        };
        let Some(found) = found else {
            return WorkloadSide::Absent;
        };
        let matches = |power| {
            workload(template, &manifest.manifest, manifest.hash, power).is_ok_and(|objects| {
                objects
                    .last()
                    .is_some_and(|object| object.change(Some(&found)) == Change::None)
            })
        };
        if matches(Power::On) {
            WorkloadSide::Current
        } else if matches(Power::Off) {
            WorkloadSide::Paused
        } else {
            WorkloadSide::Outdated
        }
    }

    fn replicas(
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

    fn handover(&self, lease: &ComputeLease, home: &str, pods: &[Arc<Pod>]) -> HandOver {
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

/// The lease in one block.
#[must_use]
pub fn stage(found: Option<Metered<'_>>) -> Option<Stage> {
    found.map(|found| match found.lease.stored {
        StoredPhase::Pending => Stage::Pending {
            stop_at: found.lease.stop_at,
        },
        StoredPhase::Live => Stage::Live {
            start_at: found.lease.start_at,
            stop_at: found.lease.stop_at,
        },
        StoredPhase::Closed => Stage::Closed,
    })
}

fn chain_side(
    lease: &ComputeLease,
    key: &LeaseKey,
    market: Option<&Market>,
    view: Option<&ChainView>,
    now: Now,
) -> ChainSide {
    let since = market.map_or(now.wall, |market| market.since);
    let Some(view) = view else {
        let trust = trust(None, since, now.wall);
        return ChainSide {
            trust,
            head: None,
            start: None,
            proof: None,
            now: ChainSeconds(0),
        };
    };
    ChainSide {
        trust: trust(Some(view), since, now.wall),
        head: stage(view.head.book.lease(key)),
        start: stage(view.start.book.lease(key)),
        proof: proof(lease, key, view),
        now: view.now(),
    }
}

fn proof(lease: &ComputeLease, key: &LeaseKey, view: &ChainView) -> Option<Proof> {
    if let Some(closure) = view.final_closure(key) {
        return Some(Proof::Closure(closure));
    }
    // An object made a moment before the reorganisation may not have recorded its opening; its own age stands in for it.
    let opening = lease.status.as_ref().and_then(|status| status.opening.as_ref());
    let block = opening.map_or(0, |opening| {
        u64::try_from(opening.block_number).unwrap_or(u64::MAX)
    });
    let time = opening
        .map(|opening| &opening.time)
        .or(lease.metadata.creation_timestamp.as_ref())?;
    let order = lease.spec.order_hash.parse().map(OrderHash).ok()?;
    // The opening may be included again until the order expires; without the order, a day after it was seen (orders live a day).
    let order_expiry = view.head.book.orders().get(&order).map_or_else(
        || {
            ChainSeconds(
                u64::try_from(time.0.as_second())
                    .unwrap_or(0)
                    .saturating_add(86_400),
            )
        },
        |order| order.expiry(),
    );
    let seen = SeenOpening { block, order_expiry };
    view.final_absence(key, seen).map(Proof::Absence)
}

fn object_side(lease: &ComputeLease, now: Now) -> ObjectSide {
    let leaving = lease.meta().deletion_timestamp.is_some();
    let wish = match (&lease.spec.close, leaving, lease.spec.suspend) {
        (Some(close), _, _) => Wish::End {
            reason: close_reason(close.reason),
        },
        (None, true, _) => Wish::End {
            reason: reason::MAINTENANCE,
        },
        (None, false, true) => Wish::Suspend,
        (None, false, false) => Wish::Run,
    };
    ObjectSide {
        held: lease
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == CLOSE_FINALIZER),
        leaving,
        wish,
        close_asked: close_asked(lease, now),
    }
}

fn close_reason(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::Maintenance => 2001,
        CloseReason::HardwareFault => 2002,
        CloseReason::PolicyBreach => 2003,
        CloseReason::Reclaim => 2004,
    }
}

/// A signature that ends sooner is of no use to the tenant, who still has to send it; the gateway hands out none that does, seconds.
const CLOSE_LEAST: i64 = 60;

/// Asked for, and no signature given that still holds long enough.
fn close_asked(lease: &ComputeLease, now: Now) -> bool {
    let Some(status) = &lease.status else { return false };
    if status.close_request.is_none() {
        return false;
    }
    let now = now.chain.map_or(0, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
    status
        .close_offer
        .as_ref()
        .is_none_or(|offer| offer.deadline <= now.saturating_add(CLOSE_LEAST))
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

fn meta<K: Resource>(found: Result<Option<K>, kube::Error>) -> Result<Option<ObjectMeta>, kube::Error> {
    Ok(found?.map(|object| object.meta().clone()))
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

fn delivery_side(replicas: &[Replica]) -> DeliverySide {
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

/// Declining needs time to land: a tenth of the start window, between 5 s and 5 min.
fn decline_margin(lease: &ComputeLease) -> u64 {
    let window =
        crate::api::duration::parse(&lease.spec.terms.start_window).map_or(300, |window| window.as_secs());
    (window / 10).clamp(5, 300)
}

/// Whether the chain may be believed in this pass.
#[must_use]
pub fn trusted(sight: &Sight) -> bool {
    sight.observed.chain.trust == Trust::Fresh
}
