//! One lease: what the contract stores of it, and what follows from that at a given chain time (contracts: sections 2 and 3).
//! May not know a clock: the time is an argument, and it is the chain's.

use std::sync::Arc;

use alloy::primitives::{Address, B256};

use super::{
    Moment,
    event::{CloseKind, Refund, StopBy},
    order::PostedOrder,
};
use crate::core::{
    documents::terms::Terms,
    escrow::rent,
    ids::{LeaseKey, OrderHash},
    money::{MicroUnits, RatePerHour},
    time::ChainSeconds,
};

/// What the contract stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredPhase {
    /// Opened, waits for its start.
    Pending,
    /// Started and not closed.
    Live,
    /// Over.
    Closed,
}

/// What a lease is at a moment; derived, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeasePhase {
    /// Waits for its start and may still be started.
    Pending,
    /// Was not started in time; anyone may expire it.
    Overdue,
    /// Seconds count.
    Active,
    /// Nothing accrues any more; final reports, then finalize.
    Stopped,
    /// Over.
    Closed,
}

/// A stop as it was said; the first one said keeps its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stop {
    /// Who.
    pub by: StopBy,
    /// Why: the typed reasons of protocol.md.
    pub reason: u16,
    /// When it was said; it holds from the lease's `stop_at`.
    pub said: Moment,
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It never started: declined (provider's reason) or expired (4001). Each side lost `burn`.
    NeverStarted {
        /// Typed reason.
        reason: u16,
        /// Burned on each side.
        burn: MicroUnits,
        /// What the tenant got back.
        refund: Refund,
        /// When.
        at: Moment,
    },
    /// It ran.
    Ran {
        /// By whom.
        kind: CloseKind,
        /// Seconds paid in all.
        cum: u32,
        /// Rent paid in all.
        paid: MicroUnits,
        /// Early fee beside it.
        early_fee: MicroUnits,
        /// What the tenant got back.
        refund: Refund,
        /// When.
        at: Moment,
    },
}

impl Ending {
    /// Where and when.
    #[must_use]
    pub const fn at(&self) -> Moment {
        match self {
            Self::NeverStarted { at, .. } | Self::Ran { at, .. } => *at,
        }
    }
}

/// A lease as the contract stores it. Times are 0 where the contract has 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseState {
    /// Id and the terms it was opened on: its name for life. An amendment changes what is signed, not which lease it is.
    pub key: LeaseKey,
    /// The terms in force: what every later call passes back.
    pub terms: Arc<Terms>,
    /// The order it came from, with the needs; none when the order was pruned from the book before.
    pub order: Option<Arc<PostedOrder>>,
    /// Where and when it was opened.
    pub opened: Moment,
    /// All escrow it began with.
    pub deposit: MicroUnits,
    /// The part of the deposit kept for grace and early fee.
    pub holdback: MicroUnits,
    /// What is left to pay rent with; excludes the holdback.
    pub balance: MicroUnits,
    /// Price of the whole lease.
    pub rate: RatePerHour,
    /// As stored.
    pub stored: StoredPhase,
    /// When the clock began.
    pub start_at: ChainSeconds,
    /// Pending: the last second to start. Live: nothing accrues from here on.
    pub stop_at: ChainSeconds,
    /// The lane's value that counts as zero.
    pub lane_base: u32,
    /// Seconds paid.
    pub settled: u32,
    /// Rent that left the balance so far.
    pub paid: MicroUnits,
    /// How often the provider billed less under the terms in force: so often its count may fall.
    pub waivers: u32,
    /// Hash of what the provider bound to it.
    pub bindings: B256,
    /// The first stop that was said.
    pub stop: Option<Stop>,
    /// What the tenant got for missing notice.
    pub compensated: MicroUnits,
    /// How it ended.
    pub ending: Option<Ending>,
}

impl LeaseState {
    /// Whose order.
    #[must_use]
    pub fn tenant(&self) -> Address {
        self.terms.tenant
    }

    /// From which order.
    #[must_use]
    pub fn order_hash(&self) -> OrderHash {
        OrderHash(self.terms.orderHash)
    }

    /// Id and the terms in force: what every signed act of it names.
    #[must_use]
    pub fn signed_as(&self) -> LeaseKey {
        LeaseKey {
            id: self.key.id,
            terms: self.terms.hash(),
        }
    }

    /// What it is at a chain time.
    #[must_use]
    pub fn phase(&self, now: ChainSeconds) -> LeasePhase {
        match self.stored {
            StoredPhase::Closed => LeasePhase::Closed,
            StoredPhase::Pending if now <= self.stop_at => LeasePhase::Pending,
            StoredPhase::Pending => LeasePhase::Overdue,
            StoredPhase::Live if now < self.stop_at => LeasePhase::Active,
            StoredPhase::Live => LeasePhase::Stopped,
        }
    }

    /// Whether the lane is occupied by it still, at a chain time: not closed, or finalized less than `rest` seconds ago.
    #[must_use]
    pub fn occupies_lane(&self, now: ChainSeconds, rest: u32) -> bool {
        match &self.ending {
            None => true,
            Some(Ending::NeverStarted { .. }) => false,
            Some(Ending::Ran { kind, at, .. }) => match kind {
                CloseKind::Agreed => false,
                CloseKind::Finalized => now.0 < at.time.0.saturating_add(u64::from(rest)),
            },
        }
    }

    /// The last second the present balance pays for, counted from the start; none when the rate is zero, which no lease has.
    #[must_use]
    pub fn affordable(&self) -> Option<u32> {
        (self.rate.get() != 0).then(|| rent::last_affordable(self.rate, self.settled, self.balance.0.into()))
    }
}

/// A lease beside its lane's counter: all that money needs.
#[derive(Debug, Clone, Copy)]
pub struct Metered<'a> {
    /// The lease.
    pub lease: &'a LeaseState,
    /// The lane's cumulative billable seconds.
    pub lane_seconds: u32,
}

impl Metered<'_> {
    /// Usage in seconds at a chain time: what was reported, clipped to the time that passed.
    #[must_use]
    pub fn cum(&self, now: ChainSeconds) -> u32 {
        if let Some(Ending::Ran { cum, .. }) = &self.lease.ending {
            return *cum;
        }
        match self.lease.stored {
            StoredPhase::Pending | StoredPhase::Closed => 0,
            // A voucher may have paid seconds that no report has counted yet.
            StoredPhase::Live => rent::used(
                self.lane_seconds
                    .max(self.lease.lane_base.saturating_add(self.lease.settled)),
                self.lease.lane_base,
                self.lease.start_at.0,
                self.lease.stop_at.0,
                now.0,
            ),
        }
    }

    /// What the next settle would take if the balance allowed: `floor(cum*r/3600) - floor(settled*r/3600)`.
    #[must_use]
    pub fn owed(&self, now: ChainSeconds) -> MicroUnits {
        let rate = self.lease.rate;
        rate.owed_down(self.cum(now))
            .saturating_sub(rate.owed_down(self.lease.settled))
    }

    /// Usage in seconds that the balance does not cover; from the terms' grace on the provider may evict.
    #[must_use]
    pub fn unpaid_seconds(&self, now: ChainSeconds) -> u32 {
        match self.lease.affordable() {
            Some(affordable) => self.cum(now).saturating_sub(affordable),
            None => 0,
        }
    }

    /// When the balance is used up if from now on every second counts; none when the lease ends first or does not run.
    /// Usage not reported yet is not seen: pass the meter's own count where that is higher.
    #[must_use]
    pub fn runs_dry_at(&self, now: ChainSeconds, metered: Option<u32>) -> Option<ChainSeconds> {
        if self.lease.phase(now) != LeasePhase::Active {
            return None;
        }
        let used = self.cum(now).max(metered.unwrap_or(0));
        let left = u64::from(self.lease.affordable()?.saturating_sub(used));
        let dry = ChainSeconds(now.0.saturating_add(left));
        (dry < self.lease.stop_at).then_some(dry)
    }
}
