//! How a market begins: contracts, test dollars, a registered provider with stake and keys. All of it by the product's own verbs.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Scene;
use super::binary::Leaseport;
use super::cast::{Actor, Cast};

/// The market's contracts as `market deploy` printed them.
#[derive(Clone, Debug)]
pub struct Market {
    /// The one address from which all others are read.
    pub directory: String,
    /// Everything that was printed.
    pub printed: Value,
}

pub(super) fn deploy(
    leaseport: &Leaseport,
    cast: &Cast,
    rpc_url: &str,
    tenant_dollars: u32,
    say: &mut dyn FnMut(&str),
) -> Result<Market> {
    let key_file = cast.deployer.key_file.display().to_string();
    let printed_market = leaseport.json([
        "market",
        "deploy",
        "--rpc",
        rpc_url,
        "--key-file",
        &key_file,
        "--json",
    ])?;
    let transactions = printed_market["transactions"].as_array().map_or(0, Vec::len);
    let gas: u64 = printed_market["transactions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["gasUsed"].as_u64())
        .sum();
    let directory = printed(&printed_market, "/directory")?;
    say(&format!(
        "leaseport market deploy: Directory {directory}, {transactions} transactions, {gas} gas"
    ));
    for (actor, dollars) in [(&cast.owner, 1000), (&cast.tenant, tenant_dollars)] {
        mint(leaseport, cast, rpc_url, &directory, actor, dollars)?;
    }
    Ok(Market {
        directory,
        printed: printed_market,
    })
}

/// Test dollars for somebody.
fn mint(
    leaseport: &Leaseport,
    cast: &Cast,
    rpc_url: &str,
    directory: &str,
    to: &Actor,
    dollars: u32,
) -> Result<()> {
    leaseport.run([
        "market",
        "mint",
        "--rpc",
        rpc_url,
        "--key-file",
        &cast.deployer.key_file.display().to_string(),
        "--directory",
        directory,
        "--to",
        to.address,
        "--amount",
        &dollars.to_string(),
    ])?;
    Ok(())
}

impl Scene {
    /// Test dollars for somebody, whole ones.
    ///
    /// # Errors
    /// `market mint` said no.
    pub fn mint(&self, to: &Actor, dollars: u32) -> Result<()> {
        mint(
            &self.leaseport,
            &self.cast,
            &self.ledger.rpc_url,
            &self.market.directory,
            to,
            dollars,
        )
    }
}

/// The gateway's URL with the pin of its own key, which registration needs before the gateway runs.
pub(super) fn gateway_identity(
    leaseport: &Leaseport,
    tls_dir: &std::path::Path,
    address: SocketAddr,
) -> Result<(String, String)> {
    let folder = tls_dir.display().to_string();
    let pin = leaseport.run(["gateway", "--print-pin", "--tls-dir", &folder])?;
    Ok((format!("https://{address}#{}", pin.trim()), folder))
}

pub(super) fn register(
    leaseport: &Leaseport,
    cast: &Cast,
    rpc_url: &str,
    market: &Market,
    gateway_url: &str,
) -> Result<u32> {
    let printed_provider = leaseport.json([
        "provider",
        "register",
        "--rpc",
        rpc_url,
        "--key-file",
        &cast.owner.key_file.display().to_string(),
        "--directory",
        &market.directory,
        "--operator-key",
        &format!("{}:start,report", cast.duty.address),
        "--operator-key",
        &format!("{}:bid", cast.bids.address),
        "--payout",
        cast.payout.address,
        "--gateway-url",
        gateway_url,
        "--stake",
        "1000",
        "--json",
    ])?;
    let id = printed_provider["providerId"].as_u64().context("no providerId")?;
    Ok(u32::try_from(id)?)
}

pub(super) fn printed(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("no {pointer} in {value}"))
}
