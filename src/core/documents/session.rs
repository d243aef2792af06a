//! A tenant's pass at a provider's gateway: the wallet signs once, short-lived keys sign each request.
//!
//! The wallet signs an EIP-712 [`Session`] that names an ephemeral ed25519 key; that key signs each HTTP request (RFC 9421, see
//! [`signature`]); [`verdict`] decides from both, from the lease's two names on chain and from a moment, whether the request is
//! allowed. May not wait, read a clock, draw a key or look up a lease: all of that is handed in.

pub mod denial;
pub mod signature;
pub mod verdict;

use std::{fmt, str::FromStr};

use alloy::primitives::{
    Address, B256, Bytes,
    aliases::{U40, U96},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

pub use denial::Denial;
pub use signature::{RequestParts, SignedHeaders, content_digest, sign_request};
pub use verdict::{Allowed, GatewayFacts, LeaseFacts, RequestHead, Verified, authorize, verify};

use crate::core::{
    documents::signing,
    ids::{ChainId, LeaseId, ProviderId},
};

/// The longest time a session may still be good for, in seconds (12 h): what a stolen session file is worth at most.
pub const LONGEST_SESSION: u64 = 12 * 60 * 60;
/// The longest time between a request signature's `created` and `expires`, in seconds.
pub const LONGEST_REQUEST: i64 = 30;
/// How far, in seconds, a client's clock may be ahead of the gateway's.
pub const CLOCK_SKEW: i64 = 10;
/// The header that carries the session, base64url of JSON; part of what each request signature covers.
pub const SESSION_HEADER: &str = "leaseport-session";
/// The most scopes one session may name.
const MOST_SCOPES: usize = 16;
/// The longest session header, in bytes.
const LONGEST_HEADER: usize = 4096;

/// What a session may be used for; the wallet shows these words to the person who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Hand over the manifest and its secret values.
    Manifest,
    /// Read what the lease is doing.
    Status,
    /// Read the containers' output.
    Logs,
    /// Read what was counted.
    Usage,
    /// Hand over what the tenant signed for.
    Voucher,
    /// Ask for the provider's signature over the final seconds.
    Close,
}

impl Scope {
    /// Every scope this version knows.
    pub const ALL: [Self; 6] = [
        Self::Manifest,
        Self::Status,
        Self::Logs,
        Self::Usage,
        Self::Voucher,
        Self::Close,
    ];

    /// The word in the signed document.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Status => "status",
            Self::Logs => "logs",
            Self::Usage => "usage",
            Self::Voucher => "voucher",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.word() == text)
            .ok_or_else(|| {
                format!("scope {text:?} is none: write manifest, status, logs, usage, voucher or close")
            })
    }
}

/// What the wallet consents to; chain and LeaseBook stand in the EIP-712 domain, so a pass for one market opens no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// The market's chain.
    pub chain_id: ChainId,
    /// The market's LeaseBook.
    pub lease_book: Address,
    /// Whose gateway.
    pub provider_id: ProviderId,
    /// Which lease; none is every lease of this wallet at this provider (signed as 0, which is no lease's id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<LeaseId>,
    /// What for ([`Scope::word`]); a word this version does not know grants nothing.
    pub scopes: Vec<String>,
    /// The ed25519 public key that signs the requests.
    pub key: B256,
    /// The last second it is good for, Unix time.
    pub not_after: u64,
}

mod typed {
    alloy::sol! {
        /// The EIP-712 struct, field by field as the wallet shows it.
        struct Session {
            uint32 providerId;
            uint96 leaseId;
            string[] scopes;
            bytes32 key;
            uint40 notAfter;
        }
    }
}

impl Session {
    /// What the wallet signs (EIP-712 signing hash). A `not_after` beyond uint40 is clipped to it; [`verify`] refuses it anyway.
    #[must_use]
    pub fn digest(&self) -> B256 {
        let session = typed::Session {
            providerId: self.provider_id.0,
            leaseId: self.lease_id.map_or(U96::ZERO, LeaseId::to_u96),
            scopes: self.scopes.clone(),
            key: self.key,
            notAfter: U40::saturating_from(self.not_after),
        };
        signing::digest(&session, &signing::domain(self.chain_id, self.lease_book))
    }

    /// Whether the scope's word is among those signed.
    #[must_use]
    pub fn grants(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|word| word == scope.word())
    }
}

/// A session and the wallet's 65 bytes (r, s, v) over [`Session::digest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedSession {
    /// What was signed.
    pub session: Session,
    /// By the wallet. Contract wallets (ERC-1271) cannot sign sessions in this version.
    pub signature: Bytes,
}

impl SignedSession {
    /// The value of the [`SESSION_HEADER`].
    #[must_use]
    pub fn to_header(&self) -> String {
        // Plain structs of strings and numbers: serde_json has nothing to refuse here.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a header's value.
    ///
    /// # Errors
    /// [`Denial::BadEncoding`] for anything that is not base64url of the JSON form, or above its bounds.
    pub fn from_header(value: &[u8]) -> Result<Self, Denial> {
        let bad = |why: String| Denial::BadEncoding {
            what: SESSION_HEADER,
            why,
        };
        if value.len() > LONGEST_HEADER {
            return Err(bad(format!("{} bytes, at most {LONGEST_HEADER}", value.len())));
        }
        let json = URL_SAFE_NO_PAD
            .decode(value)
            .map_err(|e| bad(format!("not base64url without padding: {e}")))?;
        let signed: Self = serde_json::from_slice(&json).map_err(|e| bad(e.to_string()))?;
        if signed.session.scopes.len() > MOST_SCOPES {
            return Err(bad(format!(
                "{} scopes, at most {MOST_SCOPES}",
                signed.session.scopes.len()
            )));
        }
        Ok(signed)
    }

    /// The wallet that signed.
    ///
    /// # Errors
    /// [`Denial::BadWalletSignature`] when the bytes are no signature as the contract takes them (v 27 or 28, low s).
    pub fn signer(&self) -> Result<Address, Denial> {
        signing::recover(self.session.digest(), &self.signature).map_err(|error| Denial::BadWalletSignature {
            why: error.to_string(),
        })
    }
}
