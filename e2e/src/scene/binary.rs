//! The program under test: where it lies, or building it once, and running one verb of it to its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The `leaseport` binary and the home folder its verbs see.
#[derive(Clone, Debug)]
pub struct Leaseport {
    path: PathBuf,
    home: PathBuf,
}

/// A verb that said no.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its exit status in words.
    pub status: String,
    /// What it wrote to standard error.
    pub said: String,
}

/// The root of the workspace.
pub(super) fn workspace() -> PathBuf {
    let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
    e2e.parent().unwrap_or(e2e).to_owned()
}

impl Leaseport {
    /// The binary that `LEASEPORT_BIN` names, or the one cargo builds from the workspace.
    ///
    /// # Errors
    /// There is no such file, or the build failed.
    pub fn find(home: &Path) -> Result<Self> {
        let path = match std::env::var_os("LEASEPORT_BIN").filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => build()?,
        };
        if !path.is_file() {
            bail!(
                "LEASEPORT_BIN = {}: no such file; name the leaseport binary or leave it unset",
                path.display()
            );
        }
        Ok(Self {
            path,
            home: home.to_owned(),
        })
    }

    /// Where the binary lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a verb and returns what it printed.
    ///
    /// # Errors
    /// It exits with another status than 0; the error is what it said.
    pub fn run<I, S>(&self, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command(arguments);
        let output = output(&mut command)?;
        if !output.status.success() {
            bail!(
                "{} ended with {}: {}",
                line(&command),
                output.status,
                text(&output.stderr)
            );
        }
        Ok(text(&output.stdout))
    }

    /// Runs a verb and reads what it printed as JSON.
    ///
    /// # Errors
    /// As [`Leaseport::run`], or it printed something else.
    pub fn json<I, S>(&self, arguments: I) -> Result<Value>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let printed = self.run(arguments)?;
        serde_json::from_str(&printed).with_context(|| format!("not JSON: {printed}"))
    }

    /// Runs a verb that must say no.
    ///
    /// # Errors
    /// It did what it was asked.
    pub fn refusal<I, S>(&self, arguments: I) -> Result<Refused>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command(arguments);
        let output = output(&mut command)?;
        if output.status.success() {
            bail!(
                "{} should have been refused, but printed: {}",
                line(&command),
                text(&output.stdout)
            );
        }
        Ok(Refused {
            status: output.status.to_string(),
            said: text(&output.stderr),
        })
    }

    /// The verb as a command, in an environment that says nothing of the caller's own markets and clusters.
    pub fn command<I, S>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(&self.path);
        command.args(arguments).env_clear().env("HOME", &self.home);
        for kept in ["PATH", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command
    }
}

/// Builds the binary as the caller was built (profile and target folder) and finds out where it lies.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "-q", "-p", "leaseport", "--bin", "leaseport"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace())
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().context("cargo")?;
    if !output.status.success() {
        bail!("the leaseport binary could not be built: {}", output.status);
    }
    text(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "leaseport")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo named no executable for leaseport")
}

fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
