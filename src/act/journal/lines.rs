//! The journal's lines, and what they say is still under way. Pure: reads text and writes none.

use alloy::primitives::{Address, B256, Bytes, U128, U256};
use serde::{Deserialize, Serialize};

use crate::core::{
    ids::ChainId,
    tx::{Call, Fees, Version},
};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum Line {
    /// Before the bytes leave.
    #[serde(rename_all = "camelCase")]
    Signed {
        /// Unix seconds.
        at: u64,
        /// Which chain.
        chain_id: u64,
        /// Whose.
        from: Address,
        /// Its nonce.
        nonce: u64,
        /// Which step.
        what: String,
        /// Its hash.
        hash: B256,
        /// The bytes, to send them again.
        raw: Bytes,
        /// What they say, to sign them again at a higher fee; older programs did not write it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer: Option<Offer>,
    },
    /// Its fate is known.
    #[serde(rename_all = "camelCase")]
    Ended {
        /// Unix seconds.
        at: u64,
        /// Which.
        hash: B256,
        /// `mined`, `reverted`, `refused` or `replaced`.
        outcome: Fate,
    },
}

/// What became of a signed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// It is in a block and did what it should.
    Mined,
    /// It is in a block and did nothing.
    Reverted,
    /// No endpoint took it.
    Refused,
    /// Another transaction has its nonce.
    Replaced,
}

/// What a version says beside its nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The contract.
    to: Address,
    /// The call.
    data: Bytes,
    /// The same in all versions.
    gas_limit: u64,
    /// Wei for a unit of gas.
    max_fee: U128,
    /// Of it, for whoever makes the block.
    tip: U128,
}

impl Offer {
    pub(super) fn of(call: &Call, gas_limit: u64, fees: Fees) -> Self {
        Self {
            to: call.to,
            data: call.data.clone(),
            gas_limit,
            max_fee: U128::from(fees.max_fee),
            tip: U128::from(fees.tip),
        }
    }
}

/// A nonce whose fate the journal does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which step.
    pub what: String,
    /// The nonce.
    pub nonce: u64,
    /// What was signed first.
    pub first: Version,
    /// The same at higher fees, oldest first.
    pub replacements: Vec<Version>,
    offer: Option<Offer>,
}

impl Unfinished {
    /// The dearest version.
    #[must_use]
    pub fn newest(&self) -> &Version {
        self.replacements.last().unwrap_or(&self.first)
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.first).chain(&self.replacements)
    }

    /// What it calls, where that was written down.
    #[must_use]
    pub fn call(&self) -> Option<Call> {
        self.offer.as_ref().map(|offer| Call {
            to: offer.to,
            data: offer.data.clone(),
            value: U256::ZERO,
        })
    }

    /// Its gas limit, zero where that was not written down.
    #[must_use]
    pub fn gas_limit(&self) -> u64 {
        self.offer.as_ref().map_or(0, |offer| offer.gas_limit)
    }
}

/// The nonces of a key on a chain whose fate is not in the journal's text, oldest first.
///
/// # Errors
/// The number of the first line that is none, and why. A last line without its end was cut off while it was written: its bytes never left.
pub fn unfinished(text: &str, chain: ChainId, key: Address) -> Result<Vec<Unfinished>, (usize, String)> {
    let mut open: Vec<Unfinished> = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if !line.ends_with('\n') || line.trim().is_empty() {
            continue;
        }
        let line: Line =
            serde_json::from_str(line).map_err(|error| (index.saturating_add(1), error.to_string()))?;
        match line {
            Line::Signed {
                chain_id,
                from,
                nonce,
                what,
                hash,
                raw,
                offer,
                ..
            } => {
                if chain_id != chain.0 || from != key {
                    continue;
                }
                // A version whose price is not known cannot be outbid: as if it paid all there is.
                let fees = offer.as_ref().map_or(DEAREST, |offer| Fees {
                    max_fee: offer.max_fee.to(),
                    tip: offer.tip.to(),
                });
                let version = Version { hash, raw, fees };
                match open.iter_mut().find(|known| known.nonce == nonce) {
                    Some(known) => known.replacements.push(version),
                    None => open.push(Unfinished {
                        what,
                        nonce,
                        first: version,
                        replacements: Vec::new(),
                        offer,
                    }),
                }
            }
            // One version's fate is the nonce's.
            Line::Ended { hash, .. } => {
                open.retain(|known| known.versions().all(|version| version.hash != hash));
            }
        }
    }
    Ok(open)
}

const DEAREST: Fees = Fees {
    max_fee: u128::MAX,
    tip: u128::MAX,
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    const KEY: Address = Address::repeat_byte(1);

    fn signed(byte: u8, chain: u64, from: Address) -> String {
        let line = Line::Signed {
            at: 1,
            chain_id: chain,
            from,
            nonce: u64::from(byte),
            what: "post the order".into(),
            hash: B256::repeat_byte(byte),
            raw: Bytes::from_static(&[2]),
            offer: None,
        };
        format!("{}\n", serde_json::to_string(&line).unwrap())
    }

    fn ended(byte: u8) -> String {
        let line = Line::Ended {
            at: 2,
            hash: B256::repeat_byte(byte),
            outcome: Fate::Mined,
        };
        format!("{}\n", serde_json::to_string(&line).unwrap())
    }

    #[test]
    fn what_was_signed_and_not_ended_is_found_again_for_this_key_and_chain_alone() {
        let text = signed(1, 5, KEY)
            + &ended(1)
            + &signed(2, 5, KEY)
            + &signed(3, 6, KEY)
            + &signed(4, 5, Address::ZERO);
        let open = unfinished(&text, ChainId(5), KEY).unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].first.hash, B256::repeat_byte(2));
    }

    #[test]
    fn a_line_cut_off_while_it_was_written_counts_as_never_sent_and_a_strange_one_is_named() {
        let half = signed(1, 5, KEY).trim_end().to_owned();
        assert_eq!(unfinished(&half, ChainId(5), KEY), Ok(vec![]));
        let (line, _) = unfinished(&format!("{}hello\n", ended(1)), ChainId(5), KEY).unwrap_err();
        assert_eq!(line, 2);
    }

    #[test]
    fn a_raised_version_is_of_the_same_nonce_and_the_fate_of_one_ends_all() {
        let raised = signed(2, 5, KEY).replace(&"02".repeat(32), &"09".repeat(32));
        let text = signed(2, 5, KEY) + &raised;
        let open = unfinished(&text, ChainId(5), KEY).unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].newest().hash, B256::repeat_byte(9));
        assert_eq!(open[0].versions().count(), 2);
        for byte in [2, 9] {
            let text = text.clone() + &ended(byte);
            assert_eq!(unfinished(&text, ChainId(5), KEY), Ok(vec![]));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}\n?") {
            let read = unfinished(&text, ChainId(1), KEY);
            prop_assert!(read.is_err() || read.unwrap().is_empty());
        }
    }
}
