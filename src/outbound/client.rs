//! Opens a stranger's URL: resolves once, refuses what [`Reach`] refuses, and binds the connection to the addresses that were checked,
//! so that a name which changes between check and call (DNS rebinding) leads nowhere new. May not follow a redirect or use a proxy.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::StreamExt;
use ipnet::IpNet;
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use thiserror::Error;
use url::{Host, Url};

use super::{
    address::PinnedUrl,
    reach::{Reach, Unreachable},
    tls::client_config,
};

/// How long resolving, connecting, and a whole request may take unless its caller says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of an answer unless its caller says otherwise.
pub const ANSWER: usize = 4 * 1024;

/// Why a stranger's URL was not called, or did not answer.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// It leads where it must not.
    #[error("{host} {}: a stranger's URL may not lead there (a market with local: true allows loopback and private)", why.words())]
    Refused {
        /// Host of the URL, and the address it resolved to.
        host: String,
        /// What the address is.
        why: Unreachable,
    },
    /// The name has no address, or not in time.
    #[error("{host} did not resolve: {why}")]
    Unresolved {
        /// Host of the URL.
        host: String,
        /// The resolver's words.
        why: String,
    },
    /// TLS or HTTP could not be set up here.
    #[error("the client for {host} cannot be set up: {why}")]
    Setup {
        /// Host of the URL.
        host: String,
        /// The library's words.
        why: String,
    },
    /// No connection, no TLS, no answer in time, or the connection broke.
    #[error("{host} did not answer: {why}")]
    NoAnswer {
        /// Host of the URL.
        host: String,
        /// The library's words, with their causes.
        why: String,
    },
    /// The answer is larger than its bound.
    #[error("{host} answered with more than {limit} bytes: what it sent is dropped")]
    TooLarge {
        /// Host of the URL.
        host: String,
        /// In bytes.
        limit: usize,
    },
    /// The path cannot be appended to the base address.
    #[error("{path:?} is no path below {base}")]
    BadPath {
        /// The base address.
        base: String,
        /// What was to be appended.
        path: String,
    },
}

/// How far URLs may lead from here.
#[derive(Debug, Clone)]
pub struct Outbound {
    reach: Reach,
    cluster: Vec<IpNet>,
}

impl Outbound {
    /// A client with its reach; `cluster` are pod and service ranges to refuse whatever they look like.
    #[must_use]
    pub const fn new(reach: Reach, cluster: Vec<IpNet>) -> Self {
        Self { reach, cluster }
    }

    /// Resolves the URL once and prepares connections to those addresses alone.
    ///
    /// # Errors
    /// [`OutboundError::Refused`] if any of its addresses is refused, [`OutboundError::Unresolved`], [`OutboundError::Setup`].
    pub async fn open(&self, url: &PinnedUrl) -> Result<Target, OutboundError> {
        let host = url.authority();
        let addresses = self.resolve(url, &host).await?;
        let setup = |why: String| OutboundError::Setup {
            host: host.clone(),
            why,
        };
        let tls = client_config(url.pins()).map_err(|e| setup(e.to_string()))?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(PATIENCE)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("leaseport/", env!("CARGO_PKG_VERSION")));
        if let Some(Host::Domain(name)) = url.host() {
            builder = builder.resolve_to_addrs(name, &addresses);
        }
        let client = builder.build().map_err(|e| setup(causes(&e)))?;
        Ok(Target {
            client,
            base: url.url().clone(),
            host,
        })
    }

    async fn resolve(&self, url: &PinnedUrl, host: &str) -> Result<Vec<SocketAddr>, OutboundError> {
        let port = url.url().port_or_known_default().unwrap_or(443);
        let unresolved = |why: String| OutboundError::Unresolved {
            host: host.to_owned(),
            why,
        };
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(IpAddr::V4(address), port).into()],
            Some(Host::Ipv6(address)) => vec![(IpAddr::V6(address), port).into()],
            Some(Host::Domain(name)) => tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, port)))
                .await
                .map_err(|_| unresolved(format!("no answer within {} s", PATIENCE.as_secs())))?
                .map_err(|e| unresolved(e.to_string()))?
                .collect(),
            None => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(unresolved("it has no address".to_owned()));
        }
        // One refused address refuses the name: which of them a connection takes is not ours to choose.
        for address in &addresses {
            self.reach
                .admits(address.ip(), &self.cluster)
                .map_err(|why| OutboundError::Refused {
                    host: format!("{host} ({})", address.ip()),
                    why,
                })?;
        }
        Ok(addresses)
    }
}

/// A URL that was resolved and may be called.
#[derive(Debug, Clone)]
pub struct Target {
    client: Client,
    base: Url,
    host: String,
}

impl Target {
    /// The full URL of a path (with query) below the base address.
    ///
    /// # Errors
    /// [`OutboundError::BadPath`] when the result would leave the base's origin.
    pub fn at(&self, path: &str) -> Result<Url, OutboundError> {
        let text = format!(
            "{}/{}",
            self.base.as_str().trim_end_matches('/'),
            path.trim_start_matches('/')
        );
        Url::parse(&text)
            .ok()
            .filter(|url| url.origin() == self.base.origin())
            .ok_or_else(|| OutboundError::BadPath {
                base: self.base.to_string(),
                path: path.chars().take(120).collect(),
            })
    }

    /// A request to begin with.
    pub fn request(&self, method: http::Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request and reads its whole answer, within a time and a size.
    ///
    /// # Errors
    /// [`OutboundError::NoAnswer`], [`OutboundError::TooLarge`].
    pub async fn call(
        &self,
        request: RequestBuilder,
        patience: Duration,
        limit: usize,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let answer = request
            .timeout(patience)
            .send()
            .await
            .map_err(|e| self.no_answer(&e))?;
        self.read(answer, limit).await
    }

    /// Reads an answer's body up to a bound.
    ///
    /// # Errors
    /// [`OutboundError::NoAnswer`], [`OutboundError::TooLarge`].
    pub async fn read(
        &self,
        answer: Response,
        limit: usize,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let mut whole = http::Response::new(Vec::new());
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = answer.headers().clone();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|e| self.no_answer(&e))?;
            if whole.body().len().saturating_add(part.len()) > limit {
                return Err(OutboundError::TooLarge {
                    host: self.host.clone(),
                    limit,
                });
            }
            whole.body_mut().extend_from_slice(&part);
        }
        Ok(whole)
    }

    /// An error of the library as ours.
    #[must_use]
    pub fn no_answer(&self, error: &reqwest::Error) -> OutboundError {
        OutboundError::NoAnswer {
            host: self.host.clone(),
            why: causes(error),
        }
    }
}

/// The library names its cause only through `source`.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn open(reach: Reach, url: &str) -> Result<Target, OutboundError> {
        Outbound::new(reach, Vec::new()).open(&url.parse().unwrap()).await
    }

    #[tokio::test]
    async fn literal_addresses_in_any_spelling_are_refused_before_a_connection() {
        for url in [
            "https://127.0.0.1:1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://017700000001/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/",
            "https://10.0.0.1/",
            "https://[fd00::1]/",
        ] {
            let result = open(Reach::PublicOnly, url).await;
            assert!(
                matches!(result, Err(OutboundError::Refused { .. })),
                "{url}: {result:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused_unless_the_market_is_local() {
        let refused = open(Reach::PublicOnly, "https://localhost:1/").await;
        assert!(
            matches!(
                refused,
                Err(OutboundError::Refused {
                    why: Unreachable::Loopback,
                    ..
                })
            ),
            "{refused:?}"
        );
        assert!(open(Reach::LocalMarket, "https://localhost:1/").await.is_ok());
        let metadata = open(Reach::LocalMarket, "https://169.254.169.254/").await;
        assert!(
            matches!(
                metadata,
                Err(OutboundError::Refused {
                    why: Unreachable::LinkLocal,
                    ..
                })
            ),
            "{metadata:?}"
        );
    }

    #[tokio::test]
    async fn a_path_never_leaves_the_origin() {
        let target = open(Reach::LocalMarket, "https://localhost:1/prefix")
            .await
            .unwrap();
        assert_eq!(
            target.at("/v1/x?y=1").unwrap().as_str(),
            "https://localhost:1/prefix/v1/x?y=1"
        );
        assert_eq!(
            target.at("//evil.example/").unwrap().host_str(),
            Some("localhost")
        );
        assert_eq!(target.at("@evil.example/").unwrap().host_str(), Some("localhost"));
    }

    #[tokio::test]
    async fn who_does_not_answer_is_given_up_within_the_bound() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let target = open(Reach::LocalMarket, &url).await.unwrap();
        let request = target.request(http::Method::GET, target.at("/").unwrap());
        let begun = std::time::Instant::now();
        let result = target.call(request, Duration::from_millis(300), ANSWER).await;
        assert!(
            matches!(result, Err(OutboundError::NoAnswer { .. })),
            "{result:?}"
        );
        assert!(begun.elapsed() < PATIENCE);
    }
}
