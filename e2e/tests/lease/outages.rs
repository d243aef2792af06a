//! What may fail around a running lease without harm to it: the operator, the chain's endpoint, the API server.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use leaseport_e2e::scene::{Scene, within};

use crate::Shared;
use crate::flow::{close, identity, reported, small, started};

/// Waits until the chain's clock has gone on by so many seconds.
pub(crate) fn chain_seconds(scene: &Scene, seconds: u64) -> Result<()> {
    let (_, from) = scene.ledger.head()?;
    within(Duration::from_secs(seconds * 2 + 20), "the chain goes on", || {
        Ok((scene.ledger.head()?.1 >= from + seconds).then_some(()))
    })
}

/// Closes and sees that the bill has every second of the clock but for at most `slack` at its ends.
fn close_with_all_seconds(scene: &Scene, lease: &str, lane: u32, slack: u64) -> Result<()> {
    let start = scene.ledger.lease_at(lane)?.start_at;
    let (_, asked) = scene.ledger.head()?;
    let seconds = close(scene, lease)?;
    let (_, ended) = scene.ledger.head()?;
    ensure!(
        seconds <= ended - start,
        "{seconds} s billed in {} s",
        ended - start
    );
    ensure!(
        seconds + slack >= asked - start,
        "only {seconds} s billed of {} s that ran",
        asked - start
    );
    Ok(())
}

pub(crate) fn operator_killed(shared: &mut Shared) -> Result<()> {
    let scene = &mut shared.scene;
    let (_, opened) = scene.tenant().rent("killed", &small())?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    started(scene, opened.lane)?;
    let before = reported(scene, opened.lane, 1)?;

    scene.kill_operator()?;
    ensure!(!scene.operator_runs(), "it lives");
    chain_seconds(scene, 5)?;
    scene.start_operator()?;
    let silent = scene.ledger.head()?.1 - before.start_at;
    let after = reported(scene, opened.lane, silent)?;
    ensure!(
        after.reported() <= scene.ledger.head()?.1 - after.start_at,
        "billed twice: {after:?}"
    );

    let pods = scene.pods(&namespace)?;
    ensure!(pods.len() == 1, "{} pods", pods.len());
    ensure!(
        identity(pods.first().context("no pod")?) == identity(&pod),
        "another pod"
    );
    close_with_all_seconds(scene, &opened.lease, opened.lane, 3)
}

/// How long the chain's endpoint is gone.
const CHAIN_GONE: u64 = 60;

pub(crate) fn chain_gone(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (_, opened) = scene.tenant().rent("chain-gone", &small())?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 1)?;

    let proxy = scene.rpc_proxy.as_ref().context("no proxy")?;
    let known = scene.ledger.lease_at(opened.lane)?;
    proxy.cut();
    // What needs no operator uses the time; the scenario that is about it takes the result.
    let (gone, table) = thread::scope(|scope| {
        let table = scope.spawn(|| crate::mistakes::table(scene));
        let gone = chain_seconds(scene, CHAIN_GONE);
        (gone, table.join())
    });
    gone?;
    let unseen = scene.ledger.lease_at(opened.lane)?;
    ensure!(
        unseen.reported() <= known.reported() + 8,
        "it was not cut off: {known:?}, {unseen:?}"
    );
    ensure!(unseen.state == 2, "closed meanwhile: {unseen:?}");
    let pods = scene.pods(&namespace)?;
    ensure!(
        identity(pods.first().context("no pod")?) == identity(&pod),
        "the pod was touched"
    );
    proxy.restore()?;
    let ran = scene.ledger.head()?.1 - unseen.start_at;
    let caught_up = reported(scene, opened.lane, ran)?;
    ensure!(
        caught_up.reported() <= scene.ledger.head()?.1 - unseen.start_at,
        "billed twice: {caught_up:?}"
    );
    ensure!(scene.operator_runs(), "the operator ended");
    let pods = scene.pods(&namespace)?;
    ensure!(
        identity(pods.first().context("no pod")?) == identity(&pod),
        "the pod was touched"
    );
    close_with_all_seconds(scene, &opened.lease, opened.lane, 3)?;
    shared.table = Some(table.unwrap_or_else(|_| Err(anyhow!("the table of mistakes panicked"))));
    Ok(())
}

pub(crate) fn api_server_gone(shared: &mut Shared) -> Result<()> {
    let scene = &mut shared.scene;
    let (_, opened) = scene.tenant().rent("api-gone", &small())?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 1)?;

    scene.api_proxy.as_ref().context("no proxy")?.cut();
    chain_seconds(scene, 20)?;
    let lease = scene.ledger.lease_at(opened.lane)?;
    let meanwhile = scene.pods(&namespace)?;
    scene.api_proxy.as_ref().context("no proxy")?.restore()?;
    ensure!(lease.state == 2, "{lease:?}");
    ensure!(
        meanwhile.first().map(identity) == Some(identity(&pod)),
        "the pod was touched"
    );
    // Without its lock the operator ends; in a cluster the kubelet starts it again.
    if !scene.operator_runs() {
        scene.start_operator()?;
    }
    let ran = scene.ledger.head()?.1 - lease.start_at;
    reported(scene, opened.lane, ran.saturating_sub(3))?;
    let pods = scene.pods(&namespace)?;
    ensure!(
        identity(pods.first().context("no pod")?) == identity(&pod),
        "the pod was touched"
    );
    ensure!(scene.ledger.lease_at(opened.lane)?.state == 2, "closed");
    close(scene, &opened.lease)?;
    Ok(())
}
