//! A bid plan's actions carried out. The order is the soundness: hold, then sign, then record the signature, and only then let it
//! leave. Decides nothing: which action is due, core::plan::bid said.

use alloy::primitives::{Address, B256, Bytes, U256};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use super::{
    lease::{ActError, sign},
    transact::{TransactContext, WalletName},
};
use crate::{
    api::ComputeBid,
    core::{
        documents::{
            bid::{Bid, LaneUse, SignedBid},
            calls,
            order::Order,
            signing::{digest, domain},
        },
        ids::{ChainId, ProviderId},
        money::MicroUnits,
        plan::{
            bid::{Action, Phase},
            duty::Sent,
        },
        tx::{Call, Intent, IntentKind, Subject},
        workload::{Hold, hold},
    },
    kube_io::{
        apply::create,
        delete::{Grace, delete},
    },
};

/// Everything the actions on one bid may touch.
pub struct BidHands<'a> {
    /// The cluster.
    pub client: &'a Client,
    /// Field manager of the operator.
    pub manager: &'a str,
    /// Transactions of the market.
    pub transact: &'a TransactContext,
    /// The provider's bid wallet.
    pub wallet: &'a WalletName,
    /// The object.
    pub bid: &'a ComputeBid,
    /// Its namespace.
    pub home: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// What it promises, as signed.
    pub document: &'a Bid,
    /// Signed and packed, once it was signed.
    pub signed: Option<&'a SignedBid>,
    /// Placeholder pods to make; none when the offer is gone.
    pub hold: Option<Hold<'a>>,
    /// Placeholder pods there are.
    pub held: &'a [std::sync::Arc<Pod>],
    /// Chain.
    pub chain: ChainId,
    /// LeaseBook.
    pub lease_book: Address,
    /// Its order as posted; none where the view does not hold it.
    pub order: Option<&'a Order>,
    /// Where it would run.
    pub lane: LaneUse,
    /// How far `publishBid` or `fill` has come.
    pub posted: Sent,
}

/// What an action left that the status must tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Nothing but its effect.
    Plain,
    /// The signature; it is written to status before anything that follows runs.
    Signed(String),
    /// How the bid stands.
    Stands(Phase),
    /// The object is gone.
    Deleted,
}

impl BidHands<'_> {
    /// Runs one action.
    ///
    /// # Errors
    /// The first thing that failed; nothing is undone, since every action may be repeated.
    pub async fn run(&self, action: Action) -> Result<Done, ActError> {
        match action {
            Action::Hold => self.make_hold().await,
            Action::Sign => self.sign().await,
            Action::Post => self.post().await,
            Action::Fill => self.fill().await,
            Action::DropHold => self.drop_hold().await,
            Action::Record(phase) => Ok(Done::Stands(phase)),
            Action::Delete => {
                let bids = Api::<ComputeBid>::namespaced(self.client.clone(), self.home);
                delete(&bids, self.bid, Grace::Own).await?;
                Ok(Done::Deleted)
            }
        }
    }

    async fn make_hold(&self) -> Result<Done, ActError> {
        let wanted = self.hold.as_ref().ok_or(ActError::Missing {
            action: "the hold",
            what: "the bid's offer",
        })?;
        let pods = Api::<Pod>::namespaced(self.client.clone(), self.home);
        for pod in hold(wanted) {
            // Deterministic names: one that is there already was made by this bid before a crash.
            create(&pods, self.manager, &pod).await?;
        }
        Ok(Done::Plain)
    }

    async fn sign(&self) -> Result<Done, ActError> {
        let signer = self.transact.signer(self.wallet, self.home).await?;
        let digest: B256 = digest(self.document, &domain(self.chain, self.lease_book));
        Ok(Done::Signed(sign(signer.as_ref(), digest).await?))
    }

    async fn post(&self) -> Result<Done, ActError> {
        let signed = self.signed.ok_or(ActError::Missing {
            action: "publishBid",
            what: "the recorded signature",
        })?;
        self.send(IntentKind::PostBid, calls::post_bid(&signed.pack()))
            .await
    }

    async fn fill(&self) -> Result<Done, ActError> {
        let order = self.order.ok_or(ActError::Missing {
            action: "fill",
            what: "the order on chain",
        })?;
        let data = calls::fill(
            order,
            ProviderId(self.document.providerId),
            self.lane,
            MicroUnits(self.document.bond),
            MicroUnits(self.document.liability),
        );
        self.send(IntentKind::Fill, data).await
    }

    async fn send(&self, kind: IntentKind, data: Bytes) -> Result<Done, ActError> {
        let intent = Intent {
            kind,
            subject: Subject {
                kind: "ComputeBid".to_owned(),
                namespace: self.home.to_owned(),
                name: self.bid.metadata.name.clone().unwrap_or_default(),
                uid: self.uid.to_owned(),
            },
            epoch: format!("{}/{}", self.bid.spec.order_hash, self.posted.attempt()),
            call: Call {
                to: self.lease_book,
                data,
                value: U256::ZERO,
            },
        };
        self.transact.submit(self.wallet, &intent).await?;
        Ok(Done::Plain)
    }

    async fn drop_hold(&self) -> Result<Done, ActError> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), self.home);
        for pod in self.held {
            delete(&pods, pod.as_ref(), Grace::None).await?;
        }
        Ok(Done::Plain)
    }
}
