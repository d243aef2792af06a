//! Why an intent was not sent, in words for the condition of whoever wanted it. Every variant means that nothing left this process.

use alloy::primitives::{Address, U256};
use thiserror::Error;

use super::{ConvertError, KeyError, ObjectError, WalletName};
use crate::{
    api::{condition, wei::WeiError},
    chain_io::{
        publisher::{AskError, SimulateError},
        signer::SignerError,
    },
    core::{ids::ChainId, tx::SpendError},
};

/// Why an intent was not sent.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// No such wallet.
    #[error("ComputeWallet {0} does not exist: create it, or name another in the provider's spec.wallets")]
    NoWallet(WalletName),
    /// The wallet pays on another market.
    #[error(
        "ComputeWallet {wallet} belongs to market {market}, and this is for market {wanted}: name a wallet of that market"
    )]
    OtherMarket {
        /// The wallet.
        wallet: WalletName,
        /// Its market.
        market: String,
        /// The market wanted.
        wanted: String,
    },
    /// The namespace may not spend from it, or the day's gas for bids is used up.
    #[error(transparent)]
    Spend(#[from] SpendError),
    /// The wallet's gas budget does not read.
    #[error("spec.limits.gasPerDay: {0}")]
    Budget(#[from] WeiError),
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Somebody else uses the key.
    #[error(
        "ComputeWallet {0}: the chain counts transactions of its key that are not ours, so nothing is sent or signed until they are final and the longest bid has run out; give the key one user"
    )]
    NonceForeign(WalletName),
    /// An older wallet uses the key.
    #[error(
        "ComputeWallet {0}: another ComputeWallet has the same key, so nothing is sent or signed with this one; create this wallet anew with a key of its own"
    )]
    KeyShared(WalletName),
    /// Enough is under way.
    #[error(
        "ComputeWallet {wallet}: {count} transactions are under way, at most {cap} may be; the next goes when one is in a block"
    )]
    Busy {
        /// The wallet.
        wallet: WalletName,
        /// How many.
        count: usize,
        /// How many may be.
        cap: usize,
    },
    /// The Secret was exchanged.
    #[error(
        "ComputeWallet {wallet}: its Secret now holds another key than the one of {signer}, which signed {transaction}: put the old key back, or create another ComputeWallet for the new one"
    )]
    OtherKey {
        /// The wallet.
        wallet: WalletName,
        /// A transaction of the old key.
        transaction: String,
        /// The old key's address.
        signer: Address,
    },
    /// The wallet's transactions are for another chain.
    #[error(
        "ComputeWallet {wallet}: {transaction} was sent on chain {}, a wallet serves one chain: create another ComputeWallet",
        chain.0
    )]
    OtherChain {
        /// The wallet.
        wallet: WalletName,
        /// A transaction on the other chain.
        transaction: String,
        /// That chain.
        chain: ChainId,
    },
    /// It would revert, or the chain does not answer.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// The chain does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Gas costs more than the market allows; bids do not wait for it to fall.
    #[error(
        "gas costs {base_fee} wei now and the market's fees.maxFeePerGas is {cap} wei: bids go on when it is cheaper"
    )]
    TooDear {
        /// The chain's base fee.
        base_fee: u128,
        /// The market's cap.
        cap: u128,
    },
    /// The key cannot pay.
    #[error(
        "{address} holds {have} wei and needs up to {need} wei for this and what is under way: send coin for gas to it"
    )]
    InsufficientFunds {
        /// Who pays.
        address: Address,
        /// Its balance.
        have: U256,
        /// What all of it may cost.
        need: U256,
    },
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignerError),
    /// The API server did not do it. A create that timed out may have happened; the next try finds it.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An object of the wallet does not read.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Other writers were faster each time.
    #[error(
        "ComputeWallet {wallet}: lost the race for a nonce {times} times in a row: is another operator running?"
    )]
    Raced {
        /// The wallet.
        wallet: WalletName,
        /// How often.
        times: usize,
    },
}

/// What to do about a [`SubmitError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubmitClass {
    /// Try again soon: nothing is wrong with the intent.
    Retry,
    /// The contract refuses it as things stand: look at the chain again before wanting it again.
    Reverted,
    /// A person must change something; try again when the wallet changes or in minutes.
    Person,
}

impl SubmitError {
    /// What to do about it.
    #[must_use]
    pub const fn class(&self) -> SubmitClass {
        match self {
            Self::Busy { .. }
            | Self::Ask(_)
            | Self::Simulate(SimulateError::Ask(_))
            | Self::TooDear { .. }
            | Self::Sign(_)
            | Self::Key(KeyError::Object(_))
            | Self::Object(_)
            | Self::Raced { .. } => SubmitClass::Retry,
            Self::Simulate(SimulateError::Reverted { .. }) => SubmitClass::Reverted,
            Self::NoWallet(_)
            | Self::OtherMarket { .. }
            | Self::Spend(_)
            | Self::Budget(_)
            | Self::Key(
                KeyError::NoSecret { .. }
                | KeyError::NoEntry { .. }
                | KeyError::Forbidden { .. }
                | KeyError::NotAKey(_),
            )
            | Self::NonceForeign(_)
            | Self::KeyShared(_)
            | Self::OtherKey { .. }
            | Self::OtherChain { .. }
            | Self::InsufficientFunds { .. }
            | Self::Convert(_) => SubmitClass::Person,
        }
    }

    /// The CamelCase reason for a condition, an event and a counter.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoWallet(_) => "WalletNotFound",
            Self::OtherMarket { .. } => "WalletOfOtherMarket",
            Self::Spend(SpendError::NamespaceNotAllowed { .. }) => "NotAllowed",
            Self::Spend(SpendError::GasBudgetExhausted { .. }) => "GasBudgetExhausted",
            Self::Budget(_) => "InvalidSpec",
            Self::Key(KeyError::Object(_)) | Self::Object(_) => "KubernetesError",
            Self::Key(_) => "KeyUnreadable",
            Self::NonceForeign(_) => "NonceForeign",
            Self::KeyShared(_) => condition::reason::KEY_SHARED,
            Self::Busy { .. } => "WalletBusy",
            Self::OtherKey { .. } => "KeyChanged",
            Self::OtherChain { .. } => "WalletOfOtherChain",
            Self::Simulate(SimulateError::Reverted { .. }) => "WouldRevert",
            Self::Simulate(SimulateError::Ask(_)) | Self::Ask(_) => "ChainUnreachable",
            Self::TooDear { .. } => "GasTooDear",
            Self::InsufficientFunds { .. } => "InsufficientFunds",
            Self::Sign(_) => "SigningFailed",
            Self::Convert(_) => "UnreadableTransaction",
            Self::Raced { .. } => "NonceRaced",
        }
    }
}
