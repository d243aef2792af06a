//! The operator's composition root: builds the shell, takes the leader's lock, spawns one loop a kind, and ends them in order.
//! Decides nothing about markets, bids or leases.

mod caches;
mod loops;
mod names;

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{
    caches::{Caches, caches, watch_health},
    loops::{act, follow},
};
use crate::{
    config::OperatorConfig,
    controllers::context::{Context, Desk, Transacts},
    kube_io::{
        KubeError,
        client::infer,
        counted::counted,
        events::Events,
        lock::{Ended, Fence, Lock, Machine},
    },
    observe::{
        clock::Clock,
        lease::{Eyes, Memory},
        markets::Markets,
        meters::Meters,
        picture,
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
