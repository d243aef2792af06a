//! The two Secrets of a lease: the manifest's bytes, and the values its environment refers to by name. They rest in the lease's
//! namespace and nowhere else. May not log or show what they hold.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::names::{Identity, MANIFEST_ANNOTATION, MANIFEST_SECRET, VALUES_SECRET};

/// Key of the manifest's canonical bytes in its Secret.
pub const MANIFEST_KEY: &str = "manifest.json";

/// The Secret that keeps a manifest as it was hashed.
#[must_use]
pub fn manifest_secret(identity: Identity, canonical: &[u8], hash: B256) -> Secret {
    let mut metadata = identity.metadata(MANIFEST_SECRET);
    metadata
        .annotations
        .get_or_insert_default()
        .insert(MANIFEST_ANNOTATION.to_owned(), hash.to_string());
    Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([(
            MANIFEST_KEY.to_owned(),
            ByteString(canonical.to_vec()),
        )])),
        ..Secret::default()
    }
}

/// The Secret that keeps secret environment values by name.
#[must_use]
pub fn values_secret(identity: Identity, values: &BTreeMap<String, String>) -> Secret {
    let data = values
        .iter()
        .map(|(name, value)| (name.clone(), ByteString(value.clone().into_bytes())));
    Secret {
        metadata: identity.metadata(VALUES_SECRET),
        type_: Some("Opaque".to_owned()),
        data: Some(data.collect()),
        ..Secret::default()
    }
}
