//! Nonces, intents and fees as a state machine. Sends nothing.
