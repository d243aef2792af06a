//! What a provider takes by its tenant's signature and what it gives back: vouchers to redeem, seconds to waive. Never takes more than its
//! meter proved, never twice, and gives back what the chain counts beyond that proof where the admin gave seconds away. Sends nothing.

use super::{LeaseUse, Policy, seconds};
use crate::core::{escrow::rent, ids::LeaseKey, money::MicroUnits, plan::duty::Sent, time::ChainSeconds};

/// A voucher to redeem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redemption {
    /// Whose.
    pub lease: LeaseKey,
    /// Seconds it is signed for.
    pub cum: u32,
}

/// Usage to lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiver {
    /// Whose.
    pub lease: LeaseKey,
    /// What it becomes.
    pub cum: u32,
}

/// Reported seconds that are not paid.
pub(super) fn unpaid(lease: &LeaseUse) -> u32 {
    counted(lease).saturating_sub(lease.settled)
}

/// What the chain counts, not clipped to the time that passed: so `waive` sees it.
fn counted(lease: &LeaseUse) -> u32 {
    lease.on_chain.saturating_sub(lease.base)
}

/// What usage has to become where seconds were given away and the chain counts more than may be billed: what is settled stays settled. Without
/// that word of a person the chain's count stands: a meter restored from a backup proves less than it once reported, and no second that was
/// persisted is lost (rule 6).
#[must_use]
pub fn overcounted(lease: &LeaseUse) -> Option<u32> {
    if lease.given_away == 0 {
        return None;
    }
    let proven = lease.metered.max(lease.settled);
    (proven < counted(lease)).then_some(proven)
}

/// What a voucher would bring: nothing beyond what the meter proved, the time that passed and the balance. A voucher for more than is proven
/// waits, since its signature covers its own count and no other.
fn uncollected(lease: &LeaseUse, now: ChainSeconds) -> Option<MicroUnits> {
    let cum = lease.vouched?;
    let elapsed = now.min(lease.stop_at).0.saturating_sub(lease.start_at.0);
    if cum > lease.metered || u64::from(cum) > elapsed {
        return None;
    }
    let paid = rent::pay(lease.rate, lease.settled, cum, lease.balance.0.into()).paid;
    (paid > MicroUnits::ZERO).then_some(paid)
}

/// Whether a settlement would take into vesting what its voucher makes claimable at once.
pub(super) fn awaits_redemption(lease: &LeaseUse, now: ChainSeconds) -> bool {
    let left_to_a_person = match lease.redeem {
        Sent::Never | Sent::InFlight | Sent::Done => false,
        Sent::Failed { .. } => !lease.redeem.may_send(),
    };
    !left_to_a_person && uncollected(lease, now).is_some()
}

/// Vouchers that are due: enough gathered, a settlement would be due, or the lease has ended and its finalizing would take the rest.
pub(super) fn redemptions(leases: &[LeaseUse], now: ChainSeconds, policy: &Policy) -> Vec<Redemption> {
    let due = |lease: &&LeaseUse| {
        lease.redeem.may_send()
            && uncollected(lease, now).is_some_and(|money| {
                money >= policy.redeem_above
                    || now >= lease.stop_at
                    || unpaid(lease) >= seconds(policy.settle_every).max(1)
            })
    };
    leases
        .iter()
        .filter(due)
        .filter_map(|lease| {
            Some(Redemption {
                lease: lease.key,
                cum: lease.vouched?,
            })
        })
        .collect()
}

/// At once: a settlement or a finalizing, which anybody may send, would bill it.
pub(super) fn waivers(leases: &[LeaseUse]) -> Vec<Waiver> {
    leases
        .iter()
        .filter(|lease| lease.waive.may_send())
        .filter_map(|lease| {
            Some(Waiver {
                lease: lease.key,
                cum: overcounted(lease)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::{
        Plan, plan,
        tests::{POLICY, lease, seen},
    };
    use super::*;
    use crate::core::plan::duty::Trust;

    const NONE: [u32; 0] = [];

    /// 100 s reported and proven of a lease at 1.0 an hour, half of them vouched for.
    fn vouched(cum: u32) -> LeaseUse {
        LeaseUse {
            vouched: Some(cum),
            ..lease()
        }
    }

    fn of(lease: LeaseUse) -> Plan {
        plan(&seen(vec![lease]), &POLICY)
    }

    fn cums(plan: &Plan) -> Vec<u32> {
        plan.redeem.iter().map(|redemption| redemption.cum).collect()
    }

    #[test]
    fn a_voucher_waits_for_enough_money_and_then_goes_with_its_own_count() {
        assert_eq!(cums(&of(vouched(50))), NONE);
        // 3600 s at 1.0 an hour: one token, which is the policy's bound.
        let long = LeaseUse {
            metered: 5_000,
            ..vouched(3_600)
        };
        assert_eq!(cums(&of(long)), [3_600]);
        let nearly = LeaseUse {
            vouched: Some(3_599),
            ..long
        };
        assert_eq!(cums(&of(nearly)), NONE);
    }

    #[test]
    fn the_end_of_a_lease_or_a_settlement_that_is_due_takes_a_small_voucher_too() {
        let ended = LeaseUse {
            stop_at: ChainSeconds(99_990),
            ..vouched(50)
        };
        assert_eq!(cums(&of(ended)), [50]);
        let settling = LeaseUse {
            on_chain: 400 + 86_400,
            metered: 86_400,
            ..vouched(50)
        };
        let planned = of(settling);
        assert_eq!((cums(&planned), planned.settle), (vec![50], vec![]));
    }

    #[test]
    fn a_voucher_for_more_than_the_meter_proved_or_time_passed_is_not_redeemed() {
        let ended = LeaseUse {
            stop_at: ChainSeconds(99_990),
            ..vouched(101)
        };
        assert_eq!(cums(&of(ended)), NONE, "100 s are proven");
        let young = LeaseUse {
            start_at: ChainSeconds(99_950),
            stop_at: ChainSeconds(99_999),
            ..vouched(50)
        };
        assert_eq!(cums(&of(young)), NONE, "49 s passed");
    }

    #[test]
    fn what_is_settled_or_cannot_be_paid_is_not_redeemed() {
        let ended = LeaseUse {
            stop_at: ChainSeconds(99_990),
            ..vouched(50)
        };
        let settled = LeaseUse { settled: 50, ..ended };
        let dry = LeaseUse {
            balance: MicroUnits::ZERO,
            ..ended
        };
        for lease in [settled, dry] {
            assert_eq!(cums(&of(lease)), NONE);
        }
    }

    #[test]
    fn while_one_redemption_is_on_its_way_or_done_the_same_voucher_makes_no_other() {
        for (redeem, expected) in [
            (Sent::Never, 1),
            (Sent::InFlight, 0),
            (Sent::Done, 0),
            (Sent::Failed { times: 1 }, 1),
            (
                Sent::Failed {
                    times: Sent::ATTEMPTS,
                },
                0,
            ),
        ] {
            let lease = LeaseUse {
                redeem,
                stop_at: ChainSeconds(99_990),
                ..vouched(50)
            };
            assert_eq!(of(lease).redeem.len(), expected, "{redeem:?}");
        }
    }

    #[test]
    fn a_settlement_leaves_out_what_a_voucher_makes_claimable_at_once() {
        let other = LeaseUse {
            lane: crate::core::ids::Lane(9),
            on_chain: 400 + 86_400,
            metered: 86_400,
            ..lease()
        };
        let settle = |one: LeaseUse| plan(&seen(vec![one, other]), &POLICY).settle;
        assert_eq!(settle(vouched(50)), [other.lane]);
        assert_eq!(settle(lease()), [lease().lane, other.lane]);
        let given_up = LeaseUse {
            redeem: Sent::Failed {
                times: Sent::ATTEMPTS,
            },
            ..vouched(50)
        };
        assert_eq!(settle(given_up), [lease().lane, other.lane]);
    }

    #[test]
    fn what_the_chain_counts_stands_where_nothing_was_given_away_though_a_restored_meter_proves_less() {
        let restored = LeaseUse {
            on_chain: 400 + 86_400,
            metered: 7,
            ..lease()
        };
        let planned = of(restored);
        assert_eq!((planned.waive, planned.settle), (vec![], vec![restored.lane]));
    }

    #[test]
    fn where_seconds_were_given_away_what_no_meter_proved_is_waived_and_not_settled() {
        let stale = LeaseUse {
            on_chain: 400 + 86_400,
            metered: 7,
            given_away: 1,
            ..lease()
        };
        let planned = of(stale);
        assert_eq!(
            planned.waive,
            [Waiver {
                lease: stale.key,
                cum: 7
            }]
        );
        assert_eq!((planned.settle, planned.report), (vec![], vec![]));
    }

    #[test]
    fn what_was_settled_beyond_the_proof_stays_and_only_the_rest_is_waived() {
        let settled = LeaseUse {
            on_chain: 900,
            metered: 7,
            settled: 300,
            given_away: 1,
            ..lease()
        };
        assert_eq!(overcounted(&settled), Some(300));
        let all = LeaseUse {
            settled: 500,
            ..settled
        };
        assert_eq!(overcounted(&all), None);
    }

    #[test]
    fn a_waiver_on_its_way_is_not_sent_again() {
        let stale = LeaseUse {
            metered: 7,
            given_away: 1,
            ..lease()
        };
        assert_eq!(of(stale).waive.len(), 1);
        for waive in [Sent::InFlight, Sent::Done] {
            assert_eq!(of(LeaseUse { waive, ..stale }).waive, []);
        }
    }

    #[test]
    fn an_untrusted_view_redeems_and_waives_nothing() {
        for trust in [Trust::Stale { for_ms: 1 }, Trust::Disagreeing] {
            let ended = LeaseUse {
                stop_at: ChainSeconds(99_990),
                ..vouched(50)
            };
            let stale = LeaseUse {
                metered: 7,
                given_away: 1,
                ..lease()
            };
            let mut seen = seen(vec![ended, stale]);
            seen.trust = trust;
            let planned = plan(&seen, &POLICY);
            assert_eq!((planned.redeem, planned.waive), (vec![], vec![]));
        }
    }

    /// The book, as far as one lease goes.
    fn mined(lease: &mut LeaseUse, plan: &Plan, now: ChainSeconds) {
        for waiver in &plan.waive {
            assert!(waiver.cum >= lease.settled && waiver.cum < counted(lease));
            lease.base = lease.on_chain - waiver.cum;
        }
        for redemption in &plan.redeem {
            let elapsed = now.min(lease.stop_at).0 - lease.start_at.0;
            assert!(redemption.cum > lease.settled && u64::from(redemption.cum) <= elapsed);
            assert!(redemption.cum <= lease.metered);
            let paid = rent::pay(lease.rate, lease.settled, redemption.cum, lease.balance.0.into());
            assert!(paid.up_to > lease.settled, "Voucher_Dry");
            lease.settled = paid.up_to;
            lease.balance = lease.balance.saturating_sub(paid.paid);
        }
        for (_, to) in &plan.report {
            lease.on_chain = lease.on_chain.max(*to);
        }
        if !plan.settle.is_empty() {
            let used = counted(lease).min(u32::try_from(now.0 - lease.start_at.0).unwrap());
            let paid = rent::pay(lease.rate, lease.settled, used, lease.balance.0.into());
            lease.settled = paid.up_to;
            lease.balance = lease.balance.saturating_sub(paid.paid);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_vouched_raised_and_redeemed_no_second_is_paid_twice_or_unproven(
            steps in prop::collection::vec((0u32..9_000, 0u32..12_000, 0u32..3, 0u32..200), 1..40),
        ) {
            let mut one = LeaseUse { on_chain: 400, metered: 0, given_away: 1, start_at: ChainSeconds(0), balance: MicroUnits(20_000_000), ..lease() };
            let mut now = ChainSeconds(0);
            let mut last_redeemed = 0;
            for (delivered, voucher, stranger, idle) in steps {
                now = ChainSeconds(now.0 + u64::from(delivered) + u64::from(idle));
                one.metered += delivered;
                one.vouched = Some(one.vouched.unwrap_or(0).max(voucher)).filter(|cum| *cum > 0);
                if stranger == 0 {
                    one.on_chain += 500;
                }
                let mut seen = seen(vec![one]);
                seen.now = now;
                let planned = plan(&seen, &POLICY);
                for redemption in &planned.redeem {
                    prop_assert!(redemption.cum > last_redeemed);
                    last_redeemed = redemption.cum;
                }
                mined(&mut one, &planned, now);
                prop_assert!(one.settled <= one.metered, "{} s paid, {} s proven", one.settled, one.metered);
                let mut after = seen;
                after.leases = vec![one];
                let again = plan(&after, &POLICY).redeem;
                prop_assert!(again.iter().all(|redemption| redemption.cum > last_redeemed), "{again:?}");
            }
        }
    }
}
