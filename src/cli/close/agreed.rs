//! Closing by agreement: the provider's signed count, compared with what can have passed by the chain's own time before anything is sent. It never
//! sends more seconds than that, and waits for blocks only so long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, Bytes};

use super::CloseArgs;
use crate::{
    act::journal::{JournaledKey, SendError, Sent},
    api::duration::format_seconds,
    chain_io::signer::LocalKey,
    cli::{
        manifest::{gateway_url, session},
        output::progress,
        tenant::{Following, Market, TenantError, chain_now, find_lease},
    },
    core::{
        book::{KeyRoles, LeaseState, StoredPhase},
        documents::{
            acts::Close,
            exchange::CloseOffer,
            session::Scope,
            signing::{digest, recover},
        },
        ids::LeaseKey,
        time::ChainSeconds,
        view::ChainView,
    },
    outbound::CloseAnswer,
};

/// Blocks that a signed close may be ahead of, and how long each is waited for.
const BLOCKS_WAITED: usize = 4;
const BLOCK_WAIT: Duration = Duration::from_secs(15);

/// Asks until the provider signed.
pub(super) async fn offered(
    args: &CloseArgs,
    market: &Market,
    view: &ChainView,
    lease: &LeaseState,
    key: &Arc<LocalKey>,
) -> Result<CloseOffer, TenantError> {
    let url = gateway_url(&view.head.book, lease)?;
    let client = session(market, &url, lease, key, &[Scope::Close]).await?;
    let began = Instant::now();
    loop {
        match client.close_offer(lease.key.id).await? {
            CloseAnswer::Offer(offer) => return Ok(offer),
            CloseAnswer::Later { retry_after } => {
                if began.elapsed().saturating_add(retry_after) > args.timeout {
                    return Err(TenantError::Refused(format!(
                        "the provider did not sign within {}: run it again, or end the lease alone with --stop",
                        format_seconds(args.timeout.as_secs())
                    )));
                }
                tokio::time::sleep(retry_after).await;
            }
        }
    }
}

/// What can have passed by now, the provider having taken its time to sign: of the lease as it stands now, which may have started since it was first
/// looked at. Where the newest block is older than what the provider counts, the next ones are waited for.
pub(super) async fn passed(
    args: &CloseArgs,
    following: &mut Following,
    counted: u32,
) -> Result<(Arc<ChainView>, Arc<LeaseState>, u32), TenantError> {
    let mut blocks = BLOCKS_WAITED;
    loop {
        let view = following.view().await?;
        let lease = Arc::clone(find_lease(&view.head.book, args.lease)?);
        let most = args
            .max_seconds
            .unwrap_or_else(|| elapsed(&lease, chain_now(&view)));
        if counted <= most || args.max_seconds.is_some() || blocks == 0 {
            return Ok((view, lease, most));
        }
        blocks = blocks.saturating_sub(1);
        next_block(following).await?;
    }
}

async fn next_block(following: &mut Following) -> Result<(), TenantError> {
    let head = following.view().await?.head.block.number;
    // A chain that makes no block by itself may count the time when the next try comes.
    let next = following.until(head.saturating_add(1));
    if let Ok(next) = tokio::time::timeout(BLOCK_WAIT, next).await {
        next?;
    }
    Ok(())
}

/// Sends, and where the newest block's time is still behind the seconds that were agreed, waits for the next block and tries again: nothing
/// was sent by a try that its simulation refused.
pub(super) async fn in_time(
    sender: &JournaledKey,
    following: &mut Following,
    what: &str,
    book: Address,
    call: Bytes,
) -> Result<Sent, TenantError> {
    for _ in 0..BLOCKS_WAITED {
        match sender.send(what, book, call.clone()).await {
            Err(error) if is_ahead_of_the_block(&error) => {
                progress(
                    "the newest block is older than the last second agreed on: waiting for the next one",
                );
                next_block(following).await?;
            }
            other => return Ok(other?),
        }
    }
    Ok(sender.send(what, book, call).await?)
}

fn is_ahead_of_the_block(error: &SendError) -> bool {
    matches!(error, SendError::WouldRevert { reason, .. } if reason.contains("Close_CumBeyondElapsed"))
}

/// The most seconds that can be billed at a chain time.
#[must_use]
pub fn elapsed(lease: &LeaseState, now: ChainSeconds) -> u32 {
    match lease.stored {
        StoredPhase::Pending | StoredPhase::Closed => 0,
        StoredPhase::Live => {
            let passed = now.min(lease.stop_at).0.saturating_sub(lease.start_at.0);
            u32::try_from(passed).unwrap_or(u32::MAX)
        }
    }
}

/// Whether an offer is for this lease and bills no more than can have passed.
///
/// # Errors
/// Why it is not sent.
pub fn check(offer: &CloseOffer, lease: &LeaseKey, most: u32) -> Result<(), String> {
    if offer.lease_id != lease.id || offer.terms_hash != lease.terms {
        return Err("the provider's signature is for another lease: nothing was sent".to_owned());
    }
    if offer.cum > most {
        return Err(format!(
            "the provider counted {} s, at most {most} s can have passed: nothing was sent; `leaseport close {} --stop` ends the lease alone",
            offer.cum, lease.id
        ));
    }
    Ok(())
}

/// Whether the offer's signature is that of a key which may close for the provider.
pub(super) fn signed_by_provider(
    market: &Market,
    view: &ChainView,
    lease: &LeaseState,
    offer: &CloseOffer,
) -> Result<(), String> {
    let close = Close::of(&lease.signed_as(), offer.cum, offer.deadline);
    let signer =
        recover(digest(&close, &market.domain()), &offer.signature).map_err(|error| error.to_string())?;
    let may = view
        .head
        .book
        .provider(lease.key.id.provider)
        .is_some_and(|provider| provider.key_may(signer, KeyRoles::START, chain_now(view)));
    if may {
        Ok(())
    } else {
        Err(format!(
            "the offer is signed by {signer}, which may not close for provider {}: nothing was sent",
            lease.key.id.provider.0
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_that_is_ahead_of_the_newest_block_is_tried_again() {
        let refused = |reason: &str| SendError::WouldRevert {
            what: "close the lease".into(),
            reason: reason.into(),
        };
        assert!(is_ahead_of_the_block(&refused(
            "Close_CumBeyondElapsed { cum: 31, elapsed: 30 }"
        )));
        assert!(!is_ahead_of_the_block(&refused("Close_Expired { deadline: 5 }")));
        assert!(!is_ahead_of_the_block(&SendError::NoEndpoint));
    }
}
