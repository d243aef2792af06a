//! Instants and spans in whole microseconds of the machine's clock, which the audit log, the proxy and the chain's subscription share.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) u64);

/// Microseconds between two instants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub(super) u64);

impl At {
    /// Now.
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// How long after `earlier` this is; nothing if it is before it.
    pub(super) fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// An instant as Kubernetes writes it: RFC 3339 in UTC, with or without a fraction of the second.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let [year, month, day] = numbers(date, '-')?;
        let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
        let [hour, minute, second] = numbers(clock, ':')?;
        let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
        let days = days_since_epoch(year, month, day)?;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Some(Self(
            seconds.checked_mul(1_000_000)? + micros.parse::<u64>().ok()?,
        ))
    }

    /// The day in UTC, as `2026-01-31`.
    pub(super) fn day(self) -> String {
        let days = self.0 / 86_400_000_000;
        // Howard Hinnant's civil_from_days: years begin in March, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era_day = shifted % 146_097;
        let era_year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
        let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
        let shifted_month = (5 * year_day + 2) / 153;
        let day = year_day - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = era_year + shifted / 146_097 * 400 + u64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let mut parts = text.split(between).map(|part| part.parse::<u64>().ok());
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Howard Hinnant's days_from_civil, for years after 1970.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month > 2 { year } else { year - 1 };
    let era_year = shifted % 400;
    let from_march = (month + 9) % 12;
    let year_day = (153 * from_march + 2) / 5 + day - 1;
    let era_day = era_year * 365 + era_year / 4 - era_year / 100 + year_day;
    (shifted / 400 * 146_097 + era_day).checked_sub(719_468)
}

impl fmt::Display for Span {
    /// In milliseconds, rounded up: a bar is not met by rounding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0.div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn an_instant_reads_as_kubernetes_writes_it() {
        assert_eq!(At::parse("1970-01-01T00:00:00Z"), Some(At(0)));
        assert_eq!(
            At::parse("2026-11-22T21:25:15.123456Z"),
            Some(At(1_795_382_715_123_456))
        );
        assert_eq!(
            At::parse("2024-02-29T00:00:00.5Z"),
            Some(At(1_709_164_800_500_000))
        );
        for wrong in [
            "",
            "2026-11-22",
            "2026-13-22T00:00:00Z",
            "2026-11-22T21:25Z",
            "yesterday",
        ] {
            assert_eq!(At::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_is_named_as_the_calendar_does() {
        for (text, day) in [
            ("1970-01-01T00:00:00Z", "1970-01-01"),
            ("2024-02-29T23:59:59Z", "2024-02-29"),
            ("2024-03-01T00:00:00Z", "2024-03-01"),
            ("2026-12-31T12:00:00Z", "2026-12-31"),
        ] {
            assert_eq!(At::parse(text).unwrap().day(), day);
        }
    }

    #[test]
    fn a_span_is_rounded_up_to_milliseconds() {
        assert_eq!(At(5_001).since(At(0)).to_string(), "6 ms");
        assert_eq!(At(1).since(At(2)), Span(0));
    }
}
