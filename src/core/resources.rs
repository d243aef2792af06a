//! Amounts of what a lease uses, added and compared without ever wrapping. May not read quantities or ask a cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Devices, CPU, memory and ephemeral storage, of a replica or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Whole devices.
    pub gpus: u32,
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// MiB of memory.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// MiB of ephemeral storage.
    #[serde(rename = "storageMiB")]
    pub storage_mib: u64,
}

impl Resources {
    /// Sum, saturating: what is too large to count is too large to fit as well.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            gpus: self.gpus.saturating_add(other.gpus),
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            storage_mib: self.storage_mib.saturating_add(other.storage_mib),
        }
    }

    /// What is left after taking `other`, nothing where it would be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            gpus: self.gpus.saturating_sub(other.gpus),
            cpu_milli: self.cpu_milli.saturating_sub(other.cpu_milli),
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            storage_mib: self.storage_mib.saturating_sub(other.storage_mib),
        }
    }

    /// So many times as much, saturating.
    #[must_use]
    pub const fn times(self, count: u16) -> Self {
        Self {
            gpus: self.gpus.saturating_mul(count as u32),
            cpu_milli: self.cpu_milli.saturating_mul(count as u64),
            memory_mib: self.memory_mib.saturating_mul(count as u64),
            storage_mib: self.storage_mib.saturating_mul(count as u64),
        }
    }

    /// The first amount in which `self` exceeds `room`, as (name, wanted, there); none when all fit.
    #[must_use]
    pub fn exceeds(&self, room: &Self) -> Option<(&'static str, u64, u64)> {
        [
            ("gpus", u64::from(self.gpus), u64::from(room.gpus)),
            ("cpuMilli", self.cpu_milli, room.cpu_milli),
            ("memoryMiB", self.memory_mib, room.memory_mib),
            ("storageMiB", self.storage_mib, room.storage_mib),
        ]
        .into_iter()
        .find(|(_, wanted, there)| wanted > there)
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} gpu, {}m cpu, {} MiB memory, {} MiB storage",
            self.gpus, self.cpu_milli, self.memory_mib, self.storage_mib
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_resources() -> impl Strategy<Value = Resources> {
        (any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
            |(gpus, cpu_milli, memory_mib, storage_mib)| Resources {
                gpus,
                cpu_milli,
                memory_mib,
                storage_mib,
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_added_never_exceeds_the_sum_and_no_amount_wraps(a in any_resources(), b in any_resources(), n: u16) {
            prop_assert_eq!(a.exceeds(&a.plus(b)), None);
            prop_assert_eq!(a.minus(b).exceeds(&a), None);
            prop_assert!(n == 0 || a.exceeds(&a.times(n)).is_none());
        }
    }

    #[test]
    fn the_amount_that_does_not_fit_is_named() {
        let wanted = Resources {
            gpus: 2,
            cpu_milli: 1000,
            memory_mib: 10,
            storage_mib: 0,
        };
        let room = Resources {
            gpus: 2,
            cpu_milli: 500,
            memory_mib: 1,
            storage_mib: 0,
        };
        assert_eq!(wanted.exceeds(&room), Some(("cpuMilli", 1000, 500)));
    }
}
