//! A manifest with ports: its replicas stand behind one Service as soon as they answer, and the Service goes when the lease does.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{Wish, devices, eventually, rights};
use serde_json::Value;

use crate::Shared;
use crate::flow::{close, gone, small, started};

/// Where each replica listens.
const PORT: u64 = 8000;

pub(crate) fn replicas_behind_a_service(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let wish = Wish {
        script: format!("exec httpd -f -p {PORT} -h /etc"),
        readiness: format!("{{http: {{path: /hostname, port: {PORT}, periodSeconds: 1}}}}"),
        ..small()
    };
    let yaml = wish
        .yaml()
        .replace("needs:\n", "needs:\n  replicas: 2\n")
        .replace(
            "      runAsUser: 1000\n",
            &format!("      runAsUser: 1000\n      ports: [{{name: http, port: {PORT}}}]\n"),
        );
    let file = tenant.write("serving", &yaml)?;
    let answer = tenant.run(&["request", "--yes", "--file", &file.display().to_string()])?;
    let order = answer["orderHash"].as_str().unwrap_or_default().to_owned();
    tenant.a_bid(&order)?;
    let opened = tenant.accept(&order)?;
    started(scene, opened.lane)?;

    let namespace = scene.namespace_of(&opened.lease)?;
    let pods = eventually("both replicas hold a device and have an address", || {
        let pods = scene.pods(&namespace)?;
        let there = pods
            .iter()
            .filter(|pod| !devices(pod).is_empty() && pod["status"]["podIP"].is_string())
            .count();
        ensure!(there == 2, "{there} of 2");
        Ok(Some(pods))
    })?;
    let held: BTreeSet<String> = pods.iter().flat_map(devices).collect();
    ensure!(held.len() == 2, "the replicas share a device: {held:?}");
    let addresses: BTreeSet<&str> = pods
        .iter()
        .filter_map(|pod| pod["status"]["podIP"].as_str())
        .collect();

    let services = scene
        .world
        .kubectl_json(&["--namespace", &namespace, "get", "services"])?;
    let services = services["items"].as_array().cloned().unwrap_or_default();
    ensure!(
        services.len() == 1
            && services[0]["spec"]["type"] == "ClusterIP"
            && services[0]["spec"]["ports"][0]["port"] == PORT,
        "{services:?}"
    );
    eventually("both replicas answer and stand behind the Service", || {
        let slices = scene
            .world
            .kubectl_json(&["--namespace", &namespace, "get", "endpointslices"])?;
        let ready = ready_addresses(&slices);
        ensure!(
            addresses.iter().all(|address| ready.contains(*address)),
            "{ready:?} of {addresses:?}"
        );
        Ok(Some(()))
    })?;

    close(scene, &opened.lease)?;
    gone(scene, &namespace)?;
    rights::account(&scene.world)?.used_as_listed("e2e/tests/lease/serving.rs")
}

fn ready_addresses(slices: &Value) -> BTreeSet<String> {
    let slices = slices["items"].as_array().into_iter().flatten();
    slices
        .filter(|slice| slice["ports"][0]["port"] == PORT)
        .flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default())
        .filter(|endpoint| endpoint["conditions"]["ready"] == true)
        .filter_map(|endpoint| endpoint["addresses"][0].as_str().map(str::to_owned))
        .collect()
}
