//! Cumulative seconds of all leases of a provider, packed eight to a word as the book stores them, and the reports that raise them.
//! Mirrors contracts/src/libraries/Lanes.sol. May not meter or send.

use std::collections::BTreeMap;

use alloy::primitives::U256;

use crate::core::ids::Lane;

/// The largest count a lane holds: 31 bits under a guard bit.
pub const MAX_LANE: u32 = (1 << 31) - 1;
/// A lane may rise by less than this in one report (contracts: section 6).
pub const JUMP: u32 = 1 << 17;
/// Most words in one report, 512 lanes: about half a million gas.
pub const MAX_WORDS: usize = 64;
/// A gap of this many words without news is bridged by zeros: each costs one cold read, a second transaction ten times as much.
const BRIDGED: u32 = 8;

/// Eight lanes.
pub type Word = U256;

/// Index of the word that holds a lane.
#[must_use]
pub const fn word_of(lane: Lane) -> u32 {
    lane.0 / 8
}

/// One lane out of its word.
#[must_use]
pub fn lane_in(word: Word, lane: Lane) -> u32 {
    let shifted: U256 = word >> ((lane.0 % 8) * 32) as usize;
    (shifted & U256::from(MAX_LANE)).to::<u32>()
}

/// A word with this one lane set and the others zero; counts above 31 bits are cut to the largest.
#[must_use]
pub fn word_with(lane: Lane, seconds: u32) -> Word {
    U256::from(seconds.min(MAX_LANE)) << ((lane.0 % 8) * 32) as usize
}

/// Lane-wise maximum: the join by which the book merges reports. Guard bits are dropped.
#[must_use]
pub fn merge(a: Word, b: Word) -> Word {
    (0..8).map(Lane).fold(U256::ZERO, |word, lane| {
        word | word_with(lane, lane_in(a, lane).max(lane_in(b, lane)))
    })
}

/// The counts of a lease that may only grow, wherever they are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Billable seconds in the last report that was signed.
    pub reported: u32,
    /// Billable seconds that were turned into money.
    pub settled: u32,
}

impl Counters {
    /// What both knew: the larger of each.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            reported: self.reported.max(other.reported),
            settled: self.settled.max(other.settled),
        }
    }
}

/// What a lane should show: its base at start plus the lease's seconds, never below what was signed before or stands on chain.
#[must_use]
pub fn target(base: u32, seconds: u32, counters: Counters, on_chain: u32) -> u32 {
    base.saturating_add(seconds.max(counters.reported))
        .max(on_chain)
        .min(MAX_LANE)
}

/// One call of `report`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Index of the first word.
    pub first_word: u32,
    /// Consecutive words; lanes without news are zero, which the book's maximum ignores.
    pub words: Vec<Word>,
    /// The counts it carries, by lane; what is to be persisted before it is signed.
    pub lanes: BTreeMap<Lane, u32>,
}

/// The reports that raise each lane from what stands on chain to what is wanted, one transaction each, in order.
///
/// A lane that is further behind than one jump is raised by the largest allowed rise; plan again when that stands. Lanes not on chain count as 0.
#[must_use]
pub fn reports(on_chain: &BTreeMap<Lane, u32>, wanted: &BTreeMap<Lane, u32>) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    for (lane, target) in wanted {
        let stored = on_chain.get(lane).copied().unwrap_or(0);
        let count = (*target).min(MAX_LANE).min(stored.saturating_add(JUMP - 1));
        if count <= stored {
            continue;
        }
        let index = word_of(*lane);
        let news = word_with(*lane, count);
        if let Some(report) = reports.last_mut()
            && let Some(offset) = reach(report, index)
        {
            report
                .words
                .resize(report.words.len().max(offset + 1), U256::ZERO);
            if let Some(word) = report.words.get_mut(offset) {
                *word |= news;
            }
            report.lanes.insert(*lane, count);
            continue;
        }
        reports.push(Report {
            first_word: index,
            words: vec![news],
            lanes: BTreeMap::from([(*lane, count)]),
        });
    }
    reports
}

/// Where a word would stand in a report, none when it is too far off or the report is full.
fn reach(report: &Report, index: u32) -> Option<usize> {
    let offset = usize::try_from(index.checked_sub(report.first_word)?).ok()?;
    let gap = (offset + 1).saturating_sub(report.words.len());
    (offset < MAX_WORDS && gap <= usize::try_from(BRIDGED).ok()?).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = Word> {
        prop::array::uniform8(0..=MAX_LANE).prop_map(|lanes| {
            (0..8u32).zip(lanes).fold(U256::ZERO, |word, (lane, seconds)| {
                word | word_with(Lane(lane), seconds)
            })
        })
    }

    fn lanes() -> impl Strategy<Value = BTreeMap<Lane, u32>> {
        prop::collection::btree_map((0u32..2000).prop_map(Lane), 0..=MAX_LANE, 0..60)
    }

    /// The book, as far as reports go.
    fn apply(chain: &mut BTreeMap<Lane, u32>, report: &Report) -> Result<(), String> {
        if report.words.is_empty() {
            return Err("empty".into());
        }
        for (offset, word) in (0u32..).zip(&report.words) {
            for slot in 0..8 {
                let lane = Lane((report.first_word + offset) * 8 + slot);
                let (old, new) = (chain.get(&lane).copied().unwrap_or(0), lane_in(*word, lane));
                if new.saturating_sub(old) >= JUMP {
                    return Err(format!("{lane:?} rises from {old} to {new}"));
                }
                if new > old {
                    chain.insert(lane, new);
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_idempotent_and_monotone(a in word(), b in word(), c in word()) {
            prop_assert_eq!(merge(a, b), merge(b, a));
            prop_assert_eq!(merge(merge(a, b), c), merge(a, merge(b, c)));
            prop_assert_eq!(merge(a, a), a);
            for lane in (0..8).map(Lane) {
                prop_assert!(lane_in(merge(a, b), lane) >= lane_in(a, lane));
            }
        }

        #[test]
        fn counters_join_by_maximum(a: (u32, u32), b: (u32, u32), c: (u32, u32)) {
            let [a, b, c] = [a, b, c].map(|(reported, settled)| Counters { reported, settled });
            prop_assert_eq!(a.join(b), b.join(a));
            prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
            prop_assert_eq!(a.join(a), a);
            prop_assert!(a.join(b).reported >= a.reported && a.join(b).settled >= a.settled);
        }

        #[test]
        fn the_book_takes_every_report_and_ends_at_what_was_wanted(start in lanes(), wanted in lanes()) {
            let mut chain = start.clone();
            let first = reports(&chain, &wanted);
            for report in &first {
                prop_assert!(report.words.len() <= MAX_WORDS);
                prop_assert_eq!(apply(&mut chain, report), Ok(()));
                // Sent twice or late it changes nothing.
                let before = chain.clone();
                prop_assert_eq!(apply(&mut chain, report), Ok(()));
                prop_assert_eq!(&before, &chain);
            }
            for (lane, target) in &wanted {
                let from = start.get(lane).copied().unwrap_or(0);
                let expected = (*target).max(from).min(from.saturating_add(JUMP - 1));
                prop_assert_eq!(chain.get(lane).copied().unwrap_or(0), expected);
            }
            for (lane, count) in &start {
                prop_assert!(chain.get(lane) >= Some(count));
            }
        }

        #[test]
        fn a_target_never_falls_below_what_was_signed_or_stands_on_chain(base: u32, seconds: u32, reported: u32, settled: u32, on_chain in 0..=MAX_LANE) {
            let goal = target(base, seconds, Counters { reported, settled }, on_chain);
            prop_assert!(goal >= on_chain);
            prop_assert!(goal == MAX_LANE || goal >= base.saturating_add(reported));
            prop_assert!(goal <= MAX_LANE);
        }
    }

    #[test]
    fn nothing_new_needs_no_report() {
        let chain = BTreeMap::from([(Lane(3), 10)]);
        assert_eq!(
            reports(&chain, &BTreeMap::from([(Lane(3), 10), (Lane(4), 0)])),
            vec![]
        );
    }

    #[test]
    fn far_lanes_travel_in_reports_of_their_own() {
        let planned = reports(
            &BTreeMap::new(),
            &BTreeMap::from([(Lane(0), 5), (Lane(9), 6), (Lane(8000), 7)]),
        );
        let shape: Vec<_> = planned
            .iter()
            .map(|report| (report.first_word, report.words.len()))
            .collect();
        assert_eq!(shape, vec![(0, 2), (1000, 1)]);
    }

    #[test]
    fn a_lane_far_behind_rises_in_steps_the_book_takes() {
        let planned = reports(&BTreeMap::new(), &BTreeMap::from([(Lane(1), 1_000_000)]));
        assert_eq!(
            planned.first().and_then(|report| report.lanes.get(&Lane(1))),
            Some(&(JUMP - 1))
        );
    }
}
