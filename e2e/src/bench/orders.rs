//! Orders, exactly one in each block: the tenant's own transaction from its command line, sent again and again with another salt by the
//! development chain's unlocked account. Words of the call are counted as contracts/src/types/Types.sol declares them.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::heads::Heads;
use crate::scene::{Ledger, Posted, hex, keccak, unhex};

/// Where `Order.salt` is among the words of `postOrder`'s arguments: the last field of a struct of 27 words, which comes first.
const SALT_WORD: usize = 26;
/// Where `Order.tenant` is.
const TENANT_WORD: usize = 0;
const SELECTOR: usize = 4;
const WORD: usize = 32;
/// `OrderPosted(bytes32 indexed orderHash, ...)` is the only event of `postOrder` with this many topics.
const POSTED_TOPICS: usize = 3;

/// An order that is on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its hash, 64 digits without a prefix, as it stands in what is sent for it.
    pub(super) hash: String,
    /// Its block.
    pub(super) block: u64,
}

/// A transaction that posts an order like one that was posted before.
pub(super) struct Template {
    tenant: String,
    book: String,
    call: Vec<u8>,
}

impl Template {
    /// From an order of the command line, which has set the allowance for itself only; this sets it for all.
    ///
    /// # Errors
    /// The chain does not know the transaction, or it is not `postOrder`.
    pub(super) fn of(ledger: &Ledger, posted: &Posted) -> Result<Self> {
        let sent = posted.sent.last().context("request sent no transaction")?;
        let transaction = ledger.rpc("eth_getTransactionByHash", &json!([sent.hash]))?;
        let text = |name: &str| transaction[name].as_str().unwrap_or_default().to_owned();
        let template = Self {
            tenant: text("from"),
            book: text("to"),
            call: unhex(&text("input"))?,
        };
        ensure!(
            template.book.eq_ignore_ascii_case(&ledger.lease_book),
            "request's last transaction went to {}, not to the book",
            template.book
        );
        let tenant = word(&template.call, TENANT_WORD)?;
        ensure!(
            hex(tenant).ends_with(template.tenant.trim_start_matches("0x")),
            "the order's first word is {}, not its tenant: Types.sol has changed",
            hex(tenant)
        );
        let mut approve: Vec<u8> = keccak(b"approve(address,uint256)")
            .into_iter()
            .take(SELECTOR)
            .collect();
        approve.extend([0; 12]);
        approve.extend(unhex(&template.book)?);
        approve.extend([0xff; WORD]);
        template.send(ledger, &ledger.token, &approve)?;
        Ok(template)
    }

    /// Sends the order with this salt; it comes into the next block.
    fn post(&self, ledger: &Ledger, salt: u64) -> Result<String> {
        let mut call = self.call.clone();
        let from = SELECTOR + SALT_WORD * WORD;
        let place = call
            .get_mut(from..from + WORD)
            .context("postOrder has too few words")?;
        place.copy_from_slice(&keccak(format!("bench order {salt}").as_bytes()));
        self.send(ledger, &self.book, &call)
    }

    fn send(&self, ledger: &Ledger, to: &str, call: &[u8]) -> Result<String> {
        let transaction = json!([{ "from": self.tenant, "to": to, "data": hex(call), "gas": "0x100000" }]);
        let hash = ledger.rpc("eth_sendTransaction", &transaction)?;
        Ok(hash.as_str().context("no transaction hash")?.to_owned())
    }

    /// Posts so many orders, one in each of as many consecutive blocks, and says where each is.
    ///
    /// # Errors
    /// One of them failed, or two came into one block.
    pub(super) fn one_a_block(&self, ledger: &Ledger, heads: &Heads, count: u64) -> Result<Vec<Placed>> {
        let mut sent = Vec::new();
        for salt in 0..count {
            heads.next()?;
            sent.push(self.post(ledger, salt)?);
        }
        heads.next()?;
        heads.next()?;
        let placed: Vec<Placed> = sent
            .iter()
            .map(|hash| {
                let receipt = ledger.rpc("eth_getTransactionReceipt", &json!([hash]))?;
                placed(&receipt).with_context(|| format!("order in transaction {hash}"))
            })
            .collect::<Result<_>>()?;
        for pair in placed.windows(2) {
            if let [one, next] = pair
                && next.block <= one.block
            {
                bail!("two orders in block {}", one.block);
            }
        }
        Ok(placed)
    }
}

fn word(call: &[u8], nth: usize) -> Result<&[u8]> {
    let from = SELECTOR + nth * WORD;
    call.get(from..from + WORD).context("postOrder has too few words")
}

fn placed(receipt: &Value) -> Result<Placed> {
    ensure!(receipt["status"] == "0x1", "it failed: {receipt}");
    let log = receipt["logs"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|log| {
            log["topics"].as_array().map_or(0, Vec::len) == POSTED_TOPICS
                && log["data"] != "0x"
                && is_posted(log)
        })
        .context("no event OrderPosted")?;
    let hash = log["topics"][1].as_str().context("no order hash")?;
    let block = receipt["blockNumber"].as_str().context("no block")?;
    Ok(Placed {
        hash: hash.trim_start_matches("0x").to_owned(),
        block: u64::from_str_radix(block.trim_start_matches("0x"), 16)?,
    })
}

/// An order's event carries the whole order; a token's transfer, which has as many topics, carries one word.
fn is_posted(log: &Value) -> bool {
    log["data"]
        .as_str()
        .is_some_and(|data| data.len() > 2 + 2 * WORD * SALT_WORD)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn an_order_is_found_among_the_events_of_its_transaction() {
        let topic = format!("0x{}", "ab".repeat(32));
        let order = json!({ "topics": ["0x1", topic, "0x3"], "data": format!("0x{}", "00".repeat(32 * 40)) });
        let transfer = json!({ "topics": ["0x1", "0x2", "0x3"], "data": format!("0x{}", "00".repeat(32)) });
        let receipt = json!({ "status": "0x1", "blockNumber": "0x1b", "logs": [transfer, order] });
        let found = placed(&receipt).unwrap();
        assert_eq!((found.block, found.hash), (27, "ab".repeat(32)));
        let failed = json!({ "status": "0x0", "blockNumber": "0x1b", "logs": [] });
        assert!(placed(&failed).is_err());
    }
}
