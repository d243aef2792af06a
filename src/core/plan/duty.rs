//! What a wallet owes the chain, as plans see it: whether a transaction for it was never made, is on its way, or ended.
//! Never builds bytes or picks a nonce; that is core::tx.

/// How far the transaction for one intent has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sent {
    /// No object holds the intent.
    #[default]
    Never,
    /// An object holds it and it is not mined yet, or mined and not yet in the view.
    InFlight,
    /// Mined and succeeded, as far as the object knows.
    Done,
    /// Mined and reverted, or its nonce went to another transaction, so many times.
    Failed {
        /// How often.
        times: u32,
    },
}

impl Sent {
    /// Whether a plan may ask for a transaction: none is on its way, none has succeeded, and it has not failed too often.
    #[must_use]
    pub const fn may_send(self) -> bool {
        match self {
            Self::Never => true,
            Self::InFlight | Self::Done => false,
            Self::Failed { times } => times < Self::ATTEMPTS,
        }
    }

    /// A transaction that reverted so often is left to a person: something is wrong that sending again does not mend.
    pub const ATTEMPTS: u32 = 3;

    /// The number that makes the next attempt's intent a new one.
    #[must_use]
    pub const fn attempt(self) -> u32 {
        match self {
            Self::Never | Self::InFlight | Self::Done => 0,
            Self::Failed { times } => times,
        }
    }
}

/// How far the chain view may be trusted in this pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Endpoints answer and agree.
    Fresh,
    /// No endpoint has advanced for so many milliseconds (rule 2: Unknown never closes, evicts or deletes).
    Stale {
        /// Since when, in milliseconds.
        for_ms: u64,
    },
    /// Endpoints disagree about a block: money stops, workloads do not.
    Disagreeing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_keeps_reverting_is_left_to_a_person() {
        assert!(Sent::Never.may_send());
        assert!(Sent::Failed { times: 1 }.may_send());
        assert!(
            !Sent::Failed {
                times: Sent::ATTEMPTS
            }
            .may_send()
        );
        assert!(!Sent::InFlight.may_send() && !Sent::Done.may_send());
    }
}
