//! What is to be said of a market: each condition True, False or Unknown with its reason, from the view, the endpoints and the watches.
//! Nothing said here moves by itself (architecture: rule 8), and nothing here acts: stalled finality is told, never guessed around.

use std::time::Duration;

use super::said::Said;
use crate::{
    api::condition::{
        CHAIN_SYNCED, CONTRACTS_VERIFIED, ENDPOINTS_AGREE, ENDPOINTS_REACHABLE, FINALITY_ADVANCING, READY,
        Status, WATCHES_LIVE, reason,
    },
    core::{
        ids::LeaseId,
        view::{ChainView, Freshness},
    },
};

/// Failures in a row after which an endpoint counts as silent: one lost answer is not worth a word.
const SILENT_AFTER: u32 = 3;

/// How long a second endpoint may take to call a lease over before that is told: its final block may be two epochs behind.
const UNHEARD_AFTER: Duration = Duration::from_secs(900);

/// How one endpoint does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSight {
    /// Its name; its URL is never told.
    pub name: String,
    /// Failures since its last answer.
    pub failures: u32,
    /// Whether it ever named a block.
    pub head: Option<u64>,
}

impl EndpointSight {
    const fn answers(&self) -> bool {
        self.head.is_some() && self.failures < SILENT_AFTER
    }
}

/// How the watch of one kind does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchSight {
    /// Not listed yet.
    Starting,
    /// Listed, and no error since.
    Live,
    /// What its cache holds may be old.
    Failing,
}

/// A lease that is over by the followed chain and not by two endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnheardSight {
    /// Which.
    pub lease: LeaseId,
    /// For how long the endpoints have been asked.
    pub waits: Duration,
    /// Those that say the contrary at a final block as high.
    pub denied_by: Vec<String>,
}

/// Everything a pass over a market saw.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// What the chain was seen to say; none while its past is being read.
    pub view: Option<&'a ChainView>,
    /// Endpoints that blocks are read from.
    pub endpoints: Vec<EndpointSight>,
    /// The lease that waits longest for a second endpoint to call it over.
    pub unheard: Option<UnheardSight>,
    /// Watches by kind.
    pub watches: Vec<(String, WatchSight)>,
    /// How far the settled block may lie behind the newest before that is told (ComputeMarket: finality.settle.stalledAfter).
    pub stalled_after: Duration,
}

/// The conditions of a market whose contracts are verified and which is followed.
#[must_use]
pub fn followed(seen: &Observed<'_>) -> Vec<Said> {
    let said = [
        Said::new(CONTRACTS_VERIFIED, Status::True, reason::AS_EXPECTED, ""),
        reachable(seen),
        synced(seen),
        agree(seen),
        finality(seen),
        watches(seen),
    ];
    // Finality that stands still stops nothing that runs and nothing that begins; deleting waits for it by itself.
    let ready = said
        .iter()
        .filter(|said| said.kind != FINALITY_ADVANCING && said.kind != ENDPOINTS_REACHABLE)
        .filter(|said| said.kind != ENDPOINTS_AGREE || said.is == Status::False)
        .find(|said| said.is == Status::False)
        .or_else(|| {
            said.iter()
                .find(|said| said.kind == CHAIN_SYNCED && said.is != Status::True)
        })
        .map_or_else(
            || Said::new(READY, Status::True, reason::AS_EXPECTED, "followed and verified"),
            |worst| Said {
                kind: READY,
                ..worst.clone()
            },
        );
    said.into_iter().chain([ready]).collect()
}

/// Which side a market that cannot be followed fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Its contracts are not what the spec says.
    Contracts,
    /// Its endpoints, or a field of the spec that they need.
    Endpoints,
}

/// The conditions of a market that cannot be followed.
#[must_use]
pub fn unfollowed(side: Failure, why: &'static str, message: &str, watches_seen: &Observed<'_>) -> Vec<Said> {
    let broken = |kind| Said::new(kind, Status::False, why, message);
    let unknown = |kind| Said::new(kind, Status::Unknown, why, message);
    let (verified, reachable) = match side {
        Failure::Contracts => (broken(CONTRACTS_VERIFIED), unknown(ENDPOINTS_REACHABLE)),
        Failure::Endpoints => (unknown(CONTRACTS_VERIFIED), broken(ENDPOINTS_REACHABLE)),
    };
    vec![
        verified,
        reachable,
        unknown(CHAIN_SYNCED),
        unknown(ENDPOINTS_AGREE),
        unknown(FINALITY_ADVANCING),
        watches(watches_seen),
        broken(READY),
    ]
}

fn silent<'a>(seen: &'a Observed<'_>) -> Vec<&'a str> {
    seen.endpoints
        .iter()
        .filter(|endpoint| endpoint.failures >= SILENT_AFTER)
        .map(|endpoint| endpoint.name.as_str())
        .collect()
}

fn reachable(seen: &Observed<'_>) -> Said {
    let silent = silent(seen);
    let all = seen.endpoints.len();
    if silent.is_empty() {
        Said::new(ENDPOINTS_REACHABLE, Status::True, reason::AS_EXPECTED, "")
    } else if silent.len() < all {
        let text = format!(
            "{} of {all} endpoints do not answer: {}",
            silent.len(),
            silent.join(", ")
        );
        Said::new(ENDPOINTS_REACHABLE, Status::True, "SomeSilent", text)
    } else {
        let text = format!(
            "no endpoint answers ({}): workloads go on, money waits",
            silent.join(", ")
        );
        Said::new(ENDPOINTS_REACHABLE, Status::False, reason::UNREACHABLE, text)
    }
}

fn synced(seen: &Observed<'_>) -> Said {
    let said = |is, reason, message: String| Said::new(CHAIN_SYNCED, is, reason, message);
    let Some(view) = seen.view else {
        let text = "reading the contracts' logs for the first time".to_owned();
        return said(Status::Unknown, "Backfilling", text);
    };
    match view.freshness {
        Freshness::Stale { .. } => said(
            Status::Unknown,
            reason::STALE,
            "no endpoint brings a new block: workloads go on, money waits".to_owned(),
        ),
        Freshness::Disagreement { height } => said(Status::False, DISAGREEMENT, disagreement(height)),
        Freshness::Fresh => {
            let doubts = view.head.book.doubts();
            if doubts.count == 0 {
                said(Status::True, "Fresh", "endpoints advance and agree".to_owned())
            } else {
                let last = doubts.last.as_deref().unwrap_or("an event does not fit");
                let text = format!(
                    "the contracts' events do not fit together, so money waits and nothing is deleted: {last}; compare the endpoints, then restart the operator"
                );
                said(Status::False, "BookInDoubt", text)
            }
        }
    }
}

const DISAGREEMENT: &str = "Disagreement";

fn disagreement(height: u64) -> String {
    format!(
        "endpoints tell different stories about block {height}: money waits, workloads go on; find the one that is wrong and take it off spec.endpoints"
    )
}

fn agree(seen: &Observed<'_>) -> Said {
    let said = |is, reason, message: String| Said::new(ENDPOINTS_AGREE, is, reason, message);
    let Some(view) = seen.view else {
        let text = "nothing was compared yet".to_owned();
        return said(Status::Unknown, reason::NOT_YET_KNOWN, text);
    };
    match view.freshness {
        Freshness::Disagreement { height } => said(Status::False, DISAGREEMENT, disagreement(height)),
        Freshness::Stale { .. } => said(
            Status::Unknown,
            reason::STALE,
            "no endpoint brings a new block to compare".to_owned(),
        ),
        Freshness::Fresh => {
            let answering = seen
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.answers())
                .count();
            if seen.endpoints.len() < 2 {
                let text = "one endpoint has nobody to contradict it, and its word alone deletes: list a second one of another operator in spec.endpoints";
                said(Status::Unknown, "OneEndpoint", text.to_owned())
            } else if answering < 2 {
                let text = "only one endpoint answers, so nobody can contradict it: money goes on and nothing is deleted until a second one answers; mend or replace those that do not";
                said(Status::Unknown, "OneAnswers", text.to_owned())
            } else {
                unheard(seen.unheard.as_ref())
            }
        }
    }
}

/// Whether two endpoints call over what the followed chain does. Of all that rests on it only deleting cannot be made good, so only that waits; one
/// that denies it at a final block is a second story about that block.
fn unheard(waiting: Option<&UnheardSight>) -> Said {
    let said = |is, reason, message: String| Said::new(ENDPOINTS_AGREE, is, reason, message);
    match waiting {
        Some(UnheardSight { lease, denied_by, .. }) if !denied_by.is_empty() => {
            let text = format!(
                "lease {lease} is over by the chain that is followed and not by the final block of {}: nothing of it is deleted; read it from each endpoint (leaseport lease get {lease} --chain-only --rpc URL) and take the wrong one off spec.endpoints",
                denied_by.join(", ")
            );
            said(Status::False, "EndDenied", text)
        }
        Some(UnheardSight { lease, waits, .. }) if *waits >= UNHEARD_AFTER => {
            let text = format!(
                "lease {lease} is over by the chain that is followed, and for {} s no two endpoints said so of their own final blocks: nothing of it is deleted; list endpoints that answer eth_call, or wait where finality is slow",
                UNHEARD_AFTER.as_secs()
            );
            said(Status::Unknown, "EndUnheard", text)
        }
        Some(_) | None => said(Status::True, reason::AS_EXPECTED, String::new()),
    }
}

fn finality(seen: &Observed<'_>) -> Said {
    let said = |is, reason, message: String| Said::new(FINALITY_ADVANCING, is, reason, message);
    let Some(view) = seen.view else {
        let text = "no view of the chain yet".to_owned();
        return said(Status::Unknown, reason::NOT_YET_KNOWN, text);
    };
    match view.freshness {
        Freshness::Stale { .. } => said(
            Status::Unknown,
            reason::STALE,
            "no endpoint brings a new block, so nobody says what is final".to_owned(),
        ),
        Freshness::Disagreement { .. } => said(
            Status::Unknown,
            DISAGREEMENT,
            "endpoints contradict each other, so nobody says what is final".to_owned(),
        ),
        Freshness::Fresh => {
            let settled = &view.finalized.block;
            let behind = view.now().0.saturating_sub(settled.time.0);
            if behind > seen.stalled_after.as_secs() {
                // The settled block stands still, so this text does too.
                let text = format!(
                    "block {} is still the newest settled one, more than {} s behind the head: closed leases stop and are not deleted until finality moves",
                    settled.number,
                    seen.stalled_after.as_secs()
                );
                said(Status::False, "Stalled", text)
            } else {
                said(Status::True, reason::AS_EXPECTED, String::new())
            }
        }
    }
}

fn watches(seen: &Observed<'_>) -> Said {
    let of = |wanted| {
        let kinds: Vec<&str> = seen
            .watches
            .iter()
            .filter(|(_, health)| *health == wanted)
            .map(|(kind, _)| kind.as_str())
            .collect();
        kinds.join(", ")
    };
    let failing = of(WatchSight::Failing);
    let starting = of(WatchSight::Starting);
    if !failing.is_empty() {
        let text = format!(
            "the watch of {failing} fails, so what is known of it may be old: the operator's log has the error; check definitions and rights"
        );
        Said::new(WATCHES_LIVE, Status::False, "WatchFailing", text)
    } else if !starting.is_empty() {
        let text = format!("not listed yet: {starting}");
        Said::new(WATCHES_LIVE, Status::Unknown, reason::NOT_YET_KNOWN, text)
    } else {
        Said::new(WATCHES_LIVE, Status::True, reason::AS_EXPECTED, "")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use alloy::primitives::B256;

    use super::*;
    use crate::core::{
        book::{Book, fixtures::windows},
        canon::{BlockRef, Snapshot},
        ids::ChainId,
        time::{ChainSeconds, UnixMillis},
    };

    fn snapshot(number: u64, time: u64) -> Snapshot {
        Snapshot {
            block: BlockRef {
                number,
                hash: B256::with_last_byte(1),
                parent: B256::ZERO,
                time: ChainSeconds(time),
            },
            book: Arc::new(Book::new(windows())),
        }
    }

    fn view(freshness: Freshness, settled_at: u64) -> ChainView {
        ChainView {
            chain: ChainId(31_337),
            freshness,
            head: snapshot(100, 10_000),
            start: snapshot(98, 9_976),
            finalized: snapshot(50, settled_at),
        }
    }

    fn endpoint(name: &str, failures: u32) -> EndpointSight {
        EndpointSight {
            name: name.into(),
            failures,
            head: Some(100),
        }
    }

    fn seen(view: Option<&ChainView>) -> Observed<'_> {
        Observed {
            view,
            endpoints: vec![endpoint("a", 0), endpoint("b", 0)],
            unheard: None,
            watches: vec![("Pod".into(), WatchSight::Live)],
            stalled_after: Duration::from_secs(3_600),
        }
    }

    fn of(said: &[Said], kind: &str) -> (Status, &'static str) {
        let found = said.iter().find(|said| said.kind == kind).unwrap();
        (found.is, found.reason)
    }

    #[test]
    fn each_condition_is_said_once_and_all_hold_on_a_chain_that_moves() {
        let view = view(Freshness::Fresh, 9_000);
        let said = followed(&seen(Some(&view)));
        let mut kinds: Vec<_> = said.iter().map(|said| said.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 7);
        assert!(said.iter().all(|said| said.is == Status::True), "{said:?}");
    }

    #[test]
    fn finality_that_stands_still_is_told_with_unmoving_words_and_does_not_unready_the_market() {
        let view = view(Freshness::Fresh, 6_399);
        let said = followed(&seen(Some(&view)));
        assert_eq!(of(&said, FINALITY_ADVANCING), (Status::False, "Stalled"));
        assert_eq!(of(&said, READY), (Status::True, "AsExpected"));
        let mut later = view;
        later.head.block.number += 10;
        later.head.block.time.0 += 120;
        assert_eq!(followed(&seen(Some(&later))), said);
    }

    #[test]
    fn a_disagreement_is_false_and_silence_is_unknown() {
        let disputed = view(Freshness::Disagreement { height: 99 }, 9_000);
        let said = followed(&seen(Some(&disputed)));
        assert_eq!(of(&said, ENDPOINTS_AGREE), (Status::False, "Disagreement"));
        assert_eq!(of(&said, READY), (Status::False, "Disagreement"));
        assert_eq!(of(&said, FINALITY_ADVANCING).0, Status::Unknown);
        let silent = view(Freshness::Stale { since: UnixMillis(0) }, 0);
        let said = followed(&seen(Some(&silent)));
        for kind in [ENDPOINTS_AGREE, FINALITY_ADVANCING, CHAIN_SYNCED, READY] {
            assert_eq!(of(&said, kind), (Status::Unknown, "Stale"), "{kind}");
        }
    }

    #[test]
    fn agreement_needs_two_who_answer() {
        let view = view(Freshness::Fresh, 9_000);
        let mut alone = seen(Some(&view));
        alone.endpoints.truncate(1);
        assert_eq!(
            of(&followed(&alone), ENDPOINTS_AGREE),
            (Status::Unknown, "OneEndpoint")
        );
        assert_eq!(of(&followed(&alone), READY).0, Status::True);
        let mut half = seen(Some(&view));
        half.endpoints = vec![endpoint("a", 0), endpoint("b", 3)];
        let said = followed(&half);
        assert_eq!(of(&said, ENDPOINTS_AGREE), (Status::Unknown, "OneAnswers"));
        assert_eq!(of(&said, ENDPOINTS_REACHABLE), (Status::True, "SomeSilent"));
        half.endpoints = vec![endpoint("a", 3), endpoint("b", 9)];
        assert_eq!(
            of(&followed(&half), ENDPOINTS_REACHABLE),
            (Status::False, "Unreachable")
        );
    }

    #[test]
    fn an_end_that_a_second_endpoint_denies_is_told_at_once_and_one_it_does_not_confirm_after_a_while() {
        let view = view(Freshness::Fresh, 9_000);
        let with = |waits, denied_by: &[&str]| {
            let mut seen = seen(Some(&view));
            seen.unheard = Some(UnheardSight {
                lease: crate::core::book::fixtures::id(0, 1),
                waits: Duration::from_secs(waits),
                denied_by: denied_by.iter().map(|name| (*name).to_owned()).collect(),
            });
            followed(&seen)
        };
        assert_eq!(of(&with(899, &[]), ENDPOINTS_AGREE), (Status::True, "AsExpected"));
        let said = with(900, &[]);
        assert_eq!(of(&said, ENDPOINTS_AGREE), (Status::Unknown, "EndUnheard"));
        assert_eq!(with(9_000, &[]), said, "words that stand still");
        let said = with(0, &["b"]);
        // Two stories about what is final are told as those about a block are: by the same condition, and so by the same alert.
        assert_eq!(of(&said, ENDPOINTS_AGREE), (Status::False, "EndDenied"));
        assert!(said.iter().any(|said| said.message.contains("of b:")), "{said:?}");
        assert_eq!(of(&said, READY), (Status::False, "EndDenied"));
    }

    #[test]
    fn one_watch_that_fails_is_named_and_unreadies_the_market() {
        let view = view(Freshness::Fresh, 9_000);
        let mut seen = seen(Some(&view));
        seen.watches.push(("Node".into(), WatchSight::Failing));
        let said = followed(&seen);
        let watches = said.iter().find(|said| said.kind == WATCHES_LIVE).unwrap();
        assert_eq!((watches.is, watches.reason), (Status::False, "WatchFailing"));
        assert!(watches.message.contains("Node") && !watches.message.contains("Pod"));
        assert_eq!(of(&said, READY), (Status::False, "WatchFailing"));
    }

    #[test]
    fn a_market_that_cannot_be_followed_says_which_side_fails_and_that_the_rest_is_unknown() {
        let said = unfollowed(Failure::Contracts, "WrongVersion", "text", &seen(None));
        assert_eq!(of(&said, CONTRACTS_VERIFIED), (Status::False, "WrongVersion"));
        assert_eq!(of(&said, ENDPOINTS_REACHABLE).0, Status::Unknown);
        assert_eq!(of(&said, FINALITY_ADVANCING).0, Status::Unknown);
        assert_eq!(of(&said, READY), (Status::False, "WrongVersion"));
        let said = unfollowed(Failure::Endpoints, "InvalidSpec", "text", &seen(None));
        assert_eq!(of(&said, ENDPOINTS_REACHABLE).0, Status::False);
        assert_eq!(of(&said, CONTRACTS_VERIFIED).0, Status::Unknown);
    }
}
