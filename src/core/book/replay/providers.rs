//! What events say of providers: owner, keys, payout, gateway, facts, offers. It touches no lease and no money.

use std::sync::Arc;

use crate::core::book::{Book, BookEvent, Gateway, KeyRoles, KeyState, Moment};

impl Book {
    pub(super) fn apply_provider(&mut self, at: Moment, event: &BookEvent) {
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
}
