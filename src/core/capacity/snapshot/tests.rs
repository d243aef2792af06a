//! The rules of the snapshot, each as a sentence.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn supply() -> Supply {
    Supply {
        selector: serde_json::from_value(json!({ "matchLabels": { "gpu": "h100" } })).unwrap(),
        device: "nvidia.com/gpu".into(),
    }
}

fn node(name: &str, gpus: u32, change: Value) -> Node {
    let mut node = json!({
        "metadata": { "name": name, "labels": { "gpu": "h100" } },
        "status": {
            "allocatable": { "nvidia.com/gpu": gpus.to_string(), "cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110" },
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    for (key, value) in change.as_object().unwrap() {
        node[key] = value.clone();
    }
    serde_json::from_value(node).unwrap()
}

fn pod(uid: &str, node: Option<&str>, gpus: u32, labels: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": uid, "uid": uid, "labels": labels },
        "spec": {
            "nodeName": node,
            "containers": [{ "name": "c", "resources": { "requests": { "nvidia.com/gpu": gpus.to_string(), "cpu": "1" } } }],
        },
    }))
    .unwrap()
}

const fn replica(gpus: u32) -> Resources {
    Resources {
        gpus,
        cpu_milli: 1_000,
        memory_mib: 1_024,
        storage_mib: 1_024,
    }
}

#[test]
fn only_nodes_of_the_offer_count() {
    let foreign = node(
        "b",
        8,
        json!({ "metadata": { "name": "b", "labels": { "gpu": "t4" } } }),
    );
    let snapshot = Snapshot::of(&supply(), [&node("a", 8, json!({})), &foreign], Vec::<Pod>::new());
    assert_eq!(snapshot.nodes().len(), 1);
    assert_eq!(
        Snapshot::of(&supply(), [&foreign], Vec::<Pod>::new()).fits(&replica(1), 1, 0),
        Err(NoFit::NoNodes)
    );
}

#[test]
fn free_devices_scattered_over_nodes_do_not_fit_one_large_replica() {
    let nodes = [node("a", 8, json!({})), node("b", 8, json!({}))];
    let pods = [
        pod("1", Some("a"), 6, json!({})),
        pod("2", Some("b"), 6, json!({})),
    ];
    let snapshot = Snapshot::of(&supply(), &nodes, &pods);
    assert_eq!(snapshot.utilization().free, 4);
    assert_eq!(
        snapshot.fits(&replica(4), 1, 0),
        Err(NoFit::NotNow {
            fitting: 0,
            asked: 1,
            replica: replica(4),
            free_devices: 4
        })
    );
    assert_eq!(snapshot.fits(&replica(2), 2, 0).unwrap().free_after, 0);
}

#[test]
fn the_fullest_node_is_filled_first_so_that_whole_nodes_stay_whole() {
    let nodes = [node("a", 8, json!({})), node("b", 8, json!({}))];
    let fit = Snapshot::of(&supply(), &nodes, [pod("1", Some("b"), 6, json!({}))])
        .fits(&replica(1), 3, 0)
        .unwrap();
    let nodes: Vec<&str> = fit
        .placements
        .iter()
        .map(|placement| placement.node.as_str())
        .collect();
    assert_eq!(nodes, ["b", "b", "a"]);
}

#[test]
fn a_replica_larger_than_any_node_is_told_so_with_numbers() {
    let snapshot = Snapshot::of(&supply(), [node("a", 8, json!({}))], Vec::<Pod>::new());
    let refusal = snapshot.fits(&replica(16), 1, 0).unwrap_err();
    assert_eq!(
        refusal,
        NoFit::TooLarge {
            amount: "gpus",
            asked: 16,
            largest: 8
        }
    );
    assert_eq!(
        refusal.to_string(),
        "one replica asks for 16 gpus, the largest open node has 8"
    );
}

#[test]
fn a_cordoned_or_silent_node_keeps_what_it_runs_and_takes_nothing_new() {
    let nodes = [
        node("a", 8, json!({ "spec": { "unschedulable": true } })),
        node(
            "b",
            8,
            json!({ "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }] } }),
        ),
    ];
    let snapshot = Snapshot::of(
        &supply(),
        &nodes,
        [pod("1", Some("a"), 2, json!({ "leaseport.dev/lease": "7-0-1" }))],
    );
    assert_eq!(
        snapshot.fits(&replica(1), 1, 0),
        Err(NoFit::NoneOpen {
            nodes: 2,
            closed: 1,
            not_ready: 0,
            unknown: 1
        })
    );
    assert_eq!(
        snapshot.utilization(),
        Utilization {
            total: 8,
            leased: 2,
            held: 0,
            other: 0,
            free: 0
        }
    );
}

#[test]
fn what_the_owner_keeps_free_is_not_sold() {
    let snapshot = Snapshot::of(&supply(), [node("a", 8, json!({}))], Vec::<Pod>::new());
    assert_eq!(
        snapshot.fits(&replica(7), 1, 2),
        Err(NoFit::KeptFree {
            left: 1,
            keep_free: 2
        })
    );
    assert_eq!(snapshot.fits(&replica(6), 1, 2).unwrap().free_after, 2);
}

#[test]
fn a_hold_that_still_waits_for_a_node_is_counted_before_a_new_wish() {
    let waiting = pod("hold", None, 6, json!({ "leaseport.dev/bid": "b" }));
    let snapshot = Snapshot::of(&supply(), [node("a", 8, json!({}))], [&waiting]);
    assert_eq!(snapshot.fits(&replica(2), 1, 0).unwrap().free_after, 0);
    assert!(snapshot.fits(&replica(4), 1, 0).is_err());
    let owners = pod("own", None, 6, json!({}));
    assert!(
        Snapshot::of(&supply(), [node("a", 8, json!({}))], [&owners])
            .fits(&replica(4), 1, 0)
            .is_ok()
    );
}

#[test]
fn a_finished_pod_gives_its_devices_back() {
    let mut done = pod("1", Some("a"), 8, json!({}));
    done.status = Some(serde_json::from_value(json!({ "phase": "Succeeded" })).unwrap());
    let snapshot = Snapshot::of(&supply(), [node("a", 8, json!({}))], [&done]);
    assert!(snapshot.fits(&replica(8), 1, 0).is_ok());
}

#[test]
fn a_node_without_pod_slots_takes_nothing() {
    let full = node(
        "a",
        8,
        json!({ "status": {
        "allocatable": { "nvidia.com/gpu": "8", "cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "1" },
        "conditions": [{ "type": "Ready", "status": "True" }],
    } }),
    );
    let snapshot = Snapshot::of(&supply(), [full], [pod("1", Some("a"), 1, json!({}))]);
    assert_eq!(
        snapshot.fits(&replica(1), 1, 0).unwrap_err().reason(),
        "NoCapacity"
    );
}

proptest! {
    #[test]
    fn placing_then_removing_gives_the_same_picture_and_never_oversells(
        sizes in proptest::collection::vec(0u32..9, 1..12),
        used in proptest::collection::vec(0u32..9, 0..12),
        gpus in 1u32..5,
        replicas in 1u16..20,
    ) {
        let nodes: Vec<Node> = sizes.iter().enumerate().map(|(at, size)| node(&format!("n{at}"), *size, json!({}))).collect();
        let pods: Vec<Pod> = used
            .iter()
            .enumerate()
            .map(|(at, used)| pod(&format!("u{at}"), Some(&format!("n{at}")), *used, json!({})))
            .collect();
        let before = Snapshot::of(&supply(), &nodes, &pods);
        if let Ok(fit) = before.fits(&replica(gpus), replicas, 0) {
            prop_assert_eq!(fit.placements.len(), usize::from(replicas));
            let after = before.with(&replica(gpus), &fit.placements);
            for (now, then) in after.nodes().iter().zip(before.nodes()) {
                prop_assert!(now.used == then.used || now.used.exceeds(&now.allocatable).is_none());
            }
            prop_assert_eq!(after.utilization().free, fit.free_after);
            let undone = after.without(&[""]);
            prop_assert_eq!(undone.nodes(), before.nodes());
        }
    }
}

#[test]
fn a_thousand_nodes_are_answered_well_within_a_chain_block() {
    let nodes: Vec<Node> = (0..1_000)
        .map(|at| node(&format!("n{at:04}"), 8, json!({})))
        .collect();
    let pods: Vec<Pod> = (0..4_000)
        .map(|at| {
            pod(
                &format!("p{at}"),
                Some(&format!("n{:04}", at % 1_000)),
                1,
                json!({ "leaseport.dev/lease": "1-1-1" }),
            )
        })
        .collect();
    let snapshot = Snapshot::of(&supply(), &nodes, &pods);
    assert_eq!(snapshot.fits(&replica(4), 1_000, 0).unwrap().free_after, 0);
    assert_eq!(
        snapshot.utilization(),
        Utilization {
            total: 8_000,
            leased: 4_000,
            held: 0,
            other: 0,
            free: 4_000
        }
    );
}

#[test]
fn a_selector_may_name_sets_of_values() {
    let covers = |expressions: Value| {
        let selector = serde_json::from_value(json!({ "matchExpressions": expressions })).unwrap();
        Supply {
            selector,
            device: "nvidia.com/gpu".into(),
        }
        .covers(&node("a", 8, json!({})))
    };
    assert!(covers(
        json!([{ "key": "gpu", "operator": "In", "values": ["h100", "h200"] }, { "key": "spot", "operator": "DoesNotExist" }])
    ));
    assert!(covers(
        json!([{ "key": "gpu", "operator": "Exists" }, { "key": "gpu", "operator": "NotIn", "values": ["t4"] }])
    ));
    assert!(!covers(
        json!([{ "key": "gpu", "operator": "NotIn", "values": ["h100"] }])
    ));
    assert!(!covers(
        json!([{ "key": "gpu", "operator": "Gt", "values": ["1"] }])
    ));
}
