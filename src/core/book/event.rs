//! What the contracts said, in our own words: one variant an event, every number already in its unit.
//! Knows no log, topic or ABI; `chain_io::decode` makes these.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};

use super::dispute::DisputeEvent;
use crate::core::{
    documents::{bid::SignedBid, order::Order, terms::Terms},
    ids::{Lane, LeaseId, OrderHash, ProviderId},
    money::MicroUnits,
    time::ChainSeconds,
};

/// Index into the token list of Params.
pub type TokenIndex = u8;

/// Roles of a hot key, as bits (contracts: `KeyGrant.roles`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRoles(pub u8);

impl KeyRoles {
    /// May sign bids.
    pub const BID: Self = Self(1);
    /// May start, decline, stop, waive and sign closes.
    pub const START: Self = Self(2);
    /// May report usage and sign receipts.
    pub const REPORT: Self = Self(4);

    /// Whether all of `needed` are among these.
    #[must_use]
    pub const fn include(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

/// Who ended a lease; the first to stop keeps it (contracts: `StopBy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopBy {
    /// Its time was over.
    EndReached,
    /// The tenant, or the money was used up.
    TenantOrFunds,
    /// The provider, with notice.
    ProviderNotice,
    /// The provider, without.
    ProviderFault,
}

/// How a lease that ran was closed (contracts: `CloseKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseKind {
    /// By anyone, after the window of final reports; the lane rests.
    Finalized,
    /// By both signatures; the lane is free at once.
    Agreed,
}

/// When earned money can be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vesting {
    /// After one to two vest epochs.
    Vests,
    /// At once: the tenant signed for it.
    AtOnce,
}

/// Where money that returned to a tenant went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refund {
    /// To refundTo.
    Pushed(MicroUnits),
    /// To the credit of refundTo, which did not take it.
    Credited(MicroUnits),
}

/// One lease's line of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SettledRow {
    /// The lane; the lease is the last one opened on it.
    pub lane: Lane,
    /// Seconds paid in all under the terms.
    pub settled: u32,
    /// What left the lease's balance now.
    pub paid: MicroUnits,
}

/// One event of LeaseBook, StakeVault or DisputeCourt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are named as in contracts/src/interfaces, documented there"
)]
pub enum BookEvent {
    /// A provider came into being.
    ProviderRegistered {
        provider: ProviderId,
        owner: Address,
        payout: Address,
    },
    /// A key may act from `from` on; `bid_epoch` goes into the bids it signs.
    KeyAdded {
        provider: ProviderId,
        key: Address,
        roles: KeyRoles,
        from: ChainSeconds,
        bid_epoch: u32,
    },
    /// A key may no longer act.
    KeyRemoved {
        provider: ProviderId,
        key: Address,
        bid_epoch: u32,
    },
    /// Bids signed by the key under a lower epoch are void.
    BidsCancelled {
        provider: ProviderId,
        key: Address,
        bid_epoch: u32,
    },
    /// Earnings go to `payout` from `from` on.
    PayoutSet {
        provider: ProviderId,
        payout: Address,
        from: ChainSeconds,
    },
    /// The provider's public address and the SHA-256 of its TLS public key (zero: publicly trusted).
    GatewaySet {
        provider: ProviderId,
        url: String,
        spki: B256,
        next_spki: B256,
    },
    /// A facts document was published.
    FactsPublished { provider: ProviderId, hash: B256 },
    /// Standing offers were published.
    OffersPublished { provider: ProviderId, hash: B256 },
    /// The book uses a token for the first time and remembers it for good; `scale` asset units are one micro-unit.
    TokenAdopted {
        token: TokenIndex,
        asset: Address,
        scale: u64,
        dollar: bool,
    },
    /// A funded order.
    OrderPosted {
        hash: OrderHash,
        order: Arc<Order>,
        needs: Bytes,
        endpoint: String,
    },
    /// An order ended without a lease.
    OrderCancelled { hash: OrderHash, refund: Refund },
    /// A bid on the bulletin; nobody has checked its signature yet.
    BidPosted(Arc<SignedBid>),
    /// A bid on the bulletin that cannot be read; strangers may write such, so it means nothing.
    BidMalformed { order: OrderHash, provider: ProviderId },
    /// A lease waits for its start until `stop_at`; `holdback` is the part of `deposit` kept for grace and early fee.
    LeaseOpened {
        id: LeaseId,
        deposit: MicroUnits,
        holdback: MicroUnits,
        stop_at: ChainSeconds,
        terms: Arc<Terms>,
    },
    /// The clock runs.
    LeaseStarted {
        id: LeaseId,
        start_at: ChainSeconds,
        stop_at: ChainSeconds,
        lane_base: u32,
        bindings: B256,
    },
    /// A pending lease ended; each side lost `burn`.
    LeaseDeclined {
        id: LeaseId,
        reason: u16,
        burn: MicroUnits,
        refund: Refund,
    },
    /// Cumulative billable seconds; merge by lane-wise maximum into words `first_word`, `first_word + 1`, …
    Usage {
        provider: ProviderId,
        first_word: u32,
        as_of: ChainSeconds,
        root: B256,
        words: Vec<U256>,
    },
    /// Usage became earnings.
    Settled {
        provider: ProviderId,
        rows: Vec<SettledRow>,
    },
    /// `gross - fee` micro-units were earned.
    Earned {
        provider: ProviderId,
        token: TokenIndex,
        gross: u128,
        fee: u128,
        vesting: Vesting,
    },
    /// Money was added; `balance` is the new one.
    ToppedUp {
        id: LeaseId,
        payer: Address,
        amount: MicroUnits,
        balance: MicroUnits,
    },
    /// Nothing accrues from `stop_at` on.
    Stopped {
        id: LeaseId,
        by: StopBy,
        reason: u16,
        stop_at: ChainSeconds,
    },
    /// Both sides agreed on other terms: `cum` seconds of the old ones were paid, `paid` micro-units for them now, and the count begins
    /// anew at `start_at` and `lane_base`.
    Amended {
        id: LeaseId,
        cum: u32,
        paid: MicroUnits,
        start_at: ChainSeconds,
        stop_at: ChainSeconds,
        lane_base: u32,
        balance: MicroUnits,
        holdback: MicroUnits,
        terms: Arc<Terms>,
    },
    /// The provider bills less: usage is `cum`.
    Waived { id: LeaseId, cum: u32, lane_base: u32 },
    /// The tenant got the missing notice out of what was unvested.
    Compensated { id: LeaseId, amount: MicroUnits },
    /// A lease that ran is over; `paid` is all rent paid under the terms.
    Closed {
        id: LeaseId,
        kind: CloseKind,
        cum: u32,
        paid: MicroUnits,
        early_fee: MicroUnits,
        fee: MicroUnits,
        refund: Refund,
    },
    /// Earnings left to the payout address.
    Claimed {
        provider: ProviderId,
        token: TokenIndex,
        payout: Address,
        amount: u128,
    },
    /// A push failed, or a compensation: the account may withdraw it.
    Credited {
        account: Address,
        token: TokenIndex,
        amount: u128,
    },
    /// A credit left.
    CreditWithdrawn {
        account: Address,
        token: TokenIndex,
        amount: u128,
    },
    /// Stake was added.
    StakeDeposited {
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// Stake was asked back; `unbonding` is all that waits, until `unbond_at`.
    UnbondRequested {
        provider: ProviderId,
        token: TokenIndex,
        unbonding: MicroUnits,
        unbond_at: ChainSeconds,
    },
    /// Stake left.
    Unbonded {
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// A bond was locked.
    BondLocked {
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// A bond of `amount` was released, less what was burned of it.
    BondReleased {
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
        burned: MicroUnits,
    },
    /// Something about a dispute, or about what is held back for one.
    Dispute(DisputeEvent),
    /// A log of our contracts that this program cannot read: the book is in doubt from here on.
    Unreadable {
        /// Which log, and why.
        reason: String,
    },
}
