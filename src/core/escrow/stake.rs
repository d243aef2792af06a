//! Stake and bonds, as the vault keeps them (contracts: sections 1 and 7).

use super::{Doing, Escrow, Holder, Refusal};
use crate::core::{book::TokenIndex, ids::ProviderId, money::MicroUnits};

/// Beyond F and two epochs: so long is stake still there after it was asked for, in seconds.
const UNBOND_MARGIN: u64 = 48 * 3600;

/// A provider's stake in one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stake {
    /// All of it.
    pub amount: MicroUnits,
    /// Bonds of pending leases.
    pub locked: MicroUnits,
    /// Asked back.
    pub unbonding: MicroUnits,
    /// From when what was asked back can be taken; none: nothing was asked.
    pub unbond_at: Option<u64>,
    /// What waits for decisions about leases.
    pub reserved: MicroUnits,
}

impl Stake {
    /// What can be locked or asked back: what is reserved is taken from free stake first, then from what is unbonding.
    #[must_use]
    pub const fn free(self) -> MicroUnits {
        self.amount
            .saturating_sub(self.locked)
            .saturating_sub(self.unbonding)
            .saturating_sub(self.reserved)
    }

    /// What is neither locked nor reserved, asked back or not.
    #[must_use]
    pub const fn unheld(self) -> MicroUnits {
        self.amount
            .saturating_sub(self.locked)
            .saturating_sub(self.reserved)
    }

    /// Takes back the asking of what is beyond `most`.
    pub(super) fn ask_at_most(&mut self, most: MicroUnits) {
        self.unbonding = self.unbonding.min(most);
        if self.unbonding == MicroUnits::ZERO {
            self.unbond_at = None;
        }
    }
}

impl Escrow {
    pub(super) fn add_stake(
        &mut self,
        doing: &mut Doing,
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    ) -> Result<(), Refusal> {
        if !self.providers.contains_key(&provider) {
            return Err(Refusal::NoProvider);
        }
        if !self.policy.tokens.contains_key(&token) {
            return Err(Refusal::Closed);
        }
        let stake = self.stakes.entry((provider, token)).or_default();
        stake.amount = stake
            .amount
            .checked_add(amount)
            .filter(|_| amount != MicroUnits::ZERO)
            .ok_or(Refusal::Amount)?;
        self.pull(doing, token, doing.caller, Holder::Vault, amount.0.into())
    }

    pub(super) fn request_unbond(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        token: TokenIndex,
        amount: MicroUnits,
    ) -> Result<(), Refusal> {
        let _owned = self.owned(doing, provider)?;
        let after =
            u64::from(self.windows.final_reports) + 2 * u64::from(self.windows.vest_epoch) + UNBOND_MARGIN;
        let stake = self.stakes.entry((provider, token)).or_default();
        if amount == MicroUnits::ZERO || amount > stake.free() {
            return Err(Refusal::Amount);
        }
        stake.unbonding = MicroUnits(stake.unbonding.0.saturating_add(amount.0));
        stake.unbond_at = Some(doing.now.saturating_add(after));
        Ok(())
    }

    pub(super) fn complete_unbond(
        &mut self,
        doing: &mut Doing,
        provider: ProviderId,
        token: TokenIndex,
    ) -> Result<(), Refusal> {
        let stake = self.stakes.entry((provider, token)).or_default();
        if stake.unbond_at.is_none_or(|at| doing.now < at) {
            return Err(Refusal::Early);
        }
        // What is reserved stays, and what was asked of it can be taken once it is not.
        let amount = stake.unbonding.min(stake.unheld());
        if amount == MicroUnits::ZERO {
            return Err(Refusal::Nothing);
        }
        stake.amount = stake.amount.saturating_sub(amount);
        stake.ask_at_most(stake.unbonding.saturating_sub(amount));
        let to = self.payout(provider, doing.now);
        self.send(doing, token, Holder::Vault, to, amount.0.into())
    }

    pub(super) fn push_burned(&mut self, doing: &mut Doing, token: TokenIndex) -> Result<(), Refusal> {
        let amount = self.burned.remove(&token).unwrap_or(0);
        if amount == 0 {
            return Err(Refusal::Nothing);
        }
        self.send(doing, token, Holder::Vault, self.policy.fee_receiver, amount)
    }

    pub(super) fn lock_bond(
        &mut self,
        provider: ProviderId,
        token: TokenIndex,
        amount: u128,
    ) -> Result<(), Refusal> {
        let stake = self.stakes.entry((provider, token)).or_default();
        let amount = u64::try_from(amount)
            .ok()
            .filter(|amount| *amount <= stake.free().0)
            .ok_or(Refusal::Stake)?;
        stake.locked = MicroUnits(stake.locked.0.saturating_add(amount));
        Ok(())
    }

    /// Gives a bond back, all but what is burned of it.
    pub(super) fn release_bond(
        &mut self,
        provider: ProviderId,
        token: TokenIndex,
        bond: MicroUnits,
        burn: MicroUnits,
    ) {
        let stake = self.stakes.entry((provider, token)).or_default();
        stake.locked = stake.locked.saturating_sub(bond);
        stake.amount = stake.amount.saturating_sub(burn);
        if burn != MicroUnits::ZERO {
            let burned = self.burned.entry(token).or_default();
            *burned = burned.saturating_add(burn.0.into());
        }
    }
}
