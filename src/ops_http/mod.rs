//! /metrics /livez /readyz. Reads state, changes none.
