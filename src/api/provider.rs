//! ComputeProvider: an identity on chain and the wallets that act for it. May not name the cold owner's key: it is never needed here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    pattern,
    reference::{LocalRef, WalletRef},
};

/// An identity on chain and the wallets that act for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "leaseport.dev",
    version = "v1alpha1",
    kind = "ComputeProvider",
    plural = "computeproviders",
    shortname = "cprov",
    category = "leaseport",
    namespaced,
    status = "ComputeProviderStatus",
    derive = "PartialEq",
    doc = "A provider registered on a market's chain: its number there, the wallets that bid and serve for it, where its earnings go and where tenants reach it. Registration, stake and payout are acts of the cold owner (leaseport provider register); this object only compares and shows.",
    printcolumn(
        name = "Market",
        type_ = "string",
        json_path = ".spec.marketRef.name",
        description = "ComputeMarket it is registered on"
    ),
    printcolumn(
        name = "Id",
        type_ = "integer",
        json_path = ".spec.providerId",
        description = "Number on chain"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether it can bid and serve"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is or is not ready"
    ),
    printcolumn(
        name = "Gateway",
        type_ = "string",
        json_path = ".spec.gateway.url",
        description = "Where tenants reach it",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ComputeProviderSpec {
    /// ComputeMarket the provider is registered on. Cannot change: create another ComputeProvider.
    #[x_kube(validation = Rule::new("self == oldSelf").message("marketRef cannot change: create another ComputeProvider for the other market"))]
    pub market_ref: LocalRef,
    /// Number the market's LeaseBook gave at registration; `leaseport provider register` prints it. Cannot change: create another
    /// ComputeProvider.
    #[schemars(range(min = 1, max = 4_294_967_295_i64))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("providerId cannot change: create another ComputeProvider for the other registration"))]
    pub provider_id: i64,
    /// Wallets that act for the provider. Both addresses must be keys of the provider on chain.
    pub wallets: ProviderWallets,
    /// Address that earnings are paid to, as registered on chain. Compared only: a difference is a condition. Its key is never
    /// needed here and should be kept cold.
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub payout_address: String,
    /// Stake the provider means to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stake: Option<ProviderStake>,
    /// Where tenants reach the provider.
    pub gateway: ProviderGateway,
    /// When usage goes on chain and earnings come back.
    #[serde(default)]
    pub duties: ProviderDuties,
    /// Regions the provider says it is in, for example `eu-west`. An offer may name others. They are claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(regex(pattern = pattern::LABEL), length(min = 1, max = pattern::LABEL_LENGTH)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Vec<String>,
}

/// Wallets that act for a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.duty.name != self.bids.name || has(self.duty.__namespace__) != has(self.bids.__namespace__) || (has(self.duty.__namespace__) && self.duty.__namespace__ != self.bids.__namespace__)")
        .message("wallets.duty and wallets.bids must be two ComputeWallets: a bid must never stand before a start, report or close in one nonce sequence")
)]
pub struct ProviderWallets {
    /// Wallet for what was promised: start, decline, report, settle, stop, close, claim. Needs the roles start and report on chain.
    pub duty: WalletRef,
    /// Wallet for bids alone, so that speculation never stands before a duty. Needs the role bid on chain.
    pub bids: WalletRef,
}

/// When usage goes on chain and earnings come back. Each costs gas, so each waits until enough has gathered; what has gathered is told by
/// seconds and money on chain, never by a timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderDuties {
    /// Report a lease's usage once so much of it is not on chain yet: `1h`. A report takes every lease along that has anything new.
    #[serde(default = "report_every")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("reportEvery must lie between 1s and 24h: above that a lease may gather more than one report can raise"))]
    pub report_every: String,
    /// Settle once a lease has so much reported usage that is not paid yet: `24h`.
    #[serde(default = "settle_every")]
    #[schemars(regex(pattern = pattern::DURATION), length(min = 2, max = pattern::DURATION_LENGTH))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('720h')").message("settleEvery must lie between 1s and 720h"))]
    pub settle_every: String,
    /// Redeem what a lease's tenant signed (a voucher) once so much of it is not paid yet, in the token's units: `10`. What is redeemed can be
    /// claimed at once; what is settled vests first.
    #[serde(default = "redeem_above")]
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub redeem_above: String,
    /// Claim earnings to the payout address once so much can be claimed, in the token's units: `10`.
    #[serde(default = "claim_above")]
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub claim_above: String,
    /// What is done when a tenant contests seconds of a lease.
    #[serde(default)]
    pub disputes: DisputeDuties,
}

/// What is done when a tenant contests seconds of a lease. An answer needs the receipt that was signed for them, and a bond as large as the
/// tenant's out of the duty wallet's tokens; without one the tenant gets what is frozen of the lease's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeDuties {
    /// `Always`: the operator answers by itself. `Never`: it only says on the lease that it is contested.
    #[serde(default)]
    pub answer: AnswerWhen,
    /// The largest bond paid for one answer, in the token's units: `100`. Above it the lease's condition `Disputed` asks a person.
    #[serde(default = "max_bond")]
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub max_bond: String,
}

/// Whether contests are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AnswerWhen {
    /// Each one that a kept receipt covers.
    #[default]
    Always,
    /// None.
    Never,
}

impl Default for DisputeDuties {
    fn default() -> Self {
        Self {
            answer: AnswerWhen::default(),
            max_bond: max_bond(),
        }
    }
}

fn max_bond() -> String {
    "100".to_owned()
}

impl Default for ProviderDuties {
    fn default() -> Self {
        Self {
            report_every: report_every(),
            settle_every: settle_every(),
            redeem_above: redeem_above(),
            claim_above: claim_above(),
            disputes: DisputeDuties::default(),
        }
    }
}

fn report_every() -> String {
    "1h".to_owned()
}

fn settle_every() -> String {
    "24h".to_owned()
}

fn redeem_above() -> String {
    "10".to_owned()
}

fn claim_above() -> String {
    "10".to_owned()
}

/// Stake the provider means to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStake {
    /// Amount in the token's units: `2000`. Compared only: below it a condition shows the call that the owner makes.
    #[schemars(regex(pattern = pattern::MONEY), length(max = pattern::MONEY_LENGTH))]
    pub target: String,
}

/// Where tenants reach the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderGateway {
    /// Public URL of the gateway with scheme https, as published on chain.
    #[schemars(regex(pattern = pattern::HTTPS_URL), length(max = pattern::URL_LENGTH))]
    pub url: String,
}

/// What the chain says of the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeProviderStatus {
    /// Generation of the spec this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Cold owner on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub owner: Option<String>,
    /// Payout address on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = pattern::ADDRESS), length(max = 42))]
    pub payout_address: Option<String>,
    /// `Ready` (can bid and serve), `Registered` (the number exists on chain and pays out to `payoutAddress`), `KeysValid` (both
    /// wallets are keys with the roles they need, and not one key), `StakeSufficient`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
