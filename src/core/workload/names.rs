//! Names, labels and annotations by which our objects are known, each spelled once. What is known by name alone is never ours:
//! ownership is read from labels and the terms hash together. May not build objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use thiserror::Error;

use crate::core::ids::{ChainId, LeaseId, LeaseKey, ProviderId};

/// On every object of a lease: the lease id, `provider-lane-generation`.
pub const LEASE_LABEL: &str = "leaseport.dev/lease";
/// On every object of a lease: the EIP-155 chain id.
pub const CHAIN_LABEL: &str = "leaseport.dev/chain";
/// On every object of a lease: the provider's number.
pub const PROVIDER_LABEL: &str = "leaseport.dev/provider";
/// On the placeholder pods of a hold: the ComputeBid's name.
pub const BID_LABEL: &str = "leaseport.dev/bid";
/// On every object of a lease: the terms hash, since an id may be reused after a reorg.
pub const TERMS_ANNOTATION: &str = "leaseport.dev/terms";
/// On a lease's namespace: the ComputeOffer its objects were built from, so that a lease object made again knows it.
pub const OFFER_ANNOTATION: &str = "leaseport.dev/offer";
/// On the workload: keccak-256 of the manifest it was built from.
pub const MANIFEST_ANNOTATION: &str = "leaseport.dev/manifest";
/// On every object of a lease: keccak-256 of what was built, so that a metadata-only watch shows whether it must be applied again.
pub const BUILD_ANNOTATION: &str = "leaseport.dev/build";
/// On everything of ours; the well-known label of Kubernetes.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "leaseport";

/// The service account of the tenant's pods: no token, no rights.
pub const TENANT_ACCOUNT: &str = "lease";
/// The Secret holding the manifest's bytes; written by the gateway.
pub const MANIFEST_SECRET: &str = "manifest";
/// The Secret holding the values of environment secrets by name; written by the gateway.
pub const VALUES_SECRET: &str = "values";
/// The Deployment, Job or Service that runs the manifest.
pub const WORKLOAD: &str = "workload";
/// The cluster role our operator has inside a lease's namespace.
pub const OPERATOR_ROLE: &str = "leaseport-lease-operator";
/// The cluster role our gateway has inside a lease's namespace.
pub const GATEWAY_ROLE: &str = "leaseport-lease-gateway";

/// Why an object of the right name is not ours to touch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Foreign {
    /// It does not carry our labels.
    #[error(
        "{name} exists and was not made by leaseport for this lease ({label} is {found:?}, not {expected:?}): it is left alone; remove or rename it"
    )]
    Label {
        /// The object's name.
        name: String,
        /// The label that differs.
        label: &'static str,
        /// What it holds.
        found: Option<String>,
        /// What ours holds.
        expected: String,
    },
    /// It belongs to another lease that once had the same id.
    #[error(
        "{name} belongs to a lease of the same id under other terms ({found:?}): it is left to its own closing"
    )]
    Terms {
        /// The object's name.
        name: String,
        /// The terms it names.
        found: Option<String>,
    },
}

/// Whose objects: one lease on one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The chain.
    pub chain: ChainId,
    /// The lease and its terms.
    pub lease: LeaseKey,
}

impl Identity {
    /// The lease's id.
    #[must_use]
    pub const fn id(&self) -> LeaseId {
        self.lease.id
    }

    /// The provider it belongs to.
    #[must_use]
    pub const fn provider(&self) -> ProviderId {
        self.lease.id.provider
    }

    /// The namespace: `lp-<chain>-<lease id>-<first 8 hex digits of the terms hash>`, at most 63 characters for every chain and id.
    #[must_use]
    pub fn namespace(&self) -> String {
        let terms: String = format!("{:x}", self.lease.terms.0).chars().take(8).collect();
        format!("lp-{}-{}-{terms}", self.chain.0, self.lease.id)
    }

    /// Labels of every object of the lease.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LEASE_LABEL.to_owned(), self.lease.id.to_string()),
            (CHAIN_LABEL.to_owned(), self.chain.0.to_string()),
            (PROVIDER_LABEL.to_owned(), self.provider().0.to_string()),
            (MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned()),
        ])
    }

    /// Annotations of every object of the lease.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(TERMS_ANNOTATION.to_owned(), self.lease.terms.to_string())])
    }

    /// Metadata of a namespaced object of the lease.
    #[must_use]
    pub fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace()),
            labels: Some(self.labels()),
            annotations: Some(self.annotations()),
            ..ObjectMeta::default()
        }
    }

    /// Whether an object that was found under one of our names is this lease's. Asked before anything is applied over it or deleted.
    ///
    /// # Errors
    /// It is somebody else's, or another lease's.
    pub fn owns(&self, found: &ObjectMeta) -> Result<(), Foreign> {
        let name = found.name.clone().unwrap_or_default();
        let none = BTreeMap::new();
        let labels = found.labels.as_ref().unwrap_or(&none);
        for (label, expected) in [
            (MANAGED_BY_LABEL, MANAGED_BY.to_owned()),
            (CHAIN_LABEL, self.chain.0.to_string()),
            (LEASE_LABEL, self.lease.id.to_string()),
        ] {
            if labels.get(label) != Some(&expected) {
                return Err(Foreign::Label {
                    name,
                    label,
                    found: labels.get(label).cloned(),
                    expected,
                });
            }
        }
        let terms = found
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(TERMS_ANNOTATION));
        if terms == Some(&self.lease.terms.to_string()) {
            Ok(())
        } else {
            Err(Foreign::Terms {
                name,
                found: terms.cloned(),
            })
        }
    }

    /// The identity an object of ours carries, none when it carries none; orphans are found by this.
    #[must_use]
    pub fn of(found: &ObjectMeta) -> Option<Self> {
        let labels = found.labels.as_ref()?;
        if labels.get(MANAGED_BY_LABEL).map(String::as_str) != Some(MANAGED_BY) {
            return None;
        }
        let terms = found.annotations.as_ref()?.get(TERMS_ANNOTATION)?.parse().ok()?;
        Some(Self {
            chain: ChainId(labels.get(CHAIN_LABEL)?.parse().ok()?),
            lease: LeaseKey {
                id: labels.get(LEASE_LABEL)?.parse().ok()?,
                terms: crate::core::ids::TermsHash(terms),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::ids::{Generation, Lane, TermsHash};
    use alloy::primitives::B256;
    use proptest::prelude::*;

    fn identity(chain: u64, provider: u32, lane: u32, generation: u32, terms: u8) -> Identity {
        Identity {
            chain: ChainId(chain),
            lease: LeaseKey {
                id: LeaseId {
                    provider: ProviderId(provider),
                    lane: Lane(lane),
                    generation: Generation::new(generation).unwrap(),
                },
                terms: TermsHash(B256::repeat_byte(terms)),
            },
        }
    }

    proptest! {
        #[test]
        fn a_namespace_is_a_dns_label_and_differs_for_every_lease(
            chain: u64, provider: u32, lane: u32, generation in 0..=Generation::MAX, terms: u8, other: u32
        ) {
            let name = identity(chain, provider, lane, generation, terms).namespace();
            prop_assert!(name.len() <= 63);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            prop_assert!(other == lane || identity(chain, provider, other, generation, terms).namespace() != name);
        }

        #[test]
        fn what_an_object_carries_is_read_back(chain: u64, provider: u32, lane: u32, generation in 0..=Generation::MAX, terms: u8) {
            let identity = identity(chain, provider, lane, generation, terms);
            prop_assert_eq!(Identity::of(&identity.metadata("x")), Some(identity));
        }
    }

    #[test]
    fn the_longest_namespace_has_63_characters() {
        assert_eq!(
            identity(u64::MAX, u32::MAX, u32::MAX, Generation::MAX, 1)
                .namespace()
                .len(),
            63
        );
    }

    #[test]
    fn an_object_without_our_labels_or_with_other_terms_is_never_adopted() {
        let ours = identity(1, 7, 0, 1, 1);
        assert_eq!(ours.owns(&ours.metadata("x")), Ok(()));
        let bare = ObjectMeta {
            name: Some("x".into()),
            ..ObjectMeta::default()
        };
        assert!(matches!(
            ours.owns(&bare),
            Err(Foreign::Label {
                label: MANAGED_BY_LABEL,
                ..
            })
        ));
        let reorged = identity(1, 7, 0, 1, 2);
        assert!(matches!(
            ours.owns(&reorged.metadata("x")),
            Err(Foreign::Terms { .. })
        ));
        let elsewhere = identity(2, 7, 0, 1, 1);
        assert!(matches!(
            ours.owns(&elsewhere.metadata("x")),
            Err(Foreign::Label {
                label: CHAIN_LABEL,
                ..
            })
        ));
    }
}
