//! The corner of the machine that a world with a real node has to itself: a mount namespace and a network namespace,
//! held open by one process, and a link to the host. Mounts, bridges, iptables rules and kernel settings that the
//! node's parts make stay inside, so that the machine's own are never touched and all of it ends with its last process.

use std::fs;
use std::path::Path;

use super::Error;
use super::part::{Place, Process, run_in};
use super::state::{Sandbox, WorldState};
use crate::command;

/// The name of the part that holds the namespaces.
pub(super) const FOUNDER: &str = "sandbox";

/// Picks a number that no other world and no network of this machine has, and takes it by its cgroup.
pub(super) fn claim() -> Result<Sandbox, Error> {
    let addresses = command::run("ip", ["-4", "-o", "addr", "show"])?;
    let routes = command::run("ip", ["-4", "route", "show"])?;
    for number in 1..=u8::MAX {
        let sandbox = Sandbox::numbered(number);
        if sandbox.meets(&addresses) || sandbox.meets(&routes) || super::cgroup::exists(&sandbox.cgroup) {
            continue;
        }
        if super::cgroup::claim(&sandbox.cgroup)? {
            return Ok(sandbox);
        }
    }
    Err(Error::NoFreeNetwork)
}

impl Sandbox {
    fn numbered(number: u8) -> Self {
        Self {
            number,
            cgroup: format!("leaseport-{number}"),
            link: format!("leaseport{number}"),
            host_ip: format!("10.240.{number}.1"),
            node_ip: format!("10.240.{number}.2"),
            pod_subnet: format!("10.244.{number}.0/24"),
            service_subnet: format!("10.96.{number}.0/24"),
        }
    }

    /// Whether one of its networks occurs in the output of `ip`.
    fn meets(&self, listing: &str) -> bool {
        let number = self.number;
        [
            format!("10.240.{number}."),
            format!("10.244.{number}."),
            format!("10.96.{number}."),
        ]
        .iter()
        .any(|prefix| {
            listing
                .split_whitespace()
                .any(|word| word.starts_with(prefix.as_str()))
        })
    }

    /// The first Service address, which the API server gives to itself.
    pub(super) fn first_service_ip(&self) -> String {
        format!("10.96.{}.1", self.number)
    }
}

/// The process that holds the namespaces.
pub(super) fn founder(world: &WorldState) -> Result<Process, Error> {
    let part = world.part(FOUNDER)?;
    part.process
        .filter(Process::alive)
        .ok_or_else(|| Error::NotRunning(FOUNDER.to_owned()))
}

/// Lays out the inside: own folders where the node's parts have theirs by custom, and the link to the host.
pub(super) fn furnish(world: &WorldState, sandbox: &Sandbox) -> Result<(), Error> {
    let founder = founder(world)?;
    wait_for_namespaces(founder)?;
    let node = world.run_dir.join("node");
    let kernel = node.join("kernel");
    fs::create_dir_all(&kernel).map_err(super::file(&kernel))?;
    for (setting, value) in KERNEL_SETTINGS {
        let path = kernel.join(setting.rsplit('/').next().unwrap_or(setting));
        fs::write(&path, format!("{value}\n")).map_err(super::file(&path))?;
    }
    let inside = |script: &str| {
        let line = ["sh", "-euc", script, "leaseport-sandbox"].map(str::to_owned);
        let node = node.display().to_string();
        run_in(
            Place::Sandbox,
            world,
            &line.into_iter().chain([node]).collect::<Vec<_>>(),
        )
    };
    inside(LAYOUT)?;
    for (setting, _) in KERNEL_SETTINGS {
        let name = setting.rsplit('/').next().unwrap_or(setting);
        inside(&format!("mount --bind \"$1/kernel/{name}\" {setting}"))?;
    }

    let ip = |line: &str| command::run("ip", line.split_whitespace());
    let Sandbox {
        link,
        host_ip,
        node_ip,
        pod_subnet,
        service_subnet,
        ..
    } = sandbox;
    ip(&format!(
        "link add {link} type veth peer name eth0 netns {}",
        founder.pid
    ))?;
    ip(&format!("addr add {host_ip}/24 dev {link}"))?;
    ip(&format!("link set {link} up"))?;
    inside(&format!(
        "ip link set lo up; ip addr add {node_ip}/24 dev eth0; ip link set eth0 up; \
         ip route add default via {host_ip}; echo 1 > /proc/sys/net/ipv4/ip_forward"
    ))?;
    ip(&format!("route add {pod_subnet} via {node_ip} dev {link}"))?;
    ip(&format!("route add {service_subnet} via {node_ip} dev {link}"))?;
    raise_watch_limit();
    Ok(())
}

/// Settings of the whole machine that a kubelet changes without asking; it gets files of its own instead.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("/proc/sys/vm/overcommit_memory", "1"),
    ("/proc/sys/vm/panic_on_oom", "0"),
    ("/proc/sys/kernel/panic", "10"),
    ("/proc/sys/kernel/panic_on_oops", "1"),
    ("/proc/sys/kernel/keys/root_maxkeys", "1000000"),
    ("/proc/sys/kernel/keys/root_maxbytes", "25000000"),
];

/// The kubelet needs mounts to spread from one peer to another, and device plugins have a fixed folder.
const LAYOUT: &str = r#"
mount --make-rshared /
mount -t tmpfs -o mode=755 leaseport /run
mkdir -p /run/lock /run/netns
for pair in kubelet:/var/lib/kubelet cni:/var/lib/cni log:/var/log; do
  own="$1/${pair%%:*}"; at="${pair#*:}"
  mkdir -p "$own" "$at"
  mount --bind "$own" "$at"
  mount --make-shared "$at"
done
"#;

/// `unshare` has not necessarily run by the time its process exists.
fn wait_for_namespaces(founder: Process) -> Result<(), Error> {
    let namespace = |process: &str, kind: &str| fs::read_link(format!("/proc/{process}/ns/{kind}")).ok();
    let pid = founder.pid.to_string();
    for _ in 0..500 {
        let new = |kind| namespace(&pid, kind).is_some_and(|other| Some(other) != namespace("self", kind));
        // Between the two steps of unshare, and before it makes mounts private, the program is still unshare.
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        if new("net") && new("mnt") && program.ends_with("pause") {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(Error::NotRunning(FOUNDER.to_owned()))
}

/// Every kubelet and containerd watches many files; the limit is one for the whole machine and low by default.
fn raise_watch_limit() {
    const WANTED: u32 = 1024;
    let path = Path::new("/proc/sys/fs/inotify/max_user_instances");
    let have: u32 = fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(WANTED);
    if have < WANTED {
        fs::write(path, WANTED.to_string()).ok();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_network_of_the_machine_is_not_taken() {
        let routes = "default via 192.0.2.1 dev eth0\n10.244.3.0/24 dev flannel.1 scope link\n";
        assert!(Sandbox::numbered(3).meets(routes));
        assert!(!Sandbox::numbered(4).meets(routes));
        assert!(!Sandbox::numbered(30).meets(routes));
    }

    #[test]
    fn names_of_links_fit_the_kernels_fifteen_characters() {
        assert!(Sandbox::numbered(u8::MAX).link.len() <= 15);
    }
}
