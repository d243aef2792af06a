//! A leader at work: submits an intent step by step and does what is planned for an object. Every step is a place to crash.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use alloy::primitives::B256;

use super::world::World;
use crate::core::{
    ids::ChainId,
    tx::{record::testing, *},
};

/// One leader: a submission under way and the memory of its sends.
#[derive(Debug, Default)]
pub(super) struct Leader {
    pub(super) submitting: Submitting,
    pub(super) memory: BTreeMap<u64, Sending>,
}

/// How far a submission is; every arrow between two of these is a place to crash.
#[derive(Debug, Default)]
pub(super) enum Submitting {
    #[default]
    Idle,
    ReadNonce {
        intent: IntentId,
        nonce: u64,
    },
    Signed(Box<Record>),
    Created(B256),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Sight {
    Blind,
    Clear,
}

impl Leader {
    /// One step of a submission; returns whether the intent is held.
    pub(super) fn submit(&mut self, world: &mut World, wanted: IntentId) {
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
    pub(super) fn reconcile(&mut self, world: &mut World, nonce: u64, sight: Sight, fuel: usize) {
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

    pub(super) fn crash(&mut self) {
        *self = Self::default();
    }
}
