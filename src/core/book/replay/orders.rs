//! What events say of tokens, orders and bids for them. Orders leave the book by age alone, so it cannot grow without bound.

use std::sync::Arc;

use crate::core::{
    book::{Book, BookEvent, Moment, ORDER_KEPT, OrderPhase, OrderState, PostedOrder, TokenState},
    ids::OrderHash,
    time::ChainSeconds,
};

impl Book {
    pub(super) fn apply_order(&mut self, at: Moment, event: &BookEvent) {
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
}
