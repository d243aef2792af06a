//! Events for tests: a small market that the real contract could have told, and random ones that it could not.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256, aliases::U48};
use proptest::prelude::*;

use super::*;
use crate::core::{
    documents::{order::Order, terms::Terms},
    money::MicroUnits,
};

pub(crate) const PROVIDER: ProviderId = ProviderId(1);
pub(crate) const TENANT: Address = Address::repeat_byte(0x11);
/// 2.5 a hour.
pub(crate) const RATE: u64 = 2_500_000;

pub(crate) fn at(block: u64) -> Moment {
    Moment {
        block,
        time: ChainSeconds(1_000 + block * 2),
    }
}

pub(crate) fn windows() -> Windows {
    Windows {
        final_reports: 10,
        vest_epoch: 20,
    }
}

pub(crate) fn id(lane: u32, generation: u32) -> LeaseId {
    LeaseId {
        provider: PROVIDER,
        lane: Lane(lane),
        generation: Generation::new(generation).unwrap(),
    }
}

pub(crate) fn order_hash(number: u8) -> OrderHash {
    OrderHash(B256::repeat_byte(number))
}

pub(crate) fn order(expiry: u32) -> Order {
    Order {
        tenant: TENANT,
        agent: Address::ZERO,
        refundTo: TENANT,
        form: 0,
        token: 0,
        flags: 0,
        lots: 1,
        startRate: U48::ZERO,
        maxRate: U48::from(3_000_000_u64),
        climb: 0,
        deposit: 5_000_000,
        minDuration: 60,
        maxDuration: 3600,
        minCommit: 0,
        earlyFeeBps: 0,
        notice: 0,
        grace: 0,
        startWindow: 60,
        minBond: 0,
        minSignedPaid: 0,
        expiry,
        slaPolicy: B256::ZERO,
        needsHash: B256::ZERO,
        manifestHash: B256::ZERO,
        eligible: B256::ZERO,
        endpointHash: B256::ZERO,
        salt: B256::ZERO,
    }
}

pub(crate) fn registered() -> BookEvent {
    BookEvent::ProviderRegistered {
        provider: PROVIDER,
        owner: Address::repeat_byte(1),
        payout: Address::repeat_byte(2),
    }
}

pub(crate) fn posted(number: u8, expiry: u32) -> BookEvent {
    BookEvent::OrderPosted {
        hash: order_hash(number),
        order: Arc::new(order(expiry)),
        needs: Bytes::from_static(b"{}"),
        endpoint: String::new(),
    }
}

pub(crate) fn order_cancelled(number: u8) -> BookEvent {
    BookEvent::OrderCancelled {
        hash: order_hash(number),
        refund: Refund::Pushed(MicroUnits(0)),
    }
}

pub(crate) fn terms(id: LeaseId, order: OrderHash) -> Terms {
    Terms {
        id: id.to_u96(),
        orderHash: order.0,
        tenant: TENANT,
        agent: Address::ZERO,
        refundTo: TENANT,
        token: 0,
        flags: 0,
        feeSteps: 0,
        ratePerHour: U48::from(RATE),
        bond: 0,
        liability: 0,
        maxDuration: 3600,
        minCommit: 0,
        earlyFeeBps: 0,
        notice: 0,
        grace: 0,
        slaPolicy: B256::ZERO,
        needsHash: B256::ZERO,
        manifestHash: B256::ZERO,
    }
}

pub(crate) fn opened(id: LeaseId, order: OrderHash, deposit: u64, stop_at: u64) -> BookEvent {
    BookEvent::LeaseOpened {
        id,
        deposit: MicroUnits(deposit),
        holdback: MicroUnits::ZERO,
        stop_at: ChainSeconds(stop_at),
        terms: Arc::new(terms(id, order)),
    }
}

pub(crate) fn started(id: LeaseId, start_at: u64, lane_base: u32) -> BookEvent {
    BookEvent::LeaseStarted {
        id,
        start_at: ChainSeconds(start_at),
        stop_at: ChainSeconds(start_at + 3600),
        lane_base,
        bindings: B256::ZERO,
    }
}

pub(crate) fn amended(next: Terms, start_at: u64, lane_base: u32) -> BookEvent {
    BookEvent::Amended {
        id: next.lease().unwrap_or(id(0, 1)),
        cum: 0,
        paid: MicroUnits::ZERO,
        start_at: ChainSeconds(start_at),
        stop_at: ChainSeconds(start_at + u64::from(next.maxDuration)),
        lane_base,
        balance: MicroUnits(4_000_000),
        holdback: MicroUnits::ZERO,
        terms: Arc::new(next),
    }
}

pub(crate) fn usage(lane: u32, seconds: u32) -> BookEvent {
    BookEvent::Usage {
        provider: PROVIDER,
        first_word: lane / 8,
        as_of: ChainSeconds(0),
        root: B256::ZERO,
        words: vec![U256::from(seconds) << (32 * (lane % 8))],
    }
}

pub(crate) fn closed(id: LeaseId, kind: CloseKind, cum: u32) -> BookEvent {
    BookEvent::Closed {
        id,
        kind,
        cum,
        paid: MicroUnits(0),
        early_fee: MicroUnits(0),
        fee: MicroUnits(0),
        refund: Refund::Pushed(MicroUnits(0)),
    }
}

pub(crate) fn declined(id: LeaseId) -> BookEvent {
    BookEvent::LeaseDeclined {
        id,
        reason: 4000,
        burn: MicroUnits(0),
        refund: Refund::Pushed(MicroUnits(0)),
    }
}

/// Any event at all, also such as no contract would tell.
pub(crate) fn any_event() -> impl Strategy<Value = BookEvent> {
    let lane = 0..3_u32;
    let lease = (0..3_u32, 1..4_u32).prop_map(|(lane, generation)| id(lane, generation));
    prop_oneof![
        Just(registered()),
        (1..5_u8, 0..3_000_u32).prop_map(|(number, expiry)| posted(number, expiry)),
        (1..5_u8).prop_map(|number| BookEvent::OrderCancelled {
            hash: order_hash(number),
            refund: Refund::Pushed(MicroUnits(1)),
        }),
        (lease.clone(), 1..5_u8, any::<u64>(), 0..3_000_u64).prop_map(|(id, order, deposit, stop)| opened(
            id,
            order_hash(order),
            deposit,
            stop
        )),
        (lease.clone(), 0..3_000_u64, 0..100_u32).prop_map(|(id, start, base)| started(id, start, base)),
        (lane.clone(), any::<u32>()).prop_map(|(lane, seconds)| usage(lane, seconds)),
        (any::<u32>(), any::<[u8; 32]>()).prop_map(|(first_word, word)| BookEvent::Usage {
            provider: PROVIDER,
            first_word,
            as_of: ChainSeconds(0),
            root: B256::ZERO,
            words: vec![U256::from_be_bytes(word); 2],
        }),
        (lane, any::<u32>(), any::<u64>()).prop_map(|(lane, settled, paid)| BookEvent::Settled {
            provider: PROVIDER,
            rows: vec![SettledRow {
                lane: Lane(lane),
                settled,
                paid: MicroUnits(paid),
            }],
        }),
        (lease.clone(), 0..3_000_u64).prop_map(|(id, stop)| BookEvent::Stopped {
            id,
            by: StopBy::TenantOrFunds,
            reason: 1000,
            stop_at: ChainSeconds(stop),
        }),
        lease.clone().prop_map(declined),
        (lease.clone(), any::<u32>()).prop_map(|(id, cum)| closed(id, CloseKind::Finalized, cum)),
        (lease, any::<u64>()).prop_map(|(id, amount)| BookEvent::Compensated {
            id,
            amount: MicroUnits(amount),
        }),
        (any::<u128>(), any::<u128>()).prop_map(|(gross, fee)| BookEvent::Earned {
            provider: PROVIDER,
            token: 0,
            gross,
            fee,
            vesting: Vesting::Vests,
        }),
        any::<u64>().prop_map(|amount| BookEvent::BondReleased {
            provider: PROVIDER,
            token: 0,
            amount: MicroUnits(amount),
            burned: MicroUnits(amount),
        }),
        any_dispute().prop_map(BookEvent::Dispute),
        Just(BookEvent::Unreadable {
            reason: "test".into()
        }),
    ]
}

pub(crate) fn frozen(id: LeaseId, amount: u64) -> DisputeEvent {
    DisputeEvent::Frozen {
        id,
        amount: MicroUnits(amount),
        until: ChainSeconds(9_000),
    }
}

pub(crate) fn reserved(id: LeaseId, amount: u64) -> DisputeEvent {
    DisputeEvent::Reserved {
        id,
        slot: COURT_SLOT,
        slasher: Address::repeat_byte(0xc0),
        amount: MicroUnits(amount),
        until: ChainSeconds(9_000),
    }
}

/// 100 s of a lease, with a bond of one and an hour to answer.
pub(crate) fn contested(id: LeaseId, frozen: u64, reserved: u64) -> DisputeEvent {
    DisputeEvent::Contested {
        id,
        contester: TENANT,
        from_cum: 200,
        to_cum: 300,
        amount: MicroUnits(69_444),
        frozen: MicroUnits(frozen),
        reserved: MicroUnits(reserved),
        bond: MicroUnits(1_000_000),
        answer_by: ChainSeconds(4_600),
        statement: B256::ZERO,
    }
}

pub(crate) fn answered(id: LeaseId) -> DisputeEvent {
    DisputeEvent::Answered {
        id,
        answerer: Address::repeat_byte(0xd0),
        cum: 300,
        as_of: ChainSeconds(1_400),
        root: B256::ZERO,
        ruling_by: ChainSeconds(5_000),
    }
}

pub(crate) fn ruled(id: LeaseId, award: u64, refund: u64, burn: u64) -> DisputeEvent {
    DisputeEvent::Ruled {
        id,
        arbiter: Address::repeat_byte(0xab),
        award: MicroUnits(award),
        refund: MicroUnits(refund),
        burn: MicroUnits(burn),
        veto_by: ChainSeconds(6_000),
        reasons: B256::ZERO,
    }
}

pub(crate) fn ended(id: LeaseId, outcome: Outcome) -> DisputeEvent {
    DisputeEvent::Ended {
        id,
        outcome,
        awarded: MicroUnits(0),
        refunded: MicroUnits(0),
        burnt: MicroUnits(0),
    }
}

fn any_dispute() -> impl Strategy<Value = DisputeEvent> {
    let lease = (0..3_u32, 1..4_u32).prop_map(|(lane, generation)| id(lane, generation));
    (lease, 0..9_u8, any::<u64>(), any::<u64>()).prop_map(|(id, which, one, two)| match which {
        0 => frozen(id, one),
        1 => DisputeEvent::FreezeEnded {
            id,
            to_tenant: MicroUnits(one),
            to_provider: MicroUnits(two),
        },
        2 => reserved(id, one),
        3 => DisputeEvent::Unreserved { id, slot: COURT_SLOT },
        4 => DisputeEvent::Slashed {
            id,
            slot: COURT_SLOT,
            token: 0,
            refunded: MicroUnits(one),
            burned: MicroUnits(two),
        },
        5 => contested(id, one, two),
        6 => answered(id),
        7 => ruled(id, one, two, 0),
        _ => ended(id, Outcome::Lapsed),
    })
}
