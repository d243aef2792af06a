//! The chain's last unfinalized blocks and their events, over a finalized base: what a reorg takes away and what it puts in its place.
//! Equal to a naive replay at every depth. What is final is never removed: a chain that says otherwise is an error, not a guess.
//! May not fetch: the shell brings headers and logs, and walks parents until they meet this ring.

use std::{collections::VecDeque, sync::Arc};

use alloy::primitives::B256;
use thiserror::Error;

use crate::core::{
    book::{Book, BookEvent, Moment},
    time::ChainSeconds,
};

/// A block as its header names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent: B256,
    /// Its time.
    pub time: ChainSeconds,
}

impl BlockRef {
    /// Height and time, as the book wants them.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        Moment {
            block: self.number,
            time: self.time,
        }
    }
}

/// A block with what our contracts said in it, in the order of its logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which.
    pub at: BlockRef,
    /// What was said.
    pub events: Arc<[BookEvent]>,
}

/// The book as of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which block.
    pub block: BlockRef,
    /// Everything up to and with it.
    pub book: Arc<Book>,
}

/// What an advance did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Blocks that are no longer of the chain, newest first.
    pub removed: Vec<Block>,
    /// How many blocks came, of which the last is the head.
    pub added: usize,
}

/// Why blocks cannot be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CanonError {
    /// The offered blocks do not follow each other.
    #[error("block {number} does not follow the block offered before it: fetch the headers again")]
    NotLinked {
        /// The first that does not.
        number: u64,
    },
    /// The offered chain's parent is not here: fetch it by hash and offer it first.
    #[error("parent {parent} of block {number} is not among the blocks followed: fetch it by its hash")]
    ParentUnknown {
        /// The first offered block.
        number: u64,
        /// What to fetch.
        parent: B256,
    },
    /// The offered chain leaves ours at or below the finalized block.
    #[error(
        "the chain changed below its finalized block {final_number} ({final_hash}): an endpoint lies or the chain was rebuilt; \
         compare the endpoints, and restart to accept another chain"
    )]
    DeeperThanFinal {
        /// Our finalized height.
        final_number: u64,
        /// Our finalized hash.
        final_hash: B256,
    },
    /// The block called final is not the one followed at its height.
    #[error("block {number} is finalized as {theirs}, but {ours} is followed at that height")]
    FinalConflict {
        /// The height.
        number: u64,
        /// What we follow.
        ours: B256,
        /// What is called final.
        theirs: B256,
    },
    /// The block called final has not been followed yet.
    #[error("block {number} is finalized and not followed yet: advance first")]
    FinalAhead {
        /// The height.
        number: u64,
    },
}

/// The followed end of a chain.
#[derive(Debug, Clone)]
pub struct Canon {
    start_depth: u64,
    base: Snapshot,
    /// Blocks above the base, oldest first; heights have no gap.
    ring: VecDeque<Block>,
    start: Snapshot,
    head: Snapshot,
}

impl Canon {
    /// Begins at a finalized block; `start_depth` is how many blocks below the head a block must be to start leases on.
    #[must_use]
    pub fn new(base: BlockRef, book: Book, start_depth: u64) -> Self {
        let base = Snapshot {
            block: base,
            book: Arc::new(book),
        };
        Self {
            start_depth,
            ring: VecDeque::new(),
            start: base.clone(),
            head: base.clone(),
            base,
        }
    }

    /// The newest block and its book.
    #[must_use]
    pub const fn head(&self) -> &Snapshot {
        &self.head
    }

    /// The newest block at least the start depth below the head, never below the finalized one.
    #[must_use]
    pub const fn start(&self) -> &Snapshot {
        &self.start
    }

    /// The finalized block.
    #[must_use]
    pub const fn finalized(&self) -> &Snapshot {
        &self.base
    }

    /// The followed block at a height, from the finalized one up.
    #[must_use]
    pub fn at(&self, number: u64) -> Option<&BlockRef> {
        match number.checked_sub(self.base.block.number) {
            None => None,
            Some(0) => Some(&self.base.block),
            Some(above) => {
                let index = usize::try_from(above - 1).ok()?;
                self.ring.get(index).map(|block| &block.at)
            }
        }
    }

    /// Whether this very block is followed.
    #[must_use]
    pub fn contains(&self, number: u64, hash: B256) -> bool {
        self.at(number).is_some_and(|block| block.hash == hash)
    }

    /// How many blocks wait for finality.
    #[must_use]
    pub fn unfinalized(&self) -> usize {
        self.ring.len()
    }

    /// Takes in a chain of blocks, oldest first, whose first one's parent is followed; whatever was above that parent is removed.
    ///
    /// # Errors
    /// [`CanonError::NotLinked`], [`CanonError::ParentUnknown`] or [`CanonError::DeeperThanFinal`]; then nothing changed.
    pub fn advance(&mut self, chain: Vec<Block>) -> Result<Change, CanonError> {
        let Some(first) = chain.first().map(|block| block.at) else {
            return Ok(Change::default());
        };
        for (before, after) in chain.iter().zip(chain.iter().skip(1)) {
            if after.at.parent != before.at.hash || Some(after.at.number) != before.at.number.checked_add(1) {
                return Err(CanonError::NotLinked {
                    number: after.at.number,
                });
            }
        }
        let final_number = self.base.block.number;
        let parent_number = first
            .number
            .checked_sub(1)
            .filter(|parent| *parent >= final_number);
        let Some(parent_number) = parent_number else {
            return Err(self.deeper_than_final());
        };
        if !self.contains(parent_number, first.parent) {
            return Err(if parent_number == final_number {
                self.deeper_than_final()
            } else {
                CanonError::ParentUnknown {
                    number: first.number,
                    parent: first.parent,
                }
            });
        }

        let keep = usize::try_from(parent_number - final_number).unwrap_or(usize::MAX);
        let removed: Vec<Block> = self.ring.drain(keep.min(self.ring.len())..).rev().collect();
        let added = chain.len();
        if removed.is_empty() {
            for block in &chain {
                extend(&mut self.head, block);
            }
        }
        self.ring.extend(chain);
        if !removed.is_empty() {
            self.refold(parent_number);
        }
        self.move_start();
        Ok(Change { removed, added })
    }

    /// Makes a followed block the finalized base. One that is final already changes nothing.
    ///
    /// # Errors
    /// [`CanonError::FinalConflict`], [`CanonError::FinalAhead`], or [`CanonError::DeeperThanFinal`] when another block than ours is
    /// called final at the height of our base. Then nothing changed.
    pub fn finalize(&mut self, number: u64, hash: B256) -> Result<usize, CanonError> {
        let base = self.base.block;
        if number < base.number {
            return Ok(0);
        }
        match self.at(number) {
            None => return Err(CanonError::FinalAhead { number }),
            Some(ours) if ours.hash != hash && number == base.number => return Err(self.deeper_than_final()),
            Some(ours) if ours.hash != hash => {
                return Err(CanonError::FinalConflict {
                    number,
                    ours: ours.hash,
                    theirs: hash,
                });
            }
            Some(_) => {}
        }
        let count = usize::try_from(number - base.number).unwrap_or(usize::MAX);
        for block in self.ring.drain(..count.min(self.ring.len())) {
            extend(&mut self.base, &block);
        }
        // The same block has the same book: share it, so that a quiet chain holds one copy.
        if self.base.block.number == self.head.block.number {
            self.base.book = Arc::clone(&self.head.book);
        }
        self.move_start();
        Ok(count)
    }

    fn deeper_than_final(&self) -> CanonError {
        CanonError::DeeperThanFinal {
            final_number: self.base.block.number,
            final_hash: self.base.block.hash,
        }
    }

    /// Folds the head again after blocks above `kept` were removed, from the start snapshot where that is still of the chain.
    fn refold(&mut self, kept: u64) {
        if self.start.block.number > kept {
            self.start = self.base.clone();
        }
        let mut head = self.start.clone();
        for block in &self.ring {
            if block.at.number > head.block.number {
                extend(&mut head, block);
            }
        }
        self.head = head;
    }

    fn move_start(&mut self) {
        if self.start.block.number < self.base.block.number {
            self.start = self.base.clone();
        }
        let target = self.head.block.number.saturating_sub(self.start_depth);
        if target == self.head.block.number {
            self.start = self.head.clone();
            return;
        }
        // A reorg to a shorter chain, or a deeper finalized base, leaves the start where it is: it was deep enough once and is still followed.
        for block in &self.ring {
            if block.at.number > self.start.block.number && block.at.number <= target {
                extend(&mut self.start, block);
            }
        }
    }
}

fn extend(snapshot: &mut Snapshot, block: &Block) {
    if !block.events.is_empty() {
        let book = Arc::make_mut(&mut snapshot.book);
        for event in block.events.iter() {
            book.apply(block.at.moment(), event);
        }
    }
    snapshot.block = block.at;
}

#[cfg(test)]
mod tests;
