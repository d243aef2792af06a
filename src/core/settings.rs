//! What the operator's own flags say for all leases, as plain values. Reads no flag.

use std::time::Duration;

use super::{
    money::MicroUnits,
    workload::{Accounts, Dns},
};

/// What the operator's flags say for all leases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our own accounts, bound inside each lease's namespace.
    pub accounts: Accounts,
    /// An image that does nothing, for placeholder pods.
    pub pause_image: String,
    /// Priority class of hold and lease pods.
    pub priority_class: Option<String>,
    /// Seconds between a stop and the kill.
    pub termination_grace_seconds: u32,
    /// Where tenants' names are resolved.
    pub dns: Dns,
    /// Address blocks that are the provider's own.
    pub denied_blocks: Vec<String>,
    /// Report once a lease has so many seconds that are not on chain yet.
    pub report_every: Duration,
    /// Settle once a lease has so many reported seconds that are not paid yet.
    pub settle_every: Duration,
    /// Claim once so much can be claimed.
    pub claim_above: MicroUnits,
}
