//! One nonce of a wallet, from intent to finality: intents, nonces, fees and versions as pure decisions. Sends nothing, signs
//! nothing and knows no clock; `chain_io::{signer, publisher}` and `act::transact` carry out what is decided here.
//!
//! The life of a transaction (architecture, rule 4): [`allot`] finds the nonce and that no object holds the intent, the shell
//! simulates, signs and creates the object, and from then on [`plan`] alone says what the nonce still needs.

mod allot;
mod budget;
mod classify;
mod fees;
mod foreign;
mod intent;
mod keep;
mod plan;
mod purse;
mod record;
mod sending;
mod share;

#[cfg(test)]
mod model;

pub use allot::{Account, Allotment, Limits, allot};
pub use budget::{SpendError, gas_committed_since, may_spend};
pub use classify::{RpcErrorClass, classify};
pub use fees::{FeePolicy, FeeQuote, Fees, first_fees, gas_limit_for, replacement_fees};
pub use foreign::{ForeignSeen, NonceVerdict, judge_nonce};
pub use intent::{Call, Intent, IntentId, IntentKind, Subject, UnknownIntentKind};
pub use keep::{Retention, deletable};
pub use plan::{ChainFacts, FeesWanted, Heads, Inclusion, KeyUse, Lookup, Wanted, Work, plan, wanted};
pub use purse::{Purse, judge_balance};
pub use record::{Mined, Outcome, Phase, Record, Stall, Version, name_of};
pub use sending::{Broadcast, Event, FirstSent, LastBroadcast, Sending};
pub use share::{Claim, kept_by};
