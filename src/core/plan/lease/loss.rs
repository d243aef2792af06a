//! What a person gives up by letting go of a lease that is not over: in words, for the event, before it happens. Decides nothing.

use crate::core::ids::LeaseId;

/// What the object alone still knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left<'a> {
    /// Which lease.
    pub lease: LeaseId,
    /// Billable seconds counted.
    pub counted: u32,
    /// Of them, in a report.
    pub reported: u32,
    /// Of them, turned into money.
    pub settled: u32,
    /// Its namespace, if one stands.
    pub namespace: Option<&'a str>,
}

/// The sentences.
#[must_use]
pub fn lost(left: &Left<'_>) -> String {
    let unreported = left.counted.saturating_sub(left.reported);
    let unsettled = left.reported.saturating_sub(left.settled);
    let mut text = format!(
        "lease {} was abandoned: {unreported} counted seconds were in no report and are lost",
        left.lease
    );
    if unsettled > 0 {
        text.push_str(&format!(
            "; {unsettled} reported seconds are not settled, anyone may still settle them"
        ));
    }
    if let Some(namespace) = left.namespace {
        text.push_str(&format!(
            "; namespace {namespace} is not deleted before the lease's end is final: until then delete it by hand, with all that is in it"
        ));
    }
    text.push_str("; the signed statements kept beside it go with it; while the lease lives on chain and its market is followed, its object is made again");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_lets_go_of_a_lease_is_told_what_is_lost_and_what_is_left() {
        let left = Left {
            lease: "7-0-1".parse().unwrap(),
            counted: 100,
            reported: 60,
            settled: 50,
            namespace: Some("lp-1-7-0-1-aa"),
        };
        let text = lost(&left);
        for part in [
            "7-0-1",
            "40 counted seconds",
            "10 reported seconds",
            "lp-1-7-0-1-aa",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let nothing = lost(&Left {
            counted: 60,
            settled: 60,
            namespace: None,
            ..left
        });
        assert!(
            !nothing.contains("settled,") && !nothing.contains("namespace"),
            "{nothing}"
        );
    }
}
