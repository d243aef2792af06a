//! Two operators as the chart runs them: the leader's pod deleted, and the leader cut off from the API server while it runs on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::{Scene, within};
use serde_json::Value;

use crate::fleet::Fleet;

/// A lock that is given back is taken at the next try; the rest is kubectl's and the kubelet's.
const AFTER_A_STOP: Duration = Duration::from_secs(10);
/// What cannot be renewed is taken by another after this long (docs/operations.md).
const AFTER_A_CUT: Duration = Duration::from_secs(20);

pub(crate) fn a_leader_is_deleted_and_another_cut_off(
    scene: &mut Scene,
    fleet: &Fleet,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let leader = scene.leader()?;
    let told = Instant::now();
    scene.world.kubectl(&[
        "--namespace=leaseport-system",
        "delete",
        "--wait=false",
        &format!("pod/{leader}"),
    ])?;
    let took = another(scene, &leader, told)?;
    ensure!(took <= AFTER_A_STOP, "followed after {took:.1?}");
    fleet.caught_up(scene)?;
    say(&format!(
        "the leader's pod was deleted: another led {took:.1?} later, no second is missing"
    ));

    let leader = scene.leader()?;
    let ip = address(scene, &leader)?;
    let rule = ["INPUT", "--source", &ip, "--protocol", "tcp", "--jump", "DROP"];
    let iptables = |verb: &str| {
        scene
            .world
            .inside(&[&["iptables", "--wait", verb], rule.as_slice()].concat())
    };
    iptables("--insert")?;
    let cut = Instant::now();
    let took = another(scene, &leader, cut);
    iptables("--delete")?;
    let took = took?;
    ensure!(took <= AFTER_A_CUT, "followed after {took:.1?}");
    fleet.same_pods(scene)?;
    fleet.caught_up(scene)?;
    fleet.each_once(scene, &BTreeMap::new())?;
    say(&format!(
        "the leader was cut off from the API server and the chain: another led {took:.1?} later, every transaction is there once"
    ));
    Ok(())
}

/// How long it took from then until somebody else leads.
fn another(scene: &Scene, than: &str, since: Instant) -> Result<Duration> {
    within(AFTER_A_CUT + Duration::from_secs(15), "another leads", || {
        let holder = scene.lock_holder()?;
        Ok((!holder.is_empty() && !holder.starts_with(&format!("{than}-"))).then_some(()))
    })?;
    Ok(since.elapsed())
}

fn address(scene: &Scene, name: &str) -> Result<String> {
    let pods = scene.own_pods()?;
    let pod = pods.iter().find(|pod| pod["metadata"]["name"] == name);
    pod.and_then(|pod: &Value| pod["status"]["podIP"].as_str())
        .map(str::to_owned)
        .with_context(|| format!("pod {name} has no address"))
}
