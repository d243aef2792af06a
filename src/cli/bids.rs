//! `leaseport bids`: what was offered for an order, each bid judged as the contract would judge it. The judgement is pure.

use alloy::sol_types::Eip712Domain;
use clap::Args;
use serde::Serialize;

use super::{
    output::{answer, relative, table},
    tenant::{Market, TenantArgs, TenantError, chain_now, find_order, order_hash, unix_now},
};
use crate::core::{
    book::{Book, KeyRoles, OrderPhase, OrderState},
    documents::{
        bid::SignedBid,
        signing::{digest, recover},
        terms::least_deposit,
    },
    ids::{OrderHash, ProviderId},
    money::{MicroUnits, RatePerHour},
    time::ChainSeconds,
    view::ChainView,
};

/// List the bids for an order.
#[derive(Debug, Clone, Args)]
pub struct BidsArgs {
    /// The order's hash.
    #[arg(value_name = "ORDER", value_parser = order_hash)]
    pub order: OrderHash,
    /// Which market.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// One bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BidRow {
    /// Counted from 1 in the order of posting; what `accept --bid` takes.
    pub number: usize,
    /// Who.
    pub provider_id: String,
    /// Lanes its leases would take, as `lane-generation`.
    pub lanes: Vec<String>,
    /// Price of an hour.
    pub rate_per_hour: MicroUnits,
    /// What the provider loses when it does not start.
    pub bond: MicroUnits,
    /// What the provider may lose in a dispute.
    pub liability: MicroUnits,
    /// In which token.
    pub currency: String,
    /// Unix seconds until which the signature holds.
    pub deadline: u64,
    /// Whether it could be accepted now.
    pub valid: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`]; an order without bids is an empty list and no error.
pub async fn run(args: &BidsArgs) -> Result<(), TenantError> {
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let order = find_order(&view.head.book, args.order)?;
    let rows = bid_rows(&market, &view, order);
    let now = chain_now(&view);
    let (phase, expiry) = (order.phase, order.expiry());
    answer(args.tenant.output, &rows, |rows| {
        let state = match phase {
            OrderPhase::Open if now < expiry => {
                format!("open, expires {}", relative(expiry.0, unix_now()))
            }
            OrderPhase::Open => "expired: `leaseport cancel` brings the deposit back".to_owned(),
            OrderPhase::Accepted => "accepted: see `leaseport lease ls`".to_owned(),
            OrderPhase::Cancelled => "cancelled".to_owned(),
        };
        if rows.is_empty() {
            return format!("no bids yet; the order is {state}\n");
        }
        format!("{}\norder: {state}\n", bid_table(rows))
    })
}

/// The bids of an order, in the order of their posting.
#[must_use]
pub fn bid_rows(market: &Market, view: &ChainView, order: &OrderState) -> Vec<BidRow> {
    let (domain, now) = (market.domain(), chain_now(view));
    let currency = market.currency(order.posted.order.token);
    let bids = order.bids.iter().enumerate();
    bids.map(|(index, (_, signed))| {
        let reason = judge(&view.head.book, order, signed, &domain, now).err();
        row(index.saturating_add(1), signed, &currency, reason)
    })
    .collect()
}

fn row(number: usize, signed: &SignedBid, currency: &str, reason: Option<String>) -> BidRow {
    let bid = &signed.bid;
    let lanes = signed.lanes.iter();
    BidRow {
        number,
        provider_id: bid.providerId.to_string(),
        lanes: lanes
            .map(|lane| format!("{}-{}", lane.lane.0, lane.generation.get()))
            .collect(),
        rate_per_hour: MicroUnits(bid.ratePerHour.to::<u64>()),
        bond: MicroUnits(bid.bond),
        liability: MicroUnits(bid.liability),
        currency: currency.to_owned(),
        deadline: bid.deadline_seconds(),
        valid: reason.is_none(),
        reason,
    }
}

/// The table of bids.
#[must_use]
pub fn bid_table(rows: &[BidRow]) -> String {
    let now = unix_now();
    let lines = rows.iter().map(|row| {
        vec![
            row.number.to_string(),
            row.provider_id.clone(),
            row.lanes.join(" "),
            format!("{} {}", row.rate_per_hour, row.currency),
            row.bond.to_string(),
            relative(row.deadline, now),
            row.reason.clone().unwrap_or_else(|| "yes".to_owned()),
        ]
    });
    table(
        &[
            "BID",
            "PROVIDER",
            "LANES",
            "PER HOUR",
            "BOND",
            "HOLDS UNTIL",
            "VALID",
        ],
        lines.collect(),
    )
}

/// Whether the contract would open a lease on this bid now, as far as the book tells; the order's own state is judged elsewhere.
///
/// # Errors
/// The first reason why not.
pub fn judge(
    book: &Book,
    order: &OrderState,
    signed: &SignedBid,
    domain: &Eip712Domain,
    now: ChainSeconds,
) -> Result<RatePerHour, String> {
    let (bid, wanted) = (&signed.bid, &order.posted.order);
    let id = ProviderId(bid.providerId);
    let provider = book
        .provider(id)
        .ok_or_else(|| format!("provider {} is unknown", id.0))?;
    if bid.orderHash != order.posted.hash.0 {
        return Err("signed for another order".to_owned());
    }
    let signer = recover(digest(bid, domain), &signed.signature).map_err(|error| error.to_string())?;
    if !provider.key_may(signer, KeyRoles::BID, now) {
        return Err(format!("{signer} may not bid for provider {}", id.0));
    }
    let epoch = provider.keys.get(&signer).map_or(0, |key| key.bid_epoch);
    if bid.bidEpoch != epoch {
        return Err("withdrawn by the provider".to_owned());
    }
    if now.0 > bid.deadline_seconds() {
        return Err("its deadline has passed".to_owned());
    }
    let rate = bid
        .rate()
        .filter(|rate| rate.get() > 0)
        .ok_or("its price is none")?;
    let most = wanted.maxRate.to::<u64>();
    if most > 0 && rate.get() > most {
        return Err(format!("dearer than the order's {}", MicroUnits(most)));
    }
    if bid.bond < wanted.minBond {
        return Err(format!("bond below the order's {}", MicroUnits(wanted.minBond)));
    }
    if signed.lanes.len() != usize::from(wanted.lots) {
        return Err(format!("{} lanes for {} lots", signed.lanes.len(), wanted.lots));
    }
    let least = least_deposit(wanted, rate);
    if wanted.deposit_a_lot().is_none_or(|deposit| deposit < least) {
        return Err(format!(
            "the deposit does not cover its {least} of minDuration and grace"
        ));
    }
    for used in &signed.lanes {
        let next = book
            .generation(id, used.lane)
            .map_or(Some(1), |last| last.next().map(|next| next.get()));
        if next != Some(used.generation.get()) {
            return Err(format!("lane {} was taken meanwhile", used.lane.0));
        }
    }
    Ok(rate)
}

#[cfg(test)]
mod tests;
