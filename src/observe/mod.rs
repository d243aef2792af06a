//! The read side: stores and chain view become core::view. Never writes.
