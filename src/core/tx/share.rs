//! A key has one user (architecture: rule 4): of several wallets that name one key the first keeps it and the others stand still, so
//! that two lists of nonces never draw on one account. May not judge keys that a stranger outside the cluster uses; nonces do.

use alloy::primitives::Address;

use crate::core::time::UnixMillis;

/// A wallet that names a key. Ordered by who came first; names break a tie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// When the wallet was created.
    pub created: UnixMillis,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key's address.
    pub address: Address,
}

/// The wallet that keeps the key in place of this one; none when this one does. All claims are of wallets on one chain.
#[must_use]
pub fn kept_by<'a>(ours: &Claim, claims: &'a [Claim]) -> Option<&'a Claim> {
    claims
        .iter()
        .filter(|other| other.address == ours.address)
        .min()
        .filter(|first| *first < ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(created: i64, name: &str, key: u8) -> Claim {
        Claim {
            created: UnixMillis(created),
            namespace: "gpu".into(),
            name: name.into(),
            address: Address::with_last_byte(key),
        }
    }

    #[test]
    fn of_wallets_with_one_key_exactly_the_first_keeps_it() {
        let claims = [
            claim(2, "bids", 1),
            claim(1, "duty", 1),
            claim(1, "east", 1),
            claim(0, "other", 9),
        ];
        assert_eq!(kept_by(&claims[0], &claims), Some(&claims[1]));
        assert_eq!(kept_by(&claims[2], &claims), Some(&claims[1]));
        assert_eq!(kept_by(&claims[1], &claims), None);
        assert_eq!(kept_by(&claims[3], &claims), None);
    }

    #[test]
    fn a_wallet_alone_with_its_key_keeps_it_whether_or_not_it_is_among_the_claims() {
        assert_eq!(kept_by(&claim(5, "duty", 1), &[]), None);
        assert_eq!(kept_by(&claim(5, "duty", 1), &[claim(5, "duty", 1)]), None);
    }
}
