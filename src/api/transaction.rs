//! ComputeTransaction: one nonce of a wallet, written down before it is bytes on a wire, kept until it is final. Made by the operator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pattern, reference::LocalRef};

/// One nonce of a wallet, from intent to finality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeTransaction",
    plural = "computetransactions",
    shortname = "ctx",
    category = "leaseport",
    namespaced,
    status = "ComputeTransactionStatus",
    derive = "PartialEq",
    doc = "One nonce of a wallet, from intent to finality, made by the operator. It exists before its bytes are sent, in the wallet's namespace under the name wallet-nonce, so that the API server makes a nonce unique. Never delete one that is not Final or Failed: its nonce would be used again.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "Created, Pending, Mined, Final, Failed or Abandoned"),
    printcolumn(name = "Intent", type_ = "string", json_path = ".spec.intent.kind", description = "What it is for"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".spec.intent.subject.name", description = "Object it is for"),
    printcolumn(name = "Nonce", type_ = "integer", json_path = ".spec.nonce", description = "Nonce of the wallet"),
    printcolumn(name = "Block", type_ = "integer", json_path = ".status.mined.blockNumber", description = "Block it was mined in"),
    printcolumn(name = "Hash", type_ = "string", json_path = ".status.mined.hash", description = "Hash of the version that was mined", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".status.phase",
    selectable = ".spec.intent.id",
    validation = Rule::new("self.metadata.name.startsWith(self.spec.walletRef.name + '-') && int(self.metadata.name.substring(size(self.spec.walletRef.name) + 1)) == self.spec.nonce && (self.spec.nonce > 0 ? !self.metadata.name.substring(size(self.spec.walletRef.name) + 1).startsWith('0') : size(self.metadata.name) == size(self.spec.walletRef.name) + 2)")
        .message("a ComputeTransaction is named <wallet>-<nonce>: the name is what makes a nonce unique")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf")
        .message("a transaction is signed and cannot change: the operator replaces its fees in status and makes another object for another nonce")
)]
pub struct ComputeTransactionSpec {
    /// ComputeWallet, in this namespace, that signed it.
    pub wallet_ref: LocalRef,
    /// ComputeMarket it is sent to.
    pub market_ref: LocalRef,
    /// EIP-155 chain id it is signed for.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub chain_id: i64,
    /// Nonce of the wallet.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub nonce: i64,
    /// What it is for.
    pub intent: TransactionIntent,
    /// What it calls.
    pub call: TransactionCall,
    /// The first signed version.
    pub signed: SignedVersion,
}

/// What a transaction is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionIntent {
    /// Hash of the subject's uid, the kind and the epoch; at most one transaction of a wallet carries it.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub id: String,
    /// `PostBid`, `Fill`, `Start`, `Decline`, `Report`, `Settle`, `Redeem`, `Waive`, `Stop`, `Finalize`, `CloseBoth`, `Claim`, `Approve`, `Answer`,
    /// `Conclude` or `Withdraw`.
    pub kind: IntentKind,
    /// Object it is for.
    pub subject: IntentSubject,
    /// Which of the subject's intents of this kind it is, for example a report's number.
    #[schemars(length(max = 128))]
    pub epoch: String,
}

/// What a transaction does on chain (functions of LeaseBook, of the DisputeCourt and of a token).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum IntentKind {
    /// Emits a signed bid.
    PostBid,
    /// A dutch order is taken.
    Fill,
    /// Starts a delivered lease.
    Start,
    /// Gives a pending lease back.
    Decline,
    /// Writes usage.
    Report,
    /// Turns usage into money.
    Settle,
    /// Turns usage that the tenant signed into money that can be claimed at once.
    Redeem,
    /// Lowers what a lease is billed.
    Waive,
    /// Stops a lease.
    Stop,
    /// Closes a stopped lease after its final window.
    Finalize,
    /// Closes a lease with both signatures.
    CloseBoth,
    /// Moves vested money to the payout address.
    Claim,
    /// Lets the DisputeCourt take a bond out of the wallet's tokens.
    Approve,
    /// Answers a contest with a signed receipt and a bond.
    Answer,
    /// Ends a dispute whose time is over.
    Conclude,
    /// Has the DisputeCourt pay what it owes the wallet.
    Withdraw,
}

/// Object a transaction is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntentSubject {
    /// Kind of the object, for example `ComputeLease`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Namespace of the object.
    #[schemars(length(max = pattern::LABEL_LENGTH))]
    pub namespace: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = pattern::NAME_LENGTH))]
    pub name: String,
    /// Uid of the object, so that a later object of the same name is another subject.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
}

/// What a transaction calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionCall {
    /// Contract called.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub to: String,
    /// Call data: selector and arguments (ABI encoding).
    #[schemars(regex(pattern = pattern::BYTES), length(max = 262_144))]
    pub data: String,
    /// Native coin sent along, in wei.
    #[schemars(regex(pattern = pattern::WEI), length(max = pattern::WEI_LENGTH))]
    pub value: String,
    /// The most gas it may use.
    #[schemars(range(min = 21_000, max = 1_000_000_000))]
    pub gas_limit: i64,
}

/// A signed version of the transaction. Versions of one nonce differ in fees alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedVersion {
    /// Transaction hash.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub hash: String,
    /// Signed bytes (EIP-2718, type 2), ready to send.
    #[schemars(regex(pattern = pattern::BYTES), length(max = 263_168))]
    pub raw: String,
    /// The most a unit of gas may cost, in wei.
    #[schemars(regex(pattern = pattern::WEI), length(max = pattern::WEI_LENGTH))]
    pub max_fee_per_gas: String,
    /// The most of it that goes to the block's proposer, in wei.
    #[schemars(regex(pattern = pattern::WEI), length(max = pattern::WEI_LENGTH))]
    pub max_priority_fee_per_gas: String,
}

/// How far a transaction came.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum TransactionPhase {
    /// Written down; it may have been sent.
    #[default]
    Created,
    /// Sent; no receipt yet.
    Pending,
    /// In a block that may still be reorganized away.
    Mined,
    /// In a final block, and it succeeded.
    Final,
    /// In a final block, and it reverted.
    Failed,
    /// Its nonce was used by a transaction that is not ours.
    Abandoned,
}

/// How far the transaction came. Written when it is replaced, mined and final, no oftener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeTransactionStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Created` (may have been sent), `Pending` (sent), `Mined`, `Final` (succeeded for good), `Failed` (reverted for good),
    /// `Abandoned` (the nonce was used by another).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<TransactionPhase>,
    /// Later versions with higher fees, oldest first; the first version is in the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["hash".into()]))]
    pub versions: Vec<SignedVersion>,
    /// Block the mined version is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mined: Option<MinedVersion>,
    /// When it became `Final`, `Failed` or `Abandoned`; it is deleted a day after `Final`, a week after the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// `Ready` (mined and succeeded), `Stalled` (True: it waits for something a person must give, for example coin for gas).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Receipt of the version that was mined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinedVersion {
    /// Hash of the version that was mined.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub hash: String,
    /// Number of its block.
    #[schemars(range(min = 0))]
    pub block_number: i64,
    /// Hash of its block.
    #[schemars(regex(pattern = pattern::HASH), length(max = 66))]
    pub block_hash: String,
    /// Gas it used.
    #[schemars(range(min = 0))]
    pub gas_used: i64,
    /// What a unit of gas cost, in wei.
    #[schemars(regex(pattern = pattern::WEI), length(max = pattern::WEI_LENGTH))]
    pub effective_gas_price: String,
    /// What its data cost on layer 1, in wei, beside the gas; rollups of the OP Stack only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::WEI), length(max = pattern::WEI_LENGTH))]
    pub data_fee: Option<String>,
    /// Whether it succeeded; `false` when it reverted.
    pub succeeded: bool,
}
