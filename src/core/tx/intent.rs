//! What we want done on chain, named so that wanting it twice is the same want. May not hold anything that differs between two
//! tries of the same thing: no fee, no nonce, no time.

use std::{fmt, str::FromStr};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use thiserror::Error;

/// The hash that makes an intent unique among a wallet's transactions: keccak-256 over object uid, kind and epoch,
/// each with its length before it, so that no two triples share their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub B256);

impl IntentId {
    /// The id of one want. `uid` is the Kubernetes uid of the object that wants it; `epoch` tells apart repeated wants of
    /// one kind (a report's number, a settlement's high-water mark, a retry after a revert).
    #[must_use]
    pub fn of(uid: &str, kind: IntentKind, epoch: &str) -> Self {
        let mut bytes = Vec::with_capacity(uid.len() + epoch.len() + 40);
        for part in [uid, kind.as_str(), epoch] {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(keccak256(bytes))
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntentKind {
    /// A bid on the bulletin.
    PostBid,
    /// A dutch order is taken at its rate of the moment, if nobody was faster.
    Fill,
    /// The workload is delivered.
    Start,
    /// The provider ends a lease that never started.
    Decline,
    /// Cumulative usage of a provider's lanes.
    Report,
    /// Usage becomes debt paid.
    Settle,
    /// Usage that the tenant signed becomes money that can be claimed at once.
    Redeem,
    /// The provider bills less than stands on chain.
    Waive,
    /// A side stops a lease.
    Stop,
    /// After the final window a stopped lease is closed.
    Finalize,
    /// Both sides signed the last seconds.
    CloseBoth,
    /// Tokens leave the contract.
    Claim,
    /// A contract may take tokens of the wallet: a bond.
    Approve,
    /// Contested seconds are stood by.
    Answer,
    /// A dispute whose time is over is ended.
    Conclude,
    /// A court's debt is paid.
    Withdraw,
}

/// A text that names no intent kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "intent kind {0:?} is not known: this program is older than the one that wrote the ComputeTransaction"
)]
pub struct UnknownIntentKind(pub String);

impl IntentKind {
    /// Every kind, for tables and for reading a kind back.
    pub const ALL: [Self; 16] = [
        Self::PostBid,
        Self::Fill,
        Self::Start,
        Self::Decline,
        Self::Report,
        Self::Settle,
        Self::Redeem,
        Self::Waive,
        Self::Stop,
        Self::Finalize,
        Self::CloseBoth,
        Self::Claim,
        Self::Approve,
        Self::Answer,
        Self::Conclude,
        Self::Withdraw,
    ];

    /// The word in `spec.intent.kind`, in the hash and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PostBid => "PostBid",
            Self::Fill => "Fill",
            Self::Start => "Start",
            Self::Decline => "Decline",
            Self::Report => "Report",
            Self::Settle => "Settle",
            Self::Redeem => "Redeem",
            Self::Waive => "Waive",
            Self::Stop => "Stop",
            Self::Finalize => "Finalize",
            Self::CloseBoth => "CloseBoth",
            Self::Claim => "Claim",
            Self::Approve => "Approve",
            Self::Answer => "Answer",
            Self::Conclude => "Conclude",
            Self::Withdraw => "Withdraw",
        }
    }

    /// Whether a gas budget may stop it. Bids are speculation and stop at their budget; everything else is a duty toward a
    /// lease that already runs and never stops for one (protocol: provider's bid decision).
    #[must_use]
    pub const fn is_speculative(self) -> bool {
        match self {
            Self::PostBid | Self::Fill => true,
            Self::Start
            | Self::Decline
            | Self::Report
            | Self::Settle
            | Self::Redeem
            | Self::Waive
            | Self::Stop
            | Self::Finalize
            | Self::CloseBoth
            | Self::Claim
            | Self::Approve
            | Self::Answer
            | Self::Conclude
            | Self::Withdraw => false,
        }
    }
}

impl fmt::Display for IntentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IntentKind {
    type Err = UnknownIntentKind;

    fn from_str(text: &str) -> Result<Self, UnknownIntentKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownIntentKind(text.chars().take(64).collect()))
    }
}

/// The object that wants the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Kubernetes kind, for example `ComputeBid`.
    pub kind: String,
    /// Its namespace; decides whether it may spend from the wallet.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: an object made anew under an old name is another one.
    pub uid: String,
}

/// A contract call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The contract.
    pub to: Address,
    /// ABI-encoded input.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
}

/// One thing wanted on chain, by one object, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What for.
    pub kind: IntentKind,
    /// Who wants it.
    pub subject: Subject,
    /// Which time of several; at most 128 bytes are kept in the object.
    pub epoch: String,
    /// How.
    pub call: Call,
}

impl Intent {
    /// The id under which it is done at most once.
    #[must_use]
    pub fn id(&self) -> IntentId {
        IntentId::of(&self.subject.uid, self.kind, &self.epoch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn two_wants_share_an_id_only_if_all_three_parts_agree(
            a in ("[a-z0-9-]{0,12}", 0usize..16, "[a-z0-9-]{0,12}"),
            b in ("[a-z0-9-]{0,12}", 0usize..16, "[a-z0-9-]{0,12}"),
        ) {
            let id = |(uid, kind, epoch): &(String, usize, String)| IntentId::of(uid, IntentKind::ALL[*kind], epoch);
            prop_assert_eq!(id(&a) == id(&b), a == b);
        }
    }

    #[test]
    fn moving_a_byte_from_uid_to_epoch_changes_the_id() {
        let kind = IntentKind::Report;
        assert_ne!(IntentId::of("ab", kind, "c"), IntentId::of("a", kind, "bc"));
        assert_ne!(
            IntentId::of("a", kind, "Report"),
            IntentId::of("aReport", kind, "")
        );
    }

    #[test]
    fn every_kind_survives_its_word_and_only_bids_are_speculative() {
        for kind in IntentKind::ALL {
            assert_eq!(kind.as_str().parse::<IntentKind>().unwrap(), kind);
            assert_eq!(
                kind.is_speculative(),
                matches!(kind, IntentKind::PostBid | IntentKind::Fill)
            );
        }
        assert_eq!(
            "Mint".parse::<IntentKind>(),
            Err(UnknownIntentKind("Mint".into()))
        );
    }
}
