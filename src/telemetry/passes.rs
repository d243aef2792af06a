//! The operator's own work: passes over objects, names that wait for one, watches, conditions.

use std::time::Duration;

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    families::{Counters, Gauges, Histograms, Shelf, signed},
};

const KIND: Label = Label {
    name: "kind",
    values: Values::Constants("a kind of ours, or Node, Pod, Namespace"),
};
const OUTCOME: Label = Label {
    name: "outcome",
    values: Values::Words(&["ok", "wait", "error"]),
};
const CONTROLLER: Label = Label {
    name: "controller",
    values: Values::Words(&["market", "provider", "offer", "bid", "lease", "orphan"]),
};

const RECONCILES: Metric = Metric {
    name: "reconciles_total",
    kind: Kind::Counter,
    unit: "passes",
    labels: &[KIND, OUTCOME],
    help: "Passes over an object by kind and outcome; wait: it asked for another one later",
};
const RECONCILE_SECONDS: Metric = Metric {
    name: "reconcile_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &[KIND],
    help: "Time one pass took",
};
const QUEUE_DEPTH: Metric = Metric {
    name: "reconcile_queue_depth",
    kind: Kind::Gauge,
    unit: "names",
    labels: &[CONTROLLER],
    help: "Names that changed and wait for a pass; those that wait for a time they asked for are not among them",
};
const RUNNING: Metric = Metric {
    name: "reconciles_running",
    kind: Kind::Gauge,
    unit: "passes",
    labels: &[CONTROLLER],
    help: "Passes that run now",
};
const WATCH_LIVE: Metric = Metric {
    name: "watch_live",
    kind: Kind::Gauge,
    unit: "0 or 1",
    labels: &[KIND],
    help: "1 while the watch of this kind is live, else 0; also on standbys",
};
const CONDITION: Metric = Metric {
    name: "condition",
    kind: Kind::Gauge,
    unit: "-1, 0 or 1",
    labels: &[
        KIND,
        Label {
            name: "namespace",
            values: Values::Names("the object's namespace; empty for kinds without"),
        },
        Label {
            name: "name",
            values: Values::Names("ComputeMarkets, ComputeWallets, ComputeProviders, ComputeOffers"),
        },
        Label {
            name: "condition",
            values: Values::Constants("a condition's type"),
        },
    ],
    help: "Conditions of our kinds by type: 1 True, 0 False, -1 Unknown",
};
const BUILD_INFO: Metric = Metric {
    name: "build_info",
    kind: Kind::Gauge,
    unit: "1",
    labels: &[Label {
        name: "version",
        values: Values::Constants("the program's version"),
    }],
    help: "Always 1; which program this is. Also on standbys",
};

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

pub(super) struct Passes {
    reconciles: Counters,
    reconcile_seconds: Histograms,
    queue_depth: Gauges,
    running: Gauges,
    watch_live: Gauges,
    conditions: Gauges,
}

impl Passes {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        shelf.subject("The operator's own work");
        let build = shelf.gauges(&BUILD_INFO)?;
        build.set(&[env!("CARGO_PKG_VERSION")], 1);
        Ok(Self {
            reconciles: shelf.counters(&RECONCILES)?,
            reconcile_seconds: shelf.histograms(&RECONCILE_SECONDS)?,
            queue_depth: shelf.gauges(&QUEUE_DEPTH)?,
            running: shelf.gauges(&RUNNING)?,
            watch_live: shelf.gauges(&WATCH_LIVE)?,
            conditions: shelf.gauges(&CONDITION)?,
        })
    }
}

impl Metrics {
    /// One pass over an object of `kind` ended with `outcome`: ok, error or wait.
    pub fn reconciled(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.0.passes.reconciles.inc(&[kind, outcome]);
        self.0.passes.reconcile_seconds.observe(&[kind], took);
    }

    /// So many names wait for a pass of this controller and so many passes run.
    pub fn load(&self, controller: &'static str, waiting: usize, running: usize) {
        let number = |count: usize| signed(u64::try_from(count).unwrap_or(u64::MAX));
        self.0.passes.queue_depth.set(&[controller], number(waiting));
        self.0.passes.running.set(&[controller], number(running));
    }

    /// Whether the watch of a kind is live.
    pub fn watch(&self, kind: &str, live: i64) {
        self.0.passes.watch_live.set(&[kind], live);
    }

    /// A condition of an object: 1 True, 0 False, -1 Unknown.
    pub fn condition(&self, object: &Subject<'_>, condition: &str, value: i64) {
        self.0.passes.conditions.set(&object.labels(condition), value);
    }

    /// The object is gone, and its conditions with it.
    pub fn forget(&self, object: &Subject<'_>, conditions: &[&str]) {
        for condition in conditions {
            self.0.passes.conditions.forget(&object.labels(condition));
        }
    }
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
    fn a_controllers_load_is_what_it_last_said() {
        let metrics = Metrics::new().unwrap();
        metrics.load("lease", 7, 4);
        metrics.load("lease", 0, 1);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("leaseport_reconcile_queue_depth{controller=\"lease\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("leaseport_reconciles_running{controller=\"lease\"} 1"),
            "{text}"
        );
    }
}
