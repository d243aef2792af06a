//! Every refusal as an RFC 9457 problem document with its status and, where waiting helps, `Retry-After`. May not hold anything a
//! caller of another lease should not see: details are built from what the caller sent.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::directory::DirectoryError;
use crate::core::documents::{
    exchange::{ParcelError, Problem},
    session::{Denial, denial::Standing},
    voucher::VoucherError,
};

/// How long to wait while the operator makes a namespace.
const SOON: Duration = Duration::from_secs(2);
/// How long to wait for an API server that does not answer.
const LATER: Duration = Duration::from_secs(5);

/// A request that was not served.
#[derive(Debug, Clone)]
pub struct Refusal {
    status: StatusCode,
    problem: Problem,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that waiting will not change.
    #[must_use]
    pub fn new(status: StatusCode, reason: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            problem: Problem::new(status.as_u16(), reason, detail.into()),
            retry_after: None,
        }
    }

    /// The same, with a time to come again (rounded up to seconds).
    #[must_use]
    pub const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The reason, one CamelCase word.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.problem.title
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let status = match denial.standing() {
            Standing::Known => StatusCode::FORBIDDEN,
            Standing::Unknown => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, denial.reason(), denial.to_string())
    }
}

impl From<ParcelError> for Refusal {
    fn from(error: ParcelError) -> Self {
        let status = match &error {
            ParcelError::ManifestTooLarge { .. } | ParcelError::SecretsTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            ParcelError::NotBase64(_)
            | ParcelError::Manifest(_)
            | ParcelError::WrongHash { .. }
            | ParcelError::SecretMissing { .. }
            | ParcelError::SecretUnknown { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.reason(), error.to_string())
    }
}

impl From<VoucherError> for Refusal {
    fn from(error: VoucherError) -> Self {
        let status = match &error {
            VoucherError::OtherTerms { .. } => StatusCode::CONFLICT,
            VoucherError::Stranger { .. } => StatusCode::FORBIDDEN,
            VoucherError::Nothing | VoucherError::MoreThanSigned { .. } | VoucherError::Signature(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::new(status, error.reason(), error.to_string())
    }
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        let detail = error.to_string();
        match error {
            DirectoryError::NotReady(_) => Self::new(StatusCode::CONFLICT, "NotReady", detail).after(SOON),
            DirectoryError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "NotFound", detail),
            DirectoryError::Unavailable { why } => {
                tracing::warn!(why, "the cluster does not answer the gateway");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", detail).after(LATER)
            }
        }
    }
}

/// Why a response is a refusal, for whoever counts it: one of the words of this program, never of a caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFor(pub String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        response
            .extensions_mut()
            .insert(RefusedFor(self.problem.title.clone()));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2: a 401 names a challenge.
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Leaseport-Session"),
            );
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait
                .as_secs()
                .saturating_add(u64::from(wait.subsec_nanos() > 0))
                .max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
