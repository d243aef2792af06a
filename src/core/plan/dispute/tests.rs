//! What is answered, what is not and what is said of it, and that no money moves where it should not.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::core::{
    book::{Moment, Ruling},
    documents::statement::tests::{key, statement},
};

const DUE: ChainSeconds = ChainSeconds(10_000);
const POLICY: Policy = Policy {
    answer: AnswerWhen::Always,
    max_bond: MicroUnits(5_000_000),
};

fn receipt() -> SignedReceipt {
    statement(1_000, 1_300, 300).receipt()
}

fn contest(lane: u32) -> Contest {
    Contest {
        key: key(lane),
        token: 0,
        phase: DisputePhase::Contested { due: DUE },
        seconds: (0, 300),
        bond: MicroUnits(1_000_000),
        frozen: MicroUnits(70_000),
        reserved: MicroUnits::ZERO,
        receipt: ReceiptSide::Covers(receipt()),
        answer: Sent::Never,
        conclude: Sent::Never,
    }
}

fn seen(contests: Vec<Contest>) -> Observed {
    Observed {
        trust: Trust::Fresh,
        now: ChainSeconds(5_000),
        contests,
        purses: BTreeMap::from([(
            0,
            Purse {
                balance: MicroUnits(2_500_000),
                allowance: MicroUnits(9_000_000),
            },
        )]),
        credits: Vec::new(),
        approve: Sent::Never,
        withdraw: Sent::Never,
    }
}

fn allowing(contests: Vec<Contest>, allowance: u64) -> Observed {
    let mut seen = seen(contests);
    seen.purses.get_mut(&0).unwrap().allowance = MicroUnits(allowance);
    seen
}

fn answer(lane: u32) -> Action {
    Action::Answer {
        key: key(lane),
        receipt: receipt(),
        attempt: 0,
    }
}

fn reasons(plan: &Plan) -> Vec<&'static str> {
    plan.findings.iter().map(|finding| finding.reason).collect()
}

#[test]
fn a_contest_is_answered_with_the_receipt_that_covers_it() {
    let plan = plan(&seen(vec![contest(0)]), &POLICY);
    assert_eq!(plan.actions, [answer(0)]);
    assert_eq!(reasons(&plan), ["Answering"]);
}

#[test]
fn the_court_is_allowed_exactly_the_bonds_that_are_due_before_they_are_paid() {
    let both = || vec![contest(0), contest(1)];
    let approve = |amount, allowed| Action::Approve {
        token: 0,
        amount: MicroUnits(amount),
        allowed: MicroUnits(allowed),
    };
    assert_eq!(
        plan(&allowing(both(), 0), &POLICY).actions,
        [approve(2_000_000, 0)]
    );
    // An allowance that is not zero is taken back first, as some tokens demand.
    assert_eq!(
        plan(&allowing(both(), 1_999_999), &POLICY).actions,
        [approve(0, 1_999_999)]
    );
    assert_eq!(
        plan(&allowing(both(), 2_000_000), &POLICY).actions,
        [answer(0), answer(1)]
    );
    let mut waiting = allowing(both(), 0);
    waiting.approve = Sent::InFlight;
    assert_eq!(plan(&waiting, &POLICY).actions, []);
}

#[test]
fn nothing_is_approved_while_an_answer_still_draws_on_the_allowance() {
    for under_way in [Sent::InFlight, Sent::Done] {
        let sent = Contest {
            answer: under_way,
            ..contest(0)
        };
        let plan = plan(&allowing(vec![sent, contest(1)], 0), &POLICY);
        assert_eq!(plan.actions, []);
        assert_eq!(reasons(&plan), ["Answering", "Answering"]);
    }
}

#[test]
fn whatever_keeps_it_from_answering_is_said_with_what_to_do() {
    let cases = [
        (
            contest(0),
            Policy {
                answer: AnswerWhen::Never,
                ..POLICY
            },
            "AnswerOff",
            "Always",
        ),
        (
            contest(0),
            Policy {
                max_bond: MicroUnits(999_999),
                ..POLICY
            },
            "BondAboveBound",
            "maxBond",
        ),
        (
            Contest {
                bond: MicroUnits(2_500_001),
                ..contest(0)
            },
            POLICY,
            "WalletLacksTokens",
            "send it tokens",
        ),
        (
            Contest {
                receipt: ReceiptSide::Short(299),
                ..contest(0)
            },
            POLICY,
            "NoReceipt",
            "299 s",
        ),
        (
            Contest {
                receipt: ReceiptSide::SignerMayNot,
                ..contest(0)
            },
            POLICY,
            "ReceiptSignerMayNot",
            "provider key add",
        ),
        (
            Contest {
                answer: Sent::Failed {
                    times: Sent::ATTEMPTS,
                },
                ..contest(0)
            },
            POLICY,
            "AnswerReverted",
            "ComputeTransactions",
        ),
    ];
    for (contest, policy, reason, remedy) in cases {
        let plan = plan(&seen(vec![contest]), &policy);
        assert_eq!(plan.actions, [], "{reason}");
        let [finding] = &plan.findings[..] else {
            unreachable!()
        };
        assert_eq!((finding.reason, finding.status), (reason, Status::True));
        assert_eq!(finding.urgency, Urgency::Act);
        assert!(finding.message.contains(remedy), "{}", finding.message);
        assert!(
            finding.message.contains("1970-01-01T02:46:40Z"),
            "{}",
            finding.message
        );
    }
}

#[test]
fn the_purse_is_spent_on_what_is_due_first() {
    let late = Contest {
        phase: DisputePhase::Contested {
            due: ChainSeconds(20_000),
        },
        ..contest(0)
    };
    let mut seen = seen(vec![late, contest(1)]);
    seen.purses.get_mut(&0).unwrap().balance = MicroUnits(1_500_000);
    let plan = plan(&seen, &POLICY);
    assert_eq!(plan.actions, [answer(1)]);
    assert_eq!(reasons(&plan), ["Answering", "WalletLacksTokens"]);
}

#[test]
fn what_could_not_be_read_is_asked_again_and_is_no_refusal() {
    let unread = Contest {
        receipt: ReceiptSide::Unknown,
        ..contest(0)
    };
    let mut penniless = seen(vec![contest(0)]);
    penniless.purses.clear();
    for seen in [seen(vec![unread]), penniless] {
        let plan = plan(&seen, &POLICY);
        assert_eq!((plan.actions.len(), reasons(&plan)), (0, vec!["NotYetKnown"]));
        assert_eq!(plan.findings[0].urgency, Urgency::None);
    }
}

#[test]
fn a_dispute_is_ended_by_us_only_where_something_of_ours_comes_back() {
    let ruled = |award, refund, burn| DisputePhase::Ruled {
        due: DUE,
        ruling: Ruling {
            award: MicroUnits(award),
            refund: MicroUnits(refund),
            burn: MicroUnits(burn),
        },
    };
    let ended = DisputePhase::Ended {
        outcome: Outcome::Lapsed,
        at: Moment::default(),
        ruling: Ruling {
            award: MicroUnits::ZERO,
            refund: MicroUnits::ZERO,
            burn: MicroUnits::ZERO,
        },
    };
    let cases = [
        // (phase, frozen, reserved, whether we end it)
        (DisputePhase::Answered { due: DUE }, 0, 0, true),
        (ruled(0, 0, 0), 5, 5, true),
        (ruled(5, 5, 0), 5, 5, false),
        (ruled(5, 2, 2), 5, 5, true),
        (ruled(4, 5, 0), 5, 5, true),
        (DisputePhase::Contested { due: DUE }, 5, 5, false),
        (DisputePhase::Contested { due: DUE }, 0, 5, true),
        (ended, 5, 5, false),
    ];
    for (phase, frozen, reserved, ours) in cases {
        let over = Contest {
            phase,
            frozen: MicroUnits(frozen),
            reserved: MicroUnits(reserved),
            ..contest(0)
        };
        let mut seen = seen(vec![over]);
        let ends = |seen: &Observed| {
            plan(seen, &POLICY)
                .actions
                .iter()
                .any(|action| matches!(action, Action::Conclude { .. }))
        };
        // The contract takes it only after the last second of the other side.
        seen.now = DUE;
        assert!(!ends(&seen), "{phase:?}");
        seen.now = ChainSeconds(DUE.0 + 1);
        assert_eq!(ends(&seen), ours, "{phase:?}");
    }
}

#[test]
fn what_the_court_owes_the_wallet_is_fetched_once() {
    let mut seen = seen(Vec::new());
    seen.credits = vec![(0, 0), (1, 7)];
    assert_eq!(plan(&seen, &POLICY).actions, [Action::Withdraw { token: 1 }]);
    seen.withdraw = Sent::InFlight;
    assert_eq!(plan(&seen, &POLICY).actions, []);
}

proptest! {
    #[test]
    fn a_view_that_is_not_fresh_moves_nothing_and_says_nothing(disagrees: bool, now in 0u64..20_000, owed: u32) {
        let mut seen = seen(vec![contest(0), Contest { phase: DisputePhase::Answered { due: DUE }, ..contest(1) }]);
        seen.now = ChainSeconds(now);
        seen.credits = vec![(0, owed.into())];
        seen.trust = if disagrees { Trust::Disagreeing } else { Trust::Stale { for_ms: 1 } };
        prop_assert_eq!(plan(&seen, &POLICY), Plan::default());
    }

    #[test]
    fn no_more_is_bonded_than_the_wallet_has_and_each_bond_is_within_its_bound(
        bonds in prop::collection::vec(0u64..8_000_000, 0..6), balance in 0u64..20_000_000, allowance in 0u64..20_000_000,
    ) {
        let contests = (0u32..).zip(&bonds).map(|(lane, bond)| Contest { bond: MicroUnits(*bond), ..contest(lane) }).collect();
        let mut seen = seen(contests);
        seen.purses.insert(0, Purse { balance: MicroUnits(balance), allowance: MicroUnits(allowance) });
        let mut paid = 0u64;
        for action in plan(&seen, &POLICY).actions {
            match action {
                Action::Answer { key, .. } => {
                    let bond = bonds[usize::try_from(key.id.lane.0).unwrap()];
                    prop_assert!(bond <= POLICY.max_bond.0);
                    paid += bond;
                }
                Action::Approve { amount, .. } => prop_assert!(amount.0 <= balance),
                Action::Conclude { .. } | Action::Withdraw { .. } => prop_assert!(false),
            }
        }
        prop_assert!(paid <= balance && paid <= allowance);
    }
}
