//! A lease from its opening to its last second: what ends a pending one, what lowers `stop_at`, the only clock of a live one (contracts: I4).

use super::{Doing, Escrow, Holder, Refusal, orders::is_tenant, rent};
use crate::core::{
    book::{KeyRoles, StopBy},
    documents::terms::Terms,
    ids::{Lane, ProviderId, TermsHash},
    money::{MicroUnits, RatePerHour},
};

/// The largest value of a lane, and of a count.
pub(super) const MOST_SECONDS: u32 = (1 << 31) - 1;
/// Seconds of rent that a top-up adds at least.
const LEAST_TOP_UP: u32 = 60;

/// What is stored of a lease's life; all else is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for its start.
    Pending,
    /// Started.
    Live,
    /// Over.
    Closed,
}

/// The lease on a lane, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSlot {
    /// What it is.
    pub phase: Phase,
    /// Who ended it; the first to stop keeps it.
    pub stop_by: StopBy,
    /// The lane counts from here.
    pub lane_base: u32,
    /// Seconds paid.
    pub settled: u32,
    /// When it was started; 0 before.
    pub start_at: u64,
    /// Pending: the last second to start. Live: nothing accrues from here on. Closed: from when the lane rests; 0: it does not.
    pub stop_at: u64,
    /// What is left to pay rent with, the holdback apart.
    pub balance: MicroUnits,
    /// Which use of the lane.
    pub generation: u32,
    /// When it was opened.
    pub opened_at: u64,
    /// What it runs on.
    pub terms: Terms,
    /// Their hash.
    pub terms_hash: TermsHash,
}

impl LeaseSlot {
    pub(super) fn pending(
        terms: Terms,
        generation: u32,
        now: u64,
        stop_at: u64,
        deposit: MicroUnits,
    ) -> Self {
        Self {
            phase: Phase::Pending,
            stop_by: StopBy::EndReached,
            lane_base: 0,
            settled: 0,
            start_at: 0,
            stop_at,
            balance: deposit.saturating_sub(terms.holdback()),
            generation,
            opened_at: now,
            terms_hash: terms.hash(),
            terms,
        }
    }

    /// All that it holds: balance and holdback; nothing once it is closed.
    #[must_use]
    pub fn funds(&self) -> u128 {
        match self.phase {
            Phase::Pending | Phase::Live => u128::from(self.balance.0) + u128::from(self.terms.holdback().0),
            Phase::Closed => 0,
        }
    }

    /// The price.
    #[must_use]
    pub fn rate(&self) -> RatePerHour {
        self.terms.rate().unwrap_or_default()
    }

    /// Usage at a time, given the lane's counter; not below what is settled, since a voucher may have paid seconds that no report counts yet.
    #[must_use]
    pub fn used(&self, lane: u32, now: u64) -> u32 {
        rent::used(lane, self.lane_base, self.start_at, self.stop_at, now).max(self.settled)
    }

    /// Seconds it has run.
    #[must_use]
    pub fn elapsed(&self, now: u64) -> u64 {
        now.min(self.stop_at).saturating_sub(self.start_at)
    }

    /// Whether the lane cannot be leased again yet; `rest` is W.
    #[must_use]
    pub fn occupies_lane(&self, now: u64, rest: u32) -> bool {
        match self.phase {
            Phase::Pending | Phase::Live => true,
            Phase::Closed => now < self.stop_at.saturating_add(rest.into()),
        }
    }

    /// Nothing is in it any more.
    pub(super) fn close(&mut self, stop_at: u64, settled: u32) {
        self.phase = Phase::Closed;
        self.stop_at = stop_at;
        self.settled = settled;
        self.balance = MicroUnits::ZERO;
    }

    pub(super) fn stop(&mut self, by: StopBy, at: u64) {
        self.stop_at = at;
        if self.stop_by == StopBy::EndReached {
            self.stop_by = by;
        }
    }
}

/// Where the lease of some terms would be.
pub(super) fn place(terms: &Terms) -> (ProviderId, Lane) {
    let id = terms.id.to::<u128>();
    // An id is providerId32 | lane32 | gen32.
    (ProviderId((id >> 64) as u32), Lane((id >> 32) as u32))
}

impl Escrow {
    /// The lane's last lease, if it runs on these terms.
    pub(super) fn lease(&mut self, terms: &Terms) -> Result<&mut LeaseSlot, Refusal> {
        // The book keeps 200 bits of the hash: enough that nobody finds other terms for them.
        self.leases
            .get_mut(&place(terms))
            .filter(|lease| lease.terms_hash == terms.hash())
            .ok_or(Refusal::Terms)
    }

    fn pending(&mut self, terms: &Terms) -> Result<&mut LeaseSlot, Refusal> {
        let lease = self.lease(terms)?;
        match lease.phase {
            Phase::Pending => Ok(lease),
            Phase::Live | Phase::Closed => Err(Refusal::NotPending),
        }
    }

    pub(super) fn live(&mut self, terms: &Terms) -> Result<&mut LeaseSlot, Refusal> {
        let lease = self.lease(terms)?;
        match lease.phase {
            Phase::Live => Ok(lease),
            Phase::Pending | Phase::Closed => Err(Refusal::NotLive),
        }
    }

    pub(super) fn active(&mut self, terms: &Terms, now: u64) -> Result<&mut LeaseSlot, Refusal> {
        let lease = self.live(terms)?;
        if now >= lease.stop_at {
            return Err(Refusal::Stopped);
        }
        Ok(lease)
    }

    pub(super) fn on_duty(&self, doing: &Doing, terms: &Terms) -> Result<(), Refusal> {
        if self.may(place(terms).0, doing.caller, KeyRoles::START, doing.now) {
            Ok(())
        } else {
            Err(Refusal::NotAllowed)
        }
    }

    pub(super) fn start(&mut self, doing: &Doing, terms: &Terms, base: u32) -> Result<(), Refusal> {
        self.on_duty(doing, terms)?;
        let (provider, lane) = place(terms);
        let counted = self.lane(provider, lane);
        let most = MOST_SECONDS.saturating_sub(terms.maxDuration);
        let lease = self.pending(terms)?;
        if doing.now > lease.stop_at {
            return Err(Refusal::Late);
        }
        if base < counted || base > most {
            return Err(Refusal::Base);
        }
        lease.phase = Phase::Live;
        lease.start_at = doing.now;
        lease.stop_at = doing.now.saturating_add(terms.maxDuration.into());
        lease.lane_base = base;
        let record = self.record(provider);
        record.started = record.started.saturating_add(1);
        self.release_bond(provider, terms.token, MicroUnits(terms.bond), MicroUnits::ZERO);
        Ok(())
    }

    pub(super) fn decline(&mut self, doing: &mut Doing, terms: &Terms) -> Result<(), Refusal> {
        self.on_duty(doing, terms)?;
        if doing.now > self.pending(terms)?.stop_at {
            return Err(Refusal::Late);
        }
        let record = self.record(place(terms).0);
        record.declined = record.declined.saturating_add(1);
        self.end_pending(doing, terms)
    }

    pub(super) fn expire(&mut self, doing: &mut Doing, terms: &Terms) -> Result<(), Refusal> {
        if doing.now <= self.pending(terms)?.stop_at {
            return Err(Refusal::Early);
        }
        let record = self.record(place(terms).0);
        record.expired_pending = record.expired_pending.saturating_add(1);
        self.end_pending(doing, terms)
    }

    /// Who failed cannot be proven, so both sides lose the same: the rent of the time it waited, at most the bond (contracts: I9).
    fn end_pending(&mut self, doing: &mut Doing, terms: &Terms) -> Result<(), Refusal> {
        let lease = self.pending(terms)?;
        let funds = lease.funds();
        let waited = doing.now.min(lease.stop_at).saturating_sub(lease.opened_at);
        let rent = lease.rate().owed_down(u32::try_from(waited).unwrap_or(u32::MAX));
        lease.close(0, 0);
        let burn = u128::from(rent.0.min(terms.bond)).min(funds);
        self.add_fee(terms.token, burn);
        // At most the bond.
        let burned = MicroUnits(u64::try_from(burn).unwrap_or(terms.bond));
        self.release_bond(place(terms).0, terms.token, MicroUnits(terms.bond), burned);
        self.refund(doing, terms.token, terms.refundTo, funds.saturating_sub(burn));
        Ok(())
    }

    pub(super) fn top_up(
        &mut self,
        doing: &mut Doing,
        terms: &Terms,
        amount: MicroUnits,
    ) -> Result<(), Refusal> {
        let lease = self.active(terms, doing.now)?;
        if amount < lease.rate().owed_up(LEAST_TOP_UP) {
            return Err(Refusal::Amount);
        }
        let sum = lease.funds().saturating_add(amount.0.into());
        if sum > u64::MAX.into() {
            return Err(Refusal::Amount);
        }
        lease.balance = lease.balance.checked_add(amount).ok_or(Refusal::Amount)?;
        self.pull(doing, terms.token, doing.caller, Holder::Book, amount.0.into())
    }

    pub(super) fn stop(&mut self, doing: &Doing, terms: &Terms) -> Result<(), Refusal> {
        if is_tenant(doing.caller, terms.tenant, terms.agent) {
            self.active(terms, doing.now)?
                .stop(StopBy::TenantOrFunds, doing.now);
            return Ok(());
        }
        self.on_duty(doing, terms)?;
        let lease = self.active(terms, doing.now)?;
        let missing = lease.stop_at.saturating_sub(doing.now).min(terms.notice.into());
        let amount = lease.rate().owed_down(u32::try_from(missing).unwrap_or(u32::MAX));
        lease.stop(StopBy::ProviderFault, doing.now);
        let record = self.record(place(terms).0);
        record.faulted = record.faulted.saturating_add(1);
        self.compensate(doing.now, terms, amount);
        Ok(())
    }

    /// The notice that is missing, out of what the provider has not vested.
    fn compensate(&mut self, now: u64, terms: &Terms, amount: MicroUnits) {
        let provider = place(terms).0;
        let (left, taken) = self.rolled(provider, terms.token, now).less(amount.0.into());
        self.vesting.insert((provider, terms.token), left);
        self.add_credit(terms.refundTo, terms.token, taken);
    }

    pub(super) fn notice(&mut self, doing: &Doing, terms: &Terms) -> Result<(), Refusal> {
        self.on_duty(doing, terms)?;
        let lease = self.active(terms, doing.now)?;
        let stop_at = doing.now.saturating_add(terms.notice.into());
        if stop_at >= lease.stop_at {
            return Err(Refusal::Stopped);
        }
        lease.stop(StopBy::ProviderNotice, stop_at);
        let record = self.record(place(terms).0);
        record.notice_given = record.notice_given.saturating_add(1);
        Ok(())
    }

    pub(super) fn evict(&mut self, doing: &Doing, terms: &Terms) -> Result<(), Refusal> {
        self.on_duty(doing, terms)?;
        let (provider, lane) = place(terms);
        let counted = self.lane(provider, lane);
        let lease = self.active(terms, doing.now)?;
        let cum = lease.used(counted, doing.now);
        let paid = rent::pay(lease.rate(), lease.settled, cum, lease.balance.0.into());
        let unpaid = cum.saturating_sub(paid.up_to);
        if unpaid == 0 || unpaid < terms.grace {
            return Err(Refusal::GraceNotReached);
        }
        lease.stop(StopBy::TenantOrFunds, doing.now);
        Ok(())
    }

    pub(super) fn waive(&mut self, doing: &Doing, terms: &Terms, cum: u32) -> Result<(), Refusal> {
        self.on_duty(doing, terms)?;
        let (provider, lane) = place(terms);
        let counted = self.lane(provider, lane);
        let lease = self.live(terms)?;
        if cum < lease.settled || cum >= counted.saturating_sub(lease.lane_base) {
            return Err(Refusal::Waive);
        }
        lease.lane_base = counted.saturating_sub(cum);
        Ok(())
    }
}
