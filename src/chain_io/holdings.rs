//! What a provider has in a market and when it may leave: stake in the vault, earnings in the book, where money goes. Asked where it is shown or
//! taken back; vesting and unbonding move with time, so no event tells them. Sends nothing.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::Address,
    providers::{DynProvider, Provider as _},
    transports::{TransportError, TransportErrorKind},
};

use super::{
    bindings::{
        IStakeVault,
        LeaseBook::{self, LeaseBookInstance},
        StakeVault::StakeVaultInstance,
    },
    endpoint::Endpoints,
    errors::RpcFailure,
};
use crate::core::{ids::ProviderId, money::MicroUnits, time::ChainSeconds};

/// A provider's stake in one token, in micro-units (IStakeVault.Stake).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stake {
    /// All of it.
    pub amount: MicroUnits,
    /// Bonds of leases that have not started.
    pub locked: MicroUnits,
    /// Held by slashers until they decide.
    pub reserved: MicroUnits,
    /// Asked back.
    pub unbonding: MicroUnits,
    /// From when that may leave; none when nothing was asked back.
    pub unbond_at: Option<ChainSeconds>,
    /// What may be asked back now.
    pub free: MicroUnits,
}

/// A provider's earnings in one token, in micro-units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earnings {
    /// What a claim pays now.
    pub claimable: u128,
    /// What tenants may still contest.
    pub vesting: u128,
}

/// Who owns a provider, and where its money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The cold key.
    pub owner: Address,
    /// Where claims and stake go now.
    pub payout: Address,
    /// Where they go from an instant on; none when no change waits.
    pub next: Option<(Address, ChainSeconds)>,
}

/// A provider's stake in one token, at the newest block.
///
/// # Errors
/// No endpoint answered, or not as this version of the vault does.
pub async fn stake(
    endpoints: &Endpoints,
    vault: Address,
    provider: ProviderId,
    token: u8,
) -> Result<Stake, RpcFailure> {
    let at = move |rpc: DynProvider| StakeVaultInstance::new(vault, rpc);
    let all = endpoints.ask("stakeOf", |rpc| async move {
        understood(at(rpc).stakeOf(provider.0, token).call().await)
    });
    let free = endpoints.ask("freeOf", |rpc| async move {
        understood(at(rpc).freeOf(provider.0, token).call().await)
    });
    let reserved = endpoints.ask("reservedOf", |rpc| async move {
        understood(at(rpc).reservedOf(provider.0, token).call().await)
    });
    let (all, free, reserved) = tokio::try_join!(all, free, reserved)?;
    Ok(stake_of(&all, free, reserved))
}

fn stake_of(all: &IStakeVault::Stake, free: u64, reserved: u64) -> Stake {
    let unbond_at = all.unbondAt.to::<u64>();
    Stake {
        amount: MicroUnits(all.amount),
        locked: MicroUnits(all.locked),
        reserved: MicroUnits(reserved),
        unbonding: MicroUnits(all.unbonding),
        unbond_at: (unbond_at != 0).then_some(ChainSeconds(unbond_at)),
        free: MicroUnits(free),
    }
}

/// A provider's earnings in one token, at the newest block.
///
/// # Errors
/// As [`stake`].
pub async fn earnings(
    endpoints: &Endpoints,
    book: Address,
    provider: ProviderId,
    token: u8,
) -> Result<Earnings, RpcFailure> {
    let found = endpoints
        .ask("earnings", |rpc| async move {
            understood(
                LeaseBookInstance::new(book, rpc)
                    .earnings(provider.0, token)
                    .call()
                    .await,
            )
        })
        .await?;
    Ok(Earnings {
        claimable: found.claimable,
        vesting: found.vesting,
    })
}

/// Who owns a provider, at the newest block; none of that number reads as the zero address.
///
/// # Errors
/// As [`stake`].
pub async fn owner(endpoints: &Endpoints, book: Address, provider: ProviderId) -> Result<Owner, RpcFailure> {
    let at = move |rpc: DynProvider| LeaseBookInstance::new(book, rpc);
    let record = endpoints.ask("providerOf", |rpc| async move {
        understood(at(rpc).providerOf(provider.0).call().await)
    });
    let payout = endpoints.ask("payoutOf", |rpc| async move {
        understood(at(rpc).payoutOf(provider.0).call().await)
    });
    let (record, payout) = tokio::try_join!(record, payout)?;
    Ok(owner_of(&record, payout))
}

/// A change that holds already stays in the record until the next one: it waits no more.
fn owner_of(record: &LeaseBook::Provider, payout: Address) -> Owner {
    let from = record.nextPayoutFrom.to::<u64>();
    Owner {
        owner: record.owner,
        payout,
        next: (from != 0 && record.nextPayout != payout).then_some((record.nextPayout, ChainSeconds(from))),
    }
}

/// The newest block's time: the chain's now.
///
/// # Errors
/// No endpoint answered.
pub async fn now(endpoints: &Endpoints) -> Result<ChainSeconds, RpcFailure> {
    endpoints
        .ask("eth_getBlockByNumber", |rpc| async move {
            let newest = rpc.get_block_by_number(BlockNumberOrTag::Latest).await?;
            newest
                .map(|block| ChainSeconds(block.header.timestamp))
                .ok_or_else(|| TransportErrorKind::custom_str("there is no newest block"))
        })
        .await
}

fn understood<T>(answer: alloy::contract::Result<T>) -> Result<T, TransportError> {
    answer.map_err(|error| match error {
        alloy::contract::Error::TransportError(error) => error,
        other => TransportErrorKind::custom_str(&other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::primitives::aliases::U40;

    use super::*;

    #[test]
    fn stake_that_nobody_asked_back_has_no_instant_at_which_it_leaves() {
        let mut all = IStakeVault::Stake {
            amount: 100,
            locked: 20,
            unbonding: 0,
            unbondAt: U40::ZERO,
            contested: false,
        };
        assert_eq!(stake_of(&all, 75, 5).unbond_at, None);
        (all.unbonding, all.unbondAt) = (30, U40::from(9));
        let stake = stake_of(&all, 45, 5);
        assert_eq!(
            (stake.unbonding, stake.unbond_at, stake.free, stake.reserved),
            (
                MicroUnits(30),
                Some(ChainSeconds(9)),
                MicroUnits(45),
                MicroUnits(5)
            )
        );
    }

    #[test]
    fn a_change_of_the_payout_waits_until_the_book_pays_to_the_new_address() {
        let (old, new) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let record = LeaseBook::Provider {
            owner: Address::repeat_byte(9),
            factsAt: 0,
            offersAt: 0,
            gatewayAt: 0,
            payout: old,
            nextPayoutFrom: U40::from(50),
            nextPayout: new,
        };
        assert_eq!(owner_of(&record, old).next, Some((new, ChainSeconds(50))));
        assert_eq!(owner_of(&record, new).next, None);
    }
}
