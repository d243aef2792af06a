//! Which open orders an offer answers now, and with what: one verdict an order, capacity taken up by earlier bids of the same pass
//! counted for later ones. Creates nothing and picks no lane.

use std::cell::RefCell;

use crate::core::{
    book::OrderState,
    capacity::Snapshot,
    documents::needs::Needs,
    market::admission::{OfferPolicy, OrderStanding, Question, Room, Standing, Verdict, decide},
    time::ChainSeconds,
};

/// What the offer has to give.
pub struct Observed<'a> {
    /// Open orders it has no bid for, oldest first.
    pub orders: Vec<&'a OrderState>,
    /// What it sells.
    pub policy: &'a OfferPolicy,
    /// Nodes and pods.
    pub snapshot: Snapshot,
    /// What the provider has.
    pub standing: Standing,
    /// Devices it never lets go.
    pub keep_free: u32,
    /// Largest share of free capacity under holds, in 1/10,000.
    pub hold_share: u32,
    /// The newest block's time.
    pub now: ChainSeconds,
}

/// The verdict on each order.
#[must_use]
pub fn plan<'a>(seen: Observed<'a>) -> Vec<(&'a OrderState, Verdict)> {
    let Observed {
        orders,
        policy,
        mut snapshot,
        mut standing,
        keep_free,
        hold_share,
        now,
    } = seen;
    let mut verdicts = Vec::with_capacity(orders.len());
    for order in orders {
        let question = Question {
            order: &order.posted.order,
            needs: &order.posted.needs,
            standing: OrderStanding::Open { depth: 0 },
            now: Some(now),
        };
        let placed = RefCell::new(Vec::new());
        let verdict = decide(&question, policy, &standing, |needs| {
            room(&snapshot, needs, keep_free, hold_share, &placed)
        });
        if let Verdict::Bid(quote) = &verdict {
            snapshot = snapshot.with(&quote.needs.replica(), &placed.into_inner());
            standing.leases = standing.leases.saturating_add(1);
        }
        verdicts.push((order, verdict));
    }
    verdicts
}

fn room(
    snapshot: &Snapshot,
    needs: &Needs,
    keep_free: u32,
    hold_share: u32,
    placed: &RefCell<Vec<crate::core::capacity::Placement>>,
) -> Room {
    let use_now = snapshot.utilization();
    let wanted = u64::from(needs.replica().gpus).saturating_mul(needs.replicas.into());
    let held = u64::from(use_now.held);
    let promised = held.saturating_add(wanted).saturating_mul(10_000);
    let allowed = held
        .saturating_add(use_now.free.into())
        .saturating_mul(hold_share.into());
    // Posting and cancelling orders is nearly free, so holding is rationed; a single hold is always allowed, else a large order
    // could never be answered.
    if held > 0 && promised > allowed {
        return Room::Unknown(format!(
            "holds take {held} devices, at most capacity.holds.maxShare of what is free: waiting"
        ));
    }
    match snapshot.fits(&needs.replica(), needs.replicas, keep_free) {
        Ok(fit) => {
            placed.replace(fit.placements);
            Room::Fits
        }
        Err(no) => Room::NoFit(no.to_string()),
    }
}
