#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::core::documents::needs::{GpuNeeds, MAX_REPLICAS};

fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        image: "registry.example/team/model:1".into(),
        cpu_milli: 1000,
        memory_mib: 512,
        storage_mib: 1024,
        gpus: 1,
        ..Container::default()
    }
}

fn manifest(containers: Vec<Container>) -> Manifest {
    Manifest {
        version: 1,
        salt: format!("0x{}", "5a".repeat(32)),
        form: Form::Deployment,
        replicas: 1,
        containers,
    }
}

fn needs() -> Needs {
    Needs {
        version: 1,
        gpu: GpuNeeds {
            count: 2,
            ..GpuNeeds::default()
        },
        run_as_root: false,
        cpu_milli: 2000,
        memory_mib: 1024,
        storage_mib: 2048,
        replicas: 1,
        regions: vec![],
        matching: None,
    }
}

fn refusal(change: impl FnOnce(&mut Container)) -> String {
    let mut one = container("main");
    change(&mut one);
    manifest(vec![one]).validate().unwrap_err().to_string()
}

fn variable(name: &str, value: Option<&str>, secret: Option<&str>) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: value.map(str::to_owned),
        secret: secret.map(str::to_owned),
    }
}

prop_compose! {
    fn any_container()(
        name in "[a-z]([a-z0-9-]{0,10}[a-z0-9])?", image in "[a-z]{1,8}/[a-z]{1,8}:[0-9]{1,3}",
        command in prop::collection::vec("[^\\x00]{0,20}", 0..3), value in "[^\\x00]{0,30}", port in 1u16..,
        probe in 0..4, user in prop::option::of(any::<u32>()), period in 1u16..=3600, gpus in 0u16..=64,
    ) -> Container {
        let readiness = match probe {
            0 => None,
            1 => Some(Probe::Http { path: "/ready".into(), port, period_seconds: period }),
            2 => Some(Probe::Tcp { port, period_seconds: period }),
            _ => Some(Probe::Exec { command: vec!["true".into()], period_seconds: period }),
        };
        Container {
            command: command.clone(),
            args: command,
            env: vec![variable("A", Some(&value), None), variable("B", None, Some("token"))],
            ports: vec![Port { name: "http".into(), port, protocol: Protocol::Udp }],
            readiness,
            run_as_user: user,
            gpus,
            image,
            ..container(&name)
        }
    }
}

proptest! {
    #[test]
    fn a_manifest_survives_its_bytes_and_its_hash_follows_them(one in any_container(), replicas in 1..=MAX_REPLICAS) {
        let document = Manifest { replicas, form: Form::Job, ..manifest(vec![one]) };
        let bytes = document.to_canonical().unwrap();
        prop_assert_eq!(&Manifest::decode(&bytes).unwrap(), &document);
        prop_assert_eq!(document.hash().unwrap(), alloy::primitives::keccak256(&bytes));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Manifest::decode(&bytes).is_err());
    }

    #[test]
    fn what_fits_stays_within_the_needs(cpu in 1u64..4000, memory in 1u64..2000, gpus in 0u16..4) {
        let one = Container { cpu_milli: cpu, memory_mib: memory, gpus, ..container("main") };
        let fits = manifest(vec![one]).fits(&needs()).is_ok();
        prop_assert_eq!(fits, cpu <= 2000 && memory <= 1024 && gpus <= 2);
    }
}

#[test]
fn the_smallest_form_is_readable() {
    let text = String::from_utf8(manifest(vec![container("main")]).to_canonical().unwrap()).unwrap();
    let expected = format!(
        concat!(
            r#"{{"containers":[{{"cpuMilli":1000,"gpus":1,"image":"registry.example/team/model:1","memoryMiB":512,"#,
            r#""name":"main","storageMiB":1024}}],"form":"Deployment","salt":"0x{}","version":1}}"#
        ),
        "5a".repeat(32)
    );
    assert_eq!(text, expected);
}

#[test]
fn probes_are_written_by_kind() {
    let probe = Probe::Http {
        path: "/".into(),
        port: 80,
        period_seconds: 10,
    };
    assert_eq!(
        serde_json::to_value(&probe).unwrap(),
        serde_json::json!({ "http": { "path": "/", "port": 80 } })
    );
    let unknown = serde_json::from_str::<Probe>(r#"{"http":{"path":"/","port":80,"host":"10.0.0.1"}}"#);
    assert!(unknown.is_err(), "a probe of another host must not parse");
}

#[test]
fn nvidia_variables_are_refused_with_the_reason() {
    let message = refusal(|one| one.env = vec![variable("NVIDIA_VISIBLE_DEVICES", Some("all"), None)]);
    assert!(
        message.contains("containers[0].env[0] sets NVIDIA_VISIBLE_DEVICES"),
        "{message}"
    );
    assert!(message.contains("ask for GPUs by `gpus`"), "{message}");
    let hidden = refusal(|one| one.env = vec![variable("NVIDIA_DRIVER_CAPABILITIES", None, Some("s"))]);
    assert!(hidden.contains("NVIDIA_DRIVER_CAPABILITIES"), "{hidden}");
}

#[test]
fn each_field_out_of_bounds_is_named() {
    for (message, field) in [
        (refusal(|one| one.name = "Main".into()), "containers[0].name"),
        (refusal(|one| one.image = "a b".into()), "containers[0].image"),
        (
            refusal(|one| one.command = vec!["a\0".into()]),
            "containers[0].command",
        ),
        (
            refusal(|one| one.args = vec![String::new(); 257]),
            "containers[0].args",
        ),
        (
            refusal(|one| one.args = vec!["x".repeat(MAX_TEXT + 1)]),
            "containers[0].args",
        ),
        (
            refusal(|one| one.env = vec![variable("1A", Some(""), None)]),
            "env[0].name",
        ),
        (refusal(|one| one.env = vec![variable("A", None, None)]), "env[0]"),
        (
            refusal(|one| one.env = vec![variable("A", Some(""), Some("s"))]),
            "env[0]",
        ),
        (
            refusal(|one| one.env = vec![variable("A", None, Some("../x"))]),
            "env[0].secret",
        ),
        (
            refusal(|one| one.env = vec![variable("A", Some(""), None); 2]),
            "env[1].name",
        ),
        (refusal(|one| one.cpu_milli = 0), "cpuMilli"),
        (refusal(|one| one.memory_mib = u64::MAX), "memoryMiB"),
        (refusal(|one| one.storage_mib = 0), "storageMiB"),
        (refusal(|one| one.gpus = 65), "gpus"),
        (
            refusal(|one| {
                one.ports = vec![Port {
                    name: "http".into(),
                    port: 0,
                    protocol: Protocol::Tcp,
                }];
            }),
            "ports.port",
        ),
        (
            refusal(|one| {
                one.ports = vec![Port {
                    name: "80".into(),
                    port: 80,
                    protocol: Protocol::Tcp,
                }];
            }),
            "ports.name",
        ),
        (
            refusal(|one| {
                one.readiness = Some(Probe::Tcp {
                    port: 1,
                    period_seconds: 0,
                });
            }),
            "periodSeconds",
        ),
        (
            refusal(|one| {
                one.readiness = Some(Probe::Http {
                    path: "x".into(),
                    port: 1,
                    period_seconds: 1,
                });
            }),
            "http.path",
        ),
        (
            refusal(|one| {
                one.readiness = Some(Probe::Exec {
                    command: vec![],
                    period_seconds: 1,
                });
            }),
            "exec.command",
        ),
    ] {
        assert!(message.contains(field), "{field}: {message}");
    }
}

#[test]
fn names_and_ports_are_unique_in_a_replica() {
    let twice = manifest(vec![container("a"), container("a")])
        .validate()
        .unwrap_err();
    assert!(twice.to_string().contains("containers[1].name"));
    let port = |name: &str, port, protocol| Port {
        name: name.into(),
        port,
        protocol,
    };
    let with = |name: &str, ports| Container {
        ports,
        ..container(name)
    };
    let shared = manifest(vec![
        with("a", vec![port("x", 80, Protocol::Tcp)]),
        with("b", vec![port("y", 80, Protocol::Tcp)]),
    ]);
    assert!(
        shared
            .validate()
            .unwrap_err()
            .to_string()
            .contains("containers[1].ports is 80")
    );
    let apart = manifest(vec![
        with("a", vec![port("x", 80, Protocol::Tcp)]),
        with("b", vec![port("y", 80, Protocol::Udp)]),
    ]);
    assert_eq!(apart.validate(), Ok(()));
}

#[test]
fn a_salt_is_thirty_two_bytes_in_hexadecimal() {
    for salt in [
        "",
        "0x",
        &"5a".repeat(33),
        &format!("0x{}", "5A".repeat(32)),
        &format!("0x{}", "g".repeat(64)),
    ] {
        let document = Manifest {
            salt: salt.to_owned(),
            ..manifest(vec![container("a")])
        };
        assert!(document.validate().is_err(), "{salt:?}");
    }
}

#[test]
fn what_no_price_was_agreed_for_does_not_fit() {
    let beyond = |document: Manifest| document.fits(&needs()).unwrap_err().to_string();
    let three = manifest(vec![container("a"), container("b"), container("c")]);
    assert!(beyond(three).contains("wants gpus 3, the order's needs say 2"));
    let more = Manifest {
        replicas: 2,
        ..manifest(vec![container("a")])
    };
    assert!(beyond(more).contains("wants replicas 2"));
    let root = manifest(vec![Container {
        run_as_user: Some(0),
        ..container("a")
    }]);
    assert!(beyond(root.clone()).contains("runAsUser"));
    assert_eq!(
        root.fits(&Needs {
            run_as_root: true,
            ..needs()
        }),
        Ok(())
    );
}

#[test]
fn values_of_variables_stay_out_of_debug_output() {
    let text = format!("{:?}", variable("TOKEN", Some("hunter2"), None));
    assert!(!text.contains("hunter2") && text.contains("7 bytes"), "{text}");
}
