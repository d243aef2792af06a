//! The Helm chart as its users meet it: through helm, in both major versions, with nothing of this machine's own configuration. It reads
//! charts/leaseport as it stands in the repository and changes nothing in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command;
use crate::prepare::{self, Definitions, Need, Tools};
use crate::progress::Progress;

/// The namespace the chart is installed in, in tests and in deploy/.
pub const NAMESPACE: &str = "leaseport-system";
/// The name of the release.
pub const RELEASE: &str = "leaseport";

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
    e2e.parent().unwrap_or(e2e).to_owned()
}

/// The chart's folder.
#[must_use]
pub fn folder() -> PathBuf {
    repository().join("charts/leaseport")
}

/// The files with combinations of values that are documented and tested, `ci/*-values.yaml`.
///
/// # Errors
/// The folder cannot be read.
pub fn combinations() -> Result<Vec<PathBuf>> {
    let ci = folder().join("ci");
    let mut found = std::fs::read_dir(&ci)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| ci.display().to_string())?;
    found.sort();
    Ok(found)
}

/// What the chart is tested with.
#[derive(Clone, Debug)]
pub struct ChartTools {
    /// helm 4.
    pub helm: Helm,
    /// helm 3.
    pub helm3: Helm,
    /// Kinds of others that the chart makes objects of.
    pub definitions: Definitions,
    kubeconform: PathBuf,
    schemas: PathBuf,
}

impl ChartTools {
    /// Builds what is not in the cache. What helm itself writes goes below `home`.
    ///
    /// # Errors
    /// Go is missing, or a build failed.
    pub fn prepare(home: &Path) -> Result<Self> {
        let needs = BTreeSet::from([Need::Helm, Need::Chart]);
        let tools = prepare::prepare(&prepare::cache_folder(), &needs, Progress::lines())?;
        Ok(Self {
            helm: Helm::of(&tools, "helm", home)?,
            helm3: Helm::of(&tools, "helm3", home)?,
            kubeconform: tools.program("kubeconform")?.to_owned(),
            schemas: tools.schemas()?.to_owned(),
            definitions: tools.definitions()?.clone(),
        })
    }

    /// Both helms.
    #[must_use]
    pub fn helms(&self) -> [&Helm; 2] {
        [&self.helm, &self.helm3]
    }

    /// Checks manifests against the schemas of Kubernetes' own kinds and of the other projects' that the chart makes objects of.
    ///
    /// # Errors
    /// A manifest is not what its kind says, or of a kind that nobody knows; with what kubeconform said.
    pub fn conform(&self, manifests: &str) -> Result<String> {
        let files = |folder: &Path| {
            format!(
                "{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
                folder.display()
            )
        };
        let (own, others) = (files(&self.schemas), files(&self.definitions.schemas()));
        let arguments = [
            "-strict",
            "-summary",
            "-schema-location",
            own.as_str(),
            "-schema-location",
            others.as_str(),
        ];
        let program = self.kubeconform.display().to_string();
        Ok(command::run_with_input(
            &program,
            arguments,
            manifests.as_bytes(),
        )?)
    }
}

/// One helm.
#[derive(Clone, Debug)]
pub struct Helm {
    /// `helm` or `helm3`.
    pub name: &'static str,
    program: PathBuf,
    home: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// helm 4, built if it is not in the cache. What it writes itself goes below `home`.
    ///
    /// # Errors
    /// As [`ChartTools::prepare`].
    pub fn prepare(home: &Path) -> Result<Self> {
        let needs = BTreeSet::from([Need::Helm]);
        let tools = prepare::prepare(&prepare::cache_folder(), &needs, Progress::lines())?;
        Self::of(&tools, "helm", home)
    }

    fn of(tools: &Tools, name: &'static str, home: &Path) -> Result<Self> {
        Ok(Self {
            name,
            program: tools.program(name)?.to_owned(),
            home: std::path::absolute(home)?,
            kubeconfig: None,
        })
    }

    /// Where the program lies.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The same helm on a cluster.
    #[must_use]
    pub fn on(&self, kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: Some(kubeconfig.to_owned()),
            ..self.clone()
        }
    }

    /// Runs helm to its end and returns what it printed.
    ///
    /// # Errors
    /// helm said no, with its words.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let kubeconfig = self.kubeconfig.as_deref().unwrap_or(Path::new("/dev/null"));
        let mut line = vec![
            format!("KUBECONFIG={}", kubeconfig.display()),
            format!("HELM_CACHE_HOME={}", self.home.join("cache").display()),
            format!("HELM_CONFIG_HOME={}", self.home.join("config").display()),
            format!("HELM_DATA_HOME={}", self.home.join("data").display()),
            self.program.display().to_string(),
        ];
        line.extend(arguments.iter().map(|&word| word.to_owned()));
        Ok(command::run("env", line)?)
    }

    /// Renders the chart with a file of values and more words for the command line.
    ///
    /// # Errors
    /// As [`Helm::run`].
    pub fn template(&self, values: &Path, more: &[&str]) -> Result<String> {
        let (folder, values) = (folder().display().to_string(), values.display().to_string());
        let line = [
            "template",
            RELEASE,
            &folder,
            "--namespace",
            NAMESPACE,
            "--kube-version",
            prepare::kubernetes_version()?,
            "--values",
            &values,
        ];
        self.run(&[line.as_slice(), more].concat())
    }

    /// Lints the chart with a file of values, strictly.
    ///
    /// # Errors
    /// As [`Helm::run`].
    pub fn lint(&self, values: &Path) -> Result<String> {
        let (folder, values) = (folder().display().to_string(), values.display().to_string());
        self.run(&[
            "lint",
            "--strict",
            "--kube-version",
            prepare::kubernetes_version()?,
            "--values",
            &values,
            &folder,
        ])
    }
}

/// What `helm template` printed, document by document, each with the template it came from (such as `operator/rights.yaml`).
#[must_use]
pub fn documents(rendered: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in format!("\n{rendered}").split("\n---\n") {
        let source = part
            .lines()
            .find_map(|line| line.strip_prefix("# Source: leaseport/templates/"));
        if let Some(source) = source {
            let text: Vec<&str> = part
                .lines()
                .filter(|line| !line.starts_with("# Source: "))
                .collect();
            found.push((source.to_owned(), format!("{}\n", text.join("\n").trim())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn documents_are_told_apart_and_know_their_template() {
        let rendered = "---\n# Source: leaseport/templates/a.yaml\n# Why.\nkind: A\n---\n# Source: leaseport/templates/b/c.yaml\nkind: B\n";
        let found = documents(rendered);
        assert_eq!(
            found,
            [
                ("a.yaml".to_owned(), "# Why.\nkind: A\n".to_owned()),
                ("b/c.yaml".to_owned(), "kind: B\n".to_owned())
            ]
        );
    }

    #[test]
    fn each_combination_of_values_says_what_it_is() {
        let combinations = combinations().unwrap();
        assert!(combinations.len() >= 8, "{combinations:?}");
        for path in combinations {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with("# ") && path.to_string_lossy().ends_with("-values.yaml"),
                "{}",
                path.display()
            );
        }
    }
}
