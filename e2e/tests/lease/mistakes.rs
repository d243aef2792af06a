//! Mistakes at the command line: each gives one error that names the field, and nothing is sent.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::Shared;

pub(crate) fn each_names_the_field(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let nonce = || {
        scene.ledger.rpc(
            "eth_getTransactionCount",
            &json!([scene.cast.tenant.address, "pending"]),
        )
    };
    let before = nonce()?;
    let good = tenant
        .write("mistakes", &crate::flow::small().yaml())?
        .display()
        .to_string();
    let bad = tenant.write("bad-yaml", "needs: [")?.display().to_string();
    let unknown = tenant
        .write(
            "unknown-field",
            &crate::flow::small().yaml().replace("startWindow", "startWidow"),
        )?
        .display()
        .to_string();
    let no_key = tenant.write("no-key", "not a key")?.display().to_string();
    let (rpc, directory) = (scene.ledger.rpc_url.as_str(), scene.market.directory.as_str());
    let key = scene.cast.tenant.key_file.display().to_string();
    let request = |file: &str, rpc: &str, directory: &str, key: &str, more: &[&str]| -> Result<String> {
        let mut line = vec![
            "request",
            "--yes",
            "--local",
            "--file",
            file,
            "--rpc",
            rpc,
            "--directory",
            directory,
            "--key-file",
            key,
        ];
        line.extend(more);
        Ok(scene.leaseport.refusal(line)?.said)
    };
    let cases = [
        (
            "an unknown flag",
            request(&good, rpc, directory, &key, &["--frobnicate"])?,
            "--frobnicate",
        ),
        (
            "bad YAML",
            request(&bad, rpc, directory, &key, &[])?,
            "bad-yaml.yaml",
        ),
        (
            "an unknown field",
            request(&unknown, rpc, directory, &key, &[])?,
            "startWidow",
        ),
        (
            "no file",
            request("/nonexistent.yaml", rpc, directory, &key, &[])?,
            "/nonexistent.yaml",
        ),
        (
            "no key",
            request(&good, rpc, directory, "/nonexistent.key", &[])?,
            "--key-file",
        ),
        (
            "a bad key",
            request(&good, rpc, directory, &no_key, &[])?,
            "--key-file",
        ),
        (
            "another chain",
            request(&good, rpc, directory, &key, &["--chain-id", "1"])?,
            "31337",
        ),
        (
            "a dead endpoint",
            request(&good, "http://127.0.0.1:1", directory, &key, &[])?,
            "--rpc",
        ),
        (
            "no contract",
            request(&good, rpc, scene.cast.stranger.address, &key, &[])?,
            "--directory",
        ),
    ];
    for (what, said, field) in &cases {
        ensure!(said.contains(field), "{what}: {said}");
        ensure!(
            !said.contains("panicked") && !said.contains(&fs::read_to_string(&scene.cast.tenant.key_file)?),
            "{what}: {said}"
        );
        let errors = said
            .lines()
            .filter(|line| line.starts_with("leaseport:") || line.starts_with("error:"))
            .count();
        ensure!(errors == 1, "{what}: not one error: {said}");
    }
    ensure!(nonce()? == before, "something was sent");
    Ok(())
}
