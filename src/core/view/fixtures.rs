//! Views for tests of whatever reads one.

use std::sync::Arc;

use alloy::primitives::B256;

use super::{ChainView, Freshness};
use crate::core::{
    book::{
        Book, BookEvent,
        fixtures::{at, windows},
    },
    canon::{BlockRef, Snapshot},
    ids::ChainId,
};

/// These events, all in one block.
pub(crate) fn snapshot(number: u64, events: &[BookEvent]) -> Snapshot {
    let mut book = Book::new(windows());
    for event in events {
        book.apply(at(number), event);
    }
    Snapshot {
        block: BlockRef {
            number,
            hash: B256::with_last_byte(1),
            parent: B256::ZERO,
            time: at(number).time,
        },
        book: Arc::new(book),
    }
}

/// A view whose start depth is its head.
pub(crate) fn view(freshness: Freshness, finalized: Snapshot, head: Snapshot) -> ChainView {
    ChainView {
        chain: ChainId(31_337),
        freshness,
        start: head.clone(),
        head,
        finalized,
    }
}

/// A fresh view with everything final.
pub(crate) fn fresh(there: Snapshot) -> ChainView {
    view(Freshness::Fresh, there.clone(), there)
}
