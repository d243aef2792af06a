//! Each example's README, run as it stands: its shell blocks in a copy of its folder, with what `make demo` tells people to export.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use leaseport_e2e::scene::Scene;

use crate::Shared;

/// An example that takes longer has stopped to do what it says.
const PATIENCE: Duration = Duration::from_secs(120);

/// The `sh` blocks of a document, in order.
fn script(markdown: &str) -> String {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        match (inside, line.trim_end()) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, line) => lines.push(line),
            (false, _) => {}
        }
    }
    lines.join("\n")
}

/// Plays one example and returns what it printed.
fn play(scene: &Scene, name: &str) -> Result<String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name);
    let folder = scene.world.state().run_dir.join("home").join(name);
    fs::create_dir_all(&folder)?;
    fs::copy(from.join("needs.yaml"), folder.join("needs.yaml"))?;
    let script = script(&fs::read_to_string(from.join("README.md"))?);
    ensure!(
        script.contains("leaseport close"),
        "no commands in {name}/README.md"
    );

    let program = scene.leaseport.path().parent().context("no folder")?;
    let path = format!(
        "{}:{}",
        program.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let printed = folder.join("printed");
    let mut child = Command::new("sh")
        .args(["-eu", "-c", &script])
        .current_dir(&folder)
        .env_clear()
        .env("HOME", folder.parent().context("no home")?)
        .env("PATH", path)
        .env("LEASEPORT_RPC_URL", &scene.ledger.rpc_url)
        .env("LEASEPORT_DIRECTORY", &scene.market.directory)
        .env("LEASEPORT_KEY_FILE", &scene.cast.tenant.key_file)
        .env("LEASEPORT_LOCAL", "true")
        .stdin(Stdio::null())
        .stdout(fs::File::create(&printed)?)
        .stderr(fs::File::create(folder.join("progress"))?)
        .spawn()?;
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!(
                "{name} takes longer than {} s; it printed\n{}",
                PATIENCE.as_secs(),
                fs::read_to_string(&printed)?
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = fs::read_to_string(&printed)?;
    ensure!(
        status.success(),
        "{name} ended with {status}\n{said}\n{}",
        fs::read_to_string(folder.join("progress"))?
    );
    Ok(said)
}

/// Seconds on the bill that `close` printed.
fn billed(scene: &Scene, said: &str) -> Result<u64> {
    let lane = said
        .split_whitespace()
        .find_map(|word| {
            let mut parts = word.trim_end_matches(':').split('-');
            let provider = parts.next()?.parse::<u32>().ok()?;
            let lane = parts.next()?.parse::<u32>().ok()?;
            parts.next()?.parse::<u32>().ok()?;
            (provider == scene.ledger.provider).then_some(lane)
        })
        .with_context(|| format!("no lease in {said}"))?;
    let lease = scene.ledger.lease_at(lane)?;
    ensure!(lease.state == 3, "not closed: {lease:?}");
    Ok(lease.settled)
}

pub(crate) fn as_written(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let listed: Vec<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"))?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    ensure!(listed.len() == 2, "an example is not played here: {listed:?}");

    let hello = play(scene, "hello-gpu")?;
    let gpus = &scene.world.node()?.gpus;
    ensure!(
        gpus.iter()
            .any(|gpu| hello.contains(&format!("hello from {gpu}"))),
        "{hello}"
    );
    ensure!(billed(scene, &hello)? > 0, "{hello}");

    let batch = play(scene, "batch-job")?;
    ensure!(batch.contains("result 385"), "{batch}");
    let seconds = billed(scene, &batch)?;
    ensure!((5..=14).contains(&seconds), "{seconds} s billed\n{batch}");
    Ok(())
}
