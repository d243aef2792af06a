//! The read side: stores and chain view become what plans take. Never writes, never decides.

pub mod bid;
pub mod clock;
pub mod dispute;
pub mod ground;
pub mod lease;
pub mod markets;
pub mod meters;
pub mod offer;
pub mod orphan;
pub mod picture;
pub mod stores;
pub mod transactions;
