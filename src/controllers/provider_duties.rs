//! A provider's plan carried out: reports with their evidence, settlements, claims. Each is an intent named by what it says, so planning
//! it again sends nothing again. Decides nothing.

use std::collections::BTreeMap;

use alloy::primitives::{B256, Bytes, U256, keccak256};
use kube::ResourceExt;

use super::context::{Context, wallet_name};
use crate::{
    act::{lease::ActError, transact::WalletName},
    api::ComputeProvider,
    core::{
        book::StoredPhase,
        documents::calls,
        ids::{Lane, ProviderId},
        plan::provider::Plan,
        tx::{Call, Intent, IntentKind, Subject},
        usage::{
            evidence::{Evidence, Tree, device_digest},
            lanes,
        },
        view::ChainView,
    },
    observe::{lease::key_of, markets::Market},
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
        let root = root(context, found, id, view, &report.lanes);
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

/// Merkle root over (lease, interval, seconds, devices) of the lanes that a report raises.
fn root(
    context: &Context,
    found: &ComputeProvider,
    id: ProviderId,
    view: &ChainView,
    lanes: &BTreeMap<Lane, u32>,
) -> B256 {
    let home = found.namespace();
    let objects = context.eyes.stores.leases.state();
    let leaves = view.head.book.leases_of(id).filter_map(|metered| {
        let lease = metered.lease;
        let to = lanes.get(&lease.key.id.lane)?;
        let object = objects
            .iter()
            .find(|object| object.namespace() == home && key_of(object).ok() == Some(lease.key))?;
        let devices = object
            .status
            .as_ref()
            .map(|status| status.devices.as_slice())
            .unwrap_or_default();
        (lease.stored == StoredPhase::Live).then(|| {
            let evidence = Evidence {
                lease: lease.key,
                from: lease.start_at.0,
                to: view.now().0.min(lease.stop_at.0),
                cum: to.saturating_sub(lease.lane_base),
                devices: device_digest(devices.iter().map(|device| device.uuid.as_str())),
            };
            evidence.leaf()
        })
    });
    Tree::over(leaves).root()
}
