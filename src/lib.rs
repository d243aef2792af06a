//! Leaseport connects GPU clusters to a decentralized compute market on an EVM chain.
//!
//! One idea, used everywhere: **observe -> plan -> act -> report**. `core` decides and never waits; the rest is shell.
//! `docs/architecture.md` has the map and who may import whom; `tests/imports.rs` holds it true.

pub mod act;
pub mod api;
pub mod app;
pub mod chain_io;
pub mod cli;
pub mod config;
pub mod controllers;
pub mod core;
pub mod gateway;
pub mod kube_io;
pub mod observe;
pub mod ops_http;
pub mod outbound;
pub mod telemetry;
pub mod yaml;
