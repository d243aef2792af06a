//! Standing offers, and who is admitted to what.

use alloy::primitives::{
    B256, U256,
    aliases::{U40, U48},
    keccak256,
};
use leaseport::core::{
    documents::{
        offer::{Offer, class_of},
        order::Order,
    },
    escrow::Act,
    ids::{Lane, ProviderId},
};
use leaseport_evm::Key;

use super::{LANES, PROVIDERS, Situation, Step};
use crate::{dice::Dice, market::TOKENS};

impl Situation<'_> {
    pub(super) fn take(&self, dice: &mut Dice, order: Order) -> Step {
        let known: Vec<&Offer> = self
            .offers
            .iter()
            .filter(|offer| {
                offer.classHash == class_of(&order)
                    && offer.token == order.token
                    && offer.deadline.to::<u64>() >= self.now
                    && (order.maxRate.is_zero() || offer.ratePerHour <= order.maxRate)
                    && offer.maxDuration >= order.maxDuration
                    && offer.bond >= order.minBond
                    && self.parts_left(offer) >= usize::from(order.lots)
            })
            .collect();
        let offer = if known.is_empty() || dice.once_in(4) {
            self.offer(dice, &order)
        } else {
            (*dice.pick(&known)).clone()
        };
        let index = usize::from(offer.providerId == PROVIDERS[1].0);
        let provider = PROVIDERS[index];
        let taken = self.model.offer_taken(offer.id());
        let mut parts: Vec<u8> = Vec::new();
        for part in 0..u8::try_from(LANES).unwrap() {
            let lane = Lane(offer.firstLane + u32::from(part));
            let fits = self.is_free(provider, lane)
                && !taken.bit(usize::from(part))
                && u16::from(part) < offer.count;
            // The rest of the offer is not looked at.
            let seen = lane.0 < LANES;
            if seen && parts.len() < usize::from(order.lots) && (fits || dice.once_in(15)) {
                parts.push(part);
            }
        }
        let bidder = self.people.bidders[index].address();
        let signer = match dice.below(30) {
            0 => None,
            1 => Some(self.anyone(dice)),
            _ => Some(bidder),
        };
        let caller = self.side(dice, order.tenant, order.agent);
        let other = self
            .people
            .tenants
            .iter()
            .map(Key::address)
            .find(|tenant| *tenant != order.tenant);
        let proof = match other {
            Some(other) if !offer.tenants.is_zero() && !dice.once_in(12) => {
                vec![leaf(U256::from_be_slice(other.as_slice()))]
            }
            Some(_) | None => vec![],
        };
        let act = Act::Take {
            order: Box::new(order),
            offer: Box::new(offer),
            parts,
            signer,
            proof,
        };
        Step::Act(caller, act)
    }

    /// Parts that can be taken now.
    fn parts_left(&self, offer: &Offer) -> usize {
        let taken = self.model.offer_taken(offer.id());
        (0..u32::from(offer.count))
            .filter(|part| {
                let lane = Lane(offer.firstLane + part);
                lane.0 < LANES
                    && !taken.bit(*part as usize)
                    && self.is_free(ProviderId(offer.providerId), lane)
            })
            .count()
    }

    /// An offer that this order can take, mostly, and others of its class too.
    fn offer(&self, dice: &mut Dice, order: &Order) -> Offer {
        let index = self.with_room(dice, usize::from(order.lots));
        let tenants = self.people.tenants.each_ref().map(Key::address);
        let mut offer = Offer {
            classHash: class_of(order),
            providerId: PROVIDERS[index].0,
            bidEpoch: self.epoch_of(PROVIDERS[index], &self.people.bidders[index])
                + u32::from(dice.once_in(40)),
            firstLane: u32::from(dice.once_in(4)),
            count: 2 + u16::try_from(dice.below(6)).unwrap(),
            token: order.token,
            ratePerHour: U48::from(1 + dice.below(order.maxRate.to::<u64>().max(1))),
            bond: bond(dice, order),
            liability: dice.magnitude(30),
            minDuration: dice.small(order.minDuration + 1),
            maxDuration: order.maxDuration + dice.small(6000),
            notice: order.notice + dice.small(2000),
            tenants: if dice.once_in(5) {
                tree(tenants.map(|tenant| U256::from_be_slice(tenant.as_slice())))
            } else {
                B256::ZERO
            },
            deadline: U40::from(self.now + dice.below(10_000)),
            salt: B256::from(U256::from(dice.next())),
        };
        match dice.below(60) {
            0 => offer.classHash = B256::ZERO,
            1 => offer.token = (offer.token + 1) % TOKENS,
            2 => offer.minDuration = order.minDuration + 1,
            3 => offer.maxDuration = order.maxDuration - 1,
            4 => offer.notice = order.notice.saturating_sub(1),
            5 => offer.deadline = U40::from(self.now - 1),
            6 => offer.ratePerHour = U48::ZERO,
            7 => offer.bond = order.minBond.saturating_sub(1),
            _ => {}
        }
        offer
    }
}

/// What the order asks for, mostly.
pub(super) fn bond(dice: &mut Dice, order: &Order) -> u64 {
    order
        .minBond
        .saturating_add(dice.magnitude(22))
        .saturating_sub(dice.below(30))
}

/// A leaf of OpenZeppelin's standard tree.
pub(super) fn leaf(word: U256) -> B256 {
    keccak256(keccak256(word.to_be_bytes::<32>()))
}

/// The root over two; each proves itself by the other's leaf.
pub(super) fn tree(words: [U256; 2]) -> B256 {
    let mut leaves = words.map(leaf);
    leaves.sort_unstable();
    keccak256(leaves.map(|leaf| leaf.0).as_flattened())
}
