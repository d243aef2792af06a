//! An order and the bids posted for it. May not judge a bid: that needs a signature check and a tenant's wish.

use std::sync::Arc;

use alloy::primitives::Bytes;

use super::Moment;
use crate::core::{
    documents::{bid::SignedBid, order::Order},
    ids::OrderHash,
    time::ChainSeconds,
};

/// Bids kept for one provider and order; older ones fall out, so that spam costs its sender and not our memory.
const BIDS_PER_PROVIDER: usize = 8;

/// An order as it was posted; never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedOrder {
    /// EIP-712 struct hash; the order's id.
    pub hash: OrderHash,
    /// All fields as signed.
    pub order: Arc<Order>,
    /// The needs document's bytes; the contract checked their hash and that they are at most 4 KiB.
    pub needs: Bytes,
    /// Where bids may be sent directly; empty when nowhere. A stranger chose it.
    pub endpoint: String,
    /// Where and when it was posted.
    pub posted: Moment,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderPhase {
    /// It may still become leases, if its expiry has not passed.
    Open,
    /// It became leases.
    Accepted,
    /// Its deposit returned.
    Cancelled,
}

/// An order with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderState {
    /// As posted.
    pub posted: Arc<PostedOrder>,
    /// What became of it.
    pub phase: OrderPhase,
    /// Bids in the order of their posting, with where; at most eight a provider. Nobody has checked their signatures.
    pub bids: Vec<(Moment, Arc<SignedBid>)>,
}

impl OrderState {
    pub(super) fn new(posted: PostedOrder) -> Self {
        Self {
            posted: Arc::new(posted),
            phase: OrderPhase::Open,
            bids: Vec::new(),
        }
    }

    /// Until when the order stands.
    #[must_use]
    pub fn expiry(&self) -> ChainSeconds {
        ChainSeconds(u64::from(self.posted.order.expiry))
    }

    /// Whether a lease can still come of it at this chain time.
    #[must_use]
    pub fn is_open(&self, now: ChainSeconds) -> bool {
        self.phase == OrderPhase::Open && now < self.expiry()
    }

    pub(super) fn add_bid(&mut self, at: Moment, bid: &Arc<SignedBid>) {
        if self.bids.iter().any(|(_, known)| known == bid) {
            return;
        }
        let of_provider = self
            .bids
            .iter()
            .filter(|(_, known)| known.bid.providerId == bid.bid.providerId);
        if of_provider.count() >= BIDS_PER_PROVIDER
            && let Some(oldest) = self
                .bids
                .iter()
                .position(|(_, known)| known.bid.providerId == bid.bid.providerId)
        {
            self.bids.remove(oldest);
        }
        self.bids.push((at, Arc::clone(bid)));
    }
}
