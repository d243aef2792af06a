//! From a manifest to Kubernetes objects, in the order they must be applied: a new namespace refuses pods until its account and quota
//! exist. Builds, never applies; reads nothing of the cluster. Tenants are hostile: architecture, rule 9, is made here.

mod containers;
mod hold;
pub mod names;
mod network;
mod objects;
mod room;
mod run;
mod secrets;
mod template;

pub use hold::{Hold, hold};
pub use objects::{Change, Object};
pub use room::room;
pub use run::workload;
pub use secrets::{MANIFEST_KEY, manifest_secret, values_secret};
pub use template::{
    Account, Accounts, BuildError, Dns, Egress, Ground, Isolation, LeaseTemplate, Level, Power, RootPolicy,
};

#[cfg(test)]
mod tests;
