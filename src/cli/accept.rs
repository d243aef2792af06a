//! `leaseport accept`: takes one of the bids, waits for the lease, and hands the manifest to the provider's gateway.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{
    bids::judge,
    kept::Kept,
    manifest::{Delivered, deliver},
    output::{answer, pairs, progress},
    tenant::{
        Market, TenantArgs, TenantError, Transaction, chain_now, duration, find_lease, find_order, order_hash,
    },
};
use crate::{
    chain_io::signer::WalletSigner,
    core::{
        book::{OrderPhase, OrderState},
        documents::{bid::SignedBid, calls, order::TradeForm},
        ids::{LeaseId, OrderHash, ProviderId},
        money::{MicroUnits, RatePerHour},
        view::ChainView,
    },
};

/// Accept a bid: the lease opens, and the manifest goes to the provider.
#[derive(Debug, Clone, Args)]
pub struct AcceptArgs {
    /// The order's hash.
    #[arg(value_name = "ORDER", value_parser = order_hash)]
    pub order: OrderHash,
    /// The cheapest valid bid.
    #[arg(long, conflicts_with = "bid")]
    pub cheapest: bool,
    /// The bid with this number in `leaseport bids`.
    #[arg(long, value_name = "N")]
    pub bid: Option<usize>,
    /// Do not send the manifest; `leaseport manifest push` does it later.
    #[arg(long)]
    pub no_manifest: bool,
    /// How long the gateway may take to be ready for the manifest.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub manifest_timeout: Duration,
    /// The order's file, where it is not under --state-dir.
    #[arg(long, value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Which order.
    pub order_hash: OrderHash,
    /// One a lot.
    pub lease_ids: Vec<LeaseId>,
    /// Whose bid.
    pub provider_id: String,
    /// Price of an hour.
    pub rate_per_hour: MicroUnits,
    /// In which token.
    pub currency: String,
    /// What was sent.
    pub transactions: Vec<Transaction>,
    /// What the gateway said, one a lease; empty with --no-manifest.
    pub manifests: Vec<Delivered>,
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`]. When only the manifest failed, the lease is open and the text says how to go on.
pub async fn run(args: &AcceptArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let mut following = market.follow();
    let view = following.view().await?;
    let order = find_order(&view.head.book, args.order)?;
    let signed = choose(args, &market, &view, order)?;
    let wanted = &order.posted.order;
    if key.address() != wanted.tenant && key.address() != wanted.agent {
        return Err(TenantError::Refused(format!(
            "--key-file: {} is neither tenant ({}) nor agent of the order",
            key.address(),
            wanted.tenant
        )));
    }
    let state_file = args
        .state_file
        .clone()
        .unwrap_or_else(|| market.order_file(args.order));
    // Read before anything is sent: a lease whose manifest is lost only costs its bond.
    let kept = if args.no_manifest {
        None
    } else {
        let kept = Kept::read(&state_file)?;
        kept.parcel(wanted.manifestHash)?;
        Some(kept)
    };
    let sender = market.sender(&key)?;
    let call = calls::accept(wanted, &signed.bid, &signed.lanes, &signed.signature);
    let sent = sender
        .send("accept the bid", market.contracts.lease_book.address, call)
        .await?;
    progress(Transaction::from(&sent).line());
    let provider = ProviderId(signed.bid.providerId);
    let mut answered = Accepted {
        order_hash: args.order,
        lease_ids: signed.lanes.iter().map(|lane| lane.lease(provider)).collect(),
        provider_id: provider.0.to_string(),
        rate_per_hour: MicroUnits(signed.bid.ratePerHour.to::<u64>()),
        currency: market.currency(wanted.token),
        transactions: vec![(&sent).into()],
        manifests: Vec::new(),
    };
    if let Some(kept) = kept {
        let view = following.until(sent.mined.block_number).await?;
        for id in &answered.lease_ids {
            let lease = find_lease(&view.head.book, *id)?;
            let delivered = deliver(
                &market,
                &view.head.book,
                lease,
                &key,
                &kept,
                args.manifest_timeout,
            )
            .await;
            answered.manifests.push(delivered.map_err(|error| {
                TenantError::Refused(format!(
                    "lease {id} is open (transaction {}), but its manifest was not taken: {error}; run `leaseport manifest push {id}` before the start window ends",
                    sent.mined.hash
                ))
            })?);
        }
    }
    answer(args.tenant.output, &answered, told)
}

fn choose(
    args: &AcceptArgs,
    market: &Market,
    view: &ChainView,
    order: &OrderState,
) -> Result<SignedBid, TenantError> {
    let now = chain_now(view);
    let refused = |why: String| Err(TenantError::Refused(why));
    match order.phase {
        OrderPhase::Open if now < order.expiry() => {}
        OrderPhase::Open => {
            return refused(
                "the order has expired: `leaseport cancel` brings its deposit back, then post another"
                    .to_owned(),
            );
        }
        OrderPhase::Accepted => {
            let leases: Vec<String> = view
                .head
                .book
                .leases_of_order(args.order)
                .map(|metered| metered.lease.key.id.to_string())
                .collect();
            return refused(format!(
                "the order is not open: it became lease {} already; look at it with `leaseport lease get`",
                leases.join(", ")
            ));
        }
        OrderPhase::Cancelled => return refused("the order is not open: it was cancelled".to_owned()),
    }
    if order.posted.order.trade_form() == Some(TradeForm::Dutch) {
        return refused(
            "there is nothing to accept: the price climbs until a provider takes the order; `leaseport lease ls` shows its lease then"
                .to_owned(),
        );
    }
    let domain = market.domain();
    let judged: Vec<(usize, &SignedBid, Result<RatePerHour, String>)> = order
        .bids
        .iter()
        .enumerate()
        .map(|(index, (_, signed))| {
            let verdict = judge(&view.head.book, order, signed, &domain, now);
            (index.saturating_add(1), signed.as_ref(), verdict)
        })
        .collect();
    if judged.is_empty() {
        return refused("no bids yet: wait, raise price.maxPerHour, or ask for less".to_owned());
    }
    if let Some(number) = args.bid {
        return match judged.iter().find(|(index, _, _)| *index == number) {
            Some((_, signed, Ok(_))) => Ok((*signed).clone()),
            Some((_, _, Err(why))) => refused(format!("bid {number} cannot be accepted: {why}")),
            None => Err(TenantError::Usage(format!(
                "--bid {number}: there are {} bids; `leaseport bids {}` lists them",
                judged.len(),
                args.order.0
            ))),
        };
    }
    let valid = judged.iter().filter_map(|(number, signed, verdict)| {
        let rate = verdict.as_ref().ok()?;
        Some((rate.get(), *number, *signed))
    });
    let mut valid: Vec<_> = valid.collect();
    valid.sort_by_key(|(rate, number, _)| (*rate, *number));
    match valid.as_slice() {
        [] => {
            let reasons = judged.iter().filter_map(|(number, _, verdict)| {
                Some(format!("bid {number}: {}", verdict.as_ref().err()?))
            });
            refused(format!(
                "none of the bids can be accepted ({})",
                reasons.collect::<Vec<_>>().join("; ")
            ))
        }
        [(_, _, signed)] => Ok((*signed).clone()),
        [(_, _, signed), ..] if args.cheapest => Ok((*signed).clone()),
        several => Err(TenantError::Usage(format!(
            "{} bids can be accepted: pass --cheapest, or --bid N with a number of `leaseport bids {}`",
            several.len(),
            args.order.0
        ))),
    }
}

fn told(accepted: &Accepted) -> String {
    let leases: Vec<String> = accepted.lease_ids.iter().map(LeaseId::to_string).collect();
    let mut text = pairs(&[
        ("lease", leases.join(" ")),
        ("provider", accepted.provider_id.clone()),
        (
            "price",
            format!("{} {} an hour", accepted.rate_per_hour, accepted.currency),
        ),
        (
            "manifest",
            accepted
                .manifests
                .iter()
                .map(Delivered::line)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    ]);
    for transaction in &accepted.transactions {
        text.push_str(&format!("{}\n", transaction.line()));
    }
    if let Some(lease) = leases.first() {
        text.push_str(&format!(
            "\nNext: leaseport lease get {lease}\n      leaseport logs {lease} --follow\n      leaseport close {lease}\n"
        ));
    }
    text
}
