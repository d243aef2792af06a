//! From the market's first block to the finalized one, in as few requests as the endpoint allows. Everything here is final, so no reorg is
//! thought of; what is above the finalized block is followed block by block.

use std::collections::BTreeMap;

use alloy::rpc::types::Log;

use super::{
    FollowError, Follows, Settle,
    source::{ChainSource, Header, Which},
};
use crate::{
    chain_io::{
        decode::decode,
        errors::{RpcErrorClass, RpcFailure},
    },
    core::{
        book::{Book, Moment},
        canon::Canon,
        time::ChainSeconds,
    },
};

/// Blocks asked for at once to begin with; halved when refused, doubled when not, within these bounds.
const FIRST_RANGE: u64 = 2_000;
const LARGEST_RANGE: u64 = 50_000;

/// Reads everything up to the finalized block.
pub(super) async fn backfill<S: ChainSource>(source: &S, follows: &Follows) -> Result<Canon, FollowError> {
    let base = finalized(source, follows.settle).await?;
    if let Some(checkpoint) = follows.checkpoint {
        let found = header(source, Which::Number(checkpoint.number)).await?;
        if found.at.hash != checkpoint.hash {
            return Err(FollowError::OtherChain {
                number: checkpoint.number,
                remembered: checkpoint.hash,
                found: found.at.hash,
            });
        }
    }
    let mut book = Book::new(follows.windows);
    let mut range = FIRST_RANGE;
    let mut from = follows.from_block;
    while from <= base.at.number {
        let to = from.saturating_add(range - 1).min(base.at.number);
        match source.logs_between(from, to, &follows.emitters.addresses()).await {
            Ok(logs) => {
                take_in(source, follows, &mut book, logs).await?;
                from = to + 1;
                range = range.saturating_mul(2).min(LARGEST_RANGE);
            }
            Err(failure) if may_be_too_much(&failure) && to > from => range = (to - from).div_ceil(2).max(1),
            Err(failure) => return Err(failure.into()),
        }
    }
    let again = header(source, Which::Number(base.at.number)).await?;
    if again.at.hash != base.at.hash {
        return Err(FollowError::Rpc(source.missing(
            "eth_getBlockByNumber",
            "the finalized block changed while its past was read: it is read again",
        )));
    }
    Ok(Canon::new(base.at, book, follows.start_depth))
}

/// Some servers say it by a time-out; halving is right there too.
fn may_be_too_much(failure: &RpcFailure) -> bool {
    match failure.class {
        RpcErrorClass::RangeTooLarge => true,
        RpcErrorClass::Refused => failure.what == "eth_getLogs",
        RpcErrorClass::Transient => failure.detail.starts_with("no answer in"),
        RpcErrorClass::RateLimited
        | RpcErrorClass::WrongChain
        | RpcErrorClass::Unsupported
        | RpcErrorClass::Execution
        | RpcErrorClass::Malformed => false,
    }
}

async fn take_in<S: ChainSource>(
    source: &S,
    follows: &Follows,
    book: &mut Book,
    logs: Vec<Log>,
) -> Result<(), FollowError> {
    let mut times: BTreeMap<u64, ChainSeconds> = BTreeMap::new();
    for log in in_order(source, logs)? {
        let Some(event) = decode(&follows.emitters, &log.log.inner) else {
            continue;
        };
        let time = match (log.log.block_timestamp, times.get(&log.block)) {
            (Some(time), _) => ChainSeconds(time),
            (None, Some(time)) => *time,
            (None, None) => {
                let time = header(source, Which::Number(log.block)).await?.at.time;
                times.insert(log.block, time);
                time
            }
        };
        let at = Moment {
            block: log.block,
            time,
        };
        book.apply(at, &event);
    }
    Ok(())
}

/// A mined log with its place.
pub(super) struct Placed {
    pub(super) block: u64,
    index: u64,
    pub(super) log: Log,
}

/// Logs in the order the chain wrote them, each once.
pub(super) fn in_order<S: ChainSource>(source: &S, logs: Vec<Log>) -> Result<Vec<Placed>, RpcFailure> {
    let mut placed = Vec::with_capacity(logs.len());
    for log in logs {
        match (log.block_number, log.log_index) {
            (Some(block), Some(index)) if !log.removed => placed.push(Placed { block, index, log }),
            (_, _) => return Err(source.malformed("eth_getLogs", "answered with a log that is in no block")),
        }
    }
    placed.sort_by_key(|log| (log.block, log.index));
    placed.dedup_by_key(|log| (log.block, log.index));
    Ok(placed)
}

/// The block that money may settle on.
pub(super) async fn finalized<S: ChainSource>(source: &S, settle: Settle) -> Result<Header, RpcFailure> {
    match settle {
        Settle::Finalized => header(source, Which::Finalized).await,
        Settle::Safe => header(source, Which::Safe).await,
        Settle::Depth(depth) => {
            let latest = header(source, Which::Latest).await?;
            header(source, Which::Number(latest.at.number.saturating_sub(depth))).await
        }
    }
}

/// A header that must be there.
pub(super) async fn header<S: ChainSource>(source: &S, which: Which) -> Result<Header, RpcFailure> {
    let found = source.header(which).await?;
    found.ok_or_else(|| match which {
        Which::Finalized | Which::Safe => source.missing(
            "eth_getBlockByNumber",
            "no finalized block yet: wait, or set the market's finality.settle to a depth if this chain has no such tag",
        ),
        Which::Latest | Which::Number(_) | Which::Hash(_) => {
            source.missing("eth_getBlockByNumber", "the block is not there yet, or no longer")
        }
    })
}
