//! `make bench`: the bars that the project sets itself, measured from outside on a market at work: the chain's subscription says when a block
//! came, a proxy what the operator asked of the chain, the API server's audit log what it did to the cluster, `/proc` what it takes. It only
//! looks; the one thing it does that no tenant does is posting orders faster than a command line can.

mod audit;
mod bids;
mod calls;
mod heads;
mod http;
mod instant;
mod leases;
mod machine;
mod orders;
mod quantiles;
mod steady;
mod table;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::World;
use crate::scene::{Cuts, PROVIDER_NAMESPACE, Scene, SceneOptions};
use crate::world::{NodeChoice, Options};
use calls::Calls;
use heads::Heads;
use table::{Met, Row};

/// The page with the figures, from the workspace's root.
const PAGE: &str = "docs/benchmarks.md";
/// Account of the operator, as the audit log names it.
const OPERATOR_ACCOUNT: &str = ":leaseport-operator";
/// Account of the gateway.
const GATEWAY_ACCOUNT: &str = ":leaseport-gateway";
/// Nodes that exist in the API only, 8 GPUs each: for holds that last 30 s and come one a second.
const KWOK_NODES: u32 = 12;
/// Gas that a report of 104 leases may use for each.
const REPORT_GAS: u64 = 1_050;

/// A part of what is measured; parts are measured in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// A minute in which a lease just runs.
    Steady,
    /// From an order to its bid.
    Bids,
    /// From an opening to its workload.
    Leases,
}

/// What every measurement looks at.
struct Bench {
    scene: Scene,
    calls: Arc<Calls>,
    heads: Heads,
    began: Instant,
}

impl Bench {
    fn say(&self, step: &str) {
        say(self.began, step);
    }

    /// From now on the offer sells what is on the nodes with this label, to as many as ask.
    fn sell_from(&self, label: &str, value: &str) -> Result<()> {
        // A merge patch takes labels of the sample and of an earlier call away only if it says so.
        let mut labels =
            json!({ "nvidia.com/gpu.product": null, "kubernetes.io/hostname": null, "type": null });
        labels[label] = json!(value);
        let patch = json!({ "spec": {
            "nodes": { "selector": { "matchLabels": labels } },
            "capacity": { "maxLeases": 1000, "holds": { "maxShare": "1" } },
        }});
        self.scene.world.kubectl(&[
            "--namespace",
            PROVIDER_NAMESPACE,
            "patch",
            "computeoffer",
            "gpus",
            "--type=merge",
            &format!("--patch={patch}"),
        ])?;
        Ok(())
    }
}

fn say(began: Instant, step: &str) {
    println!("[{:>6.1} s] {step}", began.elapsed().as_secs_f64());
}

/// Measures every bar on a fresh world of that name, or those of one part only, takes the world down and prints the figures. All of them
/// are written to the page, some of them are not.
///
/// # Errors
/// Something could not be measured; the world is then taken down too, its logs stay.
pub fn run(world: Options, only: Option<Measure>) -> Result<()> {
    let began = Instant::now();
    if let Ok(before) = World::attach(&world.run_dir) {
        before.down()?;
    }
    let options = SceneOptions {
        world: Options {
            kubeconfig: None,
            rpc_url: None,
            device_plugin: None,
            node: NodeChoice::Required,
            kwok_nodes: KWOK_NODES,
            ..world
        },
        cuts: Cuts::Possible,
        // Steady is what is between two reports; none falls into the time that is measured.
        report_every: "1h",
        settle_every: "2h",
        tenant_dollars: 10_000,
    };
    let scene = Scene::up(&options, &mut |step| say(began, step))?;
    let program = scene.leaseport.path().display().to_string();
    let bench = Bench {
        calls: Arc::default(),
        heads: Heads::subscribe(scene.world.ws_url())?,
        scene,
        began,
    };
    let measured = measure(&bench, only);
    match measured {
        Ok(rows) => {
            bench.scene.world.down()?;
            let machine = machine::machine();
            println!("\n{machine}\n{program}\n\n{}", table::told(&rows));
            match only {
                None => write(&machine, &rows),
                Some(_) => Ok(()),
            }
        }
        Err(error) => {
            let logs = bench.scene.world.state().log_dir.clone();
            bench.scene.world.down_keeping(crate::world::Keep::Logs)?;
            Err(error.context(format!("logs are kept in {}", logs.display())))
        }
    }
}

fn measure(bench: &Bench, only: Option<Measure>) -> Result<Vec<Row>> {
    let proxy = bench
        .scene
        .rpc_proxy
        .as_ref()
        .context("the scene has no proxy before the chain")?;
    proxy.tap(bench.calls.clone());
    let node = bench.scene.world.node()?.name.clone();
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut rows = vec![report_gas()?];
    // First, as nothing that others leave behind falls into the quiet minute then.
    if wanted(Measure::Steady) {
        bench.sell_from("kubernetes.io/hostname", &node)?;
        rows.extend(steady::measure(bench)?);
    }
    if wanted(Measure::Bids) {
        bench
            .scene
            .world
            .kubectl(&["taint", "nodes", "--selector=type=kwok", "kwok.x-k8s.io/node-"])?;
        bench.sell_from("type", "kwok")?;
        rows.push(bids::measure(bench)?);
    }
    if wanted(Measure::Leases) {
        bench.sell_from("kubernetes.io/hostname", &node)?;
        rows.push(leases::measure(bench)?);
    }
    if only.is_none() {
        rows.push(steady::memory_after_work(bench)?);
    }
    Ok(rows)
}

fn root() -> &'static Path {
    let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
    e2e.parent().unwrap_or(e2e)
}

/// Measured by the contracts' own tests, which keep the figure in a file.
fn report_gas() -> Result<Row> {
    let path = root().join("contracts/snapshots/gas.json");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let gas: serde_json::Value = serde_json::from_str(&text)?;
    let each: u64 = gas["report_104_per_lease"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .context("contracts/snapshots/gas.json has no report_104_per_lease")?;
    Ok(Row {
        what: "report of 104 leases, gas a lease",
        bar: "1,050",
        measured: format!(
            "{},{:03} (`contracts/snapshots/gas.json`)",
            each / 1_000,
            each % 1_000
        ),
        met: Met::if_(each <= REPORT_GAS),
    })
}

fn write(machine: &str, rows: &[Row]) -> Result<()> {
    let page = root().join(PAGE);
    let before = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    fs::write(&page, table::rewritten(&before, machine, rows)?)
        .with_context(|| page.display().to_string())?;
    println!("written to {PAGE}");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_page_has_a_place_for_the_figures() {
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        assert!(table::rewritten(&page, "a machine", &[]).is_ok());
    }

    #[test]
    fn the_report_is_within_its_gas() {
        assert_eq!(report_gas().unwrap().met, Met::Yes);
    }
}
