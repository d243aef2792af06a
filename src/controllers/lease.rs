//! Wires one ComputeLease: observe, plan, meter, act, report. Meter before act, so that what is offered to close or reported was
//! counted in this pass; report last, and only what changed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{ResourceExt, runtime::reflector::ObjectRef};

use super::{
    context::{Context, MANAGER, wallet_name},
    lease_status::{self, Report, Unwritten},
};
use crate::{
    act::lease::{ActError, Done, LeaseHands},
    api::{ComputeLease, lease::UsageReceipt},
    core::{
        delivery::{Assessment, metered},
        ids::TermsHash,
        plan::{
            lease::{self, Action, Clock, Left, MeterSide, Plan, Stage, WorkloadSide},
            provider::report_every,
        },
        time::{ChainSeconds, UnixMillis},
        usage::meter::{self, Delivery, MeterState, Write},
    },
    kube_io::{events::Severity, reconcile::Outcome},
    observe::{
        lease::{Sight, epoch},
        meters::{allowance, counted_under, persisted},
    },
};

/// How long a signature to close with holds, seconds: long enough for a tenant to send it, short enough that a later one pays more.
const CLOSE_HOLDS: u64 = 180;

/// Until the cache has seen the change that came in between.
const OVERTAKEN: Duration = Duration::from_millis(100);

/// One pass over one lease.
pub async fn pass(context: Context, name: ObjectRef<ComputeLease>) -> Outcome {
    let began = Instant::now();
    let outcome = match context.eyes.stores.leases.get(&name) {
        Some(found) => reconcile(&context, found).await,
        None => Outcome::Done,
    };
    context.passed("ComputeLease", &name, began, outcome)
}

async fn reconcile(context: &Context, found: Arc<ComputeLease>) -> Outcome {
    let seen = context.eyes.lease(found.clone(), context.pod_watch()).await;
    let Some(sight) = context.legible(found.as_ref(), seen).await else {
        return Outcome::Done;
    };
    let plan = lease::plan(&sight.observed, &sight.policy);
    let metering = meter(context, &sight, &plan);
    let mut failed = None;
    let mut offer = None;
    for action in &plan.actions {
        let done = act(context, &sight, &metering, action).await;
        if touches(action) {
            context.eyes.memory.forget(&sight.uid);
        }
        match done {
            Ok(Done::Plain) => note(&sight, action),
            Ok(Done::Sent(transaction)) => {
                tracing::info!(lease = %sight.key.id, ?action, transaction, "transaction handed over");
                if let Some(call) = call_of(action) {
                    context.metrics.lease_call(call, plan.reason);
                }
            }
            Ok(Done::Offered(signed)) => offer = Some(signed),
            Err(error) => {
                tracing::warn!(lease = %sight.key.id, ?action, %error, "lease not advanced");
                context
                    .tell(
                        found.as_ref(),
                        Severity::Warning,
                        error.reason(),
                        "Lease",
                        error.to_string(),
                    )
                    .await;
                failed = Some(error);
                break;
            }
        }
    }
    if plan.actions.contains(&Action::Release) && failed.is_none() {
        if sight.observed.chain.proof.is_none() {
            let text = lease::lost(&left(&sight, &metering));
            tracing::warn!(lease = %sight.key.id, text, "lease let go of");
            context
                .tell(found.as_ref(), Severity::Warning, plan.reason, "Lease", text)
                .await;
        }
        context.meters.forget(&sight.uid);
        return Outcome::Done;
    }
    if plan.actions.contains(&Action::Hold) && failed.is_none() {
        // The object changed under what was seen of it; its change brings the next pass at once.
        return Outcome::After(Duration::from_secs(1));
    }
    let furnished = plan.actions.contains(&Action::OpenNamespace) && failed.is_none();
    let report = Report {
        offer,
        failed: failed.as_ref(),
        furnished,
    };
    let written = lease_status::write(context, &sight, &plan, &metering, report).await;
    match (failed, written) {
        (Some(_), _) | (None, Err(Unwritten::Failed)) => Outcome::Failed,
        (None, Err(Unwritten::Overtaken)) => Outcome::After(OVERTAKEN),
        (None, Ok(())) => plan.again.map_or(Outcome::Done, Outcome::After),
    }
}

/// What an action calls on chain, for counters.
const fn call_of(action: &Action) -> Option<&'static str> {
    match action {
        Action::Start => Some("Start"),
        Action::Decline { .. } => Some("Decline"),
        Action::Stop { .. } => Some("Stop"),
        Action::Finalize => Some("Finalize"),
        Action::Hold
        | Action::OpenNamespace
        | Action::RunWorkload
        | Action::HandOver
        | Action::PauseWorkload
        | Action::OfferClose
        | Action::Destroy(_)
        | Action::ClearEvidence
        | Action::Release => None,
    }
}

/// Whether it changes what is remembered of the lease's own objects.
const fn touches(action: &Action) -> bool {
    match action {
        Action::OpenNamespace
        | Action::RunWorkload
        | Action::HandOver
        | Action::PauseWorkload
        | Action::Destroy(_)
        | Action::Release => true,
        Action::Hold
        | Action::Start
        | Action::Decline { .. }
        | Action::Stop { .. }
        | Action::Finalize
        | Action::OfferClose
        | Action::ClearEvidence => false,
    }
}

fn left<'a>(sight: &'a Sight, metering: &Metering) -> Left<'a> {
    let status = sight.lease.status.as_ref();
    let usage = status.and_then(|status| status.usage.as_ref());
    let seconds = |count: Option<i64>| u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX);
    Left {
        lease: sight.key.id,
        counted: metering.seconds,
        reported: seconds(usage.map(|usage| usage.reported_seconds)),
        settled: seconds(usage.map(|usage| usage.settled_seconds)),
        namespace: status.and_then(|status| status.namespace.as_deref()),
    }
}

fn note(sight: &Sight, action: &Action) {
    match action {
        Action::RunWorkload => {
            tracing::info!(lease = %sight.key.id, namespace = sight.identity.namespace(), "workload applied")
        }
        Action::HandOver => tracing::info!(lease = %sight.key.id, "held nodes handed over"),
        Action::PauseWorkload => tracing::info!(lease = %sight.key.id, "workload scaled to zero"),
        Action::Destroy(_) => {
            tracing::info!(lease = %sight.key.id, namespace = sight.identity.namespace(), "namespace deleted")
        }
        Action::Hold
        | Action::OpenNamespace
        | Action::Start
        | Action::Decline { .. }
        | Action::Stop { .. }
        | Action::Finalize
        | Action::OfferClose
        | Action::ClearEvidence
        | Action::Release => tracing::debug!(lease = %sight.key.id, ?action, "done"),
    }
}

/// What the meter said in this pass.
pub struct Metering {
    /// Billable seconds so far.
    pub seconds: u32,
    /// State to persist; none: what status holds is as good.
    pub persist: Option<MeterState>,
    /// Whether an interval is open.
    pub side: MeterSide,
}

/// Feeds the meter with what was seen. An offer to close is a promise about seconds, so they are persisted with it.
fn meter(context: &Context, sight: &Sight, plan: &Plan) -> Metering {
    let mut replicas = metered(&sight.replicas);
    let clock = match plan.clock {
        // Nothing beyond the chain's own end is counted, whenever this pass runs.
        Clock::Runs => match sight.observed.chain.head {
            Some(Stage::Live { stop_at, .. }) => until(stop_at),
            Some(Stage::Pending { .. } | Stage::Closed) | None => meter::Clock::Runs,
        },
        Clock::Until(second) => until(second),
        Clock::Stands => meter::Clock::Stands,
        Clock::Unjudged => {
            replicas
                .values_mut()
                .for_each(|delivery| *delivery = Delivery::Unknown);
            meter::Clock::Runs
        }
    };
    // A workload that is not in place, or pods nobody could look at, prove nothing either way.
    if sight.replicas.is_empty() || sight.observed.workload == WorkloadSide::Unknown {
        replicas.clear();
    }
    let promised = plan.actions.contains(&Action::OfferClose);
    let status = sight.lease.status.as_ref();
    let stored = persisted(status).closed_ms;
    let regained = regained(sight);
    // A lease whose provider is gone is persisted in a usual provider's rhythm.
    let every = sight
        .provider
        .as_deref()
        .and_then(|provider| report_every(&provider.spec.duties).ok())
        .map_or(3_600_000, |every| {
            u64::try_from(every.as_millis()).unwrap_or(u64::MAX)
        });
    context
        .meters
        .with(&sight.uid, status, sight.needs.replicas, |meter| {
            let before = meter.unproven_millis();
            let joined = meter.join(regained);
            let write = meter.observe(&replicas, clock, sight.now);
            let unproven = meter.unproven_millis().saturating_sub(before);
            if unproven > 0 {
                context
                    .metrics
                    .unbilled(&sight.key.id.provider.0.to_string(), unproven);
            }
            // What is reported is persisted first: enough for the next report, or all of it when the lease has ended.
            let gathered = meter.replica_millis().saturating_sub(stored)
                / u64::from(sight.needs.replicas.max(1))
                >= every;
            let persist = (write == Write::Needed || joined == Write::Needed || promised || gathered)
                .then(|| meter.checkpoint());
            Metering {
                seconds: meter.lease_seconds(),
                persist,
                side: if meter.open_replicas() > 0 {
                    MeterSide::Counting
                } else {
                    MeterSide::Idle
                },
            }
        })
}

/// What the chain still knows where the object has not noted yet where the lane began: an object made again, or one just started, for which it is
/// nothing. Later the meter alone counts, so a lane that a stranger raised does not become ours.
fn regained(sight: &Sight) -> u64 {
    let noted = sight
        .lease
        .status
        .as_ref()
        .and_then(|status| status.usage.as_ref())
        .is_some_and(|usage| usage.lane_base.is_some());
    let found = sight
        .view
        .as_ref()
        .and_then(|view| view.head.book.lease(&sight.key));
    match found {
        Some(found) if !noted && found.lease.start_at.0 > 0 => {
            let seconds = u64::from(found.cum(sight.observed.chain.now));
            seconds
                .saturating_mul(1000)
                .saturating_mul(sight.needs.replicas.into())
        }
        Some(_) | None => 0,
    }
}

fn until(second: ChainSeconds) -> meter::Clock {
    meter::Clock::Until(UnixMillis(
        i64::try_from(second.0.saturating_mul(1000)).unwrap_or(i64::MAX),
    ))
}

async fn act(
    context: &Context,
    sight: &Sight,
    metering: &Metering,
    action: &Action,
) -> Result<Done, ActError> {
    let missing = |what| ActError::Missing {
        action: "a lease",
        what,
    };
    let provider = sight.provider.as_ref().ok_or(missing("its ComputeProvider"))?;
    let market = sight.market.as_ref().ok_or(missing("its ComputeMarket"))?;
    let transact = context
        .transacts
        .get(&market.name)
        .ok_or(missing("the market's wallets"))?;
    let in_force = sight.terms.as_ref().map(|terms| terms.hash());
    if *action == Action::OfferClose && counted_under(&sight.lease) != in_force {
        return Err(missing("its count under the terms in force"));
    }
    let wallet = wallet_name(provider, &provider.spec.wallets.duty);
    let devices: Vec<String> = sight
        .replicas
        .iter()
        .filter_map(|replica| match &replica.assessment {
            Assessment::Delivered { proof, .. } => {
                Some(proof.devices.iter().map(|device| device.uuid.clone()))
            }
            Assessment::NotDelivered { .. } | Assessment::Unknown(_) => None,
        })
        .flatten()
        .collect();
    let held = context.eyes.held(&sight.lease, &sight.home);
    let hands = LeaseHands {
        client: context.client(),
        manager: MANAGER,
        transact: &transact,
        wallet: &wallet,
        lease: &sight.lease,
        home: &sight.home,
        uid: &sight.uid,
        key: sight.key,
        identity: sight.identity,
        needs: &sight.needs,
        ground: sight.ground.as_ref(),
        manifest: sight
            .manifest
            .as_ref()
            .map(|runnable| (&runnable.manifest, runnable.hash)),
        terms: sight.terms.as_deref(),
        chain: market.chain,
        lease_book: market.lease_book,
        duties: sight.observed.duties,
        epoch: &epoch(&sight.key),
        base: base(context, sight),
        devices: &devices,
        held: &held,
        pods: &sight.pods,
        seconds: closing_seconds(sight, metering),
        close_deadline: close_deadline(sight),
    };
    hands.run(action).await
}

/// A finished Job's seconds rise no more, so their signature holds for as long as the lease is sure to be there to be closed.
fn close_deadline(sight: &Sight) -> u64 {
    let soon = sight.observed.chain.now.0.saturating_add(CLOSE_HOLDS);
    match (&sight.observed.finish, sight.observed.chain.head) {
        (Some(_), Some(Stage::Live { stop_at, .. })) => {
            soon.max(stop_at.0.saturating_add(sight.policy.final_reports))
        }
        (Some(_), Some(Stage::Pending { .. } | Stage::Closed) | None) | (None, _) => soon,
    }
}

/// Where the lane's count begins: at least its value at any depth, and at least anything this provider ever signed for the lane.
fn base(context: &Context, sight: &Sight) -> u32 {
    let id = sight.key.id;
    let on_chain = sight
        .view
        .as_ref()
        .map_or(0, |view| view.head.book.lane_seconds(id.provider, id.lane));
    let signed = context
        .eyes
        .stores
        .leases
        .state()
        .iter()
        .filter_map(|lease| signed_for(lease, sight))
        .max();
    on_chain.max(signed.unwrap_or(0))
}

fn signed_for(lease: &ComputeLease, sight: &Sight) -> Option<u32> {
    let key = crate::observe::lease::key_of(lease).ok()?;
    let same = key.id.provider == sight.key.id.provider && key.id.lane == sight.key.id.lane;
    let usage = lease.status.as_ref()?.usage.as_ref()?;
    let counted = counted_under(lease);
    let of_these_terms = |receipt: &&UsageReceipt| {
        let terms = receipt.terms_hash.as_ref().unwrap_or(&lease.spec.terms_hash);
        terms.parse().map(TermsHash).ok() == counted
    };
    let receipt = usage.receipt.as_ref().filter(of_these_terms);
    let signed = receipt.map_or(0, |receipt| receipt.cum);
    let top = usage
        .lane_base?
        .saturating_add(usage.reported_seconds.max(signed));
    (same && lease.namespace().as_deref() == Some(&sight.home))
        .then(|| u32::try_from(top).unwrap_or(u32::MAX))
}

/// What to close with: all that was counted, never less than what is settled, never beyond the elapsed clock.
fn closing_seconds(sight: &Sight, metering: &Metering) -> u32 {
    let Some(found) = sight
        .view
        .as_ref()
        .and_then(|view| view.head.book.lease(&sight.key))
    else {
        return metering.seconds;
    };
    let now = sight.observed.chain.now.min(found.lease.stop_at);
    let elapsed = u32::try_from(now.0.saturating_sub(found.lease.start_at.0)).unwrap_or(u32::MAX);
    allowance(&sight.lease)
        .billable(metering.seconds)
        .min(elapsed)
        .max(found.lease.settled)
}
