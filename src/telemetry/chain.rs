//! What is seen of the chain. Times are the chain's own: how far a block lies back is for whoever asks, `time()` less the timestamp.

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    families::{Gauges, Shelf, signed},
};

pub(super) const MARKET: Label = Label {
    name: "market",
    values: Values::Names("ComputeMarkets"),
};
const DEPTH: Label = Label {
    name: "depth",
    values: Values::Words(DEPTHS),
};
const DEPTHS: &[&str] = &["head", "finalized"];

const BLOCK: Metric = Metric {
    name: "chain_block_number",
    kind: Kind::Gauge,
    unit: "blocks",
    labels: &[MARKET, DEPTH],
    help: "Newest and finalized block of the chain view; also on standbys",
};
const TIMESTAMP: Metric = Metric {
    name: "chain_block_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    labels: &[MARKET, DEPTH],
    help: "Time of the newest and of the finalized block of the chain view, as the blocks say; also on standbys",
};
const FRESH: Metric = Metric {
    name: "chain_view_fresh",
    kind: Kind::Gauge,
    unit: "0 or 1",
    labels: &[MARKET],
    help: "1 while endpoints advance and agree, else 0; also on standbys",
};

/// A block of a chain view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its time in seconds since 1970.
    pub time: u64,
}

pub(super) struct Chain {
    block: Gauges,
    timestamp: Gauges,
    fresh: Gauges,
}

impl Chain {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        shelf.subject("Chain");
        Ok(Self {
            block: shelf.gauges(&BLOCK)?,
            timestamp: shelf.gauges(&TIMESTAMP)?,
            fresh: shelf.gauges(&FRESH)?,
        })
    }
}

impl Metrics {
    /// The chain view moved.
    pub fn chain(&self, market: &str, head: Block, finalized: Block, fresh: i64) {
        for (depth, block) in [("head", head), ("finalized", finalized)] {
            self.0.chain.block.set(&[market, depth], signed(block.number));
            self.0.chain.timestamp.set(&[market, depth], signed(block.time));
        }
        self.0.chain.fresh.set(&[market], fresh);
    }

    /// The market is no longer followed: a block that never moves again would be an alarm that never ends.
    pub fn forget_chain(&self, market: &str) {
        for depth in DEPTHS {
            self.0.chain.block.forget(&[market, depth]);
            self.0.chain.timestamp.forget(&[market, depth]);
        }
        self.0.chain.fresh.forget(&[market]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_market_shows_its_blocks_until_it_is_no_longer_followed() {
        let metrics = Metrics::new().unwrap();
        let block = |number, time| Block { number, time };
        metrics.chain("base", block(10, 120), block(8, 96), 1);
        let text = metrics.text().unwrap();
        for line in [
            "leaseport_chain_block_number{depth=\"finalized\",market=\"base\"} 8",
            "leaseport_chain_block_timestamp_seconds{depth=\"head\",market=\"base\"} 120",
            "leaseport_chain_view_fresh{market=\"base\"} 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
        metrics.forget_chain("base");
        assert!(!metrics.text().unwrap().contains("market=\"base\""));
    }
}
