//! What events say of leases, from their opening to their closing. An event of a lease that its lane does not hold open is a doubt and changes none.

use std::sync::Arc;

use alloy::primitives::B256;

use crate::core::{
    book::{
        Book, BookEvent, CloseKind, Ending, LaneState, LeaseState, Moment, OrderPhase, Stop, StoredPhase,
    },
    documents::terms::Terms,
    ids::{LeaseId, LeaseKey, OrderHash},
    money::{MicroUnits, RatePerHour},
    time::ChainSeconds,
};

impl Book {
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

    pub(super) fn apply_lease(&mut self, at: Moment, event: &BookEvent) {
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
}

struct Opened<'a> {
    id: LeaseId,
    deposit: MicroUnits,
    holdback: MicroUnits,
    stop_at: ChainSeconds,
    terms: &'a Arc<Terms>,
}
