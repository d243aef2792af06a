//! Follows one market's contracts on one chain and publishes views of them. Level-triggered: each pass asks for the newest block and goes there;
//! nothing is lost with a hint, a connection or an endpoint. Decides nothing about leases.
//!
//! In steady state an endpoint is asked for its newest header about once a block and for the finalized one every other block; logs are asked
//! for only where a header's bloom does not rule them out.

mod backfill;
mod hint;
mod pace;
mod run;
mod source;
mod step;

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle};

use self::source::Which;
use super::{
    contracts::Contracts,
    decode::Emitters,
    endpoint::{Endpoint, EndpointHealth, Endpoints},
    errors::RpcFailure,
};
use crate::core::{
    book::Windows,
    canon::{BlockRef, CanonError},
    view::ChainView,
};

/// Which block money may settle on (ComputeMarket: finality.settle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settle {
    /// The chain's own `finalized` tag.
    Finalized,
    /// The chain's own `safe` tag.
    Safe,
    /// So many blocks below the newest, for chains without tags.
    Depth(u64),
}

/// Whether a header's bloom may rule logs out. A few rollups leave it empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeaderBloom {
    /// As the yellow paper has it.
    Trusted,
    /// Logs are asked for in every block.
    Ignored,
}

/// A block remembered from an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Height; it was finalized.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// What to follow and how.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// Whose logs.
    pub emitters: Emitters,
    /// F and W, for the book.
    pub windows: Windows,
    /// A block before the first contract was deployed.
    pub from_block: u64,
    /// How far below the head a block must be to start leases on (ComputeMarket: finality.start.depth).
    pub start_depth: u64,
    /// What money settles on.
    pub settle: Settle,
    /// Whether blooms rule logs out.
    pub bloom: HeaderBloom,
    /// How often to ask; none: near the time the next block is expected.
    pub poll_interval: Option<Duration>,
    /// How long the head may stand still before the view is stale.
    pub stale_after: Duration,
    /// The least time between two questions for the finalized block.
    pub settle_interval: Duration,
    /// The least number of newer heads between two questions for it: finality moves by epochs, and what waits for it waits long anyhow.
    pub settle_blocks: u32,
    /// A block that must be of the chain, else following does not begin.
    pub checkpoint: Option<Checkpoint>,
}

impl FollowerConfig {
    /// What suits most chains: no start depth, the finalized tag, the chain's own rhythm, stale after a minute.
    #[must_use]
    pub fn of(contracts: &Contracts) -> Self {
        Self {
            emitters: contracts.emitters(),
            windows: contracts.windows,
            from_block: contracts.from_block,
            start_depth: 0,
            settle: Settle::Finalized,
            bloom: HeaderBloom::Trusted,
            poll_interval: None,
            stale_after: Duration::from_secs(60),
            settle_interval: Duration::from_secs(1),
            settle_blocks: 2,
            checkpoint: None,
        }
    }
}

/// The part of the configuration that steps look at.
type Follows = FollowerConfig;

/// Why a pass did not succeed. Following goes on; the health channel shows it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FollowError {
    /// An endpoint failed.
    #[error(transparent)]
    Rpc(#[from] RpcFailure),
    /// The chain contradicts what is followed.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// The checkpoint is of another chain.
    #[error(
        "block {number} was finalized as {remembered} and is now {found}: the chain was rebuilt or the endpoints serve another one; \
         compare them, or forget the checkpoint to accept this chain"
    )]
    OtherChain {
        /// Its height.
        number: u64,
        /// What was remembered.
        remembered: B256,
        /// What is there.
        found: B256,
    },
}

impl FollowError {
    /// For conditions and labels.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Rpc(failure) => failure.class.label(),
            Self::Canon(CanonError::DeeperThanFinal { .. }) => "DeeperThanFinal",
            Self::Canon(CanonError::FinalConflict { .. }) => "FinalConflict",
            Self::Canon(
                CanonError::NotLinked { .. }
                | CanonError::ParentUnknown { .. }
                | CanonError::FinalAhead { .. },
            ) => "ChainMoved",
            Self::OtherChain { .. } => "OtherChain",
        }
    }
}

/// How following goes, for conditions and metrics. Sums count since the follower was spawned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowerHealth {
    /// How each endpoint does.
    pub endpoints: Vec<EndpointHealth>,
    /// Why the last pass failed; none when it succeeded.
    pub error: Option<FollowError>,
    /// Blocks taken in.
    pub blocks: u64,
    /// Reorgs seen.
    pub reorgs: u64,
    /// Blocks of the deepest one.
    pub deepest_reorg: u64,
    /// How often the newest header was asked for.
    pub polls: u64,
    /// Blocks that wait for finality.
    pub unfinalized: u64,
    /// How long a block takes, as learned.
    pub block_time: Duration,
}

/// A running follower. Ends when it is aborted, or nobody holds the view any more.
#[derive(Debug)]
pub struct Follower {
    /// The newest view; none until the past has been read and the head reached once.
    pub view: watch::Receiver<Option<Arc<ChainView>>>,
    /// How it goes.
    pub health: watch::Receiver<FollowerHealth>,
    /// The task.
    pub task: JoinHandle<()>,
}

impl Follower {
    /// Begins to follow; needs a tokio runtime.
    #[must_use]
    pub fn spawn(endpoints: Arc<Endpoints>, config: FollowerConfig) -> Self {
        let (view_sender, view) = watch::channel(None);
        let (health_sender, health) = watch::channel(FollowerHealth::default());
        let task = tokio::spawn(run::run(endpoints, config, view_sender, health_sender));
        Self { view, health, task }
    }
}

/// The block that one endpoint says money may settle on.
///
/// # Errors
/// It does not answer, or has none yet.
pub(super) async fn settled(endpoint: &Endpoint, settle: Settle) -> Result<BlockRef, RpcFailure> {
    Ok(backfill::finalized(endpoint, settle).await?.at)
}

/// The newest block of one endpoint.
///
/// # Errors
/// It does not answer.
pub(super) async fn newest(endpoint: &Endpoint) -> Result<BlockRef, RpcFailure> {
    Ok(backfill::header(endpoint, Which::Latest).await?.at)
}

/// The block of one endpoint at a height.
///
/// # Errors
/// It does not answer, or has none there.
pub(super) async fn at_height(endpoint: &Endpoint, number: u64) -> Result<BlockRef, RpcFailure> {
    Ok(backfill::header(endpoint, Which::Number(number)).await?.at)
}

#[cfg(test)]
mod tests;
