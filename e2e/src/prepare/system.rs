//! Programs that come from the machine's own distribution. Installed only as root and only on Debian's family;
//! elsewhere they are named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Error, Missing, Need, run_long};
use crate::command;
use crate::progress::Progress;

/// What the node takes from the distribution: how to see that it is there, and its Debian package.
struct Requirement {
    present: fn() -> bool,
    what: &'static str,
    package: &'static str,
}

const FOR_A_NODE: &[Requirement] = &[
    Requirement {
        present: || has("containerd") && has("ctr"),
        what: "containerd",
        package: "containerd",
    },
    Requirement {
        present: || has("runc"),
        what: "runc",
        package: "runc",
    },
    Requirement {
        present: || cni_folder().is_some(),
        what: "CNI plugins bridge, host-local, portmap",
        package: "containernetworking-plugins",
    },
    Requirement {
        present: || has("conntrack"),
        what: "conntrack",
        package: "conntrack",
    },
    Requirement {
        present: || has("iptables"),
        what: "iptables",
        package: "iptables",
    },
    Requirement {
        present: || has("ip"),
        what: "ip",
        package: "iproute2",
    },
    Requirement {
        present: || static_busybox().is_some(),
        what: "a statically linked busybox",
        package: "busybox-static",
    },
    Requirement {
        present: || ["unshare", "nsenter", "setsid"].into_iter().all(has),
        what: "unshare, nsenter, setsid",
        package: "util-linux",
    },
    Requirement {
        present: || has("mount") && has("umount"),
        what: "mount",
        package: "mount",
    },
];

const FOR_IMAGES: &[Requirement] = &[
    Requirement {
        present: || has("buildah"),
        what: "buildah",
        package: "buildah",
    },
    Requirement {
        present: || has("strip"),
        what: "strip",
        package: "binutils",
    },
    Requirement {
        present: || Path::new(CERTIFICATES).is_file(),
        what: "certificates of public authorities",
        package: "ca-certificates",
    },
];

const FOR_A_BACKUP: &[Requirement] = &[Requirement {
    present: || has("jq"),
    what: "jq",
    package: "jq",
}];

const FOR_SIGHT: &[Requirement] = &[Requirement {
    present: || has("prometheus"),
    what: "Prometheus",
    package: "prometheus",
}];

/// The certificates that go into images.
pub(crate) const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

fn has(program: &str) -> bool {
    command::find(program).is_some()
}

/// The folder of the CNI plugins: Debian's, or the one upstream archives unpack to.
pub(crate) fn cni_folder() -> Option<PathBuf> {
    ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"]
        .into_iter()
        .map(PathBuf::from)
        .find(|folder| {
            ["bridge", "host-local", "portmap", "loopback"]
                .iter()
                .all(|plugin| folder.join(plugin).is_file())
        })
}

/// A busybox that runs in an image without a C library.
pub(crate) fn static_busybox() -> Option<PathBuf> {
    const PROGRAM_HEADERS: usize = 4096;
    const INTERPRETER: &[u8] = b"/ld-";
    command::find("busybox").filter(|path| {
        // A dynamically linked program names its interpreter near the start of the file.
        fs::read(path).is_ok_and(|content| {
            let start = content.get(..PROGRAM_HEADERS).unwrap_or(&content);
            !start
                .windows(INTERPRETER.len())
                .any(|window| window == INTERPRETER)
        })
    })
}

/// Installs what can be installed; returns what a person has to.
pub(super) fn prepare(
    cache: &Path,
    needs: &BTreeSet<Need>,
    progress: Progress,
) -> Result<Vec<Missing>, Error> {
    let mut wanted: Vec<&Requirement> = Vec::new();
    if needs.contains(&Need::Node) || needs.contains(&Need::KubeProxy) {
        wanted.extend(FOR_A_NODE);
    }
    if needs.contains(&Need::Backup) {
        wanted.extend(FOR_A_BACKUP);
    }
    if needs.contains(&Need::Prometheus) {
        wanted.extend(FOR_SIGHT);
    }
    if needs.contains(&Need::Image) {
        wanted.extend(FOR_IMAGES);
    }
    if wanted.is_empty() {
        return Ok(if has("setsid") {
            Vec::new()
        } else {
            vec![named("setsid", "util-linux")]
        });
    }
    let absent = || {
        wanted
            .iter()
            .copied()
            .filter(|requirement| !(requirement.present)())
            .collect::<Vec<_>>()
    };
    let before = absent();
    if before.is_empty() {
        return Ok(Vec::new());
    }
    if rustix::process::geteuid().is_root() && has("apt-get") {
        let packages: Vec<&str> = before.iter().map(|requirement| requirement.package).collect();
        install(cache, &packages, progress)?;
    }
    Ok(absent()
        .iter()
        .map(|requirement| named(requirement.what, requirement.package))
        .collect())
}

fn named(what: &str, package: &str) -> Missing {
    Missing {
        what: what.into(),
        remedy: format!("install it (Debian and Ubuntu: `apt-get install {package}`)"),
    }
}

fn install(cache: &Path, packages: &[&str], progress: Progress) -> Result<(), Error> {
    let what = format!("apt-get install {}", packages.join(" "));
    let log = cache.join("build-packages.log");
    let mut install = apt();
    install
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages);
    if run_long(&what, &log, progress, &mut install).is_ok() {
        return Ok(());
    }
    // A machine made from an image often has no package lists, or old ones.
    run_long("apt-get update", &log, progress, apt().arg("update"))?;
    let mut again = apt();
    again
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages);
    run_long(&what, &log, progress, &mut again)
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    // Only the programs are wanted: no service of a package is to start here.
    command.envs([
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("RUNLEVEL", "1"),
        ("SYSTEMD_OFFLINE", "1"),
    ]);
    command
}
