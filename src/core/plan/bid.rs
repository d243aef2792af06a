//! One bid, from its hold to its end: a signature leaves only while the capacity it promises is held by real pods.
//! Never prices (core::market) and never touches what a lease runs on.

use std::time::Duration;

use super::duty::{Sent, Trust};
use crate::core::{documents::order::TradeForm, time::ChainSeconds};

/// Where the bid stands; the only state that is remembered, since a signature binds for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Placeholder pods are being bound.
    Holding,
    /// The fill is on its way: it binds once it is mined, which the order's expiry bounds.
    Filling,
    /// Signed; binds until its deadline.
    Signed,
    /// Its transaction is mined.
    Posted,
    /// The order became our lease.
    Won,
    /// The order went to somebody else or was cancelled.
    Lost,
    /// The deadline passed.
    Expired,
    /// Never signed: the capacity was not to be had.
    Refused,
}

/// The order at the newest block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSide {
    /// Still to be had, until `expiry`.
    Open {
        /// Until when it stands.
        expiry: ChainSeconds,
    },
    /// Became a lease of ours on this bid's lane and generation.
    Ours,
    /// Became somebody else's lease, or was cancelled, or was never there on this chain.
    Gone,
}

/// The placeholder pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldSide {
    /// None.
    Absent,
    /// Not all bound; the oldest was made so long ago.
    Pending {
        /// Milliseconds since the oldest was created.
        for_ms: u64,
    },
    /// All bound to nodes.
    Bound,
    /// The API server did not answer.
    Unknown,
}

/// Everything a pass saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// How the order is traded: a bid is signed for an auction, a dutch order is filled.
    pub form: TradeForm,
    /// What is recorded.
    pub phase: Phase,
    /// How far the chain view may be trusted.
    pub trust: Trust,
    /// The newest block's time.
    pub now: ChainSeconds,
    /// Until when the signature binds, or a fill may be mined.
    pub deadline: ChainSeconds,
    /// The order.
    pub order: OrderSide,
    /// The hold.
    pub hold: HoldSide,
    /// The `publishBid` or `fill` transaction.
    pub posted: Sent,
    /// Milliseconds since the signature was recorded or the fill sent; none before.
    pub promised_for_ms: Option<u64>,
    /// The lease that was won has its own pods bound (or has ended), so the hold has done its duty.
    pub handed_over: bool,
    /// Milliseconds since the bid ended; none before.
    pub ended_for_ms: Option<u64>,
}

/// What does not change from pass to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Pods not bound after so long are a refusal, and never a reason for an autoscaler (design: 2 s).
    pub bind_within: Duration,
    /// A hold lasts at most so long after signing (design: 30 s); the signature may outlive it.
    pub hold_for: Duration,
    /// The same for a fill that was sent: it takes effect without another word, so its hold outlasts a few slow blocks.
    pub fill_for: Duration,
    /// Ended bids are kept so long for people to read.
    pub keep_for: Duration,
}

/// One act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Create the placeholder pods.
    Hold,
    /// Sign and record the signature; only then may anything leave.
    Sign,
    /// `publishBid` on chain.
    Post,
    /// `fill` on chain.
    Fill,
    /// Delete the placeholder pods.
    DropHold,
    /// Record how it stands.
    Record(Phase),
    /// Delete the object.
    Delete,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Acts in order.
    pub actions: Vec<Action>,
    /// CamelCase reason.
    pub reason: &'static str,
    /// Look again after so long even if nothing is heard.
    pub again: Option<Duration>,
}

/// What is due for one bid.
#[must_use]
pub fn plan(seen: &Observed, policy: &Policy) -> Plan {
    match seen.phase {
        Phase::Holding => holding(seen, policy),
        Phase::Filling => filling(seen, policy),
        Phase::Signed | Phase::Posted => promised(seen, policy),
        Phase::Won => won(seen, policy),
        Phase::Lost | Phase::Expired | Phase::Refused => over(seen, policy),
    }
}

fn act(actions: Vec<Action>, reason: &'static str, again: Option<Duration>) -> Plan {
    Plan {
        actions,
        reason,
        again,
    }
}

fn drop_hold(seen: &Observed) -> Vec<Action> {
    match seen.hold {
        HoldSide::Absent | HoldSide::Unknown => Vec::new(),
        HoldSide::Pending { .. } | HoldSide::Bound => vec![Action::DropHold],
    }
}

fn end(seen: &Observed, phase: Phase, reason: &'static str) -> Plan {
    let mut actions = drop_hold(seen);
    actions.push(Action::Record(phase));
    act(actions, reason, None)
}

fn holding(seen: &Observed, policy: &Policy) -> Plan {
    if seen.form == TradeForm::Dutch && seen.posted != Sent::Never {
        // A crash between the fill and its record.
        return act(vec![Action::Record(Phase::Filling)], "Filling", None);
    }
    if seen.trust != Trust::Fresh {
        // Nothing is promised on a view that may be old; what is held is let go by its own age.
        let stale_hold =
            matches!(seen.hold, HoldSide::Pending { for_ms } if for_ms > millis(policy.bind_within));
        return act(
            if stale_hold {
                vec![Action::DropHold]
            } else {
                Vec::new()
            },
            "ChainUnknown",
            Some(policy.bind_within),
        );
    }
    match seen.order {
        OrderSide::Gone | OrderSide::Ours => return end(seen, Phase::Lost, "OrderGone"),
        OrderSide::Open { expiry } if seen.now > expiry => return end(seen, Phase::Expired, "OrderExpired"),
        OrderSide::Open { .. } => {}
    }
    if seen.now > seen.deadline {
        return end(seen, Phase::Expired, "DeadlinePassed");
    }
    match seen.hold {
        HoldSide::Absent => act(vec![Action::Hold], "Holding", Some(policy.bind_within)),
        HoldSide::Pending { for_ms } if for_ms > millis(policy.bind_within) => {
            end(seen, Phase::Refused, "HoldNotBound")
        }
        HoldSide::Pending { for_ms } => {
            let left = millis(policy.bind_within)
                .saturating_sub(for_ms)
                .saturating_add(1);
            act(Vec::new(), "Holding", Some(Duration::from_millis(left)))
        }
        HoldSide::Bound => match seen.form {
            TradeForm::Auction => act(vec![Action::Sign, Action::Post], "Held", None),
            TradeForm::Dutch => act(
                vec![Action::Fill, Action::Record(Phase::Filling)],
                "Filling",
                None,
            ),
        },
        HoldSide::Unknown => act(Vec::new(), "ClusterUnknown", Some(policy.bind_within)),
    }
}

/// What the order's fate makes of a promise; none while it is open. On an untrusted view nothing is decided, and nothing else either.
fn decided(seen: &Observed, policy: &Policy, late: &'static str) -> Option<Plan> {
    if seen.trust != Trust::Fresh {
        return Some(act(Vec::new(), "ChainUnknown", Some(policy.bind_within)));
    }
    match seen.order {
        OrderSide::Ours => Some(act(vec![Action::Record(Phase::Won)], "Won", None)),
        OrderSide::Gone => Some(end(seen, Phase::Lost, "OrderGone")),
        OrderSide::Open { .. } if seen.now > seen.deadline => Some(end(seen, Phase::Expired, late)),
        OrderSide::Open { .. } => None,
    }
}

/// Who fills first has the order, so there is one try: what reverted was late, or would revert again.
fn filling(seen: &Observed, policy: &Policy) -> Plan {
    if let Some(plan) = decided(seen, policy, "OrderExpired") {
        return plan;
    }
    match seen.posted {
        // Somebody deleted the transaction's object: as at first, only what is held is promised.
        Sent::Never if seen.hold == HoldSide::Bound => return act(vec![Action::Fill], "Filling", None),
        Sent::Never => return end(seen, Phase::Refused, "HoldNotBound"),
        Sent::Failed { .. } => return end(seen, Phase::Refused, "FillReverted"),
        // Mined, and the newest block that was read is older.
        Sent::InFlight | Sent::Done => {}
    }
    kept(seen, policy.fill_for, Vec::new(), "Filling")
}

fn promised(seen: &Observed, policy: &Policy) -> Plan {
    if let Some(plan) = decided(seen, policy, "DeadlinePassed") {
        return plan;
    }
    let mut actions = Vec::new();
    match seen.posted {
        Sent::Done if seen.phase == Phase::Signed => actions.push(Action::Record(Phase::Posted)),
        Sent::Never | Sent::InFlight | Sent::Done | Sent::Failed { .. } => {
            if seen.posted.may_send() {
                actions.push(Action::Post);
            }
        }
    }
    kept(seen, policy.hold_for, actions, "Promised")
}

/// A promise outlives its hold: capacity is not kept for a tenant that takes its time.
fn kept(seen: &Observed, at_most: Duration, mut actions: Vec<Action>, reason: &'static str) -> Plan {
    let held_ms = seen.promised_for_ms.unwrap_or(0);
    let limit = millis(at_most);
    if held_ms > limit {
        actions.extend(drop_hold(seen));
        return act(actions, "HoldReleased", Some(Duration::from_secs(5)));
    }
    let left = limit.saturating_sub(held_ms).saturating_add(1);
    act(actions, reason, Some(Duration::from_millis(left)))
}

fn won(seen: &Observed, policy: &Policy) -> Plan {
    let mut actions = Vec::new();
    if seen.handed_over {
        actions.extend(drop_hold(seen));
        return finish(seen, policy, actions, "Won");
    }
    act(actions, "Won", Some(Duration::from_secs(5)))
}

fn over(seen: &Observed, policy: &Policy) -> Plan {
    finish(seen, policy, drop_hold(seen), "Over")
}

/// Whether the bid may still become a lease, whatever its phase: a signature until its deadline, a fill until it reverted.
fn may_bind(seen: &Observed) -> bool {
    let late = seen.now > seen.deadline;
    match (seen.form, seen.posted) {
        (TradeForm::Auction, _) | (TradeForm::Dutch, Sent::InFlight | Sent::Done) => !late,
        (TradeForm::Dutch, Sent::Never | Sent::Failed { .. }) => false,
    }
}

/// An ended bid stays a while to be read, and at least until it no longer binds: as long as it may still become a lease, its lane must not be
/// promised twice.
fn finish(seen: &Observed, policy: &Policy, mut actions: Vec<Action>, reason: &'static str) -> Plan {
    let age = seen.ended_for_ms.unwrap_or(0);
    if age >= millis(policy.keep_for) && seen.trust == Trust::Fresh && !may_bind(seen) {
        actions.push(Action::Delete);
        return act(actions, reason, None);
    }
    let left = millis(policy.keep_for).saturating_sub(age).clamp(1_000, 600_000);
    act(actions, reason, Some(Duration::from_millis(left)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
