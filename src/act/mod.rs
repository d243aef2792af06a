//! The write side: runs a plan's actions in declared order and returns outcomes. Decides nothing.

pub mod bid;
pub mod evidence;
pub mod journal;
pub mod lease;
pub mod transact;
