//! The demo's flow, with each object and balance looked at.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use leaseport_e2e::scene::demo::{Purses, Sheet, Story, claim_all};
use leaseport_e2e::scene::{LeaseOnChain, Micro, Scene, Wish, condition, devices, eventually, rights};
use serde_json::Value;

use crate::Shared;

/// One GPU and a program that does nothing.
pub(crate) fn small() -> Wish {
    Wish {
        gpus: 1,
        ..Wish::default()
    }
}

/// Waits until the lease's clock runs on chain.
pub(crate) fn started(scene: &Scene, lane: u32) -> Result<LeaseOnChain> {
    eventually("the lease is started on chain", || {
        let lease = scene.ledger.lease_at(lane)?;
        Ok((lease.state == 2).then_some(lease))
    })
}

/// Waits until at least so many seconds are reported.
pub(crate) fn reported(scene: &Scene, lane: u32, least: u64) -> Result<LeaseOnChain> {
    eventually(&format!("{least} s reported"), || {
        let lease = scene.ledger.lease_at(lane)?;
        ensure!(lease.reported() >= least, "{} s so far", lease.reported());
        Ok(Some(lease))
    })
}

/// What makes two looks at a pod looks at the same running container.
pub(crate) fn identity(pod: &Value) -> (String, String, u64) {
    let status = &pod["status"]["containerStatuses"][0];
    (
        pod["metadata"]["uid"].to_string(),
        status["containerID"].to_string(),
        status["restartCount"].as_u64().unwrap_or_default(),
    )
}

/// Closes by agreement and says for how many seconds; the clock was at most so long.
pub(crate) fn close(scene: &Scene, lease: &str) -> Result<u64> {
    let closed = scene.tenant().close(lease)?;
    ensure!(closed["bill"]["balanced"] == true, "{closed}");
    Ok(closed["bill"]["seconds"].as_u64().unwrap_or_default())
}

/// Waits until a namespace is gone.
pub(crate) fn gone(scene: &Scene, namespace: &str) -> Result<()> {
    eventually(&format!("namespace {namespace} is gone"), || {
        let all = scene.world.kubectl(&["get", "namespaces", "--output=name"])?;
        Ok((!all.lines().any(|line| line == format!("namespace/{namespace}"))).then_some(()))
    })
}

pub(crate) fn an_order_becomes_a_paid_lease(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (ledger, tenant) = (&scene.ledger, scene.tenant());
    let before = Purses::read(scene)?;

    let posted = tenant.request("flow", &Wish::default())?;
    let bid = tenant.a_bid(&posted.order)?;
    // 2 GPUs at 1.90, a tenth of a core at 0.01, 64 MiB at 0.002 a GiB, 128 MiB at 0.0001 a GiB, rounded up.
    ensure!(bid["ratePerHour"] == "3.801138", "{bid}");
    let object = of_order(scene, "computebids", &posted.order)?;
    ensure!(object["spec"]["ratePerHour"] == "3.801138", "{object}");

    let opened = tenant.accept(&posted.order)?;
    ensure!(
        before.tenant - ledger.balance_of(scene.cast.tenant.address)? == Micro(5_000_000),
        "escrow"
    );
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let held: BTreeSet<String> = devices(&pod).into_iter().collect();
    ensure!(held.len() == 2, "{held:?}");
    let known: BTreeSet<String> = scene.world.node()?.gpus.iter().cloned().collect();
    ensure!(held.is_subset(&known), "{held:?}");
    let log = eventually("a line in the log", || {
        Ok(Some(tenant.logs(&opened.lease)?).filter(|log| log.contains("I see ")))
    })?;
    let seen: BTreeSet<String> = log
        .trim()
        .trim_start_matches("I see ")
        .split(',')
        .map(str::to_owned)
        .collect();
    ensure!(
        seen == held,
        "the program sees {seen:?}, the kubelet gave {held:?}"
    );

    let live = started(scene, opened.lane)?;
    ensure!(live.rate == 3_801_138, "{live:?}");
    let name = scene.lease_object(&opened.lease)?;
    let object = eventually("the ComputeLease is Active and Ready", || {
        let object = scene.object(&name)?;
        let ready = condition(&object, "Ready").is_some_and(|ready| ready["status"] == "True");
        ensure!(
            ready && object["status"]["phase"] == "Active",
            "{}",
            object["status"]
        );
        Ok(Some(object))
    })?;
    let written: BTreeSet<String> = object["status"]["devices"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|device| device["uuid"].as_str().map(str::to_owned))
        .collect();
    ensure!(written == held, "{written:?}");
    let bid = of_order(scene, "computebids", &posted.order)?;
    ensure!(bid["status"]["phase"] == "Won", "{}", bid["status"]);
    let holds = scene
        .world
        .kubectl_json(&["--namespace", "gpu-provider", "get", "pods"])?;
    ensure!(
        holds["items"].as_array().is_some_and(Vec::is_empty),
        "a hold is left: {holds}"
    );

    let paid_for = eventually("a settlement", || {
        let lease = ledger.lease_at(opened.lane)?;
        Ok((lease.settled > 0).then_some(lease))
    })?;
    ensure!(paid_for.settled <= paid_for.reported(), "{paid_for:?}");
    let signed = tenant.usage(&opened.lease)?;
    ensure!(signed["covered"] == true, "{signed}");
    ensure!(
        signed["signedSeconds"].as_u64() >= Some(paid_for.settled),
        "{signed}"
    );
    let object = scene.object(&name)?;
    for (kind, status) in [
        ("Metering", "True"),
        ("Suspended", "False"),
        ("ChainSynced", "True"),
    ] {
        let found = condition(&object, kind);
        ensure!(
            found.is_some_and(|found| found["status"] == status),
            "{kind}: {}",
            object["status"]["conditions"]
        );
    }

    let seconds = close(scene, &opened.lease)?;
    let end = ledger.lease_at(opened.lane)?;
    let (_, now) = ledger.head()?;
    ensure!(end.state == 3, "{end:?}");
    ensure!(
        seconds >= paid_for.settled && seconds <= now - live.start_at,
        "{seconds} s"
    );
    let after = Purses::read(scene)?;
    let rent = Micro(i128::from(seconds) * 3_801_138 / 3600);
    ensure!(
        before.tenant - after.tenant == rent,
        "paid {} for {seconds} s",
        before.tenant - after.tenant
    );
    // What is not yet claimed is in the book, the fee included.
    ensure!(
        after.book + after.payout - before.book - before.payout == rent,
        "{after:?}"
    );
    ensure!(after.fees > before.fees, "no fee");

    gone(scene, &namespace)?;
    eventually("the ComputeLease is Closed or gone", || {
        let all = scene.objects("computeleases")?;
        let mine = all
            .iter()
            .find(|object| object["spec"]["leaseId"] == opened.lease.as_str());
        Ok(mine
            .is_none_or(|object| object["status"]["phase"] == "Closed")
            .then_some(()))
    })
}

/// The provider's object of a kind for an order.
pub(crate) fn of_order(scene: &Scene, kind: &str, order: &str) -> Result<Value> {
    eventually(&format!("{kind} for {order}"), || {
        let all = scene.objects(kind)?;
        Ok(all
            .into_iter()
            .find(|object| object["spec"]["orderHash"] == order))
    })
}

/// By the API server's own log, over whatever was played in this world before.
pub(crate) fn our_accounts_stayed_within_their_rights(shared: &mut Shared) -> Result<()> {
    // Run alone, nobody has asked for much yet.
    if Purses::read(&shared.scene)?.tenant == shared.before.tenant {
        an_order_becomes_a_paid_lease(shared)?;
    }
    let account = rights::account(&shared.scene.world)?;
    ensure!(!account.used.is_empty(), "the log names no right that was used");
    account.stayed_within()
}

pub(crate) fn all_money_adds_up(shared: &mut Shared) -> Result<()> {
    // Run alone, there is nothing to add up yet.
    if Purses::read(&shared.scene)?.tenant == shared.before.tenant {
        an_order_becomes_a_paid_lease(shared)?;
    }
    let scene = &shared.scene;
    claim_all(scene, &Story::begin(), &shared.before)?;
    let after = Purses::read(scene)?;
    Sheet::of(&shared.before, &after, shared.before.tenant - after.tenant).check()
}
