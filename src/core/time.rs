//! Time as data: plans receive `Now` and never ask a clock. May not read any clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, from the wall clock; for stamps that people and other machines read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// Seconds since the Unix epoch as a block's header says; what contracts compare with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainSeconds(pub u64);

/// A steady clock's reading since some fixed start; only differences mean anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Steady(pub Duration);

impl Steady {
    /// Time passed since an earlier reading, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The moment a plan is made for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub steady: Steady,
    /// For stamps.
    pub wall: UnixMillis,
    /// The newest block's time, none while no endpoint has answered yet.
    pub chain: Option<ChainSeconds>,
}

impl UnixMillis {
    /// This moment plus a duration, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Milliseconds since an earlier moment, zero if `earlier` is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_steps_back_measures_nothing_rather_than_wrapping() {
        assert_eq!(
            Steady(Duration::from_secs(1)).since(Steady(Duration::from_secs(5))),
            Duration::ZERO
        );
        assert_eq!(UnixMillis(5).millis_since(UnixMillis(9)), 0);
    }
}
