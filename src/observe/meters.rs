//! The running meters of all leases, resumed from what status last persisted. Kept by lease object uid; forgetting one is harmless,
//! since resuming bills only what is proven (rule 6).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        ComputeLease,
        lease::{AmendedUsage, ComputeLeaseStatus, LeaseUsage, OpenInterval as ApiInterval},
    },
    core::{
        ids::TermsHash,
        time::UnixMillis,
        usage::{
            billable::Allowance,
            counted::{Amended, Counted, Lane},
            meter::{Meter, MeterState, OpenInterval, Proof},
        },
    },
};

/// Meters by uid of their ComputeLease. Cheap to clone.
#[derive(Clone, Default)]
pub struct Meters(Arc<Mutex<BTreeMap<String, Meter>>>);

impl Meters {
    /// Runs `f` on the meter of this lease, resumed from `status` when it is not running yet.
    pub fn with<T>(
        &self,
        uid: &str,
        status: Option<&ComputeLeaseStatus>,
        replicas: u16,
        f: impl FnOnce(&mut Meter) -> T,
    ) -> T {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = meters
            .entry(uid.to_owned())
            .or_insert_with(|| Meter::resume(&persisted(status), replicas));
        f(meter)
    }

    /// The seconds of a running meter.
    #[must_use]
    pub fn seconds(&self, uid: &str) -> Option<u32> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(uid)
            .map(Meter::lease_seconds)
    }

    /// The lease is over for good.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// What status holds of the meter.
#[must_use]
pub fn persisted(status: Option<&ComputeLeaseStatus>) -> MeterState {
    let Some(usage) = status.and_then(|status| status.usage.as_ref()) else {
        return MeterState::default();
    };
    MeterState {
        closed_ms: u64::try_from(usage.closed_ms).unwrap_or(0),
        open: usage.open.iter().filter_map(interval).collect(),
        unproven_ms: u64::try_from(usage.unproven_ms).unwrap_or(0),
    }
}

/// What of a lease's metered seconds is not billed under the terms its status counts under.
#[must_use]
pub fn allowance(lease: &ComputeLease) -> Allowance {
    let usage = lease.status.as_ref().and_then(|status| status.usage.as_ref());
    match usage {
        Some(usage) => allowance_of(lease, usage),
        None => allowance_of(lease, &LeaseUsage::default()),
    }
}

/// The same with a usage that is not in its status yet.
#[must_use]
pub fn allowance_of(lease: &ComputeLease, usage: &LeaseUsage) -> Allowance {
    let seconds = |count: i64| u32::try_from(count).unwrap_or(0);
    Allowance {
        waived: seconds(lease.spec.waived_seconds),
        before: usage
            .amended
            .as_ref()
            .map_or(0, |amended| seconds(amended.before_seconds)),
    }
}

/// Merges what the newest block says of the lease's lane into its usage.
pub fn count(usage: &mut LeaseUsage, lease: &ComputeLease, lane: &Lane, metered: u32) {
    let seconds = |count: i64| u32::try_from(count.max(0)).unwrap_or(u32::MAX);
    let kept = Counted {
        base: usage.lane_base.map(seconds),
        reported: seconds(usage.reported_seconds),
        settled: seconds(usage.settled_seconds),
        amended: usage.amended.as_ref().map(|amended| Amended {
            // A hash that does not read is nobody's.
            terms: TermsHash(amended.terms_hash.parse().unwrap_or_default()),
            before: seconds(amended.before_seconds),
        }),
    };
    let opened = lease.spec.terms_hash.parse().map(TermsHash).ok();
    let next = kept.seen(opened, lane, metered, seconds(lease.spec.waived_seconds));
    usage.lane_base = next.base.map(i64::from);
    usage.reported_seconds = next.reported.into();
    usage.settled_seconds = next.settled.into();
    usage.amended = next.amended.map(|amended| AmendedUsage {
        terms_hash: amended.terms.to_string(),
        before_seconds: amended.before.into(),
    });
}

/// The terms that a lease's status counts under; none before it noted where its lane began.
#[must_use]
pub fn counted_under(lease: &ComputeLease) -> Option<TermsHash> {
    let usage = lease.status.as_ref()?.usage.as_ref()?;
    usage.lane_base?;
    let terms = usage
        .amended
        .as_ref()
        .map_or(&lease.spec.terms_hash, |amended| &amended.terms_hash);
    terms.parse().map(TermsHash).ok()
}

fn interval(open: &ApiInterval) -> Option<OpenInterval> {
    Some(OpenInterval {
        replica: u16::try_from(open.replica).ok()?,
        since_ms: open.since_ms,
        proof: Proof {
            pod: open.pod.clone(),
            pod_uid: open.pod_uid.clone(),
            container_id: open.container_id.clone(),
            started_at: open
                .started_at
                .as_ref()
                .map(|at| UnixMillis(at.0.as_millisecond())),
        },
    })
}

/// Writes the meter into status; counters there only grow.
pub fn store(usage: &mut LeaseUsage, state: &MeterState) {
    usage.closed_ms = usage
        .closed_ms
        .max(i64::try_from(state.closed_ms).unwrap_or(i64::MAX));
    usage.unproven_ms = usage
        .unproven_ms
        .max(i64::try_from(state.unproven_ms).unwrap_or(i64::MAX));
    usage.open = state
        .open
        .iter()
        .map(|open| ApiInterval {
            replica: i32::from(open.replica),
            since_ms: open.since_ms,
            pod: open.proof.pod.clone(),
            pod_uid: open.proof.pod_uid.clone(),
            container_id: open.proof.container_id.clone(),
            started_at: open.proof.started_at.map(|at| time_of(at.0)),
        })
        .collect();
}

/// A moment as Kubernetes writes it; out of jiff's range reads as the epoch.
#[must_use]
pub fn time_of(millis: i64) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_millisecond(millis).unwrap_or_default())
}
