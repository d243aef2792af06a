//! One lease's share of one report, as it is kept, handed out and checked again by whoever pays: the interval, the count, the devices, the way from
//! the leaf to the report's root, and the provider's signature over the receipt. Checking needs nothing of the provider's. May not sign.

use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::Eip712Domain,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    acts::Receipt,
    signing::{SignatureError, digest, recover},
};
use crate::core::{
    ids::{LeaseKey, TermsHash},
    usage::evidence::{Evidence, Tree, device_digest, verify},
};

/// Why a statement binds nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatementError {
    /// The leaf is not under the root that the receipt names.
    #[error("the statement up to {to} does not lead to its root {root}: it was changed after the report")]
    Path {
        /// Its instant.
        to: u64,
        /// The root it names.
        root: B256,
    },
    /// The receipt's signature names nobody.
    #[error("the receipt up to {to}: {source}")]
    Signature {
        /// Its instant.
        to: u64,
        /// Why.
        source: SignatureError,
    },
    /// The count falls more often than the provider waived.
    #[error(
        "the count falls from {before} s to {cum} s in the statement up to {to}, and no waiver on chain says why"
    )]
    Falls {
        /// Its instant.
        to: u64,
        /// The count before.
        before: u32,
        /// Its count.
        cum: u32,
    },
    /// More seconds than passed.
    #[error("the statement up to {to} counts {cum} s, but only {elapsed} s had passed since the start")]
    TooMany {
        /// Its instant.
        to: u64,
        /// Its count.
        cum: u32,
        /// Seconds since the start.
        elapsed: u64,
    },
}

/// One lease's share of one report. Instants are Unix seconds of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The instant of the statement before, or of the start.
    pub from: u64,
    /// The instant the count is for.
    pub to: u64,
    /// Billable seconds since the start.
    pub cum: u32,
    /// Devices that the replicas held, by the id their plugin gave them.
    pub devices: Vec<String>,
    /// The leaf's siblings up to the root.
    pub path: Vec<B256>,
    /// Merkle root of the report.
    pub root: B256,
    /// The terms it counts under; none in statements of earlier versions, which knew no amendment. A hint: what is signed is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsHash>,
    /// 65 bytes r, s, v by a report key over EIP-712 `Receipt`.
    pub signature: Bytes,
}

/// What of a statement answers a contest: the count and who signed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// Billable seconds since the start.
    pub cum: u32,
    /// The instant the count is for.
    pub as_of: u64,
    /// Merkle root of the report.
    pub root: B256,
    /// 65 bytes r, s, v by a report key over EIP-712 `Receipt`.
    pub signature: Bytes,
}

impl SignedReceipt {
    /// Who signed it for this lease.
    ///
    /// # Errors
    /// The signature names nobody.
    pub fn signer(&self, lease: &LeaseKey, domain: &Eip712Domain) -> Result<Address, SignatureError> {
        let receipt = Receipt::of(lease, self.cum, self.as_of, self.root);
        recover(digest(&receipt, domain), &self.signature)
    }
}

/// A statement without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Which lease.
    pub lease: LeaseKey,
    /// The instant of the statement before, or of the start.
    pub from: u64,
    /// The instant the count is for.
    pub to: u64,
    /// Billable seconds since the start.
    pub cum: u32,
    /// Devices that the replicas held.
    pub devices: Vec<String>,
}

impl Draft {
    fn evidence(&self) -> Evidence {
        evidence(self.lease, (self.from, self.to), self.cum, &self.devices)
    }

    /// The receipt to sign for this share of a report with this root.
    #[must_use]
    pub fn receipt(&self, root: B256) -> Receipt {
        Receipt::of(&self.lease, self.cum, self.to, root)
    }

    /// The statement, once the receipt is signed; none when the draft is not under the tree.
    #[must_use]
    pub fn signed(self, tree: &Tree, signature: Bytes) -> Option<Statement> {
        let path = tree.proof(self.evidence().leaf())?;
        Some(Statement {
            from: self.from,
            to: self.to,
            cum: self.cum,
            devices: self.devices,
            path,
            root: tree.root(),
            terms: Some(self.lease.terms),
            signature,
        })
    }
}

/// The tree over all shares of a report.
#[must_use]
pub fn tree(drafts: &[Draft]) -> Tree {
    Tree::over(drafts.iter().map(|draft| draft.evidence().leaf()))
}

fn evidence(lease: LeaseKey, (from, to): (u64, u64), cum: u32, devices: &[String]) -> Evidence {
    Evidence {
        lease,
        from,
        to,
        cum,
        devices: device_digest(devices.iter().map(String::as_str)),
    }
}

impl Statement {
    /// Who signed it, once its leaf leads to the root that the receipt names.
    ///
    /// # Errors
    /// [`StatementError::Path`] or [`StatementError::Signature`].
    pub fn signer(&self, lease: &LeaseKey, domain: &Eip712Domain) -> Result<Address, StatementError> {
        let leaf = evidence(*lease, (self.from, self.to), self.cum, &self.devices).leaf();
        if !verify(leaf, &self.path, self.root) {
            return Err(StatementError::Path {
                to: self.to,
                root: self.root,
            });
        }
        self.receipt()
            .signer(lease, domain)
            .map_err(|source| StatementError::Signature { to: self.to, source })
    }

    /// The receipt alone.
    #[must_use]
    pub fn receipt(&self) -> SignedReceipt {
        SignedReceipt {
            cum: self.cum,
            as_of: self.to,
            root: self.root,
            signature: self.signature.clone(),
        }
    }
}

/// Checks a lease's statements in the order of their instants; the signers in the same order. Whether they may sign is the chain's to say.
/// Nothing a provider sends can count more seconds than passed since `start_at`, and its count falls at most once for each of the chain's `waivers`.
///
/// # Errors
/// The first statement that does not hold.
pub fn check(
    lease: &LeaseKey,
    domain: &Eip712Domain,
    start_at: u64,
    mut waivers: u32,
    statements: &mut [Statement],
) -> Result<Vec<Address>, StatementError> {
    statements.sort_by_key(|statement| (statement.to, statement.cum));
    let mut before = 0;
    let mut signers = Vec::with_capacity(statements.len());
    for statement in statements.iter() {
        let (to, cum) = (statement.to, statement.cum);
        let elapsed = to.saturating_sub(start_at);
        if u64::from(cum) > elapsed {
            return Err(StatementError::TooMany { to, cum, elapsed });
        }
        if cum < before {
            waivers = waivers
                .checked_sub(1)
                .ok_or(StatementError::Falls { to, before, cum })?;
        }
        before = cum;
        signers.push(statement.signer(lease, domain)?);
    }
    Ok(signers)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::signers::{SignerSync, local::PrivateKeySigner};
    use proptest::prelude::*;

    use super::*;
    use crate::core::{
        documents::signing::domain,
        ids::{ChainId, Generation, Lane, LeaseId, ProviderId, TermsHash},
    };

    pub(crate) fn key(lane: u32) -> LeaseKey {
        LeaseKey {
            id: LeaseId {
                provider: ProviderId(7),
                lane: Lane(lane),
                generation: Generation::new(1).unwrap(),
            },
            terms: TermsHash(B256::repeat_byte(1)),
        }
    }

    fn here() -> Eip712Domain {
        domain(ChainId(1), Address::repeat_byte(9))
    }

    fn signer() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
    }

    fn draft(lane: u32, from: u64, to: u64, cum: u32) -> Draft {
        Draft {
            lease: key(lane),
            from,
            to,
            cum,
            devices: vec![format!("GPU-{lane}"), "GPU-x".to_owned()],
        }
    }

    /// Lane 0's statement in a report of three leases.
    pub(crate) fn statement(from: u64, to: u64, cum: u32) -> Statement {
        let drafts = vec![
            draft(0, from, to, cum),
            draft(1, from, to, cum + 1),
            draft(2, from, to, cum + 2),
        ];
        let tree = tree(&drafts);
        let mine = drafts.into_iter().next().unwrap();
        let hash = digest(&mine.receipt(tree.root()), &here());
        let signature = signer().sign_hash_sync(&hash).unwrap().as_bytes().to_vec();
        mine.signed(&tree, signature.into()).unwrap()
    }

    #[test]
    fn whoever_pays_finds_who_signed_each_second_of_the_bill() {
        let mut two = vec![statement(1_300, 1_600, 550), statement(1_000, 1_300, 300)];
        let signers = check(&key(0), &here(), 1_000, 0, &mut two).unwrap();
        assert_eq!(signers, vec![signer().address(); 2]);
        assert_eq!(two.last().unwrap().cum, 550);
    }

    #[test]
    fn a_bill_that_falls_or_counts_more_than_passed_is_refused() {
        let of = |mut all: Vec<Statement>| check(&key(0), &here(), 1_000, 0, &mut all);
        assert_eq!(
            of(vec![statement(1_000, 1_300, 301)]),
            Err(StatementError::TooMany {
                to: 1_300,
                cum: 301,
                elapsed: 300
            })
        );
        assert_eq!(
            of(vec![statement(1_000, 1_300, 300), statement(1_300, 1_600, 299)]),
            Err(StatementError::Falls {
                to: 1_600,
                before: 300,
                cum: 299
            })
        );
    }

    #[test]
    fn a_count_falls_as_often_as_the_provider_waived_on_chain_and_no_oftener() {
        let all = [
            statement(1_000, 1_300, 300),
            statement(1_300, 1_600, 200),
            statement(1_600, 1_900, 100),
        ];
        let after = |waivers| check(&key(0), &here(), 1_000, waivers, &mut all.clone()).is_ok();
        assert_eq!([0, 1, 2].map(after), [false, false, true]);
    }

    #[test]
    fn a_statement_survives_its_form_on_the_wire() {
        let one = statement(1_000, 1_300, 300);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), one);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_changed_statement_keeps_its_signer(field in 0usize..6, by in 1u32..1_000) {
            let mut one = statement(1_000, 5_000, 300);
            match field {
                0 => one.from += u64::from(by),
                1 => one.to += u64::from(by),
                2 => one.cum += by,
                3 => one.devices.push(format!("GPU-{by}")),
                4 => one.root = B256::from(alloy::primitives::U256::from(by)),
                _ => { one.path.pop(); }
            }
            prop_assert_ne!(one.signer(&key(0), &here()).ok(), Some(signer().address()));
        }

        #[test]
        fn a_statement_of_one_lease_is_none_of_another(lane in 1u32..9) {
            prop_assert!(statement(1_000, 1_300, 300).signer(&key(lane), &here()).is_err());
        }
    }
}
