//! Kubernetes quantities as integers, since capacity may neither round in favour of a lease nor use floats.
//! Grammar: `<signed number><suffix>` of k8s.io/apimachinery/pkg/api/resource. May not accept negative amounts.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

const MIB: u128 = 1024 * 1024;

/// Which way a fraction of the unit goes: wishes up, supplies down, so that what is counted as fitting does fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// For what pods ask.
    Up,
    /// For what nodes have.
    Down,
}

/// A quantity as `numerator / denominator`, none when it is no quantity or below zero.
fn ratio(text: &str) -> Option<(u128, u128)> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    // Kubernetes itself caps fractions at nano; more digits than 12 change nothing we count in.
    let fraction: String = fraction.chars().take(12).collect();
    let digits = format!("{whole}{fraction}");
    let numerator: u128 = digits.parse().ok()?;
    let denominator = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let (times, over): (u128, u128) = match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "" => (1, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (10u128.pow(15), 1),
        "E" => (10u128.pow(18), 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let size = 10u128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, size) } else { (size, 1) }
        }
    };
    Some((numerator.checked_mul(times)?, denominator.checked_mul(over)?))
}

fn scaled(quantity: &Quantity, times: u128, over: u128, rounding: Rounding) -> Option<u64> {
    let (numerator, denominator) = ratio(&quantity.0)?;
    let (numerator, denominator) = (numerator.checked_mul(times)?, denominator.checked_mul(over)?);
    let value = match rounding {
        Rounding::Up => numerator.div_ceil(denominator),
        Rounding::Down => numerator.checked_div(denominator)?,
    };
    Some(u64::try_from(value).unwrap_or(u64::MAX))
}

/// Thousandths, as CPU is counted.
#[must_use]
pub fn milli(quantity: &Quantity, rounding: Rounding) -> Option<u64> {
    scaled(quantity, 1_000, 1, rounding)
}

/// MiB, as memory and storage are counted.
#[must_use]
pub fn mebibytes(quantity: &Quantity, rounding: Rounding) -> Option<u64> {
    scaled(quantity, 1, MIB, rounding)
}

/// Whole units, as devices and pods are counted.
#[must_use]
pub fn whole(quantity: &Quantity, rounding: Rounding) -> Option<u64> {
    scaled(quantity, 1, 1, rounding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("4", 4_000)]
    #[case("1500m", 1_500)]
    #[case("0.1", 100)]
    #[case("1e3", 1_000_000)]
    #[case("2E2", 200_000)]
    #[case("100u", 1)]
    #[case(".5", 500)]
    #[case("1.", 1_000)]
    fn cpu_is_read_in_every_spelling(#[case] text: &str, #[case] expected: u64) {
        assert_eq!(milli(&Quantity(text.into()), Rounding::Up), Some(expected));
    }

    #[rstest]
    #[case("1Gi", 1024, 1024)]
    #[case("1G", 954, 953)]
    #[case("131072Ki", 128, 128)]
    #[case("1", 1, 0)]
    #[case("1500m", 1, 0)]
    #[case("2E", 1_907_348_632_813, 1_907_348_632_812)]
    fn a_wish_rounds_up_and_a_supply_rounds_down(#[case] text: &str, #[case] up: u64, #[case] down: u64) {
        assert_eq!(mebibytes(&Quantity(text.into()), Rounding::Up), Some(up));
        assert_eq!(mebibytes(&Quantity(text.into()), Rounding::Down), Some(down));
    }

    #[rstest]
    #[case("")]
    #[case("-1")]
    #[case("1.2.3")]
    #[case("1Zi")]
    #[case("e3")]
    #[case("1e99")]
    fn what_is_no_quantity_is_none(#[case] text: &str) {
        assert_eq!(whole(&Quantity(text.into()), Rounding::Up), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}") {
            let quantity = Quantity(text);
            let (up, down) = (mebibytes(&quantity, Rounding::Up), mebibytes(&quantity, Rounding::Down));
            prop_assert!(up >= down);
        }
    }
}
