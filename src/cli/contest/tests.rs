//! Which seconds can be contested, by whom, when, and what is said of it.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::core::book::{BookEvent, fixtures::*};

fn book(events: &[(u64, BookEvent)]) -> Book {
    let mut book = Book::new(windows());
    for (block, event) in events {
        book.apply(at(*block), event);
    }
    book
}

fn running() -> Vec<(u64, BookEvent)> {
    vec![
        (1, registered()),
        (2, posted(1, 3_000)),
        (3, opened(id(0, 1), order_hash(1), 5_000_000, 1_100)),
        (5, started(id(0, 1), 1_010, 0)),
    ]
}

fn verdict(events: &[(u64, BookEvent)], key: Address, now: u64) -> Result<(), String> {
    let book = book(events);
    let lease = book.lease_by_id(id(0, 1)).unwrap().lease;
    may_contest(&book, lease, key, ChainSeconds(now))
}

#[test]
fn contested_are_settled_seconds_and_some_of_them() {
    assert_eq!(seconds((None, None), 300), Ok((0, 300)));
    assert_eq!(seconds((Some(10), Some(20)), 300), Ok((10, 20)));
    for (args, settled, word) in [
        ((None, None), 0, "settlement"),
        ((Some(0), Some(301)), 300, "--to-cum 300"),
        ((Some(20), Some(20)), 300, "--from-cum 20"),
    ] {
        let why = seconds(args, settled).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn a_lease_is_contested_by_its_tenant_while_it_lives_and_until_its_lane_may_be_reused() {
    let mut events = running();
    assert_eq!(verdict(&events, TENANT, 1_100), Ok(()));
    assert!(
        verdict(&events, Address::repeat_byte(9), 1_100)
            .unwrap_err()
            .contains("neither tenant")
    );
    events.push((50, closed(id(0, 1), CloseKind::Finalized, 100)));
    // Closed at 1100 by the chain's time, W is 20 s.
    assert_eq!(verdict(&events, TENANT, 1_119), Ok(()));
    assert!(verdict(&events, TENANT, 1_120).unwrap_err().contains("too late"));
}

#[test]
fn what_both_signed_what_never_ran_and_what_was_contested_is_refused_with_the_reason() {
    let mut agreed = running();
    agreed.push((50, closed(id(0, 1), CloseKind::Agreed, 100)));
    let pending = running()[..3].to_vec();
    let mut again = running();
    again.push((6, BookEvent::Dispute(contested(id(0, 1), 1, 0))));
    for (events, word) in [(agreed, "agreement"), (pending, "never started"), (again, "once")] {
        let why = verdict(&events, TENANT, 1_101).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn what_can_be_held_is_bounded_by_rent_and_by_what_is_there() {
    let book = book(&running());
    let lease = book.lease_by_id(id(0, 1)).unwrap().lease;
    let at = |rent, unvested| at_stake(&book, lease, MicroUnits(rent), MicroUnits(unvested));
    assert_eq!(at(10, 4), (MicroUnits(4), MicroUnits::ZERO));
    assert_eq!(at(3, 4), (MicroUnits(3), MicroUnits::ZERO));
}

#[test]
fn the_plan_says_what_is_bonded_lost_and_held_before_anything_is_sent() {
    let plan = Contested {
        lease_id: id(0, 1),
        sent: false,
        seconds: (0, 300),
        currency: "tUSD".to_owned(),
        rent: MicroUnits(208_333),
        bond: MicroUnits(20_000_000),
        court_fee: MicroUnits(20_000_000),
        frozen: MicroUnits(200_000),
        reserved: MicroUnits::ZERO,
        statement: B256::ZERO,
        answer_by: 1_030,
        transactions: Vec::new(),
    };
    let text = plan_text(&plan, 1_000);
    for part in [
        "seconds 1 to 300, 0.208333 tUSD",
        "20 tUSD, lost to the provider",
        "at most 0.2 tUSD of the provider's earnings",
        "ends in 30s",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
