//! The small world: an API server's objects, a chain that reorganizes, mempools that forget. It knows what is safe and plans nothing.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy::primitives::{B256, Bytes, keccak256};

use super::FIRST_NONCE;
use crate::core::{
    time::{ChainSeconds, Now, Steady, UnixMillis},
    tx::*,
};

/// A signed transaction: what the chain sees of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) nonce: u64,
    /// None is a stranger's.
    pub(super) intent: Option<IntentId>,
    pub(super) max_fee: u128,
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) hash: B256,
    pub(super) txs: Vec<B256>,
}

/// The API server's side of one object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) record: Record,
    pub(super) resource_version: u64,
}

pub(super) struct World {
    pub(super) blocks: Vec<Block>,
    pub(super) settled: usize,
    pub(super) signed: BTreeMap<B256, Signed>,
    pub(super) mempool: BTreeSet<B256>,
    pub(super) objects: BTreeMap<u64, Object>,
    /// Every (nonce, intent) an object ever had.
    pub(super) committed: BTreeMap<u64, IntentId>,
    /// Whatever was in a settled block, in order.
    pub(super) clock: u64,
    pub(super) forks: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let genesis = Block {
            hash: B256::ZERO,
            txs: Vec::new(),
        };
        Self {
            blocks: vec![genesis],
            settled: 0,
            signed: BTreeMap::new(),
            mempool: BTreeSet::new(),
            objects: BTreeMap::new(),
            committed: BTreeMap::new(),
            clock: 0,
            forks: 0,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            steady: Steady(Duration::from_secs(self.clock)),
            wall: UnixMillis(i64::try_from(self.clock).unwrap() * 1000),
            chain: Some(self.heads().time),
        }
    }

    pub(super) fn heads(&self) -> Heads {
        Heads {
            number: self.blocks.len() as u64 - 1,
            hash: self.blocks.last().unwrap().hash,
            time: ChainSeconds(self.clock),
            settled: self.settled as u64,
        }
    }

    pub(super) fn nonce(&self) -> u64 {
        FIRST_NONCE
            + self
                .blocks
                .iter()
                .map(|block| block.txs.len() as u64)
                .sum::<u64>()
    }

    pub(super) fn lookup(&self, hash: B256) -> Lookup {
        let place = self.blocks.iter().position(|block| block.txs.contains(&hash));
        place.map_or(Lookup::Absent, |number| {
            Lookup::Found(Inclusion {
                mined: Mined {
                    hash,
                    block_number: number as u64,
                    block_hash: self.blocks[number].hash,
                    gas_used: 21_000,
                    effective_gas_price: 1,
                    data_fee: 0,
                    succeeded: true,
                },
                is_canonical: true,
            })
        })
    }

    /// Mines what fits on the chain's nonce; of several versions the dearest.
    pub(super) fn mine(&mut self) {
        let mut txs = Vec::new();
        let mut nonce = self.nonce();
        loop {
            let best = self
                .mempool
                .iter()
                .filter(|hash| self.signed[*hash].nonce == nonce)
                .max_by_key(|hash| self.signed[*hash].max_fee)
                .copied();
            let Some(hash) = best else { break };
            txs.push(hash);
            nonce += 1;
        }
        self.mempool.retain(|hash| self.signed[hash].nonce >= nonce);
        self.forks += 1;
        let hash = keccak256(self.forks.to_be_bytes());
        self.blocks.push(Block { hash, txs });
        self.clock += 12;
    }

    /// Removes up to `depth` unsettled blocks; of their transactions the mempools keep those that `keep` says.
    pub(super) fn reorganize(&mut self, depth: usize, keep: u8) {
        for _ in 0..depth {
            if self.blocks.len() - 1 <= self.settled {
                break;
            }
            let gone = self.blocks.pop().unwrap();
            for (place, hash) in gone.txs.into_iter().enumerate() {
                if keep >> (place % 8) & 1 == 1 {
                    self.mempool.insert(hash);
                }
            }
        }
    }

    pub(super) fn send(&mut self, hash: B256) -> Broadcast {
        let tx = self.signed[&hash];
        if tx.nonce < self.nonce() {
            return Broadcast::NonceTooLow;
        }
        let rival = self
            .mempool
            .iter()
            .find(|other| self.signed[*other].nonce == tx.nonce)
            .copied();
        match rival {
            Some(other) if other == hash => Broadcast::Sent,
            Some(other) if tx.max_fee * 10 < self.signed[&other].max_fee * 11 => Broadcast::Underpriced,
            Some(other) => {
                self.mempool.remove(&other);
                self.mempool.insert(hash);
                Broadcast::Sent
            }
            None => {
                self.mempool.insert(hash);
                Broadcast::Sent
            }
        }
    }

    pub(super) fn sign(&mut self, nonce: u64, intent: IntentId, fees: Fees) -> Version {
        let mut bytes = nonce.to_be_bytes().to_vec();
        bytes.extend_from_slice(intent.0.as_slice());
        bytes.extend_from_slice(&fees.max_fee.to_be_bytes());
        let hash = keccak256(&bytes);
        self.signed.insert(
            hash,
            Signed {
                nonce,
                intent: Some(intent),
                max_fee: fees.max_fee,
            },
        );
        Version {
            hash,
            raw: Bytes::from(bytes),
            fees,
        }
    }

    pub(super) fn list(&self) -> Vec<Record> {
        self.objects
            .values()
            .map(|object| object.record.clone())
            .collect()
    }

    /// POST: the name makes the nonce unique.
    pub(super) fn create(&mut self, record: Record) -> Result<(), ()> {
        if self.objects.contains_key(&record.nonce) {
            return Err(());
        }
        let before = self.committed.insert(record.nonce, record.intent);
        assert_eq!(before, None, "nonce {} was committed before", record.nonce);
        self.objects.insert(
            record.nonce,
            Object {
                record,
                resource_version: 0,
            },
        );
        Ok(())
    }

    /// PUT status with a resourceVersion.
    pub(super) fn write(&mut self, seen: &Object, change: impl FnOnce(&mut Record)) -> bool {
        let Some(object) = self.objects.get_mut(&seen.record.nonce) else {
            return false;
        };
        if object.resource_version != seen.resource_version {
            return false;
        }
        change(&mut object.record);
        object.resource_version += 1;
        true
    }

    pub(super) fn executed(&self) -> Vec<Option<IntentId>> {
        self.blocks
            .iter()
            .flat_map(|block| &block.txs)
            .map(|hash| self.signed[hash].intent)
            .collect()
    }

    pub(super) fn assert_safe(&self) {
        let mut intents = BTreeSet::new();
        for object in self.objects.values() {
            assert!(intents.insert(object.record.intent), "an intent has two nonces");
            let fees: Vec<_> = object
                .record
                .versions()
                .map(|version| version.fees.max_fee)
                .collect();
            assert!(fees.is_sorted(), "a version is cheaper than the one before it");
        }
        let mut effects = BTreeSet::new();
        for intent in self.executed().into_iter().flatten() {
            assert!(effects.insert(intent), "an intent took effect twice");
        }
        for hash in self
            .mempool
            .iter()
            .chain(self.blocks.iter().flat_map(|block| &block.txs))
        {
            let tx = self.signed[hash];
            let known = self
                .objects
                .get(&tx.nonce)
                .is_some_and(|object| object.record.versions().any(|version| version.hash == *hash));
            assert!(known || tx.intent.is_none(), "bytes are out that no object holds");
        }
        for object in self.objects.values() {
            if object.record.phase == Phase::Final {
                let mined = object.record.mined.as_ref().unwrap();
                let block = &self.blocks[mined.block_number as usize];
                assert_eq!(block.hash, mined.block_hash, "a final block changed");
                assert!(block.txs.contains(&mined.hash));
            }
        }
    }
}
