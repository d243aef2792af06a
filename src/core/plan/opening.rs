//! From a lease on chain to the object that stands for it, and when it is made: at the start depth, never from the newest block
//! alone. Reads the chain view; creates nothing.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::{
    api::{
        ComputeBid, ComputeLease, ComputeProvider,
        lease::{ComputeLeaseSpec, LeaseTerms},
        reference::LocalRef,
        request::RequestSummary,
    },
    core::{
        book::{LeaseState, PostedOrder, StoredPhase},
        documents::needs::Needs,
        ids::{ChainId, LeaseKey, ProviderId},
        money::{MicroUnits, RatePerHour},
        view::ChainView,
        workload::names::{CHAIN_LABEL, Identity, LEASE_LABEL, MANAGED_BY, MANAGED_BY_LABEL, PROVIDER_LABEL},
    },
};

/// Leases of this provider that deserve an object: known at the start depth and not closed there. What an earlier process left in the cluster of
/// a closed one is found by its namespace (`core::plan::orphan`).
pub fn wanted(view: &ChainView, provider: ProviderId) -> impl Iterator<Item = &LeaseState> {
    view.start
        .book
        .leases_of(provider)
        .map(|metered| metered.lease)
        .filter(|lease| lease.stored != StoredPhase::Closed)
}

/// The object's name: unique by chain, id and terms.
#[must_use]
pub fn name(chain: ChainId, key: &LeaseKey) -> String {
    Identity { chain, lease: *key }.namespace()
}

/// Where a lease came from, as far as objects of the cluster still say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'a> {
    /// The bid it was won with.
    pub bid: Option<&'a ComputeBid>,
    /// The offer's name as its namespace notes it, when the bid's object is gone.
    pub noted_offer: Option<&'a str>,
}

/// The ComputeLease for a lease on chain; none when its order was never seen, which a complete view excludes.
#[must_use]
pub fn object(
    chain: ChainId,
    provider: &ComputeProvider,
    lease: &LeaseState,
    source: Source<'_>,
) -> Option<ComputeLease> {
    let order = lease.order.as_ref()?;
    let spec = spec(provider, lease, order, source)?;
    let labels = [
        (LEASE_LABEL, lease.key.id.to_string()),
        (CHAIN_LABEL, chain.0.to_string()),
        (PROVIDER_LABEL, lease.key.id.provider.0.to_string()),
        (MANAGED_BY_LABEL, MANAGED_BY.to_owned()),
    ];
    Some(ComputeLease {
        metadata: ObjectMeta {
            name: Some(name(chain, &lease.key)),
            namespace: provider.metadata.namespace.clone(),
            labels: Some(
                labels
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
            ),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    })
}

fn spec(
    provider: &ComputeProvider,
    lease: &LeaseState,
    posted: &PostedOrder,
    source: Source<'_>,
) -> Option<ComputeLeaseSpec> {
    let bid = source.bid;
    let (terms, order) = (&lease.terms, &posted.order);
    let text = String::from_utf8(posted.needs.to_vec()).ok()?;
    let needs = Needs::decode(text.as_bytes()).ok()?;
    Some(ComputeLeaseSpec {
        market_ref: provider.spec.market_ref.clone(),
        provider_ref: LocalRef::new(provider.metadata.name.clone()?),
        offer_ref: bid
            .map(|bid| bid.spec.offer_ref.clone())
            .or_else(|| source.noted_offer.map(LocalRef::new)),
        bid_ref: bid.and_then(|bid| bid.metadata.name.clone()).map(LocalRef::new),
        lease_id: lease.key.id.to_string(),
        terms_hash: lease.key.terms.to_string(),
        order_hash: posted.hash.to_string(),
        tenant: terms.tenant.to_string(),
        agent: (!terms.agent.is_zero()).then(|| terms.agent.to_string()),
        needs_hash: terms.needsHash.to_string(),
        manifest_hash: terms.manifestHash.to_string(),
        needs: text,
        request: summary(&needs),
        terms: LeaseTerms {
            token: terms.token.into(),
            flags: terms.flags.into(),
            fee_steps: terms.feeSteps.into(),
            rate_per_hour: RatePerHour::new(terms.ratePerHour.to::<u64>()).ok()?.to_string(),
            deposit: lease.deposit.to_string(),
            bond: MicroUnits(terms.bond).to_string(),
            liability: MicroUnits(terms.liability).to_string(),
            refund_to: terms.refundTo.to_string(),
            start_window: seconds(order.startWindow),
            min_duration: seconds(order.minDuration),
            max_duration: seconds(terms.maxDuration),
            min_commit: seconds(terms.minCommit),
            early_fee_bps: terms.earlyFeeBps.into(),
            notice: seconds(terms.notice),
            grace: seconds(terms.grace),
            sla_policy: terms.slaPolicy.to_string(),
        },
        suspend: false,
        waived_seconds: 0,
        close: None,
    })
}

fn seconds(value: u32) -> String {
    format!("{value}s")
}

/// The needs for people and columns.
#[must_use]
pub fn summary(needs: &Needs) -> RequestSummary {
    let wide = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    RequestSummary {
        replicas: needs.replicas.into(),
        gpus: needs.gpu.count.into(),
        gpu_models: needs.gpu.models.clone(),
        cpu_milli: wide(needs.cpu_milli),
        memory_mib: wide(needs.memory_mib),
        storage_mib: wide(needs.storage_mib),
    }
}

/// A reference for events about a lease.
#[must_use]
pub fn reference(lease: &ComputeLease) -> ObjectReference {
    ObjectReference {
        api_version: Some("leaseport.dev/v1alpha1".to_owned()),
        kind: Some("ComputeLease".to_owned()),
        name: lease.metadata.name.clone(),
        namespace: lease.metadata.namespace.clone(),
        uid: lease.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}
