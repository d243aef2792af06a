//! What a world is asked to be, and which lane this machine can give. Deciding is pure: facts in, lane out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::prepare::{Missing, Need};
use crate::progress::Progress;

/// What [`crate::World::up`] starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The world's name: letters, digits and `-`. It names the run folder.
    pub name: String,
    /// Where everything of this world is kept; `.leaseport/<name>` if not given.
    pub run_dir: PathBuf,
    /// Where prepared programs are kept.
    pub cache: PathBuf,
    /// Whether a real node is wanted.
    pub node: NodeChoice,
    /// How many nodes kwok keeps alive besides.
    pub kwok_nodes: u32,
    /// Whether Service addresses work.
    pub services: Services,
    /// GPUs of the real node.
    pub gpus: u32,
    /// More images for the node, each a `docker save` archive.
    pub images: Vec<PathBuf>,
    /// A cluster of the user's, used instead of an own one.
    pub kubeconfig: Option<PathBuf>,
    /// A chain of the user's, used instead of an own one.
    pub rpc_url: Option<String>,
    /// A device plugin to run instead of the stub, such as NVIDIA's own.
    pub device_plugin: Option<PathBuf>,
    /// Where progress goes.
    pub progress: Progress,
}

/// Whether a real node is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChoice {
    /// A real node where the machine can have one, kwok nodes elsewhere.
    IfPossible,
    /// A real node, or an error that says what is missing.
    Required,
    /// kwok nodes only.
    Never,
}

/// Whether Service addresses work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Services {
    /// kube-proxy runs on the node.
    KubeProxy,
    /// Service addresses lead nowhere; pods are reached by their own.
    Off,
}

impl Options {
    /// The defaults, under `.leaseport/<name>` of the current folder, changed by the environment:
    /// `LEASEPORT_RPC_URL`, `LEASEPORT_DEVICE_PLUGIN`, `LEASEPORT_CACHE`, and `KUBECONFIG` if
    /// `LEASEPORT_USE_KUBECONFIG=1`.
    #[must_use]
    pub fn from_env(name: &str) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let use_kubeconfig =
            set("LEASEPORT_USE_KUBECONFIG").is_some_and(|value| value == "1" || value == "true");
        Self {
            name: name.into(),
            run_dir: default_run_dir(name),
            cache: crate::prepare::cache_folder(),
            node: NodeChoice::IfPossible,
            kwok_nodes: 0,
            services: Services::Off,
            gpus: 8,
            images: Vec::new(),
            kubeconfig: set("KUBECONFIG").filter(|_| use_kubeconfig).map(PathBuf::from),
            rpc_url: set("LEASEPORT_RPC_URL"),
            device_plugin: set("LEASEPORT_DEVICE_PLUGIN").map(PathBuf::from),
            progress: Progress::lines(),
        }
    }

    /// Refuses what only a real node can do where there is none.
    ///
    /// # Errors
    /// [`Error::Option`] with the option's name.
    pub(super) fn check(&self, lane: Lane) -> Result<(), Error> {
        let refuse = |option: &'static str, value: String| {
            let remedy = "this needs a real node, which this world does not have".to_owned();
            Err(Error::Option {
                option,
                value,
                remedy,
            })
        };
        match lane {
            Lane::Node => Ok(()),
            Lane::KwokOnly | Lane::External if self.services == Services::KubeProxy => {
                refuse("kube-proxy", "on".into())
            }
            Lane::KwokOnly | Lane::External => match self.images.first() {
                Some(image) => refuse("image", image.display().to_string()),
                None => Ok(()),
            },
        }
    }

    /// What has to be prepared for this world on that lane.
    #[must_use]
    pub fn needs(&self, lane: Lane) -> BTreeSet<Need> {
        let mut needs = BTreeSet::from([Need::Client]);
        match lane {
            Lane::Node => {
                needs.extend([Need::ControlPlane, Need::Node]);
                if self.services == Services::KubeProxy {
                    needs.insert(Need::KubeProxy);
                }
                if self.kwok_nodes > 0 {
                    needs.insert(Need::Kwok);
                }
            }
            Lane::KwokOnly => needs.extend([Need::ControlPlane, Need::Kwok]),
            Lane::External => {}
        }
        if self.rpc_url.is_none() {
            needs.insert(Need::Chain);
        }
        needs
    }
}

/// Where a world of that name is kept, from the current folder.
#[must_use]
pub fn default_run_dir(name: &str) -> PathBuf {
    Path::new(".leaseport").join(name)
}

/// What kind of cluster a world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// An own control plane and a real node in namespaces of their own.
    Node,
    /// An own control plane on loopback, with nodes that kwok keeps.
    KwokOnly,
    /// The user's cluster.
    External,
}

/// What of the machine decides the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Whether the effective user is root.
    pub root: bool,
    /// The effective capabilities, as in `CapEff` of `/proc/self/status` (capabilities(7)).
    pub capabilities: u64,
}

impl Machine {
    /// Looks at this process.
    #[must_use]
    pub fn look() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let capabilities = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
            .unwrap_or_default();
        Self {
            root: rustix::process::geteuid().is_root(),
            capabilities,
        }
    }

    /// What keeps this machine from having a real node.
    #[must_use]
    pub fn lacks(&self) -> Vec<Missing> {
        const NET_ADMIN: u32 = 12;
        const SYS_ADMIN: u32 = 21;
        let one = |what: &str, remedy: &str| Missing {
            what: what.into(),
            remedy: remedy.into(),
        };
        if !self.root {
            return vec![one(
                "root",
                "a real node needs it for namespaces, mounts and cgroups; run as root or by sudo",
            )];
        }
        [(SYS_ADMIN, "CAP_SYS_ADMIN"), (NET_ADMIN, "CAP_NET_ADMIN")]
            .into_iter()
            .filter(|(bit, _)| self.capabilities & (1 << bit) == 0)
            .map(|(_, name)| {
                one(
                    name,
                    "this root is confined; in a container run it with --privileged",
                )
            })
            .collect()
    }
}

/// The lane, and what keeps the machine from a better one.
///
/// # Errors
/// If a real node is required and the machine can't have one: what is missing.
pub fn choose_lane(options: &Options, machine: Machine) -> Result<(Lane, Vec<Missing>), Vec<Missing>> {
    if options.kubeconfig.is_some() {
        return Ok((Lane::External, Vec::new()));
    }
    let lacks = machine.lacks();
    match options.node {
        NodeChoice::Never => Ok((Lane::KwokOnly, Vec::new())),
        NodeChoice::IfPossible | NodeChoice::Required if lacks.is_empty() => Ok((Lane::Node, lacks)),
        NodeChoice::IfPossible => Ok((Lane::KwokOnly, lacks)),
        NodeChoice::Required => Err(lacks),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const USER: Machine = Machine {
        root: false,
        capabilities: 0,
    };
    const ROOT: Machine = Machine {
        root: true,
        capabilities: u64::MAX,
    };

    fn options(node: NodeChoice) -> Options {
        Options {
            node,
            kubeconfig: None,
            rpc_url: None,
            ..Options::from_env("test")
        }
    }

    #[test]
    fn without_root_there_are_kwok_nodes_and_a_word_about_root() {
        let (lane, lacks) = choose_lane(&options(NodeChoice::IfPossible), USER).unwrap();
        assert_eq!(lane, Lane::KwokOnly);
        assert_eq!(lacks[0].what, "root");
    }

    #[test]
    fn a_required_node_without_root_is_refused_with_the_reason() {
        assert_eq!(
            choose_lane(&options(NodeChoice::Required), USER).unwrap_err()[0].what,
            "root"
        );
    }

    #[test]
    fn a_root_without_namespaces_is_told_which_capability_it_lacks() {
        let confined = Machine {
            root: true,
            capabilities: 1 << 12,
        };
        let (lane, lacks) = choose_lane(&options(NodeChoice::IfPossible), confined).unwrap();
        assert_eq!(lane, Lane::KwokOnly);
        assert_eq!(
            lacks.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(),
            ["CAP_SYS_ADMIN"]
        );
    }

    #[test]
    fn root_gets_a_real_node_and_kwok_is_not_built_for_it() {
        let options = options(NodeChoice::IfPossible);
        assert_eq!(choose_lane(&options, ROOT).unwrap(), (Lane::Node, Vec::new()));
        assert!(!options.needs(Lane::Node).contains(&Need::Kwok));
        assert!(!options.needs(Lane::Node).contains(&Need::KubeProxy));
    }

    #[test]
    fn services_and_images_without_a_real_node_are_refused_by_name() {
        let services = Options {
            services: Services::KubeProxy,
            ..options(NodeChoice::Never)
        };
        assert!(
            services
                .check(Lane::KwokOnly)
                .unwrap_err()
                .to_string()
                .contains("kube-proxy")
        );
        let image = Options {
            images: vec!["app.tar".into()],
            ..options(NodeChoice::Never)
        };
        assert!(
            image
                .check(Lane::External)
                .unwrap_err()
                .to_string()
                .contains("app.tar")
        );
        assert!(image.check(Lane::Node).is_ok());
    }

    #[test]
    fn beside_the_users_cluster_and_chain_only_kubectl_is_needed() {
        let options = Options {
            kubeconfig: Some("/home/user/.kube/config".into()),
            rpc_url: Some("http://127.0.0.1:1".into()),
            ..options(NodeChoice::Required)
        };
        let (lane, _) = choose_lane(&options, USER).unwrap();
        assert_eq!(lane, Lane::External);
        assert_eq!(options.needs(lane), BTreeSet::from([Need::Client]));
    }
}
