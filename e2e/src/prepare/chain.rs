//! anvil, from npm with a committed lock file. The package's own launcher exits 0 when the program fails, so the
//! native binary is used.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Error, Missing, entry, entry_path, run_long, write};
use crate::command;
use crate::image::hex;
use crate::progress::Progress;

const FILES: &[(&str, &str)] = &[
    ("package.json", include_str!("../../tools/anvil/package.json")),
    (
        "package-lock.json",
        include_str!("../../tools/anvil/package-lock.json"),
    ),
    (".npmrc", include_str!("../../tools/anvil/.npmrc")),
];

fn key() -> String {
    let text: String = FILES
        .iter()
        .map(|(name, content)| format!("{name}\n{content}\n"))
        .collect();
    hex(text.as_bytes())
}

/// What stands in the way of having anvil: another machine than the pinned package is for, or no npm.
pub(super) fn missing(cache: &Path) -> Option<Missing> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(Missing {
            what: format!("anvil for {}", std::env::consts::ARCH),
            remedy: "start a chain of your own and set LEASEPORT_RPC_URL to it".into(),
        });
    }
    if entry_path(cache, "anvil", &key()).is_dir() || command::find("npm").is_some() {
        return None;
    }
    Some(Missing {
        what: "npm".into(),
        remedy: "install Node.js 20 or later with npm (https://nodejs.org, or your distribution's packages)"
            .into(),
    })
}

/// Installs anvil into the cache and returns the native binary.
pub(super) fn prepare(cache: &Path, progress: Progress) -> Result<PathBuf, Error> {
    let folder = entry(cache, "anvil", &key(), |partial| {
        for (name, content) in FILES {
            write(&partial.join(name), content.as_bytes())?;
        }
        let mut npm = Command::new("npm");
        npm.current_dir(partial)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run_long(
            "npm ci of anvil",
            &cache.join("build-anvil.log"),
            progress,
            &mut npm,
        )
    })?;
    Ok(binary(&folder))
}

fn binary(folder: &Path) -> PathBuf {
    folder.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_lock_file_names_no_host() {
        let lock = FILES
            .iter()
            .find(|(name, _)| *name == "package-lock.json")
            .unwrap()
            .1;
        assert!(!lock.contains("\"resolved\""));
        assert!(lock.contains("anvil-linux-amd64") && lock.contains("\"integrity\""));
    }
}
