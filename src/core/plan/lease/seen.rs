//! What a pass over one lease saw, side by side: chain, object, namespace, manifest, workload, delivery, transactions. What did not answer is a value
//! of its own, Unknown, and never stands for absent.

use std::time::Duration;

use crate::core::{
    delivery::Finish,
    plan::duty::{Sent, Trust},
    time::ChainSeconds,
    view::{FinalAbsence, FinalClosure},
};

/// The lease in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Opened, not started; expires after `stop_at`.
    Pending {
        /// The last second to start.
        stop_at: ChainSeconds,
    },
    /// Started; nothing accrues after `stop_at`.
    Live {
        /// When the clock began.
        start_at: ChainSeconds,
        /// When it ends.
        stop_at: ChainSeconds,
    },
    /// Over.
    Closed,
}

/// A proof that nothing can bring the lease back; made by the chain view from a finalized block alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is closed in a finalized block.
    Closure(FinalClosure),
    /// It was reorganised away and finality has passed its opening.
    Absence(FinalAbsence),
}

/// What the chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSide {
    /// How far this may be trusted.
    pub trust: Trust,
    /// At the newest block; none: no such lease there.
    pub head: Option<Stage>,
    /// At the start depth; none: no such lease there.
    pub start: Option<Stage>,
    /// Final, if so.
    pub proof: Option<Proof>,
    /// The newest block's time.
    pub now: ChainSeconds,
    /// How long the lease may last beyond the last final view: until its escrow is used up at full delivery, or until its end if that is sooner.
    pub runway: Duration,
}

/// The manifest as the gateway left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestSide {
    /// The tenant has not sent it.
    Awaited,
    /// It is there and builds.
    Ready,
    /// It is there and cannot be run; a later revision may.
    Refused {
        /// Why, for the tenant.
        reason: String,
    },
    /// The API server did not answer.
    Unknown,
}

/// The lease's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceSide {
    /// Not there.
    Absent,
    /// Ours, by its labels, but not known to be furnished: bindings, quota or policies may be missing.
    Bare,
    /// Ours and furnished.
    Ours,
    /// Ours and on its way out.
    Leaving,
    /// Somebody else's under our name: never adopted.
    Foreign,
    /// The API server did not answer.
    Unknown,
}

/// The workload's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadSide {
    /// None was applied.
    Absent,
    /// Applied as the manifest says.
    Current,
    /// Applied, but an older manifest or other settings.
    Outdated,
    /// Scaled to zero.
    Paused,
    /// The API server did not answer.
    Unknown,
}

/// Whether what is owed is delivered (design: protocol, "Delivered").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliverySide {
    /// Every replica.
    Delivered,
    /// Some of the replicas.
    Partly,
    /// None, for a reason the provider owns.
    Withheld,
    /// Cannot be told.
    Unknown,
}

/// Whether the bid's placeholder pods must make room for the lease's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// No placeholder is left, or the lease has no pods yet.
    Nothing,
    /// The lease's pods are there and wait while placeholders sit on their nodes.
    Due,
}

/// Who wants the lease to end on the provider's side, or that nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Run,
    /// Scale to zero without ending (spec.suspend).
    Suspend,
    /// End it: the object is being deleted or spec.close is set.
    End {
        /// Typed reason for the chain: 2xxx.
        reason: u16,
    },
}

/// The statements kept beside the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceSide {
    /// None are kept.
    None,
    /// They may still be asked for.
    Needed,
    /// Nobody can contest the lease any more.
    Spent,
}

/// Whether status holds the provider's signature over all that was counted, for as long as the lease can be closed by agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedEnd {
    /// None, or one over fewer seconds or for a shorter time.
    Due,
    /// It does.
    Given,
}

/// The Kubernetes object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectSide {
    /// Our finalizer is on it.
    pub held: bool,
    /// A deletion timestamp is set.
    pub leaving: bool,
    /// A person wrote the annotation that lets the object go whatever the chain says.
    pub abandoned: bool,
    /// What its spec asks for.
    pub wish: Wish,
    /// The tenant asked at the gateway for a signature over the final seconds, and none that still holds was given.
    pub close_asked: bool,
    /// What a finished lease is closed with.
    pub signed_end: SignedEnd,
}

/// Transactions of this lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duties {
    /// `start`.
    pub start: Sent,
    /// `decline`.
    pub decline: Sent,
    /// `stop` by the provider.
    pub stop: Sent,
    /// `finalize`.
    pub finalize: Sent,
}

/// Everything a pass saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The chain.
    pub chain: ChainSide,
    /// The object.
    pub object: ObjectSide,
    /// The namespace.
    pub namespace: NamespaceSide,
    /// The manifest.
    pub manifest: ManifestSide,
    /// The workload.
    pub workload: WorkloadSide,
    /// Delivery.
    pub delivery: DeliverySide,
    /// How its Job ended, if it is one and has; once seen it stays.
    pub finish: Option<Finish>,
    /// The hold it was promised from.
    pub handover: HandOver,
    /// Transactions.
    pub duties: Duties,
    /// Statements.
    pub evidence: EvidenceSide,
}

/// What does not change from pass to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// F of the deployment: reports count so long after the end, finalize works after it. Seconds.
    pub final_reports: u64,
    /// Decline so long before a pending lease expires, so that the transaction still lands. Seconds.
    pub decline_margin: u64,
    /// Unpaid time the terms allow.
    pub grace: Duration,
    /// Scale to zero when the chain was unknown so long beyond runway and grace; none: never (offer.onChainUnknown.suspendAfter).
    pub suspend_after: Option<Duration>,
}
