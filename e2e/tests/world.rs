//! The world keeps its promises: what it starts is real, what it says of a failure is enough, and what it leaves is
//! nothing. Run with `--test-threads=1`: each test starts a whole world of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod traces;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use leaseport_e2e::progress::Progress;
use leaseport_e2e::world::{Error, Health, Keep, Lane, NodeChoice, Options, Services, World, WorldState};
use leaseport_e2e::{Proxy, rpc};
use serde_json::{Value, json};
use traces::Traces;

const GPU_POD: &str = r#"{
  "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gpu"},
  "spec": {"dnsPolicy": "Default", "terminationGracePeriodSeconds": 1, "containers": [{
    "name": "main", "image": "busybox:1.36",
    "command": ["sh", "-c", "echo I see $NVIDIA_VISIBLE_DEVICES; while true; do sleep 1; done"],
    "resources": {"limits": {"nvidia.com/gpu": "2", "cpu": "100m", "memory": "64Mi"}}
  }]}
}"#;

/// A world in a folder of its own, that nothing of the environment bends.
fn options(name: &str) -> (tempfile::TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        run_dir: folder.path().join(name),
        kubeconfig: None,
        rpc_url: None,
        device_plugin: None,
        progress: Progress::lines(),
        node: NodeChoice::Required,
        ..Options::from_env(name)
    };
    (folder, options)
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "not within 30 s: {what}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

fn start_gpu_pod(world: &World) {
    world
        .kubectl_with_input(&["apply", "--filename=-"], GPU_POD)
        .unwrap();
    world
        .kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "pod/gpu"])
        .unwrap();
}

/// The devices of the pod's container, as id and health.
fn devices(world: &World) -> Vec<(String, String)> {
    let pod = world.kubectl_json(&["get", "pod", "gpu"]).unwrap();
    let resources = &pod["status"]["containerStatuses"][0]["allocatedResourcesStatus"][0]["resources"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    resources
        .as_array()
        .map(|list| {
            list.iter()
                .map(|one| (text(&one["resourceID"]), text(&one["health"])))
                .collect()
        })
        .unwrap_or_default()
}

fn allocatable(world: &World) -> String {
    let node = world
        .kubectl_json(&["get", "node", &world.node().unwrap().name])
        .unwrap();
    node["status"]["allocatable"]["nvidia.com/gpu"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_pod_holds_the_gpus_it_asked_for_and_its_logs_and_exec_work() {
    let (_folder, options) = options("gpus");
    let world = World::up(&options).unwrap();
    start_gpu_pod(&world);

    let held: BTreeSet<String> = devices(&world).into_iter().map(|(id, _)| id).collect();
    assert_eq!(held.len(), 2);
    let known: BTreeSet<String> = world.node().unwrap().gpus.iter().cloned().collect();
    assert!(held.is_subset(&known), "{held:?} are not of {known:?}");

    let log = eventually("a line in the log", || {
        Some(world.kubectl(&["logs", "gpu"]).unwrap()).filter(|log| log.contains("I see"))
    });
    let seen: BTreeSet<String> = log
        .trim()
        .strip_prefix("I see ")
        .unwrap()
        .split(',')
        .map(str::to_owned)
        .collect();
    assert_eq!(seen, held);
    let nodes = world
        .kubectl(&["exec", "gpu", "--", "sh", "-c", "ls /dev/nvidia*"])
        .unwrap();
    assert_eq!(
        nodes.split_whitespace().collect::<Vec<_>>(),
        ["/dev/nvidia0", "/dev/nvidia1"]
    );

    let node = world.kubectl_json(&["get", "node", "gpu-node"]).unwrap();
    assert_eq!(
        node["metadata"]["labels"]["nvidia.com/gpu.product"],
        "NVIDIA-H100-80GB-HBM3"
    );
    assert_eq!(node["metadata"]["labels"]["nvidia.com/gpu.count"], "8");
    world.down().unwrap();
}

#[test]
fn an_unhealthy_gpu_leaves_the_nodes_offer_and_shows_in_the_pod_that_holds_it() {
    let (_folder, options) = options("health");
    let world = World::up(&options).unwrap();
    start_gpu_pod(&world);
    let lost = devices(&world).first().unwrap().0.clone();
    assert_eq!(allocatable(&world), "8");

    world.set_gpu_health(&lost, Health::Unhealthy).unwrap();
    eventually("seven GPUs allocatable", || {
        (allocatable(&world) == "7").then_some(())
    });
    eventually("the pod's device unhealthy", || {
        devices(&world)
            .contains(&(lost.clone(), "Unhealthy".into()))
            .then_some(())
    });

    world.set_gpu_health(&lost, Health::Healthy).unwrap();
    eventually("eight GPUs allocatable", || {
        (allocatable(&world) == "8").then_some(())
    });
    let error = world.set_gpu_health("GPU-none", Health::Unhealthy).unwrap_err();
    assert!(error.to_string().contains(&lost), "{error}");
    world.down().unwrap();
}

#[test]
fn services_have_addresses_that_work_from_pods_and_from_the_host() {
    let (_folder, options) = options("services");
    let world = World::up(&Options {
        services: Services::KubeProxy,
        kwok_nodes: 2,
        ..options
    })
    .unwrap();
    assert_eq!(
        world
            .kubectl(&["get", "node", "--output=name"])
            .unwrap()
            .lines()
            .count(),
        3
    );

    world
        .kubectl(&[
            "run",
            "web",
            "--image=busybox:1.36",
            "--restart=Never",
            "--port=80",
            "--expose",
            "--",
            "httpd",
            "-f",
            "-h",
            "/etc",
        ])
        .unwrap();
    world
        .kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "pod/web"])
        .unwrap();
    let service = world.kubectl_json(&["get", "service", "web"]).unwrap();
    let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
    eventually("the Service from the pod", || {
        world
            .kubectl(&[
                "exec",
                "web",
                "--",
                "wget",
                "-q",
                "-O-",
                &format!("http://{address}/passwd"),
            ])
            .ok()
    });
    let target: SocketAddr = format!("{address}:80").parse().unwrap();
    eventually("the Service from the host", || {
        std::net::TcpStream::connect_timeout(&target, Duration::from_secs(1)).ok()
    });
    // The chain is reached over the node's address.
    let chain = format!("{}:8545", world.node().unwrap().ip);
    world
        .kubectl(&[
            "exec",
            "web",
            "--",
            "nc",
            "-w2",
            world.node().unwrap().ip.as_str(),
            "8545",
            "-e",
            "true",
        ])
        .unwrap();
    assert!(world.rpc_url().ends_with(&chain));
    world.down().unwrap();
}

#[test]
fn the_final_block_moves_and_the_chain_survives_a_restart() {
    let (_folder, options) = options("chain");
    let mut world = World::up(&Options {
        node: NodeChoice::Never,
        ..options
    })
    .unwrap();
    let number = |world: &World, tag: &str| {
        let block = world.rpc("eth_getBlockByNumber", &json!([tag, false])).unwrap();
        u64::from_str_radix(block["number"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let first = eventually("a final block", || {
        Some(number(&world, "finalized")).filter(|number| *number > 0)
    });
    eventually("the next final block", || {
        (number(&world, "finalized") > first).then_some(())
    });
    assert!(number(&world, "latest") > number(&world, "finalized"));

    let account = "0x000000000000000000000000000000000000beef";
    world.rpc("anvil_setBalance", &json!([account, "0x2a"])).unwrap();
    world.stop_part("anvil").unwrap();
    assert!(world.rpc("eth_blockNumber", &json!([])).is_err());
    world.start_part("anvil").unwrap();
    assert_eq!(
        world.rpc("eth_getBalance", &json!([account, "latest"])).unwrap(),
        "0x2a"
    );
    assert!(number(&world, "latest") >= first);
    world.down().unwrap();
}

#[test]
fn without_a_real_node_kwok_nodes_offer_gpus_and_pods_are_scheduled_to_them() {
    let (_folder, options) = options("kwok");
    let world = World::up(&Options {
        node: NodeChoice::Never,
        kwok_nodes: 3,
        ..options
    })
    .unwrap();
    assert_eq!(world.state().lane, Lane::KwokOnly);
    assert!(matches!(world.inside(&["true"]), Err(Error::NoNode)));
    let nodes = world.kubectl_json(&["get", "nodes"]).unwrap();
    for node in nodes["items"].as_array().unwrap() {
        assert_eq!(node["status"]["allocatable"]["nvidia.com/gpu"], "8");
    }
    start_gpu_pod(&world);
    let traces = Traces::of(world.state());
    world.down().unwrap();
    traces.assert_gone();
}

#[test]
fn an_account_reaches_the_api_through_a_proxy_that_can_be_cut() {
    let (_folder, options) = options("proxy");
    let mut world = World::up(&Options {
        node: NodeChoice::Never,
        ..options
    })
    .unwrap();
    let proxy = Proxy::start(world.state().apiserver_addr.parse().unwrap()).unwrap();
    world.kubectl(&["create", "serviceaccount", "operator"]).unwrap();
    world
        .kubectl(&[
            "create",
            "clusterrolebinding",
            "operator",
            "--clusterrole=view",
            "--serviceaccount=default:operator",
        ])
        .unwrap();
    let url = format!("https://{}", proxy.addr());
    let kubeconfig = world
        .service_account_kubeconfig("default", "operator", Some(&url))
        .unwrap();
    let ask = |arguments: &[&str]| {
        Command::new(world.state().bin_dir.join("kubectl"))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg("--request-timeout=3s")
            .args(arguments)
            .output()
            .unwrap()
    };
    let who = ask(&["auth", "whoami", "--output=jsonpath={.status.userInfo.username}"]);
    assert_eq!(
        String::from_utf8_lossy(&who.stdout),
        "system:serviceaccount:default:operator"
    );
    assert!(proxy.accepted() > 0);
    assert!(ask(&["get", "pods"]).status.success());
    assert!(
        !ask(&["create", "configmap", "mine"]).status.success(),
        "the role is view only"
    );
    proxy.cut();
    assert!(!ask(&["get", "pods"]).status.success());
    proxy.restore().unwrap();
    assert!(ask(&["get", "pods"]).status.success());

    let audit = fs::read_to_string(&world.state().audit_log).unwrap();
    let events = audit
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own = events.filter(|event| event["user"]["username"] == "system:serviceaccount:default:operator");
    assert!(own.count() > 0, "the audit log names who did what");

    world.kill_part("kube-apiserver").unwrap();
    assert!(!world.state().part("kube-apiserver").unwrap().alive());
    world.start_part("kube-apiserver").unwrap();
    world.kubectl(&["get", "pods"]).unwrap();
    world.down().unwrap();
}

#[test]
fn two_worlds_run_at_once_and_each_takes_only_itself_away() {
    let machine = Machine::now();
    let (_one, first) = options("one");
    let (_two, second) = options("two");
    let (first, second) = thread::scope(|scope| {
        let other = scope.spawn(|| World::up(&second));
        (World::up(&first).unwrap(), other.join().unwrap().unwrap())
    });
    start_gpu_pod(&first);
    start_gpu_pod(&second);
    assert_ne!(first.node().unwrap().ip, second.node().unwrap().ip);
    let held = |world: &World| {
        devices(world)
            .into_iter()
            .map(|(id, _)| id)
            .collect::<BTreeSet<_>>()
    };
    assert!(held(&first).is_disjoint(&held(&second)));
    first
        .rpc(
            "anvil_setBalance",
            &json!(["0x000000000000000000000000000000000000beef", "0x1"]),
        )
        .unwrap();
    let other = second.rpc(
        "eth_getBalance",
        &json!(["0x000000000000000000000000000000000000beef", "latest"]),
    );
    assert_eq!(other.unwrap(), "0x0");

    let (traces, run_dir) = (Traces::of(first.state()), first.state().run_dir.clone());
    traces.assert_there();
    first.down().unwrap();
    traces.assert_gone();
    assert!(!run_dir.exists());

    assert_eq!(second.kubectl(&["logs", "gpu"]).unwrap().lines().count(), 1);
    second.kubectl(&["exec", "gpu", "--", "true"]).unwrap();
    let traces = Traces::of(second.state());
    second.down().unwrap();
    traces.assert_gone();
    assert_eq!(Machine::now(), machine);
}

#[test]
fn a_world_whose_value_is_dropped_is_taken_down_and_a_kept_one_can_be_found_again() {
    let (_folder, options) = options("kept");
    let options = Options {
        node: NodeChoice::Never,
        ..options
    };
    let mut world = World::up(&options).unwrap();
    let traces = Traces::of(world.state());
    world.keep();
    drop(world);
    traces.assert_there();

    let again = World::up(&options).unwrap();
    assert_eq!(
        again.state().rpc_url,
        World::attach(&options.run_dir).unwrap().state().rpc_url
    );
    again.down().unwrap();
    traces.assert_gone();

    let world = World::up(&options).unwrap();
    let traces = Traces::of(world.state());
    drop(world);
    traces.assert_gone();
}

#[test]
fn a_broken_part_is_named_with_the_end_of_its_log_and_only_logs_are_left() {
    let (folder, options) = options("broken");
    let plugin = folder.path().join("plugin");
    fs::write(&plugin, "#!/bin/sh\necho no driver on this machine >&2\nexit 1\n").unwrap();
    Command::new("chmod").arg("+x").arg(&plugin).status().unwrap();
    let error = World::up(&Options {
        device_plugin: Some(plugin),
        ..options.clone()
    })
    .unwrap_err();
    let Error::Part { part, log, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(part, "device-plugin");
    assert!(error.to_string().contains("no driver on this machine"), "{error}");
    assert!(log.exists());
    let left: Vec<PathBuf> = fs::read_dir(&options.run_dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [options.run_dir.join("logs")]);
    World::discard_logs(&options.run_dir).unwrap();
    assert!(!options.run_dir.exists());
}

#[test]
fn an_up_that_was_killed_half_way_is_cleaned_by_down() {
    let (_folder, options) = options("killed");
    // Prepared first, so that the time until the kill is spent on starting.
    let program = env!("CARGO_BIN_EXE_leaseport-world");
    let run_dir = format!("--run-dir={}", options.run_dir.display());
    assert!(
        Command::new(program)
            .arg("prepare")
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut up = Command::new(program)
        .args([&run_dir, "up", "--require-node"])
        .spawn()
        .unwrap();
    let state = eventually("a kubelet", || {
        WorldState::load(&options.run_dir)
            .ok()
            .filter(|state| state.part("kubelet").is_ok())
    });
    up.kill().unwrap();
    up.wait().unwrap();
    let traces = Traces::of(&state);
    traces.assert_there();
    let status = Command::new(program).args([&run_dir, "status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&status.stdout).contains("interrupted"));
    assert!(
        Command::new(program)
            .args([&run_dir, "down"])
            .status()
            .unwrap()
            .success()
    );
    traces.assert_gone();
    assert!(!options.run_dir.exists());
    let again = Command::new(program).args([&run_dir, "down"]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing to take down"));
}

#[test]
fn a_chain_of_the_users_that_does_not_answer_is_named() {
    let (_folder, options) = options("no-chain");
    let dead = Options {
        node: NodeChoice::Never,
        rpc_url: Some("http://127.0.0.1:1".into()),
        ..options
    };
    let error = World::up(&dead).unwrap_err().to_string();
    assert!(
        error.contains("LEASEPORT_RPC_URL") && error.contains("http://127.0.0.1:1"),
        "{error}"
    );
}

#[test]
fn a_cluster_of_the_users_that_is_not_there_is_named() {
    let (folder, options) = options("no-cluster");
    let nowhere = folder.path().join("kubeconfig");
    let error = World::up(&Options {
        kubeconfig: Some(nowhere),
        ..options
    })
    .unwrap_err()
    .to_string();
    assert!(error.contains("KUBECONFIG = "), "{error}");
}

#[test]
fn a_world_that_is_refused_leaves_no_folder() {
    let (_folder, options) = options("refused");
    let refused = Options {
        node: NodeChoice::Never,
        services: Services::KubeProxy,
        ..options
    };
    assert!(
        World::up(&refused)
            .unwrap_err()
            .to_string()
            .contains("kube-proxy")
    );
    assert!(!refused.run_dir.exists());
}

#[test]
fn the_users_cluster_and_chain_are_used_and_left_alone() {
    let (_folder, theirs) = options("theirs");
    let theirs = World::up(&Options {
        node: NodeChoice::Never,
        ..theirs
    })
    .unwrap();
    let (_other, ours) = options("ours");
    let ours = Options {
        kubeconfig: Some(theirs.kubeconfig().to_owned()),
        rpc_url: Some(theirs.rpc_url().to_owned()),
        ..ours
    };
    let world = World::up(&ours).unwrap();
    assert_eq!(world.state().lane, Lane::External);
    assert!(world.state().parts.is_empty());
    assert_eq!(world.state().apiserver_url, theirs.state().apiserver_url);
    world.kubectl(&["get", "nodes"]).unwrap();
    world.down_keeping(Keep::Nothing).unwrap();
    theirs.kubectl(&["get", "nodes"]).unwrap();
    rpc::call(theirs.rpc_url(), "eth_blockNumber", &json!([])).unwrap();
    theirs.down().unwrap();
}

/// What of the machine as a whole a world must not change.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    firewall: String,
    settings: Vec<String>,
}

impl Machine {
    fn now() -> Self {
        let firewall = Command::new("iptables")
            .args(["-t", "nat", "-S"])
            .output()
            .unwrap();
        let settings = [
            "net/ipv4/ip_forward",
            "vm/overcommit_memory",
            "vm/panic_on_oom",
            "kernel/panic",
            "kernel/panic_on_oops",
        ];
        Self {
            firewall: String::from_utf8_lossy(&firewall.stdout).into_owned(),
            settings: settings
                .iter()
                .map(|name| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap())
                .collect(),
        }
    }
}
