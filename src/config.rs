//! What flags and environment say, checked once, so that nobody behind it meets a value that cannot be. Reads no cluster.

use std::net::SocketAddr;

use crate::observe::ground::Settings;

/// The operator's configuration.
#[derive(Debug, Clone)]
pub struct OperatorConfig {
    /// Its own namespace: the leader's lock and endpoint Secrets.
    pub namespace: String,
    /// Who it is, for the lock and for events; differs between replicas and between runs.
    pub identity: String,
    /// Where metrics and probes are served.
    pub ops_address: SocketAddr,
    /// What holds for all leases.
    pub settings: Settings,
}
