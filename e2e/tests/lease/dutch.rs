//! Orders whose price climbs: the provider takes one itself once it pays enough, and nobody accepts anything.

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::demo::Purses;
use leaseport_e2e::scene::{Micro, Scene, eventually};

use crate::Shared;
use crate::flow::{close, gone, of_order, reported, small, started};

/// A needs file for one GPU, with a price of its own.
fn priced(scene: &Scene, name: &str, price: &str) -> Result<String> {
    let wish = small();
    let flat = format!("price:\n  maxPerHour: \"{}\"\n", wish.max_per_hour);
    let yaml = wish.yaml().replace(&flat, &format!("price: {price}\n"));
    ensure!(yaml.contains(price), "{yaml}");
    Ok(scene.tenant().write(name, &yaml)?.display().to_string())
}

pub(crate) fn taken(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (tenant, before) = (scene.tenant(), Purses::read(scene)?);
    // One GPU at 1.90 and what is around it, under two: reached after half of the climb.
    let file = priced(
        scene,
        "dutch",
        "{maxPerHour: \"2.8\", startPerHour: \"1\", climb: 12s}",
    )?;
    let answer = tenant.run(&["request", "--yes", "--file", &file, "--wait", "60s"])?;
    let order = answer["orderHash"].as_str().context("no order")?;
    ensure!(answer["filled"].is_object(), "not taken: {answer}");
    let lease = answer["filled"]["leaseId"].as_str().context("no lease")?;
    let lane: u32 = lease.split('-').nth(1).context("no lane")?.parse()?;

    let bid = of_order(scene, "computebids", order)?;
    ensure!(bid["spec"]["form"] == "Dutch", "{bid}");
    ensure!(
        bid["status"]["signature"].is_null(),
        "something was signed for it: {bid}"
    );
    let asked = bid["spec"]["ratePerHour"].as_str().context("no rate")?;
    eventually("the bid is won", || {
        let bid = of_order(scene, "computebids", order)?;
        Ok((bid["status"]["phase"] == "Won").then_some(()))
    })?;
    let sent: Vec<String> = scene
        .objects("computetransactions")?
        .iter()
        .filter(|sent| sent["spec"]["intent"]["subject"]["uid"] == bid["metadata"]["uid"])
        .map(|sent| sent["spec"]["intent"]["kind"].to_string())
        .collect();
    ensure!(sent == ["\"Fill\""], "{sent:?}");

    scene.running_pod(lease)?;
    let live = started(scene, lane)?;
    let (whole, part) = asked.split_once('.').unwrap_or((asked, ""));
    let least: u64 = format!("{whole}{part:0<6}").parse()?;
    ensure!(
        live.rate >= least && live.rate < 2_800_000,
        "{asked} was asked, it pays {} after a climb from 1 to 2.8",
        live.rate
    );
    reported(scene, lane, 2)?;
    let namespace = scene.namespace_of(lease)?;
    let seconds = close(scene, lease)?;
    let rent = Micro(i128::from(seconds) * i128::from(live.rate) / 3600);
    let after = Purses::read(scene)?;
    ensure!(
        before.tenant - after.tenant == rent,
        "paid {} for {seconds} s at {}",
        before.tenant - after.tenant,
        live.rate
    );
    gone(scene, &namespace)
}

pub(crate) fn waited_for(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (tenant, before) = (scene.tenant(), Purses::read(scene)?);
    let file = priced(
        scene,
        "patient",
        "{maxPerHour: \"2.8\", startPerHour: \"1\", climb: 24h}",
    )?;
    let answer = tenant.run(&["request", "--yes", "--file", &file, "--wait", "8s"])?;
    let order = answer["orderHash"].as_str().context("no order")?;
    ensure!(answer["filled"].is_null(), "{answer}");
    let bids = scene.objects("computebids")?;
    ensure!(
        bids.iter().all(|bid| bid["spec"]["orderHash"] != order),
        "capacity is held for an order that pays too little so far"
    );
    let refused = tenant.refusal(&["accept", order, "--cheapest"])?;
    ensure!(refused.said.contains("nothing to accept"), "{}", refused.said);
    tenant.run(&["cancel", order])?;
    let after = Purses::read(scene)?;
    ensure!(before.tenant == after.tenant, "the deposit did not come back");
    Ok(())
}
