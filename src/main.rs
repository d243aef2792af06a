//! Parses arguments, installs the TLS provider and runs the chosen verb; decides nothing.

fn main() {}
