//! The follower's loop: wait, ask the best endpoint, take a step, publish, compare the other endpoints. All waiting is here.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    FollowError, FollowerConfig, FollowerHealth,
    backfill::{backfill, header},
    hint::{Hints, listen},
    pace::Pace,
    source::{ChainSource, Header, Which},
    step::{Moved, settle, towards},
};
use crate::{
    chain_io::endpoint::{Endpoint, Endpoints},
    core::{
        canon::{Canon, CanonError},
        time::UnixMillis,
        view::{ChainView, Freshness},
    },
};

/// How often in a row an endpoint must contradict the followed chain before that is a disagreement: neighbours differ for a moment at every reorg.
const CONTRADICTIONS: u32 = 2;

/// Follows until nobody holds the view.
pub(super) async fn run(
    endpoints: Arc<Endpoints>,
    config: FollowerConfig,
    view: watch::Sender<Option<Arc<ChainView>>>,
    health: watch::Sender<FollowerHealth>,
) {
    let hints = Arc::new(Hints::default());
    let mut listeners = JoinSet::new();
    for hint in endpoints.hints() {
        listeners.spawn(listen(hint.clone(), Arc::clone(&hints)));
    }
    let mut follower = Following {
        pace: Pace::new(config.poll_interval),
        endpoints,
        config,
        began: Instant::now(),
        canon: None,
        reached_head: false,
        moved: (Instant::now(), wall()),
        settled: None,
        unsettled: 0,
        halted: None,
        conflict: None,
        suspects: BTreeMap::new(),
        compared_at: Instant::now(),
        comparisons: JoinSet::new(),
        view,
        health,
    };
    loop {
        let more = follower.pass().await;
        let pause = if more {
            Duration::ZERO
        } else {
            follower
                .pace
                .wait(follower.began.elapsed())
                .min(follower.until_stale())
        };
        let next = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(next) => break,
                () = hints.block.notified() => {
                    follower.pace.hint();
                    break;
                }
                () = hints.lost.notified() => follower.pace.hints_ended(),
                Some(compared) = follower.comparisons.join_next() => {
                    if let Ok((endpoint, found)) = compared {
                        follower.compared(&endpoint, found);
                    }
                }
                () = follower.view.closed() => return,
            }
        }
    }
}

struct Following {
    endpoints: Arc<Endpoints>,
    config: FollowerConfig,
    pace: Pace,
    began: Instant,
    canon: Option<Canon>,
    /// Whether the head was reached once: no view before.
    reached_head: bool,
    /// When the head last moved.
    moved: (Instant, UnixMillis),
    /// When the finalized block was last asked for.
    settled: Option<Instant>,
    /// Steps to a newer head since then.
    unsettled: u32,
    /// The chain changed below its finalized block at this height.
    halted: Option<u64>,
    /// The leader calls another block final than the one followed at this height.
    conflict: Option<u64>,
    /// Endpoints that contradict the followed chain: how often in a row, and where.
    suspects: BTreeMap<String, (u32, u64)>,
    /// When the other endpoints were last asked.
    compared_at: Instant,
    /// Questions to them, under way beside the following: a slow one delays nobody.
    comparisons: JoinSet<(Arc<Endpoint>, Option<Header>)>,
    view: watch::Sender<Option<Arc<ChainView>>>,
    health: watch::Sender<FollowerHealth>,
}

impl Following {
    /// One pass over the endpoints, best first, until one works. True when there is more to do at once.
    async fn pass(&mut self) -> bool {
        let mut last = None;
        for endpoint in self.endpoints.ranked() {
            match self.follow(&endpoint).await {
                Ok(moved) => {
                    self.note(moved);
                    self.report(None);
                    self.publish();
                    if moved.added > 0 && moved.left == 0 {
                        self.settle(&endpoint).await;
                        self.compare(&endpoint);
                        self.publish();
                    }
                    // An endpoint that answers and stands still must not keep us from one that moves.
                    let quiet = (self.pace.period() * 2).min(self.config.stale_after / 4);
                    if self.moved.0.elapsed() > quiet && self.compared_at.elapsed() > quiet {
                        self.compare(&endpoint);
                    }
                    return moved.left > 0;
                }
                Err(FollowError::Canon(CanonError::DeeperThanFinal { final_number, .. }))
                    if self.canon.is_some() =>
                {
                    // Another endpoint may still be on our chain; if none is, money stays stopped at this height.
                    self.halted = Some(final_number);
                    last = Some(FollowError::Canon(CanonError::DeeperThanFinal {
                        final_number,
                        final_hash: self
                            .canon
                            .as_ref()
                            .map_or_else(Default::default, |canon| canon.finalized().block.hash),
                    }));
                }
                Err(error) => last = Some(error),
            }
        }
        self.pace.failed();
        self.report(last);
        self.publish();
        false
    }

    async fn follow(&mut self, endpoint: &Arc<Endpoint>) -> Result<Moved, FollowError> {
        let source: &Endpoint = endpoint;
        let mut canon = match self.canon.take() {
            Some(canon) => canon,
            None => backfill(source, &self.config).await?,
        };
        let stepped = async {
            self.health
                .send_modify(|health| health.polls = health.polls.saturating_add(1));
            let latest = header(source, Which::Latest).await?;
            endpoint.saw_head(latest.at.number);
            let moved = towards(source, &self.config, &mut canon, latest).await?;
            Ok::<_, FollowError>(moved)
        }
        .await;
        self.canon = Some(canon);
        stepped
    }

    fn note(&mut self, moved: Moved) {
        if moved.added > 0 {
            self.pace.came(moved.added, self.began.elapsed());
            self.moved = (Instant::now(), wall());
            // The chain that was followed goes on: whoever said otherwise was wrong or has come back.
            self.halted = None;
        } else {
            self.pace.nothing();
        }
        if moved.left == 0 {
            self.reached_head = true;
        }
        let unfinalized = self.canon.as_ref().map_or(0, Canon::unfinalized);
        self.health.send_modify(|health| {
            health.blocks = health.blocks.saturating_add(moved.added as u64);
            if moved.removed > 0 {
                health.reorgs = health.reorgs.saturating_add(1);
                health.deepest_reorg = health.deepest_reorg.max(moved.removed as u64);
            }
            health.unfinalized = unfinalized as u64;
            health.block_time = self.pace.period();
        });
    }

    async fn settle(&mut self, endpoint: &Arc<Endpoint>) {
        self.unsettled = self.unsettled.saturating_add(1);
        if self.settled.is_some_and(|asked| {
            self.unsettled < self.config.settle_blocks || asked.elapsed() < self.config.settle_interval
        }) {
            return;
        }
        self.settled = Some(Instant::now());
        self.unsettled = 0;
        let Some(canon) = self.canon.as_mut() else {
            return;
        };
        let source: &Endpoint = endpoint;
        match settle(source, &self.config, canon).await {
            Ok(_) => {
                self.conflict = None;
                self.report(None);
            }
            Err(error) => {
                match &error {
                    FollowError::Canon(CanonError::FinalConflict { number, .. }) => {
                        self.conflict = Some(*number);
                    }
                    FollowError::Canon(CanonError::DeeperThanFinal { final_number, .. }) => {
                        self.halted = Some(*final_number);
                    }
                    FollowError::Canon(_) | FollowError::Rpc(_) | FollowError::OtherChain { .. } => {}
                }
                self.report(Some(error));
            }
        }
    }

    /// Asks the other endpoints for their newest block: how far behind they are, and whether they are of this chain at all.
    fn compare(&mut self, leader: &Arc<Endpoint>) {
        self.compared_at = Instant::now();
        if !self.comparisons.is_empty() {
            return;
        }
        for endpoint in self.endpoints.all() {
            if Arc::ptr_eq(endpoint, leader) {
                continue;
            }
            let endpoint = Arc::clone(endpoint);
            self.comparisons.spawn(async move {
                let source: &Endpoint = &endpoint;
                let found = source.header(Which::Latest).await.ok().flatten();
                (endpoint, found)
            });
        }
    }

    fn compared(&mut self, endpoint: &Endpoint, found: Option<Header>) {
        let (Some(Header { at, .. }), Some(canon)) = (found, self.canon.as_ref()) else {
            return;
        };
        endpoint.saw_head(at.number);
        match canon.at(at.number) {
            Some(ours) if ours.hash != at.hash => {
                let suspect = self.suspects.entry(endpoint.name().to_owned()).or_default();
                *suspect = (suspect.0.saturating_add(1), at.number);
            }
            Some(_) => {
                self.suspects.remove(endpoint.name());
            }
            // Ahead of us or far behind: nothing to compare.
            None => {}
        }
        self.publish();
    }

    fn until_stale(&self) -> Duration {
        let left = self.config.stale_after.saturating_sub(self.moved.0.elapsed());
        // Stale already: no hurry to say so again.
        if left.is_zero() {
            Duration::from_secs(3_600)
        } else {
            left + Duration::from_millis(1)
        }
    }

    /// A head that stands still is stale whatever else is wrong: then the bound on Unknown counts.
    fn freshness(&self) -> Freshness {
        if self.moved.0.elapsed() >= self.config.stale_after {
            return Freshness::Stale { since: self.moved.1 };
        }
        let contradicted = self
            .suspects
            .values()
            .find(|(times, _)| *times >= CONTRADICTIONS)
            .map(|(_, height)| *height);
        match self.halted.or(self.conflict).or(contradicted) {
            Some(height) => Freshness::Disagreement { height },
            None => Freshness::Fresh,
        }
    }

    fn publish(&self) {
        let Some(canon) = self.canon.as_ref().filter(|_| self.reached_head) else {
            return;
        };
        let next = ChainView {
            chain: self.endpoints.chain(),
            freshness: self.freshness(),
            head: canon.head().clone(),
            start: canon.start().clone(),
            finalized: canon.finalized().clone(),
        };
        self.view.send_if_modified(|current| {
            let same = current.as_ref().is_some_and(|current| {
                current.freshness == next.freshness
                    && current.head.block == next.head.block
                    && current.start.block == next.start.block
                    && current.finalized.block == next.finalized.block
            });
            if !same {
                *current = Some(Arc::new(next));
            }
            !same
        });
    }

    fn report(&self, error: Option<FollowError>) {
        let endpoints = self.endpoints.health();
        self.health.send_modify(|health| {
            health.error = error;
            health.endpoints = endpoints;
        });
    }
}

fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
