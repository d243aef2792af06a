//! One pod judged. The order matters: what proves the provider's fault comes first, then what cannot be known, then devices, and only
//! then may a tenant's own reason count as delivered. May not look at other pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStatus, Node, Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{
    Assessment, ContainerProof, Device, DeviceHealth, Ended, Finding, Owner, Proof,
    assess::{Expected, PullBilling},
    table::{Place, Ruling, rule},
};
use crate::core::time::UnixMillis;

type Nodes<'a> = BTreeMap<&'a str, &'a Node>;

/// What is wrong with a pod or container, sorted by what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    ruling: Ruling,
    finding: Finding,
}

impl Trouble {
    fn new(ruling: Ruling, reason: &str, message: &str) -> Self {
        Self {
            ruling,
            finding: Finding::new(reason, message),
        }
    }
}

const fn provider(finding: Finding) -> Assessment {
    Assessment::NotDelivered {
        owner: Owner::Provider,
        finding,
    }
}

pub(super) fn judge(pod: &Pod, nodes: &Nodes<'_>, expected: &Expected) -> Assessment {
    if pod.metadata.deletion_timestamp.is_some() {
        return provider(leaving(pod));
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some("Succeeded") {
        let finding = Finding::new("Completed", "all containers ended with exit code 0");
        return Assessment::NotDelivered {
            owner: Owner::Tenant,
            finding,
        };
    }
    let Some(node) = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.node_name.as_deref())
        .filter(|name| !name.is_empty())
    else {
        return provider(unbound(pod));
    };
    if phase == Some("Failed") {
        let trouble = failed(pod);
        return conclude(pod, node, &[trouble], Vec::new());
    }
    match node_trouble(node, nodes) {
        Some(Trouble {
            ruling: Ruling::Unknown,
            finding,
        }) => return Assessment::Unknown(finding),
        Some(Trouble {
            ruling: Ruling::Provider | Ruling::Tenant,
            finding,
        }) => return provider(finding),
        None => {}
    }
    let mut troubles = container_troubles(pod, expected);
    let devices = devices(pod, &expected.device);
    troubles.extend(device_trouble(&devices, node, expected));
    conclude(pod, node, &troubles, devices)
}

fn conclude(pod: &Pod, node: &str, troubles: &[Trouble], devices: Vec<Device>) -> Assessment {
    let first = |ruling: Ruling| {
        troubles
            .iter()
            .find(|trouble| trouble.ruling == ruling)
            .map(|t| t.finding.clone())
    };
    if let Some(finding) = first(Ruling::Provider) {
        return provider(finding);
    }
    if let Some(finding) = first(Ruling::Unknown) {
        return Assessment::Unknown(finding);
    }
    let note = first(Ruling::Tenant).or_else(|| unready(pod));
    Assessment::Delivered {
        proof: proof(pod, node, devices),
        note,
    }
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    pod.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|condition| condition.type_ == type_)
}

fn text(value: Option<&String>) -> &str {
    value.map_or("", String::as_str)
}

/// A pod that is going: whoever sent it away, its room is no longer the tenant's.
fn leaving(pod: &Pod) -> Finding {
    let disrupted = condition(pod, "DisruptionTarget").filter(|condition| condition.status == "True");
    disrupted.map_or_else(
        || Finding::new("Terminating", "the pod is being deleted"),
        |condition| Finding::new(text(condition.reason.as_ref()), text(condition.message.as_ref())),
    )
}

fn unbound(pod: &Pod) -> Finding {
    match condition(pod, "PodScheduled").filter(|condition| condition.status == "False") {
        // The scheduler's reasons are all the provider's; the table says so and a test holds it.
        Some(condition) => Finding::new(text(condition.reason.as_ref()), text(condition.message.as_ref())),
        None => Finding::new("NotScheduled", "the pod has no node yet"),
    }
}

fn failed(pod: &Pod) -> Trouble {
    let status = pod.status.as_ref();
    let (reason, message) = (
        text(status.and_then(|status| status.reason.as_ref())),
        text(status.and_then(|status| status.message.as_ref())),
    );
    if !reason.is_empty() {
        return Trouble::new(rule(Place::Pod, reason, message), reason, message);
    }
    if let Some(condition) = condition(pod, "DisruptionTarget").filter(|condition| condition.status == "True")
    {
        let (reason, message) = (text(condition.reason.as_ref()), text(condition.message.as_ref()));
        return Trouble::new(rule(Place::Disruption, reason, message), reason, message);
    }
    statuses(pod)
        .find_map(|status| ended(status, status.state.as_ref()?))
        .unwrap_or_else(|| Trouble::new(Ruling::Unknown, "Failed", "the pod failed and nothing says why"))
}

fn node_trouble(name: &str, nodes: &Nodes<'_>) -> Option<Trouble> {
    let Some(node) = nodes.get(name) else {
        return Some(Trouble::new(
            Ruling::Unknown,
            "NodeMissing",
            &format!("node {name} is not known"),
        ));
    };
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready =
        conditions.and_then(|conditions| conditions.iter().find(|condition| condition.type_ == "Ready"));
    match ready.map(|condition| (condition.status.as_str(), text(condition.message.as_ref()))) {
        Some(("True", _)) => None,
        Some(("False", message)) => Some(Trouble::new(
            Ruling::Provider,
            "NodeNotReady",
            &format!("node {name}: {message}"),
        )),
        Some((_, message)) => Some(Trouble::new(
            Ruling::Unknown,
            "NodeUnreachable",
            &format!("node {name}: {message}"),
        )),
        None => Some(Trouble::new(
            Ruling::Unknown,
            "NodeUnreachable",
            &format!("node {name} has not reported"),
        )),
    }
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten())
}

fn container_troubles(pod: &Pod, expected: &Expected) -> Vec<Trouble> {
    let containers = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
    if statuses(pod).count() < containers {
        return vec![Trouble::new(
            Ruling::Provider,
            "Starting",
            "the kubelet has not reported every container yet",
        )];
    }
    // True once the sandbox and its network are up (KEP-3085); what is left then is pulling and creating.
    let sandbox =
        condition(pod, "PodReadyToStartContainers").is_some_and(|condition| condition.status == "True");
    statuses(pod)
        .filter_map(|status| container_trouble(status, sandbox, expected.pull))
        .collect()
}

fn container_trouble(status: &ContainerStatus, sandbox: bool, pull: PullBilling) -> Option<Trouble> {
    let Some(state) = &status.state else {
        return Some(Trouble::new(
            Ruling::Provider,
            "Starting",
            &format!("container {}: no state yet", status.name),
        ));
    };
    if state.running.is_some() {
        return None;
    }
    if state.terminated.is_some() {
        return ended(status, state);
    }
    let (reason, message) = state.waiting.as_ref().map_or(("", ""), |waiting| {
        (text(waiting.reason.as_ref()), text(waiting.message.as_ref()))
    });
    let about = |said: &str| format!("container {} ({}): {said}", status.name, status.image);
    Some(match reason {
        // A waiting state without a reason is the kubelet's default before it has looked.
        "" | "ContainerCreating" | "PodInitializing" => match (sandbox, pull) {
            (false, _) => Trouble::new(
                Ruling::Provider,
                "SandboxStarting",
                &about("sandbox, network and volumes"),
            ),
            (true, PullBilling::Provider) => {
                Trouble::new(Ruling::Provider, "Pulling", &about("image is being pulled"))
            }
            (true, PullBilling::Tenant) => {
                Trouble::new(Ruling::Tenant, "Pulling", &about("image is being pulled"))
            }
        },
        "CrashLoopBackOff" => status
            .last_state
            .as_ref()
            .and_then(|last| ended(status, last))
            .map_or_else(
                || Trouble::new(rule(Place::Waiting, reason, message), reason, &about(message)),
                |last| Trouble {
                    finding: Finding::new(reason, &last.finding.message),
                    ..last
                },
            ),
        reason => Trouble::new(rule(Place::Waiting, reason, message), reason, &about(message)),
    })
}

fn ended(status: &ContainerStatus, state: &ContainerState) -> Option<Trouble> {
    let ended = state.terminated.as_ref()?;
    let reason = text(ended.reason.as_ref());
    let said = text(ended.message.as_ref());
    let message = format!(
        "container {}: {reason}, exit code {}; {said}",
        status.name, ended.exit_code
    );
    Some(Trouble::new(
        rule(Place::Terminated, reason, said),
        reason,
        &message,
    ))
}

fn devices(pod: &Pod, resource: &str) -> Vec<Device> {
    let mut devices: Vec<Device> = statuses(pod)
        .flat_map(|status| status.allocated_resources_status.iter().flatten())
        .filter(|allocated| allocated.name == resource)
        .flat_map(|allocated| allocated.resources.iter().flatten())
        .map(|device| Device {
            uuid: device
                .resource_id
                .split("::")
                .next()
                .unwrap_or_default()
                .to_owned(),
            health: match device.health.as_deref() {
                Some("Healthy") => DeviceHealth::Healthy,
                Some("Unhealthy") => DeviceHealth::Unhealthy,
                Some(_) | None => DeviceHealth::Unknown,
            },
        })
        .collect();
    devices.sort();
    devices
}

fn device_trouble(devices: &[Device], node: &str, expected: &Expected) -> Option<Trouble> {
    let ill = |health: DeviceHealth| devices.iter().find(|device| device.health == health);
    if let Some(device) = ill(DeviceHealth::Unhealthy) {
        let message = format!("{} on node {node} is unhealthy", device.uuid);
        return Some(Trouble::new(Ruling::Provider, "DeviceUnhealthy", &message));
    }
    if let Some(device) = ill(DeviceHealth::Unknown) {
        let message = format!("the health of {} on node {node} is unknown", device.uuid);
        return Some(Trouble::new(Ruling::Unknown, "DeviceHealthUnknown", &message));
    }
    let wanted = usize::try_from(expected.devices).unwrap_or(usize::MAX);
    if devices.len() < wanted {
        let message = format!(
            "node {node} reports {} of {wanted} {}: its kubelet must report allocatedResourcesStatus (Kubernetes 1.36 does)",
            devices.len(),
            expected.device
        );
        return Some(Trouble::new(Ruling::Unknown, "DevicesNotReported", &message));
    }
    None
}

/// A probe that does not pass is told to the tenant and changes nothing else.
fn unready(pod: &Pod) -> Option<Finding> {
    let status = statuses(pod).find(|status| !status.ready)?;
    Some(Finding::new(
        "NotReady",
        &format!("container {} does not pass its readiness probe", status.name),
    ))
}

/// The end of a pod whose containers have all ended, by the kubelet's own stamps.
pub(super) fn ended_at(pod: &Pod) -> Option<Ended> {
    let node = pod.spec.as_ref()?.node_name.as_deref()?;
    let mut last = None;
    for status in statuses(pod) {
        let finished = status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?;
        last = last.max(Some(millis(finished)));
    }
    Some(Ended {
        proof: proof(pod, node, Vec::new()),
        at: last?,
    })
}

fn millis(time: &Time) -> UnixMillis {
    UnixMillis(time.0.as_millisecond())
}

/// When a container that runs, or ran until it ended, was started.
fn started(state: &ContainerState) -> Option<UnixMillis> {
    let running = state
        .running
        .as_ref()
        .and_then(|running| running.started_at.as_ref());
    let ended = state
        .terminated
        .as_ref()
        .and_then(|ended| ended.started_at.as_ref());
    running.or(ended).map(millis)
}

fn proof(pod: &Pod, node: &str, devices: Vec<Device>) -> Proof {
    let containers: Vec<ContainerProof> = statuses(pod)
        .map(|status| ContainerProof {
            name: status.name.clone(),
            id: status.container_id.clone().filter(|id| !id.is_empty()),
            started_at: status.state.as_ref().and_then(started),
        })
        .collect();
    Proof {
        pod_uid: pod.metadata.uid.clone().unwrap_or_default(),
        pod: pod.metadata.name.clone().unwrap_or_default(),
        node: node.to_owned(),
        started_at: containers
            .iter()
            .filter_map(|container| container.started_at)
            .max(),
        containers,
        devices,
    }
}
