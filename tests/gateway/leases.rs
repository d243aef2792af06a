//! Leases in memory, for the gateway's own tests.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use futures::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;

use leaseport::{
    core::{
        documents::{
            canonical::Document,
            exchange::{Accepted, ManifestTaken},
            manifest::Manifest,
            needs::Needs,
            session::LeaseFacts,
            statement::Statement,
            voucher::{SignedVoucher, VoucherError, VoucherKept},
        },
        ids::{LeaseId, LeaseKey, TermsHash},
        time::UnixMillis,
    },
    gateway::directory::{
        DirectoryError, Kept, KeptVoucher, LeaseDirectory, LeaseRecord, LogRequest, LogStream, ObjectRef,
        Standing,
    },
};

/// What was kept for a lease.
#[derive(Clone)]
pub(crate) struct KeptManifest {
    pub(crate) accepted: Accepted,
    pub(crate) taken: ManifestTaken,
    pub(crate) writes: usize,
}

#[derive(Default)]
struct Inner {
    leases: Vec<LeaseRecord>,
    kept: BTreeMap<LeaseId, KeptManifest>,
    asked: BTreeMap<LeaseId, Address>,
    vouched: BTreeMap<LeaseId, (u32, Address)>,
    logs: Vec<mpsc::UnboundedSender<String>>,
    log_request: Option<LogRequest>,
}

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Inner>>);

impl Memory {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(crate) fn add(&self, lease: LeaseRecord) {
        self.with(|inner| inner.leases.push(lease));
    }

    pub(crate) fn change(&self, id: LeaseId, change: impl FnOnce(&mut LeaseRecord)) {
        self.with(|inner| change(inner.leases.iter_mut().find(|lease| lease.key.id == id).unwrap()));
    }

    pub(crate) fn kept(&self, id: LeaseId) -> Option<KeptManifest> {
        self.with(|inner| inner.kept.get(&id).cloned())
    }

    pub(crate) fn asked(&self, id: LeaseId) -> Option<Address> {
        self.with(|inner| inner.asked.get(&id).copied())
    }

    pub(crate) fn vouched(&self, id: LeaseId) -> Option<(u32, Address)> {
        self.with(|inner| inner.vouched.get(&id).copied())
    }

    pub(crate) fn write_log(&self, line: String) {
        self.with(|inner| inner.logs.last().unwrap().send(line).unwrap());
    }

    pub(crate) fn end_log(&self) {
        self.with(|inner| inner.logs.clear());
    }

    pub(crate) fn last_log_request(&self) -> Option<LogRequest> {
        self.with(|inner| inner.log_request.clone())
    }
}

/// What the newest receipt of every lease says.
pub(crate) const SIGNED: u32 = 300;

/// The one statement on every page.
pub(crate) fn statement() -> Statement {
    Statement {
        from: 1_000,
        to: 1_300,
        cum: 300,
        devices: vec!["GPU-1".to_owned()],
        path: vec![B256::repeat_byte(1)],
        root: B256::repeat_byte(2),
        terms: Some(TermsHash(B256::repeat_byte(5))),
        signature: Bytes::from(vec![3; 65]),
    }
}

impl LeaseDirectory for Memory {
    async fn statements(&self, _: &LeaseRecord, page: &str) -> Result<Vec<Statement>, DirectoryError> {
        match page {
            "page-1" => Ok(vec![statement()]),
            _ => Err(DirectoryError::NotFound(page.to_owned())),
        }
    }

    async fn leases(&self, id: LeaseId) -> Result<Vec<LeaseRecord>, DirectoryError> {
        Ok(self.with(|inner| {
            inner
                .leases
                .iter()
                .filter(|lease| lease.key.id == id)
                .cloned()
                .collect()
        }))
    }

    async fn keep_manifest(
        &self,
        lease: &LeaseRecord,
        accepted: &Accepted,
        _now: UnixMillis,
    ) -> Result<Kept, DirectoryError> {
        if lease.object.namespace.is_empty() {
            return Err(DirectoryError::NotReady("the lease's namespace".to_owned()));
        }
        Ok(self.with(|inner| {
            if let Some(kept) = inner.kept.get_mut(&lease.key.id) {
                kept.accepted = accepted.clone();
                kept.writes += 1;
                return Kept::Again(kept.taken.clone());
            }
            let taken = ManifestTaken {
                lease_id: lease.key.id,
                manifest_hash: accepted.hash,
                revision: 1,
                received_at: "2026-01-01T00:00:00Z".to_owned(),
            };
            let kept = KeptManifest {
                accepted: accepted.clone(),
                taken: taken.clone(),
                writes: 1,
            };
            inner.kept.insert(lease.key.id, kept);
            Kept::New(taken)
        }))
    }

    async fn logs(&self, _lease: &LeaseRecord, request: &LogRequest) -> Result<LogStream, DirectoryError> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<String>();
        self.with(|inner| {
            inner.logs.push(sender);
            inner.log_request = Some(request.clone());
        });
        let lines = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        Ok(lines
            .map(|line| Ok::<_, io::Error>(Bytes::from(line.into_bytes())))
            .boxed())
    }

    async fn keep_voucher(
        &self,
        lease: &LeaseRecord,
        voucher: &SignedVoucher,
        by: Address,
        _now: UnixMillis,
    ) -> Result<KeptVoucher, DirectoryError> {
        let said = |cum| VoucherKept {
            lease_id: lease.key.id,
            terms_hash: lease.in_force.terms,
            cum,
            received_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        Ok(self.with(|inner| match inner.vouched.get(&lease.key.id) {
            Some((cum, _)) if *cum >= voucher.cum => KeptVoucher::Standing(said(*cum)),
            Some(_) | None if voucher.cum > SIGNED => KeptVoucher::Refused(VoucherError::MoreThanSigned {
                cum: voucher.cum,
                signed: SIGNED,
            }),
            Some(_) | None => {
                inner.vouched.insert(lease.key.id, (voucher.cum, by));
                KeptVoucher::New(said(voucher.cum))
            }
        }))
    }

    async fn ask_close(
        &self,
        lease: &LeaseRecord,
        by: Address,
        _now: UnixMillis,
    ) -> Result<(), DirectoryError> {
        self.with(|inner| inner.asked.insert(lease.key.id, by));
        Ok(())
    }
}

fn manifest_with(cpu_milli: u64) -> Vec<u8> {
    let manifest: Manifest = serde_json::from_value(json!({
        "version": 1, "salt": format!("0x{}", "ab".repeat(32)), "form": "Deployment",
        "containers": [{
            "name": "main", "image": "busybox", "env": [{ "name": "TOKEN", "secret": "token" }],
            "cpuMilli": cpu_milli, "memoryMiB": 64, "storageMiB": 64, "gpus": 1,
        }],
    }))
    .unwrap();
    manifest.to_canonical().unwrap()
}

/// A manifest within [`needs`].
pub(crate) fn manifest() -> Vec<u8> {
    manifest_with(500)
}

/// One that wants more CPU than agreed.
pub(crate) fn greedy_manifest() -> Vec<u8> {
    manifest_with(50_000)
}

fn needs() -> Needs {
    serde_json::from_value(json!({
        "version": 1, "gpu": { "count": 1 }, "cpuMilli": 1000, "memoryMiB": 1024, "storageMiB": 1024, "replicas": 1,
    }))
    .unwrap()
}

/// A running lease that waits for [`manifest`].
pub(crate) fn lease_of(tenant: Address, id: LeaseId) -> LeaseRecord {
    LeaseRecord {
        facts: LeaseFacts {
            id,
            tenant,
            agent: Address::ZERO,
        },
        key: LeaseKey {
            id,
            terms: TermsHash(B256::repeat_byte(5)),
        },
        in_force: LeaseKey {
            id,
            terms: TermsHash(B256::repeat_byte(5)),
        },
        manifest_hash: keccak256(manifest()),
        needs: needs(),
        standing: Standing::Open,
        close_offer: None,
        status: json!({ "leaseId": id, "phase": "Active" }),
        usage: json!({ "leaseId": id, "usage": { "reportedSeconds": 10, "evidence": ["page-1"] } }),
        pages: vec!["page-1".to_owned()],
        object: ObjectRef {
            namespace: "leaseport".to_owned(),
            name: id.to_string(),
            uid: "u".to_owned(),
        },
    }
}
