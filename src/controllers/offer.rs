//! Wires one ComputeOffer: which open orders it answers, and its status. A bid is an object before anything else is done for it;
//! every refusal is a status entry, an event and a counter (rule 11).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
    time::Instant,
};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Resource, ResourceExt, runtime::reflector::ObjectRef};

use super::context::{Context, MANAGER, gauge, ungauge, unwritten};
use crate::{
    api::{
        ComputeBid, ComputeOffer,
        bid::{BidForm, BidPhase, ComputeBidSpec},
        condition::{self, NODES_FOUND, PROVIDER_READY, READY, Status},
        offer::{BidCounts, ComputeOfferStatus, RefusalCount, ResourceAmounts},
        reference::LocalRef,
    },
    core::{
        book::OrderState,
        documents::order::TradeForm,
        ids::{Generation, Lane, OrderHash},
        market::{
            admission::{Quote, Verdict},
            refusal::Refusal,
        },
        plan::{
            duty::Trust,
            offer::{self, BidEnd, Tally, Tell},
            opening::summary,
        },
        workload::names::{MANAGED_BY, MANAGED_BY_LABEL},
    },
    kube_io::{
        apply::{Created, create},
        events::Severity,
        reconcile::Outcome,
        reflected::Health,
        status,
    },
    observe::{
        clock,
        markets::trust,
        meters::time_of,
        offer::{NotYet, OfferSight, in_play},
    },
};

/// Every condition an offer can have.
const OFFER_CONDITIONS: &[&str] = &[READY, NODES_FOUND, PROVIDER_READY];

/// Most refusal reasons a status lists.
const MOST_REASONS: usize = 32;

/// Verdicts already told, so that an order that stays open is refused once and not once a block. Forgotten with the process: a
/// restarted operator judges what is still open again.
#[derive(Clone, Default)]
pub struct Told {
    verdicts: Arc<Mutex<BTreeMap<(String, OrderHash), &'static str>>>,
    /// Since when an offer's counts differ from its status.
    moved: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Told {
    /// Whether this reason is news for this offer and order.
    fn news(&self, offer: &str, order: OrderHash, reason: &'static str) -> bool {
        let mut told = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert((offer.to_owned(), order), reason) != Some(reason)
    }

    /// What becomes of a status of this offer.
    fn tell(&self, offer: &ComputeOffer, next: &ComputeOfferStatus) -> Tell {
        let told = offer.status.clone().unwrap_or_default();
        let uid = offer.uid().unwrap_or_default();
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let since = moved.get(&uid).copied();
        let tell = offer::tell(&told, next, since.map(|since| since.elapsed()));
        match tell {
            Tell::Later(_) => {
                moved.entry(uid).or_insert_with(Instant::now);
            }
            Tell::Now | Tell::Nothing => {
                moved.remove(&uid);
            }
        }
        tell
    }

    /// Drops orders that are no longer open.
    fn keep(&self, offer: &str, open: impl Fn(&OrderHash) -> bool) {
        self.verdicts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(of, order), _| of != offer || open(order));
    }
}

/// One pass over one offer.
pub async fn pass(context: Context, told: Told, name: ObjectRef<ComputeOffer>) -> Outcome {
    let began = Instant::now();
    let outcome = match context.eyes.stores.offers.get(&name) {
        Some(found) => reconcile(&context, &told, found).await,
        None => {
            ungauge(&context.metrics, &name, OFFER_CONDITIONS);
            Outcome::Done
        }
    };
    context.passed("ComputeOffer", &name, began, outcome)
}

async fn reconcile(context: &Context, told: &Told, found: Arc<ComputeOffer>) -> Outcome {
    if found.meta().deletion_timestamp.is_some() {
        return Outcome::Done;
    }
    let sight = match context.eyes.offer(&found) {
        Ok(Ok(sight)) => sight,
        Ok(Err(why)) => {
            let (reason, text) = match why {
                NotYet::Provider => (
                    "ProviderNotFound",
                    "spec.providerRef names no ComputeProvider in this namespace",
                ),
                NotYet::Market => ("MarketNotReady", "the provider's market is not followed yet"),
                NotYet::View => ("ChainUnknown", "no view of the chain yet"),
            };
            return match write(context, told, &found, None, &[], (Status::False, reason, text)).await {
                Ok(_) => Outcome::After(Duration::from_secs(2)),
                Err(outcome) => outcome,
            };
        }
        Err(error) => {
            context
                .tell(
                    found.as_ref(),
                    Severity::Warning,
                    "InvalidSpec",
                    "Observe",
                    error.to_string(),
                )
                .await;
            let invalid = (Status::False, "InvalidSpec", &*error.to_string());
            return match write(context, told, &found, None, &[], invalid).await {
                Ok(outcome) => outcome,
                Err(outcome) => outcome,
            };
        }
    };
    let fresh = trust(Some(&sight.view), sight.market.since, clock::wall()) == Trust::Fresh;
    let watching = matches!(context.pods.health(), Health::Live);
    let refusals = match (fresh, watching) {
        (true, true) => match answer(context, told, &found, &sight).await {
            Ok(refusals) => refusals,
            Err(error) => {
                tracing::warn!(offer = found.name_any(), %error, "bid not made");
                return Outcome::Failed;
            }
        },
        // Nothing is promised on a view or a capacity that may be old.
        (_, _) => Vec::new(),
    };
    let ready = match (&sight.bidder, fresh) {
        (_, false) => (Status::Unknown, "ChainUnknown", "the chain view is not fresh"),
        (Err(nobody), true) => (Status::False, nobody.reason, nobody.message.as_str()),
        (Ok(_), true) => (Status::True, "AsExpected", "orders are answered as the mode says"),
    };
    match write(context, told, &found, Some(&sight), &refusals, ready).await {
        Ok(outcome) => outcome,
        Err(outcome) => outcome,
    }
}

/// Judges every open order once; returns refusals that are news.
async fn answer(
    context: &Context,
    told: &Told,
    found: &ComputeOffer,
    sight: &OfferSight,
) -> Result<Vec<(OrderHash, Refusal)>, crate::kube_io::KubeError> {
    let offer = format!("{}/{}", found.namespace().unwrap_or_default(), found.name_any());
    let now = sight.view.now();
    let book = &sight.view.head.book;
    told.keep(&offer, |order| {
        book.orders().get(order).is_some_and(|order| order.is_open(now))
    });
    let orders: Vec<&OrderState> = book
        .open_orders(now)
        .map(AsRef::as_ref)
        .filter(|order| !sight.bids.contains_key(&order.posted.hash))
        .collect();
    let verdicts = offer::plan(offer::Observed {
        orders,
        policy: &sight.policy,
        snapshot: sight.snapshot.clone(),
        standing: sight.standing,
        keep_free: sight.keep_free,
        hold_share: sight.hold_share,
        now,
    });
    let mut refusals = Vec::new();
    let mut promised = sight.promised.clone();
    for (order, verdict) in verdicts {
        match verdict {
            Verdict::Bid(quote) => {
                let Ok((_, epoch)) = sight.bidder else { continue };
                let free = book
                    .free_lanes(sight.id, now)
                    .take(promised.len().saturating_add(1));
                let Some((lane, generation)) = free.into_iter().find(|(lane, _)| !promised.contains(lane))
                else {
                    continue;
                };
                promised.insert(lane);
                let bid = object(found, sight, order, &quote, lane, generation, epoch);
                let api = Api::<ComputeBid>::namespaced(
                    context.client().clone(),
                    &found.namespace().unwrap_or_default(),
                );
                match create(&api, MANAGER, &bid).await? {
                    Created::New(bid) => {
                        tracing::info!(bid = bid.name_any(), order = %order.posted.hash, rate = %quote.rate, "bid made")
                    }
                    Created::Exists => {}
                }
            }
            Verdict::WouldBid(quote) => {
                if told.news(&offer, order.posted.hash, "WouldBid") {
                    let note = format!(
                        "order {}: would have bid {} an hour",
                        order.posted.hash, quote.rate
                    );
                    context
                        .tell(found, Severity::Normal, "WouldBid", "Observe", note)
                        .await;
                }
            }
            Verdict::Refuse(refusal) => {
                let reason = refusal.reason.label();
                if told.news(&offer, order.posted.hash, reason) {
                    context.metrics.refused(&offer, reason);
                    let note = format!("order {}: {}", order.posted.hash, refusal.message);
                    tracing::info!(offer, order = %order.posted.hash, reason, message = refusal.message, "no bid");
                    context
                        .tell(found, Severity::Normal, reason, "Refuse", note)
                        .await;
                    refusals.push((order.posted.hash, refusal));
                }
            }
            Verdict::Wait(why) => tracing::debug!(offer, order = %order.posted.hash, why, "not judged yet"),
        }
    }
    Ok(refusals)
}

fn object(
    offer: &ComputeOffer,
    sight: &OfferSight,
    order: &OrderState,
    quote: &Quote,
    lane: Lane,
    generation: Generation,
    epoch: u32,
) -> ComputeBid {
    let hash = order.posted.hash.to_string();
    let short: String = hash.chars().skip(2).take(12).collect();
    ComputeBid {
        metadata: ObjectMeta {
            // One bid an order and offer, whoever leads: the API server refuses the second.
            name: Some(format!("{}-{short}", offer.name_any())),
            namespace: offer.namespace(),
            labels: Some([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())].into()),
            owner_references: offer.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: ComputeBidSpec {
            market_ref: sight.provider.spec.market_ref.clone(),
            provider_ref: offer.spec.provider_ref.clone(),
            offer_ref: LocalRef::new(offer.name_any()),
            form: match quote.form {
                TradeForm::Auction => BidForm::Auction,
                TradeForm::Dutch => BidForm::Dutch,
            },
            order_hash: hash,
            tenant: order.posted.order.tenant.to_string(),
            needs: String::from_utf8_lossy(&order.posted.needs).into_owned(),
            request: summary(&quote.needs),
            lane: lane.0.into(),
            generation: i32::try_from(generation.get()).unwrap_or(i32::MAX),
            bid_epoch: epoch.into(),
            token: sight.policy.token.into(),
            rate_per_hour: quote.rate.to_string(),
            bond: quote.bond.to_string(),
            liability: quote.liability.to_string(),
            deadline: time_of(i64::try_from(quote.deadline.saturating_mul(1000)).unwrap_or(i64::MAX)),
        },
        status: None,
    }
}

async fn write(
    context: &Context,
    told: &Told,
    found: &ComputeOffer,
    sight: Option<&OfferSight>,
    refusals: &[(OrderHash, Refusal)],
    ready: (Status, &str, &str),
) -> Result<Outcome, Outcome> {
    let old = found.status.clone().unwrap_or_default();
    let mut next = ComputeOfferStatus {
        observed_generation: found.metadata.generation,
        ..old
    };
    let now = time_of(clock::wall().0);
    for (order, refusal) in refusals {
        count(&mut next.refusals, *order, refusal, now.clone());
    }
    if let Some(sight) = sight {
        fill(&mut next, sight);
    }
    let generation = found.metadata.generation;
    let mut set = |kind, is: Status, reason: &str, text: &str| {
        condition::set(
            &mut next.conditions,
            kind,
            is,
            reason,
            text,
            generation,
            now.clone(),
        );
    };
    let nodes = sight.map_or(0, |sight| sight.snapshot.nodes().len());
    let found_nodes: (Status, &str) = if nodes > 0 {
        (Status::True, "NodesMatch")
    } else {
        (Status::False, "NoNodes")
    };
    set(
        NODES_FOUND,
        found_nodes.0,
        found_nodes.1,
        &format!("{nodes} nodes match spec.nodes.selector"),
    );
    set(
        PROVIDER_READY,
        sight.is_some().into(),
        if sight.is_some() { "AsExpected" } else { ready.1 },
        "the provider and its market",
    );
    let all = if found_nodes.0 == Status::True {
        ready
    } else {
        (
            found_nodes.0,
            found_nodes.1,
            "no node matches spec.nodes.selector",
        )
    };
    set(READY, all.0, all.1, all.2);
    gauge(&context.metrics, found, &next.conditions);
    let api =
        Api::<ComputeOffer>::namespaced(context.client().clone(), &found.namespace().unwrap_or_default());
    match told.tell(found, &next) {
        Tell::Nothing => return Ok(Outcome::Done),
        Tell::Later(rest) => return Ok(Outcome::After(rest)),
        Tell::Now => {}
    }
    match status::write(&api, MANAGER, found, &next, &[]).await {
        Ok(status::Written::Changed(_) | status::Written::Unchanged) => Ok(Outcome::Done),
        Err(error) => Err(unwritten("ComputeOffer", found.metadata.name.as_ref(), &error)),
    }
}

fn count(
    list: &mut Vec<RefusalCount>,
    order: OrderHash,
    refusal: &Refusal,
    now: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time,
) {
    let reason = refusal.reason.label();
    let entry = RefusalCount {
        reason: reason.to_owned(),
        count: 1,
        message: Some(refusal.message.clone()),
        last_order: Some(order.to_string()),
        last: now,
    };
    if let Some(known) = list.iter_mut().find(|known| known.reason == reason) {
        // A restarted operator judges anew what is still open; that is no new refusal.
        if known.last_order == entry.last_order {
            return;
        }
        *known = RefusalCount {
            count: known.count.saturating_add(1),
            ..entry
        };
    } else if list.len() < MOST_REASONS {
        list.push(entry);
    }
    list.sort_by(|a, b| a.reason.cmp(&b.reason));
}

fn fill(next: &mut ComputeOfferStatus, sight: &OfferSight) {
    let used = sight.snapshot.utilization();
    let gpus = |count: u32| {
        Some(ResourceAmounts {
            gpus: i32::try_from(count).unwrap_or(i32::MAX),
            ..ResourceAmounts::default()
        })
    };
    next.capacity = gpus(used.total);
    next.leased = gpus(used.leased);
    next.held = gpus(used.held);
    next.free = gpus(used.free);
    next.bids = Some(counted(next.bids.take().unwrap_or_default(), sight));
}

/// Bids since the offer was created; objects come and go.
fn counted(old: BidCounts, sight: &OfferSight) -> BidCounts {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let known = Tally {
        won: count(old.won),
        lost: count(old.lost),
        counted: old.counted.into_iter().collect(),
    };
    let ended = sight.bids.values().filter_map(|bid| {
        let end = match bid.status.as_ref().and_then(|status| status.phase)? {
            BidPhase::Won => BidEnd::Won,
            BidPhase::Lost | BidPhase::Expired => BidEnd::Lost,
            // One that was never signed was never a bid to anybody.
            BidPhase::Holding
            | BidPhase::Held
            | BidPhase::Filling
            | BidPhase::Signed
            | BidPhase::Posted
            | BidPhase::Refused => return None,
        };
        Some((bid.metadata.uid.as_deref()?, end))
    });
    let tally = known.after(ended);
    let open = sight.bids.values().filter(|bid| in_play(bid)).count();
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    BidCounts {
        open: i32::try_from(open).unwrap_or(i32::MAX),
        won: signed(tally.won),
        lost: signed(tally.lost),
        counted: tally.counted.into_iter().collect(),
    }
}

/// Pods that change what an offer can give; everything else may come and go unheard.
#[must_use]
pub fn concerns(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| {
        spec.containers.iter().any(|container| {
            container
                .resources
                .as_ref()
                .and_then(|resources| resources.limits.as_ref())
                .is_some_and(|limits| !limits.is_empty())
        })
    })
}
