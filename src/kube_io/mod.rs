//! The cluster's shell: reflectors, server-side apply, status, finalizers, events, the leader's lock. Knows no chain and makes no plan.
//! Every request ends within [`REQUEST_TIMEOUT`] and none is repeated here: whoever asked plans again.

pub mod apply;
pub mod client;
pub mod delete;
pub mod error;

pub mod finalizers;

pub mod pods;


pub mod status;


pub use client::{REQUEST_TIMEOUT, within};
pub use error::KubeError;


#[cfg(test)]
mod mock;
