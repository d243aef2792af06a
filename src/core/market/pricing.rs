//! What an hour of an order's needs costs under an offer: whole micro-units, rounded up once at the end. May not use floats or know a market.

use thiserror::Error;

use crate::core::{
    documents::needs::Needs,
    money::{MicroUnits, RatePerHour},
};

/// Why no price can be named.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// Beyond what the contract stores.
    #[error("the price is {0} micro-units an hour, more than the {max} a lease can hold: lower the offer's perHour prices", max = RatePerHour::MAX)]
    TooHigh(u128),
    /// Nothing.
    #[error("the price is 0: set the offer's perHour prices")]
    Zero,
}

/// Prices of an offer, each for an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PriceList {
    /// One device.
    pub gpu: MicroUnits,
    /// One core.
    pub cpu: MicroUnits,
    /// One GiB of memory.
    pub memory_gi: MicroUnits,
    /// One GiB of ephemeral storage.
    pub storage_gi: MicroUnits,
    /// Least price of one device; a lease never costs less than this times its devices.
    pub floor_gpu: MicroUnits,
}

/// Least common multiple of a core's 1000 thousandths and a GiB's 1024 MiB, so that one division rounds the whole sum.
const PARTS: u128 = 128_000;

impl PriceList {
    /// The rate of one lot: the sum of price times need over all replicas, rounded up, at least the floor.
    ///
    /// # Errors
    /// The sum is zero or above [`RatePerHour::MAX`].
    pub fn rate(&self, needs: &Needs) -> Result<RatePerHour, PriceError> {
        let replica = needs.replica();
        // 64 + 32 + 17 bits at most for each term, 16 more for the replicas: no product leaves 128 bits as long as prices and needs are
        // what a contract or a validated document can hold; beyond that they saturate and are refused as too high.
        let times = |price: MicroUnits, amount: u64, parts: u128| {
            u128::from(price.0)
                .saturating_mul(u128::from(amount))
                .saturating_mul(parts)
        };
        let parts = times(self.gpu, u64::from(replica.gpus), PARTS)
            .saturating_add(times(self.cpu, replica.cpu_milli, PARTS / 1000))
            .saturating_add(times(self.memory_gi, replica.memory_mib, PARTS / 1024))
            .saturating_add(times(self.storage_gi, replica.storage_mib, PARTS / 1024))
            .saturating_mul(u128::from(needs.replicas));
        let devices = u128::from(replica.gpus).saturating_mul(u128::from(needs.replicas));
        let floor = u128::from(self.floor_gpu.0).saturating_mul(devices);
        let price = parts.div_ceil(PARTS).max(floor);
        if price == 0 {
            return Err(PriceError::Zero);
        }
        u64::try_from(price)
            .ok()
            .and_then(|price| RatePerHour::new(price).ok())
            .ok_or(PriceError::TooHigh(price))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::core::documents::needs::GpuNeeds;

    fn needs(gpus: u16, cpu_milli: u64, memory_mib: u64, storage_mib: u64, replicas: u16) -> Needs {
        Needs {
            version: 1,
            gpu: GpuNeeds {
                count: gpus,
                ..GpuNeeds::default()
            },
            run_as_root: false,
            cpu_milli,
            memory_mib,
            storage_mib,
            replicas,
            regions: vec![],
            matching: None,
        }
    }

    fn list(gpu: &str, cpu: &str, memory: &str, storage: &str, floor: &str) -> PriceList {
        let [gpu, cpu, memory_gi, storage_gi, floor_gpu] =
            [gpu, cpu, memory, storage, floor].map(|text| text.parse().unwrap());
        PriceList {
            gpu,
            cpu,
            memory_gi,
            storage_gi,
            floor_gpu,
        }
    }

    #[test]
    fn a_price_is_the_sum_over_all_replicas() {
        let rate =
            list("1.90", "0.01", "0.002", "0.0001", "0").rate(&needs(2, 4000, 16 * 1024, 10 * 1024, 3));
        // (2 * 1.90 + 4 * 0.01 + 16 * 0.002 + 10 * 0.0001) * 3
        assert_eq!(rate.unwrap().get(), 11_619_000);
    }

    #[test]
    fn a_fraction_of_a_micro_unit_is_rounded_up_once() {
        let prices = list("0", "0.000001", "0.000001", "0.000001", "0");
        assert_eq!(prices.rate(&needs(0, 1, 1, 1, 1)).unwrap().get(), 1);
        assert_eq!(prices.rate(&needs(0, 500, 512, 1, 1)).unwrap().get(), 2);
    }

    #[test]
    fn a_price_below_the_floor_becomes_the_floor() {
        assert_eq!(
            list("1", "0", "0", "0", "1.1")
                .rate(&needs(2, 1, 1, 1, 2))
                .unwrap()
                .get(),
            4_400_000
        );
    }

    #[test]
    fn a_free_lease_is_refused_and_so_is_one_no_contract_can_hold() {
        assert_eq!(
            PriceList::default().rate(&needs(1, 1, 1, 1, 1)),
            Err(PriceError::Zero)
        );
        let dear = PriceList {
            gpu: MicroUnits(u64::MAX),
            ..PriceList::default()
        };
        assert_eq!(
            dear.rate(&needs(1, 1, 1, 1, 1)),
            Err(PriceError::TooHigh(u128::from(u64::MAX)))
        );
    }

    proptest! {
        #[test]
        fn more_needs_never_cost_less_and_no_price_panics(
            prices: [u64; 5], gpus in 0u16..64, cpu: u64, memory: u64, storage: u64, replicas in 1u16..1024, more in 0u64..1000,
        ) {
            let [gpu, cpu_price, memory_gi, storage_gi, floor_gpu] = prices.map(MicroUnits);
            let list = PriceList { gpu, cpu: cpu_price, memory_gi, storage_gi, floor_gpu };
            let small = list.rate(&needs(gpus, cpu, memory, storage, replicas));
            let large = list.rate(&needs(gpus, cpu.saturating_add(more), memory, storage, replicas));
            if let (Ok(small), Ok(large)) = (small, large) {
                prop_assert!(large >= small);
            }
        }

        #[test]
        fn rounding_up_adds_less_than_one_micro_unit(cpu_price in 1u64..1 << 40, cpu in 1u64..1_000_000, replicas in 1u16..1024) {
            let list = PriceList { cpu: MicroUnits(cpu_price), ..PriceList::default() };
            let exact = u128::from(cpu_price) * u128::from(cpu) * u128::from(replicas);
            if let Ok(rate) = list.rate(&needs(0, cpu, 1, 1, replicas)) {
                let charged = u128::from(rate.get()) * 1000;
                prop_assert!(charged >= exact && charged < exact + 1000);
            }
        }
    }
}
