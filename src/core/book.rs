//! What LeaseBook's events add up to. Pure replay; knows no endpoint.
