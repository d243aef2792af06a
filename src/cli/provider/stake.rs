//! What is asked of the chain before a provider's owner sends money, and the deposit itself. Sends nothing that its owner could not afford.

use alloy::{
    primitives::{TxKind, U256},
    sol_types::SolCall,
};

use super::ProviderError;
use crate::{
    chain_io::{
        bindings::{Erc20, LeaseBook, StakeVault},
        contracts::{Contracts, ListedToken},
        sequence::{Done, Sequence, SequenceError},
    },
    core::money::MicroUnits,
};

/// A token of the market's list.
pub(super) fn token(contracts: &Contracts, index: u8) -> Result<&ListedToken, ProviderError> {
    contracts
        .tokens
        .iter()
        .find(|token| token.index == index)
        .ok_or(ProviderError::NoToken {
            index,
            count: contracts.tokens.len(),
        })
}

/// Asked before anything is sent for a provider: an approval for one that is not there would be gas for nothing.
pub(super) async fn registered(
    sequence: &Sequence,
    contracts: &Contracts,
    id: u32,
) -> Result<(), ProviderError> {
    let book = contracts.lease_book.address;
    let count = read(sequence, move |provider| async move {
        LeaseBook::new(book, provider)
            .providerCount()
            .call()
            .await
            .map(U256::from)
    })
    .await?;
    if id == 0 || U256::from(id) > count {
        return Err(ProviderError::NoProvider { id, count });
    }
    Ok(())
}

/// Whether the owner has so much.
pub(super) async fn afford(
    sequence: &Sequence,
    token: &ListedToken,
    amount: MicroUnits,
) -> Result<(), ProviderError> {
    let owner = sequence.address();
    let asset = token.asset;
    let balance = read(sequence, move |provider| async move {
        Erc20::new(asset, provider).balanceOf(owner).call().await
    })
    .await?;
    let needs = U256::from(amount.0) * U256::from(token.scale);
    if balance >= needs {
        return Ok(());
    }
    let micro = balance.checked_div(U256::from(token.scale)).unwrap_or_default();
    Err(ProviderError::TooPoor {
        owner,
        has: MicroUnits(u64::try_from(micro).unwrap_or(u64::MAX)).to_string(),
        symbol: token
            .symbol
            .chars()
            .filter(|c| !c.is_control())
            .take(16)
            .collect(),
        needs: amount,
    })
}

/// Lets the vault take the amount if it may not yet, and deposits it.
pub(super) async fn deposit(
    sequence: &mut Sequence,
    contracts: &Contracts,
    provider_id: u32,
    index: u8,
    amount: MicroUnits,
) -> Result<Vec<Done>, ProviderError> {
    let token = token(contracts, index)?;
    afford(sequence, token, amount).await?;
    let owner = sequence.address();
    let vault = contracts.stake_vault.address;
    let asset = token.asset;
    let needs = U256::from(amount.0) * U256::from(token.scale);
    let allowed = read(sequence, move |provider| async move {
        Erc20::new(asset, provider).allowance(owner, vault).call().await
    })
    .await?;
    let mut done = Vec::new();
    if allowed < needs {
        let approve = Erc20::approveCall {
            spender: vault,
            value: needs,
        };
        done.push(
            sequence
                .run(
                    "allow the vault to take the stake",
                    TxKind::Call(asset),
                    approve.abi_encode().into(),
                )
                .await?,
        );
    }
    let call = StakeVault::depositCall {
        providerId: provider_id,
        token: index,
        amount: amount.0,
    };
    done.push(
        sequence
            .run("deposit the stake", TxKind::Call(vault), call.abi_encode().into())
            .await?,
    );
    Ok(done)
}

async fn read<F>(
    sequence: &Sequence,
    call: impl Fn(alloy::providers::DynProvider) -> F,
) -> Result<U256, ProviderError>
where
    F: Future<Output = alloy::contract::Result<U256>>,
{
    let answer = sequence
        .endpoints()
        .ask("eth_call", |provider| {
            let asked = call(provider);
            async move {
                match asked.await {
                    Ok(value) => Ok(value),
                    Err(alloy::contract::Error::TransportError(error)) => Err(error),
                    // A listed token that answers no number: as good as no balance and no allowance.
                    Err(_) => Ok(U256::ZERO),
                }
            }
        })
        .await
        .map_err(SequenceError::from)?;
    Ok(answer)
}
