//! How long finished transactions are kept. They are a write-ahead log, not books: books are rebuilt from chain logs. May not
//! pick an unfinished object or the one with the wallet's newest nonce, which tells a restored backup from a quiet wallet.

use std::{cmp::Reverse, time::Duration};

use super::{Phase, Record};
use crate::core::time::UnixMillis;

/// How long and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// After success became final.
    pub succeeded: Duration,
    /// After failure or abandonment became final: somebody wants to read why.
    pub failed: Duration,
    /// Objects a wallet keeps; the oldest finished ones above this go at once.
    pub objects: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            succeeded: Duration::from_secs(24 * 60 * 60),
            failed: Duration::from_secs(7 * 24 * 60 * 60),
            // Below the cap of `Limits::objects`, so that clearing goes on before submitting stops.
            objects: 450,
        }
    }
}

/// The objects of one wallet that may go, oldest nonce first.
#[must_use]
pub fn deletable<'a>(list: &'a [Record], retention: &Retention, now: UnixMillis) -> Vec<&'a Record> {
    let newest = list.iter().map(|record| record.nonce).max();
    let mut closed: Vec<&Record> = list
        .iter()
        .filter(|record| record.phase.is_closed() && Some(record.nonce) != newest)
        .collect();
    closed.sort_by_key(|record| Reverse(record.nonce));
    let surplus = list.len().saturating_sub(retention.objects);
    let spared = closed.len().saturating_sub(surplus);
    let mut gone: Vec<&Record> = closed
        .into_iter()
        .enumerate()
        .filter(|(index, record)| *index >= spared || is_old(record, retention, now))
        .map(|(_, record)| record)
        .collect();
    gone.reverse();
    gone
}

fn is_old(record: &Record, retention: &Retention, now: UnixMillis) -> bool {
    let age = now.millis_since(record.closed.unwrap_or(record.created));
    let kept = match record.phase {
        Phase::Final => retention.succeeded,
        Phase::Failed | Phase::Abandoned => retention.failed,
        Phase::Created | Phase::Pending | Phase::Mined => return false,
    };
    u128::from(age) >= kept.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tx::record::testing::record;

    const HOUR: i64 = 3_600_000;

    fn closed(nonce: u64, phase: Phase, at: i64) -> Record {
        Record {
            phase,
            closed: Some(UnixMillis(at)),
            ..record(nonce, nonce as u8)
        }
    }

    fn names(list: &[Record], retention: &Retention, now: i64) -> Vec<u64> {
        deletable(list, retention, UnixMillis(now))
            .iter()
            .map(|record| record.nonce)
            .collect()
    }

    #[test]
    fn successes_go_after_a_day_failures_after_a_week_and_the_newest_never() {
        let list = [
            closed(1, Phase::Final, 0),
            closed(2, Phase::Failed, 0),
            closed(3, Phase::Abandoned, 0),
            record(4, 4),
            closed(5, Phase::Final, 0),
        ];
        let keep = Retention::default();
        assert_eq!(names(&list, &keep, 24 * HOUR - 1), [] as [u64; 0]);
        assert_eq!(names(&list, &keep, 24 * HOUR), [1]);
        assert_eq!(names(&list, &keep, 7 * 24 * HOUR), [1, 2, 3]);
    }

    #[test]
    fn above_the_count_the_oldest_finished_ones_go_at_once_and_unfinished_ones_stay() {
        let mut list: Vec<_> = (0..10).map(|nonce| closed(nonce, Phase::Final, 0)).collect();
        list[0] = record(0, 0);
        let keep = Retention {
            objects: 7,
            ..Retention::default()
        };
        assert_eq!(names(&list, &keep, 1), [1, 2, 3]);
        let unfinished: Vec<_> = (0..10).map(|nonce| record(nonce, nonce as u8)).collect();
        assert_eq!(names(&unfinished, &keep, i64::MAX), [] as [u64; 0]);
    }
}
