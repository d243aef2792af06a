//! What a view permits, and when.

#![allow(clippy::unwrap_used)]

use super::{fixtures::*, *};
use crate::core::{
    book::{BookEvent, CloseKind, Outcome, fixtures::*},
    ids::TermsHash,
};

fn key() -> LeaseKey {
    terms(id(0, 1), order_hash(1)).key().unwrap()
}

fn open() -> Vec<BookEvent> {
    vec![
        registered(),
        posted(1, 3_000),
        opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
    ]
}

fn ended() -> Vec<BookEvent> {
    let mut events = open();
    events.push(started(id(0, 1), 1_000, 0));
    events.push(closed(id(0, 1), CloseKind::Finalized, 5));
    events
}

fn seen() -> SeenOpening {
    SeenOpening {
        block: 10,
        order: Some(order_hash(1)),
        order_expiry: ChainSeconds(3_000),
    }
}

#[test]
fn a_closure_permits_destroying_only_when_it_is_finalized_and_the_view_is_fresh() {
    let done = || snapshot(20, &ended());
    assert!(
        view(Freshness::Fresh, snapshot(20, &open()), done())
            .final_closure(&key())
            .is_none()
    );
    let proof = view(Freshness::Fresh, done(), done())
        .final_closure(&key())
        .and_then(|claim| claim.borne_out(&Hearing::Alone))
        .unwrap();
    assert_eq!(proof.key(), &key());
    assert!(matches!(proof.ending(), Some(Ending::Ran { cum: 5, .. })));
    for doubtful in [
        Freshness::Stale { since: UnixMillis(1) },
        Freshness::Disagreement { height: 20 },
    ] {
        assert!(view(doubtful, done(), done()).final_closure(&key()).is_none());
    }
}

#[test]
fn a_book_in_doubt_proves_nothing_and_spends_nothing() {
    let mut events = ended();
    events.push(BookEvent::Unreadable {
        reason: "a log".into(),
    });
    let view = view(Freshness::Fresh, snapshot(20, &events), snapshot(20, &events));
    assert!(view.final_closure(&key()).is_none());
    assert!(!view.allows_money());
}

#[test]
fn an_opening_lost_in_a_reorg_is_absent_for_good_only_after_its_order_expired() {
    let without = |number| snapshot(number, &open()[..2]);
    let absent =
        |number, head: Snapshot| view(Freshness::Fresh, without(number), head).final_absence(&key(), seen());
    assert!(absent(9, without(9)).is_none());
    assert!(absent(20, without(20)).is_none());
    // Block 1000 is at 3000 s: not later than the expiry yet.
    assert!(absent(1_000, without(1_000)).is_none());
    assert!(absent(1_001, without(1_001)).is_some());
    // Included again, not finalized yet.
    assert!(absent(1_001, snapshot(1_002, &open())).is_none());
}

#[test]
fn a_finalized_cancellation_of_its_order_proves_a_lost_opening_absent_before_the_order_expires() {
    let mut cancelled = open()[..2].to_vec();
    cancelled.push(order_cancelled(1));
    let absent = |finalized: Snapshot, head: Snapshot| {
        view(Freshness::Fresh, finalized, head).final_absence(&key(), seen())
    };
    let done = || snapshot(20, &cancelled);
    assert!(absent(done(), done()).is_some());
    // Cancelled, but not in a finalized block; or final, but below the block that held the opening.
    assert!(absent(snapshot(20, &open()[..2]), done()).is_none());
    assert!(absent(snapshot(9, &cancelled), done()).is_none());
}

#[test]
fn an_order_that_finally_became_other_leases_opens_the_lost_one_no_more() {
    let mut other = open()[..2].to_vec();
    other.push(opened(id(1, 1), order_hash(1), 5_000_000, 1_100));
    let there = snapshot(20, &other);
    let view = view(Freshness::Fresh, there.clone(), there);
    assert!(view.final_absence(&key(), seen()).is_some());
}

#[test]
fn another_tenants_finalized_lease_under_the_same_id_proves_absence_at_once() {
    let mut other = open();
    other.truncate(1);
    other.push(posted(2, 3_000));
    other.push(opened(id(0, 1), order_hash(2), 5_000_000, 1_100));
    let there = snapshot(11, &other);
    let view = view(Freshness::Fresh, there.clone(), there);
    assert!(view.final_absence(&key(), seen()).is_some());
    assert!(view.final_closure(&key()).is_none());
}

#[test]
fn a_lease_that_is_there_is_never_absent() {
    let there = snapshot(2_000, &ended());
    assert!(
        view(Freshness::Fresh, there.clone(), there)
            .final_absence(&key(), seen())
            .is_none()
    );
}

#[test]
fn an_amended_lease_is_the_lease_it_was_neither_absent_nor_closed_nor_a_new_one() {
    let mut events = open();
    events.push(started(id(0, 1), 1_000, 0));
    let mut next = terms(id(0, 1), order_hash(1));
    next.maxDuration = 7_200;
    events.push(amended(next.clone(), 1_600, 450));
    let there = snapshot(2_000, &events);
    let view = view(Freshness::Fresh, there.clone(), there);
    assert!(view.final_absence(&key(), seen()).is_none());
    assert!(view.final_closure(&key()).is_none());
    let wanted: Vec<LeaseKey> = crate::core::plan::opening::wanted(&view, PROVIDER)
        .map(|lease| lease.key)
        .collect();
    assert_eq!(wanted, [key()], "no second object and no second namespace");
    assert_eq!(view.lease(&key()).unwrap().lease.signed_as(), next.key().unwrap());
    // Closed after that it is closed.
    events.push(closed(id(0, 1), CloseKind::Agreed, 5));
    let done = snapshot(2_001, &events);
    let view = super::fixtures::view(Freshness::Fresh, done.clone(), done);
    assert!(view.final_closure(&key()).is_some());
}

#[test]
fn a_lease_whose_record_was_pushed_out_by_later_ones_is_closed_for_good() {
    let mut events = ended();
    for generation in 2..=20 {
        events.push(posted(2, 3_000));
        events.push(opened(id(0, generation), order_hash(2), 1, 1_100));
        events.push(declined(id(0, generation)));
    }
    let there = snapshot(2_000, &events);
    let view = view(Freshness::Fresh, there.clone(), there);
    let proof = view
        .final_closure(&key())
        .and_then(|claim| claim.borne_out(&Hearing::Alone))
        .unwrap();
    assert_eq!(proof.ending(), None);
    assert!(view.final_absence(&key(), seen()).is_none());
}

#[test]
fn what_a_dispute_may_ask_for_is_needed_until_its_end_is_final() {
    let lease = id(0, 1);
    let mut open = open();
    open.push(started(lease, 1_010, 0));
    let quiet = open.clone();
    open.push(BookEvent::Dispute(contested(lease, 1, 0)));
    let over = [
        &open[..],
        &[BookEvent::Dispute(crate::core::book::fixtures::ended(
            lease,
            Outcome::Lapsed,
        ))],
    ]
    .concat();
    let seen = |finalized: &[BookEvent], head: &[BookEvent]| {
        view(Freshness::Fresh, snapshot(1, finalized), snapshot(2, head))
    };
    assert!(!seen(&quiet, &quiet).is_contested(&key()));
    assert!(seen(&quiet, &open).is_contested(&key()));
    assert!(seen(&open, &over).is_contested(&key()));
    assert!(!seen(&over, &over).is_contested(&key()));
    // Another lease under the same id has no part in it.
    let other = LeaseKey {
        terms: TermsHash(alloy::primitives::B256::repeat_byte(9)),
        ..key()
    };
    assert!(!seen(&open, &open).is_contested(&other));
}

#[test]
fn statements_are_spent_when_a_finalized_lease_has_rested_and_at_once_when_both_closed_it() {
    let done = |kind, block| {
        let mut events = open();
        events.push(started(id(0, 1), 1_000, 0));
        events.push(closed(id(0, 1), kind, 5));
        let mut there = snapshot(20, &events);
        there.block.number = block;
        there.block.time = at(block).time;
        fresh(there)
    };
    let window = 100;
    let ended = at(20).time.0;
    let later = (ended + window - 1_000) / 2;
    assert_eq!(at(later).time.0, ended + window);
    assert!(
        done(CloseKind::Finalized, later)
            .uncontestable(&key(), window)
            .is_none()
    );
    let claim = done(CloseKind::Finalized, later + 1).uncontestable(&key(), window);
    assert_eq!(claim.unwrap().question().matter, Matter::Uncontestable { window });
    assert!(
        done(CloseKind::Agreed, 20)
            .uncontestable(&key(), window)
            .is_some()
    );
    assert!(fresh(snapshot(20, &open())).uncontestable(&key(), 0).is_none());
}
