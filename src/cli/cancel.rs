//! `leaseport cancel`: an order that no lease came of goes back to where it came from. The tenant and its agent may at any time, anyone once it
//! has expired. Whether it may be sent is pure.

use alloy::{primitives::Address, providers::Provider};
use clap::Args;
use serde::Serialize;

use super::{
    kept::{Cancellation, Kept},
    lease::refunded,
    output::{answer, pairs, progress, relative},
    tenant::{Market, TenantArgs, TenantError, Transaction, chain_now, find_order, order_hash},
};
use crate::{
    act::journal::Sent,
    chain_io::{decode::decode, signer::WalletSigner},
    core::{
        book::{BookEvent, OrderPhase, Refund},
        documents::{calls, order::Order},
        ids::OrderHash,
        money::MicroUnits,
        time::ChainSeconds,
    },
};

/// Take an order back that no lease came of; its deposit returns.
#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// The order's hash.
    #[arg(value_name = "ORDER", value_parser = order_hash)]
    pub order: OrderHash,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    /// Which order.
    pub order_hash: OrderHash,
    /// What came back.
    pub refund: MicroUnits,
    /// In which token.
    pub currency: String,
    /// To whom.
    pub refund_to: Address,
    /// Whether it was paid out; else the token refused the transfer and the market keeps it for `refundTo` to redeem.
    pub paid_out: bool,
    /// What was sent.
    pub transactions: Vec<Transaction>,
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`].
pub async fn run(args: &CancelArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let view = market.follow().view().await?;
    let file = market.order_file(args.order);
    let kept = if file.exists() {
        Some(Kept::read(&file)?)
    } else {
        None
    };
    let order = match find_order(&view.head.book, args.order) {
        Ok(found) => {
            let order = found.posted.order.as_ref().clone();
            may_cancel(&order, found.phase, key.address(), chain_now(&view)).map_err(TenantError::Refused)?;
            order
        }
        // Markets forget orders; the file that posted it does not, and the contract judges.
        Err(unknown) => kept.as_ref().and_then(Kept::order).ok_or(unknown)?,
    };
    let call = calls::cancel_order(&order);
    let sent = market
        .sender(&key)?
        .send("cancel the order", market.contracts.lease_book.address, call)
        .await?;
    progress(Transaction::from(&sent).line());
    let refund = refund_of(&market, &sent, args.order).await;
    let amount = refund.as_ref().map_or(MicroUnits(order.deposit), refunded);
    if let Some(mut kept) = kept {
        kept.cancelled = Some(Cancellation {
            transaction: sent.mined.hash,
            refund: amount,
        });
        kept.write(&file)?;
    }
    let answered = Cancelled {
        order_hash: args.order,
        refund: amount,
        currency: market.currency(order.token),
        refund_to: order.refundTo,
        paid_out: !matches!(refund, Some(Refund::Credited(_))),
        transactions: vec![(&sent).into()],
    };
    answer(args.tenant.output, &answered, told)
}

/// Whether this key can take the order back now.
///
/// # Errors
/// Why not, and what to do.
pub fn may_cancel(order: &Order, phase: OrderPhase, key: Address, now: ChainSeconds) -> Result<(), String> {
    match phase {
        OrderPhase::Open => {}
        OrderPhase::Accepted => {
            return Err(
                "the order became a lease: `leaseport lease ls` shows it, `leaseport close` ends it"
                    .to_owned(),
            );
        }
        OrderPhase::Cancelled => return Err("the order was cancelled before: nothing was sent".to_owned()),
    }
    let expiry = u64::from(order.expiry);
    if key == order.tenant || key == order.agent || now.0 > expiry {
        Ok(())
    } else {
        Err(format!(
            "--key-file: {key} is neither tenant ({}) nor agent of the order; anyone else may cancel it {} (Unix {expiry})",
            order.tenant,
            relative(expiry, now.0)
        ))
    }
}

/// What came back, as the transaction says; none where its receipt does not come.
async fn refund_of(market: &Market, sent: &Sent, order: OrderHash) -> Option<Refund> {
    let hash = sent.mined.hash;
    let receipt = market
        .endpoints
        .ask("eth_getTransactionReceipt", move |provider| async move {
            provider.get_transaction_receipt(hash).await
        })
        .await
        .ok()??;
    let emitters = market.contracts.emitters();
    receipt
        .inner
        .logs()
        .iter()
        .find_map(|log| match decode(&emitters, &log.inner)? {
            BookEvent::OrderCancelled { hash, refund } if hash == order => Some(refund),
            _ => None,
        })
}

fn told(cancelled: &Cancelled) -> String {
    let money = format!("{} {}", cancelled.refund, cancelled.currency);
    let refund = if cancelled.paid_out {
        format!("{money} to {}", cancelled.refund_to)
    } else {
        format!(
            "{money}, which the token did not let through: the market keeps it for {} to redeem",
            cancelled.refund_to
        )
    };
    let mut text = pairs(&[
        ("order", format!("{} is cancelled", cancelled.order_hash.0)),
        ("refund", refund),
    ]);
    for transaction in &cancelled.transactions {
        text.push_str(&format!("{}\n", transaction.line()));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::book::fixtures;

    const STRANGER: Address = Address::repeat_byte(0x99);

    #[test]
    fn the_tenant_and_its_agent_cancel_at_any_time_and_others_after_expiry() {
        let order = Order {
            agent: Address::repeat_byte(0x22),
            ..fixtures::order(3_000)
        };
        let may = |key, now| may_cancel(&order, OrderPhase::Open, key, ChainSeconds(now));
        assert!(may(order.tenant, 1).is_ok() && may(order.agent, 1).is_ok());
        assert!(may(STRANGER, 3_000).unwrap_err().contains("--key-file"));
        assert!(may(STRANGER, 3_001).is_ok());
    }

    #[test]
    fn what_is_no_longer_open_is_not_sent() {
        let order = fixtures::order(3_000);
        let may = |phase| may_cancel(&order, phase, order.tenant, ChainSeconds(1));
        assert!(may(OrderPhase::Accepted).unwrap_err().contains("lease ls"));
        assert!(may(OrderPhase::Cancelled).unwrap_err().contains("before"));
    }
}
