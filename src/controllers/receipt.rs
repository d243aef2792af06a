//! Signs and keeps what a report rests on, before the report is handed over: a receipt a lease, under one root. A report planned again with the same
//! counts has the same root, so that what was signed and what is on chain never part: one pass at a time signs, and it looks at what the API server
//! has, not at a cache that may be behind the pass before.

use std::sync::Arc;

use alloy::{
    primitives::{B256, Bytes},
    sol_types::Eip712Domain,
};
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;

use super::context::{Context, MANAGER, wallet_name};
use crate::{
    act::{
        evidence::{EvidenceError, Shelf},
        lease::{ActError, sign},
        transact::TransactContext,
    },
    api::{ComputeLease, ComputeProvider, lease::UsageReceipt},
    chain_io::signer::WalletSigner,
    core::{
        book::StoredPhase,
        documents::{
            signing::{digest, domain},
            statement::{Draft, Statement, tree},
        },
        ids::{LeaseKey, ProviderId, TermsHash},
        usage::lanes,
        view::ChainView,
    },
    kube_io::{events::Severity, within},
    observe::{clock, lease::key_of, markets::Market, meters::time_of},
};

/// One lease's share, with its object.
#[derive(Clone)]
struct Share {
    object: Arc<ComputeLease>,
    draft: Draft,
}

/// Where receipts are signed: by one pass at a time. Of two processes only the leader's writes go out. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<()>>);

/// What stays the same while one report is signed for.
struct Signing<'a> {
    client: &'a Client,
    signer: &'a dyn WalletSigner,
    domain: &'a Eip712Domain,
}

/// A page that could not be written, and for which lease.
type NotKept = (Arc<ComputeLease>, EvidenceError);

/// The root of a report, once every receipt under it is in its lease's status.
pub(super) async fn prepare(
    context: &Context,
    transact: &TransactContext,
    provider: &ComputeProvider,
    market: &Market,
    view: &ChainView,
    report: &lanes::Report,
) -> Result<B256, ActError> {
    let id = ProviderId(u32::try_from(provider.spec.provider_id).unwrap_or_default());
    let shares = shares(context, provider, id, view, report);
    let wallet = wallet_name(provider, &provider.spec.wallets.duty);
    let home = provider.namespace().unwrap_or_default();
    let signer = transact.signer(&wallet, &home).await?;
    let signing = Signing {
        client: context.client(),
        signer: signer.as_ref(),
        domain: &domain(market.chain, market.lease_book),
    };
    let (root, not_kept) = signing.root(&context.desk, shares).await?;
    for (lease, error) in not_kept {
        tell(context, &lease, &error).await;
    }
    Ok(root)
}

impl Signing<'_> {
    /// The root that was signed for these counts, or a new one. The desk is taken first, then the objects are read: what an earlier pass wrote is seen.
    async fn root(&self, desk: &Desk, shares: Vec<Share>) -> Result<(B256, Vec<NotKept>), ActError> {
        let _alone = desk.0.lock().await;
        let mut current = Vec::with_capacity(shares.len());
        for share in shares {
            current.push(self.current(share).await?);
        }
        let signed = current
            .iter()
            .map(|share| (receipt_of(&share.object, &share.draft.lease), share.draft.cum));
        if let Some(root) = standing(signed) {
            return Ok((root, Vec::new()));
        }
        let drafts: Vec<Draft> = current.iter().map(|share| share.draft.clone()).collect();
        let tree = tree(&drafts);
        let mut not_kept = Vec::new();
        for share in current {
            let terms = share.draft.lease.terms;
            let receipt = share.draft.receipt(tree.root());
            let signature = sign(self.signer, digest(&receipt, self.domain)).await?;
            let bytes: Bytes = signature.parse().unwrap_or_default();
            if let Some(statement) = share.draft.signed(&tree, bytes)
                && let Some(error) = self.keep(&share.object, (terms, &statement), signature).await?
            {
                not_kept.push((share.object, error));
            }
        }
        Ok((tree.root(), not_kept))
    }

    /// The share on what the API server has of the lease's object now.
    async fn current(&self, share: Share) -> Result<Share, ActError> {
        let leases = Api::<ComputeLease>::namespaced(
            self.client.clone(),
            &share.object.namespace().unwrap_or_default(),
        );
        let found = within("read a lease to report", leases.get_opt(&share.object.name_any())).await?;
        let object = found
            .filter(|found| found.uid() == share.object.uid())
            .ok_or(ActError::Missing {
                action: "a report",
                what: "the object of a lease in it",
            })?;
        Ok(Share {
            draft: Draft {
                from: as_of(&object, &share.draft.lease).unwrap_or(share.draft.from),
                ..share.draft
            },
            object: Arc::new(object),
        })
    }

    /// The page may fail, and money goes on: whoever runs this is told that it could not prove what it was paid for. The receipt may not: it says what
    /// was signed, and nothing is signed that is not written down.
    async fn keep(
        &self,
        lease: &ComputeLease,
        (terms, statement): (TermsHash, &Statement),
        signature: String,
    ) -> Result<Option<EvidenceError>, ActError> {
        let shelf = Shelf {
            client: self.client,
            manager: MANAGER,
            lease,
        };
        let mut pages = lease
            .status
            .as_ref()
            .and_then(|status| status.usage.as_ref())
            .map(|usage| usage.evidence.clone())
            .unwrap_or_default();
        let mut not_kept = None;
        match shelf.keep(&pages, statement).await {
            Ok(page) if !pages.contains(&page) => pages.push(page),
            Ok(_) => {}
            Err(error) => not_kept = Some(error),
        }
        let receipt = UsageReceipt {
            cum: statement.cum.into(),
            terms_hash: Some(terms.to_string()),
            as_of: i64::try_from(statement.to).unwrap_or(i64::MAX),
            root: statement.root.to_string(),
            signature,
        };
        shelf.note(&receipt, time_of(clock::wall().0), &pages).await?;
        Ok(not_kept)
    }
}

fn shares(
    context: &Context,
    provider: &ComputeProvider,
    id: ProviderId,
    view: &ChainView,
    report: &lanes::Report,
) -> Vec<Share> {
    let home = provider.namespace();
    let objects = context.eyes.stores.leases.state();
    let live = view
        .head
        .book
        .leases_of(id)
        .map(|metered| metered.lease)
        .filter(|lease| lease.stored == StoredPhase::Live);
    live.filter_map(|lease| {
        let to = report.lanes.get(&lease.key.id.lane)?;
        let object = objects
            .iter()
            .find(|object| object.namespace() == home && key_of(object).ok() == Some(lease.key))?;
        let status = object.status.as_ref();
        let devices = status.map(|status| status.devices.as_slice()).unwrap_or_default();
        let draft = Draft {
            lease: lease.signed_as(),
            from: as_of(object, &lease.signed_as()).unwrap_or(lease.start_at.0),
            to: view.now().0.min(lease.stop_at.0),
            cum: to.saturating_sub(lease.lane_base),
            devices: devices.iter().map(|device| device.uuid.clone()).collect(),
        };
        Some(Share {
            object: Arc::clone(object),
            draft,
        })
    })
    .collect()
}

/// The instant of the newest receipt.
fn as_of(lease: &ComputeLease, signed_as: &LeaseKey) -> Option<u64> {
    u64::try_from(receipt_of(lease, signed_as)?.as_of).ok()
}

/// The newest receipt, if it is for these terms: one from before an amendment counts other seconds.
fn receipt_of<'a>(lease: &'a ComputeLease, signed_as: &LeaseKey) -> Option<&'a UsageReceipt> {
    let receipt = lease.status.as_ref()?.usage.as_ref()?.receipt.as_ref()?;
    let terms = receipt.terms_hash.as_ref().unwrap_or(&lease.spec.terms_hash);
    (terms.parse().ok() == Some(signed_as.terms.0)).then_some(receipt)
}

/// The root under which all these counts were signed already, if they were signed together.
fn standing<'a>(shares: impl Iterator<Item = (Option<&'a UsageReceipt>, u32)>) -> Option<B256> {
    let mut roots = shares.map(|(receipt, cum)| {
        receipt
            .filter(|receipt| receipt.cum == i64::from(cum))
            .and_then(|receipt| receipt.root.parse::<B256>().ok())
    });
    let first = roots.next()??;
    roots.all(|root| root == Some(first)).then_some(first)
}

async fn tell(context: &Context, lease: &ComputeLease, error: &EvidenceError) {
    tracing::warn!(lease = lease.spec.lease_id, %error, "statement not kept");
    context
        .tell(
            lease,
            Severity::Warning,
            "EvidenceNotKept",
            "Report",
            error.to_string(),
        )
        .await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeSet, sync::PoisonError};

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::{lease::LeaseTerms, request::RequestSummary},
        chain_io::signer::LocalKey,
        core::ids::{ChainId, LeaseKey, TermsHash},
        kube_io::mock::{self, failure},
    };

    /// A lease's object as a cache has it that is behind.
    fn object() -> Value {
        json!({
            "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeLease",
            "metadata": { "name": "lp-1", "namespace": "gpu-provider", "uid": "u", "resourceVersion": "7" },
            "spec": {
                "marketRef": { "name": "m" }, "providerRef": { "name": "p" }, "leaseId": "7-0-1", "termsHash": "0x", "orderHash": "0x",
                "tenant": "0x", "needsHash": "0x", "manifestHash": "0x", "needs": "{}",
                "request": RequestSummary::default(), "terms": LeaseTerms::default(),
            },
        })
    }

    /// What a pass at this moment would sign for ten seconds, from its cache.
    fn share(at: u64) -> Share {
        Share {
            object: Arc::new(serde_json::from_value(object()).unwrap()),
            draft: Draft {
                lease: LeaseKey {
                    id: "7-0-1".parse().unwrap(),
                    terms: TermsHash(B256::ZERO),
                },
                from: 1_000,
                to: at,
                cum: 10,
                devices: Vec::new(),
            },
        }
    }

    #[tokio::test]
    async fn of_two_passes_over_equal_counts_one_signs_and_both_have_its_root() {
        let stored = std::sync::Mutex::new(object());
        let (client, log) = mock::client(move |asked| {
            let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
            match (asked.method.as_str(), asked.path.contains("computeleases")) {
                ("GET", true) => (200, stored.clone()),
                ("GET", false) => failure(404, "NotFound"),
                ("PATCH", true) => {
                    stored["status"] = json!({ "usage": asked.body["status"]["usage"].clone() });
                    stored["status"]["usage"]["closedMs"] = json!(0);
                    (200, stored.clone())
                }
                _ => (200, asked.body.clone()),
            }
        });
        let key = LocalKey::from_secret("11".repeat(32).into_bytes(), "test").unwrap();
        let domain = domain(ChainId(1), alloy::primitives::Address::ZERO);
        let signing = Signing {
            client: &client,
            signer: &key,
            domain: &domain,
        };
        let desk = Desk::default();
        let passes = tokio::join!(
            signing.root(&desk, vec![share(1_020)]),
            signing.root(&desk, vec![share(1_021)])
        );
        let roots: BTreeSet<B256> = [passes.0.unwrap().0, passes.1.unwrap().0].into();
        assert_eq!(roots.len(), 1);
        let noted = log
            .asked()
            .iter()
            .filter(|asked| asked.path.contains("computeleases") && asked.method == "PATCH")
            .count();
        assert_eq!(noted, 1);
    }

    #[tokio::test]
    async fn an_object_that_is_gone_or_another_signs_nothing() {
        let (client, log) = mock::client(|_| {
            let mut other = object();
            other["metadata"]["uid"] = json!("v");
            (200, other)
        });
        let key = LocalKey::from_secret("11".repeat(32).into_bytes(), "test").unwrap();
        let domain = domain(ChainId(1), alloy::primitives::Address::ZERO);
        let signing = Signing {
            client: &client,
            signer: &key,
            domain: &domain,
        };
        let refused = signing.root(&Desk::default(), vec![share(1_020)]).await;
        assert!(matches!(refused, Err(ActError::Missing { .. })));
        assert_eq!(log.asked().len(), 1);
    }

    fn signed(cum: i64, root: u8) -> UsageReceipt {
        UsageReceipt {
            cum,
            root: B256::repeat_byte(root).to_string(),
            ..UsageReceipt::default()
        }
    }

    #[test]
    fn a_report_planned_again_with_the_same_counts_keeps_the_root_that_was_signed() {
        let (one, two) = (signed(10, 1), signed(20, 1));
        let again = [(Some(&one), 10), (Some(&two), 20)];
        assert_eq!(standing(again.into_iter()), Some(B256::repeat_byte(1)));
    }

    #[test]
    fn counts_that_rose_or_were_never_signed_together_are_signed_anew() {
        let (one, two, other) = (signed(10, 1), signed(20, 1), signed(20, 2));
        for shares in [
            vec![(Some(&one), 11), (Some(&two), 20)],
            vec![(Some(&one), 10), (Some(&other), 20)],
            vec![(Some(&one), 10), (None, 20)],
            vec![],
        ] {
            assert_eq!(standing(shares.into_iter()), None);
        }
    }
}
