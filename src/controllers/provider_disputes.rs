//! Wires a provider's disputes: observe, plan, answer or end them, and say on each contested lease how it stands. Decides nothing.

use alloy::primitives::{Address, Bytes, U256};
use kube::{Api, ResourceExt};

use super::{
    context::{Context, MANAGER, wallet_name},
    lease_status::NOT_OURS,
    provider_status::address,
};
use crate::{
    act::{
        lease::ActError,
        transact::{TransactContext, WalletName},
    },
    api::{
        ComputeLease, ComputeProvider,
        condition::{self, DISPUTED},
        provider::DisputeDuties,
    },
    core::{
        documents::calls,
        ids::ProviderId,
        money::MicroUnits,
        plan::dispute::{Action, Finding, Policy, Urgency, plan},
        tx::{Call, Intent, IntentKind, Subject},
        view::ChainView,
    },
    kube_io::{error::Class, events::Severity, status},
    observe::{clock, dispute::Defence, lease::epoch, markets::Market, meters::time_of},
};

/// Everything about the disputes of one provider. The first act that failed; none stops the others.
pub(super) async fn tend(
    context: &Context,
    found: &ComputeProvider,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
) -> Result<(), ActError> {
    let Some(court) = market.court else {
        return Ok(());
    };
    let wallet = wallet_name(found, &found.spec.wallets.duty);
    let about = Defence {
        provider: found,
        id,
        market,
        view,
        court,
        duty: address(context, &wallet),
        policy: policy(found),
    };
    let seen = context.eyes.disputes(&about).await;
    let plan = plan(&seen, &about.policy);
    let mut failed = None;
    for action in &plan.actions {
        if let Err(error) = act(context, &about, &wallet, action).await {
            tracing::warn!(provider = id.0, ?action, %error, "dispute not advanced");
            failed = failed.or(Some(error));
        }
    }
    for finding in &plan.findings {
        say(context, &about, finding).await;
    }
    failed.map_or(Ok(()), Err)
}

/// What the object says. The schema has checked it; should it not read, the usual bound counts.
fn policy(found: &ComputeProvider) -> Policy {
    Policy::of(&found.spec.duties.disputes).unwrap_or_else(|error| {
        tracing::warn!(provider = found.name_any(), %error, "spec.duties.disputes.maxBond: the usual bound counts");
        Policy {
            answer: found.spec.duties.disputes.answer,
            max_bond: DisputeDuties::default().max_bond.parse().unwrap_or(MicroUnits::ZERO),
        }
    })
}

async fn act(
    context: &Context,
    about: &Defence<'_>,
    wallet: &WalletName,
    action: &Action,
) -> Result<(), ActError> {
    let transact = context
        .transacts
        .get(&about.market.name)
        .ok_or(ActError::Missing {
            action: "a dispute",
            what: "the market's wallets",
        })?;
    let Some((kind, epoch, to, data)) = call(about, action) else {
        return Err(ActError::Missing {
            action: "a dispute",
            what: "the token on chain",
        });
    };
    send(&transact, about, wallet, kind, epoch, to, data).await
}

/// What an action is on chain. Its epoch tells apart what may be wanted again.
fn call(about: &Defence<'_>, action: &Action) -> Option<(IntentKind, String, Address, Bytes)> {
    let book = &about.view.head.book;
    Some(match action {
        Action::Approve {
            token,
            amount,
            allowed,
        } => {
            let asset = book.tokens().get(token)?;
            let units = U256::from(amount.0).saturating_mul(U256::from(asset.scale));
            // The moment of the newest contest: the same sum may be due again later.
            let newest = book
                .disputes()
                .iter()
                .filter(|dispute| dispute.key.id.provider == about.id)
                .map(|dispute| dispute.opened.block)
                .max()
                .unwrap_or_default();
            (
                IntentKind::Approve,
                format!("{token}/{}/{}/{newest}", allowed.0, amount.0),
                asset.asset,
                calls::approve(about.court, units),
            )
        }
        Action::Answer {
            key,
            receipt,
            attempt,
        } => (
            IntentKind::Answer,
            format!("{}/{attempt}", epoch(key)),
            about.court,
            calls::answer(key.id, receipt),
        ),
        Action::Conclude { key, attempt } => (
            IntentKind::Conclude,
            format!("{}/{attempt}", epoch(key)),
            about.court,
            calls::conclude(key.id),
        ),
        Action::Withdraw { token } => {
            let duty = about.duty?;
            let paid = book.disputes().credit(duty, *token).withdrawn;
            (
                IntentKind::Withdraw,
                format!("{token}/{paid}"),
                about.court,
                calls::withdraw_credit(duty, *token),
            )
        }
    })
}

async fn send(
    transact: &TransactContext,
    about: &Defence<'_>,
    wallet: &WalletName,
    kind: IntentKind,
    epoch: String,
    to: Address,
    data: Bytes,
) -> Result<(), ActError> {
    let intent = Intent {
        kind,
        subject: Subject {
            kind: "ComputeProvider".to_owned(),
            namespace: about.provider.namespace().unwrap_or_default(),
            name: about.provider.name_any(),
            uid: about.provider.uid().unwrap_or_default(),
        },
        epoch,
        call: Call {
            to,
            data,
            value: U256::ZERO,
        },
    };
    let sent = transact.submit(wallet, &intent).await?;
    tracing::info!(
        provider = about.id.0,
        intent = kind.as_str(),
        transaction = sent.name,
        "dispute advanced"
    );
    Ok(())
}

/// Writes the condition where it says something new, and tells people once.
async fn say(context: &Context, about: &Defence<'_>, finding: &Finding) {
    let Some(lease) = context.eyes.disputed(about.provider, &finding.key) else {
        tracing::warn!(lease = %finding.key.id, reason = finding.reason, finding.message, "a contested lease has no object to say it on");
        return;
    };
    let old = lease.status.clone().unwrap_or_default();
    let before = condition::get(&old.conditions, DISPUTED).map(|said| said.reason.clone());
    // What could not be asked does not take back what is known.
    if finding.reason == condition::reason::NOT_YET_KNOWN && before.is_some() {
        return;
    }
    let mut next = old;
    condition::set(
        &mut next.conditions,
        DISPUTED,
        finding.status,
        finding.reason,
        &finding.message,
        lease.metadata.generation,
        time_of(clock::wall().0),
    );
    let home = lease.namespace().unwrap_or_default();
    let api = Api::<ComputeLease>::namespaced(context.client().clone(), &home);
    match status::write(&api, MANAGER, lease.as_ref(), &next, &NOT_OURS).await {
        Ok(status::Written::Unchanged) => {}
        Ok(status::Written::Changed(_)) if before.as_deref() == Some(finding.reason) => {}
        Ok(status::Written::Changed(_)) => {
            context.metrics.dispute(&about.id.0.to_string(), finding.reason);
            let severity = match finding.urgency {
                Urgency::Act => Severity::Warning,
                Urgency::None => Severity::Normal,
            };
            context
                .tell(
                    lease.as_ref(),
                    severity,
                    finding.reason,
                    "Dispute",
                    finding.message.clone(),
                )
                .await;
        }
        // The next pass says it on the object as it is then.
        Err(error) if error.class() == Class::Conflict => {
            tracing::debug!(lease = %finding.key.id, "status overtaken");
        }
        Err(error) => tracing::warn!(lease = %finding.key.id, %error, "status not written"),
    }
}
