//! Earnings that vest: what enters during one epoch W is claimable from the second epoch after it on (contracts: section 7).
//! May not know who earns.

/// Two epochs of money that cannot be claimed yet, in micro-units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    epoch: u64,
    young: u128,
    old: u128,
}

impl Bucket {
    /// The bucket at an epoch not before its own, and what has vested until then.
    #[must_use]
    pub const fn at(self, epoch: u64) -> (Self, u128) {
        match epoch.saturating_sub(self.epoch) {
            0 => (self, 0),
            1 => (
                Self {
                    epoch,
                    young: 0,
                    old: self.young,
                },
                self.old,
            ),
            _ => (
                Self {
                    epoch,
                    young: 0,
                    old: 0,
                },
                self.young.saturating_add(self.old),
            ),
        }
    }

    /// More money in the present epoch.
    #[must_use]
    pub const fn plus(self, amount: u128) -> Self {
        Self {
            young: self.young.saturating_add(amount),
            ..self
        }
    }

    /// Up to `amount` out of it, the youngest first, and how much that was.
    #[must_use]
    pub fn less(self, amount: u128) -> (Self, u128) {
        let young = self.young.min(amount);
        let old = self.old.min(amount.saturating_sub(young));
        let left = Self {
            young: self.young.saturating_sub(young),
            old: self.old.saturating_sub(old),
            ..self
        };
        (left, young.saturating_add(old))
    }

    /// All that waits in it.
    #[must_use]
    pub const fn waiting(self) -> u128 {
        self.young.saturating_add(self.old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_waits_one_to_two_epochs_and_the_youngest_is_taken_first() {
        let (bucket, vested) = Bucket::default().plus(5).at(1);
        assert_eq!((bucket.waiting(), vested), (5, 0));
        let (bucket, vested) = bucket.plus(7).at(1);
        assert_eq!((bucket.waiting(), vested), (12, 0));
        let (taken, amount) = bucket.less(9);
        assert_eq!((taken.waiting(), amount), (3, 9));
        assert_eq!(
            taken.at(2),
            (
                Bucket {
                    epoch: 2,
                    young: 0,
                    old: 0
                },
                3
            )
        );
        assert_eq!(bucket.at(2).1, 5);
        assert_eq!(bucket.at(3).1, 12);
        assert_eq!(bucket.at(9).0.waiting(), 0);
    }
}
