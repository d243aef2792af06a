//! The gateway's paths. Each handler: count the source, verify the head, find the lease, let core decide, then do one thing.

mod close;
mod logs;
mod manifest;
mod read;
mod voucher;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderValue, StatusCode, header, request::Parts};

use super::{
    directory::{LeaseDirectory, LeaseRecord, Standing},
    problem::{Refusal, RefusedFor},
    sessions::Met,
    state::Gateway,
};
use crate::core::{
    documents::session::{Allowed, RequestHead, Scope, Verified, verify},
    ids::LeaseId,
};

/// How long a request may take up to its answer's head; a log's body may go on.
const PATIENCE: Duration = Duration::from_secs(15);

/// The peer a connection came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The whole service.
pub fn router<D: LeaseDirectory>(gateway: Arc<Gateway<D>>) -> Router {
    let leases = Router::new()
        .route("/v1/leases/{id}/manifest", put(manifest::put::<D>))
        .route("/v1/leases/{id}/status", get(read::status::<D>))
        .route("/v1/leases/{id}/usage", get(read::usage::<D>))
        .route("/v1/leases/{id}/logs", get(logs::get::<D>))
        .route("/v1/leases/{id}/voucher", put(voucher::put::<D>))
        .route("/v1/leases/{id}/close", post(close::post::<D>))
        .fallback(|| async {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "NoSuchPath",
                "paths are /v1/leases/{id}/manifest, status, usage, logs, voucher and close",
            )
        })
        .method_not_allowed_fallback(|| async {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "NoSuchMethod",
                "PUT manifest and voucher, GET status, usage and logs, POST close",
            )
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), guard::<D>))
        .with_state(gateway);
    // Local and without a word about leases: a broken API server must not take the gateway's endpoints away.
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(leases)
}

/// Bounds every request in number and time, and hides answers from caches.
async fn guard<D: LeaseDirectory>(
    State(gateway): State<Arc<Gateway<D>>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let source = gateway.source(peer, request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match gateway.count_source(source) {
        Err(refusal) => refusal.into_response(),
        Ok(()) => match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refusal::new(
                StatusCode::GATEWAY_TIMEOUT,
                "TooSlow",
                "the request took longer than 15 s: try again",
            )
            .after(Duration::from_secs(2))
            .into_response(),
        },
    };
    let metrics = &gateway.options.metrics;
    metrics.gateway_request(route_of(&path), response.status().as_u16());
    if let Some(RefusedFor(reason)) = response.extensions().get::<RefusedFor>() {
        metrics.gateway_refused(reason);
    }
    tracing::debug!(%source, %method, path, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The route of a path as a label: what a caller invents is one value.
fn route_of(path: &str) -> &'static str {
    let verb = path
        .strip_prefix("/v1/leases/")
        .and_then(|rest| rest.split_once('/'));
    match verb.map(|(_, verb)| verb) {
        Some("manifest") => "manifest",
        Some("status") => "status",
        Some("usage") => "usage",
        Some("logs") => "logs",
        Some("close") => "close",
        Some("voucher") => "voucher",
        Some(_) | None => "other",
    }
}

/// Everything before the one thing a handler does; the body, if any, is not read yet.
async fn admit<D: LeaseDirectory>(
    gateway: &Gateway<D>,
    parts: &Parts,
    id: &str,
    scope: Scope,
) -> Result<(Verified, Allowed, LeaseRecord), Refusal> {
    let head = RequestHead {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    let verified = verify(&head, &gateway.options.facts, gateway.now()).inspect_err(|denial| {
        tracing::info!(reason = denial.reason(), path = parts.uri.path(), "denied");
    })?;
    gateway.count_wallet(verified.wallet)?;
    let id: LeaseId = id.parse().map_err(|error: crate::core::ids::IdError| {
        Refusal::new(StatusCode::NOT_FOUND, "NoSuchLease", error.to_string())
    })?;
    let unknown = || {
        let detail = format!(
            "lease {id} is not known here (yet): it appears when its opening is deep enough in the chain"
        );
        Refusal::new(StatusCode::NOT_FOUND, "NoSuchLease", detail).after(Duration::from_secs(2))
    };
    // After a reorg two tenants' leases may share an id: the caller gets its own or none.
    let mut denial = None;
    let mut found: Option<(Allowed, LeaseRecord)> = None;
    for lease in gateway.directory.leases(id).await? {
        match verified.admits(&lease.facts, scope) {
            Ok(allowed) if found.is_none() || lease.standing == Standing::Open => {
                found = Some((allowed, lease));
            }
            Ok(_) => {}
            Err(why) => denial = Some(why),
        }
    }
    match (found, denial) {
        (Some((allowed, lease)), _) => {
            let now = u64::try_from(gateway.now().0.div_euclid(1000)).unwrap_or_default();
            match gateway.sessions.meet(verified.key(), allowed.not_after, now) {
                Met::New => gateway.options.metrics.gateway_session(),
                Met::Known => {}
            }
            Ok((verified, allowed, lease))
        }
        (None, Some(denial)) => {
            tracing::info!(reason = denial.reason(), %id, wallet = %verified.wallet, "denied");
            Err(denial.into())
        }
        (None, None) => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_invents_is_one_label() {
        assert_eq!(route_of("/v1/leases/7-0-1/close"), "close");
        for path in [
            "/v1/leases/7-0-1/close/x",
            "/v1/leases/close",
            "/",
            "/v2",
            "/v1/leases/7-0-1/anything",
        ] {
            assert_eq!(route_of(path), "other", "{path}");
        }
    }
}
