//! The chain's shell: endpoints, bindings, log follower, publisher, signers. Knows no cluster and makes no plan.

pub mod publisher;
pub mod signer;
