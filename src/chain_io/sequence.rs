//! A few transactions of one key, sent in order and waited for: what verbs that a person runs need (deploy, register, stake).
//! An operator never uses it: its transactions are objects that outlive the process (architecture: rule 4). Every nonce is our own.

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, eip2718::Encodable2718},
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, Log, TxKind, U256, keccak256},
    providers::Provider,
    rpc::types::{TransactionReceipt, TransactionRequest},
};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::{
    endpoint::{EndpointConfig, EndpointError, Endpoints, REQUEST_TIMEOUT},
    errors::{RpcErrorClass, RpcFailure},
    reverts,
    signer::{SignerError, WalletSigner},
};
use crate::core::ids::ChainId;

/// How long a transaction may take to be mined before the verb gives up waiting.
const PATIENCE: Duration = Duration::from_secs(180);
/// First and longest pause between two looks for a receipt.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a sequence stopped. What was mined before stays.
#[derive(Debug, Error)]
pub enum SequenceError {
    /// The endpoint cannot be used as given.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The endpoint serves another chain than the one asked for.
    #[error("the endpoint serves chain {found}, --chain-id says {wanted}: correct one of them")]
    WrongChain {
        /// What it serves.
        found: u64,
        /// What was asked for.
        wanted: u64,
    },
    /// The chain did not answer.
    #[error(transparent)]
    Rpc(#[from] RpcFailure),
    /// Nothing was signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Somebody else uses the key.
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
    /// The key has no coin.
    #[error(
        "{address} has {balance} wei on chain {chain} and needs up to {needed} wei for {what}: send it coin"
    )]
    Funds {
        /// Whose.
        address: Address,
        /// The chain.
        chain: u64,
        /// What it has.
        balance: U256,
        /// What the transaction may cost.
        needed: U256,
        /// For which step.
        what: String,
    },
    /// The contract refuses; nothing was sent for this step.
    #[error("{what} would revert: {reason}")]
    WouldRevert {
        /// Which step.
        what: String,
        /// The contract's error in words.
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
        "{what}: transaction {hash} was not mined in {waited:?}: look it up before running the verb again"
    )]
    NotMined {
        /// Which step.
        what: String,
        /// Its transaction.
        hash: B256,
        /// How long.
        waited: Duration,
    },
    /// The chain has no fees to go by.
    #[error("chain {chain} answers no base fee (EIP-1559): Leaseport sends type 2 transactions only")]
    NoBaseFee {
        /// The chain.
        chain: u64,
    },
}

/// Connects to one endpoint and learns which chain it serves.
///
/// # Errors
/// The URL is none, the endpoint does not answer, or it serves another chain than `expected`.
pub async fn connect(url: &str, expected: Option<ChainId>) -> Result<Arc<Endpoints>, SequenceError> {
    let config = EndpointConfig::parse("--rpc", url)?;
    // Which chain it is, is the question; so this first client is bound to none.
    let probe = Endpoints::new(ChainId(0), vec![config.clone()])?;
    let endpoint = probe.all().first().ok_or(EndpointError::NothingToRead)?;
    let origin = endpoint.origin("eth_chainId");
    let found = tokio::time::timeout(REQUEST_TIMEOUT, endpoint.provider().get_chain_id())
        .await
        .map_err(|_| origin.timed_out(REQUEST_TIMEOUT))?
        .map_err(|error| origin.transport(&error))?;
    if let Some(wanted) = expected
        && wanted.0 != found
    {
        return Err(SequenceError::WrongChain {
            found,
            wanted: wanted.0,
        });
    }
    Ok(Endpoints::new(ChainId(found), vec![config])?)
}

/// A transaction that was handed to the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which step, in words.
    pub what: String,
    /// Its hash.
    pub hash: B256,
}

/// A transaction that was mined and did what it should.
#[derive(Debug, Clone)]
pub struct Done {
    /// Which step, in words.
    pub what: String,
    /// Its hash.
    pub hash: B256,
    /// In which block.
    pub block: u64,
    /// What it used.
    pub gas_used: u64,
    /// The contract it made.
    pub created: Option<Address>,
    /// What it said.
    pub logs: Vec<Log>,
}

/// The transactions of one key, one after another.
#[derive(Debug)]
pub struct Sequence {
    endpoints: Arc<Endpoints>,
    signer: Arc<dyn WalletSigner>,
    next_nonce: u64,
}

impl Sequence {
    /// Adopts the key's nonce.
    ///
    /// # Errors
    /// The chain does not answer, or the key has transactions waiting.
    pub async fn begin(
        endpoints: Arc<Endpoints>,
        signer: Arc<dyn WalletSigner>,
    ) -> Result<Self, SequenceError> {
        let address = signer.address();
        let ask = |tag: BlockNumberOrTag| {
            endpoints.ask("eth_getTransactionCount", move |provider| async move {
                provider.get_transaction_count(address).block_id(tag.into()).await
            })
        };
        let latest = ask(BlockNumberOrTag::Latest).await?;
        let pending = ask(BlockNumberOrTag::Pending).await?;
        if latest != pending {
            return Err(SequenceError::Busy {
                address,
                latest,
                pending,
            });
        }
        Ok(Self {
            endpoints,
            signer,
            next_nonce: latest,
        })
    }

    /// Whose transactions.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The endpoints used.
    #[must_use]
    pub const fn endpoints(&self) -> &Arc<Endpoints> {
        &self.endpoints
    }

    /// The address a contract gets that is made `ahead` transactions from now (0: by the next one).
    #[must_use]
    pub fn creates(&self, ahead: u64) -> Address {
        self.address().create(self.next_nonce.saturating_add(ahead))
    }

    /// Simulates, signs and sends. Does not wait.
    ///
    /// # Errors
    /// It would revert, the key lacks coin, or the chain did not take it.
    pub async fn send(&mut self, what: &str, to: TxKind, data: Bytes) -> Result<Sent, SequenceError> {
        self.send_with_value(what, to, data, U256::ZERO).await
    }

    async fn send_with_value(
        &mut self,
        what: &str,
        to: TxKind,
        data: Bytes,
        value: U256,
    ) -> Result<Sent, SequenceError> {
        let from = self.address();
        let chain = self.endpoints.chain();
        let mut request = TransactionRequest::default()
            .with_from(from)
            .with_value(value)
            .with_input(data.clone());
        request.to = Some(to);
        let estimate = self
            .endpoints
            .ask("eth_estimateGas", |provider| {
                let request = request.clone();
                async move { provider.estimate_gas(request).await }
            })
            .await
            .map_err(|failure| refusal(what, failure))?;
        let (base_fee, tip) = self.fees().await?;
        // Twice the base fee lasts for six full blocks; a fifth more gas for state that changes between estimate and block.
        let max_fee = base_fee.saturating_mul(2).saturating_add(tip);
        let gas_limit = estimate.saturating_add(estimate / 5);
        let gas_cost = U256::from(gas_limit) * U256::from(max_fee);
        self.afford(what, gas_cost.saturating_add(value)).await?;
        let unsigned = TxEip1559 {
            chain_id: chain.0,
            nonce: self.next_nonce,
            gas_limit,
            max_fee_per_gas: max_fee,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list: Default::default(),
            input: data,
        };
        let signature = self.signer.sign_digest(unsigned.signature_hash()).await?;
        let signed = TxEnvelope::from(unsigned.into_signed(signature));
        let hash = *signed.tx_hash();
        let raw = signed.encoded_2718();
        let sent = self
            .endpoints
            .ask("eth_sendRawTransaction", |provider| {
                let raw = raw.clone();
                async move { provider.send_raw_transaction(&raw).await.map(|_| ()) }
            })
            .await;
        match sent {
            Ok(()) => {}
            // No answer proves nothing: it may have been taken. Its receipt will tell.
            Err(failure) if failure.class == RpcErrorClass::Transient => {}
            Err(failure) => return Err(refusal(what, failure)),
        }
        self.next_nonce = self.next_nonce.saturating_add(1);
        Ok(Sent {
            what: what.to_owned(),
            hash,
        })
    }

    /// Waits until it is mined.
    ///
    /// # Errors
    /// It reverted, or nobody mined it in three minutes.
    pub async fn wait(&self, sent: Sent) -> Result<Done, SequenceError> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let hash = sent.hash;
        while began.elapsed() < PATIENCE {
            let receipt = self
                .endpoints
                .ask("eth_getTransactionReceipt", move |provider| async move {
                    provider.get_transaction_receipt(hash).await
                })
                .await;
            match receipt {
                Ok(Some(receipt)) => return done(sent, &receipt),
                Ok(None) => {}
                Err(failure) if failure.class.worth_another_try() => {}
                Err(failure) => return Err(failure.into()),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(SequenceError::NotMined {
            what: sent.what,
            hash,
            waited: PATIENCE,
        })
    }

    /// Sends and waits.
    ///
    /// # Errors
    /// As [`Sequence::send`] and [`Sequence::wait`].
    pub async fn run(&mut self, what: &str, to: TxKind, data: Bytes) -> Result<Done, SequenceError> {
        let sent = self.send(what, to, data).await?;
        self.wait(sent).await
    }

    /// Sends coin and waits.
    ///
    /// # Errors
    /// As [`Sequence::send`] and [`Sequence::wait`].
    pub async fn run_with_value(
        &mut self,
        what: &str,
        to: TxKind,
        data: Bytes,
        value: U256,
    ) -> Result<Done, SequenceError> {
        let sent = self.send_with_value(what, to, data, value).await?;
        self.wait(sent).await
    }

    /// Hands over a transaction that somebody else signed, and waits.
    ///
    /// # Errors
    /// The chain did not take it, or as [`Sequence::wait`].
    pub async fn relay(&self, what: &str, raw: &[u8]) -> Result<Done, SequenceError> {
        self.endpoints
            .ask("eth_sendRawTransaction", |provider| async move {
                provider.send_raw_transaction(raw).await.map(|_| ())
            })
            .await
            .map_err(|failure| refusal(what, failure))?;
        self.wait(Sent {
            what: what.to_owned(),
            hash: keccak256(raw),
        })
        .await
    }

    async fn fees(&self) -> Result<(u128, u128), SequenceError> {
        let block = self
            .endpoints
            .ask("eth_getBlockByNumber", |provider| async move {
                provider.get_block_by_number(BlockNumberOrTag::Latest).await
            })
            .await?;
        let base_fee =
            block
                .and_then(|block| block.header.base_fee_per_gas)
                .ok_or(SequenceError::NoBaseFee {
                    chain: self.endpoints.chain().0,
                })?;
        let tip = self
            .endpoints
            .ask("eth_maxPriorityFeePerGas", |provider| async move {
                provider.get_max_priority_fee_per_gas().await
            })
            .await?;
        Ok((u128::from(base_fee), tip))
    }

    async fn afford(&self, what: &str, needed: U256) -> Result<(), SequenceError> {
        let address = self.address();
        let balance = self
            .endpoints
            .ask("eth_getBalance", move |provider| async move {
                provider.get_balance(address).await
            })
            .await?;
        if balance >= needed {
            return Ok(());
        }
        Err(SequenceError::Funds {
            address,
            chain: self.endpoints.chain().0,
            balance,
            needed,
            what: what.to_owned(),
        })
    }
}

/// A revert is the contract's word and gets the step's name; all else is the chain's trouble.
fn refusal(what: &str, failure: RpcFailure) -> SequenceError {
    if failure.class != RpcErrorClass::Execution {
        return failure.into();
    }
    let reason = failure
        .revert
        .as_ref()
        .and_then(|data| reverts::explain(data))
        .unwrap_or(failure.detail);
    SequenceError::WouldRevert {
        what: what.to_owned(),
        reason,
    }
}

fn done(sent: Sent, receipt: &TransactionReceipt) -> Result<Done, SequenceError> {
    if !receipt.status() {
        return Err(SequenceError::Reverted {
            what: sent.what,
            hash: sent.hash,
        });
    }
    Ok(Done {
        what: sent.what,
        hash: sent.hash,
        block: receipt.block_number.unwrap_or_default(),
        gas_used: receipt.gas_used,
        created: receipt.contract_address,
        logs: receipt.inner.logs().iter().map(|log| log.inner.clone()).collect(),
    })
}
