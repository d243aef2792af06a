//! Elapsed time that goes on while the machine sleeps: the larger of CLOCK_BOOTTIME's and the wall clock's, since a paused virtual machine
//! may wake with only the wall corrected. A wall set forward deposes a leader too early, which is harmless. May not go backwards.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use rustix::time::{ClockId, clock_gettime};

/// Elapsed time since some fixed start.
pub trait Clock: Send + Sync {
    /// How long ago the start is; never less than before.
    fn elapsed(&self) -> Duration;
}

/// This machine's.
#[derive(Debug)]
pub struct Machine {
    boot: Duration,
    wall: SystemTime,
    most: Mutex<Duration>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            boot: boot_time(),
            wall: SystemTime::now(),
            most: Mutex::new(Duration::ZERO),
        }
    }
}

fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

impl Clock for Machine {
    fn elapsed(&self) -> Duration {
        let boot = boot_time().saturating_sub(self.boot);
        let wall = self.wall.elapsed().unwrap_or(Duration::ZERO);
        let now = boot.max(wall);
        match self.most.lock() {
            Ok(mut most) => {
                *most = now.max(*most);
                *most
            }
            Err(_) => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machines_clock_goes_forward() {
        let clock = Machine::default();
        let first = clock.elapsed();
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(clock.elapsed() >= first + Duration::from_millis(5));
    }
}
