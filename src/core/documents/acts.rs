//! The short things that the parties of a lease sign: accept, fund, stop, close, voucher, amend, receipt. Each names the terms hash, so after a reorg nothing
//! signed for one tenant's lease fits another's under the same id (contracts: section 5). May not sign.

#![allow(missing_docs, reason = "sol! also expands items that no comment reaches")]

use alloy::{primitives::B256, primitives::aliases::U40, sol};

use crate::core::ids::LeaseKey;

sol! {
    /// The tenant takes a bid.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Accept {
        /// The order's id.
        bytes32 orderHash;
        /// The bid's struct hash.
        bytes32 bidHash;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
    }

    /// Somebody pays for somebody's order.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Fund {
        /// The order's id; the order says where what is left returns to.
        bytes32 orderHash;
        /// Whose allowance is used.
        address funder;
        /// The order's deposit in micro-units.
        uint64 amount;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
    }

    /// A party ends a lease.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Stop {
        /// Lease id.
        uint96 id;
        /// Terms it runs on.
        bytes32 termsHash;
        /// Typed reason: 1xxx tenant, 2xxx provider, 3xxx funds, 4xxx protocol.
        uint16 reason;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
    }

    /// Usage that the tenant signed too: claimable at once.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Voucher {
        /// Lease id.
        uint96 id;
        /// Terms it runs on.
        bytes32 termsHash;
        /// Billable seconds since the start.
        uint32 cum;
    }

    /// The final seconds that both sides agree on.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Close {
        /// Lease id.
        uint96 id;
        /// Terms it runs on.
        bytes32 termsHash;
        /// Billable seconds since the start.
        uint32 cum;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
    }

    /// Other terms for a lease that runs.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Amend {
        /// Lease id.
        uint96 id;
        /// Terms it runs on.
        bytes32 oldTerms;
        /// Terms it shall run on.
        bytes32 newTerms;
        /// Billable seconds under the old terms.
        uint32 cumAt;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
    }

    /// The provider's signed count for one lease, handed out at the gateway; what binds it in a dispute.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Receipt {
        /// Lease id.
        uint96 id;
        /// Terms it runs on.
        bytes32 termsHash;
        /// Billable seconds since the start.
        uint32 cum;
        /// The instant the count is for, in Unix seconds.
        uint40 asOf;
        /// Merkle root of the evidence that the count rests on.
        bytes32 root;
    }
}

/// Unix seconds as the 40 bits that signed structs hold, at most the largest of them.
#[must_use]
pub fn seconds40(seconds: u64) -> U40 {
    U40::saturating_from(seconds)
}

impl Stop {
    /// A stop of this lease.
    #[must_use]
    pub fn of(lease: &LeaseKey, reason: u16, deadline: u64) -> Self {
        Self {
            id: lease.id.to_u96(),
            termsHash: lease.terms.0,
            reason,
            deadline: seconds40(deadline),
        }
    }
}

impl Voucher {
    /// A voucher for this lease.
    #[must_use]
    pub fn of(lease: &LeaseKey, cum: u32) -> Self {
        Self {
            id: lease.id.to_u96(),
            termsHash: lease.terms.0,
            cum,
        }
    }
}

impl Close {
    /// A close of this lease at so many seconds.
    #[must_use]
    pub fn of(lease: &LeaseKey, cum: u32, deadline: u64) -> Self {
        Self {
            id: lease.id.to_u96(),
            termsHash: lease.terms.0,
            cum,
            deadline: seconds40(deadline),
        }
    }
}

impl Receipt {
    /// A receipt for this lease.
    #[must_use]
    pub fn of(lease: &LeaseKey, cum: u32, as_of: u64, root: B256) -> Self {
        Self {
            id: lease.id.to_u96(),
            termsHash: lease.terms.0,
            cum,
            asOf: seconds40(as_of),
            root,
        }
    }
}
