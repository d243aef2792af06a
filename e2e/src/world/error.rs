//! Everything that can go wrong with a world, told so that the person at the machine knows what to do.

use std::path::PathBuf;

use crate::command;
use crate::prepare::{self, Missing};

/// Why a world could not be started, used or taken away.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part did not start, did not become ready or ended.
    #[error("{part} {why}; the end of {log}:\n{tail}", log = .log.display())]
    Part {
        /// The part's name.
        part: String,
        /// What went wrong.
        why: String,
        /// Its whole output.
        log: PathBuf,
        /// The end of its output.
        tail: String,
    },
    /// A part that something else needs does not run.
    #[error("{0} is not running; `leaseport-world status` shows what is, `leaseport-world up` starts anew")]
    NotRunning(String),
    /// There is no part of that name.
    #[error("no part `{name}` in this world; there are: {known}")]
    NoPart {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The world has no real node.
    #[error(
        "this world has no real node (lane kwok-only or external), so it has no containers, logs or devices"
    )]
    NoNode,
    /// The world's cluster is the user's.
    #[error("this needs the world's own cluster, but KUBECONFIG names the user's")]
    NotOwnCluster,
    /// The machine can't have the node that is required.
    #[error("a real node is required but this machine can't have one:\n{}", .0.iter().map(|one| format!("  - {one}")).collect::<Vec<_>>().join("\n"))]
    NodeImpossible(Vec<Missing>),
    /// There is no world in that folder.
    #[error("no world in {}; start one with `leaseport-world up`", .0.display())]
    NoWorld(PathBuf),
    /// Another process starts the same world.
    #[error("another `leaseport-world up` works in {}; wait for it, or choose another --name", .0.display())]
    Busy(PathBuf),
    /// An option does not fit.
    #[error("{option} = `{value}`: {remedy}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it was.
        value: String,
        /// What it should be.
        remedy: String,
    },
    /// `world.json` cannot be read or written.
    #[error("{}: {source}; if it cannot be repaired, end its processes by hand and remove the folder", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No cgroup hierarchy is mounted.
    #[error(
        "no cgroup hierarchy under /sys/fs/cgroup; a real node needs one (in a container: run it with --privileged)"
    )]
    NoCgroups,
    /// All numbers for a world's networks are taken.
    #[error(
        "10.240.1.0/24 to 10.240.255.0/24 are all in use; take down a world or a network of this machine"
    )]
    NoFreeNetwork,
    /// Something of the world is still there after `down`.
    #[error("left behind: {what}")]
    Left {
        /// What it is.
        what: String,
    },
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// What the world runs could not be made ready.
    #[error(transparent)]
    Prepare(#[from] prepare::Error),
    /// A program that was to run to its end failed.
    #[error(transparent)]
    Command(#[from] command::Error),
}
