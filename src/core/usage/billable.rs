//! What stands between delivered and billed: seconds the provider gave away, and seconds of terms that an amendment ended. A meter counts what
//! was delivered and never less; this alone says how much of it may be billed. May not meter or lower a count.

/// Seconds that are not billed under the terms in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Given away by the provider, over the lease's whole life.
    pub waived: u32,
    /// Billable when an amendment was seen: paid or given up under the terms before it.
    pub before: u32,
}

impl Allowance {
    /// Of so many metered seconds, those that may be billed under the terms in force.
    #[must_use]
    pub const fn billable(self, metered: u32) -> u32 {
        metered.saturating_sub(self.waived).saturating_sub(self.before)
    }

    /// The same once other terms came into force at this count: nothing before them is billed again.
    #[must_use]
    pub const fn amended_at(self, metered: u32) -> Self {
        let counted = metered.saturating_sub(self.waived);
        Self {
            waived: self.waived,
            // Never less than before: what was given away and found nothing to come off yet is not forgotten.
            before: if self.before > counted {
                self.before
            } else {
                counted
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_second_is_billable_under_two_terms_and_none_that_was_given_away(
            spans in prop::collection::vec((0u32..1 << 20, 0u32..1 << 10), 1..8),
        ) {
            let mut allowance = Allowance::default();
            let (mut metered, mut billed) = (0u32, 0u32);
            for (seconds, more) in spans {
                metered += seconds;
                allowance.waived += more;
                let now = allowance.billable(metered);
                prop_assert!(now <= seconds);
                billed += now;
                prop_assert!(billed <= metered.saturating_sub(allowance.waived).max(billed - now));
                allowance = allowance.amended_at(metered);
                prop_assert_eq!(allowance.billable(metered), 0);
            }
            prop_assert!(billed <= metered);
        }
    }

    #[test]
    fn what_is_given_away_comes_off_what_is_delivered_later_where_nothing_else_is_left() {
        let allowance = Allowance {
            waived: 30,
            before: 0,
        };
        assert_eq!(
            [10, 30, 31, 100].map(|metered| allowance.billable(metered)),
            [0, 0, 1, 70]
        );
    }
}
