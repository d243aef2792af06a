//! No second is agreed to that cannot have passed, and bills add up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use alloy::primitives::{Address, B256, Bytes, aliases::U48};
use proptest::prelude::*;

use super::*;
use crate::core::{
    book::{CloseKind, Moment, Refund},
    documents::{exchange::CloseOffer, terms::Terms},
    ids::{Generation, Lane, ProviderId},
    money::{MicroUnits, RatePerHour},
    time::ChainSeconds,
};

/// A lease of an hour at 3.6 an hour, started at 1000 on a lane that stood at 100.
pub(in crate::cli) fn running() -> LeaseState {
    let id = LeaseId {
        provider: ProviderId(1),
        lane: Lane(0),
        generation: Generation::new(1).unwrap(),
    };
    let terms = Terms {
        id: id.to_u96(),
        orderHash: B256::repeat_byte(1),
        tenant: Address::repeat_byte(1),
        agent: Address::ZERO,
        refundTo: Address::repeat_byte(1),
        token: 0,
        flags: 0,
        feeSteps: 25,
        ratePerHour: U48::from(3_600_000_u64),
        bond: 0,
        liability: 0,
        maxDuration: 3_600,
        minCommit: 0,
        earlyFeeBps: 0,
        notice: 0,
        grace: 10,
        slaPolicy: B256::ZERO,
        needsHash: B256::ZERO,
        manifestHash: B256::ZERO,
    };
    LeaseState {
        key: terms.key().unwrap(),
        terms: terms.into(),
        order: None,
        opened: at(1),
        deposit: MicroUnits(1_000_000),
        holdback: MicroUnits(10_000),
        balance: MicroUnits(990_000),
        rate: RatePerHour::new(3_600_000).unwrap(),
        stored: StoredPhase::Live,
        start_at: ChainSeconds(1_000),
        stop_at: ChainSeconds(4_600),
        lane_base: 100,
        settled: 0,
        paid: MicroUnits::ZERO,
        waivers: 0,
        bindings: B256::ZERO,
        stop: None,
        compensated: MicroUnits::ZERO,
        ending: None,
    }
}

fn at(block: u64) -> Moment {
    Moment {
        block,
        time: ChainSeconds(1_000),
    }
}

fn offer(cum: u32) -> CloseOffer {
    let key = running().key;
    CloseOffer {
        lease_id: key.id,
        terms_hash: key.terms,
        cum,
        deadline: 2_000,
        signature: Bytes::new(),
    }
}

fn ended(paid: u64, refund: u64) -> LeaseState {
    LeaseState {
        stored: StoredPhase::Closed,
        ending: Some(Ending::Ran {
            kind: CloseKind::Agreed,
            cum: 30,
            paid: MicroUnits(paid),
            early_fee: MicroUnits::ZERO,
            refund: Refund::Pushed(MicroUnits(refund)),
            at: at(2),
        }),
        ..running()
    }
}

#[test]
fn no_more_seconds_are_agreed_to_than_can_have_passed() {
    let lease = running();
    assert_eq!(elapsed(&lease, ChainSeconds(1_050)), 50);
    assert_eq!(elapsed(&lease, ChainSeconds(9_999)), 3_600);
    assert_eq!(check(&offer(50), &lease.key, 50), Ok(()));
    let told = check(&offer(51), &lease.key, 50).unwrap_err();
    assert!(told.contains("51 s") && told.contains("--stop"), "{told}");
}

#[test]
fn a_lease_that_never_started_owes_nothing() {
    let lease = LeaseState {
        stored: StoredPhase::Pending,
        ..running()
    };
    assert_eq!(elapsed(&lease, ChainSeconds(5_000)), 0);
    assert!(check(&offer(1), &lease.key, 0).is_err());
}

#[test]
fn a_signature_for_another_lease_or_other_terms_is_not_used() {
    let other = CloseOffer {
        terms_hash: crate::core::ids::TermsHash(B256::ZERO),
        ..offer(1)
    };
    assert!(
        check(&other, &running().key, 50)
            .unwrap_err()
            .contains("another lease")
    );
}

#[test]
fn a_bill_adds_up_to_the_last_micro_unit_or_says_that_it_does_not() {
    let bill_of = |after: LeaseState| bill(&running(), &after, Some(MicroUnits(750))).unwrap();
    let right = bill_of(ended(30_000, 970_000));
    assert!(right.balanced);
    assert_eq!(
        (right.seconds, right.rent, right.refund, right.escrow),
        (30, MicroUnits(30_000), MicroUnits(970_000), MicroUnits(1_000_000))
    );
    assert!(!bill_of(ended(30_000, 969_999)).balanced);
    assert_eq!(bill(&running(), &running(), None), None);
}

proptest! {
    #[test]
    fn no_amounts_make_a_bill_panic(balance: u64, holdback: u64, before: u64, paid: u64, refund: u64) {
        let lease = LeaseState {
            balance: MicroUnits(balance), holdback: MicroUnits(holdback), paid: MicroUnits(before), ..running()
        };
        let shown = bill(&lease, &ended(paid, refund), None).unwrap();
        let sum = u128::from(paid) + u128::from(refund);
        prop_assert_eq!(shown.balanced, sum == u128::from(balance) + u128::from(holdback) + u128::from(before));
    }
}
