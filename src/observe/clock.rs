//! The shell's clocks, read once a pass and handed to plans as `Now`. The only place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::time::{ChainSeconds, Now, Steady, UnixMillis};

/// A steady clock with a fixed start, and the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock {
    /// This moment, with the newest block's time if one is known.
    #[must_use]
    pub fn now(&self, chain: Option<ChainSeconds>) -> Now {
        Now {
            steady: Steady(self.start.elapsed()),
            wall: wall(),
            chain,
        }
    }
}

/// The wall clock; before 1970 reads as 1970.
#[must_use]
pub fn wall() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
