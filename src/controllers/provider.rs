//! Wires one ComputeProvider: an object for each lease on chain, the reports, settlements and claims its leases are due, and what
//! its registration lacks. What is reported was persisted before: only what a lease's status holds is ever signed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, Bytes, U256, keccak256};
use kube::{Api, Resource, ResourceExt, runtime::reflector::ObjectRef};

use super::{
    context::{Context, MANAGER, wallet_name},
    receipt,
};
use crate::{
    act::{lease::ActError, transact::WalletName},
    api::{
        ComputeLease, ComputeProvider, ComputeWallet,
        condition::{self, KEYS_VALID, READY, REGISTERED, STAKE_SUFFICIENT, Status},
        provider::ComputeProviderStatus,
        transaction::IntentKind as ApiIntent,
    },
    chain_io::earnings::claimable,
    core::{
        book::{KeyRoles, ProviderState, StoredPhase},
        documents::calls,
        ids::{Lane, LeaseKey, ProviderId},
        money::MicroUnits,
        plan::{
            duty::Trust,
            opening,
            provider::{self, LeaseUse, Observed, Plan, Policy},
        },
        tx::{Call, Intent, IntentKind, Subject},
        usage::lanes,
        view::ChainView,
    },
    kube_io::{
        KubeError,
        apply::{Created, create},
        events::Severity,
        reconcile::Outcome,
        status,
    },
    observe::{
        clock,
        lease::key_of,
        markets::{Market, trust},
        meters::{persisted, time_of},
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
        Some(_) | None => Outcome::Done,
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
    let mut failed = None;
    if let Err(error) = open_objects(context, found, id, &market, &view).await {
        failed = Some(ActError::from(error));
    }
    let seen = observe(context, asked, found, id, &market, &view).await;
    let settings = &context.eyes.settings;
    let policy = Policy {
        report_every: settings.report_every,
        settle_every: settings.settle_every,
        claim_above: settings.claim_above,
        final_reports: market.windows.final_reports.into(),
    };
    let plan = provider::plan(&seen, &policy);
    if let Err(error) = send(context, found, id, &market, &view, &plan).await {
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
) -> Observed {
    let uid = found.uid().unwrap_or_default();
    let sent = |kind| in_flight(&context.eyes.stores.transactions, &uid, kind);
    let trust = trust(Some(view), market.since, clock::wall());
    let now = view.now();
    Observed {
        trust,
        now,
        leases: uses(context, found, id, view),
        report: sent(ApiIntent::Report),
        settle: sent(ApiIntent::Settle),
        claim: sent(ApiIntent::Claim),
        claimable: match trust {
            Trust::Fresh => earned(context, asked, &uid, id, market, view).await,
            Trust::Stale { .. } | Trust::Disagreeing => None,
        },
    }
}

/// What status persisted of each live lease's meter.
fn uses(context: &Context, found: &ComputeProvider, id: ProviderId, view: &ChainView) -> Vec<LeaseUse> {
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
            let replicas = u64::try_from(object.spec.request.replicas).unwrap_or(1).max(1);
            let seconds = persisted(object.status.as_ref()).closed_ms / replicas.saturating_mul(1000);
            Some(LeaseUse {
                lane: metered.lease.key.id.lane,
                on_chain: metered.lane_seconds,
                base: metered.lease.lane_base,
                metered: u32::try_from(seconds)
                    .unwrap_or(lanes::MAX_LANE)
                    .min(lanes::MAX_LANE),
                settled: metered.lease.settled,
                rate: metered.lease.rate,
                start_at: metered.lease.start_at,
                stop_at: metered.lease.stop_at,
            })
        })
        .collect()
}

/// The first token of which enough can be claimed. Asked of the chain at most twice a vesting epoch.
async fn earned(
    context: &Context,
    asked: &Asked,
    uid: &str,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
) -> Option<(u8, MicroUnits)> {
    let state = view.head.book.provider(id)?;
    let least = u128::from(context.eyes.settings.claim_above.0);
    let (token, _) = state
        .earnings
        .iter()
        .find(|(_, earnings)| earnings.unclaimed() > 0 && earnings.unclaimed() >= least)?;
    if !asked.due(uid, view.now().0, market.windows.vest_epoch) {
        return None;
    }
    match claimable(&market.endpoints, market.lease_book, id, *token).await {
        Ok(amount) => Some((*token, amount)),
        Err(error) => {
            tracing::debug!(%error, "earnings not read");
            None
        }
    }
}

async fn send(
    context: &Context,
    found: &ComputeProvider,
    id: ProviderId,
    market: &Market,
    view: &ChainView,
    plan: &Plan,
) -> Result<(), ActError> {
    if plan.report.is_empty() && plan.settle.is_empty() && plan.claim.is_none() {
        return Ok(());
    }
    let transact = context.transacts.get(&market.name).ok_or(ActError::Missing {
        action: "a report",
        what: "the market's wallets",
    })?;
    let wallet: WalletName = wallet_name(found, &found.spec.wallets.duty);
    let subject = Subject {
        kind: "ComputeProvider".to_owned(),
        namespace: found.namespace().unwrap_or_default(),
        name: found.name_any(),
        uid: found.uid().unwrap_or_default(),
    };
    let intent = |kind, epoch: String, data: Bytes| Intent {
        kind,
        subject: subject.clone(),
        epoch,
        call: Call {
            to: market.lease_book,
            data,
            value: U256::ZERO,
        },
    };
    let wanted: BTreeMap<Lane, u32> = plan.report.iter().copied().collect();
    let on_chain: BTreeMap<Lane, u32> = wanted
        .keys()
        .map(|lane| (*lane, view.head.book.lane_seconds(id, *lane)))
        .collect();
    for report in lanes::reports(&on_chain, &wanted) {
        let root = receipt::prepare(context, &transact, found, market, view, &report).await?;
        // The same counts are the same intent, however often and by whomever they are planned.
        let epoch = format!(
            "{}/{}",
            report.first_word,
            keccak256(
                report
                    .words
                    .iter()
                    .flat_map(|word| word.to_be_bytes::<32>())
                    .collect::<Vec<u8>>()
            )
        );
        let data = calls::report(id, report.first_word, view.now().0, root, &report.words);
        let sent = transact
            .submit(&wallet, &intent(IntentKind::Report, epoch, data))
            .await?;
        tracing::info!(
            provider = id.0,
            lanes = report.lanes.len(),
            transaction = sent.name,
            "usage reported"
        );
    }
    if !plan.settle.is_empty() {
        let counts: Vec<u8> = plan
            .settle
            .iter()
            .flat_map(|lane| {
                [
                    lane.0.to_be_bytes(),
                    view.head.book.lane_seconds(id, *lane).to_be_bytes(),
                ]
                .concat()
            })
            .collect();
        let data = calls::settle(id, &plan.settle);
        let sent = transact
            .submit(
                &wallet,
                &intent(IntentKind::Settle, keccak256(counts).to_string(), data),
            )
            .await?;
        tracing::info!(
            provider = id.0,
            lanes = plan.settle.len(),
            transaction = sent.name,
            "usage settled"
        );
    }
    if let Some(token) = plan.claim {
        let claimed = view
            .head
            .book
            .provider(id)
            .and_then(|state| state.earnings.get(&token))
            .map_or(0, |earned| earned.claimed);
        let data = calls::claim(id, token);
        let sent = transact
            .submit(
                &wallet,
                &intent(IntentKind::Claim, format!("{token}/{claimed}"), data),
            )
            .await?;
        tracing::info!(
            provider = id.0,
            token,
            transaction = sent.name,
            "earnings claimed"
        );
    }
    Ok(())
}

fn address(context: &Context, found: &ComputeProvider, wallet: &WalletName) -> Option<Address> {
    let _ = found;
    let reference = ObjectRef::<ComputeWallet>::new(&wallet.name).within(&wallet.namespace);
    context
        .eyes
        .stores
        .wallets
        .get(&reference)?
        .status
        .as_ref()?
        .address
        .as_ref()?
        .parse()
        .ok()
}

async fn report(
    context: &Context,
    found: &ComputeProvider,
    state: Option<&ProviderState>,
    view: Option<&ChainView>,
) -> bool {
    let old = found.status.clone().unwrap_or_default();
    let generation = found.metadata.generation;
    let now = time_of(clock::wall().0);
    let mut next = ComputeProviderStatus {
        observed_generation: generation,
        owner: state.map(|state| state.owner.to_string()).or(old.owner),
        payout_address: state
            .zip(view)
            .map(|(state, view)| state.payout_at(view.now()).to_string())
            .or(old.payout_address),
        conditions: old.conditions,
    };
    let keys = keys(context, found, state, view);
    let stake = stake(found, state);
    let registered = match (state, view) {
        (Some(_), _) => (Status::True, "AsExpected", String::new()),
        (None, Some(_)) => (
            Status::False,
            "NotRegistered",
            format!(
                "provider {} is not in the market's book: register it with leaseport provider register",
                found.spec.provider_id
            ),
        ),
        (None, None) => (
            Status::Unknown,
            "ChainUnknown",
            "no view of the chain yet".to_owned(),
        ),
    };
    let ready = [&registered, &keys]
        .into_iter()
        .find(|each| each.0 != Status::True)
        .cloned();
    let ready = ready.unwrap_or((Status::True, "AsExpected", String::new()));
    for (kind, (is, reason, text)) in [
        (REGISTERED, registered),
        (KEYS_VALID, keys),
        (STAKE_SUFFICIENT, stake),
        (READY, ready),
    ] {
        condition::set(
            &mut next.conditions,
            kind,
            is,
            reason,
            &text,
            generation,
            now.clone(),
        );
    }
    let api =
        Api::<ComputeProvider>::namespaced(context.client().clone(), &found.namespace().unwrap_or_default());
    match status::write(&api, MANAGER, found, &next, &[]).await {
        Ok(status::Written::Changed(_) | status::Written::Unchanged) => true,
        Err(error) => {
            tracing::warn!(provider = found.name_any(), %error, "status not written");
            false
        }
    }
}

fn keys(
    context: &Context,
    found: &ComputeProvider,
    state: Option<&ProviderState>,
    view: Option<&ChainView>,
) -> (Status, &'static str, String) {
    let (Some(state), Some(view)) = (state, view) else {
        return (
            Status::Unknown,
            "ChainUnknown",
            "the registration was not read yet".to_owned(),
        );
    };
    let wallets = &found.spec.wallets;
    let roles = [
        (
            "duty",
            &wallets.duty,
            KeyRoles(KeyRoles::START.0 | KeyRoles::REPORT.0),
            "start and report",
        ),
        ("bids", &wallets.bids, KeyRoles::BID, "bid"),
    ];
    for (use_of, wallet, needed, words) in roles {
        let name = wallet_name(found, wallet);
        let Some(address) = address(context, found, &name) else {
            return (
                Status::Unknown,
                "WalletNotReady",
                format!("wallets.{use_of}: ComputeWallet {name} shows no address yet"),
            );
        };
        if !state.key_may(address, needed, view.now()) {
            let text = format!(
                "wallets.{use_of}: key {address} may not {words} for provider {}: the owner adds it with addKey",
                found.spec.provider_id
            );
            return (Status::False, "KeyWithoutRole", text);
        }
    }
    (Status::True, "AsExpected", String::new())
}

fn stake(found: &ComputeProvider, state: Option<&ProviderState>) -> (Status, &'static str, String) {
    let Some(target) = &found.spec.stake else {
        return (Status::True, "NoTarget", String::new());
    };
    let Some(state) = state else {
        return (
            Status::Unknown,
            "ChainUnknown",
            "the stake was not read yet".to_owned(),
        );
    };
    let wanted = target
        .target
        .parse::<MicroUnits>()
        .unwrap_or(MicroUnits(u64::MAX));
    let have = state
        .stake
        .values()
        .map(|stake| stake.amount)
        .max()
        .unwrap_or(MicroUnits::ZERO);
    if have >= wanted {
        return (Status::True, "AsExpected", String::new());
    }
    (
        Status::False,
        "BelowTarget",
        format!("stake is {have}, spec.stake.target {wanted}: the owner calls deposit on the StakeVault"),
    )
}
