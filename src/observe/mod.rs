//! The read side: stores and chain view become what plans take. Never writes, never decides.

pub mod clock;
pub mod ground;
pub mod meters;
pub mod stores;
pub mod transactions;
