//! From delivered intervals to cumulative billable seconds, lanes and evidence. Only grows, merges by maximum.

pub mod archive;
pub mod billable;
pub mod counted;
pub mod evidence;
pub mod lanes;
pub mod meter;
