//! What a plan about contested leases takes: the disputes of one provider, the receipts that were signed for the contested seconds, the tokens of the
//! duty wallet. Asks the cluster for one page of statements and the chain for two balances, and only while there is something to answer. Never writes.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256, Bytes};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};

use super::{
    clock,
    lease::{Eyes, epoch, key_of},
    markets::{Market, trust},
    transactions::{in_flight, sent},
};
use crate::{
    api::{
        ComputeLease, ComputeProvider, lease::UsageReceipt, provider::AnswerWhen, transaction::IntentKind,
    },
    chain_io::purse::tokens,
    core::{
        book::{DisputeState, KeyRoles, TokenIndex},
        documents::{signing::domain, statement::SignedReceipt},
        ids::{LeaseKey, ProviderId},
        money::MicroUnits,
        plan::{
            dispute::{Contest, Observed, Policy, Purse, ReceiptSide, open_to_answer},
            duty::Trust,
        },
        usage::archive::{PAGE_KEY, unpack},
        view::ChainView,
    },
    kube_io::within,
};

/// Whose disputes, before which court.
pub struct Defence<'a> {
    /// The object.
    pub provider: &'a ComputeProvider,
    /// Its number.
    pub id: ProviderId,
    /// Its market.
    pub market: &'a Market,
    /// What the chain says.
    pub view: &'a ChainView,
    /// The market's court.
    pub court: Address,
    /// The duty wallet, once its key was read.
    pub duty: Option<Address>,
    /// What the object says.
    pub policy: Policy,
}

impl Eyes {
    /// The disputes of one provider; none where there is nothing to do or say.
    pub async fn disputes(&self, about: &Defence<'_>) -> Observed {
        let trust = trust(Some(about.view), about.market.since, clock::wall());
        let uid = about.provider.uid().unwrap_or_default();
        let mut seen = Observed {
            trust,
            now: about.view.now(),
            contests: Vec::new(),
            purses: BTreeMap::new(),
            credits: credits(about),
            approve: in_flight(&self.stores.transactions, &uid, IntentKind::Approve),
            withdraw: in_flight(&self.stores.transactions, &uid, IntentKind::Withdraw),
        };
        if trust != Trust::Fresh {
            return seen;
        }
        let disputes = about.view.head.book.disputes();
        for dispute in disputes
            .iter()
            .filter(|dispute| dispute.key.id.provider == about.id)
        {
            let object = self.disputed(about.provider, &dispute.key);
            // One that is over is only told, on an object that is still there.
            if !dispute.is_open() && object.is_none() {
                continue;
            }
            seen.contests
                .push(self.contest(about, &uid, dispute, object.as_deref()).await);
        }
        seen.purses = purses(about, &seen).await;
        seen
    }

    /// The object of a lease with these very terms.
    #[must_use]
    pub fn disputed(&self, provider: &ComputeProvider, key: &LeaseKey) -> Option<Arc<ComputeLease>> {
        let home = provider.namespace();
        self.stores
            .leases
            .state()
            .into_iter()
            .find(|lease| lease.namespace() == home && key_of(lease).ok() == Some(*key))
    }

    async fn contest(
        &self,
        about: &Defence<'_>,
        uid: &str,
        dispute: &DisputeState,
        object: Option<&ComputeLease>,
    ) -> Contest {
        let held = about.view.head.book.disputes();
        let key = dispute.key;
        let of = |kind| sent(&self.stores.transactions, uid, kind, &epoch(&key));
        let mut contest = Contest {
            key,
            token: dispute.token,
            phase: dispute.phase,
            seconds: (dispute.from_cum, dispute.to_cum),
            bond: dispute.bond,
            frozen: held
                .freeze(key.id)
                .map_or(MicroUnits::ZERO, |freeze| freeze.amount),
            reserved: held
                .reserve(key.id)
                .map_or(MicroUnits::ZERO, |reserve| reserve.amount),
            receipt: ReceiptSide::Unknown,
            answer: of(IntentKind::Answer),
            conclude: of(IntentKind::Conclude),
        };
        if open_to_answer(&contest, about.view.now()) && contest.answer.may_send() {
            contest.receipt = self.receipt(about, &key, dispute.to_cum, object).await;
        }
        contest
    }

    /// The newest receipt that covers the seconds: the one in status, else one on the newest page, since counts only grow.
    async fn receipt(
        &self,
        about: &Defence<'_>,
        key: &LeaseKey,
        to_cum: u32,
        object: Option<&ComputeLease>,
    ) -> ReceiptSide {
        let usage = object
            .and_then(|lease| lease.status.as_ref())
            .and_then(|status| status.usage.as_ref());
        let Some(usage) = usage else {
            return ReceiptSide::Short(0);
        };
        let newest = usage.receipt.as_ref().and_then(read);
        let signed = |receipt: &SignedReceipt| signed(about, key, receipt);
        let first = choose(to_cum, newest.iter().cloned(), signed);
        let page = match (&first, usage.evidence.last()) {
            (ReceiptSide::Covers(_), _) | (_, None) => return first,
            (ReceiptSide::Short(_) | ReceiptSide::SignerMayNot | ReceiptSide::Unknown, Some(page)) => page,
        };
        let home = about.provider.namespace().unwrap_or_default();
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &home);
        let found = match within("read a page of statements", maps.get_opt(page)).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(lease = %key.id, page, %error, "statements not read");
                return ReceiptSide::Unknown;
            }
        };
        let kept = found
            .and_then(|map| map.binary_data?.remove(PAGE_KEY))
            .and_then(|bytes| unpack(&bytes.0).ok())
            .unwrap_or_default();
        let receipts = kept.iter().rev().map(|statement| statement.receipt());
        choose(to_cum, newest.into_iter().chain(receipts), signed)
    }
}

/// Whether the receipt is for this lease by a key that may report now: the court asks for no more.
fn signed(about: &Defence<'_>, key: &LeaseKey, receipt: &SignedReceipt) -> bool {
    let domain = domain(about.market.chain, about.market.lease_book);
    receipt.signer(key, &domain).is_ok_and(|signer| {
        about
            .view
            .head
            .book
            .provider(about.id)
            .is_some_and(|state| state.key_may(signer, KeyRoles::REPORT, about.view.now()))
    })
}

/// The first that covers the seconds and is signed as it must be.
fn choose(
    to_cum: u32,
    receipts: impl Iterator<Item = SignedReceipt>,
    signed: impl Fn(&SignedReceipt) -> bool,
) -> ReceiptSide {
    let (mut most, mut unsigned) = (0, false);
    for receipt in receipts {
        most = most.max(receipt.cum);
        if receipt.cum < to_cum {
            continue;
        }
        if signed(&receipt) {
            return ReceiptSide::Covers(receipt);
        }
        unsigned = true;
    }
    if unsigned {
        ReceiptSide::SignerMayNot
    } else {
        ReceiptSide::Short(most)
    }
}

fn read(receipt: &UsageReceipt) -> Option<SignedReceipt> {
    Some(SignedReceipt {
        cum: u32::try_from(receipt.cum).ok()?,
        as_of: u64::try_from(receipt.as_of).ok()?,
        root: receipt.root.parse::<B256>().ok()?,
        signature: receipt.signature.parse::<Bytes>().ok()?,
    })
}

/// What the court owes the duty wallet, token by token.
fn credits(about: &Defence<'_>) -> Vec<(TokenIndex, u128)> {
    let Some(duty) = about.duty else {
        return Vec::new();
    };
    let book = &about.view.head.book;
    book.tokens()
        .keys()
        .map(|token| (*token, book.disputes().credit(duty, *token).open()))
        .filter(|(_, open)| *open > 0)
        .collect()
}

/// The duty wallet's tokens, where an answer may need them.
async fn purses(about: &Defence<'_>, seen: &Observed) -> BTreeMap<TokenIndex, Purse> {
    let mut purses = BTreeMap::new();
    let Some(duty) = about.duty.filter(|_| about.policy.answer == AnswerWhen::Always) else {
        return purses;
    };
    for contest in &seen.contests {
        let needed = open_to_answer(contest, seen.now) && contest.answer.may_send();
        if !needed || purses.contains_key(&contest.token) {
            continue;
        }
        let Some(token) = about.view.head.book.tokens().get(&contest.token) else {
            continue;
        };
        match tokens(
            &about.market.endpoints,
            token.asset,
            token.scale,
            duty,
            about.court,
        )
        .await
        {
            Ok(found) => {
                let purse = Purse {
                    balance: found.balance,
                    allowance: found.allowance,
                };
                purses.insert(contest.token, purse);
            }
            Err(error) => tracing::warn!(provider = about.id.0, %error, "the duty wallet's tokens not read"),
        }
    }
    purses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(cum: u32) -> SignedReceipt {
        SignedReceipt {
            cum,
            as_of: 1_000,
            root: B256::ZERO,
            signature: Bytes::new(),
        }
    }

    #[test]
    fn the_first_receipt_that_covers_the_seconds_and_is_rightly_signed_answers() {
        let kept = || [400, 200, 350, 300].map(receipt).into_iter();
        let of = |to, least| choose(to, kept(), |receipt| receipt.cum < least);
        assert_eq!(of(300, u32::MAX), ReceiptSide::Covers(receipt(400)));
        assert_eq!(of(300, 400), ReceiptSide::Covers(receipt(350)));
        assert_eq!(of(350, 350), ReceiptSide::SignerMayNot);
        assert_eq!(of(401, u32::MAX), ReceiptSide::Short(400));
        assert_eq!(choose(1, std::iter::empty(), |_| true), ReceiptSide::Short(0));
    }

    #[test]
    fn a_receipt_in_status_that_does_not_read_is_none() {
        let good = UsageReceipt {
            terms_hash: None,
            cum: 5,
            as_of: 7,
            root: B256::ZERO.to_string(),
            signature: "0x01".to_owned(),
        };
        assert_eq!(read(&good).map(|read| (read.cum, read.as_of)), Some((5, 7)));
        for broken in [
            UsageReceipt {
                cum: -1,
                ..good.clone()
            },
            UsageReceipt {
                root: "0x1".to_owned(),
                ..good.clone()
            },
            UsageReceipt {
                signature: "no".to_owned(),
                ..good
            },
        ] {
            assert_eq!(read(&broken), None);
        }
    }
}
