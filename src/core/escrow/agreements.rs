//! What the parties of a running lease sign beside its close: vouchers, a stop that somebody else sends, other terms. What a tenant signed is
//! claimable at once.

use super::{
    Doing, Escrow, Refusal, Signer,
    leases::{MOST_SECONDS, place},
    orders::is_tenant,
    rent,
    settlement::Consent,
};
use crate::core::{
    book::{KeyRoles, StopBy},
    documents::terms::Terms,
    money::MicroUnits,
};

/// No duration of terms is longer, in seconds.
const LONGEST: u32 = 1 << 30;
const FLAGS: u8 = 3;

impl Escrow {
    pub(super) fn redeem(
        &mut self,
        doing: &Doing,
        terms: &Terms,
        cum: u32,
        signer: Option<Signer>,
    ) -> Result<(), Refusal> {
        let lease = self.live(terms)?;
        require_party(terms, doing.party(signer))?;
        if cum <= lease.settled || u64::from(cum) > lease.elapsed(doing.now) {
            return Err(Refusal::Cum);
        }
        let payment = rent::pay(lease.rate(), lease.settled, cum, lease.balance.0.into());
        if payment.up_to == lease.settled {
            return Err(Refusal::Nothing);
        }
        lease.settled = payment.up_to;
        lease.balance = lease.balance.saturating_sub(payment.paid);
        self.earn_signed(doing, terms, payment.paid.0.into());
        Ok(())
    }

    pub(super) fn stop_signed(
        &mut self,
        doing: &Doing,
        terms: &Terms,
        deadline: u64,
        signer: Signer,
    ) -> Result<(), Refusal> {
        let lease = self.active(terms, doing.now)?;
        require_party(terms, signer)?;
        if doing.now > deadline {
            return Err(Refusal::Signature);
        }
        lease.stop(StopBy::TenantOrFunds, doing.now);
        Ok(())
    }

    /// The one act that raises `stop_at` (contracts: I4). The agreed seconds are paid, then the count begins anew.
    pub(super) fn amend(
        &mut self,
        doing: &Doing,
        terms: &Terms,
        next: &Terms,
        cum: u32,
        deadline: u64,
        (provider_signer, tenant_signer): (Option<Signer>, Option<Signer>),
    ) -> Result<(), Refusal> {
        let provider = place(terms).0;
        let may_start = doing
            .party(provider_signer)
            .is_some_and(|key| self.may(provider, key, KeyRoles::START, doing.now));
        if !may_start || doing.now > deadline {
            return Err(Refusal::Signature);
        }
        require_party(terms, doing.party(tenant_signer))?;
        let (old_hash, new_hash) = (terms.hash(), next.hash());
        if old_hash == new_hash || self.is_retired(new_hash) {
            return Err(Refusal::Retired);
        }
        if !keeps_what_is_fixed(terms, next) || !in_bounds(next) {
            return Err(Refusal::Amendment);
        }
        let lease = self.active(terms, doing.now)?;
        if cum < lease.settled || u64::from(cum) > lease.elapsed(doing.now) {
            return Err(Refusal::Cum);
        }
        let paid = rent::pay(lease.rate(), lease.settled, cum, u64::MAX.into()).paid;
        let holdback = next.holdback();
        let balance = MicroUnits(u64::try_from(lease.funds()).unwrap_or(u64::MAX))
            .checked_sub(paid)
            .and_then(|left| left.checked_sub(holdback))
            .ok_or(Refusal::Funds)?;
        let base = lease.lane_base.saturating_add(cum);
        if base > MOST_SECONDS.saturating_sub(next.maxDuration) {
            return Err(Refusal::Base);
        }
        lease.stop_by = StopBy::EndReached;
        lease.lane_base = base;
        lease.settled = 0;
        lease.start_at = doing.now;
        lease.stop_at = doing.now.saturating_add(next.maxDuration.into());
        lease.balance = balance;
        lease.terms = next.clone();
        lease.terms_hash = new_hash;
        self.retired.insert(old_hash);
        self.earn_signed(doing, terms, paid.0.into());
        Ok(())
    }

    fn earn_signed(&mut self, doing: &Doing, terms: &Terms, gross: u128) {
        let weighted = gross * u128::from(terms.feeSteps);
        let provider = place(terms).0;
        self.earn(doing.now, provider, terms.token, gross, weighted, Consent::Signed);
    }
}

/// Tenant or agent consents, and not nobody.
fn require_party(terms: &Terms, who: Signer) -> Result<(), Refusal> {
    match who {
        Some(who) if !who.is_zero() && is_tenant(who, terms.tenant, terms.agent) => Ok(()),
        Some(_) | None => Err(Refusal::Signature),
    }
}

/// Whose lease it is, where money returns to, in which token, at which fee, for which bond.
fn keeps_what_is_fixed(terms: &Terms, next: &Terms) -> bool {
    let parties = |terms: &Terms| (terms.tenant, terms.agent, terms.refundTo);
    let money = |terms: &Terms| (terms.token, terms.feeSteps, terms.bond);
    (terms.id, terms.orderHash) == (next.id, next.orderHash)
        && parties(terms) == parties(next)
        && money(terms) == money(next)
}

/// As an order's.
fn in_bounds(terms: &Terms) -> bool {
    !terms.ratePerHour.is_zero()
        && terms.flags <= FLAGS
        && (1..=LONGEST).contains(&terms.maxDuration)
        && terms.notice <= LONGEST
        && terms.grace <= LONGEST
        && terms.minCommit <= terms.maxDuration
        && terms.earlyFeeBps <= 10_000
}
