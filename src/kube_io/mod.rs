//! The cluster's shell: reflectors, server-side apply, status, finalizers, events, the leader's lock. Knows no chain and makes no plan.
//! Every request ends within [`REQUEST_TIMEOUT`] and none is repeated here: whoever asked plans again.

pub mod apply;
pub mod client;
pub mod counted;
pub mod delete;
pub mod error;
pub mod events;
pub mod finalizers;
pub mod lock;
pub mod pods;
pub mod reconcile;
pub mod reflected;
pub mod status;
pub mod streams;

pub use client::{REQUEST_TIMEOUT, within};
pub use error::KubeError;
pub use reflected::{Reflected, Watches};

#[cfg(test)]
pub(crate) mod mock;
