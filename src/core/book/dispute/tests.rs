//! What a dispute holds back, gives and takes, as the contracts' events tell it.

#![allow(clippy::unwrap_used)]

use super::{super::fixtures::*, *};
use crate::core::book::{Book, BookEvent, StakeState, Vesting};

/// A lease with 1000 of stake behind it and 10 earned and vesting.
fn leased() -> Book {
    let mut book = Book::new(windows());
    for (block, event) in [
        (1, registered()),
        (2, posted(1, 3_000)),
        (3, opened(id(0, 1), order_hash(1), 5_000_000, 1_100)),
        (5, started(id(0, 1), 1_010, 0)),
        (
            6,
            BookEvent::StakeDeposited {
                provider: PROVIDER,
                token: 0,
                amount: MicroUnits(1_000),
            },
        ),
        (
            7,
            BookEvent::Earned {
                provider: PROVIDER,
                token: 0,
                gross: 10,
                fee: 0,
                vesting: Vesting::Vests,
            },
        ),
    ] {
        book.apply(at(block), &event);
    }
    book
}

fn after(events: &[DisputeEvent]) -> Book {
    let mut book = leased();
    for (block, event) in (10..).zip(events) {
        book.apply(at(block), &BookEvent::Dispute(event.clone()));
    }
    book
}

fn stake(book: &Book) -> StakeState {
    book.provider(PROVIDER).unwrap().stake[&0]
}

fn unclaimed(book: &Book) -> u128 {
    book.provider(PROVIDER).unwrap().earnings[&0].unclaimed()
}

fn held() -> Vec<DisputeEvent> {
    let lease = id(0, 1);
    vec![frozen(lease, 6), reserved(lease, 300), contested(lease, 6, 300)]
}

#[test]
fn what_is_frozen_and_reserved_is_neither_claimable_nor_free() {
    let book = after(&held());
    assert_eq!(unclaimed(&book), 4);
    assert_eq!(
        (stake(&book).free(), stake(&book).amount),
        (MicroUnits(700), MicroUnits(1_000))
    );
    assert_eq!(book.disputes().freeze(id(0, 1)).unwrap().amount, MicroUnits(6));
    assert_eq!(book.disputes().reserve(id(0, 1)).unwrap().amount, MicroUnits(300));
    let dispute = book.disputes().get(id(0, 1)).unwrap();
    assert_eq!((dispute.from_cum, dispute.to_cum), (200, 300));
    assert_eq!(
        dispute.phase,
        DisputePhase::Contested {
            due: ChainSeconds(4_600)
        }
    );
    assert_eq!(dispute.key, book.lease_by_id(id(0, 1)).unwrap().lease.key);
    assert_eq!(book.doubts().count, 0);
}

#[test]
fn reserved_stake_is_taken_from_what_is_free_before_what_is_asked_back() {
    let mut book = after(&held());
    let asked = BookEvent::UnbondRequested {
        provider: PROVIDER,
        token: 0,
        unbonding: MicroUnits(800),
        unbond_at: ChainSeconds(9_000),
    };
    book.apply(at(20), &asked);
    assert_eq!(stake(&book).free(), MicroUnits::ZERO);
}

#[test]
fn a_dispute_won_gives_everything_back_and_both_bonds_to_the_winner() {
    let lease = id(0, 1);
    let mut events = held();
    events.extend([
        answered(lease),
        ruled(lease, 0, 0, 0),
        DisputeEvent::FreezeEnded {
            id: lease,
            to_tenant: MicroUnits::ZERO,
            to_provider: MicroUnits(6),
        },
        DisputeEvent::Unreserved { id: lease, slot: 0 },
        DisputeEvent::Credited {
            account: Address::repeat_byte(0xd0),
            token: 0,
            amount: MicroUnits(2_000_000),
        },
        ended(lease, Outcome::Provider),
    ]);
    let mut book = after(&events);
    assert_eq!(unclaimed(&book), 10);
    assert_eq!(stake(&book).free(), MicroUnits(1_000));
    assert!(!book.disputes().get(lease).unwrap().is_open());
    let winner = Address::repeat_byte(0xd0);
    assert_eq!(book.disputes().credit(winner, 0).open(), 2_000_000);
    let paid = DisputeEvent::CreditWithdrawn {
        account: winner,
        token: 0,
        amount: 2_000_000,
    };
    book.apply(at(30), &BookEvent::Dispute(paid));
    assert_eq!(book.disputes().credit(winner, 0).open(), 0);
    assert_eq!(book.doubts().count, 0);
}

#[test]
fn an_award_leaves_the_earnings_and_a_slash_the_stake() {
    let lease = id(0, 1);
    let mut events = held();
    events.extend([
        answered(lease),
        ruled(lease, 5, 50, 20),
        DisputeEvent::FreezeEnded {
            id: lease,
            to_tenant: MicroUnits(5),
            to_provider: MicroUnits(1),
        },
        DisputeEvent::Slashed {
            id: lease,
            slot: 0,
            token: 0,
            refunded: MicroUnits(50),
            burned: MicroUnits(20),
        },
        ended(lease, Outcome::Tenant),
    ]);
    let book = after(&events);
    assert_eq!(unclaimed(&book), 5);
    assert_eq!(
        (stake(&book).amount, stake(&book).free()),
        (MicroUnits(930), MicroUnits(930))
    );
    assert_eq!(book.doubts().count, 0);
}

#[test]
fn what_cannot_follow_is_a_doubt_and_never_a_panic() {
    let lease = id(0, 1);
    for impossible in [
        vec![answered(lease)],
        vec![contested(id(2, 1), 1, 1)],
        vec![contested(lease, 1, 1), ruled(lease, 0, 0, 0)],
        vec![contested(lease, 1, 1), contested(lease, 1, 1)],
        vec![
            contested(lease, 1, 1),
            ended(lease, Outcome::Silence),
            ended(lease, Outcome::Silence),
        ],
        vec![DisputeEvent::Unreserved { id: lease, slot: 0 }],
        vec![DisputeEvent::FreezeEnded {
            id: lease,
            to_tenant: MicroUnits(1),
            to_provider: MicroUnits(1),
        }],
    ] {
        assert_eq!(after(&impossible).doubts().count, 1, "{impossible:?}");
    }
}
