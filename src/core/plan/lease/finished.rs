//! A lease whose Job has come to its end: nothing more is billed, and the provider's signature over the final seconds lies ready, so that one act of the
//! tenant closes it. May not end the lease: only the tenant can do that before its time without a mark on anybody's record.

use super::{
    RECHECK,
    due::{Action, Clock, Phase, Plan},
    seen::{DeliverySide, NamespaceSide, Observed, SignedEnd},
};
use crate::core::{
    delivery::Finish,
    time::{ChainSeconds, UnixMillis},
};

/// The word for a Job's end.
pub(super) const fn word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Complete { .. } => "JobComplete",
        Finish::Failed { .. } => "JobFailed",
    }
}

/// What is due while the lease lives on after its Job.
pub(super) fn finished(seen: &Observed, finish: &Finish, mut plan: Plan) -> Plan {
    // What cannot be looked at may still turn out to have run: a signature given now would give those seconds away.
    let counted = seen.delivery != DeliverySide::Unknown;
    let unsigned = seen.object.signed_end == SignedEnd::Due && counted;
    // A cluster that does not answer cannot keep a signature either.
    let asked = seen.object.close_asked && seen.namespace != NamespaceSide::Unknown;
    if unsigned || asked {
        plan.actions.push(Action::OfferClose);
    }
    Plan {
        phase: Phase::Finished,
        clock: clock(finish),
        reason: word(finish),
        again: Some(RECHECK),
        ..plan
    }
}

/// Nothing after the Job's end is billed, whatever its pods still look like: one that failed for the tenant's reason counts as delivered as long as
/// somebody may start it again.
fn clock(finish: &Finish) -> Clock {
    let (Finish::Complete { at } | Finish::Failed { at, .. }) = finish;
    at.map_or(Clock::Stands, |UnixMillis(at)| {
        Clock::Until(ChainSeconds(
            u64::try_from(at.div_euclid(1000)).unwrap_or_default(),
        ))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::core::{
        delivery,
        plan::lease::{
            ObjectSide, Policy, Stage, Wish, WorkloadSide, plan as due, reason,
            tests::{LIVE, OPENED, POLICY, seen},
        },
    };

    fn complete() -> Finish {
        Finish::Complete {
            at: Some(UnixMillis(990_500)),
        }
    }

    fn failed() -> Finish {
        Finish::Failed {
            at: Some(UnixMillis(990_000)),
            finding: delivery::Finding::new("BackoffLimitExceeded", "m"),
        }
    }

    fn over(finish: Finish) -> Observed {
        Observed {
            finish: Some(finish),
            delivery: DeliverySide::Withheld,
            ..seen(LIVE)
        }
    }

    fn signed(mut seen: Observed) -> Observed {
        seen.object.signed_end = SignedEnd::Given;
        seen
    }

    #[test]
    fn a_job_that_ended_is_signed_for_at_once_and_then_left_alone() {
        for (finish, word) in [(complete(), "JobComplete"), (failed(), "JobFailed")] {
            let plan = due(&over(finish.clone()), &POLICY);
            assert_eq!(
                (plan.actions, plan.phase, plan.reason),
                (vec![Action::OfferClose], Phase::Finished, word)
            );
            assert_eq!(due(&signed(over(finish)), &POLICY).actions, []);
        }
    }

    #[test]
    fn the_clock_of_a_job_ends_with_it_also_where_a_pod_still_counts_as_delivered() {
        let lingering = Observed {
            delivery: DeliverySide::Delivered,
            ..over(failed())
        };
        assert_eq!(due(&lingering, &POLICY).clock, Clock::Until(ChainSeconds(990)));
        let undated = over(Finish::Complete { at: None });
        assert_eq!(due(&undated, &POLICY).clock, Clock::Stands);
    }

    #[test]
    fn no_seconds_are_signed_for_while_nobody_can_look_unless_the_tenant_asks() {
        let mut blind = Observed {
            delivery: DeliverySide::Unknown,
            ..over(complete())
        };
        assert_eq!(due(&blind, &POLICY).actions, []);
        blind.object.close_asked = true;
        assert_eq!(due(&blind, &POLICY).actions, [Action::OfferClose]);
    }

    #[test]
    fn what_has_ended_is_not_run_again_whatever_became_of_its_objects() {
        for workload in [
            WorkloadSide::Absent,
            WorkloadSide::Outdated,
            WorkloadSide::Paused,
            WorkloadSide::Unknown,
        ] {
            let gone = signed(Observed {
                workload,
                ..over(complete())
            });
            assert_eq!(due(&gone, &POLICY).actions, []);
        }
    }

    #[test]
    fn a_finished_lease_ends_at_its_own_end_without_a_fault_of_anybody() {
        let mut seen = signed(Observed {
            workload: WorkloadSide::Paused,
            ..over(complete())
        });
        seen.chain.now = ChainSeconds(5_000);
        assert_eq!(due(&seen, &POLICY).phase, Phase::Stopped);
        assert_eq!(due(&seen, &POLICY).actions, []);
        seen.chain.now = ChainSeconds(5_061);
        assert_eq!(due(&seen, &POLICY).actions, [Action::Finalize]);
    }

    #[test]
    fn a_job_that_was_done_before_its_start_was_sent_is_started_and_not_declined() {
        let mut quick = Observed {
            finish: Some(complete()),
            delivery: DeliverySide::Withheld,
            ..seen(OPENED)
        };
        assert_eq!(due(&quick, &POLICY).actions, [Action::Start]);
        quick.chain.now = ChainSeconds(1_190);
        assert_eq!(due(&quick, &POLICY).actions, [Action::Start]);
        // That a failed one was ever delivered, nobody saw.
        quick.finish = Some(failed());
        assert_eq!(
            due(&quick, &POLICY).actions,
            [
                Action::PauseWorkload,
                Action::Decline {
                    reason: reason::CAPACITY_LOST
                }
            ]
        );
    }

    proptest! {
        #[test]
        fn after_a_jobs_end_the_operator_neither_stops_nor_builds(
            suspend: bool, asked: bool, given: bool, ended: bool,
            delivery in prop_oneof![Just(DeliverySide::Delivered), Just(DeliverySide::Partly), Just(DeliverySide::Withheld), Just(DeliverySide::Unknown)],
            workload in prop_oneof![Just(WorkloadSide::Absent), Just(WorkloadSide::Current), Just(WorkloadSide::Outdated), Just(WorkloadSide::Paused)],
        ) {
            let mut seen = Observed { delivery, workload, ..over(complete()) };
            seen.object = ObjectSide {
                wish: if suspend { Wish::Suspend } else { Wish::Run },
                close_asked: asked,
                signed_end: if given { SignedEnd::Given } else { SignedEnd::Due },
                ..seen.object
            };
            if ended {
                let end = Stage::Live { start_at: ChainSeconds(900), stop_at: ChainSeconds(950) };
                (seen.chain.head, seen.chain.start) = (Some(end), Some(end));
            }
            let policy = Policy { final_reports: 600, ..POLICY };
            let plan = due(&seen, &policy);
            prop_assert!(plan.actions.iter().all(|action| matches!(action, Action::OfferClose | Action::PauseWorkload)), "{:?}", plan.actions);
            prop_assert!(!matches!(plan.clock, Clock::Runs));
        }
    }
}
