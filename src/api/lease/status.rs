//! What the operator and the gateway found out about a lease. Nothing here grows by itself: seconds and balances are written when they
//! change hands, not while they run.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::pattern;

/// Where a lease stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum LeasePhase {
    /// Open on chain; no manifest yet.
    #[default]
    Pending,
    /// The manifest is here; the workload is not yet delivered or the start not yet mined.
    Starting,
    /// Started on chain and delivered.
    Active,
    /// Started on chain; some replicas are not delivered.
    Degraded,
    /// Scaled to zero, on purpose or because the chain is unknown for long.
    Suspended,
    /// Its Job has ended: nothing more is billed, the lease lives until the tenant closes it or its time is over.
    Finished,
    /// Ended on chain or about to; the clock stands, the namespace is kept.
    Stopped,
    /// Closed for good; the namespace is gone or going.
    Closed,
}

/// What is known about a lease.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeLeaseStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Pending` (no manifest yet), `Starting`, `Active`, `Degraded` (some replicas are not delivered), `Suspended`, `Finished`
    /// (its Job has ended), `Stopped` (the clock stands), `Closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<LeasePhase>,
    /// Block that opened the lease, as last seen; a reorg may move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<LeaseOpening>,
    /// Namespace the workload runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::LABEL), length(max = pattern::LABEL_LENGTH))]
    pub namespace: Option<String>,
    /// The manifest the gateway holds for this lease. Written by the gateway alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestReceipt>,
    /// The tenant's wish to close by agreement. Written by the gateway alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_request: Option<CloseRequest>,
    /// The provider's signature over the final seconds: in answer to `closeRequest`, or unasked once `finish` is there. Written by the operator alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_offer: Option<CloseOffer>,
    /// Usage that the tenant signed too: the highest voucher that came. Written by the gateway alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<LeaseVoucher>,
    /// Workload objects in the lease's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "name".into()]))]
    pub workloads: Vec<LeaseWorkload>,
    /// How the lease's Job ended. Once written it stays: what has ended is not run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<LeaseFinish>,
    /// Devices that delivered replicas hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uuid".into()]))]
    pub devices: Vec<LeaseDevice>,
    /// Usage, counted and reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<LeaseUsage>,
    /// Escrow as of the last change on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escrow: Option<LeaseEscrow>,
    /// `Ready` (runs as agreed), `ManifestReceived`, `Delivered` (what the provider owes is there), `Started` (on chain), `Metering`,
    /// `Funded`, `ChainSynced`, `Suspended`, `Finished`, `Stopped`, `Closed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Block that opened a lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseOpening {
    /// Number of the block.
    #[schemars(range(min = 0))]
    pub block_number: i64,
    /// Hash of the block.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub block_hash: String,
    /// Time of the block.
    pub time: Time,
}

/// The manifest the gateway holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestReceipt {
    /// keccak256 of its canonical bytes.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub hash: String,
    /// 1 for the manifest the order names, one more for each revision the tenant signed.
    #[schemars(range(min = 1))]
    pub revision: i64,
    /// When the gateway stored it.
    pub received_at: Time,
}

/// A tenant's wish to close by agreement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloseRequest {
    /// When it was asked for last.
    pub requested_at: Time,
    /// Tenant's or agent's address.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub by: String,
}

/// The provider's signature over the final seconds (EIP-712 `Close`), good until its deadline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloseOffer {
    /// Billable seconds of the whole lease.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cum: i64,
    /// Until when the signature holds, Unix seconds.
    #[schemars(range(min = 0))]
    pub deadline: i64,
    /// 65 bytes r, s, v by a report key, as 0x and hexadecimal digits.
    #[schemars(regex(pattern = pattern::SIGNATURE), length(max = 132))]
    pub signature: String,
}

/// Usage that the tenant signed too (EIP-712 `Voucher`): its money can be claimed at once. A later one says more, never less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseVoucher {
    /// Billable seconds of the whole lease under these terms.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub cum: i64,
    /// Hash of the terms it is signed for.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub terms_hash: String,
    /// Tenant's or agent's address.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub by: String,
    /// 65 bytes r, s, v by that address, as 0x and hexadecimal digits.
    #[schemars(regex(pattern = pattern::SIGNATURE), length(max = 132))]
    pub signature: String,
    /// When the gateway took it.
    pub received_at: Time,
}

/// One workload object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseWorkload {
    /// `Deployment` or `Job`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub name: String,
    /// Replicas asked for.
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// Replicas delivered: bound, devices healthy, images present or failing for the tenant's own reason.
    #[schemars(range(min = 0))]
    pub delivered: i32,
}

/// How a lease's Job ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseFinish {
    /// `Complete` (every replica succeeded) or `Failed` (it gave up).
    pub outcome: FinishOutcome,
    /// Why it failed, one word of Kubernetes' Job controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// When; nothing after it is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// The two ends of a Job.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum FinishOutcome {
    /// Every replica succeeded.
    #[default]
    Complete,
    /// It gave up.
    Failed,
}

/// One device that a replica holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseDevice {
    /// Pod that holds it.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub pod: String,
    /// Node it is in.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub node: String,
    /// Id the device plugin gave it, for example `GPU-…`.
    #[schemars(length(min = 1, max = 128))]
    pub uuid: String,
    /// `Healthy`, `Unhealthy` or `Unknown`.
    pub health: DeviceHealth,
}

/// Health of a device.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum DeviceHealth {
    /// The kubelet says it works.
    Healthy,
    /// The kubelet says it does not.
    Unhealthy,
    /// Nobody says; unknown is not unhealthy.
    #[default]
    Unknown,
}

/// Usage, counted and reported. Written when delivery begins, stops or changes device, and before every report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseUsage {
    /// Billable milliseconds of the whole lease in intervals that ended; a second with half of the replicas counts half.
    #[schemars(range(min = 0))]
    pub closed_ms: i64,
    /// Intervals that run, one a delivered replica.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["replica".into()]))]
    pub open: Vec<OpenInterval>,
    /// Billable milliseconds that could not be proven after an outage and are not billed.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub unproven_ms: i64,
    /// Value of the lane that the lease began at on chain, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub lane_base: Option<i64>,
    /// Billable seconds in the last report that was signed; never lowered.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub reported_seconds: i64,
    /// Billable seconds that were turned into money on chain.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub settled_seconds: i64,
    /// The amendment that is counted under; none while the lease runs on the terms it was opened with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amended: Option<AmendedUsage>,
    /// When the last report was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_report: Option<Time>,
    /// Signed count that goes with the last report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<UsageReceipt>,
    /// ConfigMaps beside this object that hold what the receipts rest on: one a day, until the window for disputes has passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096), inner(length(min = 1, max = pattern::NAME_LENGTH)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub evidence: Vec<String>,
}

/// Where the count under amended terms begins: what was counted before is paid or given away, and never billed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AmendedUsage {
    /// Hash of the terms in force.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub terms_hash: String,
    /// Billable seconds that had been counted when the amendment was seen.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub before_seconds: i64,
}

/// The provider's signed count that goes with the last report (EIP-712 `Receipt`); the gateway hands it out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageReceipt {
    /// Billable seconds under the terms it is signed for.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cum: i64,
    /// Hash of those terms; none: the lease's `spec.termsHash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub terms_hash: Option<String>,
    /// Instant of the count, Unix seconds.
    #[schemars(range(min = 0))]
    pub as_of: i64,
    /// Merkle root over the report's intervals.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub root: String,
    /// 65 bytes r, s, v by a report key, as 0x and hexadecimal digits.
    #[schemars(regex(pattern = pattern::SIGNATURE), length(max = 132))]
    pub signature: String,
}

/// An interval of delivery that runs, with what proves that it is still the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenInterval {
    /// Index of the replica.
    #[schemars(range(min = 0, max = 1023))]
    pub replica: i32,
    /// When delivery began, Unix milliseconds.
    #[schemars(range(min = 0))]
    pub since_ms: i64,
    /// Pod that delivers.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub pod: String,
    /// Uid of the pod.
    #[schemars(length(min = 1, max = 128))]
    pub pod_uid: String,
    /// Id of its first container as the runtime gives it; none while no container was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub container_id: Option<String>,
    /// When that container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
}

/// Escrow as of the last change on chain. Money in the token's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseEscrow {
    /// What is left for the lease, the holdback apart.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub balance: String,
    /// What an hour of full delivery takes.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub rate: String,
    /// When the balance is used up at full delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_dry_at: Option<Time>,
}
