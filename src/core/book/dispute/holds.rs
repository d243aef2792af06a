//! What book and vault hold back of money and stake, and what they let go. Kept apart from the court's story: holds are lifted by time too, or by a
//! court that is followed no more, so nothing here asks where a dispute stands.

use std::sync::Arc;

use alloy::primitives::Address;

use super::DisputeEvent;
use crate::core::{
    book::{Book, Moment, StakeState, TokenIndex},
    ids::LeaseId,
    money::MicroUnits,
    time::ChainSeconds,
};

/// What the book keeps of one lease's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Freeze {
    /// In which token.
    pub token: TokenIndex,
    /// How much.
    pub amount: MicroUnits,
    /// From then on anyone lifts it.
    pub until: ChainSeconds,
}

/// What the vault keeps of stake for one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reserve {
    /// In which token.
    pub token: TokenIndex,
    /// How much; may be nothing.
    pub amount: MicroUnits,
    /// From then on anyone lifts it.
    pub until: ChainSeconds,
    /// Who decides.
    pub slasher: Address,
}

impl Book {
    pub(super) fn apply_freeze(&mut self, at: Moment, event: &DisputeEvent) {
        match event {
            DisputeEvent::Frozen { id, amount, until } => {
                let Some((_, token)) = self.named(*id) else {
                    return self.doubt(
                        at,
                        &format!("money of lease {id} was frozen, which was never opened"),
                    );
                };
                let freeze = Freeze {
                    token,
                    amount: *amount,
                    until: *until,
                };
                Arc::make_mut(&mut self.disputes).freezes.insert(*id, freeze);
                let earnings = self
                    .provider_mut(at, id.provider)
                    .earnings
                    .entry(token)
                    .or_default();
                earnings.frozen = earnings.frozen.saturating_add(amount.0.into());
            }
            DisputeEvent::FreezeEnded {
                id,
                to_tenant,
                to_provider,
            } => {
                let Some(freeze) = Arc::make_mut(&mut self.disputes).freezes.remove(id) else {
                    return self.doubt(at, &format!("nothing of lease {id} was frozen"));
                };
                let earnings = self
                    .provider_mut(at, id.provider)
                    .earnings
                    .entry(freeze.token)
                    .or_default();
                earnings.frozen = earnings.frozen.saturating_sub(freeze.amount.0.into());
                earnings.awarded = earnings.awarded.saturating_add(to_tenant.0.into());
                if to_tenant.checked_add(*to_provider) != Some(freeze.amount) {
                    self.doubt(
                        at,
                        &format!("more or less than was frozen of lease {id} was let go"),
                    );
                }
            }
            other => self.doubt(at, &format!("{other:?} is no event of frozen money")),
        }
    }

    pub(super) fn apply_reserve(&mut self, at: Moment, event: &DisputeEvent) {
        match event {
            DisputeEvent::Reserved {
                id,
                slot,
                slasher,
                amount,
                until,
            } => {
                let Some((_, token)) = self.named(*id) else {
                    return self.doubt(
                        at,
                        &format!("stake for lease {id} was reserved, which was never opened"),
                    );
                };
                let reserve = Reserve {
                    token,
                    amount: *amount,
                    until: *until,
                    slasher: *slasher,
                };
                Arc::make_mut(&mut self.disputes)
                    .reserves
                    .insert((*id, *slot), reserve);
                self.change_stake(at, id.provider, token, |stake| {
                    stake.reserved = MicroUnits(stake.reserved.0.saturating_add(amount.0));
                });
            }
            DisputeEvent::Unreserved { id, slot } => self.give_back(at, *id, *slot, |_| {}),
            DisputeEvent::Slashed {
                id,
                slot,
                token: _,
                refunded,
                burned,
            } => self.give_back(at, *id, *slot, |stake| {
                stake.amount = stake.amount.saturating_sub(*refunded).saturating_sub(*burned);
                // What was asked back shrinks with the stake, as in the vault.
                stake.unbonding = stake.unbonding.min(stake.amount.saturating_sub(stake.locked));
                if stake.unbonding == MicroUnits::ZERO {
                    stake.unbond_at = ChainSeconds(0);
                }
            }),
            other => self.doubt(at, &format!("{other:?} is no event of reserved stake")),
        }
    }

    /// Ends a reserve, then changes the stake.
    fn give_back(&mut self, at: Moment, id: LeaseId, slot: u8, change: impl FnOnce(&mut StakeState)) {
        let Some(reserve) = Arc::make_mut(&mut self.disputes).reserves.remove(&(id, slot)) else {
            return self.doubt(
                at,
                &format!("no stake was reserved for lease {id} in slot {slot}"),
            );
        };
        self.change_stake(at, id.provider, reserve.token, |stake| {
            stake.reserved = stake.reserved.saturating_sub(reserve.amount);
            change(stake);
        });
    }
}
