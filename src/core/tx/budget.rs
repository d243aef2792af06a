//! Who may spend from a wallet, and how much gas speculation may burn. May stop bids only: a duty toward a running lease never
//! stops for a budget.

use thiserror::Error;

use super::{IntentKind, Record};
use crate::core::time::UnixMillis;

/// The window of the gas budget.
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Why a wallet does not pay for something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpendError {
    /// The namespace is not listed.
    #[error(
        "wallet {wallet}: namespace {namespace:?} may not spend from it; add it to the wallet's spec.allowedNamespaces"
    )]
    NamespaceNotAllowed {
        /// `namespace/name` of the wallet.
        wallet: String,
        /// Who asked.
        namespace: String,
    },
    /// The day's gas for bids is used up.
    #[error(
        "wallet {wallet}: spec.limits.gasPerDay allows {limit} wei, {committed} wei are spent or committed in the last 24 h and this needs up to {needed} wei more; bids go on when older ones leave the window"
    )]
    GasBudgetExhausted {
        /// `namespace/name` of the wallet.
        wallet: String,
        /// Wei a day.
        limit: u128,
        /// Wei of the last 24 hours.
        committed: u128,
        /// Wei this one may cost.
        needed: u128,
    },
}

/// Wei of gas that transactions created in the last 24 hours have cost, or can still cost while they wait.
#[must_use]
pub fn gas_committed_since(list: &[Record], now: UnixMillis) -> u128 {
    list.iter()
        .filter(|record| now.millis_since(record.created) < DAY_MILLIS)
        .fold(0u128, |sum, record| sum.saturating_add(record.gas_cost()))
}

/// Whether the day's budget lets this kind go ahead. `limit` none means no budget.
///
/// # Errors
/// A speculative kind whose worst case would exceed the limit.
pub fn may_spend(
    wallet: &str,
    kind: IntentKind,
    limit: Option<u128>,
    committed: u128,
    needed: u128,
) -> Result<(), SpendError> {
    match limit {
        Some(limit) if kind.is_speculative() && committed.saturating_add(needed) > limit => {
            Err(SpendError::GasBudgetExhausted {
                wallet: wallet.to_owned(),
                limit,
                committed,
                needed,
            })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tx::record::testing::{mined, record};
    use crate::core::tx::{IntentKind, Phase};

    #[test]
    fn a_bid_stops_at_the_budget_and_a_duty_never_does() {
        let limit = Some(1_000);
        assert!(may_spend("a/w", IntentKind::PostBid, limit, 900, 100).is_ok());
        assert!(matches!(
            may_spend("a/w", IntentKind::PostBid, limit, 900, 101),
            Err(SpendError::GasBudgetExhausted { limit: 1_000, .. })
        ));
        for kind in IntentKind::ALL.into_iter().filter(|kind| !kind.is_speculative()) {
            assert!(may_spend("a/w", kind, limit, u128::MAX, u128::MAX).is_ok());
        }
    }

    #[test]
    fn what_waits_counts_at_its_worst_and_what_is_mined_at_its_price_with_the_rollups_data_fee() {
        let waiting = record(1, 1);
        let mut done = record(2, 2);
        done.phase = Phase::Final;
        done.mined = Some(mined(1, 9));
        let mut lost = record(3, 3);
        lost.phase = Phase::Abandoned;
        let list = [waiting, done, lost];
        assert_eq!(
            gas_committed_since(&list, UnixMillis(1)),
            100_000 * 100 + 50_000 * 10 + 7
        );
        assert_eq!(gas_committed_since(&list, UnixMillis(86_400_000)), 0);
    }
}
