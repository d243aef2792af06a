//! What a lease's conditions say, from what was seen and planned in one pass. Texts hold no number that grows by itself, so a lease that just
//! runs has the same conditions in every pass.

use super::{
    due::{Clock, Phase, Plan},
    seen::{ChainSide, DeliverySide, ManifestSide, Observed, Stage, Wish},
    silence,
};
use crate::{
    api::condition::{self, Status},
    core::{
        delivery::Finish,
        plan::duty::{Sent, Trust},
        time::ChainSeconds,
    },
};

/// Money that lasts for less than this is about to run out, seconds.
const SOON: u64 = 3_600;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its type.
    pub kind: &'static str,
    /// Whether it holds.
    pub status: Status,
    /// CamelCase.
    pub reason: String,
    /// For people; empty where the reason says it all.
    pub message: String,
}

impl Finding {
    fn new(kind: &'static str, status: Status, reason: &str, message: &str) -> Self {
        Self {
            kind,
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// Whether the meter has an interval open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterSide {
    /// Seconds of at least one replica count.
    Counting,
    /// None count.
    Idle,
}

/// How long the escrow lasts, as the newest block has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// No block that holds the lease is known.
    Unknown,
    /// Used up at this second, if every second counts.
    Until(ChainSeconds),
    /// It covers the lease up to its end.
    Whole,
}

/// All conditions of a lease but `Ready` where an act failed: that one the pass knows.
#[must_use]
pub fn conditions(
    seen: &Observed,
    plan: &Plan,
    meter: MeterSide,
    purse: Purse,
    delivery: Option<(String, String)>,
) -> Vec<Finding> {
    let over = |kind, holds: bool, text| Finding::new(kind, holds.into(), plan.reason, text);
    vec![
        synced(&seen.chain),
        received(&seen.manifest),
        delivered(seen, plan, delivery),
        started(seen),
        metering(plan, meter),
        funded(&seen.chain, purse),
        suspended(seen, plan),
        finished(seen),
        over(
            condition::STOPPED,
            matches!(plan.phase, Phase::Stopped | Phase::Closed),
            "whether the lease's clock ended",
        ),
        over(
            condition::CLOSED,
            plan.phase == Phase::Closed,
            "whether the lease is closed in a finalized block",
        ),
        over(condition::READY, plan.phase == Phase::Active, ""),
    ]
}

fn synced(chain: &ChainSide) -> Finding {
    let (status, reason) = match chain.trust {
        Trust::Fresh => (Status::True, "Fresh"),
        Trust::Stale { .. } => (Status::Unknown, "Stale"),
        Trust::Disagreeing => (Status::False, "Disagreement"),
    };
    Finding::new(
        condition::CHAIN_SYNCED,
        status,
        reason,
        "the chain view this status was made from",
    )
}

fn received(manifest: &ManifestSide) -> Finding {
    let (status, reason, text) = match manifest {
        ManifestSide::Ready => (
            Status::True,
            "Accepted",
            "the manifest hashes to the lease's manifestHash",
        ),
        ManifestSide::Awaited => (Status::False, "Awaited", "the tenant has not sent it"),
        ManifestSide::Refused { reason } => (Status::False, "Refused", reason.as_str()),
        ManifestSide::Unknown => (Status::Unknown, "ClusterUnknown", "the API server did not answer"),
    };
    Finding::new(condition::MANIFEST_RECEIVED, status, reason, text)
}

fn delivered(seen: &Observed, plan: &Plan, finding: Option<(String, String)>) -> Finding {
    let status = match seen.delivery {
        DeliverySide::Delivered => Status::True,
        DeliverySide::Partly | DeliverySide::Withheld => Status::False,
        DeliverySide::Unknown => Status::Unknown,
    };
    let (reason, message) = finding.unwrap_or_else(|| (plan.reason.to_owned(), String::new()));
    Finding {
        kind: condition::DELIVERED,
        status,
        reason,
        message,
    }
}

fn started(seen: &Observed) -> Finding {
    let (status, reason) = match seen.duties.start {
        Sent::Done => (Status::True, "Started"),
        Sent::Never => (Status::False, "NotStarted"),
        Sent::InFlight => (Status::False, "StartSent"),
        Sent::Failed { .. } => (Status::False, "StartReverted"),
    };
    Finding::new(condition::STARTED, status, reason, "the start transaction")
}

fn metering(plan: &Plan, meter: MeterSide) -> Finding {
    let (status, reason, text) = match (plan.clock, meter) {
        (Clock::Unjudged, _) => (
            Status::Unknown,
            plan.reason,
            "the open interval is neither continued nor ended until it can be proven",
        ),
        (Clock::Runs, MeterSide::Counting) => (Status::True, "Counting", "delivered seconds are counted"),
        (Clock::Runs, MeterSide::Idle) => (Status::False, "NothingDelivered", "no replica is delivered"),
        (Clock::Until(_) | Clock::Stands, _) => (Status::False, plan.reason, "the lease's clock stands"),
    };
    Finding::new(condition::METERING, status, reason, text)
}

fn funded(chain: &ChainSide, purse: Purse) -> Finding {
    let (status, reason, text) = match (chain.head, purse) {
        (Some(Stage::Closed), _) => (Status::False, "Closed", "what was left went back to the tenant"),
        (_, Purse::Unknown) | (None, _) => (
            Status::Unknown,
            "ChainUnknown",
            "no block that holds the lease is known",
        ),
        (Some(Stage::Pending { .. }), _) => (Status::True, "Escrowed", "the deposit is in escrow"),
        (Some(Stage::Live { .. }), Purse::Whole) => {
            (Status::True, "Covered", "the escrow lasts to the lease's end")
        }
        (Some(Stage::Live { .. }), Purse::Until(dry)) if dry <= chain.now => (
            Status::False,
            "RanDry",
            "the escrow is used up: further seconds are unpaid until the tenant tops up",
        ),
        (Some(Stage::Live { .. }), Purse::Until(dry)) if dry.0 <= chain.now.0.saturating_add(SOON) => (
            Status::False,
            "RunsDrySoon",
            "the escrow lasts for less than an hour and ends before the lease: see status.escrow.runsDryAt",
        ),
        (Some(Stage::Live { .. }), Purse::Until(_)) => (
            Status::True,
            "Covered",
            "the escrow lasts for the next hour and longer",
        ),
    };
    Finding::new(condition::FUNDED, status, reason, text)
}

fn suspended(seen: &Observed, plan: &Plan) -> Finding {
    let (status, reason, text) = match (plan.phase, seen.object.wish) {
        (Phase::Suspended, Wish::Suspend) => (
            Status::True,
            "Requested",
            "spec.suspend is set: the workload is scaled to zero and nothing is billed",
        ),
        (Phase::Suspended, Wish::Run | Wish::End { .. }) if plan.reason == silence::TOO_LONG => (
            Status::True,
            plan.reason,
            "the chain has been unknown for longer than runway, grace and the offer's suspendAfter: the workload is scaled to zero and comes back with the chain",
        ),
        (Phase::Suspended, Wish::Run | Wish::End { .. }) => {
            (Status::True, plan.reason, "the workload is scaled to zero")
        }
        (
            Phase::Pending
            | Phase::Starting
            | Phase::Active
            | Phase::Degraded
            | Phase::Finished
            | Phase::Stopped
            | Phase::Closed,
            _,
        ) => (Status::False, "NotSuspended", ""),
    };
    Finding::new(condition::SUSPENDED, status, reason, text)
}

fn finished(seen: &Observed) -> Finding {
    let said = |reason, text: &str| Finding::new(condition::FINISHED, Status::True, reason, text);
    match &seen.finish {
        None => Finding::new(condition::FINISHED, Status::False, "NotFinished", ""),
        Some(Finish::Complete { .. }) => said("Complete", "every replica of the Job succeeded"),
        Some(Finish::Failed { finding, .. }) => {
            said("Failed", &format!("{}: {}", finding.reason, finding.message))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::core::plan::lease::{Policy, plan as due, tests::seen};

    const LIVE: Stage = Stage::Live {
        start_at: ChainSeconds(900),
        stop_at: ChainSeconds(50_000),
    };
    const POLICY: Policy = Policy {
        final_reports: 60,
        decline_margin: 30,
        grace: Duration::from_secs(60),
        suspend_after: Some(Duration::from_secs(600)),
    };

    fn of(seen: &Observed, meter: MeterSide, purse: Purse, kind: &str) -> (Status, String) {
        let plan = due(seen, &POLICY);
        let all = conditions(seen, &plan, meter, purse, None);
        let found = all.into_iter().find(|finding| finding.kind == kind).unwrap();
        (found.status, found.reason)
    }

    fn word(status: Status, reason: &str) -> (Status, String) {
        (status, reason.to_owned())
    }

    #[test]
    fn every_condition_the_api_promises_for_a_lease_is_said_once() {
        let seen = seen(LIVE);
        let all = conditions(
            &seen,
            &due(&seen, &POLICY),
            MeterSide::Counting,
            Purse::Whole,
            None,
        );
        let mut kinds: Vec<&str> = all.iter().map(|finding| finding.kind).collect();
        kinds.sort_unstable();
        let mut promised = [
            condition::READY,
            condition::MANIFEST_RECEIVED,
            condition::DELIVERED,
            condition::STARTED,
            condition::METERING,
            condition::FUNDED,
            condition::CHAIN_SYNCED,
            condition::SUSPENDED,
            condition::FINISHED,
            condition::STOPPED,
            condition::CLOSED,
        ];
        promised.sort_unstable();
        assert_eq!(kinds, promised);
    }

    #[test]
    fn metering_is_unknown_and_not_false_while_the_chain_is_silent() {
        let mut seen = seen(LIVE);
        let metering = |seen: &Observed, meter| of(seen, meter, Purse::Whole, condition::METERING);
        assert_eq!(
            metering(&seen, MeterSide::Counting),
            word(Status::True, "Counting")
        );
        assert_eq!(
            metering(&seen, MeterSide::Idle),
            word(Status::False, "NothingDelivered")
        );
        seen.chain.trust = Trust::Stale { for_ms: 1_000 };
        assert_eq!(
            metering(&seen, MeterSide::Counting),
            word(Status::Unknown, "ChainUnknown")
        );
    }

    #[test]
    fn funds_are_judged_by_the_chains_clock_and_unknown_without_a_block() {
        let mut seen = seen(LIVE);
        let funded = |seen: &Observed, purse| of(seen, MeterSide::Counting, purse, condition::FUNDED);
        let until = |more: u64| Purse::Until(ChainSeconds(1_000 + more));
        assert_eq!(funded(&seen, Purse::Whole), word(Status::True, "Covered"));
        assert_eq!(funded(&seen, until(3_601)), word(Status::True, "Covered"));
        assert_eq!(funded(&seen, until(3_600)), word(Status::False, "RunsDrySoon"));
        assert_eq!(funded(&seen, until(0)), word(Status::False, "RanDry"));
        seen.chain.head = None;
        assert_eq!(funded(&seen, until(0)), word(Status::Unknown, "ChainUnknown"));
    }

    #[test]
    fn suspended_says_whether_a_person_or_the_silent_chain_did_it() {
        let suspended = |seen: &Observed| of(seen, MeterSide::Idle, Purse::Whole, condition::SUSPENDED);
        let mut seen = seen(LIVE);
        assert_eq!(suspended(&seen), word(Status::False, "NotSuspended"));
        seen.chain.trust = Trust::Stale { for_ms: 661_000 };
        assert_eq!(suspended(&seen), word(Status::True, "ChainUnknownTooLong"));
        seen.chain.trust = Trust::Fresh;
        seen.object.wish = Wish::Suspend;
        assert_eq!(suspended(&seen), word(Status::True, "Requested"));
    }
}
