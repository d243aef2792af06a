//! What testimonies are worth, and how many it takes.

#![allow(clippy::unwrap_used)]

use alloy::primitives::B256;
use proptest::prelude::*;

use super::*;
use crate::core::ids::{Lane, LeaseId, ProviderId};

const BY: u64 = 100;

fn key() -> LeaseKey {
    LeaseKey {
        id: LeaseId {
            provider: ProviderId(7),
            lane: Lane(0),
            generation: generation(3),
        },
        terms: TermsHash(B256::repeat_byte(0xaa)),
    }
}

fn generation(number: u32) -> Generation {
    Generation::new(number).unwrap()
}

fn asks(matter: Matter) -> Question {
    Question {
        key: key(),
        matter,
        by: BY,
    }
}

fn gone() -> Question {
    asks(Matter::Gone {
        seen: SeenOpening {
            block: 50,
            order: None,
            order_expiry: ChainSeconds(3_000),
        },
    })
}

fn at(block: u64) -> Moment {
    Moment {
        block,
        time: ChainSeconds(10 * block),
    }
}

/// The lane's newest lease by an endpoint whose final block is this.
fn says(block: u64, number: u32, stage: LaneStage) -> Testimony {
    let mut stored = key().terms.0;
    stored.0[25..].fill(0);
    Testimony {
        at: at(block),
        newest: Some(LaneLease {
            generation: generation(number),
            terms: StoredTerms(stored),
            stage,
            stop_at: ChainSeconds(900),
        }),
        order: OrderSaid::NotAsked,
        dispute: DisputeSaid::NotAsked,
    }
}

fn heard(said: &[Testimony]) -> Hearing {
    Hearing::Heard(
        said.iter()
            .enumerate()
            .map(|(index, said)| (index.to_string(), *said))
            .collect(),
    )
}

#[test]
fn where_two_are_configured_one_alone_destroys_nothing_and_both_do() {
    let question = asks(Matter::Closed);
    let closed = says(BY, 3, LaneStage::Closed);
    assert!(!heard(&[]).bears_out(&question));
    assert!(!heard(&[closed]).bears_out(&question));
    assert!(!heard(&[closed, says(BY, 3, LaneStage::Open)]).bears_out(&question));
    assert!(heard(&[closed, closed]).bears_out(&question));
    assert!(heard(&[says(BY, 3, LaneStage::Open), closed, closed]).bears_out(&question));
    assert!(Hearing::Alone.bears_out(&question));
}

#[test]
fn who_lags_says_nothing_yet_and_who_is_as_far_and_says_otherwise_contradicts_by_name() {
    let question = asks(Matter::Closed);
    assert_eq!(question.answered(&says(BY - 1, 3, LaneStage::Open)), Says::NotYet);
    assert_eq!(question.answered(&says(BY, 3, LaneStage::Open)), Says::No);
    assert_eq!(question.answered(&says(BY, 2, LaneStage::Closed)), Says::No);
    let never = Testimony {
        newest: None,
        ..says(BY, 3, LaneStage::Open)
    };
    assert_eq!(question.answered(&never), Says::No);
    let hearing = heard(&[says(BY, 3, LaneStage::Closed), says(BY, 3, LaneStage::Open)]);
    assert_eq!(hearing.denied_by(&question).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn a_lane_that_has_gone_on_is_a_closure_whatever_runs_on_it_now() {
    for stage in [LaneStage::Open, LaneStage::Closed] {
        assert_eq!(
            asks(Matter::Closed).answered(&says(1, 4, stage)),
            Says::Yes,
            "{stage:?}"
        );
        assert_eq!(gone().answered(&says(1, 4, stage)), Says::Yes, "{stage:?}");
    }
}

#[test]
fn an_open_lease_under_other_terms_may_be_the_amended_one_so_whether_ours_is_gone_stays_open() {
    let mut amended = says(BY, 3, LaneStage::Open);
    amended.newest.as_mut().unwrap().terms = StoredTerms(B256::repeat_byte(0xbb));
    assert_eq!(gone().answered(&amended), Says::NotYet);
    // Whichever it is, under that id nothing is closed.
    assert_eq!(asks(Matter::Closed).answered(&amended), Says::No);
    amended.newest.as_mut().unwrap().stage = LaneStage::Closed;
    assert_eq!(gone().answered(&amended), Says::Yes);
}

#[test]
fn a_lost_opening_is_gone_only_where_its_order_can_open_nothing_more() {
    let before = |block, order| Testimony {
        newest: None,
        order,
        ..says(block, 1, LaneStage::Open)
    };
    // The order expires at 3000 s, which is block 300 here.
    assert_eq!(gone().answered(&before(300, OrderSaid::MayOpen)), Says::NotYet);
    assert_eq!(gone().answered(&before(301, OrderSaid::MayOpen)), Says::Yes);
    assert_eq!(gone().answered(&before(60, OrderSaid::Spent)), Says::Yes);
    // Below the block that held the opening nobody can know.
    assert_eq!(gone().answered(&before(49, OrderSaid::Spent)), Says::NotYet);
    assert_eq!(gone().answered(&says(BY, 3, LaneStage::Open)), Says::No);
}

#[test]
fn statements_are_needed_until_two_say_that_the_time_to_contest_is_over_and_no_dispute_is_open() {
    let question = asks(Matter::Uncontestable { window: 100 });
    let said = |block, dispute| Testimony {
        dispute,
        ..says(block, 3, LaneStage::Closed)
    };
    // It ended at 900 s, so until 1000 s it may be contested.
    assert_eq!(question.answered(&said(100, DisputeSaid::None)), Says::NotYet);
    assert_eq!(question.answered(&said(101, DisputeSaid::None)), Says::Yes);
    for kept in [DisputeSaid::Open, DisputeSaid::NotAsked] {
        assert_eq!(question.answered(&said(101, kept)), Says::NotYet, "{kept:?}");
    }
    let mut agreed = said(1, DisputeSaid::None);
    agreed.newest.as_mut().unwrap().stop_at = ChainSeconds(0);
    assert_eq!(question.answered(&agreed), Says::Yes);
}

fn testimony() -> impl Strategy<Value = Testimony> {
    (
        0..400_u64,
        prop::option::of((0..6_u32, any::<bool>(), any::<bool>())),
    )
        .prop_map(|(block, newest)| {
            let stage = |closed| {
                if closed {
                    LaneStage::Closed
                } else {
                    LaneStage::Open
                }
            };
            let mut said = says(block, 0, LaneStage::Open);
            said.newest = newest.map(|(number, closed, ours)| LaneLease {
                terms: if ours {
                    said.newest.unwrap().terms
                } else {
                    StoredTerms(B256::ZERO)
                },
                ..says(block, number, stage(closed)).newest.unwrap()
            });
            said
        })
}

proptest! {
    #[test]
    fn while_all_but_one_know_the_lease_as_open_nothing_is_borne_out_whatever_that_one_says(
        liar in testimony(),
        others in prop::collection::vec(0..400_u64, 0..4),
        at in 0..3_usize,
    ) {
        let mut said: Vec<Testimony> = others.iter().map(|block| says(*block, 3, LaneStage::Open)).collect();
        said.insert(at.min(said.len()), liar);
        for matter in [Matter::Closed, gone().matter, Matter::Uncontestable { window: 100 }] {
            prop_assert!(!heard(&said).bears_out(&asks(matter)));
        }
    }
}
