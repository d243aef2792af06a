//! Token buckets by key with a bound on how many keys are remembered. Pure: the moment is an argument.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number a key, the moment at which its bucket would be full again. A key that is
//! full again is forgotten; when the map is full of busy keys, new ones wait, so a flood of addresses costs no memory and the known
//! tenants nothing.

use std::{collections::BTreeMap, time::Duration};

use crate::core::time::Steady;

/// How often a full map is swept at most.
const SWEEP: Duration = Duration::from_millis(100);

/// How much one key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What one request takes from the bucket, as the time it needs to come back.
    pub each: Duration,
    /// How many requests a full bucket holds.
    pub burst: u32,
    /// How many keys are remembered.
    pub keys: usize,
}

/// Buckets by key.
#[derive(Debug)]
pub struct Buckets<K> {
    limit: Limit,
    full_at: BTreeMap<K, Duration>,
    swept: Option<Steady>,
}

impl<K: Ord> Buckets<K> {
    /// Empty memory: every bucket is full.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            full_at: BTreeMap::new(),
            swept: None,
        }
    }

    /// Takes one request from the key's bucket.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, key: K, now: Steady) -> Result<(), Duration> {
        let Limit { each, burst, keys } = self.limit;
        if !self.full_at.contains_key(&key) && self.full_at.len() >= keys {
            self.sweep(now);
            if self.full_at.len() >= keys {
                return Err(each);
            }
        }
        let full_at = self.full_at.entry(key).or_insert(now.0);
        let next = (*full_at).max(now.0).saturating_add(each);
        let ahead = next.saturating_sub(now.0);
        let most = each.saturating_mul(burst.max(1));
        if ahead > most {
            return Err(ahead.saturating_sub(most));
        }
        *full_at = next;
        Ok(())
    }

    fn sweep(&mut self, now: Steady) {
        if self.swept.is_some_and(|at| now.since(at) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.full_at.retain(|_, full_at| *full_at > now.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Limit = Limit {
        each: Duration::from_millis(100),
        burst: 5,
        keys: 3,
    };

    fn at(ms: u64) -> Steady {
        Steady(Duration::from_millis(1_000_000 + ms))
    }

    #[test]
    fn a_burst_is_served_and_then_the_rate() {
        let mut buckets = Buckets::new(LIMIT);
        for _ in 0..5 {
            assert_eq!(buckets.take("a", at(0)), Ok(()));
        }
        assert_eq!(buckets.take("a", at(0)), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take("b", at(0)), Ok(()));
        assert_eq!(buckets.take("a", at(100)), Ok(()));
        assert_eq!(buckets.take("a", at(150)), Err(Duration::from_millis(50)));
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_leaves_the_known_ones_alone() {
        let mut buckets = Buckets::new(LIMIT);
        for key in 0..3 {
            assert_eq!(buckets.take(key, at(0)), Ok(()));
        }
        for key in 3..1000 {
            assert!(buckets.take(key, at(1)).is_err());
        }
        assert_eq!(buckets.take(0, at(1)), Ok(()));
        assert_eq!(buckets.full_at.len(), 3);
        assert_eq!(buckets.take(3, at(500)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_key_ever_gets_more_than_its_burst_and_its_rate(gaps in proptest::collection::vec(0u64..300, 1..200)) {
            let mut buckets = Buckets::new(LIMIT);
            let (mut now, mut served) = (0u64, 0u64);
            for gap in gaps {
                now += gap;
                if buckets.take((), at(now)).is_ok() {
                    served += 1;
                }
                prop_assert!(served <= 5 + now / 100);
            }
        }
    }
}
