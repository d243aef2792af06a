//! A transaction as observed: what its object says, without Kubernetes around it. May not decide anything beyond what the
//! words in the object mean.

use alloy::primitives::{Address, B256, Bytes, U256};

use super::{Fees, IntentId, IntentKind};
use crate::core::{ids::ChainId, time::UnixMillis};

/// Where a transaction stands, as its status says. Publishing writes nothing, so `Created` covers "sent" too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The object exists; its first bytes may or may not have been sent.
    Created,
    /// Replaced at a higher fee, or thrown out of its block by a reorganization.
    Pending,
    /// In a canonical block that is not final yet; may have reverted.
    Mined,
    /// In a final block, succeeded.
    Final,
    /// In a final block, reverted: the nonce is used, nothing happened.
    Failed,
    /// Another transaction of this key took the nonce for good.
    Abandoned,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Pending,
        Self::Mined,
        Self::Final,
        Self::Failed,
        Self::Abandoned,
    ];

    /// The word in `status.phase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Pending => "Pending",
            Self::Mined => "Mined",
            Self::Final => "Final",
            Self::Failed => "Failed",
            Self::Abandoned => "Abandoned",
        }
    }

    /// Whether nothing can change any more.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        match self {
            Self::Created | Self::Pending | Self::Mined => false,
            Self::Final | Self::Failed | Self::Abandoned => true,
        }
    }

    /// Whether it still waits for a block; such transactions sit in the mempools of the endpoints.
    #[must_use]
    pub const fn is_unmined(self) -> bool {
        match self {
            Self::Created | Self::Pending => true,
            Self::Mined | Self::Final | Self::Failed | Self::Abandoned => false,
        }
    }
}

/// One signed form of a transaction. All versions share nonce, call and gas limit and differ in fees, so at most one is mined
/// and any of them does what was intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its hash.
    pub hash: B256,
    /// EIP-2718 bytes as they go on the wire.
    pub raw: Bytes,
    /// What it pays.
    pub fees: Fees,
}

/// Where a version was included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mined {
    /// Which version.
    pub hash: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block; another block at this height means it moved.
    pub block_hash: B256,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei paid for each gas.
    pub effective_gas_price: u128,
    /// Wei paid beside it for the rollup's data, zero on layer 1 (OP stack: `l1Fee` of the receipt).
    pub data_fee: u128,
    /// False if it reverted.
    pub succeeded: bool,
}

/// What a transaction waits for that no time brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stall {
    /// Coin for gas on the wallet's address.
    InsufficientFunds,
    /// An endpoint that takes it: all of them say they never will.
    Rejected,
}

/// What a transaction came to, for whoever wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not in a block yet.
    Waiting,
    /// In a block that a reorganization may still remove.
    Succeeded,
    /// It reverted, in a block that a reorganization may still remove; it may yet succeed.
    Reverted,
    /// Done for good.
    FinallySucceeded,
    /// Reverted for good; wanting it again takes a new epoch.
    FinallyReverted,
    /// Never executed and never will be; wanting it again takes a new epoch.
    NeverExecuted,
}

/// A ComputeTransaction without its Kubernetes envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The object's name, [`name_of`] of wallet and nonce.
    pub name: String,
    /// The wallet's name.
    pub wallet: String,
    /// Whose key signed.
    pub signer: Address,
    /// For which chain.
    pub chain: ChainId,
    /// The nonce that is this object's whole identity on chain.
    pub nonce: u64,
    /// What was wanted.
    pub intent: IntentId,
    /// What it was wanted for.
    pub kind: IntentKind,
    /// Gas limit, the same in all versions: never estimated again once a version may be mined.
    pub gas_limit: u64,
    /// Wei sent along.
    pub value: U256,
    /// The version the object was created with.
    pub first: Version,
    /// Later versions, oldest first, each dearer than the one before.
    pub replacements: Vec<Version>,
    /// Where the status stands.
    pub phase: Phase,
    /// The block it was last seen in.
    pub mined: Option<Mined>,
    /// What it waits for, as its status says.
    pub stalled: Option<Stall>,
    /// When the object was created, by the API server.
    pub created: UnixMillis,
    /// When it became Final, Failed or Abandoned.
    pub closed: Option<UnixMillis>,
}

impl Record {
    /// The dearest version: the one to send.
    #[must_use]
    pub fn newest(&self) -> &Version {
        self.replacements.last().unwrap_or(&self.first)
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.first).chain(&self.replacements)
    }

    /// What it came to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let reverted = self.mined.as_ref().is_some_and(|mined| !mined.succeeded);
        match self.phase {
            Phase::Created | Phase::Pending => Outcome::Waiting,
            Phase::Mined if reverted => Outcome::Reverted,
            Phase::Mined => Outcome::Succeeded,
            Phase::Final => Outcome::FinallySucceeded,
            Phase::Failed => Outcome::FinallyReverted,
            Phase::Abandoned => Outcome::NeverExecuted,
        }
    }

    /// Wei this transaction has cost, or, while it waits, the most it can cost without its value.
    #[must_use]
    pub fn gas_cost(&self) -> u128 {
        match (&self.mined, self.phase) {
            (_, Phase::Abandoned) => 0,
            (Some(mined), _) => u128::from(mined.gas_used)
                .saturating_mul(mined.effective_gas_price)
                .saturating_add(mined.data_fee),
            (None, _) => u128::from(self.gas_limit).saturating_mul(self.newest().fees.max_fee),
        }
    }
}

/// The object name that makes a nonce unique in the wallet's namespace.
#[must_use]
pub fn name_of(wallet: &str, nonce: u64) -> String {
    format!("{wallet}-{nonce}")
}

#[cfg(test)]
pub(super) mod testing {
    //! A record with the fewest words, for the tables of the sibling modules.
    use super::*;

    pub(crate) fn id(byte: u8) -> IntentId {
        IntentId(B256::repeat_byte(byte))
    }

    pub(crate) fn signer() -> Address {
        Address::repeat_byte(0xaa)
    }

    pub(crate) fn version(byte: u8, max_fee: u128) -> Version {
        Version {
            hash: B256::repeat_byte(byte),
            raw: Bytes::from(vec![byte]),
            fees: Fees { max_fee, tip: 1 },
        }
    }

    pub(crate) fn record(nonce: u64, intent: u8) -> Record {
        Record {
            name: name_of("w", nonce),
            wallet: "w".into(),
            signer: signer(),
            chain: ChainId(1),
            nonce,
            intent: id(intent),
            kind: IntentKind::Report,
            gas_limit: 100_000,
            value: U256::ZERO,
            first: version(1, 100),
            replacements: Vec::new(),
            phase: Phase::Created,
            mined: None,
            stalled: None,
            created: UnixMillis(0),
            closed: None,
        }
    }

    pub(crate) fn mined(hash: u8, block: u64) -> Mined {
        Mined {
            hash: B256::repeat_byte(hash),
            block_number: block,
            block_hash: B256::with_last_byte(block as u8),
            gas_used: 50_000,
            effective_gas_price: 10,
            data_fee: 7,
            succeeded: true,
        }
    }
}
