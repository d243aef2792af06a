//! What a lease shows of itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::{cli::close::tests::running, core::book::Metered};

#[test]
fn a_running_lease_shows_what_is_used_owed_and_when_it_runs_dry() {
    let lease = running();
    let metered = Metered {
        lease: &lease,
        lane_seconds: 130,
    };
    let row = lease_row(metered, ChainSeconds(1_050), "tUSD".into());
    // 30 counted of 50 elapsed, at 3.6 an hour.
    assert_eq!((row.state, row.seconds), ("Active", 30));
    assert_eq!(row.owed, MicroUnits(30_000));
    assert_eq!((row.started_at, row.stop_at), (Some(1_000), Some(4_600)));
    assert!(row.dry_at.is_some());
}

#[test]
fn the_answer_has_ids_and_money_as_text_in_camel_case() {
    let lease = running();
    let metered = Metered {
        lease: &lease,
        lane_seconds: 130,
    };
    let row = lease_row(metered, ChainSeconds(1_050), "tUSD".into());
    let json = serde_json::to_value(row).unwrap();
    assert_eq!(json["leaseId"], "1-0-1");
    assert_eq!(json["providerId"], "1");
    assert_eq!(json["ratePerHour"], "3.6");
    assert_eq!(json["owed"], "0.03");
    assert_eq!(json["state"], "Active");
}
