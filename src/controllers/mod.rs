//! Wiring, one file a kind: observe, plan, act, report. Decides nothing.
