//! What a platform team sees of a lease: Prometheus scrapes the operator, every query of the dashboards is answered, the main ones with what is
//! the case.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::prometheus::{Prometheus, dashboard_queries};
use leaseport_e2e::scene::{Scene, eventually};

use crate::Shared;
use crate::flow::{close, reported, small, started};

/// Panels that have data while a lease runs whose usage was reported and settled.
const WITH_DATA: &[&str] = &[
    "provider.json: Earned",
    "provider.json: Running leases",
    "provider.json: Devices leased",
    "provider.json: Gas spent",
    "provider.json: Usage on its way to money",
    "provider.json: Seconds reported a second",
    "provider.json: Coin in wallets",
    "provider.json: Leases by phase",
    "provider.json: How long escrows last",
    "provider.json: Devices by state",
    "provider.json: Bids",
    "operator.json: Leaders",
    "operator.json: Version",
    "operator.json: Oldest newest block",
    "operator.json: Watches that are not live",
    "operator.json: Age of the newest block",
    "operator.json: Age of the finalized block",
    "operator.json: Calls by endpoint",
    "operator.json: Time of a call, p99",
    "operator.json: Phases that transactions reached",
    "operator.json: Passes",
    "operator.json: Names that wait for a pass",
    "operator.json: Requests to the API server",
];

pub(crate) fn scraped(shared: &mut Shared) -> Result<()> {
    let scene = &mut shared.scene;
    let prometheus = scene.start_prometheus()?;
    let (_, opened) = scene.tenant().rent("sight", &small())?;
    scene.running_pod(&opened.lease)?;
    started(scene, opened.lane)?;
    reported(scene, opened.lane, 5)?;
    eventually("the lease is settled", || {
        let lease = scene.ledger.lease_at(opened.lane)?;
        Ok((lease.settled > 0).then_some(()))
    })?;
    let looked = look(scene, &prometheus);
    close(scene, &opened.lease)?;
    looked?;
    eventually("the end of the lease is counted as agreed", || {
        let ended = prometheus.ask("sum(leaseport_lease_endings_total{ending=\"Agreed\"})")?;
        Ok(ended.first().is_some_and(|count| *count >= 1.0).then_some(()))
    })
}

fn look(scene: &Scene, prometheus: &Prometheus) -> Result<()> {
    let queries = dashboard_queries()?;
    eventually("every query is answered, and the main ones with data", || {
        let mut with_data = BTreeSet::new();
        for query in &queries {
            let answer = prometheus
                .ask(&query.expression)
                .with_context(|| format!("{}: {}", query.panel, query.expression))?;
            if answer.iter().any(|value| value.is_finite()) {
                with_data.insert(query.panel.as_str());
            }
        }
        let missing: Vec<_> = WITH_DATA
            .iter()
            .filter(|panel| !with_data.contains(*panel))
            .collect();
        ensure!(missing.is_empty(), "without data: {missing:?}");
        Ok(Some(()))
    })?;

    for (expression, expected) in [
        ("sum(leaseport_leader)", 1.0),
        ("sum(leaseport_leases{phase=\"Active\"}) >= bool 1", 1.0),
        (
            "sum(leaseport_lease_runway) >= bool sum(leaseport_leases{phase=\"Active\"})",
            1.0,
        ),
        // No reports and payments but those on chain are shown, and never more than was counted.
        (
            "sum(leaseport_usage_open_seconds{step=\"reported\"}) <= bool sum(leaseport_usage_open_seconds{step=\"metered\"})",
            1.0,
        ),
        (
            "sum(leaseport_usage_open_seconds{step=\"settled\"}) <= bool sum(leaseport_usage_open_seconds{step=\"reported\"})",
            1.0,
        ),
    ] {
        eventually(expression, || {
            let answer = prometheus.ask(expression)?;
            ensure!(answer == [expected], "{answer:?}");
            Ok(Some(()))
        })?;
    }
    let alerts = prometheus.alerts()?;
    ensure!(alerts.len() >= 10, "{alerts:?}");
    ensure!(scene.operator_runs(), "the operator ended");
    Ok(())
}
