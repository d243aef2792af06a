//! What is hashed or signed, in canonical form with limits. Never trusts a length.

pub mod canonical;
pub mod exchange;
pub mod manifest;
mod names;
pub mod needs;
pub mod session;
