//! What a lease came to, from its states before and after and the closing's own receipt, and how that is told. Adds up what the chain says; it
//! asks nobody else.

use alloy::{primitives::B256, providers::Provider};
use serde::Serialize;

use crate::{
    chain_io::decode::decode,
    cli::{
        lease::refunded,
        output::{pairs, relative},
        tenant::{Market, Transaction, unix_now},
    },
    core::{
        book::{BookEvent, Ending, LeaseState},
        ids::LeaseId,
        money::MicroUnits,
    },
};

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
pub(super) async fn fee_of(market: &Market, transaction: B256, lease: LeaseId) -> Option<MicroUnits> {
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

pub(super) fn told(ended: &Ended) -> String {
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
