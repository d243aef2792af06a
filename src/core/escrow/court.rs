//! The court: a tenant contests seconds it has paid for, the provider answers, an arbiter rules, a timelock may veto, and whatever nobody does
//! in time ends by itself (contracts: section 7). It acts on the lease's money only through `freezes` and `reserves`.

use alloy::primitives::{Address, aliases::U96};

use super::{
    Doing, Escrow, Holder, Phase, Refusal, Signer, freezes::provider_of, leases::place, orders::is_tenant,
};
use crate::core::{
    book::{KeyRoles, TokenIndex},
    documents::terms::Terms,
    ids::TermsHash,
    money::MicroUnits,
};

/// The court's slot among slashers.
const SLOT: u8 = 0;

/// Who judges and how long each side has, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Court {
    /// The contract.
    pub address: Address,
    /// May rule.
    pub arbiter: Address,
    /// May veto.
    pub timelock: Address,
    /// For the provider's answer.
    pub answer: u32,
    /// For the ruling.
    pub ruling: u32,
    /// For the veto.
    pub veto: u32,
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputePhase {
    /// Waits for an answer.
    Contested,
    /// Waits for a ruling.
    Answered,
    /// Waits for a veto.
    Ruled,
    /// Over.
    Ended,
}

/// One dispute; a lease can have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispute {
    /// Where it stands.
    pub phase: DisputePhase,
    /// Until then the next act may come; after it the phase's other end.
    pub due: u64,
    /// Who contested.
    pub contester: Address,
    /// Who answered; address zero before.
    pub answerer: Address,
    /// In which token.
    pub token: TokenIndex,
    /// Seconds up to here are contested.
    pub to: u32,
    /// Of each side.
    pub bond: MicroUnits,
    /// The terms that were contested.
    pub terms: TermsHash,
    /// Rent of the contested seconds.
    pub amount: MicroUnits,
    /// Out of the loser's bond.
    pub fee: MicroUnits,
    /// The ruling: of what is frozen to the tenant, of the stake to the tenant, of the stake to nobody.
    pub ruling: [MicroUnits; 3],
}

impl Dispute {
    /// The bonds it holds.
    pub(super) fn bonds(&self) -> u128 {
        let bond = u128::from(self.bond.0);
        match self.phase {
            DisputePhase::Contested => bond,
            DisputePhase::Answered | DisputePhase::Ruled => 2 * bond,
            DisputePhase::Ended => 0,
        }
    }
}

impl Escrow {
    pub(super) fn contest(
        &mut self,
        doing: &mut Doing,
        terms: &Terms,
        (from, to): (u32, u32),
        most: MicroUnits,
    ) -> Result<(), Refusal> {
        if !is_tenant(doing.caller, terms.tenant, terms.agent) {
            return Err(Refusal::NotTenant);
        }
        if self.disputes.contains_key(&terms.id) {
            return Err(Refusal::Dispute);
        }
        let amount = self.contested(doing, terms, from, to)?;
        let fee = MicroUnits(
            self.policy
                .tokens
                .get(&terms.token)
                .map_or(0, |token| token.court_fee),
        );
        let bond = fee.max(MicroUnits(amount.0.div_ceil(10)));
        if bond > most {
            return Err(Refusal::Amount);
        }
        self.hold(doing, terms, amount)?;
        let dispute = Dispute {
            phase: DisputePhase::Contested,
            due: doing.now.saturating_add(self.court.answer.into()),
            contester: doing.caller,
            answerer: Address::ZERO,
            token: terms.token,
            to,
            bond,
            terms: terms.hash(),
            amount,
            fee,
            ruling: [MicroUnits::ZERO; 3],
        };
        self.disputes.insert(terms.id, dispute);
        self.pull(doing, terms.token, doing.caller, Holder::Court, bond.0.into())
    }

    /// Rent of seconds that the lease has paid for, while it can be contested.
    fn contested(&mut self, doing: &Doing, terms: &Terms, from: u32, to: u32) -> Result<MicroUnits, Refusal> {
        let rest = self.windows.vest_epoch;
        let lease = self.lease(terms)?;
        let in_time = match lease.phase {
            Phase::Live => true,
            Phase::Closed => lease.occupies_lane(doing.now, rest),
            Phase::Pending => false,
        };
        if !in_time {
            return Err(Refusal::Late);
        }
        if from >= to || to > lease.settled {
            return Err(Refusal::Cum);
        }
        Ok(lease
            .rate()
            .owed_down(to)
            .saturating_sub(lease.rate().owed_down(from)))
    }

    /// Holds back what can be: unvested money up to the contested rent, and stake up to the liability.
    fn hold(&mut self, doing: &Doing, terms: &Terms, amount: MicroUnits) -> Result<(), Refusal> {
        self.require_slasher(SLOT, self.court.address)?;
        let provider = place(terms).0;
        let frozen = if self.rolled(provider, terms.token, doing.now).waiting() == 0 {
            MicroUnits::ZERO
        } else {
            self.freeze_for_court(doing.now, terms, amount)?
        };
        let all = MicroUnits(u64::MAX);
        let reserved = self.reserve_for(self.court.address, doing.now, SLOT, terms, all)?;
        if frozen == MicroUnits::ZERO && reserved == MicroUnits::ZERO {
            return Err(Refusal::Nothing);
        }
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        doing: &mut Doing,
        id: U96,
        cum: u32,
        as_of: u64,
        signer: Signer,
    ) -> Result<(), Refusal> {
        let mut dispute = self.dispute_in(doing, id, DisputePhase::Contested)?;
        let provider = provider_of(id);
        let may = |key: Address, role: KeyRoles| self.may(provider, key, role, doing.now);
        let owner = self.providers.get(&provider).map(|known| known.owner);
        let answers = owner == Some(doing.caller)
            || may(doing.caller, KeyRoles::START)
            || may(doing.caller, KeyRoles::REPORT);
        if !answers {
            return Err(Refusal::NotAllowed);
        }
        if cum < dispute.to || as_of > doing.now {
            return Err(Refusal::Cum);
        }
        if !signer.is_some_and(|signer| may(signer, KeyRoles::REPORT)) {
            return Err(Refusal::Signature);
        }
        dispute.answerer = doing.caller;
        dispute.phase = DisputePhase::Answered;
        dispute.due = doing.now.saturating_add(self.court.ruling.into());
        self.disputes.insert(id, dispute);
        self.pull(
            doing,
            dispute.token,
            doing.caller,
            Holder::Court,
            dispute.bond.0.into(),
        )
    }

    pub(super) fn rule(
        &mut self,
        doing: &Doing,
        id: U96,
        award: MicroUnits,
        refund: MicroUnits,
        burn: MicroUnits,
    ) -> Result<(), Refusal> {
        if doing.caller != self.court.arbiter {
            return Err(Refusal::Office);
        }
        let mut dispute = self.dispute_in(doing, id, DisputePhase::Answered)?;
        let frozen = self
            .freezes
            .get(&id)
            .map_or(MicroUnits::ZERO, |record| record.amount);
        let reserved = self
            .reserves
            .get(&(id, SLOT))
            .map_or(MicroUnits::ZERO, |record| record.amount);
        let above = |one: MicroUnits, other: MicroUnits, most: MicroUnits| {
            one.checked_add(other).is_none_or(|sum| sum > most)
        };
        if above(award, refund, dispute.amount) || award > frozen || above(refund, burn, reserved) {
            return Err(Refusal::Amount);
        }
        dispute.ruling = [award, refund, burn];
        dispute.phase = DisputePhase::Ruled;
        dispute.due = doing.now.saturating_add(self.court.veto.into());
        self.disputes.insert(id, dispute);
        Ok(())
    }

    pub(super) fn veto(&mut self, doing: &mut Doing, id: U96) -> Result<(), Refusal> {
        if doing.caller != self.court.timelock {
            return Err(Refusal::Office);
        }
        let dispute = self.dispute_in(doing, id, DisputePhase::Ruled)?;
        self.credit_bonds(&dispute);
        self.end_dispute(doing, id, [MicroUnits::ZERO; 3])
    }

    pub(super) fn conclude(&mut self, doing: &mut Doing, id: U96) -> Result<(), Refusal> {
        let dispute = *self.disputes.get(&id).ok_or(Refusal::Dispute)?;
        if doing.now <= dispute.due && dispute.phase != DisputePhase::Ended {
            return Err(Refusal::Early);
        }
        let none = [MicroUnits::ZERO; 3];
        match dispute.phase {
            // Whoever is silent is believed to have nothing to say; only the lease's own money answers for that.
            DisputePhase::Contested => {
                self.credit_bond(dispute.contester, dispute.token, dispute.bond);
                self.end_dispute(
                    doing,
                    id,
                    [MicroUnits(u64::MAX), MicroUnits::ZERO, MicroUnits::ZERO],
                )
            }
            DisputePhase::Answered => {
                self.credit_bonds(&dispute);
                self.end_dispute(doing, id, none)
            }
            DisputePhase::Ruled => {
                let winner = if dispute.ruling == none {
                    dispute.answerer
                } else {
                    dispute.contester
                };
                self.credit_bond(self.policy.fee_receiver, dispute.token, dispute.fee);
                self.credit_bond(winner, dispute.token, dispute.bond);
                self.credit_bond(winner, dispute.token, dispute.bond.saturating_sub(dispute.fee));
                self.end_dispute(doing, id, dispute.ruling)
            }
            DisputePhase::Ended => Err(Refusal::Dispute),
        }
    }

    /// Gives what is held to whom it belongs now; what has ended by itself, or is another's to decide, is left as it is.
    fn end_dispute(
        &mut self,
        doing: &mut Doing,
        id: U96,
        [award, refund, burn]: [MicroUnits; 3],
    ) -> Result<(), Refusal> {
        if let Some(dispute) = self.disputes.get_mut(&id) {
            dispute.phase = DisputePhase::Ended;
        }
        let address = self.court.address;
        let frozen = self.freezes.get(&id).copied().unwrap_or_default();
        let mine = self.require_slasher(SLOT, address).is_ok();
        if frozen.amount != MicroUnits::ZERO && mine && doing.now <= frozen.until {
            self.end_freeze(doing, id, award.min(frozen.amount))?;
        }
        if self
            .reserves
            .get(&(id, SLOT))
            .is_some_and(|record| record.slasher == address)
        {
            if refund == MicroUnits::ZERO && burn == MicroUnits::ZERO {
                self.give_back(SLOT, id)?;
            } else {
                self.slash_by(address, doing.now, SLOT, id, (refund, burn))?;
            }
        }
        Ok(())
    }

    fn dispute_in(&self, doing: &Doing, id: U96, phase: DisputePhase) -> Result<Dispute, Refusal> {
        let dispute = *self.disputes.get(&id).ok_or(Refusal::Dispute)?;
        if dispute.phase != phase {
            return Err(Refusal::Dispute);
        }
        if doing.now > dispute.due {
            return Err(Refusal::Late);
        }
        Ok(dispute)
    }

    fn credit_bonds(&mut self, dispute: &Dispute) {
        self.credit_bond(dispute.contester, dispute.token, dispute.bond);
        self.credit_bond(dispute.answerer, dispute.token, dispute.bond);
    }

    fn credit_bond(&mut self, account: Address, token: TokenIndex, amount: MicroUnits) {
        if amount != MicroUnits::ZERO {
            let credit = self.bond_credits.entry((account, token)).or_default();
            *credit = credit.saturating_add(amount.0.into());
        }
    }

    pub(super) fn withdraw_bond(
        &mut self,
        doing: &mut Doing,
        account: Address,
        token: TokenIndex,
    ) -> Result<(), Refusal> {
        let amount = self.bond_credits.remove(&(account, token)).unwrap_or(0);
        if amount == 0 {
            return Err(Refusal::Nothing);
        }
        self.send(doing, token, Holder::Court, account, amount)
    }
}
