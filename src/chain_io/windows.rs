//! How short F and W may be on a chain (contracts: section 8): on a rollup, whoever is censored by the sequencer can act only after the
//! forced-inclusion delay, so the time to report after a lease's end must be longer. Knows chains by id and nothing of a deployment.

use std::str::FromStr;

use thiserror::Error;

use crate::core::{book::Windows, ids::ChainId};

const HOUR: u32 = 3_600;

/// What is known of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// On one's own machine: seconds will do, and test money may exist.
    Local,
    /// A chain whose delay is known; F and W in seconds, at least.
    Public {
        /// Forced-inclusion delay and an hour.
        least: u32,
    },
    /// A chain nobody told us about.
    Unknown,
}

/// Looks a chain up. Delays: Arbitrum's `maxTimeVariation` of 24 h, the OP stack's sequencing window of 12 h; layer 1 has none.
#[must_use]
pub const fn chain_kind(chain: ChainId) -> ChainKind {
    match chain.0 {
        // The chains TestDollar may be deployed on, and no others.
        1_337 | 31_337..=31_399 => ChainKind::Local,
        // Arbitrum One, Nova, Sepolia.
        42_161 | 42_170 | 421_614 => ChainKind::Public { least: 25 * HOUR },
        // Optimism, Base, Unichain, World Chain, Mode, Zora; Optimism's and Base's Sepolia.
        10 | 8_453 | 130 | 480 | 34_443 | 7_777_777 | 11_155_420 | 84_532 => {
            ChainKind::Public { least: 13 * HOUR }
        }
        // Ethereum, Gnosis, Polygon, BNB, Avalanche; Sepolia, Hoodi.
        1 | 100 | 137 | 56 | 43_114 | 11_155_111 | 560_048 => ChainKind::Public { least: HOUR },
        _ => ChainKind::Unknown,
    }
}

/// Why windows are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WindowsError {
    /// Not two durations.
    #[error("{0:?}: write F,W as two durations, for example 25h,25h or 10s,20s (units s, m, h, d)")]
    NotWindows(String),
    /// Zero, or above what the contract takes.
    #[error("--windows: {name} of {seconds} s: the contract takes 1 s to 2^30 s")]
    OutOfRange {
        /// F or W.
        name: &'static str,
        /// What was asked for.
        seconds: u32,
    },
    /// Shorter than the chain allows.
    #[error(
        "--windows: {name} of {seconds} s is too short for chain {chain}: whoever the sequencer censors could not act in time; use at least {least} s"
    )]
    TooShort {
        /// F or W.
        name: &'static str,
        /// What was asked for.
        seconds: u32,
        /// The chain.
        chain: u64,
        /// The least.
        least: u32,
    },
    /// No windows for a chain we know nothing of.
    #[error(
        "chain {chain} is not one we know: say --windows F,W with both longer than its forced-inclusion delay plus an hour, for example --windows 25h,25h"
    )]
    UnknownChain {
        /// The chain.
        chain: u64,
    },
}

/// F and W for a deployment: those asked for if the chain allows them, else the chain's least (10 s and 20 s on a local one).
///
/// # Errors
/// [`WindowsError::OutOfRange`], [`WindowsError::TooShort`], [`WindowsError::UnknownChain`].
pub fn choose(chain: ChainId, asked: Option<Windows>) -> Result<Windows, WindowsError> {
    let kind = chain_kind(chain);
    let Some(windows) = asked else {
        return match kind {
            ChainKind::Local => Ok(Windows {
                final_reports: 10,
                vest_epoch: 20,
            }),
            ChainKind::Public { least } => Ok(Windows {
                final_reports: least,
                vest_epoch: least,
            }),
            ChainKind::Unknown => Err(WindowsError::UnknownChain { chain: chain.0 }),
        };
    };
    let least = match kind {
        ChainKind::Public { least } => least,
        ChainKind::Local | ChainKind::Unknown => 1,
    };
    for (name, seconds) in [("F", windows.final_reports), ("W", windows.vest_epoch)] {
        if seconds == 0 || seconds > 1 << 30 {
            return Err(WindowsError::OutOfRange { name, seconds });
        }
        if seconds < least {
            return Err(WindowsError::TooShort {
                name,
                seconds,
                chain: chain.0,
                least,
            });
        }
    }
    Ok(windows)
}

/// Two durations as `F,W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowsText(pub Windows);

impl FromStr for WindowsText {
    type Err = WindowsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (first, second) = text.split_once(',')?;
            Some(Self(Windows {
                final_reports: seconds(first.trim())?,
                vest_epoch: seconds(second.trim())?,
            }))
        };
        read().ok_or_else(|| WindowsError::NotWindows(text.chars().take(40).collect()))
    }
}

fn seconds(text: &str) -> Option<u32> {
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(split)?;
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => HOUR,
        "d" => 24 * HOUR,
        _ => return None,
    };
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn windows(final_reports: u32, vest_epoch: u32) -> Windows {
        Windows {
            final_reports,
            vest_epoch,
        }
    }

    #[test]
    fn a_rollup_gets_its_forced_inclusion_delay_and_refuses_less() {
        let arbitrum = ChainId(42_161);
        assert_eq!(choose(arbitrum, None).unwrap(), windows(90_000, 90_000));
        assert_eq!(
            choose(arbitrum, Some(windows(90_000, 89_999))),
            Err(WindowsError::TooShort {
                name: "W",
                seconds: 89_999,
                chain: 42_161,
                least: 90_000
            })
        );
    }

    #[test]
    fn an_unknown_chain_needs_windows_and_a_local_one_takes_seconds() {
        assert!(matches!(
            choose(ChainId(99_999), None),
            Err(WindowsError::UnknownChain { chain: 99_999 })
        ));
        assert_eq!(
            choose(ChainId(99_999), Some(windows(7, 8))).unwrap(),
            windows(7, 8)
        );
        assert_eq!(choose(ChainId(31_337), None).unwrap(), windows(10, 20));
    }

    #[test]
    fn windows_are_written_as_two_durations() {
        let read = |text: &str| text.parse::<WindowsText>().map(|read| read.0);
        assert_eq!(read("10,20").unwrap(), windows(10, 20));
        assert_eq!(read("25h, 2d").unwrap(), windows(90_000, 172_800));
        for text in ["", "10", "10,", "10,20,30", "-1,5", "1w,1w", "5000000h,1", "h,h"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,30}") {
            let read = text.parse::<WindowsText>();
            prop_assert!(read.is_ok() || read.is_err());
        }
    }
}
