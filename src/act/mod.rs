//! The write side: runs a plan's actions in declared order and returns outcomes. Decides nothing.

<<<<<<< HEAD
pub mod bid;
pub mod lease;
=======
>>>>>>> 15faa450fee732466d54dac5489c8b6991623519
pub mod transact;
