//! A person's transactions, one at a time: a line in a journal file before the bytes leave, a line when they are mined, so that a crash
//! in between is seen by the next run (architecture: rule 4, without a cluster). What a nonce needs is `core::tx`'s to say, as for the
//! operator, which never uses this: its records are objects.

mod lines;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
};
use thiserror::Error;

pub use lines::{Fate, Line, Offer, Unfinished, unfinished};

use crate::{
    chain_io::{
        endpoint::{Endpoints, REQUEST_TIMEOUT},
        errors::RpcFailure,
        publisher::{AskError, Publisher, SimulateError},
        reverts,
        signer::{SignerError, WalletSigner, sign_version},
    },
    core::{
        time::{ChainSeconds, Now, Steady, UnixMillis},
        tx::{
            Broadcast, Call, ChainFacts, Event, FeePolicy, Fees, FeesWanted, Heads, IntentId, IntentKind,
            KeyUse, Lookup, Mined, Phase, Record, Sending, Version, Work, first_fees, gas_limit_for, plan,
            wanted,
        },
    },
};

/// How long a transaction may take to be mined before the verb gives up waiting.
const PATIENCE: Duration = Duration::from_secs(180);
/// First and longest pause between two looks for a receipt.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a transaction did not do what it should.
#[derive(Debug, Error)]
pub enum SendError {
    /// The journal cannot be kept.
    #[error("journal {path}: {source}; make the folder writable or choose another with --state-dir", path = .path.display())]
    Journal {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal holds what this program did not write.
    #[error("journal {path} line {line}: {reason}; move the file away if no transaction of it is under way", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The chain did not answer.
    #[error("{0}; check --rpc, then run the verb again")]
    Ask(#[from] AskError),
    /// The chain did not answer.
    #[error("{0}; check --rpc, then run the verb again")]
    Rpc(Box<RpcFailure>),
    /// Nothing was signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no endpoint.
    #[error("no endpoint: pass --rpc")]
    NoEndpoint,
    /// The contract refuses; nothing was sent.
    #[error("{what} would revert: {reason}")]
    WouldRevert {
        /// Which step.
        what: String,
        /// The contract's error in words.
        reason: String,
    },
    /// The key has no coin for gas.
    #[error("{address} has {balance} wei and needs up to {needed} wei for the gas of {what}: send it coin")]
    Funds {
        /// Which step.
        what: String,
        /// Whose.
        address: Address,
        /// What it has.
        balance: U256,
        /// What it may cost.
        needed: U256,
    },
    /// The key has transactions waiting that the journal does not know.
    #[error(
        "{address} has transactions waiting to be mined (next nonce {latest}, with the waiting ones {pending}): wait for them, or use a key nobody else uses"
    )]
    Busy {
        /// Whose.
        address: Address,
        /// Mined.
        latest: u64,
        /// Mined and waiting.
        pending: u64,
    },
    /// An earlier run sent something and did not see it mined; now it is.
    #[error(
        "an earlier run was cut off while it sent {what} ({hash}): it is mined now; look with `leaseport lease ls` or `leaseport bids` what it did before running the verb again"
    )]
    EarlierOne {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
    },
    /// No endpoint took it.
    #[error("{what} was not taken by the chain: {reason}; run the verb again")]
    NotTaken {
        /// Which step.
        what: String,
        /// Why.
        reason: String,
    },
    /// It reverted although its simulation passed.
    #[error(
        "{what} reverted in transaction {hash}: the chain's state changed since it was simulated; run the verb again"
    )]
    Reverted {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
    },
    /// Nobody mined it.
    #[error(
        "{what}: transaction {hash} was not mined in {waited:?}: it may still be; the next run looks for it first"
    )]
    NotMined {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
        /// How long.
        waited: Duration,
    },
}

impl From<RpcFailure> for SendError {
    fn from(failure: RpcFailure) -> Self {
        Self::Rpc(Box::new(failure))
    }
}

/// A transaction that did what it should.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Which step.
    pub what: String,
    /// Its receipt.
    pub mined: Mined,
}

/// A key that sends, with its journal.
#[derive(Debug)]
pub struct JournaledKey {
    endpoints: Arc<Endpoints>,
    signer: Arc<dyn WalletSigner>,
    publisher: Publisher,
    path: PathBuf,
    policy: FeePolicy,
    began: Instant,
}

impl Pending {
    fn note(&mut self, event: Event) {
        self.sending = std::mem::take(&mut self.sending).after(event);
    }
}

/// Who signed a nonce's first version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// This run: if nobody takes it, nothing was sent.
    ThisRun,
    /// One before, which may have sent it.
    EarlierRun,
}

/// A nonce under way.
struct Pending {
    what: String,
    /// None for a line of an older program: such a version is sent again and never raised.
    call: Option<Call>,
    record: Record,
    sending: Sending,
}

impl JournaledKey {
    /// A key that sends over these endpoints and writes to this file.
    ///
    /// # Errors
    /// There is no endpoint.
    pub fn new(
        endpoints: Arc<Endpoints>,
        signer: Arc<dyn WalletSigner>,
        path: &Path,
    ) -> Result<Self, SendError> {
        let mut all = endpoints
            .all()
            .iter()
            .map(|endpoint| (endpoint.name().to_owned(), endpoint.provider().clone()));
        let first = all.next().ok_or(SendError::NoEndpoint)?;
        let publisher = Publisher::fixed(first, all.collect(), reverts::explain, REQUEST_TIMEOUT);
        Ok(Self {
            endpoints,
            signer,
            publisher,
            path: path.to_owned(),
            policy: FeePolicy::default(),
            began: Instant::now(),
        })
    }

    /// Whose.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Simulates, signs, writes down, sends, waits for the block. The file is locked meanwhile, so two runs of one key take turns.
    ///
    /// # Errors
    /// Each [`SendError`]; nothing but [`SendError::NotMined`] leaves it open whether the transaction counts.
    pub async fn send(&self, what: &str, to: Address, data: Bytes) -> Result<Sent, SendError> {
        let mut file = self.open()?;
        self.finish_earlier(&mut file).await?;
        let from = self.address();
        let call = Call {
            to,
            data,
            value: U256::ZERO,
        };
        let gas = self
            .publisher
            .simulate(from, &call)
            .await
            .map_err(|error| match error {
                SimulateError::Reverted { reason, .. } => SendError::WouldRevert {
                    what: what.to_owned(),
                    reason,
                },
                SimulateError::Ask(error) => error.into(),
            })?;
        let gas_limit = gas_limit_for(gas);
        let fees = first_fees(self.publisher.quote().await?, &self.policy);
        let needed = U256::from(gas_limit).saturating_mul(U256::from(fees.max_fee));
        let balance = self.publisher.balance(from).await?;
        if balance < needed {
            return Err(SendError::Funds {
                what: what.to_owned(),
                address: from,
                balance,
                needed,
            });
        }
        let nonce = self.next_nonce().await?;
        let version = self.sign(nonce, &call, gas_limit, fees).await?;
        self.write(&mut file, &self.line(what, nonce, &call, gas_limit, &version))?;
        let pending = Pending {
            what: what.to_owned(),
            record: self.record(nonce, gas_limit, version, Vec::new()),
            call: Some(call),
            sending: Sending::default(),
        };
        let mined = self.see_through(&mut file, pending, Origin::ThisRun).await?;
        Ok(Sent {
            what: what.to_owned(),
            mined,
        })
    }

    async fn sign(&self, nonce: u64, call: &Call, gas_limit: u64, fees: Fees) -> Result<Version, SendError> {
        let chain = self.endpoints.chain();
        Ok(sign_version(self.signer.as_ref(), chain, nonce, call, gas_limit, fees).await?)
    }

    fn line(&self, what: &str, nonce: u64, call: &Call, gas_limit: u64, version: &Version) -> Line {
        Line::Signed {
            at: unix_now(),
            chain_id: self.endpoints.chain().0,
            from: self.address(),
            nonce,
            what: what.to_owned(),
            hash: version.hash,
            raw: version.raw.clone(),
            offer: Some(Offer::of(call, gas_limit, version.fees)),
        }
    }

    fn record(&self, nonce: u64, gas_limit: u64, first: Version, replacements: Vec<Version>) -> Record {
        Record {
            name: nonce.to_string(),
            wallet: String::new(),
            signer: self.address(),
            chain: self.endpoints.chain(),
            nonce,
            // A person's wants have no name: the journal lets one at a time be under way. Plans look at neither.
            intent: IntentId(first.hash),
            kind: IntentKind::CloseBoth,
            gas_limit,
            value: U256::ZERO,
            first,
            replacements,
            phase: Phase::Created,
            mined: None,
            stalled: None,
            created: UnixMillis(0),
            closed: None,
        }
    }

    async fn next_nonce(&self) -> Result<u64, SendError> {
        let address = self.address();
        let latest = self.publisher.nonce(address, None).await?;
        let pending = self
            .endpoints
            .ask("eth_getTransactionCount", move |provider| async move {
                provider.get_transaction_count(address).pending().await
            })
            .await?;
        if pending > latest {
            return Err(SendError::Busy {
                address,
                latest,
                pending,
            });
        }
        Ok(latest)
    }

    /// What an earlier run left open is ended first: sent again, waited for, and told, since a person must look what it did.
    async fn finish_earlier(&self, file: &mut File) -> Result<(), SendError> {
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|source| self.trouble(source))?;
        let open = unfinished(&text, self.endpoints.chain(), self.address()).map_err(|(line, reason)| {
            SendError::Unreadable {
                path: self.path.clone(),
                line,
                reason,
            }
        })?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").map_err(|source| self.trouble(source))?;
        }
        for earlier in open {
            let latest = self.publisher.nonce(self.address(), None).await?;
            if latest > earlier.nonce && self.nobody_has(&earlier).await? {
                self.end(file, earlier.newest().hash, Fate::Replaced)?;
                continue;
            }
            let (what, mut hash) = (earlier.what.clone(), earlier.newest().hash);
            let pending = Pending {
                what: earlier.what.clone(),
                call: earlier.call(),
                record: self.record(
                    earlier.nonce,
                    earlier.gas_limit(),
                    earlier.first.clone(),
                    earlier.replacements.clone(),
                ),
                sending: Sending::default(),
            };
            hash = match self.see_through(file, pending, Origin::EarlierRun).await {
                Ok(mined) => mined.hash,
                Err(SendError::NotTaken { .. }) => hash,
                Err(error) => return Err(error),
            };
            return Err(SendError::EarlierOne { what, hash });
        }
        Ok(())
    }

    async fn nobody_has(&self, earlier: &Unfinished) -> Result<bool, SendError> {
        for version in earlier.versions() {
            if self.publisher.look_up(version.hash).await? != Lookup::Absent {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Does what the nonce needs until one of its versions is in a block: sends, sends again, raises the fee.
    async fn see_through(
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

    fn open(&self) -> Result<File, SendError> {
        let opened = self
            .path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| {
                OpenOptions::new()
                    .create(true)
                    .read(true)
                    .append(true)
                    .open(&self.path)
            })
            .and_then(|file| file.lock().map(|()| file));
        opened.map_err(|source| self.trouble(source))
    }

    fn end(&self, file: &mut File, hash: B256, outcome: Fate) -> Result<(), SendError> {
        self.write(
            file,
            &Line::Ended {
                at: unix_now(),
                hash,
                outcome,
            },
        )
    }

    fn write(&self, file: &mut File, line: &Line) -> Result<(), SendError> {
        let written = serde_json::to_vec(line)
            .map_err(io::Error::from)
            .and_then(|mut bytes| {
                bytes.push(b'\n');
                file.write_all(&bytes)
            })
            .and_then(|()| file.sync_data());
        written.map_err(|source| self.trouble(source))
    }

    fn trouble(&self, source: io::Error) -> SendError {
        SendError::Journal {
            path: self.path.clone(),
            source,
        }
    }
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
