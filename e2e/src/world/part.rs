//! One long-running process of a world: how it starts in its own session, how it is seen to be ready, how it ends.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Error;
use super::state::WorldState;
use crate::{command, rpc};

const POLL: Duration = Duration::from_millis(50);
const SPAWN_TIMEOUT: Duration = Duration::from_secs(10);
const LOG_LINES: usize = 25;

/// One process of the world, running or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name, such as `kube-apiserver`.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub place: Place,
    /// How it is seen to be ready.
    pub ready: Ready,
    /// How it is asked to end.
    pub stop: Stop,
    /// Its output.
    pub log: PathBuf,
    /// The process as it was last started; none before the first start and after a stop.
    pub process: Option<Process>,
}

/// A process, told apart from a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot (field 22 of proc_pid_stat(5)).
    pub started: u64,
}

/// Where a part runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// As an ordinary process of this machine.
    Host,
    /// In the world's cgroup, in new mount and network namespaces that it holds open.
    Founder,
    /// In the world's cgroup and namespaces.
    Sandbox,
}

/// How a part is seen to be ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ready {
    /// Its process exists.
    Started,
    /// Its log holds this text.
    Logged(String),
    /// This command, run where the part runs, ends with 0.
    Answers(Vec<String>),
    /// An EVM node at this URL tells its block number.
    Chain(String),
}

/// How a part is asked to end; after a while it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Process {
    /// The process with that id, if there is one that has not ended.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self {
            pid,
            started: started(&stat)?,
        })
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Sends a signal if the process is still this one.
    pub(super) fn signal(&self, signal: Signal) {
        if self.alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            rustix::process::kill_process(pid, signal).ok();
        }
    }

    fn ended_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now();
        while self.alive() {
            if deadline.elapsed() > limit {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Kills the process and waits until it is gone.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
        self.ended_within(Duration::from_secs(5));
    }
}

/// When a process started, by its line of proc_pid_stat(5); none once it has ended. The state is that of its first thread alone: while others are
/// still on their way out, its ports are open.
fn started(stat: &str) -> Option<u64> {
    // The second field is the program's name in brackets and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    if matches!(state, "Z" | "X") && threads <= 1 {
        return None;
    }
    fields.nth(1)?.parse().ok()
}

impl Part {
    /// Whether its process runs.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.process.is_some_and(|process| process.alive())
    }

    /// Starts the process in a session of its own, so that it outlives this one, with its output in the log. The
    /// process writes its own id down before it becomes the part: there is no moment in which it is unknown.
    pub(super) fn start(&mut self, world: &WorldState) -> Result<(), Error> {
        let pid_file = world.run_dir.join("pids").join(&self.name);
        fs::remove_file(&pid_file).ok();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(super::file(&self.log))?;
        let errors = log.try_clone().map_err(super::file(&self.log))?;
        let cgroup = match self.place {
            Place::Host => String::new(),
            Place::Founder | Place::Sandbox => super::cgroup::parts_file(world)?.display().to_string(),
        };
        let mut command = Command::new("setsid");
        command
            .args(["--fork", "sh", "-c", ENTER, "leaseport-part"])
            .arg(&pid_file)
            .arg(cgroup)
            .args(entering(self.place, world)?)
            .args(&self.command)
            .env("PATH", command::search_path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let status = command.status().map_err(super::file(Path::new("setsid")))?;
        if !status.success() {
            return Err(self.failed("could not be started"));
        }
        let started = Instant::now();
        loop {
            let pid = fs::read_to_string(&pid_file)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid {
                self.process = Process::of(pid);
                if self.process.is_none() {
                    return Err(self.failed("ended at once"));
                }
                return Ok(());
            }
            if started.elapsed() > SPAWN_TIMEOUT {
                return Err(self.failed("did not start"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the part is ready.
    ///
    /// # Errors
    /// [`Error::Part`] with the end of its log if it ends or takes longer than `limit`.
    pub(super) fn wait_ready(&self, world: &WorldState, limit: Duration) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            if self.is_ready(world)? {
                return Ok(());
            }
            if !self.alive() {
                return Err(self.failed("ended"));
            }
            if started.elapsed() > limit {
                return Err(self.failed(&format!("is not ready after {} s", limit.as_secs())));
            }
            thread::sleep(POLL);
        }
    }

    fn is_ready(&self, world: &WorldState) -> Result<bool, Error> {
        Ok(match &self.ready {
            Ready::Started => self.alive(),
            Ready::Logged(text) => {
                fs::read(&self.log).is_ok_and(|log| String::from_utf8_lossy(&log).contains(text))
            }
            Ready::Answers(question) => run_in(self.place, world, question).is_ok(),
            Ready::Chain(url) => rpc::call(url, "eth_blockNumber", &json!([])).is_ok(),
        })
    }

    /// Asks the part to end, and kills it if it does not within `patience`.
    pub(super) fn stop(&mut self, patience: Duration) {
        let Some(process) = self.process.take() else {
            return;
        };
        process.signal(match self.stop {
            Stop::Terminate => Signal::TERM,
            Stop::Interrupt => Signal::INT,
        });
        if !process.ended_within(patience) {
            process.kill();
        }
    }

    /// Kills the part without asking.
    pub(super) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    fn failed(&self, why: &str) -> Error {
        Error::Part {
            part: self.name.clone(),
            why: why.to_owned(),
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }
}

/// Run by `sh`: writes the process id, joins the cgroup, becomes the part.
const ENTER: &str = r#"
pidfile=$1; cgroup=$2; shift 2
if [ -n "$cgroup" ]; then echo $$ > "$cgroup" || exit 71; fi
echo $$ > "$pidfile.new" && mv "$pidfile.new" "$pidfile" || exit 71
exec "$@"
"#;

fn entering(place: Place, world: &WorldState) -> Result<Vec<String>, Error> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Ok(match place {
        Place::Host => Vec::new(),
        Place::Founder => words(&["unshare", "--mount", "--net", "--propagation", "private"]),
        Place::Sandbox => {
            let founder = super::sandbox::founder(world)?;
            words(&[
                "nsenter",
                "--target",
                &founder.pid.to_string(),
                "--mount",
                "--net",
                "--",
            ])
        }
    })
}

/// Runs a command to its end where parts of that place run.
pub(super) fn run_in(place: Place, world: &WorldState, arguments: &[String]) -> Result<String, Error> {
    let line = joining(place, world, arguments)?;
    let Some((program, arguments)) = line.split_first() else {
        return Ok(String::new());
    };
    Ok(command::run(program, arguments)?)
}

/// The command line with which a command joins the world's cgroup and namespaces. A guest that outlives the one who
/// sent it would hold the namespaces open; in the cgroup it is found and ended with the rest.
pub(super) fn joining(place: Place, world: &WorldState, arguments: &[String]) -> Result<Vec<String>, Error> {
    let mut line = match place {
        Place::Host => Vec::new(),
        Place::Founder | Place::Sandbox => {
            let cgroup = super::cgroup::parts_file(world)?.display().to_string();
            JOIN.into_iter()
                .chain([cgroup.as_str()])
                .map(str::to_owned)
                .collect()
        }
    };
    line.extend(entering(place, world)?);
    line.extend_from_slice(arguments);
    Ok(line)
}

const JOIN: [&str; 4] = [
    "sh",
    "-c",
    r#"echo $$ > "$1" || exit 71; shift; exec "$@""#,
    "leaseport-guest",
];

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> String {
    let mut content = Vec::new();
    File::open(log)
        .and_then(|mut file| file.read_to_end(&mut content))
        .ok();
    command::last_lines(&String::from_utf8_lossy(&content), LOG_LINES)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_process_has_ended_when_its_last_thread_has_and_not_with_its_first() {
        let line = |state: &str, threads: u8| {
            format!("7 (a) b) {state} 1 7 7 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 {threads} 0 870824 1 2 3")
        };
        assert_eq!(started(&line("S", 9)), Some(870_824));
        assert_eq!(started(&line("Z", 4)), Some(870_824), "its ports are still open");
        for ended in ["Z", "X"] {
            assert_eq!(started(&line(ended, 1)), None);
        }
        assert_eq!(started("7 (a"), None);
    }

    #[test]
    fn this_process_is_alive_and_a_later_one_with_its_id_would_not_be_taken_for_it() {
        let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.alive());
        assert!(
            !Process {
                started: own.started + 1,
                ..own
            }
            .alive()
        );
    }

    #[test]
    fn an_ended_child_is_not_alive_even_before_it_is_collected() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = Instant::now();
        while Process::of(pid).is_some() && started.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(Process::of(pid), None);
        child.wait().unwrap();
    }
}
