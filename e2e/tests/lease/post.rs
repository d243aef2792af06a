//! Orders that the command line would not post: a good one's call is taken apart, changed and sent by the tenant's key, which the local
//! node holds too. What is refused then is refused by the provider.

use anyhow::{Context as _, Result, ensure};
use leaseport_e2e::scene::{Posted, Scene, eventually, hex, keccak, unhex};
use serde_json::json;

const WORD: usize = 32;
/// Words of an Order in a call's data (contracts: Types.sol).
const ORDER_WORDS: usize = 27;
const DEPOSIT: usize = 10;
const NEEDS_HASH: usize = 22;
const MANIFEST_HASH: usize = 23;
const SALT: usize = 26;

const ORDER_TYPE: &str = "(address,address,address,uint8,uint8,uint8,uint16,uint48,uint48,uint32,uint64,uint32,uint32,uint32,uint16,uint32,uint32,uint32,\
uint64,uint64,uint32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32)";

/// The data of a `postOrder(Order, bytes needs, string endpoint)`, without its selector.
pub(crate) struct PostCall(Vec<u8>);

impl PostCall {
    /// The call that posted an order.
    pub(crate) fn of(scene: &Scene, posted: &Posted) -> Result<Self> {
        Self::sent(scene, &posted.sent.last().context("no transaction")?.hash)
    }

    fn sent(scene: &Scene, transaction: &str) -> Result<Self> {
        let found = scene
            .ledger
            .rpc("eth_getTransactionByHash", &json!([transaction]))?;
        let data = unhex(found["input"].as_str().context("no such transaction")?)?;
        Ok(Self(data.get(4..).context("too short")?.to_vec()))
    }

    fn word(&self, at: usize) -> Result<&[u8]> {
        self.0.get(at * WORD..(at + 1) * WORD).context("too short")
    }

    fn set(&mut self, at: usize, word: &[u8]) -> Result<()> {
        self.0
            .get_mut(at * WORD..(at + 1) * WORD)
            .context("too short")?
            .copy_from_slice(word);
        Ok(())
    }

    /// Makes it another order than the one it was.
    pub(crate) fn salt(&mut self, salt: &str) -> Result<()> {
        self.set(SALT, &keccak(salt.as_bytes()))
    }

    /// Binds another manifest.
    pub(crate) fn manifest(&mut self, bytes: &[u8]) -> Result<()> {
        self.set(MANIFEST_HASH, &keccak(bytes))
    }

    /// Asks for something else, and for no endpoint.
    pub(crate) fn needs(&mut self, bytes: &[u8]) -> Result<()> {
        self.set(NEEDS_HASH, &keccak(bytes))?;
        let padded = bytes.len().div_ceil(WORD) * WORD;
        let head = (ORDER_WORDS + 2) * WORD;
        self.0.truncate(ORDER_WORDS * WORD);
        for number in [head, head + WORD + padded, bytes.len()] {
            self.0.extend(number_word(number)?);
        }
        self.0.extend(bytes);
        self.0.resize(head + WORD + padded, 0);
        self.0.extend(number_word(0)?);
        Ok(())
    }

    /// Posts it as the tenant and says its hash.
    pub(crate) fn send(&self, scene: &Scene) -> Result<String> {
        let mut approve = selector("approve(address,uint256)");
        approve.extend([0; 12]);
        approve.extend(unhex(&scene.ledger.lease_book)?);
        approve.extend(self.word(DEPOSIT)?);
        send_as_tenant(scene, &scene.ledger.token, &approve)?;

        let mut data = selector(&format!("postOrder({ORDER_TYPE},bytes,string)"));
        data.extend(&self.0);
        let posting = send_as_tenant(scene, &scene.ledger.lease_book, &data)?;
        let receipt = scene.ledger.rpc("eth_getTransactionReceipt", &json!([posting]))?;
        let order = receipt["logs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|log| log["topics"].as_array().is_some_and(|topics| topics.len() == 3))
            .find(|log| {
                log["address"]
                    .as_str()
                    .is_some_and(|at| at.eq_ignore_ascii_case(&scene.ledger.lease_book))
            })
            .and_then(|log| log["topics"][1].as_str())
            .context("no OrderPosted")?;
        Ok(order.to_owned())
    }

    /// Takes the deposit of the order it posted back.
    pub(crate) fn cancel(&self, scene: &Scene) -> Result<()> {
        let mut data = selector(&format!("cancelOrder({ORDER_TYPE})"));
        data.extend(self.0.get(..ORDER_WORDS * WORD).context("too short")?);
        send_as_tenant(scene, &scene.ledger.lease_book, &data)?;
        Ok(())
    }
}

/// Takes the deposit of an order back, by the transaction that posted it.
pub(crate) fn cancel(scene: &Scene, posting: &str) -> Result<()> {
    PostCall::sent(scene, posting)?.cancel(scene)
}

fn selector(signature: &str) -> Vec<u8> {
    keccak(signature.as_bytes()).into_iter().take(4).collect()
}

fn number_word(value: usize) -> Result<Vec<u8>> {
    let mut word = vec![0; WORD - 8];
    word.extend(u64::try_from(value)?.to_be_bytes());
    Ok(word)
}

/// Sends a transaction and waits for it.
fn send_as_tenant(scene: &Scene, to: &str, data: &[u8]) -> Result<String> {
    let call = json!([{ "from": scene.cast.tenant.address, "to": to, "data": hex(data), "gas": "0xf4240" }]);
    let hash = scene.ledger.rpc("eth_sendTransaction", &call)?;
    let hash = hash.as_str().context("no hash")?.to_owned();
    let receipt = eventually("the transaction is mined", || scene.ledger.receipt(&hash))?;
    ensure!(receipt.succeeded, "{hash} reverted");
    Ok(hash)
}
