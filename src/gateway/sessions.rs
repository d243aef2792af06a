//! Which sessions this replica has served before, so that each is counted once. Bounded; knows keys and ends, nothing a caller could use.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy::primitives::B256;

/// Most sessions remembered; what does not fit is not counted, and served all the same.
const MOST: usize = 16_384;

/// Sessions by their key, with the second they end at.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<BTreeMap<B256, u64>>);

/// Whether a session was served before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Never, and it is remembered from now on.
    New,
    /// It was, or there is no room to remember it.
    Known,
}

impl Sessions {
    /// Remembers a session until it ends.
    pub fn meet(&self, key: B256, not_after: u64, now: u64) -> Met {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&key) {
            return Met::Known;
        }
        if known.len() >= MOST {
            known.retain(|_, end| *end >= now);
        }
        if known.len() >= MOST {
            return Met::Known;
        }
        known.insert(key, not_after);
        Met::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> B256 {
        B256::left_padding_from(&number.to_be_bytes())
    }

    #[test]
    fn a_session_is_new_once() {
        let sessions = Sessions::default();
        assert_eq!(sessions.meet(key(1), 100, 0), Met::New);
        assert_eq!(sessions.meet(key(1), 100, 1), Met::Known);
        assert_eq!(sessions.meet(key(2), 100, 1), Met::New);
    }

    #[test]
    fn a_flood_of_sessions_costs_no_memory_and_room_comes_back_with_their_ends() {
        let sessions = Sessions::default();
        for number in 0..MOST {
            assert_eq!(sessions.meet(key(number), 100, 0), Met::New);
        }
        assert_eq!(sessions.meet(key(MOST), 200, 50), Met::Known);
        assert_eq!(sessions.meet(key(MOST), 200, 101), Met::New);
    }
}
