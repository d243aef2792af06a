//! What the follower asks of an endpoint: headers and logs, nothing else. A trait, so that a chain in memory can stand in for one.

use std::future::Future;

use alloy::{
    primitives::{Address, B256, Bloom, BloomInput, U64},
    providers::Provider,
    rpc::types::{Filter, Log},
};
use serde::Deserialize;

use crate::{
    chain_io::{endpoint::Endpoint, errors::RpcFailure},
    core::{canon::BlockRef, time::ChainSeconds},
};

/// Which header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Latest,
    Safe,
    Finalized,
    Number(u64),
    Hash(B256),
}

/// A header, as far as following needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) at: BlockRef,
    pub(super) bloom: Bloom,
}

impl Header {
    /// Whether the block may hold logs of one of these addresses (yellow paper, 4.4.3): never wrong about a no.
    pub(super) fn may_hold(&self, addresses: &[Address]) -> bool {
        addresses
            .iter()
            .any(|address| self.bloom.contains_input(BloomInput::Raw(address.as_slice())))
    }
}

/// A source of headers and logs.
pub(super) trait ChainSource: Sync {
    /// A header; none when the source has no such block (yet).
    fn header(&self, which: Which) -> impl Future<Output = Result<Option<Header>, RpcFailure>> + Send;

    /// All logs of these addresses in one block; a failure when the source does not have the block.
    fn logs_of(
        &self,
        block: B256,
        addresses: &[Address],
    ) -> impl Future<Output = Result<Vec<Log>, RpcFailure>> + Send;

    /// All logs of these addresses from one height to another, both included.
    fn logs_between(
        &self,
        from: u64,
        to: u64,
        addresses: &[Address],
    ) -> impl Future<Output = Result<Vec<Log>, RpcFailure>> + Send;

    /// An answer that cannot be.
    fn malformed(&self, what: &'static str, detail: &str) -> RpcFailure;

    /// Something that should be there is not.
    fn missing(&self, what: &'static str, detail: &str) -> RpcFailure;
}

/// Only what is needed of a block: chains add fields, and transactions are not ours to read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireHeader {
    number: U64,
    hash: B256,
    parent_hash: B256,
    timestamp: U64,
    #[serde(default)]
    logs_bloom: Bloom,
}

impl From<WireHeader> for Header {
    fn from(wire: WireHeader) -> Self {
        Self {
            at: BlockRef {
                number: wire.number.to::<u64>(),
                hash: wire.hash,
                parent: wire.parent_hash,
                time: ChainSeconds(wire.timestamp.to::<u64>()),
            },
            bloom: wire.logs_bloom,
        }
    }
}

impl ChainSource for Endpoint {
    async fn header(&self, which: Which) -> Result<Option<Header>, RpcFailure> {
        let (method, block) = match which {
            Which::Latest => ("eth_getBlockByNumber", "latest".to_owned()),
            Which::Safe => ("eth_getBlockByNumber", "safe".to_owned()),
            Which::Finalized => ("eth_getBlockByNumber", "finalized".to_owned()),
            Which::Number(number) => ("eth_getBlockByNumber", format!("{number:#x}")),
            Which::Hash(hash) => ("eth_getBlockByHash", hash.to_string()),
        };
        let found: Option<WireHeader> = self
            .ask(method, |provider| async move {
                provider.raw_request(method.into(), (block, false)).await
            })
            .await?;
        let found = found.map(Header::from);
        let fits = match (which, &found) {
            (Which::Number(number), Some(header)) => header.at.number == number,
            (Which::Hash(hash), Some(header)) => header.at.hash == hash,
            (_, _) => true,
        };
        if !fits {
            return Err(self.malformed(method, "answered with another block than asked for"));
        }
        Ok(found)
    }

    async fn logs_of(&self, block: B256, addresses: &[Address]) -> Result<Vec<Log>, RpcFailure> {
        let filter = Filter::new().address(addresses.to_vec()).at_block_hash(block);
        self.ask("eth_getLogs", |provider| async move {
            provider.get_logs(&filter).await
        })
        .await
    }

    async fn logs_between(&self, from: u64, to: u64, addresses: &[Address]) -> Result<Vec<Log>, RpcFailure> {
        let filter = Filter::new()
            .address(addresses.to_vec())
            .from_block(from)
            .to_block(to);
        self.ask("eth_getLogs", |provider| async move {
            provider.get_logs(&filter).await
        })
        .await
    }

    fn malformed(&self, what: &'static str, detail: &str) -> RpcFailure {
        let failure = self.origin(what).malformed(detail);
        self.count(&failure);
        failure
    }

    fn missing(&self, what: &'static str, detail: &str) -> RpcFailure {
        let failure = self.origin(what).missing(detail);
        self.count(&failure);
        failure
    }
}
