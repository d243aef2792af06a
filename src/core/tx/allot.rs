//! Which nonce an intent gets, decided from one consistent list and a chain nonce read before it. Exists so that the next nonce
//! and "no object holds this intent" can never come from two different lists. May not reuse a nonce an object names.

use alloy::primitives::Address;

use super::{IntentId, Phase, Record};
use crate::core::ids::ChainId;

/// What the chain and the wallet's status say about the key, read before the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The key's address.
    pub address: Address,
    /// The chain it is used on.
    pub chain: ChainId,
    /// The chain's next nonce for it, at the newest block.
    pub nonce: u64,
    /// Up to which nonce a stranger's use was accepted after its quarantine ended; see [`super::judge_nonce`].
    pub adopted: Option<u64>,
}

/// How much one wallet may have going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Transactions not in a block yet. geth keeps 16 a sender for sure and drops others under load (`txpool.accountslots`).
    pub unmined: usize,
    /// Objects in all.
    pub objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unmined: 16,
            objects: 500,
        }
    }
}

/// What an intent gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allotment {
    /// An object holds it already: nothing to send.
    Held {
        /// Which.
        name: String,
        /// How far it is.
        phase: Phase,
    },
    /// Sign with this nonce and create the object.
    Next(u64),
    /// The chain has used nonces that no object names: a restored backup, or a stranger with the key.
    Foreign {
        /// The chain's next nonce.
        chain: u64,
        /// What it should be at most.
        expected: u64,
    },
    /// Too much is under way; ask again when some of it is in a block.
    Busy {
        /// How many are under way, or how many objects there are.
        count: usize,
        /// How many may be.
        cap: usize,
    },
    /// The objects were signed by another key: the wallet's Secret was exchanged under its name.
    OtherKey {
        /// An object of the other key.
        name: String,
        /// That key's address.
        signer: Address,
    },
    /// The objects are for another chain: one wallet serves one chain, since its objects are named by nonce.
    OtherChain {
        /// An object of the other chain.
        name: String,
        /// That chain.
        chain: ChainId,
    },
}

/// Finds the nonce of an intent. `list` holds every object of the wallet from one LIST without resourceVersion, and
/// `account.nonce` was read before it: an object that appears in between only makes the list longer.
///
/// A key's first use takes over the chain's nonce. A nonce that a deleted object left free below the newest one is filled
/// first, since nothing above it can be mined before it.
#[must_use]
pub fn allot(list: &[Record], account: &Account, intent: IntentId, limits: &Limits) -> Allotment {
    for record in list {
        if record.intent == intent {
            return Allotment::Held {
                name: record.name.clone(),
                phase: record.phase,
            };
        }
        if record.chain != account.chain {
            return Allotment::OtherChain {
                name: record.name.clone(),
                chain: record.chain,
            };
        }
        if record.signer != account.address {
            return Allotment::OtherKey {
                name: record.name.clone(),
                signer: record.signer,
            };
        }
    }
    let unmined = list
        .iter()
        .filter(|record| record.phase.is_unmined() && record.nonce >= account.nonce)
        .count();
    if unmined >= limits.unmined {
        return Allotment::Busy {
            count: unmined,
            cap: limits.unmined,
        };
    }
    if list.len() >= limits.objects {
        return Allotment::Busy {
            count: list.len(),
            cap: limits.objects,
        };
    }
    let Some(expected) = expected_nonce(list, account.adopted) else {
        return Allotment::Next(account.nonce);
    };
    if account.nonce > expected {
        return Allotment::Foreign {
            chain: account.nonce,
            expected,
        };
    }
    // An endpoint that lags names a nonce long used, whose objects may have been deleted when they were final. What lies below
    // a finished object or below the whole list is therefore never taken for a gap.
    let used = list
        .iter()
        .filter(|record| record.phase.is_closed())
        .map(|record| record.nonce.saturating_add(1));
    let lowest = list.iter().map(|record| record.nonce).min();
    let floor = used.chain(lowest).fold(account.nonce, u64::max);
    let gap = (floor..expected).find(|nonce| !list.iter().any(|record| record.nonce == *nonce));
    Allotment::Next(gap.unwrap_or(expected))
}

/// The highest nonce the chain may ask for if only we use the key; none before the key's first use.
pub(super) fn expected_nonce(list: &[Record], adopted: Option<u64>) -> Option<u64> {
    let above_list = list.iter().map(|record| record.nonce.saturating_add(1)).max();
    above_list.max(adopted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::core::tx::record::testing::{id, record, signer};
    use proptest::prelude::*;

    fn account(nonce: u64) -> Account {
        Account {
            address: signer(),
            chain: ChainId(1),
            nonce,
            adopted: None,
        }
    }

    fn ask(list: &[Record], account: &Account, intent: u8) -> Allotment {
        allot(list, account, id(intent), &Limits::default())
    }

    #[test]
    fn a_keys_first_use_takes_over_the_chains_nonce() {
        assert_eq!(ask(&[], &account(41), 1), Allotment::Next(41));
    }

    #[test]
    fn an_intent_that_an_object_holds_gets_no_second_nonce_whatever_became_of_it() {
        for phase in Phase::ALL {
            let mut held = record(5, 1);
            held.phase = phase;
            assert_eq!(
                ask(&[held], &account(6), 1),
                Allotment::Held {
                    name: "w-5".into(),
                    phase
                }
            );
        }
    }

    #[test]
    fn the_next_nonce_follows_the_list_even_while_the_chain_is_behind() {
        assert_eq!(
            ask(&[record(5, 1), record(6, 2)], &account(5), 3),
            Allotment::Next(7)
        );
    }

    #[test]
    fn a_chain_nonce_above_the_list_stops_the_wallet() {
        assert_eq!(
            ask(&[record(5, 1)], &account(7), 2),
            Allotment::Foreign {
                chain: 7,
                expected: 6
            }
        );
    }

    #[test]
    fn after_the_quarantine_the_adopted_nonce_is_used() {
        let adopted = Account {
            adopted: Some(7),
            ..account(7)
        };
        assert_eq!(ask(&[record(5, 1)], &adopted, 2), Allotment::Next(7));
    }

    #[test]
    fn a_nonce_left_free_by_a_deleted_object_is_filled_before_anything_above_it() {
        assert_eq!(
            ask(&[record(5, 1), record(7, 2)], &account(5), 3),
            Allotment::Next(6)
        );
        // Free nonces that the chain is past are history.
        assert_eq!(
            ask(&[record(5, 1), record(7, 2)], &account(7), 3),
            Allotment::Next(8)
        );
    }

    #[test]
    fn an_endpoint_that_lags_makes_no_used_nonce_look_free() {
        let mut done = record(7, 1);
        done.phase = Phase::Final;
        assert_eq!(ask(&[done, record(8, 2)], &account(2), 3), Allotment::Next(9));
    }

    #[test]
    fn a_wallet_with_too_much_under_way_is_busy_and_mined_ones_do_not_count() {
        let mut list: Vec<_> = (0..16).map(|nonce| record(nonce, nonce as u8)).collect();
        assert_eq!(
            ask(&list, &account(0), 200),
            Allotment::Busy { count: 16, cap: 16 }
        );
        list[0].phase = Phase::Mined;
        assert_eq!(ask(&list, &account(1), 200), Allotment::Next(16));
    }

    #[test]
    fn another_key_or_chain_under_the_same_wallet_is_refused() {
        let mut other = record(3, 1);
        other.signer = Address::repeat_byte(9);
        assert_eq!(
            ask(&[other], &account(4), 2),
            Allotment::OtherKey {
                name: "w-3".into(),
                signer: Address::repeat_byte(9)
            }
        );
        let mut other = record(3, 1);
        other.chain = ChainId(2);
        assert_eq!(
            ask(&[other], &account(4), 2),
            Allotment::OtherChain {
                name: "w-3".into(),
                chain: ChainId(2)
            }
        );
    }

    proptest! {
        #[test]
        fn a_nonce_that_an_object_names_is_never_given_again(
            nonces in prop::collection::btree_set(0u64..30, 0..16), chain in 0u64..40, adopted in prop::option::of(0u64..40),
        ) {
            let list: Vec<_> = nonces.iter().map(|nonce| record(*nonce, *nonce as u8)).collect();
            let limits = Limits { unmined: 100, objects: 100 };
            if let Allotment::Next(nonce) = allot(&list, &Account { adopted, ..account(chain) }, id(200), &limits) {
                prop_assert!(!nonces.contains(&nonce));
                prop_assert!(nonce >= chain, "the chain would refuse it for ever");
            }
        }
    }
}
