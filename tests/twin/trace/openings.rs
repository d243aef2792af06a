//! Orders, and the ways they become leases.

use alloy::primitives::{
    Address, B256, U256,
    aliases::{U40, U48},
    keccak256,
};
use leaseport::core::{
    documents::{
        bid::{Bid, LaneUse, lanes_hash},
        order::Order,
    },
    escrow::{Act, FundBy, Funding, OrderPhase},
    ids::{Generation, Lane, ProviderId},
    money::MicroUnits,
};
use leaseport_evm::Key;

use super::{
    LANES, PROVIDERS, Situation, Step,
    offers::{bond, leaf, tree},
};
use crate::{
    dice::Dice,
    market::{NEEDS, TOKENS, TREASURY, UNWILLING, WILLING},
};

impl Situation<'_> {
    pub(super) fn post(&self, dice: &mut Dice) -> Step {
        let tenant = dice.pick(&self.people.tenants);
        let rate = 1 + dice.magnitude(44);
        let dry = dice.once_in(3);
        let maximum = if dry { 1000 } else { 1 } + dice.small(5000);
        let mut order = Order {
            tenant: tenant.address(),
            agent: if dice.once_in(3) {
                Address::ZERO
            } else {
                self.people.agent.address()
            },
            refundTo: *dice.pick(&[WILLING, WILLING, UNWILLING]),
            form: 0,
            token: *dice.pick(&[0, 0, 0, 1, 1, 2]),
            flags: u8::try_from(dice.below(4)).unwrap(),
            lots: 1 + u16::from(dice.once_in(5)) + u16::from(dice.once_in(12)),
            startRate: U48::ZERO,
            // What it can afford is known to the bidder by this.
            maxRate: U48::from(rate),
            climb: 0,
            deposit: 0,
            // Some deposits are used up long before the end.
            minDuration: 1 + dice.small(if dry { maximum.min(100) } else { maximum }),
            maxDuration: maximum,
            minCommit: dice.small(maximum + 1),
            earlyFeeBps: u16::try_from(dice.below(10_001)).unwrap(),
            notice: dice.small(2000),
            grace: match dice.below(3) {
                0 => 0,
                _ if dry => dice.small(60),
                _ => dice.small(400),
            },
            startWindow: 1 + dice.small(3000),
            minBond: dice.magnitude(20),
            minSignedPaid: if dice.once_in(10) { dice.magnitude(30) } else { 0 },
            expiry: u32::try_from(self.now).unwrap() + 1 + dice.small(10_000),
            slaPolicy: B256::ZERO,
            needsHash: keccak256(NEEDS),
            manifestHash: B256::repeat_byte(3),
            eligible: B256::ZERO,
            endpointHash: B256::ZERO,
            salt: B256::from(U256::from(dice.next())),
        };
        // Rent of a part of the longest duration beside what is held back, so that some leases run dry.
        let rate = leaseport::core::money::RatePerHour::new(rate).unwrap();
        let least = leaseport::core::documents::terms::least_deposit(&order, rate).0;
        let more = if dry {
            0
        } else {
            dice.below(rate.owed_up(maximum).0 + 2)
        };
        order.deposit = (least + more) * u64::from(order.lots);
        if dice.once_in(3) {
            order.form = 1;
            order.startRate = U48::from(dice.below(rate.get() + 1));
            order.climb = dice.small(2000);
            if dice.once_in(4) {
                order.eligible = tree(PROVIDERS.map(|provider| U256::from(provider.0)));
            }
        }
        if dice.once_in(15) {
            outside_a_bound(dice, &mut order, self);
        }
        let order = Box::new(order);
        if dice.once_in(4) {
            return self.post_signed(dice, tenant, order);
        }
        Step::Act(self.mostly(dice, tenant), Act::Post { order })
    }

    fn post_signed(&self, dice: &mut Dice, tenant: &Key, order: Box<Order>) -> Step {
        let stranger = self.people.stranger.address();
        let saver = self.people.saver.address();
        let (by, mut funder, mut caller) = match dice.below(8) {
            0..=2 => (FundBy::Fund, self.anyone(dice), self.anyone(dice)),
            3..=5 => (FundBy::Permit, saver, saver),
            6 => (FundBy::Permit, stranger, stranger),
            _ => (FundBy::Caller, tenant.address(), tenant.address()),
        };
        let mut signer = match dice.below(12) {
            0 => Some(None),
            1 => Some(Some(self.anyone(dice))),
            _ => Some(Some(tenant.address())),
        };
        if caller == tenant.address() && dice.once_in(2) {
            signer = None;
        }
        let mut paid_by = Some(funder);
        match dice.below(24) {
            0 => funder = self.anyone(dice),
            1 => caller = self.anyone(dice),
            2 => paid_by = None,
            3 => paid_by = Some(self.anyone(dice)),
            _ => {}
        }
        let funding = Funding {
            by,
            funder,
            deadline: self.now + dice.below(100) - u64::from(dice.once_in(20)),
            signer: paid_by,
        };
        let act = Act::PostSigned {
            order,
            signer,
            funding,
        };
        Step::Act(caller, act)
    }

    pub(super) fn open_order(&self, dice: &mut Dice) -> Option<Order> {
        if dice.once_in(20) && !self.orders.is_empty() {
            return Some(dice.pick(self.orders).1.clone());
        }
        let strict = !dice.once_in(10);
        let open: Vec<&Order> = self
            .orders
            .iter()
            .filter(|(hash, _)| {
                self.model.orders().get(hash).is_some_and(|slot| {
                    slot.phase == OrderPhase::Open && (!strict || self.now <= slot.expiry)
                })
            })
            .map(|(_, order)| order)
            .collect();
        if open.is_empty() {
            None
        } else {
            Some((*dice.pick(&open)).clone())
        }
    }

    /// A dutch order is mostly filled; either is accepted or takes an offer.
    pub(super) fn opening(&self, dice: &mut Dice) -> Option<Step> {
        let order = self.open_order(dice)?;
        let lots = usize::from(order.lots);
        let room = PROVIDERS
            .iter()
            .any(|provider| self.free_lanes_of(*provider) >= lots);
        if !room && !dice.once_in(10) {
            return None;
        }
        let fills = if order.form == 1 { 7 } else { 1 };
        match dice.below(20) {
            roll if roll < fills => Some(self.fill(dice, order)),
            roll if roll < fills + 5 => Some(self.take(dice, order)),
            _ => Some(self.accept(dice, order)),
        }
    }

    fn accept(&self, dice: &mut Dice, order: Order) -> Step {
        let provider = self.with_room(dice, usize::from(order.lots));
        let id = PROVIDERS[provider];
        let lanes = self.free_lanes(dice, id, usize::from(order.lots));
        let signer = &self.people.bidders[provider];
        let epoch = self.epoch_of(id, signer);
        let rate = order.maxRate.to::<u64>().max(1);
        let bid = Bid {
            orderHash: if dice.once_in(60) {
                B256::ZERO
            } else {
                order.id().0
            },
            providerId: id.0,
            bidEpoch: epoch + u32::from(dice.once_in(40)),
            lanesHash: if dice.once_in(60) {
                B256::ZERO
            } else {
                lanes_hash(&lanes)
            },
            ratePerHour: U48::from(rate - dice.below(rate.min(9)) + u64::from(dice.once_in(60))),
            bond: bond(dice, &order),
            liability: dice.magnitude(30),
            deadline: U40::from(self.now + dice.below(100) - u64::from(dice.once_in(60))),
        };
        let caller = self.side(dice, order.tenant, order.agent);
        let signer = match dice.below(30) {
            0 => None,
            1 => Some(self.anyone(dice)),
            _ => Some(signer.address()),
        };
        let (order, bid) = (Box::new(order), Box::new(bid));
        let lanes = lanes.into_iter().map(LaneUse::to_u64).collect();
        if dice.once_in(3) {
            let tenant_signer = match dice.below(20) {
                0 => None,
                _ => Some(caller),
            };
            let act = Act::AcceptSigned {
                order,
                bid,
                lanes,
                signer,
                deadline: self.now + dice.below(100) - u64::from(dice.once_in(30)),
                tenant_signer,
            };
            return Step::Act(self.anyone(dice), act);
        }
        let act = Act::Accept {
            order,
            bid,
            lanes,
            signer,
        };
        Step::Act(caller, act)
    }

    fn fill(&self, dice: &mut Dice, order: Order) -> Step {
        let index = self.with_room(dice, usize::from(order.lots));
        let provider = PROVIDERS[index];
        let lanes = self.free_lanes(dice, provider, usize::from(order.lots));
        let other = PROVIDERS[1 - index];
        let proof = if order.eligible.is_zero() || dice.once_in(12) {
            vec![]
        } else {
            vec![leaf(U256::from(other.0))]
        };
        let act = Act::Fill {
            provider,
            lanes: lanes.into_iter().map(LaneUse::to_u64).collect(),
            bond: MicroUnits(bond(dice, &order)),
            liability: MicroUnits(dice.magnitude(30)),
            proof,
            order: Box::new(order),
        };
        Step::Act(self.mostly(dice, &self.people.bidders[index]), act)
    }

    fn free_lanes(&self, dice: &mut Dice, provider: ProviderId, lots: usize) -> Vec<LaneUse> {
        let mut lanes = Vec::new();
        let begin = dice.small(LANES);
        for lane in (0..LANES).map(|index| Lane((begin + index) % LANES)) {
            let last = self.model.leases().get(&(provider, lane));
            if lanes.len() < lots && (self.is_free(provider, lane) || dice.once_in(20)) {
                let next = last.map_or(1, |lease| lease.generation + 1) + u32::from(dice.once_in(40));
                lanes.push(LaneUse {
                    lane,
                    generation: Generation::new(next).unwrap(),
                });
            }
        }
        lanes
    }

    pub(super) fn epoch_of(&self, provider: ProviderId, signer: &Key) -> u32 {
        self.model
            .providers()
            .get(&provider)
            .and_then(|known| known.keys.get(&signer.address()))
            .map_or(0, |key| key.bid_epoch)
    }
}

/// Changes one member so that the order breaks a rule, or nearly.
fn outside_a_bound(dice: &mut Dice, order: &mut Order, situation: &Situation<'_>) {
    match dice.below(18) {
        0 => order.form = 1,
        1 => order.flags = 4,
        2 => order.refundTo = Address::ZERO,
        3 => order.refundTo = situation.book,
        4 => order.lots = 0,
        5 => order.deposit = 0,
        6 => {
            order.lots = 2;
            order.deposit |= 1;
        }
        7 => order.maxDuration = (1 << 30) + 1,
        8 => order.minDuration = order.maxDuration + 1,
        9 => order.startWindow = 0,
        10 => order.notice = (1 << 30) + 1,
        11 => order.grace = (1 << 30) + 1,
        12 => order.minCommit = order.maxDuration + 1,
        13 => order.earlyFeeBps = 10_001,
        14 => order.expiry = u32::try_from(situation.now).unwrap(),
        15 => order.expiry = u32::try_from(situation.now).unwrap() + 86_401,
        16 => order.token = TOKENS,
        _ => order.refundTo = TREASURY,
    }
}
