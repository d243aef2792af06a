//! What can go wrong with a request to the API server, in the classes callers act on. May not carry bodies: they can hold secrets.

use thiserror::Error;

use crate::core::workload::names::Foreign;

/// A request that did not succeed.
#[derive(Debug, Error)]
pub enum KubeError {
    /// No answer in time; it may have been served.
    #[error("{what}: no answer from the API server within 5 s; it may have been served")]
    Timeout {
        /// What was asked.
        what: String,
    },
    /// The API server's answer, or the way to it.
    #[error("{what}: {said}")]
    Api {
        /// What was asked.
        what: String,
        /// Its answer in short: kube's own words repeat the whole Status behind it.
        said: String,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object of the right name is somebody else's.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// An object without a name, uid or version was to be written; only objects read from the API server carry them.
    #[error("{what}: the object has no {field}; read it from the API server first")]
    Incomplete {
        /// What was to be done.
        what: String,
        /// What is missing.
        field: &'static str,
    },
    /// A stream of the API server broke.
    #[error("{what}: {source}")]
    Stream {
        /// What was streamed.
        what: String,
        /// Why it broke.
        #[source]
        source: std::io::Error,
    },
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It is not there (404).
    NotFound,
    /// Somebody was faster (409, or a precondition): read again and plan again.
    Conflict,
    /// It is there already (409 AlreadyExists).
    AlreadyExists,
    /// We may not (401, 403): somebody must change rights.
    Forbidden,
    /// It will never be accepted as it is (400, 422).
    Invalid,
    /// The API server or the way to it; later.
    Unavailable,
    /// It is not ours.
    Foreign,
}

impl Class {
    /// The reason as conditions, events and counters spell it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::AlreadyExists => "AlreadyExists",
            Self::Forbidden => "Forbidden",
            Self::Invalid => "Invalid",
            Self::Unavailable => "ApiUnavailable",
            Self::Foreign => "NotOurs",
        }
    }
}

impl KubeError {
    /// An error of kube, with what was asked.
    pub(crate) fn of(what: &str, source: kube::Error) -> Self {
        let said = match &source {
            kube::Error::Api(status) => format!("{} ({} {})", status.message, status.code, status.reason),
            other => other.to_string(),
        };
        Self::Api {
            what: what.to_owned(),
            said,
            source: Box::new(source),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Timeout { .. } | Self::Stream { .. } => Class::Unavailable,
            Self::Foreign(_) => Class::Foreign,
            Self::Incomplete { .. } => Class::Invalid,
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_already_exists() => Class::AlreadyExists,
                kube::Error::Api(status) => match status.code {
                    404 => Class::NotFound,
                    409 => Class::Conflict,
                    401 | 403 => Class::Forbidden,
                    // A patch that names the uid of an object that is another by now.
                    422 if is_about_uid(status) => Class::Conflict,
                    400 | 422 => Class::Invalid,
                    _ => Class::Unavailable,
                },
                _ => Class::Unavailable,
            },
        }
    }
}

fn is_about_uid(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.field == "metadata.uid")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn error(code: u16, reason: &str, field: &str) -> KubeError {
        let status = serde_json::from_value(json!({
            "status": "Failure", "message": "said", "reason": reason, "code": code,
            "details": { "causes": [{ "reason": "FieldValueInvalid", "message": "immutable", "field": field }] },
        }));
        KubeError::of("apply Pod p", kube::Error::Api(Box::new(status.unwrap())))
    }

    #[test]
    fn an_answer_is_classed_by_what_to_do_about_it_and_told_in_short() {
        for (code, reason, field, class) in [
            (404, "NotFound", "", Class::NotFound),
            (409, "Conflict", "", Class::Conflict),
            (409, "AlreadyExists", "", Class::AlreadyExists),
            (403, "Forbidden", "", Class::Forbidden),
            (422, "Invalid", "spec.replicas", Class::Invalid),
            (422, "Invalid", "metadata.uid", Class::Conflict),
            (429, "TooManyRequests", "", Class::Unavailable),
            (503, "ServiceUnavailable", "", Class::Unavailable),
        ] {
            let error = error(code, reason, field);
            assert_eq!(error.class(), class, "{code} {reason}");
            assert_eq!(error.to_string(), format!("apply Pod p: said ({code} {reason})"));
        }
    }
}
