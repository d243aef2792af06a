//! What the offer's nodes hold and what still fits, from one immutable picture of nodes and pods, so that a bid is decided on
//! a state that cannot change under it. May not ask the cluster, read a clock or change a pod.

mod demand;
mod fit;
mod node;
pub mod quantity;
mod snapshot;

pub use demand::{pod_demand, pod_weighs};
pub use fit::{Fit, NoFit, Placement};
pub use node::{NodeOrder, NodeRoom, node_order};
pub use snapshot::{Snapshot, Supply, Utilization};
