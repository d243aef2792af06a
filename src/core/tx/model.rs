//! The rules of this folder against a small world: an API server, a chain that reorganizes, mempools that forget, two leaders
//! that crash between any two actions. Safety is asserted after each step, liveness once the world is kind again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod leader;
mod world;

use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::keccak256;
use proptest::prelude::*;

use self::{
    leader::{Leader, Sight, Submitting},
    world::{Signed, World},
};
use super::{record::testing, *};

const INTENTS: u8 = 6;
const FIRST_NONCE: u64 = 3;

fn intent(number: u8) -> IntentId {
    testing::id(number + 1)
}

/// One random step: leader, act, and a number that the act reads as it likes.
fn step(world: &mut World, leaders: &mut [Leader; 2], (who, act, number): (bool, u8, u8)) {
    let leader = &mut leaders[usize::from(who)];
    let nonce = FIRST_NONCE + u64::from(number % (INTENTS + 1));
    match act {
        0..=7 => leader.submit(world, intent(number % INTENTS)),
        8..=13 => leader.reconcile(world, nonce, Sight::Clear, usize::MAX),
        14 => leader.reconcile(world, nonce, Sight::Clear, 1),
        15 => leader.reconcile(world, nonce, Sight::Blind, usize::MAX),
        16..=18 => world.mine(),
        19 => world.reorganize(usize::from(number % 4) + 1, number),
        20 => {
            // Mempools forget.
            let forgotten = world
                .mempool
                .iter()
                .nth(usize::from(number) % world.mempool.len().max(1))
                .copied();
            forgotten.map(|hash| world.mempool.remove(&hash));
        }
        21 => world.settled = (world.settled + usize::from(number % 4)).min(world.blocks.len() - 1),
        22 => leader.crash(),
        _ => world.clock += u64::from(number),
    }
}

/// The world is kind for a while: blocks come, finality follows, both leaders work.
fn be_kind(world: &mut World, leaders: &mut [Leader; 2]) {
    for _ in 0..60 {
        for leader in leaders.iter_mut() {
            for number in 0..INTENTS {
                leader.submit(world, intent(number));
                while !matches!(leader.submitting, Submitting::Idle) {
                    leader.submit(world, intent(number));
                }
            }
            for nonce in world.objects.keys().copied().collect::<Vec<_>>() {
                leader.reconcile(world, nonce, Sight::Clear, usize::MAX);
            }
        }
        world.mine();
        world.clock += 20;
        world.settled = world.blocks.len() - 1 - usize::from(world.blocks.len() > 2);
        world.assert_safe();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn whatever_crashes_or_reorganizes_no_intent_takes_effect_twice_and_all_do_in_the_end(
        steps in prop::collection::vec((any::<bool>(), 0u8..24, any::<u8>()), 0..250),
    ) {
        let mut world = World::new();
        let mut leaders = [Leader::default(), Leader::default()];
        for each in steps {
            step(&mut world, &mut leaders, each);
            world.assert_safe();
        }
        be_kind(&mut world, &mut leaders);
        let done: BTreeSet<_> = world.executed().into_iter().flatten().collect();
        prop_assert_eq!(done.len(), usize::from(INTENTS));
        for object in world.objects.values() {
            prop_assert_eq!(object.record.phase, Phase::Final);
        }
    }

    #[test]
    fn doing_what_is_planned_leaves_nothing_to_plan(
        steps in prop::collection::vec((any::<bool>(), 0u8..24, any::<u8>()), 0..120), who: bool,
    ) {
        let mut world = World::new();
        let mut leaders = [Leader::default(), Leader::default()];
        for each in steps {
            step(&mut world, &mut leaders, each);
        }
        let leader = &mut leaders[usize::from(who)];
        for nonce in world.objects.keys().copied().collect::<Vec<_>>() {
            // Twice, since a pass that takes a mined transaction back leads to a pass that looks at it anew.
            leader.reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            leader.reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            let before = (world.objects[&nonce].record.clone(), leader.memory[&nonce].clone(), world.mempool.clone());
            leader.reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            let after = (world.objects[&nonce].record.clone(), leader.memory[&nonce].clone(), world.mempool.clone());
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn a_strangers_transaction_is_noticed_and_the_nonce_it_took_is_given_up_for_good(own in 1u8..5, at in 0u64..5) {
        let mut world = World::new();
        let mut leaders = [Leader::default(), Leader::default()];
        let taken = FIRST_NONCE + at % u64::from(own);
        let hash = keccak256([at as u8]);
        world.signed.insert(hash, Signed { nonce: taken, intent: None, max_fee: u128::MAX / 100 });
        for number in 0..own {
            for _ in 0..4 {
                leaders[0].submit(&mut world, intent(number));
            }
        }
        world.mempool.retain(|other| world.signed[other].nonce != taken);
        world.mempool.insert(hash);
        for _ in 0..6 {
            world.mine();
            for nonce in world.objects.keys().copied().collect::<Vec<_>>() {
                leaders[1].reconcile(&mut world, nonce, Sight::Clear, usize::MAX);
            }
            world.settled = world.blocks.len() - 1;
            world.assert_safe();
        }
        for (nonce, object) in &world.objects {
            let expected = if *nonce == taken { Phase::Abandoned } else { Phase::Final };
            prop_assert_eq!(object.record.phase, expected);
        }
        let heads = world.heads();
        let verdict = judge_nonce(&world.list(), world.nonce(), None, None, &heads, Duration::from_secs(600));
        prop_assert!(matches!(verdict, NonceVerdict::Foreign(_)));
    }
}
