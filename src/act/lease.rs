//! A lease plan's actions carried out in the order given; the first that fails ends the pass, since later ones build on earlier
//! ones. Decides nothing: which action is due, core::plan::lease said.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, Client};
use thiserror::Error;

use super::{
    evidence::{EvidenceError, Shelf},
    transact::{SubmitError, TransactContext, WalletName},
};
use crate::{
    api::{ComputeLease, lease::CloseOffer, name::CLOSE_FINALIZER},
    chain_io::signer::{SignerError, WalletSigner},
    core::{
        documents::{
            acts::Close,
            calls,
            manifest::Manifest,
            needs::Needs,
            signing::{digest, domain},
            terms::Terms,
        },
        ids::{ChainId, LeaseKey},
        plan::{
            duty::Sent,
            lease::{Action, Duties, Proof},
        },
        tx::{Call, Intent, IntentKind, Subject},
        workload::{BuildError, Ground, LeaseTemplate, Object, Power, names::Identity, room, workload},
    },
    kube_io::{
        KubeError,
        apply::apply_lease,
        delete::{Grace, delete},
        error::Class,
        finalizers,
        pods::nominate,
    },
};

/// Why an action failed. The class decides when it is tried again; nothing here ends a lease.
#[derive(Debug, Error)]
pub enum ActError {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The chain or the wallet did.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Objects cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignerError),
    /// What a report rests on could not be kept.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Something the action needs was not observed in this pass; the next one looks again.
    #[error("{action} needs {what}, which was not seen in this pass: it is tried again")]
    Missing {
        /// Which action.
        action: &'static str,
        /// What.
        what: &'static str,
    },
}

impl ActError {
    /// CamelCase reason for events, conditions and labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Kube(error) => error.class().reason(),
            Self::Submit(error) => error.reason(),
            Self::Build(_) => "CannotBuild",
            Self::Sign(_) => "CannotSign",
            Self::Evidence(_) => "EvidenceNotKept",
            Self::Missing { .. } => "NotSeenYet",
        }
    }
}

/// Everything the actions on one lease may touch.
pub struct LeaseHands<'a> {
    /// The cluster.
    pub client: &'a Client,
    /// Field manager of the operator.
    pub manager: &'a str,
    /// Transactions of the market.
    pub transact: &'a TransactContext,
    /// The provider's duty wallet.
    pub wallet: &'a WalletName,
    /// The object.
    pub lease: &'a ComputeLease,
    /// Its namespace.
    pub home: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Id and terms.
    pub key: LeaseKey,
    /// Names and labels of its objects.
    pub identity: Identity,
    /// The order's needs.
    pub needs: &'a Needs,
    /// What the offer gives.
    pub ground: Option<&'a Ground>,
    /// What runs, and its hash.
    pub manifest: Option<(&'a Manifest, B256)>,
    /// Terms on chain.
    pub terms: Option<&'a Terms>,
    /// Chain and contract.
    pub chain: ChainId,
    /// LeaseBook.
    pub lease_book: Address,
    /// How far its transactions have come.
    pub duties: Duties,
    /// First part of every intent's epoch.
    pub epoch: &'a str,
    /// The lane's value to start from: at least anything ever signed for it.
    pub base: u32,
    /// Devices bound, for the start's `bindings`.
    pub devices: &'a [String],
    /// Placeholder pods of the bid.
    pub held: &'a [std::sync::Arc<Pod>],
    /// The lease's own pods.
    pub pods: &'a [std::sync::Arc<Pod>],
    /// Seconds metered so far, persisted together with the offer to close.
    pub seconds: u32,
    /// Until when a signature over them holds, Unix seconds of the chain.
    pub close_deadline: u64,
}

/// What an action left that the status must tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Nothing but its effect.
    Plain,
    /// A transaction was handed over under this name.
    Sent(String),
    /// A signature for the tenant to close with.
    Offered(CloseOffer),
}

impl LeaseHands<'_> {
    /// Runs one action.
    ///
    /// # Errors
    /// The first thing that failed; nothing is undone, since every action may be repeated.
    pub async fn run(&self, action: &Action) -> Result<Done, ActError> {
        match action {
            Action::Hold => self.hold().await,
            Action::OpenNamespace => self.open_namespace().await,
            Action::RunWorkload => self.scale(Power::On).await,
            Action::HandOver => self.hand_over().await,
            Action::PauseWorkload => self.scale(Power::Off).await,
            Action::Start => {
                let devices = calls::bindings(self.devices.iter().map(String::as_str));
                let data = calls::start(self.terms("start")?, self.base, devices);
                self.send(IntentKind::Start, self.duties.start, data).await
            }
            Action::Decline { reason } => {
                let data = calls::decline(self.terms("decline")?, *reason);
                self.send(IntentKind::Decline, self.duties.decline, data).await
            }
            Action::Stop { reason } => {
                let data = calls::stop(self.terms("stop")?, *reason);
                self.send(IntentKind::Stop, self.duties.stop, data).await
            }
            Action::Finalize => {
                let data = calls::finalize(self.terms("finalize")?);
                self.send(IntentKind::Finalize, self.duties.finalize, data).await
            }
            Action::OfferClose => self.offer_close().await,
            Action::ClearEvidence => {
                self.shelf().clear().await?;
                Ok(Done::Plain)
            }
            Action::Destroy(proof) => {
                destroy(self.client, self.identity, proof).await?;
                Ok(Done::Plain)
            }
            Action::Release => {
                finalizers::remove(&self.leases(), self.lease, CLOSE_FINALIZER).await?;
                Ok(Done::Plain)
            }
        }
    }

    fn leases(&self) -> Api<ComputeLease> {
        Api::namespaced(self.client.clone(), self.home)
    }

    const fn shelf(&self) -> Shelf<'_> {
        Shelf {
            client: self.client,
            manager: self.manager,
            lease: self.lease,
        }
    }

    fn terms(&self, action: &'static str) -> Result<&Terms, ActError> {
        self.terms.ok_or(ActError::Missing {
            action,
            what: "the lease's terms",
        })
    }

    fn template(&self, action: &'static str) -> Result<LeaseTemplate<'_>, ActError> {
        let ground = self.ground.ok_or(ActError::Missing {
            action,
            what: "the lease's offer",
        })?;
        Ok(LeaseTemplate {
            identity: self.identity,
            needs: self.needs,
            ground,
        })
    }

    async fn hold(&self) -> Result<Done, ActError> {
        finalizers::add(&self.leases(), self.lease, CLOSE_FINALIZER).await?;
        Ok(Done::Plain)
    }

    async fn open_namespace(&self) -> Result<Done, ActError> {
        let objects = room(&self.template("opening the namespace")?)?;
        self.furnish(&objects).await?;
        Ok(Done::Plain)
    }

    /// The API server's authorizer learns of a new binding a moment after it answered for it, so rights that are not there yet
    /// are asked for again, for half a second at most.
    async fn furnish(&self, objects: &[Object]) -> Result<(), ActError> {
        for _ in 0..10 {
            match apply_lease(self.client, self.manager, self.identity, objects).await {
                Err(error) if error.class() == Class::Forbidden => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                other => return Ok(other?),
            }
        }
        Ok(apply_lease(self.client, self.manager, self.identity, objects).await?)
    }

    /// The room is applied again before the workload: a crash after the namespace and before the quota leaves no gap behind.
    async fn scale(&self, power: Power) -> Result<Done, ActError> {
        let template = self.template("the workload")?;
        let (manifest, hash) = self.manifest.ok_or(ActError::Missing {
            action: "the workload",
            what: "the manifest",
        })?;
        let mut objects = match power {
            Power::On => room(&template)?,
            Power::Off => Vec::new(),
        };
        objects.extend(workload(&template, manifest, hash, power)?);
        apply_lease(self.client, self.manager, self.identity, &objects).await?;
        Ok(Done::Plain)
    }

    /// Nominated first, deleted second: measured, a higher priority alone loses a third of the rounds to pods already pending.
    async fn hand_over(&self) -> Result<Done, ActError> {
        let waiting = self.pods.iter().filter(|pod| {
            pod.metadata.deletion_timestamp.is_none()
                && pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none())
        });
        let nodes = self
            .held
            .iter()
            .filter_map(|pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()));
        let theirs = Api::<Pod>::namespaced(self.client.clone(), &self.identity.namespace());
        for (pod, node) in waiting.zip(nodes) {
            nominate(&theirs, pod, node).await?;
        }
        let ours = Api::<Pod>::namespaced(self.client.clone(), self.home);
        for pod in self.held {
            delete(&ours, pod.as_ref(), Grace::None).await?;
        }
        Ok(Done::Plain)
    }

    async fn send(&self, kind: IntentKind, sent: Sent, data: Bytes) -> Result<Done, ActError> {
        let intent = Intent {
            kind,
            subject: Subject {
                kind: "ComputeLease".to_owned(),
                namespace: self.home.to_owned(),
                name: self.lease.metadata.name.clone().unwrap_or_default(),
                uid: self.uid.to_owned(),
            },
            epoch: format!("{}/{}", self.epoch, sent.attempt()),
            call: Call {
                to: self.lease_book,
                data,
                value: U256::ZERO,
            },
        };
        Ok(Done::Sent(self.transact.submit(self.wallet, &intent).await?.name))
    }

    async fn offer_close(&self) -> Result<Done, ActError> {
        let signer = self.transact.signer(self.wallet, self.home).await?;
        let signed_as = LeaseKey {
            id: self.key.id,
            terms: self.terms("the offer to close")?.hash(),
        };
        let close = Close::of(&signed_as, self.seconds, self.close_deadline);
        let signature = sign(
            signer.as_ref(),
            digest(&close, &domain(self.chain, self.lease_book)),
        )
        .await?;
        Ok(Done::Offered(CloseOffer {
            cum: self.seconds.into(),
            deadline: i64::try_from(self.close_deadline).unwrap_or(i64::MAX),
            signature,
        }))
    }
}

/// Deletes a lease's namespace.
///
/// # Errors
/// The proof is for another lease, the namespace is not this lease's, or the API server refused.
pub async fn destroy(client: &Client, identity: Identity, proof: &Proof) -> Result<(), ActError> {
    // The proof names the lease it is for: a mix-up would delete a stranger's namespace.
    let proven = match proof {
        Proof::Closure(closure) => closure.key(),
        Proof::Absence(absence) => absence.key(),
    };
    if *proven != identity.lease {
        return Err(ActError::Missing {
            action: "deleting the namespace",
            what: "a proof for this very lease",
        });
    }
    let namespaces = Api::<Namespace>::all(client.clone());
    let name = identity.namespace();
    let Some(found) = crate::kube_io::within("read the namespace", namespaces.get_opt(&name)).await? else {
        return Ok(());
    };
    identity.owns(&found.metadata).map_err(KubeError::from)?;
    delete(&namespaces, &found, Grace::Own).await?;
    Ok(())
}

/// A 65-byte signature as 0x hex.
///
/// # Errors
/// The key is not there or refuses.
pub async fn sign(signer: &dyn WalletSigner, digest: B256) -> Result<String, SignerError> {
    let signature = signer.sign_digest(digest).await?;
    Ok(Bytes::from(signature.as_bytes().to_vec()).to_string())
}
