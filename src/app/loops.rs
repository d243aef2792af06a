//! One loop a kind: those that every replica runs, and those of the leader alone. Says what wakes each; what a pass does is the controllers'.

use std::{future::Future, sync::Arc};

use futures::{FutureExt, Stream, StreamExt, stream};
use kube::{Resource, ResourceExt, runtime::reflector::ObjectRef};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    caches::Caches,
    names::{names, on_blocks, subject, through},
};
use crate::{
    api::{ComputeLease, ComputeMarket, ComputeProvider, lease::LeasePhase},
    config::OperatorConfig,
    controllers::{
        bid,
        context::{Context, RESYNC},
        lease, market, offer, orphan, provider, warning,
    },
    core::workload::names::{BID_LABEL, LEASE_LABEL},
    kube_io::reconcile::{Load, Outcome, Pace, run},
    observe::offer::in_play,
};

/// Follows markets, as leader and as standby: whoever takes over knows the chain already. Returns what ticks with every view.
pub(super) fn follow(
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
pub(super) fn act(
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
