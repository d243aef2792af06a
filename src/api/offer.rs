//! ComputeOffer: which nodes are for lease, at what price, on what terms. May not say what the chain holds: leases do.

use k8s_openapi::apimachinery::pkg::{
    api::resource::Quantity,
    apis::meta::v1::{Condition, LabelSelector, Time},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pattern, reference::LocalRef};

/// What nodes are for lease, at what price, on what terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeOffer",
    plural = "computeoffers",
    shortname = "coffer",
    category = "leaseport",
    namespaced,
    status = "ComputeOfferStatus",
    derive = "PartialEq",
    doc = "Standing supply: which nodes are for lease, at what price and on what terms. In mode Observe it shows what it would have bid, without a wallet; in mode Bid it bids on every order that fits; in mode Paused it bids on none and keeps its leases.",
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "Observe, Bid or Paused"
    ),
    printcolumn(
        name = "GPU/h",
        type_ = "string",
        json_path = ".spec.price.perHour.gpu",
        description = "Price of one device for an hour"
    ),
    printcolumn(
        name = "Currency",
        type_ = "string",
        json_path = ".spec.price.currency",
        description = "Token of the price"
    ),
    printcolumn(
        name = "GPUs",
        type_ = "integer",
        json_path = ".status.capacity.gpus",
        description = "Devices on the selected nodes"
    ),
    printcolumn(
        name = "Leased",
        type_ = "integer",
        json_path = ".status.leased.gpus",
        description = "Devices under lease"
    ),
    printcolumn(
        name = "Free",
        type_ = "integer",
        json_path = ".status.free.gpus",
        description = "Devices that could be bid now"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the offer works as its mode says"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is or is not ready",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ComputeOfferSpec {
    /// ComputeProvider, in this namespace, that makes the offer. Cannot change: create another ComputeOffer.
    #[x_kube(validation = Rule::new("self == oldSelf").message("providerRef cannot change: create another ComputeOffer for the other provider"))]
    pub provider_ref: LocalRef,
    /// Which nodes are for lease.
    pub nodes: OfferNodes,
    /// Which devices of those nodes are for lease.
    #[serde(default)]
    pub device: OfferDevice,
    /// `Observe` shows in status what would have been bid and needs no wallet; `Bid` bids; `Paused` bids on nothing and keeps the
    /// leases it has.
    #[serde(default)]
    pub mode: OfferMode,
    /// How much may be leased and held.
    #[serde(default)]
    pub capacity: OfferCapacity,
    /// What happens to workloads when the chain cannot be read for long.
    #[serde(default)]
    pub on_chain_unknown: OnChainUnknown,
    /// What an hour costs.
    pub price: OfferPrice,
    /// What a lease must look like.
    pub terms: OfferTerms,
    /// How tenants are kept from the node and from each other.
    #[serde(default)]
    pub isolation: OfferIsolation,
    /// Regions the nodes are in; left out, those of the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(regex(pattern = pattern::LABEL), length(min = 1, max = pattern::LABEL_LENGTH)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Vec<String>,
}

/// Which nodes are for lease.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)")
        .message("nodes.selector is empty and would offer every node: name at least one label")
        .field_path(".selector")
)]
pub struct OfferNodes {
    /// Selects nodes by label, for example `nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3`. An empty selector is refused.
    pub selector: LabelSelector,
}

/// Which devices are for lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferDevice {
    /// Extended resource that stands for one device: `nvidia.com/gpu`.
    #[serde(default = "nvidia_gpu")]
    #[schemars(regex(pattern = pattern::EXTENDED_RESOURCE), length(max = 316))]
    pub resource_name: String,
    /// How devices may be shared: `exclusive`, whole devices, each in one lease at a time. Nodes that advertise shared units are
    /// left out.
    #[serde(default)]
    pub sharing: DeviceSharing,
}

impl Default for OfferDevice {
    fn default() -> Self {
        Self {
            resource_name: nvidia_gpu(),
            sharing: DeviceSharing::default(),
        }
    }
}

fn nvidia_gpu() -> String {
    "nvidia.com/gpu".to_owned()
}

/// How devices may be shared between leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeviceSharing {
    /// Whole devices, each in one lease at a time.
    #[default]
    Exclusive,
}

/// Whether an offer bids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OfferMode {
    /// Show in status what would have been bid; needs no wallet.
    #[default]
    Observe,
    /// Bid on every order that fits.
    Bid,
    /// Bid on nothing; keep the leases.
    Paused,
}

/// How much may be leased and held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferCapacity {
    /// The most leases at a time.
    #[serde(default = "max_leases")]
    #[schemars(range(min = 0, max = 10000))]
    pub max_leases: i32,
    /// What is kept free for the owner's own use.
    #[serde(default)]
    pub keep_free: KeepFree,
    /// How much bids may hold before they are won.
    #[serde(default)]
    pub holds: HoldLimits,
}

impl Default for OfferCapacity {
    fn default() -> Self {
        Self {
            max_leases: max_leases(),
            keep_free: KeepFree::default(),
            holds: HoldLimits::default(),
        }
    }
}

fn max_leases() -> i32 {
    64
}

/// What is kept free for the owner's own use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeepFree {
    /// Devices that are never bid.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: i32,
}

/// How much bids may hold before they are won.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldLimits {
    /// Largest share of the free devices that open bids may hold together, between 0 and 1: `0.5`. One order that needs more is
    /// still bid on while nothing else is held.
    #[serde(default = "max_share")]
    #[schemars(regex(pattern = pattern::SHARE), length(max = pattern::SHARE_LENGTH))]
    pub max_share: String,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self {
            max_share: max_share(),
        }
    }
}

fn max_share() -> String {
    "0.5".to_owned()
}

/// What happens to workloads when the chain cannot be read for long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnChainUnknown {
    /// How long after a lease's last known runway its workload is scaled to zero: `6h`, or `never`. It comes back with the chain;
    /// nothing is deleted.
    #[serde(default = "suspend_after")]
    #[schemars(regex(pattern = pattern::DURATION_OR_NEVER), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub suspend_after: String,
}

impl Default for OnChainUnknown {
    fn default() -> Self {
        Self {
            suspend_after: suspend_after(),
        }
    }
}

fn suspend_after() -> String {
    "6h".to_owned()
}

/// What an hour costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.floor) || quantity(self.floor.gpu).compareTo(quantity(self.perHour.gpu)) <= 0")
        .message("price.floor.gpu is above price.perHour.gpu: lower the floor or raise the price")
        .field_path(".floor.gpu")
)]
pub struct OfferPrice {
    /// Symbol of the token, in lower case, as the ComputeMarket's status lists it: `usdc`.
    #[schemars(regex(pattern = pattern::CURRENCY), length(max = 16))]
    pub currency: String,
    /// Price of each resource for an hour, in the token's units. A lease costs the sum over all replicas.
    pub per_hour: HourPrices,
    /// Prices below which nothing is bid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<FloorPrices>,
}

/// Price of each resource for an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HourPrices {
    /// One device for an hour: `1.90`.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub gpu: String,
    /// One CPU core for an hour: `0.01`.
    #[serde(default = "zero")]
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub cpu: String,
    /// One GiB of memory for an hour: `0.002`.
    #[serde(default = "zero")]
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub memory_gi: String,
    /// One GiB of ephemeral storage for an hour: `0.0001`.
    #[serde(default = "zero")]
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub storage_gi: String,
}

fn zero() -> String {
    "0".to_owned()
}

/// Prices below which nothing is bid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorPrices {
    /// Least price of one device for an hour: `1.10`.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub gpu: String,
}

/// What a lease must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("duration(self.minDuration) <= duration(self.maxDuration)")
        .message("terms.minDuration is above terms.maxDuration: lower minDuration or raise maxDuration")
        .field_path(".minDuration"),
    validation = Rule::new("duration(self.noticePeriod) <= duration(self.maxDuration)")
        .message("terms.noticePeriod is above terms.maxDuration: no lease could ever be given notice, lower it")
        .field_path(".noticePeriod")
)]
pub struct OfferTerms {
    /// What is billed: `metered`, the seconds during which the lease was delivered.
    #[serde(default)]
    pub billing: Billing,
    /// Shortest lease worth serving: an order's deposit must cover this long at the bid's rate. `10m`.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub min_duration: String,
    /// Longest lease served: `720h`. Orders that ask for longer are refused.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    #[x_kube(validation = Rule::new("duration(self) > duration('0s') && duration(self) <= duration('298261h')").message("maxDuration must lie between 1s and 298261h, the 2^30 seconds a contract holds"))]
    pub max_duration: String,
    /// How long before an end of the provider's choosing the tenant is told: `24h`. Orders that want longer notice are refused.
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub notice_period: String,
    /// Who pays for the time in which the tenant's images are pulled: `Tenant` counts it as delivered, `Provider` starts the clock
    /// when the images are there (or fail for a reason of the tenant's).
    #[serde(default)]
    pub image_pull: ImagePull,
}

/// What is billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Billing {
    /// The seconds during which the lease was delivered.
    #[default]
    Metered,
}

/// Who pays for the time in which images are pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePull {
    /// It is not billed.
    #[default]
    Provider,
    /// It is billed.
    Tenant,
}

/// How tenants are kept from the node and from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferIsolation {
    /// RuntimeClass of lease pods, for example `nvidia` or a sandboxed one; left out, the node's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::NAME), length(min = 1, max = pattern::NAME_LENGTH))]
    pub runtime_class_name: Option<String>,
    /// Whether images may run as root: `Never` refuses orders that declare `runAsRoot`; `WhenDeclared` serves them under pod security
    /// level baseline instead of restricted.
    #[serde(default)]
    pub allow_root: AllowRoot,
}

/// Whether images may run as root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AllowRoot {
    /// Orders that declare `runAsRoot` are refused.
    #[default]
    Never,
    /// Orders that declare `runAsRoot` are served under pod security level baseline.
    WhenDeclared,
}

/// What the operator found and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeOfferStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the selected nodes have in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<ResourceAmounts>,
    /// What leases hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased: Option<ResourceAmounts>,
    /// What bids hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ResourceAmounts>,
    /// What could be bid now, after other pods on the nodes and after `capacity.keepFree`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<ResourceAmounts>,
    /// Bids of this offer, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bids: Option<BidCounts>,
    /// Why orders were not bid on, one entry a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reason".into()]))]
    pub refusals: Vec<RefusalCount>,
    /// `Ready` (works as its mode says), `ProviderReady`, `NodesFound` (the selector finds nodes with the resource), `Stalled` (True:
    /// the spec cannot be acted upon until it changes).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Amounts of what nodes provide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAmounts {
    /// Devices.
    #[schemars(range(min = 0))]
    pub gpus: i32,
    /// CPU cores, as a Kubernetes quantity.
    pub cpu: Quantity,
    /// Memory, as a Kubernetes quantity.
    pub memory: Quantity,
    /// Ephemeral storage, as a Kubernetes quantity.
    pub storage: Quantity,
}

/// Bids, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BidCounts {
    /// Not yet decided.
    #[schemars(range(min = 0))]
    pub open: i32,
    /// Became leases, since the offer was created.
    #[schemars(range(min = 0))]
    pub won: i64,
    /// Went to others, or the order ended, since the offer was created.
    #[schemars(range(min = 0))]
    pub lost: i64,
    /// Uids of ended ComputeBids that still exist and are in `won` or `lost` already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub counted: Vec<String>,
}

/// Orders not bid on for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalCount {
    /// CamelCase reason, for example `PriceTooLow`.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// How many orders.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// What the last one lacked, and what would change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Hash of the last order refused for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub last_order: Option<String>,
    /// When the last one was refused.
    pub last: Time,
}
