//! Who pays when the tenant's program does not work, and how a lease ends without agreement.

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{Wish, eventually};

use crate::Shared;
use crate::flow::{close, gone, reported, small, started};

pub(crate) fn missing_image(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let wish = Wish {
        // Nothing listens there.
        image: "127.0.0.1:1/gone:1".into(),
        ..small()
    };
    let (_, opened) = scene.tenant().rent("image", &wish)?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 3)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let pods = scene.pods(&namespace)?;
    let waiting = pods
        .first()
        .map(|pod| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].to_string());
    ensure!(
        waiting
            .as_deref()
            .is_some_and(|reason| reason.contains("ImagePull")),
        "{waiting:?}"
    );
    close(scene, &opened.lease)?;
    Ok(())
}

pub(crate) fn failing_probe(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let wish = Wish {
        readiness: "{exec: {command: [\"false\"], periodSeconds: 1}}".into(),
        ..small()
    };
    let (_, opened) = scene.tenant().rent("probe", &wish)?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 3)?;
    let pods = scene.pods(&scene.namespace_of(&opened.lease)?)?;
    let ready = pods
        .first()
        .map(|pod| pod["status"]["containerStatuses"][0]["ready"].clone());
    ensure!(ready == Some(serde_json::Value::Bool(false)), "{ready:?}");
    close(scene, &opened.lease)?;
    Ok(())
}

pub(crate) fn stop_and_finalize(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let (_, opened) = tenant.rent("stop", &small())?;
    scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 1)?;

    tenant.run(&["close", &opened.lease, "--stop"])?;
    let stopped = scene.ledger.lease_at(opened.lane)?;
    ensure!(
        stopped.state == 2 && stopped.stop_at <= scene.ledger.head()?.1,
        "{stopped:?}"
    );
    eventually("the devices are free", || {
        let pods = scene.pods(&namespace).unwrap_or_default();
        Ok(pods.is_empty().then_some(()))
    })?;
    let end = eventually("the lease is finalized", || {
        let lease = scene.ledger.lease_at(opened.lane)?;
        ensure!(lease.state == 3, "{lease:?}");
        Ok(Some(lease))
    })?;
    let ran = stopped.stop_at - stopped.start_at;
    ensure!(
        end.settled <= ran && end.settled + 3 >= ran,
        "{} s paid of {ran} s",
        end.settled
    );
    gone(scene, &namespace)
}
