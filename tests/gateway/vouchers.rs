//! A tenant signs for usage, and its gateway keeps the highest of what it signed.

use alloy::{
    primitives::{Address, B256, Bytes},
    signers::{SignerSync, local::PrivateKeySigner},
};
use leaseport::{
    core::{
        documents::{
            acts::Voucher,
            signing::{digest, domain},
            voucher::SignedVoucher,
        },
        ids::{ChainId, LeaseKey, TermsHash},
    },
    gateway::directory::Standing,
};

use crate::{
    BOOK, World, id, is,
    leases::{SIGNED, lease_of},
    refused, stranger, tenant,
};

const TERMS: TermsHash = TermsHash(B256::repeat_byte(5));

fn signed(terms: TermsHash, cum: u32, wallet: &PrivateKeySigner) -> SignedVoucher {
    let lease = LeaseKey {
        id: id("7-0-1"),
        terms,
    };
    let hash = digest(&Voucher::of(&lease, cum), &domain(ChainId(31337), BOOK));
    SignedVoucher {
        terms_hash: terms,
        cum,
        signature: Bytes::from(wallet.sign_hash_sync(&hash).unwrap().as_bytes()),
    }
}

#[tokio::test]
async fn a_voucher_only_grows_and_a_lower_one_is_answered_with_the_kept() {
    let world = World::start().await;
    let client = world.tenant().await;
    let mut kept = Vec::new();
    for cum in [100, 50, 100, 200] {
        let voucher = signed(TERMS, cum, &tenant());
        kept.push(client.put_voucher(id("7-0-1"), &voucher).await.unwrap().cum);
    }
    assert_eq!(kept, [100, 100, 100, 200]);
    assert_eq!(world.memory.vouched(id("7-0-1")), Some((200, tenant().address())));
}

#[tokio::test]
async fn what_does_not_bind_the_tenant_is_refused_and_nothing_is_kept() {
    let world = World::start().await;
    let client = world.tenant().await;
    let put = |voucher: SignedVoucher| {
        let client = &client;
        async move { refused(client.put_voucher(id("7-0-1"), &voucher).await) }
    };
    let theirs = signed(TERMS, 100, &stranger());
    assert_eq!(put(theirs).await, is(403, "WrongVoucherSigner"));
    let other = signed(TermsHash(B256::ZERO), 100, &tenant());
    assert_eq!(put(other).await, is(409, "OtherTerms"));
    let greedy = signed(TERMS, SIGNED + 1, &tenant());
    assert_eq!(put(greedy).await, is(422, "MoreThanSigned"));
    let nothing = signed(TERMS, 0, &tenant());
    assert_eq!(put(nothing).await, is(422, "EmptyVoucher"));
    let contract = SignedVoucher {
        signature: vec![1; 85].into(),
        ..signed(TERMS, 100, &tenant())
    };
    assert_eq!(put(contract).await, is(422, "BadVoucherSignature"));
    assert_eq!(world.memory.vouched(id("7-0-1")), None);
}

#[tokio::test]
async fn the_agent_vouches_as_the_tenant_does() {
    let world = World::start().await;
    world.memory.change(id("7-0-1"), |lease| {
        lease.facts.tenant = Address::repeat_byte(3);
        lease.facts.agent = tenant().address();
    });
    let voucher = signed(TERMS, 100, &tenant());
    let kept = world.tenant().await.put_voucher(id("7-0-1"), &voucher).await;
    assert_eq!(kept.unwrap().cum, 100);
}

#[tokio::test]
async fn a_stopped_lease_takes_vouchers_and_a_closed_one_does_not() {
    let world = World::start().await;
    let client = world.tenant().await;
    let stand = |standing| {
        world
            .memory
            .change(id("7-0-1"), |lease| lease.standing = standing)
    };
    stand(Standing::Stopped);
    let voucher = signed(TERMS, 100, &tenant());
    assert_eq!(client.put_voucher(id("7-0-1"), &voucher).await.unwrap().cum, 100);
    stand(Standing::Closed);
    let more = signed(TERMS, 200, &tenant());
    assert_eq!(
        refused(client.put_voucher(id("7-0-1"), &more).await),
        is(410, "LeaseEnded")
    );
}

#[tokio::test]
async fn after_an_amendment_vouchers_name_the_terms_in_force() {
    let world = World::start().await;
    let amended = TermsHash(B256::repeat_byte(6));
    world
        .memory
        .change(id("7-0-1"), |lease| lease.in_force.terms = amended);
    let client = world.tenant().await;
    let old = signed(TERMS, 100, &tenant());
    assert_eq!(
        refused(client.put_voucher(id("7-0-1"), &old).await),
        is(409, "OtherTerms")
    );
    let new = signed(amended, 100, &tenant());
    assert_eq!(
        client.put_voucher(id("7-0-1"), &new).await.unwrap().terms_hash,
        amended
    );
}

#[tokio::test]
async fn nobody_vouches_for_another_tenants_lease_or_without_the_scope() {
    let world = World::start().await;
    world.memory.add(lease_of(stranger().address(), id("7-3-1")));
    let voucher = signed(TERMS, 100, &tenant());
    let all = world
        .client(&tenant(), None, &leaseport::core::documents::session::Scope::ALL)
        .await;
    assert_eq!(
        refused(all.put_voucher(id("7-3-1"), &voucher).await),
        is(403, "WrongSigner")
    );
    let reader = world
        .client(
            &tenant(),
            None,
            &[leaseport::core::documents::session::Scope::Usage],
        )
        .await;
    assert_eq!(refused(reader.put_voucher(id("7-0-1"), &voucher).await).0, 403);
}
