//! The book's money rules, as a state and the acts on it: written from the design (contracts: sections 2 to 7), not from the Solidity, so that
//! the two can be held against each other (tests/twin), and so that the operator can ask what an act would do before it is sent. `core::book`
//! is told what happened; this says what has to happen. Signatures, gas and events are not its business.
//!
//! An act that is refused changes nothing.

mod act;
mod bucket;
mod leases;
mod orders;
mod parties;
mod refusal;
pub mod rent;
mod settlement;
mod stake;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};

pub use act::{Act, Holder, Signer, Transfer};
pub use bucket::Bucket;
pub use leases::{LeaseSlot, Phase};
pub use orders::{OrderPhase, OrderSlot};
pub use parties::{Provider, Record};
pub use refusal::Refusal;
pub use stake::Stake;

use crate::core::{
    book::{TokenIndex, Windows},
    ids::{Lane, ProviderId},
    time::ChainSeconds,
};

/// What Params says at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Fee of new leases, in steps of 10 bps.
    pub fee_steps: u8,
    /// Until when posting and opening are paused.
    pub paused_until: ChainSeconds,
    /// Tokens that take new orders, and whether they count as dollars.
    pub tokens: BTreeMap<TokenIndex, TokenPolicy>,
    /// Where fees and burned bonds go.
    pub fee_receiver: Address,
}

/// What Params says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPolicy {
    /// Takes new orders.
    pub takes_orders: bool,
    /// Counts in reputation.
    pub dollar: bool,
}

/// Everything the book and the vault store that money follows from. Amounts in micro-units of their token.
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
}

/// What an act is done with: who, when, and what it has moved so far.
struct Doing {
    caller: Address,
    now: u64,
    moved: Vec<Transfer>,
}

impl Doing {
    fn push(&mut self, token: TokenIndex, from: Holder, to: Holder, amount: u128) {
        if amount != 0 {
            self.moved.push(Transfer {
                token,
                from,
                to,
                amount,
            });
        }
    }

    fn pull(&mut self, token: TokenIndex, to: Holder, amount: u128) {
        self.push(token, Holder::Account(self.caller), to, amount);
    }
}

impl Escrow {
    /// A book in which nothing has happened.
    #[must_use]
    pub const fn new(windows: Windows, address: Address, policy: Policy) -> Self {
        Self {
            windows,
            address,
            policy,
            unwilling: BTreeSet::new(),
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
        }
    }

    /// Does an act and says what money it moved.
    ///
    /// # Errors
    /// The book refuses it, and nothing has changed.
    pub fn act(&mut self, caller: Address, now: ChainSeconds, act: &Act) -> Result<Vec<Transfer>, Refusal> {
        let mut next = self.clone();
        let mut doing = Doing {
            caller,
            now: now.0,
            moved: Vec::new(),
        };
        next.dispatch(&mut doing, act)?;
        *self = next;
        Ok(doing.moved)
    }

    fn dispatch(&mut self, doing: &mut Doing, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Register { payout, keys } => self.register(doing, *payout, keys),
            Act::AddKey { provider, key, roles } => self.add_key(doing, *provider, *key, *roles),
            Act::RemoveKey { provider, key } => self.remove_key(doing, *provider, *key),
            Act::CancelAllBids { provider, key } => self.cancel_all_bids(doing, *provider, *key),
            Act::SetPayout { provider, payout } => self.set_payout(doing, *provider, *payout),
            Act::Post { order } => self.post(doing, order),
            Act::Cancel { order } => self.cancel(doing, order),
            Act::Accept {
                order,
                bid,
                lanes,
                signer,
            } => self.accept(doing, order, bid, lanes, *signer),
            Act::Start { terms, base } => self.start(doing, terms, *base),
            Act::Decline { terms } => self.decline(doing, terms),
            Act::Expire { terms } => self.expire(doing, terms),
            Act::Report {
                provider,
                first_word,
                words,
            } => self.report(doing, *provider, *first_word, words),
            Act::Settle { provider, lanes } => self.settle(doing, *provider, lanes),
            Act::TopUp { terms, amount } => self.top_up(doing, terms, *amount),
            Act::Notice { terms } => self.notice(doing, terms),
            Act::Stop { terms } => self.stop(doing, terms),
            Act::Evict { terms } => self.evict(doing, terms),
            Act::Waive { terms, cum } => self.waive(doing, terms, *cum),
            Act::Finalize { terms } => self.finalize(doing, terms),
            Act::CloseBoth {
                terms,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            } => self.close_both(doing, terms, *cum, *deadline, *provider_signer, *tenant_signer),
            Act::Claim { provider, token } => self.claim(doing, *provider, *token),
            Act::WithdrawCredit { token, to } => self.withdraw_credit(doing, *token, *to),
            Act::PushFees { token } => self.push_fees(doing, *token),
            Act::Stake {
                provider,
                token,
                amount,
            } => self.add_stake(doing, *provider, *token, *amount),
            Act::RequestUnbond {
                provider,
                token,
                amount,
            } => self.request_unbond(doing, *provider, *token, *amount),
            Act::CompleteUnbond { provider, token } => self.complete_unbond(doing, *provider, *token),
            Act::PushBurned { token } => self.push_burned(doing, *token),
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

    /// All that the book must hold of a token: orders, balances, holdbacks, vesting, claimable, fees and credits (contracts: I1).
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
        let credits = self
            .credits
            .iter()
            .filter(|((_, of), _)| *of == token)
            .map(|(_, sum)| *sum);
        orders.chain(leases).chain(vesting).chain(credits).sum::<u128>()
            + of_providers(&self.claimable)
            + self.fees(token)
    }

    /// All that the vault must hold of a token: stakes and burned bonds.
    #[must_use]
    pub fn held_by_vault(&self, token: TokenIndex) -> u128 {
        let stakes = self
            .stakes
            .iter()
            .filter(|((_, of), _)| *of == token)
            .map(|(_, stake)| u128::from(stake.amount.0));
        stakes.sum::<u128>() + self.burned(token)
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
        let credit = self.credits.entry((to, token)).or_default();
        *credit = credit.saturating_add(amount);
    }

    fn add_fee(&mut self, token: TokenIndex, amount: u128) {
        let fees = self.fees.entry(token).or_default();
        *fees = fees.saturating_add(amount);
    }
}
