//! What can be done to the book and its vault: one variant a function that moves money or the state money follows from. Signatures are given as
//! whom they recover to; recovering is not the model's business.

use alloy::primitives::{Address, U256};

use crate::core::{
    book::{KeyRoles, TokenIndex},
    documents::{bid::Bid, order::Order, terms::Terms},
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
    /// Takes an order back.
    Cancel { order: Box<Order> },
    /// Opens the order's leases; `lanes` as `lane << 32 | generation`, `signer` is whom the bid's signature recovers to.
    Accept {
        order: Box<Order>,
        bid: Box<Bid>,
        lanes: Vec<u64>,
        signer: Option<Address>,
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
