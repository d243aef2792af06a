//! A funded wish: posted, by its tenant or in its name, and taken back.

use alloy::primitives::Address;

use super::{Doing, Escrow, FundBy, Funding, Holder, Refusal, Signer};
use crate::core::{book::TokenIndex, documents::order::Order, money::MicroUnits};

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
        self.place(doing, order, None)?;
        self.pull(
            doing,
            order.token,
            doing.caller,
            Holder::Book,
            order.deposit.into(),
        )
    }

    pub(super) fn post_signed(
        &mut self,
        doing: &mut Doing,
        order: &Order,
        signer: Option<Signer>,
        funding: Funding,
    ) -> Result<(), Refusal> {
        self.place(doing, order, signer)?;
        let Funding {
            by,
            funder,
            deadline,
            signer,
        } = funding;
        let signed = signer == Some(funder) && !funder.is_zero() && doing.now <= deadline;
        match by {
            FundBy::Caller | FundBy::Permit if funder != doing.caller => return Err(Refusal::Signature),
            FundBy::Fund if !signed => return Err(Refusal::Signature),
            FundBy::Permit if signed => {
                // The allowance is what the permit says, whatever it was, and used up at once.
                self.sparing.insert((Holder::Book, order.token, funder));
                let from = Holder::Account(funder);
                doing.push(order.token, from, Holder::Book, order.deposit.into());
                return Ok(());
            }
            // A permit that does not count is no failure: an allowance may stand.
            FundBy::Caller | FundBy::Permit | FundBy::Fund => {}
        }
        self.pull(doing, order.token, funder, Holder::Book, order.deposit.into())
    }

    /// An order stands from now on; its deposit is still to come.
    fn place(&mut self, doing: &Doing, order: &Order, signer: Option<Signer>) -> Result<(), Refusal> {
        require_tenant(order, doing.party(signer))?;
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
        Ok(())
    }

    fn check_order(&self, order: &Order, now: u64) -> Result<(), Refusal> {
        // An auction says nothing of a climb; a dutch order climbs to its highest rate within a day.
        let form = match order.form {
            0 => order.startRate.is_zero() && order.climb == 0,
            1 => {
                u64::from(order.climb) <= ORDER_LIFE
                    && !order.maxRate.is_zero()
                    && order.startRate <= order.maxRate
            }
            _ => false,
        };
        let bounds = [
            form,
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
    pub(super) fn end_order(&mut self, order: &Order, phase: OrderPhase) -> Result<OrderSlot, Refusal> {
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
}

pub(super) fn is_tenant(caller: Address, tenant: Address, agent: Address) -> bool {
    caller == tenant || caller == agent
}

/// Tenant or agent, and not nobody: an order may name address zero as its agent.
pub(super) fn require_tenant(order: &Order, who: Signer) -> Result<(), Refusal> {
    match who {
        Some(who) if !who.is_zero() && is_tenant(who, order.tenant, order.agent) => Ok(()),
        Some(_) | None => Err(Refusal::NotTenant),
    }
}
