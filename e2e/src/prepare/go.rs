//! Go programs, each pinned by a go.mod and a go.sum that are compiled into this program and built from the module
//! proxy with `-mod=readonly`, so that nothing but the pinned sources can get in.

mod pins;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) use self::pins::{Module, kubernetes_version};
use self::pins::{PROGRAMS, Program, Release, release};
use super::{
    Error, Missing, Need, Tools, definitions, entry, entry_path, file, remove, run_long, schemas, write,
};
use crate::command;
use crate::image::hex;
use crate::progress::Progress;

/// Raised when the schemas that are made of Kubernetes' documents change their form.
const SCHEMAS_FORM: u32 = 1;
/// Built from a release's sources, not from a repository: there is no commit to name.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";
/// The lowest Go release the pinned modules accept (their go.mod says so).
const GO_MINOR: u32 = 26;

const KWOK_STAGES: [&str; 3] = ["node/fast", "node/heartbeat-with-lease", "pod/fast"];

impl Program {
    /// What pins it: Kubernetes' own programs come from the release that is asked for, our own beside them always from the tested one.
    fn module(&self, release: &Release) -> &'static Module {
        if self.package.starts_with("k8s.io/") {
            release.module
        } else {
            self.module
        }
    }

    /// A hash of all that decides what comes out of the build: pins, own sources, package, version stamp.
    fn key(&self, release: &Release) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.package,
            self.ldflags(release),
            std::env::consts::ARCH
        );
        for (name, content) in self.module(release).files {
            let own = self
                .package
                .strip_prefix("./")
                .is_some_and(|folder| name.starts_with(folder));
            if own || !name.ends_with(".go") {
                text.push_str(&format!("{name} {}\n", hex(content.as_bytes())));
            }
        }
        hex(text.as_bytes())
    }

    fn ldflags(&self, release: &Release) -> String {
        let mut flags = String::from("-s -w");
        if self.package.starts_with("k8s.io/") {
            let (major, minor) = release.minor.split_once('.').unwrap_or(("1", ""));
            for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
                for (name, value) in [
                    ("gitVersion", format!("v{}", release.version).as_str()),
                    ("gitMajor", major),
                    ("gitMinor", minor),
                    ("gitTreeState", "clean"),
                    ("gitCommit", NO_COMMIT),
                    ("buildDate", "2026-01-01T00:00:00Z"),
                ] {
                    flags.push_str(&format!(" -X {package}.{name}={value}"));
                }
            }
        }
        match self.name {
            "kwok" => flags.push_str(" -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0"),
            "helm" => flags.push_str(" -X helm.sh/helm/v4/internal/version.version=v4.2.4"),
            "helm3" => flags.push_str(" -X helm.sh/helm/v3/internal/version.version=v3.21.4"),
            _ => {}
        }
        flags
    }

    fn done(&self, cache: &Path, release: &Release) -> PathBuf {
        entry_path(cache, self.name, &self.key(release))
    }
}

fn wanted(needs: &BTreeSet<Need>) -> impl Iterator<Item = &'static Program> {
    PROGRAMS.iter().filter(|program| needs.contains(&program.need))
}

/// What stands in the way of building what is not in the cache yet.
pub(super) fn missing(cache: &Path, needs: &BTreeSet<Need>) -> Result<Option<Missing>, Error> {
    let release = release()?;
    if wanted(needs).all(|program| program.done(cache, release).is_dir()) {
        return Ok(None);
    }
    let remedy =
        format!("install Go 1.{GO_MINOR} or later from https://go.dev/dl/ and put its bin folder on PATH");
    Ok(match command::run("go", ["env", "GOVERSION"]) {
        Err(_) => Some(Missing {
            what: "the Go toolchain".into(),
            remedy,
        }),
        Ok(version) => match minor(&version) {
            // From 1.21 on, an older Go fetches the release a go.mod asks for by itself.
            Some(21..) => None,
            _ => Some(Missing {
                what: format!("a Go toolchain newer than {}", version.trim()),
                remedy,
            }),
        },
    })
}

fn minor(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix("go1.")?
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Builds what is not in the cache, one program after the other: each build uses every core by itself.
pub(super) fn prepare(cache: &Path, needs: &BTreeSet<Need>, progress: Progress) -> Result<Tools, Error> {
    let release = release()?;
    let mut tools = Tools::default();
    for program in wanted(needs) {
        let folder = entry(cache, program.name, &program.key(release), |partial| {
            build(cache, release, program, partial, progress)
        })?;
        tools.programs.insert(program.name, folder.join(program.name));
        if program.name == "kwok" {
            tools.kwok_stages = stages(&folder)?;
        }
    }
    if needs.contains(&Need::Chart) {
        let key = hex(format!("{SCHEMAS_FORM}\n{}", release.version).as_bytes());
        let folder = entry(cache, "kubernetes-schemas", &key, |partial| {
            let sources = download(cache, release.module, "k8s.io/kubernetes", release.version)?;
            schemas::write_all(&sources.join("api/openapi-spec/v3"), partial)
        })?;
        tools.schemas = Some(folder);
        tools.definitions = Some(definitions::prepare(cache)?);
    }
    Ok(tools)
}

/// The sources of a module of Go's proxy, as the pins beside it say.
pub(super) fn download(cache: &Path, pins: &Module, name: &str, version: &str) -> Result<PathBuf, Error> {
    let work = cache.join(".work").join(format!("download-{}", pins.name));
    remove(&work)?;
    for (name, content) in pins.files {
        write(&work.join(name), content.as_bytes())?;
    }
    let module = format!("{name}@v{version}");
    let downloaded = go(&work)
        .args(["mod", "download", "-json", &module])
        .env("PATH", command::search_path())
        .output()
        .map_err(file(&work))?;
    let said: serde_json::Value = serde_json::from_slice(&downloaded.stdout).unwrap_or_default();
    let sources = said["Dir"].as_str().ok_or_else(|| Error::Build {
        what: format!("download of {module}"),
        seconds: 0,
        log: work.clone(),
        tail: format!("{said}{}", String::from_utf8_lossy(&downloaded.stderr)),
    })?;
    remove(&work)?;
    Ok(PathBuf::from(sources))
}

fn build(
    cache: &Path,
    release: &Release,
    program: &Program,
    into: &Path,
    progress: Progress,
) -> Result<(), Error> {
    let module = program.module(release);
    let work = cache.join(".work").join(module.name);
    remove(&work)?;
    for (name, content) in module.files {
        write(&work.join(name), content.as_bytes())?;
    }
    let log = cache.join(format!("build-{}.log", program.name));
    let version = if program.package.starts_with("k8s.io/") {
        release.version
    } else {
        ""
    };
    let mut command = go(&work);
    command
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags"])
        .arg(program.ldflags(release))
        .arg("-o")
        .arg(into.join(program.name))
        .arg(program.package);
    run_long(
        format!("build of {} {version}", program.name).trim_end(),
        &log,
        progress,
        &mut command,
    )?;
    if program.name == "kwok" {
        copy_stages(&work, into)?;
    }
    remove(&work)
}

fn go(work: &Path) -> Command {
    let own = command::run("go", ["env", "GOVERSION"]).ok();
    let new_enough = own
        .as_deref()
        .and_then(minor)
        .is_some_and(|minor| minor >= GO_MINOR);
    let mut command = Command::new("go");
    command
        .current_dir(work)
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", if new_enough { "local" } else { "auto" });
    command
}

/// kwok's stages lie beside its sources in the module cache; the binary does not carry them.
fn copy_stages(work: &Path, into: &Path) -> Result<(), Error> {
    let listed = go(work)
        .args(["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"])
        .env("PATH", command::search_path())
        .output()
        .map_err(file(work))?;
    let sources = PathBuf::from(String::from_utf8_lossy(&listed.stdout).trim());
    for stage in KWOK_STAGES {
        let folder = sources.join("kustomize/stage").join(stage);
        for found in fs::read_dir(&folder).map_err(file(&folder))? {
            let path = found.map_err(file(&folder))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if name.ends_with(".yaml") && name != "kustomization.yaml" {
                write(
                    &into.join("stages").join(name),
                    &fs::read(&path).map_err(file(&path))?,
                )?;
            }
        }
    }
    Ok(())
}

fn stages(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = folder.join("stages");
    let mut found = fs::read_dir(&folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(file(&folder))?;
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::{
        pins::{RELEASES, named},
        *,
    };

    fn program(name: &str) -> &'static Program {
        PROGRAMS.iter().find(|program| program.name == name).unwrap()
    }

    #[test]
    fn every_program_has_its_own_key_and_kubernetes_own_one_each_release() {
        let keys: BTreeSet<String> = PROGRAMS.iter().map(|program| program.key(&RELEASES[0])).collect();
        assert_eq!(keys.len(), PROGRAMS.len());
        for (name, of_the_release) in [("kube-apiserver", true), ("deviceplugin", false), ("etcd", false)] {
            let keys: BTreeSet<String> = RELEASES
                .iter()
                .map(|release| program(name).key(release))
                .collect();
            assert_eq!(keys.len(), if of_the_release { 3 } else { 1 }, "{name}");
        }
    }

    #[test]
    fn kubernetes_programs_carry_a_version_that_skew_checks_understand() {
        for (asked, version, minor) in [
            ("", "v1.36.3", "36"),
            ("1.35", "v1.35.4", "35"),
            ("1.37", "v1.37.2", "37"),
        ] {
            let flags = program("kube-apiserver").ldflags(named(asked).unwrap());
            for word in [
                format!("k8s.io/component-base/version.gitVersion={version}"),
                format!("k8s.io/client-go/pkg/version.gitMinor={minor}"),
            ] {
                assert!(flags.contains(&word), "{flags}");
            }
        }
    }

    #[test]
    fn a_kubernetes_that_is_not_pinned_is_refused_with_those_that_are() {
        let said = named("1.31").err().unwrap().to_string();
        assert!(
            said.contains("1.31") && said.contains("1.36, 1.35, 1.37"),
            "{said}"
        );
    }

    #[test]
    fn every_kubernetes_package_that_is_built_is_a_pinned_tool_of_each_release() {
        for release in &RELEASES {
            let pins = release.module.files[0].1;
            assert!(pins.contains(&format!("k8s.io/kubernetes v{}", release.version)));
            for program in PROGRAMS
                .iter()
                .filter(|program| program.package.starts_with("k8s.io/"))
            {
                assert!(
                    pins.contains(&format!("\t{}\n", program.package)),
                    "{} is not in go.mod of {}",
                    program.package,
                    release.minor
                );
            }
        }
    }

    #[test]
    fn go_versions_are_read_with_and_without_a_patch() {
        assert_eq!(minor("go1.26.8\n"), Some(26));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel"), None);
    }
}
