//! The standard deterministic-deployment factory: one small contract that most chains have at one address, which creates by CREATE2
//! whatever code it is sent. Found, or on a local chain put there by its own well-known transaction, which any chain that takes
//! transactions without a chain id accepts. Knows nothing of a market.

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256},
    providers::Provider,
};

use super::DeployError;
use crate::chain_io::{
    sequence::{Done, Sequence, SequenceError},
    windows::{ChainKind, chain_kind},
};

/// Where it is on every chain that has it.
pub const FACTORY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// Whose first transaction makes it; nobody has its key.
const MAKER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");
/// What that transaction costs, in wei: 100,000 gas at 100 gwei.
const MAKER_COST: u64 = 10_000_000_000_000_000;
/// That transaction, signed once for all chains (signature of nothing but twos).
const MAKING: &[u8] = &hex!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);
/// Its code.
const CODE: &[u8] = &hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// The address a creation code gets.
#[must_use]
pub fn address_of(salt: B256, creation: &[u8]) -> Address {
    FACTORY.create2(salt, keccak256(creation))
}

/// What the factory is sent.
#[must_use]
pub fn order(salt: B256, creation: &[u8]) -> Bytes {
    [salt.as_slice(), creation].concat().into()
}

/// Makes sure that the factory is there. On a local chain it is put there; elsewhere it must be.
///
/// # Errors
/// [`DeployError::NoFactory`], [`DeployError::OtherFactory`], or the chain's trouble.
pub(super) async fn ensure(sequence: &mut Sequence) -> Result<Vec<Done>, DeployError> {
    if present(sequence).await? {
        return Ok(Vec::new());
    }
    let chain = sequence.endpoints().chain();
    if chain_kind(chain) != ChainKind::Local {
        return Err(DeployError::NoFactory { chain: chain.0 });
    }
    let held = sequence
        .endpoints()
        .ask("eth_getBalance", |provider| async move {
            provider.get_balance(MAKER).await
        })
        .await?;
    let mut done = Vec::new();
    // A run that stopped in between has paid already.
    let missing = U256::from(MAKER_COST).saturating_sub(held);
    if !missing.is_zero() {
        let what = "give coin to the factory's maker";
        done.push(
            sequence
                .run_with_value(what, TxKind::Call(MAKER), Bytes::new(), missing)
                .await?,
        );
    }
    done.push(sequence.relay("make the deployment factory", MAKING).await?);
    if present(sequence).await? {
        Ok(done)
    } else {
        Err(DeployError::NoFactory { chain: chain.0 })
    }
}

async fn present(sequence: &Sequence) -> Result<bool, DeployError> {
    let code = sequence
        .endpoints()
        .ask("eth_getCode", |provider| async move {
            provider.get_code_at(FACTORY).await
        })
        .await
        .map_err(SequenceError::from)?;
    if code.is_empty() {
        return Ok(false);
    }
    if code.as_ref() != CODE {
        return Err(DeployError::OtherFactory {
            chain: sequence.endpoints().chain().0,
        });
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use alloy::{consensus::TxEnvelope, eips::Decodable2718};

    use super::*;

    #[test]
    fn the_factorys_transaction_is_its_makers_and_makes_it_at_the_known_address() {
        let TxEnvelope::Legacy(made) = TxEnvelope::decode_2718(&mut &MAKING[..]).unwrap() else {
            panic!("another type of transaction");
        };
        let signer = made
            .signature()
            .recover_address_from_prehash(&made.signature_hash())
            .unwrap();
        assert_eq!(signer, MAKER);
        let made = made.tx();
        assert_eq!(MAKER.create(0), FACTORY);
        assert_eq!(made.chain_id, None, "any chain takes it");
        assert!(made.input.ends_with(CODE));
        let cost = U256::from(made.gas_limit) * U256::from(made.gas_price);
        assert_eq!(cost, U256::from(MAKER_COST));
    }

    #[test]
    fn an_address_is_bound_to_salt_and_code() {
        let at = |salt: u8, code: &[u8]| address_of(B256::repeat_byte(salt), code);
        assert_eq!(at(1, b"x"), at(1, b"x"));
        assert_ne!(at(1, b"x"), at(2, b"x"));
        assert_ne!(at(1, b"x"), at(1, b"y"));
    }
}
