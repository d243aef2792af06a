//! Wallets looked at, one after another, when one changes, when something points at trouble, and twice a minute. What a finding
//! means is `core::tx`'s, looking and writing is `act::transact`'s.

use std::{convert::Infallible, sync::Arc, time::Duration};

use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::context::{gauge, ungauge};
use crate::{
    act::transact::{Readiness, TransactContext},
    api::{
        ComputeMarket, ComputeTransaction, ComputeWallet,
        condition::{FUNDED, NONCE_FOREIGN, READY},
    },
    core::tx::Heads,
    telemetry::Metrics,
};

/// Every condition a wallet can have.
const CONDITIONS: &[&str] = &[READY, FUNDED, NONCE_FOREIGN];

/// Pause between two looks when nothing rings: balances and strangers move without telling us.
const PERIOD: Duration = Duration::from_secs(30);
/// Pause while a wallet is not ready: somebody is likely working on it.
const SOON: Duration = Duration::from_secs(5);
/// Least pause between two rounds, whatever rings: our own status writes ring too.
const LEAST: Duration = Duration::from_secs(1);

/// What the wallet controller watches.
pub struct WalletInputs {
    /// The market's means.
    pub context: Arc<TransactContext>,
    /// Cache of all ComputeWallets.
    pub wallets: Store<ComputeWallet>,
    /// Cache of all ComputeMarkets: which of them share a chain.
    pub markets: Store<ComputeMarket>,
    /// Cache of all ComputeTransactions.
    pub transactions: Store<ComputeTransaction>,
    /// Rings when the cache of wallets changes.
    pub changed: Arc<Notify>,
    /// The chain's newest block; none while unknown.
    pub heads: watch::Receiver<Option<Heads>>,
    /// Where conditions are shown.
    pub metrics: Metrics,
}

/// Runs until it is dropped; to be started while this process leads, and dropped when it does not.
pub async fn run(mut inputs: WalletInputs) -> Infallible {
    let mut shown: Vec<ObjectRef<ComputeWallet>> = Vec::new();
    loop {
        let pause = if round(&inputs).await { PERIOD } else { SOON };
        shown = show(&inputs, shown);
        let unknown = inputs.heads.borrow_and_update().is_none();
        let woken = timeout(pause, async {
            tokio::select! {
                () = inputs.changed.notified() => {}
                () = inputs.context.wallet_trouble.notified() => {}
                Ok(()) = inputs.heads.changed(), if unknown => {}
            }
        });
        let _ = woken.await;
        sleep(LEAST).await;
    }
}

/// The conditions of the market's wallets as gauges; returns whose are shown.
fn show(inputs: &WalletInputs, before: Vec<ObjectRef<ComputeWallet>>) -> Vec<ObjectRef<ComputeWallet>> {
    let wallets = inputs.wallets.state();
    let ours = wallets
        .iter()
        .filter(|wallet| wallet.spec.market_ref.name == inputs.context.terms().market);
    let mut shown = Vec::new();
    for wallet in ours {
        if let Some(status) = &wallet.status {
            gauge(&inputs.metrics, wallet.as_ref(), &status.conditions);
            shown.push(ObjectRef::from_obj(wallet.as_ref()));
        }
    }
    for gone in before.iter().filter(|name| !shown.contains(name)) {
        ungauge(&inputs.metrics, gone, CONDITIONS);
    }
    shown
}

/// Wallets whose market is on the same chain as ours: only there can one key mean two lists of nonces.
fn on_our_chain(inputs: &WalletInputs) -> Vec<Arc<ComputeWallet>> {
    let ours = &inputs.context.terms().market;
    let chain = inputs.context.terms().chain.0;
    let markets = inputs.markets.state();
    let same: Vec<String> = markets
        .iter()
        .filter(|market| u64::try_from(market.spec.chain_id) == Ok(chain))
        .map(|market| market.name_any())
        .collect();
    let mut wallets = inputs.wallets.state();
    wallets.retain(|wallet| wallet.spec.market_ref.name == *ours || same.contains(&wallet.spec.market_ref.name));
    wallets
}

/// Looks at every wallet of the market; whether all of them are ready.
async fn round(inputs: &WalletInputs) -> bool {
    let heads = *inputs.heads.borrow();
    let transactions = inputs.transactions.state();
    let neighbours = on_our_chain(inputs);
    let mut all_ready = true;
    for wallet in inputs.wallets.state() {
        if wallet.spec.market_ref.name != inputs.context.terms().market {
            continue;
        }
        let own: Vec<_> = transactions
            .iter()
            .filter(|object| {
                object.metadata.namespace == wallet.metadata.namespace
                    && Some(&object.spec.wallet_ref.name) == wallet.metadata.name.as_ref()
            })
            .cloned()
            .collect();
        match inputs.context.look_at_wallet(&wallet, &neighbours, &own, heads).await {
            Ok(report) => all_ready &= report.ready == Readiness::Ready,
            Err(error) => {
                all_ready = false;
                tracing::warn!(wallet = wallet.metadata.name, namespace = wallet.metadata.namespace, %error, "wallet not looked at");
            }
        }
    }
    all_ready
}
