//! What tenant and gateway say to each other in JSON, so that both sides compile against one shape. Neither signed nor hashed here:
//! the request signature covers the body, the manifest inside has its own hash. May not send or store anything.

use std::{collections::BTreeMap, fmt};

use alloy::primitives::{B256, Bytes, keccak256};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    manifest::{Manifest, ManifestError},
    needs::Needs,
};
use crate::core::ids::{LeaseId, TermsHash};

/// The largest manifest, in bytes of its canonical form.
pub const LARGEST_MANIFEST: usize = 64 * 1024;
/// The most bytes of all secret values together.
pub const LARGEST_SECRETS: usize = 64 * 1024;
/// The largest body of any request to a gateway: a parcel in base64 and JSON, with room for escapes.
pub const LARGEST_BODY: usize = 512 * 1024;

/// Why a parcel is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParcelError {
    /// `manifest` is not base64.
    #[error("manifest is not base64: {0}; send the canonical bytes in base64 with padding")]
    NotBase64(String),
    /// The manifest is too large.
    #[error("manifest has {size} bytes, at most {LARGEST_MANIFEST}: put long scripts into the image")]
    ManifestTooLarge {
        /// In bytes.
        size: usize,
    },
    /// The secret values are too large.
    #[error(
        "the secret values have {size} bytes together, at most {LARGEST_SECRETS}: put files into the image or a volume"
    )]
    SecretsTooLarge {
        /// In bytes.
        size: usize,
    },
    /// Not a manifest, or more than the needs allow.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Another manifest than the order names.
    #[error(
        "the manifest's keccak-256 is {got}, the order names {want}: send the bytes that were hashed, salt included"
    )]
    WrongHash {
        /// Of the bytes that came.
        got: B256,
        /// On chain.
        want: B256,
    },
    /// A secret value that the manifest names did not come.
    #[error("no value for secret {name:?}, which the manifest names: add it under secrets")]
    SecretMissing {
        /// The secret's name.
        name: String,
    },
    /// A secret value came that the manifest does not name.
    #[error("secret {name:?} is named nowhere in the manifest: remove it or name it in a container's env")]
    SecretUnknown {
        /// The secret's name, shortened.
        name: String,
    },
}

impl ParcelError {
    /// A CamelCase word for problem documents.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotBase64(_) => "NotBase64",
            Self::ManifestTooLarge { .. } => "ManifestTooLarge",
            Self::SecretsTooLarge { .. } => "SecretsTooLarge",
            Self::Manifest(_) => "ManifestRefused",
            Self::WrongHash { .. } => "WrongManifestHash",
            Self::SecretMissing { .. } => "SecretMissing",
            Self::SecretUnknown { .. } => "SecretUnknown",
        }
    }
}

/// A manifest that fits its lease, with everything needed to keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    /// As it was hashed.
    pub canonical: Vec<u8>,
    /// keccak-256 of it.
    pub hash: B256,
    /// Secret values by name.
    pub secrets: BTreeMap<String, String>,
}

/// The body of `PUT /v1/leases/{id}/manifest`: the hashed document, and beside it the values that are not hashed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// The manifest's canonical bytes in base64.
    manifest: String,
    /// Secret values by name; all that the manifest names, none else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, String>,
}

impl Parcel {
    /// Packs canonical bytes and secret values.
    #[must_use]
    pub fn new(manifest: &[u8], secrets: BTreeMap<String, String>) -> Self {
        Self {
            manifest: STANDARD.encode(manifest),
            secrets,
        }
    }

    /// Opens the parcel for a lease: canonical, the hash on chain, within the needs, and all secret values there.
    ///
    /// # Errors
    /// The first [`ParcelError`] found.
    pub fn accept(&self, want: B256, needs: &Needs) -> Result<Accepted, ParcelError> {
        let canonical = self.manifest()?;
        let hash = keccak256(&canonical);
        if hash != want {
            return Err(ParcelError::WrongHash { got: hash, want });
        }
        let manifest = Manifest::decode(&canonical)?;
        manifest.fits(needs)?;
        let secrets = self.secrets(&manifest)?.clone();
        Ok(Accepted {
            canonical,
            hash,
            secrets,
        })
    }

    /// The manifest's bytes, not yet decoded.
    ///
    /// # Errors
    /// [`ParcelError::NotBase64`], [`ParcelError::ManifestTooLarge`].
    pub fn manifest(&self) -> Result<Vec<u8>, ParcelError> {
        // Bounded before it is decoded: four characters make three bytes.
        let size = self.manifest.len() / 4 * 3;
        if size > LARGEST_MANIFEST + 2 {
            return Err(ParcelError::ManifestTooLarge { size });
        }
        let bytes = STANDARD
            .decode(&self.manifest)
            .map_err(|e| ParcelError::NotBase64(e.to_string()))?;
        if bytes.len() > LARGEST_MANIFEST {
            return Err(ParcelError::ManifestTooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// The secret values, when they are exactly those the manifest names.
    ///
    /// # Errors
    /// [`ParcelError::SecretMissing`], [`ParcelError::SecretUnknown`], [`ParcelError::SecretsTooLarge`].
    pub fn secrets(&self, manifest: &Manifest) -> Result<&BTreeMap<String, String>, ParcelError> {
        let size = self
            .secrets
            .values()
            .map(String::len)
            .fold(0, usize::saturating_add);
        if size > LARGEST_SECRETS {
            return Err(ParcelError::SecretsTooLarge { size });
        }
        let named = manifest.secrets();
        if let Some(name) = named.iter().find(|name| !self.secrets.contains_key(**name)) {
            return Err(ParcelError::SecretMissing {
                name: (*name).to_owned(),
            });
        }
        match self.secrets.keys().find(|name| !named.contains(name.as_str())) {
            Some(name) => Err(ParcelError::SecretUnknown {
                name: name.chars().take(64).collect(),
            }),
            None => Ok(&self.secrets),
        }
    }
}

/// Values stay out of logs.
impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("manifest", &format_args!("{} characters", self.manifest.len()))
            .field("secrets", &self.secrets.keys())
            .finish()
    }
}

/// The answer to a manifest that was taken: 201 the first time, 200 for the same one again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestTaken {
    /// Which lease.
    pub lease_id: LeaseId,
    /// keccak-256 of the canonical bytes, equal to the one on chain.
    pub manifest_hash: B256,
    /// 1 for the manifest the chain knows; revisions count up.
    pub revision: u32,
    /// When it was first taken, RFC 3339.
    pub received_at: String,
}

/// The provider's signature over the final seconds: all a tenant needs for `closeBoth` (contracts: section 5, `Close`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseOffer {
    /// Which lease.
    pub lease_id: LeaseId,
    /// Under which terms.
    pub terms_hash: TermsHash,
    /// Billable seconds in all, as the provider counted them; compare before sending.
    pub cum: u32,
    /// Until when the signature holds, Unix seconds.
    pub deadline: u64,
    /// 65 bytes r, s, v by a report key of the provider over EIP-712 `Close`.
    pub signature: Bytes,
}

/// An error's body (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:leaseport:problem:` and the reason in kebab case.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reason as one CamelCase word; programs match this.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
}

impl Problem {
    /// A problem by its CamelCase reason.
    #[must_use]
    pub fn new(status: u16, reason: &str, detail: String) -> Self {
        let mut kind = String::from("urn:leaseport:problem:");
        for (at, letter) in reason.chars().enumerate() {
            if letter.is_ascii_uppercase() && at > 0 {
                kind.push('-');
            }
            kind.push(letter.to_ascii_lowercase());
        }
        Self {
            kind,
            title: reason.to_owned(),
            status,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn manifest(secrets: &[&str]) -> Manifest {
        let env: Vec<_> = secrets
            .iter()
            .map(|name| serde_json::json!({"name": name.to_uppercase(), "secret": name}))
            .collect();
        serde_json::from_value(serde_json::json!({
            "version": 1, "salt": format!("0x{}", "0".repeat(64)), "form": "Deployment", "replicas": 1,
            "containers": [{"name": "main", "image": "busybox", "env": env, "cpuMilli": 100, "memoryMiB": 64, "storageMiB": 64, "gpus": 0}],
        }))
        .unwrap()
    }

    fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn a_parcel_carries_exactly_the_secrets_its_manifest_names() {
        let manifest = manifest(&["token"]);
        let with = |pairs: &[(&str, &str)]| {
            Parcel::new(b"{}", secrets(pairs))
                .secrets(&manifest)
                .map(BTreeMap::len)
        };
        assert_eq!(with(&[("token", "x")]), Ok(1));
        assert_eq!(
            with(&[]),
            Err(ParcelError::SecretMissing { name: "token".into() })
        );
        assert_eq!(
            with(&[("token", "x"), ("y", "z")]),
            Err(ParcelError::SecretUnknown { name: "y".into() })
        );
        let long = "x".repeat(LARGEST_SECRETS + 1);
        assert_eq!(
            with(&[("token", &long)]),
            Err(ParcelError::SecretsTooLarge {
                size: LARGEST_SECRETS + 1
            })
        );
    }

    #[test]
    fn a_manifest_above_64_kib_is_refused_and_one_of_64_kib_is_not() {
        let largest = vec![b'x'; LARGEST_MANIFEST];
        assert_eq!(Parcel::new(&largest, BTreeMap::new()).manifest(), Ok(largest));
        for more in [1, 2, 3, 4, 100_000] {
            let parcel = Parcel::new(&vec![b'x'; LARGEST_MANIFEST + more], BTreeMap::new());
            assert!(
                matches!(parcel.manifest(), Err(ParcelError::ManifestTooLarge { .. })),
                "{more} bytes more"
            );
        }
    }

    #[test]
    fn secret_values_are_in_no_debug_text() {
        let parcel = Parcel::new(b"hunter2", secrets(&[("token", "hunter2")]));
        assert!(!format!("{parcel:?}").contains("hunter2"));
    }

    #[test]
    fn a_problems_type_is_its_reason_in_kebab_case() {
        assert_eq!(
            Problem::new(403, "WrongSigner", String::new()).kind,
            "urn:leaseport:problem:wrong-signer"
        );
    }

    proptest! {
        #[test]
        fn a_parcel_gives_back_the_bytes_it_was_given(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let json = serde_json::to_vec(&Parcel::new(&bytes, BTreeMap::new())).unwrap();
            let parcel: Parcel = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(parcel.manifest().unwrap(), bytes);
        }
    }
}
