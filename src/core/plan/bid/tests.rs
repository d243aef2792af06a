//! What is due for a bid, case by case.

use super::*;

const POLICY: Policy = Policy {
    bind_within: Duration::from_secs(2),
    hold_for: Duration::from_secs(30),
    fill_for: Duration::from_secs(600),
    keep_for: Duration::from_secs(600),
};

const BASE: Observed = Observed {
    form: TradeForm::Auction,
    phase: Phase::Holding,
    trust: Trust::Fresh,
    now: ChainSeconds(1_000),
    deadline: ChainSeconds(1_100),
    order: OrderSide::Open {
        expiry: ChainSeconds(1_500),
    },
    hold: HoldSide::Absent,
    posted: Sent::Never,
    promised_for_ms: None,
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
        for phase in [Phase::Holding, Phase::Filling, Phase::Signed, Phase::Posted] {
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
        promised_for_ms: Some(30_001),
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
fn a_fill_whose_transaction_was_deleted_is_sent_again_only_while_its_capacity_is_held() {
    let lost = Observed {
        posted: Sent::Never,
        ..FILLING
    };
    assert_eq!(acts(lost), [Action::Fill]);
    assert_eq!(
        acts(Observed {
            hold: HoldSide::Absent,
            ..lost
        }),
        [Action::Record(Phase::Refused)]
    );
}

#[test]
fn a_fill_that_reverted_keeps_its_lane_no_longer_and_one_under_way_does() {
    let ended = Observed {
        phase: Phase::Lost,
        hold: HoldSide::Absent,
        ended_for_ms: Some(700_000),
        ..FILLING
    };
    assert_eq!(acts(ended), []);
    assert_eq!(
        acts(Observed {
            posted: Sent::Failed { times: 1 },
            ..ended
        }),
        [Action::Delete]
    );
}

const DUTCH: Observed = Observed {
    form: TradeForm::Dutch,
    hold: HoldSide::Bound,
    ..BASE
};

const FILLING: Observed = Observed {
    phase: Phase::Filling,
    posted: Sent::InFlight,
    promised_for_ms: Some(31_000),
    ..DUTCH
};

#[test]
fn a_dutch_order_is_filled_once_its_capacity_is_held_and_nothing_is_signed() {
    assert_eq!(
        acts(Observed {
            hold: HoldSide::Pending { for_ms: 100 },
            ..DUTCH
        }),
        []
    );
    assert_eq!(acts(DUTCH), [Action::Fill, Action::Record(Phase::Filling)]);
}

#[test]
fn a_crash_after_the_fill_sends_no_second_one() {
    for posted in [Sent::InFlight, Sent::Done, Sent::Failed { times: 1 }] {
        assert_eq!(
            acts(Observed { posted, ..DUTCH }),
            [Action::Record(Phase::Filling)],
            "{posted:?}"
        );
    }
}

#[test]
fn the_hold_of_a_fill_stays_while_it_may_be_mined_soon() {
    assert_eq!(acts(FILLING), []);
    assert_eq!(
        acts(Observed {
            posted: Sent::Done,
            ..FILLING
        }),
        []
    );
    assert_eq!(
        acts(Observed {
            promised_for_ms: Some(600_001),
            ..FILLING
        }),
        [Action::DropHold]
    );
}

#[test]
fn a_fill_ends_with_its_order_and_is_not_tried_again() {
    assert_eq!(
        acts(Observed {
            order: OrderSide::Ours,
            ..FILLING
        }),
        [Action::Record(Phase::Won)]
    );
    assert_eq!(
        acts(Observed {
            order: OrderSide::Gone,
            ..FILLING
        }),
        [Action::DropHold, Action::Record(Phase::Lost)]
    );
    assert_eq!(
        acts(Observed {
            posted: Sent::Failed { times: 1 },
            ..FILLING
        }),
        [Action::DropHold, Action::Record(Phase::Refused)]
    );
    assert_eq!(
        acts(Observed {
            now: ChainSeconds(1_101),
            ..FILLING
        }),
        [Action::DropHold, Action::Record(Phase::Expired)]
    );
}

#[test]
fn a_crash_after_signing_posts_the_same_bid_again_and_signs_nothing() {
    let seen = Observed {
        phase: Phase::Signed,
        hold: HoldSide::Bound,
        promised_for_ms: Some(10),
        ..BASE
    };
    assert_eq!(acts(seen), [Action::Post]);
}
