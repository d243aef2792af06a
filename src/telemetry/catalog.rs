//! What a metric is: name, kind, unit, labels with what they may hold, help. The registry and docs/metrics.md are made from the same values,
//! so neither can know a metric that the other does not. Counts nothing.

/// How a metric behaves, in Prometheus' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a label may hold. Nothing that tenants or strangers choose, so nobody outside can make series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these words; whatever else is counted as [`OTHER`].
    Words(&'static [&'static str]),
    /// A constant of the program; the text says which.
    Constants(&'static str),
    /// A name that an administrator gave, as many as there are objects; the text says of what.
    Names(&'static str),
}

/// What a word that is not listed is counted as.
pub const OTHER: &str = "other";

/// One label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub values: Values,
}

impl Label {
    /// The value as it may be shown.
    #[must_use]
    pub fn fit<'a>(&self, value: &'a str) -> &'a str {
        match self.values {
            Values::Words(words) => words
                .iter()
                .find(|word| **word == value)
                .copied()
                .unwrap_or(OTHER),
            Values::Constants(_) | Values::Names(_) => value,
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the product's prefix.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What one of it is.
    pub unit: &'static str,
    /// By what it is told apart.
    pub labels: &'static [Label],
    /// What it says.
    pub help: &'static str,
}

impl Metric {
    /// The names of its labels, in order.
    #[must_use]
    pub fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }

    /// The values as they may be shown; a missing one is empty and one too many is dropped, so that a mistake here ends no pass.
    #[must_use]
    pub fn fitted<'a>(&self, values: &[&'a str]) -> Vec<&'a str> {
        let mut given = values.iter();
        self.labels
            .iter()
            .map(|label| given.next().map_or("", |value| label.fit(value)))
            .collect()
    }
}

/// The metrics of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Heading.
    pub title: &'static str,
    /// In the order in which they are told.
    pub metrics: Vec<&'static Metric>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: &[&str] = &["a", "b"];
    const METRIC: Metric = Metric {
        name: "x_total",
        kind: Kind::Counter,
        unit: "x",
        labels: &[
            Label {
                name: "word",
                values: Values::Words(WORDS),
            },
            Label {
                name: "offer",
                values: Values::Names("offers"),
            },
        ],
        help: "x",
    };

    proptest! {
        #[test]
        fn whatever_is_counted_a_listed_label_shows_listed_words_and_other(given in prop::collection::vec("[a-d]{0,2}", 0..4)) {
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            let fitted = METRIC.fitted(&given);
            prop_assert_eq!(fitted.len(), 2);
            let word = fitted.first().copied().unwrap_or_default();
            prop_assert!(WORDS.contains(&word) || word == OTHER || (given.is_empty() && word.is_empty()));
            prop_assert_eq!(fitted.get(1).copied().unwrap_or_default(), given.get(1).copied().unwrap_or_default());
        }
    }
}
