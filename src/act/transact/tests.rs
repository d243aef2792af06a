//! Submitting and passing, from intent to finality, against an API server and a chain in memory that die at any call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use alloy::primitives::{B256, Bytes, U256};
use serde_json::json;

use super::{
    testing::{Death, SIGNER, World, intent, wallet_name},
    *,
};
use crate::core::tx::{Heads, IntentKind, KeyUse};

fn phases(world: &World) -> Vec<Phase> {
    world
        .transactions()
        .iter()
        .map(|object| record_of(object).unwrap().phase)
        .collect()
}

async fn run_to_the_end(world: &World, context: &TransactContext) {
    for _ in 0..4 {
        world.pass(context).await;
        world.mine();
        world.settle_all();
    }
    world.pass(context).await;
}

#[tokio::test]
async fn an_intent_goes_from_a_wish_to_finality_with_two_status_writes() {
    let world = World::new();
    let context = world.context().await;
    let wish = intent(IntentKind::Start, 1);
    let submitted = context.submit(&wallet_name(), &wish).await.unwrap();
    assert_eq!(
        submitted.name, "duty-3",
        "the key's first use takes over the chain's nonce"
    );
    assert!(matches!(
        submitted.state,
        SubmittedState::Sent {
            result: Broadcast::Sent,
            ..
        }
    ));
    assert_eq!(world.things().status_writes, 0);
    let report = world.pass(&context).await;
    assert_eq!((report.open, report.published, report.written), (1, 0, 0));
    world.mine();
    world.pass(&context).await;
    assert_eq!(phases(&world), [Phase::Mined]);
    world.mine();
    world.settle_all();
    world.pass(&context).await;
    assert_eq!(phases(&world), [Phase::Final]);
    let report = world.pass(&context).await;
    assert_eq!((report.open, report.written), (0, 0));
    assert_eq!(world.things().status_writes, 2);
    // Wanting it again is the same want.
    let again = context.submit(&wallet_name(), &wish).await.unwrap();
    assert_eq!(again.state, SubmittedState::Held(Phase::Final));
    assert_eq!(world.things().creates, 1);
}

#[tokio::test]
async fn killed_at_any_call_a_submission_leaves_one_object_and_one_effect_or_none() {
    let mut deaths = 0;
    for at in 0..16 {
        for death in [Death::Before(at), Death::After(at)] {
            let world = World::new();
            let first = world.context().await;
            let wish = intent(IntentKind::Report, 1);
            world.die(death);
            let wallet = wallet_name();
            let ended = tokio::select! {
                done = first.submit(&wallet, &wish) => { done.unwrap(); true }
                () = world.died.notified() => false,
            };
            drop(first);
            world.die(Death::Never);
            deaths += usize::from(!ended);
            let objects = world.transactions().len();
            assert!(
                world.things().mempool.len() <= objects,
                "bytes are out that no object holds"
            );
            // Another process goes on: the controller first, then whoever wanted it wants it again.
            let second = world.context().await;
            world.pass(&second).await;
            second.submit(&wallet_name(), &wish).await.unwrap();
            run_to_the_end(&world, &second).await;
            assert_eq!(world.things().creates, 1, "{death:?}");
            assert_eq!(world.things().effects(), [Bytes::from(vec![1])], "{death:?}");
            assert_eq!(phases(&world), [Phase::Final], "{death:?}");
        }
    }
    assert!(deaths >= 20, "only {deaths} deaths: the calls were not reached");
}

#[tokio::test]
async fn killed_at_any_call_a_pass_that_raises_a_fee_leaves_one_effect() {
    let mut deaths = 0;
    for at in 0..9 {
        for death in [Death::Before(at), Death::After(at)] {
            let world = World::new();
            let context = world.context().await;
            let wish = intent(IntentKind::Report, 1);
            context.submit(&wallet_name(), &wish).await.unwrap();
            world.pass(&context).await;
            // The mempools forget it, blocks go by: time to raise.
            world.things().mempool.clear();
            world.mine();
            world.things().clock += 40;
            world.die(death);
            tokio::select! {
                report = world.pass(&context) => { assert_eq!(report.troubles, [] as [String; 0]); }
                () = world.died.notified() => deaths += 1,
            }
            drop(context);
            world.die(Death::Never);
            let second = world.context().await;
            run_to_the_end(&world, &second).await;
            assert_eq!(world.things().effects(), [Bytes::from(vec![1])], "{death:?}");
            assert_eq!(phases(&world), [Phase::Final], "{death:?}");
        }
    }
    assert!(deaths >= 10, "only {deaths} deaths: the calls were not reached");
}

#[tokio::test]
async fn a_raised_version_is_in_the_status_before_it_is_on_the_wire() {
    let world = World::new();
    let context = world.context().await;
    context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap();
    world.pass(&context).await;
    world.things().mempool.clear();
    world.mine();
    world.things().clock += 40;
    world.pass(&context).await;
    let record = record_of(&world.transactions()[0]).unwrap();
    assert_eq!((record.phase, record.replacements.len()), (Phase::Pending, 1));
    assert!(world.things().mempool.contains_key(&record.newest().hash));
    assert!(record.newest().fees.max_fee * 10 >= record.first.fees.max_fee * 11);
}

#[tokio::test]
async fn two_leaders_at_once_give_no_nonce_twice_and_do_nothing_twice() {
    let world = World::new();
    let (one, two) = (world.context().await, world.context().await);
    let wallet = wallet_name();
    let wishes: Vec<_> = (1..=5).map(|number| intent(IntentKind::Report, number)).collect();
    let each = wishes
        .iter()
        .flat_map(|wish| [one.submit(&wallet, wish), two.submit(&wallet, wish)]);
    for outcome in futures::future::join_all(each).await {
        outcome.unwrap();
    }
    assert_eq!(world.things().creates, 5);
    futures::join!(run_to_the_end(&world, &one), run_to_the_end(&world, &two));
    let effects: BTreeSet<_> = world.things().effects().into_iter().collect();
    assert_eq!((effects.len(), world.executed().len()), (5, 5));
    assert_eq!(phases(&world), [Phase::Final; 5]);
}

#[tokio::test]
async fn a_transaction_whose_block_is_reorganized_away_is_sent_again_in_the_same_bytes() {
    let world = World::new();
    let context = world.context().await;
    context
        .submit(&wallet_name(), &intent(IntentKind::Settle, 1))
        .await
        .unwrap();
    world.mine();
    world.pass(&context).await;
    assert_eq!(phases(&world), [Phase::Mined]);
    let before = world.executed();
    world.reorganize(1);
    world.mine();
    world.pass(&context).await;
    assert_eq!(phases(&world), [Phase::Pending]);
    run_to_the_end(&world, &context).await;
    assert_eq!(world.executed(), before);
    assert_eq!(phases(&world), [Phase::Final]);
}

#[tokio::test]
async fn a_call_that_would_revert_takes_no_nonce_and_says_why() {
    let world = World::new();
    let context = world.context().await;
    world.things().revert = Some(
        json!({ "code": 3, "message": "execution reverted", "data": "0x08c379a0\
            0000000000000000000000000000000000000000000000000000000000000020\
            0000000000000000000000000000000000000000000000000000000000000004\
            6c61746500000000000000000000000000000000000000000000000000000000" }),
    );
    let error = context
        .submit(&wallet_name(), &intent(IntentKind::Start, 1))
        .await
        .unwrap_err();
    assert_eq!(error.class(), SubmitClass::Reverted);
    assert!(error.to_string().contains("late"), "{error}");
    assert_eq!(world.things().creates, 0);
}

#[tokio::test]
async fn a_bid_stops_at_the_budget_and_a_report_does_not() {
    let world = World::new();
    world.put_wallet("0.0001", &[]);
    let context = world.context().await;
    let error = context
        .submit(&wallet_name(), &intent(IntentKind::PostBid, 1))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "GasBudgetExhausted");
    assert!(
        context
            .submit(&wallet_name(), &intent(IntentKind::Report, 2))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn only_listed_namespaces_spend_from_a_wallet_or_sign_with_it() {
    let world = World::new();
    let context = world.context().await;
    let mut wish = intent(IntentKind::Report, 1);
    wish.subject.namespace = "strangers".into();
    let error = context.submit(&wallet_name(), &wish).await.unwrap_err();
    assert_eq!(error.reason(), "NotAllowed");
    assert!(context.signer(&wallet_name(), "strangers").await.is_err());
    assert_eq!(
        context.signer(&wallet_name(), "tenants").await.unwrap().address(),
        SIGNER
    );
}

#[tokio::test]
async fn a_missing_key_is_named_by_secret_and_entry() {
    let world = World::new();
    let context = world.context().await;
    world.put_secret("other", "irrelevant");
    let error = context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("market/key") && text.contains("privateKey") && text.contains("\"other\""),
        "{text}"
    );
    assert!(!text.contains("irrelevant"));
    world.remove("/api/v1/namespaces/market/secrets/key");
    let report = context
        .look_at_wallet(&world.wallet(), &[], &[], None)
        .await
        .unwrap();
    assert_eq!((report.ready, report.written), (Readiness::NotReady, Write::Done));
    let status = world.wallet().status.unwrap();
    let ready = condition::get(&status.conditions, condition::READY).unwrap();
    assert_eq!(ready.reason, condition::reason::KEY_UNREADABLE);
}

#[tokio::test]
async fn an_empty_wallet_sends_nothing_and_is_told_the_address() {
    let world = World::new();
    let context = world.context().await;
    world.things().balance = U256::from(1);
    let error = context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&SIGNER.to_string()), "{error}");
    assert_eq!(world.things().creates, 0);
    context
        .look_at_wallet(&world.wallet(), &[], &[], Some(world.heads()))
        .await
        .unwrap();
    let status = world.wallet().status.unwrap();
    assert!(!condition::is_true(&status.conditions, condition::FUNDED));
    assert!(condition::is_true(&status.conditions, condition::READY));
    // Looking again says nothing new and writes nothing, also when the balance moves a little.
    world.things().balance = U256::from(2);
    let report = context
        .look_at_wallet(&world.wallet(), &[], &[], Some(world.heads()))
        .await
        .unwrap();
    assert_eq!(report.written, Write::Unneeded);
}

#[tokio::test]
async fn coin_that_runs_out_later_becomes_a_condition_and_the_transaction_goes_when_it_comes() {
    let world = World::new();
    let context = world.context().await;
    world.things().refuse = Some((-32000, "insufficient funds for gas * price + value"));
    context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap();
    for _ in 0..6 {
        world.things().clock += 10;
        world.pass(&context).await;
    }
    let stalled = |world: &World| {
        let status = world.transactions()[0].status.clone().unwrap();
        condition::is_true(&status.conditions, condition::STALLED)
    };
    assert!(stalled(&world));
    assert_eq!(world.things().status_writes, 1);
    world.things().refuse = None;
    world.things().clock += 40;
    world.pass(&context).await;
    world.pass(&context).await;
    assert!(!stalled(&world));
    run_to_the_end(&world, &context).await;
    assert_eq!(phases(&world), [Phase::Final]);
}

#[tokio::test]
async fn a_second_user_of_the_key_stops_sending_and_signing_until_its_quarantine_ends() {
    let world = World::new();
    let context = world.context().await;
    context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap();
    run_to_the_end(&world, &context).await;
    // The stranger sends two.
    world.things().first_nonce += 2;
    world.mine();
    let error = context
        .submit(&wallet_name(), &intent(IntentKind::Report, 2))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "NonceForeign");
    let look = async || {
        let list = world.transactions();
        context
            .look_at_wallet(&world.wallet(), &[], &list, Some(world.heads()))
            .await
            .unwrap()
            .ready
    };
    assert_eq!(look().await, Readiness::NotReady);
    assert!(context.signer(&wallet_name(), "market").await.is_err());
    world.mine();
    world.settle_all();
    assert_eq!(look().await, Readiness::NotReady, "a bid may still bind");
    world.things().clock += 600;
    world.mine();
    assert_eq!(look().await, Readiness::Ready);
    let next = context
        .submit(&wallet_name(), &intent(IntentKind::Report, 2))
        .await
        .unwrap();
    assert_eq!(next.name, "duty-6");
    run_to_the_end(&world, &context).await;
    assert_eq!(phases(&world), [Phase::Final; 2]);
}

#[tokio::test]
async fn a_stale_cache_writes_nothing_and_sends_nothing_that_is_not_written() {
    let world = World::new();
    let context = world.context().await;
    context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap();
    let stale = world.transactions();
    world.mine();
    world.pass(&context).await;
    assert_eq!(phases(&world), [Phase::Mined]);
    let writes = world.things().status_writes;
    let heads = world.heads();
    for other in [&context, &world.context().await] {
        let nonce = other.nonce_at(&stale, &heads).await;
        let report = other
            .pass(&wallet_name(), &stale, Some(heads), nonce, KeyUse::Ours)
            .await;
        assert_eq!((report.written, report.troubles.len()), (0, 0));
    }
    assert_eq!(world.things().status_writes, writes);
}

#[tokio::test]
async fn old_transactions_are_deleted_but_never_the_newest() {
    let world = World::new();
    let context = world.context().await;
    for number in 1..=3 {
        context
            .submit(&wallet_name(), &intent(IntentKind::Report, number))
            .await
            .unwrap();
    }
    run_to_the_end(&world, &context).await;
    world.things().clock += 86_400;
    let report = world.pass(&context).await;
    assert_eq!(report.deleted, 2);
    assert_eq!(world.transactions()[0].metadata.name.as_deref(), Some("duty-5"));
}

#[tokio::test]
async fn while_the_chain_is_unknown_nothing_is_marked() {
    let world = World::new();
    let context = world.context().await;
    context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await
        .unwrap();
    world.mine();
    let objects = world.transactions();
    let report = context
        .pass(&wallet_name(), &objects, None, None, KeyUse::Ours)
        .await;
    assert_eq!((report.open, report.written, report.published), (1, 0, 0));
    let ahead = Heads {
        hash: B256::repeat_byte(9),
        ..world.heads()
    };
    let report = context
        .pass(&wallet_name(), &objects, Some(ahead), None, KeyUse::Ours)
        .await;
    assert_eq!(report.written, 0);
}

#[tokio::test]
async fn a_wallet_that_names_anothers_key_sends_and_signs_nothing_and_says_whose_it_is() {
    let world = World::new();
    let context = world.context().await;
    let mut first = world.wallet();
    first.metadata.name = Some("bids".into());
    first.metadata.creation_timestamp = Some(super::convert::time(crate::core::time::UnixMillis(0)));
    first.status = Some(crate::api::wallet::ComputeWalletStatus {
        address: Some(SIGNER.to_string()),
        ..Default::default()
    });
    let others = [Arc::new(first)];
    let report = context
        .look_at_wallet(&world.wallet(), &others, &[], Some(world.heads()))
        .await
        .unwrap();
    assert_eq!(report.ready, Readiness::NotReady);
    let status = world.wallet().status.unwrap();
    let ready = condition::get(&status.conditions, condition::READY).unwrap();
    assert_eq!(ready.reason, condition::reason::KEY_SHARED);
    assert!(ready.message.contains("market/bids"), "{}", ready.message);
    let refused = context
        .submit(&wallet_name(), &intent(IntentKind::Report, 1))
        .await;
    assert_eq!(refused.unwrap_err().reason(), "KeyShared");
    assert!(context.signer(&wallet_name(), "market").await.is_err());
    // The other one goes, and this one is free.
    context
        .look_at_wallet(&world.wallet(), &[], &[], Some(world.heads()))
        .await
        .unwrap();
    assert!(
        context
            .submit(&wallet_name(), &intent(IntentKind::Report, 1))
            .await
            .is_ok()
    );
}
