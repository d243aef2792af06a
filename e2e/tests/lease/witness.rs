//! A market with two endpoints of which one can be cut off: what is deleted on one's word, and when.

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::Proxy;
use leaseport_e2e::scene::{Scene, condition, eventually};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, gone, small, started};
use crate::outages::chain_seconds;

const MARKET: &str = "computemarket/local";

pub(crate) fn second_cut_off(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let alone = scene.object(MARKET)?["spec"]["endpoints"].clone();
    let second = Proxy::start(scene.ledger.rpc_url.trim_start_matches("http://").parse()?)?;
    let mut both = alone.as_array().context("no endpoints")?.clone();
    both.push(json!({ "name": "second", "url": format!("http://{}", second.addr()) }));
    listed(scene, &Value::from(both))?;
    agree(scene, "AsExpected")?;

    let played = plays(scene, &second);
    listed(scene, &alone)?;
    agree(scene, "OneEndpoint")?;
    played
}

fn plays(scene: &Scene, second: &Proxy) -> Result<()> {
    let (_, opened) = scene.tenant().rent("witness", &small())?;
    scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    started(scene, opened.lane)?;

    second.cut();
    close(scene, &opened.lease)?;
    let closed = scene.ledger.head()?.0;
    eventually("the devices are free", || {
        Ok(scene.pods(&namespace)?.is_empty().then_some(()))
    })?;
    eventually("the close is final", || {
        let block = scene
            .ledger
            .rpc("eth_getBlockByNumber", &json!(["finalized", false]))?;
        let number = block["number"].as_str().context("no number")?;
        let number = u64::from_str_radix(number.trim_start_matches("0x"), 16)?;
        Ok((number >= closed).then_some(()))
    })?;
    agree(scene, "OneAnswers")?;
    chain_seconds(scene, 6)?;
    let kept = scene.object(&format!("namespace/{namespace}"))?;
    ensure!(
        kept["metadata"]["deletionTimestamp"].is_null(),
        "deleted on one endpoint's word: {kept}"
    );
    second.restore()?;
    gone(scene, &namespace)
}

/// Gives the market these endpoints and waits until it is followed through them.
fn listed(scene: &Scene, endpoints: &Value) -> Result<()> {
    let patch = json!({ "spec": { "endpoints": endpoints } });
    let patch = format!("--patch={patch}");
    scene.world.kubectl(&["patch", MARKET, "--type=merge", &patch])?;
    eventually("the market is followed through the endpoints it lists", || {
        let market = scene.object(MARKET)?;
        let seen = &market["status"]["observedGeneration"];
        ensure!(
            *seen == market["metadata"]["generation"],
            "generation {seen} so far"
        );
        let ready = condition(&market, "Ready").context("no Ready")?;
        Ok((ready["status"] == "True").then_some(()))
    })
}

/// Waits until `EndpointsAgree` has this reason.
fn agree(scene: &Scene, reason: &str) -> Result<()> {
    eventually(&format!("EndpointsAgree says {reason}"), || {
        let market = scene.object(MARKET)?;
        let said = condition(&market, "EndpointsAgree").context("no EndpointsAgree")?;
        ensure!(said["reason"] == reason, "{said}");
        Ok(Some(()))
    })
}
