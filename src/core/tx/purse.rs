//! Whether a wallet can pay for what comes next, with room between yes and no so that the answer does not flicker.

use alloy::primitives::U256;

/// Gas of about ten ordinary transactions: what a wallet should be able to pay at any time.
const RESERVE_GAS: u128 = 1_500_000;

/// Whether the wallet holds coin for the next transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// It does.
    Funded,
    /// It does not: new work should stop, running leases go on as long as it lasts.
    Low,
}

/// Judges a balance in wei against the reserve at this price (wei for a unit of gas). A wallet that was low has to hold half as
/// much again before it counts as funded.
#[must_use]
pub fn judge_balance(balance: U256, max_fee: u128, before: Option<Purse>) -> Purse {
    let reserve = U256::from(RESERVE_GAS).saturating_mul(U256::from(max_fee));
    let wanted = match before {
        Some(Purse::Low) => reserve.saturating_add(reserve >> 1),
        Some(Purse::Funded) | None => reserve,
    };
    if balance >= wanted {
        Purse::Funded
    } else {
        Purse::Low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_at_the_edge_does_not_flicker() {
        let edge = U256::from(RESERVE_GAS * 10);
        assert_eq!(judge_balance(edge, 10, None), Purse::Funded);
        assert_eq!(judge_balance(edge, 10, Some(Purse::Funded)), Purse::Funded);
        assert_eq!(judge_balance(edge, 11, Some(Purse::Funded)), Purse::Low);
        assert_eq!(judge_balance(edge, 10, Some(Purse::Low)), Purse::Low);
        assert_eq!(
            judge_balance(edge + (edge >> 1), 10, Some(Purse::Low)),
            Purse::Funded
        );
    }

    #[test]
    fn an_empty_wallet_is_low_at_any_price_above_nothing() {
        assert_eq!(judge_balance(U256::ZERO, 1, None), Purse::Low);
        assert_eq!(judge_balance(U256::MAX, u128::MAX, None), Purse::Funded);
    }
}
