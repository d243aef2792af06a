//! Money as integers of micro-units, and the one place where rates become debts. May not use floats or know a token's decimals beyond six.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Not digits with at most one point.
    #[error("amount {0:?}: write a decimal number such as \"12.50\", without sign, exponent or unit")]
    NotDecimal(String),
    /// More than six decimals.
    #[error("amount {0:?} has more than 6 decimals: the smallest unit is 0.000001")]
    TooPrecise(String),
    /// Above what the contract can hold.
    #[error("amount {0:?} is too large: the contract holds at most {1} micro-units")]
    TooLarge(String, u64),
}

/// An amount of the lease's token in 10^-6 token, as the contract stores it (64 bits).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUnits(pub u64);

/// A price: micro-units an hour for the whole lease (48 bits on chain).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RatePerHour(u64);

impl MicroUnits {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum, none beyond 64 bits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Difference, none where it would be negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// Sum, the largest amount beyond 64 bits.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, zero where it would be negative.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl RatePerHour {
    /// The largest rate the contract stores: 2^48 - 1 micro-units an hour.
    pub const MAX: u64 = (1 << 48) - 1;

    /// A rate, or why the number is none.
    ///
    /// # Errors
    /// Above [`RatePerHour::MAX`].
    pub fn new(micro_units: u64) -> Result<Self, MoneyError> {
        if micro_units > Self::MAX {
            return Err(MoneyError::TooLarge(micro_units.to_string(), Self::MAX));
        }
        Ok(Self(micro_units))
    }

    /// Micro-units an hour.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Debt after so many billable seconds, floored as the contract floors it: `floor(seconds * rate / 3600)`.
    /// Settling in parts owes the same in sum, since each part is a difference of two such floors.
    #[must_use]
    pub const fn owed_down(self, seconds: u32) -> MicroUnits {
        // 48 + 32 bits fit u128; the quotient exceeds 64 bits only for a debt above 18 trillion dollars, which no deposit covers.
        let owed = (self.0 as u128 * seconds as u128) / 3600;
        MicroUnits(if owed > u64::MAX as u128 {
            u64::MAX
        } else {
            owed as u64
        })
    }

    /// The least money that covers so many seconds: `ceil(seconds * rate / 3600)`.
    #[must_use]
    pub const fn owed_up(self, seconds: u32) -> MicroUnits {
        let owed = (self.0 as u128 * seconds as u128).div_ceil(3600);
        MicroUnits(if owed > u64::MAX as u128 {
            u64::MAX
        } else {
            owed as u64
        })
    }
}

impl fmt::Display for MicroUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micro) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micro == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{micro:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Display for RatePerHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MicroUnits(self.0).fmt(f)
    }
}

impl FromStr for MicroUnits {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let shown = || text.chars().take(64).collect::<String>();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !digits(whole)
            || !digits(fraction)
            || (text.contains('.') && fraction.is_empty())
        {
            return Err(MoneyError::NotDecimal(shown()));
        }
        if fraction.len() > 6 {
            return Err(MoneyError::TooPrecise(shown()));
        }
        let large = || MoneyError::TooLarge(shown(), u64::MAX);
        let whole: u64 = whole.parse().map_err(|_| large())?;
        let micro: u64 = format!("{fraction:0<6}").parse().map_err(|_| large())?;
        whole
            .checked_mul(1_000_000)
            .and_then(|units| units.checked_add(micro))
            .map(Self)
            .ok_or_else(large)
    }
}

impl FromStr for RatePerHour {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::new(text.parse::<MicroUnits>()?.0)
    }
}

macro_rules! as_decimal_string {
    ($($kind:ty),+) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

as_decimal_string!(MicroUnits, RatePerHour);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_amount_survives_its_decimal_text(units: u64) {
            prop_assert_eq!(MicroUnits(units).to_string().parse::<MicroUnits>().unwrap(), MicroUnits(units));
        }

        #[test]
        fn settling_in_two_parts_owes_what_settling_once_owes(rate in 1..=RatePerHour::MAX, a in 0u32..1 << 30, b in 0u32..1 << 30) {
            let rate = RatePerHour::new(rate).unwrap();
            let parts = rate.owed_down(a).0 + (rate.owed_down(a + b).0 - rate.owed_down(a).0);
            prop_assert_eq!(parts, rate.owed_down(a + b).0);
            prop_assert!(rate.owed_up(a) >= rate.owed_down(a));
            prop_assert!(rate.owed_up(a).0 - rate.owed_down(a).0 <= 1);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let parsed = text.parse::<MicroUnits>();
            prop_assert!(parsed.is_ok() || parsed.is_err());
        }
    }

    #[test]
    fn an_amount_finer_than_a_micro_unit_is_refused_and_not_rounded() {
        assert_eq!(
            "1.0000001".parse::<MicroUnits>(),
            Err(MoneyError::TooPrecise("1.0000001".into()))
        );
        assert_eq!(
            "1.".parse::<MicroUnits>(),
            Err(MoneyError::NotDecimal("1.".into()))
        );
        assert_eq!(
            "-1".parse::<MicroUnits>(),
            Err(MoneyError::NotDecimal("-1".into()))
        );
        assert_eq!("1.9".parse::<RatePerHour>().unwrap().get(), 1_900_000);
    }
}
