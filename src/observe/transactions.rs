//! How far the transactions for one subject have come, read off ComputeTransactions. Never lists; the store may lag behind our own
//! writes, which is harmless: the sender lists afresh and finds the intent held (rule 4).

use std::sync::Arc;

use kube::runtime::reflector::Store;

use crate::{
    api::{
        ComputeTransaction,
        transaction::{IntentKind, TransactionPhase},
    },
    core::plan::duty::Sent,
};

/// The transactions of one kind for the object with this uid, whose epoch begins with `epoch`.
#[must_use]
pub fn sent(store: &Store<ComputeTransaction>, uid: &str, kind: IntentKind, epoch: &str) -> Sent {
    judge(&store.state(), uid, kind, epoch)
}

/// Whether any transaction of this kind for this subject is on its way; for duties that come again and again.
#[must_use]
pub fn in_flight(store: &Store<ComputeTransaction>, uid: &str, kind: IntentKind) -> Sent {
    let flying = store.state().iter().any(|transaction| {
        let intent = &transaction.spec.intent;
        let phase = transaction
            .status
            .as_ref()
            .and_then(|status| status.phase)
            .unwrap_or_default();
        intent.kind == kind
            && intent.subject.uid == uid
            && matches!(phase, TransactionPhase::Created | TransactionPhase::Pending)
    });
    if flying { Sent::InFlight } else { Sent::Never }
}

fn judge(all: &[Arc<ComputeTransaction>], uid: &str, kind: IntentKind, epoch: &str) -> Sent {
    let mut failed = 0u32;
    let (mut flying, mut done) = (false, false);
    for transaction in all {
        let intent = &transaction.spec.intent;
        if intent.kind != kind || intent.subject.uid != uid || !intent.epoch.starts_with(epoch) {
            continue;
        }
        let status = transaction.status.as_ref();
        let phase = status.and_then(|status| status.phase).unwrap_or_default();
        let reverted = status
            .and_then(|status| status.mined.as_ref())
            .is_some_and(|mined| !mined.succeeded);
        match phase {
            TransactionPhase::Created | TransactionPhase::Pending => flying = true,
            // A revert counts once it can no longer be undone; until then it is on its way.
            TransactionPhase::Mined if reverted => flying = true,
            TransactionPhase::Mined | TransactionPhase::Final => done = true,
            TransactionPhase::Failed | TransactionPhase::Abandoned => failed = failed.saturating_add(1),
        }
    }
    match (done, flying, failed) {
        (true, _, _) => Sent::Done,
        (false, true, _) => Sent::InFlight,
        (false, false, 0) => Sent::Never,
        (false, false, times) => Sent::Failed { times },
    }
}
