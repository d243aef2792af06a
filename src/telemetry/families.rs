//! Counters, gauges and histograms made from a [`Metric`] and entered in the registry and in the list of subjects at once, so that no
//! metric is counted that is not described. Decides nothing about values.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, core::Collector};

use super::catalog::{Metric, Subject};

/// A registry and what is in it.
pub(super) struct Shelf {
    pub(super) registry: Registry,
    pub(super) subjects: Vec<Subject>,
}

impl Shelf {
    /// Empty, under the product's prefix.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            registry: Registry::new_custom(Some("leaseport".into()), None)?,
            subjects: Vec::new(),
        })
    }

    /// What is made from now on belongs to this subject.
    pub(super) fn subject(&mut self, title: &'static str) {
        self.subjects.push(Subject {
            title,
            metrics: Vec::new(),
        });
    }

    fn list(&mut self, metric: &'static Metric) {
        match self.subjects.last_mut() {
            Some(subject) => subject.metrics.push(metric),
            None => self.subjects.push(Subject {
                title: "",
                metrics: vec![metric],
            }),
        }
    }

    fn keep<C: Collector + Clone + 'static>(
        &mut self,
        metric: &'static Metric,
        collector: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        self.list(metric);
        Ok(collector)
    }

    pub(super) fn counters(&mut self, metric: &'static Metric) -> Result<Counters, prometheus::Error> {
        let vec = IntCounterVec::new(opts(metric), &metric.label_names())?;
        let vec = self.keep(metric, vec)?;
        Ok(Counters { metric, vec })
    }

    pub(super) fn gauges(&mut self, metric: &'static Metric) -> Result<Gauges, prometheus::Error> {
        let vec = IntGaugeVec::new(opts(metric), &metric.label_names())?;
        let vec = self.keep(metric, vec)?;
        Ok(Gauges { metric, vec })
    }

    pub(super) fn histograms(&mut self, metric: &'static Metric) -> Result<Histograms, prometheus::Error> {
        let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let opts = HistogramOpts::new(metric.name, metric.help).buckets(buckets);
        let vec = self.keep(metric, HistogramVec::new(opts, &metric.label_names())?)?;
        Ok(Histograms { metric, vec })
    }

    /// Metrics that are read when somebody asks, and by whom they are read.
    pub(super) fn at_scrape<C: Collector + Clone + 'static>(
        &mut self,
        metrics: &[&'static Metric],
        collector: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        metrics.iter().for_each(|metric| self.list(metric));
        Ok(collector)
    }
}

pub(super) fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

/// Only grow.
pub(super) struct Counters {
    metric: &'static Metric,
    vec: IntCounterVec,
}

impl Counters {
    pub(super) fn add(&self, labels: &[&str], by: u64) {
        if let Ok(counter) = self.vec.get_metric_with_label_values(&self.metric.fitted(labels)) {
            counter.inc_by(by);
        }
    }

    pub(super) fn inc(&self, labels: &[&str]) {
        self.add(labels, 1);
    }
}

/// Are what they were last set to.
pub(super) struct Gauges {
    metric: &'static Metric,
    vec: IntGaugeVec,
}

impl Gauges {
    pub(super) fn set(&self, labels: &[&str], value: i64) {
        if let Ok(gauge) = self.vec.get_metric_with_label_values(&self.metric.fitted(labels)) {
            gauge.set(value);
        }
    }

    pub(super) fn forget(&self, labels: &[&str]) {
        // An error says that it was never set.
        let _ = self.vec.remove_label_values(&self.metric.fitted(labels));
    }
}

/// How long things took.
pub(super) struct Histograms {
    metric: &'static Metric,
    vec: HistogramVec,
}

impl Histograms {
    pub(super) fn observe(&self, labels: &[&str], took: Duration) {
        if let Ok(histogram) = self.vec.get_metric_with_label_values(&self.metric.fitted(labels)) {
            histogram.observe(took.as_secs_f64());
        }
    }
}

/// A number as gauges hold it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
