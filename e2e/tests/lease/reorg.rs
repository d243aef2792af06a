//! A reorganisation that takes a lease's opening away. The chain is held still, so that the opening lies deep enough to start a workload and
//! not yet deep enough to be final; two blocks below the head are final on this chain.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use leaseport_e2e::scene::{Opened, Scene, Wish, eventually, within};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, gone, identity, small, started};

/// Mines a block a second again, whatever happens in between.
struct Stillness<'a>(&'a Scene);

impl<'a> Stillness<'a> {
    fn begin(scene: &'a Scene) -> Result<Self> {
        scene.ledger.rpc("evm_setIntervalMining", &json!([0]))?;
        Ok(Self(scene))
    }

    fn mine(&self) -> Result<()> {
        self.0.ledger.rpc("evm_mine", &json!([]))?;
        Ok(())
    }

    fn end(self) {}
}

impl Drop for Stillness<'_> {
    fn drop(&mut self) {
        self.0.ledger.rpc("evm_setIntervalMining", &json!([1])).ok();
    }
}

/// Waits until a transaction of the tenant waits to be mined.
fn a_transaction_waits(scene: &Scene) -> Result<()> {
    let count = |tag: &str| {
        scene.ledger.rpc(
            "eth_getTransactionCount",
            &json!([scene.cast.tenant.address, tag]),
        )
    };
    eventually("a transaction of the tenant waits", || {
        Ok((count("pending")? != count("latest")?).then_some(()))
    })
}

/// Accepts with the chain held still: the opening ends up one block below the head.
fn open_one_block_deep(scene: &Scene, still: &Stillness<'_>, order: &str) -> Result<Opened> {
    thread::scope(|scope| {
        let accepting = scope.spawn(|| scene.tenant().accept(order));
        a_transaction_waits(scene)?;
        still.mine()?;
        still.mine()?;
        accepting.join().map_err(|_| anyhow!("accept panicked"))?
    })
}

fn reason(scene: &Scene, object: &str) -> Result<Value> {
    Ok(scene.object(object)?["status"].clone())
}

pub(crate) fn opening_removed(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let posted = tenant.request("reorg", &small())?;
    tenant.a_bid(&posted.order)?;

    let still = Stillness::begin(scene)?;
    let opened = open_one_block_deep(scene, &still, &posted.order)?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let object = scene.lease_object(&opened.lease)?;
    let accept = opened.sent.last().context("no transaction")?.hash.clone();
    let raw = scene
        .ledger
        .rpc("eth_getRawTransactionByHash", &json!([accept]))?;

    // The two newest blocks, the opening's among them, are replaced by empty ones.
    scene.ledger.rpc("anvil_reorg", &json!([2, []]))?;
    ensure!(
        scene.ledger.lease_at(opened.lane)?.id != id_of(&opened.lease)?,
        "the opening is still on chain"
    );
    eventually("the operator has seen the reorganisation", || {
        let status = reason(scene, &object)?;
        let seen = status.to_string().contains("Reorganised") || status.to_string().contains("Absent");
        ensure!(seen, "{status}");
        Ok(Some(()))
    })?;
    let pods = scene.pods(&namespace)?;
    ensure!(
        pods.first().map(identity) == Some(identity(&pod)),
        "the pod did not stay"
    );

    // The same opening comes back in another block.
    scene.ledger.rpc("eth_sendRawTransaction", &json!([raw]))?;
    still.mine()?;
    still.end();
    let live = started(scene, opened.lane)?;
    let pods = scene.pods(&namespace)?;
    ensure!(pods.first().map(identity) == Some(identity(&pod)), "another pod");
    let seconds = close(scene, &opened.lease)?;
    ensure!(
        seconds <= scene.ledger.head()?.1 - live.start_at,
        "seconds from before the start are billed"
    );
    gone(scene, &namespace)
}

pub(crate) fn opening_lost(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    // Until the order expires, whoever has the acceptance could include it again.
    let wish = Wish {
        expiry: "30s".into(),
        ..small()
    };
    let posted = tenant.request("lost", &wish)?;
    tenant.a_bid(&posted.order)?;

    let still = Stillness::begin(scene)?;
    let opened = open_one_block_deep(scene, &still, &posted.order)?;
    scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    scene.ledger.rpc("anvil_reorg", &json!([2, []]))?;
    still.end();

    within(
        Duration::from_secs(60),
        "the workload is gone once the absence is final",
        || {
            let all = scene.world.kubectl(&["get", "namespaces", "--output=name"])?;
            Ok((!all.contains(&namespace)).then_some(()))
        },
    )?;
    ensure!(
        scene.ledger.lease_at(opened.lane)?.id != id_of(&opened.lease)?,
        "the lease is on chain"
    );
    // The order is open again, if only to be cancelled: the tenant takes its deposit back.
    crate::post::cancel(scene, &posted.sent.last().context("no transaction")?.hash)
}

/// providerId 32 | lane 32 | generation 32.
fn id_of(lease: &str) -> Result<u128> {
    lease
        .split('-')
        .try_fold(0_u128, |id, part| Ok((id << 32) | part.parse::<u128>()?))
}
