//! Whether the order itself can be served: open, with time left, deep enough, of a kind that is sold here. Knows nothing of needs and prices.

use alloy::primitives::B256;

use super::{OfferPolicy, OrderStanding, Question, Stop, refuse};
use crate::core::{
    documents::order::{Billing, Order, TradeForm},
    market::refusal::Reason,
    time::ChainSeconds,
};

/// Open, unexpired and deep enough.
pub(super) fn is_open(question: &Question<'_>, offer: &OfferPolicy) -> Result<u64, Stop> {
    let depth = match question.standing {
        OrderStanding::Open { depth } => depth,
        OrderStanding::Ended => {
            return refuse(
                Reason::OrderNotOpen,
                "the order was accepted or cancelled: post another",
            );
        }
    };
    let Some(ChainSeconds(now)) = question.now else {
        return Err(Stop::Wait("no endpoint has told the chain's time yet".into()));
    };
    let needed = now.saturating_add(u64::from(offer.least_time_left));
    if u64::from(question.order.expiry) < needed {
        return refuse(
            Reason::OrderExpired,
            format_args!(
                "order.expiry is {}, the chain's time is {now} and {} s must be left: post it with a later expiry",
                question.order.expiry, offer.least_time_left
            ),
        );
    }
    if depth < offer.depth {
        return Err(Stop::Wait(format!(
            "the order lies under {depth} blocks, {} are needed",
            offer.depth
        )));
    }
    Ok(now)
}

/// A kind of trade, billing and token that is sold here.
pub(super) fn is_served(order: &Order, offer: &OfferPolicy) -> Result<TradeForm, Stop> {
    let form = match order.trade_form() {
        Some(TradeForm::Auction) => TradeForm::Auction,
        Some(TradeForm::Dutch) if order.eligible == B256::ZERO => TradeForm::Dutch,
        Some(TradeForm::Dutch) => {
            return refuse(
                Reason::NotEligible,
                format_args!(
                    "order.eligible is {}: this provider has no proof that the list holds it; leave it zero",
                    order.eligible
                ),
            );
        }
        None => {
            return refuse(
                Reason::FormUnsupported,
                format_args!(
                    "order.form is {}: auctions (0) and dutch orders (1) are served",
                    order.form
                ),
            );
        }
    };
    if order.lots != 1 {
        return refuse(
            Reason::LotsUnsupported,
            format_args!("order.lots is {}: post one order a lot", order.lots),
        );
    }
    if order.unknown_flags() != 0 {
        return refuse(
            Reason::FlagsUnknown,
            format_args!("order.flags is {}: only bits 0 and 1 have a meaning", order.flags),
        );
    }
    match order.billing() {
        Billing::Metered => {}
        Billing::Reserved => {
            return refuse(
                Reason::BillingUnsupported,
                "order.flags asks for reserved billing: clear bit 0, metered is sold here",
            );
        }
    }
    if order.slaPolicy != B256::ZERO {
        return refuse(
            Reason::SlaUnsupported,
            format_args!("order.slaPolicy is {}: leave it zero", order.slaPolicy),
        );
    }
    if order.token != offer.token {
        return refuse(
            Reason::TokenMismatch,
            format_args!(
                "order.token is {}, the offer is priced in token {}: pay in that one",
                order.token, offer.token
            ),
        );
    }
    Ok(form)
}
