//! How many logs may be open at once, in all and for one wallet. A place is held by a [`Place`] and given back when that is dropped,
//! however the stream ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::Address;

/// Most logs open at once.
const MOST: usize = 512;
/// Most logs one wallet may have open.
const MOST_OF_ONE: usize = 16;

/// Who has how many logs open.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Mutex<BTreeMap<Address, usize>>>);

/// One open log's place.
#[derive(Debug)]
pub struct Place {
    streams: Streams,
    wallet: Address,
}

impl Streams {
    /// A place for one more log of this wallet, none when it or the gateway has too many.
    #[must_use]
    pub fn enter(&self, wallet: Address) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().fold(0, |sum: usize, n| sum.saturating_add(*n)) >= MOST {
            return None;
        }
        let mine = open.entry(wallet).or_default();
        if *mine >= MOST_OF_ONE {
            return None;
        }
        *mine = mine.saturating_add(1);
        Some(Place {
            streams: self.clone(),
            wallet,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.wallet) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                open.remove(&self.wallet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_has_sixteen_places_and_gets_one_back_when_a_log_ends() {
        let streams = Streams::default();
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut places: Vec<_> = (0..MOST_OF_ONE).map(|_| streams.enter(a)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(streams.enter(a).is_none());
        assert!(streams.enter(b).is_some());
        places.pop();
        assert!(streams.enter(a).is_some());
        drop(places);
        assert_eq!(streams.0.lock().map(|open| open.len()).ok(), Some(0));
    }
}
