//! Durations as Go writes them, in whole numbers of hours, minutes, seconds and milliseconds. May not use floats, nor panic on any text
//! (kube's own parser multiplies floats and panics on large ones).

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Not numbers with units.
    #[error(
        "duration {0:?}: write whole numbers with the units h, m, s or ms, largest first, for example \"30s\" or \"1h30m\""
    )]
    NotADuration(String),
    /// More than 2^63 milliseconds.
    #[error("duration {0:?} is too long: write at most some thousand hours")]
    TooLong(String),
}

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `30s`, `10m`, `1h30m`, `500ms`.
///
/// # Errors
/// The text is empty, has a sign, a fraction, an unknown or repeated unit, or is too long.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let shown = || text.chars().take(64).collect::<String>();
    let mut rest = text;
    let mut milliseconds = 0_u64;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let place = units
            .iter()
            .position(|(name, _)| *name == unit)
            .ok_or_else(|| DurationError::NotADuration(shown()))?;
        let (before, after) = units.split_at(place.saturating_add(1));
        let size = before.last().map_or(0, |(_, size)| *size);
        if number.is_empty() {
            return Err(DurationError::NotADuration(shown()));
        }
        let number: u64 = number.parse().map_err(|_| DurationError::TooLong(shown()))?;
        milliseconds = number
            .checked_mul(size)
            .and_then(|part| part.checked_add(milliseconds))
            .filter(|sum| *sum <= i64::MAX.unsigned_abs())
            .ok_or_else(|| DurationError::TooLong(shown()))?;
        (units, rest) = (after, tail);
    }
    if text.is_empty() {
        return Err(DurationError::NotADuration(shown()));
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Writes whole seconds: `0s`, `90s` as `1m30s`, `24h`.
#[must_use]
pub fn format_seconds(seconds: u64) -> String {
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("720h", 2_592_000_000),
            ("1m500ms", 60_500),
            ("2ms", 2),
            ("90m", 5_400_000),
        ] {
            assert_eq!(
                parse(text).unwrap(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_to_write() {
        for text in [
            "", "30", "s", "-1s", "1.5h", "1d", "1s1s", "1s1h", "1h ", " 1h", "1 h", "½h", "never",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, DurationError::NotADuration(_)), "{text}: {error}");
            assert!(error.to_string().contains("1h30m"));
        }
        for text in ["99999999999999999999h", "18446744073709551615h", "9999999999999h"] {
            assert!(
                matches!(parse(text).unwrap_err(), DurationError::TooLong(_)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn written_seconds_read_back_as_themselves(seconds in 0_u64..=1 << 40) {
            prop_assert_eq!(parse(&format_seconds(seconds)).unwrap(), Duration::from_secs(seconds));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
