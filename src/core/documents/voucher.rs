//! A voucher on its way from the tenant to its provider: usage that the tenant signed, so that its money can be claimed at once. Checked by the
//! gateway before it is kept and by the operator before it is redeemed. May not sign or keep one.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::Eip712Domain,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    acts::Voucher,
    signing::{SignatureError, digest, recover},
};
use crate::core::ids::{LeaseId, LeaseKey, TermsHash};

/// The largest body of `PUT …/voucher`, in bytes.
pub const LARGEST_VOUCHER: usize = 4096;

/// Why a voucher is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VoucherError {
    /// For other terms: of a lease that was reorganized away, or amended.
    #[error("the voucher is for terms {got}, the lease runs on {want}: read the lease again and sign anew")]
    OtherTerms {
        /// What it names.
        got: TermsHash,
        /// What is in force.
        want: TermsHash,
    },
    /// For nothing.
    #[error("cum is 0: a voucher is for at least one second")]
    Nothing,
    /// For more than the provider's own receipt.
    #[error("cum is {cum}, but the provider has signed for {signed} s: sign that or less")]
    MoreThanSigned {
        /// What it says.
        cum: u32,
        /// The newest receipt's count.
        signed: u32,
    },
    /// The signature names nobody.
    #[error(
        "signature: {0}; a tenant that is a contract wallet sends `redeem` itself, for which its signature stays empty"
    )]
    Signature(#[from] SignatureError),
    /// Somebody else's.
    #[error(
        "the voucher is signed by {signer}, which is neither tenant nor agent of the lease: sign with the wallet that ordered it"
    )]
    Stranger {
        /// Who.
        signer: Address,
    },
}

impl VoucherError {
    /// A CamelCase word for problem documents.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OtherTerms { .. } => "OtherTerms",
            Self::Nothing => "EmptyVoucher",
            Self::MoreThanSigned { .. } => "MoreThanSigned",
            Self::Signature(_) => "BadVoucherSignature",
            Self::Stranger { .. } => "WrongVoucherSigner",
        }
    }
}

/// Who may vouch for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payers {
    /// The tenant.
    pub tenant: Address,
    /// Who may act for it; zero: nobody.
    pub agent: Address,
}

impl Payers {
    fn include(&self, signer: Address) -> bool {
        // Recovery never gives the zero address.
        signer == self.tenant || signer == self.agent
    }
}

/// The body of `PUT /v1/leases/{id}/voucher`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedVoucher {
    /// Terms the lease runs on.
    pub terms_hash: TermsHash,
    /// Billable seconds under them.
    pub cum: u32,
    /// 65 bytes r, s, v by tenant or agent over EIP-712 `Voucher`.
    pub signature: Bytes,
}

impl SignedVoucher {
    /// Who signed it, once it is a voucher for this lease by one of its payers. `lease` names the terms in force.
    ///
    /// # Errors
    /// The first [`VoucherError`] found; how much may be signed for is not looked at.
    pub fn signer(
        &self,
        lease: &LeaseKey,
        domain: &Eip712Domain,
        payers: Payers,
    ) -> Result<Address, VoucherError> {
        if self.terms_hash != lease.terms {
            return Err(VoucherError::OtherTerms {
                got: self.terms_hash,
                want: lease.terms,
            });
        }
        if self.cum == 0 {
            return Err(VoucherError::Nothing);
        }
        let signer = recover(digest(&Voucher::of(lease, self.cum), domain), &self.signature)?;
        if payers.include(signer) {
            Ok(signer)
        } else {
            Err(VoucherError::Stranger { signer })
        }
    }
}

/// The answer: the highest voucher that is kept, which may be an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherKept {
    /// Which lease.
    pub lease_id: LeaseId,
    /// Under which terms.
    pub terms_hash: TermsHash,
    /// Seconds of the kept one.
    pub cum: u32,
    /// When it was taken, RFC 3339.
    pub received_at: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::{
        primitives::B256,
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::core::{
        documents::{signing::domain, statement::tests::key},
        ids::ChainId,
    };

    fn here() -> Eip712Domain {
        domain(ChainId(1), Address::repeat_byte(9))
    }

    fn wallet(byte: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
    }

    fn payers() -> Payers {
        Payers {
            tenant: wallet(7).address(),
            agent: wallet(8).address(),
        }
    }

    fn signed(cum: u32, by: u8) -> SignedVoucher {
        let hash = digest(&Voucher::of(&key(0), cum), &here());
        SignedVoucher {
            terms_hash: key(0).terms,
            cum,
            signature: wallet(by)
                .sign_hash_sync(&hash)
                .unwrap()
                .as_bytes()
                .to_vec()
                .into(),
        }
    }

    #[test]
    fn tenant_and_agent_may_vouch_and_nobody_else() {
        for by in [7, 8] {
            assert_eq!(
                signed(5, by).signer(&key(0), &here(), payers()),
                Ok(wallet(by).address())
            );
        }
        assert_eq!(
            signed(5, 9).signer(&key(0), &here(), payers()),
            Err(VoucherError::Stranger {
                signer: wallet(9).address()
            })
        );
    }

    #[test]
    fn a_voucher_of_other_terms_or_for_nothing_is_refused_before_its_signature() {
        let other = SignedVoucher {
            terms_hash: TermsHash(B256::ZERO),
            ..signed(5, 7)
        };
        let refused = other.signer(&key(0), &here(), payers()).unwrap_err();
        assert_eq!(refused.reason(), "OtherTerms");
        assert_eq!(
            signed(0, 7).signer(&key(0), &here(), payers()),
            Err(VoucherError::Nothing)
        );
    }

    #[test]
    fn a_contract_wallet_is_told_what_it_does_instead() {
        let voucher = SignedVoucher {
            signature: vec![1; 85].into(),
            ..signed(5, 7)
        };
        let refused = voucher.signer(&key(0), &here(), payers()).unwrap_err();
        assert!(refused.to_string().contains("sends `redeem` itself"), "{refused}");
    }

    proptest! {
        #[test]
        fn a_voucher_says_one_count_for_one_lease(cum in 1u32.., more in 1u32..9, lane in 1u32..9) {
            let changed = SignedVoucher { cum: cum.wrapping_add(more).max(1), ..signed(cum, 7) };
            prop_assume!(changed.cum != cum);
            prop_assert_ne!(changed.signer(&key(0), &here(), payers()), Ok(wallet(7).address()));
            prop_assert_ne!(signed(cum, 7).signer(&key(lane), &here(), payers()), Ok(wallet(7).address()));
        }
    }
}
