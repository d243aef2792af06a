//! The gateway's one authorization decision, pure: headers, session, lease and a moment in; allowed or a named denial out.
//!
//! Split where the shell has to wait: [`verify`] needs only the request's head, [`Verified::body_is`] the body once it was read,
//! [`Verified::admits`] the lease once it was found; [`authorize`] is the three in a row. May not reveal one lease's facts to the
//! tenant of another: messages name only what the caller sent and what the gateway publishes.

use alloy::primitives::{Address, B256};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::{
    CLOCK_SKEW, Denial, LONGEST_REQUEST, LONGEST_SESSION, SESSION_HEADER, Scope, Session, SignedSession,
    signature::{CONTENT_DIGEST, Presented, RequestParts, presented_digest, single},
};
use crate::core::{
    ids::{ChainId, LeaseId, ProviderId},
    time::UnixMillis,
};

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
mod tests;
