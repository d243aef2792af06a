//! Conditions (KEP-1623): their types, common reasons, and the one way to set one, which keeps the transition time while the status stays.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Summary: the object works as its spec says (kstatus and `kubectl wait` look here).
pub const READY: &str = "Ready";
/// True: the object cannot be acted upon until a person changes it (kstatus: Failed).
pub const STALLED: &str = "Stalled";
/// Lease, market: the chain is followed and its head moves.
pub const CHAIN_SYNCED: &str = "ChainSynced";
/// Market: the addresses in the directory hold the contracts we know.
pub const CONTRACTS_VERIFIED: &str = "ContractsVerified";
/// Market: at least one endpoint answers with the right chain id.
pub const ENDPOINTS_REACHABLE: &str = "EndpointsReachable";
/// Market: the endpoints tell the same story at one height; False stops money, not workloads.
pub const ENDPOINTS_AGREE: &str = "EndpointsAgree";
/// Market: the finalized block moves.
pub const FINALITY_ADVANCING: &str = "FinalityAdvancing";
/// Market: every watch of the operator is live, so what it knows of the cluster is not old.
pub const WATCHES_LIVE: &str = "WatchesLive";
/// Wallet: holds coin for the next transactions. Lease: the escrow covers the next hours.
pub const FUNDED: &str = "Funded";
/// Wallet: the chain counts transactions we did not send.
pub const NONCE_FOREIGN: &str = "NonceForeign";
/// Provider: its number exists on chain and pays out where the spec says.
pub const REGISTERED: &str = "Registered";
/// Provider: both wallets are keys with the roles they need.
pub const KEYS_VALID: &str = "KeysValid";
/// Provider: its stake reaches the target.
pub const STAKE_SUFFICIENT: &str = "StakeSufficient";
/// Offer: its provider is ready.
pub const PROVIDER_READY: &str = "ProviderReady";
/// Offer: its selector finds nodes with the resource.
pub const NODES_FOUND: &str = "NodesFound";
/// Bid: its capacity is bound.
pub const HELD: &str = "Held";
/// Bid: its signature was handed over.
pub const POSTED: &str = "Posted";
/// Lease: the gateway holds the manifest the order names.
pub const MANIFEST_RECEIVED: &str = "ManifestReceived";
/// Lease: what the provider owes is there.
pub const DELIVERED: &str = "Delivered";
/// Lease: started on chain.
pub const STARTED: &str = "Started";
/// Lease: delivered seconds are counted.
pub const METERING: &str = "Metering";
/// Lease: scaled to zero.
pub const SUSPENDED: &str = "Suspended";
/// Lease: its Job has ended; nothing more is billed.
pub const FINISHED: &str = "Finished";
/// Lease: ended on chain; the clock stands.
pub const STOPPED: &str = "Stopped";
/// Lease: closed for good.
pub const CLOSED: &str = "Closed";
/// Lease: seconds of it are contested before the court; False once that is over, and absent where it never was.
pub const DISPUTED: &str = "Disputed";

/// Reasons that several kinds share; those of one module live beside it.
pub mod reason {
    /// All is as it should be.
    pub const AS_EXPECTED: &str = "AsExpected";
    /// A first look has not been possible yet.
    pub const NOT_YET_KNOWN: &str = "NotYetKnown";
    /// A named object does not exist.
    pub const NOT_FOUND: &str = "NotFound";
    /// The spec says what cannot be done.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The wallet does not list this namespace.
    pub const NOT_ALLOWED: &str = "NotAllowed";
    /// The market it stands on is not ready.
    pub const MARKET_NOT_READY: &str = "MarketNotReady";
    /// The wallet it stands on is not ready.
    pub const WALLET_NOT_READY: &str = "WalletNotReady";
    /// The provider it stands on is not ready.
    pub const PROVIDER_NOT_READY: &str = "ProviderNotReady";
    /// No endpoint answers.
    pub const UNREACHABLE: &str = "Unreachable";
    /// An endpoint is on another chain than the spec says.
    pub const WRONG_CHAIN: &str = "WrongChain";
    /// What is known is older than it may be.
    pub const STALE: &str = "Stale";
    /// Another wallet uses the same key.
    pub const KEY_SHARED: &str = "KeyShared";
    /// A Secret or a key in it is missing or is no key.
    pub const KEY_UNREADABLE: &str = "KeyUnreadable";
    /// Too little money or coin.
    pub const INSUFFICIENT_FUNDS: &str = "InsufficientFunds";
    /// Something is on its way.
    pub const PROGRESSING: &str = "Progressing";
    /// The spec says Paused or Observe.
    pub const PAUSED: &str = "Paused";
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Holds.
    True,
    /// Does not hold.
    False,
    /// Nobody can say; not the same as False.
    Unknown,
}

impl Status {
    /// The word the API carries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets one condition. The transition time moves only when the status does, the list stays sorted by type, and nothing else changes,
/// so a second call with the same arguments leaves the list equal.
pub fn set(
    conditions: &mut Vec<Condition>,
    kind: &str,
    status: Status,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Time,
) {
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        Some(condition) => {
            if condition.status != status.as_str() {
                condition.status = status.as_str().to_owned();
                condition.last_transition_time = now;
            }
            reason.clone_into(&mut condition.reason);
            message.clone_into(&mut condition.message);
            condition.observed_generation = generation;
        }
        None => conditions.push(Condition {
            type_: kind.to_owned(),
            status: status.as_str().to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: generation,
            last_transition_time: now,
        }),
    }
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}

/// The condition of a type, if it was ever set.
#[must_use]
pub fn get<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether a condition is True; one that was never set is not.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    get(conditions, kind).is_some_and(|condition| condition.status == Status::True.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut list = Vec::new();
        set(&mut list, READY, Status::False, "A", "one", Some(1), at(10));
        set(&mut list, READY, Status::False, "B", "two", Some(2), at(20));
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].reason.as_str(), list[0].message.as_str()), ("B", "two"));
        assert_eq!(
            (list[0].observed_generation, &list[0].last_transition_time),
            (Some(2), &at(10))
        );
        set(&mut list, READY, Status::True, "C", "three", Some(2), at(30));
        assert_eq!(list[0].last_transition_time, at(30));
        assert!(is_true(&list, READY));
    }

    #[test]
    fn setting_the_same_again_changes_nothing() {
        let mut list = Vec::new();
        set(&mut list, STALLED, Status::True, "A", "one", None, at(10));
        set(&mut list, READY, Status::Unknown, "A", "one", None, at(10));
        let before = list.clone();
        set(&mut list, READY, Status::Unknown, "A", "one", None, at(99));
        set(&mut list, STALLED, Status::True, "A", "one", None, at(99));
        assert_eq!(list, before);
        assert_eq!(
            list.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            [READY, STALLED]
        );
    }

    #[test]
    fn a_list_in_another_order_keeps_one_condition_a_type() {
        let mut list = Vec::new();
        set(&mut list, READY, Status::True, "A", "", None, at(1));
        set(&mut list, STALLED, Status::False, "A", "", None, at(1));
        set(&mut list, FUNDED, Status::False, "A", "", None, at(1));
        list.reverse();
        set(&mut list, READY, Status::False, "B", "", None, at(2));
        assert_eq!(list.iter().filter(|c| c.type_ == READY).count(), 1);
        assert!(!is_true(&list, READY));
        assert!(!is_true(&list, "NeverSet"));
    }
}
