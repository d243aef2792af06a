//! What all requests share: who the gateway is, its directory, its limits, its clock. Replicas share nothing.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::primitives::Address;
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;

use super::{
    problem::Refusal,
    rate::{Buckets, Limit},
    sessions::Sessions,
    streams::Streams,
};
use crate::{
    core::{
        documents::session::GatewayFacts,
        time::{Steady, UnixMillis},
    },
    telemetry::Metrics,
};

/// 20 a second and 100 at once from one address (an IPv6 /64).
const PER_SOURCE: Limit = Limit {
    each: Duration::from_millis(50),
    burst: 100,
    keys: 16_384,
};
/// 10 a second and 50 at once for one wallet.
const PER_WALLET: Limit = Limit {
    each: Duration::from_millis(100),
    burst: 50,
    keys: 16_384,
};

/// Where the gateway reads time: `steady` for limits, `wall` for sessions.
pub type Clock = Arc<dyn Fn() -> (Steady, UnixMillis) + Send + Sync>;

/// How the gateway is set up.
#[derive(Clone)]
pub struct GatewayOptions {
    /// Who it is.
    pub facts: GatewayFacts,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long `POST …/close` waits for the operator.
    pub close_patience: Duration,
    /// Time.
    pub clock: Clock,
    /// Where requests, refusals and sessions are counted.
    pub metrics: Metrics,
}

impl fmt::Debug for GatewayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayOptions")
            .field("facts", &self.facts)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("close_patience", &self.close_patience)
            .finish_non_exhaustive()
    }
}

/// The gateway over a directory of leases.
#[derive(Debug)]
pub struct Gateway<D> {
    /// Leases.
    pub directory: D,
    /// How it is set up.
    pub options: GatewayOptions,
    /// Open logs.
    pub streams: Streams,
    /// Sessions met.
    pub sessions: Sessions,
    sources: Mutex<Buckets<IpAddr>>,
    wallets: Mutex<Buckets<Address>>,
}

impl<D> Gateway<D> {
    /// A gateway with full buckets.
    #[must_use]
    pub fn new(directory: D, options: GatewayOptions) -> Self {
        Self {
            directory,
            options,
            streams: Streams::default(),
            sessions: Sessions::default(),
            sources: Mutex::new(Buckets::new(PER_SOURCE)),
            wallets: Mutex::new(Buckets::new(PER_WALLET)),
        }
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        (self.options.clock)().1
    }

    /// Counts a request from an address.
    ///
    /// # Errors
    /// 429 with a time to come again.
    pub fn count_source(&self, source: IpAddr) -> Result<(), Refusal> {
        let (steady, _) = (self.options.clock)();
        let mut buckets = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        buckets
            .take(neighbourhood(source), steady)
            .map_err(|wait| too_many("this address", wait))
    }

    /// Counts a request of a wallet, once its session holds.
    ///
    /// # Errors
    /// 429 with a time to come again.
    pub fn count_wallet(&self, wallet: Address) -> Result<(), Refusal> {
        let (steady, _) = (self.options.clock)();
        let mut buckets = self.wallets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets
            .take(wallet, steady)
            .map_err(|wait| too_many("this wallet", wait))
    }

    /// Who sent a request: the peer, or whom a trusted proxy names as the last hop before it.
    #[must_use]
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| {
            self.options
                .trusted_proxies
                .iter()
                .any(|net| net.contains(&address))
        };
        let peer = peer.to_canonical();
        if !trusted(peer) {
            return peer;
        }
        headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|hop| hop.trim().parse::<IpAddr>().ok())
            .map(|hop| hop.to_canonical())
            .rfind(|hop| !trusted(*hop))
            .unwrap_or(peer)
    }
}

fn too_many(what: &str, wait: Duration) -> Refusal {
    Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "TooManyRequests",
        format!("too many requests from {what}: slow down"),
    )
    .after(wait)
}

/// An IPv6 customer has a /64 at least.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
