//! The court's contract and its two sides, a judge in its place, and the slasher of another slot.

use alloy::primitives::{Address, aliases::U96};
use leaseport::core::{
    documents::terms::Terms,
    escrow::{Act, DisputePhase, LeaseSlot, Liability, Phase},
    ids::ProviderId,
    money::MicroUnits,
};

use super::{PROVIDERS, Situation, Step, at};
use crate::{
    dice::Dice,
    market::{Bench, W},
};

impl Situation<'_> {
    pub(super) fn dispute(&self, dice: &mut Dice) -> Option<Step> {
        match self.bench {
            // Nobody but the court freezes: now and then somebody tries.
            Bench::Contract if dice.once_in(25) => self.judge(dice),
            Bench::Contract => self.trial(dice),
            Bench::Judge => self.judge(dice),
        }
    }

    fn trial(&self, dice: &mut Dice) -> Option<Step> {
        let disputes: Vec<_> = self
            .model
            .disputes()
            .iter()
            .filter(|(_, dispute)| dispute.phase != DisputePhase::Ended || dice.once_in(10))
            .collect();
        if disputes.is_empty() || dice.once_in(3) {
            return self.contest(dice);
        }
        let (id, dispute) = *dice.pick(&disputes);
        let id = *id;
        let over = self.now > dispute.due;
        if over != dice.once_in(12) {
            return Some(Step::Act(self.anyone(dice), Act::Conclude { id }));
        }
        Some(match dispute.phase {
            DisputePhase::Contested => self.answer(dice, id),
            DisputePhase::Answered => self.rule(dice, id),
            DisputePhase::Ruled if !dice.once_in(4) => {
                Step::Act(self.mostly(dice, &self.people.timelock), Act::Veto { id })
            }
            DisputePhase::Ruled | DisputePhase::Ended => match dice.below(4) {
                0 => self.answer(dice, id),
                1 => self.rule(dice, id),
                2 => Step::Act(self.anyone(dice), Act::Veto { id }),
                _ => Step::Act(self.anyone(dice), Act::Conclude { id }),
            },
        })
    }

    /// A lease that has paid for something and can be contested.
    fn contestable(&self, dice: &mut Dice) -> Option<Terms> {
        let fitting: Vec<&Terms> = self
            .model
            .leases()
            .values()
            .filter(|lease| lease.settled != 0 && !self.model.disputes().contains_key(&lease.terms.id))
            .filter(|lease| {
                let provider = provider_of(&lease.terms);
                let vesting = self.model.earnings(provider, lease.terms.token, at(self.now)).1;
                let frozen = self.model.freezes().get(&lease.terms.id);
                vesting != 0 && frozen.is_none_or(|freeze| freeze.amount == MicroUnits::ZERO)
            })
            .filter(|lease| match lease.phase {
                Phase::Live => true,
                Phase::Closed => lease.occupies_lane(self.now, W),
                Phase::Pending => false,
            })
            .map(|lease| &lease.terms)
            .collect();
        if dice.once_in(20) {
            return self.terms_in(dice, Phase::Live, |_| true);
        }
        if fitting.is_empty() {
            return None;
        }
        Some((*dice.pick(&fitting)).clone())
    }

    fn contest(&self, dice: &mut Dice) -> Option<Step> {
        let terms = Box::new(self.contestable(dice)?);
        let settled = self.slot(&terms)?.settled;
        let to = match dice.below(15) {
            0 => settled.saturating_add(1),
            1..=6 => settled,
            _ => 1 + dice.small(settled.max(1)),
        };
        let from = if dice.once_in(3) { dice.small(to + 1) } else { 0 };
        let most = MicroUnits(if dice.once_in(15) {
            dice.magnitude(20)
        } else {
            u64::MAX
        });
        let caller = self.tenant(dice, &terms);
        Some(Step::Act(
            caller,
            Act::Contest {
                terms,
                from,
                to,
                most,
            },
        ))
    }

    fn answer(&self, dice: &mut Dice, id: U96) -> Step {
        let (to, index) = (
            self.model.disputes().get(&id).map_or(0, |dispute| dispute.to),
            provider_index(id),
        );
        let operator = self.people.operators[index].address();
        let caller = match dice.below(8) {
            0 => self.anyone(dice),
            1..=3 => self.people.owners[index].address(),
            _ => operator,
        };
        let signer = match dice.below(20) {
            0 => None,
            1 => Some(self.anyone(dice)),
            _ => Some(operator),
        };
        let act = Act::Answer {
            id,
            cum: to.saturating_add(dice.small(50)) - u32::from(dice.once_in(20)),
            as_of: self.now - dice.below(50) + if dice.once_in(20) { 60 } else { 0 },
            signer,
        };
        Step::Act(caller, act)
    }

    fn rule(&self, dice: &mut Dice, id: U96) -> Step {
        let amount = self
            .model
            .disputes()
            .get(&id)
            .map_or(0, |dispute| dispute.amount.0);
        let frozen = self.model.freezes().get(&id).map_or(0, |freeze| freeze.amount.0);
        let reserved = self.reserved(id, 0);
        let (mut award, mut refund, mut burn) = (0, 0, 0);
        // A fifth is for the provider.
        if !dice.once_in(5) {
            award = part(dice, frozen.min(amount));
            refund = part(dice, reserved.min(amount - award));
            burn = part(dice, reserved - refund);
        }
        match dice.below(20) {
            0 => award = frozen.saturating_add(1),
            1 => burn = (reserved - refund).saturating_add(1),
            2 => refund = (amount - award.min(amount)).saturating_add(1),
            _ => {}
        }
        let [award, refund, burn] = [award, refund, burn].map(MicroUnits);
        let act = Act::Rule {
            id,
            award,
            refund,
            burn,
        };
        Step::Act(self.mostly(dice, &self.people.arbiter), act)
    }

    /// What a court may do, by somebody who does it at any time.
    fn judge(&self, dice: &mut Dice) -> Option<Step> {
        let caller = self.mostly(dice, &self.people.judge);
        let frozen: Vec<(U96, u64)> = self
            .model
            .freezes()
            .iter()
            .filter(|(_, freeze)| freeze.amount.0 != 0)
            .map(|(id, freeze)| (*id, freeze.amount.0))
            .collect();
        // Where something can be frozen, that is tried before all else.
        let roll = dice.below(10);
        if roll < 6 {
            if let Some(terms) = self.contestable(dice) {
                let terms = Box::new(terms);
                let amount = MicroUnits(if dice.once_in(2) {
                    u64::MAX
                } else {
                    dice.magnitude(46)
                });
                return Some(Step::Act(caller, Act::Freeze { terms, amount }));
            }
        }
        if roll > 8 || (frozen.is_empty() && !dice.once_in(10)) {
            return self.hold(dice, 0, caller);
        }
        let (id, amount) = if frozen.is_empty() {
            (dice.pick(self.terms_or_none()?).id, dice.magnitude(20))
        } else {
            *dice.pick(&frozen)
        };
        // Whoever waited long enough.
        let late = self
            .model
            .freezes()
            .get(&id)
            .is_some_and(|freeze| self.now > freeze.until);
        let caller = if late { self.anyone(dice) } else { caller };
        if dice.once_in(4) {
            return Some(Step::Act(caller, Act::Release { id }));
        }
        let amount = part(dice, amount).saturating_add(u64::from(dice.once_in(15)));
        let amount = MicroUnits(amount);
        Some(Step::Act(caller, Act::Award { id, amount }))
    }

    pub(super) fn slasher(&self, dice: &mut Dice) -> Option<Step> {
        let caller = self.mostly(dice, &self.people.slasher);
        let slot = if dice.once_in(20) {
            u8::try_from(dice.below(5)).unwrap()
        } else {
            1
        };
        self.hold(dice, slot, caller)
    }

    /// Reserves, slashes and gives back.
    fn hold(&self, dice: &mut Dice, slot: u8, caller: Address) -> Option<Step> {
        let held: Vec<U96> = self
            .model
            .reserves()
            .keys()
            .filter(|(_, of)| *of == slot)
            .map(|(id, _)| *id)
            .collect();
        if held.is_empty() || dice.once_in(3) {
            let phase = *dice.pick(&[Phase::Live, Phase::Live, Phase::Pending, Phase::Closed]);
            // What another slot reserved or slashed is of the same liability.
            let shared = dice.once_in(2);
            let fits = |lease: &LeaseSlot| {
                let spent = self.model.liability(lease.terms.id) != Liability::default();
                lease.terms.liability != 0 && !held.contains(&lease.terms.id) && (spent || !shared)
            };
            let terms = match self.terms_in(dice, phase, fits) {
                Some(terms) => terms,
                None => self.terms_in(dice, Phase::Live, |lease| !held.contains(&lease.terms.id))?,
            };
            let terms = Box::new(terms);
            let amount = MicroUnits(if dice.once_in(2) {
                u64::MAX
            } else {
                dice.magnitude(28)
            });
            return Some(Step::Act(caller, Act::Reserve { slot, terms, amount }));
        }
        let id = *dice.pick(&held);
        if dice.once_in(3) {
            let caller = if dice.once_in(4) {
                self.anyone(dice)
            } else {
                caller
            };
            return Some(Step::Act(caller, Act::Unreserve { slot, id }));
        }
        let reserved = self.reserved(id, slot);
        let refund = part(dice, reserved);
        let burn = part(dice, reserved - refund).saturating_add(u64::from(dice.once_in(15)));
        let [refund, burn] = [refund, burn].map(MicroUnits);
        let act = Act::Slash {
            slot,
            id,
            refund,
            burn,
        };
        Some(Step::Act(caller, act))
    }

    fn reserved(&self, id: U96, slot: u8) -> u64 {
        self.model
            .reserves()
            .get(&(id, slot))
            .map_or(0, |record| record.amount.0)
    }

    fn terms_or_none(&self) -> Option<&[Terms]> {
        Some(self.terms).filter(|terms| !terms.is_empty())
    }
}

/// All, nothing, or something between.
fn part(dice: &mut Dice, whole: u64) -> u64 {
    match dice.below(4) {
        0 => whole,
        1 => 0,
        _ => dice.below(whole.saturating_add(1).max(1)),
    }
}

fn provider_of(terms: &Terms) -> ProviderId {
    PROVIDERS[provider_index(terms.id)]
}

fn provider_index(id: U96) -> usize {
    usize::from((id.to::<u128>() >> 64) == 2)
}
