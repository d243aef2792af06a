//! From what was observed of each replica to billable milliseconds: closed intervals and open ones, never a second twice, never a second without
//! proof. Durations come from the steady clock; wall stamps only bridge a restart, and only as far as the same proof is seen again.
//! May not decide what counts as delivered: that is `core::delivery`.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::{hex, keccak256};
use serde::{Deserialize, Serialize};

use crate::core::time::{Now, Steady, UnixMillis};

/// Looks further apart than this are a gap, whether or not somebody said Unknown in between.
pub const WATCHED_MS: u64 = 60_000;

/// What shows that a replica is the one seen before: the same pod, in it the same start of the same containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Name of the pod, for people.
    pub pod: String,
    /// Uid of the pod.
    pub pod_uid: String,
    /// Id of its container as the runtime gives it, with a digest behind it where there are more; none while none was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// When the last of them started, RFC 3339 in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp")]
    pub started_at: Option<UnixMillis>,
}

/// One container of a replica, for [`Proof::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerStart<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its id as the runtime gives it; none while it was not created.
    pub id: Option<&'a str>,
    /// When it started.
    pub started_at: Option<UnixMillis>,
}

impl Proof {
    /// A proof over all containers of a pod. A restart of any of them makes another proof.
    #[must_use]
    pub fn of(pod: &str, pod_uid: &str, containers: &[ContainerStart<'_>]) -> Self {
        let first = containers.iter().find_map(|container| container.id);
        let container_id = match (first, containers) {
            (None, _) => None,
            (Some(id), [_]) => Some(id.to_owned()),
            (Some(id), _) => {
                let mut all = Vec::new();
                for container in containers {
                    let started = container.started_at.map_or(0, |at| at.0);
                    for part in [
                        container.name,
                        container.id.unwrap_or_default(),
                        &started.to_string(),
                    ] {
                        all.extend_from_slice(keccak256(part).as_slice());
                    }
                }
                let short: String = hex::encode(keccak256(all)).chars().take(16).collect();
                Some(format!("{id}+{short}"))
            }
        };
        Self {
            pod: pod.to_owned(),
            pod_uid: pod_uid.to_owned(),
            container_id,
            started_at: containers
                .iter()
                .filter_map(|container| container.started_at)
                .max(),
        }
    }
}

/// Milliseconds as the stamp Kubernetes writes, so that the status shows what people expect.
mod stamp {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::core::time::UnixMillis;

    pub(super) fn serialize<S: Serializer>(
        at: &Option<UnixMillis>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        at.and_then(|at| Timestamp::from_millisecond(at.0).ok())
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<UnixMillis>, D::Error> {
        let stamp = Option::<Timestamp>::deserialize(deserializer)?;
        Ok(stamp.map(|stamp| UnixMillis(stamp.as_millisecond())))
    }
}

/// What is known of one replica at this moment. Failures of the tenant's own making are `Delivered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The provider gives what it owes.
    Delivered(Proof),
    /// It does not.
    NotDelivered {
        /// When and for which proof it ended, where the cluster says so (a terminated container's `finishedAt`).
        ended: Option<Ended>,
    },
    /// Nobody can say: API server, kubelet or watch silent.
    Unknown,
}

/// The end of a delivery by the cluster's own stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What ended.
    pub proof: Proof,
    /// When.
    pub at: UnixMillis,
}

/// Whether time is billable at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The lease is Active, no end in sight.
    Runs,
    /// Active until this moment, which may lie in the past (`stopAt` on chain). Nothing after it is billed.
    Until(UnixMillis),
    /// Not started, suspended, or its opening was reorganized away: whatever runs is not billed.
    Stands,
}

/// Whether the state must reach `ComputeLease.status.usage` now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Write {
    /// Delivery began, stopped or changed hands.
    Needed,
    /// Only time passed.
    NotNeeded,
}

/// One interval of delivery that runs, as persisted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenInterval {
    /// Index of the replica.
    pub replica: u16,
    /// The moment up to which its time is in `closedMs` already.
    pub since_ms: i64,
    /// What continues it.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What is persisted: `closedMs` is the sum over replicas, so a lease of two replicas collects 2000 in a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeterState {
    /// Milliseconds of all replicas in intervals that ended or were cut by a write.
    pub closed_ms: u64,
    /// At most one a replica, by replica.
    #[serde(default)]
    pub open: Vec<OpenInterval>,
    /// Milliseconds of replicas that could not be proven and are not billed.
    #[serde(default)]
    pub unproven_ms: u64,
}

/// Meters one lease. Its whole memory beyond [`MeterState`] is when this process last saw each replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    replicas: u16,
    closed_ms: u64,
    unproven_ms: u64,
    open: BTreeMap<u16, Interval>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Interval {
    since: UnixMillis,
    proof: Proof,
    seen: Seen,
}

/// How far this process has proven an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Loaded from the status and not yet seen again.
    Never,
    /// Delivered at each look since, the newest at `at`; `ms` are proven beyond `since`.
    Watched { ms: u64, at: Steady, wall: UnixMillis },
    /// Unknown after `at`.
    Gap { ms: u64, at: Steady, wall: UnixMillis },
}

/// What follows a look that saw a replica delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Its interval stays open.
    GoesOn,
    /// The billable time ended before now.
    Over,
}

impl Interval {
    fn begin(proof: &Proof, now: Now) -> Self {
        Self {
            since: now.wall,
            proof: proof.clone(),
            seen: Seen::Watched {
                ms: 0,
                at: now.steady,
                wall: now.wall,
            },
        }
    }

    /// Milliseconds proven beyond `since`.
    fn proven(&self) -> u64 {
        match self.seen {
            Seen::Never => 0,
            Seen::Watched { ms, .. } | Seen::Gap { ms, .. } => ms,
        }
    }

    /// The wall moment up to which it is proven.
    fn proven_until(&self) -> UnixMillis {
        match self.seen {
            Seen::Never => self.since,
            Seen::Watched { wall, .. } | Seen::Gap { wall, .. } => wall,
        }
    }

    /// Milliseconds between the last proof and now: by the steady clock where this process saw the last one, else by the wall.
    fn unseen(&self, now: Now) -> u64 {
        match self.seen {
            Seen::Never => now.wall.millis_since(self.since),
            Seen::Watched { at, .. } | Seen::Gap { at, .. } => millis(now.steady.since(at)),
        }
    }

    /// Of the unseen milliseconds those before a wall moment.
    fn unseen_before(&self, end: UnixMillis, now: Now) -> u64 {
        self.unseen(now).saturating_sub(now.wall.millis_since(end))
    }

    fn watched(&mut self, more: u64, now: Now) {
        self.seen = Seen::Watched {
            ms: self.proven().saturating_add(more),
            at: now.steady,
            wall: now.wall,
        };
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Meter {
    /// Continues from what the status says; a fresh lease from the default. `replicas` is the needs' count, at least 1.
    /// Intervals of replicas beyond the count and second intervals of a replica are dropped: they are not ours.
    #[must_use]
    pub fn resume(state: &MeterState, replicas: u16) -> Self {
        let replicas = replicas.max(1);
        let mut open = BTreeMap::new();
        for interval in state.open.iter().filter(|interval| interval.replica < replicas) {
            open.entry(interval.replica).or_insert_with(|| Interval {
                since: UnixMillis(interval.since_ms),
                proof: interval.proof.clone(),
                seen: Seen::Never,
            });
        }
        Self {
            replicas,
            closed_ms: state.closed_ms,
            unproven_ms: state.unproven_ms,
            open,
        }
    }

    /// Takes in a look at all replicas. One that is not named is Unknown. Look often: what ends is billed to the last look that saw it run,
    /// unless the cluster says when it ended.
    pub fn observe(&mut self, replicas: &BTreeMap<u16, Delivery>, clock: Clock, now: Now) -> Write {
        let mut write = Write::NotNeeded;
        for replica in 0..self.replicas {
            let delivery = replicas.get(&replica).unwrap_or(&Delivery::Unknown);
            if self.observe_one(replica, delivery, clock, now) == Write::Needed {
                write = Write::Needed;
            }
        }
        write
    }

    fn observe_one(&mut self, replica: u16, delivery: &Delivery, clock: Clock, now: Now) -> Write {
        let end = match clock {
            Clock::Runs => now.wall,
            Clock::Until(end) => end.min(now.wall),
            Clock::Stands => return self.close(replica, None, now),
        };
        match delivery {
            Delivery::Delivered(proof) => {
                let next = match clock {
                    Clock::Until(stop) if stop <= now.wall => Next::Over,
                    Clock::Runs | Clock::Until(_) | Clock::Stands => Next::GoesOn,
                };
                self.delivered(replica, proof, end, next, now)
            }
            Delivery::NotDelivered { ended } => {
                let ended = ended.as_ref().map(|ended| Ended {
                    proof: ended.proof.clone(),
                    at: ended.at.min(end),
                });
                self.close(replica, ended.as_ref(), now)
            }
            Delivery::Unknown => {
                if let Some(interval) = self.open.get_mut(&replica)
                    && let Seen::Watched { ms, at, wall } = interval.seen
                {
                    interval.seen = Seen::Gap { ms, at, wall };
                }
                Write::NotNeeded
            }
        }
    }

    fn delivered(&mut self, replica: u16, proof: &Proof, end: UnixMillis, next: Next, now: Now) -> Write {
        let Some(interval) = self.open.get_mut(&replica) else {
            if next == Next::Over {
                return Write::NotNeeded;
            }
            self.open.insert(replica, Interval::begin(proof, now));
            return Write::Needed;
        };
        // Watched without a gap, a restart of a container is seen as one: the pod delivered before and after. After a gap only the same
        // start of the same container shows that nothing ended in between.
        let continues = match interval.seen {
            Seen::Watched { .. } if interval.unseen(now) <= WATCHED_MS => {
                interval.proof.pod_uid == proof.pod_uid
            }
            Seen::Watched { .. } | Seen::Gap { .. } | Seen::Never => interval.proof == *proof,
        };
        if !continues {
            let closed = self.close(replica, None, now);
            if next == Next::GoesOn {
                self.open.insert(replica, Interval::begin(proof, now));
            }
            return closed;
        }
        let more = interval.unseen_before(end, now);
        interval.watched(more, now);
        if next == Next::Over {
            return self.close(replica, None, now);
        }
        if interval.proof == *proof {
            return Write::NotNeeded;
        }
        // The new proof must be on record before the next gap, or that gap could not be billed.
        interval.proof = proof.clone();
        self.cut(replica);
        Write::Needed
    }

    /// Ends an interval at its last proof, or at the stamp the cluster gave for it.
    fn close(&mut self, replica: u16, ended: Option<&Ended>, now: Now) -> Write {
        let Some(interval) = self.open.remove(&replica) else {
            return Write::NotNeeded;
        };
        let unseen = interval.unseen(now);
        let more = match ended {
            Some(ended) if ended.proof == interval.proof && ended.at > interval.proven_until() => {
                interval.unseen_before(ended.at, now)
            }
            Some(_) | None => 0,
        };
        // Only what nobody saw counts as unproven; that a delivery ended between two looks of one watch is not an outage.
        if !matches!(interval.seen, Seen::Watched { .. }) {
            self.unproven_ms = self.unproven_ms.saturating_add(unseen.saturating_sub(more));
        }
        self.closed_ms = self
            .closed_ms
            .saturating_add(interval.proven())
            .saturating_add(more);
        Write::Needed
    }

    /// Moves the proven part of an open interval into the closed sum.
    fn cut(&mut self, replica: u16) {
        let Some(interval) = self.open.get_mut(&replica) else {
            return;
        };
        let (proven, until) = (interval.proven(), interval.proven_until());
        interval.since = until;
        interval.seen = match interval.seen {
            Seen::Never => Seen::Never,
            Seen::Watched { at, wall, .. } => Seen::Watched { ms: 0, at, wall },
            Seen::Gap { at, wall, .. } => Seen::Gap { ms: 0, at, wall },
        };
        self.closed_ms = self.closed_ms.saturating_add(proven);
    }

    /// What to persist: all that is proven so far is in `closedMs`. Write it before a report is signed; it changes no count.
    pub fn checkpoint(&mut self) -> MeterState {
        let replicas: Vec<u16> = self.open.keys().copied().collect();
        for replica in replicas {
            self.cut(replica);
        }
        MeterState {
            closed_ms: self.closed_ms,
            open: self
                .open
                .iter()
                .map(|(replica, interval)| OpenInterval {
                    replica: *replica,
                    since_ms: interval.since.0,
                    proof: interval.proof.clone(),
                })
                .collect(),
            unproven_ms: self.unproven_ms,
        }
    }

    /// Takes in what is known of this lease from elsewhere, by maximum: an object made again has lost its count, and the chain has not.
    pub fn join(&mut self, replica_millis: u64) -> Write {
        let missing = replica_millis.saturating_sub(self.replica_millis());
        self.closed_ms = self.closed_ms.saturating_add(missing);
        if missing > 0 {
            Write::Needed
        } else {
            Write::NotNeeded
        }
    }

    /// Proven milliseconds, summed over replicas. Never decreases.
    #[must_use]
    pub fn replica_millis(&self) -> u64 {
        let open = self.open.values().map(Interval::proven);
        open.fold(self.closed_ms, u64::saturating_add)
    }

    /// Billable seconds of the lease: replicas bill in proportion, rounded down, at most what a lane holds. Never decreases.
    #[must_use]
    pub fn lease_seconds(&self) -> u32 {
        let whole = u64::from(self.replicas) * 1000;
        let seconds = self.replica_millis() / whole;
        u32::try_from(seconds)
            .unwrap_or(u32::MAX)
            .min(super::lanes::MAX_LANE)
    }

    /// Milliseconds, summed over replicas, that could not be proven and are not billed.
    #[must_use]
    pub const fn unproven_millis(&self) -> u64 {
        self.unproven_ms
    }

    /// Replicas with an open interval.
    #[must_use]
    pub fn open_replicas(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests;
