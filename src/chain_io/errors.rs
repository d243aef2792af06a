//! What an endpoint's failure means for the next step. The text never holds the endpoint's URL, which may carry an API key: only its name.

use std::{fmt, time::Duration};

use alloy::{
    primitives::Bytes,
    transports::{RpcError, TransportError, TransportErrorKind},
};
use rustls::CertificateError;
use thiserror::Error;

use crate::core::ids::ChainId;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RpcErrorClass {
    /// Ask again, or another endpoint: no answer in time, connection lost, server in trouble, block not there yet.
    Transient,
    /// Ask later, or another endpoint.
    RateLimited,
    /// Ask for fewer blocks.
    RangeTooLarge,
    /// The endpoint serves another chain: do not use it.
    WrongChain,
    /// The endpoint does not know the method or tag: asking again does not help.
    Unsupported,
    /// The contract said no; its data says why.
    Execution,
    /// The endpoint understood and refused: nonce, balance, parameters.
    Refused,
    /// The answer is none of this protocol.
    Malformed,
}

impl RpcErrorClass {
    /// For labels and reasons.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Transient => "Transient",
            Self::RateLimited => "RateLimited",
            Self::RangeTooLarge => "RangeTooLarge",
            Self::WrongChain => "WrongChain",
            Self::Unsupported => "Unsupported",
            Self::Execution => "Execution",
            Self::Refused => "Refused",
            Self::Malformed => "Malformed",
        }
    }

    /// Whether another endpoint, or the same one later, may answer the same question.
    #[must_use]
    pub const fn worth_another_try(self) -> bool {
        match self {
            Self::Transient | Self::RateLimited | Self::WrongChain | Self::Unsupported | Self::Malformed => {
                true
            }
            Self::RangeTooLarge | Self::Execution | Self::Refused => false,
        }
    }
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("endpoint {endpoint}: {what}: {detail}")]
pub struct RpcFailure {
    /// The endpoint's name.
    pub endpoint: String,
    /// Which call, as its JSON-RPC method or our word for it.
    pub what: &'static str,
    /// What it means.
    pub class: RpcErrorClass,
    /// The server's error code, where it answered.
    pub code: Option<i64>,
    /// Cause and remedy; the server's words shortened and free of the URL.
    pub detail: String,
    /// What a contract reverted with.
    pub revert: Option<Bytes>,
}

/// Where a failure happened and what its text must not hold.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) endpoint: &'a str,
    pub(super) secrets: &'a Secrets,
    pub(super) what: &'static str,
}

impl fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.endpoint, self.what)
    }
}

/// Parts of an endpoint's URL that no text may repeat.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Host, user, password, path and query parts of a URL, the longest first.
    pub(super) fn of(url: &url::Url) -> Self {
        let mut parts: Vec<String> = vec![
            url.as_str().to_owned(),
            url.as_str().trim_end_matches('/').to_owned(),
        ];
        parts.extend(url.host_str().map(str::to_owned));
        parts.extend(url.password().map(str::to_owned));
        parts.push(url.username().to_owned());
        parts.push(url.path().to_owned());
        parts.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
        parts.extend(url.query().map(str::to_owned));
        parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        // Short parts such as "v2" are no secret, and hiding them would make every text unreadable.
        parts.retain(|part| part.len() >= 6);
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(parts)
    }

    fn hide(&self, text: &str) -> String {
        let text = self
            .0
            .iter()
            .fold(text.to_owned(), |text, part| text.replace(part, "<hidden>"));
        let mut shown: String = text
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .take(300)
            .collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        shown
    }
}

impl Origin<'_> {
    fn failure(self, class: RpcErrorClass, detail: impl Into<String>) -> RpcFailure {
        RpcFailure {
            endpoint: self.endpoint.to_owned(),
            what: self.what,
            class,
            code: None,
            detail: detail.into(),
            revert: None,
        }
    }

    /// No answer in time.
    pub(super) fn timed_out(self, after: Duration) -> RpcFailure {
        self.failure(
            RpcErrorClass::Transient,
            format!(
                "no answer in {} ms; check that the node runs and is reachable",
                after.as_millis()
            ),
        )
    }

    /// An answer that cannot be.
    pub(super) fn malformed(self, detail: &str) -> RpcFailure {
        self.failure(RpcErrorClass::Malformed, self.secrets.hide(detail))
    }

    /// Something asked for is not there yet.
    pub(super) fn missing(self, detail: &str) -> RpcFailure {
        self.failure(RpcErrorClass::Transient, detail)
    }

    /// The endpoint serves another chain.
    pub(super) fn wrong_chain(self, wanted: ChainId, found: u64) -> RpcFailure {
        self.failure(
            RpcErrorClass::WrongChain,
            format!(
                "serves chain {found}, this market is on chain {}: correct the endpoint's url or the market's chainId",
                wanted.0
            ),
        )
    }

    /// Classifies a transport's error.
    pub(super) fn transport(self, error: &TransportError) -> RpcFailure {
        match error {
            RpcError::ErrorResp(payload) => {
                let revert = payload.as_revert_data();
                let class = class_of_answer(payload.code, &payload.message, revert.is_some());
                RpcFailure {
                    code: Some(payload.code),
                    revert,
                    ..self.failure(class, self.secrets.hide(&payload.message))
                }
            }
            RpcError::NullResp => self.failure(RpcErrorClass::Transient, "answered null"),
            RpcError::UnsupportedFeature(feature) => self.failure(RpcErrorClass::Unsupported, *feature),
            RpcError::LocalUsageError(_) | RpcError::SerError(_) => {
                self.failure(RpcErrorClass::Refused, "the request cannot be written as JSON")
            }
            RpcError::DeserError { err, .. } => self.failure(
                RpcErrorClass::Malformed,
                self.secrets.hide(&format!("answer cannot be read: {err}")),
            ),
            RpcError::Transport(kind) => self.of_kind(kind),
        }
    }

    fn of_kind(self, kind: &TransportErrorKind) -> RpcFailure {
        match kind {
            TransportErrorKind::HttpError(error) => self.of_status(error.status, &error.body),
            TransportErrorKind::HttpErrorWithRetryAfter { error, .. } => {
                self.of_status(error.status, &error.body)
            }
            TransportErrorKind::PubsubUnavailable => {
                self.failure(RpcErrorClass::Unsupported, "no subscriptions on this connection")
            }
            TransportErrorKind::BackendGone | TransportErrorKind::MissingBatchResponse(_) => {
                self.failure(RpcErrorClass::Transient, "connection lost")
            }
            // reqwest's own text repeats the URL.
            other => self.failure(RpcErrorClass::Transient, connection_words(other)),
        }
    }

    fn of_status(self, status: u16, body: &str) -> RpcFailure {
        let class = match status {
            429 => RpcErrorClass::RateLimited,
            413 => RpcErrorClass::RangeTooLarge,
            401 | 403 => RpcErrorClass::Unsupported,
            _ => match class_of_answer(0, body, false) {
                RpcErrorClass::Refused if status >= 500 => RpcErrorClass::Transient,
                RpcErrorClass::Refused => RpcErrorClass::Unsupported,
                other => other,
            },
        };
        let remedy = match status {
            401 | 403 => ": check the API key in the endpoint's url",
            _ => "",
        };
        self.failure(
            class,
            self.secrets.hide(&format!("HTTP status {status}{remedy} {body}")),
        )
    }
}

/// What kind of connection trouble it was, from the chain of causes, in our words.
fn connection_words(error: &TransportErrorKind) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            if let Some(rustls::Error::InvalidCertificate(fault)) = tls_fault(io) {
                return certificate_words(fault);
            }
            return format!(
                "cannot connect: {}; check that the node runs and that host and port are right (not shown: a URL may hold a key)",
                io.kind()
            );
        }
        cause = error.source();
    }
    "cannot connect; check that the node runs, that its name resolves and that a proxy in between lets it through (not shown: a URL may hold a key)"
        .into()
}

/// The TLS library's own error. Each layer between it and us wraps it in one more io error, whose `source` steps over it.
fn tls_fault(mut io: &std::io::Error) -> Option<&rustls::Error> {
    loop {
        let inner = io.get_ref()?;
        if let Some(fault) = inner.downcast_ref::<rustls::Error>() {
            return Some(fault);
        }
        io = inner.downcast_ref::<std::io::Error>()?;
    }
}

/// What is wrong with an endpoint's certificate, without the names in it: they are the URL's.
fn certificate_words(fault: &CertificateError) -> String {
    let said = match fault {
        CertificateError::UnknownIssuer => {
            "is signed by an authority that is not trusted: have that authority trusted (the chart's extraCA, or SSL_CERT_FILE)"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired: renew it, or look at this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: look at this machine's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host name: correct the endpoint's url"
        }
        other => {
            return format!(
                "cannot connect: its certificate is not accepted ({})",
                kind_of(other)
            );
        }
    };
    format!("cannot connect: its certificate {said}")
}

/// The first word of what the library says of a fault: its kind, without what the certificate holds.
fn kind_of(fault: &CertificateError) -> String {
    let said = format!("{fault:?}");
    said.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// JSON-RPC names few codes, so servers' words decide (EIP-1474; the lists are what public servers say).
fn class_of_answer(code: i64, message: &str, has_revert: bool) -> RpcErrorClass {
    let message = message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    if has_revert || code == 3 || says(&["execution reverted", "revert", "out of gas", "invalid opcode"]) {
        return RpcErrorClass::Execution;
    }
    if says(&[
        "rate limit",
        "too many requests",
        "request limit",
        "requests per second",
        "compute units",
        "throughput",
        "quota",
        "capacity",
        "credits",
    ]) {
        return RpcErrorClass::RateLimited;
    }
    if says(&[
        "block range",
        "blocks range",
        "range is too",
        "range too",
        "range limit",
        "max range",
        "range exceed",
        "more than",
        "too many results",
        "too many logs",
        "response size",
        "limited to",
        "exceeds limit",
        "limit exceeded",
        "exceed max",
        "exceeds the limit",
        "query timeout",
        "timed out",
    ]) {
        return RpcErrorClass::RangeTooLarge;
    }
    if code == -32601
        || says(&[
            "method not found",
            "not supported",
            "unsupported",
            "not available",
            "unknown block tag",
            "invalid block tag",
        ])
    {
        return RpcErrorClass::Unsupported;
    }
    if code == -32603
        || code == -32005
        || says(&[
            "unknown block",
            "block not found",
            "header not found",
            "not found",
            "missing trie node",
            "timeout",
            "unavailable",
            "try again",
            "internal error",
        ])
    {
        return RpcErrorClass::Transient;
    }
    RpcErrorClass::Refused
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy::transports::HttpError;
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> Secrets {
        Secrets::of(
            &"https://user:hunter22@rpc.example/v2/0123456789abcdef?apikey=deadbeef"
                .parse()
                .unwrap(),
        )
    }

    fn classify(error: &TransportError) -> RpcFailure {
        let secrets = secrets();
        let origin = Origin {
            endpoint: "primary",
            secrets: &secrets,
            what: "eth_getLogs",
        };
        origin.transport(error)
    }

    fn answer(code: i64, message: &str) -> TransportError {
        let text = serde_json::json!({ "code": code, "message": message }).to_string();
        RpcError::ErrorResp(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn what_public_servers_say_about_ranges_is_understood() {
        for (code, message) in [
            (-32005, "query returned more than 10000 results"),
            (
                -32602,
                "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
            ),
            (-32000, "exceed maximum block range: 5000"),
            (-32614, "eth_getLogs is limited to a 10,000 range"),
            (
                -32701,
                "Please specify an address in your request or, to remove restrictions, order a dedicated full node: block range too large",
            ),
        ] {
            assert_eq!(
                classify(&answer(code, message)).class,
                RpcErrorClass::RangeTooLarge,
                "{message}"
            );
        }
    }

    #[test]
    fn each_answer_has_its_class() {
        for (code, message, class) in [
            (3, "execution reverted: no", RpcErrorClass::Execution),
            (
                -32005,
                "daily request count exceeded, request rate limited",
                RpcErrorClass::RateLimited,
            ),
            (
                -32601,
                "the method eth_foo does not exist",
                RpcErrorClass::Unsupported,
            ),
            (-32000, "header not found", RpcErrorClass::Transient),
            (-32000, "nonce too low: next nonce 5", RpcErrorClass::Refused),
            (
                -32000,
                "insufficient funds for gas * price + value",
                RpcErrorClass::Refused,
            ),
        ] {
            assert_eq!(classify(&answer(code, message)).class, class, "{message}");
        }
        let http = |status| {
            classify(&RpcError::Transport(TransportErrorKind::HttpError(HttpError {
                status,
                body: String::new(),
            })))
            .class
        };
        assert_eq!(http(429), RpcErrorClass::RateLimited);
        assert_eq!(http(413), RpcErrorClass::RangeTooLarge);
        assert_eq!(http(502), RpcErrorClass::Transient);
        assert_eq!(http(401), RpcErrorClass::Unsupported);
    }

    #[test]
    fn no_text_repeats_the_url_or_its_key() {
        let told = classify(&answer(
            -32000,
            "https://rpc.example/v2/0123456789abcdef?apikey=deadbeef: key 0123456789abcdef of hunter22 is blocked",
        ));
        let shown = format!("{told} {told:?}");
        for secret in ["rpc.example", "0123456789abcdef", "deadbeef", "hunter22"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("endpoint primary: eth_getLogs"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_classifier_panic_and_its_text_is_short(code: i64, message in ".{0,600}") {
            let told = classify(&answer(code, &message));
            prop_assert!(told.detail.chars().count() <= 301);
        }
    }
}
