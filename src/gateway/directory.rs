//! What the gateway needs to know and do about leases, and nothing more: the seam between HTTP and the cluster.

use std::io;

use alloy::primitives::{Address, B256, Bytes};
use futures::stream::BoxStream;
use thiserror::Error;

use crate::core::{
    documents::{
        exchange::{Accepted, CloseOffer, ManifestTaken},
        needs::Needs,
        session::LeaseFacts,
        statement::Statement,
        voucher::{SignedVoucher, VoucherError, VoucherKept},
    },
    ids::{LeaseId, LeaseKey},
    time::UnixMillis,
};

/// Why the cluster did not answer or do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// Not yet: the operator is still making it.
    #[error("{0} is not ready yet: come again in a moment")]
    NotReady(String),
    /// There is no such container, replica or log.
    #[error("{0}")]
    NotFound(String),
    /// The cluster's API did not answer, or in a way we cannot use.
    #[error("the cluster does not answer: come again in a moment")]
    Unavailable {
        /// For our log; not for tenants.
        why: String,
    },
}

/// Whether a lease still takes what its tenant sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Open.
    Open,
    /// Its clock stands: it takes vouchers for what it ran, and nothing else.
    Stopped,
    /// Closed: it is read, not written.
    Closed,
}

/// One lease as the cluster has it.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRecord {
    /// Who may ask.
    pub facts: LeaseFacts,
    /// Id and terms; two records may share the id after a reorg.
    pub key: LeaseKey,
    /// Id and the terms in force, which an amendment changes: what is signed names these.
    pub in_force: LeaseKey,
    /// The manifest the order names.
    pub manifest_hash: B256,
    /// What the manifest must stay within.
    pub needs: Needs,
    /// Whether it takes writes.
    pub standing: Standing,
    /// The provider's signature over the final seconds, once the operator gave it.
    pub close_offer: Option<CloseOffer>,
    /// The body of `GET …/status`.
    pub status: serde_json::Value,
    /// The body of `GET …/usage`.
    pub usage: serde_json::Value,
    /// Pages of statements that may be asked for by name.
    pub pages: Vec<String>,
    /// The ComputeLease behind it.
    pub object: ObjectRef,
}

/// Which ComputeLease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// The provider's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: a write names it, so an object made again under the same name takes nothing meant for the old.
    pub uid: String,
}

/// Whether the manifest was new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// First time.
    New(ManifestTaken),
    /// The same was there.
    Again(ManifestTaken),
}

/// What became of a voucher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptVoucher {
    /// It is higher than the one before.
    New(VoucherKept),
    /// It is not: this one stands.
    Standing(VoucherKept),
    /// It is for more than the lease's newest receipt.
    Refused(VoucherError),
}

/// Which log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// The manifest's container; none is its first.
    pub container: Option<String>,
    /// Counted from 0.
    pub replica: u16,
    /// Whether to wait for more.
    pub end: LogEnd,
    /// How many of the last lines to begin with.
    pub tail: Option<u32>,
}

/// What a log does when all that is there was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEnd {
    /// It ends.
    Stop,
    /// It waits for more.
    Follow,
}

/// A log's bytes as they come.
pub type LogStream = BoxStream<'static, Result<Bytes, io::Error>>;

/// Leases and what tenants may do with them. Authorization is over before any of these is called.
pub trait LeaseDirectory: Send + Sync + 'static {
    /// All leases under an id: none, one, or after a reorg several with different terms.
    fn leases(&self, id: LeaseId) -> impl Future<Output = Result<Vec<LeaseRecord>, DirectoryError>> + Send;

    /// Keeps manifest and secret values in the lease's namespace and notes it on the lease. Doing it twice is doing it once.
    fn keep_manifest(
        &self,
        lease: &LeaseRecord,
        accepted: &Accepted,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Kept, DirectoryError>> + Send;

    /// Opens a container's log.
    fn logs(
        &self,
        lease: &LeaseRecord,
        request: &LogRequest,
    ) -> impl Future<Output = Result<LogStream, DirectoryError>> + Send;

    /// The statements on one of the lease's pages.
    fn statements(
        &self,
        lease: &LeaseRecord,
        page: &str,
    ) -> impl Future<Output = Result<Vec<Statement>, DirectoryError>> + Send;

    /// Keeps the highest voucher of the lease, which `by` signed, if it is for no more than the provider's own newest receipt.
    fn keep_voucher(
        &self,
        lease: &LeaseRecord,
        voucher: &SignedVoucher,
        by: Address,
        now: UnixMillis,
    ) -> impl Future<Output = Result<KeptVoucher, DirectoryError>> + Send;

    /// Notes that the tenant wants to close by agreement, so that the operator signs.
    fn ask_close(
        &self,
        lease: &LeaseRecord,
        by: Address,
        now: UnixMillis,
    ) -> impl Future<Output = Result<(), DirectoryError>> + Send;
}
