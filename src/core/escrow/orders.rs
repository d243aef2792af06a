//! From a funded wish to a pending lease: post, cancel, accept. The only way a lease opens.

use alloy::primitives::Address;

use super::{Doing, Escrow, Holder, LeaseSlot, Refusal, Signer};
use crate::core::{
    book::{KeyRoles, TokenIndex},
    documents::{
        bid::{Bid, LaneUse, lanes_hash},
        order::Order,
        terms::{Terms, least_deposit},
    },
    ids::ProviderId,
    money::MicroUnits,
};

/// No duration of an order is longer, in seconds.
const LONGEST: u32 = 1 << 30;
/// An order lives at most so long, in seconds.
const ORDER_LIFE: u64 = 86_400;
const MOST_LOTS: u16 = 256;
const FLAGS: u8 = Order::RESERVED | Order::INTERRUPTIBLE;
/// Lease words give a token six bits.
const TOKENS: TokenIndex = 64;

/// What an order is; once posted it is never nothing again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderPhase {
    /// Can be accepted until its expiry, and cancelled.
    Open,
    /// Became leases.
    Accepted,
    /// Went back.
    Cancelled,
}

/// What the book keeps of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderSlot {
    /// What it is.
    pub phase: OrderPhase,
    /// The deposit while it is open.
    pub amount: MicroUnits,
    /// Which token.
    pub token: TokenIndex,
    /// Until when it can be accepted.
    pub expiry: u64,
    /// When it was posted.
    pub posted_at: u64,
}

impl Escrow {
    pub(super) fn post(&mut self, doing: &mut Doing, order: &Order) -> Result<(), Refusal> {
        if !is_tenant(doing.caller, order.tenant, order.agent) {
            return Err(Refusal::NotTenant);
        }
        self.check_order(order, doing.now)?;
        let hash = order.id().0;
        if self.orders.contains_key(&hash) {
            return Err(Refusal::OrderKnown);
        }
        let takes = self
            .policy
            .tokens
            .get(&order.token)
            .is_some_and(|token| token.takes_orders);
        if !takes || order.token >= TOKENS || doing.now < self.policy.paused_until.0 {
            return Err(Refusal::Closed);
        }
        let slot = OrderSlot {
            phase: OrderPhase::Open,
            amount: MicroUnits(order.deposit),
            token: order.token,
            expiry: order.expiry.into(),
            posted_at: doing.now,
        };
        self.orders.insert(hash, slot);
        doing.pull(order.token, Holder::Book, order.deposit.into());
        Ok(())
    }

    fn check_order(&self, order: &Order, now: u64) -> Result<(), Refusal> {
        let bounds = [
            order.form == 0 && order.startRate.is_zero() && order.climb == 0,
            order.flags <= FLAGS,
            !order.tenant.is_zero() && !order.refundTo.is_zero() && order.refundTo != self.address,
            (1..=MOST_LOTS).contains(&order.lots) && order.deposit != 0,
            order.deposit.is_multiple_of(order.lots.max(1).into()),
            (1..=LONGEST).contains(&order.maxDuration),
            (1..=order.maxDuration).contains(&order.minDuration),
            (1..=LONGEST).contains(&order.startWindow),
            order.notice <= LONGEST && order.grace <= LONGEST,
            order.minCommit <= order.maxDuration && order.earlyFeeBps <= 10_000,
            u64::from(order.expiry) > now && u64::from(order.expiry) <= now.saturating_add(ORDER_LIFE),
        ];
        if bounds.contains(&false) {
            return Err(Refusal::OrderBounds);
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, doing: &mut Doing, order: &Order) -> Result<(), Refusal> {
        let slot = self.end_order(order, OrderPhase::Cancelled)?;
        if !is_tenant(doing.caller, order.tenant, order.agent) && doing.now <= slot.expiry {
            return Err(Refusal::OrderNotExpired);
        }
        self.refund(doing, slot.token, order.refundTo, slot.amount.0.into());
        Ok(())
    }

    /// Ends an open order and says what it was.
    fn end_order(&mut self, order: &Order, phase: OrderPhase) -> Result<OrderSlot, Refusal> {
        let slot = self
            .orders
            .get_mut(&order.id().0)
            .filter(|slot| slot.phase == OrderPhase::Open)
            .ok_or(Refusal::OrderNotOpen)?;
        let was = *slot;
        slot.phase = phase;
        slot.amount = MicroUnits::ZERO;
        Ok(was)
    }

    pub(super) fn accept(
        &mut self,
        doing: &Doing,
        order: &Order,
        bid: &Bid,
        lanes: &[u64],
        signer: Signer,
    ) -> Result<(), Refusal> {
        if !is_tenant(doing.caller, order.tenant, order.agent) {
            return Err(Refusal::NotTenant);
        }
        let slot = self.end_order(order, OrderPhase::Accepted)?;
        if doing.now > slot.expiry {
            return Err(Refusal::OrderNotOpen);
        }
        let uses = self.check_bid(doing, order, bid, lanes, signer)?;
        if doing.now < self.policy.paused_until.0 {
            return Err(Refusal::Closed);
        }
        let rate = bid.rate().ok_or(Refusal::Bid)?;
        let deposit = MicroUnits(order.deposit.checked_div(order.lots.into()).unwrap_or(0));
        if deposit < least_deposit(order, rate) {
            return Err(Refusal::DepositTooSmall);
        }
        let provider = ProviderId(bid.providerId);
        for lane in &uses {
            let terms = Terms::of(lane.lease(provider), order, bid, self.policy.fee_steps);
            self.take_lane(doing.now, *lane, terms, deposit, order.startWindow)?;
        }
        let bonds = u128::from(bid.bond).saturating_mul(uses.len() as u128);
        self.lock_bond(provider, order.token, bonds)
    }

    fn check_bid(
        &self,
        doing: &Doing,
        order: &Order,
        bid: &Bid,
        lanes: &[u64],
        signer: Signer,
    ) -> Result<Vec<LaneUse>, Refusal> {
        let provider = ProviderId(bid.providerId);
        // A generation beyond 24 bits is none, whoever signed it.
        let uses: Vec<LaneUse> = lanes
            .iter()
            .map(|lane| LaneUse::from_u64(*lane))
            .collect::<Result<_, _>>()
            .map_err(|_| Refusal::Generation)?;
        let known = self.providers.get(&provider).ok_or(Refusal::Bid)?;
        let key = signer.and_then(|signer| known.keys.get(&signer));
        let fits = [
            bid.orderHash == order.id().0,
            doing.now <= bid.deadline_seconds(),
            !bid.ratePerHour.is_zero() && (order.maxRate.is_zero() || bid.ratePerHour <= order.maxRate),
            bid.bond >= order.minBond,
            uses.len() == usize::from(order.lots),
            lanes_hash(&uses) == bid.lanesHash,
            signer.is_some_and(|signer| known.may(signer, KeyRoles::BID, doing.now)),
            key.is_some_and(|key| key.bid_epoch == bid.bidEpoch),
            known.record.signed_paid >= order.minSignedPaid.into(),
        ];
        if fits.contains(&false) {
            return Err(Refusal::Bid);
        }
        Ok(uses)
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
        let place = (ProviderId((terms.id.to::<u128>() >> 64) as u32), lane.lane);
        let last = self.leases.get(&place);
        if last.is_some_and(|lease| lease.occupies_lane(now, self.windows.vest_epoch)) {
            return Err(Refusal::LaneBusy);
        }
        let next = last.map_or(1, |lease| lease.generation.saturating_add(1));
        if lane.generation.get() != next {
            return Err(Refusal::Generation);
        }
        let stop_at = now.saturating_add(start_window.into());
        self.leases
            .insert(place, LeaseSlot::pending(terms, next, now, stop_at, deposit));
        Ok(())
    }
}

pub(super) fn is_tenant(caller: Address, tenant: Address, agent: Address) -> bool {
    caller == tenant || caller == agent
}
