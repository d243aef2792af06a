//! The rules of this folder against a small world: an API server, a chain that reorganizes, mempools that forget, two leaders
//! that crash between any two actions. Safety is asserted after each step, liveness once the world is kind again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy::primitives::{B256, Bytes, keccak256};
use proptest::prelude::*;

use super::{record::testing, *};
use crate::core::{
    ids::ChainId,
    time::{ChainSeconds, Now, Steady, UnixMillis},
};

const INTENTS: u8 = 6;
const FIRST_NONCE: u64 = 3;

/// A signed transaction: what the chain sees of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signed {
    nonce: u64,
    /// None is a stranger's.
    intent: Option<IntentId>,
    max_fee: u128,
}

#[derive(Debug, Clone)]
struct Block {
    hash: B256,
    txs: Vec<B256>,
}

/// The API server's side of one object.
#[derive(Debug, Clone)]
struct Object {
    record: Record,
    resource_version: u64,
}

/// One leader: a submission under way and the memory of its sends.
#[derive(Debug, Default)]
struct Leader {
    submitting: Submitting,
    memory: BTreeMap<u64, Sending>,
}

/// How far a submission is; every arrow between two of these is a place to crash.
#[derive(Debug, Default)]
enum Submitting {
    #[default]
    Idle,
    ReadNonce {
        intent: IntentId,
        nonce: u64,
    },
    Signed(Box<Record>),
    Created(B256),
}

struct World {
    blocks: Vec<Block>,
    settled: usize,
    signed: BTreeMap<B256, Signed>,
    mempool: BTreeSet<B256>,
    objects: BTreeMap<u64, Object>,
    /// Every (nonce, intent) an object ever had.
    committed: BTreeMap<u64, IntentId>,
    /// Whatever was in a settled block, in order.
    clock: u64,
    forks: u64,
}

impl World {
    fn new() -> Self {
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

    fn now(&self) -> Now {
        Now {
            steady: Steady(Duration::from_secs(self.clock)),
            wall: UnixMillis(i64::try_from(self.clock).unwrap() * 1000),
            chain: Some(self.heads().time),
        }
    }

    fn heads(&self) -> Heads {
        Heads {
            number: self.blocks.len() as u64 - 1,
            hash: self.blocks.last().unwrap().hash,
            time: ChainSeconds(self.clock),
            settled: self.settled as u64,
        }
    }

    fn nonce(&self) -> u64 {
        FIRST_NONCE
            + self
                .blocks
                .iter()
                .map(|block| block.txs.len() as u64)
                .sum::<u64>()
    }

    fn lookup(&self, hash: B256) -> Lookup {
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
    fn mine(&mut self) {
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
    fn reorganize(&mut self, depth: usize, keep: u8) {
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

    fn send(&mut self, hash: B256) -> Broadcast {
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

    fn sign(&mut self, nonce: u64, intent: IntentId, fees: Fees) -> Version {
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

    fn list(&self) -> Vec<Record> {
        self.objects
            .values()
            .map(|object| object.record.clone())
            .collect()
    }

    /// POST: the name makes the nonce unique.
    fn create(&mut self, record: Record) -> Result<(), ()> {
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
    fn write(&mut self, seen: &Object, change: impl FnOnce(&mut Record)) -> bool {
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

    fn executed(&self) -> Vec<Option<IntentId>> {
        self.blocks
            .iter()
            .flat_map(|block| &block.txs)
            .map(|hash| self.signed[hash].intent)
            .collect()
    }

    fn assert_safe(&self) {
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

impl Leader {
    /// One step of a submission; returns whether the intent is held.
    fn submit(&mut self, world: &mut World, wanted: IntentId) {
        self.submitting = match std::mem::take(&mut self.submitting) {
            Submitting::Idle => Submitting::ReadNonce {
                intent: wanted,
                nonce: world.nonce(),
            },
            Submitting::ReadNonce { intent, nonce } => {
                let account = Account {
                    address: testing::signer(),
                    chain: ChainId(1),
                    nonce,
                    adopted: None,
                };
                match allot(&world.list(), &account, intent, &Limits::default()) {
                    Allotment::Next(nonce) => {
                        let fees = Fees { max_fee: 100, tip: 1 };
                        let first = world.sign(nonce, intent, fees);
                        Submitting::Signed(Box::new(Record {
                            intent,
                            first,
                            ..testing::record(nonce, 0)
                        }))
                    }
                    Allotment::Held { .. } | Allotment::Foreign { .. } | Allotment::Busy { .. } => {
                        Submitting::Idle
                    }
                    other @ (Allotment::OtherKey { .. } | Allotment::OtherChain { .. }) => {
                        panic!("one key and one chain in this world: {other:?}")
                    }
                }
            }
            Submitting::Signed(record) => {
                let hash = record.first.hash;
                match world.create(*record) {
                    Ok(()) => Submitting::Created(hash),
                    Err(()) => Submitting::Idle,
                }
            }
            Submitting::Created(hash) => {
                world.send(hash);
                Submitting::Idle
            }
        };
    }

    /// One pass over one object; stops after `fuel` actions, as if killed.
    fn reconcile(&mut self, world: &mut World, nonce: u64, sight: Sight, fuel: usize) {
        let Some(seen) = world.objects.get(&nonce).cloned() else {
            return;
        };
        let policy = FeePolicy {
            max_fee_cap: 1_000,
            ..FeePolicy::default()
        };
        let memory = self.memory.entry(nonce).or_default();
        let mut facts = ChainFacts::default();
        match sight {
            Sight::Blind => {}
            Sight::Clear => {
                facts.heads = Some(world.heads());
                facts.account_nonce = Some(world.nonce());
                let ask = wanted(
                    &seen.record,
                    memory,
                    facts.heads.as_ref(),
                    facts.account_nonce,
                    &policy,
                    world.now(),
                );
                facts.receipts = ask
                    .receipts
                    .into_iter()
                    .map(|hash| (hash, world.lookup(hash)))
                    .collect();
                facts.quote = Some(FeeQuote { base_fee: 10, tip: 1 });
            }
        }
        let head = world.heads().number;
        for work in plan(&seen.record, memory, &facts, &policy, world.now())
            .into_iter()
            .take(fuel)
        {
            let at = world.now().steady;
            let fresh = world.objects.get(&nonce).cloned().unwrap();
            let same = fresh.resource_version == seen.resource_version;
            let event = match work {
                Work::Publish(hash) => Some(Event::Broadcast {
                    hash,
                    result: world.send(hash),
                    head,
                    at,
                }),
                Work::Replace(fees) => {
                    let version = world.sign(nonce, seen.record.intent, fees);
                    let hash = version.hash;
                    let written = world.write(&seen, |record| {
                        record.phase = Phase::Pending;
                        record.replacements.push(version);
                    });
                    (written && fuel > 1).then(|| Event::Broadcast {
                        hash,
                        result: world.send(hash),
                        head,
                        at,
                    })
                }
                Work::MarkMined(mined) => {
                    world.write(&seen, |record| {
                        record.phase = Phase::Mined;
                        record.mined = Some(mined);
                    });
                    None
                }
                Work::MarkReorged => {
                    if !world.write(&seen, |record| {
                        record.phase = Phase::Pending;
                        record.mined = None;
                    }) {
                        break;
                    }
                    Some(Event::Reorged)
                }
                Work::MarkFinal(mined) => {
                    world.write(&seen, |record| {
                        record.phase = Phase::Final;
                        record.mined = Some(mined);
                    });
                    None
                }
                Work::MarkFailed(_) => panic!("nothing reverts in this world"),
                Work::MarkAbandoned => {
                    world.write(&seen, |record| record.phase = Phase::Abandoned);
                    None
                }
                Work::MarkStalled(stall) => {
                    world.write(&seen, |record| record.stalled = stall);
                    None
                }
                Work::NoteTaken(block) => Some(Event::Taken { block }),
                Work::NoteFree => Some(Event::Free),
                Work::NoteChecked(block) => Some(Event::Checked { block }),
            };
            assert!(same || !matches!(event, Some(Event::Reorged)));
            if let Some(event) = event {
                *memory = std::mem::take(memory).after(event);
            }
        }
    }

    fn crash(&mut self) {
        *self = Self::default();
    }
}

#[derive(Debug, Clone, Copy)]
enum Sight {
    Blind,
    Clear,
}

fn intent(number: u8) -> IntentId {
    testing::id(number + 1)
}

/// One random step: leader, act, and a number that the act reads as it likes.
fn step(world: &mut World, leaders: &mut [Leader; 2], (who, act, number): (bool, u8, u8)) {
    let leader = &mut leaders[usize::from(who)];
    let nonce = FIRST_NONCE + u64::from(number % (INTENTS + 1));
    match act {
        0..=7 => leader.submit(world, intent(number % INTENTS)),
        8..=13 => leader.reconcile(world, nonce, Sight::Clear, usize::MAX),
        14 => leader.reconcile(world, nonce, Sight::Clear, 1),
        15 => leader.reconcile(world, nonce, Sight::Blind, usize::MAX),
        16..=18 => world.mine(),
        19 => world.reorganize(usize::from(number % 4) + 1, number),
        20 => {
            // Mempools forget.
            let forgotten = world
                .mempool
                .iter()
                .nth(usize::from(number) % world.mempool.len().max(1))
                .copied();
            forgotten.map(|hash| world.mempool.remove(&hash));
        }
        21 => world.settled = (world.settled + usize::from(number % 4)).min(world.blocks.len() - 1),
        22 => leader.crash(),
        _ => world.clock += u64::from(number),
    }
}

/// The world is kind for a while: blocks come, finality follows, both leaders work.
fn be_kind(world: &mut World, leaders: &mut [Leader; 2]) {
    for _ in 0..60 {
        for leader in leaders.iter_mut() {
            for number in 0..INTENTS {
                leader.submit(world, intent(number));
                while !matches!(leader.submitting, Submitting::Idle) {
                    leader.submit(world, intent(number));
                }
            }
            for nonce in world.objects.keys().copied().collect::<Vec<_>>() {
                leader.reconcile(world, nonce, Sight::Clear, usize::MAX);
            }
        }
        world.mine();
        world.clock += 20;
        world.settled = world.blocks.len() - 1 - usize::from(world.blocks.len() > 2);
        world.assert_safe();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn whatever_crashes_or_reorganizes_no_intent_takes_effect_twice_and_all_do_in_the_end(
        steps in prop::collection::vec((any::<bool>(), 0u8..24, any::<u8>()), 0..250),
    ) {
        let mut world = World::new();
        let mut leaders = [Leader::default(), Leader::default()];
        for each in steps {
            step(&mut world, &mut leaders, each);
            world.assert_safe();
        }
        be_kind(&mut world, &mut leaders);
        let done: BTreeSet<_> = world.executed().into_iter().flatten().collect();
        prop_assert_eq!(done.len(), usize::from(INTENTS));
        for object in world.objects.values() {
            prop_assert_eq!(object.record.phase, Phase::Final);
        }
    }

    #[test]
    fn doing_what_is_planned_leaves_nothing_to_plan(
        steps in prop::collection::vec((any::<bool>(), 0u8..24, any::<u8>()), 0..120), who: bool,
    ) {
        let mut world = World::new();
        let mut leaders = [Leader::default(), Leader::default()];
        for each in steps {
            step(&mut world, &mut leaders, each);
        }
        let leader = &mut leaders[usize::from(who)];
        for nonce in world.objects.keys().copied().collect::<Vec<_>>() {
            // Twice, since a pass that takes a mined transaction back leads to a pass that looks at it anew.
            leader.reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            leader.reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            let before = (world.objects[&nonce].record.clone(), leader.memory[&nonce].clone(), world.mempool.clone());
            leader.reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            let after = (world.objects[&nonce].record.clone(), leader.memory[&nonce].clone(), world.mempool.clone());
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn a_strangers_transaction_is_noticed_and_the_nonce_it_took_is_given_up_for_good(own in 1u8..5, at in 0u64..5) {
        let mut world = World::new();
        let mut leaders = [Leader::default(), Leader::default()];
        let taken = FIRST_NONCE + at % u64::from(own);
        let hash = keccak256([at as u8]);
        world.signed.insert(hash, Signed { nonce: taken, intent: None, max_fee: u128::MAX / 100 });
        for number in 0..own {
            for _ in 0..4 {
                leaders[0].submit(&mut world, intent(number));
            }
        }
        world.mempool.retain(|other| world.signed[other].nonce != taken);
        world.mempool.insert(hash);
        for _ in 0..6 {
            world.mine();
            for nonce in world.objects.keys().copied().collect::<Vec<_>>() {
                leaders[1].reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            }
            world.settled = world.blocks.len() - 1;
            world.assert_safe();
        }
        for (nonce, object) in &world.objects {
            let expected = if *nonce == taken { Phase::Abandoned } else { Phase::Final };
            prop_assert_eq!(object.record.phase, expected);
        }
        let heads = world.heads();
        let verdict = judge_nonce(&world.list(), world.nonce(), None, None, &heads, Duration::from_secs(600));
        prop_assert!(matches!(verdict, NonceVerdict::Foreign(_)));
    }
}
