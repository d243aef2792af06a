//! What a world has written down about itself: enough to find it, to look after it and to take all of it away again,
//! from another process and after a crash. It is written before anything it names exists.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::options::Lane;
use super::part::Part;

const FILE: &str = "world.json";

/// The content of `world.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldState {
    /// The world's name.
    pub name: String,
    /// Its folder, absolute.
    pub run_dir: PathBuf,
    /// How far `up` has come.
    pub phase: Phase,
    /// What kind of cluster it has.
    pub lane: Lane,
    /// An administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The API server, such as `https://10.240.1.2:6443`; empty for the user's own cluster.
    pub apiserver_url: String,
    /// The API server's address as host and port, for a proxy in front of it.
    pub apiserver_addr: String,
    /// The chain's JSON-RPC over HTTP.
    pub rpc_url: String,
    /// The chain's JSON-RPC over WebSocket; empty if the user's chain is not http(s).
    pub ws_url: String,
    /// Links to every program this world runs, and kubectl.
    pub bin_dir: PathBuf,
    /// One log a part.
    pub log_dir: PathBuf,
    /// The API server's audit log (one JSON event a line).
    pub audit_log: PathBuf,
    /// The namespaces, network and cgroup of a world with a real node.
    pub sandbox: Option<Sandbox>,
    /// The real node.
    pub node: Option<Node>,
    /// How many kwok nodes there are.
    pub kwok_nodes: u32,
    /// Every process that was started, in order.
    pub parts: Vec<Part>,
}

/// How far `up` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not all parts are known to work yet, or `up` was interrupted.
    Starting,
    /// All parts were ready.
    Up,
}

/// The corner of the machine that a world with a real node has to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// The number that keeps this world's names and networks apart from another's.
    pub number: u8,
    /// The cgroup everything of it is in, relative to each hierarchy's root.
    pub cgroup: String,
    /// The host's end of the link into the world.
    pub link: String,
    /// The host's address on that link, reachable from pods.
    pub host_ip: String,
    /// The node's address, reachable from the host and from pods.
    pub node_ip: String,
    /// Where pods get their addresses, routed from the host.
    pub pod_subnet: String,
    /// Where Services get theirs, routed from the host.
    pub service_subnet: String,
}

/// The real node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name in the cluster.
    pub name: String,
    /// Its address.
    pub ip: String,
    /// How many GPUs its labels tell of.
    pub gpu_count: u32,
    /// The ids of its GPUs, `GPU-<uuid>`; empty if another device plugin than the stub serves them.
    pub gpus: Vec<String>,
}

impl WorldState {
    /// Reads the state of the world in `run_dir`.
    ///
    /// # Errors
    /// [`Error::NoWorld`] if there is none, [`Error::State`] if it cannot be read.
    pub fn load(run_dir: &Path) -> Result<Self, Error> {
        let path = run_dir.join(FILE);
        let content = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoWorld(run_dir.to_owned()));
            }
            other => other.map_err(super::file(&path))?,
        };
        serde_json::from_slice(&content).map_err(|source| Error::State { path, source })
    }

    /// Writes the state; a reader sees the old or the new one, never half of one.
    pub(super) fn save(&self) -> Result<(), Error> {
        let path = self.run_dir.join(FILE);
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::State {
            path: path.clone(),
            source,
        })?;
        super::write_atomically(&path, &text)
    }

    /// The part of that name.
    ///
    /// # Errors
    /// [`Error::NoPart`] with the names there are.
    pub fn part(&self, name: &str) -> Result<&Part, Error> {
        self.parts
            .iter()
            .find(|part| part.name == name)
            .ok_or_else(|| Error::NoPart {
                name: name.to_owned(),
                known: self
                    .parts
                    .iter()
                    .map(|part| part.name.clone())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}
