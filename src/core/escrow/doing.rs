//! Doing an act: all of it or nothing, and what money it moved. May not know what an act means.

use alloy::primitives::Address;

use super::{Act, Escrow, Holder, Refusal, Signer, Transfer};
use crate::core::{book::TokenIndex, time::ChainSeconds};

/// What an act is done with: who, when, and what it has moved so far.
pub(super) struct Doing {
    pub(super) caller: Address,
    pub(super) now: u64,
    pub(super) moved: Vec<Transfer>,
}

impl Doing {
    pub(super) fn push(&mut self, token: TokenIndex, from: Holder, to: Holder, amount: u128) {
        if amount != 0 {
            self.moved.push(Transfer {
                token,
                from,
                to,
                amount,
            });
        }
    }

    /// Who consents: the caller where no signature was given, else whoever signed. Nobody is address zero.
    pub(super) fn party(&self, signer: Option<Signer>) -> Signer {
        signer
            .unwrap_or(Some(self.caller))
            .filter(|party| !party.is_zero())
    }
}

impl Escrow {
    /// Does an act and says what money it moved.
    ///
    /// # Errors
    /// The book refuses it, and nothing has changed.
    pub fn act(&mut self, caller: Address, now: ChainSeconds, act: &Act) -> Result<Vec<Transfer>, Refusal> {
        let mut next = self.clone();
        let mut doing = Doing {
            caller,
            now: now.0,
            moved: Vec::new(),
        };
        next.dispatch(&mut doing, act)?;
        *self = next;
        Ok(doing.moved)
    }

    fn dispatch(&mut self, doing: &mut Doing, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Register { payout, keys } => self.register(doing, *payout, keys),
            Act::AddKey { provider, key, roles } => self.add_key(doing, *provider, *key, *roles),
            Act::RemoveKey { provider, key } => self.remove_key(doing, *provider, *key),
            Act::CancelAllBids { provider, key } => self.cancel_all_bids(doing, *provider, *key),
            Act::SetPayout { provider, payout } => self.set_payout(doing, *provider, *payout),
            Act::Post { order } => self.post(doing, order),
            Act::PostSigned {
                order,
                signer,
                funding,
            } => self.post_signed(doing, order, *signer, *funding),
            Act::Cancel { order } => self.cancel(doing, order),
            Act::Accept {
                order,
                bid,
                lanes,
                signer,
            } => self.accept(doing, order, bid, lanes, *signer),
            Act::AcceptSigned {
                order,
                bid,
                lanes,
                signer,
                deadline,
                tenant_signer,
            } => self.accept_signed(doing, order, bid, lanes, *signer, (*deadline, *tenant_signer)),
            Act::Fill {
                order,
                provider,
                lanes,
                bond,
                liability,
                proof,
            } => self.fill(doing, order, *provider, lanes, (*bond, *liability), proof),
            Act::Take {
                order,
                offer,
                parts,
                signer,
                proof,
            } => self.take(doing, order, offer, parts, *signer, proof),
            Act::Start { terms, base } => self.start(doing, terms, *base),
            Act::Decline { terms } => self.decline(doing, terms),
            Act::Expire { terms } => self.expire(doing, terms),
            Act::Report {
                provider,
                first_word,
                words,
            } => self.report(doing, *provider, *first_word, words),
            Act::Settle { provider, lanes } => self.settle(doing, *provider, lanes),
            Act::TopUp { terms, amount } => self.top_up(doing, terms, *amount),
            Act::Notice { terms } => self.notice(doing, terms),
            Act::Stop { terms } => self.stop(doing, terms),
            Act::StopSigned {
                terms,
                deadline,
                signer,
            } => self.stop_signed(doing, terms, *deadline, *signer),
            Act::Redeem { terms, cum, signer } => self.redeem(doing, terms, *cum, *signer),
            Act::Amend {
                terms,
                next,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            } => {
                let signers = (*provider_signer, *tenant_signer);
                self.amend(doing, terms, next, *cum, *deadline, signers)
            }
            Act::Evict { terms } => self.evict(doing, terms),
            Act::Waive { terms, cum } => self.waive(doing, terms, *cum),
            Act::Finalize { terms } => self.finalize(doing, terms),
            Act::CloseBoth {
                terms,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            } => self.close_both(doing, terms, *cum, *deadline, *provider_signer, *tenant_signer),
            Act::Claim { provider, token } => self.claim(doing, *provider, *token),
            Act::WithdrawCredit { token, to } => self.withdraw_credit(doing, *token, *to),
            Act::PushFees { token } => self.push_fees(doing, *token),
            Act::Stake {
                provider,
                token,
                amount,
            } => self.add_stake(doing, *provider, *token, *amount),
            Act::RequestUnbond {
                provider,
                token,
                amount,
            } => self.request_unbond(doing, *provider, *token, *amount),
            Act::CompleteUnbond { provider, token } => self.complete_unbond(doing, *provider, *token),
            Act::PushBurned { token } => self.push_burned(doing, *token),
            Act::Freeze { terms, amount } => self.freeze(doing, terms, *amount).map(|_| ()),
            Act::Release { id } => self.release(doing, *id),
            Act::Award { id, amount } => self.award(doing, *id, *amount),
            Act::Reserve { slot, terms, amount } => self.reserve(doing, *slot, terms, *amount).map(|_| ()),
            Act::Unreserve { slot, id } => self.unreserve(doing, *slot, *id),
            Act::Slash {
                slot,
                id,
                refund,
                burn,
            } => self.slash(doing, *slot, *id, *refund, *burn),
            Act::WithdrawStakeCredit { account, token } => {
                self.withdraw_stake_credit(doing, *account, *token)
            }
            Act::Contest {
                terms,
                from,
                to,
                most,
            } => self.contest(doing, terms, (*from, *to), *most),
            Act::Answer {
                id,
                cum,
                as_of,
                signer,
            } => self.answer(doing, *id, *cum, *as_of, *signer),
            Act::Rule {
                id,
                award,
                refund,
                burn,
            } => self.rule(doing, *id, *award, *refund, *burn),
            Act::Veto { id } => self.veto(doing, *id),
            Act::Conclude { id } => self.conclude(doing, *id),
            Act::WithdrawBond { account, token } => self.withdraw_bond(doing, *account, *token),
        }
    }

    /// Money comes in by a standing allowance.
    pub(super) fn pull(
        &self,
        doing: &mut Doing,
        token: TokenIndex,
        from: Address,
        to: Holder,
        amount: u128,
    ) -> Result<(), Refusal> {
        // Address zero, which an order may name as its agent, pays nothing.
        if from.is_zero() || (amount != 0 && self.sparing.contains(&(to, token, from))) {
            return Err(Refusal::Allowance);
        }
        doing.push(token, Holder::Account(from), to, amount);
        Ok(())
    }
}
