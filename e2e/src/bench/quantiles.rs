//! What most, nearly all and the slowest of some measurements took. Nearest rank, so that every figure is one that was measured.

use std::fmt;

use super::instant::Span;

/// Measurements in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Quantiles {
    sorted: Vec<Span>,
}

impl Quantiles {
    /// Of these measurements.
    pub(super) fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut sorted: Vec<Span> = spans.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The least measurement that `percent` of a hundred do not exceed; none of nothing.
    pub(super) fn at(&self, percent: usize) -> Option<Span> {
        let rank = (self.sorted.len() * percent.min(100)).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied()
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |percent| {
            self.at(percent)
                .map_or("none".to_owned(), |span| span.to_string())
        };
        write!(
            f,
            "p50 {}, p95 {}, p99 {}, worst {} of {}",
            shown(50),
            shown(95),
            shown(99),
            shown(100),
            self.count()
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_quantile_is_the_nearest_rank_and_always_one_that_was_measured() {
        let hundred = Quantiles::of((1..=100).rev().map(Span));
        let at = |percent| hundred.at(percent).unwrap().0;
        assert_eq!(
            [at(0), at(1), at(50), at(95), at(99), at(100)],
            [1, 1, 50, 95, 99, 100]
        );
        let three = Quantiles::of([Span(30), Span(10), Span(20)]);
        assert_eq!(
            [50, 95, 99].map(|percent| three.at(percent).unwrap().0),
            [20, 30, 30]
        );
    }

    #[test]
    fn a_few_slow_ones_cannot_hide() {
        // Of 40, the 38th counts for p95: two may be slower, and p99 is the slowest.
        let forty = Quantiles::of((1..=40).map(Span));
        assert_eq!(forty.at(95), Some(Span(38)));
        assert_eq!(forty.at(99), Some(Span(40)));
    }

    #[test]
    fn of_nothing_there_is_no_quantile() {
        assert_eq!(Quantiles::default().at(50), None);
        assert!(Quantiles::default().to_string().contains("none"));
    }
}
