//! A person's transactions, one at a time: a line in a journal file before the bytes leave, a line when they are mined, so that a crash
//! in between is seen by the next run (architecture: rule 4, without a cluster). What a nonce needs is `core::tx`'s to say, as for the
//! operator, which never uses this: its records are objects.

mod error;
mod lines;
mod passage;

#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
};

pub use error::SendError;
pub use lines::{Fate, Line, Offer, Unfinished, unfinished};

use self::passage::{Origin, Pending};
use crate::{
    chain_io::{
        endpoint::{Endpoints, REQUEST_TIMEOUT},
        publisher::{Publisher, SimulateError},
        reverts,
        signer::{WalletSigner, sign_version},
    },
    core::{
        time::UnixMillis,
        tx::{
            Call, FeePolicy, Fees, IntentId, IntentKind, Lookup, Mined, Phase, Record, Sending, Version,
            first_fees, gas_limit_for,
        },
    },
};

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
