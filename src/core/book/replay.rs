//! How each event changes the book. Exhaustive: a new event does not compile until it is said here what it does.

use std::sync::Arc;

use alloy::primitives::B256;

use super::{
    Book, BookEvent, CloseKind, Ending, Gateway, KeyRoles, KeyState, LaneState, LeaseState, Moment,
    ORDER_KEPT, OrderPhase, OrderState, PostedOrder, ProviderState, SettledRow, StakeState, Stop,
    StoredPhase, TokenIndex, TokenState, Vesting,
};
use crate::core::{
    documents::terms::Terms,
    ids::{LeaseId, LeaseKey, OrderHash, ProviderId},
    money::{MicroUnits, RatePerHour},
    time::ChainSeconds,
};

impl Book {
    /// Takes one event in.
    pub fn apply(&mut self, at: Moment, event: &BookEvent) {
        match event {
            BookEvent::ProviderRegistered { .. }
            | BookEvent::KeyAdded { .. }
            | BookEvent::KeyRemoved { .. }
            | BookEvent::BidsCancelled { .. }
            | BookEvent::PayoutSet { .. }
            | BookEvent::GatewaySet { .. }
            | BookEvent::FactsPublished { .. }
            | BookEvent::OffersPublished { .. } => self.apply_provider(at, event),
            BookEvent::TokenAdopted { .. }
            | BookEvent::OrderPosted { .. }
            | BookEvent::OrderCancelled { .. }
            | BookEvent::BidPosted(_)
            | BookEvent::BidMalformed { .. } => self.apply_order(at, event),
            BookEvent::LeaseOpened { .. }
            | BookEvent::LeaseStarted { .. }
            | BookEvent::LeaseDeclined { .. }
            | BookEvent::ToppedUp { .. }
            | BookEvent::Stopped { .. }
            | BookEvent::Amended { .. }
            | BookEvent::Waived { .. }
            | BookEvent::Compensated { .. }
            | BookEvent::Closed { .. } => self.apply_lease(at, event),
            BookEvent::Usage { .. }
            | BookEvent::Settled { .. }
            | BookEvent::Earned { .. }
            | BookEvent::Claimed { .. }
            | BookEvent::Credited { .. }
            | BookEvent::CreditWithdrawn { .. }
            | BookEvent::StakeDeposited { .. }
            | BookEvent::UnbondRequested { .. }
            | BookEvent::Unbonded { .. }
            | BookEvent::BondLocked { .. }
            | BookEvent::BondReleased { .. } => self.apply_money(at, event),
            BookEvent::Dispute(event) => self.apply_dispute(at, event),
            BookEvent::Unreadable { reason } => self.doubt(at, reason),
        }
    }

    pub(super) fn doubt(&mut self, at: Moment, what: &str) {
        self.doubts.count = self.doubts.count.saturating_add(1);
        self.doubts.last = Some(format!("block {}: {what}", at.block));
    }

    /// The provider to change; one that was never registered is a doubt and is taken in all the same.
    pub(super) fn provider_mut(&mut self, at: Moment, id: ProviderId) -> &mut ProviderState {
        if !self.providers.contains_key(&id) {
            self.doubt(at, &format!("provider {} was never registered", id.0));
        }
        Arc::make_mut(self.providers.entry(id).or_default())
    }

    fn apply_provider(&mut self, at: Moment, event: &BookEvent) {
        match event {
            BookEvent::ProviderRegistered {
                provider,
                owner,
                payout,
            } => {
                let state = Arc::make_mut(self.providers.entry(*provider).or_default());
                state.owner = *owner;
                state.payout = *payout;
            }
            BookEvent::KeyAdded {
                provider,
                key,
                roles,
                from,
                bid_epoch,
            } => {
                let state = KeyState {
                    roles: *roles,
                    from: *from,
                    bid_epoch: *bid_epoch,
                };
                self.provider_mut(at, *provider).keys.insert(*key, state);
            }
            BookEvent::KeyRemoved {
                provider,
                key,
                bid_epoch,
            } => {
                let state = KeyState {
                    roles: KeyRoles(0),
                    from: at.time,
                    bid_epoch: *bid_epoch,
                };
                self.provider_mut(at, *provider).keys.insert(*key, state);
            }
            BookEvent::BidsCancelled {
                provider,
                key,
                bid_epoch,
            } => {
                self.provider_mut(at, *provider)
                    .keys
                    .entry(*key)
                    .or_default()
                    .bid_epoch = *bid_epoch;
            }
            BookEvent::PayoutSet {
                provider,
                payout,
                from,
            } => {
                let state = self.provider_mut(at, *provider);
                state.payout = state.payout_at(at.time);
                state.next_payout = Some((*from, *payout));
            }
            BookEvent::GatewaySet {
                provider,
                url,
                spki,
                next_spki,
            } => {
                self.provider_mut(at, *provider).gateway = Gateway {
                    url: url.clone(),
                    spki: *spki,
                    next_spki: *next_spki,
                };
            }
            BookEvent::FactsPublished { provider, hash } => {
                self.provider_mut(at, *provider).facts = Some(*hash);
            }
            BookEvent::OffersPublished { provider, hash } => {
                self.provider_mut(at, *provider).offers = Some(*hash);
            }
            other => self.doubt(at, &format!("{other:?} is no event of a provider")),
        }
    }

    fn apply_order(&mut self, at: Moment, event: &BookEvent) {
        match event {
            BookEvent::TokenAdopted {
                token,
                asset,
                scale,
                dollar,
            } => {
                let state = TokenState {
                    asset: *asset,
                    scale: *scale,
                    dollar: *dollar,
                };
                self.tokens.insert(*token, state);
            }
            BookEvent::OrderPosted {
                hash,
                order,
                needs,
                endpoint,
            } => {
                self.forget_orders(at.time);
                let state = OrderState::new(PostedOrder {
                    hash: *hash,
                    order: Arc::clone(order),
                    needs: needs.clone(),
                    endpoint: endpoint.clone(),
                    posted: at,
                });
                self.expiries.insert((state.expiry(), *hash));
                self.orders.insert(*hash, Arc::new(state));
            }
            BookEvent::OrderCancelled { hash, .. } => {
                // An order that left the book by age may still be cancelled years later: no doubt.
                if let Some(state) = self.orders.get_mut(hash) {
                    Arc::make_mut(state).phase = OrderPhase::Cancelled;
                }
            }
            BookEvent::BidPosted(bid) => match self.orders.get_mut(&OrderHash(bid.bid.orderHash)) {
                Some(state) => Arc::make_mut(state).add_bid(at, bid),
                None => self.doubt(
                    at,
                    &format!("a bid for order {}, which was never posted", bid.bid.orderHash),
                ),
            },
            BookEvent::BidMalformed { .. } => {}
            other => self.doubt(at, &format!("{other:?} is no event of an order")),
        }
    }

    fn forget_orders(&mut self, now: ChainSeconds) {
        while let Some((expiry, hash)) = self.expiries.first().copied() {
            if expiry.0.saturating_add(ORDER_KEPT) >= now.0 {
                return;
            }
            self.expiries.pop_first();
            self.orders.remove(&hash);
        }
    }

    fn open(&mut self, at: Moment, opened: &Opened<'_>) {
        let hash = OrderHash(opened.terms.orderHash);
        let order = match self.orders.get_mut(&hash) {
            Some(state) => {
                let state = Arc::make_mut(state);
                state.phase = OrderPhase::Accepted;
                Some(Arc::clone(&state.posted))
            }
            None => {
                self.doubt(
                    at,
                    &format!("lease {} of order {hash}, which was never posted", opened.id),
                );
                None
            }
        };
        let rate = match RatePerHour::new(opened.terms.ratePerHour.to::<u64>()) {
            Ok(rate) => rate,
            Err(error) => {
                self.doubt(at, &format!("lease {}: ratePerHour: {error}", opened.id));
                RatePerHour::default()
            }
        };
        let lease = LeaseState {
            key: LeaseKey {
                id: opened.id,
                terms: opened.terms.hash(),
            },
            terms: Arc::clone(opened.terms),
            order,
            opened: at,
            deposit: opened.deposit,
            holdback: opened.holdback,
            balance: opened.deposit.saturating_sub(opened.holdback),
            rate,
            stored: StoredPhase::Pending,
            start_at: ChainSeconds(0),
            stop_at: opened.stop_at,
            lane_base: 0,
            settled: 0,
            paid: MicroUnits::ZERO,
            waivers: 0,
            bindings: B256::ZERO,
            stop: None,
            compensated: MicroUnits::ZERO,
            ending: None,
        };
        self.provider_mut(at, opened.id.provider)
            .lanes
            .entry(opened.id.lane)
            .or_default()
            .open(opened.id.generation, lease);
    }

    /// Changes the lease a lane holds; an event for any other is a doubt.
    fn change(&mut self, at: Moment, id: LeaseId, change: impl FnOnce(&mut LeaseState)) {
        let latest = self
            .providers
            .get_mut(&id.provider)
            .map(Arc::make_mut)
            .and_then(|state| state.lanes.get_mut(&id.lane))
            .and_then(LaneState::latest_mut)
            .filter(|lease| lease.key.id == id && lease.ending.is_none());
        match latest {
            Some(lease) => change(lease),
            None => self.doubt(at, &format!("an event of lease {id}, which is not open")),
        }
    }

    fn apply_lease(&mut self, at: Moment, event: &BookEvent) {
        match event {
            BookEvent::LeaseOpened {
                id,
                deposit,
                holdback,
                stop_at,
                terms,
            } => self.open(
                at,
                &Opened {
                    id: *id,
                    deposit: *deposit,
                    holdback: *holdback,
                    stop_at: *stop_at,
                    terms,
                },
            ),
            BookEvent::LeaseStarted {
                id,
                start_at,
                stop_at,
                lane_base,
                bindings,
            } => self.change(at, *id, |lease| {
                lease.stored = StoredPhase::Live;
                lease.start_at = *start_at;
                lease.stop_at = *stop_at;
                lease.lane_base = *lane_base;
                lease.bindings = *bindings;
            }),
            BookEvent::LeaseDeclined {
                id,
                reason,
                burn,
                refund,
            } => self.change(at, *id, |lease| {
                lease.stored = StoredPhase::Closed;
                lease.stop_at = ChainSeconds(0);
                lease.balance = MicroUnits::ZERO;
                lease.ending = Some(Ending::NeverStarted {
                    reason: *reason,
                    burn: *burn,
                    refund: *refund,
                    at,
                });
            }),
            BookEvent::ToppedUp { id, balance, .. } => self.change(at, *id, |lease| lease.balance = *balance),
            BookEvent::Stopped {
                id,
                by,
                reason,
                stop_at,
            } => self.change(at, *id, |lease| {
                lease.stop_at = *stop_at;
                lease.stop = lease.stop.or(Some(Stop {
                    by: *by,
                    reason: *reason,
                    said: at,
                }));
            }),
            BookEvent::Amended {
                id,
                cum: _,
                paid: _,
                start_at,
                stop_at,
                lane_base,
                balance,
                holdback,
                terms,
            } => match RatePerHour::new(terms.ratePerHour.to::<u64>()) {
                // Usage and payment are counted under the terms in force; the lease stays the one that was opened.
                Ok(rate) => self.change(at, *id, |lease| {
                    lease.terms = Arc::clone(terms);
                    lease.rate = rate;
                    lease.start_at = *start_at;
                    lease.stop_at = *stop_at;
                    lease.lane_base = *lane_base;
                    lease.balance = *balance;
                    lease.holdback = *holdback;
                    lease.settled = 0;
                    lease.paid = MicroUnits::ZERO;
                    lease.waivers = 0;
                    lease.stop = None;
                }),
                Err(error) => self.doubt(at, &format!("lease {id}: amended ratePerHour: {error}")),
            },
            BookEvent::Waived { id, lane_base, .. } => {
                self.change(at, *id, |lease| {
                    lease.lane_base = *lane_base;
                    lease.waivers = lease.waivers.saturating_add(1);
                });
            }
            BookEvent::Compensated { id, amount } => {
                let token = self.lease_by_id(*id).map(|metered| metered.lease.terms.token);
                self.change(at, *id, |lease| {
                    lease.compensated = lease.compensated.checked_add(*amount).unwrap_or(*amount);
                });
                if let Some(token) = token {
                    let earnings = self
                        .provider_mut(at, id.provider)
                        .earnings
                        .entry(token)
                        .or_default();
                    earnings.compensated = earnings.compensated.saturating_add(u128::from(amount.0));
                }
            }
            BookEvent::Closed {
                id,
                kind,
                cum,
                paid,
                early_fee,
                fee: _,
                refund,
            } => self.change(at, *id, |lease| {
                lease.stored = StoredPhase::Closed;
                lease.stop_at = match kind {
                    CloseKind::Finalized => at.time,
                    CloseKind::Agreed => ChainSeconds(0),
                };
                lease.settled = *cum;
                lease.paid = *paid;
                lease.balance = MicroUnits::ZERO;
                lease.ending = Some(Ending::Ran {
                    kind: *kind,
                    cum: *cum,
                    paid: *paid,
                    early_fee: *early_fee,
                    refund: *refund,
                    at,
                });
            }),
            other => self.doubt(at, &format!("{other:?} is no event of a lease")),
        }
    }

    fn apply_money(&mut self, at: Moment, event: &BookEvent) {
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

    pub(super) fn change_stake(
        &mut self,
        at: Moment,
        provider: ProviderId,
        token: TokenIndex,
        change: impl FnOnce(&mut StakeState),
    ) {
        change(self.provider_mut(at, provider).stake.entry(token).or_default());
    }
}

struct Opened<'a> {
    id: LeaseId,
    deposit: MicroUnits,
    holdback: MicroUnits,
    stop_at: ChainSeconds,
    terms: &'a Arc<Terms>,
}
