//! Every metric by name and the one registry, so that a name is written once and a label can take only the values listed here.
//! May use nothing of ours; whoever counts calls a method, nobody builds a series of its own.

use std::sync::Arc;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

/// All metrics of one process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    refusals: IntCounterVec,
    bids: IntCounterVec,
    transactions: IntCounterVec,
    unbilled_ms: IntCounterVec,
    lease_calls: IntCounterVec,
    chain_block: IntGaugeVec,
    chain_fresh: IntGaugeVec,
    watches_live: IntGaugeVec,
    orphans: IntGaugeVec,
    gateway_requests: IntCounterVec,
    gateway_refusals: IntCounterVec,
    gateway_sessions: IntCounterVec,
    conditions: IntGaugeVec,
}

const CONDITION_LABELS: &[&str] = &["kind", "namespace", "name", "condition"];

/// Whose conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace; empty for kinds without.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Subject<'a> {
    const fn labels(&self, condition: &'a str) -> [&'a str; 4] {
        [self.kind, self.namespace, self.name, condition]
    }
}

/// Why the registry could not be built or read; both mean a bug in this module.
#[derive(Debug, thiserror::Error)]
#[error("metrics registry: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

impl Metrics {
    /// Registers every metric once.
    ///
    /// # Errors
    /// A name or help text is not valid.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new_custom(Some("leaseport".into()), None)?;
        let inner = Inner {
            reconciles: counter(
                &registry,
                "reconciles_total",
                "Passes over an object by kind and outcome",
                &["kind", "outcome"],
            )?,
            reconcile_seconds: histogram(
                &registry,
                "reconcile_duration_seconds",
                "Time one pass took",
                &["kind"],
            )?,
            refusals: counter(
                &registry,
                "order_refusals_total",
                "Orders not bid on, by offer and reason",
                &["offer", "reason"],
            )?,
            bids: counter(
                &registry,
                "bids_total",
                "Bids by how they ended or what step they reached",
                &["outcome"],
            )?,
            transactions: counter(
                &registry,
                "transactions_total",
                "Transactions by intent and outcome",
                &["intent", "outcome"],
            )?,
            lease_calls: counter(
                &registry,
                "lease_calls_total",
                "Starts, declines, stops and closings of leases handed to the chain, by the reason they had",
                &["call", "reason"],
            )?,
            unbilled_ms: counter(
                &registry,
                "usage_unproven_milliseconds_total",
                "Delivered time that could not be proven after a gap and is not billed",
                &["provider"],
            )?,
            chain_block: gauge(
                &registry,
                "chain_block_number",
                "Block of the chain view",
                &["market", "depth"],
            )?,
            chain_fresh: gauge(
                &registry,
                "chain_view_fresh",
                "1 while endpoints advance and agree, else 0",
                &["market"],
            )?,
            watches_live: gauge(
                &registry,
                "watch_live",
                "1 while the watch of this kind is live, else 0",
                &["kind"],
            )?,
            orphans: gauge(
                &registry,
                "orphaned_namespaces",
                "Namespaces of leases without a ComputeLease that are kept, by reason",
                &["reason"],
            )?,
            gateway_requests: counter(
                &registry,
                "gateway_requests_total",
                "Requests answered by the gateway, by route and HTTP status",
                &["route", "code"],
            )?,
            gateway_refusals: counter(
                &registry,
                "gateway_refusals_total",
                "Requests that the gateway refused, by the reason in its answer",
                &["reason"],
            )?,
            gateway_sessions: counter(
                &registry,
                "gateway_sessions_total",
                "Sessions that this replica of the gateway served for the first time",
                &[],
            )?,
            conditions: gauge(
                &registry,
                "condition",
                "Conditions of our kinds by type: 1 True, 0 False, -1 Unknown",
                CONDITION_LABELS,
            )?,
            registry,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// One pass over an object of `kind` ended with `outcome`: ok, error or wait.
    pub fn reconciled(&self, kind: &'static str, outcome: &'static str, seconds: std::time::Duration) {
        self.0.reconciles.with_label_values(&[kind, outcome]).inc();
        self.0
            .reconcile_seconds
            .with_label_values(&[kind])
            .observe(seconds.as_secs_f64());
    }

    /// So many namespaces without a lease object are kept for `reason`.
    pub fn orphans(&self, reason: &'static str, count: i64) {
        self.0.orphans.with_label_values(&[reason]).set(count);
    }

    /// The gateway answered a request; `route` is one of its own words.
    pub fn gateway_request(&self, route: &'static str, code: u16) {
        self.0
            .gateway_requests
            .with_label_values(&[route, &code.to_string()])
            .inc();
    }

    /// The gateway refused a request for this reason, one of the words in its problem documents.
    pub fn gateway_refused(&self, reason: &str) {
        self.0.gateway_refusals.with_label_values(&[reason]).inc();
    }

    /// The gateway served a session it had not met.
    pub fn gateway_session(&self) {
        let none: [&str; 0] = [];
        self.0.gateway_sessions.with_label_values(&none).inc();
    }

    /// An offer did not bid on an order; `reason` is a CamelCase constant of core::market.
    pub fn refused(&self, offer: &str, reason: &'static str) {
        self.0.refusals.with_label_values(&[offer, reason]).inc();
    }

    /// A bid reached a step: Held, Posted, Won, Lost, Expired, Refused.
    pub fn bid(&self, outcome: &'static str) {
        self.0.bids.with_label_values(&[outcome]).inc();
    }

    /// A transaction for `intent` reached a phase: Created, Pending, Mined, Final, Failed, Abandoned; a reorganization may let it be Mined twice.
    pub fn transaction(&self, intent: &'static str, outcome: &'static str) {
        self.0.transactions.with_label_values(&[intent, outcome]).inc();
    }

    /// A lease was started, declined, stopped or finalized on chain; `reason` is a CamelCase constant of core::plan::lease.
    pub fn lease_call(&self, call: &'static str, reason: &'static str) {
        self.0.lease_calls.with_label_values(&[call, reason]).inc();
    }

    /// Delivered time that no proof covers.
    pub fn unbilled(&self, provider: &str, ms: u64) {
        self.0.unbilled_ms.with_label_values(&[provider]).inc_by(ms);
    }

    /// The chain view moved.
    pub fn chain(&self, market: &str, head: u64, finalized: u64, fresh: i64) {
        self.0
            .chain_block
            .with_label_values(&[market, "head"])
            .set(i64::try_from(head).unwrap_or(i64::MAX));
        self.0
            .chain_block
            .with_label_values(&[market, "finalized"])
            .set(i64::try_from(finalized).unwrap_or(i64::MAX));
        self.0.chain_fresh.with_label_values(&[market]).set(fresh);
    }

    /// Whether the watch of a kind is live.
    pub fn watch(&self, kind: &str, live: i64) {
        self.0.watches_live.with_label_values(&[kind]).set(live);
    }

    /// A condition of an object: 1 True, 0 False, -1 Unknown.
    pub fn condition(&self, object: &Subject<'_>, condition: &str, value: i64) {
        self.0
            .conditions
            .with_label_values(&object.labels(condition))
            .set(value);
    }

    /// The object is gone, and its conditions with it.
    pub fn forget(&self, object: &Subject<'_>, conditions: &[&str]) {
        for condition in conditions {
            // An error says that it was never set.
            let _ = self.0.conditions.remove_label_values(&object.labels(condition));
        }
    }

    /// The text exposition format 0.0.4.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn text(&self) -> Result<String, MetricsError> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    keep(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    keep(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    keep(
        registry,
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_condition_is_a_gauge_until_its_object_is_gone() {
        let metrics = Metrics::new().unwrap();
        let base = Subject {
            kind: "ComputeMarket",
            namespace: "",
            name: "base",
        };
        metrics.condition(&base, "FinalityAdvancing", 0);
        let line = "leaseport_condition{condition=\"FinalityAdvancing\",kind=\"ComputeMarket\",name=\"base\",namespace=\"\"} 0";
        assert!(metrics.text().unwrap().contains(line));
        metrics.forget(&base, &["FinalityAdvancing", "NeverSet"]);
        assert!(!metrics.text().unwrap().contains("FinalityAdvancing"));
    }

    #[test]
    fn every_metric_carries_the_products_prefix_and_shows_what_was_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.refused("gpu/h100", "PriceTooLow");
        metrics.chain("base", 10, 8, 1);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("leaseport_order_refusals_total{offer=\"gpu/h100\",reason=\"PriceTooLow\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("leaseport_chain_block_number{depth=\"finalized\",market=\"base\"} 8"),
            "{text}"
        );
        assert!(
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .all(|line| line.starts_with("leaseport_")),
            "{text}"
        );
    }
}
