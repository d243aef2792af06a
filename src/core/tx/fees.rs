//! EIP-1559 fees: the first offer, the least replacement a mempool takes, and the cap above both. May not read a chain; all
//! arithmetic saturates in u128 wei per gas.

use std::time::Duration;

/// What a version pays, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fees {
    /// `maxFeePerGas`.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`, never above `max_fee`.
    pub tip: u128,
}

/// What the chain asks at the moment, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeeQuote {
    /// Base fee of the newest block.
    pub base_fee: u128,
    /// Tip that gets included soon (`eth_maxPriorityFeePerGas`).
    pub tip: u128,
}

/// How much we are willing to pay and when we raise (`ComputeMarket.spec.fees`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeePolicy {
    /// The most a version may offer, in wei per gas.
    pub max_fee_cap: u128,
    /// How long the next transaction in line waits for a block before it is replaced at a higher fee.
    pub replace_after: Duration,
    /// How often bytes that are not in a block are sent again.
    pub rebroadcast_after: Duration,
}

impl Default for FeePolicy {
    fn default() -> Self {
        Self {
            max_fee_cap: 100_000_000_000,
            replace_after: Duration::from_secs(30),
            rebroadcast_after: Duration::from_secs(30),
        }
    }
}

impl Fees {
    /// Whether a block with this base fee can take it.
    #[must_use]
    pub const fn covers(self, base_fee: u128) -> bool {
        self.max_fee >= base_fee
    }
}

/// The first offer: twice the base fee plus the tip, which survives six full blocks in a row (each raises the base fee by at
/// most an eighth), cut at the cap. Below the base fee it is a promise to wait; see [`Fees::covers`].
#[must_use]
pub fn first_fees(quote: FeeQuote, policy: &FeePolicy) -> Fees {
    let max_fee = quote
        .base_fee
        .saturating_mul(2)
        .saturating_add(quote.tip)
        .min(policy.max_fee_cap);
    Fees {
        max_fee,
        tip: quote.tip.min(max_fee),
    }
}

/// The next offer for the same nonce, none where the cap leaves no room for the least raise that every mempool takes.
/// Both fields rise by at least a tenth, rounded up, and at least one wei (geth and reth: 10 %, reth rounds up).
#[must_use]
pub fn replacement_fees(old: Fees, quote: FeeQuote, policy: &FeePolicy) -> Option<Fees> {
    let least = Fees {
        max_fee: raised(old.max_fee),
        tip: raised(old.tip),
    };
    if least.max_fee > policy.max_fee_cap || least.tip > policy.max_fee_cap || least.max_fee <= old.max_fee {
        return None;
    }
    let wanted = first_fees(quote, policy);
    let tip = wanted.tip.max(least.tip);
    Some(Fees {
        max_fee: wanted.max_fee.max(least.max_fee).max(tip),
        tip,
    })
}

/// A gas limit with a fifth to spare over the estimate: state moves between simulation and inclusion.
#[must_use]
pub const fn gas_limit_for(estimate: u64) -> u64 {
    estimate.saturating_add(estimate.div_ceil(5))
}

fn raised(wei: u128) -> u128 {
    // ceil(110 %) as wei + ceil(wei / 10): no overflow on the way for any value below the saturation point.
    wei.saturating_add(wei.div_ceil(10)).max(wei.saturating_add(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn policy(max_fee_cap: u128) -> FeePolicy {
        FeePolicy {
            max_fee_cap,
            ..FeePolicy::default()
        }
    }

    proptest! {
        #[test]
        fn no_offer_exceeds_the_cap_or_tips_more_than_it_pays(base_fee: u128, tip: u128, cap: u128) {
            let fees = first_fees(FeeQuote { base_fee, tip }, &policy(cap));
            prop_assert!(fees.max_fee <= cap);
            prop_assert!(fees.tip <= fees.max_fee);
        }

        #[test]
        fn a_replacement_is_at_least_a_tenth_and_a_wei_dearer_in_both_fields_and_below_the_cap(
            max_fee: u128, tip_share in 0u8..=255, base_fee: u128, quoted: u128, cap: u128,
        ) {
            let old = Fees { max_fee, tip: max_fee / 255 * u128::from(tip_share) };
            if let Some(new) = replacement_fees(old, FeeQuote { base_fee, tip: quoted }, &policy(cap)) {
                prop_assert!(new.max_fee > old.max_fee && new.tip > old.tip);
                prop_assert!(new.max_fee - old.max_fee >= old.max_fee.div_ceil(10));
                prop_assert!(new.tip - old.tip >= old.tip.div_ceil(10));
                prop_assert!(new.tip <= new.max_fee && new.max_fee <= cap);
            }
        }

        #[test]
        fn replacing_goes_forward_and_ends_at_the_cap(start in 0u128..1 << 40, cap in 1u128..1 << 50) {
            let quote = FeeQuote { base_fee: 0, tip: 0 };
            let mut fees = Fees { max_fee: start.min(cap), tip: 0 };
            let mut steps = 0;
            while let Some(next) = replacement_fees(fees, quote, &policy(cap)) {
                prop_assert!(next.max_fee > fees.max_fee);
                fees = next;
                steps += 1;
                prop_assert!(steps < 600);
            }
            // What stopped it is the cap and nothing else.
            prop_assert!(raised(fees.max_fee) > cap || raised(fees.tip) > cap);
        }

        #[test]
        fn a_gas_limit_never_wraps_and_is_never_below_the_estimate(estimate: u64) {
            prop_assert!(gas_limit_for(estimate) >= estimate);
        }
    }

    #[test]
    fn a_tenth_is_rounded_up_as_reth_asks() {
        let quote = FeeQuote { base_fee: 0, tip: 0 };
        let new = replacement_fees(
            Fees {
                max_fee: 1_001,
                tip: 1,
            },
            quote,
            &policy(10_000),
        )
        .unwrap();
        assert_eq!(
            new,
            Fees {
                max_fee: 1_102,
                tip: 2
            }
        );
        assert_eq!(
            replacement_fees(Fees { max_fee: 100, tip: 0 }, quote, &policy(109)),
            None,
            "a cap below the least raise means waiting, not a raise no mempool takes"
        );
    }

    #[test]
    fn a_replacement_follows_the_market_when_the_market_asks_more_than_the_least_raise() {
        let quote = FeeQuote {
            base_fee: 1_000,
            tip: 7,
        };
        let new = replacement_fees(Fees { max_fee: 100, tip: 1 }, quote, &policy(1_500)).unwrap();
        assert_eq!(
            new,
            Fees {
                max_fee: 1_500,
                tip: 7
            }
        );
        assert_eq!(gas_limit_for(100_001), 120_002);
    }
}
