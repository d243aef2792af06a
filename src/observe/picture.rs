//! How things stand, for whoever reads the metrics: offers, leases, money and waiting transactions, from caches, meters and chain views as
//! they are at that moment. Never asks anybody and never writes, so looking costs the cluster and the chain nothing.

use std::collections::BTreeMap;

use kube::{ResourceExt, runtime::reflector::Store};

use super::{
    lease::key_of,
    markets::{Market, Markets},
    meters::{Meters, persisted},
    stores::Stores,
};
use crate::{
    api::{
        ComputeLease, ComputeOffer, ComputeTransaction, lease::LeasePhase, offer::ResourceAmounts,
        transaction::TransactionPhase,
    },
    core::{
        book::{Metered, ProviderState},
        ids::{LeaseKey, ProviderId},
        time::ChainSeconds,
        view::ChainView,
    },
    telemetry::{Devices, Money, OpenSeconds, Picture, Runway, Whose},
};

/// What the leader shows.
#[must_use]
pub fn paint(stores: &Stores, markets: &Markets, meters: &Meters) -> Picture {
    let mut picture = Picture::leader();
    for offer in stores.offers.state() {
        devices(&mut picture, &offer);
    }
    for provider in stores.providers.state() {
        let Ok(id) = u32::try_from(provider.spec.provider_id) else {
            continue;
        };
        let market = &provider.spec.market_ref.name;
        let whose = Whose { market, provider: id };
        picture.provider(whose);
        // Before the past is read there is no view, and nothing is shown rather than less than there was.
        if let Some(view) = markets.get(market).and_then(|market| market.view()) {
            money(&mut picture, whose, &view);
        }
    }
    for object in stores.leases.state() {
        let Ok(key) = key_of(&object) else { continue };
        let market = markets.get(&object.spec.market_ref.name);
        lease(&mut picture, &object, &key, market.as_deref(), meters);
    }
    for (market, created) in waiting(&stores.transactions) {
        picture.oldest_open(&market, created);
    }
    picture
}

fn devices(picture: &mut Picture, offer: &ComputeOffer) {
    let Some(status) = &offer.status else { return };
    let name = format!("{}/{}", offer.namespace().unwrap_or_default(), offer.name_any());
    let count = |amounts: &Option<ResourceAmounts>| {
        amounts
            .as_ref()
            .map_or(0, |amounts| u64::try_from(amounts.gpus).unwrap_or_default())
    };
    for (state, amounts) in [
        (Devices::Total, &status.capacity),
        (Devices::Leased, &status.leased),
        (Devices::Held, &status.held),
        (Devices::Free, &status.free),
    ] {
        picture.devices(&name, state, count(amounts));
    }
}

/// From the finalized book alone: see [`Money`].
fn money(picture: &mut Picture, whose: Whose<'_>, view: &ChainView) {
    let Some(state) = view.finalized.book.provider(ProviderId(whose.provider)) else {
        return;
    };
    picture.reported(whose, reported(state));
    for (token, earnings) in &state.earnings {
        let money = Money {
            net: earnings.net,
            fee: earnings.fee,
            claimed: earnings.claimed,
            compensated: earnings.compensated,
        };
        picture.money(whose, *token, money);
    }
}

fn reported(state: &ProviderState) -> u64 {
    state.lanes.values().map(|lane| u64::from(lane.seconds)).sum()
}

fn lease(
    picture: &mut Picture,
    object: &ComputeLease,
    key: &LeaseKey,
    market: Option<&Market>,
    meters: &Meters,
) {
    let whose = Whose {
        market: &object.spec.market_ref.name,
        provider: key.id.provider.0,
    };
    let status = object.status.as_ref();
    let phase = status.and_then(|status| status.phase).unwrap_or_default();
    picture.lease(whose, word(phase));
    if phase == LeasePhase::Closed {
        return;
    }
    let replicas = u64::try_from(object.spec.request.replicas).unwrap_or(1).max(1);
    let stored = persisted(status).closed_ms / replicas.saturating_mul(1_000);
    let metered = object
        .uid()
        .and_then(|uid| meters.seconds(&uid))
        .map_or(stored, u64::from);
    let view = market.and_then(Market::view);
    let chain = view.as_deref().and_then(|view| {
        let found = view.head.book.lease(key)?;
        Some((found, view.now()))
    });
    picture.open_seconds(whose, seconds(metered, chain.as_ref()));
    if let Some((found, now)) = chain
        && let Some(runway) = runway(&found, now, metered)
    {
        picture.runway(whose, runway);
    }
}

fn seconds(metered: u64, chain: Option<&(Metered<'_>, ChainSeconds)>) -> OpenSeconds {
    OpenSeconds {
        metered,
        reported: chain.map_or(0, |(found, now)| found.cum(*now).into()),
        settled: chain.map_or(0, |(found, _)| found.lease.settled.into()),
    }
}

/// None while its clock does not run.
fn runway(found: &Metered<'_>, now: ChainSeconds, metered: u64) -> Option<Runway> {
    use crate::core::book::LeasePhase::Active;
    if found.lease.phase(now) != Active {
        return None;
    }
    let metered = u32::try_from(metered).unwrap_or(u32::MAX);
    Some(
        found
            .runs_dry_at(now, Some(metered))
            .map_or(Runway::Funded, |dry| Runway::Seconds(dry.0.saturating_sub(now.0))),
    )
}

/// When each market's oldest transaction was created that is in no block yet.
fn waiting(transactions: &Store<ComputeTransaction>) -> BTreeMap<String, u64> {
    let mut oldest: BTreeMap<String, u64> = BTreeMap::new();
    for object in transactions.state() {
        let phase = object.status.as_ref().and_then(|status| status.phase);
        match phase.unwrap_or_default() {
            TransactionPhase::Created | TransactionPhase::Pending => {}
            TransactionPhase::Mined
            | TransactionPhase::Final
            | TransactionPhase::Failed
            | TransactionPhase::Abandoned => continue,
        }
        let created = object.metadata.creation_timestamp.as_ref();
        let Some(created) = created.and_then(|at| u64::try_from(at.0.as_second()).ok()) else {
            continue;
        };
        let known = oldest
            .entry(object.spec.market_ref.name.clone())
            .or_insert(created);
        *known = created.min(*known);
    }
    oldest
}

const fn word(phase: LeasePhase) -> &'static str {
    match phase {
        LeasePhase::Pending => "Pending",
        LeasePhase::Starting => "Starting",
        LeasePhase::Active => "Active",
        LeasePhase::Degraded => "Degraded",
        LeasePhase::Suspended => "Suspended",
        LeasePhase::Finished => "Finished",
        LeasePhase::Stopped => "Stopped",
        LeasePhase::Closed => "Closed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::{
        core::book::{Book, fixtures::*},
        telemetry::PHASES,
    };

    #[test]
    fn every_phase_of_a_lease_has_its_word_among_the_labels() {
        for phase in [
            LeasePhase::Pending,
            LeasePhase::Starting,
            LeasePhase::Active,
            LeasePhase::Degraded,
            LeasePhase::Suspended,
            LeasePhase::Finished,
            LeasePhase::Stopped,
            LeasePhase::Closed,
        ] {
            assert!(PHASES.contains(&word(phase)), "{phase:?}");
        }
    }

    fn running() -> Book {
        let mut book = Book::new(windows());
        for event in [
            registered(),
            posted(1, 3_000),
            opened(id(0, 1), order_hash(1), 5_000_000, 1_100),
            started(id(0, 1), 1_000, 0),
        ] {
            book.apply(at(10), &event);
        }
        book
    }

    #[test]
    fn a_leases_runway_ends_with_its_escrow_or_is_funded_to_its_end_and_a_stopped_one_has_none() {
        let book = running();
        let found = book.lease_by_id(id(0, 1)).unwrap();
        let end = found.lease.stop_at;
        let start = found.lease.start_at;
        let expected = found
            .runs_dry_at(start, None)
            .map_or(Runway::Funded, |dry| Runway::Seconds(dry.0 - start.0));
        assert_eq!(runway(&found, start, 0), Some(expected));
        assert_eq!(runway(&found, end, 0), None, "nothing accrues any more");
        // All that the escrow pays for was used, though no report says so yet.
        let used = u64::from(found.lease.affordable().unwrap());
        assert_eq!(runway(&found, start, used), Some(Runway::Seconds(0)));
    }

    proptest! {
        #[test]
        fn metered_reported_and_settled_are_told_apart_whatever_the_chain_says(metered in any::<u32>(), now in 1_000u64..3_000) {
            let book = running();
            let found = book.lease_by_id(id(0, 1)).unwrap();
            let told = seconds(metered.into(), Some(&(found, ChainSeconds(now))));
            prop_assert_eq!(told.metered, u64::from(metered));
            prop_assert_eq!(told.reported, u64::from(found.cum(ChainSeconds(now))));
            prop_assert!(told.settled <= told.reported);
            prop_assert_eq!(seconds(metered.into(), None).reported, 0);
        }
    }

    #[test]
    fn what_was_reported_is_the_sum_of_all_lanes_and_survives_the_lease() {
        let mut book = running();
        let provider = id(0, 1).provider;
        let before = reported(book.provider(provider).unwrap());
        book.apply(at(20), &usage(0, 40));
        book.apply(at(21), &usage(3, 2));
        let after = reported(book.provider(provider).unwrap());
        assert_eq!(after - before, 42);
    }
}
