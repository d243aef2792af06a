//! Orders that get no bid and manifests that are not taken, each with the reason where people look for it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::{Scene, Wish, eventually, hex, keccak, unhex};
use serde_json::json;

use crate::Shared;
use crate::flow::{close, small, started};

/// Waits until the offer, an event and the counter give this reason for this order, and sees that nobody bid.
fn refused(scene: &Scene, order: &str, reason: &str) -> Result<()> {
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

/// Words of an Order in a call's data (contracts: Types.sol).
const ORDER_WORDS: usize = 27;
const NEEDS_HASH: usize = 22;
const SALT: usize = 26;

/// The order's words in the data of the transaction that posted it.
fn order_words(scene: &Scene, transaction: &str) -> Result<Vec<u8>> {
    let found = scene
        .ledger
        .rpc("eth_getTransactionByHash", &json!([transaction]))?;
    let data = unhex(found["input"].as_str().context("no such transaction")?)?;
    Ok(data.get(4..4 + ORDER_WORDS * 32).context("too short")?.to_vec())
}

fn selector(signature: &str) -> Vec<u8> {
    keccak(signature.as_bytes()).into_iter().take(4).collect()
}

const ORDER_TYPE: &str = "(address,address,address,uint8,uint8,uint8,uint16,uint48,uint48,uint32,uint64,uint32,uint32,uint32,uint16,uint32,uint32,uint32,\
uint64,uint64,uint32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32)";

/// Sends a transaction as the tenant, whose key the local node holds too, and waits for it.
fn send_as_tenant(scene: &Scene, to: &str, data: &[u8]) -> Result<String> {
    let call = json!([{ "from": scene.cast.tenant.address, "to": to, "data": hex(data), "gas": "0xf4240" }]);
    let hash = scene.ledger.rpc("eth_sendTransaction", &call)?;
    let hash = hash.as_str().context("no hash")?.to_owned();
    let receipt = eventually("the transaction is mined", || scene.ledger.receipt(&hash))?;
    ensure!(receipt.succeeded, "{hash} reverted");
    Ok(hash)
}

/// Takes the deposit of an order back.
pub(crate) fn cancel(scene: &Scene, posting: &str) -> Result<()> {
    let mut data = selector(&format!("cancelOrder({ORDER_TYPE})"));
    data.extend(order_words(scene, posting)?);
    send_as_tenant(scene, &scene.ledger.lease_book, &data)?;
    Ok(())
}

fn number(value: u64) -> Vec<u8> {
    let mut word = vec![0; 24];
    word.extend(value.to_be_bytes());
    word
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
    let good_posting = good.sent.last().context("no transaction")?.hash.clone();
    let mut words = order_words(scene, &good_posting)?;
    let needs = b"{\"version\":1,\"gpu\":";
    words.splice(NEEDS_HASH * 32..(NEEDS_HASH + 1) * 32, keccak(needs));
    words.splice(SALT * 32..(SALT + 1) * 32, keccak(b"another salt"));

    let deposit = words.get(10 * 32..11 * 32).context("deposit")?.to_vec();
    let mut approve = selector("approve(address,uint256)");
    approve.extend([0; 12]);
    approve.extend(unhex(&scene.ledger.lease_book)?);
    approve.extend(deposit);
    send_as_tenant(scene, &scene.ledger.token, &approve)?;

    let mut data = selector(&format!("postOrder({ORDER_TYPE},bytes,string)"));
    data.extend(&words);
    let head = (ORDER_WORDS as u64 + 2) * 32;
    data.extend(number(head));
    data.extend(number(head + 64));
    data.extend(number(needs.len() as u64));
    data.extend(needs);
    data.extend(vec![0; 32 - needs.len()]);
    data.extend(number(0));
    let posting = send_as_tenant(scene, &scene.ledger.lease_book, &data)?;
    let receipt = scene.ledger.rpc("eth_getTransactionReceipt", &json!([posting]))?;
    let order = receipt["logs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|log| log["topics"].as_array().is_some_and(|topics| topics.len() == 3))
        .find(|log| {
            log["address"]
                .as_str()
                .is_some_and(|at| at.eq_ignore_ascii_case(&scene.ledger.lease_book))
        })
        .and_then(|log| log["topics"][1].as_str())
        .context("no OrderPosted")?
        .to_owned();
    refused(scene, &order, "NeedsUndecodable")?;
    cancel(scene, &good_posting)?;
    cancel_words(scene, &words)
}

fn cancel_words(scene: &Scene, words: &[u8]) -> Result<()> {
    let mut data = selector(&format!("cancelOrder({ORDER_TYPE})"));
    data.extend(words);
    send_as_tenant(scene, &scene.ledger.lease_book, &data)?;
    Ok(())
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
