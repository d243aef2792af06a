//! What the chain was seen to say, with how far it can be trusted. Only here are the values made that permit destroying anything.
//! May not fetch, wait or decide what to do.
//!
//! | act | looks at | needs |
//! |---|---|---|
//! | show, explain, wake up | `head` | nothing |
//! | hold capacity, bid, spend | `head` or `start` | [`ChainView::allows_money`] |
//! | start a workload | `start` | [`ChainView::allows_money`]; a running one needs nothing to keep running |
//! | stop the clock, scale to zero | `start` | [`Freshness::Fresh`] or [`Freshness::Disagreement`]: both are undone if the chain changes |
//! | delete a namespace, volume, secret or statement | `finalized` | a [`FinalClosure`], [`FinalAbsence`] or [`Uncontestable`]: a [`Claim`] of the followed chain that two endpoints bear out, where two are configured |
//!
//! A stale view stops nothing and starts nothing: unknown is not unhealthy.

mod witness;

pub use witness::{
    Claim, DisputeSaid, Hearing, LaneLease, LaneStage, Matter, OrderSaid, Question, Says, StoredTerms,
    Testimony,
};

use crate::core::{
    book::{CloseKind, Ending, Metered, OrderPhase},
    canon::{BlockRef, Snapshot},
    ids::{ChainId, LeaseId, LeaseKey, OrderHash},
    time::{ChainSeconds, UnixMillis},
};

/// How far a view can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Endpoints answer and the chain moves.
    Fresh,
    /// No endpoint has brought a new block for too long, or the operator is catching up.
    Stale {
        /// When the head last moved, by the wall clock.
        since: UnixMillis,
    },
    /// Two endpoints name different blocks at one height, or the chain changed below its finalized block: stops money, not workloads.
    Disagreement {
        /// Which height.
        height: u64,
    },
}

/// The market at three depths of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainView {
    /// Which chain.
    pub chain: ChainId,
    /// How far to trust it.
    pub freshness: Freshness,
    /// The newest block.
    pub head: Snapshot,
    /// The newest block at the market's start depth.
    pub start: Snapshot,
    /// The newest finalized block.
    pub finalized: Snapshot,
}

/// Proof that a lease is over for good: made from a finalized block of a fresh view that was borne out, by nobody else. Permits destroying what
/// the lease had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalClosure {
    key: LeaseKey,
    seen_in: BlockRef,
    ending: Option<Ending>,
}

impl FinalClosure {
    /// Which lease.
    #[must_use]
    pub const fn key(&self) -> &LeaseKey {
        &self.key
    }

    /// The finalized block that says so.
    #[must_use]
    pub const fn seen_in(&self) -> &BlockRef {
        &self.seen_in
    }

    /// How it ended; none when later leases of the lane have pushed its record out.
    #[must_use]
    pub const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}

/// Proof that a lease which was seen once is not of the chain and cannot come back: made from a finalized block of a fresh view that was borne out,
/// by nobody else. Permits destroying what the lease had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalAbsence {
    key: LeaseKey,
    seen_in: BlockRef,
}

impl FinalAbsence {
    /// Which lease.
    #[must_use]
    pub const fn key(&self) -> &LeaseKey {
        &self.key
    }

    /// The finalized block that lacks it.
    #[must_use]
    pub const fn seen_in(&self) -> &BlockRef {
        &self.seen_in
    }
}

/// Proof that a closed lease can be contested no more and no dispute about it is open. Permits destroying what it was reported and would be
/// defended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncontestable(());

/// What is remembered of an opening that a reorg may have removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeenOpening {
    /// The block that held it when it was seen.
    pub block: u64,
    /// The order it came from, if that is still known: once it was cancelled or became other leases, it can open nothing more.
    pub order: Option<OrderHash>,
    /// The order's expiry: until then the removed transaction may be included again.
    pub order_expiry: ChainSeconds,
}

impl ChainView {
    /// Whether money may move and new obligations may be taken on: fresh, and no event was lost.
    #[must_use]
    pub fn allows_money(&self) -> bool {
        self.freshness == Freshness::Fresh && self.head.book.doubts().count == 0
    }

    /// The head's time: the chain's now.
    #[must_use]
    pub const fn now(&self) -> ChainSeconds {
        self.head.block.time
    }

    /// The lease at the head.
    #[must_use]
    pub fn lease(&self, key: &LeaseKey) -> Option<Metered<'_>> {
        self.head.book.lease(key)
    }

    /// That the lease closed in a finalized block; none while the view is not fresh, the book is in doubt or finality has not got there.
    #[must_use]
    pub fn final_closure(&self, key: &LeaseKey) -> Option<Claim<FinalClosure>> {
        let closure = self.closure(key)?;
        Some(Claim::new(closure, self.question(key, Matter::Closed)))
    }

    /// That nobody can contest the closed lease any more: it was closed by agreement, never ran, or `window` seconds have passed since it was
    /// finalized; and no dispute about it is open at any depth.
    #[must_use]
    pub fn uncontestable(&self, key: &LeaseKey, window: u64) -> Option<Claim<Uncontestable>> {
        let until = contested_until(&self.closure(key)?, window);
        let over = until < self.finalized.block.time && !self.is_contested(key);
        let question = self.question(key, Matter::Uncontestable { window });
        over.then_some(Claim::new(Uncontestable(()), question))
    }

    /// Whether a dispute about it is open at any depth.
    #[must_use]
    pub fn is_contested(&self, key: &LeaseKey) -> bool {
        [&self.head, &self.start, &self.finalized].into_iter().any(|at| {
            at.book
                .disputes()
                .get(key.id)
                .is_some_and(|dispute| dispute.key == *key && dispute.is_open())
        })
    }

    fn question(&self, key: &LeaseKey, matter: Matter) -> Question {
        Question {
            key: *key,
            matter,
            by: self.finalized.block.number,
        }
    }

    fn closure(&self, key: &LeaseKey) -> Option<FinalClosure> {
        let finalized = self.trusted_final()?;
        let ending = match finalized.book.lease(key) {
            Some(metered) => Some(metered.lease.ending?),
            // An id below the lane's generation is closed for ever; its record left the book, so its terms cannot be compared any more.
            None if self.record_gone(finalized, key.id) => None,
            None => return None,
        };
        Some(FinalClosure {
            key: *key,
            seen_in: finalized.block,
            ending,
        })
    }

    /// That a lease once seen is not of the chain: a finalized block at or above the one it was seen in holds another lease under its id,
    /// or holds none and is later than the order's expiry or holds the order's own end, so the removed opening cannot be included again: an
    /// order's hash is taken once (LeaseBook `Order_Known`).
    #[must_use]
    pub fn final_absence(&self, key: &LeaseKey, seen: SeenOpening) -> Option<Claim<FinalAbsence>> {
        let finalized = self.trusted_final()?;
        if finalized.block.number < seen.block || self.record_gone(finalized, key.id) {
            return None;
        }
        let proven = match finalized.book.lease_by_id(key.id) {
            Some(metered) => metered.lease.key != *key,
            None => {
                let order = seen.order.and_then(|order| finalized.book.orders().get(&order));
                let spent = match order.map(|order| order.phase) {
                    Some(OrderPhase::Accepted | OrderPhase::Cancelled) => true,
                    Some(OrderPhase::Open) | None => false,
                };
                let over = finalized.block.time > seen.order_expiry;
                (spent || over) && self.head.book.lease(key).is_none()
            }
        };
        let absence = FinalAbsence {
            key: *key,
            seen_in: finalized.block,
        };
        proven.then_some(Claim::new(absence, self.question(key, Matter::Gone { seen })))
    }

    /// Whether an order exists in a finalized block.
    #[must_use]
    pub fn order_is_final(&self, order: OrderHash) -> bool {
        self.finalized.book.orders().contains_key(&order)
    }

    fn trusted_final(&self) -> Option<&Snapshot> {
        (self.freshness == Freshness::Fresh && self.finalized.book.doubts().count == 0)
            .then_some(&self.finalized)
    }

    fn record_gone(&self, at: &Snapshot, id: LeaseId) -> bool {
        at.book.lease_by_id(id).is_none()
            && at
                .book
                .generation(id.provider, id.lane)
                .is_some_and(|newest| newest > id.generation)
    }
}

/// A record that later leases of the lane pushed out is older than every window.
fn contested_until(closure: &FinalClosure, window: u64) -> ChainSeconds {
    match closure.ending() {
        Some(Ending::Ran { kind, at, .. }) => match kind {
            CloseKind::Finalized => ChainSeconds(at.time.0.saturating_add(window)),
            CloseKind::Agreed => ChainSeconds(0),
        },
        Some(Ending::NeverStarted { .. }) | None => ChainSeconds(0),
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
