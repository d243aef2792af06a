//! From the last published package of the chart to the chart as it stands, back, and again, as docs/operations.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::chart::repository;
use leaseport_e2e::scene::{IMAGE, PROVIDER_NAMESPACE, Release, Scene};

use crate::GPUS;
use crate::fleet::Fleet;

/// The chart that users have before the one that stands here, by name and version.
const LAST: &str = "leaseport-0.1.0";

fn last_package() -> PathBuf {
    repository().join(format!("e2e/fixtures/{LAST}.tgz"))
}

/// The same program under another tag: what an upgrade changes is the pods, and that is what leases must not notice.
fn next_image(scene: &Scene) -> Result<String> {
    let next = format!("{}:next", IMAGE.rsplit_once(':').context(IMAGE)?.0);
    scene.world.inside(&[
        "ctr",
        "--address=/run/containerd/containerd.sock",
        "--namespace=k8s.io",
        "images",
        "tag",
        IMAGE,
        &next,
    ])?;
    Ok(next)
}

pub(crate) fn install_the_last_package(
    scene: &mut Scene,
    release: &mut Release,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let current = std::mem::replace(&mut release.chart, last_package());
    release.install(&release.helm, &[])?;
    scene.furnish(release, say)?;
    let most = serde_json::json!({ "spec": { "capacity": { "maxLeases": GPUS } } });
    scene.world.kubectl(&[
        "--namespace",
        PROVIDER_NAMESPACE,
        "patch",
        "computeoffer/gpus",
        "--type=merge",
        &format!("--patch={most}"),
    ])?;
    let gateway = Release::with_gateway();
    let gateway: Vec<&str> = gateway.iter().map(String::as_str).collect();
    release.upgrade(&release.helm, &gateway)?;
    scene.release_serves()?;
    let installed = release.status(&release.helm)?;
    ensure!(
        versions(scene)? == BTreeSet::from([LAST.to_owned()]),
        "{installed}"
    );
    release.chart = current;
    say(&format!(
        "helm install of the last package, {LAST}; everything is Ready"
    ));
    Ok(())
}

pub(crate) fn to_this_chart_and_back_and_again(
    scene: &mut Scene,
    release: &Release,
    fleet: &Fleet,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let next = next_image(scene)?;
    let tag = format!("--set=image.tag={}", next.rsplit(':').next().unwrap_or_default());
    let first = own(scene)?;
    let (took, _) = release.upgrade(&release.helm, &[&tag])?;
    let second = settled(scene, fleet, &first)?;
    ensure!(!versions(scene)?.contains(LAST), "{:?}", versions(scene)?);
    say(&format!(
        "helm upgrade from the last package took {:.1} s: every pod of ours is new, no pod of a lease is, no second is missing",
        took.as_secs_f64()
    ));
    release.verb(&release.helm, "rollback", &["2", "--wait", "--timeout=90s"])?;
    let third = settled(scene, fleet, &second)?;
    ensure!(versions(scene)?.contains(LAST), "{:?}", versions(scene)?);
    say("helm rollback to the last package: likewise");
    release.upgrade(&release.helm, &[&tag])?;
    settled(scene, fleet, &third)?;
    say("helm upgrade again: likewise");
    Ok(())
}

/// Whose pods there are now, once they serve, and the fleet has not noticed.
fn settled(scene: &mut Scene, fleet: &Fleet, before: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    scene.release_serves()?;
    let now = own(scene)?;
    ensure!(
        now.len() == 4 && now.is_disjoint(before),
        "{now:?} were {before:?}"
    );
    fleet.same_pods(scene)?;
    fleet.caught_up(scene)?;
    fleet.same_pods(scene)?;
    fleet.each_once(scene, &BTreeMap::new())?;
    Ok(now)
}

fn own(scene: &Scene) -> Result<BTreeSet<String>> {
    Ok(scene
        .own_pods()?
        .iter()
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect())
}

/// Which charts the Deployments say they are of.
fn versions(scene: &Scene) -> Result<BTreeSet<String>> {
    let list = scene.world.kubectl_json(&[
        "get",
        "deployments",
        "--all-namespaces",
        "--selector=helm.sh/chart",
    ])?;
    Ok(list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["metadata"]["labels"]["helm.sh/chart"].as_str())
        .map(str::to_owned)
        .collect())
}
