//! What the operator's own flags say for all leases, as plain values. Reads no flag.

use super::workload::{Accounts, Dns};

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
}
