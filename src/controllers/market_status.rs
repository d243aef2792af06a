//! Writes a ComputeMarket's status and shows its conditions as gauges. What is said is `core::plan::market`'s.

use std::time::Duration;

use kube::{Api, ResourceExt};

use super::{
    context::{Context, MANAGER, gauge},
    market::MarketError,
};
use crate::{
    api::{
        ComputeMarket,
        condition::{
            self, CHAIN_SYNCED, CONTRACTS_VERIFIED, ENDPOINTS_AGREE, ENDPOINTS_REACHABLE, FINALITY_ADVANCING,
            READY, WATCHES_LIVE,
        },
        duration,
        market::{ComputeMarketStatus, MarketContracts, MarketToken},
    },
    chain_io::contracts::Contracts,
    core::plan::{
        market::{self, EndpointSight, Failure, Observed, UnheardSight, WatchSight},
        said::Said,
    },
    kube_io::{reflected::Health, status},
    observe::{clock, meters::time_of},
};

/// Every condition a market can have.
pub(super) const MARKET_CONDITIONS: &[&str] = &[
    READY,
    CONTRACTS_VERIFIED,
    ENDPOINTS_REACHABLE,
    CHAIN_SYNCED,
    ENDPOINTS_AGREE,
    FINALITY_ADVANCING,
    WATCHES_LIVE,
];

/// The verified contracts, as status shows them.
pub(super) fn status_of(contracts: &Contracts) -> MarketContracts {
    let seconds = |value: u32| Some(duration::format_seconds(value.into()));
    MarketContracts {
        lease_book: contracts.lease_book.address.to_string(),
        stake_vault: contracts.stake_vault.address.to_string(),
        params: contracts.params.address.to_string(),
        deploy_block: i64::try_from(contracts.from_block).unwrap_or(i64::MAX),
        final_window: seconds(contracts.windows.final_reports),
        vest_epoch: seconds(contracts.windows.vest_epoch),
        tokens: contracts
            .tokens
            .iter()
            .map(|token| MarketToken {
                id: token.index.into(),
                symbol: token.symbol.clone(),
                address: token.asset.to_string(),
                decimals: decimals(token.scale),
            })
            .collect(),
    }
}

/// Six and as many as the scale has zeros: scale is 10^(decimals - 6).
fn decimals(scale: u64) -> i32 {
    i32::try_from(scale.checked_ilog10().unwrap_or(0))
        .unwrap_or(0)
        .saturating_add(6)
}

/// Writes what a pass found; whether that could be written.
pub(super) async fn report(
    context: &Context,
    found: &ComputeMarket,
    contracts: Result<MarketContracts, &MarketError>,
) -> bool {
    let old = found.status.clone().unwrap_or_default();
    let now = time_of(clock::wall().0);
    let generation = found.metadata.generation;
    let said = say(context, found, contracts.as_ref().err().copied());
    let mut next = ComputeMarketStatus {
        observed_generation: generation,
        contracts: contracts.ok().or(old.contracts),
        conditions: old.conditions,
    };
    for Said {
        kind,
        is,
        reason,
        message,
    } in said
    {
        condition::set(
            &mut next.conditions,
            kind,
            is,
            reason,
            &message,
            generation,
            now.clone(),
        );
    }
    gauge(&context.metrics, found, &next.conditions);
    let api = Api::<ComputeMarket>::all(context.client().clone());
    match status::write(&api, MANAGER, found, &next, &[]).await {
        Ok(status::Written::Changed(_) | status::Written::Unchanged) => true,
        Err(error) => {
            tracing::warn!(market = found.name_any(), %error, "status not written");
            false
        }
    }
}

fn say(context: &Context, found: &ComputeMarket, error: Option<&MarketError>) -> Vec<Said> {
    let market = context.eyes.markets.get(&found.name_any());
    let view = market.as_ref().and_then(|market| market.view());
    let endpoints = market.iter().flat_map(|market| market.endpoints.health());
    let stalled = duration::parse(&found.spec.finality.settle.stalled_after);
    let seen = Observed {
        view: view.as_deref(),
        endpoints: endpoints
            .map(|health| EndpointSight {
                name: health.name,
                failures: health.failures,
                head: health.head,
            })
            .collect(),
        unheard: market
            .as_ref()
            .and_then(|market| market.witnesses.unheard())
            .map(|unheard| UnheardSight {
                lease: unheard.lease,
                waits: unheard.waits,
                denied_by: unheard.denied_by,
            }),
        watches: context
            .watches
            .health()
            .into_iter()
            .map(|(kind, health)| {
                let sight = match health {
                    Health::Starting => WatchSight::Starting,
                    Health::Live => WatchSight::Live,
                    Health::Failing { .. } => WatchSight::Failing,
                };
                (kind, sight)
            })
            .collect(),
        // The schema has checked it; should it not read, the usual bound counts.
        stalled_after: stalled.unwrap_or(Duration::from_secs(3_600)),
    };
    match error {
        None => market::followed(&seen),
        Some(error) => {
            let side = match error {
                MarketError::Contracts(_) => Failure::Contracts,
                MarketError::Secret { .. }
                | MarketError::NoUrl(_)
                | MarketError::Endpoint(_)
                | MarketError::Directory(_)
                | MarketError::Duration { .. }
                | MarketError::Fee(_) => Failure::Endpoints,
            };
            market::unfollowed(side, error.reason(), &error.to_string(), &seen)
        }
    }
}
