//! Wiring, one file a kind: observe, plan, act, report. Decides nothing.

pub mod bid;
pub mod context;
pub mod lease;
mod lease_status;
pub mod market;
mod market_status;
pub mod offer;
pub mod orphan;
pub mod provider;
mod provider_agreements;
mod provider_disputes;
mod provider_duties;
mod provider_status;
mod receipt;
pub mod transaction;
pub mod wallet;
pub mod warning;
