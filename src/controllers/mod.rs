//! Wiring, one file a kind: observe, plan, act, report. Decides nothing.

pub mod bid;
pub mod context;
pub mod lease;
mod lease_status;
pub mod market;
mod market_status;
pub mod offer;
pub mod provider;
pub mod transaction;
pub mod wallet;
