//! What the chain itself says of money and leases, read by `eth_call` with the encoding written out here, so that a mistake in the
//! product's own bindings cannot hide from a test. It reads only.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

use crate::rpc;

/// Micro-units of a token: 10^-6 of one, or a difference of such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micro(pub i128);

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", amount / 1_000_000, amount % 1_000_000)
    }
}

impl std::ops::Add for Micro {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Micro {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// Reads one market's contracts.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// JSON-RPC over HTTP, never through a proxy that a scenario cuts.
    pub rpc_url: String,
    /// The contract that holds the leases.
    pub lease_book: String,
    /// The first listed token.
    pub token: String,
    /// The provider's number.
    pub provider: u32,
}

/// A lane's lease as `leaseAt` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOnChain {
    /// providerId 32 | lane 32 | generation 32.
    pub id: u128,
    /// 0 none, 1 pending, 2 live, 3 closed.
    pub state: u64,
    /// Lane's seconds when it started.
    pub lane_base: u64,
    /// Seconds paid.
    pub settled: u64,
    /// Unix seconds.
    pub start_at: u64,
    /// Unix seconds.
    pub stop_at: u64,
    /// Micro-units an hour.
    pub rate: u64,
    /// What is left in escrow, without what is held back.
    pub balance: Micro,
    /// Seconds reported, all leases of the lane together.
    pub lane: u64,
}

impl LeaseOnChain {
    /// Seconds reported for this lease.
    #[must_use]
    pub fn reported(&self) -> u64 {
        self.lane.saturating_sub(self.lane_base)
    }
}

/// What a mined transaction did.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Block it is in.
    pub block: u64,
}

type Word = [u8; 32];

impl Ledger {
    /// Tokens of an address.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn balance_of(&self, address: &str) -> Result<Micro> {
        self.one(&self.token, "balanceOf(address)", &[of_address(address)?])
    }

    /// Tokens in the contract that holds the leases.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn in_book(&self) -> Result<Micro> {
        self.balance_of(&self.lease_book)
    }

    /// Protocol fees that wait in the book.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn fees(&self) -> Result<Micro> {
        self.one(&self.lease_book, "fees(uint8)", &[of_u64(0)])
    }

    /// What `claim` would pay to the provider now.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn claimable(&self) -> Result<Micro> {
        let call = [of_u64(u64::from(self.provider)), of_u64(0)];
        self.one(&self.lease_book, "earnings(uint32,uint8)", &call)
    }

    /// What still vests of the provider's earnings.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn vesting(&self) -> Result<Micro> {
        let call = [of_u64(u64::from(self.provider)), of_u64(0)];
        let words = self.call(&self.lease_book, "earnings(uint32,uint8)", &call)?;
        let word = words.get(1).context("earnings answered too little")?;
        Ok(Micro(i128::try_from(to_u128(word))?))
    }

    /// The lease of one of the provider's lanes.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn lease_at(&self, lane: u32) -> Result<LeaseOnChain> {
        let call = [of_u64(u64::from(self.provider)), of_u64(u64::from(lane))];
        let words = self.call(&self.lease_book, "leaseAt(uint32,uint32)", &call)?;
        let number = |at: usize| words.get(at).map(to_u128).context("leaseAt answered too little");
        let small = |at: usize| -> Result<u64> { Ok(u64::try_from(number(at)?)?) };
        Ok(LeaseOnChain {
            id: number(0)?,
            state: small(1)?,
            lane_base: small(5)?,
            settled: small(6)?,
            start_at: small(7)?,
            stop_at: small(8)?,
            rate: small(9)?,
            balance: Micro(i128::try_from(number(10)?)?),
            lane: small(13)?,
        })
    }

    /// The latest block's number and time.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn head(&self) -> Result<(u64, u64)> {
        let block = self.rpc("eth_getBlockByNumber", &json!(["latest", false]))?;
        Ok((quantity(&block["number"])?, quantity(&block["timestamp"])?))
    }

    /// What a mined transaction did; none while it is not mined.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn receipt(&self, transaction: &str) -> Result<Option<Receipt>> {
        let receipt = self.rpc("eth_getTransactionReceipt", &json!([transaction]))?;
        if receipt.is_null() {
            return Ok(None);
        }
        Ok(Some(Receipt {
            succeeded: quantity(&receipt["status"])? == 1,
            gas_used: quantity(&receipt["gasUsed"])?,
            block: quantity(&receipt["blockNumber"])?,
        }))
    }

    /// Logs of the book with this event, from a block on.
    ///
    /// # Errors
    /// The chain does not answer.
    pub fn events(&self, signature: &str, from_block: u64) -> Result<Vec<Value>> {
        let topic = hex(&Keccak256::digest(signature.as_bytes()));
        let filter = json!([{ "address": self.lease_book, "fromBlock": format!("{from_block:#x}"), "topics": [topic] }]);
        Ok(self
            .rpc("eth_getLogs", &filter)?
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Calls a method of the node.
    ///
    /// # Errors
    /// The chain does not answer, or says no.
    pub fn rpc(&self, method: &str, parameters: &Value) -> Result<Value> {
        rpc::call(&self.rpc_url, method, parameters).with_context(|| method.to_owned())
    }

    fn one(&self, to: &str, signature: &str, arguments: &[Word]) -> Result<Micro> {
        let words = self.call(to, signature, arguments)?;
        let word = words
            .first()
            .with_context(|| format!("{signature} answered nothing"))?;
        Ok(Micro(i128::try_from(to_u128(word))?))
    }

    fn call(&self, to: &str, signature: &str, arguments: &[Word]) -> Result<Vec<Word>> {
        let data = encode(signature, arguments);
        let answer = self.rpc("eth_call", &json!([{ "to": to, "data": hex(&data) }, "latest"]))?;
        let bytes = unhex(answer.as_str().unwrap_or_default())?;
        Ok(bytes
            .chunks_exact(32)
            .map(|chunk| std::array::from_fn(|at| chunk.get(at).copied().unwrap_or_default()))
            .collect())
    }
}

/// A call's data: four bytes that name the function, then its arguments.
fn encode(signature: &str, arguments: &[Word]) -> Vec<u8> {
    let mut data: Vec<u8> = Keccak256::digest(signature.as_bytes())
        .iter()
        .take(4)
        .copied()
        .collect();
    data.extend(arguments.iter().flatten());
    data
}

fn of_u64(number: u64) -> Word {
    let mut word = [0; 32];
    for (to, from) in word.iter_mut().rev().zip(number.to_le_bytes()) {
        *to = from;
    }
    word
}

fn of_address(address: &str) -> Result<Word> {
    let bytes = unhex(address)?;
    if bytes.len() != 20 {
        bail!("{address} is no address");
    }
    let mut word = [0; 32];
    for (to, from) in word.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    Ok(word)
}

fn to_u128(word: &Word) -> u128 {
    word.iter()
        .skip(16)
        .fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

/// A number as JSON-RPC writes it.
fn quantity(value: &Value) -> Result<u64> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} is no quantity"))?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// `0x` and two digits a byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The bytes of `0x…`.
///
/// # Errors
/// Something else than pairs of hexadecimal digits.
pub fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits = text.trim_start_matches("0x");
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        bail!("{text} is not hexadecimal");
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            let pair = digits.get(at..at + 2).unwrap_or_default();
            u8::from_str_radix(pair, 16).with_context(|| format!("{text} is not hexadecimal"))
        })
        .collect()
}

/// keccak256 of some bytes.
#[must_use]
pub fn keccak(bytes: &[u8]) -> Vec<u8> {
    Keccak256::digest(bytes).to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_call_is_encoded_as_the_abi_says() {
        // From the ERC-20 ABI: balanceOf(address) is 0x70a08231.
        let data = encode(
            "balanceOf(address)",
            &[of_address("0x00000000000000000000000000000000000000ff").unwrap()],
        );
        assert_eq!(
            hex(&data),
            "0x70a0823100000000000000000000000000000000000000000000000000000000000000ff"
        );
    }

    #[test]
    fn money_is_written_with_all_six_digits() {
        assert_eq!(Micro(31_666).to_string(), "0.031666");
        assert_eq!(Micro(-2_500_001).to_string(), "-2.500001");
    }

    #[test]
    fn hexadecimal_digits_survive_the_way_there_and_back() {
        assert_eq!(unhex(&hex(&[0, 1, 254, 255])).unwrap(), [0, 1, 254, 255]);
        assert!(unhex("0xzz").is_err() && unhex("0x123").is_err());
    }

    #[test]
    fn a_number_fills_the_end_of_its_word() {
        assert_eq!(to_u128(&of_u64(0x0102_0304)), 0x0102_0304);
    }
}
