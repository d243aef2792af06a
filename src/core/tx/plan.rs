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
mod tests;
