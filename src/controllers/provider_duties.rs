//! A provider's plan carried out: reports with their evidence, settlements, claims. Each is an intent named by what it says, so planning
//! it again sends nothing again. Decides nothing.

use std::collections::BTreeMap;

use alloy::primitives::{Bytes, U256, keccak256};
use kube::ResourceExt;

use super::{
    context::{Context, wallet_name},
    receipt,
};
use crate::{
    act::{lease::ActError, transact::WalletName},
    api::ComputeProvider,
    core::{
        documents::calls,
        ids::{Lane, ProviderId},
        plan::provider::Plan,
        tx::{Call, Intent, IntentKind, Subject},
        usage::lanes,
        view::ChainView,
    },
    observe::markets::Market,
};

/// Sends what the plan says.
pub(super) async fn send(
    context: &Context,
    found: &ComputeProvider,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
    plan: &Plan,
) -> Result<(), ActError> {
    if plan.report.is_empty() && plan.settle.is_empty() && plan.claim.is_none() {
        return Ok(());
    }
    let transact = context.transacts.get(&market.name).ok_or(ActError::Missing {
        action: "a report",
        what: "the market's wallets",
    })?;
    let wallet: WalletName = wallet_name(found, &found.spec.wallets.duty);
    let subject = Subject {
        kind: "ComputeProvider".to_owned(),
        namespace: found.namespace().unwrap_or_default(),
        name: found.name_any(),
        uid: found.uid().unwrap_or_default(),
    };
    let intent = |kind, epoch: String, data: Bytes| Intent {
        kind,
        subject: subject.clone(),
        epoch,
        call: Call {
            to: market.lease_book,
            data,
            value: U256::ZERO,
        },
    };
    let wanted: BTreeMap<Lane, u32> = plan.report.iter().copied().collect();
    let on_chain: BTreeMap<Lane, u32> = wanted
        .keys()
        .map(|lane| (*lane, view.head.book.lane_seconds(id, *lane)))
        .collect();
    for report in lanes::reports(&on_chain, &wanted) {
        let root = receipt::prepare(context, &transact, found, market, view, &report).await?;
        // The same counts are the same intent, however often and by whomever they are planned.
        let epoch = format!(
            "{}/{}",
            report.first_word,
            keccak256(
                report
                    .words
                    .iter()
                    .flat_map(|word| word.to_be_bytes::<32>())
                    .collect::<Vec<u8>>()
            )
        );
        let data = calls::report(id, report.first_word, view.now().0, root, &report.words);
        let sent = transact
            .submit(&wallet, &intent(IntentKind::Report, epoch, data))
            .await?;
        tracing::info!(
            provider = id.0,
            lanes = report.lanes.len(),
            transaction = sent.name,
            "usage reported"
        );
    }
    if !plan.settle.is_empty() {
        let counts: Vec<u8> = plan
            .settle
            .iter()
            .flat_map(|lane| {
                [
                    lane.0.to_be_bytes(),
                    view.head.book.lane_seconds(id, *lane).to_be_bytes(),
                ]
                .concat()
            })
            .collect();
        let data = calls::settle(id, &plan.settle);
        let sent = transact
            .submit(
                &wallet,
                &intent(IntentKind::Settle, keccak256(counts).to_string(), data),
            )
            .await?;
        tracing::info!(
            provider = id.0,
            lanes = plan.settle.len(),
            transaction = sent.name,
            "usage settled"
        );
    }
    if let Some(token) = plan.claim {
        let claimed = view
            .head
            .book
            .provider(id)
            .and_then(|state| state.earnings.get(&token))
            .map_or(0, |earned| earned.claimed);
        let data = calls::claim(id, token);
        let sent = transact
            .submit(
                &wallet,
                &intent(IntentKind::Claim, format!("{token}/{claimed}"), data),
            )
            .await?;
        tracing::info!(
            provider = id.0,
            token,
            transaction = sent.name,
            "earnings claimed"
        );
    }
    Ok(())
}
