//! The end of a trace: everybody gets what is theirs with everybody else silent (contracts: I7).

use alloy::primitives::Address;
use leaseport::core::{
    documents::terms::Terms,
    escrow::{Act, DisputePhase, OrderPhase, OrderSlot, Phase},
};

use crate::{
    agree::Watch,
    compare::same,
    market::{F, TOKENS, W, WILLING},
    names::name,
    trace::{PROVIDERS, at},
};

/// What the court or a slasher holds, it holds no longer.
const LONGEST_HOLD: u64 = 21 * 86_400 + 1;

impl Watch<'_> {
    /// Ends everything, by whoever may, with everybody else silent: the book must come to hold nothing but what was given to it.
    pub(crate) fn everybody_can_leave(&mut self) -> Result<(), String> {
        let stranger = self.people.stranger.address();
        self.now += 2 * 86_400;
        self.market.chain.set_time(self.now);
        self.compare()?;
        for (hash, order) in self.orders.clone() {
            let open = |slot: &OrderSlot| slot.phase == OrderPhase::Open;
            if self.model.orders().get(&hash).is_some_and(open) {
                let order = Box::new(order);
                self.must(stranger, Act::Cancel { order })?;
            }
        }
        let open: Vec<(Phase, Terms)> = self
            .model
            .leases()
            .values()
            .map(|lease| (lease.phase, lease.terms.clone()))
            .collect();
        for (phase, terms) in open {
            let terms = Box::new(terms);
            match phase {
                Phase::Pending => self.must(stranger, Act::Expire { terms })?,
                Phase::Live => self.must(stranger, Act::Finalize { terms })?,
                Phase::Closed => {}
            }
        }
        self.holds_end(stranger)?;
        self.now += 3 * u64::from(W) + 2 * 86_400 + u64::from(F);
        for token in 0..TOKENS {
            self.money_leaves(stranger, token)?;
        }
        for token in 0..TOKENS {
            let refused: u128 = PROVIDERS
                .iter()
                .map(|id| self.model.earnings(*id, token, at(self.now)).0)
                .sum::<u128>()
                + if self.refuses(token, self.model.policy.fee_receiver) {
                    self.model.fees(token)
                } else {
                    0
                };
            same("left in the book", token, self.model.held_by_book(token), refused)?;
        }
        self.compare_views()
    }

    /// Disputes, freezes and reserves end without court or slasher: by a dispute's own end, half of the time, and by their age.
    fn holds_end(&mut self, stranger: Address) -> Result<(), String> {
        let open: Vec<_> = self
            .model
            .disputes()
            .iter()
            .filter(|(_, dispute)| dispute.phase != DisputePhase::Ended)
            .map(|(id, _)| *id)
            .collect();
        for (number, id) in open.iter().enumerate() {
            if number.is_multiple_of(2) {
                self.must(stranger, Act::Conclude { id: *id })?;
            }
        }
        self.now += LONGEST_HOLD;
        self.market.chain.set_time(self.now);
        let frozen: Vec<_> = self
            .model
            .freezes()
            .iter()
            .filter(|(_, freeze)| freeze.amount.0 != 0)
            .map(|(id, _)| *id)
            .collect();
        for id in frozen {
            self.must(stranger, Act::Release { id })?;
        }
        let reserved: Vec<_> = self.model.reserves().keys().copied().collect();
        for (number, (id, slot)) in reserved.into_iter().enumerate() {
            // A court that comes late still ends what it reserved.
            if slot != 0 || number.is_multiple_of(2) || !open.contains(&id) {
                self.must(stranger, Act::Unreserve { slot, id })?;
            }
        }
        for id in open {
            if self.model.disputes()[&id].phase != DisputePhase::Ended {
                self.must(stranger, Act::Conclude { id })?;
            }
        }
        Ok(())
    }

    fn money_leaves(&mut self, stranger: Address, token: u8) -> Result<(), String> {
        for provider in PROVIDERS {
            let to = self.model.providers()[&provider].payout_at(self.now);
            let waits = self.model.earnings(provider, token, at(self.now)).0;
            let refused = self.refuses(token, to);
            if waits != 0 && !refused {
                self.must(stranger, Act::Claim { provider, token })?;
            }
            if self.model.stake(provider, token).unbond_at.is_some() && !refused {
                self.must(stranger, Act::CompleteUnbond { provider, token })?;
            }
        }
        for account in self.accounts.clone() {
            if self.model.credit(account, token) != 0 {
                self.must(account, Act::WithdrawCredit { token, to: WILLING })?;
            }
            if self.refuses(token, account) {
                continue;
            }
            if self.model.stake_credit(account, token) != 0 {
                self.must(stranger, Act::WithdrawStakeCredit { account, token })?;
            }
            if self.model.bond_credit(account, token) != 0 {
                self.must(stranger, Act::WithdrawBond { account, token })?;
            }
        }
        if self.refuses(token, self.model.policy.fee_receiver) {
            return Ok(());
        }
        if self.model.fees(token) != 0 {
            self.must(stranger, Act::PushFees { token })?;
        }
        if self.model.burned(token) != 0 {
            self.must(stranger, Act::PushBurned { token })?;
        }
        Ok(())
    }

    fn refuses(&self, token: u8, to: Address) -> bool {
        self.model.unwilling.contains(&(token, to))
    }

    fn must(&mut self, caller: Address, act: Act) -> Result<(), String> {
        self.market.chain.set_time(self.now);
        let refused = self.counts.get(name(&act)).map_or(0, |count| count.1);
        self.act(caller, &act)?;
        if self.counts.get(name(&act)).map_or(0, |count| count.1) != refused {
            return Err(format!("I7: {act:?} by {caller} was refused"));
        }
        self.compare()
    }
}
