//! Jobs that come to their end: the lease is signed for by itself, the devices are free at once, and nobody pays for a second in which nothing ran,
//! whether the tenant closes or never comes back.

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::demo::Purses;
use leaseport_e2e::scene::{Micro, Opened, Scene, Wish, condition, devices, eventually, rights};
use serde_json::Value;

use crate::Shared;
use crate::flow::{close, gone, small, started};

/// How long the program works.
const WORK: u64 = 6;

/// Rents for a Job of [`WORK`] seconds.
fn rent(scene: &Scene, name: &str, max_duration: &str) -> Result<Opened> {
    let wish = Wish {
        script: format!("echo begun; sleep {WORK}; echo done"),
        max_duration: max_duration.into(),
        ..small()
    };
    let tenant = scene.tenant();
    let yaml = wish.yaml().replace("workload:\n", "workload:\n  form: Job\n");
    let file = tenant.write(name, &yaml)?;
    let answer = tenant.run(&["request", "--yes", "--file", &file.display().to_string()])?;
    let order = answer["orderHash"].as_str().context("no order")?.to_owned();
    tenant.a_bid(&order)?;
    tenant.accept(&order)
}

/// The lease's object once it says that its Job has ended and is signed for.
fn finished(scene: &Scene, lease: &str) -> Result<Value> {
    let name = scene.lease_object(lease)?;
    eventually("the ComputeLease is Finished and signed for", || {
        let object = scene.object(&name)?;
        let status = &object["status"];
        ensure!(
            status["phase"] == "Finished" && status["closeOffer"]["cum"].is_u64(),
            "{status}"
        );
        Ok(Some(object))
    })
}

pub(crate) fn closed_by_its_tenant(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (tenant, ledger) = (scene.tenant(), &scene.ledger);
    let before = Purses::read(scene)?;
    let opened = rent(scene, "job", "1h")?;
    let waited = tenant.run(&[
        "lease",
        "wait",
        &opened.lease,
        "--for",
        "finished",
        "--timeout",
        "2m",
    ])?;
    ensure!(
        waited["reached"] == "Finished" && waited["finish"]["outcome"] == "Complete",
        "{waited}"
    );

    let object = finished(scene, &opened.lease)?;
    let status = &object["status"];
    ensure!(status["finish"]["outcome"] == "Complete", "{status}");
    // Nobody asked for the signature.
    ensure!(status["closeRequest"].is_null(), "{status}");
    let found = condition(&object, "Finished");
    ensure!(
        found.is_some_and(|found| found["status"] == "True" && found["reason"] == "Complete"),
        "{status}"
    );
    let signed = status["closeOffer"]["cum"].as_u64().unwrap_or_default();
    let (least, most) = (WORK.saturating_sub(3), WORK.saturating_add(2));
    ensure!(
        (least..=most).contains(&signed),
        "{signed} s signed for {WORK} s of work"
    );
    let live = ledger.lease_at(opened.lane)?;
    ensure!(live.state == 2, "{live:?}");
    let holds_until = status["closeOffer"]["deadline"].as_u64().unwrap_or_default();
    ensure!(holds_until >= live.stop_at, "{status}");

    // All GPUs of the node are for rent although the lease lives, also the one the Job had.
    let gpus = u16::try_from(scene.world.node()?.gpus.len())?;
    let all = Wish {
        gpus,
        max_per_hour: "100".into(),
        max_duration: "2m".into(),
        ..Wish::default()
    };
    let (_, other) = tenant.rent("all", &all)?;
    let pod = scene.running_pod(&other.lease)?;
    ensure!(devices(&pod).len() == usize::from(gpus), "{pod}");
    started(scene, other.lane)?;
    let others = close(scene, &other.lease)?;

    // What was said stays, and its output with it.
    let again = scene.object(&scene.lease_object(&opened.lease)?)?;
    ensure!(
        again["status"]["closeOffer"] == status["closeOffer"],
        "{}",
        again["status"]
    );
    ensure!(tenant.logs(&opened.lease)?.contains("done"), "the output is gone");
    let shown = tenant.lease(&opened.lease)?;
    ensure!(
        shown["gateway"]["status"]["finish"]["outcome"] == "Complete",
        "{shown}"
    );

    let billed = close(scene, &opened.lease)?;
    ensure!(billed == signed, "{billed} s billed, {signed} s signed");
    let end = ledger.lease_at(opened.lane)?;
    ensure!(end.state == 3 && end.settled == signed, "{end:?}");
    let rent_of = |seconds: u64, lane: u32| -> Result<Micro> {
        let rate = i128::from(ledger.lease_at(lane)?.rate);
        Ok(Micro(i128::from(seconds) * rate / 3600))
    };
    let owed = rent_of(billed, opened.lane)?.0 + rent_of(others, other.lane)?.0;
    let after = Purses::read(scene)?;
    ensure!(
        before.tenant - after.tenant == Micro(owed),
        "paid {} for {billed} s and {others} s, owed {owed}",
        before.tenant - after.tenant
    );
    rights::account(&scene.world)?.used_as_listed("e2e/tests/lease/jobs.rs")
}

pub(crate) fn left_by_its_tenant(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (tenant, ledger) = (scene.tenant(), &scene.ledger);
    let before = Purses::read(scene)?;
    let opened = rent(scene, "left", "1m")?;
    let object = finished(scene, &opened.lease)?;
    let signed = object["status"]["closeOffer"]["cum"].as_u64().unwrap_or_default();
    let namespace = scene.namespace_of(&opened.lease)?;

    let waited = tenant.run(&[
        "lease",
        "wait",
        &opened.lease,
        "--for",
        "closed",
        "--timeout",
        "4m",
    ])?;
    ensure!(waited["reached"] == "Closed", "{waited}");
    let end = eventually("the lease is closed", || {
        let lease = ledger.lease_at(opened.lane)?;
        ensure!(lease.state == 3, "{lease:?}");
        Ok(Some(lease))
    })?;
    ensure!(
        end.settled == signed,
        "{} s paid, {signed} s counted",
        end.settled
    );
    let after = Purses::read(scene)?;
    let rent = Micro(i128::from(signed) * i128::from(end.rate) / 3600);
    ensure!(
        before.tenant - after.tenant == rent,
        "paid {} for {signed} s",
        before.tenant - after.tenant
    );
    gone(scene, &namespace)
}
