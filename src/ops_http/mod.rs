//! /metrics /livez /readyz for the kubelet and Prometheus. Readiness is local: caches synced once and the port serves; an RPC
//! blip must restart nobody and take away no endpoint (rule 12). Reads state, changes none.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// Set once, when all caches were synced for the first time.
#[derive(Clone, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// Caches are synced; never taken back.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether caches were synced once.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The routes.
pub fn router(metrics: Metrics, ready: Ready) -> Router {
    Router::new()
        .route("/metrics", get(text))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .with_state((metrics, ready))
}

async fn text(State((metrics, _)): State<(Metrics, Ready)>) -> (StatusCode, String) {
    match metrics.text() {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn readyz(State((_, ready)): State<(Metrics, Ready)>) -> (StatusCode, &'static str) {
    if ready.get() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are not synced yet")
    }
}

/// Binds the port, so that a bad address fails at start and not later.
///
/// # Errors
/// The address cannot be bound.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop`.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    ready: Ready,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(metrics, ready))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    async fn status(path: &str, ready: Ready) -> StatusCode {
        let app = router(Metrics::new().unwrap(), ready);
        app.oneshot(Request::get(path).body(Body::empty()).unwrap())
            .await
            .unwrap()
            .status()
    }

    #[tokio::test]
    async fn it_is_ready_once_caches_are_synced_and_live_before() {
        let ready = Ready::default();
        assert_eq!(status("/livez", ready.clone()).await, StatusCode::OK);
        assert_eq!(
            status("/readyz", ready.clone()).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        ready.set();
        assert_eq!(status("/readyz", ready.clone()).await, StatusCode::OK);
        assert_eq!(status("/metrics", ready).await, StatusCode::OK);
    }
}
