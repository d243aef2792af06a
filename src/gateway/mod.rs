//! The provider's public face: manifests in; status, logs, usage and close offers out. Everyone's first contact is untrusted.
//!
//! The decision who may is `core::documents::session`; what fits is `core::documents::exchange`. This module waits, bounds and speaks
//! HTTP ([`routes`]) over TLS ([`server`], [`tls`], [`renewal`]), against a [`directory::LeaseDirectory`] that [`cluster`] keeps in Kubernetes.
//! Holds no key of a wallet: what must be signed, the operator signs.

pub mod cluster;
pub mod directory;
pub mod pods;
pub mod problem;
pub mod rate;
pub mod renewal;
pub mod routes;
pub mod server;
pub mod sessions;
pub mod state;
pub mod streams;
pub mod tls;

pub use cluster::{ClusterDirectory, FactsError, load_facts};
pub use directory::{DirectoryError, LeaseDirectory, LeaseRecord};
pub use renewal::Renewal;
pub use server::{ServerError, serve};
pub use state::{Gateway, GatewayOptions};
pub use tls::{ServingKey, TlsError};
