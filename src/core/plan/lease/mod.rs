//! One lease, from its opening on chain to the deletion of its namespace: which of the few possible acts is due now.
//! May stop the clock and scale to zero from an unfinal view; may ask to delete only with a proof the chain view made (rule 3).

mod conditions;
mod due;
mod ending;
mod finished;
mod loss;
mod seen;
mod silence;

use std::time::Duration;

pub use conditions::{Finding, MeterSide, Purse, conditions};
pub use due::{Action, Clock, Phase, Plan, reason};
pub use ending::ending;
pub use loss::{Left, lost};
pub use seen::{
    ChainSide, DeliverySide, Duties, EvidenceSide, HandOver, ManifestSide, NamespaceSide, ObjectSide,
    Observed, Policy, Proof, SignedEnd, Stage, Wish, WorkloadSide,
};
pub use silence::{Tenure, runway};

use super::duty::Trust;
use crate::core::{delivery::Finish, time::ChainSeconds};

/// When something is under way that tells nobody when it is done.
const RECHECK: Duration = Duration::from_secs(5);

/// What is due for one lease.
#[must_use]
pub fn plan(seen: &Observed, policy: &Policy) -> Plan {
    let mut plan = Plan {
        actions: Vec::new(),
        phase: Phase::Pending,
        clock: Clock::Stands,
        reason: "Opened",
        again: None,
    };
    // 1. A person lets go of it: nothing is deleted by that, and what stays behind is an orphan like any other.
    if seen.object.abandoned && seen.object.leaving && seen.object.held {
        plan.actions.push(Action::Release);
        return Plan {
            phase: shown(seen),
            clock: Clock::Unjudged,
            reason: "Abandoned",
            ..plan
        };
    }
    // 2. Nothing of the lease is made before the object can no longer vanish under it.
    if !seen.object.held && !seen.object.leaving && seen.chain.proof.is_none() {
        plan.actions.push(Action::Hold);
        return Plan {
            phase: shown(seen),
            reason: "Opened",
            ..plan
        };
    }
    // 3. Final: the only place from which anything is deleted.
    if let Some(proof) = &seen.chain.proof {
        return ended(seen, proof, plan);
    }
    // 4. An untrusted view starts, ends and deletes nothing (rule 2).
    match seen.chain.trust {
        Trust::Fresh => {}
        Trust::Stale { for_ms } => return silence::unknown(seen, policy, for_ms, plan),
        Trust::Disagreeing => return silence::unknown(seen, policy, 0, plan),
    }
    match seen.chain.start {
        // 5. The opening was reorganised away: it may come back, so the clock stops and everything stays.
        None => Plan {
            phase: shown(seen),
            reason: "OpeningReorganised",
            again: Some(RECHECK),
            ..plan
        },
        Some(Stage::Closed) => stopped(seen, policy, None, "Closed", plan),
        Some(Stage::Pending { stop_at }) => pending(seen, policy, stop_at, plan),
        Some(Stage::Live { stop_at, .. }) if seen.chain.now >= stop_at => {
            stopped(seen, policy, Some(stop_at), "Stopped", plan)
        }
        Some(Stage::Live { .. }) => live(seen, plan),
    }
}

fn ended(seen: &Observed, proof: &Proof, mut plan: Plan) -> Plan {
    plan.phase = Phase::Closed;
    plan.reason = match proof {
        Proof::Closure(_) => "Closed",
        Proof::Absence(_) => "OpeningGone",
    };
    match seen.namespace {
        NamespaceSide::Ours | NamespaceSide::Bare => plan.actions.push(Action::Destroy(proof.clone())),
        NamespaceSide::Leaving | NamespaceSide::Unknown => plan.again = Some(RECHECK),
        NamespaceSide::Absent | NamespaceSide::Foreign => {
            if seen.evidence == EvidenceSide::Spent {
                plan.actions.push(Action::ClearEvidence);
            }
            // A held object that nobody deleted keeps its record; nothing is left to do for it. One that goes takes its statements along.
            match (seen.object.held && seen.object.leaving, seen.evidence) {
                (true, EvidenceSide::None | EvidenceSide::Spent) => plan.actions.push(Action::Release),
                (true, EvidenceSide::Needed) => {
                    plan.reason = "EvidenceNeeded";
                    plan.again = Some(Duration::from_secs(300));
                }
                (false, _) => {}
            }
        }
    }
    plan
}

/// The phase that what runs suggests when the chain cannot be asked.
fn shown(seen: &Observed) -> Phase {
    match (seen.workload, seen.chain.head) {
        (WorkloadSide::Paused, _) => Phase::Suspended,
        (_, Some(Stage::Live { .. })) if seen.finish.is_some() => Phase::Finished,
        (_, Some(Stage::Live { .. })) => Phase::Active,
        (_, Some(Stage::Closed)) => Phase::Stopped,
        (WorkloadSide::Absent, _) => Phase::Pending,
        (WorkloadSide::Current | WorkloadSide::Outdated | WorkloadSide::Unknown, _) => Phase::Starting,
    }
}

fn pending(seen: &Observed, policy: &Policy, stop_at: ChainSeconds, mut plan: Plan) -> Plan {
    // The head already knows better: wait until the start depth agrees before judging, but let the clock follow the head.
    match seen.chain.head {
        Some(Stage::Live { .. }) => return live(seen, plan),
        Some(Stage::Closed) => {
            return Plan {
                phase: Phase::Stopped,
                reason: "Closing",
                again: Some(RECHECK),
                ..plan
            };
        }
        None => {
            return Plan {
                phase: shown(seen),
                reason: "OpeningReorganised",
                again: Some(RECHECK),
                ..plan
            };
        }
        Some(Stage::Pending { .. }) => {}
    }
    if let Wish::End { reason } = seen.object.wish {
        return declined(seen, reason, "Ending", plan);
    }
    let late = seen.chain.now.0.saturating_add(policy.decline_margin) >= stop_at.0;
    let expired = seen.chain.now > stop_at;
    if expired {
        // Expiry needs no transaction of ours; whoever wants the money back sends one.
        return paused(
            seen,
            Plan {
                phase: Phase::Stopped,
                reason: "Expired",
                again: Some(RECHECK),
                ..plan
            },
        );
    }
    // Done before its start was sent: it was delivered, and nobody shall be burned for a quick program.
    if let (ManifestSide::Ready, Some(finish @ Finish::Complete { .. })) = (&seen.manifest, &seen.finish) {
        if seen.duties.start.may_send() {
            plan.actions.push(Action::Start);
        }
        return Plan {
            phase: Phase::Starting,
            reason: finished::word(finish),
            again: Some(RECHECK),
            ..plan
        };
    }
    if !build(seen, &mut plan) {
        return plan;
    }
    match (&seen.manifest, seen.delivery) {
        (ManifestSide::Ready, DeliverySide::Delivered) if seen.workload == WorkloadSide::Current => {
            plan.phase = Phase::Starting;
            plan.reason = "Delivered";
            if seen.duties.start.may_send() {
                plan.actions.push(Action::Start);
            }
        }
        (ManifestSide::Ready, _) if late && seen.delivery != DeliverySide::Unknown => {
            return declined(seen, reason::CAPACITY_LOST, "NotDelivered", plan);
        }
        (ManifestSide::Ready, _) => {
            plan.phase = Phase::Starting;
            plan.reason = "Starting";
        }
        (ManifestSide::Awaited, _) if late => return declined(seen, reason::NO_MANIFEST, "NoManifest", plan),
        (ManifestSide::Refused { .. }, _) if late => {
            return declined(seen, reason::MANIFEST_REFUSED, "ManifestRefused", plan);
        }
        (ManifestSide::Awaited, _) => plan.reason = "ManifestAwaited",
        (ManifestSide::Refused { .. }, _) => plan.reason = "ManifestRefused",
        (ManifestSide::Unknown, _) => plan.reason = "ClusterUnknown",
    }
    let left = stop_at
        .0
        .saturating_sub(seen.chain.now.0)
        .saturating_sub(policy.decline_margin);
    plan.again = Some(Duration::from_secs(left.clamp(1, 60)));
    plan
}

/// Namespace and workload as they should be while the lease may run; false when the cluster leaves nothing to decide.
fn build(seen: &Observed, plan: &mut Plan) -> bool {
    match seen.namespace {
        NamespaceSide::Absent | NamespaceSide::Bare => {
            plan.actions.push(Action::OpenNamespace);
            plan.again = Some(RECHECK);
        }
        NamespaceSide::Ours => {}
        NamespaceSide::Foreign => {
            plan.reason = "NamespaceForeign";
            plan.again = Some(Duration::from_secs(60));
            return false;
        }
        NamespaceSide::Leaving | NamespaceSide::Unknown => {
            plan.reason = "NamespaceUnknown";
            plan.again = Some(RECHECK);
            return false;
        }
    }
    let runnable = seen.manifest == ManifestSide::Ready && seen.namespace == NamespaceSide::Ours;
    match seen.workload {
        WorkloadSide::Absent | WorkloadSide::Outdated | WorkloadSide::Paused if runnable => {
            plan.actions.push(Action::RunWorkload);
        }
        WorkloadSide::Absent
        | WorkloadSide::Outdated
        | WorkloadSide::Paused
        | WorkloadSide::Current
        | WorkloadSide::Unknown => {}
    }
    if seen.handover == HandOver::Due {
        plan.actions.push(Action::HandOver);
    }
    true
}

fn live(seen: &Observed, mut plan: Plan) -> Plan {
    let ended = match seen.chain.head {
        Some(Stage::Live { stop_at, .. }) if seen.chain.now >= stop_at => Some(Clock::Until(stop_at)),
        Some(Stage::Live { .. }) => None,
        Some(Stage::Closed) => Some(Clock::Stands),
        // Start depth says Live, head says less: a reorganisation is under way.
        Some(Stage::Pending { .. }) | None => {
            return Plan {
                phase: shown(seen),
                reason: "StartReorganised",
                again: Some(RECHECK),
                ..plan
            };
        }
    };
    if let Some(clock) = ended {
        return Plan {
            phase: Phase::Stopped,
            clock,
            reason: "Stopping",
            again: Some(Duration::from_secs(1)),
            ..plan
        };
    }
    match seen.object.wish {
        Wish::End { reason } => {
            if seen.duties.stop.may_send() {
                plan.actions.push(Action::Stop { reason });
            }
            return Plan {
                phase: Phase::Active,
                clock: Clock::Runs,
                reason: "Ending",
                again: Some(RECHECK),
                ..plan
            };
        }
        // Suspending what has ended changes nothing.
        Wish::Suspend | Wish::Run if seen.finish.is_some() => {}
        Wish::Suspend => {
            return paused(
                seen,
                Plan {
                    phase: Phase::Suspended,
                    reason: "Suspended",
                    ..plan
                },
            );
        }
        Wish::Run => {}
    }
    if let Some(finish) = &seen.finish {
        return finished::finished(seen, finish, plan);
    }
    if !build(seen, &mut plan) {
        return Plan {
            phase: Phase::Degraded,
            clock: Clock::Unjudged,
            ..plan
        };
    }
    if seen.object.close_asked {
        plan.actions.push(Action::OfferClose);
    }
    let (phase, clock, reason) = match seen.delivery {
        DeliverySide::Delivered => (Phase::Active, Clock::Runs, "Delivered"),
        DeliverySide::Partly => (Phase::Degraded, Clock::Runs, "PartlyDelivered"),
        DeliverySide::Withheld => (Phase::Degraded, Clock::Runs, "NotDelivered"),
        DeliverySide::Unknown => (Phase::Degraded, Clock::Unjudged, "DeliveryUnknown"),
    };
    Plan {
        phase,
        clock,
        reason,
        // A delivery that ends is billed to the last look that saw it, so looks are frequent; they write nothing.
        again: plan.again.or(Some(RECHECK)),
        ..plan
    }
}

fn paused(seen: &Observed, mut plan: Plan) -> Plan {
    if matches!(seen.workload, WorkloadSide::Current | WorkloadSide::Outdated) {
        plan.actions.push(Action::PauseWorkload);
    }
    plan
}

fn declined(seen: &Observed, reason: u16, why: &'static str, mut plan: Plan) -> Plan {
    plan = paused(
        seen,
        Plan {
            phase: Phase::Pending,
            reason: why,
            again: Some(RECHECK),
            ..plan
        },
    );
    if seen.duties.decline.may_send() {
        plan.actions.push(Action::Decline { reason });
    }
    plan
}

/// Ended at the start depth: devices are freed now, deletion waits for finality.
fn stopped(
    seen: &Observed,
    policy: &Policy,
    stop_at: Option<ChainSeconds>,
    why: &'static str,
    plan: Plan,
) -> Plan {
    let mut plan = paused(
        seen,
        Plan {
            phase: Phase::Stopped,
            clock: stop_at.map_or(Clock::Stands, Clock::Until),
            reason: why,
            again: Some(RECHECK),
            ..plan
        },
    );
    let finalizable = stop_at.is_some_and(|at| seen.chain.now.0 > at.0.saturating_add(policy.final_reports));
    let still_live = matches!(seen.chain.head, Some(Stage::Live { .. }));
    if finalizable && still_live && seen.duties.finalize.may_send() {
        plan.actions.push(Action::Finalize);
    }
    plan
}

#[cfg(test)]
mod tests;
