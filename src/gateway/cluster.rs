//! Leases as Kubernetes has them: read from one watch of ComputeLeases, written as two Secrets in the lease's own namespace and one
//! field of status. Holds no right beyond that; the namespace is computed from chain, id and terms, never read from a status.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};
use serde_json::json;
use thiserror::Error;

use super::{
    directory::{
        DirectoryError, Kept, KeptVoucher, LeaseDirectory, LeaseRecord, LogRequest, LogStream, ObjectRef,
        Standing,
    },
    pods,
};
use crate::{
    api::{
        ComputeLease, ComputeMarket, ComputeProvider,
        lease::{LeasePhase, LeaseVoucher, ManifestReceipt},
    },
    core::{
        documents::{
            exchange::{Accepted, CloseOffer, ManifestTaken},
            needs::Needs,
            session::{GatewayFacts, LeaseFacts},
            statement::Statement,
            voucher::{SignedVoucher, VoucherError, VoucherKept},
        },
        ids::{ChainId, LeaseId, LeaseKey, ProviderId, TermsHash},
        time::UnixMillis,
        usage::archive::{PAGE_KEY, unpack},
        workload::{manifest_secret, names::Identity, values_secret},
    },
    kube_io::error::is_denial,
};

/// Field manager of the two Secrets and of `status.manifest`.
pub const MANIFEST_MANAGER: &str = "leaseport-gateway";
/// Field manager of `status.closeRequest`: another one, since an apply drops what its manager wrote before and leaves out now.
pub const CLOSE_MANAGER: &str = "leaseport-gateway-close";
/// Field manager of `status.voucher`.
pub const VOUCHER_MANAGER: &str = "leaseport-gateway-voucher";
/// How often a voucher is laid over a status that changed meanwhile.
const VOUCHER_TRIES: usize = 5;
/// How long one request to the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the gateway does not know who it is.
#[derive(Debug, Error)]
pub enum FactsError {
    /// An object cannot be read.
    #[error("cannot read {kind} {name}: {source}")]
    Read {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The operator has not verified the market's contracts yet.
    #[error("ComputeMarket {0} names no verified contracts yet: see its conditions")]
    NoContracts(String),
    /// A field is not what its schema promises.
    #[error("{0} cannot be used: {1}")]
    Field(&'static str, String),
}

/// Reads who the gateway is from a ComputeProvider and its ComputeMarket; authorities are left to the caller.
///
/// # Errors
/// Not there, not allowed, or the market's contracts are not verified yet.
pub async fn load_facts(
    client: &Client,
    namespace: &str,
    provider: &str,
) -> Result<(GatewayFacts, ComputeProvider), FactsError> {
    let read = |kind: &'static str, name: &str| {
        let name = name.to_owned();
        move |source| FactsError::Read {
            kind,
            name,
            source: Box::new(source),
        }
    };
    let found = Api::<ComputeProvider>::namespaced(client.clone(), namespace)
        .get(provider)
        .await
        .map_err(read("ComputeProvider", provider))?;
    let market_name = found.spec.market_ref.name.clone();
    let market = Api::<ComputeMarket>::all(client.clone())
        .get(&market_name)
        .await
        .map_err(read("ComputeMarket", &market_name))?;
    let contracts = market
        .status
        .and_then(|status| status.contracts)
        .ok_or_else(|| FactsError::NoContracts(market_name.clone()))?;
    let facts = GatewayFacts {
        chain_id: ChainId(
            u64::try_from(market.spec.chain_id)
                .map_err(|e| FactsError::Field("spec.chainId", e.to_string()))?,
        ),
        lease_book: contracts
            .lease_book
            .parse()
            .map_err(|e| FactsError::Field("status.contracts.leaseBook", format!("{e}")))?,
        provider_id: ProviderId(
            u32::try_from(found.spec.provider_id)
                .map_err(|e| FactsError::Field("spec.providerId", e.to_string()))?,
        ),
        authorities: Vec::new(),
    };
    Ok((facts, found))
}

/// Leases of one provider in one namespace.
#[derive(Clone)]
pub struct ClusterDirectory {
    client: Client,
    leases: Store<ComputeLease>,
    provider: String,
    chain_id: ChainId,
}

impl std::fmt::Debug for ClusterDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterDirectory")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl ClusterDirectory {
    /// The directory and the watch that keeps it; the future runs until it is dropped, through every broken watch.
    pub fn new(
        client: Client,
        namespace: &str,
        provider: &str,
        chain_id: ChainId,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (leases, writer) = reflector::store();
        let api: Api<ComputeLease> = Api::namespaced(client.clone(), namespace);
        let watch = watcher(api, watcher::Config::default())
            .default_backoff()
            .modify(|lease: &mut ComputeLease| lease.managed_fields_mut().clear())
            .reflect(writer)
            .for_each(|event| async move {
                if let Err(error) = event {
                    tracing::warn!(%error, "the watch of ComputeLeases broke and is taken up again");
                }
            });
        (
            Self {
                client,
                leases,
                provider: provider.to_owned(),
                chain_id,
            },
            watch,
        )
    }

    /// Waits until the first list of leases is here.
    pub async fn ready(&self) {
        // An error says that the watch was dropped, which is the process ending.
        let _ = self.leases.wait_until_ready().await;
    }

    fn record(&self, lease: &ComputeLease) -> Result<LeaseRecord, DirectoryError> {
        record(lease).map_err(|why| {
            let name = lease.name_any();
            DirectoryError::Unavailable {
                why: format!("ComputeLease {name}: {why}"),
            }
        })
    }

    const fn identity(&self, lease: &LeaseRecord) -> Identity {
        Identity {
            chain: self.chain_id,
            lease: lease.key,
        }
    }

    fn lease_api(&self, lease: &LeaseRecord) -> Api<ComputeLease> {
        Api::namespaced(self.client.clone(), &lease.object.namespace)
    }

    /// Applies a part of status as its own field manager.
    async fn apply_status(
        &self,
        lease: &LeaseRecord,
        manager: &str,
        status: serde_json::Value,
    ) -> Result<(), DirectoryError> {
        let patch = json!({
            "apiVersion": "leaseport.dev/v1alpha1",
            "kind": "ComputeLease",
            "metadata": { "name": lease.object.name, "uid": lease.object.uid },
            "status": status,
        });
        let params = PatchParams::apply(manager).force();
        let leases = self.lease_api(lease);
        bounded(
            "the lease",
            leases.patch_status(&lease.object.name, &params, &Patch::Apply(&patch)),
        )
        .await?;
        Ok(())
    }
}

impl LeaseDirectory for ClusterDirectory {
    async fn leases(&self, id: LeaseId) -> Result<Vec<LeaseRecord>, DirectoryError> {
        let text = id.to_string();
        let found = self.leases.state_filter(|lease| {
            lease.spec.lease_id == text && lease.spec.provider_ref.name == self.provider
        });
        found.iter().map(|lease| self.record(lease)).collect()
    }

    async fn keep_manifest(
        &self,
        lease: &LeaseRecord,
        accepted: &Accepted,
        now: UnixMillis,
    ) -> Result<Kept, DirectoryError> {
        let identity = self.identity(lease);
        let namespace = identity.namespace();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let params = PatchParams::apply(MANIFEST_MANAGER).force();
        // The status comes last: the operator builds the workload when it sees it, and both Secrets are there then.
        for secret in [
            values_secret(identity, &accepted.secrets),
            manifest_secret(identity, &accepted.canonical, accepted.hash),
        ] {
            let name = secret.name_any();
            bounded(
                "the lease's namespace",
                secrets.patch(&name, &params, &Patch::Apply(&secret)),
            )
            .await?;
        }
        let live = bounded("the lease", self.lease_api(lease).get(&lease.object.name)).await?;
        if live.uid().as_deref() != Some(lease.object.uid.as_str()) {
            return Err(DirectoryError::NotReady("the lease".to_owned()));
        }
        let hash = accepted.hash.to_string();
        let taken = |receipt: &ManifestReceipt| ManifestTaken {
            lease_id: lease.key.id,
            manifest_hash: accepted.hash,
            revision: u32::try_from(receipt.revision).unwrap_or(1),
            received_at: receipt.received_at.0.to_string(),
        };
        if let Some(receipt) = live
            .status
            .and_then(|status| status.manifest)
            .filter(|receipt| receipt.hash == hash)
        {
            return Ok(Kept::Again(taken(&receipt)));
        }
        let receipt = ManifestReceipt {
            hash,
            revision: 1,
            received_at: stamp(now),
        };
        self.apply_status(lease, MANIFEST_MANAGER, json!({ "manifest": receipt }))
            .await?;
        Ok(Kept::New(taken(&receipt)))
    }

    async fn logs(&self, lease: &LeaseRecord, request: &LogRequest) -> Result<LogStream, DirectoryError> {
        pods::open_log(&self.client, self.identity(lease), request).await
    }

    async fn statements(&self, lease: &LeaseRecord, page: &str) -> Result<Vec<Statement>, DirectoryError> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &lease.object.namespace);
        let map = bounded("the page of statements", maps.get(page)).await?;
        let bytes = map.binary_data.and_then(|mut data| data.remove(PAGE_KEY));
        let bytes = bytes.map(|bytes| bytes.0).unwrap_or_default();
        unpack(&bytes).map_err(|error| DirectoryError::Unavailable {
            why: format!("ConfigMap {page}: {error}"),
        })
    }

    async fn keep_voucher(
        &self,
        lease: &LeaseRecord,
        voucher: &SignedVoucher,
        by: Address,
        now: UnixMillis,
    ) -> Result<KeptVoucher, DirectoryError> {
        let leases = self.lease_api(lease);
        for _ in 0..VOUCHER_TRIES {
            // Read afresh: the cache may not know the newest receipt yet, and two gateways may keep vouchers at once.
            let live = bounded("the lease", leases.get(&lease.object.name)).await?;
            if live.uid().as_deref() != Some(lease.object.uid.as_str()) {
                return Err(DirectoryError::NotReady("the lease".to_owned()));
            }
            let next = match voucher_onto(&live, lease.in_force, voucher, by, now) {
                Onto::Write(next) => next,
                Onto::Answer(answer) => return Ok(answer),
            };
            let patch = json!({
                "apiVersion": "leaseport.dev/v1alpha1",
                "kind": "ComputeLease",
                "metadata": {
                    "name": lease.object.name, "uid": lease.object.uid, "resourceVersion": live.resource_version(),
                },
                "status": { "voucher": next },
            });
            let (params, patch) = (PatchParams::apply(VOUCHER_MANAGER).force(), Patch::Apply(&patch));
            let written = leases.patch_status(&lease.object.name, &params, &patch);
            match tokio::time::timeout(PATIENCE, written).await {
                Ok(Err(kube::Error::Api(status))) if status.code == 409 => {}
                Ok(answer) => {
                    bounded("the lease", async { answer }).await?;
                    return Ok(KeptVoucher::New(said(lease.key.id, &next, lease.in_force.terms)));
                }
                Err(_) => {
                    return Err(DirectoryError::Unavailable {
                        why: format!("the lease: no answer within {} s", PATIENCE.as_secs()),
                    });
                }
            }
        }
        Err(DirectoryError::NotReady(
            "the lease, which changes all the time,".to_owned(),
        ))
    }

    async fn ask_close(
        &self,
        lease: &LeaseRecord,
        by: Address,
        now: UnixMillis,
    ) -> Result<(), DirectoryError> {
        let status = json!({ "closeRequest": { "requestedAt": stamp(now), "by": by } });
        self.apply_status(lease, CLOSE_MANAGER, status).await
    }
}

/// What to do with a voucher.
enum Onto {
    /// Write it.
    Write(LeaseVoucher),
    /// Nothing is written.
    Answer(KeptVoucher),
}

/// A voucher beside what the lease has: one for other terms than are in force counts as none.
fn voucher_onto(
    live: &ComputeLease,
    signed_as: LeaseKey,
    voucher: &SignedVoucher,
    by: Address,
    now: UnixMillis,
) -> Onto {
    let status = live.status.clone().unwrap_or_default();
    let terms = signed_as.terms.to_string();
    if let Some(kept) = status
        .voucher
        .filter(|kept| kept.terms_hash == terms && kept.cum >= i64::from(voucher.cum))
    {
        return Onto::Answer(KeptVoucher::Standing(said(signed_as.id, &kept, signed_as.terms)));
    }
    let receipt = status.usage.and_then(|usage| usage.receipt).filter(|receipt| {
        let under = receipt.terms_hash.as_ref().unwrap_or(&live.spec.terms_hash);
        under.parse().ok() == Some(signed_as.terms.0)
    });
    let signed = receipt.map_or(0, |receipt| u32::try_from(receipt.cum).unwrap_or(0));
    if voucher.cum > signed {
        return Onto::Answer(KeptVoucher::Refused(VoucherError::MoreThanSigned {
            cum: voucher.cum,
            signed,
        }));
    }
    Onto::Write(LeaseVoucher {
        cum: voucher.cum.into(),
        terms_hash: terms,
        by: by.to_string(),
        signature: voucher.signature.to_string(),
        received_at: stamp(now),
    })
}

fn said(lease_id: LeaseId, kept: &LeaseVoucher, terms_hash: TermsHash) -> VoucherKept {
    VoucherKept {
        lease_id,
        terms_hash,
        cum: u32::try_from(kept.cum).unwrap_or(0),
        received_at: kept.received_at.0.to_string(),
    }
}

/// The terms in force: those it was opened with, or of the amendment that the operator counts under.
fn in_force(lease: &ComputeLease) -> Option<TermsHash> {
    let usage = lease.status.as_ref().and_then(|status| status.usage.as_ref());
    let terms = usage
        .and_then(|usage| usage.amended.as_ref())
        .map_or(&lease.spec.terms_hash, |amended| &amended.terms_hash);
    terms.parse().map(TermsHash).ok()
}

/// One request to the API server, in time, with its error as a tenant may see it.
pub(super) async fn bounded<T>(
    what: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, DirectoryError> {
    let unavailable = |why: String| DirectoryError::Unavailable {
        why: format!("{what}: {why}"),
    };
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            // An admission policy's no does not pass by itself: the provider finds it in our log.
            _ if is_denial(&status) => unavailable(status.message),
            // No namespace yet, or not yet our RoleBinding in it; 400 is a container that has not started.
            400 | 403 | 404 => {
                tracing::info!(what, code = status.code, message = status.message, "not ready");
                DirectoryError::NotReady(what.to_owned())
            }
            _ => unavailable(status.message),
        }),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(_) => Err(unavailable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

fn stamp(now: UnixMillis) -> Time {
    Time(Timestamp::from_second(now.0.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A ComputeLease in our own types, or which field is not what its schema promises.
fn record(lease: &ComputeLease) -> Result<LeaseRecord, String> {
    let spec = &lease.spec;
    let field = |name: &'static str| move |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let key = LeaseKey {
        id: spec.lease_id.parse().map_err(|e| field("spec.leaseId")(&e))?,
        terms: TermsHash(spec.terms_hash.parse().map_err(|e| field("spec.termsHash")(&e))?),
    };
    let status = lease.status.clone().unwrap_or_default();
    let standing = match status.phase.unwrap_or_default() {
        LeasePhase::Pending
        | LeasePhase::Starting
        | LeasePhase::Active
        | LeasePhase::Degraded
        | LeasePhase::Suspended
        | LeasePhase::Finished => Standing::Open,
        LeasePhase::Stopped => Standing::Stopped,
        LeasePhase::Closed => Standing::Closed,
    };
    let in_force = LeaseKey {
        id: key.id,
        terms: in_force(lease).ok_or("status.usage.amended.termsHash is no hash")?,
    };
    let close_offer = status.close_offer.as_ref().map(|offer| {
        Ok::<_, String>(CloseOffer {
            lease_id: key.id,
            terms_hash: in_force.terms,
            cum: u32::try_from(offer.cum).map_err(|e| field("status.closeOffer.cum")(&e))?,
            deadline: u64::try_from(offer.deadline).map_err(|e| field("status.closeOffer.deadline")(&e))?,
            signature: offer
                .signature
                .parse::<Bytes>()
                .map_err(|e| field("status.closeOffer.signature")(&e))?,
        })
    });
    let vouched = status
        .voucher
        .as_ref()
        .map(|voucher| json!({ "cum": voucher.cum, "receivedAt": voucher.received_at }));
    Ok(LeaseRecord {
        facts: LeaseFacts {
            id: key.id,
            tenant: spec.tenant.parse().map_err(|e| field("spec.tenant")(&e))?,
            agent: match &spec.agent {
                Some(agent) => agent.parse().map_err(|e| field("spec.agent")(&e))?,
                None => Address::ZERO,
            },
        },
        key,
        in_force,
        manifest_hash: spec
            .manifest_hash
            .parse::<B256>()
            .map_err(|e| field("spec.manifestHash")(&e))?,
        needs: Needs::decode(spec.needs.as_bytes()).map_err(|e| field("spec.needs")(&e))?,
        standing,
        close_offer: close_offer.transpose()?,
        pages: status
            .usage
            .as_ref()
            .map(|usage| usage.evidence.clone())
            .unwrap_or_default(),
        usage: json!({ "leaseId": key.id, "termsHash": in_force.terms, "usage": status.usage, "voucher": vouched, "ratePerHour": spec.terms.rate_per_hour }),
        status: json!({
            "leaseId": key.id,
            "termsHash": in_force.terms,
            "vouchedSeconds": status.voucher.as_ref().map(|voucher| voucher.cum),
            "phase": status.phase.unwrap_or_default(),
            "suspended": spec.suspend,
            "manifest": status.manifest,
            "workloads": status.workloads,
            "finish": status.finish,
            "devices": status.devices,
            "escrow": status.escrow,
            "conditions": status.conditions,
        }),
        object: ObjectRef {
            namespace: lease.namespace().unwrap_or_default(),
            name: lease.name_any(),
            uid: lease.uid().unwrap_or_default(),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    async fn answered(code: u16, message: &str) -> DirectoryError {
        let status = json!({ "status": "Failure", "reason": "Forbidden", "code": code, "message": message });
        let error = kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()));
        bounded("the manifest", async { Err::<(), _>(error) })
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn a_policy_that_denies_is_told_to_the_provider_and_a_right_that_is_not_there_yet_is_waited_for() {
        let denial = "admission webhook \"validate.kyverno.svc-fail\" denied the request: no owner";
        match answered(400, denial).await {
            DirectoryError::Unavailable { why } => assert_eq!(why, format!("the manifest: {denial}")),
            other => panic!("{other:?}"),
        }
        let early = answered(
            403,
            "secrets is forbidden: User \"x\" cannot create resource \"secrets\"",
        )
        .await;
        assert!(matches!(early, DirectoryError::NotReady(_)), "{early:?}");
    }
}
