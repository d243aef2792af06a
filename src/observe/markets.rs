//! Which markets are followed right now, each with its chain view and what its contracts say. Filled by the market controller,
//! read by all others; a market that is not here is Unknown, never absent.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use alloy::primitives::Address;
use tokio::sync::watch;

use crate::{
    api::market::MarketToken,
    chain_io::{endpoint::Endpoints, witnesses::Witnesses},
    core::{
        book::Windows,
        ids::ChainId,
        plan::duty::Trust,
        time::UnixMillis,
        view::{ChainView, Claim, Freshness},
    },
};

/// One followed market.
#[derive(Clone)]
pub struct Market {
    /// Name of its ComputeMarket.
    pub name: String,
    /// Chain id, asserted by every endpoint.
    pub chain: ChainId,
    /// LeaseBook, from the directory.
    pub lease_book: Address,
    /// DisputeCourt, from the directory; not every market has one.
    pub court: Option<Address>,
    /// F and W of the deployment.
    pub windows: Windows,
    /// Listed tokens.
    pub tokens: Vec<MarketToken>,
    /// Where it is read and written.
    pub endpoints: Arc<Endpoints>,
    /// Who is asked before anything of a lease is destroyed.
    pub witnesses: Witnesses,
    /// The newest view; none until the first backfill is done.
    pub view: watch::Receiver<Option<Arc<ChainView>>>,
    /// When following began: without any view, Unknown counts from here.
    pub since: UnixMillis,
}

impl Market {
    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Option<Arc<ChainView>> {
        self.view.borrow().clone()
    }

    /// The proof that a claim of the followed chain becomes once enough endpoints say the same; they are asked here.
    #[must_use]
    pub fn borne_out<P>(&self, claim: Option<Claim<P>>) -> Option<P> {
        let claim = claim?;
        let hearing = self.witnesses.hear(claim.question());
        claim.borne_out(&hearing)
    }
}

/// How far a view may be trusted.
#[must_use]
pub fn trust(view: Option<&ChainView>, since: UnixMillis, wall: UnixMillis) -> Trust {
    match view.map(|view| view.freshness) {
        None => Trust::Stale {
            for_ms: wall.millis_since(since),
        },
        Some(Freshness::Fresh) if view.is_some_and(ChainView::allows_money) => Trust::Fresh,
        // A log that could not be read makes the book doubtful: money stops, workloads do not.
        Some(Freshness::Fresh | Freshness::Disagreement { .. }) => Trust::Disagreeing,
        Some(Freshness::Stale { since }) => Trust::Stale {
            for_ms: wall.millis_since(since),
        },
    }
}

/// All followed markets by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Markets(Arc<RwLock<BTreeMap<String, Arc<Market>>>>);

impl Markets {
    /// The market, if it is followed.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Market>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Market>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Follow this one from now on, in place of an older entry of the same name.
    pub fn put(&self, market: Market) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(market.name.clone(), Arc::new(market));
    }

    /// No longer followed.
    pub fn remove(&self, name: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}
