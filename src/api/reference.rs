//! How one object names another: plain names, never labels or copies. May not read what is named.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::pattern;

/// Names an object in the same namespace (or a cluster-scoped one).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalRef {
    /// Name of the object.
    #[schemars(regex(pattern = pattern::NAME), length(min = 1, max = pattern::NAME_LENGTH))]
    pub name: String,
}

impl LocalRef {
    /// Names an object.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Names a ComputeWallet, possibly in another namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletRef {
    /// Name of the ComputeWallet.
    #[schemars(regex(pattern = pattern::NAME), length(min = 1, max = pattern::NAME_LENGTH))]
    pub name: String,
    /// Namespace of the ComputeWallet; left out, it is the namespace of the object that names it. A wallet of another namespace
    /// must list this object's namespace in `spec.allowedNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::LABEL), length(min = 1, max = pattern::LABEL_LENGTH))]
    pub namespace: Option<String>,
}

impl WalletRef {
    /// The wallet's namespace, `own` where the reference names none.
    #[must_use]
    pub fn namespace_or<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(own)
    }
}

/// Names one entry of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(regex(pattern = pattern::NAME), length(min = 1, max = pattern::NAME_LENGTH))]
    pub name: String,
    /// Key inside the Secret's `data`.
    #[schemars(regex(pattern = pattern::SECRET_KEY), length(min = 1, max = 253))]
    pub key: String,
}
