//! The real node: containerd, kubelet, a device plugin and, if Services are to work, kube-proxy, all inside the
//! world's sandbox and so in the folders they have by custom.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Error;
use super::control_plane::{component, kubectl, log, part, program};
use super::gpus::{Health, gpu_labels, inventory, write_inventory};
use super::options::Options;
use super::part::{Part, Place, Ready, Stop, run_in};
use super::pki::{Authority, Credential, Identity, kubeconfig};
use super::state::{Node, Sandbox, WorldState};
use crate::image;
use crate::prepare::{Tools, cni_folder, static_busybox};

/// The node's name in the cluster.
pub(super) const NAME: &str = "gpu-node";
/// containerd's socket, as seen inside the sandbox.
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The node's identity and configuration files.
pub(super) fn configure(
    world: &WorldState,
    sandbox: &Sandbox,
    node: &Node,
    authority: &Authority,
) -> Result<(), Error> {
    let pki = world.run_dir.join("pki");
    let user = format!("system:node:{}", node.name);
    let serves = [node.name.as_str(), node.ip.as_str(), "127.0.0.1"];
    authority.issue(&Identity {
        file: "node",
        user: &user,
        group: Some("system:nodes"),
        serves: &serves,
    })?;
    authority.issue(&Identity {
        file: "proxy",
        user: "system:kube-proxy",
        group: None,
        serves: &[],
    })?;
    for (file, certificate) in [("kubelet", "node"), ("kube-proxy", "proxy")] {
        let credential = Credential::Certificate(certificate);
        kubeconfig(
            &component(world, file),
            &pki,
            &world.apiserver_url,
            "default",
            &credential,
        )?;
    }

    let folder = world.run_dir.join("node");
    for (name, content) in [
        ("containerd.toml", containerd_config(&folder)),
        ("cni-config/10-leaseport.conflist", cni_config(sandbox)),
        ("kubelet.yaml", kubelet_config(sandbox, node, &pki)),
        (
            "kube-proxy.yaml",
            proxy_config(sandbox, node, &component(world, "kube-proxy")),
        ),
    ] {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(super::file(parent))?;
        }
        fs::write(&path, content).map_err(super::file(&path))?;
    }
    let healthy: Vec<(String, Health)> = node.gpus.iter().map(|id| (id.clone(), Health::Healthy)).collect();
    write_inventory(&inventory(world), &healthy)
}

fn containerd_config(folder: &Path) -> String {
    let plugins = cni_folder().unwrap_or_else(|| PathBuf::from("/opt/cni/bin"));
    let (folder, plugins) = (folder.display(), plugins.display());
    // overlayfs does not stack on overlayfs, which is what a container's own root is.
    let on_overlay = crate::command::run("stat", ["-f", "-c", "%T", &folder.to_string()])
        .is_ok_and(|kind| kind.trim().starts_with("overlay"));
    let snapshotter = if on_overlay { "native" } else { "overlayfs" };
    // restrict_oom_score_adj: without CAP_SYS_RESOURCE a pod's wish for a lower score would keep it from starting.
    format!(
        r#"version = 2
root = "{folder}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni-config"
"#,
        pause = image::PAUSE,
    )
}

fn cni_config(sandbox: &Sandbox) -> String {
    let config = json!({
        "cniVersion": "1.0.0",
        "name": "leaseport-pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/var/lib/cni/networks",
                    "ranges": [[{ "subnet": sandbox.pod_subnet }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    format!("{config:#}\n")
}

fn kubelet_config(sandbox: &Sandbox, node: &Node, pki: &Path) -> String {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        // Since 1.35 the default refuses cgroup version 1, which many machines still have.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", sandbox.cgroup),
        "enforceNodeAllocatable": ["pods"],
        "failSwapOn": false,
        // No cluster DNS runs here: pods take the resolver of none.
        "resolvConf": "",
        "address": node.ip,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": pki.join("ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": pki.join("node.crt"),
        "tlsPrivateKeyFile": pki.join("node.key"),
        // Absolute and low: this machine's disk and memory are not the node's alone.
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "100Mi", "imagefs.available": "100Mi" },
        // Images come from archives; one that is collected could not be had again.
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        // A lost GPU shows in the node's status at the next update.
        "nodeStatusUpdateFrequency": "1s",
    });
    format!("{config:#}\n")
}

fn proxy_config(sandbox: &Sandbox, node: &Node, kubeconfig: &Path) -> String {
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": sandbox.pod_subnet,
        "hostnameOverride": node.name,
        "clientConnection": { "kubeconfig": kubeconfig },
        // Limits of the whole machine, which are not this node's to set.
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    });
    format!("{config:#}\n")
}

/// The container runtime.
pub(super) fn containerd(world: &WorldState) -> Part {
    let config = world.run_dir.join("node").join("containerd.toml");
    Part {
        name: "containerd".into(),
        command: vec!["containerd".into(), format!("--config={}", config.display())],
        place: Place::Sandbox,
        ready: Ready::Answers(ctr(&["version"])),
        stop: Stop::Terminate,
        log: log(&world.log_dir, "containerd"),
        process: None,
    }
}

/// The line of a `ctr` that sees what the kubelet sees.
pub(super) fn ctr(arguments: &[&str]) -> Vec<String> {
    ["ctr", "--address", SOCKET, "--namespace", "k8s.io"]
        .iter()
        .chain(arguments)
        .map(|&word| word.into())
        .collect()
}

/// The kubelet; ready when its node is.
pub(super) fn kubelet(world: &WorldState, node: &Node) -> Part {
    let labels = gpu_labels(node.gpu_count);
    let labels = labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect::<Vec<_>>()
        .join(",");
    let name = format!("node/{}", node.name);
    let ready = Ready::Answers(kubectl(
        world,
        &["wait", "--for=condition=Ready", "--timeout=1s", &name],
    ));
    part(
        world,
        Place::Sandbox,
        "kubelet",
        ready,
        vec![
            format!(
                "--config={}",
                world.run_dir.join("node").join("kubelet.yaml").display()
            ),
            format!("--kubeconfig={}", component(world, "kubelet").display()),
            format!("--hostname-override={}", node.name),
            format!("--node-ip={}", node.ip),
            format!("--node-labels={labels}"),
            "--v=2".into(),
        ],
    )
}

/// The device plugin; ready when the node offers GPUs.
pub(super) fn device_plugin(world: &WorldState, node: &Node, own: Option<&Path>) -> Part {
    let offered = format!(
        r"--for=jsonpath={{.status.allocatable.nvidia\.com/gpu}}={}",
        node.gpu_count
    );
    let any = r"--for=jsonpath={.status.allocatable.nvidia\.com/gpu}";
    let condition = if own.is_some() { any } else { &offered };
    let ready = Ready::Answers(kubectl(
        world,
        &["wait", condition, "--timeout=1s", &format!("node/{}", node.name)],
    ));
    let command = match own {
        Some(path) => vec![path.display().to_string()],
        None => vec![
            program(world, "deviceplugin"),
            format!("--inventory={}", inventory(world).display()),
        ],
    };
    Part {
        name: "device-plugin".into(),
        command,
        place: Place::Sandbox,
        ready,
        stop: Stop::Terminate,
        log: log(&world.log_dir, "device-plugin"),
        process: None,
    }
}

/// kube-proxy.
pub(super) fn proxy(world: &WorldState) -> Part {
    let healthy = ["sh", "-c", "iptables -t nat -S KUBE-SERVICES"]
        .map(str::to_owned)
        .to_vec();
    let config = world.run_dir.join("node").join("kube-proxy.yaml");
    part(
        world,
        Place::Sandbox,
        "kube-proxy",
        Ready::Answers(healthy),
        vec![format!("--config={}", config.display())],
    )
}

/// Packs the images every world has and loads them and the given ones into the node.
pub(super) fn load_images(world: &WorldState, tools: &Tools, options: &Options) -> Result<(), Error> {
    let folder = world.run_dir.join("images");
    fs::create_dir_all(&folder).map_err(super::file(&folder))?;
    let pause = folder.join("pause.tar");
    image::pause(tools.program("pause")?)
        .write(&pause)
        .map_err(super::file(&pause))?;
    let busybox = folder.join("busybox.tar");
    if let Some(program) = static_busybox() {
        let listed = crate::command::run(&program.display().to_string(), ["--list"])?;
        let applets: Vec<String> = listed.lines().map(str::to_owned).collect();
        image::busybox(&program, &applets)
            .write(&busybox)
            .map_err(super::file(&busybox))?;
    }
    for archive in [pause, busybox].iter().chain(&options.images) {
        load_image(world, archive)?;
    }
    Ok(())
}

/// Loads one `docker save` archive into the node.
pub(super) fn load_image(world: &WorldState, archive: &Path) -> Result<(), Error> {
    let archive = std::path::absolute(archive).map_err(super::file(archive))?;
    run_in(
        Place::Sandbox,
        world,
        &ctr(&["images", "import", &archive.display().to_string()]),
    )?;
    Ok(())
}
