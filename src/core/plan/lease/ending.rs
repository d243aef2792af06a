//! How a lease ended, in one word, for counters and people. Reads the book's own record and judges nobody.

use crate::core::book::{CloseKind, Ending, LeaseState, StopBy};

/// The tenant's money was used up (contracts: Interventions).
const FUNDS: u16 = 3001;
/// It was not started in time (contracts: Interventions).
const EXPIRED: u16 = 4001;

/// The word for a lease that is over, or for one of which no final block knows anything.
#[must_use]
pub fn ending(lease: Option<&LeaseState>) -> &'static str {
    let Some((lease, ending)) = lease.and_then(|lease| Some((lease, lease.ending.as_ref()?))) else {
        return "OpeningGone";
    };
    match ending {
        Ending::NeverStarted { reason: EXPIRED, .. } => "Expired",
        Ending::NeverStarted { .. } => "Declined",
        Ending::Ran { kind, .. } => match (lease.stop.map(|stop| (stop.by, stop.reason)), kind) {
            (Some((StopBy::TenantOrFunds, FUNDS)), _) => "FundsUsedUp",
            (Some((StopBy::TenantOrFunds, _)), _) => "TenantStopped",
            (Some((StopBy::ProviderNotice, _)), _) => "ProviderNotice",
            (Some((StopBy::ProviderFault, _)), _) => "ProviderFault",
            (Some((StopBy::EndReached, _)), _) | (None, CloseKind::Finalized) => "EndReached",
            (None, CloseKind::Agreed) => "Agreed",
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::{
        book::{Book, BookEvent, Refund, fixtures::*},
        money::MicroUnits,
        time::ChainSeconds,
    };

    fn ended(events: &[BookEvent]) -> &'static str {
        let mut book = Book::new(windows());
        let before = [
            registered(),
            posted(1, 3_000),
            opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
        ];
        for event in before.iter().chain(events) {
            book.apply(at(10), event);
        }
        assert_eq!(book.doubts().count, 0, "{:?}", book.doubts().last);
        ending(book.lease_by_id(id(0, 1)).map(|metered| metered.lease))
    }

    fn stopped(by: StopBy, reason: u16) -> BookEvent {
        BookEvent::Stopped {
            id: id(0, 1),
            by,
            reason,
            stop_at: ChainSeconds(1_050),
        }
    }

    fn refused(reason: u16) -> BookEvent {
        BookEvent::LeaseDeclined {
            id: id(0, 1),
            reason,
            burn: MicroUnits::ZERO,
            refund: Refund::Pushed(MicroUnits::ZERO),
        }
    }

    fn shut(kind: CloseKind) -> BookEvent {
        closed(id(0, 1), kind, 0)
    }

    #[test]
    fn each_end_has_its_word_and_whoever_stopped_first_gives_it() {
        let start = || started(id(0, 1), 1_000, 0);
        for (events, word) in [
            (vec![refused(4001)], "Expired"),
            (vec![refused(4011)], "Declined"),
            (vec![start(), shut(CloseKind::Agreed)], "Agreed"),
            (vec![start(), shut(CloseKind::Finalized)], "EndReached"),
            (
                vec![
                    start(),
                    stopped(StopBy::TenantOrFunds, 1),
                    shut(CloseKind::Finalized),
                ],
                "TenantStopped",
            ),
            (
                vec![
                    start(),
                    stopped(StopBy::TenantOrFunds, 3001),
                    shut(CloseKind::Finalized),
                ],
                "FundsUsedUp",
            ),
            (
                vec![
                    start(),
                    stopped(StopBy::ProviderNotice, 2001),
                    shut(CloseKind::Finalized),
                ],
                "ProviderNotice",
            ),
            (
                vec![
                    start(),
                    stopped(StopBy::ProviderFault, 2002),
                    stopped(StopBy::TenantOrFunds, 1),
                    shut(CloseKind::Agreed),
                ],
                "ProviderFault",
            ),
            (vec![start()], "OpeningGone"),
        ] {
            assert_eq!(ended(&events), word, "{events:?}");
            assert!(crate::telemetry::ENDINGS.contains(&word), "{word} is no label");
        }
        assert_eq!(ending(None), "OpeningGone");
    }
}
