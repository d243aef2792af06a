//! The ring against a naive replay, and what it refuses.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::core::book::fixtures::{any_event, at, windows};

fn hash(number: u64, fork: u8) -> B256 {
    let mut hash = B256::left_padding_from(&number.to_be_bytes());
    hash.0[0] = fork;
    hash
}

fn block(number: u64, fork: u8, parent: B256, events: Vec<BookEvent>) -> Block {
    Block {
        at: BlockRef {
            number,
            hash: hash(number, fork),
            parent,
            time: at(number).time,
        },
        events: events.into(),
    }
}

fn genesis() -> BlockRef {
    BlockRef {
        number: 10,
        hash: hash(10, 0),
        parent: hash(9, 0),
        time: at(10).time,
    }
}

fn canon(depth: u64) -> Canon {
    Canon::new(genesis(), Book::new(windows()), depth)
}

/// Blocks 11.. of one fork, without events.
fn chain(fork: u8, count: u64) -> Vec<Block> {
    let mut parent = genesis().hash;
    (11..11 + count)
        .map(|number| {
            let next = block(number, fork, parent, vec![]);
            parent = next.at.hash;
            next
        })
        .collect()
}

#[test]
fn a_reorg_removes_newest_first_and_says_what() {
    let mut canon = canon(1);
    canon.advance(chain(1, 4)).unwrap();
    let mut other = chain(1, 2);
    let parent = other[1].at.hash;
    other.push(block(13, 2, parent, vec![]));
    let change = canon.advance(other[2..].to_vec()).unwrap();
    assert_eq!(
        change
            .removed
            .iter()
            .map(|gone| gone.at.number)
            .collect::<Vec<_>>(),
        [14, 13]
    );
    assert_eq!(change.added, 1);
    assert_eq!(canon.head().block.hash, hash(13, 2));
    assert!(!canon.contains(14, hash(14, 1)));
}

#[test]
fn a_chain_that_leaves_at_or_below_the_final_block_is_refused_and_nothing_changes() {
    let mut canon = canon(0);
    canon.advance(chain(1, 4)).unwrap();
    canon.finalize(12, hash(12, 1)).unwrap();
    let refused = CanonError::DeeperThanFinal {
        final_number: 12,
        final_hash: hash(12, 1),
    };
    for fork in [chain(2, 4), chain(2, 4)[1..].to_vec(), chain(2, 4)[2..].to_vec()] {
        assert_eq!(canon.advance(fork), Err(refused));
    }
    assert_eq!(canon.finalize(12, hash(12, 2)), Err(refused));
    assert_eq!(canon.head().block.hash, hash(14, 1));
    assert_eq!(canon.finalized().block.hash, hash(12, 1));
}

#[test]
fn a_gap_names_the_parent_to_fetch() {
    let mut canon = canon(0);
    canon.advance(chain(1, 2)).unwrap();
    assert_eq!(
        canon.advance(chain(2, 5)[3..].to_vec()),
        Err(CanonError::ParentUnknown {
            number: 14,
            parent: hash(13, 2)
        })
    );
    let mut broken = chain(1, 4);
    broken.remove(1);
    assert_eq!(canon.advance(broken), Err(CanonError::NotLinked { number: 13 }));
}

#[test]
fn a_final_block_that_is_not_followed_is_an_error_and_a_lower_one_is_old_news() {
    let mut canon = canon(0);
    canon.advance(chain(1, 3)).unwrap();
    assert_eq!(
        canon.finalize(14, hash(14, 1)),
        Err(CanonError::FinalAhead { number: 14 })
    );
    assert!(matches!(
        canon.finalize(12, hash(12, 2)),
        Err(CanonError::FinalConflict { number: 12, .. })
    ));
    assert_eq!(canon.finalize(13, hash(13, 1)), Ok(3));
    assert_eq!(canon.finalize(11, hash(11, 2)), Ok(0));
    assert_eq!(canon.unfinalized(), 0);
}

#[test]
fn the_start_is_its_depth_below_the_head_and_never_below_the_final_block() {
    let mut canon = canon(3);
    canon.advance(chain(1, 2)).unwrap();
    assert_eq!(canon.start().block.number, 10);
    canon.advance(chain(1, 5)[2..].to_vec()).unwrap();
    assert_eq!(canon.start().block.number, 12);
    canon.finalize(14, hash(14, 1)).unwrap();
    assert_eq!(canon.start().block.number, 14);
}

/// What happens to a chain.
#[derive(Debug, Clone)]
enum Step {
    Extend(Vec<Vec<BookEvent>>),
    Reorg { depth: u64, blocks: Vec<Vec<BookEvent>> },
    Finalize { above: u64 },
}

fn any_blocks() -> impl Strategy<Value = Vec<Vec<BookEvent>>> {
    prop::collection::vec(prop::collection::vec(any_event(), 0..3), 1..4)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_blocks().prop_map(Step::Extend),
        3 => (0..8_u64, any_blocks()).prop_map(|(depth, blocks)| Step::Reorg { depth, blocks }),
        2 => (0..5_u64).prop_map(|above| Step::Finalize { above }),
    ]
}

fn replay(blocks: &[Block]) -> Book {
    let mut book = Book::new(windows());
    for block in blocks {
        for event in block.events.iter() {
            book.apply(block.at.moment(), event);
        }
    }
    book
}

/// Blocks on top of `kept`, of a fork of their own.
fn grow(kept: &[Block], fork: u8, events: Vec<Vec<BookEvent>>) -> Vec<Block> {
    let mut tip = kept.last().map_or(genesis(), |last| last.at);
    events
        .into_iter()
        .map(|events| {
            let next = block(tip.number + 1, fork, tip.hash, events);
            tip = next.at;
            next
        })
        .collect()
}

proptest! {
    #[test]
    fn after_any_extensions_reorgs_and_finality_every_depth_equals_a_naive_replay(
        steps in prop::collection::vec(any_step(), 1..25), depth in 0..5_u64,
    ) {
        let mut canon = canon(depth);
        // The model: the whole chain above genesis, and how much of it is final.
        let mut model: Vec<Block> = vec![];
        let mut is_final = 0_usize;
        for (fork, step) in (1_u8..).zip(steps) {
            match step {
                Step::Extend(events) => {
                    let added = grow(&model, fork, events);
                    model.extend(added.clone());
                    prop_assert_eq!(canon.advance(added).unwrap().removed, vec![]);
                }
                Step::Reorg { depth, blocks } => {
                    let keep = model.len().saturating_sub(usize::try_from(depth).unwrap());
                    let added = grow(&model[..keep], fork, blocks);
                    if keep < is_final {
                        let before = (canon.head().clone(), canon.start().clone(), canon.finalized().clone());
                        let refused = matches!(canon.advance(added), Err(CanonError::DeeperThanFinal { .. }));
                        prop_assert!(refused);
                        prop_assert_eq!(before, (canon.head().clone(), canon.start().clone(), canon.finalized().clone()));
                    } else {
                        let removed: Vec<Block> = model.drain(keep..).rev().collect();
                        model.extend(added.clone());
                        prop_assert_eq!(canon.advance(added).unwrap().removed, removed);
                    }
                }
                Step::Finalize { above } => {
                    let target = (is_final + usize::try_from(above).unwrap()).min(model.len());
                    if target > 0 {
                        let block = model[target - 1].at;
                        prop_assert_eq!(canon.finalize(block.number, block.hash).unwrap(), target - is_final);
                        is_final = target;
                    }
                }
            }
            prop_assert_eq!(&*canon.head().book, &replay(&model));
            prop_assert_eq!(&*canon.finalized().book, &replay(&model[..is_final]));
            prop_assert_eq!(canon.unfinalized(), model.len() - is_final);
            let start = usize::try_from(canon.start().block.number - genesis().number).unwrap();
            prop_assert_eq!(&*canon.start().book, &replay(&model[..start]));
            prop_assert_eq!(canon.start().block, model[..start].last().map_or(genesis(), |last| last.at));
            prop_assert!(start >= is_final && start <= model.len());
            let wanted = model.len().saturating_sub(usize::try_from(depth).unwrap()).max(is_final);
            prop_assert!(start >= wanted);
            for (index, block) in model.iter().enumerate().skip(is_final) {
                prop_assert_eq!(canon.at(genesis().number + 1 + index as u64), Some(&block.at));
            }
        }
    }
}
