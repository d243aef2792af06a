//! What can be done to the book, its vault and its court: one variant a function that moves money or the state money follows from. Signatures are given as
//! whom they recover to; recovering is not the model's business.

use alloy::primitives::{Address, B256, U256, aliases::U96};

use crate::core::{
    book::{KeyRoles, TokenIndex},
    documents::{bid::Bid, offer::Offer, order::Order, terms::Terms},
    ids::{Lane, ProviderId},
    money::MicroUnits,
};

/// A call, by whom is said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are the arguments of the function of the same name in contracts/src/interfaces, documented there"
)]
pub enum Act {
    /// The caller becomes the owner of a new provider.
    Register {
        payout: Address,
        keys: Vec<(Address, KeyRoles)>,
    },
    /// Adds a key that may act in a day.
    AddKey {
        provider: ProviderId,
        key: Address,
        roles: KeyRoles,
    },
    /// Removes a key at once.
    RemoveKey { provider: ProviderId, key: Address },
    /// Voids the bids a key signed.
    CancelAllBids { provider: ProviderId, key: Address },
    /// Changes where earnings go, in two days.
    SetPayout { provider: ProviderId, payout: Address },
    /// Posts an order and pays its deposit.
    Post { order: Box<Order> },
    /// Posts an order that its tenant signed (none: the caller is the tenant), paid by whoever the funding names.
    PostSigned {
        order: Box<Order>,
        signer: Option<Signer>,
        funding: Funding,
    },
    /// Takes an order back.
    Cancel { order: Box<Order> },
    /// Opens the order's leases; `lanes` as `lane << 32 | generation`, `signer` is whom the bid's signature recovers to.
    Accept {
        order: Box<Order>,
        bid: Box<Bid>,
        lanes: Vec<u64>,
        signer: Option<Address>,
    },
    /// The same, sent by anyone with the tenant's signature.
    AcceptSigned {
        order: Box<Order>,
        bid: Box<Bid>,
        lanes: Vec<u64>,
        signer: Signer,
        deadline: u64,
        tenant_signer: Signer,
    },
    /// A provider takes a dutch order at the rate of the moment.
    Fill {
        order: Box<Order>,
        provider: ProviderId,
        lanes: Vec<u64>,
        bond: MicroUnits,
        liability: MicroUnits,
        proof: Vec<B256>,
    },
    /// A tenant takes parts of a standing offer.
    Take {
        order: Box<Order>,
        offer: Box<Offer>,
        parts: Vec<u8>,
        signer: Signer,
        proof: Vec<B256>,
    },
    /// Starts the clock.
    Start { terms: Box<Terms>, base: u32 },
    /// Ends a pending lease.
    Decline { terms: Box<Terms> },
    /// Ends a pending lease that nobody started.
    Expire { terms: Box<Terms> },
    /// Raises lanes.
    Report {
        provider: ProviderId,
        first_word: u32,
        words: Vec<U256>,
    },
    /// Turns usage into earnings.
    Settle { provider: ProviderId, lanes: Vec<Lane> },
    /// Adds to a lease's balance.
    TopUp { terms: Box<Terms>, amount: MicroUnits },
    /// The provider says that it will stop.
    Notice { terms: Box<Terms> },
    /// Ends a lease now.
    Stop { terms: Box<Terms> },
    /// Ends a lease now, sent by anyone with the tenant's signature.
    StopSigned {
        terms: Box<Terms>,
        deadline: u64,
        signer: Signer,
    },
    /// Pays seconds that the tenant signed; none: the caller is the tenant.
    Redeem {
        terms: Box<Terms>,
        cum: u32,
        signer: Option<Signer>,
    },
    /// Puts a running lease on other terms that both signed; none as for `CloseBoth`.
    Amend {
        terms: Box<Terms>,
        next: Box<Terms>,
        cum: u32,
        deadline: u64,
        provider_signer: Option<Signer>,
        tenant_signer: Option<Signer>,
    },
    /// Ends a lease that is not paid.
    Evict { terms: Box<Terms> },
    /// Bills less.
    Waive { terms: Box<Terms>, cum: u32 },
    /// Closes a lease after its last reports.
    Finalize { terms: Box<Terms> },
    /// Closes a lease as both signed it; none: no signature was given, the caller is that side.
    CloseBoth {
        terms: Box<Terms>,
        cum: u32,
        deadline: u64,
        provider_signer: Option<Signer>,
        tenant_signer: Option<Signer>,
    },
    /// Pays a provider.
    Claim { provider: ProviderId, token: TokenIndex },
    /// Pays a credit.
    WithdrawCredit { token: TokenIndex, to: Address },
    /// Pays the protocol.
    PushFees { token: TokenIndex },
    /// Adds stake.
    Stake {
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// Asks for stake back.
    RequestUnbond {
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    },
    /// Pays the stake that was asked for.
    CompleteUnbond { provider: ProviderId, token: TokenIndex },
    /// Pays burned bonds to the protocol.
    PushBurned { token: TokenIndex },
    /// Keeps what a lease paid from its provider.
    Freeze { terms: Box<Terms>, amount: MicroUnits },
    /// Gives it back to the provider.
    Release { id: U96 },
    /// Gives a part of it to the tenant.
    Award { id: U96, amount: MicroUnits },
    /// Keeps stake for a decision about a lease.
    Reserve {
        slot: u8,
        terms: Box<Terms>,
        amount: MicroUnits,
    },
    /// Gives it back.
    Unreserve { slot: u8, id: U96 },
    /// Takes of it.
    Slash {
        slot: u8,
        id: U96,
        refund: MicroUnits,
        burn: MicroUnits,
    },
    /// Pays a credit of the vault.
    WithdrawStakeCredit { account: Address, token: TokenIndex },
    /// Contests seconds in the court.
    Contest {
        terms: Box<Terms>,
        from: u32,
        to: u32,
        most: MicroUnits,
    },
    /// Stands by a count, with whom its receipt recovers to.
    Answer {
        id: U96,
        cum: u32,
        as_of: u64,
        signer: Signer,
    },
    /// Decides.
    Rule {
        id: U96,
        award: MicroUnits,
        refund: MicroUnits,
        burn: MicroUnits,
    },
    /// Undoes a decision before it holds.
    Veto { id: U96 },
    /// Ends a dispute whose time has passed.
    Conclude { id: U96 },
    /// Pays a credit of the court.
    WithdrawBond { account: Address, token: TokenIndex },
}

/// Where an order's deposit comes from. An ERC-3009 authorization is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Funding {
    /// By which right.
    pub by: FundBy,
    /// Whose money.
    pub funder: Address,
    /// Of the signature.
    pub deadline: u64,
    /// Whom the permit or the Fund recovers to; nobody where there is none.
    pub signer: Signer,
}

/// By which right somebody's money is taken for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FundBy {
    /// The caller's standing allowance.
    Caller,
    /// The caller's permit of exactly the deposit.
    Permit,
    /// The standing allowance of whoever signed Fund for this order.
    Fund,
}

/// Whom a signature recovers to; none: nobody.
pub type Signer = Option<Address>;

/// Whose money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// LeaseBook.
    Book,
    /// StakeVault.
    Vault,
    /// DisputeCourt.
    Court,
    /// Somebody outside.
    Account(Address),
}

/// Money that an act moved, in micro-units of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// Which token.
    pub token: TokenIndex,
    /// From whom.
    pub from: Holder,
    /// To whom.
    pub to: Holder,
    /// How much.
    pub amount: u128,
}
