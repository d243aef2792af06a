//! One bid as its plan takes it: the order at the newest block, the placeholder pods, its transaction. Never writes.

use std::sync::Arc;

use alloy::primitives::{Bytes, aliases::U48};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::{Resource, ResourceExt};
use thiserror::Error;

use super::{
    lease::{Eyes, PodWatch},
    markets::{Market, trust},
    transactions::sent,
};
use crate::{
    api::{
        ComputeBid, ComputeProvider,
        bid::{BidForm, BidPhase},
        condition::{self, READY},
        transaction::IntentKind,
    },
    core::{
        book::{LeasePhase, OrderPhase, PostedOrder},
        documents::{
            acts::seconds40,
            bid::{Bid, LaneUse, SignedBid, lanes_hash},
            needs::{Needs, NeedsError},
            order::TradeForm,
        },
        ids::{Generation, IdError, Lane, LeaseId, OrderHash, ProviderId},
        money::{MicroUnits, MoneyError, RatePerHour},
        plan::{
            bid::{HoldSide, Observed, OrderSide, Phase},
            duty::{Sent, Trust},
        },
        time::{ChainSeconds, Now},
        view::ChainView,
        workload::names::BID_LABEL,
    },
};

/// Why a bid object cannot be read; the operator wrote it, so somebody changed it.
#[derive(Debug, Error)]
pub enum BidError {
    /// Metadata is missing.
    #[error("ComputeBid has no metadata.{0}")]
    Metadata(&'static str),
    /// A number is out of range.
    #[error("ComputeBid spec.{field} is {value}, which does not fit the contract's field")]
    Range {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// A hash or signature is no hex.
    #[error("ComputeBid {field} {value:?} is not hex of the right length")]
    Hex {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// An amount does not read.
    #[error("ComputeBid spec.{field}: {source}")]
    Money {
        /// Which field.
        field: &'static str,
        /// Why.
        source: MoneyError,
    },
    /// The generation does not fit.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The needs do not decode.
    #[error("ComputeBid spec.needs: {0}")]
    Needs(#[from] NeedsError),
}

/// A bid and all that acts on it need.
pub struct BidSight {
    /// The object.
    pub bid: Arc<ComputeBid>,
    /// Its namespace.
    pub home: String,
    /// Its uid.
    pub uid: String,
    /// What it promises.
    pub document: Bid,
    /// Lane and generation.
    pub lane: LaneUse,
    /// With its signature, once recorded.
    pub signed: Option<SignedBid>,
    /// The order, where the newest block has it.
    pub order: Option<Arc<PostedOrder>>,
    /// What the order asks for.
    pub needs: Needs,
    /// Its provider.
    pub provider: Option<Arc<ComputeProvider>>,
    /// Its market.
    pub market: Option<Arc<Market>>,
    /// Placeholder pods that are not on their way out.
    pub held: Vec<Arc<Pod>>,
    /// The lease it became.
    pub lease: Option<LeaseId>,
    /// What the plan takes.
    pub observed: Observed,
}

impl Eyes {
    /// Observes one bid.
    ///
    /// # Errors
    /// The object itself cannot be read.
    pub fn bid(&self, bid: Arc<ComputeBid>, pods: PodWatch) -> Result<BidSight, BidError> {
        let home = bid.namespace().ok_or(BidError::Metadata("namespace"))?;
        let uid = bid.uid().ok_or(BidError::Metadata("uid"))?;
        let needs = Needs::decode(bid.spec.needs.as_bytes())?;
        let provider = self.stores.provider(&home, &bid.spec.provider_ref.name);
        let market = self.markets.get(&bid.spec.market_ref.name);
        let view = market.as_ref().and_then(|market| market.view());
        let now = self.clock.now(view.as_ref().map(|view| view.now()));
        let id = provider
            .as_ref()
            .and_then(|provider| u32::try_from(provider.spec.provider_id).ok());
        let lane = lane_of(&bid)?;
        let document = document(&bid, ProviderId(id.unwrap_or_default()), lane)?;
        let signed = signed(&bid, &document, lane)?;
        let held: Vec<Arc<Pod>> = self
            .stores
            .pods_in(&home)
            .into_iter()
            .filter(|pod| {
                pod.labels().get(BID_LABEL) == Some(&bid.name_any())
                    && pod.meta().deletion_timestamp.is_none()
            })
            .collect();
        let order = OrderHash(document.orderHash);
        let lease_id = lane.lease(ProviderId(document.providerId));
        let side = view
            .as_deref()
            .map_or(OrderSide::Gone, |view| order_side(view, order, lease_id));
        let posted = view
            .as_deref()
            .and_then(|view| view.head.book.orders().get(&order))
            .map(|found| Arc::clone(&found.posted));
        let form = form(&bid);
        let kind = match form {
            TradeForm::Auction => IntentKind::PostBid,
            TradeForm::Dutch => IntentKind::Fill,
        };
        let transaction = sent(&self.stores.transactions, &uid, kind, &bid.spec.order_hash);
        let promised = match form {
            TradeForm::Auction => signed.is_some(),
            TradeForm::Dutch => transaction != Sent::Never,
        };
        let since = market.as_ref().map_or(now.wall, |market| market.since);
        let observed = Observed {
            form,
            phase: phase(&bid),
            // Without the provider nothing can be signed or posted for it; that is not a reason to end anything.
            trust: if id.is_some() {
                trust(view.as_deref(), since, now.wall)
            } else {
                Trust::Stale { for_ms: 0 }
            },
            now: now.chain.unwrap_or_default(),
            deadline: ChainSeconds(document.deadline.to::<u64>()),
            order: side,
            hold: hold_side(&held, &bid, needs.replicas, pods, now),
            posted: transaction,
            promised_for_ms: promised.then(|| age(&held, now)),
            handed_over: side == OrderSide::Ours
                && self.handed_over(view.as_deref(), lease_id, order, &home, &bid),
            ended_for_ms: ended_for(&bid, now),
        };
        let lease = (side == OrderSide::Ours).then_some(lease_id);
        Ok(BidSight {
            home,
            uid,
            document,
            lane,
            signed,
            order: posted,
            needs,
            provider,
            market,
            held,
            lease,
            observed,
            bid,
        })
    }

    /// The lease has pods of its own on nodes, or needs none any more.
    fn handed_over(
        &self,
        view: Option<&ChainView>,
        id: LeaseId,
        order: OrderHash,
        home: &str,
        bid: &ComputeBid,
    ) -> bool {
        let Some(view) = view else { return false };
        let over = view.head.book.lease_by_id(id).is_none_or(|found| {
            found.lease.order_hash() != order
                || matches!(
                    found.lease.phase(view.now()),
                    LeasePhase::Closed | LeasePhase::Stopped | LeasePhase::Overdue
                )
        });
        over || self.stores.leases.state().iter().any(|lease| {
            lease.namespace().as_deref() == Some(home)
                && lease
                    .spec
                    .bid_ref
                    .as_ref()
                    .is_some_and(|named| named.name == bid.name_any())
                && lease
                    .status
                    .as_ref()
                    .and_then(|status| status.namespace.as_ref())
                    .is_some_and(|namespace| {
                        let pods = self.stores.pods_in(namespace);
                        !pods.is_empty()
                            && pods
                                .iter()
                                .all(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()))
                    })
        })
    }
}

fn form(bid: &ComputeBid) -> TradeForm {
    match bid.spec.form {
        BidForm::Auction => TradeForm::Auction,
        BidForm::Dutch => TradeForm::Dutch,
    }
}

fn phase(bid: &ComputeBid) -> Phase {
    match bid
        .status
        .as_ref()
        .and_then(|status| status.phase)
        .unwrap_or_default()
    {
        BidPhase::Holding | BidPhase::Held => Phase::Holding,
        BidPhase::Filling => Phase::Filling,
        BidPhase::Signed => Phase::Signed,
        BidPhase::Posted => Phase::Posted,
        BidPhase::Won => Phase::Won,
        BidPhase::Lost => Phase::Lost,
        BidPhase::Expired => Phase::Expired,
        BidPhase::Refused => Phase::Refused,
    }
}

fn lane_of(bid: &ComputeBid) -> Result<LaneUse, BidError> {
    let range = |field, value| BidError::Range { field, value };
    let lane = u32::try_from(bid.spec.lane).map_err(|_| range("lane", bid.spec.lane))?;
    let generation = i64::from(bid.spec.generation);
    let generation = u32::try_from(generation).map_err(|_| range("generation", generation))?;
    Ok(LaneUse {
        lane: Lane(lane),
        generation: Generation::new(generation)?,
    })
}

/// The bid as it is signed.
///
/// # Errors
/// A field of the spec does not fit.
pub fn document(bid: &ComputeBid, provider: ProviderId, lane: LaneUse) -> Result<Bid, BidError> {
    let spec = &bid.spec;
    let money = |field, text: &str| {
        text.parse::<MicroUnits>()
            .map_err(|source| BidError::Money { field, source })
    };
    let rate: RatePerHour = spec.rate_per_hour.parse().map_err(|source| BidError::Money {
        field: "ratePerHour",
        source,
    })?;
    let order_hash = spec.order_hash.parse().map_err(|_| BidError::Hex {
        field: "spec.orderHash",
        value: spec.order_hash.clone(),
    })?;
    let deadline = spec.deadline.0.as_second();
    Ok(Bid {
        orderHash: order_hash,
        providerId: provider.0,
        bidEpoch: u32::try_from(spec.bid_epoch).map_err(|_| BidError::Range {
            field: "bidEpoch",
            value: spec.bid_epoch,
        })?,
        lanesHash: lanes_hash(&[lane]),
        ratePerHour: U48::from(rate.get()),
        bond: money("bond", &spec.bond)?.0,
        liability: money("liability", &spec.liability)?.0,
        deadline: seconds40(u64::try_from(deadline).map_err(|_| BidError::Range {
            field: "deadline",
            value: deadline,
        })?),
    })
}

/// The bid with the signature that status holds.
///
/// # Errors
/// What status holds is no signature.
pub fn signed(bid: &ComputeBid, document: &Bid, lane: LaneUse) -> Result<Option<SignedBid>, BidError> {
    let Some(text) = bid.status.as_ref().and_then(|status| status.signature.as_ref()) else {
        return Ok(None);
    };
    let hex = || BidError::Hex {
        field: "status.signature",
        value: text.clone(),
    };
    let bytes: Bytes = text.parse().map_err(|_| hex())?;
    let signature: [u8; 65] = bytes.as_ref().try_into().map_err(|_| hex())?;
    Ok(Some(SignedBid {
        bid: document.clone(),
        lanes: vec![lane],
        signature,
    }))
}

fn order_side(view: &ChainView, order: OrderHash, ours: LeaseId) -> OrderSide {
    let Some(found) = view.head.book.orders().get(&order) else {
        return OrderSide::Gone;
    };
    match found.phase {
        OrderPhase::Open => OrderSide::Open {
            expiry: found.expiry(),
        },
        OrderPhase::Cancelled => OrderSide::Gone,
        OrderPhase::Accepted => {
            if view
                .head
                .book
                .leases_of_order(order)
                .any(|lease| lease.lease.key.id == ours)
            {
                OrderSide::Ours
            } else {
                OrderSide::Gone
            }
        }
    }
}

fn bound(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

fn created(time: Option<&Time>) -> i64 {
    time.map_or(i64::MAX, |time| time.0.as_millisecond())
}

/// Milliseconds since the oldest placeholder was made; none left reads as for ever.
fn age(held: &[Arc<Pod>], now: Now) -> u64 {
    let oldest = held
        .iter()
        .map(|pod| created(pod.metadata.creation_timestamp.as_ref()))
        .min();
    // Kubernetes stamps whole seconds, so the true age may be almost one less.
    oldest.map_or(u64::MAX, |at| {
        u64::try_from(now.wall.0.saturating_sub(at))
            .unwrap_or(0)
            .saturating_sub(999)
    })
}

fn hold_side(held: &[Arc<Pod>], bid: &ComputeBid, replicas: u16, watch: PodWatch, now: Now) -> HoldSide {
    if watch == PodWatch::Broken {
        return HoldSide::Unknown;
    }
    let here = held.iter().filter(|pod| bound(pod)).count();
    match held.len() {
        // Made a moment ago and not in the cache yet, or never made: making them again is harmless, their names are fixed.
        0 => HoldSide::Absent,
        _ if here >= usize::from(replicas) => HoldSide::Bound,
        _ => {
            let since = created(bid.metadata.creation_timestamp.as_ref()).min(now.wall.0);
            let for_ms = age(held, now).min(u64::try_from(now.wall.0.saturating_sub(since)).unwrap_or(0));
            HoldSide::Pending { for_ms }
        }
    }
}

fn ended_for(bid: &ComputeBid, now: Now) -> Option<u64> {
    let ready = condition::get(&bid.status.as_ref()?.conditions, READY)?;
    (ready.status == "False").then(|| {
        u64::try_from(
            now.wall
                .0
                .saturating_sub(ready.last_transition_time.0.as_millisecond()),
        )
        .unwrap_or(0)
    })
}
