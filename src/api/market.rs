//! ComputeMarket: a chain and its contracts, and how carefully it is read. May not name a key: wallets do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pattern, reference::SecretKeyRef};

/// A chain and the contracts of one market on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeMarket",
    plural = "computemarkets",
    shortname = "cmkt",
    category = "leaseport",
    status = "ComputeMarketStatus",
    derive = "PartialEq",
    doc = "A chain and the contracts of one compute market on it. Providers and wallets refer to it; the operator follows its blocks through the listed endpoints and verifies every contract it reads from the directory.",
    printcolumn(
        name = "Chain",
        type_ = "integer",
        json_path = ".spec.chainId",
        description = "EIP-155 chain id"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the chain is followed and its contracts are verified"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is or is not ready"
    ),
    printcolumn(
        name = "LeaseBook",
        type_ = "string",
        json_path = ".status.contracts.leaseBook",
        description = "Address of the contract that holds the leases",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.endpoints.exists(e, !has(e.hintOnly) || !e.hintOnly)")
        .message("every endpoint is hintOnly: list at least one http or https endpoint that blocks are read from")
        .field_path(".endpoints")
)]
pub struct ComputeMarketSpec {
    /// EIP-155 chain id. Every endpoint is asked for it before it is trusted. Cannot change: create another ComputeMarket.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("chainId cannot change: create another ComputeMarket for the other chain"))]
    pub chain_id: i64,
    /// Marks a development chain on this machine or network. Only here may gateways and bid endpoints of strangers resolve to private
    /// or loopback addresses. Never set it for a chain whose money is real. Cannot change.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("local cannot change: create another ComputeMarket"))]
    pub local: bool,
    /// JSON-RPC endpoints, best first. Reads go to the best that answers in time; transactions go to all. Two or more from different
    /// operators let a disagreement be noticed, which stops money but not workloads; and nothing of a lease is deleted before two of them call it over.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub endpoints: Vec<Endpoint>,
    /// Address of the market's Directory contract. All other contracts are read from it and verified by version and code hash.
    /// Cannot change: create another ComputeMarket.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("directory cannot change: create another ComputeMarket for the other contracts"))]
    pub directory: String,
    /// How deep a block must lie before it is acted upon.
    #[serde(default)]
    pub finality: Finality,
    /// How transactions are priced. Budgets are not here: they belong to each ComputeWallet.
    pub fees: Fees,
    /// How often an endpoint is asked for a new block, for example `2s` or `500ms`. Left out, it follows the chain's own block time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::FINE_DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('1m')").message("pollInterval must lie between 100ms and 1m"))]
    pub poll_interval: Option<String>,
}

/// One JSON-RPC endpoint. Logs, metrics and status show its name, never its URL, since URLs hold API keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.url) != has(self.urlFrom)")
        .message("an endpoint has exactly one of url and urlFrom: keep urlFrom when the URL holds an API key"),
    validation = Rule::new("!has(self.url) || !self.url.startsWith('ws') || (has(self.hintOnly) && self.hintOnly)")
        .message("a ws or wss endpoint only says that a new block came: set hintOnly to true and list an http or https endpoint beside it"),
    validation = Rule::new("!has(self.url) || !self.url.startsWith('http') || !has(self.hintOnly) || !self.hintOnly")
        .message("hintOnly is for ws and wss endpoints: remove it, an http endpoint is read from")
)]
pub struct Endpoint {
    /// Name under which the endpoint appears in logs, metrics and status.
    #[schemars(regex(pattern = pattern::LABEL), length(min = 1, max = pattern::LABEL_LENGTH))]
    pub name: String,
    /// URL with scheme http, https, ws or wss. For URLs without secrets; else use `urlFrom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::RPC_URL), length(max = pattern::URL_LENGTH))]
    pub url: Option<String>,
    /// Where the URL is stored when it holds an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<UrlSource>,
    /// A WebSocket endpoint that only says sooner that a block came; nothing it says is believed. `true` for ws and wss.
    #[serde(default)]
    pub hint_only: bool,
}

/// Where a URL is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlSource {
    /// Entry of a Secret in the operator's own namespace.
    pub secret_key_ref: SecretKeyRef,
}

/// How deep a block must lie before it is acted upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finality {
    /// For acts that can be undone: bidding, starting a workload, stopping it.
    #[serde(default)]
    pub start: StartFinality,
    /// For acts that cannot be undone: deleting a lease's namespace, forgetting a transaction.
    #[serde(default)]
    pub settle: SettleFinality,
}

/// For acts that can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartFinality {
    /// Blocks on top of the one that is acted upon; 0 acts on the head.
    #[serde(default = "start_depth")]
    #[schemars(range(min = 0, max = 1024))]
    pub depth: i32,
}

impl Default for StartFinality {
    fn default() -> Self {
        Self { depth: start_depth() }
    }
}

fn start_depth() -> i32 {
    2
}

/// For acts that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tag) || !has(self.depth)")
        .message("finality.settle has at most one of tag and depth: remove depth where the chain has tags")
        .field_path(".depth")
)]
pub struct SettleFinality {
    /// Block tag after which nothing is undone: `finalized` (what counts when neither this nor `depth` is given), or `safe`, which
    /// trusts the sequencer's posted batches before the chain below is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<SettleTag>,
    /// Blocks below the newest after which nothing is undone, for chains that have no tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub depth: Option<i32>,
    /// How far the settled block may lie behind the newest, in chain time, before `FinalityAdvancing` is False: `1h`. Rollups settle
    /// 20 to 30 minutes late as a rule.
    #[serde(default = "stalled_after")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s') && duration(self) <= duration('168h')").message("stalledAfter must lie between 10s and 168h"))]
    pub stalled_after: String,
}

impl Default for SettleFinality {
    fn default() -> Self {
        Self {
            tag: None,
            depth: None,
            stalled_after: stalled_after(),
        }
    }
}

fn stalled_after() -> String {
    "1h".to_owned()
}

/// Block tag after which nothing is undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SettleTag {
    /// The chain's own `finalized` block.
    #[default]
    Finalized,
    /// The chain's own `safe` block.
    Safe,
}

/// How transactions are priced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fees {
    /// What kind of chain it is: `ethereum` (fees as EIP-1559 has them, also for local chains), `opStack` (an L1 data fee comes on
    /// top), `arbitrum` (no priority fee).
    #[serde(default)]
    pub profile: FeeProfile,
    /// The most a unit of gas may cost, with its unit: `5gwei`, `0.01gwei`, `1000wei`. A transaction that would cost more waits.
    #[schemars(regex(pattern = pattern::GAS_PRICE), length(max = pattern::GAS_PRICE_LENGTH))]
    pub max_fee_per_gas: String,
    /// How long a transaction may stay unmined before it is sent again with a higher fee: `30s`.
    #[serde(default = "replace_after")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')").message("replaceAfter must lie between 1s and 1h"))]
    pub replace_after: String,
}

fn replace_after() -> String {
    "30s".to_owned()
}

/// What kind of chain transactions are priced for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FeeProfile {
    /// Fees as EIP-1559 has them.
    #[default]
    Ethereum,
    /// A rollup of the OP Stack: an L1 data fee comes on top.
    OpStack,
    /// An Arbitrum chain: no priority fee.
    Arbitrum,
}

/// What the operator found. Nothing here grows by itself: the chain's head is a metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeMarketStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The verified contracts, as the directory names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contracts: Option<MarketContracts>,
    /// `Ready` (contracts verified and the chain followed), `EndpointsReachable`, `ContractsVerified`, `ChainSynced` (head moves),
    /// `FinalityAdvancing` (False stops deleting and nothing else), `EndpointsAgree` (False stops money, not workloads; Unknown with
    /// one endpoint), `WatchesLive` (what the operator knows of the cluster is not old).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The verified contracts of a market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketContracts {
    /// Holds orders, leases and earnings.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub lease_book: String,
    /// Holds providers' stakes.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub stake_vault: String,
    /// Holds the token list and fees.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub params: String,
    /// Number of the block from which the market's logs are read.
    #[schemars(range(min = 0))]
    pub deploy_block: i64,
    /// How long after a lease's end final reports are taken, as the contract has it compiled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub final_window: Option<String>,
    /// Length of a vesting epoch: settled money can be claimed after one to two of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    pub vest_epoch: Option<String>,
    /// Tokens in which leases can be priced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 64))]
    pub tokens: Vec<MarketToken>,
}

/// A token in which leases can be priced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketToken {
    /// Index in the market's token list.
    #[schemars(range(min = 0, max = 63))]
    pub id: i32,
    /// Symbol in lower case, as offers name it in `price.currency`.
    #[schemars(length(max = 16))]
    pub symbol: String,
    /// Address of the ERC-20 contract.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub address: String,
    /// Decimals of the token itself; all amounts in our kinds have at most six.
    #[schemars(range(min = 6, max = 36))]
    pub decimals: i32,
}
