//! `leaseport market`: deploys a market's contracts from this binary alone, shows and verifies one, and mints test money on local chains.

mod args;
mod manifest;
mod policy;

use std::{
    io::{self, Write},
    sync::Arc,
};

use alloy::primitives::{Address, TxKind, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use clap::{Args, Subcommand};
use serde::Serialize;
use thiserror::Error;

pub use args::{DeployArgs, FeePercent, MintArgs, ShowArgs, VerifyArgs};

use self::manifest::{Manifest, ManifestError};
use super::chain::{ChainArgsError, OutputFormat, TransactionAnswer, say};
use crate::{
    chain_io::{
        bindings::TestDollar,
        contracts::{Contracts, ContractsError},
        deploy::{self, DeployError, Deployment, Wanted, audit::AuditError},
        endpoint::Endpoints,
        sequence::{self, Done, SequenceError},
        windows::{self, ChainKind, WindowsError, chain_kind},
    },
    core::ids::ChainId,
};

/// Deploy a market's contracts, or look at one.
#[derive(Debug, Clone, Args)]
pub struct MarketArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: MarketVerb,
}

/// What to do with a market.
#[derive(Debug, Clone, Subcommand)]
pub enum MarketVerb {
    /// Deploy the contracts of a market, or go on where a deployment stopped, and print their addresses.
    Deploy(DeployArgs),
    /// Read a market from its Directory and verify its code.
    Show(ShowArgs),
    /// Check that a market is whole: code, how its contracts name each other, and who decides. Fails when anything is wrong.
    Verify(VerifyArgs),
    /// What policy has decided, and the bounds it has.
    Params(ShowArgs),
    /// What a market holds and what waits.
    Status(ShowArgs),
    /// Mint test dollars (local chains only).
    Mint(MintArgs),
}

/// Why the verb failed.
#[derive(Debug, Error)]
pub enum MarketError {
    /// Flags, key or endpoint.
    #[error(transparent)]
    Chain(#[from] ChainArgsError),
    /// No windows, or bad ones.
    #[error(transparent)]
    Windows(#[from] WindowsError),
    /// The deployment stopped.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// A transaction did not do what it should.
    #[error(transparent)]
    Sequence(Box<SequenceError>),
    /// The market cannot be read.
    #[error("--directory: {0}")]
    Contracts(#[source] Box<ContractsError>),
    /// The market is not whole.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The chain did not answer.
    #[error(transparent)]
    Rpc(#[from] crate::chain_io::errors::RpcFailure),
    /// A manifest cannot be read or written, or is another market's.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Nothing lives where a token should.
    #[error(
        "--token {token}: no contract on chain {chain}: name the token's address on this chain, or another --rpc"
    )]
    NotAToken {
        /// The address given.
        token: Address,
        /// The chain asked.
        chain: u64,
    },
    /// Test money is for local chains.
    #[error("chain {0} is not local: test dollars exist on local chains only (1337, 31337 to 31399)")]
    NotLocal(u64),
    /// The market lists no test dollar.
    #[error("the market lists no token: deploy it anew, or list one")]
    NoToken,
    /// The answer cannot be printed.
    #[error("cannot print the answer: {0}")]
    Print(#[from] io::Error),
    /// The answer has no JSON form.
    #[error("cannot write the answer as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<SequenceError> for MarketError {
    fn from(error: SequenceError) -> Self {
        Self::Sequence(Box::new(error))
    }
}

impl From<ContractsError> for MarketError {
    fn from(error: ContractsError) -> Self {
        Self::Contracts(Box::new(error))
    }
}

/// Runs the verb; the answer goes to `out`, progress to standard error.
///
/// # Errors
/// Each [`MarketError`], with the flag, the value and what to do.
pub async fn run(args: MarketArgs, out: &mut (impl Write + Send)) -> Result<(), MarketError> {
    match args.verb {
        MarketVerb::Deploy(args) => run_deploy(args, out).await,
        MarketVerb::Show(args) => {
            let (_, contracts) = args.read().await?;
            print(out, args.output.format(), &MarketAnswer::of(&contracts, &[]))
        }
        MarketVerb::Verify(args) => manifest::run_verify(args, out).await,
        MarketVerb::Params(args) => policy::run_params(args, out).await,
        MarketVerb::Status(args) => policy::run_status(args, out).await,
        MarketVerb::Mint(args) => run_mint(args, out).await,
    }
}

impl ShowArgs {
    /// Connects, and reads the market's contracts.
    pub(super) async fn read(&self) -> Result<(Arc<Endpoints>, Contracts), MarketError> {
        let endpoints = sequence::connect(&self.rpc, self.chain_id.map(ChainId))
            .await
            .map_err(ChainArgsError::from)?;
        let contracts = Contracts::read(&endpoints, self.directory).await?;
        Ok((endpoints, contracts))
    }
}

async fn run_deploy(args: DeployArgs, out: &mut (impl Write + Send)) -> Result<(), MarketError> {
    let mut sequence = args.chain.begin().await?;
    let chain = sequence.endpoints().chain();
    let wanted = Wanted {
        windows: windows::choose(chain, args.windows.map(|text| text.0))?,
        salt: args.salt,
        council: args.council,
        guardian: args.guardian,
        lister: args.lister,
        arbiter: args.arbiter,
        treasury: args.treasury,
        fee_steps: args.fee.0,
        court_fee: args.court_fee.0,
        dollars: args.tokens,
    };
    // Asked before anything is sent, so that no half of a market is paid for.
    for token in &wanted.dollars {
        let at = *token;
        let code = sequence
            .endpoints()
            .ask(
                "eth_getCode",
                |provider| async move { provider.get_code_at(at).await },
            )
            .await
            .map_err(SequenceError::from)?;
        if code.is_empty() {
            return Err(MarketError::NotAToken {
                token: at,
                chain: chain.0,
            });
        }
    }
    let format = args.output.format();
    let mut progress = move |done: &Done| {
        if format == OutputFormat::Text {
            // Progress that cannot be shown is no reason to stop.
            let _ = writeln!(
                io::stderr(),
                "  {:<34} {:>9} gas  {}",
                done.what,
                done.gas_used,
                done.hash
            );
        }
    };
    let Deployment {
        contracts,
        audit,
        transactions,
    } = deploy::deploy(&mut sequence, &wanted, &mut progress).await?;
    let manifest = Manifest::of(&contracts, &audit);
    if let Some(file) = &args.manifest {
        manifest.write(file)?;
    }
    let mut answer = MarketAnswer::of(&contracts, &transactions);
    answer.manifest = Some(manifest);
    print(out, format, &answer)
}

async fn run_mint(args: MintArgs, out: &mut (impl Write + Send)) -> Result<(), MarketError> {
    let mut sequence = args.act.chain.begin().await?;
    let chain = sequence.endpoints().chain();
    if chain_kind(chain) != ChainKind::Local {
        return Err(MarketError::NotLocal(chain.0));
    }
    let contracts = Contracts::read(sequence.endpoints(), args.act.directory).await?;
    let token = contracts.tokens.first().ok_or(MarketError::NoToken)?;
    let mint = TestDollar::mintCall {
        to: args.to,
        amount: U256::from(args.amount.0) * U256::from(token.scale),
    };
    let done = sequence
        .run(
            "mint test dollars",
            TxKind::Call(token.asset),
            mint.abi_encode().into(),
        )
        .await?;
    let answer = serde_json::json!({
        "token": token.asset,
        "to": args.to,
        "amountMicro": args.amount.0.to_string(),
        "transaction": done.hash,
    });
    let said = format!("minted {} {} to {}", args.amount, token.symbol, args.to);
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// A market, as printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarketAnswer {
    chain_id: u64,
    directory: Address,
    lease_book: Address,
    stake_vault: Address,
    params: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    lens: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute_court: Option<Address>,
    tokens: Vec<TokenAnswer>,
    from_block: u64,
    windows: WindowsAnswer,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transactions: Vec<TransactionAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenAnswer {
    index: u8,
    address: Address,
    symbol: String,
    scale: u64,
    dollar: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WindowsAnswer {
    final_reports_seconds: u32,
    vest_epoch_seconds: u32,
}

impl MarketAnswer {
    fn of(contracts: &Contracts, transactions: &[Done]) -> Self {
        Self {
            chain_id: contracts.chain.0,
            directory: contracts.directory,
            lease_book: contracts.lease_book.address,
            stake_vault: contracts.stake_vault.address,
            params: contracts.params.address,
            lens: contracts.lens.map(|lens| lens.address),
            dispute_court: contracts.court.map(|court| court.address),
            tokens: contracts
                .tokens
                .iter()
                .map(|token| TokenAnswer {
                    index: token.index,
                    address: token.asset,
                    symbol: token.symbol.clone(),
                    scale: token.scale,
                    dollar: token.dollar,
                })
                .collect(),
            from_block: contracts.from_block,
            windows: WindowsAnswer {
                final_reports_seconds: contracts.windows.final_reports,
                vest_epoch_seconds: contracts.windows.vest_epoch,
            },
            transactions: transactions.iter().map(TransactionAnswer::from).collect(),
            manifest: None,
        }
    }
}

fn print(out: &mut impl Write, format: OutputFormat, market: &MarketAnswer) -> Result<(), MarketError> {
    if format == OutputFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(market)?)?;
        return Ok(());
    }
    writeln!(out, "chain      {}", market.chain_id)?;
    writeln!(out, "directory  {}", market.directory)?;
    writeln!(out, "leaseBook  {}", market.lease_book)?;
    writeln!(out, "stakeVault {}", market.stake_vault)?;
    writeln!(out, "params     {}", market.params)?;
    if let Some(lens) = market.lens {
        writeln!(out, "lens       {lens}")?;
    }
    if let Some(court) = market.dispute_court {
        writeln!(out, "court      {court}")?;
    }
    for token in &market.tokens {
        // A stranger may have chosen the symbol.
        let symbol: String = token
            .symbol
            .chars()
            .filter(|c| !c.is_control())
            .take(16)
            .collect();
        writeln!(out, "token {:<4} {} {symbol}", token.index, token.address)?;
    }
    writeln!(out, "fromBlock  {}", market.from_block)?;
    writeln!(
        out,
        "windows    {} s for final reports, vesting epoch of {} s",
        market.windows.final_reports_seconds, market.windows.vest_epoch_seconds
    )?;
    if let Some(manifest) = &market.manifest {
        manifest.print(out)?;
    }
    if !market.transactions.is_empty() {
        let gas = market
            .transactions
            .iter()
            .fold(0u64, |sum, done| sum.saturating_add(done.gas_used));
        writeln!(
            out,
            "gas        {gas} in {} transactions",
            market.transactions.len()
        )?;
    }
    Ok(())
}
