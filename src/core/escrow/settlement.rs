//! Usage in, earnings out: report, settle, finalize, close by both, and the ways money leaves.

use alloy::primitives::{Address, U256};

use super::{Bucket, Doing, Escrow, Holder, Phase, Refusal, Signer, leases::place, orders::is_tenant, rent};
use crate::core::{
    book::{KeyRoles, StopBy, TokenIndex},
    documents::terms::Terms,
    ids::{Lane, ProviderId},
    money::MicroUnits,
    usage::lanes::{JUMP, lane_in},
};

/// Lanes have 32 bits, so words have 29.
const WORDS: u64 = 1 << 29;
/// A fee step is 10 bps.
const FEE_STEPS: u128 = 1000;

/// When what is earned can be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// After one to two epochs.
    Reported,
    /// At once: the tenant signed.
    Signed,
}

impl Escrow {
    pub(super) fn report(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        first_word: u32,
        words: &[U256],
    ) -> Result<(), Refusal> {
        if !self.may(provider, doing.caller, KeyRoles::REPORT, doing.now) {
            return Err(Refusal::NotAllowed);
        }
        if words.is_empty() || u64::from(first_word).saturating_add(words.len() as u64) > WORDS {
            return Err(Refusal::Words);
        }
        for (index, word) in (first_word..).zip(words) {
            for slot in 0..8 {
                let lane = Lane(index.saturating_mul(8).saturating_add(slot));
                if word.bit(slot as usize * 32 + 31) {
                    return Err(Refusal::Words);
                }
                let (old, reported) = (self.lane(provider, lane), lane_in(*word, lane));
                if reported.saturating_sub(old) >= JUMP {
                    return Err(Refusal::JumpTooFar);
                }
                if reported > old {
                    self.lanes.insert((provider, lane), reported);
                }
            }
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        doing: &Doing,
        provider: ProviderId,
        lanes: &[Lane],
    ) -> Result<(), Refusal> {
        // Leases one after the other that pay in the same token are booked together, which rounds the fee once.
        let mut run: Option<(TokenIndex, u128, u128)> = None;
        for lane in lanes {
            let counted = self.lane(provider, *lane);
            let Some(lease) = self
                .leases
                .get_mut(&(provider, *lane))
                .filter(|lease| lease.phase == Phase::Live)
            else {
                continue;
            };
            let cum = lease.used(counted, doing.now);
            let payment = rent::pay(lease.rate(), lease.settled, cum, lease.balance.0.into());
            if payment.up_to == lease.settled {
                continue;
            }
            lease.settled = payment.up_to;
            lease.balance = lease.balance.saturating_sub(payment.paid);
            let (token, paid) = (lease.terms.token, u128::from(payment.paid.0));
            let weighted = paid * u128::from(lease.terms.feeSteps);
            run = match run {
                Some((of, gross, fees)) if of == token => Some((of, gross + paid, fees + weighted)),
                Some((of, gross, fees)) => {
                    self.earn(doing.now, provider, of, gross, fees, Consent::Reported);
                    Some((token, paid, weighted))
                }
                None => Some((token, paid, weighted)),
            };
        }
        if let Some((of, gross, fees)) = run {
            self.earn(doing.now, provider, of, gross, fees, Consent::Reported);
        }
        Ok(())
    }

    pub(super) fn finalize(&mut self, doing: &mut Doing, terms: &Terms) -> Result<(), Refusal> {
        let (provider, lane) = place(terms);
        let counted = self.lane(provider, lane);
        let final_reports = self.windows.final_reports;
        let lease = self.live(terms)?;
        if doing.now < lease.stop_at.saturating_add(final_reports.into()) {
            return Err(Refusal::Early);
        }
        let rate = lease.rate();
        let funds = lease.funds();
        let cum = lease.used(counted, doing.now);
        // The balance pays what it covers, the holdback the grace seconds after that, and no more.
        let by_balance = rent::pay(rate, lease.settled, cum, lease.balance.0.into()).up_to;
        let up_to = cum.min(by_balance.saturating_add(terms.grace));
        let rent_due = u128::from(rate.owed_down(up_to).0) - u128::from(rate.owed_down(lease.settled).0);
        let elapsed = lease.stop_at.saturating_sub(lease.start_at);
        let early_fee = match lease.stop_by {
            StopBy::TenantOrFunds => {
                rent::early_fee(rate, terms.minCommit, terms.earlyFeeBps, elapsed, up_to).0
            }
            StopBy::EndReached | StopBy::ProviderNotice | StopBy::ProviderFault => 0,
        };
        let by_tenant = lease.stop_by == StopBy::TenantOrFunds;
        lease.close(doing.now, up_to);
        if by_tenant {
            let record = self.record(provider);
            record.stopped_by_tenant = record.stopped_by_tenant.saturating_add(1);
        }
        let gross = rent_due.saturating_add(early_fee.into());
        self.close(doing, terms, gross, funds, Consent::Reported);
        Ok(())
    }

    pub(super) fn close_both(
        &mut self,
        doing: &mut Doing,
        terms: &Terms,
        cum: u32,
        deadline: u64,
        provider_signer: Option<Signer>,
        tenant_signer: Option<Signer>,
    ) -> Result<(), Refusal> {
        let (provider, _) = place(terms);
        let by_provider = doing
            .party(provider_signer)
            .is_some_and(|key| self.may(provider, key, KeyRoles::START, doing.now));
        let by_tenant = doing
            .party(tenant_signer)
            .is_some_and(|key| is_tenant(key, terms.tenant, terms.agent));
        if !by_provider || !by_tenant || doing.now > deadline {
            return Err(Refusal::Signature);
        }
        let lease = self.lease(terms)?;
        let was = lease.phase;
        let elapsed = match was {
            Phase::Pending => 0,
            Phase::Live => lease.elapsed(doing.now),
            Phase::Closed => return Err(Refusal::NotLive),
        };
        if cum < lease.settled || u64::from(cum) > elapsed {
            return Err(Refusal::Cum);
        }
        let funds = lease.funds();
        let payment = rent::pay(lease.rate(), lease.settled, cum, funds);
        lease.close(0, payment.up_to);
        if was == Phase::Pending {
            let bond = MicroUnits(terms.bond);
            self.release_bond(provider, terms.token, bond, MicroUnits::ZERO);
        }
        self.close(doing, terms, payment.paid.0.into(), funds, Consent::Signed);
        Ok(())
    }

    /// What a lease held is earned or goes back, nothing else (contracts: I1).
    fn close(&mut self, doing: &mut Doing, terms: &Terms, gross: u128, funds: u128, consent: Consent) {
        let weighted = gross * u128::from(terms.feeSteps);
        self.earn(doing.now, place(terms).0, terms.token, gross, weighted, consent);
        self.refund(doing, terms.token, terms.refundTo, funds.saturating_sub(gross));
    }

    /// Books payments: the fee, rounded down once, and the rest to the provider.
    pub(super) fn earn(
        &mut self,
        now: u64,
        provider: ProviderId,
        token: TokenIndex,
        gross: u128,
        weighted: u128,
        consent: Consent,
    ) {
        if gross == 0 {
            return;
        }
        let fee = weighted / FEE_STEPS;
        let net = gross.saturating_sub(fee);
        self.add_fee(token, fee);
        match consent {
            Consent::Signed => self.add_claimable(provider, token, net),
            Consent::Reported => {
                let bucket = self.rolled(provider, token, now).plus(net);
                self.vesting.insert((provider, token), bucket);
            }
        }
        if self.policy.tokens.get(&token).is_some_and(|known| known.dollar) {
            let record = self.record(provider);
            record.paid = record.paid.saturating_add(gross);
            if consent == Consent::Signed {
                record.signed_paid = record.signed_paid.saturating_add(gross);
            }
        }
    }

    /// The provider's bucket at this epoch; what left it is claimable.
    pub(super) fn rolled(&mut self, provider: ProviderId, token: TokenIndex, now: u64) -> Bucket {
        let bucket = self.vesting.get(&(provider, token)).copied().unwrap_or_default();
        let (bucket, vested) = bucket.at(self.epoch(now));
        self.vesting.insert((provider, token), bucket);
        self.add_claimable(provider, token, vested);
        bucket
    }

    pub(super) fn add_claimable(&mut self, provider: ProviderId, token: TokenIndex, amount: u128) {
        let claimable = self.claimable.entry((provider, token)).or_default();
        *claimable = claimable.saturating_add(amount);
    }

    pub(super) fn payout(&self, provider: ProviderId, now: u64) -> Address {
        self.providers
            .get(&provider)
            .map_or(Address::ZERO, |known| known.payout_at(now))
    }

    pub(super) fn claim(
        &mut self,
        doing: &mut Doing,
        provider: ProviderId,
        token: TokenIndex,
    ) -> Result<(), Refusal> {
        let _bucket = self.rolled(provider, token, doing.now);
        let amount = self.claimable.remove(&(provider, token)).unwrap_or(0);
        if amount == 0 {
            return Err(Refusal::Nothing);
        }
        let to = self.payout(provider, doing.now);
        self.send(doing, token, Holder::Book, to, amount)
    }

    pub(super) fn withdraw_credit(
        &mut self,
        doing: &mut Doing,
        token: TokenIndex,
        to: Address,
    ) -> Result<(), Refusal> {
        let amount = self.credits.remove(&(doing.caller, token)).unwrap_or(0);
        if amount == 0 {
            return Err(Refusal::Nothing);
        }
        self.send(doing, token, Holder::Book, to, amount)
    }

    pub(super) fn push_fees(&mut self, doing: &mut Doing, token: TokenIndex) -> Result<(), Refusal> {
        let amount = self.fees.remove(&token).unwrap_or(0);
        if amount == 0 {
            return Err(Refusal::Nothing);
        }
        self.send(doing, token, Holder::Book, self.policy.fee_receiver, amount)
    }

    /// Money its owner asked for: where the token refuses, so does the book.
    pub(super) fn send(
        &self,
        doing: &mut Doing,
        token: TokenIndex,
        from: Holder,
        to: Address,
        amount: u128,
    ) -> Result<(), Refusal> {
        if self.refuses(token, to) || to.is_zero() {
            return Err(Refusal::Address);
        }
        doing.push(token, from, Holder::Account(to), amount);
        Ok(())
    }
}
