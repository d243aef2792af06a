//! Decisions, pure: no async, no Kubernetes client, no chain provider, no clock, no randomness, no log.

pub mod book;
pub mod canon;
pub mod capacity;
pub mod delivery;
pub mod documents;
pub mod escrow;
pub mod ids;
pub mod market;
pub mod money;
pub mod plan;
pub mod resources;
pub mod settings;
pub mod time;
pub mod tx;
pub mod usage;
pub mod view;
pub mod workload;
