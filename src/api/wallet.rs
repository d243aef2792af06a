//! ComputeWallet: the only place that names a key, with what it may spend and who may use it. May not hold the key itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    pattern,
    reference::{LocalRef, SecretKeyRef},
};

/// A key, its limits and its users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeWallet",
    plural = "computewallets",
    shortname = "cwallet",
    category = "leaseport",
    namespaced,
    status = "ComputeWalletStatus",
    derive = "PartialEq",
    doc = "A key that signs transactions and bids on one market, the gas it may spend and the namespaces that may use it. It names the key and never holds it. A key has one user: nothing outside Leaseport may send transactions with it while a ComputeWallet names it.",
    printcolumn(
        name = "Market",
        type_ = "string",
        json_path = ".spec.marketRef.name",
        description = "ComputeMarket the wallet pays on"
    ),
    printcolumn(
        name = "Address",
        type_ = "string",
        json_path = ".status.address",
        description = "Address of the key"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the wallet can sign and send"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is or is not ready"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 63")
        .message("a wallet's name begins the names of its transactions: use at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct ComputeWalletSpec {
    /// ComputeMarket whose chain the wallet sends on; its transactions are numbered by that chain's nonces. Cannot change: create
    /// another ComputeWallet.
    #[x_kube(validation = Rule::new("self == oldSelf").message("marketRef cannot change, nonces belong to one chain: create another ComputeWallet"))]
    pub market_ref: LocalRef,
    /// Where the key is. Cannot change: create another ComputeWallet and name it where this one is used.
    #[x_kube(validation = Rule::new("self == oldSelf").message("signer cannot change, transactions in flight belong to its key: create another ComputeWallet and name it in its place"))]
    pub signer: Signer,
    /// What the wallet may spend.
    pub limits: WalletLimits,
    /// Other namespaces whose objects may spend from this wallet. Its own namespace always may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(regex(pattern = pattern::LABEL), length(min = 1, max = pattern::LABEL_LENGTH)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
}

/// Where the key is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// Entry of a Secret in the wallet's namespace that holds the secp256k1 private key: 64 hex digits, with or without 0x. The
    /// operator needs `get` on exactly this Secret; deploy/ has the Role.
    pub secret_ref: SecretKeyRef,
}

/// What a wallet may spend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletLimits {
    /// The most gas may cost in a day (UTC), in the chain's native coin: `0.05`. Bids stop at it; start, report, settle and close
    /// never do, so that a budget cannot break a promise.
    #[schemars(regex(pattern = pattern::COIN), length(max = pattern::COIN_LENGTH))]
    pub gas_per_day: String,
}

/// What the operator found. Balance and next nonce are metrics, since they move by themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeWalletStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Address of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub address: Option<String>,
    /// Nonce from which the wallet went on after a stranger had used its key; smaller ones were the stranger's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub adopted_nonce: Option<i64>,
    /// The stranger's last seen use of the key, while `NonceForeign` is True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_use: Option<ForeignUse>,
    /// `Ready` (can sign and send), `Funded` (holds coin for the next transactions), `NonceForeign` (True: the chain counts
    /// transactions we did not send; sending and signing have stopped).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// When the chain's count of the key's transactions was last seen to exceed ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForeignUse {
    /// The chain's next nonce then.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub nonce: i64,
    /// Block it was seen at; the wallet waits until it is final.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub block: i64,
    /// That block's time, in seconds since 1970; the wallet waits the longest a bid may bind from then on.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub time: i64,
}
