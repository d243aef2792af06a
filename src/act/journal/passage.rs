//! One nonce of a person's key, from its first version to a block: sent, sent again, made dearer, each version written down before it leaves. What is due
//! `core::tx` says; this carries it out.

use std::{
    collections::BTreeMap,
    fs::File,
    time::{Duration, Instant},
};

use alloy::{eips::BlockNumberOrTag, primitives::B256, providers::Provider};

use super::{Fate, JournaledKey, SendError, unix_now};
use crate::core::{
    time::{ChainSeconds, Now, Steady, UnixMillis},
    tx::{
        Broadcast, Call, ChainFacts, Event, Fees, FeesWanted, Heads, KeyUse, Mined, Record, Sending, Work,
        plan, wanted,
    },
};

/// How long a transaction may take to be mined before the verb gives up waiting.
const PATIENCE: Duration = Duration::from_secs(180);
/// First and longest pause between two looks for a receipt.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Who signed a nonce's first version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This run: if nobody takes it, nothing was sent.
    ThisRun,
    /// One before, which may have sent it.
    EarlierRun,
}

/// A nonce under way.
pub(super) struct Pending {
    pub(super) what: String,
    /// None for a line of an older program: such a version is sent again and never raised.
    pub(super) call: Option<Call>,
    pub(super) record: Record,
    pub(super) sending: Sending,
}

impl Pending {
    fn note(&mut self, event: Event) {
        self.sending = std::mem::take(&mut self.sending).after(event);
    }
}

impl JournaledKey {
    /// Does what the nonce needs until one of its versions is in a block: sends, sends again, raises the fee.
    pub(super) async fn see_through(
        &self,
        file: &mut File,
        mut pending: Pending,
        origin: Origin,
    ) -> Result<Mined, SendError> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        while began.elapsed() < PATIENCE {
            let facts = self.facts(&pending).await;
            let head = facts.heads.map_or(0, |heads| heads.number);
            for work in plan(
                &pending.record,
                &pending.sending,
                &facts,
                &self.policy,
                self.now(),
            ) {
                match work {
                    Work::MarkMined(mined) | Work::MarkFinal(mined) | Work::MarkFailed(mined) => {
                        return self.ended(file, &pending, mined);
                    }
                    Work::Publish(hash) => self.publish(file, &mut pending, hash, head, origin).await?,
                    Work::Replace(fees) => self.replace(file, &mut pending, fees, head, origin).await?,
                    Work::MarkStalled(stall) => pending.record.stalled = stall,
                    Work::NoteTaken(block) => pending.note(Event::Taken { block }),
                    Work::NoteFree => pending.note(Event::Free),
                    // Of a mined one, which ends the loop.
                    Work::MarkReorged | Work::MarkAbandoned | Work::NoteChecked(_) => {}
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        Err(SendError::NotMined {
            what: pending.what,
            hash: pending.record.newest().hash,
            waited: PATIENCE,
        })
    }

    /// What `core::tx` wants to know; what does not answer is left out, and unknown decides nothing.
    async fn facts(&self, pending: &Pending) -> ChainFacts {
        let heads = self.heads().await;
        let account_nonce = match heads {
            Some(heads) => self.publisher.nonce(self.address(), Some(heads.hash)).await.ok(),
            None => None,
        };
        let ask = wanted(
            &pending.record,
            &pending.sending,
            heads.as_ref(),
            account_nonce,
            &self.policy,
            self.now(),
        );
        let mut receipts = BTreeMap::new();
        for hash in ask.receipts {
            if let Ok(found) = self.publisher.look_up(hash).await {
                receipts.insert(hash, found);
            }
        }
        let quote = match ask.fees {
            FeesWanted::Yes => self.publisher.quote().await.ok(),
            FeesWanted::No => None,
        };
        ChainFacts {
            heads,
            account_nonce,
            receipts,
            quote,
            key: KeyUse::Ours,
        }
    }

    async fn heads(&self) -> Option<Heads> {
        let block = self
            .endpoints
            .ask("eth_getBlockByNumber", |provider| async move {
                provider.get_block_by_number(BlockNumberOrTag::Latest).await
            })
            .await
            .ok()??;
        Some(Heads {
            number: block.header.number,
            hash: block.header.hash,
            time: ChainSeconds(block.header.timestamp),
            // A person waits for a block, not for finality.
            settled: 0,
        })
    }

    fn now(&self) -> Now {
        Now {
            steady: Steady(self.began.elapsed()),
            wall: UnixMillis(i64::try_from(unix_now().saturating_mul(1000)).unwrap_or(i64::MAX)),
            chain: None,
        }
    }

    /// Sends a version. A refusal of all endpoints ends a nonce that nobody ever had; any doubt counts as sent.
    async fn publish(
        &self,
        file: &mut File,
        pending: &mut Pending,
        hash: B256,
        head: u64,
        origin: Origin,
    ) -> Result<(), SendError> {
        let Some(version) = pending.record.versions().find(|version| version.hash == hash) else {
            return Ok(());
        };
        let result = self.publisher.publish(&version.raw).await.result;
        let first_try = pending.sending.last.is_none();
        pending.note(Event::Broadcast {
            hash,
            result: result.clone(),
            head,
            at: self.now().steady,
        });
        let reason = match result {
            Broadcast::Sent => return Ok(()),
            Broadcast::NonceTooLow => "its nonce is taken: somebody else uses the key".to_owned(),
            Broadcast::Underpriced => "its fee is too low".to_owned(),
            Broadcast::InsufficientFunds => "the key has no coin for gas".to_owned(),
            Broadcast::Rejected(words) => words,
            Broadcast::Unreachable => "no endpoint answered".to_owned(),
        };
        match origin {
            Origin::ThisRun if first_try => {
                self.end(file, hash, Fate::Refused)?;
                Err(SendError::NotTaken {
                    what: pending.what.clone(),
                    reason,
                })
            }
            // What was out there once may be mined whatever is said of it now: a block or time decides.
            Origin::ThisRun | Origin::EarlierRun => Ok(()),
        }
    }

    /// Signs a dearer version, writes it down, and only then sends it.
    async fn replace(
        &self,
        file: &mut File,
        pending: &mut Pending,
        fees: Fees,
        head: u64,
        origin: Origin,
    ) -> Result<(), SendError> {
        let Some(call) = pending.call.clone() else {
            return Ok(());
        };
        let (nonce, gas_limit) = (pending.record.nonce, pending.record.gas_limit);
        let version = self.sign(nonce, &call, gas_limit, fees).await?;
        tracing::info!(what = pending.what, hash = %version.hash, max_fee = fees.max_fee, tip = fees.tip, "not mined in time, raising the fee");
        self.write(file, &self.line(&pending.what, nonce, &call, gas_limit, &version))?;
        let hash = version.hash;
        pending.record.replacements.push(version);
        self.publish(file, pending, hash, head, origin).await
    }

    fn ended(&self, file: &mut File, pending: &Pending, mined: Mined) -> Result<Mined, SendError> {
        if mined.succeeded {
            self.end(file, mined.hash, Fate::Mined)?;
            Ok(mined)
        } else {
            self.end(file, mined.hash, Fate::Reverted)?;
            Err(SendError::Reverted {
                what: pending.what.clone(),
                hash: mined.hash,
            })
        }
    }
}
