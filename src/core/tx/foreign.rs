//! Somebody else used our key: when we notice, how long we stand still, and when we go on. May not go on before what the
//! stranger did is final and everything we could have signed before has run out.

use std::time::Duration;

use super::{Heads, Phase, Record, allot::expected_nonce};
use crate::core::time::ChainSeconds;

/// When a stranger's use of the key was last seen to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignSeen {
    /// The chain's next nonce then.
    pub nonce: u64,
    /// At which height.
    pub block: u64,
    /// That block's time.
    pub time: ChainSeconds,
}

/// Whether the key is ours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceVerdict {
    /// It is.
    Ours,
    /// It is not: neither send nor sign.
    Foreign(ForeignSeen),
    /// It was not, and that is over: remember this nonce as adopted and go on.
    Adopt(u64),
}

/// Judges the chain's nonce at the newest block against the wallet's list, both read in this order.
///
/// `seen` and `adopted` are what the wallet's status remembers. `longest_bid` is how long a signature of ours may bind: for
/// that long the stranger, or the self a backup was taken of, may have signed what we do not know of.
#[must_use]
pub fn judge_nonce(
    list: &[Record],
    nonce: u64,
    adopted: Option<u64>,
    seen: Option<ForeignSeen>,
    heads: &Heads,
    longest_bid: Duration,
) -> NonceVerdict {
    let Some(expected) = expected_nonce(list, adopted) else {
        return NonceVerdict::Ours;
    };
    // A nonce of ours that another transaction took shows the stranger too, though the count of nonces agrees.
    let taken = list
        .iter()
        .filter(|record| record.phase == Phase::Abandoned)
        .map(|record| record.nonce.saturating_add(1))
        .max()
        .filter(|above| adopted.is_none_or(|adopted| *above > adopted));
    if nonce <= expected && taken.is_none() {
        return NonceVerdict::Ours;
    }
    let fresh = ForeignSeen {
        nonce,
        block: heads.number,
        time: heads.time,
    };
    match seen {
        Some(seen) if nonce <= seen.nonce => {
            let settled = heads.settled >= seen.block;
            let run_out = heads.time.0 >= seen.time.0.saturating_add(longest_bid.as_secs());
            if settled && run_out {
                NonceVerdict::Adopt(nonce.max(taken.unwrap_or(0)))
            } else {
                NonceVerdict::Foreign(seen)
            }
        }
        Some(_) | None => NonceVerdict::Foreign(fresh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tx::record::testing::record;
    use alloy::primitives::B256;

    const BID: Duration = Duration::from_secs(600);

    fn heads(number: u64, settled: u64) -> Heads {
        Heads {
            number,
            hash: B256::with_last_byte(number as u8),
            time: ChainSeconds(number * 12),
            settled,
        }
    }

    #[test]
    fn a_key_that_was_never_used_by_us_is_ours_at_any_nonce() {
        assert_eq!(
            judge_nonce(&[], 99, None, None, &heads(10, 5), BID),
            NonceVerdict::Ours
        );
    }

    #[test]
    fn a_strangers_nonce_is_adopted_only_after_finality_and_the_longest_bid() {
        let list = [record(4, 1)];
        let judge = |seen, at: &Heads| judge_nonce(&list, 9, None, seen, at, BID);
        let NonceVerdict::Foreign(seen) = judge(None, &heads(100, 60)) else {
            unreachable!("nonce 9 above a list that ends at 4")
        };
        assert_eq!(seen.block, 100);
        // Final, but a bid could still bind.
        assert_eq!(judge(Some(seen), &heads(140, 100)), NonceVerdict::Foreign(seen));
        // Run out, but not final.
        assert_eq!(judge(Some(seen), &heads(160, 99)), NonceVerdict::Foreign(seen));
        assert_eq!(judge(Some(seen), &heads(160, 100)), NonceVerdict::Adopt(9));
        assert_eq!(
            judge_nonce(&list, 9, Some(9), None, &heads(161, 101), BID),
            NonceVerdict::Ours
        );
    }

    #[test]
    fn a_stranger_who_goes_on_starts_the_quarantine_anew() {
        let list = [record(4, 1)];
        let seen = ForeignSeen {
            nonce: 9,
            block: 100,
            time: ChainSeconds(1200),
        };
        let NonceVerdict::Foreign(again) = judge_nonce(&list, 10, None, Some(seen), &heads(200, 150), BID)
        else {
            unreachable!("nonce 10 above a list that ends at 4")
        };
        assert_eq!((again.nonce, again.block), (10, 200));
    }

    #[test]
    fn a_nonce_of_ours_that_was_taken_shows_the_stranger_until_it_is_adopted() {
        let mut taken = record(4, 1);
        taken.phase = Phase::Abandoned;
        let list = [taken];
        assert!(matches!(
            judge_nonce(&list, 5, None, None, &heads(100, 60), BID),
            NonceVerdict::Foreign(_)
        ));
        assert_eq!(
            judge_nonce(&list, 5, Some(5), None, &heads(100, 60), BID),
            NonceVerdict::Ours
        );
    }

    #[test]
    fn a_reorganization_that_undoes_the_stranger_makes_the_key_ours_again() {
        let seen = ForeignSeen {
            nonce: 9,
            block: 100,
            time: ChainSeconds(1200),
        };
        assert_eq!(
            judge_nonce(&[record(4, 1)], 5, None, Some(seen), &heads(101, 60), BID),
            NonceVerdict::Ours
        );
    }
}
