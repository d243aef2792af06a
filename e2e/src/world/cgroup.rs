//! The cgroup that holds every process of a world with a real node: joining it makes a process this world's, and
//! reading it finds them all again, whoever started them. Handles version 1 and version 2 of the interface
//! (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Error;
use super::part::Process;
use super::state::{Sandbox, WorldState};

const ROOT: &str = "/sys/fs/cgroup";
/// Where the world's own processes are; pods have a cgroup beside it.
const PARTS: &str = "parts";

fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The root of every hierarchy: one in version 2, one a controller in version 1. On a hybrid machine a version 2
/// hierarchy without controllers is among them, into which container runtimes put processes too.
fn hierarchies() -> Vec<PathBuf> {
    if unified() {
        return vec![ROOT.into()];
    }
    let mut found: Vec<PathBuf> = fs::read_dir(ROOT)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    found.sort();
    found
}

/// The hierarchy in which processes are kept track of.
fn tracking() -> Result<PathBuf, Error> {
    let found = hierarchies();
    found
        .iter()
        .find(|path| path.ends_with("pids"))
        .or(found.first())
        .cloned()
        .ok_or(Error::NoCgroups)
}

/// Takes the cgroup of that name; `false` if another world has it.
pub(super) fn claim(name: &str) -> Result<bool, Error> {
    let path = tracking()?.join(name);
    match fs::create_dir(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(super::file(&path)(error)),
    }
}

/// Makes the claimed cgroup usable for the kubelet, in every hierarchy.
pub(super) fn furnish(sandbox: &Sandbox) -> Result<(), Error> {
    for hierarchy in hierarchies() {
        let own = hierarchy.join(&sandbox.cgroup);
        fs::create_dir_all(&own).map_err(super::file(&own))?;
        // In version 1 a new cpuset is empty, and no process can join an empty one.
        for limit in ["cpuset.cpus", "cpuset.mems"] {
            if !unified()
                && let Ok(inherited) = fs::read(hierarchy.join(limit))
            {
                fs::write(own.join(limit), inherited).map_err(super::file(&own))?;
            }
        }
        if unified() {
            let controllers = fs::read_to_string(hierarchy.join("cgroup.controllers")).unwrap_or_default();
            for controller in controllers.split_whitespace() {
                // A controller that cannot be handed down is named by the kubelet if it needs it.
                fs::write(hierarchy.join("cgroup.subtree_control"), format!("+{controller}")).ok();
                fs::write(own.join("cgroup.subtree_control"), format!("+{controller}")).ok();
            }
        }
    }
    let parts = tracking()?.join(&sandbox.cgroup).join(PARTS);
    fs::create_dir_all(&parts).map_err(super::file(&parts))
}

/// The file a process writes its id to in order to join.
pub(super) fn parts_file(world: &WorldState) -> Result<PathBuf, Error> {
    let sandbox = world.sandbox.as_ref().ok_or(Error::NoNode)?;
    Ok(tracking()?.join(&sandbox.cgroup).join(PARTS).join("cgroup.procs"))
}

/// Every process in the cgroup and below, in any hierarchy.
pub(super) fn processes(sandbox: &Sandbox) -> Vec<Process> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        for folder in tree(&hierarchy.join(&sandbox.cgroup)) {
            let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(
                listed
                    .lines()
                    .filter_map(|line| line.trim().parse().ok())
                    .filter_map(Process::of),
            );
        }
    }
    found
}

/// Kills whatever is left in the cgroup, until nothing is.
pub(super) fn kill_all(sandbox: &Sandbox) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let left = processes(sandbox);
        if left.is_empty() {
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(15) {
            let pids = left
                .iter()
                .map(|process| process.pid.to_string())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Error::Left {
                what: format!("processes {pids} of cgroup {}", sandbox.cgroup),
            });
        }
        for process in left {
            process.signal(Signal::KILL);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Removes the cgroup in every hierarchy, deepest first.
pub(super) fn remove(sandbox: &Sandbox) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let mut left = None;
        for hierarchy in hierarchies() {
            for folder in tree(&hierarchy.join(&sandbox.cgroup)) {
                match fs::remove_dir(&folder) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => left = Some(folder),
                    _ => {}
                }
            }
        }
        let Some(folder) = left else { return Ok(()) };
        // The kernel lets go of a cgroup a moment after its last process.
        if started.elapsed() > Duration::from_secs(10) {
            return Err(Error::Left {
                what: format!("cgroup {}", folder.display()),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether anything of the cgroup is there.
pub(super) fn exists(name: &str) -> bool {
    hierarchies()
        .iter()
        .any(|hierarchy| hierarchy.join(name).exists())
}

/// A folder and all below it, deepest first.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        }
    }
    if folder.is_dir() {
        found.push(folder.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_tree_is_listed_with_its_leaves_first() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        let listed = tree(root.path());
        assert_eq!(listed.first().unwrap(), &root.path().join("a/b"));
        assert_eq!(listed.last().unwrap(), root.path());
    }
}
