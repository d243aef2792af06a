//! A whole world on one machine: a control plane, a node with GPUs, a chain. `up` starts it and waits until each part
//! is ready, `down` takes all of it away again. It runs real programs and knows nothing of what is tested on them.

mod access;
mod cgroup;
mod chain;
mod control_plane;
mod error;
mod gpus;
mod kwok;
mod node;
mod options;
mod part;
mod pki;
mod ports;
mod sandbox;
mod start;
mod state;
mod teardown;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::Error;
pub use gpus::Health;
pub use options::{Lane, Machine, NodeChoice, Options, Services, choose_lane, default_run_dir};
pub use part::{Part, Place, Process, Ready, Stop};
pub use state::{Node, Phase, Sandbox, WorldState};
pub use teardown::Keep;

use crate::prepare;
use crate::progress::Progress;

/// How long a part may take until it is ready; a cold machine reads 600 MB of programs from its disk first.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a part may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A world that runs.
#[derive(Debug)]
pub struct World {
    state: WorldState,
    progress: Progress,
    tenure: Tenure,
}

/// What happens to the world when its value is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenure {
    /// It is taken down.
    Owned,
    /// It goes on.
    Kept,
}

impl World {
    /// Starts a world and waits until all of it is ready. If one of that name runs already, that one is returned; if
    /// the rest of one is there, it is taken away first. On an error nothing is left but the logs.
    ///
    /// # Errors
    /// [`Error::Part`] names the part that failed and shows the end of its log; [`Error::Prepare`] lists what is
    /// missing on the machine.
    pub fn up(options: &Options) -> Result<Self, Error> {
        check_name(&options.name)?;
        let run_dir = std::path::absolute(&options.run_dir).map_err(file(&options.run_dir))?;
        check_run_dir(&run_dir)?;
        let turn = take_turn(&run_dir)?;
        let result = Self::up_in(run_dir.clone(), options);
        if result.is_err() {
            teardown::forget(&run_dir);
        }
        drop(turn);
        result
    }

    fn up_in(run_dir: PathBuf, options: &Options) -> Result<Self, Error> {
        let progress = options.progress;
        match WorldState::load(&run_dir) {
            Ok(state) if state.phase == Phase::Up && state.parts.iter().all(Part::alive) => {
                progress.say(&format!("world `{}` runs already", state.name));
                return Ok(Self {
                    state,
                    progress,
                    tenure: Tenure::Kept,
                });
            }
            Ok(state) => {
                progress.say(&format!(
                    "world `{}` is there in parts; taking it down first",
                    state.name
                ));
                teardown::down(&state, Keep::Nothing, progress)?;
                fs::create_dir_all(&run_dir).map_err(file(&run_dir))?;
            }
            Err(Error::NoWorld(_)) => {}
            Err(error) => return Err(error),
        }

        let (lane, lacks) = choose_lane(options, Machine::look()).map_err(Error::NodeImpossible)?;
        if lane == Lane::KwokOnly && !lacks.is_empty() {
            progress.say(
                "no real node on this machine, only nodes that kwok keeps (no logs, no exec, no devices):",
            );
            for one in &lacks {
                progress.say(&format!("  - {one}"));
            }
        }
        options.check(lane)?;
        let tools = prepare::prepare(&options.cache, &options.needs(lane), progress)?;
        let mut world = Self {
            state: new_state(options, run_dir, lane)?,
            progress,
            tenure: Tenure::Owned,
        };
        if let Err(error) = world.start(options, &tools) {
            world.tenure = Tenure::Kept;
            if let Err(more) = teardown::down(&world.state, Keep::Logs, progress) {
                progress.say(&format!("and taking down what had started failed: {more}"));
            }
            return Err(error);
        }
        Ok(world)
    }

    /// The world that another process has started in `run_dir`. It goes on when the value is dropped.
    ///
    /// # Errors
    /// [`Error::NoWorld`] if there is none.
    pub fn attach(run_dir: &Path) -> Result<Self, Error> {
        let run_dir = std::path::absolute(run_dir).map_err(file(run_dir))?;
        Ok(Self {
            state: WorldState::load(&run_dir)?,
            progress: Progress::Quiet,
            tenure: Tenure::Kept,
        })
    }

    /// Removes what a failed `up` left in a folder that has no world: its logs.
    ///
    /// # Errors
    /// [`Error::File`] if they cannot be removed.
    pub fn discard_logs(run_dir: &Path) -> Result<(), Error> {
        match WorldState::load(run_dir) {
            Err(Error::NoWorld(_)) => teardown::discard_logs(run_dir),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Lets the world go on when this value is dropped.
    pub fn keep(&mut self) {
        self.tenure = Tenure::Kept;
    }

    /// Takes the world down. Nothing of it is left: no process, mount, namespace, link, cgroup, nor its folder.
    ///
    /// # Errors
    /// [`Error::Left`] with what could not be removed.
    pub fn down(self) -> Result<(), Error> {
        self.down_keeping(Keep::Nothing)
    }

    /// Takes the world down and says what of its folder stays.
    ///
    /// # Errors
    /// As [`World::down`].
    pub fn down_keeping(mut self, keep: Keep) -> Result<(), Error> {
        self.tenure = Tenure::Kept;
        teardown::down(&self.state, keep, self.progress)
    }

    /// All that is known of the world.
    #[must_use]
    pub fn state(&self) -> &WorldState {
        &self.state
    }

    /// An administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.state.kubeconfig
    }

    /// The chain's JSON-RPC over HTTP.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        &self.state.rpc_url
    }

    /// The chain's JSON-RPC over WebSocket.
    #[must_use]
    pub fn ws_url(&self) -> &str {
        &self.state.ws_url
    }

    /// The real node.
    ///
    /// # Errors
    /// [`Error::NoNode`] on the other lanes.
    pub fn node(&self) -> Result<&Node, Error> {
        self.state.node.as_ref().ok_or(Error::NoNode)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        match self.tenure {
            Tenure::Kept => {}
            Tenure::Owned => {
                if let Err(error) = teardown::down(&self.state, Keep::Nothing, self.progress) {
                    self.progress
                        .say(&format!("world `{}`: {error}", self.state.name));
                }
            }
        }
    }
}

fn new_state(options: &Options, run_dir: PathBuf, lane: Lane) -> Result<WorldState, Error> {
    let kubeconfig = match &options.kubeconfig {
        Some(path) => std::path::absolute(path).map_err(file(path))?,
        None => run_dir.join("kubeconfig"),
    };
    let log_dir = run_dir.join("logs");
    Ok(WorldState {
        name: options.name.clone(),
        phase: Phase::Starting,
        lane,
        kubeconfig,
        apiserver_url: String::new(),
        apiserver_addr: String::new(),
        rpc_url: String::new(),
        ws_url: String::new(),
        bin_dir: run_dir.join("bin"),
        audit_log: log_dir.join("audit.log"),
        log_dir,
        sandbox: None,
        node: None,
        // Without a real node there has to be something to schedule on.
        kwok_nodes: if lane == Lane::KwokOnly {
            options.kwok_nodes.max(1)
        } else {
            options.kwok_nodes
        },
        parts: Vec::new(),
        run_dir,
    })
}

/// Keeps a second `up` out of the same folder for as long as the returned file is open.
fn take_turn(run_dir: &Path) -> Result<fs::File, Error> {
    fs::create_dir_all(run_dir).map_err(file(run_dir))?;
    let path = run_dir.join("lock");
    let lock = fs::File::create(&path).map_err(file(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => Err(Error::Busy(run_dir.to_owned())),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !name.is_empty() && name.len() <= 40 && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::Option {
        option: "name",
        value: name.to_owned(),
        remedy: "1 to 40 letters, digits and `-`".into(),
    })
}

/// A world hides these folders of the machine behind its own; its files may not be there.
fn check_run_dir(run_dir: &Path) -> Result<(), Error> {
    let hidden = ["/run", "/var/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni"];
    if let Some(folder) = hidden.iter().find(|folder| run_dir.starts_with(folder)) {
        return Err(Error::Option {
            option: "run-dir",
            value: run_dir.display().to_string(),
            remedy: format!("a folder that is not under {folder}, which every node has for itself"),
        });
    }
    Ok(())
}

/// Writes a file so that a reader sees the old or the new content, never half of one.
fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file(folder))?;
    }
    let new = path.with_extension("new");
    fs::write(&new, content).map_err(file(&new))?;
    fs::rename(&new, path).map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_name_that_is_no_folder_name_is_refused() {
        assert!(check_name("test-1").is_ok());
        for name in ["", "a/b", "..", "a b"] {
            assert!(
                check_name(name).unwrap_err().to_string().contains("name = "),
                "{name}"
            );
        }
    }

    #[test]
    fn a_run_folder_that_the_node_would_hide_is_refused() {
        assert!(check_run_dir(Path::new("/home/user/.leaseport/default")).is_ok());
        assert!(
            check_run_dir(Path::new("/run/user/0/world"))
                .unwrap_err()
                .to_string()
                .contains("/run")
        );
    }

    #[test]
    fn a_folder_without_a_world_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(World::attach(folder.path()), Err(Error::NoWorld(_))));
    }
}
