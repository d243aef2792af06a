//! A contract's refusal in words: the custom error of the committed ABI with its values. May not judge whether to try again.

use alloy::sol_types::SolInterface;

use super::bindings::{LeaseBook, StakeVault};

/// `Lane_Busy(providerId: 7, lane: 0, …)` for revert data that LeaseBook or StakeVault knows; none for any other.
#[must_use]
pub fn explain(data: &[u8]) -> Option<String> {
    if let Ok(error) = LeaseBook::LeaseBookErrors::abi_decode(data) {
        return Some(unwrapped(&format!("{error:?}")));
    }
    StakeVault::StakeVaultErrors::abi_decode(data).ok().map(|error| unwrapped(&format!("{error:?}")))
}

/// `Lane_Busy(Lane_Busy { … })` says its name twice.
fn unwrapped(text: &str) -> String {
    let inner = text.split_once('(').map_or(text, |(_, rest)| rest.strip_suffix(')').unwrap_or(rest));
    inner.chars().take(512).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::SolError;

    #[test]
    fn a_custom_error_is_told_with_its_name_and_values() {
        let data = LeaseBook::Order_NotExpired { expiry: 7 }.abi_encode();
        assert_eq!(explain(&data).as_deref(), Some("Order_NotExpired { expiry: 7 }"));
        assert_eq!(explain(&[1, 2, 3]), None);
    }
}
