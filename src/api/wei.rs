//! Native coin and gas prices: decimal text with a unit to whole wei (10^-18 coin). May not use floats.

use thiserror::Error;

/// Why a text is not an amount of wei.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WeiError {
    /// Not a gas price.
    #[error(
        "gas price {0:?}: write a decimal number with its unit, for example \"5gwei\", \"0.01gwei\" or \"1000wei\""
    )]
    NotAGasPrice(String),
    /// Not an amount of coin.
    #[error("amount of coin {0:?}: write a decimal number such as \"0.05\", without sign, exponent or unit")]
    NotCoin(String),
    /// Finer than one wei.
    #[error("{0:?} is finer than one wei: write fewer decimals")]
    TooFine(String),
    /// Above 2^128 wei.
    #[error("{0:?} is more coin than any chain has: write a smaller number")]
    TooMuch(String),
}

/// Reads a gas price in wei for a unit of gas: `5gwei`, `0.01gwei`, `1000wei`.
///
/// # Errors
/// No unit, another unit, a sign, an exponent, more decimals than the unit has wei.
pub fn gas_price(text: &str) -> Result<u128, WeiError> {
    let (number, decimals) = if let Some(number) = text.strip_suffix("gwei") {
        (number, 9)
    } else if let Some(number) = text.strip_suffix("wei") {
        (number, 0)
    } else {
        return Err(WeiError::NotAGasPrice(shown(text)));
    };
    scaled(number, decimals, text)
        .map_err(|error| error.unwrap_or_else(|| WeiError::NotAGasPrice(shown(text))))
}

/// Reads an amount of native coin in wei: `0.05`.
///
/// # Errors
/// A sign, an exponent, a unit, more than 18 decimals.
pub fn coin(text: &str) -> Result<u128, WeiError> {
    scaled(text, 18, text).map_err(|error| error.unwrap_or_else(|| WeiError::NotCoin(shown(text))))
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// `number * 10^decimals`; an error of `None` means that it is no decimal number.
fn scaled(number: &str, decimals: usize, text: &str) -> Result<u128, Option<WeiError>> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || !digits(whole)
        || !digits(fraction)
        || (fraction.is_empty() && number.contains('.'))
    {
        return Err(None);
    }
    if fraction.len() > decimals {
        return Err(Some(WeiError::TooFine(shown(text))));
    }
    let padded = format!("{whole}{fraction:0<decimals$}");
    padded.parse().map_err(|_| Some(WeiError::TooMuch(shown(text))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn gas_prices_become_whole_wei() {
        assert_eq!(gas_price("5gwei"), Ok(5_000_000_000));
        assert_eq!(gas_price("0.01gwei"), Ok(10_000_000));
        assert_eq!(gas_price("0.000000001gwei"), Ok(1));
        assert_eq!(gas_price("1000wei"), Ok(1000));
    }

    #[test]
    fn coin_becomes_whole_wei() {
        assert_eq!(coin("0.05"), Ok(50_000_000_000_000_000));
        assert_eq!(coin("0"), Ok(0));
        assert_eq!(coin("1000"), Ok(1_000_000_000_000_000_000_000));
    }

    #[test]
    fn what_is_no_amount_is_refused_with_what_to_write() {
        for text in [
            "", "5", "gwei", "5 gwei", "-5gwei", "5.gwei", ".5gwei", "1e3wei", "5ether",
        ] {
            assert!(
                matches!(gas_price(text), Err(WeiError::NotAGasPrice(_))),
                "{text}"
            );
        }
        for text in ["", "-1", "1.", ".1", "1e3", "0.05 ", "0,05"] {
            assert!(matches!(coin(text), Err(WeiError::NotCoin(_))), "{text}");
        }
        assert!(matches!(gas_price("1.5wei"), Err(WeiError::TooFine(_))));
        assert!(matches!(gas_price("0.0000000001gwei"), Err(WeiError::TooFine(_))));
        assert!(matches!(
            coin("99999999999999999999999999999999"),
            Err(WeiError::TooMuch(_))
        ));
    }
}
