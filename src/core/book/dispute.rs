//! What disputes do to a market: who contests which seconds, what is held back of money and stake meanwhile, and what the court owes.
//! Holds of book and vault are kept apart from the court's story: they are lifted by time, or by a court that is followed no more.

mod court;
mod event;
mod holds;

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256};

pub use self::{
    event::{DisputeEvent, Outcome},
    holds::{Freeze, Reserve},
};
use super::{Moment, TokenIndex};
use crate::core::{
    ids::{LeaseId, LeaseKey},
    money::MicroUnits,
    time::ChainSeconds,
};

/// The slot of Params and StakeVault that a court has.
pub const COURT_SLOT: u8 = 0;

/// An arbiter's ruling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ruling {
    /// Of what is frozen, to the tenant.
    pub award: MicroUnits,
    /// Of the stake, to the tenant.
    pub refund: MicroUnits,
    /// Of the stake, to nobody.
    pub burn: MicroUnits,
}

impl Ruling {
    /// Whether it leaves the provider everything.
    #[must_use]
    pub fn for_provider(&self) -> bool {
        [self.award, self.refund, self.burn] == [MicroUnits::ZERO; 3]
    }
}

/// Where a dispute stands. `due`: until then the next act may come, after it the phase's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputePhase {
    /// The provider may answer until then; after it, silence.
    Contested {
        /// The last second to answer.
        due: ChainSeconds,
    },
    /// An arbiter may rule until then; after it, a lapse.
    Answered {
        /// The last second to rule.
        due: ChainSeconds,
    },
    /// The timelock may veto until then; after it, anyone executes.
    Ruled {
        /// The last second to veto.
        due: ChainSeconds,
        /// What was decided.
        ruling: Ruling,
    },
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
        /// When.
        at: Moment,
        /// What the tenant got of frozen money, of stake, and what stake was burned.
        ruling: Ruling,
    },
}

impl DisputePhase {
    /// Until when the next act may come; none once it is over.
    #[must_use]
    pub const fn due(&self) -> Option<ChainSeconds> {
        match self {
            Self::Contested { due } | Self::Answered { due } | Self::Ruled { due, .. } => Some(*due),
            Self::Ended { .. } => None,
        }
    }
}

/// The provider's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Who bonded it.
    pub answerer: Address,
    /// Seconds in the receipt.
    pub cum: u32,
    /// Its instant.
    pub as_of: ChainSeconds,
    /// Root of the evidence.
    pub root: B256,
}

/// One dispute; a lease can have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeState {
    /// The lease, and the terms whose seconds are contested.
    pub key: LeaseKey,
    /// Token of lease and bonds.
    pub token: TokenIndex,
    /// Tenant or agent.
    pub contester: Address,
    /// When it began.
    pub opened: Moment,
    /// First contested second, less one.
    pub from_cum: u32,
    /// Last contested second.
    pub to_cum: u32,
    /// Rent of the contested seconds: the most the tenant can get.
    pub amount: MicroUnits,
    /// What the book froze when it began.
    pub frozen: MicroUnits,
    /// What the vault reserved when it began.
    pub reserved: MicroUnits,
    /// Of each side.
    pub bond: MicroUnits,
    /// Hash of what the tenant says.
    pub statement: B256,
    /// The provider's answer, once given.
    pub answer: Option<Answer>,
    /// Hash of the written ruling, once given.
    pub reasons: Option<B256>,
    /// Where it stands.
    pub phase: DisputePhase,
}

impl DisputeState {
    /// Whether it is not over.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.phase.due().is_some()
    }
}

/// What the court owes an account, as sums over all time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CourtCredit {
    /// Credited.
    pub credited: u128,
    /// Of it, paid.
    pub withdrawn: u128,
}

impl CourtCredit {
    /// What can be paid now.
    #[must_use]
    pub const fn open(&self) -> u128 {
        self.credited.saturating_sub(self.withdrawn)
    }
}

/// Disputes and holds of a market.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disputes {
    all: BTreeMap<LeaseId, Arc<DisputeState>>,
    freezes: BTreeMap<LeaseId, Freeze>,
    reserves: BTreeMap<(LeaseId, u8), Reserve>,
    credits: BTreeMap<(Address, TokenIndex), CourtCredit>,
}

impl Disputes {
    /// All, ended ones included, by lease.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DisputeState>> {
        self.all.values()
    }

    /// The dispute about a lease.
    #[must_use]
    pub fn get(&self, id: LeaseId) -> Option<&Arc<DisputeState>> {
        self.all.get(&id)
    }

    /// What is frozen of a lease's money now.
    #[must_use]
    pub fn freeze(&self, id: LeaseId) -> Option<&Freeze> {
        self.freezes.get(&id)
    }

    /// What the court has reserved of stake for a lease now.
    #[must_use]
    pub fn reserve(&self, id: LeaseId) -> Option<&Reserve> {
        self.reserves.get(&(id, COURT_SLOT))
    }

    /// What the court owes an account in a token.
    #[must_use]
    pub fn credit(&self, account: Address, token: TokenIndex) -> CourtCredit {
        self.credits.get(&(account, token)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
