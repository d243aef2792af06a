//! The operator's composition root: builds the shell, takes the leader's lock, spawns one loop a kind, and ends them in order.
//! Decides nothing about markets, bids or leases.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        ComputeBid, ComputeLease, ComputeMarket, ComputeOffer, ComputeProvider, ComputeTransaction,
        ComputeWallet, lease::LeasePhase,
    },
    config::OperatorConfig,
    controllers::{
        bid,
        context::{Context, Desk, RESYNC, Transacts},
        lease, market, offer, orphan, provider, warning,
    },
    core::workload::names::{BID_LABEL, LEASE_LABEL, MANAGED_BY, MANAGED_BY_LABEL},
    kube_io::{
        KubeError,
        client::infer,
        counted::counted,
        events::Events,
        lock::{Ended, Fence, Lock, Machine},
        reconcile::{Load, Outcome, Pace, run},
        reflected::{Health, Reflected, Watches},
    },
    observe::{
        clock::Clock,
        lease::{Eyes, Memory},
        markets::Markets,
        meters::Meters,
        offer::in_play,
        picture,
        stores::Stores,
    },
    ops_http::{self, Ready},
    telemetry::{Metrics, MetricsError, Picture},
};

/// Name of the leader's Lease in the operator's own namespace.
pub const LOCK: &str = "leaseport-operator";

/// Why the operator could not run or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The port for metrics and probes cannot be bound.
    #[error("--ops-address {address}: {source}; name another address and port")]
    Ops {
        /// Which address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The metrics registry.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Another replica may act now, so this one must not.
    #[error("the leader's lock {LOCK} was lost: {0}; the process ends and its supervisor starts it anew")]
    Deposed(String),
}

/// Every cache.
struct Caches {
    markets: Reflected<ComputeMarket>,
    wallets: Reflected<ComputeWallet>,
    providers: Reflected<ComputeProvider>,
    offers: Reflected<ComputeOffer>,
    bids: Reflected<ComputeBid>,
    leases: Reflected<ComputeLease>,
    transactions: Reflected<ComputeTransaction>,
    nodes: Reflected<Node>,
    pods: Reflected<Pod>,
    namespaces: Reflected<Namespace>,
}

/// A client of the cluster this process is in, or of the current kubeconfig.
///
/// # Errors
/// There is neither.
pub async fn connect() -> Result<Client, KubeError> {
    infer().await
}

/// Runs the operator until `stop`.
///
/// # Errors
/// It could not start, or lost the leader's lock.
pub async fn operator(
    config: OperatorConfig,
    client: Client,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let metrics = Metrics::new()?;
    let client = counted(client, metrics.clone());
    let ready = Ready::default();
    let listener = ops_http::bind(config.ops_address)
        .await
        .map_err(|source| AppError::Ops {
            address: config.ops_address,
            source,
        })?;
    let mut shell = JoinSet::new();
    shell.spawn({
        let (metrics, ready, stop) = (metrics.clone(), ready.clone(), stop.clone());
        async move {
            if let Err(error) = ops_http::serve(listener, metrics, ready, stop).await {
                tracing::error!(%error, "metrics and probes are no longer served");
            }
        }
    });
    let caches = caches(&client, &mut shell);
    shell.spawn(watch_health(caches.watches(), metrics.clone()));
    let synced = caches.ready();
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = synced => {}
    }
    ready.set();
    tracing::info!("caches are synced; waiting for the leader's lock");
    let lock = Lock::new(
        client.clone(),
        &config.namespace,
        LOCK,
        &config.identity,
        Arc::new(Machine::default()),
    );
    // Everything but the lock itself writes through the fence.
    let client = lock.fence().guard(client);
    let acting = CancellationToken::new();
    let context = context(&config, &client, &caches, &metrics, lock.fence());
    metrics.painted_by({
        let (eyes, meters, fence) = (context.eyes.clone(), context.meters.clone(), lock.fence());
        move || {
            if fence.holds() {
                picture::paint(&eyes.stores, &eyes.markets, &meters)
            } else {
                Picture::standby()
            }
        }
    });
    let mut loops = JoinSet::new();
    let moved = follow(&mut loops, &config, &context, &caches, &acting);
    let Some(held) = lock.acquire(&stop).await else {
        return Ok(());
    };
    tracing::info!(identity = config.identity, "leading");
    act(&mut loops, &context, &caches, &moved, &acting);
    // Told to stop, we finish what runs and only then give the lock back: until then nobody else acts.
    let ended = held
        .keep(async {
            stop.cancelled().await;
            acting.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(10), finish(&mut loops)).await;
        })
        .await;
    // Deposed, another replica may act soon: whatever still runs ends here, in the middle of a pass if need be.
    loops.shutdown().await;
    match ended {
        Ended::Released => Ok(()),
        Ended::Lost { why } => Err(AppError::Deposed(why)),
    }
}

async fn finish(loops: &mut JoinSet<()>) {
    while loops.join_next().await.is_some() {}
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

fn caches(client: &Client, shell: &mut JoinSet<()>) -> Caches {
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
    async fn ready(&self) {
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

    fn watches(&self) -> Watches {
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

    fn stores(&self) -> Stores {
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

async fn watch_health(watches: Watches, metrics: Metrics) {
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

/// The names in a store that pass, whenever the chain view moved.
fn on_blocks<K>(
    moved: watch::Receiver<u64>,
    store: Store<K>,
    pick: impl Fn(&K) -> bool + Clone + Send + 'static,
) -> impl Stream<Item = ObjectRef<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    stream::unfold((moved, store, pick), |(mut moved, store, pick)| async move {
        moved.changed().await.ok()?;
        let names: Vec<_> = store
            .state()
            .iter()
            .filter(|object| pick(object))
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect();
        Some((names, (moved, store, pick)))
    })
    .flat_map(stream::iter)
}

/// Names found through another kind's changes.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the stream outlives the caches it was made from"
)]
fn through<K, Via>(
    via: Reflected<Via>,
    find: impl Fn(&ObjectRef<Via>) -> Vec<ObjectRef<K>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    Via: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    via.changes(RESYNC)
        .flat_map(move |name| stream::iter(find(&name)))
}

fn names<K>(store: &Store<K>, pick: impl Fn(&K) -> bool) -> Vec<ObjectRef<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .state()
        .iter()
        .filter(|object| pick(object))
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

fn context(
    config: &OperatorConfig,
    client: &Client,
    caches: &Caches,
    metrics: &Metrics,
    fence: Fence,
) -> Context {
    Context {
        eyes: Eyes {
            client: client.clone(),
            stores: caches.stores(),
            markets: Markets::default(),
            clock: Clock::default(),
            settings: Arc::new(config.settings.clone()),
            memory: Memory::default(),
        },
        meters: Meters::default(),
        transacts: Transacts::default(),
        desk: Desk::default(),
        metrics: metrics.clone(),
        events: Events::new(client.clone(), "leaseport", &config.identity),
        pods: caches.pods.clone(),
        watches: caches.watches(),
        fence,
    }
}

/// Follows markets, as leader and as standby: whoever takes over knows the chain already. Returns what ticks with every view.
fn follow(
    loops: &mut JoinSet<()>,
    config: &OperatorConfig,
    context: &Context,
    caches: &Caches,
    stop: &CancellationToken,
) -> Arc<watch::Sender<u64>> {
    let (moved, _) = watch::channel(0u64);
    let moved = Arc::new(moved);

    let desk = market::MarketDesk::new(
        config.namespace.clone(),
        caches.transactions.clone(),
        caches.wallets.clone(),
        moved.clone(),
    );
    let followed = {
        let markets = context.eyes.markets.clone();
        move |market: &ComputeMarket| markets.get(&market.name_any()).is_some()
    };
    let markets = stream::select_all([
        caches.markets.changes(RESYNC).boxed(),
        // What a view says of its endpoints and of finality is shown with the view.
        on_blocks(moved.subscribe(), caches.markets.store(), followed).boxed(),
    ]);
    spawn(loops, context, "market", markets, stop, move |context, name| {
        market::pass(context, desk.clone(), name)
    });
    moved
}

/// Everything that only the leader does.
fn act(
    loops: &mut JoinSet<()>,
    context: &Context,
    caches: &Caches,
    moved: &Arc<watch::Sender<u64>>,
    stop: &CancellationToken,
) {
    let stores = caches.stores();
    // Markets are looked at again: their senders and their status are the leader's.
    moved.send_modify(|count| *count = count.wrapping_add(1));
    let moved = moved.subscribe();

    // Markets, offers, bids and leases tell in their own passes.
    let warnings: [(&'static str, futures::future::BoxFuture<'static, ()>); 2] = [
        (
            "wallet",
            warning::run(context.clone(), caches.wallets.clone(), |wallet| {
                wallet
                    .status
                    .as_ref()
                    .map_or(&[], |status| status.conditions.as_slice())
            })
            .boxed(),
        ),
        (
            "provider",
            warning::run(context.clone(), caches.providers.clone(), |provider| {
                provider
                    .status
                    .as_ref()
                    .map_or(&[], |status| status.conditions.as_slice())
            })
            .boxed(),
        ),
    ];
    for (kind, telling) in warnings {
        let stopped = stop.clone().cancelled_owned();
        loops.spawn(async move {
            tokio::select! {
                () = stopped => {}
                () = telling => tracing::debug!(kind, "nothing more to tell"),
            }
        });
    }

    let asked = provider::Asked::default();
    let providers = stream::select_all([
        caches.providers.changes(RESYNC).boxed(),
        on_blocks(moved.clone(), stores.providers.clone(), |_| true).boxed(),
        // A lease's status holds what may be reported.
        through(caches.leases.clone(), {
            let providers = stores.providers.clone();
            move |lease| {
                names(&providers, |provider: &ComputeProvider| {
                    provider.namespace() == lease.namespace
                })
            }
        })
        .boxed(),
    ]);
    spawn(
        loops,
        context,
        "provider",
        providers,
        stop,
        move |context, name| provider::pass(context, asked.clone(), name),
    );

    let told = offer::Told::default();
    let offers = stream::select_all([
        caches.offers.changes(RESYNC).boxed(),
        on_blocks(moved.clone(), stores.offers.clone(), |_| true).boxed(),
        through(caches.pods.clone(), {
            let (offers, pods) = (stores.offers.clone(), stores.pods.clone());
            move |pod| match pods.get(pod) {
                Some(pod) if !offer::concerns(&pod) => Vec::new(),
                Some(_) | None => names(&offers, |_| true),
            }
        })
        .boxed(),
    ]);
    // One at a time: two offers of a provider must not promise the same lane in the same moment.
    let pace = Pace::new("offer").concurrency(1);
    spawn_paced(loops, context, pace, offers, stop, move |context, name| {
        offer::pass(context, told.clone(), name)
    });

    let bids = stream::select_all([
        caches.bids.changes(RESYNC).boxed(),
        on_blocks(moved.clone(), stores.bids.clone(), in_play).boxed(),
        through(caches.pods.clone(), {
            let (bids, pods) = (stores.bids.clone(), stores.pods.clone());
            move |name| {
                let Some(pod) = pods.get(name) else {
                    return Vec::new();
                };
                let labels = pod.labels();
                if let Some(bid) = labels.get(BID_LABEL) {
                    return vec![ObjectRef::new(bid).within(name.namespace.as_deref().unwrap_or_default())];
                }
                // The lease's own pods came to a node: its hold has done its duty.
                if labels.contains_key(LEASE_LABEL) {
                    names(&bids, |bid| !in_play(bid))
                } else {
                    Vec::new()
                }
            }
        })
        .boxed(),
        through(caches.transactions.clone(), {
            let transactions = stores.transactions.clone();
            move |name| subject(&transactions, name, "ComputeBid")
        })
        .boxed(),
    ]);
    spawn(loops, context, "bid", bids, stop, bid::pass);

    let reported = orphan::Reported::default();
    let namespaces = stream::select_all([
        caches.namespaces.changes(RESYNC).boxed(),
        // An object that went may have left its namespace behind; they bear one name.
        through(caches.leases.clone(), {
            let leases = stores.leases.clone();
            move |lease| match leases.get(lease) {
                Some(_) => Vec::new(),
                None => vec![ObjectRef::new(&lease.name)],
            }
        })
        .boxed(),
    ]);
    spawn(
        loops,
        context,
        "orphan",
        namespaces,
        stop,
        move |context, name| orphan::pass(context, reported.clone(), name),
    );

    let open = |lease: &ComputeLease| {
        lease.status.as_ref().and_then(|status| status.phase) != Some(LeasePhase::Closed)
    };
    let leases = stream::select_all([
        caches.leases.changes(RESYNC).boxed(),
        on_blocks(moved, stores.leases.clone(), open).boxed(),
        through(caches.pods.clone(), {
            let leases = stores.leases.clone();
            move |pod| {
                let here = |lease: &ComputeLease| {
                    lease.status.as_ref().and_then(|status| status.namespace.as_ref())
                        == pod.namespace.as_ref()
                };
                names(&leases, here)
            }
        })
        .boxed(),
        through(caches.namespaces.clone(), {
            let leases = stores.leases.clone();
            move |namespace| {
                let of = |lease: &ComputeLease| {
                    lease.status.as_ref().and_then(|status| status.namespace.as_ref())
                        == Some(&namespace.name)
                };
                names(&leases, of)
            }
        })
        .boxed(),
        through(caches.transactions.clone(), {
            let transactions = stores.transactions;
            move |name| subject(&transactions, name, "ComputeLease")
        })
        .boxed(),
    ]);
    spawn(loops, context, "lease", leases, stop, lease::pass);
}

/// The object a transaction is for.
fn subject<K>(
    transactions: &Store<ComputeTransaction>,
    name: &ObjectRef<ComputeTransaction>,
    kind: &str,
) -> Vec<ObjectRef<K>>
where
    K: Resource<DynamicType = ()>,
{
    let Some(found) = transactions.get(name) else {
        return Vec::new();
    };
    let subject = &found.spec.intent.subject;
    if subject.kind == kind {
        vec![ObjectRef::new(&subject.name).within(&subject.namespace)]
    } else {
        Vec::new()
    }
}

fn spawn<K, Pass>(
    loops: &mut JoinSet<()>,
    context: &Context,
    name: &'static str,
    names: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    stop: &CancellationToken,
    pass: impl FnMut(Context, ObjectRef<K>) -> Pass + Send + 'static,
) where
    K: Resource<DynamicType = ()> + Send + Sync + 'static,
    Pass: Future<Output = Outcome> + Send + 'static,
{
    spawn_paced(loops, context, Pace::new(name), names, stop, pass);
}

fn spawn_paced<K, Pass>(
    loops: &mut JoinSet<()>,
    context: &Context,
    pace: Pace,
    names: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    stop: &CancellationToken,
    mut pass: impl FnMut(Context, ObjectRef<K>) -> Pass + Send + 'static,
) where
    K: Resource<DynamicType = ()> + Send + Sync + 'static,
    Pass: Future<Output = Outcome> + Send + 'static,
{
    let context = context.clone();
    let stopped = stop.clone().cancelled_owned();
    loops.spawn(async move {
        let metrics = context.metrics.clone();
        let load = move |load: Load| metrics.load(pace.name, load.waiting, load.running);
        run(
            pace,
            load,
            names,
            move |name| pass(context.clone(), name),
            stopped,
        )
        .await;
    });
}
