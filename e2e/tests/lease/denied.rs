//! The cluster's own admission policy says no: to a bid's placeholder pods, to the workload, to the workload's pods. Conditions and events carry the
//! policy's name and words, and what was denied goes on once the policy is lifted. Webhooks, as Kyverno's and Gatekeeper's, answer at the same
//! place; none runs here.

use anyhow::{Result, ensure};
use leaseport_e2e::scene::{Scene, condition, eventually};
use serde_json::Value;

use crate::Shared;
use crate::flow::{close, of_order, small, started};

/// What the policies' names begin with.
const POLICY: &str = "objects-have-owners";
/// What it says.
const WORDS: &str = "a cost centre is missing";

/// The policy, demanding a label of what is created of these kinds; in force when this returns.
fn demand(scene: &Scene, group: &str, resource: &str, probe: &str) -> Result<()> {
    let manifest = format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {POLICY}-{resource}}}
spec:
  matchConstraints:
    resourceRules:
      - {{apiGroups: [\"{group}\"], apiVersions: [v1], operations: [CREATE], resources: [{resource}]}}
  validations:
    - expression: has(object.metadata.labels) && 'cost-centre' in object.metadata.labels
      message: {WORDS}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {POLICY}-{resource}}}
spec: {{policyName: {POLICY}-{resource}, validationActions: [Deny]}}
"
    );
    scene
        .world
        .kubectl_with_input(&["apply", "--server-side", "--filename=-"], &manifest)?;
    eventually("the policy is in force", || {
        Ok(tried(scene, probe).err().filter(|said| said.contains(WORDS)))
    })?;
    Ok(())
}

/// Takes it away; gone when this returns.
fn lift(scene: &Scene, resource: &str, probe: &str) -> Result<()> {
    scene.world.kubectl(&[
        "delete",
        "--ignore-not-found",
        &format!("validatingadmissionpolicybinding/{POLICY}-{resource}"),
        &format!("validatingadmissionpolicy/{POLICY}-{resource}"),
    ])?;
    eventually("the policy is lifted", || Ok(tried(scene, probe).ok()))
}

fn tried(scene: &Scene, probe: &str) -> Result<(), String> {
    scene
        .world
        .kubectl_with_input(&["create", "--dry-run=server", "--filename=-"], probe)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "default"},
  "spec": {"containers": [{"name": "main", "image": "busybox:1.36"}]}}"#;
const DEPLOYMENT: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "probe", "namespace": "default"},
  "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "main", "image": "busybox:1.36"}]}}}}"#;

/// Waits until a condition is False for this reason, in the policy's words.
fn told(object: impl Fn() -> Result<Value>, kind: &str, reason: &str) -> Result<()> {
    eventually(
        &format!("{kind} is False for {reason}, in the policy's words"),
        || {
            let object = object()?;
            let found = condition(&object, kind).cloned().unwrap_or_default();
            let said = found["message"].as_str().unwrap_or_default();
            ensure!(
                found["status"] == "False"
                    && found["reason"] == reason
                    && said.contains(&format!("ValidatingAdmissionPolicy '{POLICY}-"))
                    && said.contains(WORDS),
                "{found}"
            );
            Ok(Some(()))
        },
    )
}

fn event(scene: &Scene, kind: &str) -> Result<()> {
    eventually(&format!("an event DeniedByPolicy on the {kind}"), || {
        let events = scene.objects("events.events.k8s.io")?;
        Ok(events
            .iter()
            .any(|event| {
                event["reason"] == "DeniedByPolicy"
                    && event["regarding"]["kind"] == kind
                    && event["note"].as_str().is_some_and(|note| note.contains(WORDS))
            })
            .then_some(()))
    })
}

pub(crate) fn policy_says_no(shared: &mut Shared) -> Result<()> {
    let scene = &shared.scene;
    let outcome = denied_and_let_through(scene);
    // Whatever happened, the scenarios that follow are not to meet it.
    lift(scene, "deployments", DEPLOYMENT)?;
    lift(scene, "pods", POD)?;
    outcome
}

fn denied_and_let_through(scene: &Scene) -> Result<()> {
    let tenant = scene.tenant();
    demand(scene, "", "pods", POD)?;
    let posted = tenant.request("denied", &small())?;
    let bid = || {
        let bids = scene.objects("computebids")?;
        let found = bids
            .into_iter()
            .find(|bid| bid["spec"]["orderHash"] == posted.order);
        Ok(found.unwrap_or_default())
    };
    told(bid, "Held", "DeniedByPolicy")?;
    event(scene, "ComputeBid")?;
    lift(scene, "pods", POD)?;
    tenant.a_bid(&posted.order)?;

    demand(scene, "apps", "deployments", DEPLOYMENT)?;
    let opened = tenant.accept_without_manifest(&posted.order)?;
    scene.namespace_of(&opened.lease)?;
    tenant.run(&["manifest", "push", &opened.lease])?;
    let name = scene.lease_object(&opened.lease)?;
    told(|| scene.object(&name), "Ready", "DeniedByPolicy")?;
    event(scene, "ComputeLease")?;

    demand(scene, "", "pods", POD)?;
    lift(scene, "deployments", DEPLOYMENT)?;
    told(|| scene.object(&name), "Delivered", "FailedCreate")?;
    ensure!(
        scene.ledger.lease_at(opened.lane)?.state == 1,
        "what was denied was started"
    );

    lift(scene, "pods", POD)?;
    scene.running_pod(&opened.lease)?;
    started(scene, opened.lane)?;
    ensure!(
        of_order(scene, "computebids", &posted.order)?["status"]["phase"] == "Won",
        "the bid is not Won"
    );
    close(scene, &opened.lease)?;
    Ok(())
}
