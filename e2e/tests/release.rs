//! The Helm chart on a real node: installed, upgraded, rolled back, refused to leave while a lease is open, taken away over the admin's own
//! word, installed again by the other helm, and the lease never notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use leaseport_e2e::chart::{ChartTools, Helm, NAMESPACE};
use leaseport_e2e::scene::demo::{Purses, Sheet, Story, claim_all};
use leaseport_e2e::scene::{
    Cuts, Ends, Opened, PROVIDER_NAMESPACE, Release, Scene, SceneOptions, Wish, eventually, rights,
};
use leaseport_e2e::world::{Keep, NodeChoice, Options};
use serde_json::Value;

/// What an install may take until everything is Ready, with the image on the node.
const READY_BAR: Duration = Duration::from_secs(20);
/// What the namespace holds before the first install and after the last uninstall; the Secret is the admin's.
const OF_THE_NAMESPACE: [&str; 3] = [
    "ConfigMap/kube-root-ca.crt",
    "Secret/leaseport-gateway-tls",
    "ServiceAccount/default",
];

#[test]
fn a_release_is_installed_upgraded_rolled_back_and_removed_and_no_lease_notices() {
    let begun = Instant::now();
    let mut say = |step: &str| println!("[{:>6.1} s] {step}", begun.elapsed().as_secs_f64());
    let options = SceneOptions {
        world: Options {
            run_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("release-scenario"),
            kubeconfig: None,
            rpc_url: None,
            device_plugin: None,
            node: NodeChoice::Required,
            ..Options::from_env("release-scenario")
        },
        cuts: Cuts::Never,
        report_every: "4s",
        // What closes by agreement is claimable at once; what is settled before vests.
        settle_every: "1h",
        tenant_dollars: 100,
    };
    if let Ok(before) = leaseport_e2e::World::attach(&options.world.run_dir) {
        before.down().unwrap();
    }
    let tools = ChartTools::prepare(&options.world.run_dir.join("helm")).unwrap();
    let (mut scene, release) = Scene::before_release(&options, Ends::WithTheScene, &mut say).unwrap();
    let helm3 = tools.helm3.on(scene.world.kubeconfig());
    let told =
        story(&mut scene, &release, &helm3, &mut say).with_context(|| scene.pods_say().unwrap_or_default());
    let keep = if told.is_ok() { Keep::Nothing } else { Keep::Logs };
    let down = scene.world.down_keeping(keep);
    if let Err(error) = told {
        panic!("{error:#}");
    }
    down.unwrap();
}

fn story(scene: &mut Scene, release: &Release, helm3: &Helm, say: &mut dyn FnMut(&str)) -> Result<()> {
    let helm = &release.helm;
    scene.restricted_namespace()?;
    let (took, notes) = release.install(helm, &[])?;
    ensure!(took <= READY_BAR, "ready after {:.1} s", took.as_secs_f64());
    ensure!(
        notes.contains("helm test leaseport --namespace leaseport-system"),
        "{notes}"
    );
    say(&format!(
        "helm install --wait: both replicas are ready after {:.1} s",
        took.as_secs_f64()
    ));
    release.verb(helm, "test", &[])?;

    scene.furnish(release, say)?;
    let operators = own(scene, "operator")?;
    let gateway = Release::with_gateway();
    let gateway: Vec<&str> = gateway.iter().map(String::as_str).collect();
    let (took, _) = release.upgrade(helm, &gateway)?;
    ensure!(own(scene, "operator")? == operators, "the operator was replaced");
    scene.release_serves()?;
    say(&format!(
        "helm upgrade: the gateway came within {:.1} s, the operator's pods are the same; everything is Ready",
        took.as_secs_f64()
    ));

    checks(scene, release)?;
    say("helm test holds before there is a market and on one at work, and names a right that was taken away");

    let before = Purses::read(scene)?;
    let (_, opened) = scene.tenant().rent("release", &Wish::default())?;
    let escrow = before.tenant - scene.ledger.balance_of(scene.cast.tenant.address)?;
    let pod = identity(&scene.running_pod(&opened.lease)?);
    eventually("the lease is started on chain", || {
        Ok((scene.ledger.lease_at(opened.lane)?.state == 2).then_some(()))
    })?;
    say("a lease runs");

    release.upgrade(helm, &["--set=log.filter=leaseport=debug\\,warn"])?;
    scene.release_serves()?;
    let changed = own(scene, "operator")?;
    ensure!(
        changed.is_disjoint(&operators),
        "the operator was not replaced: {changed:?}"
    );
    goes_on(scene, &opened, &pod)?;
    release.verb(helm, "rollback", &["2", "--wait", "--timeout=90s"])?;
    scene.release_serves()?;
    ensure!(own(scene, "operator")?.is_disjoint(&changed), "not rolled back");
    goes_on(scene, &opened, &pod)?;
    say(
        "an upgrade with another value and a rollback: new operators each time, the tenant's pod is the same, reports go on",
    );

    // From here on accounts and rights leave while they are still asked for something.
    rights::account(&scene.world)?.stayed_within()?;
    stays_while_a_lease_is_open(scene, release, &opened)?;
    say("helm uninstall is refused while the lease is open, and takes nothing; so is deleting part by part");

    let leases = objects(scene, "computeleases.leaseport.dev", &["--all-namespaces"])?;
    release.upgrade(helm, &["--set=uninstallGuard.enabled=false"])?;
    // The API server reads its policies anew about once a second.
    eventually("the guard is forgotten", || {
        let line = ["delete", "--dry-run=server", "clusterrole/leaseport-operator"];
        Ok(Some(scene.world.kubectl(&line)?))
    })?;
    let removed = Instant::now();
    release.verb(helm, "uninstall", &["--wait", "--timeout=90s"])?;
    say(&format!(
        "without the guard, helm uninstall took {:.1} s",
        removed.elapsed().as_secs_f64()
    ));
    nothing_is_left(scene)?;
    ensure!(
        objects(scene, "computeleases.leaseport.dev", &["--all-namespaces"])? == leases,
        "leases changed"
    );
    let orphaned = scene.running_pod(&opened.lease)?;
    ensure!(identity(&orphaned) == pod, "{orphaned}");
    say("definitions, the lease and its pod stay; nothing else does");

    let (took, _) = release.install(helm3, &gateway)?;
    scene.release_serves()?;
    goes_on(scene, &opened, &pod)?;
    say(&format!(
        "helm 3 installs it again in {:.1} s: the same pod, reports go on",
        took.as_secs_f64()
    ));

    let namespace = scene.namespace_of(&opened.lease)?;
    let closed = scene.tenant().close(&opened.lease)?;
    ensure!(closed["bill"]["balanced"] == true, "{closed}");
    eventually("the lease is Closed and its namespace gone", || {
        let kind_and_name = scene.lease_object(&opened.lease)?;
        let phase = scene.object(&kind_and_name)?["status"]["phase"].clone();
        let namespaces = objects(scene, "namespaces", &[])?;
        let gone = !namespaces
            .keys()
            .any(|name| *name == format!("Namespace/{namespace}"));
        Ok((phase == "Closed" && gone).then_some(()))
    })?;
    claim_all(scene, &Story::begin(), &before)?;
    Sheet::of(&before, &Purses::read(scene)?, escrow).check()?;
    release.verb(helm3, "uninstall", &["--wait", "--timeout=90s"])?;
    nothing_is_left(scene)?;
    say("closed, claimed, the sheet adds up; helm 3 uninstalls past the guard, and nothing is left");
    Ok(())
}

/// `helm test` on a market at work; then without a right, and after an upgrade gave it back.
fn checks(scene: &Scene, release: &Release) -> Result<()> {
    let helm = &release.helm;
    release.verb(helm, "test", &[])?;
    let right = ["--namespace", PROVIDER_NAMESPACE, "rolebinding/leaseport-holds"];
    scene.world.kubectl(&[&["delete"], right.as_slice()].concat())?;
    let tested = eventually("the right is gone for the check, too", || {
        Ok(release.verb(helm, "test", &[]).err())
    });
    let log = scene
        .world
        .kubectl(&["--namespace", NAMESPACE, "logs", "pod/leaseport-check"])?;
    tested?;
    let wanted = format!("FAIL may create pods in {PROVIDER_NAMESPACE}");
    ensure!(log.contains(&wanted), "{log}");
    ensure!(log.matches("FAIL").count() == 1, "{log}");
    release.upgrade(helm, &[])?;
    release.verb(helm, "test", &[])?;
    Ok(())
}

/// The lease's pod is the one it was, and new seconds reach the chain.
fn goes_on(scene: &Scene, opened: &Opened, pod: &(String, String, u64)) -> Result<()> {
    let now = identity(&scene.running_pod(&opened.lease)?);
    ensure!(now == *pod, "{now:?} was {pod:?}");
    let so_far = scene.ledger.lease_at(opened.lane)?.reported();
    eventually("a later report", || {
        let reported = scene.ledger.lease_at(opened.lane)?.reported();
        ensure!(reported > so_far, "{reported} s, as before");
        Ok(Some(()))
    })
}

/// What makes two looks at a pod looks at the same running container.
fn identity(pod: &Value) -> (String, String, u64) {
    let status = &pod["status"]["containerStatuses"][0];
    (
        pod["metadata"]["uid"].to_string(),
        status["containerID"].to_string(),
        status["restartCount"].as_u64().unwrap_or_default(),
    )
}

/// The ids of our own pods of a component.
fn own(scene: &Scene, component: &str) -> Result<BTreeSet<String>> {
    let pods = scene.own_pods()?;
    Ok(pods
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/component"] == component)
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect())
}

fn stays_while_a_lease_is_open(scene: &Scene, release: &Release, opened: &Opened) -> Result<()> {
    let kind_and_name = scene.lease_object(&opened.lease)?;
    let name = kind_and_name.rsplit('/').next().unwrap_or_default();
    let words = [
        format!("{PROVIDER_NAMESPACE}/{name} is not closed"),
        "uninstallGuard.enabled=false".to_owned(),
    ];
    let refused = |what: &str, answer: Result<String>| -> Result<()> {
        let Err(error) = answer else {
            bail!("{what} was let through");
        };
        let said = format!("{error:#}");
        for word in &words {
            ensure!(said.contains(word.as_str()), "{what}: {said}");
        }
        Ok(())
    };
    let before = standing(scene)?;
    refused("uninstall", release.verb(&release.helm, "uninstall", &[]))?;
    let state = release.status(&release.helm)?;
    ensure!(state["info"]["status"] == "deployed", "{}", state["info"]);
    let in_namespace = format!("--namespace={NAMESPACE}");
    let in_provider = format!("--namespace={PROVIDER_NAMESPACE}");
    for (what, namespace) in [
        ("deployment/leaseport-operator", &in_namespace),
        ("serviceaccount/leaseport-operator", &in_namespace),
        ("role/leaseport-operator", &in_namespace),
        ("role/leaseport-wallets", &in_provider),
        ("rolebinding/leaseport-holds", &in_provider),
        ("clusterrole/leaseport-lease-operator", &in_namespace),
        ("clusterrolebinding/leaseport-operator", &in_namespace),
        (
            "customresourcedefinition/computeleases.leaseport.dev",
            &in_namespace,
        ),
    ] {
        let answer = scene.world.kubectl(&["delete", "--wait=false", namespace, what]);
        refused(what, answer.map_err(Into::into))?;
    }
    ensure!(standing(scene)? == before, "something left");
    Ok(())
}

/// Objects by `Kind/name` with their ids.
fn objects(scene: &Scene, kinds: &str, scope: &[&str]) -> Result<BTreeMap<String, String>> {
    let list = scene.world.kubectl_json(&[&["get", kinds], scope].concat())?;
    Ok(list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
            (name, text(&object["metadata"]["uid"]))
        })
        .collect())
}

/// Every kind that can be listed, in namespaces or not; events come and go.
fn kinds(scene: &Scene, namespaced: &str) -> Result<String> {
    let listed = scene.world.kubectl(&[
        "api-resources",
        "--verbs=list",
        "--output=name",
        &format!("--namespaced={namespaced}"),
    ])?;
    let kinds: Vec<&str> = listed
        .lines()
        .filter(|kind| !kind.starts_with("events"))
        .collect();
    Ok(kinds.join(","))
}

/// What a release makes and its admin sees: all of its namespace but what pods bring, all rights in the provider's, all of the cluster's own.
fn standing(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let mut all = objects(
        scene,
        "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets,roles,rolebindings,configmaps",
        &["--namespace", NAMESPACE],
    )?;
    all.extend(objects(
        scene,
        "roles,rolebindings",
        &["--namespace", PROVIDER_NAMESPACE],
    )?);
    all.extend(objects(
        scene,
        "clusterroles,clusterrolebindings,customresourcedefinitions,priorityclasses,\
         validatingadmissionpolicies,validatingadmissionpolicybindings",
        &[],
    )?);
    Ok(all)
}

fn nothing_is_left(scene: &Scene) -> Result<()> {
    let namespaced = kinds(scene, "true")?;
    let wanted: BTreeSet<&str> = OF_THE_NAMESPACE.into();
    eventually("the namespace is as it was", || {
        let left = objects(scene, &namespaced, &["--namespace", NAMESPACE])?;
        let left: BTreeSet<&str> = left.keys().map(String::as_str).collect();
        ensure!(left == wanted, "{left:?}");
        Ok(Some(()))
    })?;
    let rights = objects(scene, "roles,rolebindings", &["--namespace", PROVIDER_NAMESPACE])?;
    ensure!(rights.is_empty(), "{rights:?}");
    let ours: Vec<String> = objects(scene, &kinds(scene, "false")?, &[])?
        .into_keys()
        .filter(|name| name.contains("leaseport"))
        .filter(|name| !name.starts_with("CustomResourceDefinition/") && !name.starts_with("APIService/"))
        .collect();
    ensure!(ours == [format!("Namespace/{NAMESPACE}")], "{ours:?}");
    let definitions = objects(scene, "customresourcedefinitions", &[])?;
    ensure!(definitions.len() == 7, "{definitions:?}");
    Ok(())
}
