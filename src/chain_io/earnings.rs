//! What a provider could claim now, asked of the book: vesting moves with time, so no event tells it. Sends nothing.

use alloy::primitives::Address;

use super::{bindings::LeaseBook, endpoint::Endpoints, errors::RpcFailure};
use crate::core::{ids::ProviderId, money::MicroUnits};

/// Claimable micro-units of one token.
///
/// # Errors
/// No endpoint answered.
pub async fn claimable(
    endpoints: &Endpoints,
    book: Address,
    provider: ProviderId,
    token: u8,
) -> Result<MicroUnits, RpcFailure> {
    let found = endpoints
        .ask("earnings", |rpc| async move {
            match LeaseBook::new(book, rpc).earnings(provider.0, token).call().await {
                Ok(found) => Ok(found.claimable),
                Err(alloy::contract::Error::TransportError(error)) => Err(error),
                // An answer that does not decode is no claim.
                Err(_) => Ok(0),
            }
        })
        .await?;
    Ok(MicroUnits(u64::try_from(found).unwrap_or(u64::MAX)))
}
