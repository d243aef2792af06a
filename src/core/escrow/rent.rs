//! What seconds cost and how many seconds money buys: the arithmetic of the book (contracts: sections 2 and 7), once, for the model of it
//! here and for the operator's own estimates. Down favours the tenant. May not know a state or a clock.

use crate::core::money::{MicroUnits, RatePerHour};

const HOUR: u128 = 3600;
const BPS: u128 = 10_000;

/// A payment of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// The last second that is paid, counted from the start.
    pub up_to: u32,
    /// What it took.
    pub paid: MicroUnits,
}

/// The last second that is paid when `funds` more are spent, counted from the start; the largest number for a rate of zero, which no lease has.
///
/// The largest `s` with `floor(s*r/3600) <= funds + floor(settled*r/3600)`.
#[must_use]
pub fn last_affordable(rate: RatePerHour, settled: u32, funds: u128) -> u32 {
    let covered = funds.saturating_add(owed(rate, settled)).saturating_add(1);
    covered
        .saturating_mul(HOUR)
        .saturating_sub(1)
        .checked_div(u128::from(rate.get()))
        .and_then(|seconds| u32::try_from(seconds).ok())
        .unwrap_or(u32::MAX)
}

/// What `funds` pay of the usage between `settled` and `cum`. Telescopes: however usage is cut into payments, what was paid in all is
/// `floor(up_to*r/3600)` (contracts: I2).
#[must_use]
pub fn pay(rate: RatePerHour, settled: u32, cum: u32, funds: u128) -> Payment {
    let up_to = cum.min(last_affordable(rate, settled, funds)).max(settled);
    let paid = owed(rate, up_to).saturating_sub(owed(rate, settled));
    Payment {
        up_to,
        paid: MicroUnits(u64::try_from(paid).unwrap_or(u64::MAX)),
    }
}

/// `floor(seconds*r/3600)` without a bound: what a lease owed in all may exceed 64 bits where no single payment does.
fn owed(rate: RatePerHour, seconds: u32) -> u128 {
    u128::from(rate.get()) * u128::from(seconds) / HOUR
}

/// Usage: what the lane counted since its base, clipped to the time that passed (contracts: I3). All in seconds.
#[must_use]
pub fn used(lane: u32, base: u32, start_at: u64, stop_at: u64, now: u64) -> u32 {
    let elapsed = now.min(stop_at).saturating_sub(start_at);
    lane.saturating_sub(base)
        .min(u32::try_from(elapsed).unwrap_or(u32::MAX))
}

/// The early fee: on the lesser of what is missing of the commitment by wall clock and of what was served (contracts: I8).
#[must_use]
pub fn early_fee(
    rate: RatePerHour,
    min_commit: u32,
    early_fee_bps: u16,
    elapsed: u64,
    served: u32,
) -> MicroUnits {
    let missing = u64::from(min_commit).saturating_sub(elapsed);
    let due = u128::from(missing.min(u64::from(served)));
    // 16 + 48 + 32 bits: far from 128.
    let fee = u128::from(early_fee_bps) * u128::from(rate.get()) * due / (HOUR * BPS);
    MicroUnits(u64::try_from(fee).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn rate()(micro_units in 1..=RatePerHour::MAX) -> RatePerHour { RatePerHour::new(micro_units).unwrap() }
    }

    proptest! {
        #[test]
        fn a_payment_is_the_most_whole_seconds_the_funds_buy(rate in rate(), settled in 0u32..1 << 30, more in 0u32..1 << 30, funds: u64) {
            let cum = settled + more;
            let Payment { up_to, paid } = pay(rate, settled, cum, funds.into());
            prop_assert!(settled <= up_to && up_to <= cum);
            prop_assert!(paid.0 <= funds);
            prop_assert_eq!(owed(rate, settled) + u128::from(paid.0), owed(rate, up_to));
            prop_assert!(up_to == cum || owed(rate, up_to + 1) - owed(rate, settled) > funds.into());
        }

        #[test]
        fn payments_telescope_wherever_usage_is_cut(rate in rate(), mut cuts in prop::collection::vec(0u32..1 << 30, 2..8)) {
            cuts.sort_unstable();
            let in_parts: u128 = cuts.windows(2).map(|pair| u128::from(pay(rate, pair[0], pair[1], u64::MAX.into()).paid.0)).sum();
            let whole = owed(rate, cuts[cuts.len() - 1]) - owed(rate, cuts[0]);
            prop_assume!(whole <= u64::MAX.into());
            prop_assert_eq!(in_parts, whole);
        }

        #[test]
        fn usage_is_never_more_than_time_or_count(lane: u32, base: u32, start_at: u32, length: u32, now: u32) {
            let (start_at, now) = (u64::from(start_at), u64::from(now));
            let usage = used(lane, base, start_at, start_at + u64::from(length), now);
            prop_assert!(u64::from(usage) <= u64::from(length).min(now.saturating_sub(start_at)));
            prop_assert!(usage <= lane.saturating_sub(base));
        }

        #[test]
        fn an_early_fee_is_at_most_half_of_the_commitment_and_of_what_was_served(
            rate in rate(), commit in 0u32..=1 << 30, bps in 0u16..=10_000, idle: u32, served in 0u32..1 << 30,
        ) {
            let elapsed = u64::from(served) + u64::from(idle);
            let fee = early_fee(rate, commit, bps, elapsed, served);
            prop_assert!(fee <= rate.owed_up(commit / 2));
            prop_assert!(fee <= rate.owed_up(served));
            prop_assert!(elapsed < u64::from(commit) || fee == MicroUnits::ZERO);
        }
    }
}
