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
    /// The cluster's admission policy or webhook said no: its own words name it. Somebody must change that, or what was asked.
    Denied,
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
            Self::Denied => "DeniedByPolicy",
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
                kube::Error::Api(status) if is_denial(status) => Class::Denied,
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

/// A webhook may answer with any code, so its denials are known by the words that the API server puts before the webhook's own, and those of a
/// ValidatingAdmissionPolicy by theirs (k8s.io/apiserver: admission/plugin/webhook/errors, admission/plugin/policy/validating).
pub(crate) fn is_denial(status: &kube::core::Status) -> bool {
    let said = &status.message;
    let by_webhook = said.contains("admission webhook \"") && said.contains("\" denied the request");
    let by_policy = said.contains("ValidatingAdmissionPolicy '") && said.contains("' denied request");
    (400..500).contains(&status.code) && (by_webhook || by_policy)
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

    #[test]
    fn a_denial_by_a_webhook_or_a_policy_is_told_from_a_right_we_lack_and_keeps_its_words() {
        let of = |code: u16, message: &str| {
            let status = serde_json::from_value(json!({
                "status": "Failure", "message": message, "reason": "Forbidden", "code": code,
            }));
            KubeError::of(
                "apply Deployment workload",
                kube::Error::Api(Box::new(status.unwrap())),
            )
        };
        let kyverno = "admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Deployment/x was blocked";
        let silent = "admission webhook \"validation.gatekeeper.sh\" denied the request without explanation";
        let policy = "deployments.apps \"workload\" is forbidden: ValidatingAdmissionPolicy 'owners' with binding 'owners' denied request: no owner";
        for (code, said, class) in [
            (400, kyverno, Class::Denied),
            (403, kyverno, Class::Denied),
            (422, kyverno, Class::Denied),
            (403, silent, Class::Denied),
            (422, policy, Class::Denied),
            (
                403,
                "deployments.apps is forbidden: User \"system:serviceaccount:a:b\" cannot patch resource \"deployments\"",
                Class::Forbidden,
            ),
            (
                403,
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": privileged",
                Class::Forbidden,
            ),
            (
                500,
                "failed calling webhook \"validate.kyverno.svc-fail\": no endpoints available",
                Class::Unavailable,
            ),
        ] {
            let error = of(code, said);
            assert_eq!(error.class(), class, "{code} {said}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
