//! A lease at the chain's three depths, the proof of its end if there is one, and how long its money lasts. Reads views only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Eyes, object};
use crate::{
    api::ComputeLease,
    core::{
        book::{CloseKind, Ending, Metered, StoredPhase},
        ids::{LeaseKey, OrderHash},
        plan::lease::{ChainSide, EvidenceSide, Proof, Purse, Stage, Tenure, runway},
        time::{ChainSeconds, Now, UnixMillis},
        view::{ChainView, FinalClosure, SeenOpening},
    },
    observe::markets::{Market, trust},
};

/// Longest life of an order (LeaseBook `MAX_ORDER_LIFE`), seconds.
pub const ORDER_LIFE: u64 = 86_400;

/// The lease in one block.
#[must_use]
pub fn stage(found: Option<Metered<'_>>) -> Option<Stage> {
    found.map(|found| match found.lease.stored {
        StoredPhase::Pending => Stage::Pending {
            stop_at: found.lease.stop_at,
        },
        StoredPhase::Live => Stage::Live {
            start_at: found.lease.start_at,
            stop_at: found.lease.stop_at,
        },
        StoredPhase::Closed => Stage::Closed,
    })
}

/// How long the escrow lasts at the newest block: the same in every pass until somebody pays in or the lease ends.
#[must_use]
pub fn purse(found: Option<Metered<'_>>) -> Purse {
    let Some(found) = found else {
        return Purse::Unknown;
    };
    match found.runs_dry_at(found.lease.start_at, None) {
        Some(dry) => Purse::Until(dry),
        None => Purse::Whole,
    }
}

impl Eyes {
    pub(super) fn chain_side(
        &self,
        lease: &ComputeLease,
        key: &LeaseKey,
        market: Option<&Market>,
        view: Option<&ChainView>,
        now: Now,
    ) -> ChainSide {
        // A market that is not followed is as silent as one that does not answer.
        let name = &lease.spec.market_ref.name;
        let since = self
            .memory
            .silent_since(name, market.map(|market| market.since), now.wall);
        ChainSide {
            trust: trust(view, since, now.wall),
            head: view.and_then(|view| stage(view.head.book.lease(key))),
            start: view.and_then(|view| stage(view.start.book.lease(key))),
            proof: view.and_then(|view| proof(lease, key, view)),
            now: view.map_or(ChainSeconds(0), ChainView::now),
            runway: runway(view.and_then(|view| last_final(key, view)), tenure(lease, since)),
        }
    }
}

/// The lease in the deepest block that holds it, with that block's time.
fn last_final<'a>(key: &LeaseKey, view: &'a ChainView) -> Option<(Metered<'a>, ChainSeconds)> {
    [&view.finalized, &view.start, &view.head]
        .into_iter()
        .find_map(|at| Some((at.book.lease(key)?, at.block.time)))
}

/// The lane rests for a vesting epoch after its lease was finalized, and as long may the lease be contested (contracts: section 6). What both signed,
/// and what never ran, cannot be.
pub(super) fn evidence(
    lease: &ComputeLease,
    key: &LeaseKey,
    market: Option<&Market>,
    view: Option<&ChainView>,
) -> EvidenceSide {
    // A dispute may ask for all of it until its end is final, also for the receipt alone.
    if view.is_some_and(|view| contested(view, key)) {
        return EvidenceSide::Needed;
    }
    let kept = lease
        .status
        .as_ref()
        .and_then(|status| status.usage.as_ref())
        .is_some_and(|usage| !usage.evidence.is_empty());
    if !kept {
        return EvidenceSide::None;
    }
    let (Some(market), Some(view)) = (market, view) else {
        return EvidenceSide::Needed;
    };
    let window = u64::from(market.windows.vest_epoch);
    match view.final_closure(key) {
        Some(closure) if contested_until(&closure, window) < view.finalized.block.time => EvidenceSide::Spent,
        Some(_) | None => EvidenceSide::Needed,
    }
}

/// Whether a dispute about it is open at any depth.
fn contested(view: &ChainView, key: &LeaseKey) -> bool {
    [&view.head, &view.start, &view.finalized].into_iter().any(|at| {
        at.book
            .disputes()
            .get(key.id)
            .is_some_and(|dispute| dispute.key == *key && dispute.is_open())
    })
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

fn tenure(lease: &ComputeLease, since: UnixMillis) -> Tenure {
    let at = |time: &Time| u64::try_from(time.0.as_second()).ok().map(ChainSeconds);
    let status = lease.status.as_ref();
    Tenure {
        since: ChainSeconds(u64::try_from(since.0.div_euclid(1000)).unwrap_or_default()),
        opened: status
            .and_then(|status| status.opening.as_ref())
            .and_then(|opening| at(&opening.time)),
        dry: status
            .and_then(|status| status.escrow.as_ref())
            .and_then(|escrow| escrow.runs_dry_at.as_ref())
            .and_then(at),
        longest: object::longest(lease),
    }
}

fn proof(lease: &ComputeLease, key: &LeaseKey, view: &ChainView) -> Option<Proof> {
    if let Some(closure) = view.final_closure(key) {
        return Some(Proof::Closure(closure));
    }
    // An object made a moment before the reorganisation may not have recorded its opening; its own age stands in for it.
    let opening = lease.status.as_ref().and_then(|status| status.opening.as_ref());
    let block = opening.map_or(0, |opening| {
        u64::try_from(opening.block_number).unwrap_or(u64::MAX)
    });
    let time = opening
        .map(|opening| &opening.time)
        .or(lease.metadata.creation_timestamp.as_ref())?;
    let order = lease.spec.order_hash.parse().map(OrderHash).ok()?;
    // The opening may be included again until the order expires or ended otherwise; without the order, a day after it was seen (orders live a day).
    let order_expiry = view.head.book.orders().get(&order).map_or_else(
        || {
            ChainSeconds(
                u64::try_from(time.0.as_second())
                    .unwrap_or(0)
                    .saturating_add(ORDER_LIFE),
            )
        },
        |order| order.expiry(),
    );
    let seen = SeenOpening {
        block,
        order: Some(order),
        order_expiry,
    };
    view.final_absence(key, seen).map(Proof::Absence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::{
        book::{
            BookEvent, Outcome,
            fixtures::{contested as begun, ended, id, opened, order_hash, posted, registered, started},
        },
        ids::TermsHash,
        view::{
            Freshness,
            fixtures::{snapshot, view},
        },
    };

    #[test]
    fn what_a_dispute_may_ask_for_is_needed_until_its_end_is_final() {
        let lease = id(0, 1);
        let open = vec![
            registered(),
            posted(1, 3_000),
            opened(lease, order_hash(1), 5_000_000, 1_100),
            started(lease, 1_010, 0),
            BookEvent::Dispute(begun(lease, 1, 0)),
        ];
        let over = [&open[..], &[BookEvent::Dispute(ended(lease, Outcome::Lapsed))]].concat();
        let seen = |finalized: &[BookEvent], head: &[BookEvent]| {
            view(Freshness::Fresh, snapshot(1, finalized), snapshot(2, head))
        };
        let key = seen(&open, &open).head.book.lease_by_id(lease).unwrap().lease.key;
        assert!(!contested(&seen(&open[..4], &open[..4]), &key));
        assert!(contested(&seen(&open[..4], &open), &key));
        assert!(contested(&seen(&open, &over), &key));
        assert!(!contested(&seen(&over, &over), &key));
        // Another lease under the same id has no part in it.
        let other = LeaseKey {
            terms: TermsHash(alloy::primitives::B256::repeat_byte(9)),
            ..key
        };
        assert!(!contested(&seen(&open, &open), &other));
    }
}
