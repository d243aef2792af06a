//! docs/backup.md as a drill: a backup is made, leases and chain go on, then the provider's namespace and our definitions are lost. What the backup
//! does not know is on chain; no second may be lost that was there, and nothing may be signed while an earlier signature could bind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use leaseport_e2e::chart::{NAMESPACE, repository};
use leaseport_e2e::prepare::{self, Need};
use leaseport_e2e::progress::Progress;
use leaseport_e2e::scene::{PROVIDER_NAMESPACE, Release, Scene, condition, eventually, within};
use serde_json::json;

use crate::fleet::{Fleet, bids_posted, wish};

/// The longest a bid binds, in seconds (protocol: 10 minutes), and a block.
const LONGEST_BID: u64 = 605;
/// For how many of the chain's seconds nothing may be sent.
const STILL: u64 = 6;

pub(crate) fn from_a_backup_older_than_the_chain(
    scene: &mut Scene,
    release: &Release,
    fleet: &Fleet,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    prepare::prepare(
        &prepare::cache_folder(),
        &BTreeSet::from([Need::Backup]),
        Progress::lines(),
    )?;
    let folder = scene.world.state().run_dir.join("backup");
    let saved = script(
        scene,
        "backup.sh",
        &[&folder.display().to_string(), PROVIDER_NAMESPACE, NAMESPACE],
    )?;
    ensure!(saved.contains(" 50 computeleases"), "{saved}");
    // Both keys are used once more, so the backup is older than what they signed.
    let at_backup = fleet.reported(scene)?;
    let order = scene.tenant().request("after-the-backup", &wish())?.order;
    scene.tenant().a_bid(&order)?;
    eventually("reports that the backup does not know", || {
        let now = fleet.reported(scene)?;
        Ok(now
            .iter()
            .all(|(lane, seconds)| *seconds > at_backup.get(lane).copied().unwrap_or_default())
            .then_some(()))
    })?;

    lose(scene, release)?;
    let at_loss = fleet.reported(scene)?;
    let nonces = nonces(scene)?;
    fleet.same_pods(scene)?;
    say("the provider's namespace and the definitions are gone; every pod of a lease runs");

    definitions_and_namespace(scene)?;
    let restored = script(scene, "restore.sh", &[&folder.display().to_string()])?;
    ensure!(restored.contains(" 50 computeleases"), "{restored}");
    release.upgrade(&release.helm, &[])?;
    for wallet in ["duty", "bids"] {
        stands_still(scene, wallet)?;
    }
    let (_, from) = scene.ledger.head()?;
    within(std::time::Duration::from_secs(30), "some blocks", || {
        Ok((scene.ledger.head()?.1 >= from + STILL).then_some(()))
    })?;
    ensure!(self::nonces(scene)? == nonces, "something was sent meanwhile");
    ensure!(
        bids_posted(scene, &order)? == 1,
        "another bid for an order that has one"
    );
    ensure!(
        fleet.reported(scene)? == at_loss,
        "something was reported meanwhile"
    );
    fleet.same_pods(scene)?;
    say("restored: the same pods, and neither key sends or signs anything");

    scene.ledger.rpc("evm_increaseTime", &json!([LONGEST_BID]))?;
    scene.ledger.rpc("evm_mine", &json!([]))?;
    scene.release_serves()?;
    eventually("every lease is reported beyond what was lost", || {
        for (lane, seconds) in fleet.reported(scene)? {
            let before = at_loss.get(&lane).copied().unwrap_or_default();
            if seconds < before {
                bail!("lane {lane} fell from {before} s to {seconds} s");
            }
            ensure!(seconds > before, "lane {lane} still has {before} s");
        }
        Ok(Some(()))
    })?;
    fleet.same_pods(scene)?;
    let valid = scene
        .tenant()
        .bids(&order)?
        .iter()
        .filter(|bid| bid["valid"] == true)
        .count();
    ensure!(valid <= 1, "{valid} bids of one provider bind for one order");
    let lost = BTreeMap::from([("duty", lost(scene, "duty")?), ("bids", lost(scene, "bids")?)]);
    ensure!(lost.values().all(|lost| *lost > 0), "{lost:?}");
    fleet.each_once(scene, &lost)?;
    let one = fleet.opened.first().context("no lease")?;
    let before = scene.ledger.lease_at(one.lane)?;
    let signed = scene.tenant().usage(&one.lease)?;
    ensure!(signed["covered"] == true, "{signed}");
    let namespace = scene.namespace_of(&one.lease)?;
    scene.tenant().logs(&one.lease)?;
    let closed = scene.tenant().close(&one.lease)?;
    let seconds = closed["bill"]["seconds"].as_u64().unwrap_or_default();
    ensure!(
        closed["bill"]["balanced"] == true && seconds >= before.reported(),
        "{closed}"
    );
    eventually("the closed lease's namespace is gone", || {
        let all = scene.world.kubectl(&["get", "namespaces", "--output=name"])?;
        Ok((!all.lines().any(|line| line == format!("namespace/{namespace}"))).then_some(()))
    })?;
    say(
        "once no earlier signature can bind both go on: reports rise from what the chain had, no bid binds twice, a lease closes by agreement",
    );
    Ok(())
}

/// Runs one of deploy/backup's scripts as an admin does.
fn script(scene: &Scene, name: &str, words: &[&str]) -> Result<String> {
    let state = scene.world.state();
    let path = format!(
        "{}:{}",
        state.bin_dir.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("bash")
        .arg(repository().join("deploy/backup").join(name))
        .args(words)
        .env("KUBECONFIG", &state.kubeconfig)
        .env("PATH", path)
        .output()
        .context(name.to_owned())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{name}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// As etcd's loss would: nothing of ours is asked, nobody of ours may act on it.
fn lose(scene: &Scene, release: &Release) -> Result<()> {
    let kubectl = |words: &[&str]| scene.world.kubectl(words);
    let system = format!("--namespace={NAMESPACE}");
    let provider = format!("--namespace={PROVIDER_NAMESPACE}");
    release.upgrade(&release.helm, &["--set=uninstallGuard.enabled=false"])?;
    // A restore beside an operator at work is refused, before anything is written.
    let folder = scene.world.state().run_dir.join("backup").display().to_string();
    let refused = script(scene, "restore.sh", &[&folder])
        .err()
        .context("it ran beside the operator")?;
    ensure!(
        format!("{refused:#}").contains("scale deployment/leaseport-operator"),
        "{refused:#}"
    );
    kubectl(&[&system, "scale", "deployment/leaseport-operator", "--replicas=0"])?;
    kubectl(&[
        &system,
        "wait",
        "--for=delete",
        "pod",
        "--selector=app.kubernetes.io/component=operator",
        "--timeout=60s",
    ])?;
    let leases = kubectl(&[&provider, "get", "computeleases", "--output=name"])?;
    let mut line = vec![
        provider.as_str(),
        "patch",
        "--type=merge",
        "--patch={\"metadata\":{\"finalizers\":null}}",
    ];
    line.extend(leases.lines());
    kubectl(&line)?;
    kubectl(&[
        "delete",
        &format!("namespace/{PROVIDER_NAMESPACE}"),
        "--timeout=60s",
    ])?;
    kubectl(&[
        "delete",
        "customresourcedefinitions",
        "--selector=app.kubernetes.io/part-of=leaseport",
        "--timeout=60s",
    ])?;
    Ok(())
}

/// What docs/backup.md says comes before restore.sh.
fn definitions_and_namespace(scene: &Scene) -> Result<()> {
    let file = |path: &str| format!("--filename={}", repository().join(Path::new(path)).display());
    for path in ["crds", "deploy/provider/namespace.yaml"] {
        scene.world.kubectl(&["apply", "--server-side", &file(path)])?;
    }
    scene.world.kubectl(&[
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd",
        "--all",
    ])?;
    Ok(())
}

fn stands_still(scene: &Scene, wallet: &str) -> Result<()> {
    eventually(&format!("wallet {wallet} stands still"), || {
        let wallet = scene.object(&format!("computewallet/{wallet}"))?;
        let ready = condition(&wallet, "Ready").cloned().unwrap_or_default();
        ensure!(ready["reason"] == "NonceForeign", "{ready}");
        Ok(Some(()))
    })
}

/// The next nonces of the operator's keys, with what is under way.
fn nonces(scene: &Scene) -> Result<[String; 2]> {
    let next = |address: &str| -> Result<String> {
        let nonce = scene
            .ledger
            .rpc("eth_getTransactionCount", &json!([address, "pending"]))?;
        Ok(nonce.to_string())
    };
    Ok([next(scene.cast.duty.address)?, next(scene.cast.bids.address)?])
}

/// How many of a wallet's transactions only the chain knows: between the newest that was restored and the one it went on from.
fn lost(scene: &Scene, wallet: &str) -> Result<u64> {
    let object = scene.object(&format!("computewallet/{wallet}"))?;
    let adopted = object["status"]["adoptedNonce"]
        .as_u64()
        .with_context(|| format!("wallet {wallet} adopted no nonce: {}", object["status"]))?;
    let below = scene
        .objects("computetransactions")?
        .iter()
        .filter(|one| one["spec"]["walletRef"]["name"] == wallet)
        .filter(|one| one["spec"]["nonce"].as_u64().is_some_and(|nonce| nonce < adopted))
        .count();
    Ok(adopted - u64::try_from(below)?)
}
