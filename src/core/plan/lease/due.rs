//! What a lease's plan can ask for, and how it says where the lease stands. Values only: nothing here is carried out.

use std::time::Duration;

use super::seen::Proof;
use crate::core::time::ChainSeconds;

/// One act. The shell runs them in the order given and stops at the first that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put our finalizer on the object.
    Hold,
    /// Namespace, account, bindings, quota, policies.
    OpenNamespace,
    /// Apply the workload.
    RunWorkload,
    /// Nominate the held nodes for the lease's pods, then drop the hold (design: protocol, "Hand-over").
    HandOver,
    /// Scale to zero; everything else stays.
    PauseWorkload,
    /// `start` on chain.
    Start,
    /// `decline` on chain.
    Decline {
        /// Typed reason.
        reason: u16,
    },
    /// `stop` on chain by the provider.
    Stop {
        /// Typed reason.
        reason: u16,
    },
    /// `finalize` on chain.
    Finalize,
    /// Sign the seconds counted so far for the tenant to close with; those of a finished Job for as long as it can be closed.
    OfferClose,
    /// Delete the statements: the window in which they could be asked for has passed.
    ClearEvidence,
    /// Delete the namespace.
    Destroy(Proof),
    /// Take our finalizer off.
    Release,
}

/// Where the lease stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Opened; the manifest or the workload is awaited.
    Pending,
    /// Workload applied, not delivered and started yet.
    Starting,
    /// Delivered and billed.
    Active,
    /// Started, not wholly delivered.
    Degraded,
    /// Scaled to zero without having ended.
    Suspended,
    /// Its Job has ended; the lease lives until the tenant closes it or its time is over.
    Finished,
    /// Ended; final reports and finality are awaited.
    Stopped,
    /// Over for good.
    Closed,
}

/// Whether billable time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// As far as delivery goes.
    Runs,
    /// As far as delivery went, up to this second: the chain's clock ended there.
    Until(ChainSeconds),
    /// Not at all.
    Stands,
    /// Not to be judged in this pass: the open interval stays as it is.
    Unjudged,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Acts in order.
    pub actions: Vec<Action>,
    /// Phase to show.
    pub phase: Phase,
    /// Clock of the meter.
    pub clock: Clock,
    /// CamelCase reason of the phase.
    pub reason: &'static str,
    /// Look again after so long even if nothing is heard; none: an event will tell.
    pub again: Option<Duration>,
}

/// Typed reasons on chain (design: protocol, "Lease life").
pub mod reason {
    /// Provider: asked for by its own admin.
    pub const MAINTENANCE: u16 = 2001;
    /// Provider: capacity is gone.
    pub const CAPACITY_LOST: u16 = 2002;
    /// Protocol: the tenant sent no manifest in time.
    pub const NO_MANIFEST: u16 = 4011;
    /// Protocol: the manifest could not be run.
    pub const MANIFEST_REFUSED: u16 = 4012;
}
