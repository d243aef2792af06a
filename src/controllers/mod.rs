//! Wiring, one file a kind: observe, plan, act, report. Decides nothing.

pub mod transaction;
pub mod wallet;
