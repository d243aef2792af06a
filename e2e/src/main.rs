//! The world program: starts and stops the real parts.

fn main() {}
