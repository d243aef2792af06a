//! Two operators: one acts, the other knows the chain already and takes over in time.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{OPERATOR, STANDBY, Scene, body, within};

use crate::Shared;
use crate::flow::{close, small, started};

/// A crash is seen by the lock's silence.
const AFTER_A_CRASH: Duration = Duration::from_secs(20);
/// A lock that is given back is taken at the next try; the rest is kubectl's and this machine's.
const AFTER_A_STOP: Duration = Duration::from_secs(3);

/// How long it takes until a holder whose name begins so has the lock.
fn taken_by(scene: &Scene, name: &str, most: Duration) -> Result<Duration> {
    let began = Instant::now();
    within(most + Duration::from_secs(30), &format!("{name} leads"), || {
        Ok(scene
            .lock_holder()?
            .starts_with(&format!("{name}-"))
            .then_some(()))
    })?;
    Ok(began.elapsed())
}

pub(crate) fn a_standby_takes_over(shared: &mut Shared) -> Result<()> {
    let scene = &mut shared.scene;
    ensure!(
        scene.lock_holder()?.starts_with(OPERATOR),
        "{} leads",
        scene.lock_holder()?
    );
    let standby = scene.start_standby()?;
    within(Duration::from_secs(30), "the standby follows the chain", || {
        let metrics = body(standby, "/metrics")?;
        Ok(metrics
            .contains("leaseport_chain_view_fresh{market=\"local\"} 1")
            .then_some(()))
    })?;
    let (_, opened) = scene.tenant().rent("handover", &small())?;
    started(scene, opened.lane)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let pods = scene.pods(&namespace)?;

    scene.kill_operator()?;
    let crash = taken_by(scene, STANDBY, AFTER_A_CRASH)?;
    println!("  a crashed leader was followed after {crash:.1?}");
    ensure!(crash <= AFTER_A_CRASH, "taken over after {crash:?}");
    let now = scene.pods(&namespace)?;
    ensure!(
        now.iter()
            .map(|pod| &pod["metadata"]["uid"])
            .eq(pods.iter().map(|pod| &pod["metadata"]["uid"])),
        "the lease's pods changed hands too"
    );

    // And back again, this time by the book.
    scene.start_operator()?;
    let told = Instant::now();
    scene.world.stop_part(STANDBY)?;
    let ended = told.elapsed();
    let stop = taken_by(scene, OPERATOR, AFTER_A_STOP)?;
    println!("  a stopped leader ended after {ended:.1?} and was followed {stop:.1?} later");
    ensure!(stop <= AFTER_A_STOP, "taken over {stop:?} after the release");
    close(scene, &opened.lease)?;
    Ok(())
}
