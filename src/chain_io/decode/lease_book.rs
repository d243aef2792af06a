//! What the LeaseBook says, as events of the book: orders, bids, leases, usage and money. Reads one event at a time and remembers nothing.

use std::sync::Arc;

use super::{
    super::bindings::LeaseBook::{self, LeaseBookEvents},
    lease, seconds32, seconds40,
};
use crate::core::{
    book::{BookEvent, CloseKind, DisputeEvent, KeyRoles, Refund, SettledRow, StopBy, Vesting},
    documents::bid::SignedBid,
    ids::{Lane, OrderHash, ProviderId},
    money::MicroUnits,
};

pub(super) fn event(event: LeaseBookEvents) -> Result<Option<BookEvent>, String> {
    use LeaseBookEvents as E;
    Ok(Some(match event {
        E::ProviderRegistered(e) => BookEvent::ProviderRegistered {
            provider: ProviderId(e.providerId),
            owner: e.owner,
            payout: e.payout,
        },
        E::KeyAdded(e) => BookEvent::KeyAdded {
            provider: ProviderId(e.providerId),
            key: e.key,
            roles: KeyRoles(e.roles),
            from: seconds40(e.from),
            bid_epoch: e.bidEpoch,
        },
        E::KeyRemoved(e) => BookEvent::KeyRemoved {
            provider: ProviderId(e.providerId),
            key: e.key,
            bid_epoch: e.bidEpoch,
        },
        E::BidsCancelled(e) => BookEvent::BidsCancelled {
            provider: ProviderId(e.providerId),
            key: e.key,
            bid_epoch: e.bidEpoch,
        },
        E::PayoutSet(e) => BookEvent::PayoutSet {
            provider: ProviderId(e.providerId),
            payout: e.payout,
            from: seconds40(e.from),
        },
        E::GatewaySet(e) => BookEvent::GatewaySet {
            provider: ProviderId(e.providerId),
            url: e.url,
            spki: e.spki,
            next_spki: e.nextSpki,
        },
        E::FactsPublished(e) => BookEvent::FactsPublished {
            provider: ProviderId(e.providerId),
            hash: e.hash,
        },
        E::OffersPublished(e) => BookEvent::OffersPublished {
            provider: ProviderId(e.providerId),
            hash: e.hash,
        },
        E::TokenAdopted(e) => BookEvent::TokenAdopted {
            token: e.token,
            asset: e.asset,
            scale: e.scale,
            dollar: e.dollar,
        },
        E::OrderPosted(e) => BookEvent::OrderPosted {
            hash: OrderHash(e.orderHash),
            order: Arc::new(e.order.into()),
            needs: e.needs,
            endpoint: e.endpoint,
        },
        E::OrderCancelled(e) => BookEvent::OrderCancelled {
            hash: OrderHash(e.orderHash),
            refund: refund(e.refund, e.pushed),
        },
        E::BidPosted(e) => bid(&e),
        E::LeaseOpened(e) => {
            let id = lease(e.id)?;
            if e.terms.id != e.id {
                return Err(format!("lease {id} opened on the terms of another id"));
            }
            BookEvent::LeaseOpened {
                id,
                deposit: MicroUnits(e.deposit),
                holdback: MicroUnits(e.holdback),
                stop_at: seconds32(e.stopAt),
                terms: Arc::new(e.terms.into()),
            }
        }
        E::LeaseStarted(e) => BookEvent::LeaseStarted {
            id: lease(e.id)?,
            start_at: seconds32(e.startAt),
            stop_at: seconds32(e.stopAt),
            lane_base: e.laneBase,
            bindings: e.bindings,
        },
        E::LeaseDeclined(e) => BookEvent::LeaseDeclined {
            id: lease(e.id)?,
            reason: e.reason,
            burn: MicroUnits(e.burn),
            refund: refund(e.refund, e.pushed),
        },
        E::Usage(e) => BookEvent::Usage {
            provider: ProviderId(e.providerId),
            first_word: e.firstWord,
            as_of: seconds40(e.asOf),
            root: e.root,
            words: e.words,
        },
        E::Settled(e) => BookEvent::Settled {
            provider: ProviderId(e.providerId),
            rows: rows(&e.rows)?,
        },
        E::Earned(e) => BookEvent::Earned {
            provider: ProviderId(e.providerId),
            token: e.token,
            gross: e.gross,
            fee: e.fee,
            vesting: if e.vesting {
                Vesting::Vests
            } else {
                Vesting::AtOnce
            },
        },
        E::ToppedUp(e) => BookEvent::ToppedUp {
            id: lease(e.id)?,
            payer: e.payer,
            amount: MicroUnits(e.amount),
            balance: MicroUnits(e.balance),
        },
        E::Stopped(e) => BookEvent::Stopped {
            id: lease(e.id)?,
            by: stop_by(e.stopBy)?,
            reason: e.reason,
            stop_at: seconds32(e.stopAt),
        },
        E::Amended(e) => {
            let id = lease(e.id)?;
            if e.terms.id != e.id {
                return Err(format!("lease {id} amended to the terms of another id"));
            }
            BookEvent::Amended {
                id,
                cum: e.cumAt,
                paid: MicroUnits(e.paid),
                start_at: seconds32(e.startAt),
                stop_at: seconds32(e.stopAt),
                lane_base: e.laneBase,
                balance: MicroUnits(e.balance),
                holdback: MicroUnits(e.holdback),
                terms: Arc::new(e.terms.into()),
            }
        }
        E::Waived(e) => BookEvent::Waived {
            id: lease(e.id)?,
            cum: e.cum,
            lane_base: e.laneBase,
        },
        E::Compensated(e) => BookEvent::Compensated {
            id: lease(e.id)?,
            amount: MicroUnits(e.amount),
        },
        E::Closed(e) => BookEvent::Closed {
            id: lease(e.id)?,
            kind: close_kind(e.kind)?,
            cum: e.cum,
            paid: MicroUnits(e.paid),
            early_fee: MicroUnits(e.earlyFee),
            fee: MicroUnits(e.fee),
            refund: refund(e.refund, e.pushed),
        },
        E::Claimed(e) => BookEvent::Claimed {
            provider: ProviderId(e.providerId),
            token: e.token,
            payout: e.payout,
            amount: e.amount,
        },
        E::Credited(e) => BookEvent::Credited {
            account: e.account,
            token: e.token,
            amount: e.amount,
        },
        E::CreditWithdrawn(e) => BookEvent::CreditWithdrawn {
            account: e.account,
            token: e.token,
            amount: e.amount,
        },
        E::Frozen(e) => BookEvent::Dispute(DisputeEvent::Frozen {
            id: lease(e.id)?,
            amount: MicroUnits(e.amount),
            until: seconds32(e.until),
        }),
        E::FreezeEnded(e) => BookEvent::Dispute(DisputeEvent::FreezeEnded {
            id: lease(e.id)?,
            to_tenant: MicroUnits(e.toTenant),
            to_provider: MicroUnits(e.toProvider),
        }),
        // Parts of an offer are read from the book itself where somebody needs them.
        E::OfferTaken(_) | E::FeesPushed(_) => return Ok(None),
    }))
}

const fn refund(amount: u64, pushed: bool) -> Refund {
    if pushed {
        Refund::Pushed(MicroUnits(amount))
    } else {
        Refund::Credited(MicroUnits(amount))
    }
}

fn stop_by(value: u8) -> Result<StopBy, String> {
    match value {
        0 => Ok(StopBy::EndReached),
        1 => Ok(StopBy::TenantOrFunds),
        2 => Ok(StopBy::ProviderNotice),
        3 => Ok(StopBy::ProviderFault),
        other => Err(format!("stopBy {other} is none of 0 to 3")),
    }
}

fn close_kind(value: u8) -> Result<CloseKind, String> {
    match value {
        0 => Ok(CloseKind::Finalized),
        1 => Ok(CloseKind::Agreed),
        other => Err(format!("close kind {other} is none of 0 and 1")),
    }
}

/// Rows of 16 bytes: lane, settled seconds, paid micro-units, big-endian.
fn rows(packed: &[u8]) -> Result<Vec<SettledRow>, String> {
    let (rows, rest) = packed.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(format!(
            "settled rows have {} bytes, not a multiple of 16",
            packed.len()
        ));
    }
    Ok(rows
        .iter()
        .map(|row| {
            let number = u128::from_be_bytes(*row);
            SettledRow {
                lane: Lane((number >> 96) as u32),
                settled: (number >> 64) as u32,
                paid: MicroUnits(number as u64),
            }
        })
        .collect())
}

fn bid(event: &LeaseBook::BidPosted) -> BookEvent {
    match SignedBid::unpack(&event.packedBid) {
        Ok(signed)
            if signed.bid.orderHash == event.orderHash && signed.bid.providerId == event.providerId =>
        {
            BookEvent::BidPosted(Arc::new(signed))
        }
        Ok(_) | Err(_) => BookEvent::BidMalformed {
            order: OrderHash(event.orderHash),
            provider: ProviderId(event.providerId),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settled_rows_are_read_as_lane_seconds_and_money() {
        let packed = [
            &7_u32.to_be_bytes()[..],
            &360_u32.to_be_bytes(),
            &250_000_u64.to_be_bytes(),
        ]
        .concat();
        assert_eq!(
            rows(&packed).unwrap(),
            [SettledRow {
                lane: Lane(7),
                settled: 360,
                paid: MicroUnits(250_000)
            }]
        );
        assert!(rows(&packed[1..]).is_err());
    }
}
