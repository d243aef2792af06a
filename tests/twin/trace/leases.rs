//! The life of a lease: start, report, settle, and what ends it.

use alloy::primitives::U256;
use leaseport::core::{
    escrow::{Act, LeaseSlot, Phase, rent},
    ids::{Lane, ProviderId},
    money::MicroUnits,
    usage::lanes::{JUMP, word_with},
};

use super::{LANES, PROVIDERS, Situation, Step};
use crate::{dice::Dice, market::F};

impl Situation<'_> {
    pub(super) fn start(&self, dice: &mut Dice) -> Option<Step> {
        let terms = self.terms_in(dice, Phase::Pending, |lease| self.now <= lease.stop_at)?;
        let base = match dice.below(20) {
            0 => dice.small(1 << 31),
            1 => self.lane_of(&terms).saturating_sub(1),
            2..=5 => self.lane_of(&terms) + dice.small(50),
            _ => self.lane_of(&terms),
        };
        let caller = self.mostly(dice, Self::of_provider(&self.people.operators, &terms));
        Some(Step::Act(
            caller,
            Act::Start {
                terms: Box::new(terms),
                base,
            },
        ))
    }

    pub(super) fn end_pending(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.terms_in(dice, Phase::Pending, |_| true)?);
        let caller = self.mostly(dice, Self::of_provider(&self.people.operators, &terms));
        let late = self.slot(&terms).is_some_and(|lease| self.now > lease.stop_at);
        let act = if late != dice.once_in(8) {
            Act::Expire { terms }
        } else {
            Act::Decline { terms }
        };
        Some(Step::Act(caller, act))
    }

    pub(super) fn report(&self, dice: &mut Dice) -> Step {
        let provider = Self::index(dice);
        let mut word = U256::ZERO;
        for lane in (0..LANES).map(Lane) {
            let stands = self.model.lane(PROVIDERS[provider], lane);
            let rise = match dice.below(200) {
                0 => dice.small(2 * JUMP),
                1 => JUMP - 1,
                2 => JUMP,
                3..=8 => dice.small(20_000),
                // All that it ran, mostly of the leases that run.
                9..=140 => self.uncounted(PROVIDERS[provider], lane),
                141..=150 => dice.small(400),
                _ => 0,
            };
            let count = if dice.once_in(10) {
                dice.small(stands + 1)
            } else {
                (stands + rise).min((1 << 31) - 1)
            };
            word |= word_with(lane, count);
        }
        if dice.once_in(60) {
            word |= U256::from(1_u64) << (31 + 32 * dice.small(8)) as usize;
        }
        let words = if dice.once_in(60) { vec![] } else { vec![word] };
        let first_word = if dice.once_in(60) { dice.small(u32::MAX) } else { 0 };
        Step::Act(
            self.mostly(dice, &self.people.operators[provider]),
            Act::Report {
                provider: PROVIDERS[provider],
                first_word,
                words,
            },
        )
    }

    pub(super) fn settle(&self, dice: &mut Dice) -> Step {
        // All of them, mostly.
        let lanes = if dice.once_in(3) {
            (0..dice.below(7)).map(|_| Lane(dice.small(LANES))).collect()
        } else {
            (0..LANES).map(Lane).collect()
        };
        let provider = PROVIDERS[Self::index(dice)];
        Step::Act(self.anyone(dice), Act::Settle { provider, lanes })
    }

    pub(super) fn top_up(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.active_terms(dice)?);
        let least = terms.rate()?.owed_up(60).0;
        let amount = MicroUnits(match dice.below(10) {
            0 => least - 1,
            1 => least,
            2 => u64::MAX - dice.magnitude(40),
            _ => least.saturating_add(dice.below(least * 20)),
        });
        Some(Step::Act(self.anyone(dice), Act::TopUp { terms, amount }))
    }

    pub(super) fn stop_or_notice(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.active_terms(dice)?);
        let operator = Self::of_provider(&self.people.operators, &terms);
        Some(match dice.below(7) {
            0 => Step::Act(self.tenant(dice, &terms), Act::Stop { terms }),
            1..=2 => self.stop_signed(dice, terms),
            3 => Step::Act(self.mostly(dice, operator), Act::Stop { terms }),
            _ => Step::Act(self.mostly(dice, operator), Act::Notice { terms }),
        })
    }

    pub(super) fn evict_or_waive(&self, dice: &mut Dice) -> Option<Step> {
        let dry = self.terms_in(dice, Phase::Live, |lease| {
            self.now < lease.stop_at && self.unpaid(lease) > lease.terms.grace
        });
        let terms = match dry {
            Some(terms) => terms,
            None => self.terms_in(dice, Phase::Live, |lease| {
                let lane = self.lane_of(&lease.terms);
                lane.saturating_sub(lease.lane_base) > lease.settled
            })?,
        };
        let terms = Box::new(terms);
        let caller = self.mostly(dice, Self::of_provider(&self.people.operators, &terms));
        let lease = self.slot(&terms)?;
        let counted = self.lane_of(&terms).saturating_sub(lease.lane_base);
        if self.unpaid(lease) > 0 || dice.once_in(6) {
            return Some(Step::Act(caller, Act::Evict { terms }));
        }
        let cum = match dice.below(5) {
            0 => lease.settled.saturating_sub(1),
            1 => counted,
            2 => lease.settled,
            _ => lease.settled + dice.small(counted.saturating_sub(lease.settled) + 1),
        };
        Some(Step::Act(caller, Act::Waive { terms, cum }))
    }

    pub(super) fn finalize(&self, dice: &mut Dice) -> Option<Step> {
        // The one that ended first, mostly, since most have not.
        let ended = self
            .model
            .leases()
            .values()
            .filter(|lease| lease.phase == Phase::Live)
            .min_by_key(|lease| lease.stop_at)
            .map(|lease| lease.terms.clone());
        let terms = if dice.once_in(5) {
            self.terms_in(dice, Phase::Live, |_| true)
        } else {
            ended
        }?;
        let due = self
            .slot(&terms)
            .is_some_and(|lease| self.now >= lease.stop_at + u64::from(F));
        if !due && !dice.once_in(3) {
            return None;
        }
        Some(Step::Act(
            self.anyone(dice),
            Act::Finalize {
                terms: Box::new(terms),
            },
        ))
    }

    pub(super) fn close_both(&self, dice: &mut Dice) -> Option<Step> {
        let phase = if dice.once_in(4) {
            Phase::Pending
        } else {
            Phase::Live
        };
        let terms = Box::new(self.terms_in(dice, phase, |_| true)?);
        let lease = self.slot(&terms)?;
        let elapsed = self.now.min(lease.stop_at).saturating_sub(lease.start_at);
        let elapsed = if lease.phase == Phase::Live {
            u32::try_from(elapsed).unwrap()
        } else {
            0
        };
        let cum = match dice.below(12) {
            0 => lease.settled.saturating_sub(1),
            1 => elapsed + 1,
            2 => elapsed,
            3 => lease.settled,
            _ => lease.settled + dice.small(elapsed.saturating_sub(lease.settled) + 1),
        };
        let operator = Self::of_provider(&self.people.operators, &terms).address();
        let tenant = self.tenant(dice, &terms);
        let (mut provider_signer, mut tenant_signer) = (Some(Some(operator)), Some(Some(tenant)));
        let caller = match dice.below(4) {
            0 => self.anyone(dice),
            1 => {
                provider_signer = None;
                operator
            }
            _ => {
                tenant_signer = None;
                tenant
            }
        };
        match dice.below(30) {
            0 => provider_signer = Some(None),
            1 => tenant_signer = Some(None),
            2 => provider_signer = Some(Some(self.anyone(dice))),
            3 => tenant_signer = None,
            _ => {}
        }
        let deadline = self.now + dice.below(10) - u64::from(dice.once_in(40));
        Some(Step::Act(
            caller,
            Act::CloseBoth {
                terms,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            },
        ))
    }

    /// Seconds that ran and are not in the lane yet, if a lease runs there.
    fn uncounted(&self, provider: ProviderId, lane: Lane) -> u32 {
        let ran = self
            .model
            .leases()
            .get(&(provider, lane))
            .filter(|lease| lease.phase == Phase::Live)
            .map_or(0, |lease| u64::from(lease.lane_base) + lease.elapsed(self.now));
        let counted = u64::from(self.model.lane(provider, lane));
        u32::try_from(ran.saturating_sub(counted))
            .unwrap_or(u32::MAX)
            .min(JUMP - 1)
    }

    /// Seconds that were reported and that the balance does not pay.
    fn unpaid(&self, lease: &LeaseSlot) -> u32 {
        let rate = lease.rate();
        let used = lease.used(self.lane_of(&lease.terms), self.now);
        used.saturating_sub(rent::last_affordable(rate, lease.settled, lease.balance.0.into()))
    }
}
