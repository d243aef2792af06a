//! What events say of usage, settlement, earnings, credits and stake. Sums only, and none of them wraps.

use std::sync::Arc;

use crate::core::{
    book::{Book, BookEvent, LaneState, Moment, SettledRow, StakeState, TokenIndex, Vesting},
    ids::ProviderId,
    money::MicroUnits,
    time::ChainSeconds,
};

impl Book {
    pub(super) fn apply_money(&mut self, at: Moment, event: &BookEvent) {
        match event {
            BookEvent::Usage {
                provider,
                first_word,
                words,
                ..
            } => self.provider_mut(at, *provider).merge_usage(*first_word, words),
            BookEvent::Settled { provider, rows } => {
                for row in rows {
                    self.settle(at, *provider, row);
                }
            }
            BookEvent::Earned {
                provider,
                token,
                gross,
                fee,
                vesting,
            } => {
                let earnings = self
                    .provider_mut(at, *provider)
                    .earnings
                    .entry(*token)
                    .or_default();
                earnings.net = earnings.net.saturating_add(gross.saturating_sub(*fee));
                earnings.fee = earnings.fee.saturating_add(*fee);
                match vesting {
                    Vesting::Vests => earnings.last_vesting = at.time,
                    Vesting::AtOnce => {}
                }
            }
            BookEvent::Claimed {
                provider,
                token,
                amount,
                ..
            } => {
                let earnings = self
                    .provider_mut(at, *provider)
                    .earnings
                    .entry(*token)
                    .or_default();
                earnings.claimed = earnings.claimed.saturating_add(*amount);
            }
            BookEvent::Credited {
                account,
                token,
                amount,
            } => {
                let credit = self.credits.entry((*account, *token)).or_default();
                *credit = credit.saturating_add(*amount);
            }
            BookEvent::CreditWithdrawn {
                account,
                token,
                amount,
            } => {
                let left = self.credit(*account, *token).saturating_sub(*amount);
                if left == 0 {
                    self.credits.remove(&(*account, *token));
                } else {
                    self.credits.insert((*account, *token), left);
                }
            }
            BookEvent::StakeDeposited {
                provider,
                token,
                amount,
            } => self.change_stake(at, *provider, *token, |stake| {
                stake.amount = MicroUnits(stake.amount.0.saturating_add(amount.0));
            }),
            BookEvent::UnbondRequested {
                provider,
                token,
                unbonding,
                unbond_at,
            } => self.change_stake(at, *provider, *token, |stake| {
                stake.unbonding = *unbonding;
                stake.unbond_at = *unbond_at;
            }),
            BookEvent::Unbonded {
                provider,
                token,
                amount,
            } => self.change_stake(at, *provider, *token, |stake| {
                stake.amount = stake.amount.saturating_sub(*amount);
                stake.unbonding = stake.unbonding.saturating_sub(*amount);
                stake.unbond_at = ChainSeconds(0);
            }),
            BookEvent::BondLocked {
                provider,
                token,
                amount,
            } => self.change_stake(at, *provider, *token, |stake| {
                stake.locked = MicroUnits(stake.locked.0.saturating_add(amount.0));
            }),
            BookEvent::BondReleased {
                provider,
                token,
                amount,
                burned,
            } => self.change_stake(at, *provider, *token, |stake| {
                stake.locked = stake.locked.saturating_sub(*amount);
                stake.amount = stake.amount.saturating_sub(*burned);
            }),
            other => self.doubt(at, &format!("{other:?} is no event of money")),
        }
    }

    fn settle(&mut self, at: Moment, provider: ProviderId, row: &SettledRow) {
        let latest = self
            .providers
            .get_mut(&provider)
            .map(Arc::make_mut)
            .and_then(|state| state.lanes.get_mut(&row.lane))
            .and_then(LaneState::latest_mut);
        match latest {
            Some(lease) => {
                lease.settled = row.settled;
                lease.balance = lease.balance.saturating_sub(row.paid);
                lease.paid = lease.paid.checked_add(row.paid).unwrap_or(lease.paid);
            }
            None => self.doubt(
                at,
                &format!(
                    "provider {} lane {} was settled and holds no lease",
                    provider.0, row.lane.0
                ),
            ),
        }
    }

    pub(in crate::core::book) fn change_stake(
        &mut self,
        at: Moment,
        provider: ProviderId,
        token: TokenIndex,
        change: impl FnOnce(&mut StakeState),
    ) {
        change(self.provider_mut(at, provider).stake.entry(token).or_default());
    }
}
