//! A bid: a provider's signed price for an order, and its packed form on the bulletin. Mirrors `Bid` of contracts/src/types/Types.sol.
//! May not sign or decide a price.

#![allow(missing_docs, reason = "sol! also expands items that no comment reaches")]

use alloy::{
    primitives::{B256, Bytes, aliases::U40, aliases::U48, keccak256},
    sol,
    sol_types::SolStruct,
};
use thiserror::Error;

use crate::core::{
    ids::{Generation, IdError, Lane, LeaseId, ProviderId},
    money::{MicroUnits, RatePerHour},
};

sol! {
    /// A provider's signed price for an order; rate, bond and liability are for one lot.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Bid {
        /// The order's id.
        bytes32 orderHash;
        /// Who bids.
        uint32 providerId;
        /// Epoch of the signing key; raised by cancelAllBids.
        uint32 bidEpoch;
        /// keccak-256 of (lane32, gen32) packed, one pair a lot.
        bytes32 lanesHash;
        /// Micro-units an hour.
        uint48 ratePerHour;
        /// What the provider may lose when it does not start, in micro-units.
        uint64 bond;
        /// What the provider may lose in a dispute, in micro-units.
        uint64 liability;
        /// Until when the signature holds, in Unix seconds.
        uint40 deadline;
    }
}

/// Why bytes are no packed bid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackedBidError {
    /// Not head, at least one lane, and a signature.
    #[error(
        "packed bid has {0} bytes: 67 for the head, 8 for each lane (1 to 256 lanes) and 65 for the signature are needed"
    )]
    Length(usize),
    /// A lane's generation is out of range.
    #[error("packed bid: {0}")]
    Lane(#[from] IdError),
}

/// The lane and generation that one lot's lease would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneUse {
    /// Which counter slot.
    pub lane: Lane,
    /// Which use of it: one above the last.
    pub generation: Generation,
}

impl LaneUse {
    /// As `accept` takes it: `lane << 32 | gen`.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        ((self.lane.0 as u64) << 32) | self.generation.get() as u64
    }

    /// Reads the contract's number.
    ///
    /// # Errors
    /// The low 32 bits hold a generation above 24 bits.
    pub fn from_u64(value: u64) -> Result<Self, IdError> {
        match Generation::new((value & 0xffff_ffff) as u32) {
            Ok(generation) => Ok(Self {
                lane: Lane((value >> 32) as u32),
                generation,
            }),
            Err(error) => Err(error),
        }
    }

    /// The lease that opens here.
    #[must_use]
    pub const fn lease(self, provider: ProviderId) -> LeaseId {
        LeaseId {
            provider,
            lane: self.lane,
            generation: self.generation,
        }
    }
}

/// keccak-256 of each lot's (lane32, gen32), big-endian, one after the other.
#[must_use]
pub fn lanes_hash(lanes: &[LaneUse]) -> B256 {
    let packed: Vec<u8> = lanes
        .iter()
        .flat_map(|lane| lane.to_u64().to_be_bytes())
        .collect();
    keccak256(packed)
}

/// A bid with what it takes to accept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBid {
    /// What was signed.
    pub bid: Bid,
    /// One a lot; their hash is in the bid.
    pub lanes: Vec<LaneUse>,
    /// r, s, v; 65 bytes.
    pub signature: [u8; 65],
}

impl Bid {
    /// The struct hash, which Accept names.
    #[must_use]
    pub fn id(&self) -> B256 {
        self.eip712_hash_struct()
    }

    /// The price of a lot; none above what 48 bits hold, which a decoded bid never is.
    #[must_use]
    pub fn rate(&self) -> Option<RatePerHour> {
        RatePerHour::new(self.ratePerHour.to::<u64>()).ok()
    }

    /// What the provider may lose when it does not start a lot.
    #[must_use]
    pub const fn bond_a_lot(&self) -> MicroUnits {
        MicroUnits(self.bond)
    }

    /// Until when the signature holds, in Unix seconds.
    #[must_use]
    pub fn deadline_seconds(&self) -> u64 {
        self.deadline.to::<u64>()
    }
}

const HEAD: usize = 32 + 4 + 4 + 6 + 8 + 8 + 5;
const SIGNATURE: usize = 65;
const LANE: usize = 8;

impl SignedBid {
    /// As `publishBid` takes it and `BidPosted` carries it: orderHash 32, providerId 4, bidEpoch 4, ratePerHour 6, bond 8, liability 8, deadline 5,
    /// then (lane 4, gen 4) for each lot, then the signature; all big-endian (contracts/src/interfaces/ILeaseBook.sol, `BidPosted`).
    #[must_use]
    pub fn pack(&self) -> Bytes {
        let mut packed = Vec::with_capacity(HEAD + SIGNATURE + LANE * self.lanes.len());
        packed.extend_from_slice(self.bid.orderHash.as_slice());
        packed.extend_from_slice(&self.bid.providerId.to_be_bytes());
        packed.extend_from_slice(&self.bid.bidEpoch.to_be_bytes());
        packed.extend_from_slice(&self.bid.ratePerHour.to_be_bytes::<6>());
        packed.extend_from_slice(&self.bid.bond.to_be_bytes());
        packed.extend_from_slice(&self.bid.liability.to_be_bytes());
        packed.extend_from_slice(&self.bid.deadline.to_be_bytes::<5>());
        for lane in &self.lanes {
            packed.extend_from_slice(&lane.to_u64().to_be_bytes());
        }
        packed.extend_from_slice(&self.signature);
        packed.into()
    }

    /// Reads the packed form; `lanesHash` is computed from the lanes it carries.
    ///
    /// # Errors
    /// The length fits no number of lanes, or a generation is out of range.
    pub fn unpack(packed: &[u8]) -> Result<Self, PackedBidError> {
        let length = || PackedBidError::Length(packed.len());
        let tail = packed.len().checked_sub(HEAD + SIGNATURE).ok_or_else(length)?;
        if tail == 0 || tail % LANE != 0 || tail / LANE > 256 {
            return Err(length());
        }
        let mut rest = packed;
        let order_hash = B256::from(take::<32>(&mut rest).ok_or_else(length)?);
        let provider_id = u32::from_be_bytes(take(&mut rest).ok_or_else(length)?);
        let bid_epoch = u32::from_be_bytes(take(&mut rest).ok_or_else(length)?);
        let rate_per_hour = U48::from_be_bytes(take::<6>(&mut rest).ok_or_else(length)?);
        let bond = u64::from_be_bytes(take(&mut rest).ok_or_else(length)?);
        let liability = u64::from_be_bytes(take(&mut rest).ok_or_else(length)?);
        let deadline = U40::from_be_bytes(take::<5>(&mut rest).ok_or_else(length)?);
        let mut lanes = Vec::with_capacity(tail / LANE);
        while rest.len() > SIGNATURE {
            lanes.push(LaneUse::from_u64(u64::from_be_bytes(
                take(&mut rest).ok_or_else(length)?,
            ))?);
        }
        let signature = take(&mut rest).ok_or_else(length)?;
        let bid = Bid {
            orderHash: order_hash,
            providerId: provider_id,
            bidEpoch: bid_epoch,
            lanesHash: lanes_hash(&lanes),
            ratePerHour: rate_per_hour,
            bond,
            liability,
            deadline,
        };
        Ok(Self {
            bid,
            lanes,
            signature,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_signed_bid()(
            order: [u8; 32], provider: u32, epoch: u32, rate in 0..1u64 << 48, bond: u64, liability: u64, deadline in 0..1u64 << 40,
            lanes in prop::collection::vec((any::<u32>(), 0..=Generation::MAX), 1..5),
            r: [u8; 32], s: [u8; 32], v: u8,
        ) -> SignedBid {
            let lanes: Vec<LaneUse> = lanes
                .into_iter()
                .map(|(lane, generation)| LaneUse { lane: Lane(lane), generation: Generation::new(generation).unwrap() })
                .collect();
            let mut signature = [v; 65];
            signature[..32].copy_from_slice(&r);
            signature[32..64].copy_from_slice(&s);
            let bid = Bid {
                orderHash: order.into(), providerId: provider, bidEpoch: epoch, lanesHash: lanes_hash(&lanes),
                ratePerHour: U48::from(rate), bond, liability, deadline: U40::from(deadline),
            };
            SignedBid { bid, lanes, signature }
        }
    }

    proptest! {
        #[test]
        fn a_bid_survives_its_packed_form(signed in any_signed_bid()) {
            prop_assert_eq!(SignedBid::unpack(&signed.pack()).unwrap(), signed);
        }

        #[test]
        fn no_bytes_make_unpacking_panic_and_what_unpacks_packs_back(bytes in prop::collection::vec(any::<u8>(), 0..220)) {
            if let Ok(signed) = SignedBid::unpack(&bytes) {
                prop_assert_eq!(signed.pack().to_vec(), bytes);
            }
        }
    }

    #[test]
    fn the_lane_hash_is_that_of_solidity_packed_pairs() {
        let lanes = [(3, 1), (70_000, 16_777_215)].map(|(lane, generation)| LaneUse {
            lane: Lane(lane),
            generation: Generation::new(generation).unwrap(),
        });
        let packed = alloy::primitives::hex!("00000003000000010001117000ffffff");
        assert_eq!(lanes_hash(&lanes), keccak256(packed));
    }
}
