//! An immutable snapshot of nodes and devices, and what fits it.
