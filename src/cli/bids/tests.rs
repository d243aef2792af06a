//! Bids as the contract would judge them, and their table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use alloy::{
    primitives::{Address, B256, aliases::U40, aliases::U48},
    signers::{SignerSync, local::PrivateKeySigner},
};

use super::*;
use crate::core::{
    book::{BookEvent, Moment, Windows},
    documents::{
        bid::{Bid, LaneUse, lanes_hash},
        order::Order,
        signing,
    },
    ids::{ChainId, Generation, Lane},
};

const NOW: ChainSeconds = ChainSeconds(1_000);

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
}

fn domain() -> Eip712Domain {
    signing::domain(ChainId(5), Address::repeat_byte(0xbb))
}

fn order() -> Order {
    Order {
        tenant: Address::repeat_byte(1),
        agent: Address::ZERO,
        refundTo: Address::repeat_byte(1),
        form: 0,
        token: 0,
        flags: 0,
        lots: 1,
        startRate: U48::ZERO,
        maxRate: U48::from(3_000_000_u64),
        climb: 0,
        deposit: 3_000_000,
        minDuration: 60,
        maxDuration: 3600,
        minCommit: 0,
        earlyFeeBps: 0,
        notice: 0,
        grace: 0,
        startWindow: 60,
        minBond: 10,
        minSignedPaid: 0,
        expiry: 2_000,
        slaPolicy: B256::ZERO,
        needsHash: B256::ZERO,
        manifestHash: B256::ZERO,
        eligible: B256::ZERO,
        endpointHash: B256::ZERO,
        salt: B256::ZERO,
    }
}

fn market() -> (Book, OrderHash) {
    let mut book = Book::new(Windows {
        final_reports: 10,
        vest_epoch: 20,
    });
    let order = order();
    let hash = order.id();
    let at = Moment {
        block: 1,
        time: ChainSeconds(900),
    };
    let provider = ProviderId(1);
    for event in [
        BookEvent::ProviderRegistered {
            provider,
            owner: Address::repeat_byte(2),
            payout: Address::repeat_byte(2),
        },
        BookEvent::KeyAdded {
            provider,
            key: key().address(),
            roles: KeyRoles::BID,
            from: ChainSeconds(0),
            bid_epoch: 4,
        },
        BookEvent::OrderPosted {
            hash,
            order: order.into(),
            needs: Default::default(),
            endpoint: String::new(),
        },
    ] {
        book.apply(at, &event);
    }
    (book, hash)
}

fn signed(change: impl FnOnce(&mut Bid)) -> SignedBid {
    let lanes = vec![LaneUse {
        lane: Lane(0),
        generation: Generation::new(1).unwrap(),
    }];
    let mut bid = Bid {
        orderHash: order().id().0,
        providerId: 1,
        bidEpoch: 4,
        lanesHash: lanes_hash(&lanes),
        ratePerHour: U48::from(2_500_000_u64),
        bond: 10,
        liability: 0,
        deadline: U40::from(1_500_u64),
    };
    change(&mut bid);
    let signature = key().sign_hash_sync(&digest(&bid, &domain())).unwrap().as_bytes();
    SignedBid {
        bid,
        lanes,
        signature,
    }
}

fn verdict(signed: &SignedBid) -> Result<u64, String> {
    let (book, hash) = market();
    judge(&book, &book.orders()[&hash], signed, &domain(), NOW).map(RatePerHour::get)
}

#[test]
fn a_bid_the_contract_would_take_is_valid() {
    assert_eq!(verdict(&signed(|_| {})), Ok(2_500_000));
}

#[test]
fn each_reason_for_which_the_contract_would_refuse_is_told_before_gas_is_spent() {
    let cases: [(SignedBid, &str); 8] = [
        (
            signed(|bid| bid.deadline = U40::from(999_u64)),
            "deadline has passed",
        ),
        (signed(|bid| bid.bidEpoch = 3), "withdrawn"),
        (
            signed(|bid| bid.ratePerHour = U48::from(3_000_001_u64)),
            "dearer than the order's 3",
        ),
        (signed(|bid| bid.ratePerHour = U48::ZERO), "price is none"),
        (signed(|bid| bid.bond = 9), "bond below"),
        (signed(|bid| bid.providerId = 2), "unknown"),
        (signed(|bid| bid.orderHash = B256::ZERO), "another order"),
        (
            SignedBid {
                signature: [27; 65],
                ..signed(|_| {})
            },
            "",
        ),
    ];
    for (signed, reason) in cases {
        let told = verdict(&signed).unwrap_err();
        assert!(told.contains(reason), "{told} does not say {reason:?}");
    }
}

#[test]
fn a_strangers_signature_is_not_the_providers() {
    let stranger = PrivateKeySigner::from_bytes(&B256::repeat_byte(8)).unwrap();
    let mut bid = signed(|_| {});
    bid.signature = stranger
        .sign_hash_sync(&digest(&bid.bid, &domain()))
        .unwrap()
        .as_bytes();
    assert!(verdict(&bid).unwrap_err().contains("may not bid"));
}

#[test]
fn the_table_shows_number_price_and_why_a_bid_is_not_valid() {
    let rows = [
        row(1, &signed(|_| {}), "tUSD", None),
        row(2, &signed(|_| {}), "tUSD", Some("its deadline has passed".into())),
    ];
    let text = bid_table(&rows);
    assert!(text.starts_with("BID  PROVIDER  LANES  PER HOUR"), "{text}");
    assert!(text.contains("1    1         0-1    2.5 tUSD"), "{text}");
    assert!(
        text.lines().nth(2).unwrap().ends_with("its deadline has passed"),
        "{text}"
    );
}
