//! Transactions carried out: an intent becomes a ComputeTransaction and then bytes on every wire ([`TransactContext::submit`]),
//! and what the object still needs is done pass by pass ([`TransactContext::pass`]). Killed between any two lines, nothing is
//! sent twice under two nonces and nothing is lost: what is not created is nothing, what is created is published by the next pass.

mod convert;
mod keys;
mod objects;
mod pass;
mod refuse;
mod wallet;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{B256, U256};
use kube::Client;
use tokio::sync::Notify;

pub use convert::{ConvertError, record_of};
pub use keys::KeyError;
pub use objects::ObjectError;
pub use pass::PassReport;
pub use refuse::{SubmitClass, SubmitError};
pub use wallet::{Readiness, WalletReport, Write};

use crate::{
    api::{ComputeTransaction, ComputeWallet, condition, wei},
    chain_io::{
        publisher::Publisher,
        signer::{WalletSigner, sign_version},
    },
    core::{
        ids::ChainId,
        time::{Now, Steady},
        tx::{
            Account, Allotment, Broadcast, Event, FeePolicy, FeeQuote, Intent, Limits, Phase, Record,
            Retention, Sending, allot, first_fees, gas_committed_since, gas_limit_for, may_spend, name_of,
        },
    },
};
use convert::{Draft, object_of, reserved};
use objects::Written;

/// How often a lost race for a nonce is run again: every loss means that somebody else got one, so this ends in practice.
const RACES: usize = 8;

/// A ComputeWallet by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalletName {
    /// Namespace of the wallet, its Secret and its transactions.
    pub namespace: String,
    /// Name of the wallet.
    pub name: String,
}

impl fmt::Display for WalletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Reads all clocks at once.
pub type ReadNow = Arc<dyn Fn() -> Now + Send + Sync>;

/// What the transactions of one market are sent with.
#[derive(Debug, Clone)]
pub struct MarketTerms {
    /// Name of the ComputeMarket.
    pub market: String,
    /// Its chain.
    pub chain: ChainId,
    /// What may be paid for gas.
    pub fees: FeePolicy,
    /// How much a wallet may have under way.
    pub limits: Limits,
    /// How long finished transactions are kept.
    pub retention: Retention,
    /// How long a bid's signature may bind: a wallet with a second user rests for that long (protocol: 10 minutes).
    pub longest_bid: Duration,
}

impl MarketTerms {
    /// Terms with the usual limits.
    #[must_use]
    pub fn new(market: impl Into<String>, chain: ChainId, fees: FeePolicy) -> Self {
        Self {
            market: market.into(),
            chain,
            fees,
            limits: Limits::default(),
            retention: Retention::default(),
            longest_bid: Duration::from_secs(600),
        }
    }
}

/// Everything a transaction needs; one a market, shared by all that send.
pub struct TransactContext {
    client: Client,
    publisher: Publisher,
    terms: MarketTerms,
    now: ReadNow,
    locks: Mutex<BTreeMap<WalletName, Arc<tokio::sync::Mutex<()>>>>,
    /// By object uid: a deleted object's memory must not serve its successor.
    tracked: Mutex<BTreeMap<String, Tracked>>,
    /// Height of the newest block a pass has seen, so that a raise waits for a block after the first sending.
    head: AtomicU64,
    /// What gas cost, and when that was asked for the wallets.
    quoted: Mutex<Option<(Steady, FeeQuote)>>,
    /// Rings when a wallet should be looked at before its time.
    pub wallet_trouble: Notify,
}

impl fmt::Debug for TransactContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactContext")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// What this process remembers of one object.
#[derive(Debug, Clone, Default)]
struct Tracked {
    sending: Sending,
    /// The resourceVersion we last wrote over: a cache that still shows it is behind our own write.
    written_over: Option<String>,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The ComputeTransaction, in the wallet's namespace.
    pub name: String,
    /// How it stands.
    pub state: SubmittedState,
}

/// How an intent stands after [`TransactContext::submit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmittedState {
    /// An object held it already; nothing was done.
    Held(Phase),
    /// Written down and sent; if no endpoint took it, the controller sends it again.
    Sent {
        /// Hash of its first version.
        hash: B256,
        /// What the endpoints said.
        result: Broadcast,
    },
}

impl TransactContext {
    /// A context. `client` should have kube's own retries off (`Config::default_retry = false`): a POST must not be repeated
    /// behind our back.
    #[must_use]
    pub fn new(client: Client, publisher: Publisher, terms: MarketTerms, now: ReadNow) -> Self {
        Self {
            client,
            publisher,
            terms,
            now,
            locks: Mutex::default(),
            tracked: Mutex::default(),
            head: AtomicU64::new(0),
            quoted: Mutex::default(),
            wallet_trouble: Notify::new(),
        }
    }

    /// The market's terms.
    #[must_use]
    pub const fn terms(&self) -> &MarketTerms {
        &self.terms
    }

    /// Something that signs for the wallet, for documents such as bids, receipts and closes. Like [`Self::submit`] it refuses
    /// while a stranger uses the key or when `namespace` may not spend from it.
    ///
    /// # Errors
    /// The wallet is missing, of another market, not for this namespace, has a second user, or has no readable key.
    pub async fn signer(
        &self,
        wallet: &WalletName,
        namespace: &str,
    ) -> Result<Arc<dyn WalletSigner>, SubmitError> {
        let object = self.usable_wallet(wallet, namespace).await?;
        Ok(keys::load(&self.client, &object).await?)
    }

    /// Does an intent at most once: finds that an object holds it, or gives it the next nonce, simulates, signs, writes it down
    /// and sends it, in this order. Calls for one wallet run one after another; calls in another process race for the object's
    /// name and one of them wins.
    ///
    /// # Errors
    /// Nothing was sent. [`SubmitError::class`] says whether to try again.
    pub async fn submit(&self, wallet: &WalletName, intent: &Intent) -> Result<Submitted, SubmitError> {
        let lock = self.lock_of(wallet);
        let _held = lock.lock().await;
        let object = self.usable_wallet(wallet, &intent.subject.namespace).await?;
        let signer = keys::load(&self.client, &object).await?;
        for _ in 0..RACES {
            // The chain first, the list second: what is created in between only makes the list longer.
            let nonce = self.publisher.nonce(signer.address(), None).await?;
            let list = self.records(wallet).await?;
            let account = Account {
                address: signer.address(),
                chain: self.terms.chain,
                nonce,
                adopted: wallet::adopted_nonce(&object),
            };
            let nonce = match allot(&list, &account, intent.id(), &self.terms.limits) {
                Allotment::Next(nonce) => nonce,
                Allotment::Held { name, phase } => {
                    return Ok(Submitted {
                        name,
                        state: SubmittedState::Held(phase),
                    });
                }
                other => return Err(self.refused(wallet, other)),
            };
            let draft = self
                .signed(wallet, &object, intent, nonce, &list, signer.as_ref())
                .await?;
            if let Written::Done(created) = objects::create(&self.client, wallet, &draft).await? {
                return self.send_first(&created).await;
            }
            tracing::debug!(%wallet, nonce, "nonce was taken by another writer, listing again");
        }
        Err(SubmitError::Raced {
            wallet: wallet.clone(),
            times: RACES,
        })
    }

    /// Simulates, prices and signs; takes no nonce yet.
    async fn signed(
        &self,
        wallet: &WalletName,
        object: &ComputeWallet,
        intent: &Intent,
        nonce: u64,
        list: &[Record],
        signer: &dyn WalletSigner,
    ) -> Result<ComputeTransaction, SubmitError> {
        let from = signer.address();
        // Three questions that do not wait for each other; a bid is a race.
        let (estimate, quote, have) = tokio::join!(
            self.publisher.simulate(from, &intent.call),
            self.publisher.quote(),
            self.publisher.balance(from)
        );
        let gas_limit = gas_limit_for(estimate?);
        let quote = quote?;
        let fees = first_fees(quote, &self.terms.fees);
        if intent.kind.is_speculative() && !fees.covers(quote.base_fee) {
            return Err(SubmitError::TooDear {
                base_fee: quote.base_fee,
                cap: self.terms.fees.max_fee_cap,
            });
        }
        let cost = u128::from(gas_limit).saturating_mul(fees.max_fee);
        let limit = wei::coin(&object.spec.limits.gas_per_day)?;
        let committed = gas_committed_since(list, (self.now)().wall);
        may_spend(&wallet.to_string(), intent.kind, Some(limit), committed, cost)?;
        let need = reserved(list)
            .saturating_add(U256::from(cost))
            .saturating_add(intent.call.value);
        let have = have?;
        if have < need {
            self.wallet_trouble.notify_one();
            return Err(SubmitError::InsufficientFunds {
                address: from,
                have,
                need,
            });
        }
        let first = sign_version(signer, self.terms.chain, nonce, &intent.call, gas_limit, fees).await?;
        Ok(object_of(&Draft {
            namespace: &wallet.namespace,
            wallet: &wallet.name,
            market: &self.terms.market,
            chain: self.terms.chain,
            signer: from,
            nonce,
            intent,
            gas_limit,
            first: &first,
        }))
    }

    /// Sends what was just created. Whatever comes of it, the object stands and the next pass goes on with it.
    async fn send_first(&self, created: &ComputeTransaction) -> Result<Submitted, SubmitError> {
        let record = record_of(created)?;
        let published = self.publisher.publish(&record.first.raw).await;
        pass::log_published(&record.name, record.first.hash, &published);
        self.note(
            created,
            Event::Broadcast {
                hash: record.first.hash,
                result: published.result.clone(),
                head: self.head.load(Ordering::Relaxed),
                at: (self.now)().steady,
            },
        );
        Ok(Submitted {
            name: record.name,
            state: SubmittedState::Sent {
                hash: record.first.hash,
                result: published.result,
            },
        })
    }

    async fn usable_wallet(
        &self,
        wallet: &WalletName,
        namespace: &str,
    ) -> Result<ComputeWallet, SubmitError> {
        let object = objects::wallet(&self.client, wallet)
            .await?
            .ok_or_else(|| SubmitError::NoWallet(wallet.clone()))?;
        if object.spec.market_ref.name != self.terms.market {
            return Err(SubmitError::OtherMarket {
                wallet: wallet.clone(),
                market: object.spec.market_ref.name,
                wanted: self.terms.market.clone(),
            });
        }
        let allowed = namespace == wallet.namespace
            || object
                .spec
                .allowed_namespaces
                .iter()
                .any(|each| each == namespace);
        if !allowed {
            return Err(crate::core::tx::SpendError::NamespaceNotAllowed {
                wallet: wallet.to_string(),
                namespace: namespace.to_owned(),
            }
            .into());
        }
        let status = object.status.as_ref();
        if status.is_some_and(|status| condition::is_true(&status.conditions, condition::NONCE_FOREIGN)) {
            return Err(SubmitError::NonceForeign(wallet.clone()));
        }
        let shared = status
            .and_then(|status| condition::get(&status.conditions, condition::READY))
            .is_some_and(|ready| ready.reason == condition::reason::KEY_SHARED);
        if shared {
            return Err(SubmitError::KeyShared(wallet.clone()));
        }
        Ok(object)
    }

    /// Every transaction of the wallet. One that does not read stops the wallet: its nonce and intent are unknown.
    async fn records(&self, wallet: &WalletName) -> Result<Vec<Record>, SubmitError> {
        let list = objects::transactions(&self.client, wallet).await?;
        Ok(list.iter().map(record_of).collect::<Result<_, _>>()?)
    }

    fn refused(&self, wallet: &WalletName, allotment: Allotment) -> SubmitError {
        let wallet = wallet.clone();
        match allotment {
            Allotment::Foreign { chain, expected } => {
                self.wallet_trouble.notify_one();
                tracing::warn!(%wallet, chain, expected, "the key has a second user: the chain counts more transactions than we sent");
                SubmitError::NonceForeign(wallet)
            }
            Allotment::Busy { count, cap } => SubmitError::Busy { wallet, count, cap },
            Allotment::OtherKey { name, signer } => SubmitError::OtherKey {
                wallet,
                transaction: name,
                signer,
            },
            Allotment::OtherChain { name, chain } => SubmitError::OtherChain {
                wallet,
                transaction: name,
                chain,
            },
            // Not refusals; the caller has answered them. Named so that a new answer does not slip through.
            Allotment::Held { .. } | Allotment::Next(_) => SubmitError::Raced { wallet, times: 0 },
        }
    }

    fn lock_of(&self, wallet: &WalletName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(wallet.clone()).or_default().clone()
    }

    fn tracked(&self, object: &ComputeTransaction) -> Tracked {
        let tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        tracked.get(uid).cloned().unwrap_or_default()
    }

    fn note(&self, object: &ComputeTransaction, event: Event) {
        self.remember(object, |known| {
            known.sending = std::mem::take(&mut known.sending).after(event);
        });
    }

    fn remember(&self, object: &ComputeTransaction, change: impl FnOnce(&mut Tracked)) {
        let mut tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        change(
            tracked
                .entry(object.metadata.uid.clone().unwrap_or_default())
                .or_default(),
        );
    }
}

/// The object an intent would have, for looking one up by name.
#[must_use]
pub fn transaction_name(wallet: &WalletName, nonce: u64) -> String {
    name_of(&wallet.name, nonce)
}
