//! Keys as objects that sign. Exists so that nothing else ever sees a private key: what comes in is the bytes of a Secret, what
//! goes out are signatures. May not show a key, or a part of one, in an error, a log or `Debug`.

use std::fmt;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{Address, B256, Bytes, Signature, TxKind},
    signers::{Signer, local::PrivateKeySigner},
};
use futures::future::BoxFuture;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::core::{
    ids::ChainId,
    tx::{Call, Fees, Version},
};

/// Why something was not signed. No variant holds key material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignerError {
    /// Not 64 hex digits.
    #[error(
        "{origin} is not a private key: expected 64 hexadecimal digits, with or without 0x, and found {found}; write the key as `openssl rand -hex 32` prints it"
    )]
    NotHex {
        /// Where it comes from, in words.
        origin: String,
        /// What is there instead, without showing it: a length or the place of a wrong digit.
        found: String,
    },
    /// 32 bytes that are no key.
    #[error(
        "{origin} is not a private key: zero and numbers from the order of secp256k1 upward are none; make a new key"
    )]
    NotAKey {
        /// Where it comes from, in words.
        origin: String,
    },
    /// The signer failed.
    #[error("signing with {address} failed: {message}")]
    Failed {
        /// Whose signature was asked for.
        address: Address,
        /// What the signer said.
        message: String,
    },
}

/// Something that signs for one address: a local key here; a KMS later takes the same two methods.
pub trait WalletSigner: Send + Sync + fmt::Debug {
    /// The address it signs for.
    fn address(&self) -> Address;

    /// Signs a 32-byte digest as it is: an EIP-712 hash, or a transaction's signature hash.
    fn sign_digest(&self, digest: B256) -> BoxFuture<'_, Result<Signature, SignerError>>;
}

/// A private key in this process's memory, wiped when dropped.
pub struct LocalKey(PrivateKeySigner);

impl LocalKey {
    /// Reads a key from the bytes of a Secret's entry, which are wiped. White space at the ends is allowed, since most editors
    /// and `kubectl create secret --from-file` leave a newline. `origin` names the place in errors, for example
    /// `Secret market/duty, key privateKey`.
    ///
    /// # Errors
    /// Not 64 hex digits, or a number that is no key.
    pub fn from_secret(mut bytes: Vec<u8>, origin: &str) -> Result<Self, SignerError> {
        let key = decode(&bytes);
        bytes.zeroize();
        let key = key.map_err(|found| SignerError::NotHex {
            origin: origin.to_owned(),
            found,
        })?;
        PrivateKeySigner::from_slice(key.as_slice())
            .map(Self)
            .map_err(|_| SignerError::NotAKey {
                origin: origin.to_owned(),
            })
    }
}

/// The 32 bytes, or what is wrong with the text without showing any of it.
fn decode(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, String> {
    let text = bytes.trim_ascii();
    let digits = text
        .strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
        .unwrap_or(text);
    if digits.is_empty() {
        return Err("nothing".to_owned());
    }
    if digits.len() != 64 {
        return Err(format!("{} characters", digits.len()));
    }
    let mut key = Zeroizing::new([0u8; 32]);
    alloy::hex::decode_to_slice(digits, key.as_mut_slice())
        .map_err(|_| "a character that is no hexadecimal digit".to_owned())?;
    Ok(key)
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalKey").field(&self.0.address()).finish()
    }
}

impl WalletSigner for LocalKey {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign_digest(&self, digest: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        Box::pin(async move {
            self.0
                .sign_hash(&digest)
                .await
                .map_err(|error| SignerError::Failed {
                    address: self.0.address(),
                    message: error.to_string(),
                })
        })
    }
}

/// Signs one version of a transaction (EIP-1559, type 2). Nonce, fees, gas limit and chain id are all explicit: nothing is filled in.
///
/// # Errors
/// The signer failed.
pub async fn sign_version(
    signer: &dyn WalletSigner,
    chain: ChainId,
    nonce: u64,
    call: &Call,
    gas_limit: u64,
    fees: Fees,
) -> Result<Version, SignerError> {
    let unsigned = TxEip1559 {
        chain_id: chain.0,
        nonce,
        gas_limit,
        max_fee_per_gas: fees.max_fee,
        max_priority_fee_per_gas: fees.tip,
        to: TxKind::Call(call.to),
        value: call.value,
        access_list: Default::default(),
        input: call.data.clone(),
    };
    let signature = signer.sign_digest(unsigned.signature_hash()).await?;
    let signed = TxEnvelope::from(unsigned.into_signed(signature));
    Ok(Version {
        hash: *signed.tx_hash(),
        raw: Bytes::from(signed.encoded_2718()),
        fees,
    })
}

/// Whose key signed these bytes; none if they are no signed transaction.
#[must_use]
pub fn signer_of(raw: &Bytes) -> Option<Address> {
    let signed = TxEnvelope::decode_2718(&mut raw.as_ref()).ok()?;
    signed
        .signature()
        .recover_address_from_prehash(&signed.signature_hash())
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use alloy::{
        consensus::Transaction,
        primitives::{U256, address, keccak256},
    };
    use proptest::prelude::*;

    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ORIGIN: &str = "Secret market/duty, key privateKey";

    fn key(text: &str) -> Result<LocalKey, SignerError> {
        LocalKey::from_secret(text.as_bytes().to_vec(), ORIGIN)
    }

    #[test]
    fn a_key_is_read_with_and_without_prefix_and_newline() {
        for text in [
            KEY.to_owned(),
            format!("0x{KEY}"),
            format!("0x{KEY}\n"),
            format!(" {KEY}\r\n"),
            KEY.to_uppercase(),
        ] {
            assert_eq!(
                key(&text).unwrap().address(),
                address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
            );
        }
    }

    #[test]
    fn what_is_no_key_is_named_by_its_place_and_never_shown() {
        for text in [
            "",
            "\n",
            "hunter2hunter2",
            &KEY[1..],
            &format!("{KEY}00"),
            &KEY.replace('a', "g"),
            "0x",
            &"0".repeat(64),
            &"f".repeat(64),
        ] {
            let error = key(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(ORIGIN), "{shown}");
            for at in 0..text.len().saturating_sub(6) {
                let part = &text[at..at + 6];
                assert!(
                    part == "000000" || part == "ffffff" || !shown.contains(part),
                    "{shown} shows {part}"
                );
            }
        }
        assert!(!format!("{:?}", key(KEY).unwrap()).contains(&KEY[..8]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..140)) {
            let read = LocalKey::from_secret(bytes, ORIGIN);
            prop_assert!(read.is_ok() || read.is_err());
        }
    }

    #[tokio::test]
    async fn the_signed_bytes_say_exactly_what_was_asked_and_by_whom() {
        let signer = key(KEY).unwrap();
        let call = Call {
            to: Address::repeat_byte(7),
            data: Bytes::from_static(&[1, 2, 3, 4]),
            value: U256::from(5),
        };
        let fees = Fees {
            max_fee: 1_000,
            tip: 9,
        };
        let version = sign_version(&signer, ChainId(31_337), 42, &call, 77_000, fees)
            .await
            .unwrap();
        assert_eq!(version.hash, keccak256(&version.raw));
        let read = TxEnvelope::decode_2718(&mut version.raw.as_ref()).unwrap();
        assert_eq!(signer_of(&version.raw).unwrap(), signer.address());
        assert_eq!(
            (read.chain_id(), read.nonce(), read.gas_limit(), read.to()),
            (Some(31_337), 42, 77_000, Some(call.to))
        );
        assert_eq!(
            (
                read.max_fee_per_gas(),
                read.max_priority_fee_per_gas(),
                read.value()
            ),
            (1_000, Some(9), call.value)
        );
        assert_eq!(read.input(), &call.data);
    }

    #[tokio::test]
    async fn a_digest_is_signed_as_it_is() {
        let signer = key(KEY).unwrap();
        let digest = keccak256("anything");
        let signature = signer.sign_digest(digest).await.unwrap();
        assert_eq!(
            signature.recover_address_from_prehash(&digest).unwrap(),
            signer.address()
        );
    }
}
