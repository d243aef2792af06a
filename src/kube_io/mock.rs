//! An API server of one function for tests: it answers each request from a closure and remembers what was asked.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// A request as the closure sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// JSON, null where there is none.
    pub(crate) body: Value,
}

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.lock().map(|log| log.clone()).unwrap_or_default()
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.asked()
            .into_iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }
}

/// A failure as the API server words it.
pub(crate) fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "metadata": {},
        "message": reason, "reason": reason, "code": code,
    });
    (code, status)
}

/// A client whose requests the closure answers with a code and JSON.
pub(crate) fn client(answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> (Client, Log) {
    let answer = Arc::new(Mutex::new(answer));
    let log = Log::default();
    let seen = log.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, seen) = (answer.clone(), seen.clone());
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let asked = Asked {
                method: parts.method.to_string(),
                path: parts
                    .uri
                    .path_and_query()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            };
            if let Ok(mut seen) = seen.0.lock() {
                seen.push(asked.clone());
            }
            let (code, body) = match answer.lock() {
                Ok(mut answer) => answer(&asked),
                Err(_) => failure(500, "the test's API server panicked"),
            };
            let response = Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()))?;
            Ok::<_, tower::BoxError>(response)
        }
    });
    (Client::new(service, "default"), log)
}

/// A client whose requests are never answered.
pub(crate) fn silent() -> (Client, Log) {
    let service = tower::service_fn(|_request: Request<Body>| {
        std::future::pending::<Result<Response<Body>, tower::BoxError>>()
    });
    (Client::new(service, "default"), Log::default())
}
