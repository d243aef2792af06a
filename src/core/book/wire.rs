//! Order and terms exactly as the contract names, orders and hashes their fields: what events carry and what later calls must pass back.
//! Holds no rule; wrapped into our own types one level up.

#![allow(
    missing_docs,
    reason = "the fields are those of contracts/src/types/Types.sol, documented there"
)]

use alloy::{
    primitives::{B256, keccak256},
    sol,
    sol_types::SolValue,
};

use crate::core::ids::TermsHash;

sol! {
    /// A tenant's funded wish. Money in micro-units, rates in micro-units an hour, durations and instants in seconds.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Order {
        address tenant;
        address agent;
        address refundTo;
        uint8 form;
        uint8 token;
        uint8 flags;
        uint16 lots;
        uint48 startRate;
        uint48 maxRate;
        uint32 climb;
        uint64 deposit;
        uint32 minDuration;
        uint32 maxDuration;
        uint32 minCommit;
        uint16 earlyFeeBps;
        uint32 notice;
        uint32 grace;
        uint32 startWindow;
        uint64 minBond;
        uint64 minSignedPaid;
        uint32 expiry;
        bytes32 slaPolicy;
        bytes32 needsHash;
        bytes32 manifestHash;
        bytes32 eligible;
        bytes32 endpointHash;
        bytes32 salt;
    }

    /// What a lease runs on, computed by the book from an order and a bid; every later call passes it back.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Terms {
        uint96 id;
        bytes32 orderHash;
        address tenant;
        address agent;
        address refundTo;
        uint8 token;
        uint8 flags;
        uint8 feeSteps;
        uint48 ratePerHour;
        uint64 bond;
        uint64 liability;
        uint32 maxDuration;
        uint32 minCommit;
        uint16 earlyFeeBps;
        uint32 notice;
        uint32 grace;
        bytes32 slaPolicy;
        bytes32 needsHash;
        bytes32 manifestHash;
    }
}

impl Terms {
    /// keccak-256 of the ABI encoding (contracts: section 2; the contract stores its high 200 bits).
    #[must_use]
    pub fn terms_hash(&self) -> TermsHash {
        TermsHash(B256::from(keccak256(self.abi_encode())))
    }
}
