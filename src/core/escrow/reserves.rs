//! What slashers can do in the vault: hold stake back for a decision about one lease, at most its liability, and take of it, at most their
//! share of a provider's stake in an epoch (contracts: I13, SV-2 to SV-4).

use alloy::primitives::{Address, aliases::U96};

use super::{Doing, Escrow, Holder, Refusal, freezes::provider_of, leases::place};
use crate::core::{book::TokenIndex, documents::terms::Terms, money::MicroUnits};

/// After this anyone may give back what is reserved, in seconds.
const RESERVE_TIME: u64 = 21 * 86_400;
/// Shares of a stake hold for so long, in seconds.
const SHARE_EPOCH: u64 = 30 * 86_400;
/// The share of each slot, in 1/10,000.
const SHARES: [u16; 3] = [5000, 3000, 2000];

/// Stake that waits for a decision about one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Who reserved.
    pub slasher: Address,
    /// What may be slashed.
    pub amount: MicroUnits,
    /// From then on anyone may undo it.
    pub until: u64,
    /// Who gets what the tenant lost.
    pub refund_to: Address,
    /// In which token.
    pub token: TokenIndex,
}

/// What a lease's liability has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Liability {
    /// Gone.
    pub slashed: MicroUnits,
    /// Waits, for all slots.
    pub reserved: MicroUnits,
}

/// What a slot took of a provider's stake in one epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Which epoch.
    pub epoch: u64,
    /// The stake when the slot first slashed in it.
    pub base: MicroUnits,
    /// What it took.
    pub slashed: MicroUnits,
}

impl Escrow {
    pub(super) fn require_slasher(&self, slot: u8, who: Address) -> Result<(), Refusal> {
        match self.policy.slashers.get(usize::from(slot)) {
            Some(Some(slasher)) if *slasher == who => Ok(()),
            Some(_) | None => Err(Refusal::Office),
        }
    }

    pub(super) fn reserve(
        &mut self,
        doing: &Doing,
        slot: u8,
        terms: &Terms,
        amount: MicroUnits,
    ) -> Result<MicroUnits, Refusal> {
        self.require_slasher(slot, doing.caller)?;
        self.reserve_for(doing.caller, doing.now, slot, terms, amount)
    }

    pub(super) fn reserve_for(
        &mut self,
        slasher: Address,
        now: u64,
        slot: u8,
        terms: &Terms,
        amount: MicroUnits,
    ) -> Result<MicroUnits, Refusal> {
        if self.reserves.contains_key(&(terms.id, slot)) {
            return Err(Refusal::Held);
        }
        let _lease = self.lease(terms)?;
        let liability = self.liabilities.entry(terms.id).or_default();
        let stake = self.stakes.entry((place(terms).0, terms.token)).or_default();
        let reserved = MicroUnits(terms.liability)
            .saturating_sub(liability.slashed)
            .saturating_sub(liability.reserved)
            .min(stake.unheld())
            .min(amount);
        liability.reserved = liability.reserved.saturating_add(reserved);
        stake.reserved = stake.reserved.saturating_add(reserved);
        let record = Reserve {
            slasher,
            amount: reserved,
            until: now.saturating_add(RESERVE_TIME),
            refund_to: terms.refundTo,
            token: terms.token,
        };
        self.reserves.insert((terms.id, slot), record);
        Ok(reserved)
    }

    pub(super) fn unreserve(&mut self, doing: &Doing, slot: u8, id: U96) -> Result<(), Refusal> {
        let record = self.reserves.get(&(id, slot)).ok_or(Refusal::Nothing)?;
        if record.slasher != doing.caller && doing.now < record.until {
            return Err(Refusal::Office);
        }
        self.give_back(slot, id).map(|_| ())
    }

    /// Nothing is held back any more; what was.
    pub(super) fn give_back(&mut self, slot: u8, id: U96) -> Result<Reserve, Refusal> {
        let record = self.reserves.remove(&(id, slot)).ok_or(Refusal::Nothing)?;
        let liability = self.liabilities.entry(id).or_default();
        liability.reserved = liability.reserved.saturating_sub(record.amount);
        let stake = self.stakes.entry((provider_of(id), record.token)).or_default();
        stake.reserved = stake.reserved.saturating_sub(record.amount);
        Ok(record)
    }

    pub(super) fn slash(
        &mut self,
        doing: &Doing,
        slot: u8,
        id: U96,
        refund: MicroUnits,
        burn: MicroUnits,
    ) -> Result<(), Refusal> {
        self.slash_by(doing.caller, doing.now, slot, id, (refund, burn))
    }

    /// Takes what was reserved and gives the rest back. What the share does not cover is not taken, the burned part first.
    pub(super) fn slash_by(
        &mut self,
        slasher: Address,
        now: u64,
        slot: u8,
        id: U96,
        (refund, burn): (MicroUnits, MicroUnits),
    ) -> Result<(), Refusal> {
        let record = *self.reserves.get(&(id, slot)).ok_or(Refusal::Office)?;
        if record.slasher != slasher {
            return Err(Refusal::Office);
        }
        if refund.checked_add(burn).is_none_or(|sum| sum > record.amount) {
            return Err(Refusal::Amount);
        }
        self.give_back(slot, id)?;
        let provider = provider_of(id);
        let stake = self.stakes.entry((provider, record.token)).or_default();
        let share = self.shares.entry((provider, record.token, slot)).or_default();
        let epoch = now / SHARE_EPOCH;
        if share.epoch != epoch {
            *share = Share {
                epoch,
                base: stake.amount,
                slashed: MicroUnits::ZERO,
            };
        }
        let left = share_of(slot, share.base).saturating_sub(share.slashed);
        let refunded = refund.min(left);
        let burnt = burn.min(left.saturating_sub(refunded));
        let sum = refunded.saturating_add(burnt);
        share.slashed = share.slashed.saturating_add(sum);
        stake.amount = stake.amount.saturating_sub(sum);
        // What was asked back shrinks with the stake.
        stake.ask_at_most(stake.amount.saturating_sub(stake.locked));
        let liability = self.liabilities.entry(id).or_default();
        liability.slashed = liability.slashed.saturating_add(sum);
        if refunded != MicroUnits::ZERO {
            let credit = self
                .stake_credits
                .entry((record.refund_to, record.token))
                .or_default();
            *credit = credit.saturating_add(refunded.0.into());
        }
        let burned = self.burned.entry(record.token).or_default();
        *burned = burned.saturating_add(burnt.0.into());
        Ok(())
    }

    pub(super) fn withdraw_stake_credit(
        &mut self,
        doing: &mut Doing,
        account: Address,
        token: TokenIndex,
    ) -> Result<(), Refusal> {
        let amount = self.stake_credits.remove(&(account, token)).unwrap_or(0);
        if amount == 0 {
            return Err(Refusal::Nothing);
        }
        self.send(doing, token, Holder::Vault, account, amount)
    }
}

/// A slot's share of a stake, rounded up, against whoever is slashed.
fn share_of(slot: u8, base: MicroUnits) -> MicroUnits {
    let share = SHARES.get(usize::from(slot)).copied().unwrap_or(0);
    let part = (u128::from(base.0) * u128::from(share)).div_ceil(10_000);
    // A share is at most the whole.
    MicroUnits(u64::try_from(part).unwrap_or(base.0))
}
