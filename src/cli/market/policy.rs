//! `market params` and `market status`: what policy has decided and may decide, what the market holds, and what waits. Reads only.

use std::io::Write;

use alloy::primitives::{Address, U256};
use serde::Serialize;

use super::{MarketError, OutputFormat, ShowArgs};
use crate::{
    chain_io::{
        bindings::{Erc20, LeaseBook, Params, StakeVault},
        contracts::{Contracts, ListedToken},
        deploy::audit::said,
        endpoint::Endpoints,
        errors::RpcFailure,
    },
    core::money::MicroUnits,
};

/// Calls one function of a contract; None where it does not answer as ours do.
macro_rules! ask {
    ($endpoints:expr, $contract:ident at $address:expr, $function:ident($($argument:expr),*)) => {{
        let address = $address;
        said($endpoints, |provider| async move {
            $contract::new(address, provider).$function($($argument),*).call().await
        })
        .await?
    }};
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParamsAnswer {
    fee_percent: String,
    fee_percent_most: &'static str,
    fee_receiver: Address,
    court: Address,
    next_court: Option<Address>,
    next_court_from: u64,
    guardian: Address,
    paused_until: u64,
    owner: Address,
    tokens: Vec<TokenParams>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenParams {
    index: u8,
    address: Address,
    symbol: String,
    open: bool,
    fee_percent: String,
    court_fee_micro: String,
}

/// Steps of 10 bps as a percentage.
fn percent(steps: u8) -> String {
    format!("{}.{}", steps / 10, steps % 10)
}

async fn params(endpoints: &Endpoints, market: &Contracts) -> Result<ParamsAnswer, RpcFailure> {
    let at = market.params.address;
    let mut tokens = Vec::new();
    for token in &market.tokens {
        let index = token.index;
        tokens.push(TokenParams {
            index,
            address: token.asset,
            symbol: token.symbol.clone(),
            open: ask!(endpoints, Params at at, takesOrders(index)).unwrap_or(false),
            fee_percent: percent(
                ask!(endpoints, Params at at, opening_0(index)).map_or(0, |opening| opening.feeSteps),
            ),
            court_fee_micro: ask!(endpoints, Params at at, courtFee(index))
                .unwrap_or_default()
                .to_string(),
        });
    }
    let next = ask!(endpoints, Params at at, nextSlasher(0));
    let from = next.as_ref().map_or(0, |next| next.from.to::<u64>());
    Ok(ParamsAnswer {
        fee_percent: percent(
            ask!(endpoints, Params at at, opening_1()).map_or(0, |opening| opening.feeSteps),
        ),
        fee_percent_most: "10.0",
        fee_receiver: ask!(endpoints, Params at at, feeReceiver()).unwrap_or_default(),
        court: ask!(endpoints, Params at at, court()).unwrap_or_default(),
        next_court: next.filter(|_| from != 0).map(|next| next.slasher),
        next_court_from: from,
        guardian: ask!(endpoints, Params at at, guardian()).unwrap_or_default(),
        paused_until: ask!(endpoints, Params at at, pausedUntil()).map_or(0, |until| until.to::<u64>()),
        owner: ask!(endpoints, Params at at, owner()).unwrap_or_default(),
        tokens,
    })
}

/// Prints what policy has decided.
pub(super) async fn run_params(args: ShowArgs, out: &mut (impl Write + Send)) -> Result<(), MarketError> {
    let (endpoints, market) = args.read().await?;
    let answer = params(&endpoints, &market).await?;
    if args.output.format() == OutputFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(());
    }
    writeln!(out, "owner        {}", answer.owner)?;
    writeln!(
        out,
        "fee          {} % of new leases (at most 10 %)",
        answer.fee_percent
    )?;
    writeln!(out, "fee receiver {}", answer.fee_receiver)?;
    writeln!(out, "court        {}", answer.court)?;
    if let Some(next) = answer.next_court {
        writeln!(out, "next court   {next} from {}", answer.next_court_from)?;
    }
    writeln!(out, "guardian     {}", answer.guardian)?;
    writeln!(out, "paused until {}", answer.paused_until)?;
    for token in &answer.tokens {
        let open = if token.open { "open" } else { "closed" };
        writeln!(
            out,
            "token {:<3} {} {} {open}, fee {} %, court fee {} micro-units",
            token.index, token.address, token.symbol, token.fee_percent, token.court_fee_micro
        )?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusAnswer {
    providers: u32,
    paused_until: u64,
    tokens: Vec<Holdings>,
}

/// In micro-units, as text: they may exceed what JSON numbers hold.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Holdings {
    index: u8,
    symbol: String,
    in_lease_book: String,
    fees_waiting: String,
    in_stake_vault: String,
    burned_waiting: String,
}

fn micro(held: Option<U256>, token: &ListedToken) -> String {
    let scale = U256::from(token.scale.max(1));
    (held.unwrap_or_default() / scale).to_string()
}

async fn status(endpoints: &Endpoints, market: &Contracts) -> Result<StatusAnswer, RpcFailure> {
    let (book, vault) = (market.lease_book.address, market.stake_vault.address);
    let params = market.params.address;
    let mut tokens = Vec::new();
    for token in &market.tokens {
        let index = token.index;
        tokens.push(Holdings {
            index,
            symbol: token.symbol.clone(),
            in_lease_book: micro(ask!(endpoints, Erc20 at token.asset, balanceOf(book)), token),
            fees_waiting: ask!(endpoints, LeaseBook at book, fees(index))
                .unwrap_or_default()
                .to_string(),
            in_stake_vault: micro(ask!(endpoints, Erc20 at token.asset, balanceOf(vault)), token),
            burned_waiting: ask!(endpoints, StakeVault at vault, burned(index))
                .unwrap_or_default()
                .to_string(),
        });
    }
    Ok(StatusAnswer {
        providers: ask!(endpoints, LeaseBook at book, providerCount()).unwrap_or_default(),
        paused_until: ask!(endpoints, Params at params, pausedUntil()).map_or(0, |until| until.to::<u64>()),
        tokens,
    })
}

/// Prints what the market holds.
pub(super) async fn run_status(args: ShowArgs, out: &mut (impl Write + Send)) -> Result<(), MarketError> {
    let (endpoints, market) = args.read().await?;
    let answer = status(&endpoints, &market).await?;
    if args.output.format() == OutputFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(());
    }
    let dollars = |text: &str| {
        text.parse::<u64>()
            .map_or_else(|_| text.to_owned(), |micro| MicroUnits(micro).to_string())
    };
    writeln!(out, "providers    {}", answer.providers)?;
    writeln!(out, "paused until {}", answer.paused_until)?;
    for token in &answer.tokens {
        writeln!(
            out,
            "token {:<3} {}: {} in the book ({} of it fees), {} staked ({} of it burned)",
            token.index,
            token.symbol,
            dollars(&token.in_lease_book),
            dollars(&token.fees_waiting),
            dollars(&token.in_stake_vault),
            dollars(&token.burned_waiting)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_ten_basis_points_are_tenths_of_a_percent() {
        assert_eq!(percent(25), "2.5");
        assert_eq!(percent(100), "10.0");
        assert_eq!(percent(0), "0.0");
    }
}
