//! What the operator keeps of the cluster in memory, and whether each watch that feeds it is live. Reads only; what nobody reads is not kept.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{Api, Client, Resource, runtime::watcher};
use tokio::task::JoinSet;

use crate::{
    api::{
        ComputeBid, ComputeLease, ComputeMarket, ComputeOffer, ComputeProvider, ComputeTransaction,
        ComputeWallet,
    },
    core::workload::names::{MANAGED_BY, MANAGED_BY_LABEL},
    kube_io::reflected::{Health, Reflected, Watches},
    observe::stores::Stores,
    telemetry::Metrics,
};

/// Every cache.
pub(super) struct Caches {
    pub(super) markets: Reflected<ComputeMarket>,
    pub(super) wallets: Reflected<ComputeWallet>,
    pub(super) providers: Reflected<ComputeProvider>,
    pub(super) offers: Reflected<ComputeOffer>,
    pub(super) bids: Reflected<ComputeBid>,
    pub(super) leases: Reflected<ComputeLease>,
    pub(super) transactions: Reflected<ComputeTransaction>,
    pub(super) nodes: Reflected<Node>,
    pub(super) pods: Reflected<Pod>,
    pub(super) namespaces: Reflected<Namespace>,
}

fn cache<K>(shell: &mut JoinSet<()>, api: Api<K>, config: watcher::Config, trim: fn(&mut K)) -> Reflected<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (reflected, feeding) = Reflected::new(api, config, trim);
    shell.spawn(feeding);
    reflected
}

pub(super) fn caches(client: &Client, shell: &mut JoinSet<()>) -> Caches {
    let all = watcher::Config::default;
    let ours = || all().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}"));
    Caches {
        markets: cache(shell, Api::all(client.clone()), all(), |_| {}),
        wallets: cache(shell, Api::all(client.clone()), all(), |_| {}),
        providers: cache(shell, Api::all(client.clone()), all(), |_| {}),
        offers: cache(shell, Api::all(client.clone()), all(), |_| {}),
        bids: cache(shell, Api::all(client.clone()), all(), |_| {}),
        leases: cache(shell, Api::all(client.clone()), all(), |_| {}),
        transactions: cache(shell, Api::all(client.clone()), all(), |_| {}),
        nodes: cache(shell, Api::all(client.clone()), all(), trim_node),
        pods: cache(shell, Api::all(client.clone()), all(), trim_pod),
        namespaces: cache(shell, Api::all(client.clone()), ours(), |_| {}),
    }
}

/// Images are most of a node's status and nobody reads them.
fn trim_node(node: &mut Node) {
    if let Some(status) = &mut node.status {
        status.images = None;
    }
}

/// Volumes and environment are most of a pod's spec and nobody reads them; environment may hold secrets.
fn trim_pod(pod: &mut Pod) {
    if let Some(spec) = &mut pod.spec {
        spec.volumes = None;
        for container in &mut spec.containers {
            container.env = None;
            container.env_from = None;
            container.volume_mounts = None;
            container.command = None;
            container.args = None;
        }
    }
}

impl Caches {
    pub(super) async fn ready(&self) {
        // A false answer means that its feeding task is gone, which happens only on the way out.
        let _ = tokio::join!(
            self.markets.ready(),
            self.wallets.ready(),
            self.providers.ready(),
            self.offers.ready(),
            self.bids.ready(),
            self.leases.ready(),
            self.transactions.ready(),
            self.nodes.ready(),
            self.pods.ready(),
            self.namespaces.ready(),
        );
    }

    pub(super) fn watches(&self) -> Watches {
        Watches::default()
            .with(&self.markets)
            .with(&self.wallets)
            .with(&self.providers)
            .with(&self.offers)
            .with(&self.bids)
            .with(&self.leases)
            .with(&self.transactions)
            .with(&self.nodes)
            .with(&self.pods)
            .with(&self.namespaces)
    }

    pub(super) fn stores(&self) -> Stores {
        Stores {
            markets: self.markets.store(),
            wallets: self.wallets.store(),
            providers: self.providers.store(),
            offers: self.offers.store(),
            bids: self.bids.store(),
            leases: self.leases.store(),
            transactions: self.transactions.store(),
            nodes: self.nodes.store(),
            pods: self.pods.store(),
            namespaces: self.namespaces.store(),
        }
    }
}

pub(super) async fn watch_health(watches: Watches, metrics: Metrics) {
    let mut failing: Vec<String> = Vec::new();
    loop {
        for (kind, health) in watches.health() {
            metrics.watch(&kind, i64::from(health == Health::Live));
            let known = failing.contains(&kind);
            match health {
                Health::Failing { error, .. } if !known => {
                    tracing::warn!(kind, error, "watch is not live");
                    failing.push(kind);
                }
                Health::Live if known => {
                    tracing::info!(kind, "watch is live again");
                    failing.retain(|other| *other != kind);
                }
                Health::Failing { .. } | Health::Live | Health::Starting => {}
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
