//! The definitions in crds/ are the ones in the code, read like documentation, and each of their rules refuses what it says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod schema;

use std::{collections::BTreeSet, fs, path::Path};

use leaseport::{api, cli::crds};
use schema::{definition, refusals};
use serde_json::{Value, json};

#[test]
fn the_files_in_crds_are_the_definitions_of_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let files = crds::files().unwrap();
    for file in &files {
        let committed = fs::read_to_string(folder.join(&file.name)).unwrap_or_default();
        assert!(
            committed == file.text,
            "crds/{} is old: run `leaseport crds --output-dir crds`",
            file.name
        );
    }
    let wanted: BTreeSet<String> = files.into_iter().map(|file| file.name).collect();
    let found: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, wanted, "a file of a kind that is gone lies in crds/");
}

#[test]
fn every_kind_has_what_a_person_expects_of_it() {
    for definition in api::definitions() {
        let names = &definition.spec.names;
        let kind = &names.kind;
        assert_eq!(definition.spec.group, api::GROUP, "{kind}");
        assert_eq!(
            names.categories.as_deref(),
            Some(&["leaseport".to_owned()][..]),
            "{kind}"
        );
        assert_eq!(names.short_names.as_ref().map(Vec::len), Some(1), "{kind}");
        let version = &definition.spec.versions[0];
        assert_eq!(version.name, api::VERSION, "{kind}");
        assert!(
            version
                .subresources
                .as_ref()
                .is_some_and(|sub| sub.status.is_some()),
            "{kind} has no status"
        );
        let columns = version.additional_printer_columns.as_deref().unwrap_or_default();
        assert_eq!(
            columns.last().map(|column| column.name.as_str()),
            Some("Age"),
            "{kind}"
        );
        let schema = schema::schema(&definition);
        let conditions = &schema["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map", "{kind}");
        assert_eq!(
            conditions["x-kubernetes-list-map-keys"],
            json!(["type"]),
            "{kind}"
        );
    }
}

/// Visits every part of a schema with its path.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), visit);
    }
}

#[test]
fn every_field_is_documented_and_bounded_and_no_number_is_a_float() {
    for definition in api::definitions() {
        let kind = definition.spec.names.kind.clone();
        walk(&schema::schema(&definition), &kind, &mut |path, part| {
            // Parts that are Kubernetes' own have Kubernetes' own documentation and bounds.
            let foreign = path.contains(".conditions[]") || path.contains(".selector.");
            let depth = path.matches('.').count();
            if depth > 1 && !path.ends_with("[]") && !foreign {
                let text = part["description"].as_str().unwrap_or_default();
                assert!(
                    text.ends_with('.') && text.len() > 7,
                    "{path} is not documented: {text:?}"
                );
                assert!(
                    !text.replace("\n\n", "").contains('\n'),
                    "{path}: lines are not joined"
                );
            }
            assert_ne!(part["type"], "number", "{path} is a float");
            if part["type"] == "integer" && !foreign && !path.ends_with("observedGeneration") {
                assert!(
                    ["int32", "int64"].contains(&part["format"].as_str().unwrap_or_default()),
                    "{path}"
                );
                assert!(part["minimum"].is_number(), "{path} has no lower bound");
            }
            let bounded = ["maxLength", "enum", "format"]
                .iter()
                .any(|word| part.get(word).is_some());
            assert!(
                part["type"] != "string" || bounded || foreign,
                "{path} is text without an end"
            );
            let listed = part.get("maxItems").is_some() || path.ends_with(".conditions");
            assert!(
                part["type"] != "array" || listed || foreign,
                "{path} is a list without an end"
            );
            assert!(
                part["type"] != "array"
                    || part.get("x-kubernetes-list-type").is_some()
                    || ["gpuModels"].iter().any(|word| path.ends_with(word))
                    || foreign,
                "{path} has no list type"
            );
        });
    }
}

const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
const OTHER_HASH: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";
const ADDRESS: &str = "0x00000000000000000000000000000000000000AA";

/// A full, valid object of each kind.
fn valid(kind: &str) -> Value {
    let request = json!({ "replicas": 1, "gpus": 2, "gpuModels": ["NVIDIA-H100-80GB-HBM3"], "cpuMilli": 4000, "memoryMiB": 8192, "storageMiB": 1024 });
    let (name, spec) = match kind {
        "ComputeMarket" => (
            "base",
            json!({
                "chainId": 8453,
                "endpoints": [
                    { "name": "a", "urlFrom": { "secretKeyRef": { "name": "rpc", "key": "a" } } },
                    { "name": "b", "url": "https://rpc-b.example/v2?x=1" },
                    { "name": "b-ws", "url": "wss://rpc-b.example", "hintOnly": true },
                ],
                "directory": ADDRESS,
                "finality": { "start": { "depth": 2 }, "settle": { "tag": "finalized" } },
                "fees": { "profile": "opStack", "maxFeePerGas": "5gwei", "replaceAfter": "30s" },
                "pollInterval": "500ms",
            }),
        ),
        "ComputeWallet" => (
            "main",
            json!({
                "marketRef": { "name": "base" },
                "signer": { "secretRef": { "name": "main-key", "key": "private-key" } },
                "limits": { "gasPerDay": "0.05" },
                "allowedNamespaces": ["gpu"],
            }),
        ),
        "ComputeProvider" => (
            "main",
            json!({
                "marketRef": { "name": "base" },
                "providerId": 7,
                "wallets": { "duty": { "name": "main" }, "bids": { "name": "bidder", "namespace": "keys" } },
                "payoutAddress": ADDRESS,
                "stake": { "target": "2000" },
                "gateway": { "url": "https://gpu.example.org:8443" },
                "regions": ["eu-west"],
            }),
        ),
        "ComputeOffer" => (
            "h100",
            json!({
                "providerRef": { "name": "main" },
                "nodes": { "selector": { "matchLabels": { "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3" } } },
                "device": { "resourceName": "nvidia.com/gpu", "sharing": "exclusive" },
                "mode": "Bid",
                "capacity": { "maxLeases": 64, "keepFree": { "gpus": 2 }, "holds": { "maxShare": "0.5" } },
                "onChainUnknown": { "suspendAfter": "6h" },
                "price": { "currency": "usdc", "perHour": { "gpu": "1.90", "cpu": "0.01", "memoryGi": "0.002", "storageGi": "0.0001" }, "floor": { "gpu": "1.10" } },
                "terms": { "billing": "metered", "minDuration": "10m", "maxDuration": "720h", "noticePeriod": "24h", "imagePull": "Provider" },
                "isolation": { "runtimeClassName": "nvidia", "allowRoot": "Never" },
                "regions": ["eu-west"],
            }),
        ),
        "ComputeBid" => (
            "h100-1111",
            json!({
                "marketRef": { "name": "base" }, "providerRef": { "name": "main" }, "offerRef": { "name": "h100" },
                "orderHash": HASH, "tenant": ADDRESS, "needs": "{}", "request": request,
                "lane": 0, "generation": 1, "bidEpoch": 0, "token": 0,
                "ratePerHour": "3.85", "bond": "10", "liability": "100", "deadline": "2026-11-22T18:00:00Z",
            }),
        ),
        "ComputeLease" => (
            "lease-7-0-1",
            json!({
                "marketRef": { "name": "base" }, "providerRef": { "name": "main" }, "offerRef": { "name": "h100" }, "bidRef": { "name": "h100-1111" },
                "leaseId": "7-0-1", "termsHash": HASH, "orderHash": HASH, "tenant": ADDRESS, "agent": ADDRESS,
                "needsHash": HASH, "manifestHash": HASH, "needs": "{}", "request": request,
                "terms": {
                    "token": 0, "flags": 0, "feeSteps": 10, "ratePerHour": "3.85", "deposit": "50", "bond": "10", "liability": "100",
                    "refundTo": ADDRESS, "startWindow": "10m", "minDuration": "1h", "maxDuration": "48h", "minCommit": "0s",
                    "earlyFeeBps": 0, "notice": "24h", "grace": "10m", "slaPolicy": HASH,
                },
                "suspend": false, "waivedSeconds": 60,
            }),
        ),
        "ComputeTransaction" => (
            "main-12",
            json!({
                "walletRef": { "name": "main" }, "marketRef": { "name": "base" }, "chainId": 8453, "nonce": 12,
                "intent": { "id": HASH, "kind": "PostBid", "subject": { "kind": "ComputeBid", "namespace": "gpu", "name": "h100-1111", "uid": "u" }, "epoch": "0" },
                "call": { "to": ADDRESS, "data": "0x", "value": "0", "gasLimit": 100_000 },
                "signed": { "hash": HASH, "raw": "0x02f8", "maxFeePerGas": "5000000000", "maxPriorityFeePerGas": "1" },
            }),
        ),
        other => panic!("no example of {other}"),
    };
    json!({ "apiVersion": "leaseport.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// RFC 7396.
fn merged(mut target: Value, patch: &Value) -> Value {
    let Some(fields) = patch.as_object() else {
        return patch.clone();
    };
    if !target.is_object() {
        target = json!({});
    }
    let object = target.as_object_mut().unwrap();
    for (name, change) in fields {
        if change.is_null() {
            object.remove(name);
        } else {
            let merged = merged(object.remove(name).unwrap_or(Value::Null), change);
            object.insert(name.clone(), merged);
        }
    }
    target
}

/// What breaks each rule: kind, change of the valid object, part of the message. An update changes the valid object, a creation begins
/// with the changed one.
fn breaches() -> Vec<(&'static str, bool, Value, &'static str)> {
    const CREATE: bool = false;
    const UPDATE: bool = true;
    let spec = |change: Value| json!({ "spec": change });
    let endpoint = |endpoint: Value| json!({ "spec": { "endpoints": [{ "name": "ok", "url": "http://127.0.0.1:8545" }, endpoint] } });
    vec![
        (
            "ComputeMarket",
            UPDATE,
            spec(json!({ "chainId": 1 })),
            "chainId cannot change",
        ),
        (
            "ComputeMarket",
            UPDATE,
            spec(json!({ "local": true })),
            "local cannot change",
        ),
        (
            "ComputeMarket",
            UPDATE,
            spec(json!({ "directory": "0x00000000000000000000000000000000000000bb" })),
            "directory cannot change",
        ),
        (
            "ComputeMarket",
            CREATE,
            endpoint(json!({ "name": "x" })),
            "exactly one of url and urlFrom",
        ),
        (
            "ComputeMarket",
            CREATE,
            endpoint(
                json!({ "name": "x", "url": "https://a", "urlFrom": { "secretKeyRef": { "name": "a", "key": "b" } } }),
            ),
            "exactly one of url and urlFrom",
        ),
        (
            "ComputeMarket",
            CREATE,
            endpoint(json!({ "name": "x", "url": "wss://a" })),
            "set hintOnly to true",
        ),
        (
            "ComputeMarket",
            CREATE,
            endpoint(json!({ "name": "x", "url": "https://a", "hintOnly": true })),
            "hintOnly is for ws and wss",
        ),
        (
            "ComputeMarket",
            CREATE,
            spec(json!({ "endpoints": [{ "name": "x", "url": "ws://a", "hintOnly": true }] })),
            "every endpoint is hintOnly",
        ),
        (
            "ComputeMarket",
            CREATE,
            spec(json!({ "pollInterval": "10ms" })),
            "pollInterval must lie between",
        ),
        (
            "ComputeMarket",
            CREATE,
            spec(json!({ "pollInterval": "2m" })),
            "pollInterval must lie between",
        ),
        (
            "ComputeMarket",
            CREATE,
            spec(json!({ "fees": { "replaceAfter": "0s" } })),
            "replaceAfter must lie between",
        ),
        (
            "ComputeMarket",
            CREATE,
            spec(json!({ "finality": { "settle": { "tag": "finalized", "depth": 64 } } })),
            "at most one of tag and depth",
        ),
        (
            "ComputeMarket",
            CREATE,
            spec(json!({ "finality": { "settle": { "stalledAfter": "5s" } } })),
            "stalledAfter must lie between",
        ),
        (
            "ComputeProvider",
            CREATE,
            spec(json!({ "duties": { "reportEvery": "25h" } })),
            "reportEvery must lie between",
        ),
        (
            "ComputeProvider",
            CREATE,
            spec(json!({ "duties": { "settleEvery": "0s" } })),
            "settleEvery must lie between",
        ),
        (
            "ComputeWallet",
            UPDATE,
            spec(json!({ "marketRef": { "name": "other" } })),
            "marketRef cannot change",
        ),
        (
            "ComputeWallet",
            UPDATE,
            spec(json!({ "signer": { "secretRef": { "key": "other" } } })),
            "signer cannot change",
        ),
        (
            "ComputeWallet",
            CREATE,
            json!({ "metadata": { "name": "a".repeat(64) } }),
            "at most 63 characters",
        ),
        (
            "ComputeProvider",
            UPDATE,
            spec(json!({ "marketRef": { "name": "other" } })),
            "marketRef cannot change",
        ),
        (
            "ComputeProvider",
            UPDATE,
            spec(json!({ "providerId": 8 })),
            "providerId cannot change",
        ),
        (
            "ComputeProvider",
            CREATE,
            spec(json!({ "wallets": { "bids": { "name": "main", "namespace": null } } })),
            "must be two ComputeWallets",
        ),
        (
            "ComputeProvider",
            CREATE,
            spec(json!({ "wallets": { "duty": { "namespace": "keys" }, "bids": { "name": "main" } } })),
            "must be two ComputeWallets",
        ),
        (
            "ComputeOffer",
            UPDATE,
            spec(json!({ "providerRef": { "name": "other" } })),
            "providerRef cannot change",
        ),
        (
            "ComputeOffer",
            CREATE,
            spec(json!({ "nodes": { "selector": { "matchLabels": null } } })),
            "nodes.selector is empty",
        ),
        (
            "ComputeOffer",
            CREATE,
            spec(json!({ "price": { "floor": { "gpu": "1.900001" } } })),
            "price.floor.gpu is above",
        ),
        (
            "ComputeOffer",
            CREATE,
            spec(json!({ "terms": { "minDuration": "721h" } })),
            "minDuration is above",
        ),
        (
            "ComputeOffer",
            CREATE,
            spec(json!({ "terms": { "noticePeriod": "43201m" } })),
            "noticePeriod is above",
        ),
        (
            "ComputeOffer",
            CREATE,
            spec(json!({ "terms": { "maxDuration": "298262h" } })),
            "maxDuration must lie between",
        ),
        (
            "ComputeBid",
            UPDATE,
            spec(json!({ "ratePerHour": "3" })),
            "a bid is a signed promise",
        ),
        (
            "ComputeBid",
            UPDATE,
            spec(json!({ "request": { "gpus": 1 } })),
            "a bid is a signed promise",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "termsHash": OTHER_HASH })),
            "a lease's spec is what the chain says",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "agent": null })),
            "a lease's spec is what the chain says",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "terms": { "ratePerHour": "1" } })),
            "a lease's spec is what the chain says",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "waivedSeconds": 59 })),
            "waivedSeconds may only grow",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "waivedSeconds": null })),
            "waivedSeconds may only grow",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "offerRef": null })),
            "say where the lease came from",
        ),
        (
            "ComputeLease",
            UPDATE,
            spec(json!({ "bidRef": { "name": "other" } })),
            "say where the lease came from",
        ),
        (
            "ComputeTransaction",
            UPDATE,
            spec(json!({ "signed": { "raw": "0x02f9" } })),
            "a transaction is signed and cannot change",
        ),
        (
            "ComputeTransaction",
            CREATE,
            json!({ "metadata": { "name": "main-13" } }),
            "named <wallet>-<nonce>",
        ),
        (
            "ComputeTransaction",
            CREATE,
            json!({ "metadata": { "name": "main-012" } }),
            "named <wallet>-<nonce>",
        ),
        (
            "ComputeTransaction",
            CREATE,
            json!({ "metadata": { "name": "other-12" } }),
            "named <wallet>-<nonce>",
        ),
        (
            "ComputeTransaction",
            CREATE,
            json!({ "metadata": { "name": "main-00" }, "spec": { "nonce": 0 } }),
            "named <wallet>-<nonce>",
        ),
    ]
}

#[test]
fn a_valid_object_of_each_kind_passes_and_may_be_applied_again() {
    for definition in api::definitions() {
        let object = valid(&definition.spec.names.kind);
        assert_eq!(refusals(&definition, &object, None), Vec::<String>::new());
        assert_eq!(
            refusals(&definition, &object, Some(&object)),
            Vec::<String>::new()
        );
    }
}

#[test]
fn each_breach_of_a_rule_is_refused_with_its_message() {
    for (kind, update, change, message) in breaches() {
        let before = valid(kind);
        let after = merged(before.clone(), &change);
        let found = refusals(&definition(kind), &after, update.then_some(&before));
        assert_eq!(found.len(), 1, "{kind} {change}: {found:?}");
        assert!(found[0].contains(message), "{kind} {change}: {found:?}");
    }
}

#[test]
fn a_close_that_was_asked_for_cannot_be_taken_back() {
    let lease = definition("ComputeLease");
    let closing = merged(
        valid("ComputeLease"),
        &json!({ "spec": { "close": { "reason": "Maintenance", "notice": "24h" } } }),
    );
    assert_eq!(
        refusals(&lease, &closing, Some(&valid("ComputeLease"))),
        Vec::<String>::new()
    );
    let found = refusals(&lease, &valid("ComputeLease"), Some(&closing));
    assert!(
        found.len() == 1 && found[0].contains("cannot be taken back"),
        "{found:?}"
    );
}

#[test]
fn every_rule_has_a_message_and_a_case_that_breaks_it() {
    let mut shown: Vec<&str> = breaches().into_iter().map(|(_, _, _, message)| message).collect();
    shown.push("cannot be taken back");
    for definition in api::definitions() {
        let kind = definition.spec.names.kind.clone();
        walk(&schema::schema(&definition), &kind, &mut |path, part| {
            for rule in part["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let message = rule["message"].as_str().unwrap_or_default();
                assert!(message.len() > 20, "{path}: {rule} has no message");
                assert!(
                    shown.iter().any(|part| message.contains(part)),
                    "{path}: no case breaks {rule}"
                );
            }
        });
    }
}

#[test]
fn people_may_suspend_and_close_a_lease_and_change_an_offer() {
    for (kind, change) in [
        ("ComputeLease", json!({ "spec": { "suspend": true } })),
        ("ComputeLease", json!({ "spec": { "waivedSeconds": 61 } })),
        (
            "ComputeLease",
            json!({ "spec": { "close": { "reason": "Reclaim" } } }),
        ),
        (
            "ComputeOffer",
            json!({ "spec": { "mode": "Paused", "price": { "perHour": { "gpu": "2.5" }, "floor": null } } }),
        ),
        (
            "ComputeOffer",
            json!({ "spec": { "nodes": { "selector": { "matchLabels": null, "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] } } } }),
        ),
        (
            "ComputeWallet",
            json!({ "spec": { "limits": { "gasPerDay": "1" }, "allowedNamespaces": null } }),
        ),
        (
            "ComputeMarket",
            json!({ "spec": { "pollInterval": null, "fees": { "maxFeePerGas": "0.01gwei" } } }),
        ),
        (
            "ComputeProvider",
            json!({ "spec": { "gateway": { "url": "https://other.example" } } }),
        ),
    ] {
        let before = valid(kind);
        let after = merged(before.clone(), &change);
        assert_eq!(
            refusals(&definition(kind), &after, Some(&before)),
            Vec::<String>::new(),
            "{kind} {change}"
        );
    }
}

#[test]
fn texts_out_of_their_pattern_are_refused() {
    let offer = |price: Value| {
        (
            "ComputeOffer",
            json!({ "spec": { "price": { "perHour": { "gpu": price } } } }),
        )
    };
    for (kind, change) in [
        offer(json!("-1")),
        offer(json!("1.0000001")),
        offer(json!("1e3")),
        offer(json!("")),
        offer(json!("01")),
        offer(json!(1.9)),
        (
            "ComputeOffer",
            json!({ "spec": { "terms": { "maxDuration": "30d" } } }),
        ),
        (
            "ComputeOffer",
            json!({ "spec": { "terms": { "maxDuration": "" } } }),
        ),
        (
            "ComputeOffer",
            json!({ "spec": { "capacity": { "holds": { "maxShare": "1.1" } } } }),
        ),
        (
            "ComputeOffer",
            json!({ "spec": { "onChainUnknown": { "suspendAfter": "always" } } }),
        ),
        ("ComputeOffer", json!({ "spec": { "mode": "bid" } })),
        (
            "ComputeOffer",
            json!({ "spec": { "device": { "resourceName": "cpu" } } }),
        ),
        ("ComputeOffer", json!({ "spec": { "prise": {} } })),
        ("ComputeMarket", json!({ "spec": { "directory": "0x1" } })),
        (
            "ComputeMarket",
            json!({ "spec": { "fees": { "maxFeePerGas": "5" } } }),
        ),
        (
            "ComputeMarket",
            json!({ "spec": { "endpoints": [{ "name": "a", "url": "file:///etc/passwd" }] } }),
        ),
        ("ComputeMarket", json!({ "spec": { "endpoints": [] } })),
        (
            "ComputeProvider",
            json!({ "spec": { "gateway": { "url": "http://plain.example" } } }),
        ),
        ("ComputeProvider", json!({ "spec": { "providerId": 0 } })),
        (
            "ComputeProvider",
            json!({ "spec": { "providerId": 4_294_967_296_i64 } }),
        ),
        ("ComputeBid", json!({ "spec": { "generation": 16_777_216 } })),
        ("ComputeLease", json!({ "spec": { "leaseId": "7/0/1" } })),
        (
            "ComputeTransaction",
            json!({ "spec": { "call": { "data": "0xabc" } } }),
        ),
    ] {
        let found = refusals(&definition(kind), &merged(valid(kind), &change), None);
        assert!(!found.is_empty(), "{kind} {change} passed");
    }
}

#[test]
fn what_passes_the_schema_is_read_by_the_types_and_written_back_alike() {
    fn round<K: serde::Serialize + serde::de::DeserializeOwned>(kind: &str) {
        let filled = schema::with_defaults(&schema::schema(&definition(kind)), &valid(kind));
        let typed: K = serde_json::from_value(filled.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), filled, "{kind}");
    }
    round::<api::ComputeMarket>("ComputeMarket");
    round::<api::ComputeWallet>("ComputeWallet");
    round::<api::ComputeProvider>("ComputeProvider");
    round::<api::ComputeOffer>("ComputeOffer");
    round::<api::ComputeBid>("ComputeBid");
    round::<api::ComputeLease>("ComputeLease");
    round::<api::ComputeTransaction>("ComputeTransaction");
}
