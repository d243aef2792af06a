//! The cluster owner's ordinary pods wait for the very GPUs that are held for a bid: the lease gets them each time, and the owner's pods are
//! neither pushed out nor served first (design: a lease pod is nominated for the held node before the hold is deleted).

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{Scene, Wish, condition, devices, eventually, rights};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, gone, started};

/// How often it is tried: without the nomination about one round in three is lost.
const ROUNDS: usize = 3;
/// What a bid may hold at once: half of what is free, by the sample offer.
const HELD: u16 = 4;
/// Pods that wait for what is held.
const WAITING: [&str; 3] = ["waits-1", "waits-2", "waits-3"];

fn ordinary(name: &str, gpus: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "owner" },
        "spec": {
            "dnsPolicy": "Default", "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
            "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists" }],
            "containers": [{
                "name": "main", "image": "docker.io/library/busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"],
                "resources": { "limits": { "nvidia.com/gpu": gpus } },
            }],
        },
    })
}

fn pod(scene: &Scene, name: &str) -> Result<Value> {
    Ok(scene
        .world
        .kubectl_json(&["--namespace", "owner", "get", "pod", name])?)
}

fn create(scene: &Scene, name: &str, gpus: u16) -> Result<()> {
    // A namespace has its default account a moment after it is made.
    eventually(&format!("pod owner/{name} is accepted"), || {
        scene.world.kubectl_with_input(
            &["apply", "--server-side", "--filename=-"],
            &ordinary(name, gpus).to_string(),
        )?;
        Ok(Some(()))
    })
}

/// Says that a pod waits for room and nothing else.
fn waits(scene: &Scene, name: &str) -> Result<bool> {
    let found = pod(scene, name)?;
    Ok(condition(&found, "PodScheduled").is_some_and(|scheduled| scheduled["reason"] == "Unschedulable"))
}

pub(crate) fn lose_what_is_held(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    scene.world.kubectl(&["create", "namespace", "owner"])?;
    // The owner's own work has what is not held, so that only held devices are left to wait for.
    let rest = u16::try_from(scene.world.node()?.gpus.len())? - HELD;
    for round in 1..=ROUNDS {
        one_round(scene, round, rest)?;
    }
    scene
        .world
        .kubectl(&["delete", "namespace", "owner", "--wait=true"])?;
    rights::account(&scene.world)?.used_as_listed("e2e/tests/lease/rivals.rs")
}

fn one_round(scene: &Scene, round: usize, rest: u16) -> Result<()> {
    let tenant = scene.tenant();
    let wish = Wish {
        gpus: HELD,
        max_per_hour: "9".into(),
        ..Wish::default()
    };
    let posted = tenant.request(&format!("rivals-{round}"), &wish)?;
    // There is a bid when the hold is bound, not before.
    tenant.a_bid(&posted.order)?;
    create(scene, "works", rest)?;
    eventually("the owner's pod runs", || {
        Ok((pod(scene, "works")?["status"]["phase"] == "Running").then_some(()))
    })?;
    for name in WAITING {
        create(scene, name, 1)?;
    }
    eventually("three pods wait for the held devices", || {
        for name in WAITING {
            ensure!(waits(scene, name)?, "{name} does not wait");
        }
        Ok(Some(()))
    })?;

    let opened = tenant.accept(&posted.order)?;
    let leased = scene.running_pod(&opened.lease)?;
    ensure!(
        devices(&leased).len() == usize::from(HELD),
        "{}",
        leased["status"]
    );
    started(scene, opened.lane)?;
    for name in WAITING {
        ensure!(
            waits(scene, name)?,
            "round {round}: {name} got what was held: {}",
            pod(scene, name)?["status"]
        );
    }
    let works = pod(scene, "works")?;
    ensure!(
        works["status"]["phase"] == "Running" && works["status"]["containerStatuses"][0]["restartCount"] == 0,
        "the owner's pod was pushed out: {}",
        works["status"]
    );

    scene
        .world
        .kubectl(&["--namespace", "owner", "delete", "pods", "--all", "--wait=true"])?;
    let namespace = scene.namespace_of(&opened.lease)?;
    close(scene, &opened.lease)?;
    gone(scene, &namespace)
}
