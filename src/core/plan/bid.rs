//! One bid, from its hold to its end: a signature leaves only while the capacity it promises is held by real pods.
//! Never prices (core::market) and never touches what a lease runs on.

use std::time::Duration;

use super::duty::{Sent, Trust};
use crate::core::time::ChainSeconds;

/// Where the bid stands; the only state that is remembered, since a signature binds for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Placeholder pods are being bound.
    Holding,
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
    /// What is recorded.
    pub phase: Phase,
    /// How far the chain view may be trusted.
    pub trust: Trust,
    /// The newest block's time.
    pub now: ChainSeconds,
    /// Until when the signature binds.
    pub deadline: ChainSeconds,
    /// The order.
    pub order: OrderSide,
    /// The hold.
    pub hold: HoldSide,
    /// The `publishBid` transaction.
    pub posted: Sent,
    /// Milliseconds since the signature was recorded; none before.
    pub signed_for_ms: Option<u64>,
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
        HoldSide::Bound => act(vec![Action::Sign, Action::Post], "Held", None),
        HoldSide::Unknown => act(Vec::new(), "ClusterUnknown", Some(policy.bind_within)),
    }
}

fn promised(seen: &Observed, policy: &Policy) -> Plan {
    if seen.trust != Trust::Fresh {
        return act(Vec::new(), "ChainUnknown", Some(policy.bind_within));
    }
    match seen.order {
        OrderSide::Ours => return act(vec![Action::Record(Phase::Won)], "Won", None),
        OrderSide::Gone => return end(seen, Phase::Lost, "OrderGone"),
        OrderSide::Open { .. } => {}
    }
    if seen.now > seen.deadline {
        return end(seen, Phase::Expired, "DeadlinePassed");
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
    let held_ms = seen.signed_for_ms.unwrap_or(0);
    let limit = millis(policy.hold_for);
    if held_ms > limit {
        actions.extend(drop_hold(seen));
        return act(actions, "HoldReleased", Some(Duration::from_secs(5)));
    }
    act(
        actions,
        "Promised",
        Some(Duration::from_millis(
            limit.saturating_sub(held_ms).saturating_add(1),
        )),
    )
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

/// An ended bid stays a while to be read, and at least until its signature no longer binds: as long as it may still be
/// accepted, its lane must not be promised twice.
fn finish(seen: &Observed, policy: &Policy, mut actions: Vec<Action>, reason: &'static str) -> Plan {
    let age = seen.ended_for_ms.unwrap_or(0);
    if age >= millis(policy.keep_for) && seen.trust == Trust::Fresh && seen.now > seen.deadline {
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
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        bind_within: Duration::from_secs(2),
        hold_for: Duration::from_secs(30),
        keep_for: Duration::from_secs(600),
    };

    const BASE: Observed = Observed {
        phase: Phase::Holding,
        trust: Trust::Fresh,
        now: ChainSeconds(1_000),
        deadline: ChainSeconds(1_100),
        order: OrderSide::Open {
            expiry: ChainSeconds(1_500),
        },
        hold: HoldSide::Absent,
        posted: Sent::Never,
        signed_for_ms: None,
        handed_over: false,
        ended_for_ms: None,
    };

    fn acts(seen: Observed) -> Vec<Action> {
        plan(&seen, &POLICY).actions
    }

    #[test]
    fn nothing_is_signed_before_all_placeholder_pods_are_bound() {
        assert_eq!(acts(BASE), [Action::Hold]);
        assert_eq!(
            acts(Observed {
                hold: HoldSide::Pending { for_ms: 100 },
                ..BASE
            }),
            []
        );
        assert_eq!(
            acts(Observed {
                hold: HoldSide::Unknown,
                ..BASE
            }),
            []
        );
        assert_eq!(
            acts(Observed {
                hold: HoldSide::Bound,
                ..BASE
            }),
            [Action::Sign, Action::Post]
        );
    }

    #[test]
    fn capacity_that_is_not_bound_after_two_seconds_is_a_refusal() {
        let seen = Observed {
            hold: HoldSide::Pending { for_ms: 2_001 },
            ..BASE
        };
        assert_eq!(acts(seen), [Action::DropHold, Action::Record(Phase::Refused)]);
    }

    #[test]
    fn an_untrusted_view_makes_no_promise_and_ends_none() {
        for trust in [Trust::Stale { for_ms: 60_000 }, Trust::Disagreeing] {
            for phase in [Phase::Holding, Phase::Signed, Phase::Posted] {
                let seen = Observed {
                    trust,
                    phase,
                    hold: HoldSide::Bound,
                    order: OrderSide::Gone,
                    ..BASE
                };
                assert_eq!(acts(seen), [], "{trust:?} {phase:?}");
            }
        }
    }

    #[test]
    fn a_hold_ends_after_thirty_seconds_and_the_promise_stands() {
        let seen = Observed {
            phase: Phase::Posted,
            posted: Sent::Done,
            hold: HoldSide::Bound,
            signed_for_ms: Some(30_001),
            ..BASE
        };
        assert_eq!(acts(seen), [Action::DropHold]);
    }

    #[test]
    fn a_lost_order_frees_the_hold_at_once() {
        let seen = Observed {
            phase: Phase::Posted,
            hold: HoldSide::Bound,
            order: OrderSide::Gone,
            ..BASE
        };
        assert_eq!(acts(seen), [Action::DropHold, Action::Record(Phase::Lost)]);
    }

    #[test]
    fn the_hold_of_a_won_order_stays_until_the_lease_has_its_own_pods() {
        let seen = Observed {
            phase: Phase::Won,
            hold: HoldSide::Bound,
            order: OrderSide::Ours,
            ..BASE
        };
        assert_eq!(acts(seen), []);
        assert_eq!(
            acts(Observed {
                handed_over: true,
                ..seen
            }),
            [Action::DropHold]
        );
    }

    #[test]
    fn a_bid_is_not_forgotten_while_its_signature_may_still_be_accepted() {
        let seen = Observed {
            phase: Phase::Lost,
            ended_for_ms: Some(700_000),
            ..BASE
        };
        assert_eq!(acts(seen), []);
        assert_eq!(
            acts(Observed {
                now: ChainSeconds(1_101),
                ..seen
            }),
            [Action::Delete]
        );
    }

    #[test]
    fn a_crash_after_signing_posts_the_same_bid_again_and_signs_nothing() {
        let seen = Observed {
            phase: Phase::Signed,
            hold: HoldSide::Bound,
            signed_for_ms: Some(10),
            ..BASE
        };
        assert_eq!(acts(seen), [Action::Post]);
    }
}
