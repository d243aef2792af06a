//! The accept loop: connections bounded in number and patience, TLS, HTTP/1.1 and HTTP/2, and an end that lets answers finish. Knows
//! no route.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{routes::Peer, tls::ServingKey};

/// Most connections at once; further ones wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 1024;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a request's head may take to come, and an idle connection to be used.
const HEAD: Duration = Duration::from_secs(15);
/// Most requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 32;
/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 32 * 1024;

/// Why the gateway cannot serve.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Opens the listening socket.
///
/// # Errors
/// [`ServerError::Bind`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Bind { address, source })
}

/// Serves until the token is cancelled, then lets open requests finish for at most `grace`. A connection has the pair that was served when
/// it began, to its end.
pub async fn serve(
    listener: TcpListener,
    key: watch::Receiver<Arc<ServingKey>>,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = next => accepted,
        };
        match accepted {
            None => break,
            Some((Err(error), _)) => {
                // Out of file descriptors, or a peer that left before it was taken: neither ends the gateway.
                tracing::warn!(%error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Some((Ok((stream, peer)), place)) => {
                connections.spawn(connection(
                    stream,
                    peer,
                    TlsAcceptor::from(key.borrow().config()),
                    router.clone(),
                    stop.clone(),
                    place,
                ));
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "connections were still open at the end of the grace period"
        );
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    // A lost nodelay costs latency alone.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => return tracing::debug!(%peer, "TLS took too long"),
    };
    let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(Peer(peer.ip())))));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(HEAD))
        .keep_alive_timeout(HEAD)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(32 * 1024);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error, "the connection ended early");
    }
}
