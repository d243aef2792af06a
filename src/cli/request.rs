//! `leaseport request`: from a needs file to a funded order on chain, and the bids that came.

mod filled;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use clap::Args;
use serde::Serialize;

use filled::{Filled, filled};

use super::{
    bids::{BidRow, bid_rows, bid_table},
    kept::Kept,
    needs_file::{self, Wish},
    output::{answer, consent, pairs, progress, relative},
    tenant::{
        Market, TenantArgs, TenantError, Transaction, chain_now, duration, find_order, read_text, unix_now,
    },
};
use crate::{
    api::duration::format_seconds,
    chain_io::{bindings::Erc20, contracts::ListedToken, signer::WalletSigner},
    core::{
        documents::{
            calls,
            order::{Order, TradeForm},
        },
        ids::OrderHash,
        money::MicroUnits,
    },
};

/// Post a funded order: what to run, what it needs, what it may cost.
#[derive(Debug, Clone, Args)]
pub struct RequestArgs {
    /// The needs file (YAML); - reads standard input.
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// Check the file, show the order, send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Collect bids for so long after the order is posted, for example 20s. Where the price climbs (price.startPerHour): until a provider took the
    /// order, at most so long, and hand it the manifest.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Do not ask before money goes into escrow.
    #[arg(long, short)]
    pub yes: bool,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    /// Which order.
    pub order_hash: OrderHash,
    /// False after a dry run.
    pub posted: bool,
    /// On which chain.
    pub chain_id: u64,
    /// Whose.
    pub tenant: Address,
    /// In which token.
    pub currency: String,
    /// Put into escrow.
    pub deposit: MicroUnits,
    /// The most it may cost in an hour.
    pub max_per_hour: MicroUnits,
    /// What it pays in an hour at first, where the price climbs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_per_hour: Option<MicroUnits>,
    /// Seconds from the first price to the highest, where it climbs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub climb: Option<u32>,
    /// Seconds that the deposit must cover.
    pub min_duration: u32,
    /// Seconds after which it ends.
    pub max_duration: u32,
    /// Unix seconds until which it stands.
    pub expires_at: u64,
    /// keccak-256 of the public needs.
    pub needs_hash: B256,
    /// keccak-256 of the salted manifest.
    pub manifest_hash: B256,
    /// The public needs.
    pub needs: serde_json::Value,
    /// Where order and manifest are kept; none after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_file: Option<PathBuf>,
    /// What was sent.
    pub transactions: Vec<Transaction>,
    /// What came within `--wait`.
    pub bids: Vec<BidRow>,
    /// What became of it within `--wait`, where its price climbs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled: Option<Filled>,
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &RequestArgs) -> Result<(), TenantError> {
    let wish = read_wish(&args.file)?;
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let token = wish
        .token(&market.contracts.tokens)
        .map_err(|error| in_file(&args.file, &error))?
        .clone();
    let mut following = market.follow();
    let now = chain_now(&*following.view().await?);
    let order = wish.order(key.address(), &token, now.0, random()?);
    let mut answered = describe(&market, &wish, &order, &token)?;
    if args.dry_run {
        return answer(args.tenant.output, &answered, told);
    }
    let short = allowance_is_short(&market, &order, &token).await?;
    if !args.yes {
        consent(&format!(
            "Put {} {} into escrow for at most {} at {} {} an hour?",
            answered.deposit,
            answered.currency,
            format_seconds(u64::from(order.maxDuration)),
            answered.max_per_hour,
            answered.currency
        ))?;
    }
    // Before the transaction: without its salt the manifest could never be shown to fit the order.
    let state_file = market.order_file(order.id());
    let base = args.file.parent().unwrap_or(Path::new("."));
    let kept = Kept::of(
        &wish,
        &order,
        market.contracts.chain.0,
        market.contracts.directory,
        base,
    )?;
    kept.write(&state_file)?;
    answered.state_file = Some(state_file);

    let sender = market.sender(&key)?;
    let book = market.contracts.lease_book.address;
    if short {
        let approve = Erc20::approveCall {
            spender: book,
            value: asset_units(&order, &token),
        };
        let what = format!("approve {} {}", answered.deposit, answered.currency);
        let sent = sender
            .send(&what, token.asset, approve.abi_encode().into())
            .await?;
        answered.transactions.push((&sent).into());
        progress(Transaction::from(&sent).line());
    }
    let needs = Bytes::from(wish.needs_bytes.clone());
    let sent = sender
        .send("post the order", book, calls::post_order(&order, &needs, ""))
        .await?;
    answered.posted = true;
    answered.transactions.push((&sent).into());
    progress(Transaction::from(&sent).line());

    if let Some(wait) = args.wait {
        let first = following.until(sent.mined.block_number).await?;
        match order.trade_form() {
            Some(TradeForm::Auction) | None => {
                progress(format_args!(
                    "order {} posted, waiting {} for bids (Ctrl-C stops the waiting, not the order)",
                    order.id().0,
                    format_seconds(wait.as_secs())
                ));
                tokio::time::sleep(wait).await;
                let view = following.view().await?;
                let state = find_order(&view.head.book, order.id())?;
                answered.bids = bid_rows(&market, &view, state);
            }
            Some(TradeForm::Dutch) => {
                answered.filled =
                    filled(&market, &mut following, first, order.id(), &key, &kept, wait).await?;
            }
        }
    }
    answer(args.tenant.output, &answered, told)
}

fn read_wish(path: &Path) -> Result<Wish, TenantError> {
    let file = needs_file::read(&read_text(path)?).map_err(|error| in_file(path, &error))?;
    file.wish(random()?).map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &needs_file::NeedsFileError) -> TenantError {
    TenantError::Refused(format!("{}: {error}", path.display()))
}

fn random() -> Result<B256, TenantError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| TenantError::Refused(format!("no randomness for a salt: {error}")))?;
    Ok(B256::from(bytes))
}

fn describe(
    market: &Market,
    wish: &Wish,
    order: &Order,
    token: &ListedToken,
) -> Result<Requested, TenantError> {
    let dutch = order.trade_form() == Some(TradeForm::Dutch);
    Ok(Requested {
        order_hash: order.id(),
        posted: false,
        chain_id: market.contracts.chain.0,
        tenant: order.tenant,
        currency: market.currency(token.index),
        deposit: MicroUnits(order.deposit),
        max_per_hour: MicroUnits(order.maxRate.to::<u64>()),
        start_per_hour: dutch.then(|| MicroUnits(order.startRate.to::<u64>())),
        climb: dutch.then_some(order.climb),
        min_duration: order.minDuration,
        max_duration: order.maxDuration,
        expires_at: u64::from(order.expiry),
        needs_hash: order.needsHash,
        manifest_hash: order.manifestHash,
        needs: serde_json::from_slice(&wish.needs_bytes)
            .map_err(|error| TenantError::Refused(error.to_string()))?,
        state_file: None,
        transactions: Vec::new(),
        bids: Vec::new(),
        filled: None,
    })
}

fn asset_units(order: &Order, token: &ListedToken) -> U256 {
    U256::from(order.deposit).saturating_mul(U256::from(token.scale))
}

/// Whether LeaseBook may not take the deposit yet; refuses where the tenant does not have it.
async fn allowance_is_short(
    market: &Market,
    order: &Order,
    token: &ListedToken,
) -> Result<bool, TenantError> {
    let needed = asset_units(order, token);
    let (asset, owner) = (token.asset, order.tenant);
    let spender = market.contracts.lease_book.address;
    let ask = |data: Vec<u8>| async move {
        let answer = market
            .endpoints
            .ask("eth_call", |provider| {
                use alloy::{
                    network::TransactionBuilder, providers::Provider, rpc::types::TransactionRequest,
                };
                let call = TransactionRequest::default()
                    .with_to(asset)
                    .with_input(data.clone());
                async move { provider.call(call).await }
            })
            .await?;
        Ok::<_, TenantError>(
            U256::try_from_be_slice(answer.get(..32).unwrap_or_default()).unwrap_or_default(),
        )
    };
    let balance = ask(Erc20::balanceOfCall { account: owner }.abi_encode()).await?;
    if balance < needed {
        return Err(TenantError::Refused(format!(
            "{owner} has {} {}, the deposit is {}: send it the rest, or lower deposit, duration.max or price.maxPerHour",
            shown(balance, token.scale),
            market.currency(token.index),
            MicroUnits(order.deposit)
        )));
    }
    let allowance = ask(Erc20::allowanceCall { owner, spender }.abi_encode()).await?;
    Ok(allowance < needed)
}

fn shown(units: U256, scale: u64) -> String {
    let micro = units.checked_div(U256::from(scale)).unwrap_or_default();
    u64::try_from(micro).map_or_else(
        |_| "more than 2^64 micro-units of".to_owned(),
        |micro| MicroUnits(micro).to_string(),
    )
}

fn told(requested: &Requested) -> String {
    let mut text = pairs(&[
        ("order", requested.order_hash.0.to_string()),
        (
            "posted",
            if requested.posted {
                "yes".to_owned()
            } else {
                "no: dry run".to_owned()
            },
        ),
        ("tenant", requested.tenant.to_string()),
        ("deposit", format!("{} {}", requested.deposit, requested.currency)),
        ("price", price(requested)),
        (
            "duration",
            format!(
                "{} to {}",
                format_seconds(u64::from(requested.min_duration)),
                format_seconds(u64::from(requested.max_duration))
            ),
        ),
        ("expires", relative(requested.expires_at, unix_now())),
        ("needs", requested.needs.to_string()),
        ("manifest hash", requested.manifest_hash.to_string()),
        (
            "kept in",
            requested
                .state_file
                .as_ref()
                .map_or_else(String::new, |path| path.display().to_string()),
        ),
    ]);
    for transaction in &requested.transactions {
        text.push_str(&format!("{}\n", transaction.line()));
    }
    if !requested.bids.is_empty() {
        text.push('\n');
        text.push_str(&bid_table(&requested.bids));
    }
    if let Some(filled) = &requested.filled {
        text.push_str(&filled.told());
    }
    if requested.posted {
        text.push_str(&next(requested));
    }
    text
}

fn price(requested: &Requested) -> String {
    let (most, currency) = (requested.max_per_hour, &requested.currency);
    match requested.start_per_hour.zip(requested.climb) {
        None => format!("at most {most} {currency} an hour"),
        Some((first, climb)) => format!(
            "{first} {currency} an hour at first, {most} after {}",
            format_seconds(climb.into())
        ),
    }
}

fn next(requested: &Requested) -> String {
    let order = requested.order_hash.0;
    match (&requested.filled, requested.start_per_hour) {
        (Some(filled), _) => filled.next(),
        (None, Some(_)) => format!(
            "\nNext: leaseport lease ls, until a provider took it; then leaseport manifest push LEASE\n      leaseport cancel {order}\n"
        ),
        (None, None) => {
            format!("\nNext: leaseport bids {order}\n      leaseport accept {order} --cheapest\n")
        }
    }
}
