//! `leaseport provider`: acts of a provider's cold owner. Registration gives the number that the ComputeProvider object names; stake is
//! what bonds are locked from.

mod keys;
mod leave;
mod show;
mod stake;

use std::{
    io::{self, Write},
    str::FromStr,
};

use alloy::{
    primitives::{Address, B256, TxKind, U256},
    sol_types::SolCall,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use thiserror::Error;

use self::{
    keys::{GatewayUrlArgs, KeyArgs},
    leave::{PayoutArgs, UnbondArgs, WithdrawArgs},
    show::ProviderShowArgs,
    stake::{afford, deposit, registered, token, told},
};
use super::{
    chain::{ActArgs, ChainArgsError, TransactionAnswer, amount, say},
    market::MarketError,
    value,
};
use crate::{
    chain_io::{
        bindings::LeaseBook::{self, KeyGrant},
        errors::RpcFailure,
        holdings::Stake,
        sequence::SequenceError,
    },
    core::money::MicroUnits,
    outbound::PinnedUrl,
};

/// Act as a provider's owner.
#[derive(Debug, Clone, Args)]
pub struct ProviderArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ProviderVerb,
}

/// What the owner does.
#[derive(Debug, Clone, Subcommand)]
pub enum ProviderVerb {
    /// Register a new provider and print its number.
    Register(RegisterArgs),
    /// Add stake to a provider.
    Stake(StakeArgs),
    /// Add or remove a hot key.
    Key(KeyArgs),
    /// Publish another URL of the gateway, or another pin of its key.
    Gateway(GatewayUrlArgs),
    /// Pay what is claimable to the provider's payout address (anyone may).
    Claim(ClaimArgs),
    /// Let earnings and stake go to another address, after the book's delay.
    Payout(PayoutArgs),
    /// Ask stake back; it may leave once nothing that it backs can be contested any more.
    Unbond(UnbondArgs),
    /// Take out stake that was asked back, to the payout address (anyone may).
    Withdraw(WithdrawArgs),
    /// Show owner, payout, stake and earnings.
    Show(ProviderShowArgs),
}

/// Register a new provider.
#[derive(Debug, Clone, Args)]
pub struct RegisterArgs {
    /// Which market, and the owner's key.
    #[command(flatten)]
    pub act: ActArgs,
    /// A hot key and what it may do, for example 0x12…:bid or 0x34…:start,report; repeat for several.
    #[arg(long = "operator-key", value_name = "ADDRESS:ROLES", required = true)]
    pub operator_keys: Vec<OperatorKey>,
    /// Where earnings go; the owner when left out.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub payout: Option<Address>,
    /// Public address of the provider's gateway, with the pin that `leaseport gateway --print-pin` prints when its key is
    /// self-signed: https://host:port#spki-sha256=…
    #[arg(long, value_name = "URL")]
    pub gateway_url: Option<PinnedUrl>,
    /// Stake to add, such as 100 or 12.5, from the owner's tokens.
    #[arg(long, value_name = "AMOUNT", value_parser = amount, allow_hyphen_values = true)]
    pub stake: Option<MicroUnits>,
    /// Index of the token of --stake in the market's list.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub token: u8,
}

/// Add stake.
#[derive(Debug, Clone, Args)]
pub struct StakeArgs {
    /// Which market, and whose tokens.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// How much, such as 100 or 12.5.
    #[arg(long, value_name = "AMOUNT", value_parser = amount, allow_hyphen_values = true)]
    pub amount: MicroUnits,
    /// Index of the token in the market's list.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub token: u8,
}

/// Pay out what is claimable.
#[derive(Debug, Clone, Args)]
pub struct ClaimArgs {
    /// Which market, and who pays the gas.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// Index of the token in the market's list.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub token: u8,
}

/// A hot key and its roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorKey {
    /// Whose.
    pub address: Address,
    /// Bit 0 bid, bit 1 start (also decline, stop, close), bit 2 report.
    pub roles: u8,
}

impl FromStr for OperatorKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, roles) = text
            .split_once(':')
            .ok_or("write the address and its roles, for example 0x12…:bid or 0x34…:start,report")?;
        let address = value::address(address).map_err(|why| format!("{address:?}: {why}"))?;
        let mut bits = 0;
        for role in roles.split(',') {
            bits |= match role.trim() {
                "bid" => 1,
                "start" => 2,
                "report" => 4,
                "all" => 7,
                other => return Err(format!("role {other:?} is none of bid, start, report, all")),
            };
        }
        Ok(Self { address, roles: bits })
    }
}

/// Why the verb failed.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// Flags, key or endpoint.
    #[error(transparent)]
    Chain(#[from] ChainArgsError),
    /// A transaction did not do what it should.
    #[error(transparent)]
    Sequence(Box<SequenceError>),
    /// The same key twice.
    #[error("--operator-key {0} is named twice: give it all its roles at once, for example {0}:start,report")]
    KeyTwice(Address),
    /// Two pins.
    #[error("--gateway-url: registration takes one pin; add the second with `leaseport provider gateway`")]
    TwoPins,
    /// No such provider.
    #[error(
        "--provider {id}: the market has {count} providers, numbered from 1; give the number that `leaseport provider register` printed"
    )]
    NoProvider {
        /// What was asked for.
        id: u32,
        /// How many there are.
        count: U256,
    },
    /// No such token.
    #[error("--token {index}: the market lists {count} tokens, numbered from 0")]
    NoToken {
        /// What was asked for.
        index: u8,
        /// How many there are.
        count: usize,
    },
    /// The owner has too little.
    #[error("{owner} has {has} {symbol} and needs {needs}: send it more, or stake less")]
    TooPoor {
        /// Whose tokens.
        owner: Address,
        /// What it has, in the token.
        has: String,
        /// The token.
        symbol: String,
        /// What it needs.
        needs: MicroUnits,
    },
    /// A transaction did not say what it did.
    #[error("{hash} was mined, but says no {event}: is the Directory's market of this version?")]
    Unsaid {
        /// Which event is missing.
        event: &'static str,
        /// The transaction.
        hash: B256,
    },
    /// The market cannot be read.
    #[error(transparent)]
    Market(#[from] Box<MarketError>),
    /// What the provider has cannot be read.
    #[error("what the provider has cannot be read: {0}; check --rpc and run the verb again")]
    Unread(#[source] Box<RpcFailure>),
    /// No such provider.
    #[error(
        "--provider {id}: nobody registered it; give the number that `leaseport provider register` printed"
    )]
    Unknown {
        /// What was asked for.
        id: u32,
    },
    /// Not so much is free.
    #[error(
        "--amount {wanted}: {} is free of {} staked ({} locked by leases that have not started, {} reserved for disputes, {} asked back already)",
        .stake.free, .stake.amount, .stake.locked, .stake.reserved, .stake.unbonding
    )]
    NotFree {
        /// What was to be asked back.
        wanted: MicroUnits,
        /// What there is.
        stake: Box<Stake>,
    },
    /// Nothing was asked back.
    #[error("no stake was asked back: `leaseport provider unbond` comes first")]
    NothingAskedBack,
    /// It waits.
    #[error("{waits} was asked back and may leave from {at} on: run the verb again then")]
    NotYet {
        /// How much.
        waits: MicroUnits,
        /// From when.
        at: String,
    },
    /// Slashers hold it.
    #[error(
        "a slasher holds all that is left ({reserved}) until disputes are decided: run the verb again then"
    )]
    AllReserved {
        /// How much.
        reserved: MicroUnits,
    },
    /// The answer cannot be printed.
    #[error("cannot print the answer: {0}")]
    Print(#[from] io::Error),
}

impl ProviderError {
    /// What the provider has was not answered.
    fn unread(failure: RpcFailure) -> Self {
        Self::Unread(Box::new(failure))
    }
}

impl From<SequenceError> for ProviderError {
    fn from(error: SequenceError) -> Self {
        Self::Sequence(Box::new(error))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    provider_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_micro: Option<String>,
    transactions: Vec<TransactionAnswer>,
}

/// Runs the verb; the answer goes to `out`.
///
/// # Errors
/// Each [`ProviderError`], with the flag, the value and what to do.
pub async fn run(args: ProviderArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    match args.verb {
        ProviderVerb::Register(args) => register(args, out).await,
        ProviderVerb::Stake(args) => add_stake(args, out).await,
        ProviderVerb::Key(args) => keys::key(args, out).await,
        ProviderVerb::Gateway(args) => keys::gateway(args, out).await,
        ProviderVerb::Claim(args) => claim(args, out).await,
        ProviderVerb::Payout(args) => leave::payout(args, out).await,
        ProviderVerb::Unbond(args) => leave::unbond(args, out).await,
        ProviderVerb::Withdraw(args) => leave::withdraw(args, out).await,
        ProviderVerb::Show(args) => show::show(args, out).await,
    }
}

async fn register(args: RegisterArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    for (at, key) in args.operator_keys.iter().enumerate() {
        if args
            .operator_keys
            .iter()
            .take(at)
            .any(|other| other.address == key.address)
        {
            return Err(ProviderError::KeyTwice(key.address));
        }
    }
    let (url, pin) = match &args.gateway_url {
        None => (String::new(), B256::ZERO),
        Some(url) => match url.pins() {
            [] => (text(url), B256::ZERO),
            [pin] => (text(url), B256::from(*pin)),
            _ => return Err(ProviderError::TwoPins),
        },
    };
    let (mut sequence, contracts) = args.act.begin().await?;
    let owner = sequence.address();
    // Asked before anything is sent, so that a registration without its stake does not happen.
    if let Some(stake) = args.stake {
        afford(&sequence, token(&contracts, args.token)?, stake).await?;
    }
    let payout = args.payout.unwrap_or(owner);
    let call = LeaseBook::registerCall {
        payout,
        keys: args
            .operator_keys
            .iter()
            .map(|key| KeyGrant {
                key: key.address,
                roles: key.roles,
            })
            .collect(),
        gatewayUrl: url,
        spki: pin,
    };
    let registered = sequence
        .run(
            "register the provider",
            TxKind::Call(contracts.lease_book.address),
            call.abi_encode().into(),
        )
        .await?;
    let said: LeaseBook::ProviderRegistered = told(&registered, contracts.lease_book.address)?;
    let provider_id = said.providerId;
    let mut done = vec![registered];
    if let Some(stake) = args.stake {
        done.extend(deposit(&mut sequence, &contracts, provider_id, args.token, stake).await?);
    }
    let answer = Answer {
        provider_id,
        owner: Some(owner),
        payout: Some(payout),
        amount_micro: args.stake.map(|stake| stake.0.to_string()),
        transactions: done.iter().map(TransactionAnswer::from).collect(),
    };
    let said = format!("registered provider {provider_id} of {owner}");
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

async fn add_stake(args: StakeArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    let done = deposit(&mut sequence, &contracts, args.provider, args.token, args.amount).await?;
    let answer = Answer {
        provider_id: args.provider,
        owner: None,
        payout: None,
        amount_micro: Some(args.amount.0.to_string()),
        transactions: done.iter().map(TransactionAnswer::from).collect(),
    };
    let said = format!("staked {} for provider {}", args.amount, args.provider);
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

async fn claim(args: ClaimArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    token(&contracts, args.token)?;
    registered(&sequence, &contracts, args.provider).await?;
    let call = LeaseBook::claimCall {
        providerId: args.provider,
        token: args.token,
    };
    let done = sequence
        .run(
            "claim",
            TxKind::Call(contracts.lease_book.address),
            call.abi_encode().into(),
        )
        .await?;
    let claimed: LeaseBook::Claimed = told(&done, contracts.lease_book.address)?;
    let answer = Answer {
        provider_id: args.provider,
        owner: None,
        payout: Some(claimed.payout),
        amount_micro: Some(claimed.amount.to_string()),
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!(
        "claimed {} micro-units of token {} to {}",
        claimed.amount, args.token, claimed.payout
    );
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// The URL without its pin, as the chain keeps it.
fn text(url: &PinnedUrl) -> String {
    url.url().as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_key_is_an_address_and_its_roles() {
        let read = |text: &str| text.parse::<OperatorKey>().map(|key| key.roles);
        let address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        assert_eq!(read(&format!("{address}:bid")), Ok(1));
        assert_eq!(read(&format!("{address}:start, report")), Ok(6));
        assert_eq!(read(&format!("{address}:all")), Ok(7));
        for text in [
            address,
            "0x12:bid",
            ":bid",
            &format!("{address}:"),
            &format!("{address}:admin"),
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
