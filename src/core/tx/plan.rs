//! The one place that decides what a nonce still needs: send, raise, mark mined, take back, settle, give up. May not assume:
//! what was not looked up is unknown, and unknown never marks, gives up or raises anything.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::B256;

use super::{Broadcast, FeePolicy, FeeQuote, Fees, Mined, Phase, Record, Sending, Stall, replacement_fees};
use crate::core::time::{ChainSeconds, Now};

/// How many blocks may pass between two looks at the block of a mined transaction. A nonce that falls back is noticed at once
/// and at no cost; this finds one that moved to another block.
const RECHECK_BLOCKS: u64 = 16;
/// The first pause after a broadcast nobody took; doubled up to the policy's `rebroadcast_after`.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How many refusals in a row make a condition of it: the first ones may be an endpoint that lags.
const STALL_AFTER: u32 = 3;
/// How many replacements a status holds (`ComputeTransaction.status.versions`); 1.1^32 is a raise of twentyfold.
const MAX_REPLACEMENTS: usize = 32;

/// The chain's newest block and how far it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Height of the newest block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time.
    pub time: ChainSeconds,
    /// Height of the newest block at the market's settle tag: what is at or below it never changes.
    pub settled: u64,
}

/// A version found in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Where.
    pub mined: Mined,
    /// Whether the chain's block at that height is the receipt's block. Only then does the receipt count.
    pub is_canonical: bool,
}

/// The answer to one receipt look-up. A hash without an answer is not in the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Every endpoint that answered has no receipt.
    Absent,
    /// Found.
    Found(Inclusion),
}

/// What was observed for one record in one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainFacts {
    /// None while the chain is unknown.
    pub heads: Option<Heads>,
    /// The key's next nonce at that newest block.
    pub account_nonce: Option<u64>,
    /// Receipts asked for by [`wanted`].
    pub receipts: BTreeMap<B256, Lookup>,
    /// What the chain asks for gas, if [`wanted`] wanted it.
    pub quote: Option<FeeQuote>,
    /// Whether the key is ours alone.
    pub key: KeyUse,
}

/// Whether a wallet may send and sign (see [`super::judge_nonce`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyUse {
    /// It may.
    #[default]
    Ours,
    /// A stranger uses the key: what is on its way is watched to its end, nothing is sent or signed.
    Foreign,
}

/// What a pass should look up before it plans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Hashes whose receipts decide something now.
    pub receipts: Vec<B256>,
    /// Whether a raise is due and needs the chain's prices.
    pub fees: FeesWanted,
}

/// Whether the chain's prices are needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FeesWanted {
    /// No.
    #[default]
    No,
    /// A raise is due.
    Yes,
}

/// One thing to do for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Send the version with this hash to every endpoint.
    Publish(B256),
    /// Sign the same nonce, call and gas limit with these fees, write the version into status, then send it.
    Replace(Fees),
    /// Write status: in a block.
    MarkMined(Mined),
    /// Write status: no longer in a block; forget what was remembered of earlier broadcasts.
    MarkReorged,
    /// Write status: in a final block, succeeded.
    MarkFinal(Mined),
    /// Write status: in a final block, reverted.
    MarkFailed(Mined),
    /// Write status: another transaction has the nonce for good. The wallet's key has a second user.
    MarkAbandoned,
    /// Write status: what it waits for, or that it waits for nothing any more.
    MarkStalled(Option<Stall>),
    /// Remember that the nonce is used by none of our versions since this height.
    NoteTaken(u64),
    /// Remember that the nonce is free again.
    NoteFree,
    /// Remember that a mined version was looked up at this height.
    NoteChecked(u64),
}

/// What [`plan`] needs to know of this record.
#[must_use]
pub fn wanted(
    record: &Record,
    sending: &Sending,
    heads: Option<&Heads>,
    account_nonce: Option<u64>,
    policy: &FeePolicy,
    now: Now,
) -> Wanted {
    let (Some(heads), Some(account_nonce)) = (heads, account_nonce) else {
        return Wanted::default();
    };
    let passed = account_nonce > record.nonce;
    let all = || record.versions().map(|version| version.hash).collect();
    match record.phase {
        Phase::Final | Phase::Failed | Phase::Abandoned => Wanted::default(),
        Phase::Created | Phase::Pending if passed => Wanted {
            receipts: all(),
            fees: FeesWanted::No,
        },
        Phase::Created | Phase::Pending => Wanted {
            receipts: Vec::new(),
            fees: if raise_is_due(record, sending, heads, account_nonce, policy, now) {
                FeesWanted::Yes
            } else {
                FeesWanted::No
            },
        },
        Phase::Mined if passed && look_is_due(record, sending, heads) => Wanted {
            receipts: all(),
            fees: FeesWanted::No,
        },
        Phase::Mined => Wanted::default(),
    }
}

/// What to do for this record now, in this order. Doing it and planning again with the same facts plans nothing.
#[must_use]
pub fn plan(
    record: &Record,
    sending: &Sending,
    facts: &ChainFacts,
    policy: &FeePolicy,
    now: Now,
) -> Vec<Work> {
    let mut work = match record.phase {
        Phase::Final | Phase::Failed | Phase::Abandoned => Vec::new(),
        Phase::Created | Phase::Pending => plan_unmined(record, sending, facts, policy, now),
        Phase::Mined => plan_mined(record, sending, facts),
    };
    match facts.key {
        KeyUse::Ours => {}
        KeyUse::Foreign => work.retain(|item| !matches!(item, Work::Publish(_) | Work::Replace(_))),
    }
    work
}

fn plan_unmined(
    record: &Record,
    sending: &Sending,
    facts: &ChainFacts,
    policy: &FeePolicy,
    now: Now,
) -> Vec<Work> {
    if let (Some(heads), Some(mined)) = (&facts.heads, included(record, facts)) {
        return vec![settle_or_mark(mined, heads)];
    }
    let (Some(heads), Some(account_nonce)) = (&facts.heads, facts.account_nonce) else {
        // Unknown: what was never sent may be sent, as no answer can make that wrong; all else waits.
        return if sending.last.is_none() {
            vec![Work::Publish(record.newest().hash)]
        } else {
            Vec::new()
        };
    };
    if account_nonce > record.nonce {
        return plan_passed(record, sending, facts, heads);
    }
    let mut work = Vec::new();
    if sending.taken_since.is_some() {
        work.push(Work::NoteFree);
    }
    let stall = stall(record, sending);
    if stall != record.stalled {
        work.push(Work::MarkStalled(stall));
    } else if raise_is_due(record, sending, heads, account_nonce, policy, now)
        && let Some(fees) = facts
            .quote
            .and_then(|quote| replacement_fees(record.newest().fees, quote, policy))
    {
        work.push(Work::Replace(fees));
    } else if broadcast_is_due(record, sending, policy, now) {
        work.push(Work::Publish(record.newest().hash));
    }
    work
}

/// What the last broadcasts of the newest version say it waits for; after a restart, what the status says until one is done.
fn stall(record: &Record, sending: &Sending) -> Option<Stall> {
    let Some(last) = &sending.last else {
        return record.stalled;
    };
    let reason = match &last.result {
        Broadcast::InsufficientFunds => Some(Stall::InsufficientFunds),
        Broadcast::Rejected(_) => Some(Stall::Rejected),
        Broadcast::Unreachable => record.stalled,
        Broadcast::Sent | Broadcast::NonceTooLow | Broadcast::Underpriced => None,
    };
    if last.failures >= STALL_AFTER || reason.is_none() {
        reason
    } else {
        record.stalled
    }
}

/// The chain is past the nonce: one of our versions is in a block we have not seen, or a stranger's transaction is.
fn plan_passed(record: &Record, sending: &Sending, facts: &ChainFacts, heads: &Heads) -> Vec<Work> {
    if !all_absent(record, facts) {
        return Vec::new();
    }
    match sending.taken_since {
        Some(since) if heads.settled >= since => vec![Work::MarkAbandoned],
        Some(_) => Vec::new(),
        None => vec![Work::NoteTaken(heads.number)],
    }
}

fn plan_mined(record: &Record, sending: &Sending, facts: &ChainFacts) -> Vec<Work> {
    let (Some(heads), Some(account_nonce), Some(was)) = (&facts.heads, facts.account_nonce, &record.mined)
    else {
        return Vec::new();
    };
    if heads.number < was.block_number {
        // An endpoint that lags has not seen the block; that proves nothing.
        return Vec::new();
    }
    if account_nonce <= record.nonce {
        return vec![Work::MarkReorged, Work::Publish(was.hash)];
    }
    if let Some(mined) = included(record, facts) {
        return match settle_or_mark(mined, heads) {
            Work::MarkMined(mined) if mined == *was => note_checked(sending, heads),
            work => vec![work],
        };
    }
    if all_absent(record, facts) {
        // The nonce is used and not by us: from here on it is an unmined record whose nonce was taken.
        return vec![Work::MarkReorged];
    }
    Vec::new()
}

fn note_checked(sending: &Sending, heads: &Heads) -> Vec<Work> {
    if sending.checked == Some(heads.number) {
        Vec::new()
    } else {
        vec![Work::NoteChecked(heads.number)]
    }
}

fn settle_or_mark(mined: &Mined, heads: &Heads) -> Work {
    if mined.block_number > heads.settled {
        Work::MarkMined(mined.clone())
    } else if mined.succeeded {
        Work::MarkFinal(mined.clone())
    } else {
        Work::MarkFailed(mined.clone())
    }
}

fn included<'a>(record: &Record, facts: &'a ChainFacts) -> Option<&'a Mined> {
    record
        .versions()
        .find_map(|version| match facts.receipts.get(&version.hash) {
            Some(Lookup::Found(inclusion)) if inclusion.is_canonical => Some(&inclusion.mined),
            Some(Lookup::Found(_) | Lookup::Absent) | None => None,
        })
}

fn all_absent(record: &Record, facts: &ChainFacts) -> bool {
    record
        .versions()
        .all(|version| facts.receipts.get(&version.hash) == Some(&Lookup::Absent))
}

fn look_is_due(record: &Record, sending: &Sending, heads: &Heads) -> bool {
    let Some(mined) = &record.mined else {
        return true;
    };
    let last = sending.checked.unwrap_or(mined.block_number);
    heads.settled >= mined.block_number || heads.number >= last.saturating_add(RECHECK_BLOCKS)
}

/// Only the next transaction in line is raised: the others wait for it, not for a better price. Nor is anything raised that
/// nobody has taken yet, or while the chain stands still.
fn raise_is_due(
    record: &Record,
    sending: &Sending,
    heads: &Heads,
    account_nonce: u64,
    policy: &FeePolicy,
    now: Now,
) -> bool {
    account_nonce == record.nonce
        && record.replacements.len() < MAX_REPLACEMENTS
        && sending.sent.is_some_and(|sent| {
            sent.hash == record.newest().hash
                && heads.number > sent.head
                && now.steady.since(sent.at) >= policy.replace_after
        })
}

fn broadcast_is_due(record: &Record, sending: &Sending, policy: &FeePolicy, now: Now) -> bool {
    let Some(last) = &sending.last else {
        return true;
    };
    if last.hash != record.newest().hash {
        return true;
    }
    let pause = match &last.result {
        Broadcast::Sent | Broadcast::Underpriced | Broadcast::NonceTooLow => policy.rebroadcast_after,
        Broadcast::InsufficientFunds | Broadcast::Rejected(_) | Broadcast::Unreachable => {
            let doublings = last.failures.saturating_sub(1).min(16);
            FIRST_RETRY
                .saturating_mul(1 << doublings)
                .min(policy.rebroadcast_after)
        }
    };
    now.steady.since(last.at) >= pause
}

#[cfg(test)]
mod tests {
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
        let refused =
            |times: u64| sending((0..times).map(|at| sent(1, 10, at, Broadcast::InsufficientFunds)));
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
        assert_eq!(
            plan(&record(5, 1), &memory, &chain, &POLICY, at(30)),
            [raise.clone()]
        );
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
}
