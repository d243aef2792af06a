//! The caches everybody reads, one a kind, fed by the reflectors of kube_io. Reading never waits and never calls.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Resource,
    runtime::reflector::{ObjectRef, Store},
};

use crate::api::{
    ComputeBid, ComputeLease, ComputeMarket, ComputeOffer, ComputeProvider, ComputeTransaction, ComputeWallet,
};

/// One store a kind. Cheap to clone.
#[derive(Clone)]
pub struct Stores {
    /// Markets.
    pub markets: Store<ComputeMarket>,
    /// Wallets.
    pub wallets: Store<ComputeWallet>,
    /// Providers.
    pub providers: Store<ComputeProvider>,
    /// Offers.
    pub offers: Store<ComputeOffer>,
    /// Bids.
    pub bids: Store<ComputeBid>,
    /// Leases.
    pub leases: Store<ComputeLease>,
    /// Transactions.
    pub transactions: Store<ComputeTransaction>,
    /// All nodes.
    pub nodes: Store<Node>,
    /// All pods, trimmed.
    pub pods: Store<Pod>,
    /// Namespaces of leases.
    pub namespaces: Store<Namespace>,
}

impl Stores {
    /// The provider an offer, bid or lease in the same namespace names.
    #[must_use]
    pub fn provider(&self, namespace: &str, name: &str) -> Option<Arc<ComputeProvider>> {
        self.providers.get(&ObjectRef::new(name).within(namespace))
    }

    /// An offer.
    #[must_use]
    pub fn offer(&self, namespace: &str, name: &str) -> Option<Arc<ComputeOffer>> {
        self.offers.get(&ObjectRef::new(name).within(namespace))
    }

    /// A bid.
    #[must_use]
    pub fn bid(&self, namespace: &str, name: &str) -> Option<Arc<ComputeBid>> {
        self.bids.get(&ObjectRef::new(name).within(namespace))
    }

    /// The pods of one namespace.
    #[must_use]
    pub fn pods_in(&self, namespace: &str) -> Vec<Arc<Pod>> {
        let here = |pod: &Arc<Pod>| pod.meta().namespace.as_deref() == Some(namespace);
        self.pods.state().into_iter().filter(here).collect()
    }

    /// A lease's namespace, if it is labelled as ours.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.namespaces.get(&ObjectRef::new(name))
    }
}
