//! Who holds which role of the AccessManager now, by its events and its own word. Says nothing of who should.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{primitives::Address, providers::Provider, rpc::types::Filter, sol_types::SolEvent};

use super::answers::said;
use crate::chain_io::{
    deploy::founding::{ADMIN, ARBITER, GUARDIAN, LISTER},
    endpoint::Endpoints,
    errors::RpcFailure,
    governance::AccessManager,
};

/// Blocks asked for at once when events are looked up; what common endpoints allow.
const LOG_SPAN: u64 = 10_000;

/// Who holds each role: all that ever got one, if they still have it. The manager keeps no list.
pub(super) async fn roles(
    endpoints: &Endpoints,
    access: Address,
    from_block: u64,
) -> Result<BTreeMap<&'static str, Vec<Address>>, RpcFailure> {
    let latest = endpoints
        .ask("eth_blockNumber", |provider| async move {
            provider.get_block_number().await
        })
        .await?;
    let mut granted: BTreeSet<(u64, Address)> = BTreeSet::new();
    let mut first = from_block;
    while first <= latest {
        let last = first.saturating_add(LOG_SPAN - 1).min(latest);
        let filter = Filter::new()
            .address(access)
            .event_signature(AccessManager::RoleGranted::SIGNATURE_HASH)
            .from_block(first)
            .to_block(last);
        let logs = endpoints
            .ask("eth_getLogs", |provider| {
                let filter = filter.clone();
                async move { provider.get_logs(&filter).await }
            })
            .await?;
        for log in logs {
            if let Ok(event) = AccessManager::RoleGranted::decode_log(&log.inner) {
                granted.insert((event.roleId, event.account));
            }
        }
        first = last.saturating_add(1);
    }
    let mut roles = BTreeMap::new();
    for (name, role) in [
        ("ADMIN", ADMIN),
        ("GUARDIAN", GUARDIAN),
        ("LISTER", LISTER),
        ("ARBITER", ARBITER),
    ] {
        let mut holders = Vec::new();
        for (_, account) in granted.iter().filter(|(held, _)| *held == role) {
            let account = *account;
            let held = said(endpoints, |provider| async move {
                AccessManager::new(access, provider)
                    .hasRole(role, account)
                    .call()
                    .await
            })
            .await?;
            if held.is_some_and(|held| held.isMember) {
                holders.push(account);
            }
        }
        roles.insert(name, holders);
    }
    Ok(roles)
}

pub(super) fn list(accounts: &[Address]) -> String {
    let all: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    all.join(" ")
}
