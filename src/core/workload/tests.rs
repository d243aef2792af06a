//! The objects of a lease as files, and the rules of isolation as sentences.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]
use std::net::IpAddr;

use alloy::primitives::B256;
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::OwnerReference};
use rstest::rstest;
use serde_json::{Value, json};

use super::{names::Identity, *};
use crate::core::{
    capacity::Supply,
    documents::{manifest::Manifest, needs::Needs},
    ids::{ChainId, Generation, Lane, LeaseId, LeaseKey, ProviderId, TermsHash},
    resources::Resources,
};

fn identity() -> Identity {
    Identity {
        chain: ChainId(8453),
        lease: LeaseKey {
            id: LeaseId {
                provider: ProviderId(7),
                lane: Lane(3),
                generation: Generation::new(1).unwrap(),
            },
            terms: TermsHash(B256::repeat_byte(0xab)),
        },
    }
}

fn ground() -> Ground {
    let account = |name: &str| Account {
        namespace: "leaseport-system".into(),
        name: name.into(),
    };
    Ground {
        offer: "gpus".into(),
        supply: Supply {
            selector: serde_json::from_value(
                json!({ "matchLabels": { "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3" } }),
            )
            .unwrap(),
            device: "nvidia.com/gpu".into(),
        },
        isolation: Isolation {
            root: RootPolicy::Refused,
            runtime_class: Some("nvidia".into()),
            overhead: Resources::default(),
            dns: Dns::Cluster,
            egress: Egress::default(),
        },
        priority_class: Some("leaseport".into()),
        termination_grace_seconds: 30,
        accounts: Accounts {
            operator: account("leaseport"),
            gateway: account("leaseport-gateway"),
        },
    }
}

fn needs(change: Value) -> Needs {
    let mut needs = json!({
        "version": 1, "gpu": { "count": 2 }, "cpuMilli": 8000, "memoryMiB": 32768, "storageMiB": 20480, "replicas": 2,
    });
    merge(&mut needs, change);
    serde_json::from_value(needs).unwrap()
}

fn manifest(change: Value) -> Manifest {
    let mut manifest = json!({
        "version": 1, "salt": format!("0x{}", "0".repeat(64)), "form": "Deployment", "replicas": 2,
        "containers": [
            {
                "name": "train", "image": "registry.example/train:1", "command": ["train"], "args": ["--token=$(TOKEN)"],
                "env": [{ "name": "MODE", "value": "full" }, { "name": "TOKEN", "secret": "hub-token" }],
                "cpuMilli": 7000, "memoryMiB": 30720, "storageMiB": 16384, "gpus": 2,
                "ports": [{ "name": "http", "port": 8080 }],
                "readiness": { "http": { "path": "/healthz", "port": 8080, "periodSeconds": 5 } },
                "runAsUser": 1000,
            },
            { "name": "logs", "image": "registry.example/logs", "cpuMilli": 100, "memoryMiB": 128, "storageMiB": 128, "runAsUser": 1000 },
        ],
    });
    merge(&mut manifest, change);
    serde_json::from_value(manifest).unwrap()
}

fn merge(into: &mut Value, change: Value) {
    for (key, value) in change.as_object().unwrap() {
        into[key] = value.clone();
    }
}

fn built(
    needs: &Needs,
    ground: &Ground,
    manifest: &Manifest,
    power: Power,
) -> Result<Vec<Object>, BuildError> {
    let template = LeaseTemplate {
        identity: identity(),
        needs,
        ground,
    };
    let mut objects = room(&template)?;
    objects.extend(workload(&template, manifest, B256::repeat_byte(0x11), power)?);
    Ok(objects)
}

fn pod_spec(objects: &[Object]) -> PodSpec {
    objects
        .iter()
        .find_map(|object| match object {
            Object::Deployment(object) => object.spec.clone()?.template.spec,
            Object::Job(object) => object.spec.clone()?.template.spec,
            Object::Namespace(_)
            | Object::ServiceAccount(_)
            | Object::RoleBinding(_)
            | Object::ResourceQuota(_)
            | Object::NetworkPolicy(_)
            | Object::Secret(_)
            | Object::Service(_) => None,
        })
        .unwrap()
}

#[test]
fn a_deployment_lease_is_these_objects() {
    let objects = built(&needs(json!({})), &ground(), &manifest(json!({})), Power::On).unwrap();
    insta::assert_yaml_snapshot!("deployment", objects);
}

#[test]
fn a_job_that_needs_root_is_these_objects() {
    let mut ground = ground();
    ground.isolation.root = RootPolicy::Allowed;
    ground.supply.selector.match_expressions = Some(vec![
        serde_json::from_value(json!({ "key": "spot", "operator": "DoesNotExist" })).unwrap(),
    ]);
    ground.isolation.dns = Dns::Servers(vec!["10.96.0.10".parse::<IpAddr>().unwrap()]);
    ground.isolation.egress = Egress {
        denied_ports: vec![25, 465],
        denied_blocks: vec!["198.18.7.0/24".into(), "2001:db8:1::/48".into()],
    };
    let mut manifest = manifest(json!({ "form": "Job" }));
    manifest.containers[1].run_as_user = Some(0);
    let objects = built(
        &needs(json!({ "runAsRoot": true })),
        &ground,
        &manifest,
        Power::On,
    )
    .unwrap();
    insta::assert_yaml_snapshot!("job_as_root", objects);
}

#[test]
fn a_hold_is_these_pods() {
    let ground = ground();
    let bid = OwnerReference {
        api_version: "leaseport.dev/v1alpha1".into(),
        kind: "ComputeBid".into(),
        name: "h100-1a2b3c4d".into(),
        uid: "5d3e".into(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let pods = hold(&Hold {
        bid,
        namespace: "gpu",
        replica: needs(json!({})).replica(),
        replicas: 2,
        ground: &ground,
        pause_image: "registry.k8s.io/pause:3.10",
        max_seconds: 30,
    });
    assert_eq!(pods.len(), 2);
    insta::assert_yaml_snapshot!("hold", pods.first());
}

#[test]
fn our_rights_come_first_then_account_and_quota_and_the_workload_last() {
    let objects = built(&needs(json!({})), &ground(), &manifest(json!({})), Power::On).unwrap();
    let kinds: Vec<&str> = objects.iter().map(Object::kind).collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "RoleBinding",
            "RoleBinding",
            "ServiceAccount",
            "ResourceQuota",
            "NetworkPolicy",
            "NetworkPolicy",
            "NetworkPolicy",
            "NetworkPolicy",
            "Service",
            "Deployment",
        ]
    );
    assert!(
        objects
            .iter()
            .all(|object| identity().owns(object.metadata()).is_ok())
    );
}

#[test]
fn root_is_refused_where_the_offer_refuses_it_and_restricted_everywhere_else() {
    let (rootful, plain) = (needs(json!({ "runAsRoot": true })), needs(json!({})));
    let mut ground = ground();
    let level = |needs: &Needs, ground: &Ground| {
        LeaseTemplate {
            identity: identity(),
            needs,
            ground,
        }
        .level()
    };
    assert_eq!(level(&rootful, &ground), Err(BuildError::RootRefused));
    ground.isolation.root = RootPolicy::Allowed;
    assert_eq!(level(&rootful, &ground), Ok(Level::Baseline));
    assert_eq!(level(&plain, &ground), Ok(Level::Restricted));
    ground.isolation.root = RootPolicy::UserNamespace;
    assert_eq!(level(&rootful, &ground), Ok(Level::Restricted));
    let spec = pod_spec(&built(&rootful, &ground, &manifest(json!({})), Power::On).unwrap());
    assert_eq!(spec.host_users, Some(false));
}

#[test]
fn a_manifest_that_asks_for_root_behind_its_needs_is_refused() {
    let mut manifest = manifest(json!({}));
    manifest.containers[0].run_as_user = Some(0);
    let refused = built(&needs(json!({})), &ground(), &manifest, Power::On);
    assert!(matches!(refused, Err(BuildError::Manifest(_))), "{refused:?}");
}

#[test]
fn a_container_without_gpus_sees_none_and_one_with_gpus_is_left_to_the_device_plugin() {
    let spec = pod_spec(&built(&needs(json!({})), &ground(), &manifest(json!({})), Power::On).unwrap());
    let void = |container: &k8s_openapi::api::core::v1::Container| {
        let mut env = container.env.iter().flatten();
        env.any(|var| var.name == "NVIDIA_VISIBLE_DEVICES" && var.value.as_deref() == Some("void"))
    };
    let seen: Vec<bool> = spec.containers.iter().map(void).collect();
    assert_eq!(seen, [false, true]);
}

#[test]
fn a_variable_that_would_take_devices_is_refused() {
    let mut manifest = manifest(json!({}));
    manifest.containers[0].env[0].name = "NVIDIA_VISIBLE_DEVICES".into();
    let refused = built(&needs(json!({})), &ground(), &manifest, Power::On);
    assert!(matches!(refused, Err(BuildError::Manifest(_))), "{refused:?}");
}

#[rstest]
#[case("Deployment")]
#[case("Job")]
fn switched_off_nothing_runs_and_everything_else_stays(#[case] form: &str) {
    let manifest = manifest(json!({ "form": form }));
    let on = built(&needs(json!({})), &ground(), &manifest, Power::On).unwrap();
    let off = built(&needs(json!({})), &ground(), &manifest, Power::Off).unwrap();
    assert_eq!(on.len(), off.len());
    let changed: Vec<&str> = on
        .iter()
        .zip(&off)
        .filter(|(on, off)| on != off)
        .map(|(on, _)| on.kind())
        .collect();
    assert_eq!(changed, [form]);
    match off.last().unwrap() {
        Object::Deployment(object) => assert_eq!(object.spec.as_ref().unwrap().replicas, Some(0)),
        Object::Job(object) => assert_eq!(object.spec.as_ref().unwrap().suspend, Some(true)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_that_is_none_is_named() {
    let mut ground = ground();
    ground.isolation.egress.denied_blocks = vec!["10.0.0.1".into()];
    let template = LeaseTemplate {
        identity: identity(),
        needs: &needs(json!({})),
        ground: &ground,
    };
    assert_eq!(room(&template), Err(BuildError::Block("10.0.0.1".into())));
}

#[test]
fn an_object_is_applied_when_missing_or_changed_and_a_job_with_another_manifest_is_replaced() {
    let build = |form: &str, image: &str, power| {
        let mut manifest = manifest(json!({ "form": form }));
        manifest.containers[0].image = image.into();
        let template = LeaseTemplate {
            identity: identity(),
            needs: &needs(json!({})),
            ground: &ground(),
        };
        let hash = alloy::primitives::keccak256(image);
        workload(&template, &manifest, hash, power)
            .unwrap()
            .pop()
            .unwrap()
    };
    for form in ["Deployment", "Job"] {
        let one = build(form, "a:1", Power::On);
        assert_eq!(one.change(None), Change::Apply);
        assert_eq!(one.change(Some(one.metadata())), Change::None);
        assert_eq!(
            build(form, "a:1", Power::Off).change(Some(one.metadata())),
            Change::Apply
        );
        let expected = if form == "Job" {
            Change::Replace
        } else {
            Change::Apply
        };
        assert_eq!(
            build(form, "a:2", Power::On).change(Some(one.metadata())),
            expected
        );
    }
}
