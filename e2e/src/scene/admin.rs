//! What an administrator does with kubectl: definitions, rights, a provider's namespace, keys, and the samples with their placeholders
//! filled in. It writes only what the files of the repository say.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::binary::workspace;
use crate::World;

/// Files of `deploy/` that start our programs as pods; a scene runs them as processes under the same accounts.
const RUN_AS_PROCESSES: [&str; 2] = ["operator.yaml", "gateway.yaml"];

/// Replaces each `${NAME}`.
///
/// # Errors
/// A placeholder is left over.
pub fn fill(text: &str, values: &[(&str, &str)]) -> Result<String> {
    let filled = values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    });
    if let Some((_, rest)) = filled.split_once("${") {
        let name = rest.split('}').next().unwrap_or_default();
        bail!("placeholder ${{{name}}} has no value");
    }
    Ok(filled)
}

/// The kinds, served.
pub(super) fn definitions(world: &World) -> Result<()> {
    apply_files(world, &[workspace().join("crds")])?;
    world.kubectl(&[
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd",
        "--all",
    ])?;
    Ok(())
}

/// The namespace of the samples' provider, with the operator's rights in it.
pub(super) fn provider_namespace(world: &World) -> Result<()> {
    let folder = workspace().join("deploy/provider").display().to_string();
    world.kubectl(&["apply", "--server-side", "--kustomize", &folder])?;
    Ok(())
}

/// Definitions, rights and fences of the operator and the gateway, and a provider's namespace.
pub(super) fn install(world: &World) -> Result<()> {
    definitions(world)?;
    let deploy = workspace().join("deploy");
    let listed =
        fs::read_to_string(deploy.join("kustomization.yaml")).context("deploy/kustomization.yaml")?;
    let files: Vec<PathBuf> = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .filter(|name| !RUN_AS_PROCESSES.contains(name))
        .map(|name| deploy.join(name))
        .collect();
    apply_files(world, &files)?;
    provider_namespace(world)
}

fn apply_files(world: &World, files: &[PathBuf]) -> Result<()> {
    let mut arguments = vec!["apply".to_owned(), "--server-side".to_owned()];
    arguments.extend(files.iter().map(|file| format!("--filename={}", file.display())));
    world.kubectl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(())
}

/// A key as a Secret, made as the samples' README says.
pub(super) fn key_secret(world: &World, namespace: &str, name: &str, key_file: &Path) -> Result<()> {
    world.kubectl(&[
        &format!("--namespace={namespace}"),
        "create",
        "secret",
        "generic",
        name,
        &format!("--from-file=private-key={}", key_file.display()),
    ])?;
    Ok(())
}

/// Applies one file of `deploy/samples` with its placeholders filled in, and returns what was applied.
pub(super) fn sample(world: &World, name: &str, values: &[(&str, &str)]) -> Result<String> {
    let path = workspace().join("deploy/samples").join(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let filled = fill(&text, values).with_context(|| name.to_owned())?;
    world.kubectl_with_input(&["apply", "--server-side", "--filename=-"], &filled)?;
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn placeholders_are_filled_and_a_forgotten_one_is_named() {
        assert_eq!(fill("a ${X} b ${X}", &[("X", "1")]).unwrap(), "a 1 b 1");
        assert!(
            fill("${X} ${Y}", &[("X", "1")])
                .unwrap_err()
                .to_string()
                .contains("${Y}")
        );
    }
}
