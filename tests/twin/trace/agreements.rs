//! What the parties of a running lease sign beside its close.

use alloy::primitives::{B256, aliases::U48};
use leaseport::core::{
    documents::terms::Terms,
    escrow::{Act, Phase},
};

use super::{Situation, Step};
use crate::dice::Dice;

impl Situation<'_> {
    pub(super) fn stop_signed(&self, dice: &mut Dice, terms: Box<Terms>) -> Step {
        let signer = match dice.below(15) {
            0 => None,
            1 => Some(self.anyone(dice)),
            _ => Some(self.tenant(dice, &terms)),
        };
        let act = Act::StopSigned {
            terms,
            deadline: self.now + dice.below(50) - u64::from(dice.once_in(25)),
            signer,
        };
        Step::Act(self.anyone(dice), act)
    }

    pub(super) fn redeem(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.terms_in(dice, Phase::Live, |lease| {
            lease.elapsed(self.now) > u64::from(lease.settled)
        })?);
        let lease = self.slot(&terms)?;
        let elapsed = u32::try_from(lease.elapsed(self.now)).unwrap_or(u32::MAX);
        let cum = match dice.below(12) {
            0 => lease.settled,
            1 => elapsed.saturating_add(1),
            2..=4 => elapsed,
            _ => lease.settled + 1 + dice.small(elapsed.saturating_sub(lease.settled).max(1)),
        };
        let tenant = self.tenant(dice, &terms);
        let (caller, signer) = match dice.below(8) {
            0 => (self.anyone(dice), Some(None)),
            1..=3 => (tenant, None),
            _ => (self.anyone(dice), Some(Some(tenant))),
        };
        Some(Step::Act(caller, Act::Redeem { terms, cum, signer }))
    }

    pub(super) fn amend(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.active_terms(dice)?);
        let lease = self.slot(&terms)?;
        let elapsed = u32::try_from(lease.elapsed(self.now)).unwrap_or(u32::MAX);
        let cum = match dice.below(14) {
            0 => lease.settled.saturating_sub(1),
            1 => elapsed.saturating_add(1),
            2..=4 => elapsed,
            _ => lease.settled + dice.small(elapsed.saturating_sub(lease.settled) + 1),
        };
        let next = Box::new(self.next_terms(dice, &terms));
        let operator = Self::of_provider(&self.people.operators, &terms).address();
        let tenant = self.tenant(dice, &terms);
        let (mut provider_signer, mut tenant_signer) = (Some(Some(operator)), Some(Some(tenant)));
        let caller = match dice.below(4) {
            0 => {
                provider_signer = None;
                operator
            }
            1 => {
                tenant_signer = None;
                tenant
            }
            _ => self.anyone(dice),
        };
        match dice.below(30) {
            0 => provider_signer = Some(None),
            1 => tenant_signer = Some(None),
            2 => provider_signer = Some(Some(self.anyone(dice))),
            _ => {}
        }
        let act = Act::Amend {
            terms,
            next,
            cum,
            deadline: self.now + dice.below(50) - u64::from(dice.once_in(30)),
            provider_signer,
            tenant_signer,
        };
        Some(Step::Act(caller, act))
    }

    /// Other terms of the same lease, mostly such as both could want and its money covers.
    fn next_terms(&self, dice: &mut Dice, terms: &Terms) -> Terms {
        let mut next = terms.clone();
        let rate = terms.ratePerHour.to::<u64>();
        next.ratePerHour = match dice.below(8) {
            0 => U48::from(1 + dice.magnitude(46)),
            1..=3 => terms.ratePerHour,
            _ => U48::from((rate - rate / 4 + dice.below(rate / 4 + 1)).max(1)),
        };
        next.maxDuration = 1 + dice.small(6000);
        next.minCommit = dice.small(terms.minCommit.min(next.maxDuration) + 1);
        next.notice = dice.small(2000);
        next.grace = dice.small(terms.grace + 1);
        next.liability = dice.magnitude(30);
        if dice.once_in(3) {
            next.manifestHash = B256::repeat_byte(8);
        }
        match dice.below(60) {
            0 => next = terms.clone(),
            1 => next = dice.pick(self.terms).clone(),
            2 => next.bond += 1,
            3 => next.refundTo = self.anyone(dice),
            4 => next.feeSteps = next.feeSteps.saturating_add(1),
            5 => next.maxDuration = 0,
            6 => next.minCommit = next.maxDuration + 1,
            7 => next.flags = 4,
            8 => next.token = next.token.saturating_add(1),
            9 => next.ratePerHour = U48::ZERO,
            10 => next.grace = (1 << 30) + 1,
            11 => next.earlyFeeBps = 10_001,
            12 => next.tenant = self.anyone(dice),
            _ => {}
        }
        next
    }
}
