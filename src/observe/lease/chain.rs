//! A lease at the chain's three depths, the proof of its end if there is one, and how long its money lasts. Reads views only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Eyes, object};
use crate::{
    api::ComputeLease,
    core::{
        book::{Metered, StoredPhase},
        ids::{LeaseKey, OrderHash},
        plan::lease::{ChainSide, EvidenceSide, Proof, Purse, Stage, Tenure, runway},
        time::{ChainSeconds, Now, UnixMillis},
        view::{ChainView, SeenOpening, Uncontestable},
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
            proof: view.and_then(|view| proof(lease, key, market?, view)),
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
    if view.is_some_and(|view| view.is_contested(key)) {
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
    let over = view.uncontestable(key, market.windows.vest_epoch.into());
    match market.borne_out(over) {
        Some(Uncontestable { .. }) => EvidenceSide::Spent,
        None => EvidenceSide::Needed,
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

fn proof(lease: &ComputeLease, key: &LeaseKey, market: &Market, view: &ChainView) -> Option<Proof> {
    if let Some(claim) = view.final_closure(key) {
        return market.borne_out(Some(claim)).map(Proof::Closure);
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
    market
        .borne_out(view.final_absence(key, seen))
        .map(Proof::Absence)
}
