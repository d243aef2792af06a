//! Wallets looked at, one after another, when one changes, when something points at trouble, and twice a minute or every thirty blocks,
//! whichever is rarer. What a finding means is `core::tx`'s, looking and writing is `act::transact`'s.

use std::{convert::Infallible, sync::Arc, time::Duration};

use alloy::primitives::U256;
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
/// And so many blocks: on a slow chain little moves in that time, and endpoints count calls by the block.
const BLOCKS: u64 = 30;
/// A chain that stands still is no reason never to look.
const LONGEST: Duration = Duration::from_secs(600);
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
        let (pause, blocks) = if round(&inputs).await {
            (PERIOD, BLOCKS)
        } else {
            (SOON, 0)
        };
        shown = show(&inputs, &shown);
        let known = inputs.heads.borrow_and_update().map(|heads| heads.number);
        let due = known.map_or(0, |number| number.saturating_add(blocks));
        let rested = rest(inputs.heads.clone(), pause, due);
        tokio::select! {
            () = rested => {}
            () = inputs.changed.notified() => {}
            () = inputs.context.wallet_trouble.notified() => {}
            Ok(()) = inputs.heads.changed(), if known.is_none() => {}
        }
        sleep(LEAST).await;
    }
}

/// Ends after `pause`, once the chain has reached `due` too, or is not known any more, or stands still for too long.
async fn rest(mut heads: watch::Receiver<Option<Heads>>, pause: Duration, due: u64) {
    sleep(pause).await;
    let reached = heads.wait_for(|heads| heads.is_none_or(|heads| heads.number >= due));
    // Nobody sends heads any more on the way out only.
    let _ = timeout(LONGEST, reached).await;
}

/// The conditions of the market's wallets as gauges; returns whose are shown.
fn show(inputs: &WalletInputs, before: &[ObjectRef<ComputeWallet>]) -> Vec<ObjectRef<ComputeWallet>> {
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
        let namespace = gone.namespace.as_deref().unwrap_or_default();
        inputs.metrics.forget_balance(namespace, &gone.name);
    }
    shown
}

/// Whole gwei of a balance.
fn gwei(wei: U256) -> u64 {
    u64::try_from(wei / U256::from(1_000_000_000)).unwrap_or(u64::MAX)
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
    wallets
        .retain(|wallet| wallet.spec.market_ref.name == *ours || same.contains(&wallet.spec.market_ref.name));
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
        match inputs
            .context
            .look_at_wallet(&wallet, &neighbours, &own, heads)
            .await
        {
            Ok(report) => {
                all_ready &= report.ready == Readiness::Ready;
                if let (Some(wei), Some(name)) = (report.balance, &wallet.metadata.name) {
                    let namespace = wallet.metadata.namespace.as_deref().unwrap_or_default();
                    inputs.metrics.balance(namespace, name, gwei(wei));
                }
            }
            Err(error) => {
                all_ready = false;
                tracing::warn!(wallet = wallet.metadata.name, namespace = wallet.metadata.namespace, %error, "wallet not looked at");
            }
        }
    }
    all_ready
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy::primitives::B256;
    use tokio::time::Instant;

    use super::*;
    use crate::core::time::ChainSeconds;

    fn head(number: u64) -> Option<Heads> {
        Some(Heads {
            number,
            hash: B256::ZERO,
            time: ChainSeconds(number),
            settled: 0,
        })
    }

    /// Seconds until the next look, on a chain with a block every `every` seconds.
    async fn looks_after(every: u64, blocks: u64) -> u64 {
        let (sender, heads) = watch::channel(head(100));
        let began = Instant::now();
        let mining = tokio::spawn(async move {
            for number in 101..1_000 {
                sleep(Duration::from_secs(every)).await;
                if sender.send(head(number)).is_err() {
                    break;
                }
            }
        });
        rest(heads, PERIOD, 100 + blocks).await;
        mining.abort();
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn wallets_are_looked_at_twice_a_minute_and_on_a_slow_chain_every_thirty_blocks() {
        assert_eq!(looks_after(1, BLOCKS).await, 30);
        assert_eq!(looks_after(12, BLOCKS).await, 360);
        assert_eq!(looks_after(12, 0).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_that_stands_still_or_is_unknown_is_no_reason_never_to_look() {
        let (_sender, heads) = watch::channel(head(100));
        let began = Instant::now();
        rest(heads, PERIOD, 130).await;
        assert_eq!(began.elapsed(), PERIOD + LONGEST);
        let (_sender, unknown) = watch::channel(None);
        let began = Instant::now();
        rest(unknown, PERIOD, 130).await;
        assert_eq!(began.elapsed(), PERIOD);
    }
}
