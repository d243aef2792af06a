//! How each event changes the book. Exhaustive: a new event does not compile until it is said here what it does.
//! This file says whose event it is; what it does is in the files beside.

mod leases;
mod money;
mod orders;
mod providers;

use std::sync::Arc;

use super::{Book, BookEvent, Moment, ProviderState};
use crate::core::ids::ProviderId;

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
}
