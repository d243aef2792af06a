//! The gateway's one authorization decision, pure: headers, session, lease and a moment in; allowed or a named denial out.
//!
//! Split where the shell has to wait: [`verify`] needs only the request's head, [`Verified::body_is`] the body once it was read,
//! [`Verified::admits`] the lease once it was found; [`authorize`] is the three in a row. May not reveal one lease's facts to the
//! tenant of another: messages name only what the caller sent and what the gateway publishes.

use alloy::primitives::{Address, B256};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    CLOCK_SKEW, LONGEST_REQUEST, LONGEST_SESSION, SESSION_HEADER, Scope, Session, SignedSession,
    signature::{CONTENT_DIGEST, Presented, RequestParts, presented_digest, single},
};
use crate::core::{
    ids::{ChainId, LeaseId, ProviderId},
    time::UnixMillis,
};

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

/// A request's head as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// GET, PUT, …
    pub method: &'a str,
    /// Percent-encoded, as sent.
    pub path: &'a str,
    /// What stands after `?`, none where there is no `?`.
    pub query: Option<&'a str>,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// Who the gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayFacts {
    /// Its market's chain.
    pub chain_id: ChainId,
    /// Its market's LeaseBook.
    pub lease_book: Address,
    /// Its provider.
    pub provider_id: ProviderId,
    /// The names and ports clients call it by, from configuration: lower case, without `:443`.
    pub authorities: Vec<String>,
}

/// The two names on chain that may ask about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseFacts {
    /// Which lease.
    pub id: LeaseId,
    /// Who pays.
    pub tenant: Address,
    /// Who acts for the tenant; the zero address is nobody.
    pub agent: Address,
}

/// A caller whose session and request signature hold; not yet allowed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The wallet behind the session.
    pub wallet: Address,
    session: Session,
    digest: Option<[u8; 32]>,
}

/// What a caller was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// What for.
    pub scope: Scope,
    /// By which wallet.
    pub wallet: Address,
    /// Until when (Unix seconds): a stream ends then.
    pub not_after: u64,
}

/// Checks everything that the head alone can prove.
///
/// # Errors
/// The first [`Denial`] found: formats, then market and provider, then time, then the key's signature, then the wallet's.
pub fn verify(head: &RequestHead<'_>, gateway: &GatewayFacts, now: UnixMillis) -> Result<Verified, Denial> {
    let header =
        single(head.headers, SESSION_HEADER)?.ok_or(Denial::MissingHeader { name: SESSION_HEADER })?;
    let signed = SignedSession::from_header(header.as_bytes())?;
    let presented = Presented::read(head.headers)?;
    let digest = presented_digest(head.headers)?;
    presented.covers(head.query, digest.as_ref())?;

    let session = &signed.session;
    belongs_here(session, gateway)?;
    let seconds = now.0.div_euclid(1000);
    is_current(session, seconds)?;
    let Presented { created, expires, .. } = presented;
    let fresh = created <= seconds.saturating_add(CLOCK_SKEW)
        && seconds <= expires
        && created <= expires
        && expires.saturating_sub(created) <= LONGEST_REQUEST;
    if !fresh {
        return Err(Denial::StaleSignature {
            created,
            expires,
            now: seconds,
        });
    }

    if presented.key != session.key {
        return Err(Denial::WrongKey);
    }
    let fits = |authority: &String| {
        let parts = RequestParts {
            method: head.method,
            path: head.path,
            query: head.query,
            authority,
        };
        presented.is_by_its_key(parts, head.headers)
    };
    if !gateway.authorities.iter().any(fits) {
        return Err(Denial::BadRequestSignature {
            authority: gateway.authorities.first().cloned().unwrap_or_default(),
        });
    }
    let wallet = signed.signer()?;
    Ok(Verified {
        wallet,
        session: signed.session,
        digest,
    })
}

impl Verified {
    /// Checks the body against the digest that was signed.
    ///
    /// # Errors
    /// [`Denial::MissingHeader`] when there is a body and no digest, [`Denial::DigestMismatch`] when they differ.
    pub fn body_is(&self, body: &[u8]) -> Result<(), Denial> {
        match self.digest {
            Some(digest) if Sha256::digest(body).as_slice() == digest => Ok(()),
            Some(_) => Err(Denial::DigestMismatch),
            None if body.is_empty() => Ok(()),
            None => Err(Denial::MissingHeader { name: CONTENT_DIGEST }),
        }
    }

    /// Checks that this caller may do this with this lease.
    ///
    /// # Errors
    /// [`Denial::WrongLease`], [`Denial::WrongSigner`] or [`Denial::MissingScope`].
    pub fn admits(&self, lease: &LeaseFacts, scope: Scope) -> Result<Allowed, Denial> {
        if let Some(got) = self.session.lease_id.filter(|id| *id != lease.id) {
            return Err(Denial::WrongLease { got, want: lease.id });
        }
        let known = |name: Address| name != Address::ZERO && name == self.wallet;
        if !known(lease.tenant) && !known(lease.agent) {
            return Err(Denial::WrongSigner {
                signer: self.wallet,
                lease: lease.id,
            });
        }
        if !self.session.grants(scope) {
            return Err(Denial::MissingScope { scope: scope.word() });
        }
        Ok(Allowed {
            scope,
            wallet: self.wallet,
            not_after: self.session.not_after,
        })
    }

    /// The key whose signatures this session covers.
    #[must_use]
    pub const fn key(&self) -> B256 {
        self.session.key
    }
}

/// The whole decision at once, for a body already at hand and a lease already found.
///
/// # Errors
/// The first [`Denial`] found.
pub fn authorize(
    head: &RequestHead<'_>,
    body: &[u8],
    gateway: &GatewayFacts,
    lease: &LeaseFacts,
    scope: Scope,
    now: UnixMillis,
) -> Result<Allowed, Denial> {
    let verified = verify(head, gateway, now)?;
    verified.body_is(body)?;
    verified.admits(lease, scope)
}

fn belongs_here(session: &Session, gateway: &GatewayFacts) -> Result<(), Denial> {
    if session.chain_id != gateway.chain_id {
        return Err(Denial::WrongChain {
            got: session.chain_id,
            want: gateway.chain_id,
        });
    }
    if session.lease_book != gateway.lease_book {
        return Err(Denial::WrongMarket {
            got: session.lease_book,
            want: gateway.lease_book,
        });
    }
    if session.provider_id != gateway.provider_id {
        return Err(Denial::WrongProvider {
            got: session.provider_id,
            want: gateway.provider_id,
        });
    }
    Ok(())
}

fn is_current(session: &Session, now: i64) -> Result<(), Denial> {
    let not_after = session.not_after;
    // A clock before 1970 knows no good session.
    let Ok(seconds) = u64::try_from(now) else {
        return Err(Denial::TooLongSession { not_after, now });
    };
    if not_after < seconds {
        return Err(Denial::ExpiredSession { not_after, now });
    }
    // The client's clock decides when 12 h begin, so its skew is allowed for.
    if not_after.saturating_sub(seconds) > LONGEST_SESSION.saturating_add(CLOCK_SKEW.unsigned_abs()) {
        return Err(Denial::TooLongSession { not_after, now });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::documents::{
        session::{content_digest, sign_request},
        signing,
    };
    use alloy::{
        primitives::{address, b256},
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use ed25519_dalek::SigningKey;
    use http::HeaderValue;
    use proptest::prelude::*;
    use rstest::rstest;

    const NOW: i64 = 1_800_000_000;
    const PATH: &str = "/v1/leases/7-0-1/manifest";

    struct Sent {
        method: String,
        path: String,
        query: Option<String>,
        headers: HeaderMap,
        body: Vec<u8>,
    }

    fn wallet() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&b256!(
            "1111111111111111111111111111111111111111111111111111111111111111"
        ))
        .unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn session() -> Session {
        Session {
            chain_id: ChainId(31337),
            lease_book: address!("5FbDB2315678afecb367f032d93F642f64180aa3"),
            provider_id: ProviderId(7),
            lease_id: Some("7-0-1".parse().unwrap()),
            scopes: vec!["manifest".into(), "status".into()],
            key: B256::from(key().verifying_key().to_bytes()),
            not_after: NOW.unsigned_abs() + 3600,
        }
    }

    fn gateway() -> GatewayFacts {
        GatewayFacts {
            chain_id: ChainId(31337),
            lease_book: address!("5FbDB2315678afecb367f032d93F642f64180aa3"),
            provider_id: ProviderId(7),
            authorities: vec!["gpu.example.org".into(), "127.0.0.1:8443".into()],
        }
    }

    fn lease() -> LeaseFacts {
        LeaseFacts {
            id: "7-0-1".parse().unwrap(),
            tenant: wallet().address(),
            agent: Address::ZERO,
        }
    }

    fn signed_by(session: Session, wallet: &PrivateKeySigner) -> SignedSession {
        let signature = wallet
            .sign_hash_sync(&session.digest())
            .unwrap()
            .as_bytes()
            .to_vec()
            .into();
        SignedSession { session, signature }
    }

    fn sent_with(signed: &SignedSession, created: i64, authority: &str) -> Sent {
        let header = signed.to_header();
        let parts = RequestParts {
            method: "PUT",
            path: PATH,
            query: Some("dry=1"),
            authority,
        };
        let body = b"hello".to_vec();
        let out = sign_request(&key(), parts, &header, Some(&body), created);
        let mut headers = HeaderMap::new();
        headers.insert(SESSION_HEADER, header.parse().unwrap());
        headers.insert("signature-input", out.signature_input.parse().unwrap());
        headers.insert("signature", out.signature.parse().unwrap());
        headers.insert(CONTENT_DIGEST, out.content_digest.unwrap().parse().unwrap());
        Sent {
            method: "PUT".into(),
            path: PATH.into(),
            query: Some("dry=1".into()),
            headers,
            body,
        }
    }

    fn sent(session: Session) -> Sent {
        sent_with(&signed_by(session, &wallet()), NOW, "gpu.example.org")
    }

    fn decide(
        sent: &Sent,
        gateway: &GatewayFacts,
        lease: &LeaseFacts,
        scope: Scope,
    ) -> Result<Allowed, Denial> {
        decide_at(sent, gateway, lease, scope, NOW)
    }

    fn decide_at(
        sent: &Sent,
        gateway: &GatewayFacts,
        lease: &LeaseFacts,
        scope: Scope,
        now: i64,
    ) -> Result<Allowed, Denial> {
        let head = RequestHead {
            method: &sent.method,
            path: &sent.path,
            query: sent.query.as_deref(),
            headers: &sent.headers,
        };
        authorize(&head, &sent.body, gateway, lease, scope, UnixMillis(now * 1000))
    }

    fn reason(result: &Result<Allowed, Denial>) -> &'static str {
        match result {
            Ok(_) => "allowed",
            Err(denial) => denial.reason(),
        }
    }

    #[test]
    fn the_tenant_may_do_what_its_wallet_signed_for() {
        let allowed = decide(&sent(session()), &gateway(), &lease(), Scope::Manifest).unwrap();
        assert_eq!(allowed.wallet, wallet().address());
        assert_eq!(allowed.not_after, NOW.unsigned_abs() + 3600);
    }

    #[test]
    fn every_configured_authority_serves_and_no_other() {
        let signed = signed_by(session(), &wallet());
        let at = |authority: &str| {
            reason(&decide(
                &sent_with(&signed, NOW, authority),
                &gateway(),
                &lease(),
                Scope::Status,
            ))
        };
        assert_eq!(at("127.0.0.1:8443"), "allowed");
        assert_eq!(at("evil.example.org"), "BadRequestSignature");
    }

    #[test]
    fn the_agent_may_too_and_the_zero_address_is_nobody() {
        let agent = LeaseFacts {
            tenant: Address::repeat_byte(9),
            agent: wallet().address(),
            ..lease()
        };
        assert_eq!(
            reason(&decide(&sent(session()), &gateway(), &agent, Scope::Status)),
            "allowed"
        );
        let nobody = LeaseFacts {
            tenant: Address::repeat_byte(9),
            agent: Address::ZERO,
            ..lease()
        };
        assert_eq!(
            reason(&decide(&sent(session()), &gateway(), &nobody, Scope::Status)),
            "WrongSigner"
        );
    }

    #[test]
    fn a_session_for_all_leases_opens_only_the_wallets_own() {
        let all = Session {
            lease_id: None,
            ..session()
        };
        let mine = LeaseFacts {
            id: "7-3-2".parse().unwrap(),
            ..lease()
        };
        let other = LeaseFacts {
            tenant: Address::repeat_byte(3),
            ..mine
        };
        assert_eq!(
            reason(&decide(&sent(all.clone()), &gateway(), &mine, Scope::Status)),
            "allowed"
        );
        assert_eq!(
            reason(&decide(&sent(all), &gateway(), &other, Scope::Status)),
            "WrongSigner"
        );
    }

    #[rstest]
    #[case::chain(Session { chain_id: ChainId(1), ..session() }, "WrongChain")]
    #[case::book(Session { lease_book: Address::ZERO, ..session() }, "WrongMarket")]
    #[case::provider(Session { provider_id: ProviderId(8), ..session() }, "WrongProvider")]
    #[case::lease(Session { lease_id: Some("7-0-2".parse().unwrap()), ..session() }, "WrongLease")]
    #[case::scope(Session { scopes: vec!["logs".into(), "exec".into()], ..session() }, "MissingScope")]
    #[case::no_scope(Session { scopes: vec![], ..session() }, "MissingScope")]
    #[case::key(Session { key: B256::repeat_byte(1), ..session() }, "WrongKey")]
    #[case::over(Session { not_after: NOW.unsigned_abs() - 1, ..session() }, "ExpiredSession")]
    #[case::long(Session { not_after: NOW.unsigned_abs() + 12 * 3600 + 60, ..session() }, "TooLongSession")]
    #[case::for_ever(Session { not_after: u64::MAX, ..session() }, "TooLongSession")]
    #[case::twelve_hours(Session { not_after: NOW.unsigned_abs() + 12 * 3600, ..session() }, "allowed")]
    fn a_session_for_something_else_is_refused_by_name(#[case] session: Session, #[case] expected: &str) {
        assert_eq!(
            reason(&decide(&sent(session), &gateway(), &lease(), Scope::Status)),
            expected
        );
    }

    #[rstest]
    #[case::now(NOW, "allowed")]
    #[case::last_second(NOW - 30, "allowed")]
    #[case::a_fast_clock(NOW + 10, "allowed")]
    #[case::too_old(NOW - 31, "StaleSignature")]
    #[case::from_the_future(NOW + 11, "StaleSignature")]
    fn a_request_lives_thirty_seconds(#[case] created: i64, #[case] expected: &str) {
        let sent = sent_with(&signed_by(session(), &wallet()), created, "gpu.example.org");
        assert_eq!(
            reason(&decide(&sent, &gateway(), &lease(), Scope::Status)),
            expected
        );
    }

    #[test]
    fn a_replayed_head_is_worthless_after_its_window_and_a_session_after_its_end() {
        let sent = sent(session());
        assert_eq!(
            reason(&decide_at(&sent, &gateway(), &lease(), Scope::Status, NOW + 31)),
            "StaleSignature"
        );
        assert_eq!(
            reason(&decide_at(&sent, &gateway(), &lease(), Scope::Status, NOW + 3601)),
            "ExpiredSession"
        );
    }

    #[test]
    fn another_body_or_a_missing_digest_is_refused() {
        let mut changed = sent(session());
        changed.body = b"hallo".to_vec();
        assert_eq!(
            reason(&decide(&changed, &gateway(), &lease(), Scope::Status)),
            "DigestMismatch"
        );
        // An attacker who also replaces the digest breaks the signature.
        changed
            .headers
            .insert(CONTENT_DIGEST, content_digest(b"hallo").parse().unwrap());
        assert_eq!(
            reason(&decide(&changed, &gateway(), &lease(), Scope::Status)),
            "BadRequestSignature"
        );
        changed.headers.remove(CONTENT_DIGEST);
        assert_eq!(
            reason(&decide(&changed, &gateway(), &lease(), Scope::Status)),
            "UnexpectedComponent"
        );
    }

    #[test]
    fn a_signature_that_covers_less_or_more_is_refused() {
        let with = |from: &str, to: &str| {
            let mut sent = sent(session());
            let input = sent.headers["signature-input"]
                .to_str()
                .unwrap()
                .replace(from, to);
            sent.headers
                .insert("signature-input", HeaderValue::from_str(&input).unwrap());
            reason(&decide(&sent, &gateway(), &lease(), Scope::Status))
        };
        assert_eq!(with(" \"@authority\"", ""), "UncoveredComponent");
        assert_eq!(with(" \"leaseport-session\"", ""), "UncoveredComponent");
        assert_eq!(with(" \"content-digest\"", ""), "UncoveredComponent");
        assert_eq!(with(" \"@query\"", ""), "UncoveredComponent");
        assert_eq!(with("\"@path\"", "\"@path\" \"host\""), "UnexpectedComponent");
        assert_eq!(with("\"@path\"", "\"@path\" \"@path\""), "BadEncoding");
        assert_eq!(with("alg=\"ed25519\"", "alg=\"none\""), "BadEncoding");
    }

    #[test]
    fn a_doubled_or_missing_header_is_refused() {
        let mut doubled = sent(session());
        let again = doubled.headers[SESSION_HEADER].clone();
        doubled.headers.append(SESSION_HEADER, again);
        assert_eq!(
            reason(&decide(&doubled, &gateway(), &lease(), Scope::Status)),
            "BadEncoding"
        );
        for name in [SESSION_HEADER, "signature", "signature-input"] {
            let mut missing = sent(session());
            missing.headers.remove(name);
            assert_eq!(
                decide(&missing, &gateway(), &lease(), Scope::Status),
                Err(Denial::MissingHeader {
                    name: name.to_owned().leak()
                })
            );
        }
    }

    #[test]
    fn no_wallet_signature_is_no_wallet() {
        for bytes in [vec![], vec![0; 65], vec![0xff; 65], vec![1; 64], vec![1; 1000]] {
            let signed = SignedSession {
                session: session(),
                signature: bytes.into(),
            };
            let sent = sent_with(&signed, NOW, "gpu.example.org");
            let got = reason(&decide(&sent, &gateway(), &lease(), Scope::Status));
            assert!(["BadWalletSignature", "WrongSigner"].contains(&got), "{got}");
        }
    }

    /// The digest is the contract's kind of EIP-712: computed here by hand from the encoding rules.
    #[test]
    fn the_wallet_signs_the_eip_712_hash_of_what_it_shows() {
        use alloy::{primitives::keccak256, sol_types::SolValue};
        let s = session();
        let type_hash = keccak256(
            "Session(uint32 providerId,uint96 leaseId,string[] scopes,bytes32 key,uint40 notAfter)",
        );
        let scopes = keccak256([keccak256("manifest").0, keccak256("status").0].concat());
        let lease = alloy::primitives::U256::from(s.lease_id.unwrap().to_u96());
        let body = keccak256(
            (
                type_hash,
                s.provider_id.0,
                lease,
                scopes,
                s.key,
                alloy::primitives::U256::from(s.not_after),
            )
                .abi_encode(),
        );
        let expected = keccak256(
            [
                &[0x19, 1][..],
                signing::domain(s.chain_id, s.lease_book).separator().as_slice(),
                body.as_slice(),
            ]
            .concat(),
        );
        assert_eq!(s.digest(), expected);
    }

    #[derive(Debug, Clone)]
    enum Change {
        Method,
        Path(usize),
        Query(usize),
        DropQuery,
        Body(usize),
        Created(i64),
        SignatureByte(usize),
        Scope,
        Lease(u32),
        NotAfter(u64),
        Provider(u32),
        WalletSignature(usize, u8),
        Key(usize),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            Just(Change::Method),
            (0..PATH.len()).prop_map(Change::Path),
            (0..5usize).prop_map(Change::Query),
            Just(Change::DropQuery),
            (0..5usize).prop_map(Change::Body),
            prop_oneof![-5i64..0, 1i64..5].prop_map(Change::Created),
            (0..64usize).prop_map(Change::SignatureByte),
            Just(Change::Scope),
            any::<u32>().prop_map(Change::Lease),
            (1u64..1000).prop_map(Change::NotAfter),
            (8u32..).prop_map(Change::Provider),
            (0..65usize, 1u8..).prop_map(|(at, by)| Change::WalletSignature(at, by)),
            (0..32usize).prop_map(Change::Key),
        ]
    }

    fn bump(text: &str, at: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        String::from_utf8(bytes).unwrap()
    }

    fn reheader(sent: &mut Sent, change: impl FnOnce(&mut SignedSession)) {
        let mut signed = SignedSession::from_header(sent.headers[SESSION_HEADER].as_bytes()).unwrap();
        change(&mut signed);
        sent.headers
            .insert(SESSION_HEADER, signed.to_header().parse().unwrap());
    }

    proptest! {
        /// Whatever is changed after signing, on the way or by a thief of the session header, the request is denied.
        #[test]
        fn any_changed_field_is_denied(change in change()) {
            let mut sent = sent(session());
            match change.clone() {
                Change::Method => sent.method = "GET".into(),
                Change::Path(at) => sent.path = bump(PATH, at),
                Change::Query(at) => sent.query = Some(bump("dry=1", at)),
                Change::DropQuery => sent.query = None,
                Change::Body(at) => sent.body[at] ^= 1,
                Change::Created(by) => {
                    let input = sent.headers["signature-input"].to_str().unwrap()
                        .replace(&format!("created={NOW}"), &format!("created={}", NOW + by));
                    sent.headers.insert("signature-input", input.parse().unwrap());
                }
                Change::SignatureByte(at) => {
                    use base64::{Engine, engine::general_purpose::STANDARD};
                    let text = sent.headers["signature"].to_str().unwrap().to_owned();
                    let coded = text.trim_start_matches("leaseport=:").trim_end_matches(':');
                    let mut bytes = STANDARD.decode(coded).unwrap();
                    bytes[at] ^= 1;
                    let text = format!("leaseport=:{}:", STANDARD.encode(bytes));
                    sent.headers.insert("signature", text.parse().unwrap());
                }
                Change::Scope => reheader(&mut sent, |s| s.session.scopes.push("close".into())),
                Change::Lease(lane) => reheader(&mut sent, |s| {
                    s.session.lease_id = Some(format!("7-{lane}-2").parse().unwrap());
                }),
                Change::NotAfter(by) => reheader(&mut sent, |s| s.session.not_after += by),
                Change::Provider(id) => reheader(&mut sent, |s| s.session.provider_id = ProviderId(id)),
                Change::WalletSignature(at, by) => reheader(&mut sent, |s| {
                    let mut bytes = s.signature.to_vec();
                    bytes[at] ^= by;
                    s.signature = bytes.into();
                }),
                Change::Key(at) => reheader(&mut sent, |s| s.session.key.0[at] ^= 1),
            }
            prop_assert!(decide(&sent, &gateway(), &lease(), Scope::Status).is_err(), "{:?} was allowed", change);
        }

        /// A key of one's own and a stolen session body do not help without the wallet.
        #[test]
        fn a_session_resigned_by_any_other_wallet_is_denied(seed in 1u8..255) {
            let thief = PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).unwrap();
            prop_assume!(thief.address() != wallet().address());
            let sent = sent_with(&signed_by(session(), &thief), NOW, "gpu.example.org");
            prop_assert_eq!(reason(&decide(&sent, &gateway(), &lease(), Scope::Status)), "WrongSigner");
        }

        #[test]
        fn no_session_header_makes_the_decision_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut sent = sent(session());
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                sent.headers.insert(SESSION_HEADER, value);
                prop_assert!(decide(&sent, &gateway(), &lease(), Scope::Status).is_err());
            }
            prop_assert!(SignedSession::from_header(&bytes).is_err());
        }

        #[test]
        fn no_moment_makes_the_decision_panic(now in any::<i64>(), not_after in any::<u64>()) {
            let sent = sent(Session { not_after, ..session() });
            let head = RequestHead { method: &sent.method, path: &sent.path, query: sent.query.as_deref(), headers: &sent.headers };
            let verdict = authorize(&head, &sent.body, &gateway(), &lease(), Scope::Status, UnixMillis(now));
            if verdict.is_ok() {
                prop_assert!((NOW - 10..=NOW + 30).contains(&now.div_euclid(1000)));
            }
        }
    }
}
