//! ComputeLease: one lease and everything about it. Made by the operator from the chain; people change only `suspend`, `waivedSeconds` and `close`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pattern, reference::LocalRef, request::RequestSummary};

mod status;

pub use status::{
    AmendedUsage, CloseOffer, CloseRequest, ComputeLeaseStatus, DeviceHealth, FinishOutcome, LeaseDevice,
    LeaseEscrow, LeaseFinish, LeaseOpening, LeasePhase, LeaseUsage, LeaseVoucher, LeaseWorkload,
    ManifestReceipt, OpenInterval, UsageReceipt,
};

/// One lease, as the chain has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeLease",
    plural = "computeleases",
    shortname = "clease",
    category = "leaseport",
    namespaced,
    status = "ComputeLeaseStatus",
    derive = "PartialEq",
    doc = "One lease and everything about it, made by the operator in the provider's namespace. The spec is what the chain says; people change only spec.suspend, spec.waivedSeconds and spec.close. Deleting it closes the lease on chain; the object leaves when the lease is closed for good.",
    printcolumn(
        name = "Lease",
        type_ = "string",
        json_path = ".spec.leaseId",
        description = "Provider, lane and generation"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "Pending, Starting, Active, Degraded, Suspended, Finished, Stopped or Closed"
    ),
    printcolumn(
        name = "GPUs",
        type_ = "integer",
        json_path = ".spec.request.gpus",
        description = "Devices of one replica"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".spec.request.replicas",
        description = "Replicas"
    ),
    printcolumn(
        name = "Rate/h",
        type_ = "string",
        json_path = ".spec.terms.ratePerHour",
        description = "Price of the whole lease for an hour"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the lease runs as agreed"
    ),
    printcolumn(
        name = "Runs dry",
        type_ = "date",
        json_path = ".status.escrow.runsDryAt",
        description = "When the escrow is empty at full use, as of the last change on chain"
    ),
    printcolumn(
        name = "Namespace",
        type_ = "string",
        json_path = ".status.namespace",
        description = "Where the workload runs",
        priority = 1
    ),
    printcolumn(
        name = "Tenant",
        type_ = "string",
        json_path = ".spec.tenant",
        description = "Address of the tenant",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".status.phase",
    selectable = ".spec.leaseId",
    selectable = ".spec.orderHash"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.marketRef == oldSelf.marketRef && self.providerRef == oldSelf.providerRef && self.leaseId == oldSelf.leaseId && self.termsHash == oldSelf.termsHash && self.orderHash == oldSelf.orderHash && self.tenant == oldSelf.tenant && has(self.agent) == has(oldSelf.agent) && (!has(self.agent) || self.agent == oldSelf.agent) && self.needsHash == oldSelf.needsHash && self.manifestHash == oldSelf.manifestHash && self.needs == oldSelf.needs && self.request == oldSelf.request && self.terms == oldSelf.terms")
        .message("a lease's spec is what the chain says and cannot change: set spec.suspend, spec.waivedSeconds or spec.close to act on the lease"),
    validation = Rule::new("has(self.offerRef) == has(oldSelf.offerRef) && (!has(self.offerRef) || self.offerRef == oldSelf.offerRef) && has(self.bidRef) == has(oldSelf.bidRef) && (!has(self.bidRef) || self.bidRef == oldSelf.bidRef)")
        .message("offerRef and bidRef say where the lease came from and cannot change"),
    validation = Rule::new("!has(oldSelf.waivedSeconds) || (has(self.waivedSeconds) && self.waivedSeconds >= oldSelf.waivedSeconds)")
        .message("waivedSeconds may only grow: what was given away may already be given away on chain"),
    validation = Rule::new("!has(oldSelf.close) || has(self.close)")
        .message("a close that was asked for may already be on chain and cannot be taken back: leave spec.close as it is")
)]
pub struct ComputeLeaseSpec {
    /// ComputeMarket the lease is on.
    pub market_ref: LocalRef,
    /// ComputeProvider, in this namespace, that serves it.
    pub provider_ref: LocalRef,
    /// ComputeOffer, in this namespace, it was bid from; none when the bid's object was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ref: Option<LocalRef>,
    /// ComputeBid, in this namespace, it was won with; none when the bid's object was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid_ref: Option<LocalRef>,
    /// Id of the lease as provider-lane-generation: `7-0-1`.
    #[schemars(regex(pattern = pattern::LEASE_ID), length(max = 30))]
    pub lease_id: String,
    /// Hash of the lease's terms; with the id it names the lease across reorgs.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub terms_hash: String,
    /// Hash of the order it came from.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub order_hash: String,
    /// Address of the tenant.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub tenant: String,
    /// Address that may act for the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub agent: Option<String>,
    /// Hash of the needs document (keccak256 of `needs`).
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub needs_hash: String,
    /// Hash of the first manifest (keccak256 of its canonical bytes); the gateway takes no other.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub manifest_hash: String,
    /// The order's needs document, canonical JSON (RFC 8785) as its event carries it.
    #[schemars(length(min = 2, max = 4096))]
    pub needs: String,
    /// The same, decoded.
    pub request: RequestSummary,
    /// What was agreed, as the contract computed it.
    pub terms: LeaseTerms,
    /// Scale the workload to zero and stop billing; nothing is deleted and the lease stays open. Set it back to go on.
    #[serde(default)]
    pub suspend: bool,
    /// Delivered seconds that are not billed: `600` gives ten minutes away, for good. It may only grow; what is on chain already and not yet
    /// settled is waived there.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub waived_seconds: i64,
    /// End the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<LeaseClose>,
}

/// What was agreed. Money in the token's units, as decimal text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTerms {
    /// Index of the token in the market's token list.
    #[schemars(range(min = 0, max = 63))]
    pub token: i32,
    /// Flags of the order: bit 0 reserved (else metered), bit 1 interruptible.
    #[schemars(range(min = 0, max = 255))]
    pub flags: i32,
    /// Protocol fee in steps of ten basis points (0.1 %) of what is settled.
    #[schemars(range(min = 0, max = 127))]
    pub fee_steps: i32,
    /// Price of the whole lease, all replicas, for an hour of delivery.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub rate_per_hour: String,
    /// What the tenant paid into escrow for this lease when it opened.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub deposit: String,
    /// What the provider may lose when it does not start.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub bond: String,
    /// What the provider may lose in a dispute.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub liability: String,
    /// Address that receives what is left of the deposit.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub refund_to: String,
    /// How long after the opening the provider may take to start.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub start_window: String,
    /// How long the deposit covered at the opening, at least.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub min_duration: String,
    /// How long after its start the lease ends by itself.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub max_duration: String,
    /// Commitment against which the early fee is counted; `0s` when there is none.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub min_commit: String,
    /// Share of the rent of the missing commitment, in 1/10,000.
    #[schemars(range(min = 0, max = 10_000))]
    pub early_fee_bps: i32,
    /// How long before an end of the provider's choosing it must say so.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub notice: String,
    /// Unpaid time after which the provider may evict; held back from the deposit, so it is paid.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub grace: String,
    /// Hash of the service level policy; zero when there is none.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub sla_policy: String,
}

/// How to end a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseClose {
    /// Why: `Maintenance`, `HardwareFault`, `PolicyBreach` or `Reclaim`. It stands on chain as a typed reason.
    pub reason: CloseReason,
    /// How long from now the lease still runs: `24h`. Left out, the notice its terms promise; shorter is a fault of the provider's
    /// on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub notice: Option<String>,
}

/// Why a provider ends a lease (reasons 2xxx on chain).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CloseReason {
    /// Announced work on nodes or network.
    #[default]
    Maintenance,
    /// A node or device failed for good.
    HardwareFault,
    /// The workload broke the provider's rules; keep the evidence.
    PolicyBreach,
    /// The owner wants the capacity back.
    Reclaim,
}
