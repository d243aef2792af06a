//! The chain's shell: endpoints, bindings, log follower, publisher, signers. Knows no cluster and makes no plan.

pub mod bindings;
pub mod contracts;
pub mod court;
pub mod decode;
pub mod deploy;
pub mod endpoint;
pub mod errors;
pub mod follower;
pub mod governance;
pub mod holdings;
pub mod publisher;
pub mod purse;
pub mod reverts;
pub mod sequence;
pub mod signer;
pub mod windows;
pub mod witnesses;
