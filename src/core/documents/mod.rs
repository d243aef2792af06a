//! What is hashed or signed, in canonical form with limits. Never trusts a length.

pub mod acts;
pub mod bid;
pub mod calls;
pub mod canonical;
pub mod exchange;
pub mod manifest;
mod names;
pub mod needs;
pub mod offer;
pub mod order;
pub mod session;
pub mod signing;
pub mod statement;
pub mod terms;
pub mod voucher;
