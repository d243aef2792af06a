//! Makes everything ready that the world runs: system packages, Go programs, the chain. What is there is left alone,
//! what is missing is installed or built, and what cannot be is named together with the remedy.

mod chain;
mod definitions;
mod go;
mod schemas;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::progress::Progress;
pub use definitions::Definitions;
pub(crate) use system::{CERTIFICATES, cni_folder, static_busybox};

/// A part of the world that needs preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// kubectl.
    Client,
    /// etcd, the API server, the controller manager and the scheduler.
    ControlPlane,
    /// kubelet, containerd, runc, the CNI plugins, the device plugin and the images. Needs root.
    Node,
    /// kube-proxy, for Service addresses on the node. Needs root.
    KubeProxy,
    /// kwok, for nodes that exist in the API only.
    Kwok,
    /// anvil.
    Chain,
    /// buildah and what goes into images built from the Dockerfile. Needs root.
    Image,
    /// helm 4, to install the chart.
    Helm,
    /// helm 3, kubeconform, schemas, and definitions of other projects' kinds, to test the chart.
    Chart,
    /// jq, which the scripts of deploy/backup use.
    Backup,
    /// Prometheus, which scrapes the operator and evaluates its alerts.
    Prometheus,
    /// What looks at workflows and at the manifest for krew before they are published.
    Publishing,
}

impl Need {
    /// Everything there is.
    pub const ALL: [Self; 12] = [
        Self::Client,
        Self::ControlPlane,
        Self::Node,
        Self::KubeProxy,
        Self::Kwok,
        Self::Chain,
        Self::Image,
        Self::Helm,
        Self::Chart,
        Self::Backup,
        Self::Prometheus,
        Self::Publishing,
    ];
}

/// Something that is not there and that [`prepare`] could not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is.
    pub what: String,
    /// What the person at the machine can do about it.
    pub remedy: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.what, self.remedy)
    }
}

/// Why the world could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Prerequisites are missing; all of them are listed at once.
    #[error("missing on this machine:\n{}", list(.0))]
    Missing(Vec<Missing>),
    /// A build or an installation failed.
    #[error("{what} failed after {seconds} s; the end of {log}:\n{tail}", log = .log.display())]
    Build {
        /// What was built or installed.
        what: String,
        /// How long it had run, in seconds.
        seconds: u64,
        /// The whole output.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The environment asks for a Kubernetes that is not pinned here.
    #[error("LEASEPORT_KUBERNETES = {asked:?} is none of {known}: name one of these, or none for the first")]
    Kubernetes {
        /// What it asks for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// A file of the cache could not be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that prepare uses failed.
    #[error(transparent)]
    Command(#[from] crate::command::Error),
    /// The cache was asked for something that was not prepared.
    #[error("{0} has not been prepared; run `leaseport-world prepare --all`")]
    NotPrepared(String),
}

fn list(missing: &[Missing]) -> String {
    missing
        .iter()
        .map(|one| format!("  - {one}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What [`prepare`] leaves: where each program is.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    programs: BTreeMap<&'static str, PathBuf>,
    kwok_stages: Vec<PathBuf>,
    schemas: Option<PathBuf>,
    definitions: Option<Definitions>,
}

impl Tools {
    /// The folder of JSON Schemas of Kubernetes' own kinds.
    ///
    /// # Errors
    /// [`Error::NotPrepared`] if [`Need::Chart`] was not among what was asked for.
    pub fn schemas(&self) -> Result<&Path, Error> {
        self.schemas
            .as_deref()
            .ok_or_else(|| Error::NotPrepared("the schemas of Kubernetes".to_owned()))
    }

    /// Definitions of kinds that other projects bring.
    ///
    /// # Errors
    /// [`Error::NotPrepared`] if [`Need::Chart`] was not among what was asked for.
    pub fn definitions(&self) -> Result<&Definitions, Error> {
        self.definitions
            .as_ref()
            .ok_or_else(|| Error::NotPrepared("the definitions of other projects' kinds".to_owned()))
    }

    /// The path of a program that was built or installed into the cache, such as `kubectl`.
    ///
    /// # Errors
    /// [`Error::NotPrepared`] if it was not among what was asked for.
    pub fn program(&self, name: &str) -> Result<&Path, Error> {
        self.programs
            .get(name)
            .map(PathBuf::as_path)
            .ok_or_else(|| Error::NotPrepared(name.to_owned()))
    }

    /// All programs by name.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.programs.iter().map(|(name, path)| (*name, path.as_path()))
    }

    /// kwok's own stage files, without which it exits.
    #[must_use]
    pub fn kwok_stages(&self) -> &[PathBuf] {
        &self.kwok_stages
    }
}

/// The cache's folder: `LEASEPORT_CACHE`, or `leaseport` in the user's cache folder.
#[must_use]
pub fn cache_folder() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("LEASEPORT_CACHE").unwrap_or_else(|| {
        set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("leaseport")
    })
}

/// The version of the Kubernetes that worlds are made of, such as `1.36.3`; `LEASEPORT_KUBERNETES` asks for another one, such as `1.35`.
///
/// # Errors
/// [`Error::Kubernetes`] if that one is not pinned.
pub fn kubernetes_version() -> Result<&'static str, Error> {
    go::kubernetes_version()
}

/// Prepares what is needed and returns where it is. Warm it only looks. Two calls at once take turns.
///
/// # Errors
/// [`Error::Missing`] with everything a person has to install, or [`Error::Build`] with the end of the failed log.
pub fn prepare(cache: &Path, needs: &BTreeSet<Need>, progress: Progress) -> Result<Tools, Error> {
    let cache = &std::path::absolute(cache).map_err(file(cache))?;
    fs::create_dir_all(cache).map_err(file(cache))?;
    let _turn = take_turn(cache, progress)?;
    let mut missing = system::prepare(cache, needs, progress)?;
    if needs.contains(&Need::Chain) {
        missing.extend(chain::missing(cache));
    }
    missing.extend(go::missing(cache, needs)?);
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    let mut tools = go::prepare(cache, needs, progress)?;
    if needs.contains(&Need::Chain) {
        tools.programs.insert("anvil", chain::prepare(cache, progress)?);
    }
    Ok(tools)
}

/// An exclusive lock on the cache for as long as the returned file is open.
fn take_turn(cache: &Path, progress: Progress) -> Result<File, Error> {
    let path = cache.join("lock");
    let lock = File::create(&path).map_err(file(&path))?;
    if lock.try_lock().is_err() {
        progress.say(&format!(
            "waiting for another prepare that holds {}",
            path.display()
        ));
        lock.lock().map_err(file(&path))?;
    }
    Ok(lock)
}

/// Fills one entry of the cache: `fill` writes into a fresh folder that takes its final name only when all is there,
/// so that an interrupted build leaves nothing that looks finished.
fn entry(
    cache: &Path,
    name: &str,
    key: &str,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let done = entry_path(cache, name, key);
    if done.is_dir() {
        return Ok(done);
    }
    let partial = cache.join(format!(".partial-{name}"));
    remove(&partial)?;
    fs::create_dir_all(&partial).map_err(file(&partial))?;
    fill(&partial)?;
    fs::rename(&partial, &done).map_err(file(&done))?;
    Ok(done)
}

fn entry_path(cache: &Path, name: &str, key: &str) -> PathBuf {
    cache.join(format!("{name}-{}", key.get(..12).unwrap_or(key)))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file(folder)(error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file(folder))?;
    }
    fs::write(path, content).map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

/// Runs a long command with its output in a log and a sign of life now and then.
fn run_long(
    what: &str,
    log: &Path,
    progress: Progress,
    command: &mut std::process::Command,
) -> Result<(), Error> {
    const SIGN_OF_LIFE_SECONDS: u64 = 20;
    const POLL: std::time::Duration = std::time::Duration::from_millis(50);

    let output = File::create(log).map_err(file(log))?;
    let errors = output.try_clone().map_err(file(log))?;
    let started = Instant::now();
    progress.say(&format!("{what} …"));
    let mut child = command
        .env("PATH", crate::command::search_path())
        .stdin(std::process::Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(file(Path::new(command.get_program())))?;
    let mut next = SIGN_OF_LIFE_SECONDS;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(file(log))? {
            break status;
        }
        std::thread::sleep(POLL);
        if started.elapsed().as_secs() >= next {
            progress.say(&format!("{what} … {next} s so far"));
            next = next.saturating_add(SIGN_OF_LIFE_SECONDS);
        }
    };
    if status.success() {
        progress.say(&format!(
            "{what}: done in {:.1} s",
            started.elapsed().as_secs_f64()
        ));
        return Ok(());
    }
    let tail = crate::command::last_lines(&String::from_utf8_lossy(&fs::read(log).unwrap_or_default()), 20);
    Err(Error::Build {
        what: what.into(),
        seconds: started.elapsed().as_secs(),
        log: log.into(),
        tail,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_failed_fill_leaves_nothing_that_looks_finished() {
        let cache = tempfile::tempdir().unwrap();
        let failed = entry(cache.path(), "tool", "0123456789abcdef", |folder| {
            write(&folder.join("half"), b"x")?;
            Err(Error::NotPrepared("x".into()))
        });
        assert!(failed.is_err());
        assert!(!entry_path(cache.path(), "tool", "0123456789abcdef").exists());
    }

    #[test]
    fn a_finished_entry_is_not_filled_again() {
        let cache = tempfile::tempdir().unwrap();
        let fill = |content: &'static [u8]| {
            entry(cache.path(), "tool", "0123456789abcdef", |folder| {
                write(&folder.join("tool"), content)
            })
            .unwrap()
        };
        fill(b"first");
        assert_eq!(fs::read(fill(b"second").join("tool")).unwrap(), b"first");
    }

    #[test]
    fn a_failed_build_shows_the_end_of_its_log() {
        let cache = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "echo undefined: Frobnicate >&2; exit 1"]);
        let error = run_long(
            "build of x",
            &cache.path().join("log"),
            Progress::Quiet,
            &mut command,
        )
        .unwrap_err();
        assert!(error.to_string().contains("undefined: Frobnicate"), "{error}");
    }

    #[test]
    fn all_that_is_missing_is_listed_at_once() {
        let one = |what: &str| Missing {
            what: what.into(),
            remedy: "install it".into(),
        };
        let text = Error::Missing(vec![one("go"), one("npm")]).to_string();
        assert!(
            text.contains("go: install it") && text.contains("npm: install it"),
            "{text}"
        );
    }
}
