//! A condition as a plan says it, before it is set in a status. May not set it: transition times are the shell's.

use crate::api::condition::Status;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its type.
    pub kind: &'static str,
    /// Whether it holds.
    pub is: Status,
    /// CamelCase.
    pub reason: &'static str,
    /// For people, with what to do.
    pub message: String,
}

impl Said {
    /// Says it.
    pub fn new(kind: &'static str, is: Status, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            is,
            reason,
            message: message.into(),
        }
    }
}
