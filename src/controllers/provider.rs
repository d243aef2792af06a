//! Wires one ComputeProvider: an object for each lease on chain, and what its leases are due. What is reported was persisted before:
//! only what a lease's status holds is ever signed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::{Api, Resource, ResourceExt, runtime::reflector::ObjectRef};

use super::{
    context::{Context, MANAGER, ungauge},
    provider_agreements::{self, lease_use},
    provider_disputes::tend,
    provider_duties,
    provider_status::{PROVIDER_CONDITIONS, report},
};
use crate::{
    act::lease::ActError,
    api::{ComputeLease, ComputeProvider, transaction::IntentKind as ApiIntent},
    chain_io::holdings,
    core::{
        book::StoredPhase,
        documents::signing::domain,
        ids::{LeaseKey, ProviderId},
        money::MicroUnits,
        plan::{
            duty::Trust,
            opening,
            provider::{self, LeaseUse, Observed, Policy},
        },
        view::ChainView,
    },
    kube_io::{
        KubeError,
        apply::{Created, create},
        events::Severity,
        reconcile::Outcome,
    },
    observe::{
        clock,
        lease::key_of,
        markets::{Market, trust},
        transactions::in_flight,
    },
};

/// When each provider's earnings were last asked for, in halves of the vesting epoch: vesting moves no faster.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<BTreeMap<String, u64>>>);

impl Asked {
    fn due(&self, uid: &str, now: u64, epoch: u32) -> bool {
        let half = now / u64::from(epoch / 2).max(1);
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(uid.to_owned(), half) != Some(half)
    }
}

/// One pass over one provider.
pub async fn pass(context: Context, asked: Asked, name: ObjectRef<ComputeProvider>) -> Outcome {
    let began = Instant::now();
    let outcome = match context.eyes.stores.providers.get(&name) {
        Some(found) if found.meta().deletion_timestamp.is_none() => reconcile(&context, &asked, &found).await,
        Some(_) | None => {
            ungauge(&context.metrics, &name, PROVIDER_CONDITIONS);
            Outcome::Done
        }
    };
    context.passed("ComputeProvider", &name, began, outcome)
}

async fn reconcile(context: &Context, asked: &Asked, found: &ComputeProvider) -> Outcome {
    let id = ProviderId(u32::try_from(found.spec.provider_id).unwrap_or_default());
    let market = context.eyes.markets.get(&found.spec.market_ref.name);
    let view = market.as_ref().and_then(|market| market.view());
    let (Some(market), Some(view)) = (market, view) else {
        let written = report(context, found, None, None).await;
        return if written {
            Outcome::After(Duration::from_secs(2))
        } else {
            Outcome::Failed
        };
    };
    let policy = policy(found, &market);
    let mut failed = None;
    if let Err(error) = open_objects(context, found, id, &market, &view).await {
        failed = Some(ActError::from(error));
    }
    let seen = observe(context, asked, found, id, &market, &view, policy.claim_above).await;
    let plan = provider::plan(&seen, &policy);
    let agreed = (seen.leases.as_slice(), &plan);
    if let Err(error) = provider_agreements::send(context, found, &market, &view, agreed).await {
        failed = Some(error);
    }
    if let Err(error) = provider_duties::send(context, found, id, &market, &view, &plan).await {
        failed = Some(error);
    }
    if let Err(error) = tend(context, found, id, &market, &view).await {
        failed = Some(error);
    }
    if let Some(error) = &failed {
        tracing::warn!(provider = found.name_any(), %error, "provider's duties not done");
        context
            .tell(
                found,
                Severity::Warning,
                error.reason(),
                "Provider",
                error.to_string(),
            )
            .await;
    }
    let state = view.head.book.provider(id).cloned();
    let written = report(context, found, state.as_deref(), Some(&view)).await;
    match (failed.is_some() || !written, plan.again) {
        (true, _) => Outcome::Failed,
        (false, Some(again)) => Outcome::After(again),
        (false, None) => Outcome::Done,
    }
}

/// What the object says of its duties. The schema has checked it; should it not read, the usual rhythm counts: a promise is not broken by
/// a typing error, and the status names it.
fn policy(found: &ComputeProvider, market: &Market) -> Policy {
    let final_reports = market.windows.final_reports.into();
    Policy::of(&found.spec.duties, final_reports).unwrap_or_else(|error| {
        tracing::warn!(provider = found.name_any(), %error, "the usual rhythm counts");
        Policy {
            report_every: Duration::from_secs(3_600),
            settle_every: Duration::from_secs(86_400),
            redeem_above: MicroUnits(10_000_000),
            claim_above: MicroUnits(10_000_000),
            final_reports,
        }
    })
}

/// An object for every lease at the start depth that has none.
async fn open_objects(
    context: &Context,
    found: &ComputeProvider,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
) -> Result<(), KubeError> {
    if trust(Some(view), market.since, clock::wall()) != Trust::Fresh {
        return Ok(());
    }
    let home = found.namespace().unwrap_or_default();
    for lease in opening::wanted(view, id) {
        let name = opening::name(market.chain, &lease.key);
        if context
            .eyes
            .stores
            .leases
            .get(&ObjectRef::new(&name).within(&home))
            .is_some()
        {
            continue;
        }
        let Some(object) = context.eyes.lease_object(market.chain, found, lease) else {
            tracing::error!(lease = %lease.key.id, "a lease without a readable order cannot be served");
            continue;
        };
        let api = Api::<ComputeLease>::namespaced(context.client().clone(), &home);
        if let Created::New(made) = create(&api, MANAGER, &object).await? {
            tracing::info!(lease = %lease.key.id, object = made.name_any(), "lease opened");
        }
    }
    Ok(())
}

async fn observe(
    context: &Context,
    asked: &Asked,
    found: &ComputeProvider,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
    claim_above: MicroUnits,
) -> Observed {
    let uid = found.uid().unwrap_or_default();
    let sent = |kind| in_flight(&context.eyes.stores.transactions, &uid, kind);
    let trust = trust(Some(view), market.since, clock::wall());
    let now = view.now();
    Observed {
        trust,
        now,
        leases: uses(context, found, id, market, view),
        report: sent(ApiIntent::Report),
        settle: sent(ApiIntent::Settle),
        claim: sent(ApiIntent::Claim),
        claimable: match trust {
            Trust::Fresh => earned(asked, &uid, id, market, view, claim_above).await,
            Trust::Stale { .. } | Trust::Disagreeing => None,
        },
    }
}

/// What status persisted of each live lease's meter.
fn uses(
    context: &Context,
    found: &ComputeProvider,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
) -> Vec<LeaseUse> {
    let (uid, domain) = (
        found.uid().unwrap_or_default(),
        domain(market.chain, market.lease_book),
    );
    let home = found.namespace();
    let objects: BTreeMap<LeaseKey, Arc<ComputeLease>> = context
        .eyes
        .stores
        .leases
        .state()
        .into_iter()
        .filter(|lease| lease.namespace() == home)
        .filter_map(|lease| Some((key_of(&lease).ok()?, lease)))
        .collect();
    view.head
        .book
        .leases_of(id)
        .filter(|metered| metered.lease.stored == StoredPhase::Live)
        .filter_map(|metered| {
            let object = objects.get(&metered.lease.key)?;
            lease_use(context, &uid, object, metered, &domain)
        })
        .collect()
}

/// The first token of which enough can be claimed. Asked of the chain at most twice a vesting epoch.
async fn earned(
    asked: &Asked,
    uid: &str,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
    claim_above: MicroUnits,
) -> Option<(u8, MicroUnits)> {
    let state = view.head.book.provider(id)?;
    let least = u128::from(claim_above.0);
    let (token, _) = state
        .earnings
        .iter()
        .find(|(_, earnings)| earnings.unclaimed() > 0 && earnings.unclaimed() >= least)?;
    if !asked.due(uid, view.now().0, market.windows.vest_epoch) {
        return None;
    }
    match holdings::earnings(&market.endpoints, market.lease_book, id, *token).await {
        Ok(found) => {
            let claimable = u64::try_from(found.claimable).unwrap_or(u64::MAX);
            Some((*token, MicroUnits(claimable)))
        }
        Err(error) => {
            tracing::debug!(%error, "earnings not read");
            None
        }
    }
}
