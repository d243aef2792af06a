//! Names of things on chain and in the cluster, as types, so that no number is passed where another was meant.
//! May not parse documents, reach a chain or know a Kubernetes kind.

use std::{fmt, str::FromStr};

use alloy::primitives::{B256, aliases::U96};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text or number is not one of our ids.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The generation does not fit the 24 bits that the contract stores (contracts: `stat.gen24`).
    #[error("generation {0} is above 16777215: pass the low 24 bits the contract stores")]
    GenerationTooLarge(u32),
    /// The text is not a lease id.
    #[error(
        "lease id {0:?}: write provider-lane-generation in decimal, for example 7-0-1, or the uint96 in decimal"
    )]
    NotALeaseId(String),
}

/// An EIP-155 chain id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub u64);

/// A provider's number in LeaseBook (uint32, given at registration, never reused).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderId(pub u32);

/// A counter slot of one provider; a lane holds at most one lease that is not Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub u32);

/// How often a lane was leased; 24 bits on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Generation(u32);

impl Generation {
    /// The largest generation a lane can reach.
    pub const MAX: u32 = (1 << 24) - 1;

    /// A generation, or why the number is none.
    ///
    /// # Errors
    /// Above [`Generation::MAX`].
    pub const fn new(value: u32) -> Result<Self, IdError> {
        if value > Self::MAX {
            Err(IdError::GenerationTooLarge(value))
        } else {
            Ok(Self(value))
        }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The generation the next lease of the lane must name, none when the lane is used up.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        if self.0 == Self::MAX {
            None
        } else {
            Some(Self(self.0 + 1))
        }
    }
}

impl TryFrom<u32> for Generation {
    type Error = IdError;

    fn try_from(value: u32) -> Result<Self, IdError> {
        Self::new(value)
    }
}

impl From<Generation> for u32 {
    fn from(value: Generation) -> Self {
        value.0
    }
}

/// A lease: `providerId32 | lane32 | gen32` as uint96 (contracts: section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    /// Whose lease.
    pub provider: ProviderId,
    /// Which counter slot.
    pub lane: Lane,
    /// Which use of the slot.
    pub generation: Generation,
}

impl LeaseId {
    /// The uint96 the contract uses.
    #[must_use]
    pub fn to_u96(self) -> U96 {
        (U96::from(self.provider.0) << 64) | (U96::from(self.lane.0) << 32) | U96::from(self.generation.0)
    }

    /// Reads the contract's uint96.
    ///
    /// # Errors
    /// The low 32 bits hold a generation above 24 bits.
    pub fn from_u96(value: U96) -> Result<Self, IdError> {
        let mask = U96::from(u32::MAX);
        let word = |shift: usize| ((value >> shift) & mask).to::<u32>();
        Ok(Self {
            provider: ProviderId(word(64)),
            lane: Lane(word(32)),
            generation: Generation::new(word(0))?,
        })
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.provider.0, self.lane.0, self.generation.0)
    }
}

impl FromStr for LeaseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::NotALeaseId(text.chars().take(64).collect());
        let mut parts = text.split('-');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(provider), Some(lane), Some(generation), None) => Ok(Self {
                provider: ProviderId(provider.parse().map_err(|_| bad())?),
                lane: Lane(lane.parse().map_err(|_| bad())?),
                generation: Generation::new(generation.parse().map_err(|_| bad())?)?,
            }),
            (Some(number), None, None, None) => Self::from_u96(number.parse().map_err(|_| bad())?),
            (_, _, _, _) => Err(bad()),
        }
    }
}

impl Serialize for LeaseId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LeaseId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The EIP-712 hash of an order; used once on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderHash(pub B256);

/// keccak-256 of a lease's terms; every signed act names it, so nothing signed for one tenant's lease fits another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TermsHash(pub B256);

/// What workload, meter and lane are keyed by: after a reorg another tenant's lease may carry the same id (contracts: section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseKey {
    /// The uint96 id.
    pub id: LeaseId,
    /// The terms both sides signed.
    pub terms: TermsHash,
}

impl fmt::Display for OrderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TermsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_lease_id_survives_the_uint96_and_the_text(p: u32, l: u32, g in 0..=Generation::MAX) {
            let id = LeaseId { provider: ProviderId(p), lane: Lane(l), generation: Generation::new(g).unwrap() };
            prop_assert_eq!(LeaseId::from_u96(id.to_u96()).unwrap(), id);
            prop_assert_eq!(id.to_string().parse::<LeaseId>().unwrap(), id);
            prop_assert_eq!(id.to_u96().to_string().parse::<LeaseId>().unwrap(), id);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let parsed = text.parse::<LeaseId>();
            prop_assert!(parsed.is_ok() || parsed.is_err());
        }
    }

    #[test]
    fn a_generation_never_leaves_its_24_bits() {
        assert_eq!(
            Generation::new(Generation::MAX + 1),
            Err(IdError::GenerationTooLarge(1 << 24))
        );
        assert_eq!(Generation::new(Generation::MAX).unwrap().next(), None);
    }
}
