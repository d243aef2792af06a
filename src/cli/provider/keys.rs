//! `leaseport provider key` and `leaseport provider gateway`: what a cold owner changes while its provider serves. Sends one transaction each
//! and says from when it holds; which key signs in the cluster is the ComputeWallets' matter, never this module's.

use std::io::Write;

use alloy::{
    primitives::{Address, B256, TxKind},
    sol_types::SolCall,
};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    OperatorKey, ProviderError,
    stake::{registered, told},
    text,
};
use crate::{
    chain_io::bindings::LeaseBook,
    cli::{
        chain::{ActArgs, TransactionAnswer, say},
        value,
    },
    outbound::PinnedUrl,
};

/// Change the provider's hot keys.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: KeyVerb,
}

/// What is done with a hot key.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyVerb {
    /// Give a key roles; it acts a day later.
    Add(AddArgs),
    /// Take a key's roles away, at once; bids it signed are void.
    Remove(RemoveArgs),
}

/// Give a key roles.
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Which market, and the owner's key.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// The key and what it may do, for example 0x12…:bid or 0x34…:start,report. A key that is there must be removed first.
    #[arg(long = "operator-key", value_name = "ADDRESS:ROLES")]
    pub operator_key: OperatorKey,
}

/// Take a key's roles away.
#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// Which market, and the owner's key, or the key itself.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// Whose roles.
    #[arg(long = "operator-key", value_name = "ADDRESS", value_parser = value::address)]
    pub operator_key: Address,
}

/// Publish another URL, or another pin.
#[derive(Debug, Clone, Args)]
pub struct GatewayUrlArgs {
    /// Which market, and the owner's key.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// Public address of the gateway; while its key changes with both pins, the present one and the next:
    /// https://host:port#spki-sha256=…,…
    #[arg(long, value_name = "URL")]
    pub gateway_url: PinnedUrl,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyAnswer {
    provider_id: u32,
    key: Address,
    roles: Vec<&'static str>,
    /// Seconds since 1970; none for a key that was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    transactions: Vec<TransactionAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GatewayAnswer {
    provider_id: u32,
    gateway_url: String,
    transactions: Vec<TransactionAnswer>,
}

/// Runs the verb on keys.
pub(super) async fn key(args: KeyArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    match args.verb {
        KeyVerb::Add(args) => add(args, out).await,
        KeyVerb::Remove(args) => remove(args, out).await,
    }
}

async fn add(args: AddArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    let OperatorKey { address, roles } = args.operator_key;
    let call = LeaseBook::addKeyCall {
        providerId: args.provider,
        key: address,
        roles,
    };
    let done = sequence
        .run(
            "add the key",
            TxKind::Call(contracts.lease_book.address),
            call.abi_encode().into(),
        )
        .await?;
    let added: LeaseBook::KeyAdded = told(&done, contracts.lease_book.address)?;
    let from = added.from.to::<u64>();
    let answer = KeyAnswer {
        provider_id: args.provider,
        key: address,
        roles: words(roles),
        from: Some(from),
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!(
        "added {address} ({}) to provider {}; it acts from {} on (seconds since 1970), a day after this",
        answer.roles.join(", "),
        args.provider,
        from
    );
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

async fn remove(args: RemoveArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    let call = LeaseBook::removeKeyCall {
        providerId: args.provider,
        key: args.operator_key,
    };
    let done = sequence
        .run(
            "remove the key",
            TxKind::Call(contracts.lease_book.address),
            call.abi_encode().into(),
        )
        .await?;
    let answer = KeyAnswer {
        provider_id: args.provider,
        key: args.operator_key,
        roles: Vec::new(),
        from: None,
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!(
        "removed {} from provider {}; bids it signed are void",
        args.operator_key, args.provider
    );
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// Publishes where the gateway is reached.
pub(super) async fn gateway(
    args: GatewayUrlArgs,
    out: &mut (impl Write + Send),
) -> Result<(), ProviderError> {
    let (spki, next) = pins(&args.gateway_url);
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    let call = LeaseBook::setGatewayCall {
        providerId: args.provider,
        url: text(&args.gateway_url),
        spki,
        nextSpki: next,
    };
    let done = sequence
        .run(
            "publish the gateway's URL",
            TxKind::Call(contracts.lease_book.address),
            call.abi_encode().into(),
        )
        .await?;
    let answer = GatewayAnswer {
        provider_id: args.provider,
        gateway_url: args.gateway_url.to_string(),
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!("provider {} is reached at {}", args.provider, answer.gateway_url);
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// The pins as the chain keeps them: zero for none.
fn pins(url: &PinnedUrl) -> (B256, B256) {
    let at = |index: usize| url.pins().get(index).copied().map_or(B256::ZERO, B256::from);
    (at(0), at(1))
}

/// Roles as they are written on the command line.
fn words(roles: u8) -> Vec<&'static str> {
    [(1, "bid"), (2, "start"), (4, "report")]
        .into_iter()
        .filter(|(bit, _)| roles & bit != 0)
        .map(|(_, word)| word)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_with_two_pins_is_published_with_both_and_one_with_none_with_none() {
        let url = |fragment: &str| format!("https://gpu.example.org:8443{fragment}").parse().unwrap();
        assert_eq!(pins(&url("")), (B256::ZERO, B256::ZERO));
        const SEVENS: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        let one = format!("#spki-sha256={SEVENS}");
        assert_eq!(pins(&url(&one)), (B256::repeat_byte(7), B256::ZERO));
        let two = format!("{one},CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg");
        assert_eq!(pins(&url(&two)), (B256::repeat_byte(7), B256::repeat_byte(8)));
    }

    #[test]
    fn roles_are_said_in_the_words_they_are_written_in() {
        assert_eq!(words(7), ["bid", "start", "report"]);
        assert_eq!(words(6), ["start", "report"]);
        assert!(words(0).is_empty());
    }
}
