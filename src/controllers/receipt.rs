//! Signs and keeps what a report rests on, before the report is handed over: a receipt a lease, under one root. A report planned again with the same
//! counts has the same root, so that what was signed and what is on chain never part.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes};
use kube::ResourceExt;

use super::context::{Context, MANAGER, wallet_name};
use crate::{
    act::{
        evidence::{EvidenceError, Shelf},
        lease::{ActError, sign},
        transact::TransactContext,
    },
    api::{ComputeLease, ComputeProvider, lease::UsageReceipt},
    core::{
        book::StoredPhase,
        documents::{
            signing::{digest, domain},
            statement::{Draft, Statement, tree},
        },
        ids::{LeaseKey, ProviderId, TermsHash},
        usage::lanes,
        view::ChainView,
    },
    kube_io::events::Severity,
    observe::{clock, lease::key_of, markets::Market, meters::time_of},
};

/// One lease's share, with its object.
struct Share {
    object: Arc<ComputeLease>,
    draft: Draft,
}

/// The root of a report, once every receipt under it is in its lease's status.
pub(super) async fn prepare(
    context: &Context,
    transact: &TransactContext,
    provider: &ComputeProvider,
    market: &Market,
    view: &ChainView,
    report: &lanes::Report,
) -> Result<B256, ActError> {
    let id = ProviderId(u32::try_from(provider.spec.provider_id).unwrap_or_default());
    let shares = shares(context, provider, id, view, report);
    let signed = shares
        .iter()
        .map(|share| (receipt_of(&share.object, &share.draft.lease), share.draft.cum));
    if let Some(root) = standing(signed) {
        return Ok(root);
    }
    let drafts: Vec<Draft> = shares.iter().map(|share| share.draft.clone()).collect();
    let tree = tree(&drafts);
    let wallet = wallet_name(provider, &provider.spec.wallets.duty);
    let home = provider.namespace().unwrap_or_default();
    let signer = transact.signer(&wallet, &home).await?;
    let domain = domain(market.chain, market.lease_book);
    for share in shares {
        let terms = share.draft.lease.terms;
        let receipt = share.draft.receipt(tree.root());
        let signature = sign(signer.as_ref(), digest(&receipt, &domain)).await?;
        let bytes: Bytes = signature.parse().unwrap_or_default();
        if let Some(statement) = share.draft.signed(&tree, bytes) {
            keep(context, &share.object, (terms, &statement), signature).await?;
        }
    }
    Ok(tree.root())
}

fn shares(
    context: &Context,
    provider: &ComputeProvider,
    id: ProviderId,
    view: &ChainView,
    report: &lanes::Report,
) -> Vec<Share> {
    let home = provider.namespace();
    let objects = context.eyes.stores.leases.state();
    let live = view
        .head
        .book
        .leases_of(id)
        .map(|metered| metered.lease)
        .filter(|lease| lease.stored == StoredPhase::Live);
    live.filter_map(|lease| {
        let to = report.lanes.get(&lease.key.id.lane)?;
        let object = objects
            .iter()
            .find(|object| object.namespace() == home && key_of(object).ok() == Some(lease.key))?;
        let status = object.status.as_ref();
        let devices = status.map(|status| status.devices.as_slice()).unwrap_or_default();
        let draft = Draft {
            lease: lease.signed_as(),
            from: receipt_of(object, &lease.signed_as())
                .and_then(|receipt| u64::try_from(receipt.as_of).ok())
                .unwrap_or(lease.start_at.0),
            to: view.now().0.min(lease.stop_at.0),
            cum: to.saturating_sub(lease.lane_base),
            devices: devices.iter().map(|device| device.uuid.clone()).collect(),
        };
        Some(Share {
            object: Arc::clone(object),
            draft,
        })
    })
    .collect()
}

/// The newest receipt, if it is for these terms: one from before an amendment counts other seconds.
fn receipt_of<'a>(lease: &'a ComputeLease, signed_as: &LeaseKey) -> Option<&'a UsageReceipt> {
    let receipt = lease.status.as_ref()?.usage.as_ref()?.receipt.as_ref()?;
    let terms = receipt.terms_hash.as_ref().unwrap_or(&lease.spec.terms_hash);
    (terms.parse().ok() == Some(signed_as.terms.0)).then_some(receipt)
}

/// The root under which all these counts were signed already, if they were signed together.
fn standing<'a>(shares: impl Iterator<Item = (Option<&'a UsageReceipt>, u32)>) -> Option<B256> {
    let mut roots = shares.map(|(receipt, cum)| {
        receipt
            .filter(|receipt| receipt.cum == i64::from(cum))
            .and_then(|receipt| receipt.root.parse::<B256>().ok())
    });
    let first = roots.next()??;
    roots.all(|root| root == Some(first)).then_some(first)
}

/// The page may fail, and money goes on: whoever runs this is told that it could not prove what it was paid for. The receipt may not: it says what
/// was signed, and nothing is signed that is not written down.
async fn keep(
    context: &Context,
    lease: &ComputeLease,
    (terms, statement): (TermsHash, &Statement),
    signature: String,
) -> Result<(), ActError> {
    let shelf = Shelf {
        client: context.client(),
        manager: MANAGER,
        lease,
    };
    let mut pages = lease
        .status
        .as_ref()
        .and_then(|status| status.usage.as_ref())
        .map(|usage| usage.evidence.clone())
        .unwrap_or_default();
    match shelf.keep(&pages, statement).await {
        Ok(page) if !pages.contains(&page) => pages.push(page),
        Ok(_) => {}
        Err(error) => not_kept(context, lease, &error).await,
    }
    let receipt = UsageReceipt {
        cum: statement.cum.into(),
        terms_hash: Some(terms.to_string()),
        as_of: i64::try_from(statement.to).unwrap_or(i64::MAX),
        root: statement.root.to_string(),
        signature,
    };
    Ok(shelf.note(&receipt, time_of(clock::wall().0), &pages).await?)
}

async fn not_kept(context: &Context, lease: &ComputeLease, error: &EvidenceError) {
    tracing::warn!(lease = lease.spec.lease_id, %error, "statement not kept");
    context
        .tell(
            lease,
            Severity::Warning,
            "EvidenceNotKept",
            "Report",
            error.to_string(),
        )
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(cum: i64, root: u8) -> UsageReceipt {
        UsageReceipt {
            cum,
            root: B256::repeat_byte(root).to_string(),
            ..UsageReceipt::default()
        }
    }

    #[test]
    fn a_report_planned_again_with_the_same_counts_keeps_the_root_that_was_signed() {
        let (one, two) = (signed(10, 1), signed(20, 1));
        let again = [(Some(&one), 10), (Some(&two), 20)];
        assert_eq!(standing(again.into_iter()), Some(B256::repeat_byte(1)));
    }

    #[test]
    fn counts_that_rose_or_were_never_signed_together_are_signed_anew() {
        let (one, two, other) = (signed(10, 1), signed(20, 1), signed(20, 2));
        for shares in [
            vec![(Some(&one), 11), (Some(&two), 20)],
            vec![(Some(&one), 10), (Some(&other), 20)],
            vec![(Some(&one), 10), (None, 20)],
            vec![],
        ] {
            assert_eq!(standing(shares.into_iter()), None);
        }
    }
}
