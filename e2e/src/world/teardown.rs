//! Takes a world away: processes in the order that lets none restart another, then what they leave, then the folder.
//! It goes by what the world wrote down and by its cgroup, never by a program's name, and can be run again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::part::{Part, Process};
use super::state::{Sandbox, WorldState};
use super::{Error, cgroup};
use crate::command;
use crate::progress::Progress;

/// What of the world's folder stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The logs.
    Logs,
}

/// Takes the world down.
pub(super) fn down(world: &WorldState, keep: Keep, progress: Progress) -> Result<(), Error> {
    let started = Instant::now();
    // Last started, first killed: the device plugin and the kubelet before containerd, so that nothing is started
    // anew, and the holder of the namespaces at the very end.
    for part in world.parts.iter().rev() {
        if let Some(process) = process_of(world, part) {
            process.kill();
        }
    }
    if let Some(sandbox) = &world.sandbox {
        // What containerd had started goes on without it.
        cgroup::kill_all(sandbox)?;
        remove_link(sandbox)?;
        unmount_below(&world.run_dir)?;
        cgroup::remove(sandbox)?;
    }
    remove_files(world, keep)?;
    progress.say(&format!(
        "world `{}` is down after {:.1} s",
        world.name,
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The part's process; also if `up` was interrupted between starting it and writing that down.
fn process_of(world: &WorldState, part: &Part) -> Option<Process> {
    part.process.or_else(|| {
        let pid: i32 = fs::read_to_string(world.run_dir.join("pids").join(&part.name))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let program = line.split(|byte| *byte == 0).next()?;
        // The id may be another process's by now.
        (program == part.command.first()?.as_bytes()).then(|| Process::of(pid))?
    })
}

/// The link goes with the network namespace, but the kernel takes its time over that.
fn remove_link(sandbox: &Sandbox) -> Result<(), Error> {
    let path = Path::new("/sys/class/net").join(&sandbox.link);
    let started = Instant::now();
    while path.exists() {
        if let Err(error) = command::run("ip", ["link", "delete", &sandbox.link])
            && path.exists()
            && started.elapsed() > Duration::from_secs(10)
        {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Mounts stay in the world's own namespace; whatever is found outside was put there by hand.
fn unmount_below(folder: &Path) -> Result<(), Error> {
    let mut mounts = mounts_below(
        &fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
        folder,
    );
    mounts.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    for mount in mounts {
        command::run("umount", [&mount])?;
    }
    Ok(())
}

fn mounts_below(mountinfo: &str, folder: &Path) -> Vec<PathBuf> {
    // The fifth field is the mount point (proc_pid_mountinfo(5)).
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|path| path.starts_with(folder))
        .collect()
}

/// Removes the folder of a world that never was: one in which nothing but the lock has been put.
pub(super) fn forget(run_dir: &Path) {
    if WorldState::load(run_dir).is_err() {
        fs::remove_file(run_dir.join("lock")).ok();
        fs::remove_dir(run_dir).ok();
        remove_empty_parent(run_dir);
    }
}

/// Removes the logs that a failed `up` left in a folder without a world. Anything else there is not a world's and stays.
pub(super) fn discard_logs(run_dir: &Path) -> Result<(), Error> {
    remove(&run_dir.join("logs"))?;
    forget(run_dir);
    Ok(())
}

fn remove_empty_parent(run_dir: &Path) {
    if let Some(parent) = run_dir.parent()
        && parent.ends_with(".leaseport")
    {
        // Fails, as it should, while another world is in it.
        fs::remove_dir(parent).ok();
    }
}

fn remove_files(world: &WorldState, keep: Keep) -> Result<(), Error> {
    let run_dir = &world.run_dir;
    match keep {
        Keep::Nothing => remove(run_dir)?,
        Keep::Logs => {
            for entry in fs::read_dir(run_dir).into_iter().flatten().filter_map(Result::ok) {
                if entry.path() != world.log_dir {
                    remove(&entry.path())?;
                }
            }
        }
    }
    remove_empty_parent(run_dir);
    Ok(())
}

fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(super::file(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn only_mounts_of_the_worlds_own_folder_are_unmounted() {
        let table = "36 35 98:0 / /srv/w rw - tmpfs t rw\n37 35 0:1 / /srv/w/node/shm rw - tmpfs t rw\n\
                     38 35 0:2 / /srv/world2 rw - tmpfs t rw\n";
        let found = mounts_below(table, Path::new("/srv/w"));
        assert_eq!(found, [PathBuf::from("/srv/w"), PathBuf::from("/srv/w/node/shm")]);
    }
}
