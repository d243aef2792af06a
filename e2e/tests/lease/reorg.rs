//! A reorganisation that takes a lease's opening away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::{eventually, within};
use serde_json::json;

use crate::Shared;
use crate::flow::{close, gone, identity, small, started};

pub(crate) fn opening_removed(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let (_, opened) = tenant.rent("reorg", &small())?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    started(scene, opened.lane)?;
    let accept = opened.sent.last().context("no transaction")?.hash.clone();
    let raw = scene
        .ledger
        .rpc("eth_getRawTransactionByHash", &json!([accept]))?;
    let block = eventually("the receipt", || scene.ledger.receipt(&accept))?.block;
    let (head, _) = scene.ledger.head()?;
    scene.ledger.rpc("anvil_reorg", &json!([head - block + 1, []]))?;
    ensure!(
        scene.ledger.lease_at(opened.lane)?.state != 2,
        "the opening is still there"
    );

    // While it may come back, the pod stays.
    let until = scene.ledger.head()?.0 + 1;
    within(Duration::from_secs(10), "one more block", || {
        Ok((scene.ledger.head()?.0 >= until).then_some(()))
    })?;
    let pods = scene.pods(&namespace)?;
    ensure!(
        pods.first().map(identity) == Some(identity(&pod)),
        "the pod did not stay"
    );
    scene.ledger.rpc("eth_sendRawTransaction", &json!([raw]))?;
    started(scene, opened.lane)?;
    let pods = scene.pods(&namespace)?;
    ensure!(pods.first().map(identity) == Some(identity(&pod)), "another pod");
    close(scene, &opened.lease)?;
    gone(scene, &namespace)
}
