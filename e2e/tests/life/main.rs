//! The life of a release with fifty leases on a real node: installed from the last published package, upgraded to the chart as it stands, rolled
//! back, upgraded again; its leader deleted and cut off; its namespace and definitions lost and restored from a backup. No lease may notice any
//! of it but by a pause in its reports, and at the end the API server's own log says what our accounts did and what they may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod failover;
mod fleet;
mod restore;
mod upgrade;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use leaseport_e2e::scene::rights;
use leaseport_e2e::scene::{Cuts, Ends, Release, Scene, SceneOptions};
use leaseport_e2e::world::{Keep, NodeChoice, Options};

use fleet::Fleet;

/// Devices of the node: one a lease, and some that are free.
const GPUS: u32 = 56;

#[test]
fn fifty_leases_outlive_upgrades_rollbacks_lost_leaders_and_a_restore_from_a_backup() {
    let begun = Instant::now();
    let mut say = |step: &str| println!("[{:>6.1} s] {step}", begun.elapsed().as_secs_f64());
    let options = SceneOptions {
        world: Options {
            run_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("life-scenario"),
            kubeconfig: None,
            rpc_url: None,
            device_plugin: None,
            node: NodeChoice::Required,
            gpus: GPUS,
            ..Options::from_env("life-scenario")
        },
        cuts: Cuts::Never,
        report_every: "4s",
        settle_every: "1h",
        tenant_dollars: 300,
    };
    if let Ok(before) = leaseport_e2e::World::attach(&options.world.run_dir) {
        before.down().unwrap();
    }
    let (mut scene, mut release) = Scene::before_release(&options, Ends::WithTheScene, &mut say).unwrap();
    let told =
        story(&mut scene, &mut release, &mut say).with_context(|| scene.pods_say().unwrap_or_default());
    let keep = if told.is_ok() { Keep::Nothing } else { Keep::Logs };
    let down = scene.world.down_keeping(keep);
    if let Err(error) = told {
        panic!("{error:#}");
    }
    down.unwrap();
}

fn story(scene: &mut Scene, release: &mut Release, say: &mut dyn FnMut(&str)) -> Result<()> {
    upgrade::install_the_last_package(scene, release, say)?;
    let fleet = Fleet::rent(scene)?;
    fleet.caught_up(scene)?;
    say(&format!(
        "{} leases run and are reported; of none more than {} s lack",
        fleet.len(),
        fleet.most_lacking()
    ));

    upgrade::to_this_chart_and_back_and_again(scene, release, &fleet, say)?;
    failover::a_leader_is_deleted_and_another_cut_off(scene, &fleet, say)?;
    restore::from_a_backup_older_than_the_chain(scene, release, &fleet, say)?;

    let account = rights::account(&scene.world)?;
    account.stayed_within()?;
    account.hold_against_the_list()?;
    say(&format!(
        "audit log: {} rights were used, {} are listed as seldom, nothing was forbidden",
        account.used.len(),
        account.granted.len() - account.used.len()
    ));
    Ok(())
}
