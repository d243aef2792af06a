//! The ring of block checkpoints and what a reorganisation removes. Knows no endpoint.
