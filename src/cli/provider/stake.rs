//! What is asked of the chain before a provider's owner sends money, and the deposit itself. Sends nothing that its owner could not afford.

use alloy::{
    primitives::{Address, TxKind, U256},
    sol_types::{SolCall, SolEvent},
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

/// What the token calls itself, shortened and without what a terminal would obey.
pub(super) fn symbol(token: &ListedToken) -> String {
    token
        .symbol
        .chars()
        .filter(|c| !c.is_control())
        .take(16)
        .collect()
}

/// What a transaction says it did, by the contract that it went to.
pub(super) fn told<E: SolEvent>(done: &Done, contract: Address) -> Result<E, ProviderError> {
    done.logs
        .iter()
        .filter(|log| log.address == contract)
        .find_map(|log| E::decode_log_data(&log.data).ok())
        .ok_or(ProviderError::Unsaid {
            event: E::SIGNATURE,
            hash: done.hash,
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
        symbol: symbol(token),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::primitives::{B256, Log};

    use super::*;

    #[test]
    fn what_a_transaction_did_is_told_by_its_contract_and_by_no_other() {
        let (book, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let event = LeaseBook::Claimed {
            providerId: 7,
            token: 0,
            payout: Address::repeat_byte(9),
            amount: 5,
        };
        let done = |address| Done {
            what: "claim".into(),
            hash: B256::repeat_byte(3),
            block: 1,
            gas_used: 1,
            created: None,
            logs: vec![Log {
                address,
                data: event.encode_log_data(),
            }],
        };
        assert_eq!(told::<LeaseBook::Claimed>(&done(book), book).unwrap().amount, 5);
        let unsaid = told::<LeaseBook::Claimed>(&done(other), book)
            .unwrap_err()
            .to_string();
        assert!(unsaid.contains("says no Claimed("), "{unsaid}");
        assert!(told::<LeaseBook::PayoutSet>(&done(book), book).is_err());
    }
}
