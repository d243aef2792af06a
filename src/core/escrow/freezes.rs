//! What a court can do in the book: keep what one lease has paid and its provider has not vested, for a time, and give it to that lease's
//! refundTo or back. It never changes a lease (contracts: I6).

use alloy::primitives::{Address, aliases::U96};

use super::{Doing, Escrow, Phase, Refusal, leases::place};
use crate::core::{book::TokenIndex, documents::terms::Terms, ids::ProviderId, money::MicroUnits};

/// After this anyone may give back what is frozen, in seconds.
const FREEZE_LENGTH: u64 = 21 * 86_400;

/// Money of one lease that is kept from its provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freeze {
    /// Who gets what is awarded.
    pub refund_to: Address,
    /// What is kept now.
    pub amount: MicroUnits,
    /// Until then the court alone decides.
    pub until: u64,
    /// All that was ever kept of this lease.
    pub total: MicroUnits,
    /// In which token.
    pub token: TokenIndex,
}

impl Escrow {
    pub(super) fn freeze(
        &mut self,
        doing: &Doing,
        terms: &Terms,
        amount: MicroUnits,
    ) -> Result<MicroUnits, Refusal> {
        self.require_slasher(0, doing.caller)?;
        self.freeze_for_court(doing.now, terms, amount)
    }

    /// At most what the lease has paid and was never kept before, out of what its provider has not vested.
    pub(super) fn freeze_for_court(
        &mut self,
        now: u64,
        terms: &Terms,
        amount: MicroUnits,
    ) -> Result<MicroUnits, Refusal> {
        let rest = self.windows.vest_epoch;
        let lease = self.lease(terms)?;
        let in_time = match lease.phase {
            Phase::Live => true,
            Phase::Closed => lease.occupies_lane(now, rest),
            Phase::Pending => false,
        };
        if !in_time {
            return Err(Refusal::Late);
        }
        let paid = lease.rate().owed_down(lease.settled);
        let was = self.freezes.get(&terms.id).copied().unwrap_or_default();
        if was.amount != MicroUnits::ZERO {
            return Err(Refusal::Held);
        }
        let most = paid.saturating_sub(was.total).min(amount);
        let provider = place(terms).0;
        let (left, taken) = self.rolled(provider, terms.token, now).less(most.0.into());
        if taken == 0 {
            return Err(Refusal::Nothing);
        }
        self.vesting.insert((provider, terms.token), left);
        // At most `most`.
        let frozen = MicroUnits(u64::try_from(taken).unwrap_or(most.0));
        let sum = self.frozen.entry((provider, terms.token)).or_default();
        *sum = sum.saturating_add(taken);
        let record = Freeze {
            refund_to: terms.refundTo,
            amount: frozen,
            until: now.saturating_add(FREEZE_LENGTH),
            total: was.total.checked_add(frozen).ok_or(Refusal::Amount)?,
            token: terms.token,
        };
        self.freezes.insert(terms.id, record);
        Ok(frozen)
    }

    pub(super) fn release(&mut self, doing: &mut Doing, id: U96) -> Result<(), Refusal> {
        let until = self.freezes.get(&id).map_or(0, |record| record.until);
        if doing.now <= until {
            self.require_slasher(0, doing.caller)?;
        }
        self.end_freeze(doing, id, MicroUnits::ZERO)
    }

    pub(super) fn award(&mut self, doing: &mut Doing, id: U96, amount: MicroUnits) -> Result<(), Refusal> {
        self.require_slasher(0, doing.caller)?;
        let record = self.freezes.get(&id).copied().unwrap_or_default();
        if doing.now > record.until {
            return Err(Refusal::Late);
        }
        if amount > record.amount {
            return Err(Refusal::Amount);
        }
        self.end_freeze(doing, id, amount)
    }

    /// What goes back is claimable at once: it can be kept no second time.
    pub(super) fn end_freeze(
        &mut self,
        doing: &mut Doing,
        id: U96,
        to_tenant: MicroUnits,
    ) -> Result<(), Refusal> {
        let record = self.freezes.get_mut(&id).ok_or(Refusal::Nothing)?;
        let Freeze { amount, token, .. } = *record;
        if amount == MicroUnits::ZERO {
            return Err(Refusal::Nothing);
        }
        record.amount = MicroUnits::ZERO;
        let refund_to = record.refund_to;
        let provider = provider_of(id);
        let frozen = self.frozen.entry((provider, token)).or_default();
        *frozen = frozen.saturating_sub(amount.0.into());
        self.add_claimable(provider, token, amount.saturating_sub(to_tenant).0.into());
        self.refund(doing, token, refund_to, to_tenant.0.into());
        Ok(())
    }
}

/// The provider in a lease's id: providerId32 | lane32 | gen32.
pub(super) fn provider_of(id: U96) -> ProviderId {
    ProviderId((id.to::<u128>() >> 64) as u32)
}
