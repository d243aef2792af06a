//! plan(observed, policy, now) -> Plan for each kind. Total and clock-free.
