//! What a lease's object asks for. Reads nothing else.

use std::time::Duration;

use kube::{Resource, ResourceExt};

use crate::{
    api::{
        ComputeLease, duration,
        lease::{CloseReason, FinishOutcome, LeaseFinish},
        name::{ABANDON_ANNOTATION, CLOSE_FINALIZER},
    },
    core::{
        book::Metered,
        delivery::{Finding, Finish},
        plan::lease::{ObjectSide, SignedEnd, Wish, reason},
        time::{Now, UnixMillis},
    },
    observe::meters::{persisted, time_of},
};

pub(super) fn object_side(lease: &ComputeLease, newest: Option<Metered<'_>>, now: Now) -> ObjectSide {
    let leaving = lease.meta().deletion_timestamp.is_some();
    let wish = match (&lease.spec.close, leaving, lease.spec.suspend) {
        (Some(close), _, _) => Wish::End {
            reason: close_reason(close.reason),
        },
        (None, true, _) => Wish::End {
            reason: reason::MAINTENANCE,
        },
        (None, false, true) => Wish::Suspend,
        (None, false, false) => Wish::Run,
    };
    ObjectSide {
        held: lease
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == CLOSE_FINALIZER),
        leaving,
        abandoned: lease.annotations().get(ABANDON_ANNOTATION) == Some(&lease.spec.lease_id),
        wish,
        close_asked: close_asked(lease, now),
        signed_end: signed_end(lease, newest, now),
    }
}

fn close_reason(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::Maintenance => 2001,
        CloseReason::HardwareFault => 2002,
        CloseReason::PolicyBreach => 2003,
        CloseReason::Reclaim => 2004,
    }
}

/// A signature that ends sooner is of no use to the tenant, who still has to send it; the gateway hands out none that does, seconds.
const CLOSE_LEAST: i64 = 60;

/// Asked for, and no signature given that still holds long enough.
fn close_asked(lease: &ComputeLease, now: Now) -> bool {
    let Some(status) = &lease.status else { return false };
    if status.close_request.is_none() {
        return false;
    }
    let now = now.chain.map_or(0, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
    status
        .close_offer
        .as_ref()
        .is_none_or(|offer| offer.deadline <= now.saturating_add(CLOSE_LEAST))
}

/// A signature that lies in status holds up to the lease's end, and is over every second that status holds and the chain has paid.
fn signed_end(lease: &ComputeLease, newest: Option<Metered<'_>>, now: Now) -> SignedEnd {
    let status = lease.status.as_ref();
    let offer = status.and_then(|status| status.close_offer.as_ref());
    let (Some(offer), Some(found)) = (offer, newest) else {
        return SignedEnd::Due;
    };
    let replicas = u64::try_from(lease.spec.request.replicas).unwrap_or(1).max(1);
    let counted = persisted(status).closed_ms / replicas.saturating_mul(1000);
    let ran = now
        .chain
        .unwrap_or_default()
        .min(found.lease.stop_at)
        .0
        .saturating_sub(found.lease.start_at.0);
    let least = counted.min(ran).max(found.lease.settled.into());
    let covers = u64::try_from(offer.cum).is_ok_and(|cum| cum >= least);
    let lasts = u64::try_from(offer.deadline).is_ok_and(|deadline| deadline >= found.lease.stop_at.0);
    if covers && lasts {
        SignedEnd::Given
    } else {
        SignedEnd::Due
    }
}

/// The end of the lease's Job, where status has it.
pub(super) fn noted_finish(lease: &ComputeLease) -> Option<Finish> {
    let noted = lease.status.as_ref()?.finish.as_ref()?;
    let at = noted.at.as_ref().map(|at| UnixMillis(at.0.as_millisecond()));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(match noted.outcome {
        FinishOutcome::Complete => Finish::Complete { at },
        FinishOutcome::Failed => Finish::Failed {
            at,
            finding: Finding::new(&text(&noted.reason), &text(&noted.message)),
        },
    })
}

/// The same as status writes it.
#[must_use]
pub fn finish_of(finish: &Finish) -> LeaseFinish {
    let (Finish::Complete { at } | Finish::Failed { at, .. }) = finish;
    let at = at.map(|at| time_of(at.0));
    match finish {
        Finish::Complete { .. } => LeaseFinish {
            outcome: FinishOutcome::Complete,
            at,
            ..LeaseFinish::default()
        },
        Finish::Failed { finding, .. } => LeaseFinish {
            outcome: FinishOutcome::Failed,
            reason: Some(finding.reason.clone()),
            message: Some(finding.message.clone()),
            at,
        },
    }
}

/// Declining needs time to land: a tenth of the start window, between 5 s and 5 min.
pub(super) fn decline_margin(lease: &ComputeLease) -> u64 {
    let window = duration::parse(&lease.spec.terms.start_window).map_or(300, |window| window.as_secs());
    (window / 10).clamp(5, 300)
}

/// Unpaid time the terms allow; the schema keeps the text a duration.
pub(super) fn grace(lease: &ComputeLease) -> Duration {
    duration::parse(&lease.spec.terms.grace).unwrap_or_default()
}

/// From the opening, the start window and the longest duration together.
pub(super) fn longest(lease: &ComputeLease) -> Duration {
    let terms = &lease.spec.terms;
    [&terms.start_window, &terms.max_duration]
        .into_iter()
        .filter_map(|text| duration::parse(text).ok())
        .fold(Duration::ZERO, Duration::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::{lease::LeaseTerms, request::RequestSummary},
        core::{
            book::{Book, fixtures::*},
            time::{ChainSeconds, Steady},
        },
    };

    fn lease(status: &Value) -> ComputeLease {
        let request = RequestSummary {
            replicas: 2,
            ..RequestSummary::default()
        };
        serde_json::from_value(json!({
            "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeLease",
            "metadata": { "name": "lp-1", "namespace": "gpu-provider", "uid": "u" },
            "spec": {
                "marketRef": { "name": "m" }, "providerRef": { "name": "p" }, "leaseId": "7-0-1", "termsHash": "0x", "orderHash": "0x",
                "tenant": "0x", "needsHash": "0x", "manifestHash": "0x", "needs": "{}",
                "request": request, "terms": LeaseTerms::default(),
            },
            "status": status,
        }))
        .unwrap()
    }

    /// Started at second 1000.
    fn live() -> Book {
        let mut book = Book::new(windows());
        for event in [
            registered(),
            posted(1, 3_000),
            opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
        ] {
            book.apply(at(10), &event);
        }
        book.apply(at(11), &started(id(0, 1), 1_000, 0));
        book
    }

    #[test]
    fn a_finished_lease_is_signed_for_with_all_its_seconds_and_until_its_end() {
        let book = live();
        let found = || book.lease_by_id(id(0, 1)).unwrap();
        let stop = found().lease.stop_at.0;
        let signed = |cum: u64, deadline: u64, now: u64| {
            // Two replicas for ten seconds.
            let status = json!({
                "usage": { "closedMs": 20_000 },
                "closeOffer": { "cum": cum, "deadline": deadline, "signature": "0x" },
            });
            let now = Now {
                wall: UnixMillis(0),
                steady: Steady(std::time::Duration::ZERO),
                chain: Some(ChainSeconds(now)),
            };
            signed_end(&lease(&status), Some(found()), now)
        };
        assert_eq!(signed(10, stop, 1_050), SignedEnd::Given);
        assert_eq!(signed(9, stop, 1_050), SignedEnd::Due);
        assert_eq!(signed(10, stop - 1, 1_050), SignedEnd::Due);
        // The chain takes no more seconds than have passed on it.
        assert_eq!(signed(5, stop, 1_005), SignedEnd::Given);
        assert_eq!(signed(5, stop, 1_006), SignedEnd::Due);
    }

    #[test]
    fn a_jobs_end_reads_back_as_it_was_written() {
        let at = Some(UnixMillis(1_763_805_600_000));
        let failed = Finish::Failed {
            at,
            finding: Finding::new("BackoffLimitExceeded", "m"),
        };
        for finish in [Finish::Complete { at }, Finish::Complete { at: None }, failed] {
            let status = json!({ "finish": finish_of(&finish) });
            assert_eq!(noted_finish(&lease(&status)), Some(finish));
        }
        assert_eq!(noted_finish(&lease(&json!({}))), None);
    }
}
