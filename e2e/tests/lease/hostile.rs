//! What a tenant tries and what it gets (rule 9): devices by a variable, devices for a container that asked for none, root.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leaseport_e2e::scene::{Scene, Wish, devices, eventually};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, gone, small, started};
use crate::post::{PostCall, cancel};
use crate::raw::{Pass, Session};
use crate::refusals::refused;

/// Every card of the node, where the toolkit listens to it.
const ALL: &str = "env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]";

pub(crate) fn devices_by_variable(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();

    // The command line says so before anything is signed or sent.
    let purse = scene.ledger.balance_of(scene.cast.tenant.address)?;
    let yaml = small()
        .yaml()
        .replace("runAsUser: 1000\n", &format!("runAsUser: 1000\n      {ALL}\n"));
    let file = tenant.write("all-devices", &yaml)?;
    let said = tenant
        .refusal(&["request", "--yes", "--file", &file.display().to_string()])?
        .said;
    ensure!(
        said.contains("NVIDIA_VISIBLE_DEVICES")
            && said.contains("containers[0].env[0]")
            && said.contains("gpus"),
        "{said}"
    );
    ensure!(
        scene.ledger.balance_of(scene.cast.tenant.address)? == purse,
        "something was paid"
    );

    // A tenant with another program binds such a manifest all the same: the hash says nothing, so the gateway does.
    let wish = Wish {
        start_window: "30s".into(),
        ..small()
    };
    let good = tenant.request("by-variable", &wish)?;
    let kept: Value = serde_json::from_str(&fs::read_to_string(
        good.printed["stateFile"].as_str().context("no stateFile")?,
    )?)?;
    let mut manifest: Value = serde_json::from_str(kept["manifest"].as_str().context("no manifest")?)?;
    manifest["containers"][0]["env"] = json!([{ "name": "NVIDIA_VISIBLE_DEVICES", "value": "all" }]);
    // Sorted keys and no spaces: canonical, as the gateway wants it.
    let bytes = manifest.to_string();
    let mut call = PostCall::of(scene, &good)?;
    call.salt("by variable")?;
    call.manifest(bytes.as_bytes())?;
    cancel(scene, &good.sent.last().context("no transaction")?.hash)?;
    let order = call.send(scene)?;
    tenant.a_bid(&order)?;
    let opened = tenant.accept_without_manifest(&order)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let pass = Pass {
        wallet: scene.cast.tenant.address,
        lease: &opened.lease,
        scopes: &["manifest"],
        lasts: 600,
    };
    let parcel = json!({ "manifest": STANDARD.encode(&bytes) }).to_string();
    let path = format!("/v1/leases/{}/manifest", opened.lease);
    let answer =
        Session::open(scene, &pass)?.send(scene, "PUT", &path, parcel.as_bytes(), parcel.as_bytes())?;
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    ensure!(
        answer.status == 422
            && ["containers[0].env[0]", "NVIDIA_VISIBLE_DEVICES", "remove it"]
                .iter()
                .all(|word| detail.contains(word)),
        "{answer:?}"
    );
    ensure!(scene.pods(&namespace)?.is_empty(), "something runs");

    // Nothing that could run was handed over in time, so the provider declines and its devices are free again.
    eventually("the lease is declined", || {
        let lease = scene.ledger.lease_at(opened.lane)?;
        Ok((lease.state == 3).then_some(()))
    })?;
    gone(scene, &namespace)
}

/// What a container printed.
fn log(scene: &Scene, namespace: &str, pod: &Value, container: &str) -> Result<String> {
    let name = pod["metadata"]["name"].as_str().context("no name")?;
    eventually(&format!("{container} prints"), || {
        let text =
            scene
                .world
                .kubectl(&["--namespace", namespace, "logs", name, "--container", container])?;
        Ok(Some(text).filter(|text| text.contains("end")))
    })
}

pub(crate) fn devices_of_others(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let container = |name: &str, gpus: u8| {
        format!(
            "    - name: {name}\n      image: docker.io/library/busybox:1.36\n      command: [sh, -c, \"echo I see [$NVIDIA_VISIBLE_DEVICES]; \
             echo end; sleep 3600\"]\n      runAsUser: 1000\n      gpus: {gpus}\n      cpu: 100m\n      memory: 32Mi\n      storage: 64Mi\n"
        )
    };
    let yaml = format!(
        "needs:\n  gpu:\n    count: 1\nworkload:\n  containers:\n{}{}price:\n  maxPerHour: \"5\"\nduration:\n  min: 1m\n  max: 1h\n",
        container("trains", 1),
        container("watches", 0)
    );
    let file = tenant.write("beside", &yaml)?;
    let printed = tenant.run(&["request", "--yes", "--file", &file.display().to_string()])?;
    let order = printed["orderHash"].as_str().context("no orderHash")?;
    tenant.a_bid(order)?;
    let opened = tenant.accept(order)?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let held = devices(&pod);
    ensure!(held.len() == 1, "{held:?}");
    let trains = log(scene, &namespace, &pod, "trains")?;
    ensure!(trains.contains(&format!("I see [{}]", held.concat())), "{trains}");
    // Set by the pod, so it wins over what a CUDA image sets for itself.
    let watches = log(scene, &namespace, &pod, "watches")?;
    ensure!(watches.contains("I see [void]"), "{watches}");
    started(scene, opened.lane)?;
    close(scene, &opened.lease)?;
    gone(scene, &namespace)
}

fn allow_root(scene: &Scene, word: &str) -> Result<()> {
    let patch = json!({ "spec": { "isolation": { "allowRoot": word } } }).to_string();
    scene.world.kubectl(&[
        "--namespace",
        "gpu-provider",
        "patch",
        "computeoffer",
        "gpus",
        "--type=merge",
        "--patch",
        &patch,
    ])?;
    Ok(())
}

/// A program that says who it is and what it may.
fn as_root(scene: &Scene) -> Result<Value> {
    let yaml = Wish {
        script: "id -u; grep -E 'NoNewPrivs|Seccomp:|CapEff' /proc/self/status; echo end; sleep 3600".into(),
        ..small()
    }
    .yaml()
    .replace("needs:\n", "needs:\n  runAsRoot: true\n")
    .replace("runAsUser: 1000", "runAsUser: 0");
    let file = scene.tenant().write("root", &yaml)?;
    scene
        .tenant()
        .run(&["request", "--yes", "--file", &file.display().to_string()])
}

pub(crate) fn root(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let posted = as_root(scene)?;
    let order = posted["orderHash"].as_str().context("no orderHash")?;
    refused(scene, order, "RootRefused")?;
    tenant.run(&["cancel", order])?;

    // Another provider says in its offer that it serves root, and how.
    allow_root(scene, "WhenDeclared")?;
    let served = serves_root(scene);
    allow_root(scene, "Never")?;
    served
}

fn serves_root(scene: &Scene) -> Result<()> {
    let tenant = scene.tenant();
    let posted = as_root(scene)?;
    let order = posted["orderHash"].as_str().context("no orderHash")?;
    tenant.a_bid(order)?;
    let opened = tenant.accept(order)?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let labels = scene.world.kubectl_json(&["get", "namespace", &namespace])?["metadata"]["labels"].clone();
    ensure!(
        labels["pod-security.kubernetes.io/enforce"] == "baseline",
        "{labels}"
    );
    let said = log(scene, &namespace, &pod, "main")?;
    let word = |name: &str| -> Result<String> {
        let line = said.lines().find(|line| line.starts_with(name));
        Ok(line
            .and_then(|line| line.split_whitespace().nth(1))
            .with_context(|| said.clone())?
            .to_owned())
    };
    ensure!(said.lines().next() == Some("0"), "{said}");
    ensure!(word("NoNewPrivs")? == "1", "it may escalate: {said}");
    ensure!(word("Seccomp:")? == "2", "no system call filter: {said}");
    // Nothing that reaches beyond its own files and users: no SYS_ADMIN (21), SYS_PTRACE (19), SYS_MODULE (16), NET_ADMIN (12), NET_RAW (13), MKNOD (27).
    let capabilities = u64::from_str_radix(&word("CapEff")?, 16)?;
    for bit in [12, 13, 16, 19, 21, 27] {
        ensure!(capabilities & (1 << bit) == 0, "capability {bit}: {said}");
    }
    started(scene, opened.lane)?;
    close(scene, &opened.lease)?;
    gone(scene, &namespace)
}
