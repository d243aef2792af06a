//! `leaseport check`: asks a cluster, and the chains of its markets, whether an operator can do its work there; one line a finding, each that
//! fails with its remedy; last, which neighbours the cluster has. It changes nothing. An admin runs it, or `helm test` in a pod under the operator's
//! own account.

mod finding;
mod neighbours;
mod rights;

use std::{
    future::Future,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use alloy::{eips::BlockNumberOrTag, providers::Provider};
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use thiserror::Error;

pub use self::{
    finding::{Finding, Verdict},
    rights::{RIGHTS, Right, Where},
};
use self::{
    finding::{conclude, print},
    rights::{may, right},
};
use super::{
    chain::{OutputArgs, OutputFormat},
    value,
};
use crate::{
    api::{self, ComputeMarket, ComputeProvider, ComputeWallet, market::Endpoint, name},
    app,
    chain_io::{
        contracts::Contracts,
        endpoint::{EndpointConfig, Endpoints},
    },
    core::ids::ChainId,
};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far a new block's time may lie ahead of this machine's, in seconds.
const AHEAD: i64 = 15;
/// How far it may lie behind: chains without work wait with a block.
const BEHIND: i64 = 120;

/// Check whether an operator can do its work in this cluster: kinds, rights, chains, what is not Ready; and what it is beside.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Namespace the operator runs in: its leader lock and the Secrets of endpoint URLs.
    #[arg(long, env = "POD_NAMESPACE", default_value = name::SYSTEM_NAMESPACE, value_parser = value::namespace)]
    pub namespace: String,
    /// Form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Why there is no good news.
#[derive(Debug, Error)]
pub enum CheckError {
    /// No cluster.
    #[error(
        "no cluster to talk to: {0}; set KUBECONFIG to a kubeconfig, or run in a pod with a service account"
    )]
    Cluster(String),
    /// Something must be mended.
    #[error("{failed} of {all} checks fail")]
    Failed {
        /// How many fail.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// Standard output is closed.
    #[error("cannot print the findings: {0}")]
    Print(#[from] io::Error),
    /// A finding has no JSON form.
    #[error("cannot print the findings: {0}")]
    Json(#[from] serde_json::Error),
}

/// Runs the verb.
///
/// # Errors
/// No cluster, or a finding that fails.
pub async fn run(args: CheckArgs, out: &mut (impl Write + Send)) -> Result<(), CheckError> {
    let client = app::connect()
        .await
        .map_err(|error| CheckError::Cluster(value::one_line(&error.to_string())))?;
    let findings = look(&client, &args.namespace).await;
    match args.output.format() {
        OutputFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?,
        OutputFormat::Text => print(&findings, out)?,
    }
    conclude(&findings)
}

async fn look(client: &Client, own: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let served = kinds(client, &mut findings).await;
    for right in RIGHTS.iter().filter(|right| right.scope != Where::Provider) {
        let namespace = match right.scope {
            Where::Everywhere | Where::Provider => None,
            Where::Own => Some(own),
        };
        findings.push(may(client, right, right.name, namespace).await);
    }
    if served {
        markets(client, own, &mut findings).await;
        providers(client, &mut findings).await;
        objects(client, &mut findings).await;
    }
    findings.extend(neighbours::look(client).await);
    findings
}

/// Whether every kind is served and may be read.
async fn kinds(client: &Client, findings: &mut Vec<Finding>) -> bool {
    let mut served = true;
    for definition in api::definitions() {
        let kind = definition.spec.names.kind;
        let what = format!("kind {kind}");
        let objects = Api::<DynamicObject>::all_with(client.clone(), &resource(&kind));
        findings.push(match answered(objects.list(&ListParams::default().limit(1))).await {
            Ok(_) => Finding::holds(what, "served"),
            Err(why) => {
                served = false;
                let remedy = "install the definitions (crds.enabled of the chart, or `leaseport crds | kubectl apply --server-side -f -`) and the \
                              operator's rights";
                Finding::fails(what, why, remedy)
            }
        });
    }
    served
}

fn resource(kind: &str) -> ApiResource {
    let plural = format!("{}s", kind.to_lowercase());
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(api::GROUP, api::VERSION, kind), &plural)
}

/// Each market's endpoints: the chain, the contracts behind the directory with their code, the clock.
async fn markets(client: &Client, own: &str, findings: &mut Vec<Finding>) {
    let listed = answered(Api::<ComputeMarket>::all(client.clone()).list(&ListParams::default())).await;
    let markets = match listed {
        Ok(markets) => markets.items,
        Err(why) => {
            findings.push(Finding::fails("markets", why, "let this account list them"));
            return;
        }
    };
    if markets.is_empty() {
        findings.push(Finding {
            what: "markets".to_owned(),
            verdict: Verdict::Open,
            found: "no ComputeMarket yet".to_owned(),
            remedy: "create one, then check again".to_owned(),
        });
    }
    for market in &markets {
        // What only hints is never believed.
        for endpoint in market
            .spec
            .endpoints
            .iter()
            .filter(|endpoint| !endpoint.hint_only)
        {
            let what = format!("market {}, endpoint {}", market.name_any(), endpoint.name);
            match asked(client, own, market, endpoint).await {
                Ok(time) => {
                    let id = market.spec.chain_id;
                    findings.push(Finding::holds(
                        &what,
                        format!("chain {id}, contracts verified by code"),
                    ));
                    let now = SystemTime::now()
                        .duration_since(SystemTime::UNIX_EPOCH)
                        .unwrap_or_default();
                    findings.push(clock(
                        &what,
                        i64::try_from(time).unwrap_or(i64::MAX),
                        i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
                    ));
                }
                Err(why) => {
                    findings.push(Finding::fails(
                        what,
                        why,
                        "correct the ComputeMarket, or mend the endpoint",
                    ));
                }
            }
        }
    }
}

/// The newest block's time, once the endpoint serves the market's chain and the market's contracts. A message never holds the URL.
async fn asked(
    client: &Client,
    own: &str,
    market: &ComputeMarket,
    endpoint: &Endpoint,
) -> Result<u64, String> {
    let url = url_of(client, own, endpoint).await?;
    let id = u64::try_from(market.spec.chain_id).map_err(|_| "spec.chainId is negative".to_owned())?;
    let config = EndpointConfig::parse(&endpoint.name, &url).map_err(|error| error.to_string())?;
    let endpoints = Endpoints::new(ChainId(id), vec![config]).map_err(|error| error.to_string())?;
    endpoints
        .assert_chain()
        .await
        .map_err(|error| error.to_string())?;
    let directory = value::address(&market.spec.directory).map_err(|why| format!("spec.directory: {why}"))?;
    Contracts::read(&endpoints, directory)
        .await
        .map_err(|error| error.to_string())?;
    let block = endpoints
        .ask("eth_getBlockByNumber", |provider| async move {
            provider.get_block_by_number(BlockNumberOrTag::Latest).await
        })
        .await
        .map_err(|error| error.to_string())?;
    block
        .map(|block| block.header.timestamp)
        .ok_or_else(|| "there is no newest block".to_owned())
}

async fn url_of(client: &Client, own: &str, endpoint: &Endpoint) -> Result<String, String> {
    let from = match (&endpoint.url, &endpoint.url_from) {
        (Some(url), _) => return Ok(url.clone()),
        (None, Some(from)) => &from.secret_key_ref,
        (None, None) => return Err("has neither url nor urlFrom".to_owned()),
    };
    let secret = answered(Api::<Secret>::namespaced(client.clone(), own).get(&from.name))
        .await
        .map_err(|why| format!("Secret {} in {own}: {why}", from.name))?;
    let entry = secret.data.as_ref().and_then(|data| data.get(&from.key));
    let entry = entry.ok_or_else(|| format!("Secret {} in {own} has no key {}", from.name, from.key))?;
    String::from_utf8(entry.0.clone())
        .map_err(|_| format!("Secret {} in {own}: {} is not text", from.name, from.key))
}

/// Whether this machine and the chain mean the same moment.
fn clock(what: &str, block: i64, now: i64) -> Finding {
    let what = format!("{what}, clock");
    let ahead = block.saturating_sub(now);
    let found = format!(
        "the newest block is {} s {}",
        ahead.saturating_abs(),
        if ahead > 0 { "ahead" } else { "old" }
    );
    if ahead > AHEAD {
        Finding::fails(what, found, "set this machine's clock by NTP: it is slow")
    } else if ahead < -BEHIND {
        Finding::fails(
            what,
            found,
            "the chain stands still, the endpoint lags, or this machine's clock is fast: compare it with NTP",
        )
    } else {
        Finding::holds(what, found)
    }
}

/// The operator's rights in each provider's namespace, and on the Secrets of its wallets.
async fn providers(client: &Client, findings: &mut Vec<Finding>) {
    let listed = answered(Api::<ComputeProvider>::all(client.clone()).list(&ListParams::default())).await;
    let mut namespaces: Vec<String> = listed
        .map(|list| list.items.iter().filter_map(ResourceExt::namespace).collect())
        .unwrap_or_default();
    namespaces.sort();
    namespaces.dedup();
    for namespace in &namespaces {
        for right in RIGHTS.iter().filter(|right| right.scope == Where::Provider) {
            findings.push(may(client, right, right.name, Some(namespace)).await);
        }
    }
    let wallets = answered(Api::<ComputeWallet>::all(client.clone()).list(&ListParams::default())).await;
    let key = right("", "secrets", "", "get", Where::Provider);
    for wallet in wallets.map(|list| list.items).unwrap_or_default() {
        let secret = &wallet.spec.signer.secret_ref.name;
        findings.push(may(client, &key, secret, wallet.namespace().as_deref()).await);
    }
}

/// What the operator itself says of the admin's objects.
async fn objects(client: &Client, findings: &mut Vec<Finding>) {
    for kind in [
        "ComputeMarket",
        "ComputeWallet",
        "ComputeProvider",
        "ComputeOffer",
    ] {
        let all = Api::<DynamicObject>::all_with(client.clone(), &resource(kind));
        let listed = answered(all.list(&ListParams::default())).await;
        for object in listed.map(|list| list.items).unwrap_or_default() {
            let name = match object.namespace() {
                Some(namespace) => format!("{kind} {namespace}/{}", object.name_any()),
                None => format!("{kind} {}", object.name_any()),
            };
            findings.push(ready(name, object.data.pointer("/status/conditions")));
        }
    }
}

/// The verdict of an object's condition Ready.
fn ready(what: String, conditions: Option<&serde_json::Value>) -> Finding {
    let condition = conditions
        .and_then(serde_json::Value::as_array)
        .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
    let Some(condition) = condition else {
        return Finding {
            what,
            verdict: Verdict::Open,
            found: "no condition Ready yet".to_owned(),
            remedy: "wait until an operator has looked at it".to_owned(),
        };
    };
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    if text("status") == "True" {
        Finding::holds(what, "Ready")
    } else {
        Finding::fails(
            what,
            format!("{}: {}", text("reason"), text("message")),
            "docs/operations.md says what each condition asks for",
        )
    }
}

/// The answer of the API server in time, or why there is none.
async fn answered<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(format!("{} ({})", status.message, status.code)),
        Ok(Err(error)) => Err(value::one_line(&error.to_string())),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_block_may_be_old_for_a_while_and_hardly_ahead() {
        for (block, verdict) in [
            (1_000, Verdict::Holds),
            (1_015, Verdict::Holds),
            (1_016, Verdict::Fails),
            (880, Verdict::Holds),
            (879, Verdict::Fails),
            (i64::MAX, Verdict::Fails),
            (i64::MIN, Verdict::Fails),
        ] {
            let finding = clock("market local", block, 1_000);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    #[test]
    fn an_object_that_is_not_ready_tells_reason_and_message() {
        let conditions =
            json!([{ "type": "Ready", "status": "False", "reason": "NoCoin", "message": "send\ncoin" }]);
        let finding = ready("ComputeWallet a/duty".into(), Some(&conditions));
        assert_eq!(
            (finding.verdict, finding.found.as_str()),
            (Verdict::Fails, "NoCoin: send coin")
        );
        let conditions = json!([{ "type": "Ready", "status": "True" }]);
        assert_eq!(ready("x".into(), Some(&conditions)).verdict, Verdict::Holds);
    }

    #[test]
    fn an_object_that_nobody_has_looked_at_is_open() {
        assert_eq!(ready("ComputeMarket local".into(), None).verdict, Verdict::Open);
    }
}
