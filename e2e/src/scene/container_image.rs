//! The container image of the program under test, built by buildah from the repository's own Dockerfile. Two things are put in from this
//! machine so that nothing is compiled twice and nothing is fetched: the binary, in place of the stage that compiles, and a small base with
//! the few programs the later stages run. What the image holds and how it is run is the Dockerfile's to say, never this module's.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::binary::{Leaseport, workspace};
use crate::image::{Entry, Image};
use crate::prepare::{self, CERTIFICATES, Need};
use crate::progress::Progress;
use crate::{World, command};

/// The name under which nodes of a world have the image.
pub const IMAGE: &str = "docker.io/local/leaseport:test";
/// The name of the base's stand-in, in place of what the Dockerfile pins.
const BASE: &str = "localhost/toolchain:stand-in";
/// What the stages after the compiling one run, and where they look for it.
const PROGRAMS: [&str; 6] = [
    "/bin/sh",
    "/bin/chmod",
    "/bin/cp",
    "/bin/mkdir",
    "/bin/sed",
    "/usr/bin/readelf",
];

/// An image that was built.
#[derive(Clone, Debug)]
pub struct ContainerImage {
    /// The `docker save` archive.
    pub archive: PathBuf,
    /// The digest of its configuration, which names every layer by its digest.
    pub id: String,
    /// How long the build took.
    pub took: Duration,
}

impl ContainerImage {
    /// Its configuration: who runs what.
    ///
    /// # Errors
    /// The archive is not one that `docker load` would take.
    pub fn config(&self) -> Result<Value> {
        let manifest = self.document("manifest.json")?;
        self.document(manifest[0]["Config"].as_str().context("manifest.json: Config")?)
    }

    /// Every file of every layer with its permission bits; folders are left out.
    ///
    /// # Errors
    /// As [`ContainerImage::config`].
    pub fn files(&self) -> Result<Vec<(String, u32)>> {
        let manifest = self.document("manifest.json")?;
        let mut found = Vec::new();
        for layer in manifest[0]["Layers"].as_array().into_iter().flatten() {
            let content = self.member(layer.as_str().unwrap_or_default())?;
            for entry in tar::Archive::new(content.as_slice()).entries()? {
                let entry = entry?;
                if !entry.header().entry_type().is_dir() {
                    found.push((entry.path()?.display().to_string(), entry.header().mode()?));
                }
            }
        }
        Ok(found)
    }

    /// How many bytes a registry would hold, about: the archive through gzip.
    ///
    /// # Errors
    /// gzip said no.
    pub fn compressed(&self) -> Result<usize> {
        let line = format!("gzip < '{}' | wc -c", self.archive.display());
        let count = command::run("sh", ["-c", &line])?;
        count.trim().parse().with_context(|| count.clone())
    }

    fn document(&self, name: &str) -> Result<Value> {
        serde_json::from_slice(&self.member(name)?).with_context(|| name.to_owned())
    }

    fn member(&self, name: &str) -> Result<Vec<u8>> {
        let file = fs::File::open(&self.archive).with_context(|| self.archive.display().to_string())?;
        for entry in tar::Archive::new(file).entries()? {
            let mut entry = entry?;
            if entry.path()?.as_os_str() == name {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                return Ok(content);
            }
        }
        bail!("{}: no {name} in it", self.archive.display())
    }
}

/// What builds images of one binary in a folder of its own.
#[derive(Debug)]
pub struct Builder {
    folder: PathBuf,
}

impl Builder {
    /// Prepares buildah, the binary and the base.
    ///
    /// # Errors
    /// buildah is missing and cannot be installed, or a file of this machine that the base takes is not there.
    pub fn new(leaseport: &Leaseport, folder: &Path) -> Result<Self> {
        let needs = BTreeSet::from([Need::Image]);
        prepare::prepare(&prepare::cache_folder(), &needs, Progress::lines())?;
        for name in ["binary", "tmp"] {
            fs::create_dir_all(folder.join(name)).with_context(|| folder.display().to_string())?;
        }
        let builder = Self {
            folder: folder.to_owned(),
        };
        // As the release profile does; a debug binary is three times as large with its line tables.
        let (from, to) = (
            leaseport.path().display().to_string(),
            builder.path("binary/leaseport"),
        );
        command::run("strip", ["-o", &to, &from])?;
        let archive = builder.path("base.tar");
        stand_in(leaseport.path())?
            .write(Path::new(&archive))
            .context("the base's stand-in")?;
        builder.buildah(&["pull", "--quiet", &format!("docker-archive:{archive}")])?;
        Ok(builder)
    }

    /// Builds once, from the first step on.
    ///
    /// # Errors
    /// buildah said no.
    pub fn build(&self) -> Result<ContainerImage> {
        let begun = Instant::now();
        let (id_file, archive) = (self.path("id"), self.path("leaseport.tar"));
        self.buildah(&[
            "build",
            // Root without CAP_SYS_RESOURCE, and machines with cgroup version 1, have no other way that works.
            "--isolation=chroot",
            "--pull-never",
            "--no-cache",
            "--timestamp=0",
            &format!("--build-arg=TOOLCHAIN={BASE}"),
            &format!("--build-context=binary={}", self.path("binary")),
            &format!("--iidfile={id_file}"),
            &format!("--tag={IMAGE}"),
            &workspace().display().to_string(),
        ])?;
        let took = begun.elapsed();
        // Nobody writes over an archive that is there.
        fs::remove_file(&archive).ok();
        self.buildah(&[
            "push",
            "--quiet",
            IMAGE,
            &format!("docker-archive:{archive}:{IMAGE}"),
        ])?;
        Ok(ContainerImage {
            archive: archive.into(),
            id: fs::read_to_string(&id_file).context(id_file)?,
            took,
        })
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// buildah with a store of its own, so that the machine's is never seen or changed.
    fn buildah(&self, arguments: &[&str]) -> Result<String> {
        let own = [
            &format!("TMPDIR={}", self.path("tmp")),
            "buildah",
            &format!("--root={}", self.path("store")),
            &format!("--runroot={}", self.path("run")),
            "--storage-driver=vfs",
        ];
        Ok(command::run("env", own.iter().chain(arguments))?)
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        // The store is several times the image; the archive stays.
        for name in ["store", "run", "tmp", "binary", "base.tar"] {
            let path = self.folder.join(name);
            if path.is_dir() {
                fs::remove_dir_all(path).ok();
            } else {
                fs::remove_file(path).ok();
            }
        }
    }
}

/// Builds the image and loads it into the world's node.
pub(super) fn load(world: &World, leaseport: &Leaseport) -> Result<ContainerImage> {
    let builder = Builder::new(leaseport, &world.state().run_dir.join("image"))?;
    let image = builder.build()?;
    world.load_image(&image.archive)?;
    Ok(image)
}

/// An image with this machine's own shell, the programs the Dockerfile's later stages run, the libraries of those and of the
/// binary, and certificates.
fn stand_in(binary: &Path) -> Result<Image> {
    let program = |path: &str| Entry::Program {
        from: path.into(),
        at: path.into(),
    };
    let mut libraries = libraries(&binary.display().to_string())?;
    for path in PROGRAMS {
        libraries.extend(self::libraries(path)?);
    }
    let mut entries: Vec<Entry> = PROGRAMS.iter().map(|path| program(path)).collect();
    entries.extend(libraries.iter().map(|path| program(path)));
    entries.push(Entry::Text {
        at: CERTIFICATES.into(),
        content: fs::read_to_string(CERTIFICATES).context(CERTIFICATES)?,
    });
    Ok(Image {
        names: vec![BASE.into()],
        command: vec!["sh".into()],
        entries,
    })
}

/// The files a program is loaded with, the loader included.
fn libraries(program: &str) -> Result<BTreeSet<String>> {
    let listed = command::run("ldd", [program])?;
    Ok(paths(&listed))
}

fn paths(listed: &str) -> BTreeSet<String> {
    listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn libraries_and_the_loader_are_read_from_what_ldd_prints() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\t\
                      /lib64/ld-linux-x86-64.so.2 (0x00007f01)\n";
        let found: Vec<String> = paths(listed).into_iter().collect();
        assert_eq!(
            found,
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
    }
}
