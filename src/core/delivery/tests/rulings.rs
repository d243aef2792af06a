//! What one pod is judged to be, and whose failure it is, row by row of the table.

use super::*;

#[test]
fn every_row_of_the_table_rules_what_it_names_and_none_is_hidden_by_a_row_above() {
    for row in TABLE {
        for reason in row.reasons {
            let reason = reason.replace('*', "nvidia.com/gpu");
            let messages = if row.said.is_empty() { &[""][..] } else { row.said };
            for message in messages {
                let said = format!("Prefix: {} suffix", message.to_uppercase());
                assert_eq!(rule(row.place, &reason, &said), row.ruling, "{reason}: {message}");
            }
        }
    }
}

#[test]
fn a_running_replica_with_its_devices_is_delivered_and_proven() {
    let Assessment::Delivered { proof, note } = one(with(running()), node("True"), &expected()) else {
        panic!("not delivered");
    };
    assert_eq!(note, None);
    assert_eq!(proof.started_at, Some(UnixMillis(1_795_348_800_000)));
    assert_eq!(
        proof,
        Proof {
            pod_uid: "u1".into(),
            pod: "p".into(),
            node: "n1".into(),
            containers: vec![ContainerProof {
                name: "main".into(),
                id: Some("containerd://aa".into()),
                started_at: proof.started_at,
            }],
            started_at: proof.started_at,
            devices: vec![Device {
                uuid: UUID.into(),
                health: DeviceHealth::Healthy
            }],
        }
    );
}

#[rstest]
// Images, as containerd and the kubelet really word them.
#[case(
    "ErrImagePull",
    "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example/a:1\": not found",
    Ruling::Tenant
)]
#[case(
    "ImagePullBackOff",
    "Back-off pulling image \"registry.example/a:1\"",
    Ruling::Tenant
)]
#[case(
    "ErrImagePull",
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope",
    Ruling::Tenant
)]
#[case(
    "ErrImagePull",
    "dial tcp: lookup no.such.registry: no such host",
    Ruling::Tenant
)]
#[case(
    "ErrImagePull",
    "dial tcp 203.0.113.9:443: connect: connection refused",
    Ruling::Tenant
)]
#[case(
    "ErrImagePull",
    "no match for platform in manifest: not found",
    Ruling::Tenant
)]
#[case(
    "ErrImagePull",
    "failed to extract layer sha256:aa: write /var/lib/x: no space left on device",
    Ruling::Provider
)]
#[case("ErrImagePull", "dial tcp 203.0.113.9:443: i/o timeout", Ruling::Unknown)]
#[case(
    "ImagePullBackOff",
    "429 Too Many Requests - Server message: toomanyrequests",
    Ruling::Unknown
)]
#[case("RegistryUnavailable", "", Ruling::Unknown)]
#[case("InvalidImageName", "couldn't parse image name", Ruling::Tenant)]
#[case("ErrImageNeverPull", "", Ruling::Provider)]
#[case("ImageInspectError", "", Ruling::Provider)]
#[case("SignatureValidationFailed", "", Ruling::Provider)]
// Configuration.
#[case(
    "CreateContainerConfigError",
    "couldn't find key hub-token in Secret lp-1/values",
    Ruling::Tenant
)]
#[case("CreateContainerConfigError", "secret \"values\" not found", Ruling::Tenant)]
#[case(
    "CreateContainerConfigError",
    "container has runAsNonRoot and image will run as root (pod: \"p\")",
    Ruling::Tenant
)]
#[case(
    "CreateContainerConfigError",
    "container has runAsNonRoot and image has non-numeric user (app)",
    Ruling::Tenant
)]
#[case(
    "CreateContainerConfigError",
    "failed to sync configmap cache",
    Ruling::Unknown
)]
// Starting.
#[case(
    "RunContainerError",
    "OCI runtime create failed: exec: \"trian\": executable file not found in $PATH: unknown",
    Ruling::Tenant
)]
#[case("RunContainerError", "exec /bin/x: exec format error", Ruling::Tenant)]
#[case(
    "RunContainerError",
    "container init was OOM-killed (memory limit too low?)",
    Ruling::Tenant
)]
#[case(
    "RunContainerError",
    "nvidia-container-cli: device error: GPU-1: unknown device",
    Ruling::Provider
)]
#[case(
    "RunContainerError",
    "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: no such file or directory",
    Ruling::Provider
)]
#[case(
    "RunContainerError",
    "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0",
    Ruling::Unknown
)]
#[case("CreateContainerError", "failed to reserve container name", Ruling::Provider)]
#[case("CreateContainerError", "no command specified", Ruling::Tenant)]
#[case("PostStartHookError", "", Ruling::Tenant)]
#[case("PreStartHookError", "", Ruling::Provider)]
#[case("SomethingNew", "nobody knows", Ruling::Unknown)]
fn a_waiting_container_is_ruled_by_what_it_waits_for(
    #[case] reason: &str,
    #[case] message: &str,
    #[case] ruling: Ruling,
) {
    let pod = with(json!({ "waiting": { "reason": reason, "message": message } }));
    assert_eq!(told(pod), (ruling, reason.to_owned()));
}

#[rstest]
#[case("OOMKilled", "", Ruling::Tenant)]
#[case("Error", "", Ruling::Tenant)]
#[case("Completed", "", Ruling::Tenant)]
#[case("ContainerStatusUnknown", "", Ruling::Unknown)]
#[case(
    "StartError",
    "exec: \"x\": executable file not found in $PATH",
    Ruling::Tenant
)]
#[case("StartError", "error mounting \"/x\"", Ruling::Provider)]
#[case("ContainerCannotRun", "something of the runtime", Ruling::Provider)]
fn a_crash_loop_is_ruled_by_how_the_program_last_ended(
    #[case] reason: &str,
    #[case] message: &str,
    #[case] ruling: Ruling,
) {
    let ended = json!({ "terminated": { "reason": reason, "message": message, "exitCode": 1 } });
    assert_eq!(told(with(ended.clone())), (ruling, reason.to_owned()));
    let mut looping = container(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
    looping["lastState"] = ended;
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [looping] }));
    assert_eq!(told(pod), (ruling, "CrashLoopBackOff".to_owned()));
}

#[rstest]
#[case(
    "Evicted",
    "Container main exceeded its local ephemeral storage limit \"1Gi\". ",
    Ruling::Tenant
)]
#[case(
    "Evicted",
    "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
    Ruling::Tenant
)]
#[case("Evicted", "The node was low on resource: memory. ", Ruling::Provider)]
#[case("Preempting", "Preempted in order to admit critical pod", Ruling::Provider)]
#[case(
    "NodeShutdown",
    "Pod was terminated in response to imminent node shutdown.",
    Ruling::Provider
)]
#[case(
    "UnexpectedAdmissionError",
    "Allocate failed due to no healthy devices present",
    Ruling::Provider
)]
#[case(
    "OutOfnvidia.com/gpu",
    "Node didn't have enough resource: nvidia.com/gpu",
    Ruling::Provider
)]
#[case("OutOfcpu", "", Ruling::Provider)]
#[case("NodeAffinity", "", Ruling::Provider)]
#[case("DeadlineExceeded", "", Ruling::Tenant)]
#[case("NodeLost", "", Ruling::Unknown)]
fn a_failed_pod_is_ruled_by_its_reason(#[case] reason: &str, #[case] message: &str, #[case] ruling: Ruling) {
    let pod = pod(json!({ "phase": "Failed", "reason": reason, "message": message }));
    assert_eq!(told(pod), (ruling, reason.to_owned()));
}

#[rstest]
#[case("PreemptionByScheduler")]
#[case("DeletionByTaintManager")]
#[case("EvictionByEvictionAPI")]
#[case("TerminationByKubelet")]
fn a_disrupted_pod_is_the_providers(#[case] reason: &str) {
    let status = json!({ "phase": "Failed", "conditions": [{ "type": "DisruptionTarget", "status": "True", "reason": reason }] });
    assert_eq!(told(pod(status.clone())), (Ruling::Provider, reason.to_owned()));
    let mut leaving = pod(status);
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    assert_eq!(told(leaving), (Ruling::Provider, reason.to_owned()));
}

#[rstest]
#[case("Unschedulable")]
#[case("SchedulingGated")]
#[case("SchedulerError")]
fn a_pod_without_a_node_is_the_providers(#[case] reason: &str) {
    let mut pod = pod(
        json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": reason }] }),
    );
    pod.spec.as_mut().unwrap().node_name = None;
    assert_eq!(rule(Place::Scheduled, reason, ""), Ruling::Provider);
    assert_eq!(told(pod), (Ruling::Provider, reason.to_owned()));
}

#[test]
fn a_tenants_own_reason_delivers_only_on_a_node_and_with_devices_in_order() {
    let failing = || with(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
    let on = |ready: &str| one(failing(), node(ready), &expected());
    assert!(matches!(on("True"), Assessment::Delivered { .. }));
    assert!(
        matches!(on("False"), Assessment::NotDelivered { owner: Owner::Provider, finding } if finding.reason == "NodeNotReady")
    );
    assert!(matches!(on("Unknown"), Assessment::Unknown(finding) if finding.reason == "NodeUnreachable"));
    let nowhere = assess(&expected(), [failing()], Vec::<Node>::new(), &BTreeMap::new());
    assert!(
        matches!(&nowhere[0].assessment, Assessment::Unknown(finding) if finding.reason == "NodeMissing")
    );
}

#[rstest]
#[case(json!([]), Ruling::Unknown, "DevicesNotReported")]
#[case(devices("Unhealthy"), Ruling::Provider, "DeviceUnhealthy")]
#[case(devices("Unknown"), Ruling::Unknown, "DeviceHealthUnknown")]
#[case(devices("Healthy"), Ruling::Tenant, "Delivered")]
fn devices_decide(#[case] devices: Value, #[case] ruling: Ruling, #[case] reason: &str) {
    let mut container = container(running());
    container["allocatedResourcesStatus"] = devices;
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [container] }));
    assert_eq!(told(pod), (ruling, reason.to_owned()));
}

#[test]
fn an_unhealthy_device_outweighs_the_tenants_own_crash() {
    let mut container = container(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
    container["allocatedResourcesStatus"] = devices("Unhealthy");
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [container] }));
    assert_eq!(told(pod), (Ruling::Provider, "DeviceUnhealthy".to_owned()));
}

#[test]
fn a_probe_that_does_not_pass_is_delivered_and_told() {
    let mut container = container(running());
    container["ready"] = json!(false);
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [container] }));
    assert_eq!(told(pod), (Ruling::Tenant, "NotReady".to_owned()));
}

#[test]
fn who_pays_while_an_image_is_pulled_is_a_term() {
    let creating = || with(json!({ "waiting": { "reason": "ContainerCreating" } }));
    assert_eq!(told(creating()), (Ruling::Provider, "Pulling".to_owned()));
    let billed = Expected {
        pull: PullBilling::Tenant,
        ..expected()
    };
    assert!(
        matches!(one(creating(), node("True"), &billed), Assessment::Delivered { note: Some(note), .. } if note.reason == "Pulling")
    );
    let mut no_sandbox = creating();
    no_sandbox.status.as_mut().unwrap().conditions = None;
    assert!(
        matches!(one(no_sandbox, node("True"), &billed), Assessment::NotDelivered { finding, .. } if finding.reason == "SandboxStarting")
    );
}

#[test]
fn a_finished_replica_is_the_tenants_end_and_stops_the_clock() {
    assert_eq!(
        told(pod(json!({ "phase": "Succeeded" }))),
        (Ruling::Tenant, "EndedCompleted".to_owned())
    );
}

#[test]
fn a_finished_pod_proves_the_interval_that_was_open_and_says_when_it_ended() {
    let look = |pod: Pod| {
        metered(&assess(&expected(), [pod], [node("True")], &BTreeMap::new()))
            .remove(&0)
            .unwrap()
    };
    let ended = json!({ "terminated": {
        "reason": "Completed", "exitCode": 0, "startedAt": "2026-11-22T12:00:00Z", "finishedAt": "2026-11-22T12:00:10Z",
    } });
    let mut done = with(ended);
    done.status.as_mut().unwrap().phase = Some("Succeeded".into());
    let (meter::Delivery::Delivered(ran), meter::Delivery::NotDelivered { ended: Some(end) }) =
        (look(with(running())), look(done))
    else {
        panic!("a running pod delivers, a finished one has an end");
    };
    assert_eq!(end.proof, ran);
    assert_eq!(end.at, UnixMillis(1_795_348_810_000));
}
