//! Why a person's transaction did not do what it should, and what to do about it. Decides nothing.

use std::{io, path::PathBuf, time::Duration};

use alloy::primitives::{Address, B256, U256};
use thiserror::Error;

use crate::chain_io::{errors::RpcFailure, publisher::AskError, signer::SignerError};

/// Why a transaction did not do what it should.
#[derive(Debug, Error)]
pub enum SendError {
    /// The journal cannot be kept.
    #[error("journal {path}: {source}; make the folder writable or choose another with --state-dir", path = .path.display())]
    Journal {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal holds what this program did not write.
    #[error("journal {path} line {line}: {reason}; move the file away if no transaction of it is under way", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The chain did not answer.
    #[error("{0}; check --rpc, then run the verb again")]
    Ask(#[from] AskError),
    /// The chain did not answer.
    #[error("{0}; check --rpc, then run the verb again")]
    Rpc(Box<RpcFailure>),
    /// Nothing was signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no endpoint.
    #[error("no endpoint: pass --rpc")]
    NoEndpoint,
    /// The contract refuses; nothing was sent.
    #[error("{what} would revert: {reason}")]
    WouldRevert {
        /// Which step.
        what: String,
        /// The contract's error in words.
        reason: String,
    },
    /// The key has no coin for gas.
    #[error("{address} has {balance} wei and needs up to {needed} wei for the gas of {what}: send it coin")]
    Funds {
        /// Which step.
        what: String,
        /// Whose.
        address: Address,
        /// What it has.
        balance: U256,
        /// What it may cost.
        needed: U256,
    },
    /// The key has transactions waiting that the journal does not know.
    #[error(
        "{address} has transactions waiting to be mined (next nonce {latest}, with the waiting ones {pending}): wait for them, or use a key nobody else uses"
    )]
    Busy {
        /// Whose.
        address: Address,
        /// Mined.
        latest: u64,
        /// Mined and waiting.
        pending: u64,
    },
    /// An earlier run sent something and did not see it mined; now it is.
    #[error(
        "an earlier run was cut off while it sent {what} ({hash}): it is mined now; look with `leaseport lease ls` or `leaseport bids` what it did before running the verb again"
    )]
    EarlierOne {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
    },
    /// No endpoint took it.
    #[error("{what} was not taken by the chain: {reason}; run the verb again")]
    NotTaken {
        /// Which step.
        what: String,
        /// Why.
        reason: String,
    },
    /// It reverted although its simulation passed.
    #[error(
        "{what} reverted in transaction {hash}: the chain's state changed since it was simulated; run the verb again"
    )]
    Reverted {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
    },
    /// Nobody mined it.
    #[error(
        "{what}: transaction {hash} was not mined in {waited:?}: it may still be; the next run looks for it first"
    )]
    NotMined {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
        /// How long.
        waited: Duration,
    },
}

impl From<RpcFailure> for SendError {
    fn from(failure: RpcFailure) -> Self {
        Self::Rpc(Box::new(failure))
    }
}
