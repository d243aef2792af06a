//! One step from what is followed to what an endpoint now calls its newest block, and to what it calls final. Each step either leaves the
//! ring one whole chain further or changes nothing.

use std::collections::VecDeque;

use alloy::primitives::B256;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{
    FollowError, Follows, HeaderBloom, Settle,
    backfill::{finalized, header, in_order},
    source::{ChainSource, Header, Which},
};
use crate::{
    chain_io::{decode::decode, errors::RpcFailure},
    core::canon::{Block, BlockRef, Canon, CanonError},
};

/// Blocks taken in at once when catching up; a view is published after each such stretch.
pub(super) const STRETCH: u64 = 256;

/// Requests under way at once when catching up.
const AT_ONCE: usize = 8;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moved {
    /// Blocks that came.
    pub(super) added: usize,
    /// Blocks that a reorg took.
    pub(super) removed: usize,
    /// Blocks still to be caught up with.
    pub(super) left: u64,
}

/// Goes towards the source's newest block, by at most [`STRETCH`] blocks.
pub(super) async fn towards<S: ChainSource>(
    source: &S,
    follows: &Follows,
    canon: &mut Canon,
    latest: Header,
) -> Result<Moved, FollowError> {
    let head = canon.head().block;
    if canon.contains(latest.at.number, latest.at.hash) || latest.at.number < canon.finalized().block.number {
        // The same, or a source that lags.
        return Ok(Moved::default());
    }
    let target = match head.number.checked_add(STRETCH) {
        Some(furthest) if latest.at.number > furthest => header(source, Which::Number(furthest)).await?,
        Some(_) | None => latest,
    };
    let headers = linked(source, canon, &head, target).await?;
    let blocks = with_events(source, follows, headers).await?;
    let change = canon.advance(blocks)?;
    Ok(Moved {
        added: change.added,
        removed: change.removed.len(),
        left: latest.at.number.saturating_sub(target.at.number),
    })
}

/// The headers from the first that is not followed up to the target, each the parent of the next, the first one's parent followed.
async fn linked<S: ChainSource>(
    source: &S,
    canon: &Canon,
    head: &BlockRef,
    target: Header,
) -> Result<Vec<Header>, FollowError> {
    let between: Vec<Header> = stream::iter(head.number.saturating_add(1)..target.at.number)
        .map(|number| header(source, Which::Number(number)))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut chain: VecDeque<Header> = between.into();
    chain.push_back(target);
    for (before, after) in chain.iter().zip(chain.iter().skip(1)) {
        if after.at.parent != before.at.hash {
            return Err(FollowError::Rpc(source.missing(
                "eth_getBlockByNumber",
                "the chain changed while its headers were read: they are read again",
            )));
        }
    }
    // Back along the parents until ours is met: by hash, so that no other fork can slip in.
    while let Some(first) = chain.front().map(|header| header.at) {
        let base = canon.finalized().block;
        let Some(below) = first.number.checked_sub(1).filter(|below| *below >= base.number) else {
            return Err(deeper(&base));
        };
        if canon.contains(below, first.parent) {
            break;
        }
        if below == base.number {
            return Err(deeper(&base));
        }
        let parent = header(source, Which::Hash(first.parent)).await?;
        if parent.at.number != below {
            return Err(FollowError::Rpc(source.malformed(
                "eth_getBlockByHash",
                "answered with a parent of another height",
            )));
        }
        chain.push_front(parent);
    }
    Ok(chain.into())
}

const fn deeper(base: &BlockRef) -> FollowError {
    FollowError::Canon(CanonError::DeeperThanFinal {
        final_number: base.number,
        final_hash: base.hash,
    })
}

/// Fetches the logs of those blocks whose header does not rule them out, by block hash: an endpoint of another fork cannot answer.
async fn with_events<S: ChainSource>(
    source: &S,
    follows: &Follows,
    headers: Vec<Header>,
) -> Result<Vec<Block>, FollowError> {
    let blocks = stream::iter(headers)
        .map(|header| async move {
            let wanted = match follows.bloom {
                HeaderBloom::Trusted => header.may_hold(&follows.emitters.addresses()),
                HeaderBloom::Ignored => true,
            };
            let events = if wanted {
                events_of(source, follows, header.at.hash).await?
            } else {
                Vec::new()
            };
            Ok::<_, RpcFailure>(Block {
                at: header.at,
                events: events.into(),
            })
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(blocks)
}

async fn events_of<S: ChainSource>(
    source: &S,
    follows: &Follows,
    block: B256,
) -> Result<Vec<crate::core::book::BookEvent>, RpcFailure> {
    let logs = source.logs_of(block, &follows.emitters.addresses()).await?;
    if logs.iter().any(|log| log.block_hash != Some(block)) {
        return Err(source.malformed("eth_getLogs", "answered with logs of another block"));
    }
    let placed = in_order(source, logs)?;
    Ok(placed
        .iter()
        .filter_map(|log| decode(&follows.emitters, &log.log.inner))
        .collect())
}

/// Takes over what the source calls final; true when that moved.
pub(super) async fn settle<S: ChainSource>(
    source: &S,
    follows: &Follows,
    canon: &mut Canon,
) -> Result<usize, FollowError> {
    let (number, hash) = match follows.settle {
        Settle::Depth(depth) => {
            let number = canon.head().block.number.saturating_sub(depth);
            match canon.at(number) {
                Some(block) => (number, block.hash),
                None => return Ok(0),
            }
        }
        Settle::Finalized | Settle::Safe => {
            let block = finalized(source, follows.settle).await?;
            (block.at.number, block.at.hash)
        }
    };
    match canon.finalize(number, hash) {
        Ok(count) => Ok(count),
        // The source finalized what the next step will bring.
        Err(CanonError::FinalAhead { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
