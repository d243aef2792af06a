//! The book's rules, and that no events can break it.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{fixtures::*, *};
use crate::core::money::{MicroUnits, RatePerHour};

fn book(events: &[(u64, BookEvent)]) -> Book {
    let mut book = Book::new(windows());
    for (block, event) in events {
        book.apply(at(*block), event);
    }
    book
}

/// A lease on lane 0 that started at chain time 1010 with money for two hours at 2.5 an hour.
fn running() -> Vec<(u64, BookEvent)> {
    vec![
        (1, registered()),
        (2, posted(1, 3_000)),
        (3, opened(id(0, 1), order_hash(1), 5_000_000, 1_100)),
        (5, started(id(0, 1), 1_010, 0)),
    ]
}

fn lanes(book: &Book, now: u64, count: usize) -> Vec<(u32, u32)> {
    book.free_lanes(PROVIDER, ChainSeconds(now))
        .take(count)
        .map(|(lane, generation)| (lane.0, generation.get()))
        .collect()
}

#[test]
fn a_lease_goes_from_pending_to_active_to_stopped_to_closed() {
    let mut events = running();
    let phase = |events: &[(u64, BookEvent)], now| {
        book(events)
            .lease_by_id(id(0, 1))
            .unwrap()
            .lease
            .phase(ChainSeconds(now))
    };
    assert_eq!(phase(&events[..3], 1_100), LeasePhase::Pending);
    assert_eq!(phase(&events[..3], 1_101), LeasePhase::Overdue);
    assert_eq!(phase(&events, 1_010), LeasePhase::Active);
    assert_eq!(phase(&events, 1_010 + 3_600), LeasePhase::Stopped);
    events.push((6, closed(id(0, 1), CloseKind::Agreed, 2)));
    assert_eq!(phase(&events, 1_012), LeasePhase::Closed);
    assert_eq!(book(&events).doubts().count, 0);
}

#[test]
fn an_order_carries_its_needs_into_the_lease_and_is_accepted() {
    let book = book(&running());
    let metered = book.lease_by_id(id(0, 1)).unwrap();
    assert_eq!(metered.lease.order.as_ref().unwrap().needs.as_ref(), b"{}");
    assert_eq!(book.orders()[&order_hash(1)].phase, OrderPhase::Accepted);
    assert_eq!(book.open_orders(ChainSeconds(1_000)).count(), 0);
    assert_eq!(book.lease(&metered.lease.key).unwrap().lease, metered.lease);
}

#[test]
fn a_lease_with_other_terms_under_the_same_id_is_another_lease() {
    let book = book(&running());
    let other = LeaseKey {
        id: id(0, 1),
        terms: terms(id(0, 1), order_hash(9)).hash(),
    };
    assert!(book.lease(&other).is_none());
}

#[test]
fn usage_is_what_was_reported_clipped_to_the_time_that_passed() {
    let mut events = running();
    events.push((6, usage(0, 500)));
    let book = book(&events);
    let metered = book.lease_by_id(id(0, 1)).unwrap();
    assert_eq!(metered.cum(ChainSeconds(1_110)), 100);
    assert_eq!(metered.cum(ChainSeconds(1_910)), 500);
    assert_eq!(
        metered.owed(ChainSeconds(1_910)),
        RatePerHour::new(RATE).unwrap().owed_down(500)
    );
}

#[test]
fn seconds_that_a_voucher_paid_count_before_any_report_says_so() {
    let mut events = running();
    let rows = vec![SettledRow {
        lane: Lane(0),
        settled: 300,
        paid: MicroUnits(208_333),
    }];
    events.push((
        6,
        BookEvent::Settled {
            provider: PROVIDER,
            rows,
        },
    ));
    let before = book(&events);
    let metered = before.lease_by_id(id(0, 1)).unwrap();
    assert_eq!(metered.cum(ChainSeconds(1_910)), 300);
    assert_eq!(metered.owed(ChainSeconds(1_910)), MicroUnits::ZERO);
    events.push((7, usage(0, 350)));
    let after = book(&events);
    assert_eq!(after.lease_by_id(id(0, 1)).unwrap().cum(ChainSeconds(1_910)), 350);
}

#[test]
fn an_amendment_counts_anew_on_the_new_terms() {
    let mut events = running();
    events.push((6, usage(0, 500)));
    let mut next = terms(id(0, 1), order_hash(1));
    next.ratePerHour = alloy::primitives::aliases::U48::from(2 * RATE);
    events.push((
        7,
        BookEvent::Amended {
            id: id(0, 1),
            cum: 450,
            paid: MicroUnits(312_500),
            start_at: ChainSeconds(1_600),
            stop_at: ChainSeconds(5_200),
            lane_base: 450,
            balance: MicroUnits(4_000_000),
            holdback: MicroUnits(5),
            terms: std::sync::Arc::new(next.clone()),
        },
    ));
    events.push((8, usage(0, 600)));
    let book = book(&events);
    let metered = book.lease_by_id(id(0, 1)).unwrap();
    let key = terms(id(0, 1), order_hash(1)).key().unwrap();
    assert_eq!(metered.lease.signed_as().terms, next.hash());
    assert_eq!(metered.lease.key, key);
    assert_eq!(
        book.lease(&key).unwrap().lease,
        metered.lease,
        "it is the same lease"
    );
    assert_eq!(metered.lease.stop_at, ChainSeconds(5_200));
    assert_eq!(metered.lease.balance, MicroUnits(4_000_000));
    assert_eq!(metered.cum(ChainSeconds(1_700)), 100, "clipped to the new start");
    assert_eq!(
        metered.owed(ChainSeconds(1_800)),
        RatePerHour::new(2 * RATE).unwrap().owed_down(150)
    );
}

#[test]
fn usage_words_merge_by_maximum_and_never_count_the_guard_bit() {
    let mut events = running();
    events.push((6, usage(0, 500)));
    events.push((7, usage(0, 400)));
    assert_eq!(book(&events).lane_seconds(PROVIDER, Lane(0)), 500);
    events.push((8, usage(9, (1 << 31) | 3)));
    assert_eq!(book(&events).lane_seconds(PROVIDER, Lane(9)), 3);
}

#[test]
fn a_lease_runs_dry_when_its_balance_covers_no_further_second() {
    let mut events = running();
    // 5 micro-units at 2.5 an hour: 694.4 micro-units a second.
    events[2] = (3, opened(id(0, 1), order_hash(1), 694_444, 1_100));
    let book = book(&events);
    let metered = book.lease_by_id(id(0, 1)).unwrap();
    // floor(1000 s * rate / 3600) = 694,444.
    assert_eq!(metered.lease.affordable(), Some(1_000));
    assert_eq!(
        metered.runs_dry_at(ChainSeconds(1_010), None),
        Some(ChainSeconds(2_010))
    );
    assert_eq!(
        metered.runs_dry_at(ChainSeconds(1_110), Some(100)),
        Some(ChainSeconds(2_010))
    );
}

#[test]
fn a_lease_that_ends_before_its_money_never_runs_dry() {
    let book = book(&running());
    let metered = book.lease_by_id(id(0, 1)).unwrap();
    assert_eq!(metered.runs_dry_at(ChainSeconds(1_010), None), None);
}

#[test]
fn what_was_settled_leaves_the_balance_and_is_not_owed_again() {
    let mut events = running();
    events.push((6, usage(0, 360)));
    let row = SettledRow {
        lane: Lane(0),
        settled: 360,
        paid: MicroUnits(250_000),
    };
    events.push((
        200,
        BookEvent::Settled {
            provider: PROVIDER,
            rows: vec![row],
        },
    ));
    let book = book(&events);
    let metered = book.lease_by_id(id(0, 1)).unwrap();
    assert_eq!(metered.lease.balance, MicroUnits(4_750_000));
    assert_eq!(metered.owed(ChainSeconds(2_000)), MicroUnits(0));
    assert_eq!(metered.lease.affordable(), Some(7_200));
}

#[test]
fn a_finalized_lane_rests_and_an_agreed_or_declined_one_is_free_at_once() {
    let mut events = running();
    assert_eq!(lanes(&book(&events), 1_050, 2), [(1, 1), (2, 1)]);
    events.push((30, closed(id(0, 1), CloseKind::Finalized, 1)));
    assert_eq!(lanes(&book(&events), 1_079, 1), [(1, 1)]);
    assert_eq!(lanes(&book(&events), 1_080, 2), [(0, 2), (1, 1)]);
    events.pop();
    events.push((30, closed(id(0, 1), CloseKind::Agreed, 1)));
    assert_eq!(lanes(&book(&events), 1_060, 1), [(0, 2)]);
    let pending = [&running()[..3], &[(4, declined(id(0, 1)))]].concat();
    assert_eq!(lanes(&book(&pending), 1_008, 1), [(0, 2)]);
}

#[test]
fn a_spammer_pays_for_bids_and_we_keep_eight_of_them() {
    let mut book = book(&running()[..2]);
    for rate in 1..=20_u64 {
        let bid = crate::core::documents::bid::Bid {
            orderHash: order_hash(1).0,
            providerId: 1,
            bidEpoch: 0,
            lanesHash: alloy::primitives::B256::ZERO,
            ratePerHour: alloy::primitives::aliases::U48::from(rate),
            bond: 0,
            liability: 0,
            deadline: alloy::primitives::aliases::U40::ZERO,
        };
        let bid = Arc::new(crate::core::documents::bid::SignedBid {
            bid,
            lanes: vec![],
            signature: [0; 65],
        });
        book.apply(at(3), &BookEvent::BidPosted(Arc::clone(&bid)));
        book.apply(at(3), &BookEvent::BidPosted(bid));
    }
    let kept: Vec<u64> = book.orders()[&order_hash(1)]
        .bids
        .iter()
        .map(|(_, bid)| bid.bid.ratePerHour.to::<u64>())
        .collect();
    assert_eq!(kept, (13..=20).collect::<Vec<_>>());
}

#[test]
fn an_order_leaves_the_book_a_day_after_its_expiry_and_its_lease_stays() {
    let mut events = running();
    events.push((60_000, posted(2, 200_000)));
    let book = book(&events);
    assert_eq!(book.orders().keys().copied().collect::<Vec<_>>(), [order_hash(2)]);
    assert!(book.lease_by_id(id(0, 1)).unwrap().lease.order.is_some());
}

#[test]
fn an_event_of_a_lease_that_was_never_opened_is_a_doubt() {
    let book = book(&[(1, registered()), (2, started(id(4, 1), 1_000, 0))]);
    assert_eq!(book.doubts().count, 1);
    assert!(
        book.doubts()
            .last
            .as_ref()
            .unwrap()
            .contains("lease 1-4-1, which is not open")
    );
}

#[test]
fn a_payout_change_holds_from_its_time_on() {
    let next = Address::repeat_byte(3);
    let book = book(&[
        (1, registered()),
        (
            2,
            BookEvent::PayoutSet {
                provider: PROVIDER,
                payout: next,
                from: ChainSeconds(2_000),
            },
        ),
    ]);
    let provider = book.provider(PROVIDER).unwrap();
    assert_eq!(provider.payout_at(ChainSeconds(1_999)), Address::repeat_byte(2));
    assert_eq!(provider.payout_at(ChainSeconds(2_000)), next);
}

#[test]
fn a_removed_key_may_do_nothing_and_a_new_one_waits_for_its_time() {
    let key = Address::repeat_byte(7);
    let added = BookEvent::KeyAdded {
        provider: PROVIDER,
        key,
        roles: KeyRoles(5),
        from: ChainSeconds(2_000),
        bid_epoch: 1,
    };
    let removed = BookEvent::KeyRemoved {
        provider: PROVIDER,
        key,
        bid_epoch: 2,
    };
    let may = |events: &[(u64, BookEvent)], roles, now| {
        book(events)
            .provider(PROVIDER)
            .unwrap()
            .key_may(key, roles, ChainSeconds(now))
    };
    let events = [(1, registered()), (2, added), (3, removed)];
    assert!(!may(&events[..2], KeyRoles::BID, 1_999));
    assert!(may(&events[..2], KeyRoles::BID, 2_000));
    assert!(!may(&events[..2], KeyRoles::START, 2_000));
    assert!(!may(&events, KeyRoles::BID, 2_000));
}

proptest! {
    #[test]
    fn no_events_make_the_book_panic_and_a_copy_never_changes(events in prop::collection::vec(any_event(), 0..60), cut in 0..60_usize, now in 0..5_000_u64) {
        let mut replayed = Book::new(windows());
        let mut copy = None;
        for (index, event) in events.iter().enumerate() {
            if index == cut {
                copy = Some(replayed.clone());
            }
            replayed.apply(at(index as u64), event);
        }
        if let Some(copy) = copy {
            let mut fresh = Book::new(windows());
            for (index, event) in events.iter().take(cut).enumerate() {
                fresh.apply(at(index as u64), event);
            }
            prop_assert_eq!(copy, fresh);
        }
        let now = ChainSeconds(now);
        for metered in replayed.leases() {
            let elapsed = now.min(metered.lease.stop_at).0.saturating_sub(metered.lease.start_at.0);
            prop_assert!(metered.lease.ending.is_some() || u64::from(metered.cum(now)) <= elapsed);
            let _shown = (metered.owed(now), metered.unpaid_seconds(now), metered.runs_dry_at(now, None), metered.lease.phase(now));
        }
        prop_assert_eq!(replayed.free_lanes(PROVIDER, now).take(4).count(), if replayed.provider(PROVIDER).is_some() { 4 } else { 0 });
    }

    #[test]
    fn the_last_affordable_second_is_covered_and_the_next_is_not(balance in 0..1_u64 << 40, rate in 1..1_u64 << 32, settled in 0..1_u32 << 20) {
        let mut book = book(&running());
        let mut lease = book.lease_by_id(id(0, 1)).unwrap().lease.clone();
        lease.balance = MicroUnits(balance);
        lease.rate = RatePerHour::new(rate).unwrap();
        lease.settled = settled;
        let last = lease.affordable().unwrap();
        let cost = |seconds: u32| lease.rate.owed_down(seconds).0 - lease.rate.owed_down(settled).0;
        prop_assume!(last < u32::MAX);
        prop_assert!(cost(last) <= balance);
        prop_assert!(cost(last + 1) > balance);
        book.apply(at(9), &usage(0, 1));
    }
}
