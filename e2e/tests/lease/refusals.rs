//! Orders that get no bid and manifests that are not taken, each with the reason where people look for it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::{Scene, Wish, eventually};

use crate::Shared;
use crate::flow::{close, small, started};
use crate::post::{PostCall, cancel};

/// Waits until the offer, an event and the counter give this reason for this order, and sees that nobody bid.
pub(crate) fn refused(scene: &Scene, order: &str, reason: &str) -> Result<()> {
    eventually(&format!("refusal {reason} on the offer"), || {
        let offer = scene.object("computeoffer/gpus")?;
        let refusals = &offer["status"]["refusals"];
        let found = refusals.as_array().into_iter().flatten().any(|one| {
            one["reason"] == reason
                && one["lastOrder"] == order
                && one["message"].as_str().is_some_and(|text| !text.is_empty())
        });
        ensure!(found, "{refusals}");
        Ok(Some(()))
    })?;
    eventually(&format!("an event {reason} on the offer"), || {
        let events = scene.objects("events.events.k8s.io")?;
        Ok(events
            .iter()
            .any(|event| event["reason"] == reason && event["regarding"]["kind"] == "ComputeOffer")
            .then_some(()))
    })?;
    let counted = scene.metric("leaseport_order_refusals_total", &[("reason", reason)])?;
    ensure!(
        counted > 0,
        "leaseport_order_refusals_total{{reason={reason}}} is {counted}"
    );
    let bids = scene.objects("computebids")?;
    ensure!(
        !bids.iter().any(|bid| bid["spec"]["orderHash"] == order),
        "there is a bid for {order}"
    );
    Ok(())
}

pub(crate) fn too_large(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let wish = Wish {
        gpus: 9,
        max_per_hour: "100".into(),
        ..Wish::default()
    };
    let posted = scene.tenant().request("large", &wish)?;
    refused(scene, &posted.order, "NoCapacity")?;
    cancel(scene, &posted.sent.last().context("no transaction")?.hash)
}

pub(crate) fn too_cheap(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let wish = Wish {
        max_per_hour: "0.5".into(),
        ..small()
    };
    let posted = scene.tenant().request("cheap", &wish)?;
    refused(scene, &posted.order, "PriceTooLow")?;
    cancel(scene, &posted.sent.last().context("no transaction")?.hash)
}

pub(crate) fn undecodable(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    // A good order is taken apart and posted again with needs that are no document; the contract sees only hash and bytes.
    let good = scene.tenant().request(
        "good",
        &Wish {
            max_per_hour: "0.5".into(),
            ..small()
        },
    )?;
    let mut call = PostCall::of(scene, &good)?;
    call.salt("another salt")?;
    call.needs(b"{\"version\":1,\"gpu\":")?;
    let order = call.send(scene)?;
    refused(scene, &order, "NeedsUndecodable")?;
    cancel(scene, &good.sent.last().context("no transaction")?.hash)?;
    call.cancel(scene)
}

pub(crate) fn wrong_signer(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let posted = tenant.request("signer", &small())?;
    tenant.a_bid(&posted.order)?;
    let opened = tenant.accept_without_manifest(&posted.order)?;
    scene.namespace_of(&opened.lease)?;
    let push = [
        "manifest",
        "push",
        opened.lease.as_str(),
        "--manifest-timeout",
        "5s",
    ];
    let refused = tenant.posing_as(&scene.cast.stranger).refusal(&push)?;
    ensure!(
        refused.said.contains("403") || refused.said.contains("neither tenant"),
        "{}",
        refused.said
    );
    ensure!(
        scene.ledger.lease_at(opened.lane)?.state == 1,
        "the lease left Pending"
    );

    tenant.run(&["manifest", "push", &opened.lease])?;
    scene.running_pod(&opened.lease)?;
    started(scene, opened.lane)?;
    close(scene, &opened.lease)?;
    Ok(())
}

pub(crate) fn wrong_hash(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let posted = tenant.request("hash", &small())?;
    tenant.a_bid(&posted.order)?;
    let opened = tenant.accept_without_manifest(&posted.order)?;
    scene.namespace_of(&opened.lease)?;
    let state_file = posted.printed["stateFile"].as_str().context("no stateFile")?;
    let kept = fs::read_to_string(state_file)?;
    let other = kept.replace("sleep 1", "sleep 2");
    ensure!(kept != other, "{kept}");
    let path = tenant.write("another-manifest", &other)?;
    let path = path.display().to_string();
    let refused = tenant.refusal(&[
        "manifest",
        "push",
        &opened.lease,
        "--state-file",
        &path,
        "--manifest-timeout",
        "5s",
    ])?;
    ensure!(refused.said.contains("hash"), "{}", refused.said);

    tenant.run(&["manifest", "push", &opened.lease])?;
    started(scene, opened.lane)?;
    close(scene, &opened.lease)?;
    Ok(())
}
