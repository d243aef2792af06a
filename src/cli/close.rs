//! `leaseport close` and `leaseport finalize`: the end of a lease, by agreement or alone, and the bill. What the provider counted is compared
//! with what can have passed before anything is signed; the comparison and the bill are pure.

mod agreed;
mod bill;

use std::{sync::Arc, time::Duration};

use clap::Args;

pub use self::{
    agreed::{check, elapsed},
    bill::{Bill, Ended, bill},
};
use self::{
    agreed::{in_time, offered, passed, signed_by_provider},
    bill::{fee_of, told},
};
use super::{
    lease::{phase_word, refunded},
    output::{answer, progress, relative},
    tenant::{TenantArgs, TenantError, chain_now, duration, find_lease},
};
use crate::{
    chain_io::signer::WalletSigner,
    core::{
        book::{Book, Ending, LeaseState, StoredPhase},
        documents::calls,
        ids::LeaseId,
    },
};

/// Typed reason of a tenant that is done (protocol: close reasons, tenant 1xxx).
const DONE: u16 = 1000;

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

fn finalize_from(book: &Book, lease: &LeaseState) -> u64 {
    lease
        .stop_at
        .0
        .saturating_add(u64::from(book.windows().final_reports))
}

#[cfg(test)]
pub(super) mod tests;
