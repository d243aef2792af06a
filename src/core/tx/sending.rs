//! What this process remembers of its own tries, so that re-sending and raising have a rhythm without a status write each time.
//! Losing it all (a restart) may only make us send the same bytes once more or raise later.

use alloy::primitives::B256;

use crate::core::time::Steady;

/// What all endpoints together said to a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broadcast {
    /// At least one has it, knew it, holds another version of the nonce, or may have it: counts as sent.
    Sent,
    /// The chain is past the nonce.
    NonceTooLow,
    /// The offer is below the floor of every endpoint that answered, or they hold a dearer version.
    Underpriced,
    /// The key cannot pay.
    InsufficientFunds,
    /// No endpoint will take it; the first one's words.
    Rejected(String),
    /// No endpoint looked at it.
    Unreachable,
}

/// Something that happened to a transaction and is not written in its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A version was broadcast.
    Broadcast {
        /// Which.
        hash: B256,
        /// With what result.
        result: Broadcast,
        /// Height of the newest block at that time.
        head: u64,
        /// When.
        at: Steady,
    },
    /// The chain is past the nonce and knows none of our versions, as of this height.
    Taken {
        /// The height.
        block: u64,
    },
    /// The chain's nonce is at or below ours again.
    Free,
    /// The block of a mined version was looked up at this height.
    Checked {
        /// The height.
        block: u64,
    },
    /// A reorganization took it out of its block: all waits start anew.
    Reorged,
}

/// The memory of one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sending {
    /// The last broadcast.
    pub last: Option<LastBroadcast>,
    /// When the newest version first counted as sent.
    pub sent: Option<FirstSent>,
    /// Since which height the nonce is used by none of our versions.
    pub taken_since: Option<u64>,
    /// Height of the last look at the block of a mined version.
    pub checked: Option<u64>,
}

/// The last broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastBroadcast {
    /// Which version.
    pub hash: B256,
    /// When.
    pub at: Steady,
    /// With what result.
    pub result: Broadcast,
    /// How many in a row nobody took.
    pub failures: u32,
}

/// When a version first counted as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSent {
    /// Which version.
    pub hash: B256,
    /// When.
    pub at: Steady,
    /// Height of the newest block at that time.
    pub head: u64,
}

impl Sending {
    /// The memory after an event.
    #[must_use]
    pub fn after(self, event: Event) -> Self {
        match event {
            Event::Broadcast {
                hash,
                result,
                head,
                at,
            } => self.after_broadcast(hash, result, head, at),
            Event::Taken { block } => Self {
                taken_since: Some(self.taken_since.unwrap_or(block)),
                ..self
            },
            Event::Free => Self {
                taken_since: None,
                ..self
            },
            Event::Checked { block } => Self {
                checked: Some(block),
                ..self
            },
            Event::Reorged => Self::default(),
        }
    }

    fn after_broadcast(self, hash: B256, result: Broadcast, head: u64, at: Steady) -> Self {
        let taken = match &result {
            // A dearer version of ours in that mempool is the nonce on its way: it may be raised again.
            Broadcast::Sent | Broadcast::Underpriced => true,
            Broadcast::NonceTooLow
            | Broadcast::InsufficientFunds
            | Broadcast::Rejected(_)
            | Broadcast::Unreachable => false,
        };
        let earlier = self
            .last
            .as_ref()
            .filter(|last| last.hash == hash)
            .map_or(0, |last| last.failures);
        let sent = match self.sent {
            Some(first) if first.hash == hash => Some(first),
            Some(_) | None if taken => Some(FirstSent { hash, at, head }),
            other => other,
        };
        Self {
            last: Some(LastBroadcast {
                hash,
                at,
                result,
                failures: if taken { 0 } else { earlier.saturating_add(1) },
            }),
            sent,
            ..self
        }
    }
}
