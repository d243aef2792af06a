//! What was counted and reported of a lease's lane, and under which terms, as the chain is seen to move on. Never below anything that was signed for the
//! lane, and no second counts under two terms. Reads and writes nothing.

use super::billable::Allowance;
use crate::core::ids::TermsHash;

/// Terms that came into force by agreement after the lease opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amended {
    /// Their hash.
    pub terms: TermsHash,
    /// Billable seconds before them.
    pub before: u32,
}

/// What an object keeps of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Count of the lane at which its own begins; none before it was seen to run.
    pub base: Option<u32>,
    /// Seconds above it that were reported from here.
    pub reported: u32,
    /// Seconds above it that were turned into money.
    pub settled: u32,
    /// None under the terms it opened with.
    pub amended: Option<Amended>,
}

/// What the newest block says of a lease that started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Terms in force there.
    pub terms: TermsHash,
    /// Terms in force at the start depth, where nothing is reorganized away any more; none where the lease is not seen there.
    pub deep: Option<TermsHash>,
    /// The lane's count at which these terms begin.
    pub base: u32,
    /// The lane's count.
    pub seconds: u32,
    /// Seconds above the base that were turned into money.
    pub settled: u32,
}

impl Counted {
    /// What to keep after this view: `opened` are the terms the object was made for, where they read; `metered` are all seconds delivered, of which
    /// `waived` are given away.
    #[must_use]
    pub fn seen(self, opened: Option<TermsHash>, lane: &Lane, metered: u32, waived: u32) -> Self {
        let under = self.amended.map(|amended| amended.terms).or(opened);
        let next = if under == Some(lane.terms) {
            self
        } else if self.base.is_some() && lane.deep != Some(lane.terms) {
            // As with an opening: what may still be reorganized away changes no count.
            return Self {
                settled: self.settled.max(lane.settled),
                ..self
            };
        } else {
            self.amend(opened, lane.terms, metered, waived)
        };
        // The old base and what was reported above it: a signature for so much may exist.
        let top = self.base.map_or(0, |base| base.saturating_add(self.reported));
        // What nobody here proved was not reported from here: it is waived.
        let own = lane
            .seconds
            .saturating_sub(lane.base)
            .min(next.allowance(waived).billable(metered));
        Self {
            base: Some(lane.base),
            reported: own.max(top.saturating_sub(lane.base)),
            settled: next.settled.max(lane.settled),
            amended: next.amended,
        }
    }

    /// Other terms: what was counted so far is not billed under them. An object made again began its count under them, and back under the first terms
    /// there was no amendment.
    fn amend(self, opened: Option<TermsHash>, terms: TermsHash, metered: u32, waived: u32) -> Self {
        let before = match self.base {
            Some(_) => self.allowance(waived).amended_at(metered).before,
            None => 0,
        };
        Self {
            amended: (opened != Some(terms)).then_some(Amended { terms, before }),
            settled: 0,
            ..self
        }
    }

    fn allowance(self, waived: u32) -> Allowance {
        Allowance {
            waived,
            before: self.amended.map_or(0, |amended| amended.before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use proptest::prelude::*;

    const FIRST: TermsHash = TermsHash(B256::repeat_byte(1));
    const SECOND: TermsHash = TermsHash(B256::repeat_byte(2));

    fn lane(terms: TermsHash, base: u32, seconds: u32) -> Lane {
        Lane {
            terms,
            deep: Some(terms),
            base,
            seconds,
            settled: 0,
        }
    }

    #[test]
    fn a_lease_that_starts_counts_from_where_its_lane_stands() {
        let seen = Counted::default().seen(Some(FIRST), &lane(FIRST, 1000, 1000), 7, 0);
        assert_eq!(
            seen,
            Counted {
                base: Some(1000),
                ..Counted::default()
            }
        );
    }

    #[test]
    fn only_what_was_metered_here_counts_as_reported_from_here() {
        let running = Counted::default().seen(Some(FIRST), &lane(FIRST, 0, 0), 0, 0);
        assert_eq!(running.seen(Some(FIRST), &lane(FIRST, 0, 90), 60, 0).reported, 60);
        assert_eq!(running.seen(Some(FIRST), &lane(FIRST, 0, 40), 60, 0).reported, 40);
        assert_eq!(
            running.seen(Some(FIRST), &lane(FIRST, 0, 40), 60, 35).reported,
            25
        );
    }

    #[test]
    fn terms_that_may_be_reorganized_away_change_nothing_but_what_is_settled() {
        let running = Counted {
            base: Some(10),
            reported: 50,
            settled: 20,
            amended: None,
        };
        let fresh = Lane {
            deep: Some(FIRST),
            settled: 30,
            ..lane(SECOND, 60, 60)
        };
        assert_eq!(
            running.seen(Some(FIRST), &fresh, 55, 0),
            Counted {
                settled: 30,
                ..running
            }
        );
        let unseen = Lane { deep: None, ..fresh };
        assert_eq!(running.seen(Some(FIRST), &unseen, 55, 0).amended, None);
    }

    #[test]
    fn what_was_metered_before_other_terms_is_not_billed_under_them() {
        let running = Counted {
            base: Some(10),
            reported: 50,
            settled: 20,
            amended: None,
        };
        let seen = running.seen(Some(FIRST), &lane(SECOND, 60, 60), 55, 0);
        assert_eq!(
            seen,
            Counted {
                base: Some(60),
                reported: 0,
                settled: 0,
                amended: Some(Amended {
                    terms: SECOND,
                    before: 55
                }),
            }
        );
        assert_eq!(seen.seen(Some(FIRST), &lane(SECOND, 60, 75), 70, 0).reported, 15);
    }

    #[test]
    fn back_under_the_terms_it_opened_with_there_was_no_amendment() {
        let amended = Counted {
            base: Some(60),
            reported: 0,
            settled: 0,
            amended: Some(Amended {
                terms: SECOND,
                before: 55,
            }),
        };
        let back = amended.seen(Some(FIRST), &lane(FIRST, 10, 60), 55, 0);
        assert_eq!(back.amended, None);
        // Base and reported together are what they were: no signature of before lies above them.
        assert_eq!(back.base.map(|base| base + back.reported), Some(60));
    }

    #[test]
    fn an_object_made_again_under_other_terms_begins_its_count_under_them() {
        let seen = Counted::default().seen(Some(FIRST), &lane(SECOND, 60, 90), 0, 0);
        assert_eq!(
            seen.amended,
            Some(Amended {
                terms: SECOND,
                before: 0
            })
        );
        assert_eq!(seen.base, Some(60));
    }

    #[test]
    fn terms_that_do_not_read_are_taken_for_others() {
        let seen = Counted::default().seen(None, &lane(FIRST, 5, 5), 0, 0);
        assert_eq!(seen.amended.map(|amended| amended.terms), Some(FIRST));
    }

    proptest! {
        #[test]
        fn the_top_of_what_was_signed_never_sinks_and_no_second_counts_under_two_terms(
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0u32..1 << 12, 0u32..1 << 12, any::<bool>()), 1..24),
            waived in 0u32..1 << 8,
        ) {
            let mut counted = Counted::default();
            let (mut metered, mut count, mut base, mut terms) = (0u32, 0u32, 0u32, FIRST);
            for (other, is_deep, more, report, empty) in steps {
                metered += more;
                let before = (terms, counted);
                if other {
                    terms = if terms == FIRST { SECOND } else { FIRST };
                    base = count;
                }
                if !empty {
                    count += report;
                }
                let deep = if is_deep { Some(terms) } else { Some(before.0) };
                let seen = Lane { terms, deep, base, seconds: count, settled: 0 };
                let next = counted.seen(Some(FIRST), &seen, metered, waived);
                let top = |of: Counted| of.base.map_or(0, |base| base + of.reported);
                prop_assert!(top(next) >= top(counted));
                if next.amended != counted.amended
                    && counted.base.is_some()
                    && let Some(amended) = next.amended
                {
                    let allowance = Allowance { waived, before: amended.before };
                    prop_assert_eq!(allowance.billable(metered), 0);
                }
                counted = next;
            }
        }
    }
}
