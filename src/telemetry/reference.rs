//! The metrics as a page for people, docs/metrics.md: written from the registry itself.

use std::fmt::Write as _;

use super::{
    Metrics,
    catalog::{Label, OTHER, Subject, Values},
};

const HEAD: &str = "<!-- Generated from src/telemetry by `make metrics`; change it there and run that again. -->
# Metrics of operator and gateway

`/metrics` at the operator's `--ops-address` (port `ops`, 9090), and at the gateway's (port `ops`, 9091). What each condition asks for is in [operations.md](operations.md), dashboards
and alerts are in [deploy/observability](../deploy/observability/README.md).

- Only the leader has what is said of objects, leases and money, so sums over replicas are right; what standbys show too says so.
- A counter begins anew with the process, unless its help says that a restart does not set it back.
- Labels hold the words listed here, constants of the program, or names that an administrator gave; never an order, a lease or a tenant's word.
- A histogram has `_bucket`, `_sum` and `_count`, with bounds from 5 ms to 10 s.
- Reading them makes no request to the API server or the chain.
";

/// The page.
#[must_use]
pub fn markdown(metrics: &Metrics) -> String {
    let mut page = HEAD.to_owned();
    for Subject { title, metrics } in metrics.subjects() {
        // Writing into a String does not fail.
        let _ = write!(
            page,
            "\n## {title}\n\n| metric | type | unit | says |\n|---|---|---|---|\n"
        );
        for metric in metrics {
            let _ = writeln!(
                page,
                "| `leaseport_{}` | {} | {} | {} |",
                metric.name,
                metric.kind.word(),
                metric.unit,
                metric.help
            );
        }
        let mut labelled = metrics
            .iter()
            .filter(|metric| !metric.labels.is_empty())
            .peekable();
        if labelled.peek().is_some() {
            page.push_str("\n| metric | label | holds |\n|---|---|---|\n");
        }
        for metric in labelled {
            for label in metric.labels {
                let _ = writeln!(
                    page,
                    "| `leaseport_{}` | `{}` | {} |",
                    metric.name,
                    label.name,
                    holds(label)
                );
            }
        }
    }
    page
}

fn holds(label: &Label) -> String {
    match label.values {
        Values::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("{}; else `{OTHER}`", words.join(" "))
        }
        Values::Constants(which) => format!("constants: {which}"),
        Values::Names(whose) => format!("names: {whose}"),
    }
}
