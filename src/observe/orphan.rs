//! A lease's namespace that has no ComputeLease, as its plan takes it: each market on its chain with what that says of the lease. Never writes.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt, runtime::reflector::ObjectRef};

use super::{
    lease::{Eyes, ORDER_LIFE},
    markets::{Market, trust},
};
use crate::{
    api::{ComputeBid, ComputeLease, ComputeMarket, ComputeProvider},
    core::{
        book::LeaseState,
        ids::{ChainId, LeaseKey},
        plan::{
            duty::Trust,
            lease::Proof,
            opening::{self, Source},
            orphan::{LeaseSide, MarketSide},
        },
        time::{ChainSeconds, UnixMillis},
        view::{ChainView, SeenOpening},
        workload::names::{Identity, OFFER_ANNOTATION},
    },
};

/// One namespace without an object.
pub struct OrphanSight {
    /// The namespace.
    pub namespace: Arc<Namespace>,
    /// Whose it is.
    pub identity: Identity,
    /// What the plan takes, one a market.
    pub markets: Vec<MarketSide>,
    /// The object that each market's view would give, where it lives there and is served here.
    pub objects: Vec<Option<ComputeLease>>,
}

impl Eyes {
    /// Looks at a namespace; none where it has its object, is on its way out or is not ours to judge.
    #[must_use]
    pub fn orphan(&self, name: &str) -> Option<OrphanSight> {
        let namespace = self.stores.namespace(name)?;
        let identity = Identity::of(&namespace.metadata)?;
        // Under another name than its identity gives it is a copy somebody made: not ours.
        if namespace.meta().deletion_timestamp.is_some()
            || identity.namespace() != name
            || self.has_object(name)
        {
            return None;
        }
        let now = self.clock.now(None).wall;
        let (mut markets, mut objects) = (Vec::new(), Vec::new());
        for market in self.markets_on(identity.chain) {
            let (side, object) = self.side(&market, &identity, &namespace, now);
            markets.push(side);
            objects.push(object);
        }
        Some(OrphanSight {
            namespace,
            identity,
            markets,
            objects,
        })
    }

    /// A lease's object and its namespace bear one name.
    #[must_use]
    pub fn has_object(&self, name: &str) -> bool {
        // Objects live beside their provider, so the few namespaces of providers are looked in before all leases are.
        let homes = self.stores.providers.state();
        let at_home = homes
            .iter()
            .filter_map(|provider| provider.namespace())
            .any(|home| {
                self.stores
                    .leases
                    .get(&ObjectRef::new(name).within(&home))
                    .is_some()
            });
        at_home
            || self
                .stores
                .leases
                .find(|lease| lease.meta().name.as_deref() == Some(name))
                .is_some()
    }

    fn markets_on(&self, chain: ChainId) -> Vec<Arc<ComputeMarket>> {
        let on = |market: &Arc<ComputeMarket>| u64::try_from(market.spec.chain_id) == Ok(chain.0);
        self.stores.markets.state().into_iter().filter(on).collect()
    }

    fn side(
        &self,
        market: &ComputeMarket,
        identity: &Identity,
        namespace: &Namespace,
        now: UnixMillis,
    ) -> (MarketSide, Option<ComputeLease>) {
        let followed: Option<Arc<Market>> = self.markets.get(&market.name_any());
        let view = followed.as_ref().and_then(|market| market.view());
        let (Some(followed), Some(view)) = (followed, view) else {
            let unknown = MarketSide {
                trust: Trust::Stale { for_ms: 0 },
                lease: LeaseSide::Absent,
                proof: None,
            };
            return (unknown, None);
        };
        let object = view.start.book.lease(&identity.lease).map(|found| {
            let provider = self.provider_of(identity, &market.name_any())?;
            self.lease_object(identity.chain, &provider, found.lease)
        });
        let side = MarketSide {
            trust: trust(Some(&view), followed.since, now),
            lease: match &object {
                Some(Some(_)) => LeaseSide::Served,
                Some(None) => LeaseSide::Unserved,
                None => LeaseSide::Absent,
            },
            proof: proof(&followed, &view, &identity.lease, namespace),
        };
        (side, object.flatten())
    }

    fn provider_of(&self, identity: &Identity, market: &str) -> Option<Arc<ComputeProvider>> {
        self.stores.providers.find(|provider| {
            provider.spec.market_ref.name == market
                && u32::try_from(provider.spec.provider_id) == Ok(identity.provider().0)
        })
    }

    /// The object for a lease on chain, with where it came from as far as the cluster still knows.
    #[must_use]
    pub fn lease_object(
        &self,
        chain: ChainId,
        provider: &ComputeProvider,
        lease: &LeaseState,
    ) -> Option<ComputeLease> {
        let home = provider.namespace().unwrap_or_default();
        let bid = self.bid_of(&home, lease);
        let noted = self.stores.namespace(&opening::name(chain, &lease.key));
        let noted = noted
            .as_ref()
            .and_then(|namespace| namespace.annotations().get(OFFER_ANNOTATION))
            .filter(|offer| self.stores.offer(&home, offer).is_some());
        let source = Source {
            bid: bid.as_deref(),
            noted_offer: noted.map(String::as_str),
        };
        opening::object(chain, provider, lease, source)
    }

    fn bid_of(&self, home: &str, lease: &LeaseState) -> Option<Arc<ComputeBid>> {
        let order = lease.order_hash().to_string();
        self.stores.bids.find(|bid| {
            bid.namespace().as_deref() == Some(home)
                && bid.spec.order_hash == order
                && u32::try_from(bid.spec.lane) == Ok(lease.key.id.lane.0)
                && u32::try_from(bid.spec.generation) == Ok(lease.key.id.generation.get())
        })
    }
}

/// What is over for good. Nothing says from which block the namespace was made, only when: no order that could have made it lives a day longer.
fn proof(market: &Market, view: &ChainView, key: &LeaseKey, namespace: &Namespace) -> Option<Proof> {
    if let Some(claim) = view.final_closure(key) {
        return market.borne_out(Some(claim)).map(Proof::Closure);
    }
    let made = namespace.metadata.creation_timestamp.as_ref()?.0.as_second();
    let seen = SeenOpening {
        block: 0,
        order: None,
        order_expiry: ChainSeconds(u64::try_from(made).ok()?.saturating_add(ORDER_LIFE)),
    };
    market
        .borne_out(view.final_absence(key, seen))
        .map(Proof::Absence)
}
