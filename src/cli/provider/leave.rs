//! `leaseport provider payout`, `unbond` and `withdraw`: where a provider's money goes, and how its stake comes back. Each asks the chain first, so that
//! nothing is sent that the contracts would refuse, and sends one transaction.

use std::io::Write;

use alloy::{
    primitives::{Address, TxKind},
    sol_types::SolCall,
};
use clap::Args;
use serde::Serialize;

use super::{
    ProviderError,
    stake::{registered, token, told},
};
use crate::{
    chain_io::{
        bindings::{LeaseBook, StakeVault},
        holdings::{self, Stake},
    },
    cli::{
        chain::{ActArgs, TransactionAnswer, amount, say},
        value,
    },
    core::{ids::ProviderId, money::MicroUnits, time::ChainSeconds},
};

/// Let earnings and stake go elsewhere.
#[derive(Debug, Clone, Args)]
pub struct PayoutArgs {
    /// Which market, and the owner's key.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// Where earnings and withdrawn stake go, once the book's delay has passed.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub payout: Address,
}

/// Ask stake back.
#[derive(Debug, Clone, Args)]
pub struct UnbondArgs {
    /// Which market, and the owner's key.
    #[command(flatten)]
    pub act: ActArgs,
    /// The provider's number.
    #[arg(long, value_name = "ID", value_parser = value::number::<u32>)]
    pub provider: u32,
    /// How much, such as 100 or 12.5; all that is free when left out. What waits already waits anew, together with it.
    #[arg(long, value_name = "AMOUNT", value_parser = amount, allow_hyphen_values = true)]
    pub amount: Option<MicroUnits>,
    /// Index of the token in the market's list.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub token: u8,
}

/// Take out what was asked back.
#[derive(Debug, Clone, Args)]
pub struct WithdrawArgs {
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PayoutAnswer {
    provider_id: u32,
    payout: Address,
    /// Seconds since 1970.
    from: u64,
    transactions: Vec<TransactionAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UnbondAnswer {
    provider_id: u32,
    token: u8,
    amount_micro: String,
    /// All that waits, with what waited before.
    unbonding_micro: String,
    /// Seconds since 1970.
    unbond_at: u64,
    transactions: Vec<TransactionAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WithdrawAnswer {
    provider_id: u32,
    token: u8,
    amount_micro: String,
    payout: Address,
    transactions: Vec<TransactionAnswer>,
}

/// Names another payout address.
pub(super) async fn payout(args: PayoutArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    let call = LeaseBook::setPayoutCall {
        providerId: args.provider,
        payout: args.payout,
    };
    let book = contracts.lease_book.address;
    let done = sequence
        .run(
            "name the payout address",
            TxKind::Call(book),
            call.abi_encode().into(),
        )
        .await?;
    let event: LeaseBook::PayoutSet = told(&done, book)?;
    let from = event.from.to::<u64>();
    let answer = PayoutAnswer {
        provider_id: args.provider,
        payout: args.payout,
        from,
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!(
        "money of provider {} goes to {} from {} on; until then to where it goes now",
        args.provider,
        args.payout,
        instant(from)
    );
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// Asks stake back.
pub(super) async fn unbond(args: UnbondArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    token(&contracts, args.token)?;
    let provider = ProviderId(args.provider);
    let vault = contracts.stake_vault.address;
    let stake = holdings::stake(sequence.endpoints(), vault, provider, args.token)
        .await
        .map_err(ProviderError::unread)?;
    let wanted = to_unbond(&stake, args.amount)?;
    let call = StakeVault::requestUnbondCall {
        providerId: args.provider,
        token: args.token,
        amount: wanted.0,
    };
    let done = sequence
        .run(
            "ask the stake back",
            TxKind::Call(vault),
            call.abi_encode().into(),
        )
        .await?;
    let event: StakeVault::UnbondRequested = told(&done, vault)?;
    let at = event.unbondAt.to::<u64>();
    let answer = UnbondAnswer {
        provider_id: args.provider,
        token: args.token,
        amount_micro: event.amount.to_string(),
        unbonding_micro: event.unbonding.to_string(),
        unbond_at: at,
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!(
        "{} of provider {} may leave from {} on, by `leaseport provider withdraw`; until then it backs no new bid and can still be slashed",
        MicroUnits(event.unbonding),
        args.provider,
        instant(at)
    );
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// Takes out what was asked back.
pub(super) async fn withdraw(args: WithdrawArgs, out: &mut (impl Write + Send)) -> Result<(), ProviderError> {
    let (mut sequence, contracts) = args.act.begin().await?;
    registered(&sequence, &contracts, args.provider).await?;
    token(&contracts, args.token)?;
    let endpoints = sequence.endpoints();
    let vault = contracts.stake_vault.address;
    let stake = holdings::stake(endpoints, vault, ProviderId(args.provider), args.token)
        .await
        .map_err(ProviderError::unread)?;
    let now = holdings::now(endpoints).await.map_err(ProviderError::unread)?;
    may_leave(&stake, now)?;
    let call = StakeVault::completeUnbondCall {
        providerId: args.provider,
        token: args.token,
    };
    let done = sequence
        .run(
            "withdraw the stake",
            TxKind::Call(vault),
            call.abi_encode().into(),
        )
        .await?;
    let event: StakeVault::Unbonded = told(&done, vault)?;
    let answer = WithdrawAnswer {
        provider_id: args.provider,
        token: args.token,
        amount_micro: event.amount.to_string(),
        payout: event.to,
        transactions: vec![TransactionAnswer::from(&done)],
    };
    let said = format!(
        "withdrew {} of provider {}'s stake to {}",
        MicroUnits(event.amount),
        args.provider,
        event.to
    );
    Ok(say(out, args.act.output.format(), &answer, &said)?)
}

/// How much is asked back: what was named, or all that is free.
fn to_unbond(stake: &Stake, named: Option<MicroUnits>) -> Result<MicroUnits, ProviderError> {
    let wanted = named.unwrap_or(stake.free);
    if wanted.0 == 0 || wanted > stake.free {
        return Err(ProviderError::NotFree {
            wanted,
            stake: Box::new(*stake),
        });
    }
    Ok(wanted)
}

/// Whether anything may leave now.
fn may_leave(stake: &Stake, now: ChainSeconds) -> Result<(), ProviderError> {
    match stake.unbond_at {
        None => Err(ProviderError::NothingAskedBack),
        Some(at) if now < at => Err(ProviderError::NotYet {
            waits: stake.unbonding,
            at: instant(at.0),
        }),
        Some(_) if stake.amount.0.saturating_sub(stake.locked.0) <= stake.reserved.0 => {
            Err(ProviderError::AllReserved {
                reserved: stake.reserved,
            })
        }
        Some(_) => Ok(()),
    }
}

/// An instant of the chain as people write it; one beyond their years as seconds since 1970.
pub(super) fn instant(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STAKE: Stake = Stake {
        amount: MicroUnits(100),
        locked: MicroUnits(20),
        reserved: MicroUnits(10),
        unbonding: MicroUnits(30),
        unbond_at: Some(ChainSeconds(1_000)),
        free: MicroUnits(40),
    };

    #[test]
    fn what_is_free_is_asked_back_unless_an_amount_is_named_and_never_more() {
        assert_eq!(to_unbond(&STAKE, None).unwrap(), MicroUnits(40));
        assert_eq!(to_unbond(&STAKE, Some(MicroUnits(7))).unwrap(), MicroUnits(7));
        for wanted in [0, 41] {
            let refused = to_unbond(&STAKE, Some(MicroUnits(wanted)))
                .unwrap_err()
                .to_string();
            assert!(
                refused.contains("--amount") && refused.contains("0.00004 is free"),
                "{refused}"
            );
        }
        let nothing = Stake {
            free: MicroUnits(0),
            ..STAKE
        };
        assert!(to_unbond(&nothing, None).is_err());
    }

    #[test]
    fn stake_leaves_at_its_instant_and_not_before_and_not_while_slashers_hold_all_of_it() {
        let refused = may_leave(&STAKE, ChainSeconds(999)).unwrap_err().to_string();
        assert!(refused.contains("1970-01-01T00:16:40Z"), "{refused}");
        may_leave(&STAKE, ChainSeconds(1_000)).unwrap();
        let held = Stake {
            reserved: MicroUnits(80),
            ..STAKE
        };
        let refused = may_leave(&held, ChainSeconds(1_000)).unwrap_err().to_string();
        assert!(refused.contains("slasher"), "{refused}");
        let unasked = Stake {
            unbond_at: None,
            ..STAKE
        };
        let refused = may_leave(&unasked, ChainSeconds(1_000)).unwrap_err().to_string();
        assert!(refused.contains("leaseport provider unbond"), "{refused}");
    }
}
