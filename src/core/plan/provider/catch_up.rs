//! After a long silence: the book takes less than 2^17 seconds a lane in one report, so what gathered goes out in steps, block after block,
//! and all of it within the final window. A model of the book's side, for tests alone.

#![allow(clippy::unwrap_used)]
use std::time::Duration;

use proptest::prelude::*;

use super::{
    LeaseUse, plan,
    tests::{POLICY, lease, seen},
};
use crate::core::{plan::duty::Sent, time::ChainSeconds, usage::lanes};

/// Seconds from one block to the next.
const BLOCK: u64 = 12;

/// What a provider's reports came to.
#[derive(Debug, PartialEq, Eq)]
struct CaughtUp {
    reports: u32,
    on_chain: u32,
    at: ChainSeconds,
}

/// Plans at each block until nothing is due; a report is mined one block after it was planned and seen one block later. The meter stands, so that what
/// goes out is what had gathered.
fn catch_up(mut one: LeaseUse, mut now: ChainSeconds) -> CaughtUp {
    let mut reports = 0;
    let mut at = now;
    for _ in 0..1_000 {
        let mut seen = seen(vec![one]);
        seen.now = now;
        let planned = plan(&seen, &POLICY);
        let [(_, to)] = planned.report[..] else {
            break;
        };
        assert!(
            to > one.on_chain && to - one.on_chain < lanes::JUMP,
            "Report_JumpTooFar"
        );
        assert!(
            planned.again.unwrap() <= Duration::from_secs(1),
            "the next step is not waited for"
        );
        seen.report = Sent::InFlight;
        assert_eq!(plan(&seen, &POLICY).report, [], "one step at a time");
        now = ChainSeconds(now.0 + 2 * BLOCK);
        (one.on_chain, reports, at) = (to, reports + 1, now);
    }
    CaughtUp {
        reports,
        on_chain: one.on_chain,
        at,
    }
}

#[test]
fn after_a_hundred_silent_hours_every_proven_second_is_on_chain_in_three_reports() {
    let silent = LeaseUse {
        metered: 360_000,
        on_chain: 400,
        start_at: ChainSeconds(0),
        ..lease()
    };
    let caught_up = catch_up(silent, ChainSeconds(360_100));
    assert_eq!(
        (caught_up.reports, caught_up.on_chain),
        (360_000_u32.div_ceil(lanes::JUMP - 1), 400 + 360_000)
    );
}

#[test]
fn a_lease_that_ended_in_the_silence_is_wholly_reported_within_a_final_window_of_a_minute() {
    let ended = LeaseUse {
        metered: 360_000,
        on_chain: 400,
        start_at: ChainSeconds(0),
        stop_at: ChainSeconds(360_001),
        ..lease()
    };
    let caught_up = catch_up(ended, ChainSeconds(360_001));
    assert_eq!((caught_up.reports, caught_up.on_chain), (3, 400 + 360_000));
    let last_sent = caught_up.at.0 - 2 * BLOCK;
    assert!(last_sent <= 360_001 + POLICY.final_reports, "{caught_up:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_gathered_goes_out_in_the_fewest_reports_and_less_than_an_interval_waits(
        metered in 0u32..3_000_000, reported in 0u32..500_000,
    ) {
        let reported = reported.min(metered);
        let one = LeaseUse { metered, on_chain: 400 + reported, start_at: ChainSeconds(0), ..lease() };
        let one = LeaseUse { stop_at: ChainSeconds(u64::from(metered) + 10_000), ..one };
        let caught_up = catch_up(one, ChainSeconds(u64::from(metered)));
        let left = metered - (caught_up.on_chain - 400);
        let every = u32::try_from(POLICY.report_every.as_secs()).unwrap();
        prop_assert!(left < every);
        prop_assert!(caught_up.reports <= (metered - reported).div_ceil(lanes::JUMP - 1));
    }
}
