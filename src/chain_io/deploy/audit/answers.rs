//! One question to one contract. Where the contract answers otherwise than it should, that is an answer; only the chain's trouble is an error.

use alloy::{
    providers::DynProvider,
    transports::{TransportError, TransportErrorKind},
};

use crate::chain_io::{
    endpoint::Endpoints,
    errors::{RpcErrorClass, RpcFailure},
};

/// A call's trouble as the transport's; an answer that does not decode is trouble too.
pub(crate) fn transport(error: alloy::contract::Error) -> TransportError {
    match error {
        alloy::contract::Error::TransportError(error) => error,
        other => TransportErrorKind::custom_str(&other.to_string()),
    }
}

/// What a contract answers, in words; what answers otherwise is said so, and no trouble of the chain.
pub(crate) async fn said<T, F>(
    endpoints: &Endpoints,
    call: impl Fn(DynProvider) -> F,
) -> Result<Option<T>, RpcFailure>
where
    F: Future<Output = alloy::contract::Result<T>>,
{
    let answer = endpoints
        .ask("eth_call", |provider| {
            let call = call(provider);
            async move {
                match call.await {
                    Ok(value) => Ok(Some(value)),
                    Err(alloy::contract::Error::TransportError(error)) => Err(error),
                    Err(_) => Ok(None),
                }
            }
        })
        .await;
    match answer {
        Err(failure) if failure.class == RpcErrorClass::Execution => Ok(None),
        other => other,
    }
}

pub(super) fn words<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "no answer".to_owned(), |value| value.to_string())
}

/// Calls one function of a contract and gives its words.
macro_rules! ask {
    ($endpoints:expr, $contract:ident at $address:expr, $function:ident($($argument:expr),*)) => {{
        let address = $address;
        words(
            said($endpoints, |provider| async move {
                $contract::new(address, provider).$function($($argument),*).call().await
            })
            .await?,
        )
    }};
}

pub(super) use ask;
