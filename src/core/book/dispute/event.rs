//! What the contracts say of disputes and of what is held back for them. Words only: what follows from them is in the files beside.

use alloy::primitives::{Address, B256};

use crate::core::{book::TokenIndex, ids::LeaseId, money::MicroUnits, time::ChainSeconds};

/// One event about a dispute, of the LeaseBook, the StakeVault or the DisputeCourt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are named as in contracts/src/interfaces, documented there"
)]
pub enum DisputeEvent {
    /// The book keeps unvested money of the lease's provider, at most until then.
    Frozen {
        id: LeaseId,
        amount: MicroUnits,
        until: ChainSeconds,
    },
    /// The book let go of it: to the tenant, and what is claimable for the provider.
    FreezeEnded {
        id: LeaseId,
        to_tenant: MicroUnits,
        to_provider: MicroUnits,
    },
    /// The vault keeps stake for a slasher's decision about the lease.
    Reserved {
        id: LeaseId,
        slot: u8,
        slasher: Address,
        amount: MicroUnits,
        until: ChainSeconds,
    },
    /// The vault let go of it.
    Unreserved { id: LeaseId, slot: u8 },
    /// Stake was taken out of a reserve; the rest of the reserve is free again.
    Slashed {
        id: LeaseId,
        slot: u8,
        token: TokenIndex,
        refunded: MicroUnits,
        burned: MicroUnits,
    },
    /// Seconds (from, to] of a lease are contested.
    Contested {
        id: LeaseId,
        contester: Address,
        from_cum: u32,
        to_cum: u32,
        amount: MicroUnits,
        frozen: MicroUnits,
        reserved: MicroUnits,
        bond: MicroUnits,
        answer_by: ChainSeconds,
        statement: B256,
    },
    /// The provider stands by its count.
    Answered {
        id: LeaseId,
        answerer: Address,
        cum: u32,
        as_of: ChainSeconds,
        root: B256,
        ruling_by: ChainSeconds,
    },
    /// An arbiter decided.
    Ruled {
        id: LeaseId,
        arbiter: Address,
        award: MicroUnits,
        refund: MicroUnits,
        burn: MicroUnits,
        veto_by: ChainSeconds,
        reasons: B256,
    },
    /// It is over.
    Ended {
        id: LeaseId,
        outcome: Outcome,
        awarded: MicroUnits,
        refunded: MicroUnits,
        burnt: MicroUnits,
    },
    /// The court owes an account more.
    Credited {
        account: Address,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// The court paid an account.
    CreditWithdrawn {
        account: Address,
        token: TokenIndex,
        amount: u128,
    },
}

/// How a dispute ended (contracts: `Outcome`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The provider did not answer.
    Silence,
    /// No arbiter ruled.
    Lapsed,
    /// The timelock undid the ruling.
    Vetoed,
    /// For the tenant.
    Tenant,
    /// For the provider.
    Provider,
}
