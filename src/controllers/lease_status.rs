//! A lease's status from what was seen, planned and done: nothing in it grows by itself, so a lease that just runs costs no write.
//! Decides nothing.

use kube::Api;

use super::{
    context::{Context, MANAGER},
    lease::Metering,
};
use crate::{
    act::lease::ActError,
    api::{
        ComputeLease,
        condition::{self, Status},
        lease::{
            AmendedUsage, CloseOffer, ComputeLeaseStatus, DeviceHealth, LeaseDevice, LeaseEscrow,
            LeaseOpening, LeasePhase, LeaseUsage, LeaseWorkload,
        },
    },
    core::{
        book::Metered,
        delivery::{self, Assessment},
        documents::manifest::Form,
        ids::TermsHash,
        money::RatePerHour,
        plan::lease::{self as plan, Phase, Plan},
    },
    kube_io::{error::Class, status},
    observe::{
        clock,
        lease::{Sight, finish_of, purse},
        meters::{self, time_of},
    },
};

/// Fields of the status that others write: the gateway, and whoever signs a report.
pub(super) const NOT_OURS: [&str; 6] = [
    "manifest",
    "closeRequest",
    "voucher",
    "usage.receipt",
    "usage.lastReport",
    "usage.evidence",
];

/// What the pass's acts left to tell.
pub(super) struct Report<'a> {
    /// A signature for the tenant to close with.
    pub(super) offer: Option<CloseOffer>,
    /// The act that failed.
    pub(super) failed: Option<&'a ActError>,
    /// Everything in the lease's namespace was applied in this pass.
    pub(super) furnished: bool,
}

/// Why a status was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// The object changed under what was seen of it, most often by the gateway's own fields: look again at once.
    Overtaken,
    /// The API server refused or did not answer.
    Failed,
}

/// Writes what changed.
pub(super) async fn write(
    context: &Context,
    sight: &Sight,
    plan: &Plan,
    metering: &Metering,
    report: Report<'_>,
) -> Result<(), Unwritten> {
    let next = status_of(sight, plan, metering, report);
    let api = Api::<ComputeLease>::namespaced(context.client().clone(), &sight.home);
    match status::write(&api, MANAGER, &sight.lease, &next, &NOT_OURS).await {
        Ok(status::Written::Changed(_)) => {
            count_ending(context, sight, plan);
            Ok(())
        }
        Ok(status::Written::Unchanged) => Ok(()),
        Err(error) if error.class() == Class::Conflict => Err(Unwritten::Overtaken),
        Err(error) => {
            tracing::warn!(lease = %sight.key.id, %error, "status not written");
            Err(Unwritten::Failed)
        }
    }
}

/// Counted with the write that makes it known, so that neither another pass nor a restart counts it again.
fn count_ending(context: &Context, sight: &Sight, plan: &Plan) {
    let before = sight.lease.status.as_ref().and_then(|status| status.phase);
    if plan.phase != Phase::Closed || before == Some(LeasePhase::Closed) {
        return;
    }
    let found = sight
        .view
        .as_ref()
        .and_then(|view| view.head.book.lease(&sight.key));
    context
        .metrics
        .lease_ended(plan::ending(found.map(|metered| metered.lease)));
}

fn status_of(sight: &Sight, plan: &Plan, metering: &Metering, report: Report<'_>) -> ComputeLeaseStatus {
    let Report {
        offer,
        failed,
        furnished,
    } = report;
    let old = sight.lease.status.clone().unwrap_or_default();
    let delivered = sight
        .replicas
        .iter()
        .filter(|replica| matches!(replica.assessment, Assessment::Delivered { .. }))
        .count();
    let mut next = ComputeLeaseStatus {
        observed_generation: sight.lease.metadata.generation,
        phase: Some(api_phase(plan.phase)),
        opening: old.opening.clone().or_else(|| opening(sight)),
        namespace: old
            .namespace
            .clone()
            .or_else(|| furnished.then(|| sight.identity.namespace())),
        manifest: old.manifest.clone(),
        close_request: old.close_request.clone(),
        voucher: old.voucher.clone(),
        close_offer: offer.or_else(|| old.close_offer.clone()),
        finish: sight.observed.finish.as_ref().map(finish_of),
        workloads: workloads(sight, delivered, &old.workloads),
        devices: devices(sight, &old.devices),
        usage: Some(usage(sight, metering, old.usage.clone().unwrap_or_default())),
        escrow: escrow(sight).or_else(|| old.escrow.clone()),
        conditions: old.conditions,
    };
    conditions(&mut next, sight, plan, metering, failed);
    next
}

fn opening(sight: &Sight) -> Option<LeaseOpening> {
    let view = sight.view.as_ref()?;
    let found = view.start.book.lease(&sight.key)?;
    let moment = found.lease.opened;
    Some(LeaseOpening {
        block_number: i64::try_from(moment.block).ok()?,
        block_hash: view.start.block.hash.to_string(),
        time: time_of(i64::try_from(moment.time.0.saturating_mul(1000)).ok()?),
    })
}

fn workloads(sight: &Sight, delivered: usize, old: &[LeaseWorkload]) -> Vec<LeaseWorkload> {
    let Some(runnable) = &sight.manifest else {
        return old.to_vec();
    };
    vec![LeaseWorkload {
        kind: match runnable.manifest.form {
            Form::Deployment => "Deployment",
            Form::Job => "Job",
        }
        .to_owned(),
        name: crate::core::workload::names::WORKLOAD.to_owned(),
        replicas: runnable.manifest.replicas.into(),
        delivered: i32::try_from(delivered).unwrap_or(i32::MAX),
    }]
}

fn devices(sight: &Sight, old: &[LeaseDevice]) -> Vec<LeaseDevice> {
    if sight.replicas.is_empty() {
        return old.to_vec();
    }
    let proofs = sight
        .replicas
        .iter()
        .filter_map(|replica| match &replica.assessment {
            Assessment::Delivered { proof, .. } => Some(proof),
            Assessment::NotDelivered { .. } | Assessment::Unknown(_) => None,
        });
    proofs
        .flat_map(|proof| {
            proof.devices.iter().map(|device| LeaseDevice {
                pod: proof.pod.clone(),
                node: proof.node.clone(),
                uuid: device.uuid.clone(),
                health: match device.health {
                    delivery::DeviceHealth::Healthy => DeviceHealth::Healthy,
                    delivery::DeviceHealth::Unhealthy => DeviceHealth::Unhealthy,
                    delivery::DeviceHealth::Unknown => DeviceHealth::Unknown,
                },
            })
        })
        .collect()
}

fn usage(sight: &Sight, metering: &Metering, mut usage: LeaseUsage) -> LeaseUsage {
    if let Some(state) = &metering.persist {
        meters::store(&mut usage, state);
    }
    if let Some(found) = sight
        .view
        .as_ref()
        .and_then(|view| view.head.book.lease(&sight.key))
    {
        if found.lease.start_at.0 > 0 {
            begun(sight, metering, found, &mut usage);
        }
        usage.settled_seconds = usage.settled_seconds.max(found.lease.settled.into());
    }
    usage
}

/// Where the count of a lease that started begins, and how far it was reported. `laneBase` and `reportedSeconds` together are never below anything that
/// was signed for the lane.
fn begun(sight: &Sight, metering: &Metering, found: Metered<'_>, usage: &mut LeaseUsage) {
    let in_force = found.lease.signed_as().terms;
    let same = usage
        .amended
        .as_ref()
        .map_or(&sight.lease.spec.terms_hash, |amended| &amended.terms_hash)
        .parse()
        .ok()
        == Some(in_force.0);
    if !same {
        if usage.lane_base.is_some() && !deep(sight, in_force) {
            // As with an opening: what may still be reorganized away changes no count.
            return;
        }
        amend(sight, metering, in_force, usage);
    }
    let base = i64::from(found.lease.lane_base);
    let top = usage
        .lane_base
        .map_or(0, |old| old.saturating_add(usage.reported_seconds));
    // What nobody here proved was not reported from here: it is waived.
    let counted = found.lane_seconds.saturating_sub(found.lease.lane_base);
    let own = counted.min(meters::allowance_of(&sight.lease, usage).billable(metering.seconds));
    usage.reported_seconds = i64::from(own).max(top.saturating_sub(base)).max(0);
    usage.lane_base = Some(base);
}

/// Whether these terms are in force at the start depth too.
fn deep(sight: &Sight, in_force: TermsHash) -> bool {
    sight
        .view
        .as_ref()
        .and_then(|view| view.start.book.lease(&sight.key))
        .is_some_and(|found| found.lease.signed_as().terms == in_force)
}

/// Other terms: what was counted so far is not billed under them. An object made again began its count under them, and back under the first terms
/// there was no amendment.
fn amend(sight: &Sight, metering: &Metering, in_force: TermsHash, usage: &mut LeaseUsage) {
    let first = sight.lease.spec.terms_hash.parse().ok() == Some(in_force.0);
    let before = match usage.lane_base {
        Some(_) => {
            meters::allowance_of(&sight.lease, usage)
                .amended_at(metering.seconds)
                .before
        }
        None => 0,
    };
    usage.amended = (!first).then(|| AmendedUsage {
        terms_hash: in_force.to_string(),
        before_seconds: before.into(),
    });
    usage.settled_seconds = 0;
}

fn escrow(sight: &Sight) -> Option<LeaseEscrow> {
    let found = sight.view.as_ref()?.head.book.lease(&sight.key)?;
    // As from the start: what is settled leaves the balance and the seconds it paid for alike, so this moves only when money comes in.
    let dry = found.runs_dry_at(found.lease.start_at, None);
    Some(LeaseEscrow {
        balance: found.lease.balance.to_string(),
        rate: RatePerHour::new(found.lease.rate.get()).ok()?.to_string(),
        runs_dry_at: dry
            .and_then(|at| i64::try_from(at.0.saturating_mul(1000)).ok())
            .map(time_of),
    })
}

fn conditions(
    next: &mut ComputeLeaseStatus,
    sight: &Sight,
    plan: &Plan,
    metering: &Metering,
    failed: Option<&ActError>,
) {
    let now = time_of(clock::wall().0);
    let generation = sight.lease.metadata.generation;
    let newest = sight
        .view
        .as_ref()
        .and_then(|view| view.head.book.lease(&sight.key));
    let found = plan::conditions(
        &sight.observed,
        plan,
        metering.side,
        purse(newest),
        finding(sight),
    );
    for mut finding in found {
        if let Some(error) = failed.filter(|_| finding.kind == condition::READY) {
            finding.status = Status::False;
            finding.reason = error.reason().to_owned();
            finding.message = error.to_string().chars().take(1024).collect();
        }
        condition::set(
            &mut next.conditions,
            finding.kind,
            finding.status,
            &finding.reason,
            &finding.message,
            generation,
            now.clone(),
        );
    }
}

/// The first finding that says why it is not delivered or what the tenant should know.
fn finding(sight: &Sight) -> Option<(String, String)> {
    let finding = sight
        .replicas
        .iter()
        .find_map(|replica| match &replica.assessment {
            Assessment::Delivered { note, .. } => note.clone(),
            Assessment::NotDelivered { finding, .. } | Assessment::Unknown(finding) => Some(finding.clone()),
        });
    finding.map(|finding| (finding.reason, finding.message))
}

const fn api_phase(phase: Phase) -> LeasePhase {
    match phase {
        Phase::Pending => LeasePhase::Pending,
        Phase::Starting => LeasePhase::Starting,
        Phase::Active => LeasePhase::Active,
        Phase::Degraded => LeasePhase::Degraded,
        Phase::Suspended => LeasePhase::Suspended,
        Phase::Finished => LeasePhase::Finished,
        Phase::Stopped => LeasePhase::Stopped,
        Phase::Closed => LeasePhase::Closed,
    }
}
