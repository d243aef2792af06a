//! The one table: who owns each reason a pod can have. Read top down, first match wins; what no row names is Unknown.
//! Reasons are those of kubelet, scheduler and controllers (kubelet/images/types.go, kubelet/kuberuntime, kubelet/eviction, api/core/v1).

/// Who owns a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// The clock runs.
    Tenant,
    /// The clock stands.
    Provider,
    /// Settled later by proof.
    Unknown,
}

/// Where a reason stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `status.containerStatuses[].state.waiting.reason`.
    Waiting,
    /// `status.containerStatuses[].state.terminated.reason` (or `lastState`'s, behind a CrashLoopBackOff).
    Terminated,
    /// `status.reason` of a failed pod.
    Pod,
    /// The condition `PodScheduled` when false.
    Scheduled,
    /// The condition `DisruptionTarget` when true.
    Disruption,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where the reason stands.
    pub place: Place,
    /// The reasons; a trailing `*` matches any ending.
    pub reasons: &'static [&'static str],
    /// The message holds one of these, in lower case; empty matches every message.
    pub said: &'static [&'static str],
    /// Who owns it.
    pub ruling: Ruling,
}

const fn row(
    place: Place,
    reasons: &'static [&'static str],
    said: &'static [&'static str],
    ruling: Ruling,
) -> Row {
    Row {
        place,
        reasons,
        said,
        ruling,
    }
}

const PULL: &[&str] = &["ErrImagePull", "ImagePullBackOff"];
const START: &[&str] = &["RunContainerError", "CreateContainerError"];
const START_ENDED: &[&str] = &["StartError", "ContainerCannotRun"];
/// What a runtime says when the image or its command is at fault, not the node.
const PROGRAM: &[&str] = &[
    "executable file not found",
    "no such file or directory",
    "permission denied: unknown",
    "exec format error",
    "is a directory: unknown",
    "no command specified",
    "not a directory: unknown",
    "unable to find user",
    "unable to find group",
    "container init was oom-killed",
];
/// What the NVIDIA runtime says of devices and mounts; before [`PROGRAM`], since it also mentions missing files.
const DEVICE: &[&str] = &[
    "nvidia-container",
    "libnvidia",
    "/dev/nvidia",
    "cdi device",
    "error mounting",
    "cgroup",
];

/// Every row, in order.
pub const TABLE: &[Row] = &[
    // Images: the name, the registry behind it and the credentials are the tenant's; the disk is the provider's; a network in between is nobody's yet.
    row(
        Place::Waiting,
        PULL,
        &[
            "no space left on device",
            "failed to extract layer",
            "failed to prepare extraction snapshot",
            "failed to unpack",
            "input/output error",
            "read-only file system",
            "containerd.sock",
        ],
        Ruling::Provider,
    ),
    row(
        Place::Waiting,
        PULL,
        &[
            "i/o timeout",
            "context deadline exceeded",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "server misbehaving",
            "temporary failure in name resolution",
            "tls handshake timeout",
            "unexpected eof",
            "toomanyrequests",
            "too many requests",
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
        ],
        Ruling::Unknown,
    ),
    row(Place::Waiting, PULL, &[], Ruling::Tenant),
    row(Place::Waiting, &["InvalidImageName"], &[], Ruling::Tenant),
    row(Place::Waiting, &["RegistryUnavailable"], &[], Ruling::Unknown),
    row(
        Place::Waiting,
        &[
            "ErrImageNeverPull",
            "ImageInspectError",
            "SignatureValidationFailed",
        ],
        &[],
        Ruling::Provider,
    ),
    // Configuration: values that were never sent and an image that is root though the order said it was not.
    row(
        Place::Waiting,
        &["CreateContainerConfigError"],
        &[
            "couldn't find key",
            "secret \"values\" not found",
            "runasnonroot",
            "will run as root",
            "non-numeric user",
        ],
        Ruling::Tenant,
    ),
    // Starting: devices before programs, since the device's runtime complains of missing files too.
    row(Place::Waiting, START, &["requirement error"], Ruling::Unknown),
    row(Place::Waiting, START, DEVICE, Ruling::Provider),
    row(Place::Waiting, START, PROGRAM, Ruling::Tenant),
    row(Place::Waiting, START, &[], Ruling::Provider),
    row(
        Place::Waiting,
        &["PreCreateHookError", "PreStartHookError"],
        &[],
        Ruling::Provider,
    ),
    row(
        Place::Waiting,
        &["PostStartHookError", "CrashLoopBackOff"],
        &[],
        Ruling::Tenant,
    ),
    // Ended: the program's own doing, unless it never started.
    row(
        Place::Terminated,
        START_ENDED,
        &["requirement error"],
        Ruling::Unknown,
    ),
    row(Place::Terminated, START_ENDED, DEVICE, Ruling::Provider),
    row(Place::Terminated, START_ENDED, PROGRAM, Ruling::Tenant),
    row(Place::Terminated, START_ENDED, &[], Ruling::Provider),
    row(
        Place::Terminated,
        &["OOMKilled", "Error", "Completed", "DeadlineExceeded"],
        &[],
        Ruling::Tenant,
    ),
    // Failed pods.
    row(
        Place::Pod,
        &["Evicted"],
        &[
            "exceeded its local ephemeral storage limit",
            "ephemeral local storage usage exceeds the total limit",
            "usage of emptydir volume",
        ],
        Ruling::Tenant,
    ),
    row(Place::Pod, &["DeadlineExceeded"], &[], Ruling::Tenant),
    row(
        Place::Pod,
        &[
            "Evicted",
            "Preempting",
            "Preempted",
            "Shutdown",
            "NodeShutdown",
            "Terminated",
            "UnexpectedAdmissionError",
            "OutOf*",
            "NodeAffinity",
            "NodeName",
            "NodePorts",
            "TaintToleration",
            "TopologyAffinityError",
            "PodOSSelectorNodeLabelDoesNotMatch",
            "PodOSNotSupported",
            "AppArmor",
            "SysctlForbidden",
            "InvalidNodeInfo",
        ],
        &[],
        Ruling::Provider,
    ),
    // Pods that do not get a node, or lose it.
    row(
        Place::Scheduled,
        &["Unschedulable", "SchedulingGated", "SchedulerError"],
        &[],
        Ruling::Provider,
    ),
    row(
        Place::Disruption,
        &[
            "PreemptionByScheduler",
            "DeletionByTaintManager",
            "EvictionByEvictionAPI",
            "TerminationByKubelet",
        ],
        &[],
        Ruling::Provider,
    ),
];

impl Row {
    fn matches(&self, place: Place, reason: &str, message: &str) -> bool {
        let named = |known: &&str| match known.strip_suffix('*') {
            Some(start) => reason.starts_with(start),
            None => reason == *known,
        };
        self.place == place
            && self.reasons.iter().any(named)
            && (self.said.is_empty() || self.said.iter().any(|said| message.contains(said)))
    }
}

/// Who owns a reason; Unknown when no row names it.
#[must_use]
pub fn rule(place: Place, reason: &str, message: &str) -> Ruling {
    let message = message.to_lowercase();
    TABLE
        .iter()
        .find(|row| row.matches(place, reason, &message))
        .map_or(Ruling::Unknown, |row| row.ruling)
}
