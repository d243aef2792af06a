//! A lease's object that a person lets go of while the lease lives: what runs stays, the object comes back, and no second is billed twice.

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{OPERATOR, Scene, condition, eventually};
use serde_json::Value;

use crate::Shared;
use crate::flow::{close, gone, identity, reported, small, started};

/// The lease's object once it is Active and Ready and another one than that.
fn again(scene: &Scene, name: &str, before: &Value) -> Result<Value> {
    eventually("the ComputeLease is there again, Active and Ready", || {
        let object = scene.object(name)?;
        let ready = condition(&object, "Ready").is_some_and(|ready| ready["status"] == "True");
        let new = object["metadata"]["uid"] != before["metadata"]["uid"];
        ensure!(
            new && ready && object["status"]["phase"] == "Active",
            "{}\n{}",
            object["status"],
            scene.log_tail(OPERATOR)
        );
        Ok(Some(object))
    })
}

pub(crate) fn object_lost(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let tenant = scene.tenant();
    let posted = tenant.request("orphan", &small())?;
    tenant.a_bid(&posted.order)?;
    let opened = tenant.accept(&posted.order)?;
    let pod = scene.running_pod(&opened.lease)?;
    let namespace = scene.namespace_of(&opened.lease)?;
    let live = started(scene, opened.lane)?;
    let before = reported(scene, opened.lane, 4)?;
    let name = scene.lease_object(&opened.lease)?;
    let object = scene.object(&name)?;

    let kubectl = |words: &[&str]| {
        let line = [&["--namespace", "gpu-provider"], words].concat();
        scene.world.kubectl(&line)
    };
    // Another lease's id releases nothing.
    kubectl(&["annotate", &name, "leaseport.dev/abandon=9-9-9"])?;
    kubectl(&[
        "annotate",
        "--overwrite",
        &name,
        &format!("leaseport.dev/abandon={}", opened.lease),
    ])?;
    kubectl(&["delete", "--wait=false", &name])?;

    let made = again(scene, &name, &object)?;
    ensure!(made["spec"] == object["spec"], "{}", made["spec"]);
    let pods = scene.pods(&namespace)?;
    ensure!(
        pods.first().map(identity) == Some(identity(&pod)),
        "the pod did not stay"
    );
    // The count goes on where the chain has it.
    reported(scene, opened.lane, before.reported() + 4)?;
    let seconds = close(scene, &opened.lease)?;
    ensure!(
        seconds >= before.reported() && seconds <= scene.ledger.head()?.1 - live.start_at,
        "{seconds} s"
    );
    gone(scene, &namespace)
}
