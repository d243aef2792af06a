//! Mistakes in objects: each shows as a condition with a reason and as an event on that object, the others go on as if nothing were
//! there, and it heals when the object or what it names is put right.

use std::fs;

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{PROVIDER_NAMESPACE, Scene, condition, eventually};
use serde_json::{Value, json};

use crate::Shared;
use crate::flow::{close, small, started};

/// Where Secrets of endpoint URLs are.
const SYSTEM: &str = "leaseport-system";

fn apply(scene: &Scene, object: &Value) -> Result<()> {
    scene
        .world
        .kubectl_with_input(&["apply", "--server-side", "--filename=-"], &object.to_string())?;
    Ok(())
}

fn delete(scene: &Scene, namespace: &str, what: &str) -> Result<()> {
    scene
        .world
        .kubectl(&["--namespace", namespace, "delete", "--wait=true", what])?;
    Ok(())
}

fn market(name: &str, chain: u64, endpoint: &Value, directory: &str) -> Value {
    json!({
        "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeMarket", "metadata": { "name": name },
        "spec": {
            "chainId": chain, "local": true, "endpoints": [endpoint], "directory": directory,
            "finality": { "start": { "depth": 1 }, "settle": { "tag": "finalized" } },
            "fees": { "profile": "ethereum", "maxFeePerGas": "100gwei", "replaceAfter": "10s" },
        },
    })
}

fn wallet(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeWallet",
        "metadata": { "name": name, "namespace": PROVIDER_NAMESPACE },
        "spec": {
            "marketRef": { "name": "local" }, "signer": { "secretRef": { "name": secret, "key": "private-key" } },
            "limits": { "gasPerDay": "1" },
        },
    })
}

fn secret(namespace: &str, name: &str, key: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": namespace },
        "stringData": { key: value },
    })
}

/// The right to read one more Secret, as an admin gives it.
fn may_read(name: &str) -> [Value; 2] {
    let metadata = json!({ "name": format!("read-{name}"), "namespace": PROVIDER_NAMESPACE });
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"] }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": format!("read-{name}") },
            "subjects": [{ "kind": "ServiceAccount", "name": "leaseport-operator", "namespace": SYSTEM }],
        }),
    ]
}

/// Waits until the object's Ready says so with every word.
fn says(scene: &Scene, object: &str, status: &str, words: &[&str]) -> Result<Value> {
    eventually(&format!("{object} says {status} {words:?}"), || {
        let found = scene.object(object)?;
        let Some(ready) = condition(&found, "Ready") else {
            anyhow::bail!("no condition Ready: {}", found["status"]);
        };
        let text = format!("{} {}", ready["reason"], ready["message"]);
        ensure!(
            ready["status"] == status && words.iter().all(|word| text.contains(word)),
            "{ready}"
        );
        Ok(Some(ready.clone()))
    })
}

/// Waits for a warning about the object with the reason of its condition.
pub(crate) fn told(scene: &Scene, kind: &str, name: &str, reason: &Value) -> Result<()> {
    eventually(&format!("an event {reason} about {kind} {name}"), || {
        let list = scene
            .world
            .kubectl_json(&["get", "events.events.k8s.io", "--all-namespaces"])?;
        let found = list["items"].as_array().into_iter().flatten().any(|event| {
            event["regarding"]["kind"] == kind
                && event["regarding"]["name"] == name
                && event["reason"] == *reason
                && event["type"] == "Warning"
        });
        Ok(found.then_some(()))
    })
}

pub(crate) fn each_heals(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let (rpc, directory) = (scene.operator_rpc(), scene.market.directory.as_str());
    let node = |url: &str| json!({ "name": "node", "url": url });
    let hidden = json!({
        "name": "node", "urlFrom": { "secretKeyRef": { "name": "absent-url", "key": "url" } },
    });
    let stranger = scene.cast.stranger.address;

    // A lease that runs beside all of it.
    let (_, opened) = scene.tenant().rent("kinds", &small())?;
    let pod = scene.running_pod(&opened.lease)?;
    started(scene, opened.lane)?;

    apply(scene, &market("wrong-chain", 1, &node(&rpc), directory))?;
    apply(scene, &market("no-contract", 31337, &node(&rpc), stranger))?;
    apply(
        scene,
        &market("no-endpoint", 31337, &node("http://127.0.0.1:1"), directory),
    )?;
    apply(scene, &market("no-secret", 31337, &hidden, directory))?;
    apply(scene, &wallet("keyless", "wallet-absent"))?;
    apply(
        scene,
        &secret(PROVIDER_NAMESPACE, "wallet-bad", "private-key", "not a key"),
    )?;
    for name in ["wallet-absent", "wallet-bad"] {
        for object in may_read(name) {
            apply(scene, &object)?;
        }
    }
    apply(scene, &wallet("malformed", "wallet-bad"))?;
    let mut second = scene.object("computeprovider/main")?;
    second["metadata"] = json!({ "name": "second", "namespace": PROVIDER_NAMESPACE });
    second["spec"]["wallets"]["duty"]["name"] = json!("keyless");
    if let Some(object) = second.as_object_mut() {
        object.remove("status");
    }
    apply(scene, &second)?;

    let wrong = [
        (
            "ComputeMarket",
            "wrong-chain",
            "False",
            vec!["serves chain 31337", "on chain 1", "correct"],
        ),
        (
            "ComputeMarket",
            "no-contract",
            "False",
            vec![stranger, "no contract on chain 31337", "correct"],
        ),
        (
            "ComputeMarket",
            "no-endpoint",
            "False",
            vec!["endpoint node", "connection refused", "check"],
        ),
        (
            "ComputeMarket",
            "no-secret",
            "False",
            vec!["endpoints[node].urlFrom", "absent-url", SYSTEM],
        ),
        (
            "ComputeWallet",
            "keyless",
            "False",
            vec!["wallet-absent", "create it", "private-key"],
        ),
        (
            "ComputeWallet",
            "malformed",
            "False",
            vec!["wallet-bad", "64 hexadecimal digits"],
        ),
        (
            "ComputeProvider",
            "second",
            "Unknown",
            vec!["wallets.duty", "keyless"],
        ),
    ];
    for (kind, name, status, words) in &wrong {
        let ready = says(scene, &format!("{}/{name}", kind.to_lowercase()), status, words)?;
        ensure!(
            !ready["message"].to_string().contains("not a key"),
            "it shows what the Secret holds: {ready}"
        );
        told(scene, kind, name, &ready["reason"])?;
    }
    ensure!(
        condition(&scene.object("computemarket/local")?, "Ready")
            .is_some_and(|ready| ready["status"] == "True"),
        "the good market is not Ready"
    );

    // What names another chain or contract for ever is made anew; what can be corrected is.
    delete(scene, SYSTEM, "computemarket/wrong-chain")?;
    apply(scene, &market("wrong-chain", 31337, &node(&rpc), directory))?;
    delete(scene, SYSTEM, "computemarket/no-contract")?;
    apply(scene, &market("no-contract", 31337, &node(&rpc), directory))?;
    apply(scene, &market("no-endpoint", 31337, &node(&rpc), directory))?;
    apply(scene, &secret(SYSTEM, "absent-url", "url", &rpc))?;
    let key = |actor: &leaseport_e2e::scene::Actor| fs::read_to_string(&actor.key_file);
    // Keys that nobody else in this cluster signs with.
    apply(
        scene,
        &secret(
            PROVIDER_NAMESPACE,
            "wallet-absent",
            "private-key",
            &key(&scene.cast.stranger)?,
        ),
    )?;
    apply(
        scene,
        &secret(
            PROVIDER_NAMESPACE,
            "wallet-bad",
            "private-key",
            &key(&scene.cast.payout)?,
        ),
    )?;
    for (kind, name, _, _) in &wrong {
        if *kind != "ComputeProvider" {
            says(scene, &format!("{}/{name}", kind.to_lowercase()), "True", &[])?;
        }
    }
    // Its key is there now; the owner has not given it the role, and that is said in turn.
    says(
        scene,
        "computeprovider/second",
        "False",
        &["wallets.duty", stranger, "provider key add"],
    )?;
    second["spec"]["wallets"]["duty"]["name"] = json!("duty");
    apply(scene, &second)?;
    says(scene, "computeprovider/second", "True", &[])?;

    // Two objects for one registration are not what is wanted for longer than this.
    delete(scene, PROVIDER_NAMESPACE, "computeprovider/second")?;
    for name in ["keyless", "malformed"] {
        delete(scene, PROVIDER_NAMESPACE, &format!("computewallet/{name}"))?;
    }
    for name in ["wrong-chain", "no-contract", "no-endpoint", "no-secret"] {
        delete(scene, SYSTEM, &format!("computemarket/{name}"))?;
    }
    ensure!(
        crate::flow::identity(&scene.running_pod(&opened.lease)?) == crate::flow::identity(&pod),
        "the pod was touched"
    );
    close(scene, &opened.lease)?;
    Ok(())
}
