//! The kinds a lease is made of, as one type, so that applying and comparing go through one door. May not know how they are applied.

use alloy::primitives::keccak256;
use k8s_openapi::{
    Resource,
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{Namespace, ResourceQuota, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::Serialize;

use super::names::{BUILD_ANNOTATION, MANIFEST_ANNOTATION};

/// What an object in the cluster needs to become the one that was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// To be applied.
    Apply,
    /// To be deleted and applied again: a Job's pods cannot change in place.
    Replace,
}

/// One object of a lease.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// The lease's own namespace.
    Namespace(Box<Namespace>),
    /// The tenant's account.
    ServiceAccount(Box<ServiceAccount>),
    /// Our rights inside.
    RoleBinding(Box<RoleBinding>),
    /// The backstop of what was sold.
    ResourceQuota(Box<ResourceQuota>),
    /// One network rule.
    NetworkPolicy(Box<NetworkPolicy>),
    /// Manifest or values.
    Secret(Box<Secret>),
    /// How replicas find each other.
    Service(Box<Service>),
    /// Replicas that run until the lease ends.
    Deployment(Box<Deployment>),
    /// Replicas that run once.
    Job(Box<Job>),
}

macro_rules! kinds {
    ($($kind:ident),+) => {
        impl Object {
            /// The Kubernetes kind.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => <$kind as Resource>::KIND),+ }
            }

            /// Its metadata.
            #[must_use]
            pub const fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => &object.metadata),+ }
            }

            const fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(object) => &mut object.metadata),+ }
            }

            /// Its name.
            #[must_use]
            pub fn name(&self) -> &str {
                self.metadata().name.as_deref().unwrap_or_default()
            }
        }

        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(Box::new(object))
            }
        })+
    };
}

kinds!(
    Namespace,
    ServiceAccount,
    RoleBinding,
    ResourceQuota,
    NetworkPolicy,
    Secret,
    Service,
    Deployment,
    Job
);

impl Object {
    /// The object with the hash of itself among its annotations.
    pub(super) fn stamped(mut self) -> Self {
        // Kubernetes types serialize their own fields in order; a failure would only make the object look changed.
        let hash = keccak256(serde_json::to_vec(&self).unwrap_or_default()).to_string();
        self.metadata_mut()
            .annotations
            .get_or_insert_default()
            .insert(BUILD_ANNOTATION.to_owned(), hash);
        self
    }

    /// What must happen to the object found under this name; ask [`super::names::Identity::owns`] first.
    #[must_use]
    pub fn change(&self, found: Option<&ObjectMeta>) -> Change {
        let Some(found) = found else {
            return Change::Apply;
        };
        let differs = |name: &str| annotation(self.metadata(), name) != annotation(found, name);
        if !differs(BUILD_ANNOTATION) {
            Change::None
        } else if matches!(self, Self::Job(_)) && differs(MANIFEST_ANNOTATION) {
            Change::Replace
        } else {
            Change::Apply
        }
    }
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a String> {
    metadata.annotations.as_ref()?.get(name)
}
