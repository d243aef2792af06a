//! The EIP-712 domain of a deployment, digests in it, and who signed one. May not hold a key.

use alloy::{
    primitives::{Address, B256, Signature},
    sol_types::{Eip712Domain, SolStruct, eip712_domain},
};
use thiserror::Error;

use crate::core::ids::ChainId;

/// Why a signature names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not r, s and v.
    #[error(
        "signature has {0} bytes: give r, s and v, 65 bytes; a contract wallet (ERC-1271) sends a transaction instead"
    )]
    Length(usize),
    /// v is neither 27 nor 28.
    #[error("signature has v = {0}: give 27 or 28, as the contract takes it")]
    RecoveryId(u8),
    /// s is in the upper half of the curve's order (EIP-2).
    #[error("signature has a high s: give the low one of the two, as the contract takes no other (EIP-2)")]
    HighS,
    /// No public key fits.
    #[error("signature fits no key: sign the digest again")]
    NoKey,
}

/// The domain every act of this market is signed in: name "Leaseport", version "1" (contracts: LeaseBook).
#[must_use]
pub fn domain(chain: ChainId, lease_book: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Leaseport",
        version: "1",
        chain_id: chain.0,
        verifying_contract: lease_book,
    }
}

/// What a wallet signs: `keccak256(0x1901 | domain separator | struct hash)` (EIP-712).
#[must_use]
pub fn digest<S: SolStruct>(act: &S, domain: &Eip712Domain) -> B256 {
    act.eip712_signing_hash(domain)
}

/// Who signed a digest, under the contract's rules: 65 bytes, v 27 or 28, low s. Never the zero address.
///
/// # Errors
/// The contract would refuse the signature too; each variant says why.
pub fn recover(digest: B256, signature: &[u8]) -> Result<Address, SignatureError> {
    let raw: &[u8; 65] = signature
        .try_into()
        .map_err(|_| SignatureError::Length(signature.len()))?;
    let [.., v] = *raw;
    if !matches!(v, 27 | 28) {
        return Err(SignatureError::RecoveryId(v));
    }
    let parsed = Signature::from_raw_array(raw).map_err(|_| SignatureError::NoKey)?;
    if parsed.normalize_s().is_some() {
        return Err(SignatureError::HighS);
    }
    let signer = parsed
        .recover_address_from_prehash(&digest)
        .map_err(|_| SignatureError::NoKey)?;
    if signer.is_zero() {
        Err(SignatureError::NoKey)
    } else {
        Ok(signer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::{
        primitives::{U256, address, b256},
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use proptest::prelude::*;

    use super::*;

    /// Order n of secp256k1.
    const N: U256 = U256::from_be_bytes(alloy::primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));

    fn signed(digest: B256) -> (Address, [u8; 65]) {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        (
            signer.address(),
            signer.sign_hash_sync(&digest).unwrap().as_bytes(),
        )
    }

    #[test]
    fn the_signer_of_a_digest_is_found() {
        let digest = B256::repeat_byte(3);
        let (address, signature) = signed(digest);
        assert_eq!(recover(digest, &signature), Ok(address));
        assert_ne!(recover(B256::repeat_byte(4), &signature), Ok(address));
    }

    #[test]
    fn the_twin_of_a_signature_with_high_s_is_refused() {
        let digest = B256::repeat_byte(3);
        let (_, mut signature) = signed(digest);
        let s = U256::from_be_slice(&signature[32..64]);
        signature[32..64].copy_from_slice(&(N - s).to_be_bytes::<32>());
        signature[64] = if signature[64] == 27 { 28 } else { 27 };
        assert_eq!(recover(digest, &signature), Err(SignatureError::HighS));
    }

    #[test]
    fn a_signature_the_contract_would_not_take_is_refused_here_too() {
        let digest = B256::repeat_byte(3);
        let (_, mut signature) = signed(digest);
        signature[64] -= 27;
        assert_eq!(
            recover(digest, &signature),
            Err(SignatureError::RecoveryId(signature[64]))
        );
        assert_eq!(recover(digest, &signature[..64]), Err(SignatureError::Length(64)));
    }

    #[test]
    fn the_domain_separator_is_that_of_eip_712() {
        let domain = domain(
            ChainId(31337),
            address!("0x00000000000000000000000000000000000000aa"),
        );
        let type_hash = alloy::primitives::keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        );
        let mut encoded = Vec::new();
        encoded.extend_from_slice(type_hash.as_slice());
        encoded.extend_from_slice(alloy::primitives::keccak256("Leaseport").as_slice());
        encoded.extend_from_slice(alloy::primitives::keccak256("1").as_slice());
        encoded.extend_from_slice(&U256::from(31337).to_be_bytes::<32>());
        encoded.extend_from_slice(
            b256!("0x00000000000000000000000000000000000000000000000000000000000000aa").as_slice(),
        );
        assert_eq!(domain.separator(), alloy::primitives::keccak256(encoded));
    }

    proptest! {
        #[test]
        fn no_bytes_make_recovery_panic_and_nobody_is_never_found(digest: [u8; 32], bytes in prop::collection::vec(any::<u8>(), 63..67), v in 27u8..29) {
            let mut bytes = bytes;
            if let Some(last) = bytes.last_mut() {
                *last = v;
            }
            if let Ok(signer) = recover(digest.into(), &bytes) {
                prop_assert!(!signer.is_zero());
            }
        }
    }
}
