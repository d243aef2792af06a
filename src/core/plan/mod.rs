//! plan(observed, policy, now) -> Plan for each kind. Total and clock-free: what should be done follows from what was seen and
//! from nothing else, so a crash between any two actions is only another observation.

pub mod bid;
pub mod dispute;
pub mod duty;
pub mod lease;
pub mod market;
pub mod offer;
pub mod opening;
pub mod orphan;
pub mod provider;
pub mod registration;
pub mod said;
