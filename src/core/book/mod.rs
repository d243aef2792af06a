//! The market as its contracts' events tell it: a pure replay, equal for equal events, cheap to copy.
//! Never fails and never panics: what cannot be is counted as a doubt, and a book in doubt destroys nothing (see `core::view`).
//!
//! Copies share everything but what later changes: orders and providers hang on `Arc`s and are copied when an event touches them.

mod dispute;
mod event;
mod lease;
mod order;
mod provider;
mod replay;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::primitives::Address;

pub use dispute::{
    Answer, COURT_SLOT, CourtCredit, DisputeEvent, DisputePhase, DisputeState, Disputes, Freeze, Outcome,
    Reserve, Ruling,
};
pub use event::{BookEvent, CloseKind, KeyRoles, Refund, SettledRow, StopBy, TokenIndex, Vesting};
pub use lease::{Ending, LeasePhase, LeaseState, Metered, Stop, StoredPhase};
pub use order::{OrderPhase, OrderState, PostedOrder};
pub use provider::{Earnings, Gateway, KeyState, LaneState, ProviderState, StakeState};

use crate::core::{
    ids::{Generation, Lane, LeaseId, LeaseKey, OrderHash, ProviderId},
    time::ChainSeconds,
};

/// Seconds after its expiry at which an order leaves the book; its deposit may still wait for `cancelOrder`, which needs no book.
const ORDER_KEPT: u64 = 86_400;

/// Where in the chain something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Block number.
    pub block: u64,
    /// The block's time.
    pub time: ChainSeconds,
}

/// Immutables of one deployment (contracts: section 8), in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Windows {
    /// F: after a lease's end reports still count so long.
    pub final_reports: u32,
    /// W: a vesting epoch, and the rest of a lane after its lease was finalized.
    pub vest_epoch: u32,
}

/// A token the book has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenState {
    /// ERC-20.
    pub asset: Address,
    /// Units of the asset in one micro-unit.
    pub scale: u64,
    /// Whether it counts as dollars.
    pub dollar: bool,
}

/// Events that did not fit what was known: a log was lost, or this program is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubts {
    /// How many.
    pub count: u64,
    /// The last one.
    pub last: Option<String>,
}

/// Everything the market's events say up to a block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    windows: Windows,
    tokens: BTreeMap<TokenIndex, TokenState>,
    orders: BTreeMap<OrderHash, Arc<OrderState>>,
    expiries: BTreeSet<(ChainSeconds, OrderHash)>,
    providers: BTreeMap<ProviderId, Arc<ProviderState>>,
    credits: BTreeMap<(Address, TokenIndex), u128>,
    disputes: Arc<Disputes>,
    doubts: Doubts,
}

impl Book {
    /// An empty book of a deployment.
    #[must_use]
    pub fn new(windows: Windows) -> Self {
        Self {
            windows,
            ..Self::default()
        }
    }

    /// F and W.
    #[must_use]
    pub const fn windows(&self) -> Windows {
        self.windows
    }

    /// Tokens by index.
    #[must_use]
    pub const fn tokens(&self) -> &BTreeMap<TokenIndex, TokenState> {
        &self.tokens
    }

    /// Orders, until a day after their expiry.
    #[must_use]
    pub const fn orders(&self) -> &BTreeMap<OrderHash, Arc<OrderState>> {
        &self.orders
    }

    /// Orders that can still become leases at a chain time.
    pub fn open_orders(&self, now: ChainSeconds) -> impl Iterator<Item = &Arc<OrderState>> {
        self.orders.values().filter(move |order| order.is_open(now))
    }

    /// Providers.
    #[must_use]
    pub const fn providers(&self) -> &BTreeMap<ProviderId, Arc<ProviderState>> {
        &self.providers
    }

    /// One provider.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> Option<&Arc<ProviderState>> {
        self.providers.get(&id)
    }

    /// What an account may withdraw of a token, in micro-units.
    #[must_use]
    pub fn credit(&self, account: Address, token: TokenIndex) -> u128 {
        self.credits.get(&(account, token)).copied().unwrap_or(0)
    }

    /// Disputes, and what is held back for them.
    #[must_use]
    pub fn disputes(&self) -> &Disputes {
        &self.disputes
    }

    /// Events that did not fit.
    #[must_use]
    pub const fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    /// A lease by its id alone: after a reorg the id may be another tenant's, so money and workloads ask with [`Book::lease`].
    #[must_use]
    pub fn lease_by_id(&self, id: LeaseId) -> Option<Metered<'_>> {
        let lane = self.providers.get(&id.provider)?.lanes.get(&id.lane)?;
        let lease = lane.leases.get(&id.generation)?;
        Some(Metered {
            lease,
            lane_seconds: lane.seconds,
        })
    }

    /// The lease with this id and these terms.
    #[must_use]
    pub fn lease(&self, key: &LeaseKey) -> Option<Metered<'_>> {
        self.lease_by_id(key.id)
            .filter(|metered| metered.lease.key == *key)
    }

    /// All leases of a provider, closed ones included (the newest sixteen of a lane).
    pub fn leases_of(&self, provider: ProviderId) -> impl Iterator<Item = Metered<'_>> {
        self.provider(provider)
            .into_iter()
            .flat_map(|state| state.lanes.values())
            .flat_map(metered)
    }

    /// All leases, closed ones included (the newest sixteen of a lane).
    pub fn leases(&self) -> impl Iterator<Item = Metered<'_>> {
        self.providers
            .values()
            .flat_map(|state| state.lanes.values())
            .flat_map(metered)
    }

    /// The leases that came of an order.
    pub fn leases_of_order(&self, order: OrderHash) -> impl Iterator<Item = Metered<'_>> {
        self.leases()
            .filter(move |metered| metered.lease.order_hash() == order)
    }

    /// The newest generation ever opened on a lane.
    #[must_use]
    pub fn generation(&self, provider: ProviderId, lane: Lane) -> Option<Generation> {
        self.providers
            .get(&provider)?
            .lanes
            .get(&lane)?
            .latest()
            .map(|lease| lease.key.id.generation)
    }

    /// A lane's cumulative billable seconds.
    #[must_use]
    pub fn lane_seconds(&self, provider: ProviderId, lane: Lane) -> u32 {
        self.providers
            .get(&provider)
            .and_then(|state| state.lanes.get(&lane))
            .map_or(0, |state| state.seconds)
    }

    /// Free lanes of a provider, lowest first; see [`ProviderState::free_lanes`]. Empty for an unknown provider.
    pub fn free_lanes(
        &self,
        provider: ProviderId,
        now: ChainSeconds,
    ) -> impl Iterator<Item = (Lane, Generation)> {
        self.provider(provider)
            .into_iter()
            .flat_map(move |state| state.free_lanes(now, self.windows.vest_epoch))
    }
}

fn metered(lane: &LaneState) -> impl Iterator<Item = Metered<'_>> {
    lane.leases.values().map(|lease| Metered {
        lease,
        lane_seconds: lane.seconds,
    })
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
