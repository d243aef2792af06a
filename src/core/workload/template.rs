//! What objects are built from: the lease, its needs, and the ground the offer and the operator's configuration give it. May not read custom resources.

use std::net::IpAddr;

use thiserror::Error;

use super::names::Identity;
use crate::core::{
    capacity::Supply,
    documents::{manifest::ManifestError, needs::Needs},
    resources::Resources,
};

/// Why objects cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The needs ask for root and the offer refuses it.
    #[error(
        "needs.runAsRoot is true and the offer refuses root: do not bid on such orders, or set spec.isolation.allowRoot"
    )]
    RootRefused,
    /// The manifest breaks its own rules or exceeds the needs.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An address block of the offer is none.
    #[error(
        "isolation.egress.deny holds {0:?}: write an address block such as 203.0.113.0/24 or 2001:db8::/32"
    )]
    Block(String),
}

/// A service account of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The accounts that get rights inside a lease's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The operator's.
    pub operator: Account,
    /// The gateway's.
    pub gateway: Account,
}

/// What an offer says to images that run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootPolicy {
    /// No bids on orders that need it.
    Refused,
    /// Root of the container is root of the node behind seccomp, few capabilities and no escalation.
    Allowed,
    /// Root of the container is nobody on the node: the nodes support user namespaces (`hostUsers: false`).
    UserNamespace,
}

/// The Pod Security Standard a namespace enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The strict one.
    Restricted,
    /// The one most AI images need.
    Baseline,
}

/// Where tenants' names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dns {
    /// The cluster's resolver (pods labelled `k8s-app: kube-dns` in kube-system, and the NodeLocal address).
    Cluster,
    /// The node's own resolvers.
    Node,
    /// The offer's own servers.
    Servers(Vec<IpAddr>),
}

/// What tenants may not reach beyond what nobody may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// Ports, TCP and UDP; 25 at least, so that nobody rents a spam source.
    pub denied_ports: Vec<u16>,
    /// Public blocks that are the provider's own: nodes, API server.
    pub denied_blocks: Vec<String>,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            denied_ports: vec![25],
            denied_blocks: Vec::new(),
        }
    }
}

/// How far tenants are kept from the node and the neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// Root or not.
    pub root: RootPolicy,
    /// The runtime class, none for the node's default.
    pub runtime_class: Option<String>,
    /// What the runtime class adds to each pod (its `overhead.podFixed`); the quota makes room for it.
    pub overhead: Resources,
    /// Name resolution.
    pub dns: Dns,
    /// The way out.
    pub egress: Egress,
}

/// What offer and configuration give to every lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// Name of the ComputeOffer.
    pub offer: String,
    /// Nodes and device.
    pub supply: Supply,
    /// Isolation.
    pub isolation: Isolation,
    /// Priority class of lease and hold pods: above the cluster's default, `preemptionPolicy: Never`.
    pub priority_class: Option<String>,
    /// Seconds between a stop and the kill.
    pub termination_grace_seconds: u32,
    /// Who of us gets in.
    pub accounts: Accounts,
}

/// One lease's template.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTemplate<'a> {
    /// Whose objects.
    pub identity: Identity,
    /// The order's needs; quota and security level follow from them, before any manifest is there.
    pub needs: &'a Needs,
    /// What the offer gives.
    pub ground: &'a Ground,
}

/// Whether replicas run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// As many as the manifest says.
    On,
    /// None; everything else stays.
    Off,
}

impl LeaseTemplate<'_> {
    /// The level the lease's namespace enforces.
    ///
    /// # Errors
    /// Root is needed and refused.
    pub const fn level(&self) -> Result<Level, BuildError> {
        match (self.needs.run_as_root, self.ground.isolation.root) {
            (false, RootPolicy::Refused | RootPolicy::Allowed | RootPolicy::UserNamespace) => {
                Ok(Level::Restricted)
            }
            (true, RootPolicy::UserNamespace) => Ok(Level::Restricted),
            (true, RootPolicy::Allowed) => Ok(Level::Baseline),
            (true, RootPolicy::Refused) => Err(BuildError::RootRefused),
        }
    }
}
