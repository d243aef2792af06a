//! The pages for a provider's admin, followed as a new one would: block by block as they are written, on a real node, from `helm install` to a first
//! paid lease, through an upgrade and a rollback, another key for duties and for the gateway, to the uninstall.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::World;
use leaseport_e2e::scene::page::{Desk, blocks};
use leaseport_e2e::scene::{condition, eventually, rights};
use leaseport_e2e::world::{Keep, NodeChoice, Options};
use serde_json::{Value, json};

/// How long a new key waits until it acts, in seconds of the chain.
const A_DAY: u64 = 24 * 3600;

#[test]
fn the_pages_lead_from_install_to_a_paid_lease_to_other_keys_and_out_again() {
    let begun = Instant::now();
    let mut say = |step: &str| println!("[{:>6.1} s] {step}", begun.elapsed().as_secs_f64());
    let options = Options {
        run_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages-scenario"),
        kubeconfig: None,
        rpc_url: None,
        device_plugin: None,
        node: NodeChoice::Required,
        ..Options::from_env("pages-scenario")
    };
    if let Ok(before) = World::attach(&options.run_dir) {
        before.down().unwrap();
    }
    // What an earlier run left is no part of this one's story.
    std::fs::remove_dir_all(options.run_dir.join("desk")).ok();
    let desk = Desk::furnish(&options, 100, &mut say).unwrap();
    let told = story(&desk, &mut say).with_context(|| said(&desk));
    let keep = if told.is_ok() { Keep::Nothing } else { Keep::Logs };
    let down = desk.world.down_keeping(keep);
    if let Err(error) = told {
        panic!("{error:#}");
    }
    down.unwrap();
}

/// Our pods, their events and the ends of their logs, for a story that failed.
fn said(desk: &Desk) -> String {
    let look = "kubectl get leaseport --all-namespaces; kubectl --namespace leaseport-system get pods,events; \
                kubectl --namespace leaseport-system logs --selector app.kubernetes.io/name=leaseport --tail=15 --prefix";
    desk.run(look).unwrap_or_else(|error| format!("{error:#}"))
}

fn story(desk: &Desk, say: &mut dyn FnMut(&str)) -> Result<()> {
    let quickstart = blocks("docs/quickstart-provider.md")?;
    ensure!(
        quickstart.len() == 7,
        "before, five commands, claim: {}",
        quickstart.len()
    );
    let rental = quickstart.get(5).context("no rental")?.clone();
    let began = Instant::now();
    for (at, block) in quickstart.iter().enumerate() {
        let printed = desk.run(block)?;
        match at {
            0 => ensure!(desk.variable("PROVIDER_ID")? == "1", "{printed}"),
            5 => {
                ensure!(printed.contains("hello from GPU-"), "{printed}");
                say(&format!(
                    "quickstart-provider.md: a paid lease {:.1} s after the first command",
                    began.elapsed().as_secs_f64()
                ));
            }
            6 => ensure!(printed.contains("claimed"), "{printed}"),
            _ => {}
        }
    }
    let earned = desk.ledger.balance_of(desk.cast.payout.address)?;
    ensure!(earned.0 > 0, "nothing was earned");
    say(&format!("claimed: {earned} arrived at the payout address"));

    for page in ["docs/troubleshooting.md", "docs/upgrade.md"] {
        for block in blocks(page)? {
            desk.run(&block)?;
        }
        say(&format!("{page}: every block does what it says"));
    }

    rotate(desk, &rental, say)?;

    let lane = desk.ledger.lease_at(0)?;
    ensure!(lane.state == 3, "the last lease is not closed: {lane:?}");
    rights::account(&desk.world)?.stayed_within()?;
    leave(desk, say)?;
    let left = desk.run(
        "kubectl get crd,namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies,priorityclasses --output name",
    )?;
    let ours: Vec<&str> = left
        .lines()
        .filter(|name| name.contains("leaseport") || name.contains("gpu-provider") || name.contains("/lp-"))
        .collect();
    ensure!(ours.is_empty(), "{ours:?}");
    say("uninstall.md: nothing of ours is left");
    Ok(())
}

/// docs/uninstall.md, with the days passed after which stake may leave: it comes back whole.
fn leave(desk: &Desk, say: &mut dyn FnMut(&str)) -> Result<()> {
    let uninstall = blocks("docs/uninstall.md")?;
    let [drain, unbond, withdraw, objects, last] = uninstall.as_slice() else {
        anyhow::bail!("docs/uninstall.md has {} blocks", uninstall.len());
    };
    desk.run(drain)?;
    desk.run(unbond)?;
    let early = desk.run(withdraw);
    ensure!(
        early.is_err_and(|error| format!("{error:#}").contains("may leave from")),
        "stake left before its time"
    );
    let show =
        "leaseport provider show --rpc $RPC_URL --directory $DIRECTORY --provider $PROVIDER_ID --output json";
    let stake = || -> Result<Value> {
        let shown: Value = serde_json::from_str(&desk.run(show)?)?;
        Ok(shown["tokens"][0].clone())
    };
    let asked_back = stake()?;
    let at = asked_back["unbondAt"].as_u64().context("no instant")?;
    let wait = at.saturating_sub(desk.ledger.head()?.1);
    desk.ledger.rpc("evm_increaseTime", &json!([wait]))?;
    desk.ledger.rpc("evm_mine", &json!([]))?;
    let before = desk.ledger.balance_of(desk.cast.payout.address)?;
    desk.run(withdraw)?;
    let back = desk.ledger.balance_of(desk.cast.payout.address)? - before;
    ensure!(
        back.0 > 0 && asked_back["stakeMicro"] == back.0.to_string() && stake()?["stakeMicro"] == "0",
        "{back} came back of {asked_back}"
    );
    say(&format!(
        "uninstall.md: {back} of stake came back after {wait} s of the chain"
    ));
    desk.run(objects)?;
    desk.run(last)?;
    Ok(())
}

/// docs/rotation.md, with a day of the chain passed where the page says to wait for one, and rentals in between.
fn rotate(desk: &Desk, rental: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    let rotation = blocks("docs/rotation.md")?;
    let [add, bring, switch, take, pins, pair, last] = rotation.as_slice() else {
        anyhow::bail!("docs/rotation.md has {} blocks", rotation.len());
    };
    desk.run(add)?;
    desk.run(bring)?;
    desk.ledger.rpc("evm_increaseTime", &json!([A_DAY]))?;
    desk.ledger.rpc("evm_mine", &json!([]))?;
    eventually("the operator follows the chain's new day", || {
        let provider =
            desk.world
                .kubectl_json(&["--namespace=gpu-provider", "get", "computeprovider/main"])?;
        Ok(condition(&provider, "Ready")
            .is_some_and(|it| it["status"] == "True")
            .then_some(()))
    })?;
    desk.run(switch)?;
    desk.run(rental).context("with both keys there")?;
    eventually("the old key's transactions are over", || {
        let all = desk
            .world
            .kubectl_json(&["--namespace=gpu-provider", "get", "computetransactions"])?;
        let open = all["items"].as_array().into_iter().flatten().find(|one| {
            let phase = one["status"]["phase"].as_str().unwrap_or_default();
            one["spec"]["walletRef"]["name"] == "duty" && !["Final", "Failed"].contains(&phase)
        });
        ensure!(open.is_none(), "{open:?}");
        Ok(Some(()))
    })?;
    desk.run(take)?;
    desk.run(rental).context("with the new key alone")?;
    say("rotation.md: another duty key, with a lease while both are there and one after");

    desk.run(pins)?;
    let before = gateways(desk)?;
    let replaced = Instant::now();
    // It ends when each pod has said in its log that it serves the new key, or with the patience that every block has.
    desk.run(pair)?;
    let took = replaced.elapsed().as_secs_f64();
    let after = gateways(desk)?;
    ensure!(
        before.len() == 2 && before == after,
        "a pod was restarted or replaced: {before:?}, then {after:?}"
    );
    say(&format!(
        "rotation.md: every gateway serves the new pair {took:.1} s after its Secret was replaced, and none was restarted"
    ));
    desk.run(last)?;
    // With its pin alone on chain no other key is believed, so a whole lease goes through the one that was read last.
    desk.run(rental).context("with the gateway's new key alone")?;
    ensure!(gateways(desk)? == before, "a pod was restarted or replaced");
    let leases = desk.run("leaseport lease ls --output json")?;
    ensure!(leases.trim() == "[]", "a lease was left open: {leases}");
    say("rotation.md: another key for the gateway, with a lease whose tenant believes no other");
    Ok(())
}

/// The gateway's pods, each with how often its container was restarted.
fn gateways(desk: &Desk) -> Result<Vec<(String, u64)>> {
    let pods = desk.world.kubectl_json(&[
        "--namespace=leaseport-system",
        "get",
        "pods",
        "--selector=app.kubernetes.io/component=gateway",
    ])?;
    let mut found = Vec::new();
    for pod in pods["items"].as_array().into_iter().flatten() {
        let uid = pod["metadata"]["uid"].as_str().context("a pod without uid")?;
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
        found.push((
            uid.to_owned(),
            restarts.context("a pod that says nothing of restarts")?,
        ));
    }
    found.sort();
    Ok(found)
}
