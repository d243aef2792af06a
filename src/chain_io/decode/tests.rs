//! Logs as the contracts write them, and logs that no contract of ours writes.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use alloy::{
    primitives::{Bytes, LogData, U256},
    sol_types::SolEvent,
};
use proptest::prelude::*;

use super::*;
use crate::{
    chain_io::bindings::{DisputeCourt, LeaseBook, StakeVault},
    core::{
        book::{DisputeEvent, Outcome, fixtures},
        ids::ProviderId,
        money::MicroUnits,
    },
};

const EMITTERS: Emitters = Emitters {
    lease_book: Address::repeat_byte(1),
    stake_vault: Address::repeat_byte(2),
    court: Some(Address::repeat_byte(3)),
};

fn log(address: Address, data: LogData) -> Log {
    Log { address, data }
}

#[test]
fn an_order_comes_out_with_every_field_it_went_in_with() {
    let order = fixtures::order(77);
    let event = LeaseBook::OrderPosted {
        orderHash: order.id().0,
        tenant: order.tenant,
        order: order.clone().into(),
        needs: Bytes::from_static(b"{\"a\":1}"),
        endpoint: "https://tenant.example".into(),
    };
    let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data())).unwrap();
    assert_eq!(
        read,
        BookEvent::OrderPosted {
            hash: order.id(),
            order: Arc::new(order),
            needs: Bytes::from_static(b"{\"a\":1}"),
            endpoint: "https://tenant.example".into(),
        }
    );
}

#[test]
fn a_bid_that_cannot_be_read_means_nothing_and_is_no_doubt() {
    let event = LeaseBook::BidPosted {
        orderHash: B256::repeat_byte(5),
        providerId: 3,
        packedBid: Bytes::from_static(b"nonsense"),
    };
    let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data()));
    assert!(matches!(
        read,
        Some(BookEvent::BidMalformed {
            provider: ProviderId(3),
            ..
        })
    ));
}

#[test]
fn an_unknown_event_of_our_contract_is_a_doubt_and_a_stranger_s_is_nothing() {
    let data = LogData::new_unchecked(vec![B256::repeat_byte(9)], Bytes::new());
    assert!(matches!(
        decode(&EMITTERS, &log(EMITTERS.lease_book, data.clone())),
        Some(BookEvent::Unreadable { .. })
    ));
    assert_eq!(decode(&EMITTERS, &log(Address::repeat_byte(9), data)), None);
}

#[test]
fn a_lease_id_with_an_impossible_generation_is_a_doubt() {
    let event = LeaseBook::Compensated {
        id: U96::from(1_u64 << 30),
        amount: 1,
    };
    let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data()));
    assert!(matches!(read, Some(BookEvent::Unreadable { .. })));
}

#[test]
fn what_a_court_says_of_a_lease_comes_out_as_it_went_in() {
    let id: LeaseId = "7-0-1".parse().unwrap();
    let court = EMITTERS.court.unwrap();
    let said = DisputeCourt::Ended {
        id: id.to_u96(),
        outcome: 4,
        awarded: 1,
        refunded: 2,
        burnt: 3,
    };
    assert_eq!(
        decode(&EMITTERS, &log(court, said.encode_log_data())),
        Some(BookEvent::Dispute(DisputeEvent::Ended {
            id,
            outcome: Outcome::Provider,
            awarded: MicroUnits(1),
            refunded: MicroUnits(2),
            burnt: MicroUnits(3),
        }))
    );
    let unknown = DisputeCourt::Ended { outcome: 5, ..said };
    assert!(matches!(
        decode(&EMITTERS, &log(court, unknown.encode_log_data())),
        Some(BookEvent::Unreadable { .. })
    ));
    // A market without a court hears none.
    let none = Emitters {
        court: None,
        ..EMITTERS
    };
    assert_eq!(decode(&none, &log(court, LogData::default())), None);
    assert_eq!((none.addresses().len(), EMITTERS.addresses().len()), (2, 3));
}

#[test]
fn what_is_held_back_and_taken_of_stake_names_the_lease() {
    let id: LeaseId = "7-0-1".parse().unwrap();
    let said = StakeVault::Slashed {
        id: id.to_u96(),
        slot: 0,
        refundTo: Address::repeat_byte(9),
        token: 1,
        refunded: 5,
        burned: 6,
    };
    assert_eq!(
        decode(&EMITTERS, &log(EMITTERS.stake_vault, said.encode_log_data())),
        Some(BookEvent::Dispute(DisputeEvent::Slashed {
            id,
            slot: 0,
            token: 1,
            refunded: MicroUnits(5),
            burned: MicroUnits(6),
        }))
    );
}

proptest! {
    #[test]
    fn no_log_makes_the_decoder_panic(
        which in 0..LeaseBookEvents::COUNT, topics in prop::collection::vec(any::<[u8; 32]>(), 0..3), data in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut all: Vec<B256> = vec![B256::from(LeaseBookEvents::SELECTORS[which])];
        all.extend(topics.into_iter().map(B256::from));
        let read = decode(&EMITTERS, &log(EMITTERS.lease_book, LogData::new_unchecked(all, data.into())));
        let mut book = crate::core::book::Book::default();
        if let Some(event) = read {
            book.apply(crate::core::book::Moment::default(), &event);
        }
    }

    #[test]
    fn any_usage_comes_out_as_it_went_in(provider: u32, first: u32, words in prop::collection::vec(any::<[u8; 32]>(), 0..4)) {
        let words: Vec<U256> = words.into_iter().map(U256::from_be_bytes).collect();
        let event = LeaseBook::Usage { providerId: provider, firstWord: first, asOf: U40::from(5), root: B256::ZERO, words: words.clone() };
        let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data()));
        let expected = BookEvent::Usage { provider: ProviderId(provider), first_word: first, as_of: ChainSeconds(5), root: B256::ZERO, words };
        prop_assert_eq!(read, Some(expected));
    }
}
