//! `leaseport lease usage`: the bill so far, from what the provider signed and not from what it says: each statement's leaf must lead to the root of
//! its report, each receipt must be signed by a report key of the provider, and no count may exceed the time that passed. The check is pure.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256},
    sol_types::Eip712Domain,
};
use clap::Args;
use serde::Serialize;

use super::super::{
    manifest::{gateway_url, session},
    output::{answer, pairs, relative, table},
    tenant::{Following, Market, TenantArgs, TenantError, chain_now, find_lease, unix_now},
};
use crate::{
    core::{
        book::{KeyRoles, LeaseState, Metered, ProviderState},
        documents::{
            session::Scope,
            statement::{Statement, check},
        },
        ids::LeaseId,
        money::MicroUnits,
        time::ChainSeconds,
        view::ChainView,
    },
    outbound::GatewayClient,
};

/// Check and print a lease's bill.
#[derive(Debug, Clone, Args)]
pub struct UsageArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// One statement that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Unix seconds.
    pub from: u64,
    /// Unix seconds.
    pub to: u64,
    /// Billable seconds more than in the statement before.
    pub seconds: u32,
    /// Billable seconds since the start.
    pub cum: u32,
    /// What they cost more.
    pub amount: MicroUnits,
    /// On which devices.
    pub devices: Vec<String>,
    /// Root of the report.
    pub root: B256,
    /// Whose key signed it.
    pub signer: Address,
}

/// The bill as signed, beside what the chain has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedUsage {
    /// Which lease.
    pub lease_id: LeaseId,
    /// In which token.
    pub currency: String,
    /// Price of an hour.
    pub rate_per_hour: MicroUnits,
    /// Every statement that is still kept, oldest first; each one holds.
    pub statements: Vec<Line>,
    /// Billable seconds that the provider signed.
    pub signed_seconds: u32,
    /// What they come to.
    pub signed_amount: MicroUnits,
    /// Billable seconds that count on chain.
    pub chain_seconds: u32,
    /// Of them, paid.
    pub paid: MicroUnits,
    /// Whether the chain counts no more than was signed.
    pub covered: bool,
}

/// Checks statements against the chain's view of the lease.
///
/// # Errors
/// What does not hold, in words.
pub fn checked(
    metered: Metered<'_>,
    provider: Option<&ProviderState>,
    domain: &Eip712Domain,
    now: ChainSeconds,
    currency: String,
    mut statements: Vec<Statement>,
) -> Result<SignedUsage, String> {
    let lease: &LeaseState = metered.lease;
    let signed_as = lease.signed_as();
    // Statements of terms that an amendment ended say nothing of the count that began with it.
    statements.retain(|statement| statement.terms.unwrap_or(lease.key.terms) == signed_as.terms);
    let signers = check(
        &signed_as,
        domain,
        lease.start_at.0,
        lease.waivers,
        &mut statements,
    )
    .map_err(|error| error.to_string())?;
    let mut lines = Vec::with_capacity(statements.len());
    let mut before = 0;
    for (statement, signer) in statements.into_iter().zip(signers) {
        // The role may have been taken away since: what was signed while it was there is not lost by that, and cannot be told from here.
        if !provider.is_some_and(|provider| provider.key_may(signer, KeyRoles::REPORT, now)) {
            return Err(format!(
                "the receipt up to {} is signed by {signer}, which may not report for provider {}",
                statement.to, lease.key.id.provider.0
            ));
        }
        lines.push(Line {
            from: statement.from,
            to: statement.to,
            seconds: statement.cum.saturating_sub(before),
            cum: statement.cum,
            amount: lease
                .rate
                .owed_down(statement.cum)
                .saturating_sub(lease.rate.owed_down(before)),
            devices: statement.devices,
            root: statement.root,
            signer,
        });
        before = statement.cum;
    }
    let chain_seconds = metered.cum(now);
    Ok(SignedUsage {
        lease_id: lease.key.id,
        currency,
        rate_per_hour: MicroUnits(lease.rate.get()),
        statements: lines,
        signed_seconds: before,
        signed_amount: lease.rate.owed_down(before),
        chain_seconds,
        paid: lease.paid,
        covered: chain_seconds <= before,
    })
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`]; a statement that does not hold is a refusal with its reason.
pub(super) async fn run(args: &UsageArgs) -> Result<(), TenantError> {
    let key = args.tenant.key()?;
    let market = args.tenant.market().await?;
    let mut following = market.follow();
    let view = following.view().await?;
    let lease = find_lease(&view.head.book, args.lease)?;
    let url = gateway_url(&view.head.book, lease)?;
    let client = session(&market, &url, lease, &key, &[Scope::Usage]).await?;
    let (_, usage) = signed_usage(&market, &mut following, &client, args.lease).await?;
    answer(args.tenant.output, &usage, told)
}

/// What a provider signed for a lease, checked against the chain, with the view it was checked against.
///
/// # Errors
/// The gateway or the chain does not answer, or a statement does not hold.
pub(super) async fn signed_usage(
    market: &Market,
    following: &mut Following,
    client: &GatewayClient,
    id: LeaseId,
) -> Result<(Arc<ChainView>, SignedUsage), TenantError> {
    let said = client.usage(id).await?;
    let pages = said
        .pointer("/usage/evidence")
        .and_then(serde_json::Value::as_array);
    let mut statements = Vec::new();
    for page in pages.into_iter().flatten().filter_map(serde_json::Value::as_str) {
        statements.extend(client.statements(id, page).await?);
    }
    // What was signed before a report is on chain before long: look at the chain after the statements.
    let view = following.view().await?;
    let book = &view.head.book;
    let lease = find_lease(book, id)?;
    let metered = Metered {
        lease,
        lane_seconds: book.lane_seconds(id.provider, id.lane),
    };
    let usage = checked(
        metered,
        book.provider(id.provider).map(AsRef::as_ref),
        &market.domain(),
        chain_now(&view),
        market.currency(lease.terms.token),
        statements,
    )
    .map_err(|why| {
        TenantError::Refused(format!(
            "{why}: keep this answer, do not sign a close, and stop the lease with leaseport close --stop"
        ))
    })?;
    Ok((view, usage))
}

fn told(usage: &SignedUsage) -> String {
    let now = unix_now();
    let money = |amount: MicroUnits| format!("{amount} {}", usage.currency);
    let lines = usage.statements.iter().map(|line| {
        vec![
            relative(line.to, now),
            format!("{} s", line.seconds),
            format!("{} s", line.cum),
            line.amount.to_string(),
            line.devices.len().to_string(),
            line.root.to_string().chars().take(12).collect(),
        ]
    });
    let mut text = table(
        &["UP TO", "SECONDS", "IN ALL", "AMOUNT", "DEVICES", "ROOT"],
        lines.collect(),
    );
    let verdict = if usage.covered {
        "every second on chain is signed for"
    } else {
        "the chain counts more than was signed for: ask the provider, or stop the lease"
    };
    text.push('\n');
    text.push_str(&pairs(&[
        ("lease", usage.lease_id.to_string()),
        (
            "signed",
            format!("{} s, {}", usage.signed_seconds, money(usage.signed_amount)),
        ),
        (
            "on chain",
            format!("{} s, of which {} paid", usage.chain_seconds, money(usage.paid)),
        ),
        ("verdict", verdict.to_owned()),
    ]));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use alloy::signers::{SignerSync, local::PrivateKeySigner};

    use super::*;
    use crate::{
        cli::close::tests::running,
        core::{
            book::KeyState,
            documents::{
                signing::{digest, domain},
                statement::{Draft, tree},
            },
            ids::ChainId,
        },
    };

    fn here() -> Eip712Domain {
        domain(ChainId(1), Address::repeat_byte(9))
    }

    fn signer() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
    }

    fn provider() -> ProviderState {
        let mut provider = ProviderState::default();
        let state = KeyState {
            roles: KeyRoles::REPORT,
            ..KeyState::default()
        };
        provider.keys.insert(signer().address(), state);
        provider
    }

    /// The lease's own statement in a report of it alone.
    fn statement(lease: &LeaseState, from: u64, to: u64, cum: u32) -> Statement {
        let draft = Draft {
            lease: lease.key,
            from,
            to,
            cum,
            devices: vec!["GPU-1".to_owned()],
        };
        let tree = tree(std::slice::from_ref(&draft));
        let hash = digest(&draft.receipt(tree.root()), &here());
        let signature = signer().sign_hash_sync(&hash).unwrap().as_bytes().to_vec();
        draft.signed(&tree, signature.into()).unwrap()
    }

    fn of(
        lane_seconds: u32,
        statements: Vec<Statement>,
        provider: &ProviderState,
    ) -> Result<SignedUsage, String> {
        let lease = running();
        let metered = Metered {
            lease: &lease,
            lane_seconds,
        };
        checked(
            metered,
            Some(provider),
            &here(),
            ChainSeconds(1_050),
            "tUSD".into(),
            statements,
        )
    }

    #[test]
    fn the_bill_is_what_was_signed_at_the_leases_price() {
        let lease = running();
        let two = vec![
            statement(&lease, 1_000, 1_020, 20),
            statement(&lease, 1_020, 1_040, 30),
        ];
        // The lane began at 100 and stands at 130: 30 s, at 3.6 an hour.
        let usage = of(130, two, &provider()).unwrap();
        assert_eq!((usage.signed_seconds, usage.chain_seconds), (30, 30));
        assert_eq!(usage.signed_amount, MicroUnits(30_000));
        assert_eq!(usage.statements[1].amount, MicroUnits(10_000));
        assert!(usage.covered && told(&usage).contains("every second on chain is signed for"));
    }

    #[test]
    fn seconds_on_chain_that_nobody_signed_for_are_named() {
        let lease = running();
        let usage = of(131, vec![statement(&lease, 1_000, 1_040, 30)], &provider()).unwrap();
        assert!(!usage.covered && told(&usage).contains("more than was signed for"));
    }

    #[test]
    fn a_receipt_by_a_key_that_may_not_report_is_refused() {
        let lease = running();
        let refused = of(
            130,
            vec![statement(&lease, 1_000, 1_040, 30)],
            &ProviderState::default(),
        );
        assert!(refused.unwrap_err().contains("may not report"));
    }
}
