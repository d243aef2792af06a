//! One lease, from its opening on chain to the deletion of its namespace: which of the few possible acts is due now.
//! May stop the clock and scale to zero from an unfinal view; may ask to delete only with a proof the chain view made (rule 3).

use std::time::Duration;

use super::duty::{Sent, Trust};
use crate::core::{
    time::ChainSeconds,
    view::{FinalAbsence, FinalClosure},
};

/// The lease in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Opened, not started; expires after `stop_at`.
    Pending {
        /// The last second to start.
        stop_at: ChainSeconds,
    },
    /// Started; nothing accrues after `stop_at`.
    Live {
        /// When the clock began.
        start_at: ChainSeconds,
        /// When it ends.
        stop_at: ChainSeconds,
    },
    /// Over.
    Closed,
}

/// A proof that nothing can bring the lease back; made by the chain view from a finalized block alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is closed in a finalized block.
    Closure(FinalClosure),
    /// It was reorganised away and finality has passed its opening.
    Absence(FinalAbsence),
}

/// What the chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSide {
    /// How far this may be trusted.
    pub trust: Trust,
    /// At the newest block; none: no such lease there.
    pub head: Option<Stage>,
    /// At the start depth; none: no such lease there.
    pub start: Option<Stage>,
    /// Final, if so.
    pub proof: Option<Proof>,
    /// The newest block's time.
    pub now: ChainSeconds,
}

/// The manifest as the gateway left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestSide {
    /// The tenant has not sent it.
    Awaited,
    /// It is there and builds.
    Ready,
    /// It is there and cannot be run; a later revision may.
    Refused {
        /// Why, for the tenant.
        reason: String,
    },
    /// The API server did not answer.
    Unknown,
}

/// The lease's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceSide {
    /// Not there.
    Absent,
    /// Ours, by its labels, but not known to be furnished: bindings, quota or policies may be missing.
    Bare,
    /// Ours and furnished.
    Ours,
    /// Ours and on its way out.
    Leaving,
    /// Somebody else's under our name: never adopted.
    Foreign,
    /// The API server did not answer.
    Unknown,
}

/// The workload's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadSide {
    /// None was applied.
    Absent,
    /// Applied as the manifest says.
    Current,
    /// Applied, but an older manifest or other settings.
    Outdated,
    /// Scaled to zero.
    Paused,
    /// The API server did not answer.
    Unknown,
}

/// Whether what is owed is delivered (design: protocol, "Delivered").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliverySide {
    /// Every replica.
    Delivered,
    /// Some of the replicas.
    Partly,
    /// None, for a reason the provider owns.
    Withheld,
    /// Cannot be told.
    Unknown,
}

/// Whether the bid's placeholder pods must make room for the lease's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// No placeholder is left, or the lease has no pods yet.
    Nothing,
    /// The lease's pods are there and wait while placeholders sit on their nodes.
    Due,
}

/// Who wants the lease to end on the provider's side, or that nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Run,
    /// Scale to zero without ending (spec.suspend).
    Suspend,
    /// End it: the object is being deleted or spec.close is set.
    End {
        /// Typed reason for the chain: 2xxx.
        reason: u16,
    },
}

/// The Kubernetes object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectSide {
    /// Our finalizer is on it.
    pub held: bool,
    /// A deletion timestamp is set.
    pub leaving: bool,
    /// What its spec asks for.
    pub wish: Wish,
    /// The tenant asked at the gateway for a signature over the final seconds, and none that still holds was given.
    pub close_asked: bool,
}

/// Transactions of this lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duties {
    /// `start`.
    pub start: Sent,
    /// `decline`.
    pub decline: Sent,
    /// `stop` by the provider.
    pub stop: Sent,
    /// `finalize`.
    pub finalize: Sent,
}

/// Everything a pass saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The chain.
    pub chain: ChainSide,
    /// The object.
    pub object: ObjectSide,
    /// The namespace.
    pub namespace: NamespaceSide,
    /// The manifest.
    pub manifest: ManifestSide,
    /// The workload.
    pub workload: WorkloadSide,
    /// Delivery.
    pub delivery: DeliverySide,
    /// The hold it was promised from.
    pub handover: HandOver,
    /// Transactions.
    pub duties: Duties,
}

/// What does not change from pass to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// F of the deployment: reports count so long after the end, finalize works after it. Seconds.
    pub final_reports: u64,
    /// Decline so long before a pending lease expires, so that the transaction still lands. Seconds.
    pub decline_margin: u64,
    /// Scale to zero when the chain was unknown so long; none: never (offer.onChainUnknown.suspendAfter).
    pub suspend_after: Option<Duration>,
}

/// One act. The shell runs them in the order given and stops at the first that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put our finalizer on the object.
    Hold,
    /// Namespace, account, bindings, quota, policies.
    OpenNamespace,
    /// Apply the workload.
    RunWorkload,
    /// Nominate the held nodes for the lease's pods, then drop the hold (design: protocol, "Hand-over").
    HandOver,
    /// Scale to zero; everything else stays.
    PauseWorkload,
    /// `start` on chain.
    Start,
    /// `decline` on chain.
    Decline {
        /// Typed reason.
        reason: u16,
    },
    /// `stop` on chain by the provider.
    Stop {
        /// Typed reason.
        reason: u16,
    },
    /// `finalize` on chain.
    Finalize,
    /// Sign the seconds counted so far for the tenant to close with.
    OfferClose,
    /// Delete the namespace.
    Destroy(Proof),
    /// Take our finalizer off.
    Release,
}

/// Where the lease stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Opened; the manifest or the workload is awaited.
    Pending,
    /// Workload applied, not delivered and started yet.
    Starting,
    /// Delivered and billed.
    Active,
    /// Started, not wholly delivered.
    Degraded,
    /// Scaled to zero without having ended.
    Suspended,
    /// Ended; final reports and finality are awaited.
    Stopped,
    /// Over for good.
    Closed,
}

/// Whether billable time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// As far as delivery goes.
    Runs,
    /// As far as delivery went, up to this second: the chain's clock ended there.
    Until(ChainSeconds),
    /// Not at all.
    Stands,
    /// Not to be judged in this pass: the open interval stays as it is.
    Unjudged,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Acts in order.
    pub actions: Vec<Action>,
    /// Phase to show.
    pub phase: Phase,
    /// Clock of the meter.
    pub clock: Clock,
    /// CamelCase reason of the phase.
    pub reason: &'static str,
    /// Look again after so long even if nothing is heard; none: an event will tell.
    pub again: Option<Duration>,
}

/// Typed reasons on chain (design: protocol, "Lease life").
pub mod reason {
    /// Provider: asked for by its own admin.
    pub const MAINTENANCE: u16 = 2001;
    /// Provider: capacity is gone.
    pub const CAPACITY_LOST: u16 = 2002;
    /// Protocol: the tenant sent no manifest in time.
    pub const NO_MANIFEST: u16 = 4011;
    /// Protocol: the manifest could not be run.
    pub const MANIFEST_REFUSED: u16 = 4012;
}

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
    // 1. Nothing of the lease is made before the object can no longer vanish under it.
    if !seen.object.held && !seen.object.leaving && seen.chain.proof.is_none() {
        plan.actions.push(Action::Hold);
        return Plan {
            phase: shown(seen),
            reason: "Opened",
            ..plan
        };
    }
    // 2. Final: the only place from which anything is deleted.
    if let Some(proof) = &seen.chain.proof {
        return ended(seen, proof, plan);
    }
    // 3. An untrusted view starts, ends and deletes nothing (rule 2).
    match seen.chain.trust {
        Trust::Fresh => {}
        Trust::Stale { for_ms } => return unknown(seen, policy, for_ms, plan),
        Trust::Disagreeing => return unknown(seen, policy, 0, plan),
    }
    match seen.chain.start {
        // 4. The opening was reorganised away: it may come back, so the clock stops and everything stays.
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

const RECHECK: Duration = Duration::from_secs(5);

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
            if seen.object.held && seen.object.leaving {
                plan.actions.push(Action::Release);
            }
            // A held object that nobody deleted keeps its record; nothing is left to do for it.
        }
    }
    plan
}

fn unknown(seen: &Observed, policy: &Policy, for_ms: u64, mut plan: Plan) -> Plan {
    plan.phase = shown(seen);
    plan.clock = Clock::Unjudged;
    plan.reason = "ChainUnknown";
    plan.again = Some(RECHECK);
    let bound = policy
        .suspend_after
        .map(|bound| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX));
    let overdue = bound.is_some_and(|bound| for_ms > bound);
    if overdue {
        plan.phase = Phase::Suspended;
        plan.clock = Clock::Stands;
        if matches!(seen.workload, WorkloadSide::Current | WorkloadSide::Outdated) {
            plan.actions.push(Action::PauseWorkload);
        }
    }
    plan
}

/// The phase that what runs suggests when the chain cannot be asked.
fn shown(seen: &Observed) -> Phase {
    match (seen.workload, seen.chain.head) {
        (WorkloadSide::Paused, _) => Phase::Suspended,
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        final_reports: 60,
        decline_margin: 30,
        suspend_after: Some(Duration::from_secs(6 * 3600)),
    };
    const T: ChainSeconds = ChainSeconds(1_000);
    const LIVE: Stage = Stage::Live {
        start_at: ChainSeconds(900),
        stop_at: ChainSeconds(5_000),
    };
    const OPENED: Stage = Stage::Pending {
        stop_at: ChainSeconds(1_200),
    };

    fn seen(stage: Stage) -> Observed {
        Observed {
            chain: ChainSide {
                trust: Trust::Fresh,
                head: Some(stage),
                start: Some(stage),
                proof: None,
                now: T,
            },
            object: ObjectSide {
                held: true,
                leaving: false,
                wish: Wish::Run,
                close_asked: false,
            },
            namespace: NamespaceSide::Ours,
            manifest: ManifestSide::Ready,
            workload: WorkloadSide::Current,
            delivery: DeliverySide::Delivered,
            handover: HandOver::Nothing,
            duties: Duties::default(),
        }
    }

    fn sent() -> impl Strategy<Value = Sent> {
        prop_oneof![
            Just(Sent::Never),
            Just(Sent::InFlight),
            Just(Sent::Done),
            (0u32..5).prop_map(|times| Sent::Failed { times })
        ]
    }

    fn stage() -> impl Strategy<Value = Option<Stage>> {
        prop_oneof![
            Just(None),
            Just(Some(Stage::Closed)),
            (900u64..1_300).prop_map(|at| Some(Stage::Pending {
                stop_at: ChainSeconds(at)
            })),
            (500u64..2_000).prop_map(|at| Some(Stage::Live {
                start_at: ChainSeconds(400),
                stop_at: ChainSeconds(at)
            })),
        ]
    }

    prop_compose! {
        fn anything()(
            trust in prop_oneof![Just(Trust::Fresh), any::<u32>().prop_map(|ms| Trust::Stale { for_ms: ms.into() }), Just(Trust::Disagreeing)],
            head in stage(), start in stage(),
            held: bool, leaving: bool, close_asked: bool,
            wish in prop_oneof![Just(Wish::Run), Just(Wish::Suspend), Just(Wish::End { reason: reason::MAINTENANCE })],
            namespace in prop_oneof![
                Just(NamespaceSide::Absent), Just(NamespaceSide::Bare), Just(NamespaceSide::Ours), Just(NamespaceSide::Leaving),
                Just(NamespaceSide::Foreign), Just(NamespaceSide::Unknown)],
            manifest in prop_oneof![
                Just(ManifestSide::Awaited), Just(ManifestSide::Ready), Just(ManifestSide::Unknown),
                Just(ManifestSide::Refused { reason: "x".into() })],
            workload in prop_oneof![
                Just(WorkloadSide::Absent), Just(WorkloadSide::Current), Just(WorkloadSide::Outdated),
                Just(WorkloadSide::Paused), Just(WorkloadSide::Unknown)],
            delivery in prop_oneof![
                Just(DeliverySide::Delivered), Just(DeliverySide::Partly), Just(DeliverySide::Withheld), Just(DeliverySide::Unknown)],
            duties in (sent(), sent(), sent(), sent()),
        ) -> Observed {
            Observed {
                chain: ChainSide { trust, head, start, proof: None, now: T },
                object: ObjectSide { held, leaving, wish, close_asked },
                namespace, manifest, workload, delivery, handover: HandOver::Nothing,
                duties: Duties { start: duties.0, decline: duties.1, stop: duties.2, finalize: duties.3 },
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_deleted_or_let_go_without_a_proof(seen in anything()) {
            let plan = plan(&seen, &POLICY);
            prop_assert!(!plan.actions.iter().any(|action| matches!(action, Action::Destroy(_) | Action::Release)));
        }

        #[test]
        fn an_untrusted_view_starts_ends_and_runs_nothing(mut seen in anything(), ms in 0u64..6 * 3_600_000) {
            seen.chain.trust = Trust::Stale { for_ms: ms };
            prop_assert!(plan(&seen, &POLICY).actions.iter().all(|action| *action == Action::Hold));
            seen.chain.trust = Trust::Disagreeing;
            prop_assert!(plan(&seen, &POLICY).actions.iter().all(|action| *action == Action::Hold));
        }

        #[test]
        fn an_opening_that_was_reorganised_away_touches_nothing_and_stops_the_clock(mut seen in anything()) {
            seen.chain.trust = Trust::Fresh;
            seen.chain.start = None;
            let plan = plan(&seen, &POLICY);
            prop_assert!(plan.actions.iter().all(|action| *action == Action::Hold));
            prop_assert_eq!(plan.clock, Clock::Stands);
        }

        #[test]
        fn a_cluster_that_does_not_answer_ends_no_lease(mut seen in anything()) {
            seen.object.wish = Wish::Run;
            seen.namespace = NamespaceSide::Unknown;
            seen.manifest = ManifestSide::Unknown;
            seen.workload = WorkloadSide::Unknown;
            seen.delivery = DeliverySide::Unknown;
            let acts = plan(&seen, &POLICY).actions;
            prop_assert!(acts.iter().all(|action| matches!(action, Action::Hold | Action::Finalize)), "{:?}", acts);
        }

        #[test]
        fn no_transaction_is_asked_for_while_one_for_the_same_end_is_on_its_way(mut seen in anything()) {
            seen.duties = Duties { start: Sent::InFlight, decline: Sent::InFlight, stop: Sent::Done, finalize: Sent::InFlight };
            let acts = plan(&seen, &POLICY).actions;
            prop_assert!(!acts.iter().any(|action| matches!(action,
                Action::Start | Action::Decline { .. } | Action::Stop { .. } | Action::Finalize)), "{:?}", acts);
        }

        #[test]
        fn the_clock_runs_only_while_the_newest_block_says_live(seen in anything()) {
            let live = matches!(seen.chain.head, Some(Stage::Live { stop_at, .. }) if T < stop_at);
            prop_assert!(live || plan(&seen, &POLICY).clock != Clock::Runs);
        }
    }

    #[test]
    fn an_active_lease_in_steady_state_asks_for_nothing() {
        let plan = plan(&seen(LIVE), &POLICY);
        assert_eq!(
            (plan.actions, plan.phase, plan.clock),
            (vec![], Phase::Active, Clock::Runs)
        );
    }

    #[test]
    fn a_lease_starts_only_when_all_it_owes_is_delivered() {
        assert_eq!(plan(&seen(OPENED), &POLICY).actions, [Action::Start]);
        for delivery in [
            DeliverySide::Partly,
            DeliverySide::Withheld,
            DeliverySide::Unknown,
        ] {
            assert_eq!(
                plan(
                    &Observed {
                        delivery,
                        ..seen(OPENED)
                    },
                    &POLICY
                )
                .actions,
                []
            );
        }
    }

    #[test]
    fn a_tenant_that_sends_no_manifest_is_declined_just_before_the_opening_expires() {
        let mut waits = Observed {
            manifest: ManifestSide::Awaited,
            workload: WorkloadSide::Absent,
            ..seen(OPENED)
        };
        assert_eq!(plan(&waits, &POLICY).actions, []);
        waits.chain.now = ChainSeconds(1_170);
        assert_eq!(
            plan(&waits, &POLICY).actions,
            [Action::Decline {
                reason: reason::NO_MANIFEST
            }]
        );
    }

    #[test]
    fn a_closure_at_the_start_depth_frees_the_devices_and_deletes_nothing() {
        assert_eq!(
            plan(&seen(Stage::Closed), &POLICY).actions,
            [Action::PauseWorkload]
        );
    }

    #[test]
    fn a_stopped_lease_is_finalized_only_after_the_window_for_final_reports() {
        let ended = Stage::Live {
            start_at: ChainSeconds(1),
            stop_at: ChainSeconds(950),
        };
        let mut seen = Observed {
            workload: WorkloadSide::Paused,
            ..seen(ended)
        };
        assert_eq!(plan(&seen, &POLICY).actions, []);
        seen.chain.now = ChainSeconds(1_011);
        assert_eq!(plan(&seen, &POLICY).actions, [Action::Finalize]);
    }

    #[test]
    fn a_closure_that_is_reorganised_away_brings_the_workload_back() {
        let back = Observed {
            workload: WorkloadSide::Paused,
            ..seen(LIVE)
        };
        assert_eq!(plan(&back, &POLICY).actions, [Action::RunWorkload]);
    }

    #[test]
    fn a_chain_unknown_beyond_the_bound_scales_to_zero_and_does_nothing_else() {
        let mut seen = seen(LIVE);
        seen.chain.trust = Trust::Stale {
            for_ms: 6 * 3_600_000 + 1,
        };
        assert_eq!(plan(&seen, &POLICY).actions, [Action::PauseWorkload]);
        assert_eq!(
            plan(
                &seen,
                &Policy {
                    suspend_after: None,
                    ..POLICY
                }
            )
            .actions,
            []
        );
    }

    #[test]
    fn the_hold_makes_room_once_the_leases_own_pods_wait_for_it() {
        let waiting = Observed {
            handover: HandOver::Due,
            delivery: DeliverySide::Withheld,
            ..seen(OPENED)
        };
        assert_eq!(plan(&waiting, &POLICY).actions, [Action::HandOver]);
    }

    #[test]
    fn a_namespace_left_bare_by_a_crash_is_furnished_before_anything_runs_in_it() {
        let bare = Observed {
            namespace: NamespaceSide::Bare,
            workload: WorkloadSide::Absent,
            ..seen(OPENED)
        };
        assert_eq!(plan(&bare, &POLICY).actions, [Action::OpenNamespace]);
    }

    #[test]
    fn a_namespace_of_somebody_else_is_never_adopted() {
        let seen = Observed {
            namespace: NamespaceSide::Foreign,
            workload: WorkloadSide::Absent,
            ..seen(OPENED)
        };
        let plan = plan(&seen, &POLICY);
        assert_eq!((plan.actions, plan.reason), (vec![], "NamespaceForeign"));
    }
}
