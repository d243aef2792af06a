//! Why a request at the gateway is not allowed: each reason by name, with what to do about it. Decides nothing.

use alloy::primitives::Address;
use thiserror::Error;

use crate::core::ids::{ChainId, LeaseId, ProviderId};

/// Why a request is not allowed; every message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denial {
    /// A header every signed request carries is absent.
    #[error(
        "header {name} is missing: sign the request with a session key (RFC 9421) and send leaseport-session beside it"
    )]
    MissingHeader {
        /// Which header.
        name: &'static str,
    },
    /// A header is not what its format says.
    #[error("{what} cannot be read: {why}")]
    BadEncoding {
        /// Which header.
        what: &'static str,
        /// The parser's words.
        why: String,
    },
    /// Something the signature must cover is not covered.
    #[error("the signature does not cover {name}: add it to Signature-Input")]
    UncoveredComponent {
        /// The component.
        name: &'static str,
    },
    /// The signature covers something the gateway does not read.
    #[error(
        "the signature covers {name:?}: cover @method, @path, @query (if any), @authority, leaseport-session, content-digest (with a body) and nothing else"
    )]
    UnexpectedComponent {
        /// The component.
        name: String,
    },
    /// The signature names another key than the session.
    #[error("keyid is not the session's key: sign with the key the session names")]
    WrongKey,
    /// The ed25519 signature does not fit the request.
    #[error(
        "the request's signature is wrong: sign method, path, query and body as sent, with @authority {authority:?}"
    )]
    BadRequestSignature {
        /// What this gateway is called by its clients.
        authority: String,
    },
    /// The signature's time window is over, too long or not begun.
    #[error(
        "the signature is good from {created} to {expires}, it is {now} here: sign anew, for at most 30 s, and set your clock (see Date)"
    )]
    StaleSignature {
        /// Unix seconds.
        created: i64,
        /// Unix seconds.
        expires: i64,
        /// Unix seconds.
        now: i64,
    },
    /// The session is over.
    #[error("the session ended at {not_after}, it is {now} here: let the wallet sign a new one")]
    ExpiredSession {
        /// Unix seconds.
        not_after: u64,
        /// Unix seconds.
        now: i64,
    },
    /// The session would last too long.
    #[error(
        "the session lasts until {not_after}, more than 12 h from {now}: let the wallet sign a shorter one"
    )]
    TooLongSession {
        /// Unix seconds.
        not_after: u64,
        /// Unix seconds.
        now: i64,
    },
    /// Signed for another chain.
    #[error("the session is for chain {}, this gateway serves chain {}", got.0, want.0)]
    WrongChain {
        /// The session's.
        got: ChainId,
        /// The gateway's.
        want: ChainId,
    },
    /// Signed for another LeaseBook on this chain.
    #[error("the session is for LeaseBook {got}, this gateway serves {want}")]
    WrongMarket {
        /// The session's.
        got: Address,
        /// The gateway's.
        want: Address,
    },
    /// Signed for another provider.
    #[error("the session is for provider {}, this gateway is that of provider {}", got.0, want.0)]
    WrongProvider {
        /// The session's.
        got: ProviderId,
        /// The gateway's.
        want: ProviderId,
    },
    /// Signed for another lease.
    #[error(
        "the session is for lease {got}, the request is for {want}: let the wallet sign one for it, or for all"
    )]
    WrongLease {
        /// The session's.
        got: LeaseId,
        /// The request's.
        want: LeaseId,
    },
    /// The wallet's 65 bytes are none.
    #[error(
        "the wallet's signature cannot be read: {why}; 65 bytes r, s, v over the EIP-712 Session are needed"
    )]
    BadWalletSignature {
        /// The curve's words.
        why: String,
    },
    /// The wallet is neither the lease's tenant nor its agent.
    #[error(
        "wallet {signer} is neither tenant nor agent of lease {lease}: sign the session with one of them"
    )]
    WrongSigner {
        /// Recovered from the session.
        signer: Address,
        /// The request's.
        lease: LeaseId,
    },
    /// The session was not signed for this.
    #[error("the session does not grant {scope:?}: let the wallet sign one that does")]
    MissingScope {
        /// What the request needs.
        scope: &'static str,
    },
    /// The body is not the one that was signed.
    #[error("the body's sha-256 is not the one in Content-Digest: send the body that was signed")]
    DigestMismatch,
}

impl Denial {
    /// A CamelCase word for conditions, counters and problem documents.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MissingHeader { .. } => "MissingHeader",
            Self::BadEncoding { .. } => "BadEncoding",
            Self::UncoveredComponent { .. } => "UncoveredComponent",
            Self::UnexpectedComponent { .. } => "UnexpectedComponent",
            Self::WrongKey => "WrongKey",
            Self::BadRequestSignature { .. } => "BadRequestSignature",
            Self::StaleSignature { .. } => "StaleSignature",
            Self::ExpiredSession { .. } => "ExpiredSession",
            Self::TooLongSession { .. } => "TooLongSession",
            Self::WrongChain { .. } => "WrongChain",
            Self::WrongMarket { .. } => "WrongMarket",
            Self::WrongProvider { .. } => "WrongProvider",
            Self::WrongLease { .. } => "WrongLease",
            Self::BadWalletSignature { .. } => "BadWalletSignature",
            Self::WrongSigner { .. } => "WrongSigner",
            Self::MissingScope { .. } => "MissingScope",
            Self::DigestMismatch => "DigestMismatch",
        }
    }

    /// Whether the caller is known and still may not (HTTP 403), rather than not known (HTTP 401).
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::WrongLease { .. } | Self::WrongSigner { .. } | Self::MissingScope { .. } => Standing::Known,
            Self::MissingHeader { .. }
            | Self::BadEncoding { .. }
            | Self::UncoveredComponent { .. }
            | Self::UnexpectedComponent { .. }
            | Self::WrongKey
            | Self::BadRequestSignature { .. }
            | Self::StaleSignature { .. }
            | Self::ExpiredSession { .. }
            | Self::TooLongSession { .. }
            | Self::WrongChain { .. }
            | Self::WrongMarket { .. }
            | Self::WrongProvider { .. }
            | Self::BadWalletSignature { .. }
            | Self::DigestMismatch => Standing::Unknown,
        }
    }
}

/// What a denial says about the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Proven, but not allowed this.
    Known,
    /// Not proven.
    Unknown,
}
