//! What an account has of a token, and what a contract may take of it. Asked where it is needed: a token tells no event that we follow. Sends nothing.

use alloy::{
    primitives::{Address, U256},
    providers::DynProvider,
    transports::TransportError,
};

use super::{bindings::Erc20, endpoint::Endpoints, errors::RpcFailure};
use crate::core::money::MicroUnits;

/// Tokens of an account in micro-units, rounded down: what it has, and what a spender may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// What it has.
    pub balance: MicroUnits,
    /// What the spender may take.
    pub allowance: MicroUnits,
}

/// Reads both at the newest block. `scale` is the token's units in one micro-unit.
///
/// # Errors
/// No endpoint answered.
pub async fn tokens(
    endpoints: &Endpoints,
    asset: Address,
    scale: u64,
    owner: Address,
    spender: Address,
) -> Result<Tokens, RpcFailure> {
    let balance = ask(endpoints, |rpc| async move {
        Erc20::new(asset, rpc).balanceOf(owner).call().await
    });
    let allowance = ask(endpoints, |rpc| async move {
        Erc20::new(asset, rpc).allowance(owner, spender).call().await
    });
    let (balance, allowance) = tokio::try_join!(balance, allowance)?;
    Ok(Tokens {
        balance: micro(balance, scale),
        allowance: micro(allowance, scale),
    })
}

/// What a contract keeps for an account by `credits(account, token)`, in micro-units.
///
/// # Errors
/// No endpoint answered.
pub async fn vault_credit(
    endpoints: &Endpoints,
    vault: Address,
    account: Address,
    token: u8,
) -> Result<u128, RpcFailure> {
    endpoints
        .ask("credits", |rpc| async move {
            let asked = super::bindings::StakeVault::new(vault, rpc)
                .credits(account, token)
                .call()
                .await;
            match asked {
                Ok(found) => Ok(found),
                Err(alloy::contract::Error::TransportError(error)) => Err(error),
                // An answer that does not decode is no credit.
                Err(_) => Ok(0),
            }
        })
        .await
}

async fn ask<F>(endpoints: &Endpoints, call: impl Fn(DynProvider) -> F) -> Result<U256, RpcFailure>
where
    F: Future<Output = alloy::contract::Result<U256>>,
{
    let call = &call;
    endpoints
        .ask("eth_call", |rpc| async move {
            match call(rpc).await {
                Ok(found) => Ok(found),
                Err(alloy::contract::Error::TransportError(error)) => Err::<_, TransportError>(error),
                // A contract that answers otherwise is no token, and holds nothing.
                Err(_) => Ok(U256::ZERO),
            }
        })
        .await
}

fn micro(units: U256, scale: u64) -> MicroUnits {
    let micro = units.checked_div(U256::from(scale)).unwrap_or_default();
    MicroUnits(u64::try_from(micro).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_as_micro_units_rounded_down_and_never_wrap() {
        assert_eq!(micro(U256::from(2_999_u64), 1_000), MicroUnits(2));
        assert_eq!(micro(U256::MAX, 1), MicroUnits(u64::MAX));
        assert_eq!(micro(U256::from(5_u64), 0), MicroUnits(0));
    }
}
