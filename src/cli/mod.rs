//! One file a verb of the command line.

pub mod crds;
pub mod gateway;
