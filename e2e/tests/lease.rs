//! A market at work on real parts, from an order to money claimed, and through the outages in between. All scenarios share one world and
//! have orders of their own. Run with `--test-threads=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use leaseport_e2e::scene::{Cuts, Scene, SceneOptions};
use leaseport_e2e::world::{NodeChoice, Options};

fn options(name: &str) -> (tempfile::TempDir, SceneOptions) {
    let folder = tempfile::tempdir().unwrap();
    let world = Options {
        run_dir: folder.path().join(name),
        kubeconfig: None,
        rpc_url: None,
        device_plugin: None,
        node: NodeChoice::Required,
        ..Options::from_env(name)
    };
    let options = SceneOptions {
        world,
        cuts: Cuts::Possible,
        tenant_dollars: 1000,
    };
    (folder, options)
}

#[test]
fn an_order_becomes_a_paid_lease_to_the_last_micro_unit() {
    let (_folder, options) = options("lease");
    let started = std::time::Instant::now();
    let scene = Scene::up(&options, &mut |step| {
        eprintln!("[{:>6.1} s] {step}", started.elapsed().as_secs_f64())
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
    drop(scene);
}
