//! `leaseport close` and `leaseport finalize`: the end of a lease, by agreement or alone, and the bill. What the provider counted is compared
//! with what can have passed before anything is signed; the comparison and the bill are pure.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use clap::Args;
use serde::Serialize;

use super::{
    lease::{phase_word, refunded},
    manifest::{gateway_url, session},
    output::{answer, pairs, progress, relative},
    tenant::{
        Following, Market, TenantArgs, TenantError, Transaction, chain_now, duration, find_lease, unix_now,
    },
};
use crate::{
    act::journal::{JournaledKey, SendError, Sent},
    api::duration::format_seconds,
    chain_io::{
        decode::decode,
        signer::{LocalKey, WalletSigner},
    },
    core::{
        book::{Book, BookEvent, Ending, KeyRoles, LeaseState, StoredPhase},
        documents::{
            acts::Close,
            calls,
            exchange::CloseOffer,
            session::Scope,
            signing::{digest, recover},
        },
        ids::{LeaseId, LeaseKey},
        money::MicroUnits,
        time::ChainSeconds,
        view::ChainView,
    },
    outbound::CloseAnswer,
};

/// Typed reason of a tenant that is done (protocol: close reasons, tenant 1xxx).
const DONE: u16 = 1000;
/// Blocks that a signed close may be ahead of, and how long each is waited for.
const BLOCKS_WAITED: usize = 4;
const BLOCK_WAIT: Duration = Duration::from_secs(15);

/// End a lease and print its bill.
#[derive(Debug, Clone, Args)]
pub struct CloseArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Stop without the provider's agreement; `leaseport finalize` pays it out when the final reports are in.
    #[arg(long)]
    pub stop: bool,
    /// How long the provider may take to sign.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub timeout: Duration,
    /// Refuse a bill above so many seconds; the time since the start when left out.
    #[arg(long, value_name = "SECONDS")]
    pub max_seconds: Option<u32>,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// Pay out a lease that was stopped or ended.
#[derive(Debug, Clone, Args)]
pub struct FinalizeArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// What a lease came to. `escrow = rent + earlyFee + refund`, to the last micro-unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// Billable seconds paid.
    pub seconds: u32,
    /// Price of an hour.
    pub rate_per_hour: MicroUnits,
    /// All that the tenant put in.
    pub escrow: MicroUnits,
    /// Rent, the protocol's fee included.
    pub rent: MicroUnits,
    /// For leaving before the agreed commitment.
    pub early_fee: MicroUnits,
    /// The part of rent and early fee that this closing gave to the protocol; what earlier settlements gave is not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<MicroUnits>,
    /// Back to the tenant.
    pub refund: MicroUnits,
    /// Whether it adds up.
    pub balanced: bool,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Which lease.
    pub lease_id: LeaseId,
    /// `Closed`, or `Stopped` until it is finalized.
    pub state: &'static str,
    /// `agreed`, `stopped` or `finalized`.
    pub by: &'static str,
    /// In which token.
    pub currency: String,
    /// The bill, once closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bill: Option<Bill>,
    /// Unix seconds from which `leaseport finalize` pays out, after a stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalize_from: Option<u64>,
    /// What was sent.
    pub transactions: Vec<Transaction>,
}

/// Runs `close`.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &CloseArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let mut following = market.follow();
    let view = following.view().await?;
    let lease = Arc::clone(find_lease(&view.head.book, args.lease)?);
    if let Some(ending) = &lease.ending {
        return Err(already(&lease, ending));
    }
    if ![lease.terms.tenant, lease.terms.agent].contains(&key.address()) {
        return Err(TenantError::Refused(format!(
            "--key-file: {} is neither tenant ({}) nor agent of lease {}",
            key.address(),
            lease.terms.tenant,
            args.lease
        )));
    }
    let sender = market.sender(&key)?;
    let book = market.contracts.lease_book.address;
    let (what, by, call) = if args.stop {
        if lease.stored == StoredPhase::Pending {
            return Err(TenantError::Refused(format!(
                "lease {} has not started: there is nothing to stop; close it by agreement, or wait until its start window ends",
                args.lease
            )));
        }
        ("stop the lease", "stopped", calls::stop(&lease.terms, DONE))
    } else {
        let offer = offered(args, &market, &view, &lease, &key).await?;
        let (view, lease, most) = passed(args, &mut following, offer.cum).await?;
        check(&offer, &lease.signed_as(), most).map_err(TenantError::Refused)?;
        signed_by_provider(&market, &view, &lease, &offer).map_err(TenantError::Refused)?;
        progress(format_args!(
            "the provider counted {} s, at most {most} s can have passed: agreed",
            offer.cum
        ));
        let call = calls::close_both(&lease.terms, offer.cum, offer.deadline, &offer.signature, &[]);
        ("close the lease", "agreed", call)
    };
    let sent = in_time(&sender, &mut following, what, book, call).await?;
    let view = following.until(sent.mined.block_number).await?;
    let now_lease = find_lease(&view.head.book, args.lease)?;
    let fee = fee_of(&market, sent.mined.hash, args.lease).await;
    let ended = Ended {
        lease_id: args.lease,
        state: phase_word(now_lease.phase(chain_now(&view))),
        by,
        currency: market.currency(lease.terms.token),
        bill: bill(&lease, now_lease, fee),
        finalize_from: now_lease
            .ending
            .is_none()
            .then(|| finalize_from(&view.head.book, now_lease)),
        transactions: vec![(&sent).into()],
    };
    answer(args.tenant.output, &ended, told)
}

/// What can have passed by now, the provider having taken its time to sign: of the lease as it stands now, which may have started since it was first
/// looked at. Where the newest block is older than what the provider counts, the next ones are waited for.
async fn passed(
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
async fn in_time(
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

/// Runs `finalize`.
///
/// # Errors
/// Each [`TenantError`].
pub async fn finalize(args: &FinalizeArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let mut following = market.follow();
    let view = following.view().await?;
    let lease = Arc::clone(find_lease(&view.head.book, args.lease)?);
    if let Some(ending) = &lease.ending {
        return Err(already(&lease, ending));
    }
    if lease.stored == StoredPhase::Pending {
        return Err(TenantError::Refused(format!(
            "lease {} has not started: there is nothing to finalize",
            args.lease
        )));
    }
    let from = finalize_from(&view.head.book, &lease);
    // The contract judges by the next block's time, which the head's or this machine's is closest to.
    if chain_now(&view).0 < from {
        return Err(TenantError::Refused(format!(
            "lease {} can be finalized {} (Unix {from}): until then its last seconds may be reported",
            args.lease,
            relative(from, chain_now(&view).0)
        )));
    }
    let call = calls::finalize(&lease.terms);
    let sent = market
        .sender(&key)?
        .send("finalize the lease", market.contracts.lease_book.address, call)
        .await?;
    let view = following.until(sent.mined.block_number).await?;
    let now_lease = find_lease(&view.head.book, args.lease)?;
    let fee = fee_of(&market, sent.mined.hash, args.lease).await;
    let ended = Ended {
        lease_id: args.lease,
        state: phase_word(now_lease.phase(chain_now(&view))),
        by: "finalized",
        currency: market.currency(lease.terms.token),
        bill: bill(&lease, now_lease, fee),
        finalize_from: None,
        transactions: vec![(&sent).into()],
    };
    answer(args.tenant.output, &ended, told)
}

fn already(lease: &LeaseState, ending: &Ending) -> TenantError {
    let words = match ending {
        Ending::NeverStarted { reason, refund, .. } => {
            format!(
                "it never started (reason {reason}), {} came back",
                refunded(refund)
            )
        }
        Ending::Ran {
            cum, paid, refund, ..
        } => {
            format!("{cum} s were paid with {paid}, {} came back", refunded(refund))
        }
    };
    TenantError::Refused(format!("lease {} is closed already: {words}", lease.key.id))
}

/// Asks until the provider signed.
async fn offered(
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
fn signed_by_provider(
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

fn finalize_from(book: &Book, lease: &LeaseState) -> u64 {
    lease
        .stop_at
        .0
        .saturating_add(u64::from(book.windows().final_reports))
}

/// The bill of a lease that ran, from its state before and after; none while it is not closed.
#[must_use]
pub fn bill(before: &LeaseState, after: &LeaseState, fee: Option<MicroUnits>) -> Option<Bill> {
    let Some(Ending::Ran {
        cum,
        paid,
        early_fee,
        refund,
        ..
    }) = &after.ending
    else {
        return None;
    };
    // Top-ups are in the balance, not in the deposit.
    let held = u128::from(before.balance.0) + u128::from(before.holdback.0) + u128::from(before.paid.0);
    let refund = refunded(refund);
    let gone = u128::from(paid.0) + u128::from(early_fee.0) + u128::from(refund.0);
    Some(Bill {
        seconds: *cum,
        rate_per_hour: MicroUnits(after.rate.get()),
        escrow: MicroUnits(u64::try_from(held).unwrap_or(u64::MAX)),
        rent: *paid,
        early_fee: *early_fee,
        fee,
        refund,
        balanced: held == gone,
    })
}

/// The protocol's fee as the closing transaction says; none where its receipt does not come.
async fn fee_of(market: &Market, transaction: B256, lease: LeaseId) -> Option<MicroUnits> {
    let receipt = market
        .endpoints
        .ask("eth_getTransactionReceipt", |provider| async move {
            provider.get_transaction_receipt(transaction).await
        })
        .await
        .ok()??;
    let emitters = market.contracts.emitters();
    receipt
        .inner
        .logs()
        .iter()
        .find_map(|log| match decode(&emitters, &log.inner)? {
            BookEvent::Closed { id, fee, .. } if id == lease => Some(fee),
            _ => None,
        })
}

fn told(ended: &Ended) -> String {
    let money = |amount: MicroUnits| format!("{amount} {}", ended.currency);
    let mut text = format!("lease {}: {} ({})\n", ended.lease_id, ended.state, ended.by);
    if let Some(bill) = &ended.bill {
        text.push_str(&pairs(&[
            (
                "used",
                format!("{} s at {} an hour", bill.seconds, money(bill.rate_per_hour)),
            ),
            ("rent", money(bill.rent)),
            ("early fee", money(bill.early_fee)),
            (
                "of it, fee",
                bill.fee
                    .map_or_else(String::new, |fee| format!("{} to the protocol", money(fee))),
            ),
            ("refund", money(bill.refund)),
            (
                "escrow",
                format!(
                    "{} ({})",
                    money(bill.escrow),
                    if bill.balanced {
                        "rent + early fee + refund, to the last micro-unit"
                    } else {
                        "does NOT equal rent + early fee + refund: keep this output and tell the operator"
                    }
                ),
            ),
        ]));
    }
    if let Some(from) = ended.finalize_from {
        text.push_str(&format!(
            "it can be paid out {}: leaseport finalize {}\n",
            relative(from, unix_now()),
            ended.lease_id
        ));
    }
    for transaction in &ended.transactions {
        text.push_str(&format!("{}\n", transaction.line()));
    }
    text
}

#[cfg(test)]
pub(super) mod tests;
