//! What a lease's object asks for. Reads nothing else.

use std::time::Duration;

use kube::{Resource, ResourceExt};

use crate::{
    api::{
        ComputeLease, duration,
        lease::CloseReason,
        name::{ABANDON_ANNOTATION, CLOSE_FINALIZER},
    },
    core::{
        plan::lease::{ObjectSide, Wish, reason},
        time::Now,
    },
};

pub(super) fn object_side(lease: &ComputeLease, now: Now) -> ObjectSide {
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
