//! `leaseport lease ls|get|usage|voucher|wait`: leases as the chain tells them, and what the provider's gateway adds.

pub mod usage;
pub mod voucher;
pub mod wait;

use alloy::primitives::{Address, B256};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    manifest::{gateway_url, session},
    output::{answer, pairs, relative, table},
    tenant::{Market, TenantArgs, TenantError, chain_now, find_lease, unix_now},
};
use crate::{
    api::duration::format_seconds,
    chain_io::signer::WalletSigner,
    core::{
        book::{Ending, LeasePhase, Metered, Refund},
        documents::session::Scope,
        ids::{LeaseId, OrderHash, TermsHash},
        money::MicroUnits,
        time::ChainSeconds,
    },
};

/// Look at leases.
#[derive(Debug, Clone, Args)]
pub struct LeaseArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: LeaseVerb,
}

/// What to look at.
#[derive(Debug, Clone, Subcommand)]
pub enum LeaseVerb {
    /// List your leases.
    #[command(alias = "list")]
    Ls(LsArgs),
    /// Show one, with what its provider says.
    Get(GetArgs),
    /// Check what its provider signed, and print the bill so far.
    Usage(usage::UsageArgs),
    /// Wait until it has started, its Job has ended, or it is closed.
    Wait(wait::WaitArgs),
    /// Sign for what was delivered: the provider can claim that money at once.
    Voucher(voucher::VoucherArgs),
}

/// List leases.
#[derive(Debug, Clone, Args)]
pub struct LsArgs {
    /// Closed ones too.
    #[arg(long, short)]
    pub all: bool,
    /// Of this tenant; the key file's address when left out, everybody's without a key file.
    #[arg(long, value_name = "ADDRESS")]
    pub of: Option<Address>,
    /// Which market.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// Show a lease.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Do not ask the provider's gateway.
    #[arg(long)]
    pub chain_only: bool,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// A lease as an answer shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseRow {
    /// Which.
    pub lease_id: LeaseId,
    /// `Pending`, `Overdue`, `Active`, `Stopped`, `Closed`.
    pub state: &'static str,
    /// From which order.
    pub order_hash: OrderHash,
    /// On which terms.
    pub terms_hash: TermsHash,
    /// At which provider.
    pub provider_id: String,
    /// Whose.
    pub tenant: Address,
    /// In which token.
    pub currency: String,
    /// Price of an hour.
    pub rate_per_hour: MicroUnits,
    /// All escrow it began with.
    pub deposit: MicroUnits,
    /// Left to pay rent with.
    pub balance: MicroUnits,
    /// Kept for grace and early fee.
    pub holdback: MicroUnits,
    /// Billable seconds reported so far, or paid in all when closed.
    pub seconds: u32,
    /// Rent that left the balance.
    pub paid: MicroUnits,
    /// Rent of reported seconds that was not settled yet.
    pub owed: MicroUnits,
    /// Unix seconds of the start; none while pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    /// Unix seconds: the last to start, or of the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<u64>,
    /// Unix seconds when the balance is used up at full use; none where it ends before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_at: Option<u64>,
    /// Typed reason of a stop or decline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<u16>,
    /// What came back to the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<MicroUnits>,
    /// keccak-256 of the manifest.
    pub manifest_hash: B256,
    /// What the provider's gateway says, for `get`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayWords>,
}

/// What a gateway said, or why it said nothing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayWords {
    /// Where.
    pub address: String,
    /// Its status of the lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The word for a phase.
#[must_use]
pub const fn phase_word(phase: LeasePhase) -> &'static str {
    match phase {
        LeasePhase::Pending => "Pending",
        LeasePhase::Overdue => "Overdue",
        LeasePhase::Active => "Active",
        LeasePhase::Stopped => "Stopped",
        LeasePhase::Closed => "Closed",
    }
}

/// What came back.
#[must_use]
pub const fn refunded(refund: &Refund) -> MicroUnits {
    match refund {
        Refund::Pushed(amount) | Refund::Credited(amount) => *amount,
    }
}

/// A lease at a chain time.
#[must_use]
pub fn lease_row(metered: Metered<'_>, now: ChainSeconds, currency: String) -> LeaseRow {
    let lease = metered.lease;
    let some = |at: ChainSeconds| (at.0 > 0).then_some(at.0);
    let (reason, refund) = match &lease.ending {
        Some(Ending::NeverStarted { reason, refund, .. }) => (Some(*reason), Some(refunded(refund))),
        Some(Ending::Ran { refund, .. }) => (lease.stop.map(|stop| stop.reason), Some(refunded(refund))),
        None => (lease.stop.map(|stop| stop.reason), None),
    };
    let paid = match &lease.ending {
        Some(Ending::Ran { paid, .. }) => *paid,
        Some(Ending::NeverStarted { .. }) | None => lease.paid,
    };
    LeaseRow {
        lease_id: lease.key.id,
        state: phase_word(lease.phase(now)),
        order_hash: lease.order_hash(),
        terms_hash: lease.signed_as().terms,
        provider_id: lease.key.id.provider.0.to_string(),
        tenant: lease.tenant(),
        currency,
        rate_per_hour: MicroUnits(lease.rate.get()),
        deposit: lease.deposit,
        balance: lease.balance,
        holdback: lease.holdback,
        seconds: metered.cum(now),
        paid,
        owed: if lease.ending.is_some() {
            MicroUnits::ZERO
        } else {
            metered.owed(now)
        },
        started_at: some(lease.start_at),
        stop_at: some(lease.stop_at),
        dry_at: metered.runs_dry_at(now, None).map(|at| at.0),
        reason,
        refund,
        manifest_hash: lease.terms.manifestHash,
        gateway: None,
    }
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`]; no lease at all is an empty list and no error.
pub async fn run(args: &LeaseArgs) -> Result<(), TenantError> {
    match &args.verb {
        LeaseVerb::Ls(args) => ls(args).await,
        LeaseVerb::Get(args) => get(args).await,
        LeaseVerb::Usage(args) => usage::run(args).await,
        LeaseVerb::Wait(args) => wait::run(args).await,
        LeaseVerb::Voucher(args) => voucher::run(args).await,
    }
}

async fn ls(args: &LsArgs) -> Result<(), TenantError> {
    let of = match (args.of, &args.tenant.key_file) {
        (Some(address), _) => Some(address),
        (None, Some(_)) => Some(args.tenant.key()?.address()),
        (None, None) => None,
    };
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let now = chain_now(&view);
    let rows: Vec<LeaseRow> = view
        .head
        .book
        .leases()
        .filter(|metered| of.is_none_or(|tenant| metered.lease.tenant() == tenant))
        .filter(|metered| args.all || metered.lease.ending.is_none())
        .map(|metered| lease_row(metered, now, market.currency(metered.lease.terms.token)))
        .collect();
    answer(args.tenant.output, &rows, |rows| {
        if rows.is_empty() {
            let more = if args.all { "" } else { " (closed ones: --all)" };
            return format!("no leases{more}\n");
        }
        let lines = rows.iter().map(|row| {
            vec![
                row.lease_id.to_string(),
                row.state.to_owned(),
                row.provider_id.clone(),
                format!("{} {}", row.rate_per_hour, row.currency),
                format_seconds(u64::from(row.seconds)),
                row.paid.to_string(),
                row.balance.to_string(),
                ends(row),
            ]
        });
        table(
            &[
                "LEASE", "STATE", "PROVIDER", "PER HOUR", "USED", "PAID", "BALANCE", "ENDS",
            ],
            lines.collect(),
        )
    })
}

fn ends(row: &LeaseRow) -> String {
    match (row.dry_at, row.stop_at) {
        _ if row.state == "Closed" => "closed".to_owned(),
        (Some(dry), _) => format!("dry {}", relative(dry, unix_now())),
        (None, Some(stop)) => relative(stop, unix_now()),
        (None, None) => String::new(),
    }
}

async fn get(args: &GetArgs) -> Result<(), TenantError> {
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let book = &view.head.book;
    let lease = find_lease(book, args.lease)?;
    let metered = Metered {
        lease,
        lane_seconds: book.lane_seconds(args.lease.provider, args.lease.lane),
    };
    let mut row = lease_row(metered, chain_now(&view), market.currency(lease.terms.token));
    if !args.chain_only && lease.ending.is_none() && args.tenant.key_file.is_some() {
        row.gateway = Some(ask(&args.tenant, &market, book, lease).await?);
    }
    answer(args.tenant.output, &row, told)
}

async fn ask(
    tenant: &TenantArgs,
    market: &Market,
    book: &crate::core::book::Book,
    lease: &crate::core::book::LeaseState,
) -> Result<GatewayWords, TenantError> {
    let key = tenant.key()?;
    let url = match gateway_url(book, lease) {
        Ok(url) => url,
        Err(error) => {
            return Ok(GatewayWords {
                address: String::new(),
                status: None,
                error: Some(error.to_string()),
            });
        }
    };
    let asked = async {
        let client = session(market, &url, lease, &key, &[Scope::Status]).await?;
        client.status(lease.key.id).await
    }
    .await;
    // What the chain says is the answer; a silent gateway is one line of it.
    let (status, error) = match asked {
        Ok(status) => (Some(status), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(GatewayWords {
        address: url.authority(),
        status,
        error,
    })
}

fn told(row: &LeaseRow) -> String {
    let now = unix_now();
    let at = |instant: Option<u64>| instant.map_or_else(String::new, |instant| relative(instant, now));
    let money = |amount: MicroUnits| format!("{amount} {}", row.currency);
    let mut text = pairs(&[
        ("lease", row.lease_id.to_string()),
        ("state", row.state.to_owned()),
        ("provider", row.provider_id.clone()),
        ("tenant", row.tenant.to_string()),
        ("order", row.order_hash.0.to_string()),
        ("price", format!("{} an hour", money(row.rate_per_hour))),
        ("job", finished(row)),
        ("started", at(row.started_at)),
        ("ends", at(row.stop_at)),
        ("runs dry", at(row.dry_at)),
        ("used", format!("{} s", row.seconds)),
        ("paid", money(row.paid)),
        ("owed", money(row.owed)),
        ("balance", money(row.balance)),
        ("holdback", money(row.holdback)),
        ("refund", row.refund.map_or_else(String::new, money)),
        (
            "reason",
            row.reason.map_or_else(String::new, |reason| reason.to_string()),
        ),
    ]);
    if let Some(gateway) = &row.gateway {
        match (&gateway.status, &gateway.error) {
            (Some(status), _) => {
                text.push_str(&format!("\ngateway {}\n", gateway.address));
                let shown = crate::yaml::to_string(status).unwrap_or_else(|_| status.to_string());
                text.push_str(&shown);
            }
            (None, Some(error)) => text.push_str(&format!("\nthe gateway did not say: {error}\n")),
            (None, None) => {}
        }
    }
    text
}

/// What became of its Job, where the gateway says that it ended.
fn finished(row: &LeaseRow) -> String {
    let status = row.gateway.as_ref().and_then(|gateway| gateway.status.as_ref());
    let finish = status
        .map(|status| &status["finish"])
        .filter(|finish| finish.is_object());
    finish.map_or_else(String::new, |finish| {
        format!(
            "{}; nothing more is billed, end the lease with `leaseport close {}`",
            wait::told_finish(finish),
            row.lease_id
        )
    })
}

#[cfg(test)]
mod tests;
