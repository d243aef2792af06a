//! Operator and gateway as a provider runs them: pods of the image from the Dockerfile, by `kubectl apply -k` of an overlay over deploy/. They
//! find the API server by its Service address and their mounted tokens, and the chain at the node's address; nothing of ours runs elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::demo::{Purses, Sheet, Story, claim_all};
use leaseport_e2e::scene::{
    Builder, Cuts, Leaseport, Scene, SceneOptions, Wish, devices, eventually, rights,
};
use leaseport_e2e::world::{Keep, NodeChoice, Options};
use serde_json::Value;

use crate::flow::{close, gone, identity, reported, started};

/// What a container that lacks a right says.
const COMPLAINTS: [&str; 6] = [
    "forbidden",
    "permission denied",
    "read-only file system",
    "operation not permitted",
    "unauthorized",
    "panicked",
];

/// What the image may have in bytes where it is pulled from.
const COMPRESSED_BAR: usize = 30_000_000;

pub(crate) fn a_lease_through_pods() -> Result<()> {
    let begun = Instant::now();
    let mut say = |step: &str| println!("[{:>6.1} s] {step}", begun.elapsed().as_secs_f64());
    let options = SceneOptions {
        world: Options {
            run_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("pod-scenario"),
            kubeconfig: None,
            rpc_url: None,
            device_plugin: None,
            node: NodeChoice::Required,
            ..Options::from_env("pod-scenario")
        },
        cuts: Cuts::Never,
        report_every: "4s",
        // What closes by agreement is claimable at once; what is settled before vests.
        settle_every: "1h",
        tenant_dollars: 100,
    };
    if let Ok(before) = leaseport_e2e::World::attach(&options.world.run_dir) {
        before.down()?;
    }
    let mut scene = Scene::up_in_pods(&options, &mut say)?;
    let told = story(&mut scene, &mut say).with_context(|| scene.pods_say().unwrap_or_default());
    let keep = if told.is_ok() { Keep::Nothing } else { Keep::Logs };
    let down = scene.world.down_keeping(keep);
    told?;
    Ok(down?)
}

fn story(scene: &mut Scene, say: &mut dyn FnMut(&str)) -> Result<()> {
    confined(scene)?;
    say("four pods run: not as root, without capabilities, on a root they cannot write to");

    let before = Purses::read(scene)?;
    let (_, opened) = scene.tenant().rent("pod", &Wish::default())?;
    let escrow = before.tenant - scene.ledger.balance_of(scene.cast.tenant.address)?;
    let pod = scene.running_pod(&opened.lease)?;
    let held: BTreeSet<String> = devices(&pod).into_iter().collect();
    ensure!(held.len() == 2, "{held:?}");
    eventually("a line in the log, through the gateway", || {
        let log = scene.tenant().logs(&opened.lease)?;
        Ok(held.iter().all(|id| log.contains(id.as_str())).then_some(()))
    })?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 1)?;
    say("the tenant's pod holds two GPUs; started and reported on chain");

    let leader = scene.leader()?;
    let so_far = scene.ledger.lease_at(opened.lane)?.reported();
    let log_before = log_of(scene, &leader)?;
    scene.replace_pod(&leader)?;
    let successor = scene.leader()?;
    ensure!(successor != leader, "{leader} leads again");
    let after = scene.running_pod(&opened.lease)?;
    ensure!(identity(&after) == identity(&pod), "{after}");
    reported(scene, opened.lane, so_far + 8)?;
    say(&format!(
        "{leader} was deleted, {successor} leads: same pod, reports go on"
    ));

    let namespace = scene.namespace_of(&opened.lease)?;
    let seconds = close(scene, &opened.lease)?;
    ensure!(seconds >= so_far + 8, "{seconds} s");
    gone(scene, &namespace)?;
    claim_all(scene, &Story::begin(), &before)?;
    Sheet::of(&before, &Purses::read(scene)?, escrow).check()?;
    say("closed, claimed, and the sheet adds up");

    content(&leader, &log_before)?;
    for (name, log) in scene.pod_logs()? {
        content(&name, &log)?;
    }
    let restarts = scene.own_pods()?.iter().map(restarts).sum::<u64>();
    ensure!(restarts == 0, "a container of ours started anew");
    by_its_own_account(scene)
}

fn log_of(scene: &Scene, pod: &str) -> Result<String> {
    let logs = scene.pod_logs()?;
    let found = logs.into_iter().find(|(name, _)| name == pod);
    Ok(found.with_context(|| format!("no pod {pod}"))?.1)
}

fn restarts(pod: &Value) -> u64 {
    pod["status"]["containerStatuses"][0]["restartCount"]
        .as_u64()
        .unwrap_or_default()
}

/// Says something, and complains of no missing right. What is told as information is waited for, such as rights in a namespace just made.
fn content(name: &str, log: &str) -> Result<()> {
    ensure!(!log.trim().is_empty(), "{name} has logged nothing");
    let mut loud = log.lines().filter(|line| !line.contains(" INFO "));
    let bad = loud.find(|line| {
        let line = line.to_lowercase();
        COMPLAINTS.iter().any(|complaint| line.contains(complaint))
    });
    ensure!(bad.is_none(), "{name}: {}", bad.unwrap_or_default());
    Ok(())
}

/// What the kernel says of each of our containers' processes, whatever the manifests ask for.
fn confined(scene: &Scene) -> Result<()> {
    let tasks = scene.world.inside(&[
        "ctr",
        "--address=/run/containerd/containerd.sock",
        "--namespace=k8s.io",
        "tasks",
        "list",
    ])?;
    let pods = scene.own_pods()?;
    ensure!(pods.len() == 4, "{} pods", pods.len());
    for pod in &pods {
        let name = &pod["metadata"]["name"];
        let id = pod["status"]["containerStatuses"][0]["containerID"]
            .as_str()
            .and_then(|id| id.rsplit('/').next())
            .with_context(|| format!("{name} has no container"))?;
        let pid = tasks
            .lines()
            .find(|line| line.starts_with(id))
            .and_then(|line| line.split_whitespace().nth(1))
            .with_context(|| format!("no task {id} in\n{tasks}"))?;
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).context(format!("{name}"));
        let status = read("status")?;
        let line = |key: &str| {
            let found = status.lines().find_map(|line| line.strip_prefix(key));
            found.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        for (key, wanted) in [
            ("Uid:", "65532 65532 65532 65532"),
            ("Gid:", "65532 65532 65532 65532"),
            ("CapEff:", "0000000000000000"),
            ("CapBnd:", "0000000000000000"),
            ("NoNewPrivs:", "1"),
            // 2 is SECCOMP_MODE_FILTER (proc_pid_status(5)).
            ("Seccomp:", "2"),
        ] {
            ensure!(
                line(key).as_deref() == Some(wanted),
                "{name}: {key} {:?}",
                line(key)
            );
        }
        let mounts = read("mountinfo")?;
        // Fields of proc_pid_mountinfo(5): the fifth is the mount point, the sixth its options.
        let root = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(|fields| fields.get(4) == Some(&"/"));
        let options = root.and_then(|fields| fields.get(5).map(|options| (*options).to_owned()));
        ensure!(
            options
                .as_deref()
                .is_some_and(|all| all.split(',').any(|one| one == "ro")),
            "{name}: the root is mounted {options:?}"
        );
    }
    Ok(())
}

/// The API server's own record: our accounts came from pods, and stayed within their rights.
fn by_its_own_account(scene: &Scene) -> Result<()> {
    let state = scene.world.state();
    let pods = state.sandbox.as_ref().context("no node")?.pod_subnet.clone();
    let prefix = pods.trim_end_matches("0/24");
    let record = fs::read_to_string(&state.audit_log)?;
    let mut seen = BTreeSet::new();
    for line in record.lines() {
        let event: Value = serde_json::from_str(line)?;
        let user = event["user"]["username"].as_str().unwrap_or_default();
        let Some(account) = user.strip_prefix("system:serviceaccount:leaseport-system:") else {
            continue;
        };
        let from = event["sourceIPs"][0].as_str().unwrap_or_default();
        ensure!(from.starts_with(prefix), "not from a pod ({pods}): {line}");
        seen.insert(account.to_owned());
    }
    let both = BTreeSet::from(["leaseport-gateway", "leaseport-operator"].map(str::to_owned));
    ensure!(seen == both, "{seen:?}");
    rights::account(&scene.world)?.stayed_within()
}

/// The same binary gives the same image to the last byte of every layer, and there is nothing in it to run but that.
pub(crate) fn the_image_itself() -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
    let leaseport = Leaseport::find(&folder)?;
    let builder = Builder::new(&leaseport, &folder)?;
    let (first, second) = (builder.build()?, builder.build()?);
    ensure!(first.id == second.id, "{} and then {}", first.id, second.id);
    let config = second.config()?;
    ensure!(config["config"]["User"] == "65532:65532", "{config}");
    ensure!(
        config["config"]["Entrypoint"][0] == "/usr/bin/leaseport",
        "{config}"
    );
    let files = second.files()?;
    let folders = ["usr/bin/leaseport", "lib", "etc/", "usr/share/doc/leaseport/"];
    for (path, mode) in &files {
        ensure!(
            folders.iter().any(|folder| path.starts_with(folder)),
            "{path} is in the image"
        );
        // Nobody but root may change a file, and none lends its owner's rights (inode(7)).
        ensure!(mode & 0o7022 == 0, "{path} has mode {mode:o}");
    }
    ensure!(
        files.iter().any(|(path, _)| path == "usr/bin/leaseport"),
        "{files:?}"
    );
    let size = second.compressed()?;
    println!(
        "the image has {size} bytes compressed, {} files, built in {:.1} s: {}",
        files.len(),
        second.took.as_secs_f64(),
        second.id
    );
    // Where it is not a release binary it is a larger one.
    ensure!(size <= COMPRESSED_BAR, "{size} bytes compressed");
    fs::remove_dir_all(&folder).context("the folder of the image")
}
