//! Wires ComputeMarkets: each one that reads becomes a follower, the market's wallets and its sender; each one that does not says
//! in its conditions which field to mend. A market that fails never blocks another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Resource, ResourceExt, runtime::reflector::ObjectRef};
use thiserror::Error;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{
    context::{Context, RESYNC, ungauge},
    market_status::{MARKET_CONDITIONS, report, status_of},
    transaction::{self, TransactionInputs},
    wallet::{self, WalletInputs},
};
use crate::{
    act::transact::{MarketTerms, TransactContext},
    api::{
        ComputeMarket, ComputeTransaction, ComputeWallet,
        duration::{self, DurationError},
        market::{Endpoint, MarketContracts, SettleFinality, SettleTag},
        wei::{self, WeiError},
    },
    chain_io::{
        contracts::{Contracts, ContractsError},
        endpoint::{EndpointConfig, EndpointError, Endpoints},
        follower::{Follower, FollowerConfig, Settle},
        publisher::Publisher,
        reverts::explain,
        witnesses::{Bench, Witnesses},
    },
    core::{
        canon::BlockRef,
        ids::ChainId,
        tx::{FeePolicy, Heads},
        view::{ChainView, Freshness},
    },
    kube_io::{KubeError, events::Severity, reconcile::Outcome, reflected::Reflected, within},
    observe::{clock, markets::Market},
    telemetry::Block,
};

/// Why a market cannot be followed.
#[derive(Debug, Error)]
pub enum MarketError {
    /// A URL's Secret cannot be read.
    #[error("endpoints[{name}].urlFrom: Secret {secret} in {namespace}: {why}")]
    Secret {
        /// Which endpoint.
        name: String,
        /// Which Secret.
        secret: String,
        /// Where.
        namespace: String,
        /// Why.
        why: String,
    },
    /// An endpoint has neither or cannot be used.
    #[error("endpoints[{0}] has neither url nor urlFrom: give it one")]
    NoUrl(String),
    /// The endpoints do not answer as they should.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The contracts are not what the spec says.
    #[error(transparent)]
    Contracts(#[from] ContractsError),
    /// The directory is no address.
    #[error("spec.directory {0:?} is not an address")]
    Directory(String),
    /// A duration does not read.
    #[error("spec.{field}: {source}")]
    Duration {
        /// Which field.
        field: &'static str,
        /// Why.
        source: DurationError,
    },
    /// A gas price does not read.
    #[error("spec.fees.maxFeePerGas: {0}")]
    Fee(#[from] WeiError),
}

impl MarketError {
    /// CamelCase, for conditions and events.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "SecretUnreadable",
            Self::NoUrl(_) | Self::Directory(_) | Self::Duration { .. } | Self::Fee(_) => "InvalidSpec",
            Self::Endpoint(_) => "EndpointsUnusable",
            Self::Contracts(error) => error.label(),
        }
    }
}

/// A standby tries a market that it cannot follow this often; the leader's conditions say why it cannot.
const STANDBY_RETRY: Duration = Duration::from_secs(10);

/// The market's Directory is asked this often whether it still names what is followed. Changes of it wait for days in a timelock.
const REREAD: Duration = Duration::from_secs(3600);

/// A followed market's tasks; dropping it ends them.
struct Running {
    uid: String,
    generation: i64,
    /// What the Directory named, and when it was last asked.
    named: Contracts,
    asked: Instant,
    directory: Address,
    endpoints: Arc<Endpoints>,
    contracts: MarketContracts,
    tasks: JoinSet<()>,
    senders: Senders,
}

/// Wallets and transactions are the leader's; a standby follows the chain, so that it is warm when it leads.
enum Senders {
    /// Not while another replica leads.
    Wait {
        transact: Arc<TransactContext>,
        heads: watch::Receiver<Option<Heads>>,
    },
    /// They run.
    Run,
}

/// What this controller needs beside the context.
#[derive(Clone)]
pub struct MarketDesk {
    /// The operator's own namespace: Secrets of endpoint URLs live there.
    pub namespace: String,
    /// Cache of transactions, to ring their sender.
    pub transactions: Reflected<ComputeTransaction>,
    /// Cache of wallets, to ring their controller.
    pub wallets: Reflected<ComputeWallet>,
    /// Counts up whenever a chain view changed, so that every controller looks again.
    pub moved: Arc<watch::Sender<u64>>,
    running: Arc<Mutex<BTreeMap<String, Running>>>,
}

impl MarketDesk {
    /// Nothing is followed yet.
    #[must_use]
    pub fn new(
        namespace: String,
        transactions: Reflected<ComputeTransaction>,
        wallets: Reflected<ComputeWallet>,
        moved: Arc<watch::Sender<u64>>,
    ) -> Self {
        Self {
            namespace,
            transactions,
            wallets,
            moved,
            running: Arc::default(),
        }
    }

    fn contracts_of(&self, name: &str, uid: &str, generation: i64) -> Option<MarketContracts> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .get(name)
            .filter(|running| running.uid == uid && running.generation == generation)
            .map(|running| running.contracts.clone())
    }

    /// What to ask a followed market's Directory with, if it was not asked for long.
    fn due(&self, name: &str) -> Option<(Arc<Endpoints>, Address, Contracts)> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.get_mut(name)?;
        if running.asked.elapsed() < REREAD {
            return None;
        }
        // Whatever comes of it: an endpoint that fails is asked again after as long.
        running.asked = Instant::now();
        Some((
            running.endpoints.clone(),
            running.directory,
            running.named.clone(),
        ))
    }

    /// Starts the market's senders if it is followed and they do not run yet. Only for the leader.
    fn lead(&self, context: &Context, name: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running.get_mut(name) else {
            return;
        };
        let Running { tasks, senders, .. } = running;
        if let Senders::Wait { transact, heads } = senders {
            spawn_senders(tasks, self, context, transact, heads);
            *senders = Senders::Run;
        }
    }

    fn end(&self, context: &Context, name: &str) {
        context.eyes.markets.remove(name);
        context.transacts.remove(name);
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

/// One pass over one market.
pub async fn pass(context: Context, desk: MarketDesk, name: ObjectRef<ComputeMarket>) -> Outcome {
    let began = Instant::now();
    let outcome = match context.eyes.stores.markets.get(&name) {
        Some(found) if found.meta().deletion_timestamp.is_none() => reconcile(&context, &desk, &found).await,
        Some(_) | None => {
            desk.end(&context, &name.name);
            ungauge(&context.metrics, &name, MARKET_CONDITIONS);
            context.metrics.forget_chain(&name.name);
            Outcome::Done
        }
    };
    context.passed("ComputeMarket", &name, began, outcome)
}

async fn reconcile(context: &Context, desk: &MarketDesk, found: &ComputeMarket) -> Outcome {
    let name = found.name_any();
    let uid = found.uid().unwrap_or_default();
    let generation = found.metadata.generation.unwrap_or_default();
    renew(context, desk, &name).await;
    let contracts = match desk.contracts_of(&name, &uid, generation) {
        Some(contracts) => Ok(contracts),
        None => {
            desk.end(context, &name);
            start(context, desk, found, uid, generation).await
        }
    };
    if !context.fence.holds() {
        return match contracts {
            Ok(_) => Outcome::Done,
            Err(error) => {
                tracing::debug!(market = name, %error, "market not followed yet by this standby");
                Outcome::After(STANDBY_RETRY)
            }
        };
    }
    match contracts {
        Ok(contracts) => {
            desk.lead(context, &name);
            if report(context, found, Ok(contracts)).await {
                Outcome::After(Duration::from_secs(10))
            } else {
                Outcome::Failed
            }
        }
        Err(error) => {
            tracing::warn!(market = name, %error, "market not followed");
            context
                .tell(
                    found,
                    Severity::Warning,
                    error.reason(),
                    "Follow",
                    error.to_string(),
                )
                .await;
            report(context, found, Err(&error)).await;
            Outcome::Failed
        }
    }
}

/// Ends a market whose Directory names other contracts by now, such as a court that was replaced: the pass then follows it anew, from its
/// first block. What cannot be read now is no news.
async fn renew(context: &Context, desk: &MarketDesk, name: &str) {
    let Some((endpoints, directory, before)) = desk.due(name) else {
        return;
    };
    match Contracts::read(&endpoints, directory).await {
        Ok(named) if named == before => {}
        Ok(_) => {
            tracing::info!(market = name, %directory, "the Directory names other contracts; following the market anew");
            desk.end(context, name);
        }
        Err(error) => {
            tracing::warn!(market = name, %error, "Directory not read again; going on with what it named")
        }
    }
}

async fn start(
    context: &Context,
    desk: &MarketDesk,
    found: &ComputeMarket,
    uid: String,
    generation: i64,
) -> Result<MarketContracts, MarketError> {
    let spec = &found.spec;
    let name = found.name_any();
    let chain = ChainId(u64::try_from(spec.chain_id).unwrap_or_default());
    let mut configs = Vec::with_capacity(spec.endpoints.len());
    for endpoint in &spec.endpoints {
        let url = url_of(context, &desk.namespace, endpoint).await?;
        configs.push(EndpointConfig::parse(&endpoint.name, &url)?);
    }
    let endpoints = Endpoints::counted(chain, configs, |endpoint| context.metrics.rpc(&name, endpoint))?;
    endpoints.assert_chain().await?;
    let directory = spec
        .directory
        .parse()
        .map_err(|_| MarketError::Directory(spec.directory.clone()))?;
    let contracts = Contracts::read(&endpoints, directory).await?;
    let time =
        |field, text: &str| duration::parse(text).map_err(|source| MarketError::Duration { field, source });
    let poll_interval = spec
        .poll_interval
        .as_deref()
        .map(|text| time("pollInterval", text))
        .transpose()?;
    let fees = FeePolicy {
        max_fee_cap: wei::gas_price(&spec.fees.max_fee_per_gas)?,
        replace_after: time("fees.replaceAfter", &spec.fees.replace_after)?,
        ..FeePolicy::default()
    };
    let config = FollowerConfig {
        start_depth: u64::try_from(spec.finality.start.depth).unwrap_or_default(),
        settle: settle(&spec.finality.settle),
        poll_interval,
        ..FollowerConfig::of(&contracts)
    };
    let (named, asked) = (contracts.clone(), Instant::now());
    let bench = Bench {
        lease_book: contracts.lease_book.address,
        court: contracts.court.map(|court| court.address),
        settle: config.settle,
    };
    let moved = desk.moved.clone();
    // An answer may be all that a lease waited for.
    let news = move || moved.send_modify(|count| *count = count.wrapping_add(1));
    let witnesses = Witnesses::new(&endpoints, bench, news);
    let follower = Follower::spawn(endpoints.clone(), config);
    let view = follower.view.clone();
    let mut tasks = JoinSet::new();
    let (heads_tx, heads) = watch::channel(None);
    tasks.spawn(bridge(
        context.clone(),
        name.clone(),
        view.clone(),
        heads_tx,
        desk.moved.clone(),
    ));
    tasks.spawn(async move {
        // The follower ends with this set of tasks.
        let _follower = AbortOnDrop(follower);
        std::future::pending::<()>().await;
    });
    let transact =
        transact(context, &name, chain, fees, &endpoints).ok_or_else(|| MarketError::NoUrl(name.clone()))?;
    let listed = status_of(&contracts);
    context.transacts.put(name.clone(), transact.clone());
    context.eyes.markets.put(Market {
        name: name.clone(),
        chain,
        lease_book: contracts.lease_book.address,
        court: contracts.court.map(|court| court.address),
        windows: contracts.windows,
        tokens: listed.tokens.clone(),
        endpoints: endpoints.clone(),
        witnesses,
        view,
        since: clock::wall(),
    });
    let running = Running {
        uid,
        generation,
        named,
        asked,
        directory,
        endpoints,
        contracts: listed.clone(),
        tasks,
        senders: Senders::Wait { transact, heads },
    };
    desk.running
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name, running);
    Ok(listed)
}

/// What is final on this chain.
fn settle(finality: &SettleFinality) -> Settle {
    match (finality.depth, finality.tag) {
        (Some(depth), _) => Settle::Depth(u64::try_from(depth).unwrap_or_default()),
        (None, Some(SettleTag::Safe)) => Settle::Safe,
        (None, Some(SettleTag::Finalized) | None) => Settle::Finalized,
    }
}

struct AbortOnDrop(Follower);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.task.abort();
    }
}

fn transact(
    context: &Context,
    name: &str,
    chain: ChainId,
    fees: FeePolicy,
    endpoints: &Arc<Endpoints>,
) -> Option<Arc<TransactContext>> {
    let first = endpoints.all().first()?.provider().clone();
    let (reads, all) = (endpoints.clone(), endpoints.clone());
    let publisher = Publisher::new(
        Arc::new(move || reads.read().unwrap_or_else(|| first.clone())),
        Arc::new(move || {
            all.all()
                .iter()
                .map(|each| (each.name().to_owned(), each.provider().clone()))
                .collect()
        }),
        explain,
        Duration::from_secs(5),
    );
    let (clock, markets, market) = (context.eyes.clock, context.eyes.markets.clone(), name.to_owned());
    let now = Arc::new(move || {
        clock.now(
            markets
                .get(&market)
                .and_then(|market| market.view())
                .map(|view| view.now()),
        )
    });
    Some(Arc::new(TransactContext::new(
        context.client().clone(),
        publisher,
        MarketTerms::new(name, chain, fees),
        now,
    )))
}

fn spawn_senders(
    tasks: &mut JoinSet<()>,
    desk: &MarketDesk,
    context: &Context,
    transact: &Arc<TransactContext>,
    heads: &watch::Receiver<Option<Heads>>,
) {
    let stores = &context.eyes.stores;
    let ring = Arc::new(Notify::new());
    tasks.spawn(ringing(desk.transactions.clone(), ring.clone()));
    let inputs = TransactionInputs {
        context: transact.clone(),
        transactions: stores.transactions.clone(),
        wallets: stores.wallets.clone(),
        changed: ring,
        heads: heads.clone(),
        metrics: context.metrics.clone(),
    };
    tasks.spawn(async move {
        transaction::run(inputs).await;
    });
    let ring = Arc::new(Notify::new());
    tasks.spawn(ringing(desk.wallets.clone(), ring.clone()));
    let inputs = WalletInputs {
        context: transact.clone(),
        wallets: stores.wallets.clone(),
        markets: stores.markets.clone(),
        transactions: stores.transactions.clone(),
        changed: ring,
        heads: heads.clone(),
        metrics: context.metrics.clone(),
    };
    tasks.spawn(async move {
        wallet::run(inputs).await;
    });
}

async fn ringing<K>(kind: Reflected<K>, ring: Arc<Notify>)
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let mut changes = std::pin::pin!(kind.changes(RESYNC));
    while changes.next().await.is_some() {
        ring.notify_one();
    }
}

/// Turns each new view into what the senders wait for, a tick for every controller, and the metrics.
async fn bridge(
    context: Context,
    name: String,
    mut view: watch::Receiver<Option<Arc<ChainView>>>,
    heads: watch::Sender<Option<Heads>>,
    moved: Arc<watch::Sender<u64>>,
) {
    loop {
        let seen = view.borrow_and_update().clone();
        if let Some(seen) = seen {
            let fresh = seen.freshness == Freshness::Fresh;
            context.metrics.chain(
                &name,
                shown(&seen.head.block),
                shown(&seen.finalized.block),
                i64::from(fresh),
            );
            heads.send_replace(fresh.then(|| Heads {
                number: seen.head.block.number,
                hash: seen.head.block.hash,
                time: seen.head.block.time,
                settled: seen.finalized.block.number,
            }));
            moved.send_modify(|count| *count = count.wrapping_add(1));
        }
        if view.changed().await.is_err() {
            return;
        }
    }
}

const fn shown(block: &BlockRef) -> Block {
    Block {
        number: block.number,
        time: block.time.0,
    }
}

async fn url_of(context: &Context, namespace: &str, endpoint: &Endpoint) -> Result<String, MarketError> {
    if let Some(url) = &endpoint.url {
        return Ok(url.clone());
    }
    let from = endpoint
        .url_from
        .as_ref()
        .ok_or_else(|| MarketError::NoUrl(endpoint.name.clone()))?;
    let reference = &from.secret_key_ref;
    let failed = |why: String| MarketError::Secret {
        name: endpoint.name.clone(),
        secret: reference.name.clone(),
        namespace: namespace.to_owned(),
        why,
    };
    let api = Api::<Secret>::namespaced(context.client().clone(), namespace);
    let secret = within("read an endpoint's Secret", api.get(&reference.name))
        .await
        .map_err(|error: KubeError| failed(error.to_string()))?;
    let bytes = secret
        .data
        .as_ref()
        .and_then(|data| data.get(&reference.key))
        .ok_or_else(|| failed(format!("has no key {}", reference.key)))?;
    let text = String::from_utf8(bytes.0.clone())
        .map_err(|_| failed(format!("key {} is not text", reference.key)))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_settles_on_what_its_spec_says_and_on_the_finalized_tag_when_it_says_nothing() {
        let of = |tag, depth| {
            settle(&SettleFinality {
                tag,
                depth,
                ..SettleFinality::default()
            })
        };
        assert_eq!(of(None, None), Settle::Finalized);
        assert_eq!(of(Some(SettleTag::Finalized), None), Settle::Finalized);
        assert_eq!(of(Some(SettleTag::Safe), None), Settle::Safe);
        assert_eq!(of(None, Some(64)), Settle::Depth(64));
    }
}
