//! The one HTTP client for addresses that strangers chose: gateways and bid endpoints, called from inside a cluster.
//!
//! https only, resolved once and public ([`reach`]), pinned to what was resolved, no redirects, no proxies, no ambient credentials,
//! short timeouts, bounded bodies ([`client`]). May use `core` alone; used by `act` and `cli`.

pub mod address;
pub mod client;
pub mod gateway_client;
pub mod reach;
pub mod tls;

pub use address::PinnedUrl;
pub use client::{Outbound, OutboundError, Target};
pub use gateway_client::{CloseAnswer, GatewayClient, GatewayError, Grant, LogQuery, SavedSession};
pub use reach::{Reach, Unreachable};
