//! A standing offer: a provider's signed price for a class of work, taken part by part. Mirrors `Offer` of contracts/src/types/Types.sol field by
//! field; vectors prove it. May not sign or decide a price.

#![allow(missing_docs, reason = "sol! also expands items that no comment reaches")]

use alloy::{
    primitives::{B256, U256, keccak256},
    sol,
    sol_types::{SolStruct, SolValue},
};

use super::order::Order;
use crate::core::money::{MoneyError, RatePerHour};

sol! {
    /// A provider's standing price for a class of work: whoever takes part k < count gets lane firstLane + k. Rate, bond and liability are
    /// for one part.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Offer {
        /// What the provider consents to run: see `class_of`.
        bytes32 classHash;
        /// Who offers.
        uint32 providerId;
        /// Epoch of the signing key; raised by cancelAllBids.
        uint32 bidEpoch;
        /// Part 0's lane.
        uint32 firstLane;
        /// Parts, 1 to 256.
        uint16 count;
        /// Index into the token list of Params.
        uint8 token;
        /// Micro-units an hour.
        uint48 ratePerHour;
        /// What the provider may lose when it does not start, in micro-units.
        uint64 bond;
        /// What the provider may lose in a dispute, in micro-units.
        uint64 liability;
        /// The least minDuration of an order that takes it.
        uint32 minDuration;
        /// The most maxDuration of an order that takes it.
        uint32 maxDuration;
        /// The longest notice it promises.
        uint32 notice;
        /// Merkle root of the tenants who may take it; 0: anyone.
        bytes32 tenants;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
        /// Makes the offer unique.
        bytes32 salt;
    }
}

impl Offer {
    /// Its struct hash, under which the book remembers the parts taken.
    #[must_use]
    pub fn id(&self) -> B256 {
        self.eip712_hash_struct()
    }

    /// The price of a part.
    ///
    /// # Errors
    /// Above what 48 bits hold, which a decoded offer never is.
    pub fn rate(&self) -> Result<RatePerHour, MoneyError> {
        RatePerHour::new(self.ratePerHour.to::<u64>())
    }
}

/// The class an order belongs to: exactly the documents and flags that an offer's provider signed for.
#[must_use]
pub fn class_of(order: &Order) -> B256 {
    keccak256((order.needsHash, order.slaPolicy, U256::from(order.flags)).abi_encode())
}
