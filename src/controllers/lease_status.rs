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
            CloseOffer, ComputeLeaseStatus, DeviceHealth, LeaseDevice, LeaseEscrow, LeaseOpening, LeasePhase,
            LeaseUsage, LeaseWorkload,
        },
    },
    core::{
        book::Metered,
        delivery::{self, Assessment},
        documents::manifest::Form,
        money::RatePerHour,
        plan::lease::{self as plan, Phase, Plan},
        usage::counted::Lane,
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
            meters::count(&mut usage, &sight.lease, &lane(sight, found), metering.seconds);
        } else {
            usage.settled_seconds = usage.settled_seconds.max(found.lease.settled.into());
        }
    }
    usage
}

fn lane(sight: &Sight, found: Metered<'_>) -> Lane {
    let deep = sight
        .view
        .as_ref()
        .and_then(|view| view.start.book.lease(&sight.key));
    Lane {
        terms: found.lease.signed_as().terms,
        deep: deep.map(|found| found.lease.signed_as().terms),
        base: found.lease.lane_base,
        seconds: found.lane_seconds,
        settled: found.lease.settled,
    }
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
