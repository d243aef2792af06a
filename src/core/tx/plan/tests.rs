//! What a nonce needs, case by case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::core::{
    time::Steady,
    tx::{
        Event,
        record::testing::{mined, record, version},
    },
};

const POLICY: FeePolicy = FeePolicy {
    max_fee_cap: 10_000,
    replace_after: Duration::from_secs(30),
    rebroadcast_after: Duration::from_secs(30),
};

fn at(seconds: u64) -> Now {
    Now {
        steady: Steady(Duration::from_secs(seconds)),
        ..Now::default()
    }
}

fn facts(head: u64, settled: u64, account_nonce: u64) -> ChainFacts {
    ChainFacts {
        heads: Some(Heads {
            number: head,
            hash: B256::with_last_byte(head as u8),
            time: ChainSeconds(head * 12),
            settled,
        }),
        account_nonce: Some(account_nonce),
        quote: Some(FeeQuote { base_fee: 10, tip: 1 }),
        ..ChainFacts::default()
    }
}

fn found(mut facts: ChainFacts, mined: Mined) -> ChainFacts {
    facts.receipts.insert(
        mined.hash,
        Lookup::Found(Inclusion {
            mined,
            is_canonical: true,
        }),
    );
    facts
}

fn absent(mut facts: ChainFacts, record: &Record) -> ChainFacts {
    for version in record.versions() {
        facts.receipts.insert(version.hash, Lookup::Absent);
    }
    facts
}

fn sent(hash: u8, head: u64, seconds: u64, result: Broadcast) -> Event {
    Event::Broadcast {
        hash: B256::repeat_byte(hash),
        result,
        head,
        at: at(seconds).steady,
    }
}

fn sending(events: impl IntoIterator<Item = Event>) -> Sending {
    events.into_iter().fold(Sending::default(), Sending::after)
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

#[test]
fn an_object_that_was_created_and_never_sent_is_sent_even_while_the_chain_is_unknown() {
    let work = plan(
        &record(5, 1),
        &Sending::default(),
        &ChainFacts::default(),
        &POLICY,
        at(0),
    );
    assert_eq!(work, [Work::Publish(hash(1))]);
}

#[test]
fn an_ambiguous_broadcast_counts_as_sent_and_is_repeated_only_with_the_rhythm_of_the_policy() {
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    let facts = facts(10, 5, 5);
    assert_eq!(plan(&record(5, 1), &memory, &facts, &POLICY, at(29)), []);
    assert_eq!(
        plan(&record(5, 1), &memory, &facts, &POLICY, at(30)),
        [Work::Publish(hash(1))],
        "the chain stands still at height 10: sent again, not raised"
    );
}

#[test]
fn what_nobody_took_is_tried_again_after_one_two_four_seconds_and_never_raised() {
    let facts = facts(20, 5, 5);
    for result in [Broadcast::Unreachable, Broadcast::InsufficientFunds] {
        let mut memory = sending([sent(1, 10, 0, result.clone())]);
        let mut clock = 0;
        let mut waiting = record(5, 1);
        waiting.stalled = (result == Broadcast::InsufficientFunds).then_some(Stall::InsufficientFunds);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(
                plan(&waiting, &memory, &facts, &POLICY, at(clock + pause - 1)),
                []
            );
            clock += pause;
            assert_eq!(
                plan(&waiting, &memory, &facts, &POLICY, at(clock)),
                [Work::Publish(hash(1))]
            );
            memory = memory.after(sent(1, 10, clock, result.clone()));
        }
    }
}

#[test]
fn a_lack_of_coin_becomes_a_condition_after_three_refusals_and_leaves_with_the_first_success() {
    let chain = facts(20, 5, 5);
    let refused = |times: u64| sending((0..times).map(|at| sent(1, 10, at, Broadcast::InsufficientFunds)));
    let mut poor = record(5, 1);
    assert_eq!(plan(&poor, &refused(2), &chain, &POLICY, at(2)), []);
    let stalled = Work::MarkStalled(Some(Stall::InsufficientFunds));
    assert_eq!(plan(&poor, &refused(3), &chain, &POLICY, at(2)), [stalled]);
    poor.stalled = Some(Stall::InsufficientFunds);
    assert_eq!(plan(&poor, &refused(3), &chain, &POLICY, at(2)), []);
    // A restart forgets the refusals, not the condition.
    assert_eq!(
        plan(&poor, &Sending::default(), &chain, &POLICY, at(9)),
        [Work::Publish(hash(1))]
    );
    let memory = refused(3).after(sent(1, 20, 9, Broadcast::Sent));
    assert_eq!(
        plan(&poor, &memory, &chain, &POLICY, at(9)),
        [Work::MarkStalled(None)]
    );
}

#[test]
fn only_the_next_in_line_is_raised_and_only_when_its_time_is_up() {
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    let raise = Work::Replace(Fees { max_fee: 110, tip: 2 });
    let chain = facts(12, 5, 5);
    assert_eq!(plan(&record(5, 1), &memory, &chain, &POLICY, at(30)), [raise]);
    assert_eq!(
        wanted(
            &record(5, 1),
            &memory,
            chain.heads.as_ref(),
            Some(5),
            &POLICY,
            at(30)
        )
        .fees,
        FeesWanted::Yes
    );
    // Nonce 6 waits for nonce 5.
    assert_eq!(
        plan(&record(6, 1), &memory, &chain, &POLICY, at(30)),
        [Work::Publish(hash(1))]
    );
    // Without a quote nothing is raised.
    let blind = ChainFacts { quote: None, ..chain };
    assert_eq!(
        plan(&record(5, 1), &memory, &blind, &POLICY, at(30)),
        [Work::Publish(hash(1))]
    );
}

#[test]
fn a_raise_beyond_the_cap_is_a_repetition() {
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    let policy = FeePolicy {
        max_fee_cap: 109,
        ..POLICY
    };
    assert_eq!(
        plan(&record(5, 1), &memory, &facts(12, 5, 5), &policy, at(30)),
        [Work::Publish(hash(1))]
    );
}

#[test]
fn a_new_version_is_sent_at_once_and_the_wait_starts_anew() {
    let mut raised = record(5, 1);
    raised.phase = Phase::Pending;
    raised.replacements = vec![version(2, 110)];
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    let chain = facts(12, 5, 5);
    assert_eq!(
        plan(&raised, &memory, &chain, &POLICY, at(31)),
        [Work::Publish(hash(2))]
    );
    let memory = memory.after(sent(2, 12, 31, Broadcast::Sent));
    let later = facts(13, 5, 5);
    assert_eq!(plan(&raised, &memory, &later, &POLICY, at(60)), []);
    assert!(matches!(
        plan(&raised, &memory, &later, &POLICY, at(61))[..],
        [Work::Replace(_)]
    ));
}

#[test]
fn once_the_chain_is_past_the_nonce_nothing_is_sent_or_raised() {
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    assert_eq!(
        plan(&record(5, 1), &memory, &facts(12, 5, 6), &POLICY, at(300)),
        [],
        "receipts unknown: wait"
    );
    assert_eq!(
        wanted(
            &record(5, 1),
            &memory,
            facts(12, 5, 6).heads.as_ref(),
            Some(6),
            &POLICY,
            at(300)
        ),
        Wanted {
            receipts: vec![hash(1)],
            fees: FeesWanted::No
        }
    );
}

#[test]
fn the_older_version_may_be_the_one_that_is_mined() {
    let mut raised = record(5, 1);
    raised.replacements = vec![version(2, 110)];
    let chain = found(absent(facts(12, 5, 6), &raised), mined(1, 11));
    assert_eq!(
        plan(&raised, &Sending::default(), &chain, &POLICY, at(0)),
        [Work::MarkMined(mined(1, 11))]
    );
}

#[test]
fn a_receipt_of_a_block_that_is_not_the_chains_counts_for_nothing() {
    let mut chain = facts(12, 11, 6);
    chain.receipts.insert(
        hash(1),
        Lookup::Found(Inclusion {
            mined: mined(1, 11),
            is_canonical: false,
        }),
    );
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    assert_eq!(plan(&record(5, 1), &memory, &chain, &POLICY, at(300)), []);
}

#[test]
fn a_settled_block_makes_it_final_or_failed() {
    let memory = Sending::default();
    let mut in_block = record(5, 1);
    in_block.phase = Phase::Mined;
    in_block.mined = Some(mined(1, 11));
    let chain = found(facts(40, 11, 6), mined(1, 11));
    assert_eq!(
        plan(&in_block, &memory, &chain, &POLICY, at(0)),
        [Work::MarkFinal(mined(1, 11))]
    );
    let reverted = Mined {
        succeeded: false,
        ..mined(1, 11)
    };
    let chain = found(facts(40, 11, 6), reverted.clone());
    assert_eq!(
        plan(&in_block, &memory, &chain, &POLICY, at(0)),
        [Work::MarkFailed(reverted)]
    );
}

#[test]
fn a_reorganized_transaction_is_sent_again_in_the_same_bytes() {
    let mut in_block = record(5, 1);
    in_block.phase = Phase::Mined;
    in_block.replacements = vec![version(2, 110)];
    in_block.mined = Some(mined(1, 11));
    assert_eq!(
        plan(&in_block, &Sending::default(), &facts(12, 5, 5), &POLICY, at(0)),
        [Work::MarkReorged, Work::Publish(hash(1))]
    );
    // An endpoint below the block proves nothing.
    assert_eq!(
        plan(&in_block, &Sending::default(), &facts(10, 5, 5), &POLICY, at(0)),
        []
    );
}

#[test]
fn a_transaction_that_moved_to_another_block_is_written_again_and_one_that_stayed_is_not() {
    let mut in_block = record(5, 1);
    in_block.phase = Phase::Mined;
    in_block.mined = Some(mined(1, 11));
    let memory = Sending::default();
    assert_eq!(
        wanted(
            &in_block,
            &memory,
            facts(26, 5, 6).heads.as_ref(),
            Some(6),
            &POLICY,
            at(0)
        ),
        Wanted::default()
    );
    assert_eq!(
        wanted(
            &in_block,
            &memory,
            facts(27, 5, 6).heads.as_ref(),
            Some(6),
            &POLICY,
            at(0)
        )
        .receipts,
        [hash(1)]
    );
    let moved = found(facts(27, 5, 6), mined(1, 13));
    assert_eq!(
        plan(&in_block, &memory, &moved, &POLICY, at(0)),
        [Work::MarkMined(mined(1, 13))]
    );
    let stayed = found(facts(27, 5, 6), mined(1, 11));
    assert_eq!(
        plan(&in_block, &memory, &stayed, &POLICY, at(0)),
        [Work::NoteChecked(27)]
    );
    let memory = memory.after(Event::Checked { block: 27 });
    assert_eq!(plan(&in_block, &memory, &stayed, &POLICY, at(0)), []);
}

#[test]
fn a_nonce_another_transaction_took_is_given_up_only_when_that_is_settled() {
    let mut memory = sending([sent(1, 10, 0, Broadcast::NonceTooLow)]);
    let lost = record(5, 1);
    let chain = absent(facts(20, 12, 6), &lost);
    assert_eq!(
        plan(&lost, &memory, &chain, &POLICY, at(0)),
        [Work::NoteTaken(20)]
    );
    memory = memory.after(Event::Taken { block: 20 });
    assert_eq!(
        plan(&lost, &memory, &absent(facts(30, 19, 6), &lost), &POLICY, at(0)),
        []
    );
    assert_eq!(
        plan(&lost, &memory, &absent(facts(40, 20, 6), &lost), &POLICY, at(0)),
        [Work::MarkAbandoned]
    );
    // Unless the chain gives the nonce back before.
    assert_eq!(
        plan(&lost, &memory, &facts(40, 20, 5), &POLICY, at(30)),
        [Work::NoteFree, Work::Publish(hash(1))]
    );
}

#[test]
fn while_a_stranger_uses_the_key_nothing_is_sent_or_signed() {
    let memory = sending([sent(1, 10, 0, Broadcast::Sent)]);
    let chain = ChainFacts {
        key: KeyUse::Foreign,
        ..facts(12, 5, 5)
    };
    assert_eq!(plan(&record(5, 1), &memory, &chain, &POLICY, at(30)), []);
    assert_eq!(
        plan(&record(5, 1), &Sending::default(), &chain, &POLICY, at(30)),
        []
    );
}
