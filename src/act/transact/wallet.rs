//! A wallet looked at: its key, its balance, and whether the chain's count of its transactions is ours. Writes the status when it
//! says something new and never a number that moves by itself. May not sign or send.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, U256};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    KeyError, SubmitError, TransactContext, WalletName,
    convert::{record_of, time},
    keys,
    objects::{self, Written},
};
use crate::{
    api::{
        ComputeTransaction, ComputeWallet,
        condition::{self, Status, reason},
        wallet::{ComputeWalletStatus, ForeignUse},
    },
    chain_io::publisher::AskError,
    core::{
        time::{ChainSeconds, UnixMillis},
        tx::{
            Claim, FeeQuote, ForeignSeen, Heads, NonceVerdict, Purse, Record, first_fees, judge_balance,
            judge_nonce, kept_by,
        },
    },
};

/// How long a price of gas is good enough to judge a purse by.
const QUOTE_HOLDS: Duration = Duration::from_secs(240);

/// What a look at a wallet found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletReport {
    /// Whether it can sign and send.
    pub ready: Readiness,
    /// Whether its status was written.
    pub written: Write,
    /// Coin at its address in wei, where the chain was asked.
    pub balance: Option<U256>,
}

/// Whether a wallet can sign and send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot; its condition says why.
    NotReady,
    /// The chain could not be asked: what was known stays.
    Unknown,
}

/// Whether a status was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It was.
    Done,
    /// It said the same already.
    Unneeded,
    /// Somebody else wrote first; the next look sees what.
    Lost,
}

/// What the chain says about a key.
#[derive(Debug, Clone, Copy)]
struct OnChain {
    verdict: NonceVerdict,
    purse: Purse,
    balance: U256,
}

impl TransactContext {
    /// Looks at one wallet and writes its status if that says something new. `others` are wallets on the same chain, which may be
    /// told the same key. `transactions` are the wallet's, from a cache; where they make the key look foreign the API server itself
    /// is asked, since a cache may lag behind our own create.
    ///
    /// # Errors
    /// The API server did not take the status, or an answer of it was not to be had.
    pub async fn look_at_wallet(
        &self,
        wallet: &ComputeWallet,
        others: &[Arc<ComputeWallet>],
        transactions: &[Arc<ComputeTransaction>],
        heads: Option<Heads>,
    ) -> Result<WalletReport, SubmitError> {
        let name = WalletName {
            namespace: wallet.metadata.namespace.clone().unwrap_or_default(),
            name: wallet.metadata.name.clone().unwrap_or_default(),
        };
        let mut status = wallet.status.clone().unwrap_or_default();
        status.observed_generation = wallet.metadata.generation;
        let mut say = Saying {
            conditions: &mut status.conditions,
            generation: wallet.metadata.generation,
            now: (self.now)().wall,
        };
        let mut balance = None;
        let ready = match keys::load(&self.client, wallet).await {
            Err(KeyError::Object(error)) => return Err(error.into()),
            Err(error) => {
                say.set(
                    condition::READY,
                    Status::False,
                    reason::KEY_UNREADABLE,
                    &error.to_string(),
                );
                Readiness::NotReady
            }
            Ok(signer) => {
                let address = signer.address();
                drop(signer);
                let known = status.address.as_deref().and_then(|text| text.parse().ok());
                if known.is_some_and(|known: Address| known != address) {
                    say.set(
                        condition::READY,
                        Status::False,
                        "KeyChanged",
                        "the Secret holds another key than before, and the wallet's transactions belong to the old one: put the old key back, or create another ComputeWallet for the new one",
                    );
                    Readiness::NotReady
                } else if let Some(first) = kept_by(&claim(wallet, address), &claims(others)) {
                    status.address = Some(address.to_string());
                    say_shared(&mut status, wallet.metadata.generation, (self.now)().wall, first);
                    Readiness::NotReady
                } else {
                    let chain = self.on_chain(&name, wallet, address, transactions, heads).await?;
                    balance = chain.map(|chain| chain.balance);
                    status.address = Some(address.to_string());
                    judged(
                        &mut status,
                        wallet.metadata.generation,
                        (self.now)().wall,
                        chain,
                        address,
                    )
                }
            }
        };
        let written = if wallet.status.as_ref() == Some(&status) {
            Write::Unneeded
        } else {
            let mut next = wallet.clone();
            next.status = Some(status);
            match objects::write_wallet_status(&self.client, &next).await? {
                Written::Done(_) => Write::Done,
                Written::Lost => Write::Lost,
            }
        };
        Ok(WalletReport {
            ready,
            written,
            balance,
        })
    }

    /// What gas cost a few minutes ago at the latest: enough to tell a full purse from an empty one, and one question for all wallets.
    async fn recent_quote(&self) -> Result<FeeQuote, AskError> {
        let now = (self.now)().steady;
        let known = *self.quoted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, quote)) = known
            && now.since(at) < QUOTE_HOLDS
        {
            return Ok(quote);
        }
        let quote = self.publisher.quote().await?;
        *self.quoted.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, quote));
        Ok(quote)
    }

    /// None while the chain or its newest block is unknown.
    async fn on_chain(
        &self,
        name: &WalletName,
        wallet: &ComputeWallet,
        address: Address,
        cached: &[Arc<ComputeTransaction>],
        heads: Option<Heads>,
    ) -> Result<Option<OnChain>, SubmitError> {
        let Some(heads) = heads else {
            return Ok(None);
        };
        let asked = futures::try_join!(
            self.publisher.nonce(address, Some(heads.hash)),
            self.publisher.balance(address),
            self.recent_quote()
        );
        let (nonce, balance, quote) = match asked {
            Ok(answers) => answers,
            Err(error) => {
                tracing::debug!(wallet = %name, %error, "wallet not judged");
                return Ok(None);
            }
        };
        let judge = |list: &[Record]| {
            let (adopted, seen) = (adopted_nonce(wallet), foreign_seen(wallet));
            judge_nonce(list, nonce, adopted, seen, &heads, self.terms.longest_bid)
        };
        let list: Vec<Record> = cached
            .iter()
            .filter_map(|object| record_of(object).ok())
            .collect();
        let verdict = match judge(&list) {
            NonceVerdict::Ours => NonceVerdict::Ours,
            NonceVerdict::Foreign(_) | NonceVerdict::Adopt(_) => judge(&self.records(name).await?),
        };
        let before = wallet
            .status
            .as_ref()
            .and_then(|status| condition::get(&status.conditions, condition::FUNDED))
            .map(|condition| {
                if condition.status == Status::False.as_str() {
                    Purse::Low
                } else {
                    Purse::Funded
                }
            });
        let price = first_fees(quote, &self.terms.fees).max_fee;
        Ok(Some(OnChain {
            verdict,
            purse: judge_balance(balance, price, before),
            balance,
        }))
    }
}

fn claim(wallet: &ComputeWallet, address: Address) -> Claim {
    let created = wallet
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(i64::MAX, |created| created.0.as_millisecond());
    Claim {
        created: UnixMillis(created),
        namespace: wallet.metadata.namespace.clone().unwrap_or_default(),
        name: wallet.metadata.name.clone().unwrap_or_default(),
        address,
    }
}

/// The keys of wallets that were looked at.
fn claims(wallets: &[Arc<ComputeWallet>]) -> Vec<Claim> {
    wallets
        .iter()
        .filter_map(|wallet| {
            let address = wallet.status.as_ref()?.address.as_ref()?.parse().ok()?;
            Some(claim(wallet, address))
        })
        .collect()
}

fn say_shared(status: &mut ComputeWalletStatus, generation: Option<i64>, now: UnixMillis, first: &Claim) {
    let message = format!(
        "ComputeWallet {}/{} was there first with the same key, and a key has one user: nothing is sent or signed with this one; create it anew with a key of its own",
        first.namespace, first.name
    );
    let mut say = Saying {
        conditions: &mut status.conditions,
        generation,
        now,
    };
    say.set(condition::READY, Status::False, reason::KEY_SHARED, &message);
}

struct Saying<'a> {
    conditions: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: UnixMillis,
}

impl Saying<'_> {
    fn set(&mut self, kind: &str, status: Status, reason: &str, message: &str) {
        condition::set(
            self.conditions,
            kind,
            status,
            reason,
            message,
            self.generation,
            time(self.now),
        );
    }
}

/// Puts what the chain says into the status; what it does not say stays as it was.
fn judged(
    status: &mut ComputeWalletStatus,
    generation: Option<i64>,
    now: UnixMillis,
    chain: Option<OnChain>,
    address: Address,
) -> Readiness {
    if let Some(OnChain { verdict, .. }) = chain {
        remember(status, verdict);
    }
    let mut say = Saying {
        conditions: &mut status.conditions,
        generation,
        now,
    };
    let Some(OnChain { verdict, purse, .. }) = chain else {
        for kind in [condition::READY, condition::FUNDED, condition::NONCE_FOREIGN] {
            let known = condition::get(say.conditions, kind).is_some_and(|known| {
                // What was wrong with the key was said by a look that could not read it; it can be read now.
                ![reason::KEY_UNREADABLE, reason::KEY_SHARED].contains(&known.reason.as_str())
            });
            if !known {
                say.set(
                    kind,
                    Status::Unknown,
                    reason::NOT_YET_KNOWN,
                    "the key is readable; the chain has not been asked yet",
                );
            }
        }
        return Readiness::Unknown;
    };
    match purse {
        Purse::Funded => say.set(condition::FUNDED, Status::True, reason::AS_EXPECTED, ""),
        Purse::Low => say.set(
            condition::FUNDED,
            Status::False,
            reason::INSUFFICIENT_FUNDS,
            &format!(
                "{address} holds coin for fewer than ten transactions at present prices: send coin for gas to it"
            ),
        ),
    }
    match verdict {
        NonceVerdict::Ours | NonceVerdict::Adopt(_) => {
            say.set(condition::NONCE_FOREIGN, Status::False, reason::AS_EXPECTED, "");
            // An empty purse is not a reason to sign nothing: duties try to the last wei.
            say.set(condition::READY, Status::True, reason::AS_EXPECTED, "");
            Readiness::Ready
        }
        NonceVerdict::Foreign(_) => {
            let message = "the chain counts transactions of this key that are not ours: a restored backup, or a second user of the key. Nothing is sent or signed until they are final and the longest bid has run out; give the key one user";
            say.set(
                condition::NONCE_FOREIGN,
                Status::True,
                "ForeignTransactions",
                message,
            );
            say.set(condition::READY, Status::False, "NonceForeign", message);
            Readiness::NotReady
        }
    }
}

fn remember(status: &mut ComputeWalletStatus, verdict: NonceVerdict) {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    match verdict {
        NonceVerdict::Ours => status.foreign_use = None,
        NonceVerdict::Adopt(nonce) => {
            status.foreign_use = None;
            status.adopted_nonce = Some(signed(nonce));
        }
        NonceVerdict::Foreign(seen) => {
            status.foreign_use = Some(ForeignUse {
                nonce: signed(seen.nonce),
                block: signed(seen.block),
                time: signed(seen.time.0),
            });
        }
    }
}

/// Up to which nonce a stranger's use was accepted.
pub(super) fn adopted_nonce(wallet: &ComputeWallet) -> Option<u64> {
    wallet
        .status
        .as_ref()?
        .adopted_nonce
        .and_then(|nonce| u64::try_from(nonce).ok())
}

fn foreign_seen(wallet: &ComputeWallet) -> Option<ForeignSeen> {
    let seen = wallet.status.as_ref()?.foreign_use.as_ref()?;
    Some(ForeignSeen {
        nonce: u64::try_from(seen.nonce).ok()?,
        block: u64::try_from(seen.block).ok()?,
        time: ChainSeconds(u64::try_from(seen.time).ok()?),
    })
}
