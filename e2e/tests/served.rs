//! An API server takes what the chart and the corpus hold: every combination of values in full, beside the definitions that other projects bring,
//! and every object that was ever valid, before and after its definition is upgraded. No node and no operator are needed. `LEASEPORT_KUBERNETES`
//! asks another release (`make chart-other-versions`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use leaseport_e2e::World;
use leaseport_e2e::chart::{ChartTools, NAMESPACE, combinations, repository};
use leaseport_e2e::prepare::kubernetes_version;
use leaseport_e2e::scene::{Leaseport, eventually};
use leaseport_e2e::world::{NodeChoice, Options};
use serde_json::Value;

/// Asks the API server for each object without keeping it; unknown fields are errors, and those left out are as in a first apply.
const DRY_RUN: [&str; 6] = [
    "apply",
    "--server-side",
    "--force-conflicts",
    "--dry-run=server",
    "--validate=strict",
    "--filename=-",
];

#[test]
fn an_api_server_takes_every_combination_of_values_and_every_object_that_was_ever_valid() {
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        run_dir: home.path().join("served"),
        node: NodeChoice::Never,
        kubeconfig: None,
        rpc_url: None,
        ..Options::from_env("served")
    };
    let tools = ChartTools::prepare(&home.path().join("helm")).unwrap();
    let world = World::up(&options).unwrap();
    let version = kubernetes_version().unwrap();
    let served = world.kubectl_json(&["version"]).unwrap();
    assert_eq!(served["serverVersion"]["gitVersion"], format!("v{version}"));
    upgraded(&world);
    define(&world, &tools.definitions.manifests());
    neighbours(&world, home.path());
    rendered(&world, &tools);
    world.down().unwrap();
}

/// Every object of every shipped version under its own definitions, then under today's, with an update of each.
fn upgraded(world: &World) {
    world.kubectl(&["create", "namespace", "gpu-provider"]).unwrap();
    for version in files(&repository().join("tests/fixtures/api")) {
        define(world, &version.join("crds"));
        let objects: Vec<Value> = files(&version.join("objects"))
            .iter()
            .map(|path| create(world, path))
            .collect();
        assert!(objects.len() >= 14, "{}", version.display());
        define(world, &repository().join("crds"));
        for before in &objects {
            let (kind, name, namespace) = whose(before);
            let now = get(world, kind, name, namespace);
            for part in ["spec", "status"] {
                kept(&before[part], &now[part], &format!("{kind} {name} {part}"));
            }
            replace(world, &now, &[]);
            replace(
                world,
                &get(world, kind, name, namespace),
                &["--subresource=status"],
            );
            world
                .kubectl(&["delete", kind, name, "--namespace", namespace])
                .unwrap();
        }
    }
}

/// Whatever was there is there, as it was; a field that is new may have its default.
fn kept(before: &Value, now: &Value, path: &str) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (name, before) in before {
                kept(
                    before,
                    now.get(name).unwrap_or(&Value::Null),
                    &format!("{path}.{name}"),
                );
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (before, now) in before.iter().zip(now) {
                kept(before, now, path);
            }
        }
        _ => assert_eq!(now, before, "{path} after the upgrade"),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

fn define(world: &World, folder: &Path) {
    world
        .kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename",
            &folder.display().to_string(),
        ])
        .unwrap();
    world
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd",
            "--all",
        ])
        .unwrap();
}

/// Creates an object, then gives it the status that its file has.
fn create(world: &World, path: &Path) -> Value {
    let filename = format!("--filename={}", path.display());
    let made: Value = serde_json::from_str(
        &world
            .kubectl(&["create", "--validate=strict", "--output=json", &filename])
            .unwrap(),
    )
    .unwrap();
    let whole: Value = serde_json::from_str(
        &world
            .kubectl(&["create", "--dry-run=client", "--output=json", &filename])
            .unwrap(),
    )
    .unwrap();
    if whole["status"].is_object() {
        let mut made = made.clone();
        made["status"] = whole["status"].clone();
        replace(world, &made, &["--subresource=status"]);
    }
    let (kind, name, namespace) = whose(&made);
    let stored = get(world, kind, name, namespace);
    assert_eq!(stored["status"], whole["status"], "{}", path.display());
    stored
}

fn replace(world: &World, object: &Value, more: &[&str]) {
    let line = [&["replace", "--validate=strict", "--filename=-"], more].concat();
    world
        .kubectl_with_input(&line, &object.to_string())
        .unwrap_or_else(|error| panic!("{error}\n{object}"));
}

fn get(world: &World, kind: &str, name: &str, namespace: &str) -> Value {
    world
        .kubectl_json(&["get", kind, name, "--namespace", namespace])
        .unwrap()
}

/// Kind, name and namespace; one without a namespace is asked for in the default one, which is ignored.
fn whose(object: &Value) -> (&str, &str, &str) {
    let text = |value: &'static str| object.pointer(value).and_then(Value::as_str);
    (
        text("/kind").unwrap(),
        text("/metadata/name").unwrap(),
        text("/metadata/namespace").unwrap_or("default"),
    )
}

/// An account that nobody gave a right hears from `leaseport check` whose definitions are served, and of nobody else.
fn neighbours(world: &World, home: &Path) {
    let leaseport = Leaseport::find(home).unwrap();
    let account = ["create", "serviceaccount", "stranger", "--namespace", "default"];
    world.kubectl(&account).unwrap();
    let kubeconfig = world
        .service_account_kubeconfig("default", "stranger", None)
        .unwrap();
    eventually("leaseport check tells the neighbours", || {
        let output = leaseport
            .command(["check", "-o", "json"])
            .env("KUBECONFIG", &kubeconfig)
            .output()?;
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        let told: Vec<(&str, &str)> = findings
            .iter()
            .filter(|finding| finding["verdict"] == "info")
            .filter_map(|finding| finding["what"].as_str().zip(finding["found"].as_str()))
            .collect();
        let expected = [
            ("beside: cert-manager", "Certificate v1"),
            ("beside: Gateway API", "TLSRoute v1, v1alpha3, v1alpha2"),
            (
                "beside: Prometheus Operator",
                "ServiceMonitor v1; PrometheusRule v1",
            ),
        ];
        anyhow::ensure!(told == expected, "{told:?}");
        Ok(Some(()))
    })
    .unwrap();
}

/// Every combination of values, whole.
fn rendered(world: &World, tools: &ChartTools) {
    for namespace in [NAMESPACE, "gpu-provider-two"] {
        world.kubectl(&["create", "namespace", namespace]).unwrap();
    }
    // A dry run keeps nothing, and the pod of `helm test` is refused where its account is not there.
    let account = [
        "create",
        "serviceaccount",
        "leaseport-operator",
        "--namespace",
        NAMESPACE,
    ];
    world.kubectl(&account).unwrap();
    for values in combinations().unwrap() {
        let rendered = tools.helm.template(&values, &[]).unwrap();
        world
            .kubectl_with_input(&DRY_RUN, &rendered)
            .unwrap_or_else(|error| panic!("{}: {error}", values.display()));
    }
    // Every version of the route that the chart can choose, and helm's own look at what the cluster serves.
    let route = repository().join("charts/leaseport/ci/gateway-values.yaml");
    for version in ["v1", "v1alpha3", "v1alpha2"] {
        let asked = format!("gateway.route.version={version}");
        let rendered = tools.helm.template(&route, &["--set", &asked]).unwrap();
        world.kubectl_with_input(&DRY_RUN, &rendered).unwrap();
    }
    // Helm takes over nothing that it did not make.
    let account = [
        "delete",
        "serviceaccount",
        "leaseport-operator",
        "--namespace",
        NAMESPACE,
    ];
    world.kubectl(&account).unwrap();
    for helm in [&tools.helm, &tools.helm3] {
        let helm = helm.on(world.kubeconfig());
        let chart = repository().join("charts/leaseport");
        let values = chart.join("ci/monitoring-values.yaml").display().to_string();
        let chart = chart.display().to_string();
        let line = [
            "install",
            "leaseport",
            &chart,
            "--namespace",
            NAMESPACE,
            "--dry-run=server",
            "--values",
            &values,
            // They are there, and not helm's.
            "--set=crds.enabled=false,providerNamespaces[0].create=false",
        ];
        eventually("helm knows that ServiceMonitors are served", || {
            Ok(helm.run(&line)?.contains("kind: ServiceMonitor").then_some(()))
        })
        .unwrap();
        world
            .kubectl(&["delete", "crd", "servicemonitors.monitoring.coreos.com"])
            .unwrap();
        eventually("helm refuses what is not served by its value", || {
            let refused = helm.run(&line).err().map(|error| error.to_string());
            let words = "monitoring.serviceMonitor.enabled = true and this cluster serves no monitoring.coreos.com/v1/ServiceMonitor";
            Ok(refused.filter(|said| said.contains(words)))
        })
        .unwrap();
        define(world, &tools.definitions.manifests());
    }
}
