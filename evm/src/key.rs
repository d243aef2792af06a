//! Keys that sign digests as wallets do, thousands in a second. May not be used for money.

use revm::primitives::{Address, B256, keccak256};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use thiserror::Error;

/// Why a number is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is no private key: give a number from 1 to the order of secp256k1, less one")]
pub struct KeyError(B256);

/// A private key and its address.
#[derive(Debug, Clone)]
pub struct Key {
    secret: SecretKey,
    address: Address,
}

impl Key {
    /// The key of a number.
    ///
    /// # Errors
    /// Zero, or not below the curve's order.
    pub fn new(number: B256) -> Result<Self, KeyError> {
        let secret = SecretKey::from_byte_array(number.0).map_err(|_| KeyError(number))?;
        let public = PublicKey::from_secret_key(SECP256K1, &secret).serialize_uncompressed();
        let [_, point @ ..] = public;
        let [_, _, _, _, _, _, _, _, _, _, _, _, address @ ..] = keccak256(point).0;
        Ok(Self {
            secret,
            address: Address::from(address),
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// r, s and v (27 or 28), s low.
    #[must_use]
    pub fn sign(&self, digest: B256) -> [u8; 65] {
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.secret);
        let (recovery, bytes) = signature.serialize_compact();
        let mut whole = [0; 65];
        for (to, from) in whole.iter_mut().zip(bytes) {
            *to = from;
        }
        if let Some(v) = whole.last_mut() {
            *v = if i32::from(recovery) % 2 == 0 { 27 } else { 28 };
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use revm::primitives::{address, b256};

    use super::*;

    #[test]
    fn a_well_known_key_has_its_well_known_address() {
        // Account 0 of the mnemonic "test test test test test test test test test test test junk".
        let key = Key::new(b256!(
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
        ))
        .unwrap();
        assert_eq!(
            key.address(),
            address!("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
        );
        assert_eq!(key.sign(B256::repeat_byte(3)), key.sign(B256::repeat_byte(3)));
        assert!(Key::new(B256::ZERO).is_err());
    }
}
