//! One step of a trace: a number becomes a passage of time and an act. Most acts are such as their caller could mean; some are by the wrong
//! person, at the wrong time, or outside a bound.

mod agreements;
mod disputes;
mod leases;
mod offers;
mod openings;
mod outside;

use alloy::primitives::{Address, B256};
use leaseport::core::{
    documents::{offer::Offer, order::Order, terms::Terms},
    escrow::{Act, Escrow, LeaseSlot, Phase},
    ids::{Lane, ProviderId},
    time::ChainSeconds,
};
use leaseport_evm::Key;

use crate::{
    dice::Dice,
    market::{Bench, F, People, W},
};

pub(crate) const LANES: u32 = 6;
pub(crate) const PROVIDERS: [ProviderId; 2] = [ProviderId(1), ProviderId(2)];

/// What a trace has come to.
pub(crate) struct Situation<'a> {
    pub(crate) model: &'a Escrow,
    pub(crate) people: &'a People,
    pub(crate) bench: Bench,
    pub(crate) now: u64,
    pub(crate) book: Address,
    /// Every order posted or tried.
    pub(crate) orders: &'a [(B256, Order)],
    /// Every offer that was tried.
    pub(crate) offers: &'a [Offer],
    /// Terms of every lease ever opened, amended ones too.
    pub(crate) terms: &'a [Terms],
}

/// What a step does.
pub(crate) enum Step {
    /// An act of somebody.
    Act(Address, Act),
    /// The guardian pauses.
    Pause,
    /// The guardian ends a pause.
    Unpause,
    /// The fee of new leases changes.
    Fee(u8),
    /// One token's leases pay less.
    ReducedFee(u8, u8),
    /// What a dispute costs changes.
    CourtFee(u8, u64),
    /// A token takes new orders, or no longer.
    TurnToken(u8),
    /// Somebody sends the book a token, which must change nothing.
    Donate(u8),
}

/// So long after it was frozen or reserved anyone may give it back.
const HOLD: u64 = 21 * 86_400;

impl Situation<'_> {
    /// How long nothing happens before a step, in seconds.
    pub(crate) fn wait(&self, dice: &mut Dice) -> u64 {
        let held = self.model.freezes().values().any(|freeze| freeze.amount.0 != 0)
            || !self.model.reserves().is_empty();
        // Long enough that a court or a slasher has lost its say.
        if held && dice.once_in(250) {
            return HOLD + dice.below(2);
        }
        match dice.below(400) {
            0..=119 => 0,
            120..=359 => dice.below(200),
            360..=389 => dice.below(u64::from(W)),
            390..=395 => u64::from(F),
            396..=398 => dice.below(4 * u64::from(W)),
            _ => dice.below(100_000),
        }
    }

    fn anyone(&self, dice: &mut Dice) -> Address {
        dice.pick(&self.people.all()).address()
    }

    /// Mostly the one it should be.
    fn mostly(&self, dice: &mut Dice, rightful: &Key) -> Address {
        if dice.once_in(12) {
            self.anyone(dice)
        } else {
            rightful.address()
        }
    }

    fn index(dice: &mut Dice) -> usize {
        usize::from(!dice.once_in(3))
    }

    /// The terms of a lease in a phase, mostly one that is still or already `fit`, if there is one; seldom those of any lease ever.
    fn terms_in(&self, dice: &mut Dice, phase: Phase, fit: impl Fn(&LeaseSlot) -> bool) -> Option<Terms> {
        if dice.once_in(25) && !self.terms.is_empty() {
            return Some(dice.pick(self.terms).clone());
        }
        let strict = !dice.once_in(10);
        let fitting: Vec<&LeaseSlot> = self
            .model
            .leases()
            .values()
            .filter(|lease| lease.phase == phase && (!strict || fit(lease)))
            .collect();
        if fitting.is_empty() {
            return None;
        }
        Some(dice.pick(&fitting).terms.clone())
    }

    fn active_terms(&self, dice: &mut Dice) -> Option<Terms> {
        self.terms_in(dice, Phase::Live, |lease| self.now < lease.stop_at)
    }

    fn slot(&self, terms: &Terms) -> Option<&LeaseSlot> {
        let id = terms.lease().ok()?;
        self.model.leases().get(&(id.provider, id.lane))
    }

    fn lane_of(&self, terms: &Terms) -> u32 {
        terms
            .lease()
            .map_or(0, |id| self.model.lane(id.provider, id.lane))
    }

    /// The provider's index by its id, any where there is none.
    fn of_provider<'k>(keys: &'k [Key; 2], terms: &Terms) -> &'k Key {
        &keys[usize::from(terms.lease().is_ok_and(|id| id.provider == PROVIDERS[1]))]
    }

    fn tenant(&self, dice: &mut Dice, terms: &Terms) -> Address {
        self.side(dice, terms.tenant, terms.agent)
    }

    /// The tenant's side: itself, or its agent, which seldom is nobody.
    fn side(&self, dice: &mut Dice, tenant: Address, agent: Address) -> Address {
        match dice.below(24) {
            0 => self.anyone(dice),
            1 => agent,
            2..=7 if !agent.is_zero() => agent,
            _ => tenant,
        }
    }

    /// A provider, mostly one with so many free lanes if there is one.
    fn with_room(&self, dice: &mut Dice, lots: usize) -> usize {
        let first = Self::index(dice);
        let room = |index: usize| self.free_lanes_of(PROVIDERS[index]) >= lots;
        if room(first) || !room(1 - first) || dice.once_in(20) {
            first
        } else {
            1 - first
        }
    }

    fn free_lanes_of(&self, provider: ProviderId) -> usize {
        (0..LANES)
            .filter(|lane| self.is_free(provider, Lane(*lane)))
            .count()
    }

    fn is_free(&self, provider: ProviderId, lane: Lane) -> bool {
        self.model
            .leases()
            .get(&(provider, lane))
            .is_none_or(|lease| !lease.occupies_lane(self.now, W))
    }

    pub(crate) fn step(&self, dice: &mut Dice) -> Step {
        // What stops all openings does not do so for long.
        if self.now < self.model.policy.paused_until.0 && dice.once_in(8) {
            return Step::Unpause;
        }
        // What is rare is seen to where it can be.
        if dice.once_in(8)
            && let Some(step) = self.dispute(dice)
        {
            return step;
        }
        let step = match dice.below(1000) {
            0..=109 => Some(self.post(dice)),
            110..=259 => self.opening(dice),
            260..=349 => self.start(dice),
            350..=469 => Some(self.report(dice)),
            470..=529 => Some(self.settle(dice)),
            530..=554 => self.end_pending(dice),
            555..=584 => self.top_up(dice),
            585..=614 => self.stop_or_notice(dice),
            615..=669 => self.evict_or_waive(dice),
            670..=704 => self.finalize(dice),
            705..=734 => self.close_both(dice),
            735..=759 => self.redeem(dice),
            760..=784 => self.amend(dice),
            785..=869 => self.dispute(dice),
            870..=889 => self.slasher(dice),
            890..=929 => Some(self.money_out(dice)),
            930..=954 => Some(self.stake(dice)),
            955..=984 => Some(self.keys(dice)),
            985..=988 => self.cancel(dice),
            _ => Some(self.policy(dice)),
        };
        // Where there is nothing to do it to, the chain of a lease is carried on.
        step.or_else(|| self.start(dice))
            .or_else(|| self.opening(dice))
            .or_else(|| self.finalize(dice))
            .unwrap_or_else(|| match dice.below(3) {
                0 => self.settle(dice),
                1 => self.report(dice),
                _ => self.post(dice),
            })
    }
}

/// A time as the model takes it.
pub(crate) const fn at(now: u64) -> ChainSeconds {
    ChainSeconds(now)
}
