//! What a lease runs on, computed from an order and a bid exactly as the book computes it, so that the operator knows a lease's terms before and
//! without asking. Mirrors `Terms` of contracts/src/types/Types.sol. May not know the chain's state.

#![allow(missing_docs, reason = "sol! also expands items that no comment reaches")]

use alloy::{
    primitives::{B256, keccak256},
    sol,
    sol_types::SolValue,
};

use super::{bid::Bid, order::Order};
use crate::core::{
    ids::{IdError, LeaseId, LeaseKey, TermsHash},
    money::{MicroUnits, RatePerHour},
};

sol! {
    /// What a lease runs on. The book keeps the high 200 bits of its hash; every later call passes the terms back.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Terms {
        /// providerId32 | lane32 | gen32.
        uint96 id;
        /// The order it came from.
        bytes32 orderHash;
        /// Whose lease.
        address tenant;
        /// May act for the tenant; may be zero.
        address agent;
        /// Who receives what is left.
        address refundTo;
        /// Index into the token list of Params.
        uint8 token;
        /// The order's flags.
        uint8 flags;
        /// Protocol fee in steps of 10 bps.
        uint8 feeSteps;
        /// Micro-units an hour.
        uint48 ratePerHour;
        /// What the provider may lose when it does not start, in micro-units.
        uint64 bond;
        /// What the provider may lose in a dispute, in micro-units.
        uint64 liability;
        /// Seconds after which the lease ends by itself.
        uint32 maxDuration;
        /// Commitment in seconds.
        uint32 minCommit;
        /// Share of the rent of the missing commitment, in 1/10,000.
        uint16 earlyFeeBps;
        /// Seconds of notice.
        uint32 notice;
        /// Unpaid seconds after which the provider may evict.
        uint32 grace;
        /// Hash of the service level policy; 0: none.
        bytes32 slaPolicy;
        /// keccak-256 of the needs document.
        bytes32 needsHash;
        /// keccak-256 of the salted manifest.
        bytes32 manifestHash;
    }
}

impl Terms {
    /// The terms of one lot's lease. `fee_steps` is the protocol's fee at the opening, which the chain alone knows.
    #[must_use]
    pub fn of(id: LeaseId, order: &Order, bid: &Bid, fee_steps: u8) -> Self {
        Self {
            id: id.to_u96(),
            orderHash: bid.orderHash,
            tenant: order.tenant,
            agent: order.agent,
            refundTo: order.refundTo,
            token: order.token,
            flags: order.flags,
            feeSteps: fee_steps,
            ratePerHour: bid.ratePerHour,
            bond: bid.bond,
            liability: bid.liability,
            maxDuration: order.maxDuration,
            minCommit: order.minCommit,
            earlyFeeBps: order.earlyFeeBps,
            notice: order.notice,
            grace: order.grace,
            slaPolicy: order.slaPolicy,
            needsHash: order.needsHash,
            manifestHash: order.manifestHash,
        }
    }

    /// keccak-256 of the ABI encoding; every signed act names it.
    #[must_use]
    pub fn hash(&self) -> TermsHash {
        TermsHash(keccak256(self.abi_encode()))
    }

    /// The high 200 bits of [`Terms::hash`], the rest zero, as the book stores it and its views return it.
    #[must_use]
    pub fn stored_hash(&self) -> B256 {
        stored(self.hash())
    }

    /// Which lease.
    ///
    /// # Errors
    /// The id holds a generation above 24 bits, which the book never writes.
    pub fn lease(&self) -> Result<LeaseId, IdError> {
        LeaseId::from_u96(self.id)
    }

    /// What workload, meter and lane are keyed by.
    ///
    /// # Errors
    /// As [`Terms::lease`].
    pub fn key(&self) -> Result<LeaseKey, IdError> {
        Ok(LeaseKey {
            id: self.lease()?,
            terms: self.hash(),
        })
    }

    /// The price; none above what 48 bits hold, which decoded terms never are.
    #[must_use]
    pub fn rate(&self) -> Option<RatePerHour> {
        RatePerHour::new(self.ratePerHour.to::<u64>()).ok()
    }

    /// The part of the escrow kept back at the opening: the unpaid seconds of grace and the largest early fee.
    #[must_use]
    pub fn holdback(&self) -> MicroUnits {
        self.rate().map_or(MicroUnits::ZERO, |rate| {
            holdback(rate, self.grace, self.minCommit, self.earlyFeeBps)
        })
    }
}

/// The high 200 bits of a terms hash, the rest zero.
#[must_use]
pub fn stored(hash: TermsHash) -> B256 {
    let mut bytes = hash.0.0;
    bytes.iter_mut().skip(25).for_each(|byte| *byte = 0);
    B256::from(bytes)
}

/// Rent of the grace plus the largest early fee, both rounded up, as the book takes it out of a lot's deposit (contracts/src/libraries/Rent.sol).
///
/// The early fee is `earlyFeeBps * rate * min(minCommit - elapsed, settled)`, largest where both are half of the commitment (contracts: I8).
#[must_use]
pub fn holdback(rate: RatePerHour, grace: u32, min_commit: u32, early_fee_bps: u16) -> MicroUnits {
    let half = u128::from(min_commit / 2);
    // 16 + 48 + 31 bits: far from 128.
    let early = (u128::from(early_fee_bps) * u128::from(rate.get()) * half).div_ceil(3600 * 10_000);
    let early = u64::try_from(early).unwrap_or(u64::MAX);
    MicroUnits(rate.owed_up(grace).0.saturating_add(early))
}

/// The least deposit of one lot with which the book opens a lease of this order at this rate: the holdback and rent of `minDuration`.
#[must_use]
pub fn least_deposit(order: &Order, rate: RatePerHour) -> MicroUnits {
    let kept = holdback(rate, order.grace, order.minCommit, order.earlyFeeBps);
    MicroUnits(kept.0.saturating_add(rate.owed_up(order.minDuration).0))
}
