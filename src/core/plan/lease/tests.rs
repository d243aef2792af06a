//! What a lease's plan asks for and, above all, what it never asks for.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::core::{delivery::Finish, plan::duty::Sent, time::UnixMillis};

pub(super) const POLICY: Policy = Policy {
    final_reports: 60,
    decline_margin: 30,
    grace: Duration::from_secs(600),
    suspend_after: Some(Duration::from_secs(6 * 3600)),
};
const RUNWAY: Duration = Duration::from_secs(3_000);
const T: ChainSeconds = ChainSeconds(1_000);
pub(super) const LIVE: Stage = Stage::Live {
    start_at: ChainSeconds(900),
    stop_at: ChainSeconds(5_000),
};
pub(super) const OPENED: Stage = Stage::Pending {
    stop_at: ChainSeconds(1_200),
};

pub(super) fn seen(stage: Stage) -> Observed {
    Observed {
        chain: ChainSide {
            trust: Trust::Fresh,
            head: Some(stage),
            start: Some(stage),
            proof: None,
            now: T,
            runway: Duration::ZERO,
        },
        object: ObjectSide {
            held: true,
            leaving: false,
            abandoned: false,
            wish: Wish::Run,
            close_asked: false,
            signed_end: SignedEnd::Due,
        },
        namespace: NamespaceSide::Ours,
        manifest: ManifestSide::Ready,
        workload: WorkloadSide::Current,
        delivery: DeliverySide::Delivered,
        finish: None,
        handover: HandOver::Nothing,
        duties: Duties::default(),
        evidence: EvidenceSide::Needed,
    }
}

// Boxed, since a tree of all of these by value is larger than a test's stack.
fn sent() -> BoxedStrategy<Sent> {
    prop_oneof![
        Just(Sent::Never),
        Just(Sent::InFlight),
        Just(Sent::Done),
        (0u32..5).prop_map(|times| Sent::Failed { times })
    ]
    .boxed()
}

fn finish() -> BoxedStrategy<Option<Finish>> {
    let complete = |at| Some(Finish::Complete { at });
    prop_oneof![
        Just(None),
        Just(complete(Some(UnixMillis(900_000)))),
        Just(complete(None))
    ]
    .boxed()
}

fn stage() -> BoxedStrategy<Option<Stage>> {
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
    .boxed()
}

prop_compose! {
    fn anything()(
        trust in prop_oneof![Just(Trust::Fresh), any::<u32>().prop_map(|ms| Trust::Stale { for_ms: ms.into() }), Just(Trust::Disagreeing)],
        head in stage(), start in stage(),
        held: bool, leaving: bool, abandoned: bool, close_asked: bool, runway in 0u64..100_000,
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
        finish in finish(),
        duties in (sent(), sent(), sent(), sent()),
    ) -> Observed {
        Observed {
            chain: ChainSide { trust, head, start, proof: None, now: T, runway: Duration::from_secs(runway) },
            object: ObjectSide { held, leaving, abandoned, wish, close_asked, signed_end: SignedEnd::Due },
            namespace, manifest, workload, delivery, finish, handover: HandOver::Nothing,
            duties: Duties { start: duties.0, decline: duties.1, stop: duties.2, finalize: duties.3 },
                evidence: EvidenceSide::Needed,
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_deleted_or_let_go_without_a_proof(mut seen in anything()) {
        seen.object.abandoned = false;
        let plan = plan(&seen, &POLICY);
        prop_assert!(!plan.actions.iter().any(|action| matches!(action, Action::Destroy(_) | Action::Release)));
    }

    #[test]
    fn letting_go_of_a_lease_by_annotation_releases_the_object_and_nothing_else(mut seen in anything()) {
        seen.object = ObjectSide { held: true, leaving: true, abandoned: true, ..seen.object };
        prop_assert_eq!(plan(&seen, &POLICY).actions, [Action::Release]);
        // The annotation alone does nothing: somebody has to delete the object too.
        seen.object.leaving = false;
        prop_assert!(!plan(&seen, &POLICY).actions.contains(&Action::Release));
    }

    #[test]
    fn silence_scales_to_zero_only_beyond_runway_grace_and_the_offers_patience_and_touches_nothing_else(
        mut seen in anything(), for_ms in 0u64..200_000_000, after in proptest::option::of(0u64..50_000), grace in 0u64..10_000,
    ) {
        seen.object.held = true;
        seen.object.abandoned = false;
        seen.chain.trust = Trust::Stale { for_ms };
        let policy = Policy { grace: Duration::from_secs(grace), suspend_after: after.map(Duration::from_secs), ..POLICY };
        let plan = plan(&seen, &policy);
        let bound = after.map(|after| (after + grace) * 1000 + u64::try_from(seen.chain.runway.as_millis()).unwrap());
        let overdue = bound.is_some_and(|bound| for_ms > bound);
        let runs = matches!(seen.workload, WorkloadSide::Current | WorkloadSide::Outdated);
        prop_assert_eq!(plan.actions, if overdue && runs { vec![Action::PauseWorkload] } else { vec![] });
        prop_assert_eq!(plan.reason == silence::TOO_LONG, overdue);
        prop_assert_eq!(plan.clock, if overdue { Clock::Stands } else { Clock::Unjudged });
    }

    #[test]
    fn an_untrusted_view_starts_ends_and_runs_nothing(mut seen in anything(), ms in 0u64..6 * 3_600_000) {
        seen.object.abandoned = false;
        seen.chain.trust = Trust::Stale { for_ms: ms };
        prop_assert!(plan(&seen, &POLICY).actions.iter().all(|action| *action == Action::Hold));
        seen.chain.trust = Trust::Disagreeing;
        prop_assert!(plan(&seen, &POLICY).actions.iter().all(|action| *action == Action::Hold));
    }

    #[test]
    fn an_opening_that_was_reorganised_away_touches_nothing_and_stops_the_clock(mut seen in anything()) {
        seen.object.abandoned = false;
        seen.chain.trust = Trust::Fresh;
        seen.chain.start = None;
        let plan = plan(&seen, &POLICY);
        prop_assert!(plan.actions.iter().all(|action| *action == Action::Hold));
        prop_assert_eq!(plan.clock, Clock::Stands);
    }

    #[test]
    fn a_cluster_that_does_not_answer_ends_no_lease(mut seen in anything()) {
        seen.object.abandoned = false;
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
    let bound = u64::try_from((RUNWAY + POLICY.grace + POLICY.suspend_after.unwrap()).as_millis()).unwrap();
    let mut seen = seen(LIVE);
    seen.chain.runway = RUNWAY;
    seen.chain.trust = Trust::Stale { for_ms: bound };
    assert_eq!(plan(&seen, &POLICY).actions, []);
    seen.chain.trust = Trust::Stale { for_ms: bound + 1 };
    assert_eq!(plan(&seen, &POLICY).actions, [Action::PauseWorkload]);
    let never = Policy {
        suspend_after: None,
        ..POLICY
    };
    assert_eq!(plan(&seen, &never).actions, []);
}

#[test]
fn what_a_silent_chain_scaled_to_zero_comes_back_with_the_chain() {
    let back = Observed {
        workload: WorkloadSide::Paused,
        delivery: DeliverySide::Withheld,
        ..seen(LIVE)
    };
    let plan = plan(&back, &POLICY);
    assert_eq!(
        (plan.actions, plan.clock),
        (vec![Action::RunWorkload], Clock::Runs)
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

fn closure() -> Proof {
    use crate::core::{
        book::{CloseKind, fixtures::*},
        view::{Hearing, fixtures::*},
    };
    let there = snapshot(
        20,
        &[
            registered(),
            posted(1, 3_000),
            opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
            started(id(0, 1), 1_000, 0),
            closed(id(0, 1), CloseKind::Finalized, 5),
        ],
    );
    let key = terms(id(0, 1), order_hash(1)).key().unwrap();
    let claim = fresh(there).final_closure(&key).unwrap();
    Proof::Closure(claim.borne_out(&Hearing::Alone).unwrap())
}

#[test]
fn a_deleted_object_leaves_when_its_namespace_is_gone_and_nobody_can_ask_for_its_statements() {
    let mut over = seen(Stage::Closed);
    over.chain.proof = Some(closure());
    over.object.leaving = true;
    assert!(matches!(
        plan(&over, &POLICY).actions.as_slice(),
        [Action::Destroy(_)]
    ));
    over.namespace = NamespaceSide::Absent;
    assert_eq!(plan(&over, &POLICY).actions, []);
    over.evidence = EvidenceSide::Spent;
    assert_eq!(
        plan(&over, &POLICY).actions,
        [Action::ClearEvidence, Action::Release]
    );
    over.evidence = EvidenceSide::None;
    assert_eq!(plan(&over, &POLICY).actions, [Action::Release]);
    over.object.leaving = false;
    assert_eq!(plan(&over, &POLICY).actions, []);
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
