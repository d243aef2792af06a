//! Definitions of kinds that other projects bring and that the chart makes objects of, out of those projects' own Go modules: to be applied to
//! an API server, and as JSON Schemas for kubeconform. Nothing is built of their code.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::go::{self, Module};
use super::{Error, entry, file, schemas, write};
use crate::image::hex;

/// Raised when what is made of the modules changes its form.
const FORM: u32 = 1;

const PINS: Module = Module {
    name: "definitions",
    files: &[
        ("go.mod", include_str!("../../tools/definitions/go.mod")),
        ("go.sum", include_str!("../../tools/definitions/go.sum")),
    ],
};

/// Modules with the folder of their definitions and the files that are taken.
const TAKEN: [(&str, &str, &[&str]); 3] = [
    (
        "github.com/cert-manager/cert-manager",
        "deploy/crds",
        &["cert-manager.io_certificates.yaml"],
    ),
    (
        // The experimental channel serves every version of the TLSRoute that the chart can render.
        "sigs.k8s.io/gateway-api",
        "config/crd/experimental",
        &["gateway.networking.k8s.io_tlsroutes.yaml"],
    ),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd",
        &[
            "monitoring.coreos.com_prometheusrules.yaml",
            "monitoring.coreos.com_servicemonitors.yaml",
        ],
    ),
];

/// Where definitions and their schemas are.
#[derive(Clone, Debug)]
pub struct Definitions {
    folder: PathBuf,
}

impl Definitions {
    /// The folder of the definitions, for `kubectl apply`.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.folder.join("manifests")
    }

    /// The folder of their schemas, named as kubeconform looks for them.
    #[must_use]
    pub fn schemas(&self) -> PathBuf {
        self.folder.join("schemas")
    }
}

/// Takes them out of the modules, unless that was done before.
pub(super) fn prepare(cache: &Path) -> Result<Definitions, Error> {
    let pins: Vec<&str> = PINS.files.iter().map(|(_, content)| *content).collect();
    let key = hex(format!("{FORM}\n{}\n{TAKEN:?}", pins.join("\n")).as_bytes());
    let folder = entry(cache, "foreign-definitions", &key, |partial| {
        for (module, folder, names) in TAKEN {
            let sources = go::download(cache, &PINS, module, version(module)?)?;
            for name in names {
                take(&sources.join(folder).join(name), name, partial)?;
            }
        }
        Ok(())
    })?;
    Ok(Definitions { folder })
}

/// The version of a module that go.mod pins.
fn version(module: &str) -> Result<&'static str, Error> {
    let [(_, pins), ..] = PINS.files else {
        return Err(Error::NotPrepared(module.to_owned()));
    };
    pins.lines()
        .find_map(|line| line.trim().strip_prefix(module)?.trim().strip_prefix('v'))
        .ok_or_else(|| Error::NotPrepared(module.to_owned()))
}

fn take(from: &Path, name: &str, into: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(from).map_err(file(from))?;
    write(&into.join("manifests").join(name), text.as_bytes())?;
    let definition: Value = serde_yaml::from_str(&text)
        .map_err(std::io::Error::other)
        .map_err(file(from))?;
    for (name, schema) in schemas::of_definition(&definition) {
        write(&into.join("schemas").join(name), schema.to_string().as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn every_module_is_pinned_by_version_and_by_the_hash_of_its_sources() {
        for (module, _, _) in TAKEN {
            let version = version(module).unwrap();
            let hash = format!("{module} v{version} h1:");
            assert!(PINS.files[1].1.contains(&hash), "go.sum has no {hash}");
        }
    }
}
