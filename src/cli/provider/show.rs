//! `leaseport provider show`: who owns a provider, where its money goes, what it has and when that may leave. Needs no key and sends nothing.

use std::io::Write;

use alloy::primitives::Address;
use clap::Args;
use serde::Serialize;

use super::{ProviderError, leave::instant, stake::symbol};
use crate::{
    chain_io::{
        contracts::ListedToken,
        holdings::{self, Earnings, Owner, Stake},
    },
    cli::{
        chain::say,
        market::ShowArgs,
        output::{pairs, table},
        value,
    },
    core::{ids::ProviderId, money::MicroUnits},
};

/// Look at a provider.
#[derive(Debug, Clone, Args)]
pub struct ProviderShowArgs {
    /// Which market.
    #[command(flatten)]
    pub market: ShowArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
}

/// Money in micro-units as decimal text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    provider_id: u32,
    owner: Address,
    payout: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_payout: Option<Address>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_payout_from: Option<u64>,
    tokens: Vec<InToken>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InToken {
    token: u8,
    symbol: String,
    stake_micro: String,
    free_micro: String,
    locked_micro: String,
    reserved_micro: String,
    unbonding_micro: String,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    unbond_at: Option<u64>,
    claimable_micro: String,
    vesting_micro: String,
}

/// Reads and prints it.
pub(super) async fn show(args: ProviderShowArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (endpoints, contracts) = args.market.read().await.map_err(Box::new)?;
    let provider = ProviderId(args.provider);
    let (book, vault) = (contracts.lease_book.address, contracts.stake_vault.address);
    let owner = holdings::owner(&endpoints, book, provider)
        .await
        .map_err(ProviderError::unread)?;
    if owner.owner.is_zero() {
        return Err(ProviderError::Unknown { id: args.provider });
    }
    let mut tokens = Vec::with_capacity(contracts.tokens.len());
    for token in &contracts.tokens {
        let (stake, earnings) = tokio::try_join!(
            holdings::stake(&endpoints, vault, provider, token.index),
            holdings::earnings(&endpoints, book, provider, token.index),
        )
        .map_err(ProviderError::unread)?;
        tokens.push((token, stake, earnings));
    }
    let text = for_people(args.provider, &owner, &tokens);
    let answer = Answer {
        provider_id: args.provider,
        owner: owner.owner,
        payout: owner.payout,
        next_payout: owner.next.map(|(address, _)| address),
        next_payout_from: owner.next.map(|(_, from)| from.0),
        tokens: tokens
            .iter()
            .map(|(token, stake, earnings)| InToken {
                token: token.index,
                symbol: symbol(token),
                stake_micro: stake.amount.0.to_string(),
                free_micro: stake.free.0.to_string(),
                locked_micro: stake.locked.0.to_string(),
                reserved_micro: stake.reserved.0.to_string(),
                unbonding_micro: stake.unbonding.0.to_string(),
                unbond_at: stake.unbond_at.map(|at| at.0),
                claimable_micro: earnings.claimable.to_string(),
                vesting_micro: earnings.vesting.to_string(),
            })
            .collect(),
    };
    Ok(say(out, args.market.output.format(), &answer, text.trim_end())?)
}

fn for_people(id: u32, owner: &Owner, tokens: &[(&ListedToken, Stake, Earnings)]) -> String {
    let next = owner
        .next
        .map(|(address, from)| format!("{address} from {} on", instant(from.0)));
    let head = pairs(&[
        ("provider", id.to_string()),
        ("owner", owner.owner.to_string()),
        ("payout", owner.payout.to_string()),
        ("next payout", next.unwrap_or_default()),
    ]);
    let rows = tokens
        .iter()
        .map(|(token, stake, earnings)| {
            vec![
                format!("{} {}", token.index, symbol(token)),
                stake.amount.to_string(),
                stake.free.to_string(),
                stake.locked.to_string(),
                stake.reserved.to_string(),
                stake.unbonding.to_string(),
                stake.unbond_at.map(|at| instant(at.0)).unwrap_or_default(),
                dollars(earnings.claimable),
                dollars(earnings.vesting),
            ]
        })
        .collect();
    let columns = [
        "TOKEN",
        "STAKE",
        "FREE",
        "LOCKED",
        "RESERVED",
        "UNBONDING",
        "MAY LEAVE FROM",
        "CLAIMABLE",
        "VESTING",
    ];
    format!("{head}\n{}", table(&columns, rows))
}

/// Micro-units as the token's units; more than 64 bits of them are shown as that much.
fn dollars(micro: u128) -> String {
    MicroUnits(u64::try_from(micro).unwrap_or(u64::MAX)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::ChainSeconds;

    #[test]
    fn people_see_each_token_with_what_waits_and_until_when() {
        let owner = Owner {
            owner: Address::repeat_byte(1),
            payout: Address::repeat_byte(2),
            next: Some((Address::repeat_byte(3), ChainSeconds(86_400))),
        };
        let token = ListedToken {
            index: 0,
            asset: Address::ZERO,
            symbol: "tUSD\u{1b}".into(),
            scale: 1,
            dollar: true,
        };
        let stake = Stake {
            amount: MicroUnits(1_000_000_000),
            locked: MicroUnits(0),
            reserved: MicroUnits(0),
            unbonding: MicroUnits(400_000_000),
            unbond_at: Some(ChainSeconds(0)),
            free: MicroUnits(600_000_000),
        };
        let earnings = Earnings {
            claimable: 1_500_000,
            vesting: 0,
        };
        let text = for_people(7, &owner, &[(&token, stake, earnings)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(text.contains("from 1970-01-02T00:00:00Z on"), "{text}");
        assert!(
            lines.last().is_some_and(|row| {
                let words: Vec<&str> = row.split_whitespace().collect();
                words
                    == [
                        "0",
                        "tUSD",
                        "1000",
                        "600",
                        "0",
                        "0",
                        "400",
                        "1970-01-01T00:00:00Z",
                        "1.5",
                        "0",
                    ]
            }),
            "{text}"
        );
    }
}
