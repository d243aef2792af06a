//! Endpoints asked about leases that the followed chain calls over, as clients give their answers, through a mocked transport.

#![allow(clippy::unwrap_used)]
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::{
    primitives::{B256, Bloom, Bytes, U64},
    providers::mock::Asserter,
    rpc::client::RpcClient,
    sol_types::SolCall,
};
use serde_json::json;

use super::*;
use crate::chain_io::bindings::IDisputeCourt;
use crate::core::{
    book::{BookEvent, CloseKind, fixtures::*},
    ids::ChainId,
    view::{ChainView, FinalClosure, SeenOpening, fixtures::*},
};

const CHAIN: u64 = 31_337;

/// The finalized block of the followed chain.
const FINAL: u64 = 20;

struct Court {
    witnesses: Witnesses,
    endpoints: Vec<Asserter>,
    rung: Arc<AtomicUsize>,
}

fn court_of(names: &[&'static str], settle: Settle) -> Court {
    let endpoints: Vec<Asserter> = names.iter().map(|_| Asserter::new()).collect();
    let clients = names
        .iter()
        .zip(&endpoints)
        .map(|(name, asserter)| (*name, RpcClient::mocked(asserter.clone())))
        .collect();
    let over = Endpoints::over(ChainId(CHAIN), clients, Duration::from_millis(200));
    let bench = Bench {
        lease_book: Address::repeat_byte(0xb0),
        court: Some(Address::repeat_byte(0xc0)),
        settle,
    };
    let rung = Arc::new(AtomicUsize::new(0));
    let bell = Arc::clone(&rung);
    let news = move || {
        bell.fetch_add(1, Ordering::SeqCst);
    };
    Court {
        witnesses: Witnesses::new(&over, bench, news),
        endpoints,
        rung,
    }
}

fn two() -> Court {
    let court = court_of(&["a", "b"], Settle::Finalized);
    for endpoint in &court.endpoints {
        endpoint.push_success(&U64::from(CHAIN));
    }
    court
}

fn header(number: u64) -> serde_json::Value {
    json!({
        "number": U64::from(number), "hash": B256::with_last_byte(7), "parentHash": B256::ZERO,
        "timestamp": U64::from(at(number).time.0), "logsBloom": Bloom::ZERO,
    })
}

/// The lane's newest lease as the contract shows it.
fn lane(generation: u32, state: u8, stop_at: u32) -> Bytes {
    let view = LeaseBook::LeaseView {
        id: id(0, generation).to_u96(),
        state,
        stopBy: 0,
        feeSteps: 0,
        token: 0,
        laneBase: 0,
        settled: 0,
        startAt: 0,
        stopAt: stop_at,
        ratePerHour: Default::default(),
        balance: 0,
        termsHash: key().terms.0,
        openedAt: 0,
        lane: 0,
    };
    LeaseBook::leaseAtCall::abi_encode_returns(&view).into()
}

const LIVE: u8 = 2;
const CLOSED: u8 = LEASE_CLOSED;

fn key() -> LeaseKey {
    terms(id(0, 1), order_hash(1)).key().unwrap()
}

/// A followed chain on which the lease is closed for good.
fn shows_a_closure() -> ChainView {
    let events: Vec<BookEvent> = vec![
        registered(),
        posted(1, 3_000),
        opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
        started(id(0, 1), 1_000, 0),
        closed(id(0, 1), CloseKind::Agreed, 5),
    ];
    fresh(snapshot(FINAL, &events))
}

fn proof(court: &Court) -> Option<FinalClosure> {
    let claim = shows_a_closure().final_closure(&key()).unwrap();
    let hearing = court.witnesses.hear(claim.question());
    claim.borne_out(&hearing)
}

/// Lets whatever was asked be answered, on a clock that only moves when all wait.
async fn answered() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn left(court: &Court, index: usize) -> usize {
    court
        .endpoints
        .get(index)
        .map_or(0, |asserter| asserter.read_q().len())
}

#[tokio::test(start_paused = true)]
async fn where_one_endpoint_is_configured_its_word_is_a_proof_and_nobody_is_asked() {
    let court = court_of(&["only"], Settle::Finalized);
    assert_eq!(proof(&court).unwrap().key(), &key());
    answered().await;
    assert!(court.witnesses.unheard().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lone_liar_of_two_shows_a_finalized_closure_and_nothing_may_be_destroyed() {
    let court = two();
    court.endpoints[0].push_success(&header(FINAL));
    court.endpoints[0].push_success(&lane(1, CLOSED, 0));
    court.endpoints[1].push_success(&header(FINAL));
    court.endpoints[1].push_success(&lane(1, LIVE, 9_000));
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_none());
    let unheard = court.witnesses.unheard().unwrap();
    assert_eq!(
        (unheard.lease, unheard.denied_by),
        (id(0, 1), vec!["b".to_owned()])
    );
    assert_eq!(
        court.rung.load(Ordering::SeqCst),
        0,
        "what helps nobody wakes nobody"
    );
}

#[tokio::test(start_paused = true)]
async fn what_both_call_over_at_their_own_final_blocks_is_proven_and_asked_once() {
    let court = two();
    for endpoint in &court.endpoints {
        endpoint.push_success(&header(FINAL + 3));
        endpoint.push_success(&lane(1, CLOSED, 0));
        endpoint.push_failure_msg("asked again");
    }
    assert!(proof(&court).is_none());
    answered().await;
    assert_eq!(court.rung.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        assert_eq!(proof(&court).unwrap().key(), &key());
        tokio::time::sleep(AGAIN * 2).await;
    }
    assert_eq!((left(&court, 0), left(&court, 1)), (1, 1));
    assert!(court.witnesses.unheard().is_none());
}

#[tokio::test(start_paused = true)]
async fn while_the_second_is_down_deleting_waits_and_it_comes_once_that_one_answers() {
    let court = two();
    court.endpoints[0].push_success(&header(FINAL));
    court.endpoints[0].push_success(&lane(1, CLOSED, 0));
    court.endpoints[1].push_failure_msg("connection refused");
    assert!(proof(&court).is_none());
    answered().await;
    // Back, and asked again only after a while.
    court.endpoints[1].push_success(&header(FINAL));
    court.endpoints[1].push_success(&lane(1, CLOSED, 0));
    for _ in 0..3 {
        assert!(proof(&court).is_none());
        answered().await;
    }
    assert_eq!(left(&court, 1), 2);
    let unheard = court.witnesses.unheard().unwrap();
    assert!(unheard.waits >= Duration::from_secs(4) && unheard.denied_by.is_empty());
    tokio::time::sleep(AGAIN).await;
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_some());
}

#[tokio::test(start_paused = true)]
async fn one_that_lags_contradicts_nobody_and_bears_it_out_when_it_has_caught_up() {
    let court = two();
    court.endpoints[0].push_success(&header(FINAL));
    court.endpoints[0].push_success(&lane(1, CLOSED, 0));
    court.endpoints[1].push_success(&header(FINAL - 1));
    court.endpoints[1].push_success(&lane(1, LIVE, 9_000));
    assert!(proof(&court).is_none());
    answered().await;
    assert!(court.witnesses.unheard().unwrap().denied_by.is_empty());
    court.endpoints[1].push_success(&header(FINAL + 1));
    court.endpoints[1].push_success(&lane(1, CLOSED, 0));
    tokio::time::sleep(AGAIN).await;
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_some());
}

#[tokio::test(start_paused = true)]
async fn of_three_two_that_answer_are_enough_whichever_is_followed() {
    let court = court_of(&["silent", "b", "c"], Settle::Finalized);
    court.endpoints[0].push_failure_msg("connection refused");
    for endpoint in &court.endpoints[1..] {
        endpoint.push_success(&U64::from(CHAIN));
        endpoint.push_success(&header(FINAL));
        endpoint.push_success(&lane(2, LIVE, 9_000));
    }
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_some(), "the lane has gone on");
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_another_lane_counts_as_none() {
    let court = two();
    for endpoint in &court.endpoints {
        endpoint.push_success(&header(FINAL));
        let mut other = LeaseBook::leaseAtCall::abi_decode_returns(&lane(1, CLOSED, 0)).unwrap();
        other.id = id(5, 1).to_u96();
        endpoint.push_success(&Bytes::from(LeaseBook::leaseAtCall::abi_encode_returns(&other)));
    }
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_none());
    assert_eq!((left(&court, 0), left(&court, 1)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn where_a_market_settles_by_depth_each_endpoint_is_asked_that_far_below_its_own_newest_block() {
    let court = court_of(&["a", "b"], Settle::Depth(5));
    for (endpoint, newest) in court.endpoints.iter().zip([FINAL + 5, FINAL + 9]) {
        endpoint.push_success(&U64::from(CHAIN));
        endpoint.push_success(&header(newest));
        endpoint.push_success(&header(newest - 5));
        endpoint.push_success(&lane(1, CLOSED, 0));
    }
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_opening_is_gone_when_two_say_that_its_order_was_cancelled() {
    let court = two();
    let none = LeaseBook::LeaseView {
        id: Default::default(),
        termsHash: B256::ZERO,
        ..LeaseBook::leaseAtCall::abi_decode_returns(&lane(1, LIVE, 0)).unwrap()
    };
    for endpoint in &court.endpoints {
        endpoint.push_success(&header(FINAL));
        endpoint.push_success(&Bytes::from(LeaseBook::leaseAtCall::abi_encode_returns(&none)));
        endpoint.push_success(&Bytes::from(LeaseBook::orderOfCall::abi_encode_returns(
            &LeaseBook::orderOfReturn {
                state: ORDER_CANCELLED,
                amount: 0,
                token: 0,
                expiry: 3_000,
                postedAt: 1,
            },
        )));
    }
    let events = [registered(), posted(1, 3_000), order_cancelled(1)];
    let seen = SeenOpening {
        block: 10,
        order: Some(order_hash(1)),
        order_expiry: ChainSeconds(3_000),
    };
    let gone = || {
        let claim = fresh(snapshot(FINAL, &events))
            .final_absence(&key(), seen)
            .unwrap();
        let hearing = court.witnesses.hear(claim.question());
        claim.borne_out(&hearing)
    };
    assert!(gone().is_none());
    answered().await;
    assert!(gone().is_some());
}

#[tokio::test(start_paused = true)]
async fn statements_are_kept_while_one_of_two_knows_of_an_open_dispute() {
    let court = two();
    let dispute = |phase| {
        let told = IDisputeCourt::Dispute {
            phase,
            ..Default::default()
        };
        Bytes::from(DisputeCourt::disputeOfCall::abi_encode_returns(&told))
    };
    for (endpoint, phase) in court.endpoints.iter().zip([DISPUTE_NONE, 1]) {
        endpoint.push_success(&header(FINAL));
        endpoint.push_success(&lane(1, CLOSED, 0));
        endpoint.push_success(&dispute(phase));
    }
    let spent = || {
        let claim = shows_a_closure().uncontestable(&key(), 100).unwrap();
        let hearing = court.witnesses.hear(claim.question());
        claim.borne_out(&hearing)
    };
    assert!(spent().is_none());
    answered().await;
    assert!(spent().is_none());
    assert!(
        court.witnesses.unheard().is_none(),
        "what is kept longer alarms nobody"
    );
    // Its namespace may go meanwhile: both call it closed.
    assert!(proof(&court).is_some());
    court.endpoints[1].push_success(&header(FINAL + 1));
    court.endpoints[1].push_success(&lane(1, CLOSED, 0));
    court.endpoints[1].push_success(&dispute(DISPUTE_ENDED));
    tokio::time::sleep(AGAIN).await;
    assert!(spent().is_none());
    answered().await;
    assert!(spent().is_some());
}

/// An endpoint that keeps the state of its newest blocks alone: the lease is closed there since `newest`.
fn forgets(endpoint: &Asserter, newest: &serde_json::Value) {
    endpoint.push_success(&header(FINAL));
    endpoint.push_failure_msg("missing trie node");
    endpoint.push_success(newest);
    endpoint.push_success(&lane(1, CLOSED, 0));
}

#[tokio::test(start_paused = true)]
async fn one_without_the_state_of_its_final_block_is_heard_once_it_calls_the_block_final_that_it_knows() {
    let court = two();
    court.endpoints[0].push_success(&header(FINAL));
    court.endpoints[0].push_success(&lane(1, CLOSED, 0));
    let second = &court.endpoints[1];
    forgets(second, &header(FINAL + 90));
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_none(), "not final there");
    second.push_success(&header(FINAL + 89));
    tokio::time::sleep(RIPENS).await;
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_none(), "not final there yet");
    second.push_failure_msg("a bad minute");
    tokio::time::sleep(RIPENS).await;
    assert!(proof(&court).is_none());
    answered().await;
    second.push_success(&header(FINAL + 91));
    second.push_success(&header(FINAL + 90));
    tokio::time::sleep(RIPENS).await;
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_some());
    assert_eq!(left(&court, 1), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_in_a_block_that_a_reorganisation_took_counts_for_nothing() {
    let court = two();
    court.endpoints[0].push_success(&header(FINAL));
    court.endpoints[0].push_success(&lane(1, CLOSED, 0));
    let second = &court.endpoints[1];
    let mut taken = header(FINAL + 90);
    taken["hash"] = json!(B256::with_last_byte(8));
    forgets(second, &taken);
    assert!(proof(&court).is_none());
    answered().await;
    // Final there by now is another block, in which the lease lives.
    second.push_success(&header(FINAL + 95));
    second.push_success(&header(FINAL + 90));
    second.push_success(&lane(1, LIVE, 9_000));
    tokio::time::sleep(RIPENS).await;
    assert!(proof(&court).is_none());
    answered().await;
    assert!(proof(&court).is_none());
    assert_eq!(court.witnesses.unheard().unwrap().denied_by, ["b"]);
    // Nobody is told of a lease for long that the followed chain no longer calls over.
    tokio::time::sleep(STILL_ASKED).await;
    assert!(court.witnesses.unheard().is_none());
}
