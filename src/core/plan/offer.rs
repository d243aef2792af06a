//! Which open orders an offer answers now, and with what: one verdict an order, capacity taken up by earlier bids of the same pass
//! counted for later ones. Creates nothing and picks no lane.

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::offer::ComputeOfferStatus,
    core::{
        book::OrderState,
        capacity::Snapshot,
        documents::needs::Needs,
        market::admission::{OfferPolicy, OrderStanding, Question, Room, Standing, Verdict, decide},
        time::ChainSeconds,
    },
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
            posted: order.posted.posted.time,
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

/// Bids counted since the offer was created, and which of those that still exist are in it: written together, so that an object that goes
/// away takes nothing with it and a crash counts nothing twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Became leases.
    pub won: u64,
    /// Did not.
    pub lost: u64,
    /// Ended bids that exist and are counted, by uid.
    pub counted: BTreeSet<String>,
}

/// How a bid ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BidEnd {
    /// It became a lease.
    Won,
    /// The order went elsewhere or ended.
    Lost,
}

impl Tally {
    /// With the ended bids that exist now.
    #[must_use]
    pub fn after<'a>(self, ended: impl IntoIterator<Item = (&'a str, BidEnd)>) -> Self {
        let mut next = Self {
            counted: BTreeSet::new(),
            ..self
        };
        for (uid, end) in ended {
            if next.counted.insert(uid.to_owned()) && !self.counted.contains(uid) {
                let count = match end {
                    BidEnd::Won => &mut next.won,
                    BidEnd::Lost => &mut next.lost,
                };
                *count = count.saturating_add(1);
            }
        }
        next
    }
}

/// Counts of devices and bids are told so long after the first of them moved: a bid's object, its holds, the lease's pods and the end of the holds
/// come one after another, and each would be a write.
pub const SETTLE: Duration = Duration::from_secs(2);

/// What becomes of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// It says the same.
    Nothing,
    /// Write it.
    Now,
    /// Look again after so long: counts may still move.
    Later(Duration),
}

/// Whether to write a status now; `waited` is how long its counts have differed from what was told. Conditions and refusals wait for nothing.
#[must_use]
pub fn tell(told: &ComputeOfferStatus, next: &ComputeOfferStatus, waited: Option<Duration>) -> Tell {
    let urgent = !told
        .conditions
        .iter()
        .map(words)
        .eq(next.conditions.iter().map(words))
        || told.refusals != next.refusals
        || told.observed_generation != next.observed_generation;
    if urgent {
        return Tell::Now;
    }
    let counts = (&next.capacity, &next.leased, &next.held, &next.free, &next.bids);
    if counts == (&told.capacity, &told.leased, &told.held, &told.free, &told.bids) {
        return Tell::Nothing;
    }
    match SETTLE.checked_sub(waited.unwrap_or_default()) {
        Some(rest) if !rest.is_zero() => Tell::Later(rest),
        Some(_) | None => Tell::Now,
    }
}

/// A condition without its time.
fn words(condition: &Condition) -> (&str, &str, &str, &str, Option<i64>) {
    let Condition {
        type_,
        status,
        reason,
        message,
        observed_generation,
        last_transition_time: _,
    } = condition;
    (type_, status, reason, message, *observed_generation)
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::api::offer::{BidCounts, ResourceAmounts};

    fn status(held: i32, open: i32, message: &str) -> ComputeOfferStatus {
        ComputeOfferStatus {
            held: Some(ResourceAmounts {
                gpus: held,
                ..ResourceAmounts::default()
            }),
            bids: Some(BidCounts {
                open,
                ..BidCounts::default()
            }),
            conditions: vec![Condition {
                type_: "Ready".into(),
                status: "True".into(),
                reason: "AsExpected".into(),
                message: message.into(),
                observed_generation: Some(1),
                last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
            }],
            ..ComputeOfferStatus::default()
        }
    }

    #[test]
    fn what_moves_with_one_bid_is_told_in_one_write() {
        let told = status(0, 0, "");
        let ms = Duration::from_millis;
        // Its object, then its two holds one by one: each asks for a later look, and only the last state is written.
        let moves = [
            (status(0, 1, ""), None),
            (status(1, 1, ""), Some(ms(40))),
            (status(2, 1, ""), Some(ms(90))),
        ];
        for (next, waited) in &moves {
            assert_eq!(
                tell(&told, next, *waited),
                Tell::Later(SETTLE - waited.unwrap_or_default())
            );
        }
        assert_eq!(tell(&told, &moves[2].0, Some(SETTLE)), Tell::Now);
        assert_eq!(tell(&moves[2].0, &moves[2].0, None), Tell::Nothing);
    }

    #[test]
    fn counts_that_move_all_the_time_are_told_all_the_same_and_words_at_once() {
        assert_eq!(
            tell(&status(0, 0, ""), &status(9, 9, ""), Some(SETTLE * 2)),
            Tell::Now
        );
        assert_eq!(tell(&status(0, 0, ""), &status(0, 0, "other"), None), Tell::Now);
    }

    #[test]
    fn an_ended_bid_is_counted_once_and_stays_counted_when_its_object_goes() {
        let first = Tally::default().after([("a", BidEnd::Won), ("b", BidEnd::Lost)]);
        assert_eq!((first.won, first.lost), (1, 1));
        let again = first.clone().after([("b", BidEnd::Lost), ("a", BidEnd::Won)]);
        assert_eq!(again, first, "steady state says the same");
        let later = again.after([("c", BidEnd::Won)]);
        assert_eq!((later.won, later.lost), (2, 1));
        assert_eq!(later.counted.len(), 1);
    }

    proptest! {
        #[test]
        fn however_bids_come_and_go_each_is_counted_once(lives in prop::collection::vec((0usize..12, 1usize..12, any::<bool>()), 0..20)) {
            let names: Vec<String> = (0..lives.len()).map(|index| format!("bid-{index}")).collect();
            let mut tally = Tally::default();
            for now in 0..24 {
                let alive = lives.iter().zip(&names).filter(|((from, long, _), _)| (*from..from + long).contains(&now));
                tally = tally.after(alive.map(|((_, _, won), name)| {
                    (name.as_str(), if *won { BidEnd::Won } else { BidEnd::Lost })
                }));
            }
            let won = lives.iter().filter(|(_, _, won)| *won).count() as u64;
            prop_assert_eq!(tally.won, won);
            prop_assert_eq!(tally.lost, lives.len() as u64 - won);
            prop_assert!(tally.counted.is_empty());
        }
    }
}
