//! What a chain that cannot be asked may cost a running lease (rule 2): nothing, until it has been silent for longer than the money seen last,
//! the grace the terms give and the offer's own patience together. Then the workload is scaled to zero and nothing else.

use std::time::Duration;

use super::{
    RECHECK,
    due::{Action, Clock, Phase, Plan},
    seen::{Observed, Policy, WorkloadSide},
    shown,
};
use crate::core::{
    book::{Metered, StoredPhase},
    time::ChainSeconds,
};

/// The reason of a workload that was scaled to zero because the chain was silent for too long.
pub(super) const TOO_LONG: &str = "ChainUnknownTooLong";

/// How long a lease may last at most where no final view of it is at hand: from what its object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// When silence began, by the wall clock in seconds.
    pub since: ChainSeconds,
    /// When it was opened, if that was written down.
    pub opened: Option<ChainSeconds>,
    /// When its escrow was last expected to be used up, if that was written down.
    pub dry: Option<ChainSeconds>,
    /// Its start window and its longest duration together.
    pub longest: Duration,
}

/// How long a lease may last beyond the last final view, and failing that by what its object says. Full delivery is assumed from the start on,
/// so a lease that paused has more than this; the tenant's money is never counted twice.
#[must_use]
pub fn runway(last_final: Option<(Metered<'_>, ChainSeconds)>, tenure: Tenure) -> Duration {
    let Some((metered, at)) = last_final else {
        let latest = tenure
            .opened
            .map(|opened| ChainSeconds(opened.0.saturating_add(tenure.longest.as_secs())));
        // The sooner of both; with neither written down nothing is known to be paid for.
        let end = match (tenure.dry, latest) {
            (Some(dry), Some(latest)) => dry.min(latest),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => tenure.since,
        };
        return Duration::from_secs(end.0.saturating_sub(tenure.since.0));
    };
    let lease = metered.lease;
    let seconds = match lease.stored {
        StoredPhase::Closed => 0,
        // It has all of its escrow before it, once it starts.
        StoredPhase::Pending => lease.stop_at.0.saturating_sub(at.0).saturating_add(
            lease
                .affordable()
                .map_or(0, u64::from)
                .min(u64::from(lease.terms.maxDuration)),
        ),
        StoredPhase::Live => {
            let end = metered.runs_dry_at(at, None).unwrap_or(lease.stop_at);
            end.0.saturating_sub(at.0)
        }
    };
    Duration::from_secs(seconds)
}

/// How long silence is borne; none: for ever.
fn patience(seen: &Observed, policy: &Policy) -> Option<Duration> {
    policy.suspend_after.map(|after| {
        after
            .saturating_add(policy.grace)
            .saturating_add(seen.chain.runway)
    })
}

/// Starts, ends and deletes nothing; past the bound, scales to zero.
pub(super) fn unknown(seen: &Observed, policy: &Policy, for_ms: u64, mut plan: Plan) -> Plan {
    plan.phase = shown(seen);
    plan.clock = Clock::Unjudged;
    plan.reason = "ChainUnknown";
    plan.again = Some(RECHECK);
    if patience(seen, policy).is_some_and(|patience| Duration::from_millis(for_ms) > patience) {
        plan.phase = Phase::Suspended;
        plan.clock = Clock::Stands;
        plan.reason = TOO_LONG;
        if matches!(seen.workload, WorkloadSide::Current | WorkloadSide::Outdated) {
            plan.actions.push(Action::PauseWorkload);
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::core::book::{Book, fixtures::*};

    fn book(live: bool) -> Book {
        let mut book = Book::new(windows());
        for event in [
            registered(),
            posted(1, 3_000),
            opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
        ] {
            book.apply(at(10), &event);
        }
        if live {
            book.apply(at(11), &started(id(0, 1), 1_000, 0));
        }
        book
    }

    fn lasting(book: &Book, at: u64) -> u64 {
        let metered = book.lease_by_id(id(0, 1)).unwrap();
        let tenure = Tenure {
            since: ChainSeconds(0),
            opened: None,
            dry: None,
            longest: Duration::ZERO,
        };
        runway(Some((metered, ChainSeconds(at))), tenure).as_secs()
    }

    #[test]
    fn the_runway_ends_where_the_escrow_or_the_lease_ends_whichever_is_first() {
        let book = book(true);
        let lease = book.lease_by_id(id(0, 1)).unwrap().lease;
        let dry = 1_000 + u64::from(lease.affordable().unwrap());
        assert_eq!(lasting(&book, 1_000), dry.min(lease.stop_at.0) - 1_000);
        assert_eq!(lasting(&book, lease.stop_at.0 + 5), 0);
    }

    #[test]
    fn a_lease_not_yet_started_has_its_start_window_and_all_its_escrow_before_it() {
        let book = book(false);
        let lease = book.lease_by_id(id(0, 1)).unwrap().lease;
        let least = u64::from(lease.affordable().unwrap()).min(u64::from(lease.terms.maxDuration));
        assert_eq!(lasting(&book, 1_090), 10 + least);
    }

    proptest! {
        #[test]
        fn without_a_final_view_the_object_says_how_long_and_never_longer_than_the_lease_could_last(
            since in 0u64..10_000, opened in proptest::option::of(0u64..10_000), dry in proptest::option::of(0u64..20_000), longest in 0u64..5_000,
        ) {
            let tenure = Tenure {
                since: ChainSeconds(since),
                opened: opened.map(ChainSeconds),
                dry: dry.map(ChainSeconds),
                longest: Duration::from_secs(longest),
            };
            let found = runway(None, tenure).as_secs();
            if let Some(opened) = opened {
                prop_assert!(since + found <= (opened + longest).max(since));
            }
            if let Some(dry) = dry {
                prop_assert!(since + found <= dry.max(since));
            }
            prop_assert!(opened.is_some() || dry.is_some() || found == 0);
        }
    }
}
