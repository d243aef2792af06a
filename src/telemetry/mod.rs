//! Every metric by name and the one registry, so that a name is written once and a label can take only the values listed there: one file a
//! subject. May use nothing of ours; whoever counts calls a method, nobody builds a series of its own.

mod calls;
mod catalog;
mod chain;
mod families;
mod gateway;
mod passes;
mod picture;
mod reference;
mod trade;
mod transactions;

use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};

pub use calls::{ApiRequest, RPC_OUTCOMES, RpcCall, RpcCalls};
pub use catalog::{Kind, Label, Metric, OTHER, Subject as MetricSubject, Values};
pub use chain::Block;
pub use passes::Subject;
pub use picture::{Devices, Money, OpenSeconds, PHASES, Picture, Runway, Whose};
pub use reference::markdown;
pub use trade::ENDINGS;
pub use transactions::Spent;

/// All metrics of one process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    subjects: Vec<MetricSubject>,
    passes: passes::Passes,
    calls: calls::Calls,
    chain: chain::Chain,
    transactions: transactions::Transactions,
    trade: trade::Trade,
    gateway: gateway::Gateway,
    painted: picture::Painted,
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
        let mut shelf = families::Shelf::new()?;
        let painted = picture::Painted::new(&mut shelf)?;
        let trade = trade::Trade::new(&mut shelf)?;
        let transactions = transactions::Transactions::new(&mut shelf)?;
        let chain = chain::Chain::new(&mut shelf)?;
        let passes = passes::Passes::new(&mut shelf)?;
        let calls = calls::Calls::new(&mut shelf)?;
        let gateway = gateway::Gateway::new(&mut shelf)?;
        let families::Shelf { registry, subjects } = shelf;
        Ok(Self(Arc::new(Inner {
            registry,
            subjects,
            passes,
            calls,
            chain,
            transactions,
            trade,
            gateway,
            painted,
        })))
    }

    /// What is in the registry, by subject.
    #[must_use]
    pub fn subjects(&self) -> &[MetricSubject] {
        &self.0.subjects
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_metric_carries_the_products_prefix_and_shows_what_was_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.refused("gpu/h100", "PriceTooLow");
        let text = metrics.text().unwrap();
        assert!(
            text.contains("leaseport_order_refusals_total{offer=\"gpu/h100\",reason=\"PriceTooLow\"} 1"),
            "{text}"
        );
        assert!(
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .all(|line| line.starts_with("leaseport_")),
            "{text}"
        );
    }

    #[test]
    fn names_say_their_unit_as_prometheus_wants_it_and_no_label_can_hold_an_order_or_a_lease() {
        let metrics = Metrics::new().unwrap();
        let all: Vec<_> = metrics
            .subjects()
            .iter()
            .flat_map(|subject| &subject.metrics)
            .collect();
        assert!(all.len() > 20);
        for metric in all {
            let name = metric.name;
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
            assert_eq!(
                name.ends_with("_duration_seconds"),
                metric.kind == Kind::Histogram,
                "{name}"
            );
            assert!(!metric.help.is_empty() && !metric.unit.is_empty(), "{name}");
            assert!(
                !metric.help.contains('|') && !metric.help.ends_with('.'),
                "{name}"
            );
            for label in metric.labels {
                let forbidden = [
                    "id",
                    "lease",
                    "order",
                    "order_hash",
                    "tenant",
                    "hash",
                    "uid",
                    "pod",
                    "le",
                ];
                assert!(!forbidden.contains(&label.name), "{name}: {}", label.name);
            }
        }
    }
}
