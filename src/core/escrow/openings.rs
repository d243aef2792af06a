//! How an order becomes pending leases: by a bid that its tenant accepts, by a provider's fill, or by parts of a standing offer. The only ways
//! a lease opens.

use alloy::primitives::{B256, U256};

use super::{Doing, Escrow, LeaseSlot, OrderPhase, Refusal, Signer, merkle, orders::require_tenant};
use crate::core::{
    book::{KeyRoles, TokenIndex},
    documents::{
        bid::{Bid, LaneUse, lanes_hash},
        offer::{Offer, class_of},
        order::Order,
        terms::{Price, Terms, least_deposit},
    },
    ids::{Generation, Lane, ProviderId},
    money::{MicroUnits, RatePerHour},
};

/// The form of a dutch order.
const DUTCH: u8 = 1;

impl Escrow {
    pub(super) fn accept(
        &mut self,
        doing: &Doing,
        order: &Order,
        bid: &Bid,
        lanes: &[u64],
        signer: Signer,
    ) -> Result<(), Refusal> {
        self.accept_by(doing, Some(doing.caller), order, bid, lanes, signer)
    }

    pub(super) fn accept_signed(
        &mut self,
        doing: &Doing,
        order: &Order,
        bid: &Bid,
        lanes: &[u64],
        signer: Signer,
        (deadline, tenant): (u64, Signer),
    ) -> Result<(), Refusal> {
        if doing.now > deadline {
            return Err(Refusal::Signature);
        }
        self.accept_by(doing, tenant, order, bid, lanes, signer)
    }

    fn accept_by(
        &mut self,
        doing: &Doing,
        tenant: Signer,
        order: &Order,
        bid: &Bid,
        lanes: &[u64],
        signer: Signer,
    ) -> Result<(), Refusal> {
        require_tenant(order, tenant)?;
        self.spend(doing, order)?;
        let provider = ProviderId(bid.providerId);
        let uses = lane_uses(order, lanes)?;
        let fits = [
            bid.orderHash == order.id().0,
            doing.now <= bid.deadline_seconds(),
            lanes_hash(&uses) == bid.lanesHash,
            self.signs_bids(doing, provider, signer, bid.bidEpoch),
        ];
        if fits.contains(&false) {
            return Err(Refusal::Bid);
        }
        let price = Price {
            rate: bid.ratePerHour,
            bond: bid.bond,
            liability: bid.liability,
        };
        self.open(doing, order, provider, price, &uses)
    }

    pub(super) fn fill(
        &mut self,
        doing: &Doing,
        order: &Order,
        provider: ProviderId,
        lanes: &[u64],
        (bond, liability): (MicroUnits, MicroUnits),
        proof: &[B256],
    ) -> Result<(), Refusal> {
        let posted_at = self.spend(doing, order)?;
        if order.form != DUTCH {
            return Err(Refusal::Form);
        }
        if !self.may(provider, doing.caller, KeyRoles::BID, doing.now) {
            return Err(Refusal::NotAllowed);
        }
        if !merkle::admits(order.eligible, U256::from(provider.0), proof) {
            return Err(Refusal::Proof);
        }
        let uses = lane_uses(order, lanes)?;
        let price = Price {
            rate: order.climbed(doing.now.saturating_sub(posted_at)),
            bond: bond.0,
            liability: liability.0,
        };
        self.open(doing, order, provider, price, &uses)
    }

    pub(super) fn take(
        &mut self,
        doing: &Doing,
        order: &Order,
        offer: &Offer,
        parts: &[u8],
        signer: Signer,
        proof: &[B256],
    ) -> Result<(), Refusal> {
        require_tenant(order, Some(doing.caller))?;
        self.spend(doing, order)?;
        let provider = ProviderId(offer.providerId);
        let fits = [
            doing.now <= offer.deadline.to::<u64>(),
            class_of(order) == offer.classHash,
            order.token == offer.token,
            order.minDuration >= offer.minDuration,
            order.maxDuration <= offer.maxDuration,
            order.notice <= offer.notice,
            parts.len() == usize::from(order.lots),
            self.signs_bids(doing, provider, signer, offer.bidEpoch),
        ];
        if fits.contains(&false) {
            return Err(Refusal::Offer);
        }
        let tenant = U256::from_be_slice(order.tenant.as_slice());
        if !merkle::admits(offer.tenants, tenant, proof) {
            return Err(Refusal::Proof);
        }
        let hash = offer.id();
        let mut taken = self.offer_taken(hash);
        let mut uses = Vec::with_capacity(parts.len());
        for part in parts {
            if u16::from(*part) >= offer.count || taken.bit(usize::from(*part)) {
                return Err(Refusal::Offer);
            }
            taken.set_bit(usize::from(*part), true);
            let lane = offer
                .firstLane
                .checked_add(u32::from(*part))
                .ok_or(Refusal::Offer)?;
            uses.push(self.next_use(provider, Lane(lane))?);
        }
        self.offers_taken.insert(hash, taken);
        let price = Price {
            rate: offer.ratePerHour,
            bond: offer.bond,
            liability: offer.liability,
        };
        self.open(doing, order, provider, price, &uses)
    }

    /// The order's deposit leaves it for leases; when it was posted.
    fn spend(&mut self, doing: &Doing, order: &Order) -> Result<u64, Refusal> {
        let slot = self.end_order(order, OrderPhase::Accepted)?;
        if doing.now > slot.expiry {
            return Err(Refusal::OrderNotOpen);
        }
        Ok(slot.posted_at)
    }

    fn signs_bids(&self, doing: &Doing, provider: ProviderId, signer: Signer, epoch: u32) -> bool {
        let known = self.providers.get(&provider);
        known.zip(signer).is_some_and(|(known, signer)| {
            known.may(signer, KeyRoles::BID, doing.now)
                && known.keys.get(&signer).is_some_and(|key| key.bid_epoch == epoch)
        })
    }

    /// All lots or none, on terms of the order at a provider's price.
    fn open(
        &mut self,
        doing: &Doing,
        order: &Order,
        provider: ProviderId,
        price: Price,
        uses: &[LaneUse],
    ) -> Result<(), Refusal> {
        let signed_paid = self
            .providers
            .get(&provider)
            .map_or(0, |known| known.record.signed_paid);
        let fits = [
            !price.rate.is_zero() && (order.maxRate.is_zero() || price.rate <= order.maxRate),
            price.bond >= order.minBond,
            signed_paid >= order.minSignedPaid.into(),
        ];
        if fits.contains(&false) {
            return Err(Refusal::Bid);
        }
        if doing.now < self.policy.paused_until.0 {
            return Err(Refusal::Closed);
        }
        let rate = RatePerHour::new(price.rate.to::<u64>()).map_err(|_| Refusal::Bid)?;
        let deposit = MicroUnits(order.deposit.checked_div(order.lots.into()).unwrap_or(0));
        if deposit < least_deposit(order, rate) {
            return Err(Refusal::DepositTooSmall);
        }
        let (hash, fee) = (order.id().0, self.opening_fee(order.token));
        for lane in uses {
            let terms = Terms::priced(lane.lease(provider), hash, order, price, fee);
            self.take_lane(doing.now, *lane, terms, deposit, order.startWindow)?;
        }
        let bonds = u128::from(price.bond).saturating_mul(uses.len() as u128);
        self.lock_bond(provider, order.token, bonds)
    }

    fn opening_fee(&self, token: TokenIndex) -> u8 {
        match self.policy.reduced {
            Some((of, fee)) if of == token => fee,
            Some(_) | None => self.policy.fee_steps,
        }
    }

    /// The lane's next use.
    fn next_use(&self, provider: ProviderId, lane: Lane) -> Result<LaneUse, Refusal> {
        let next = self
            .leases
            .get(&(provider, lane))
            .map_or(1, |lease| lease.generation.saturating_add(1));
        let generation = Generation::new(next).map_err(|_| Refusal::Generation)?;
        Ok(LaneUse { lane, generation })
    }

    /// A lease takes a lane that is free, under the lane's next generation (contracts: I5).
    fn take_lane(
        &mut self,
        now: u64,
        lane: LaneUse,
        terms: Terms,
        deposit: MicroUnits,
        start_window: u32,
    ) -> Result<(), Refusal> {
        let place = super::leases::place(&terms);
        let last = self.leases.get(&place);
        if last.is_some_and(|lease| lease.occupies_lane(now, self.windows.vest_epoch)) {
            return Err(Refusal::LaneBusy);
        }
        if lane != self.next_use(place.0, lane.lane)? {
            return Err(Refusal::Generation);
        }
        let stop_at = now.saturating_add(start_window.into());
        let generation = lane.generation.get();
        self.leases.insert(
            place,
            LeaseSlot::pending(terms, generation, now, stop_at, deposit),
        );
        Ok(())
    }
}

/// One for each lot; a generation beyond 24 bits is none, whoever signed it.
fn lane_uses(order: &Order, lanes: &[u64]) -> Result<Vec<LaneUse>, Refusal> {
    if lanes.len() != usize::from(order.lots) {
        return Err(Refusal::Bid);
    }
    let uses: Result<_, _> = lanes.iter().map(|lane| LaneUse::from_u64(*lane)).collect();
    uses.map_err(|_| Refusal::Generation)
}
