//! Wires one ComputeBid: observe, plan, act, report. The signature is in status before anything that follows it runs.

use std::{sync::Arc, time::Duration, time::Instant};

use kube::{Api, Resource, runtime::reflector::ObjectRef};

use super::context::{Context, MANAGER, unwritten, wallet_name};
use crate::{
    act::{
        bid::{BidHands, Done},
        lease::ActError,
    },
    api::{
        ComputeBid,
        bid::{BidPhase, ComputeBidStatus, HeldNode},
        condition::{self, HELD, POSTED, READY, Status},
    },
    core::{
        plan::bid::{self, Action, HoldSide, Phase, Policy},
        workload::Hold,
    },
    kube_io::{events::Severity, reconcile::Outcome, status},
    observe::{bid::BidSight, clock, ground, meters::time_of},
};

/// Pods not bound within 2 s are a refusal, a hold lasts 30 s after signing, ended bids stay ten minutes (design: protocol).
const POLICY: Policy = Policy {
    bind_within: Duration::from_secs(2),
    hold_for: Duration::from_secs(30),
    fill_for: Duration::from_secs(600),
    keep_for: Duration::from_secs(600),
};

/// One pass over one bid.
pub async fn pass(context: Context, name: ObjectRef<ComputeBid>) -> Outcome {
    let began = Instant::now();
    let outcome = match context.eyes.stores.bids.get(&name) {
        Some(found) => reconcile(&context, found).await,
        None => Outcome::Done,
    };
    context.passed("ComputeBid", &name, began, outcome)
}

async fn reconcile(context: &Context, found: Arc<ComputeBid>) -> Outcome {
    if found.meta().deletion_timestamp.is_some() {
        return Outcome::Done;
    }
    let seen = context.eyes.bid(found.clone(), context.pod_watch());
    let Some(sight) = context.legible(found.as_ref(), seen).await else {
        return Outcome::Done;
    };
    let plan = bid::plan(&sight.observed, &POLICY);
    let mut latest = found.as_ref().clone();
    for action in &plan.actions {
        match act(context, &sight, &latest, *action).await {
            Ok(Done::Plain) => {}
            Ok(Done::Signed(signature)) => {
                context.metrics.bid("Held");
                match report(
                    context,
                    &sight,
                    &latest,
                    Phase::Signed,
                    Some(signature),
                    plan.reason,
                )
                .await
                {
                    Ok(written) => latest = written,
                    Err(outcome) => return outcome,
                }
            }
            Ok(Done::Stands(phase)) => {
                context.metrics.bid(label(phase));
                match report(context, &sight, &latest, phase, None, plan.reason).await {
                    Ok(written) => latest = written,
                    Err(outcome) => return outcome,
                }
            }
            Ok(Done::Deleted) => return Outcome::Done,
            Err(error) => {
                tracing::warn!(bid = latest.metadata.name, ?action, %error, "bid not advanced");
                context
                    .tell(
                        &latest,
                        Severity::Warning,
                        error.reason(),
                        "Bid",
                        error.to_string(),
                    )
                    .await;
                if *action == Action::Hold {
                    unheld(context, &sight, &latest, &error).await;
                }
                return Outcome::Failed;
            }
        }
    }
    plan.again.map_or(Outcome::Done, Outcome::After)
}

async fn act(
    context: &Context,
    sight: &BidSight,
    latest: &ComputeBid,
    action: Action,
) -> Result<Done, ActError> {
    let missing = |what| ActError::Missing {
        action: "a bid",
        what,
    };
    let provider = sight.provider.as_ref().ok_or(missing("its ComputeProvider"))?;
    let market = sight.market.as_ref().ok_or(missing("its ComputeMarket"))?;
    let transact = context
        .transacts
        .get(&market.name)
        .ok_or(missing("the market's wallets"))?;
    let wallet = wallet_name(provider, &provider.spec.wallets.bids);
    let offer = context
        .eyes
        .stores
        .offer(&sight.home, &latest.spec.offer_ref.name);
    let ground = offer
        .as_ref()
        .map(|offer| ground::ground(offer, &context.eyes.settings));
    let owner = latest.controller_owner_ref(&()).ok_or(missing("its own uid"))?;
    // The signature that was recorded a moment ago, in this very pass.
    let signed = signed(sight, latest);
    let hands = BidHands {
        client: context.client(),
        manager: MANAGER,
        transact: &transact,
        wallet: &wallet,
        bid: latest,
        home: &sight.home,
        uid: &sight.uid,
        document: &sight.document,
        signed: signed.as_ref(),
        hold: ground.as_ref().map(|ground| Hold {
            bid: owner,
            namespace: &sight.home,
            replica: sight.needs.replica(),
            replicas: sight.needs.replicas,
            ground,
            pause_image: &context.eyes.settings.pause_image,
            max_seconds: 60,
        }),
        held: &sight.held,
        chain: market.chain,
        lease_book: market.lease_book,
        order: sight.order.as_ref().map(|posted| posted.order.as_ref()),
        lane: sight.lane,
        posted: sight.observed.posted,
    };
    hands.run(action).await
}

fn signed(sight: &BidSight, latest: &ComputeBid) -> Option<crate::core::documents::bid::SignedBid> {
    crate::observe::bid::signed(latest, &sight.document, sight.lane)
        .ok()
        .flatten()
}

async fn report(
    context: &Context,
    sight: &BidSight,
    latest: &ComputeBid,
    phase: Phase,
    signature: Option<String>,
    reason: &'static str,
) -> Result<ComputeBid, Outcome> {
    let old = latest.status.clone().unwrap_or_default();
    let now = time_of(clock::wall().0);
    let mut next = ComputeBidStatus {
        observed_generation: latest.metadata.generation,
        phase: Some(api_phase(phase)),
        signature: signature.or(old.signature),
        held_nodes: held_nodes(sight),
        posted_at: old
            .posted_at
            .or_else(|| (phase == Phase::Posted).then(|| now.clone())),
        lease_id: sight.lease.map(|lease| lease.to_string()).or(old.lease_id),
        reason: Some(reason.to_owned()),
        conditions: old.conditions,
    };
    let generation = latest.metadata.generation;
    let mut set = |kind, is: Status, message: &str| {
        condition::set(
            &mut next.conditions,
            kind,
            is,
            reason,
            message,
            generation,
            now.clone(),
        );
    };
    let held = match sight.observed.hold {
        HoldSide::Bound => Status::True,
        HoldSide::Absent | HoldSide::Pending { .. } => Status::False,
        HoldSide::Unknown => Status::Unknown,
    };
    set(HELD, held, "placeholder pods on nodes");
    let posted = if matches!(phase, Phase::Posted | Phase::Won) {
        Status::True
    } else {
        Status::False
    };
    set(POSTED, posted, "the signature was handed over");
    let ready = match phase {
        Phase::Holding | Phase::Filling | Phase::Signed | Phase::Posted => Status::True,
        Phase::Won | Phase::Lost | Phase::Expired | Phase::Refused => Status::False,
    };
    set(READY, ready, "still in play");
    let api = Api::<ComputeBid>::namespaced(context.client().clone(), &sight.home);
    match status::write(&api, MANAGER, latest, &next, &[]).await {
        Ok(status::Written::Changed(written)) => Ok(*written),
        Ok(status::Written::Unchanged) => Ok(latest.clone()),
        Err(error) => Err(unwritten("ComputeBid", latest.metadata.name.as_ref(), &error)),
    }
}

/// Says on the bid why its capacity cannot be held, such as the words of an admission policy. That it cannot be written changes nothing: the event
/// says the same, and the hold is tried again.
async fn unheld(context: &Context, sight: &BidSight, latest: &ComputeBid, error: &ActError) {
    let mut next = latest.status.clone().unwrap_or_default();
    let message: String = error.to_string().chars().take(1024).collect();
    condition::set(
        &mut next.conditions,
        HELD,
        Status::False,
        error.reason(),
        &message,
        latest.metadata.generation,
        time_of(clock::wall().0),
    );
    let api = Api::<ComputeBid>::namespaced(context.client().clone(), &sight.home);
    if let Err(error) = status::write(&api, MANAGER, latest, &next, &[]).await {
        unwritten("ComputeBid", latest.metadata.name.as_ref(), &error);
    }
}

fn held_nodes(sight: &BidSight) -> Vec<HeldNode> {
    let node =
        |pod: &k8s_openapi::api::core::v1::Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    sight
        .held
        .iter()
        .filter_map(|pod| {
            Some(HeldNode {
                pod: pod.metadata.name.clone()?,
                node: node(pod)?,
            })
        })
        .collect()
}

const fn api_phase(phase: Phase) -> BidPhase {
    match phase {
        Phase::Holding => BidPhase::Holding,
        Phase::Filling => BidPhase::Filling,
        Phase::Signed => BidPhase::Signed,
        Phase::Posted => BidPhase::Posted,
        Phase::Won => BidPhase::Won,
        Phase::Lost => BidPhase::Lost,
        Phase::Expired => BidPhase::Expired,
        Phase::Refused => BidPhase::Refused,
    }
}

const fn label(phase: Phase) -> &'static str {
    match phase {
        Phase::Holding => "Holding",
        Phase::Filling => "Filling",
        Phase::Signed => "Signed",
        Phase::Posted => "Posted",
        Phase::Won => "Won",
        Phase::Lost => "Lost",
        Phase::Expired => "Expired",
        Phase::Refused => "Refused",
    }
}
