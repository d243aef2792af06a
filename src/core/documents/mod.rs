//! What is hashed or signed, in canonical form with limits. Never trusts a length.

pub mod session;
