//! What becomes of an order whose price climbs: a provider takes it, and the manifest goes there. Accepts nothing, since there is nothing to accept.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    api::duration::format_seconds,
    chain_io::signer::LocalKey,
    cli::{
        kept::Kept,
        manifest::{Delivered, deliver},
        output::progress,
        tenant::{Following, Market, TenantError, find_order},
    },
    core::{
        book::OrderPhase,
        ids::{LeaseId, OrderHash},
        money::MicroUnits,
        view::ChainView,
    },
};

/// The manifest is offered at least this long, however late the order was taken: without it the lease starts nothing.
const LEAST_PATIENCE: Duration = Duration::from_secs(60);
/// The head is asked for this often.
const LOOK: Duration = Duration::from_millis(500);

/// The lease that an order became.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filled {
    /// Which lease.
    pub lease_id: LeaseId,
    /// At which price.
    pub rate_per_hour: MicroUnits,
    /// What the gateway said.
    pub manifest: Delivered,
}

impl Filled {
    pub(super) fn told(&self) -> String {
        format!(
            "lease {} opened at {} an hour; {}\n",
            self.lease_id,
            self.rate_per_hour,
            self.manifest.line()
        )
    }

    pub(super) fn next(&self) -> String {
        let lease = self.lease_id;
        format!(
            "\nNext: leaseport lease get {lease}\n      leaseport logs {lease} --follow\n      leaseport close {lease}\n"
        )
    }
}

/// Waits until a provider took the order and took its manifest; none when nobody took the order in time.
///
/// # Errors
/// Each [`TenantError`]. When only the manifest failed, the lease is open and the text says how to go on.
pub(super) async fn filled(
    market: &Market,
    following: &mut Following,
    first: Arc<ChainView>,
    order: OrderHash,
    key: &Arc<LocalKey>,
    kept: &Kept,
    wait: Duration,
) -> Result<Option<Filled>, TenantError> {
    progress(format_args!(
        "order {} posted, waiting {} for a provider to take it (Ctrl-C stops the waiting, not the order)",
        order.0,
        format_seconds(wait.as_secs())
    ));
    let until = Instant::now() + wait;
    let mut view = first;
    while find_order(&view.head.book, order)?.phase == OrderPhase::Open {
        if Instant::now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(LOOK).await;
        view = following.view().await?;
    }
    let Some(found) = view.head.book.leases_of_order(order).next() else {
        return Ok(None);
    };
    let lease = found.lease;
    progress(format_args!(
        "lease {} opened, sending its manifest",
        lease.key.id
    ));
    let patience = until
        .saturating_duration_since(Instant::now())
        .max(LEAST_PATIENCE);
    let manifest = deliver(market, &view.head.book, lease, key, kept, patience)
        .await
        .map_err(|error| {
            TenantError::Refused(format!(
                "lease {0} is open, but its manifest was not taken: {error}; run `leaseport manifest push {0}` before the start window ends",
                lease.key.id
            ))
        })?;
    Ok(Some(Filled {
        lease_id: lease.key.id,
        rate_per_hour: MicroUnits(lease.rate.get()),
        manifest,
    }))
}
