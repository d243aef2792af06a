//! What a lease runs on, computed from an order and a bid exactly as the book computes it, so that the operator knows a lease's terms before and
//! without asking. Mirrors `Terms` of contracts/src/types/Types.sol. May not know the chain's state.

#![allow(missing_docs, reason = "sol! also expands items that no comment reaches")]

use alloy::{
    primitives::{B256, aliases::U48, keccak256},
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

/// What a provider asks for one lot: by its bid, its offer or its fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Micro-units an hour.
    pub rate: U48,
    /// What it may lose when it does not start, in micro-units.
    pub bond: u64,
    /// What it may lose in a dispute, in micro-units.
    pub liability: u64,
}

impl Terms {
    /// The terms of one lot's lease. `fee_steps` is the protocol's fee at the opening, which the chain alone knows.
    #[must_use]
    pub fn of(id: LeaseId, order: &Order, bid: &Bid, fee_steps: u8) -> Self {
        let price = Price {
            rate: bid.ratePerHour,
            bond: bid.bond,
            liability: bid.liability,
        };
        Self::priced(id, bid.orderHash, order, price, fee_steps)
    }

    /// The same for a price that no bid named: a fill's or an offer's.
    #[must_use]
    pub fn priced(id: LeaseId, order_hash: B256, order: &Order, price: Price, fee_steps: u8) -> Self {
        Self {
            id: id.to_u96(),
            orderHash: order_hash,
            tenant: order.tenant,
            agent: order.agent,
            refundTo: order.refundTo,
            token: order.token,
            flags: order.flags,
            feeSteps: fee_steps,
            ratePerHour: price.rate,
            bond: price.bond,
            liability: price.liability,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::primitives::{Address, aliases::U40};
    use proptest::prelude::*;

    use super::*;
    use crate::core::ids::{Generation, Lane, ProviderId};

    fn order() -> Order {
        Order {
            tenant: Address::repeat_byte(1),
            agent: Address::repeat_byte(2),
            refundTo: Address::repeat_byte(3),
            form: 0,
            token: 4,
            flags: 2,
            lots: 1,
            startRate: U48::ZERO,
            maxRate: U48::ZERO,
            climb: 0,
            deposit: 1,
            minDuration: 60,
            maxDuration: 3600,
            minCommit: 600,
            earlyFeeBps: 2500,
            notice: 30,
            grace: 20,
            startWindow: 10,
            minBond: 0,
            minSignedPaid: 0,
            expiry: 9,
            slaPolicy: B256::repeat_byte(5),
            needsHash: B256::repeat_byte(6),
            manifestHash: B256::repeat_byte(7),
            eligible: B256::ZERO,
            endpointHash: B256::ZERO,
            salt: B256::ZERO,
        }
    }

    fn bid(order: &Order) -> Bid {
        Bid {
            orderHash: order.id().0,
            providerId: 7,
            bidEpoch: 0,
            lanesHash: B256::ZERO,
            ratePerHour: U48::from(3_600_000),
            bond: 11,
            liability: 12,
            deadline: U40::from(13),
        }
    }

    #[test]
    fn terms_take_money_from_the_bid_and_the_rest_from_the_order() {
        let order = order();
        let bid = bid(&order);
        let id = LeaseId {
            provider: ProviderId(7),
            lane: Lane(3),
            generation: Generation::new(2).unwrap(),
        };
        let terms = Terms::of(id, &order, &bid, 5);
        assert_eq!(terms.lease(), Ok(id));
        assert_eq!(
            (terms.bond, terms.liability, terms.ratePerHour),
            (bid.bond, bid.liability, bid.ratePerHour)
        );
        assert_eq!(
            (terms.tenant, terms.agent, terms.refundTo),
            (order.tenant, order.agent, order.refundTo)
        );
        assert_eq!((terms.token, terms.flags, terms.feeSteps), (4, 2, 5));
        assert_eq!(
            (terms.maxDuration, terms.minCommit, terms.earlyFeeBps),
            (3600, 600, 2500)
        );
        assert_eq!(
            (terms.notice, terms.grace, terms.orderHash),
            (30, 20, order.id().0)
        );
        assert_eq!(
            (terms.slaPolicy, terms.needsHash, terms.manifestHash),
            (order.slaPolicy, order.needsHash, order.manifestHash)
        );
        assert_eq!(terms.key().unwrap().terms, terms.hash());
    }

    #[test]
    fn the_holdback_is_grace_and_a_quarter_of_half_the_commitment() {
        let order = order();
        let terms = Terms::of(
            LeaseId::from_u96(alloy::primitives::aliases::U96::from(1)).unwrap(),
            &order,
            &bid(&order),
            0,
        );
        // 1000 micro-units a second: 20 s of grace and a quarter of 300 s.
        assert_eq!(terms.holdback(), MicroUnits(20_000 + 75_000));
        assert_eq!(
            least_deposit(&order, terms.rate().unwrap()),
            MicroUnits(95_000 + 60_000)
        );
    }

    proptest! {
        #[test]
        fn a_holdback_covers_any_early_fee_and_never_panics(
            rate in 1..=RatePerHour::MAX, grace: u32, commit: u32, bps in 0u16..=10_000, elapsed: u32, served: u32,
        ) {
            let kept = holdback(RatePerHour::new(rate).unwrap(), grace, commit, bps);
            // The fee as the book takes it: served seconds never exceed elapsed ones (contracts: I3).
            let due = commit.saturating_sub(elapsed).min(served.min(elapsed));
            let fee = u128::from(bps) * u128::from(rate) * u128::from(due) / 36_000_000;
            prop_assert!(u128::from(kept.0) >= fee || kept.0 == u64::MAX);
        }

        #[test]
        fn the_stored_hash_is_the_high_200_bits(hash: [u8; 32]) {
            let kept = stored(TermsHash(hash.into()));
            prop_assert_eq!(&kept[..25], &hash[..25]);
            prop_assert_eq!(&kept[25..], &[0u8; 7]);
        }
    }
}
