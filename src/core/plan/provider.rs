//! What a provider's duty wallet owes the chain across all its leases: reports, settlements, claims. Counters only grow here: a
//! target below what is on chain is never sent, and what is due is told by seconds, not by a timer that a restart would forget.

mod agreed;
#[cfg(test)]
mod catch_up;

use std::time::Duration;

use thiserror::Error;

pub use agreed::{Redemption, Waiver, overcounted};

use super::duty::{Sent, Trust};
use crate::{
    api::{
        duration::{self, DurationError},
        provider::ProviderDuties,
    },
    core::{
        ids::{Lane, LeaseKey},
        money::{MicroUnits, MoneyError, RatePerHour},
        time::ChainSeconds,
        usage::lanes::{self, Counters},
    },
};

/// One live lease as chain and meter know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseUse {
    /// Which lease.
    pub key: LeaseKey,
    /// Its lane.
    pub lane: Lane,
    /// The lane's cumulative seconds on chain.
    pub on_chain: u32,
    /// Where the lease began to count.
    pub base: u32,
    /// Billable seconds by the meter under the terms in force: proven, floored, and without what the provider gave away.
    pub metered: u32,
    /// Seconds already turned into debt paid.
    pub settled: u32,
    /// Seconds the tenant signed for; none: none, or no more than is settled.
    pub vouched: Option<u32>,
    /// What is left to pay rent with.
    pub balance: MicroUnits,
    /// Redemptions of this very voucher.
    pub redeem: Sent,
    /// Waivers since the count began where it does.
    pub waive: Sent,
    /// Seconds that the provider's admin gave away; none is no consent to lower what the chain counts.
    pub given_away: u32,
    /// Its price.
    pub rate: RatePerHour,
    /// When its clock began.
    pub start_at: ChainSeconds,
    /// When its clock ends or ended.
    pub stop_at: ChainSeconds,
}

/// Everything a pass saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// How far the chain view may be trusted.
    pub trust: Trust,
    /// The newest block's time.
    pub now: ChainSeconds,
    /// Live leases, started and not closed at the newest block.
    pub leases: Vec<LeaseUse>,
    /// Any report on its way.
    pub report: Sent,
    /// Any settlement on its way.
    pub settle: Sent,
    /// Any claim on its way.
    pub claim: Sent,
    /// What could be claimed now, by token; none: not asked in this pass.
    pub claimable: Option<(u8, MicroUnits)>,
}

/// What does not change from pass to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Report once a lease has so many seconds that are not on chain yet.
    pub report_every: Duration,
    /// Settle once a lease has so many reported seconds that are not paid yet.
    pub settle_every: Duration,
    /// Redeem a voucher once it brings so much.
    pub redeem_above: MicroUnits,
    /// Claim once so much can be claimed.
    pub claim_above: MicroUnits,
    /// F of the deployment, seconds: reports count so long after the end.
    pub final_reports: u64,
}

/// Why a provider's duties do not read. The schema refuses such an object before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DutiesError {
    /// A duration.
    #[error("spec.duties.{field}: {source}")]
    Duration {
        /// Which.
        field: &'static str,
        /// Why.
        source: DurationError,
    },
    /// An amount.
    #[error("spec.duties.{field}: {source}")]
    Amount {
        /// Which.
        field: &'static str,
        /// Why.
        source: MoneyError,
    },
}

impl Policy {
    /// What the object says, with F of the deployment in seconds.
    ///
    /// # Errors
    /// A field does not read.
    pub fn of(duties: &ProviderDuties, final_reports: u64) -> Result<Self, DutiesError> {
        Ok(Self {
            report_every: report_every(duties)?,
            settle_every: time("settleEvery", &duties.settle_every)?,
            redeem_above: money("redeemAbove", &duties.redeem_above)?,
            claim_above: money("claimAbove", &duties.claim_above)?,
            final_reports,
        })
    }
}

/// How much usage may gather before it is reported, and so also before it is persisted.
///
/// # Errors
/// The field does not read.
pub fn report_every(duties: &ProviderDuties) -> Result<Duration, DutiesError> {
    time("reportEvery", &duties.report_every)
}

fn time(field: &'static str, text: &str) -> Result<Duration, DutiesError> {
    duration::parse(text).map_err(|source| DutiesError::Duration { field, source })
}

fn money(field: &'static str, text: &str) -> Result<MicroUnits, DutiesError> {
    text.parse()
        .map_err(|source| DutiesError::Amount { field, source })
}

/// What to do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Lanes and their new cumulative seconds; empty: no report. The usage behind them is persisted before it is signed.
    pub report: Vec<(Lane, u32)>,
    /// Lanes to settle; empty: none.
    pub settle: Vec<Lane>,
    /// Vouchers to redeem.
    pub redeem: Vec<Redemption>,
    /// Usage to lower.
    pub waive: Vec<Waiver>,
    /// Token to claim.
    pub claim: Option<u8>,
    /// Look again after so long.
    pub again: Option<Duration>,
}

/// What is due for one provider.
#[must_use]
pub fn plan(seen: &Observed, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    // Money stops on a view that is old or in dispute; the meter goes on and catches up later (rules 2 and 5).
    if seen.trust != Trust::Fresh {
        plan.again = Some(Duration::from_secs(5));
        return plan;
    }
    plan.waive = agreed::waivers(&seen.leases);
    plan.redeem = agreed::redemptions(&seen.leases, seen.now, policy);
    if seen.report != Sent::InFlight {
        plan.report = due_report(seen, policy);
    }
    if seen.settle != Sent::InFlight {
        plan.settle = due_settle(seen, policy);
    }
    if seen.claim != Sent::InFlight {
        plan.claim = seen
            .claimable
            .filter(|(_, amount)| *amount > MicroUnits::ZERO && *amount >= policy.claim_above)
            .map(|(token, _)| token);
    }
    plan.again = next_look(seen, policy);
    plan
}

/// The lane value that says all the meter knows, clipped as the contract clips it and within the jump limit.
fn target(lease: &LeaseUse, now: ChainSeconds) -> u32 {
    let elapsed = now.min(lease.stop_at).0.saturating_sub(lease.start_at.0);
    let metered = lease.metered.min(u32::try_from(elapsed).unwrap_or(u32::MAX));
    // What stands on chain was signed before, so it is all there is to remember here.
    lanes::target(lease.base, metered, Counters::default(), lease.on_chain)
        .min(lease.on_chain.saturating_add(lanes::JUMP - 1))
}

/// In the window for final reports: there is no later.
fn closing(lease: &LeaseUse, now: ChainSeconds, policy: &Policy) -> bool {
    now >= lease.stop_at && now.0 <= lease.stop_at.0.saturating_add(policy.final_reports)
}

fn due_report(seen: &Observed, policy: &Policy) -> Vec<(Lane, u32)> {
    let every = seconds(policy.report_every).max(1);
    let rising = || {
        seen.leases
            .iter()
            .map(|lease| (lease, target(lease, seen.now)))
            .filter(|(lease, to)| *to > lease.on_chain)
    };
    let due = rising().any(|(lease, to)| to - lease.on_chain >= every || closing(lease, seen.now, policy));
    // One report costs little more for all lanes than for one, so whoever has anything rides along.
    if due {
        rising().map(|(lease, to)| (lease.lane, to)).collect()
    } else {
        Vec::new()
    }
}

fn due_settle(seen: &Observed, policy: &Policy) -> Vec<Lane> {
    let every = seconds(policy.settle_every).max(1);
    // What is counted and not proven is waived before it is paid, what is vouched for is redeemed.
    let open = || {
        seen.leases.iter().filter(|lease| {
            agreed::unpaid(lease) > 0
                && overcounted(lease).is_none()
                && !agreed::awaits_redemption(lease, seen.now)
        })
    };
    if open().any(|lease| agreed::unpaid(lease) >= every) {
        open().map(|lease| lease.lane).collect()
    } else {
        Vec::new()
    }
}

/// The soonest moment at which a lease that runs on may have a report due.
fn next_look(seen: &Observed, policy: &Policy) -> Option<Duration> {
    let every = seconds(policy.report_every).max(1);
    let runs_on = |lease: &&LeaseUse| seen.now <= lease.stop_at || closing(lease, seen.now, policy);
    seen.leases
        .iter()
        .filter(runs_on)
        .filter_map(|lease| {
            let waiting = target(lease, seen.now).saturating_sub(lease.on_chain);
            let left = if seen.now < lease.stop_at {
                Some(every.saturating_sub(waiting))
            } else {
                // In the final window what is left goes out step by step, and then there is no more.
                (waiting > 0).then_some(0)
            };
            left.map(|left| Duration::from_secs(left.clamp(1, 3600).into()))
        })
        .min()
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::documents::statement::tests::key;
    use proptest::prelude::*;

    pub(super) const POLICY: Policy = Policy {
        report_every: Duration::from_secs(3600),
        settle_every: Duration::from_secs(86_400),
        redeem_above: MicroUnits(1_000_000),
        claim_above: MicroUnits(1_000_000),
        final_reports: 60,
    };

    pub(super) fn lease() -> LeaseUse {
        LeaseUse {
            key: key(3),
            lane: Lane(3),
            on_chain: 500,
            base: 400,
            metered: 100,
            settled: 0,
            vouched: None,
            balance: MicroUnits(1_000_000_000),
            redeem: Sent::Never,
            waive: Sent::Never,
            given_away: 0,
            rate: RatePerHour::new(1_000_000).unwrap(),
            start_at: ChainSeconds(1_000),
            stop_at: ChainSeconds(1_000_000),
        }
    }

    pub(super) fn seen(leases: Vec<LeaseUse>) -> Observed {
        Observed {
            trust: Trust::Fresh,
            now: ChainSeconds(100_000),
            leases,
            report: Sent::Never,
            settle: Sent::Never,
            claim: Sent::Never,
            claimable: None,
        }
    }

    #[test]
    fn the_objects_duties_are_the_plans_policy_and_an_unreadable_one_is_named() {
        let duties = ProviderDuties {
            claim_above: "1.5".into(),
            redeem_above: "1".into(),
            ..ProviderDuties::default()
        };
        let policy = Policy::of(&duties, 60).unwrap();
        assert_eq!(
            policy,
            Policy {
                claim_above: MicroUnits(1_500_000),
                ..POLICY
            }
        );
        let broken = ProviderDuties {
            settle_every: "soon".into(),
            ..duties
        };
        let error = Policy::of(&broken, 60).unwrap_err().to_string();
        assert!(error.starts_with("spec.duties.settleEvery"), "{error}");
    }

    #[test]
    fn a_report_waits_until_enough_seconds_gathered_and_then_takes_every_lane_that_rose() {
        let quiet = LeaseUse {
            metered: 3_699,
            ..lease()
        };
        assert_eq!(plan(&seen(vec![quiet]), &POLICY).report, []);
        let due = LeaseUse {
            lane: Lane(9),
            metered: 3_700,
            ..lease()
        };
        assert_eq!(
            plan(&seen(vec![quiet, due]), &POLICY).report,
            [(Lane(3), 4_099), (Lane(9), 4_100)]
        );
    }

    #[test]
    fn the_last_seconds_of_a_stopped_lease_are_reported_at_once_while_reports_still_count() {
        let ended = LeaseUse {
            metered: 101,
            stop_at: ChainSeconds(99_990),
            ..lease()
        };
        assert_eq!(plan(&seen(vec![ended]), &POLICY).report, [(Lane(3), 501)]);
        let too_late = LeaseUse {
            stop_at: ChainSeconds(99_000),
            ..ended
        };
        assert_eq!(plan(&seen(vec![too_late]), &POLICY).report, []);
    }

    #[test]
    fn a_long_silence_is_reported_in_steps_below_the_jump_limit() {
        let long = LeaseUse {
            metered: 400_000,
            start_at: ChainSeconds(0),
            ..lease()
        };
        let mut seen = seen(vec![long]);
        seen.now = ChainSeconds(500_000);
        assert_eq!(plan(&seen, &POLICY).report, [(Lane(3), 500 + lanes::JUMP - 1)]);
    }

    #[test]
    fn no_second_beyond_the_elapsed_clock_is_ever_reported() {
        let eager = LeaseUse {
            metered: 90_000,
            start_at: ChainSeconds(95_000),
            ..lease()
        };
        assert_eq!(plan(&seen(vec![eager]), &POLICY).report, [(Lane(3), 5_400)]);
    }

    #[test]
    fn a_dispute_between_endpoints_stops_money() {
        let due = LeaseUse {
            metered: 9_000,
            ..lease()
        };
        let mut seen = seen(vec![due]);
        seen.trust = Trust::Disagreeing;
        let plan = plan(&seen, &POLICY);
        assert_eq!((plan.report, plan.settle, plan.claim), (vec![], vec![], None));
    }

    proptest! {
        #[test]
        fn counters_only_grow_and_a_report_that_landed_leaves_nothing_to_report(
            on_chain in 0u32..1 << 30, base in 0u32..1 << 30, metered in 0u32..1 << 30, ended: bool,
        ) {
            let stop_at = if ended { ChainSeconds(99_990) } else { ChainSeconds(2_000_000) };
            let one = LeaseUse { on_chain, base: base.min(on_chain), metered, stop_at, ..lease() };
            let first = plan(&seen(vec![one]), &POLICY).report;
            for (_, to) in &first {
                prop_assert!(*to > on_chain && *to - on_chain < lanes::JUMP);
                let after = LeaseUse { on_chain: *to, ..one };
                let again = plan(&seen(vec![after]), &POLICY).report;
                prop_assert!(again.is_empty() || *to - on_chain == lanes::JUMP - 1);
            }
        }
    }
}
