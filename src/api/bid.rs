//! ComputeBid: one promise, written down before its signature leaves; owns the pods that hold its capacity. Made by the operator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pattern, reference::LocalRef, request::RequestSummary};

/// One promise to serve an order at a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeBid",
    plural = "computebids",
    shortname = "cbid",
    category = "leaseport",
    namespaced,
    status = "ComputeBidStatus",
    derive = "PartialEq",
    doc = "One signed promise to serve an order at a price, made by the operator. It exists before its signature leaves and owns the placeholder pods that hold its capacity. Deleting it frees the hold; a signature that already left stays good until its deadline.",
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "Holding, Held, Filling, Signed, Posted, Won, Lost, Expired or Refused"
    ),
    printcolumn(
        name = "Offer",
        type_ = "string",
        json_path = ".spec.offerRef.name",
        description = "ComputeOffer it was made from"
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
        json_path = ".spec.ratePerHour",
        description = "Price of the whole lease for an hour"
    ),
    printcolumn(
        name = "Deadline",
        type_ = "date",
        json_path = ".spec.deadline",
        description = "Until when the signature holds"
    ),
    printcolumn(
        name = "Order",
        type_ = "string",
        json_path = ".spec.orderHash",
        description = "Hash of the order",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.reason",
        description = "Why it ended",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".status.phase",
    selectable = ".spec.orderHash"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf")
        .message("a bid is a signed promise and cannot change: delete it to free its hold, the operator makes the next one")
)]
pub struct ComputeBidSpec {
    /// ComputeMarket of the order.
    pub market_ref: LocalRef,
    /// ComputeProvider, in this namespace, that promises.
    pub provider_ref: LocalRef,
    /// ComputeOffer, in this namespace, the price comes from.
    pub offer_ref: LocalRef,
    /// How the order is traded. `Auction`: a signed bid that the tenant may accept. `Dutch`: the operator takes the order by a transaction once its climbing
    /// rate has reached `ratePerHour`.
    #[serde(default)]
    pub form: BidForm,
    /// Hash of the order (EIP-712 struct hash), its id on chain.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub order_hash: String,
    /// Address of the tenant.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub tenant: String,
    /// The order's needs document, canonical JSON (RFC 8785) as its event carries it.
    #[schemars(length(min = 2, max = 4096))]
    pub needs: String,
    /// The same, decoded.
    pub request: RequestSummary,
    /// Counter slot that the lease would use.
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub lane: i64,
    /// Use of the slot that the lease would be; one more than the slot's last.
    #[schemars(range(min = 1, max = 16_777_215))]
    pub generation: i32,
    /// Epoch of the signing key; `cancelAllBids` raises it and voids earlier bids.
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub bid_epoch: i64,
    /// Index of the order's token in the market's token list.
    #[schemars(range(min = 0, max = 63))]
    pub token: i32,
    /// Price of the whole lease, all replicas, for an hour, in the token's units; of a dutch order the least it is taken for.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub rate_per_hour: String,
    /// What the provider may lose when it does not start, in the token's units.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub bond: String,
    /// What the provider may lose in a dispute, in the token's units.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub liability: String,
    /// Until when the signature holds, or a fill may be mined (whole seconds).
    pub deadline: Time,
}

/// How an order is traded.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum BidForm {
    /// The tenant accepts one of the signed bids.
    #[default]
    Auction,
    /// The first provider that takes it has it.
    Dutch,
}

/// How far a bid came.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum BidPhase {
    /// Its placeholder pods wait for nodes.
    #[default]
    Holding,
    /// Its placeholder pods are bound; nothing is signed.
    Held,
    /// The transaction that takes a dutch order is on its way.
    Filling,
    /// The signature is written here; it may have left.
    Signed,
    /// The signature was handed over: mined on chain, or taken by the order's endpoint.
    Posted,
    /// A lease opened on it.
    Won,
    /// The order went to another or was cancelled.
    Lost,
    /// The deadline passed.
    Expired,
    /// The hold did not bind, or the bid may no longer be made.
    Refused,
}

/// How far the bid came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeBidStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Holding` (pods wait for nodes), `Held` (bound), `Signed` (the signature may have left), `Posted` (handed over), then one of
    /// `Won`, `Lost`, `Expired`, `Refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BidPhase>,
    /// EIP-712 signature of the bid, 65 bytes. Written before it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::SIGNATURE), length(max = 132))]
    pub signature: Option<String>,
    /// Where the capacity is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pod".into()]))]
    pub held_nodes: Vec<HeldNode>,
    /// When the signature was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_at: Option<Time>,
    /// Lease that opened on it, as provider-lane-generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::LEASE_ID), length(max = 30))]
    pub lease_id: Option<String>,
    /// CamelCase reason of the end, for example `HoldPending` or `OrderCancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// `Held` (capacity is bound), `Posted` (the signature was handed over), `Ready` (still in play).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where one placeholder pod holds capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldNode {
    /// Name of the placeholder pod.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub pod: String,
    /// Node it is bound to.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub node: String,
}
