//! A tenant's side of a provider's gateway: one session from the wallet, then signed requests. Retries nothing but a signature that a
//! wrong clock made stale: when to come again is the caller's plan, [`GatewayError::retry_after`] says what the gateway asked for.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use alloy::primitives::{Address, B256, Bytes};
use ed25519_dalek::SigningKey;
use futures::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, Method, StatusCode, header};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;
use url::Url;

use super::{
    address::PinnedUrl,
    client::{Outbound, OutboundError, Target},
};
use crate::core::{
    documents::{
        exchange::{CloseOffer, ManifestTaken, Parcel, Problem},
        session::{RequestParts, SESSION_HEADER, Scope, Session, SignedSession, sign_request},
        statement::Statement,
        voucher::{SignedVoucher, VoucherKept},
    },
    ids::{ChainId, LeaseId, ProviderId},
    time::UnixMillis,
};

/// How long a read may take: the gateway reads its caches.
const READ: Duration = Duration::from_secs(5);
/// How long a write may take: the gateway writes to its API server, or waits for the operator's signature.
const WRITE: Duration = Duration::from_secs(15);
/// The largest answer that is no log, in bytes.
const ANSWER: usize = 1024 * 1024;
/// The largest page of statements, unpacked.
const PAGE: usize = 16 * 1024 * 1024;

/// Why a gateway did not do what was asked.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// It could not be reached, or must not be.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// It refused, and said why.
    #[error("{host} refused ({} {}): {}", problem.status, problem.title, problem.detail)]
    Refused {
        /// Host and port.
        host: String,
        /// Its words.
        problem: Problem,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Its answer is not what the protocol says.
    #[error(
        "{host} answered {status} with something unreadable: {why}; is this a leaseport gateway of the same version?"
    )]
    Unreadable {
        /// Host and port.
        host: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        why: String,
    },
    /// The wallet did not sign.
    #[error("the wallet did not sign the session: {0}")]
    Wallet(String),
    /// No randomness, no clock, or a saved session that is none.
    #[error("a session cannot be made here: {0}")]
    Session(String),
}

impl GatewayError {
    /// When the gateway asked to be called again; none where waiting will not help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Outbound(_) | Self::Unreadable { .. } | Self::Wallet(_) | Self::Session(_) => None,
        }
    }

    /// The gateway's reason, one CamelCase word, where it gave one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { problem, .. } => Some(&problem.title),
            Self::Outbound(_) | Self::Unreadable { .. } | Self::Wallet(_) | Self::Session(_) => None,
        }
    }
}

/// What a wallet is asked to sign.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The market's chain.
    pub chain_id: ChainId,
    /// The market's LeaseBook.
    pub lease_book: Address,
    /// Whose gateway.
    pub provider_id: ProviderId,
    /// Which lease; none is all of this wallet's at this provider.
    pub lease_id: Option<LeaseId>,
    /// What for.
    pub scopes: Vec<Scope>,
    /// For how long, at most 12 h.
    pub lasts: Duration,
}

/// A session with its secret key, as a tenant keeps it between calls: whoever reads it can do what it grants until it ends.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedSession {
    /// What the wallet signed.
    pub signed: SignedSession,
    /// The ed25519 secret key.
    key: B256,
}

impl SavedSession {
    /// Whether it is for this lease, grants all scopes, and lasts at least so much longer.
    #[must_use]
    pub fn serves(
        &self,
        provider: ProviderId,
        lease: LeaseId,
        scopes: &[Scope],
        now: UnixMillis,
        longer: Duration,
    ) -> bool {
        let session = &self.signed.session;
        session.provider_id == provider
            && session.lease_id.is_none_or(|id| id == lease)
            && scopes.iter().all(|scope| session.grants(*scope))
            && i64::try_from(session.not_after).is_ok_and(|end| now.plus(longer).0.div_euclid(1000) < end)
    }
}

impl fmt::Debug for SavedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedSession")
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}

/// Which lines of which container.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogQuery<'a> {
    /// The manifest's container; none is its first.
    pub container: Option<&'a str>,
    /// Counted from 0.
    pub replica: u16,
    /// What happens at the end of what is there.
    pub end: LogEnd,
    /// How many of the last lines to begin with; none is all that is kept.
    pub tail: Option<u32>,
}

/// What a log stream does when it has sent what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogEnd {
    /// It ends.
    #[default]
    Stop,
    /// It waits for more, until the session ends.
    Follow,
}

/// What the gateway answered to a wish to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseAnswer {
    /// The provider's signature over the final seconds.
    Offer(CloseOffer),
    /// The wish is noted, the operator has not signed yet.
    Later {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// A gateway, and the session it is asked with.
#[derive(Debug)]
pub struct GatewayClient {
    target: Target,
    authority: String,
    saved: SavedSession,
    header: String,
    key: SigningKey,
    /// Seconds to add to this machine's clock, learned from the gateway's `Date`.
    skew: AtomicI64,
}

impl GatewayClient {
    /// Opens the URL and a new session on it: draws a key, has the wallet sign [`Session::digest`] once.
    ///
    /// # Errors
    /// The URL may not be called, the wallet did not sign, or this machine has no randomness.
    pub async fn open_session<F, E>(
        outbound: &Outbound,
        url: &PinnedUrl,
        grant: &Grant,
        sign: impl FnOnce(B256) -> F,
    ) -> Result<Self, GatewayError>
    where
        F: Future<Output = Result<Bytes, E>>,
        E: fmt::Display,
    {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| GatewayError::Session(e.to_string()))?;
        let key = SigningKey::from_bytes(&seed);
        let session = Session {
            chain_id: grant.chain_id,
            lease_book: grant.lease_book,
            provider_id: grant.provider_id,
            lease_id: grant.lease_id,
            scopes: grant.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
            key: B256::from(key.verifying_key().to_bytes()),
            not_after: unix_now()?.unsigned_abs().saturating_add(grant.lasts.as_secs()),
        };
        let signature = sign(session.digest())
            .await
            .map_err(|e| GatewayError::Wallet(e.to_string()))?;
        let saved = SavedSession {
            signed: SignedSession { session, signature },
            key: B256::from(seed),
        };
        Self::resume(outbound, url, saved).await
    }

    /// Opens the URL with a session made before.
    ///
    /// # Errors
    /// The URL may not be called, or the key is not the session's.
    pub async fn resume(
        outbound: &Outbound,
        url: &PinnedUrl,
        saved: SavedSession,
    ) -> Result<Self, GatewayError> {
        let key = SigningKey::from_bytes(&saved.key.0);
        if key.verifying_key().to_bytes() != saved.signed.session.key.0 {
            return Err(GatewayError::Session(
                "the saved key is not the session's: open a new session".to_owned(),
            ));
        }
        Ok(Self {
            target: outbound.open(url).await?,
            authority: url.authority(),
            header: saved.signed.to_header(),
            saved,
            key,
            skew: AtomicI64::new(0),
        })
    }

    /// The session, to keep for later calls. Secret.
    #[must_use]
    pub const fn saved(&self) -> &SavedSession {
        &self.saved
    }

    /// Hands over the manifest with its secret values; the same again changes nothing.
    ///
    /// # Errors
    /// `NotReady` with a `Retry-After` while the lease's namespace is not there yet; else as [`GatewayError`] says.
    pub async fn put_manifest(&self, lease: LeaseId, parcel: &Parcel) -> Result<ManifestTaken, GatewayError> {
        let body = serde_json::to_vec(parcel).map_err(|e| GatewayError::Session(e.to_string()))?;
        let url = self.target.at(&format!("/v1/leases/{lease}/manifest"))?;
        self.json(&self.call(Method::PUT, url, Some(body), WRITE).await?)
    }

    /// What the lease is doing: `phase`, `manifest`, `workloads`, `devices`, `conditions` as ComputeLease's status has them.
    ///
    /// # Errors
    /// As [`GatewayError`] says.
    pub async fn status(&self, lease: LeaseId) -> Result<serde_json::Value, GatewayError> {
        let url = self.target.at(&format!("/v1/leases/{lease}/status"))?;
        self.json(&self.call(Method::GET, url, None, READ).await?)
    }

    /// What was counted and reported for the lease.
    ///
    /// # Errors
    /// As [`GatewayError`] says.
    pub async fn usage(&self, lease: LeaseId) -> Result<serde_json::Value, GatewayError> {
        let url = self.target.at(&format!("/v1/leases/{lease}/usage"))?;
        self.json(&self.call(Method::GET, url, None, READ).await?)
    }

    /// One page of the signed statements behind the count; [`Self::usage`] names the pages in `usage.evidence`. Check them before you believe them.
    ///
    /// # Errors
    /// As [`GatewayError`] says.
    pub async fn statements(&self, lease: LeaseId, page: &str) -> Result<Vec<Statement>, GatewayError> {
        #[derive(serde::Deserialize)]
        struct Page {
            statements: Vec<Statement>,
        }
        let mut url = self.target.at(&format!("/v1/leases/{lease}/usage"))?;
        url.query_pairs_mut().append_pair("page", page);
        let page: Page = self.json(&self.call_up_to(Method::GET, url, None, WRITE, PAGE).await?)?;
        Ok(page.statements)
    }

    /// Hands over a voucher; the answer is the highest one that is kept, which may be an earlier one.
    ///
    /// # Errors
    /// As [`GatewayError`] says.
    pub async fn put_voucher(
        &self,
        lease: LeaseId,
        voucher: &SignedVoucher,
    ) -> Result<VoucherKept, GatewayError> {
        let body = serde_json::to_vec(voucher).map_err(|e| GatewayError::Session(e.to_string()))?;
        let url = self.target.at(&format!("/v1/leases/{lease}/voucher"))?;
        self.json(&self.call(Method::PUT, url, Some(body), WRITE).await?)
    }

    /// Asks for the provider's signature over the final seconds.
    ///
    /// # Errors
    /// As [`GatewayError`] says.
    pub async fn close_offer(&self, lease: LeaseId) -> Result<CloseAnswer, GatewayError> {
        let url = self.target.at(&format!("/v1/leases/{lease}/close"))?;
        let answer = self.call(Method::POST, url, Some(b"{}".to_vec()), WRITE).await?;
        if answer.status() == StatusCode::ACCEPTED {
            let retry_after = retry_after(answer.headers()).unwrap_or(Duration::from_secs(2));
            return Ok(CloseAnswer::Later { retry_after });
        }
        self.json(&answer).map(CloseAnswer::Offer)
    }

    /// A container's output, as bytes as they come.
    ///
    /// # Errors
    /// As [`GatewayError`] says; a broken connection is the stream's last item.
    pub async fn logs(
        &self,
        lease: LeaseId,
        query: LogQuery<'_>,
    ) -> Result<impl Stream<Item = Result<Bytes, GatewayError>> + Send + use<>, GatewayError> {
        let mut url = self.target.at(&format!("/v1/leases/{lease}/logs"))?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("replica", &query.replica.to_string());
            if let Some(container) = query.container {
                pairs.append_pair("container", container);
            }
            if let Some(tail) = query.tail {
                pairs.append_pair("tail", &tail.to_string());
            }
            match query.end {
                LogEnd::Stop => {}
                LogEnd::Follow => {
                    pairs.append_pair("follow", "true");
                }
            }
        }
        let request = self.signed(&Method::GET, &url, None)?;
        // No bound on the whole: a followed log may last as long as its session. The head has one.
        let answer = tokio::time::timeout(WRITE, request.send())
            .await
            .map_err(|_| OutboundError::NoAnswer {
                host: self.target.host().to_owned(),
                why: format!("no answer within {} s", WRITE.as_secs()),
            })?
            .map_err(|e| self.target.no_answer(&e))?;
        if !answer.status().is_success() {
            return Err(self.refusal(&self.target.read(answer, ANSWER).await?));
        }
        let target = self.target.clone();
        Ok(answer
            .bytes_stream()
            .map_ok(Bytes::from)
            .map(move |part| part.map_err(|e| GatewayError::Outbound(target.no_answer(&e)))))
    }

    /// One signed call; a stale signature is signed once more by the gateway's clock.
    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        patience: Duration,
    ) -> Result<http::Response<Vec<u8>>, GatewayError> {
        self.call_up_to(method, url, body, patience, ANSWER).await
    }

    async fn call_up_to(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        patience: Duration,
        largest: usize,
    ) -> Result<http::Response<Vec<u8>>, GatewayError> {
        let request = self.signed(&method, &url, body.clone())?;
        let answer = self.target.call(request, patience, largest).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let refusal = self.refusal(&answer);
        if refusal.reason() != Some("StaleSignature") || !self.learn_clock(answer.headers())? {
            return Err(refusal);
        }
        let request = self.signed(&method, &url, body)?;
        let answer = self.target.call(request, patience, largest).await?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(self.refusal(&answer))
        }
    }

    fn signed(
        &self,
        method: &Method,
        url: &Url,
        body: Option<Vec<u8>>,
    ) -> Result<reqwest::RequestBuilder, GatewayError> {
        let parts = RequestParts {
            method: method.as_str(),
            path: url.path(),
            query: url.query(),
            authority: &self.authority,
        };
        let now = unix_now()?.saturating_add(self.skew.load(Ordering::Relaxed));
        let headers = sign_request(&self.key, parts, &self.header, body.as_deref(), now);
        let mut request = self
            .target
            .request(method.clone(), url.clone())
            .header(SESSION_HEADER, &self.header)
            .header("signature-input", headers.signature_input)
            .header("signature", headers.signature);
        if let Some(digest) = headers.content_digest {
            request = request.header("content-digest", digest);
        }
        Ok(match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body),
            None => request,
        })
    }

    /// Takes over the gateway's clock; whether that changed anything.
    fn learn_clock(&self, headers: &HeaderMap) -> Result<bool, GatewayError> {
        let date = headers
            .get(header::DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| DateTimeParser::new().parse_zoned(text).ok());
        let Some(date) = date else { return Ok(false) };
        let skew = date.timestamp().as_second().saturating_sub(unix_now()?);
        Ok(self.skew.swap(skew, Ordering::Relaxed) != skew)
    }

    fn json<T: DeserializeOwned>(&self, answer: &http::Response<Vec<u8>>) -> Result<T, GatewayError> {
        serde_json::from_slice(answer.body()).map_err(|e| self.unreadable(answer, e.to_string()))
    }

    fn refusal(&self, answer: &http::Response<Vec<u8>>) -> GatewayError {
        match serde_json::from_slice::<Problem>(answer.body()) {
            Ok(problem) => GatewayError::Refused {
                host: self.target.host().to_owned(),
                problem,
                retry_after: retry_after(answer.headers()),
            },
            Err(error) => self.unreadable(answer, error.to_string()),
        }
    }

    fn unreadable(&self, answer: &http::Response<Vec<u8>>, why: String) -> GatewayError {
        GatewayError::Unreadable {
            host: self.target.host().to_owned(),
            status: answer.status().as_u16(),
            why,
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse::<u32>()
        .ok()?;
    Some(Duration::from_secs(u64::from(seconds.min(3600))))
}

/// The one clock of this module, Unix seconds.
fn unix_now() -> Result<i64, GatewayError> {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .ok_or_else(|| GatewayError::Session("this machine's clock stands before 1970: set it".to_owned()))
}
