//! The sender: one loop over all ComputeTransactions of a market, woken by changes, blocks and time. Holds no state of its own but
//! a nonce per wallet and block; what to do is `core::tx`'s, doing it is `act::transact`'s.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use futures::future::join_all;
use kube::runtime::reflector::Store;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::{
    act::transact::{PassReport, TransactContext, WalletName},
    api::{
        ComputeTransaction, ComputeWallet, condition,
        transaction::{ComputeTransactionStatus, IntentKind, TransactionPhase},
    },
    core::tx::{Heads, KeyUse},
    telemetry::{Metrics, Spent},
};

/// Pause between two looks while something is under way: re-sending has a rhythm of seconds.
const BUSY: Duration = Duration::from_secs(1);
/// Pause while nothing is: only age decides then.
const IDLE: Duration = Duration::from_secs(30);

/// What the sender watches.
pub struct TransactionInputs {
    /// The market's means.
    pub context: Arc<TransactContext>,
    /// Cache of all ComputeTransactions.
    pub transactions: Store<ComputeTransaction>,
    /// Cache of all ComputeWallets.
    pub wallets: Store<ComputeWallet>,
    /// Rings when the cache of transactions changes.
    pub changed: Arc<Notify>,
    /// The chain's newest block; none while unknown.
    pub heads: watch::Receiver<Option<Heads>>,
    /// Where phases are counted.
    pub metrics: Metrics,
}

/// Runs until it is dropped; to be started while this process leads, and dropped when it does not.
pub async fn run(mut inputs: TransactionInputs) -> Infallible {
    let mut nonces = Nonces::default();
    let mut phases = Phases::default();
    loop {
        phases.count(&inputs);
        let reports = pass(&inputs, &mut nonces).await;
        let open = reports.iter().map(|(_, report)| report.open).sum::<usize>();
        for (wallet, report) in &reports {
            for trouble in &report.troubles {
                tracing::warn!(%wallet, trouble, "transaction not advanced");
            }
        }
        let pause = if open > 0 { BUSY } else { IDLE };
        // Whatever wakes us, everything is looked at again; a lost ring costs one pause.
        let woken = timeout(pause, async {
            tokio::select! {
                () = inputs.changed.notified() => {}
                Ok(()) = inputs.heads.changed() => {}
            }
        });
        let _ = woken.await;
    }
}

/// The phase each transaction was last seen in, by uid. What is seen for the first time is counted only if it is new: a restart counts
/// nothing again.
#[derive(Debug, Default)]
struct Phases {
    known: BTreeMap<String, TransactionPhase>,
    begun: bool,
}

impl Phases {
    fn count(&mut self, inputs: &TransactionInputs) {
        let mut now = BTreeMap::new();
        for object in inputs.transactions.state() {
            if object.spec.market_ref.name != inputs.context.terms().market {
                continue;
            }
            let phase = object
                .status
                .as_ref()
                .and_then(|status| status.phase)
                .unwrap_or_default();
            let uid = object.metadata.uid.clone().unwrap_or_default();
            if self.begun && self.known.get(&uid) != Some(&phase) {
                let intent = intent_label(object.spec.intent.kind);
                inputs.metrics.transaction(intent, phase_label(phase));
                if let Some(spent) = spent(phase, object.status.as_ref()) {
                    inputs.metrics.spent(intent, spent);
                }
            }
            now.insert(uid, phase);
        }
        self.known = now;
        self.begun = true;
    }
}

/// What it cost, once no reorganization can take it back: counted then, it is counted once.
fn spent(phase: TransactionPhase, status: Option<&ComputeTransactionStatus>) -> Option<Spent> {
    match phase {
        TransactionPhase::Final | TransactionPhase::Failed => {}
        TransactionPhase::Created
        | TransactionPhase::Pending
        | TransactionPhase::Mined
        | TransactionPhase::Abandoned => return None,
    }
    let mined = status?.mined.as_ref()?;
    let gas = u64::try_from(mined.gas_used).ok()?;
    let price: u128 = mined.effective_gas_price.parse().ok()?;
    let data: u128 = mined
        .data_fee
        .as_deref()
        .map_or(Some(0), |fee| fee.parse().ok())?;
    let wei = u128::from(gas).saturating_mul(price).saturating_add(data);
    Some(Spent {
        gas,
        gwei: u64::try_from(wei.div_ceil(1_000_000_000)).unwrap_or(u64::MAX),
    })
}

const fn intent_label(kind: IntentKind) -> &'static str {
    match kind {
        IntentKind::PostBid => "PostBid",
        IntentKind::Fill => "Fill",
        IntentKind::Start => "Start",
        IntentKind::Decline => "Decline",
        IntentKind::Report => "Report",
        IntentKind::Settle => "Settle",
        IntentKind::Redeem => "Redeem",
        IntentKind::Waive => "Waive",
        IntentKind::Stop => "Stop",
        IntentKind::Finalize => "Finalize",
        IntentKind::CloseBoth => "CloseBoth",
        IntentKind::Claim => "Claim",
        IntentKind::Approve => "Approve",
        IntentKind::Answer => "Answer",
        IntentKind::Conclude => "Conclude",
        IntentKind::Withdraw => "Withdraw",
    }
}

const fn phase_label(phase: TransactionPhase) -> &'static str {
    match phase {
        TransactionPhase::Created => "Created",
        TransactionPhase::Pending => "Pending",
        TransactionPhase::Mined => "Mined",
        TransactionPhase::Final => "Final",
        TransactionPhase::Failed => "Failed",
        TransactionPhase::Abandoned => "Abandoned",
    }
}

/// A block's hash.
type BlockHash = [u8; 32];

/// The last nonce of each wallet, by the block it was read at: one question a wallet and block.
#[derive(Debug, Default)]
struct Nonces(BTreeMap<WalletName, (BlockHash, u64)>);

async fn pass(inputs: &TransactionInputs, nonces: &mut Nonces) -> Vec<(WalletName, PassReport)> {
    let heads = *inputs.heads.borrow();
    let market = &inputs.context.terms().market;
    let mut wallets: BTreeMap<WalletName, Vec<Arc<ComputeTransaction>>> = BTreeMap::new();
    for object in inputs.transactions.state() {
        if object.spec.market_ref.name == *market {
            wallets.entry(wallet_of(&object)).or_default().push(object);
        }
    }
    nonces.0.retain(|wallet, _| wallets.contains_key(wallet));
    let passes = wallets.into_iter().map(|(wallet, objects)| {
        let known = nonces.0.get(&wallet).copied();
        async move {
            let nonce = nonce_of(&inputs.context, &objects, heads, known).await;
            let key = key_use(&inputs.wallets, &wallet);
            let report = inputs.context.pass(&wallet, &objects, heads, nonce, key).await;
            (wallet, nonce, report)
        }
    });
    let mut reports = Vec::new();
    for (wallet, nonce, report) in join_all(passes).await {
        if let (Some(heads), Some(nonce)) = (heads, nonce) {
            nonces.0.insert(wallet.clone(), (heads.hash.0, nonce));
        }
        reports.push((wallet, report));
    }
    reports
}

async fn nonce_of(
    context: &TransactContext,
    objects: &[Arc<ComputeTransaction>],
    heads: Option<Heads>,
    known: Option<(BlockHash, u64)>,
) -> Option<u64> {
    let heads = heads?;
    let open = objects.iter().any(|object| !is_closed(object));
    match known {
        Some((hash, nonce)) if hash == heads.hash.0 => Some(nonce),
        Some(_) | None if open => context.nonce_at(objects, &heads).await,
        Some(_) | None => None,
    }
}

fn is_closed(object: &ComputeTransaction) -> bool {
    object
        .status
        .as_ref()
        .is_some_and(|status| status.ended_at.is_some())
}

fn wallet_of(object: &ComputeTransaction) -> WalletName {
    WalletName {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.spec.wallet_ref.name.clone(),
    }
}

fn key_use(wallets: &Store<ComputeWallet>, name: &WalletName) -> KeyUse {
    let foreign = wallets.state().iter().any(|wallet| {
        wallet.metadata.namespace.as_deref() == Some(&name.namespace)
            && wallet.metadata.name.as_deref() == Some(&name.name)
            && wallet
                .status
                .as_ref()
                .is_some_and(|status| condition::is_true(&status.conditions, condition::NONCE_FOREIGN))
    });
    if foreign { KeyUse::Foreign } else { KeyUse::Ours }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::transaction::MinedVersion;

    fn mined(price: &str, data: Option<&str>) -> ComputeTransactionStatus {
        ComputeTransactionStatus {
            mined: Some(MinedVersion {
                gas_used: 50_000,
                effective_gas_price: price.to_owned(),
                data_fee: data.map(str::to_owned),
                ..MinedVersion::default()
            }),
            ..ComputeTransactionStatus::default()
        }
    }

    fn gwei(status: &ComputeTransactionStatus) -> Option<u64> {
        spent(TransactionPhase::Final, Some(status)).map(|spent| spent.gwei)
    }

    #[test]
    fn what_a_transaction_cost_is_rounded_up_and_holds_the_data_fee_of_a_rollup() {
        assert_eq!(gwei(&mined("2000000000", None)), Some(100_000));
        assert_eq!(gwei(&mined("1", None)), Some(1));
        assert_eq!(gwei(&mined("0", Some("1000000001"))), Some(2));
        assert_eq!(gwei(&mined("?", None)), None);
    }

    #[test]
    fn it_is_counted_only_when_no_reorganization_can_take_it_back() {
        let status = mined("1", None);
        for (phase, counted) in [
            (TransactionPhase::Created, false),
            (TransactionPhase::Pending, false),
            (TransactionPhase::Mined, false),
            (TransactionPhase::Abandoned, false),
            (TransactionPhase::Final, true),
            (TransactionPhase::Failed, true),
        ] {
            assert_eq!(spent(phase, Some(&status)).is_some(), counted, "{phase:?}");
        }
        assert_eq!(spent(TransactionPhase::Final, None), None);
    }
}
