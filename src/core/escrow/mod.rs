//! The money rules of book, vault and court, as a state and the acts on it: written from the design (contracts: sections 2 to 7), not from the
//! Solidity, so that the two can be held against each other (tests/twin), and so that the operator can ask what an act would do before it is
//! sent. `core::book` is told what happened; this says what has to happen. Signatures, gas and events are not its business.
//!
//! An act that is refused changes nothing.

mod act;
mod agreements;
mod bucket;
mod court;
mod doing;
mod freezes;
mod leases;
mod merkle;
mod openings;
mod orders;
mod parties;
mod refusal;
pub mod rent;
mod reserves;
mod settlement;
mod stake;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256, aliases::U96};

pub use act::{Act, FundBy, Funding, Holder, Signer, Transfer};
pub use bucket::Bucket;
pub use court::{Court, Dispute, DisputePhase};
pub use freezes::Freeze;
pub use leases::{LeaseSlot, Phase};
pub use orders::{OrderPhase, OrderSlot};
pub use parties::{Provider, Record};
pub use refusal::Refusal;
pub use reserves::{Liability, Reserve, Share};
pub use stake::Stake;

use doing::Doing;

use crate::core::{
    book::{TokenIndex, Windows},
    ids::{Lane, ProviderId, TermsHash},
    time::ChainSeconds,
};

/// What Params says at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Fee of new leases, in steps of 10 bps.
    pub fee_steps: u8,
    /// The token whose leases pay another fee, and that.
    pub reduced: Option<(TokenIndex, u8)>,
    /// Until when posting and opening are paused.
    pub paused_until: ChainSeconds,
    /// Tokens that take new orders, and whether they count as dollars.
    pub tokens: BTreeMap<TokenIndex, TokenPolicy>,
    /// Where fees and burned bonds go.
    pub fee_receiver: Address,
    /// Who may slash, by slot; slot 0 is the court.
    pub slashers: [Option<Address>; 3],
}

/// What Params says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPolicy {
    /// Takes new orders.
    pub takes_orders: bool,
    /// Counts in reputation.
    pub dollar: bool,
    /// What a dispute costs whoever loses it, in micro-units.
    pub court_fee: u64,
}

/// Everything that book, vault and court store and money follows from. Amounts in micro-units of their token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escrow {
    /// F and W.
    pub windows: Windows,
    /// The book's address, which nobody may name as receiver.
    pub address: Address,
    /// Params, as it is now.
    pub policy: Policy,
    /// Who the tokens refuse to pay; what is pushed to them becomes a credit.
    pub unwilling: BTreeSet<(TokenIndex, Address)>,
    /// Who gave which contract no standing allowance for which token.
    pub sparing: BTreeSet<(Holder, TokenIndex, Address)>,
    /// Who judges, and how long that may take.
    pub court: Court,
    providers: BTreeMap<ProviderId, Provider>,
    orders: BTreeMap<B256, OrderSlot>,
    leases: BTreeMap<(ProviderId, Lane), LeaseSlot>,
    lanes: BTreeMap<(ProviderId, Lane), u32>,
    claimable: BTreeMap<(ProviderId, TokenIndex), u128>,
    vesting: BTreeMap<(ProviderId, TokenIndex), Bucket>,
    fees: BTreeMap<TokenIndex, u128>,
    credits: BTreeMap<(Address, TokenIndex), u128>,
    stakes: BTreeMap<(ProviderId, TokenIndex), Stake>,
    burned: BTreeMap<TokenIndex, u128>,
    offers_taken: BTreeMap<B256, U256>,
    retired: BTreeSet<TermsHash>,
    freezes: BTreeMap<U96, Freeze>,
    frozen: BTreeMap<(ProviderId, TokenIndex), u128>,
    reserves: BTreeMap<(U96, u8), Reserve>,
    liabilities: BTreeMap<U96, Liability>,
    shares: BTreeMap<(ProviderId, TokenIndex, u8), Share>,
    stake_credits: BTreeMap<(Address, TokenIndex), u128>,
    disputes: BTreeMap<U96, Dispute>,
    bond_credits: BTreeMap<(Address, TokenIndex), u128>,
}

impl Escrow {
    /// A book in which nothing has happened.
    #[must_use]
    pub const fn new(windows: Windows, address: Address, policy: Policy, court: Court) -> Self {
        Self {
            windows,
            address,
            policy,
            unwilling: BTreeSet::new(),
            sparing: BTreeSet::new(),
            court,
            providers: BTreeMap::new(),
            orders: BTreeMap::new(),
            leases: BTreeMap::new(),
            lanes: BTreeMap::new(),
            claimable: BTreeMap::new(),
            vesting: BTreeMap::new(),
            fees: BTreeMap::new(),
            credits: BTreeMap::new(),
            stakes: BTreeMap::new(),
            burned: BTreeMap::new(),
            offers_taken: BTreeMap::new(),
            retired: BTreeSet::new(),
            freezes: BTreeMap::new(),
            frozen: BTreeMap::new(),
            reserves: BTreeMap::new(),
            liabilities: BTreeMap::new(),
            shares: BTreeMap::new(),
            stake_credits: BTreeMap::new(),
            disputes: BTreeMap::new(),
            bond_credits: BTreeMap::new(),
        }
    }

    /// Providers, by id.
    #[must_use]
    pub const fn providers(&self) -> &BTreeMap<ProviderId, Provider> {
        &self.providers
    }

    /// Orders that were ever posted, by hash.
    #[must_use]
    pub const fn orders(&self) -> &BTreeMap<B256, OrderSlot> {
        &self.orders
    }

    /// The last lease of each lane.
    #[must_use]
    pub const fn leases(&self) -> &BTreeMap<(ProviderId, Lane), LeaseSlot> {
        &self.leases
    }

    /// A lane's cumulative billable seconds.
    #[must_use]
    pub fn lane(&self, provider: ProviderId, lane: Lane) -> u32 {
        self.lanes.get(&(provider, lane)).copied().unwrap_or(0)
    }

    /// What a provider can claim now, and what waits.
    #[must_use]
    pub fn earnings(&self, provider: ProviderId, token: TokenIndex, now: ChainSeconds) -> (u128, u128) {
        let key = (provider, token);
        let (bucket, vested) = self
            .vesting
            .get(&key)
            .copied()
            .unwrap_or_default()
            .at(self.epoch(now.0));
        let claimable = self.claimable.get(&key).copied().unwrap_or(0);
        (claimable.saturating_add(vested), bucket.waiting())
    }

    /// The protocol's fees that wait to be pushed.
    #[must_use]
    pub fn fees(&self, token: TokenIndex) -> u128 {
        self.fees.get(&token).copied().unwrap_or(0)
    }

    /// What an account can withdraw.
    #[must_use]
    pub fn credit(&self, account: Address, token: TokenIndex) -> u128 {
        self.credits.get(&(account, token)).copied().unwrap_or(0)
    }

    /// A provider's stake.
    #[must_use]
    pub fn stake(&self, provider: ProviderId, token: TokenIndex) -> Stake {
        self.stakes.get(&(provider, token)).copied().unwrap_or_default()
    }

    /// Burned bonds that wait to be pushed.
    #[must_use]
    pub fn burned(&self, token: TokenIndex) -> u128 {
        self.burned.get(&token).copied().unwrap_or(0)
    }

    /// Which parts of an offer are taken, a bit each.
    #[must_use]
    pub fn offer_taken(&self, offer: B256) -> U256 {
        self.offers_taken.get(&offer).copied().unwrap_or_default()
    }

    /// Whether an amendment replaced these terms.
    #[must_use]
    pub fn is_retired(&self, terms: TermsHash) -> bool {
        self.retired.contains(&terms)
    }

    /// What the court keeps of a provider's, in all its leases.
    #[must_use]
    pub fn frozen(&self, provider: ProviderId, token: TokenIndex) -> u128 {
        self.frozen.get(&(provider, token)).copied().unwrap_or(0)
    }

    /// What was ever frozen, by lease.
    #[must_use]
    pub const fn freezes(&self) -> &BTreeMap<U96, Freeze> {
        &self.freezes
    }

    /// What stake waits for a decision, by lease and slot.
    #[must_use]
    pub const fn reserves(&self) -> &BTreeMap<(U96, u8), Reserve> {
        &self.reserves
    }

    /// What a lease's liability has come to.
    #[must_use]
    pub fn liability(&self, id: U96) -> Liability {
        self.liabilities.get(&id).copied().unwrap_or_default()
    }

    /// What a slot has slashed of a provider's stake in the epoch in which it last did.
    #[must_use]
    pub fn share(&self, provider: ProviderId, token: TokenIndex, slot: u8) -> Share {
        self.shares
            .get(&(provider, token, slot))
            .copied()
            .unwrap_or_default()
    }

    /// What the vault owes an account.
    #[must_use]
    pub fn stake_credit(&self, account: Address, token: TokenIndex) -> u128 {
        self.stake_credits.get(&(account, token)).copied().unwrap_or(0)
    }

    /// Disputes there ever were.
    #[must_use]
    pub const fn disputes(&self) -> &BTreeMap<U96, Dispute> {
        &self.disputes
    }

    /// What the court owes an account.
    #[must_use]
    pub fn bond_credit(&self, account: Address, token: TokenIndex) -> u128 {
        self.bond_credits.get(&(account, token)).copied().unwrap_or(0)
    }

    /// All that the book must hold of a token: orders, balances, holdbacks, vesting, claimable, frozen, fees and credits (contracts: I1).
    #[must_use]
    pub fn held_by_book(&self, token: TokenIndex) -> u128 {
        let orders = self
            .orders
            .values()
            .filter(|order| order.token == token)
            .map(|order| u128::from(order.amount.0));
        let leases = self
            .leases
            .values()
            .filter(|lease| lease.terms.token == token)
            .map(LeaseSlot::funds);
        let of_providers = |sums: &BTreeMap<(ProviderId, TokenIndex), u128>| -> u128 {
            sums.iter()
                .filter(|((_, of), _)| *of == token)
                .map(|(_, sum)| sum)
                .sum()
        };
        let vesting = self
            .vesting
            .iter()
            .filter(|((_, of), _)| *of == token)
            .map(|(_, bucket)| bucket.waiting());
        orders.chain(leases).chain(vesting).sum::<u128>()
            + of_providers(&self.claimable)
            + of_providers(&self.frozen)
            + owed(&self.credits, token)
            + self.fees(token)
    }

    /// All that the vault must hold of a token: stakes, what is burned, and credits (contracts: SV-1).
    #[must_use]
    pub fn held_by_vault(&self, token: TokenIndex) -> u128 {
        let stakes = self
            .stakes
            .iter()
            .filter(|((_, of), _)| *of == token)
            .map(|(_, stake)| u128::from(stake.amount.0));
        stakes.sum::<u128>() + self.burned(token) + owed(&self.stake_credits, token)
    }

    /// All that the court must hold of a token: bonds of open disputes, and credits (contracts: DC-1).
    #[must_use]
    pub fn held_by_court(&self, token: TokenIndex) -> u128 {
        let bonds = self
            .disputes
            .values()
            .filter(|dispute| dispute.token == token)
            .map(Dispute::bonds);
        bonds.sum::<u128>() + owed(&self.bond_credits, token)
    }

    fn epoch(&self, now: u64) -> u64 {
        now / u64::from(self.windows.vest_epoch).max(1)
    }

    /// Money back to somebody who did not ask for it: sent, or credited where the token refuses.
    fn refund(&mut self, doing: &mut Doing, token: TokenIndex, to: Address, amount: u128) {
        if amount == 0 {
            return;
        }
        if self.refuses(token, to) {
            self.add_credit(to, token, amount);
        } else {
            doing.push(token, Holder::Book, Holder::Account(to), amount);
        }
    }

    fn refuses(&self, token: TokenIndex, to: Address) -> bool {
        self.unwilling.contains(&(token, to))
    }

    fn add_credit(&mut self, to: Address, token: TokenIndex, amount: u128) {
        if amount != 0 {
            let credit = self.credits.entry((to, token)).or_default();
            *credit = credit.saturating_add(amount);
        }
    }

    fn add_fee(&mut self, token: TokenIndex, amount: u128) {
        let fees = self.fees.entry(token).or_default();
        *fees = fees.saturating_add(amount);
    }
}

fn owed(credits: &BTreeMap<(Address, TokenIndex), u128>, token: TokenIndex) -> u128 {
    credits
        .iter()
        .filter(|((_, of), _)| *of == token)
        .map(|(_, sum)| sum)
        .sum()
}
