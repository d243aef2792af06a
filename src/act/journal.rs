//! A person's transactions, one at a time: a line in a journal file before the bytes leave, a line when they are mined, so that a crash
//! in between is seen by the next run (architecture: rule 4, without a cluster). The operator never uses it: its records are objects.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    chain_io::{
        endpoint::{Endpoints, REQUEST_TIMEOUT},
        errors::RpcFailure,
        publisher::{AskError, Publisher, SimulateError},
        reverts,
        signer::{SignerError, WalletSigner, sign_version},
    },
    core::{
        ids::ChainId,
        tx::{Broadcast, Call, FeePolicy, Lookup, Mined, first_fees, gas_limit_for},
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

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum Line {
    /// Before the bytes leave.
    #[serde(rename_all = "camelCase")]
    Signed {
        /// Unix seconds.
        at: u64,
        /// Which chain.
        chain_id: u64,
        /// Whose.
        from: Address,
        /// Its nonce.
        nonce: u64,
        /// Which step.
        what: String,
        /// Its hash.
        hash: B256,
        /// The bytes, to send them again.
        raw: Bytes,
    },
    /// Its fate is known.
    #[serde(rename_all = "camelCase")]
    Ended {
        /// Unix seconds.
        at: u64,
        /// Which.
        hash: B256,
        /// `mined`, `reverted`, `refused` or `replaced`.
        outcome: Fate,
    },
}

/// What became of a signed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// It is in a block and did what it should.
    Mined,
    /// It is in a block and did nothing.
    Reverted,
    /// No endpoint took it.
    Refused,
    /// Another transaction has its nonce.
    Replaced,
}

/// A signed transaction whose fate the journal does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which step.
    pub what: String,
    /// Its nonce.
    pub nonce: u64,
    /// Its hash.
    pub hash: B256,
    /// The bytes.
    pub raw: Bytes,
}

/// The transactions of a key on a chain whose fate is not in the journal's text, oldest first.
///
/// # Errors
/// The number of the first line that is none, and why. A last line without its end was cut off while it was written: its bytes never left.
pub fn unfinished(text: &str, chain: ChainId, key: Address) -> Result<Vec<Unfinished>, (usize, String)> {
    let mut open: Vec<Unfinished> = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if !line.ends_with('\n') || line.trim().is_empty() {
            continue;
        }
        let line: Line =
            serde_json::from_str(line).map_err(|error| (index.saturating_add(1), error.to_string()))?;
        match line {
            Line::Signed {
                chain_id,
                from,
                nonce,
                what,
                hash,
                raw,
                ..
            } => {
                if chain_id == chain.0 && from == key {
                    open.push(Unfinished {
                        what,
                        nonce,
                        hash,
                        raw,
                    });
                }
            }
            Line::Ended { hash, .. } => open.retain(|known| known.hash != hash),
        }
    }
    Ok(open)
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
        let fees = first_fees(self.publisher.quote().await?, &FeePolicy::default());
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
        let chain = self.endpoints.chain();
        let version = sign_version(self.signer.as_ref(), chain, nonce, &call, gas_limit, fees).await?;
        self.write(
            &mut file,
            &Line::Signed {
                at: unix_now(),
                chain_id: chain.0,
                from,
                nonce,
                what: what.to_owned(),
                hash: version.hash,
                raw: version.raw.clone(),
            },
        )?;
        self.publish(&mut file, what, version.hash, &version.raw).await?;
        let mined = self.wait(&mut file, what, version.hash).await?;
        Ok(Sent {
            what: what.to_owned(),
            mined,
        })
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
            let known = self.publisher.look_up(earlier.hash).await?;
            if latest > earlier.nonce && known == Lookup::Absent {
                self.end(file, earlier.hash, Fate::Replaced)?;
                continue;
            }
            if known == Lookup::Absent {
                self.publish(file, &earlier.what, earlier.hash, &earlier.raw)
                    .await?;
            }
            self.wait(file, &earlier.what, earlier.hash).await?;
            return Err(SendError::EarlierOne {
                what: earlier.what,
                hash: earlier.hash,
            });
        }
        Ok(())
    }

    async fn publish(&self, file: &mut File, what: &str, hash: B256, raw: &Bytes) -> Result<(), SendError> {
        let reason = match self.publisher.publish(raw).await.result {
            Broadcast::Sent => return Ok(()),
            Broadcast::NonceTooLow => "its nonce is taken: somebody else uses the key".to_owned(),
            Broadcast::Underpriced => "its fee is too low".to_owned(),
            Broadcast::InsufficientFunds => "the key has no coin for gas".to_owned(),
            Broadcast::Rejected(words) => words,
            Broadcast::Unreachable => "no endpoint answered".to_owned(),
        };
        self.end(file, hash, Fate::Refused)?;
        Err(SendError::NotTaken {
            what: what.to_owned(),
            reason,
        })
    }

    async fn wait(&self, file: &mut File, what: &str, hash: B256) -> Result<Mined, SendError> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        while began.elapsed() < PATIENCE {
            // A silent endpoint is asked again: the bytes are out, so only the receipt or time ends this.
            if let Ok(Lookup::Found(found)) = self.publisher.look_up(hash).await
                && found.is_canonical
            {
                let fate = if found.mined.succeeded {
                    Fate::Mined
                } else {
                    Fate::Reverted
                };
                self.end(file, hash, fate)?;
                return match fate {
                    Fate::Mined => Ok(found.mined),
                    Fate::Reverted | Fate::Refused | Fate::Replaced => Err(SendError::Reverted {
                        what: what.to_owned(),
                        hash,
                    }),
                };
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        Err(SendError::NotMined {
            what: what.to_owned(),
            hash,
            waited: PATIENCE,
        })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    const KEY: Address = Address::repeat_byte(1);

    fn signed(byte: u8, chain: u64, from: Address) -> String {
        let line = Line::Signed {
            at: 1,
            chain_id: chain,
            from,
            nonce: u64::from(byte),
            what: "post the order".into(),
            hash: B256::repeat_byte(byte),
            raw: Bytes::from_static(&[2]),
        };
        format!("{}\n", serde_json::to_string(&line).unwrap())
    }

    fn ended(byte: u8) -> String {
        let line = Line::Ended {
            at: 2,
            hash: B256::repeat_byte(byte),
            outcome: Fate::Mined,
        };
        format!("{}\n", serde_json::to_string(&line).unwrap())
    }

    #[test]
    fn what_was_signed_and_not_ended_is_found_again_for_this_key_and_chain_alone() {
        let text = signed(1, 5, KEY)
            + &ended(1)
            + &signed(2, 5, KEY)
            + &signed(3, 6, KEY)
            + &signed(4, 5, Address::ZERO);
        let open = unfinished(&text, ChainId(5), KEY).unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].hash, B256::repeat_byte(2));
    }

    #[test]
    fn a_line_cut_off_while_it_was_written_counts_as_never_sent_and_a_strange_one_is_named() {
        let half = signed(1, 5, KEY).trim_end().to_owned();
        assert_eq!(unfinished(&half, ChainId(5), KEY), Ok(vec![]));
        let (line, _) = unfinished(&format!("{}hello\n", ended(1)), ChainId(5), KEY).unwrap_err();
        assert_eq!(line, 2);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}\n?") {
            let read = unfinished(&text, ChainId(1), KEY);
            prop_assert!(read.is_err() || read.unwrap().is_empty());
        }
    }
}
