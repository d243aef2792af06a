//! Real parts for Leaseport's tests, its demo and its benchmarks: a control plane, a node, GPUs, a chain, and cuts
//! between them. Nothing here is shipped to a cluster, and nothing here but `scene` and `bench` knows what Leaseport does.

pub mod bench;
pub mod chart;
mod command;
pub mod image;
pub mod prepare;
pub mod progress;
pub mod proxy;
pub mod rpc;
pub mod scene;
pub mod world;

pub use proxy::Proxy;
pub use world::{Options, World, WorldState};
