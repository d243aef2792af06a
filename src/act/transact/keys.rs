//! From a ComputeWallet to something that signs. The key's bytes live from the Secret's answer to the signer and are wiped; they
//! are read anew each time, so that a Secret taken away stops signing at once.

use std::sync::Arc;

use kube::Client;
use thiserror::Error;
use zeroize::Zeroize;

use super::objects::{self, ObjectError};
use crate::{
    api::ComputeWallet,
    chain_io::signer::{LocalKey, SignerError, WalletSigner},
};

/// Why a wallet has no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The Secret is not there.
    #[error(
        "Secret {namespace}/{name}, named by ComputeWallet {wallet}, does not exist: create it with the private key under {key:?}"
    )]
    NoSecret {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// The wallet that names it.
        wallet: String,
        /// The entry it should have.
        key: String,
    },
    /// The Secret lacks the entry.
    #[error(
        "Secret {namespace}/{name} has no key {key:?}, which ComputeWallet {wallet} names in spec.signer.secretRef; it has {present}"
    )]
    NoEntry {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// The missing entry.
        key: String,
        /// The wallet that names it.
        wallet: String,
        /// The names of the entries it has.
        present: String,
    },
    /// We may not read the Secret.
    #[error(
        "Secret {namespace}/{name}, named by ComputeWallet {wallet}, may not be read: bind a Role with get on exactly this Secret to the operator's service account"
    )]
    Forbidden {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// The wallet that names it.
        wallet: String,
    },
    /// The entry is no key.
    #[error(transparent)]
    NotAKey(#[from] SignerError),
    /// The API server did not answer.
    #[error(transparent)]
    Object(ObjectError),
}

/// Reads the wallet's key.
pub(super) async fn load(client: &Client, wallet: &ComputeWallet) -> Result<Arc<dyn WalletSigner>, KeyError> {
    let namespace = wallet.metadata.namespace.clone().unwrap_or_default();
    let shown = wallet.metadata.name.clone().unwrap_or_default();
    let reference = &wallet.spec.signer.secret_ref;
    let (name, key) = (reference.name.clone(), reference.key.clone());
    let secret = match objects::secret(client, &namespace, &name).await {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            return Err(KeyError::NoSecret {
                namespace,
                name,
                wallet: shown,
                key,
            });
        }
        Err(error) if error.code() == Some(403) => {
            return Err(KeyError::Forbidden {
                namespace,
                name,
                wallet: shown,
            });
        }
        Err(error) => return Err(KeyError::Object(error)),
    };
    let mut data = secret.data.unwrap_or_default();
    let found = data.remove(&key);
    let present: Vec<String> = data.keys().map(|name| format!("{name:?}")).collect();
    for other in data.values_mut() {
        other.0.zeroize();
    }
    let Some(bytes) = found else {
        return Err(KeyError::NoEntry {
            namespace,
            name,
            key,
            wallet: shown,
            present: if present.is_empty() {
                "none".to_owned()
            } else {
                present.join(", ")
            },
        });
    };
    let origin = format!("Secret {namespace}/{name}, key {key}");
    Ok(Arc::new(LocalKey::from_secret(bytes.0, &origin)?))
}
