//! A log of our contracts becomes an event of the book. A log that cannot be read is data too: the book then is in doubt, nobody panics.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, Log, aliases::U40, aliases::U96},
    sol_types::SolEventInterface,
};

use super::bindings::{
    DisputeCourt::DisputeCourtEvents,
    LeaseBook::{self, LeaseBookEvents},
    StakeVault::StakeVaultEvents,
};
use crate::core::{
    book::{BookEvent, CloseKind, DisputeEvent, KeyRoles, Outcome, Refund, SettledRow, StopBy, Vesting},
    documents::bid::SignedBid,
    ids::{Lane, LeaseId, OrderHash, ProviderId},
    money::MicroUnits,
    time::ChainSeconds,
};

/// Whose logs are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitters {
    /// Orders, leases, usage, money.
    pub lease_book: Address,
    /// Stake.
    pub stake_vault: Address,
    /// Disputes; not every market has a court.
    pub court: Option<Address>,
}

impl Emitters {
    /// All addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        let mut all = vec![self.lease_book, self.stake_vault];
        all.extend(self.court);
        all
    }
}

/// Reads one log; none when it is not of our contracts, or says nothing the book keeps.
#[must_use]
pub fn decode(emitters: &Emitters, log: &Log) -> Option<BookEvent> {
    let read = if log.address == emitters.lease_book {
        LeaseBookEvents::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| error.to_string())
            .and_then(lease_book)
    } else if log.address == emitters.stake_vault {
        StakeVaultEvents::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| error.to_string())
            .and_then(stake_vault)
    } else if Some(log.address) == emitters.court {
        DisputeCourtEvents::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| error.to_string())
            .and_then(dispute_court)
    } else {
        return None;
    };
    match read {
        Ok(event) => event,
        Err(error) => Some(BookEvent::Unreadable {
            reason: format!(
                "log of {} with topic {}: {error}: this program and the contract are of different versions",
                log.address,
                log.topics().first().copied().unwrap_or(B256::ZERO)
            ),
        }),
    }
}

fn lease(id: U96) -> Result<LeaseId, String> {
    LeaseId::from_u96(id).map_err(|error| error.to_string())
}

fn seconds40(value: U40) -> ChainSeconds {
    ChainSeconds(value.to::<u64>())
}

fn seconds32(value: u32) -> ChainSeconds {
    ChainSeconds(u64::from(value))
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

fn lease_book(event: LeaseBookEvents) -> Result<Option<BookEvent>, String> {
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

fn stake_vault(event: StakeVaultEvents) -> Result<Option<BookEvent>, String> {
    use StakeVaultEvents as E;
    Ok(Some(match event {
        E::Deposited(e) => BookEvent::StakeDeposited {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::UnbondRequested(e) => BookEvent::UnbondRequested {
            provider: ProviderId(e.providerId),
            token: e.token,
            unbonding: MicroUnits(e.unbonding),
            unbond_at: seconds40(e.unbondAt),
        },
        E::Unbonded(e) => BookEvent::Unbonded {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::Locked(e) => BookEvent::BondLocked {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::Released(e) => BookEvent::BondReleased {
            provider: ProviderId(e.providerId),
            token: e.token,
            amount: MicroUnits(e.amount),
            burned: MicroUnits(e.burned),
        },
        E::Reserved(e) => BookEvent::Dispute(DisputeEvent::Reserved {
            id: lease(e.id)?,
            slot: e.slot,
            slasher: e.slasher,
            amount: MicroUnits(e.amount),
            until: seconds32(e.until),
        }),
        E::Unreserved(e) => BookEvent::Dispute(DisputeEvent::Unreserved {
            id: lease(e.id)?,
            slot: e.slot,
        }),
        E::Slashed(e) => BookEvent::Dispute(DisputeEvent::Slashed {
            id: lease(e.id)?,
            slot: e.slot,
            token: e.token,
            refunded: MicroUnits(e.refunded),
            burned: MicroUnits(e.burned),
        }),
        // What was slashed and is paid out later moves no stake.
        E::BurnedPushed(_) | E::CreditWithdrawn(_) => return Ok(None),
    }))
}

fn outcome(value: u8) -> Result<Outcome, String> {
    match value {
        0 => Ok(Outcome::Silence),
        1 => Ok(Outcome::Lapsed),
        2 => Ok(Outcome::Vetoed),
        3 => Ok(Outcome::Tenant),
        4 => Ok(Outcome::Provider),
        other => Err(format!("outcome {other} of a dispute is none of 0 to 4")),
    }
}

fn dispute_court(event: DisputeCourtEvents) -> Result<Option<BookEvent>, String> {
    use DisputeCourtEvents as E;
    Ok(Some(BookEvent::Dispute(match event {
        E::Contested(e) => DisputeEvent::Contested {
            id: lease(e.id)?,
            contester: e.contester,
            from_cum: e.fromCum,
            to_cum: e.toCum,
            amount: MicroUnits(e.amount),
            frozen: MicroUnits(e.frozen),
            reserved: MicroUnits(e.reserved),
            bond: MicroUnits(e.bond),
            answer_by: seconds32(e.answerBy),
            statement: e.statement,
        },
        E::Answered(e) => DisputeEvent::Answered {
            id: lease(e.id)?,
            answerer: e.answerer,
            cum: e.cum,
            as_of: seconds40(e.asOf),
            root: e.root,
            ruling_by: seconds32(e.rulingBy),
        },
        E::Ruled(e) => DisputeEvent::Ruled {
            id: lease(e.id)?,
            arbiter: e.arbiter,
            award: MicroUnits(e.award),
            refund: MicroUnits(e.refund),
            burn: MicroUnits(e.burn),
            veto_by: seconds32(e.vetoBy),
            reasons: e.reasons,
        },
        E::Ended(e) => DisputeEvent::Ended {
            id: lease(e.id)?,
            outcome: outcome(e.outcome)?,
            awarded: MicroUnits(e.awarded),
            refunded: MicroUnits(e.refunded),
            burnt: MicroUnits(e.burnt),
        },
        E::Credited(e) => DisputeEvent::Credited {
            account: e.account,
            token: e.token,
            amount: MicroUnits(e.amount),
        },
        E::CreditWithdrawn(e) => DisputeEvent::CreditWithdrawn {
            account: e.account,
            token: e.token,
            amount: e.amount,
        },
        E::AuthorityUpdated(_) => return Ok(None),
    })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use alloy::{
        primitives::{Bytes, LogData, U256},
        sol_types::SolEvent,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{
        chain_io::bindings::{DisputeCourt, StakeVault},
        core::book::fixtures,
    };

    const EMITTERS: Emitters = Emitters {
        lease_book: Address::repeat_byte(1),
        stake_vault: Address::repeat_byte(2),
        court: Some(Address::repeat_byte(3)),
    };

    fn log(address: Address, data: LogData) -> Log {
        Log { address, data }
    }

    #[test]
    fn an_order_comes_out_with_every_field_it_went_in_with() {
        let order = fixtures::order(77);
        let event = LeaseBook::OrderPosted {
            orderHash: order.id().0,
            tenant: order.tenant,
            order: order.clone().into(),
            needs: Bytes::from_static(b"{\"a\":1}"),
            endpoint: "https://tenant.example".into(),
        };
        let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data())).unwrap();
        assert_eq!(
            read,
            BookEvent::OrderPosted {
                hash: order.id(),
                order: Arc::new(order),
                needs: Bytes::from_static(b"{\"a\":1}"),
                endpoint: "https://tenant.example".into(),
            }
        );
    }

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

    #[test]
    fn a_bid_that_cannot_be_read_means_nothing_and_is_no_doubt() {
        let event = LeaseBook::BidPosted {
            orderHash: B256::repeat_byte(5),
            providerId: 3,
            packedBid: Bytes::from_static(b"nonsense"),
        };
        let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data()));
        assert!(matches!(
            read,
            Some(BookEvent::BidMalformed {
                provider: ProviderId(3),
                ..
            })
        ));
    }

    #[test]
    fn an_unknown_event_of_our_contract_is_a_doubt_and_a_stranger_s_is_nothing() {
        let data = LogData::new_unchecked(vec![B256::repeat_byte(9)], Bytes::new());
        assert!(matches!(
            decode(&EMITTERS, &log(EMITTERS.lease_book, data.clone())),
            Some(BookEvent::Unreadable { .. })
        ));
        assert_eq!(decode(&EMITTERS, &log(Address::repeat_byte(9), data)), None);
    }

    #[test]
    fn a_lease_id_with_an_impossible_generation_is_a_doubt() {
        let event = LeaseBook::Compensated {
            id: U96::from(1_u64 << 30),
            amount: 1,
        };
        let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data()));
        assert!(matches!(read, Some(BookEvent::Unreadable { .. })));
    }

    #[test]
    fn what_a_court_says_of_a_lease_comes_out_as_it_went_in() {
        let id: LeaseId = "7-0-1".parse().unwrap();
        let court = EMITTERS.court.unwrap();
        let said = DisputeCourt::Ended {
            id: id.to_u96(),
            outcome: 4,
            awarded: 1,
            refunded: 2,
            burnt: 3,
        };
        assert_eq!(
            decode(&EMITTERS, &log(court, said.encode_log_data())),
            Some(BookEvent::Dispute(DisputeEvent::Ended {
                id,
                outcome: Outcome::Provider,
                awarded: MicroUnits(1),
                refunded: MicroUnits(2),
                burnt: MicroUnits(3),
            }))
        );
        let unknown = DisputeCourt::Ended { outcome: 5, ..said };
        assert!(matches!(
            decode(&EMITTERS, &log(court, unknown.encode_log_data())),
            Some(BookEvent::Unreadable { .. })
        ));
        // A market without a court hears none.
        let none = Emitters {
            court: None,
            ..EMITTERS
        };
        assert_eq!(decode(&none, &log(court, LogData::default())), None);
        assert_eq!((none.addresses().len(), EMITTERS.addresses().len()), (2, 3));
    }

    #[test]
    fn what_is_held_back_and_taken_of_stake_names_the_lease() {
        let id: LeaseId = "7-0-1".parse().unwrap();
        let said = StakeVault::Slashed {
            id: id.to_u96(),
            slot: 0,
            refundTo: Address::repeat_byte(9),
            token: 1,
            refunded: 5,
            burned: 6,
        };
        assert_eq!(
            decode(&EMITTERS, &log(EMITTERS.stake_vault, said.encode_log_data())),
            Some(BookEvent::Dispute(DisputeEvent::Slashed {
                id,
                slot: 0,
                token: 1,
                refunded: MicroUnits(5),
                burned: MicroUnits(6),
            }))
        );
    }

    proptest! {
        #[test]
        fn no_log_makes_the_decoder_panic(
            which in 0..LeaseBookEvents::COUNT, topics in prop::collection::vec(any::<[u8; 32]>(), 0..3), data in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut all: Vec<B256> = vec![B256::from(LeaseBookEvents::SELECTORS[which])];
            all.extend(topics.into_iter().map(B256::from));
            let read = decode(&EMITTERS, &log(EMITTERS.lease_book, LogData::new_unchecked(all, data.into())));
            let mut book = crate::core::book::Book::default();
            if let Some(event) = read {
                book.apply(crate::core::book::Moment::default(), &event);
            }
        }

        #[test]
        fn any_usage_comes_out_as_it_went_in(provider: u32, first: u32, words in prop::collection::vec(any::<[u8; 32]>(), 0..4)) {
            let words: Vec<U256> = words.into_iter().map(U256::from_be_bytes).collect();
            let event = LeaseBook::Usage { providerId: provider, firstWord: first, asOf: U40::from(5), root: B256::ZERO, words: words.clone() };
            let read = decode(&EMITTERS, &log(EMITTERS.lease_book, event.encode_log_data()));
            let expected = BookEvent::Usage { provider: ProviderId(provider), first_word: first, as_of: ChainSeconds(5), root: B256::ZERO, words };
            prop_assert_eq!(read, Some(expected));
        }
    }
}
