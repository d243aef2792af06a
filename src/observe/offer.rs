//! An offer as admission takes it: what it sells, what its nodes are, what the provider has at this moment. Never writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::primitives::Address;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use thiserror::Error;

use super::{
    ground::{self, GroundError},
    lease::Eyes,
    markets::Market,
};
use crate::{
    api::{
        ComputeBid, ComputeLease, ComputeOffer, ComputeProvider,
        bid::BidPhase,
        condition,
        duration::{self, DurationError},
        lease::LeasePhase,
        offer::{AllowRoot, DeviceSharing, OfferMode},
    },
    core::{
        book::KeyRoles,
        capacity::Snapshot,
        documents::needs::Sharing,
        ids::{Generation, Lane, OrderHash, ProviderId},
        market::{
            admission::{DeviceClass, Mode, OfferPolicy, RootPolicy, Standing},
            pricing::PriceList,
        },
        money::{MicroUnits, MoneyError},
        time::ChainSeconds,
        view::ChainView,
    },
};

/// Least start window of an order we bid on, seconds: finality of the start depth, the manifest, the pull.
const LEAST_START_WINDOW: u32 = 20;
/// How long a bid's signature holds, seconds (design: at most 10 min).
const BID_LIFETIME: u32 = 300;
/// Least time left before an order's expiry, seconds.
const LEAST_TIME_LEFT: u32 = 3;

/// Why an offer cannot bid.
#[derive(Debug, Error)]
pub enum OfferError {
    /// A duration does not read.
    #[error("ComputeOffer spec.{field}: {source}")]
    Duration {
        /// Which field.
        field: &'static str,
        /// Why.
        source: DurationError,
    },
    /// An amount does not read.
    #[error("ComputeOffer spec.price.{field}: {source}")]
    Money {
        /// Which field.
        field: &'static str,
        /// Why.
        source: MoneyError,
    },
    /// The currency is not listed.
    #[error(
        "ComputeOffer spec.price.currency {currency:?} is not a token of market {market}: use one of {listed}"
    )]
    Currency {
        /// What the offer says.
        currency: String,
        /// Which market.
        market: String,
        /// What there is.
        listed: String,
    },
    /// The settings cannot be read.
    #[error(transparent)]
    Ground(#[from] GroundError),
}

/// Where an offer stands.
pub struct OfferSight {
    /// Its provider.
    pub provider: Arc<ComputeProvider>,
    /// Its number on chain.
    pub id: ProviderId,
    /// Its market.
    pub market: Arc<Market>,
    /// The newest view.
    pub view: Arc<ChainView>,
    /// What it sells.
    pub policy: OfferPolicy,
    /// Nodes and pods at this moment.
    pub snapshot: Snapshot,
    /// Devices it never lets go.
    pub keep_free: u32,
    /// Largest share of free capacity that holds may take, in 1/10,000.
    pub hold_share: u32,
    /// Bids of this offer by order.
    pub bids: BTreeMap<OrderHash, Arc<ComputeBid>>,
    /// Lanes that signatures of this provider may still take.
    pub promised: BTreeSet<Lane>,
    /// What the provider has.
    pub standing: Standing,
    /// The key that signs bids, and its epoch; none: no key may bid now.
    pub bidder: Result<(Address, u32), NoBidder>,
}

/// What keeps an offer from being looked at further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotYet {
    /// Its provider is not there.
    Provider,
    /// Its market is not followed yet.
    Market,
    /// No view of the chain yet.
    View,
}

impl Eyes {
    /// Observes one offer.
    ///
    /// # Errors
    /// The offer's own spec cannot be used.
    pub fn offer(&self, offer: &ComputeOffer) -> Result<Result<OfferSight, NotYet>, OfferError> {
        let home = offer.namespace().unwrap_or_default();
        let Some(provider) = self.stores.provider(&home, &offer.spec.provider_ref.name) else {
            return Ok(Err(NotYet::Provider));
        };
        let Some(market) = self.markets.get(&provider.spec.market_ref.name) else {
            return Ok(Err(NotYet::Market));
        };
        let Some(view) = market.view() else {
            return Ok(Err(NotYet::View));
        };
        let id = ProviderId(u32::try_from(provider.spec.provider_id).unwrap_or_default());
        let supply = ground::supply(offer);
        let nodes = self.stores.nodes.state();
        let covered: Vec<&Node> = nodes
            .iter()
            .map(AsRef::as_ref)
            .filter(|node| supply.covers(node))
            .collect();
        let policy = policy(offer, &market, &provider, &covered)?;
        let pods = self.stores.pods.state();
        let snapshot = Snapshot::of(
            &supply,
            covered,
            pods.iter().map(AsRef::<k8s_openapi::api::core::v1::Pod>::as_ref),
        );
        let ours: Vec<Arc<ComputeBid>> = self
            .stores
            .bids
            .state()
            .into_iter()
            .filter(|bid| {
                bid.namespace().as_deref() == Some(&home) && bid.spec.provider_ref == offer.spec.provider_ref
            })
            .collect();
        let name = offer.name_any();
        let standing = self.standing(&home, &name, &ours, &view, id, policy.token);
        Ok(Ok(OfferSight {
            bidder: self.bidder(&provider, &view, id),
            promised: promised(&ours),
            bids: ours
                .iter()
                .filter(|bid| bid.spec.offer_ref.name == name)
                .filter_map(|bid| Some((OrderHash(bid.spec.order_hash.parse().ok()?), bid.clone())))
                .collect(),
            keep_free: u32::try_from(offer.spec.capacity.keep_free.gpus).unwrap_or(0),
            hold_share: share(&offer.spec.capacity.holds.max_share),
            provider,
            id,
            market,
            view,
            policy,
            snapshot,
            standing,
        }))
    }

    fn standing(
        &self,
        home: &str,
        offer: &str,
        ours: &[Arc<ComputeBid>],
        view: &ChainView,
        id: ProviderId,
        token: u8,
    ) -> Standing {
        let all = self.stores.leases.state();
        let leases = all.iter().filter(|lease| {
            lease.namespace().as_deref() == Some(home)
                && lease
                    .spec
                    .offer_ref
                    .as_ref()
                    .is_some_and(|named| named.name == offer)
                && takes_a_place(lease)
        });
        let open = ours
            .iter()
            .filter(|bid| bid.spec.offer_ref.name == offer && in_play(bid));
        let stake = view
            .head
            .book
            .provider(id)
            .and_then(|found| found.stake.get(&token));
        Standing {
            leases: u32::try_from(leases.count() + open.count()).unwrap_or(u32::MAX),
            tenant: 0,
            free_stake: stake.map_or(MicroUnits::ZERO, |stake| stake.free()),
            signed_paid: 0,
            gas: None,
        }
    }

    fn bidder(
        &self,
        provider: &ComputeProvider,
        view: &ChainView,
        id: ProviderId,
    ) -> Result<(Address, u32), NoBidder> {
        let without_role = || {
            NoBidder {
            reason: "NoBidKey",
            message:
                "the bids wallet's key has no bid role on chain yet: the owner adds it with leaseport provider key add"
                    .to_owned(),
        }
        };
        let wallet = &provider.spec.wallets.bids;
        let home = provider.namespace().unwrap_or_default();
        let reference =
            kube::runtime::reflector::ObjectRef::new(&wallet.name).within(wallet.namespace_or(&home));
        let found = self.stores.wallets.get(&reference).ok_or_else(without_role)?;
        let status = found.status.as_ref().ok_or_else(without_role)?;
        // A bid that cannot be signed would hold capacity for nothing, and stand in the way of one that can.
        if let Some(ready) = condition::get(&status.conditions, condition::READY)
            && ready.status == condition::Status::False.as_str()
        {
            return Err(NoBidder {
                reason: "WalletNotReady",
                message: format!(
                    "wallets.bids: ComputeWallet {}: {}: {}",
                    wallet.name, ready.reason, ready.message
                ),
            });
        }
        let epoch = || {
            let address: Address = status.address.as_ref()?.parse().ok()?;
            let state = view.head.book.provider(id)?;
            state.key_may(address, KeyRoles::BID, view.now()).then_some(())?;
            Some((address, state.keys.get(&address)?.bid_epoch))
        };
        epoch().ok_or_else(without_role)
    }
}

/// Why nobody can sign a bid now; orders are answered when somebody can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoBidder {
    /// CamelCase, for the offer's condition.
    pub reason: &'static str,
    /// For people, with what to do.
    pub message: String,
}

impl OfferSight {
    /// The lowest lane that is free on chain and promised to nobody.
    #[must_use]
    pub fn free_lane(&self, now: ChainSeconds) -> Option<(Lane, Generation)> {
        // As many more than are promised: one of them is free.
        let enough = self.promised.len().saturating_add(1);
        let free = self.view.head.book.free_lanes(self.id, now).take(enough);
        free.into_iter().find(|(lane, _)| !self.promised.contains(lane))
    }
}

/// Whether a bid may still become a lease as far as its own record says.
#[must_use]
pub fn in_play(bid: &ComputeBid) -> bool {
    match bid
        .status
        .as_ref()
        .and_then(|status| status.phase)
        .unwrap_or_default()
    {
        BidPhase::Holding | BidPhase::Held | BidPhase::Filling | BidPhase::Signed | BidPhase::Posted => true,
        BidPhase::Won | BidPhase::Lost | BidPhase::Expired | BidPhase::Refused => false,
    }
}

/// Whether a lease counts towards `capacity.maxLeases`. One whose Job has ended holds no device and will hold none.
fn takes_a_place(lease: &ComputeLease) -> bool {
    let phase = lease.status.as_ref().and_then(|status| status.phase);
    match phase.unwrap_or_default() {
        LeasePhase::Finished | LeasePhase::Closed => false,
        LeasePhase::Pending
        | LeasePhase::Starting
        | LeasePhase::Active
        | LeasePhase::Degraded
        | LeasePhase::Suspended
        | LeasePhase::Stopped => true,
    }
}

/// Objects of bids outlive their deadline, so every lane that a signature may take is named by one.
fn promised(bids: &[Arc<ComputeBid>]) -> BTreeSet<Lane> {
    let never_signed = |bid: &ComputeBid| {
        let status = bid.status.as_ref();
        status.and_then(|status| status.phase) == Some(BidPhase::Refused)
            && status.is_none_or(|status| status.signature.is_none())
    };
    bids.iter()
        .filter(|bid| !never_signed(bid))
        .filter_map(|bid| u32::try_from(bid.spec.lane).ok().map(Lane))
        .collect()
}

fn policy(
    offer: &ComputeOffer,
    market: &Market,
    provider: &ComputeProvider,
    nodes: &[&Node],
) -> Result<OfferPolicy, OfferError> {
    let spec = &offer.spec;
    let time = |field, text: &str| {
        duration::parse(text)
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
            .map_err(|source| OfferError::Duration { field, source })
    };
    let money = |field, text: &str| {
        text.parse::<MicroUnits>()
            .map_err(|source| OfferError::Money { field, source })
    };
    let hour = &spec.price.per_hour;
    let regions = if spec.regions.is_empty() {
        &provider.spec.regions
    } else {
        &spec.regions
    };
    Ok(OfferPolicy {
        mode: match spec.mode {
            OfferMode::Observe => Mode::Observe,
            OfferMode::Bid => Mode::Bid,
            OfferMode::Paused => Mode::Paused,
        },
        sharing: match spec.device.sharing {
            DeviceSharing::Exclusive => Sharing::Exclusive,
        },
        devices: nodes.iter().map(|node| device_class(node)).collect(),
        regions: regions.iter().cloned().collect(),
        root: match spec.isolation.allow_root {
            AllowRoot::Never => RootPolicy::Never,
            AllowRoot::WhenDeclared => RootPolicy::WhenDeclared,
        },
        token: token(&spec.price.currency, market)?,
        prices: PriceList {
            gpu: money("perHour.gpu", &hour.gpu)?,
            cpu: money("perHour.cpu", &hour.cpu)?,
            memory_gi: money("perHour.memoryGi", &hour.memory_gi)?,
            storage_gi: money("perHour.storageGi", &hour.storage_gi)?,
            floor_gpu: spec
                .price
                .floor
                .as_ref()
                .map_or(Ok(MicroUnits::ZERO), |floor| money("floor.gpu", &floor.gpu))?,
        },
        min_duration: time("terms.minDuration", &spec.terms.min_duration)?,
        max_duration: time("terms.maxDuration", &spec.terms.max_duration)?,
        notice: time("terms.noticePeriod", &spec.terms.notice_period)?,
        max_leases: u32::try_from(spec.capacity.max_leases).unwrap_or(0),
        max_a_tenant: None,
        bond: MicroUnits::ZERO,
        max_bond: MicroUnits(u64::MAX),
        liability: MicroUnits::ZERO,
        least_start_window: LEAST_START_WINDOW,
        // A bid costs nothing when its order is reorganised away, so it need not wait; starting waits for the start depth.
        depth: 0,
        bid_lifetime: BID_LIFETIME,
        least_time_left: LEAST_TIME_LEFT,
    })
}

fn token(currency: &str, market: &Market) -> Result<u8, OfferError> {
    let found = market
        .tokens
        .iter()
        .find(|token| token.symbol.eq_ignore_ascii_case(currency));
    found
        .and_then(|token| u8::try_from(token.id).ok())
        .ok_or_else(|| OfferError::Currency {
            currency: currency.to_owned(),
            market: market.name.clone(),
            listed: market
                .tokens
                .iter()
                .map(|token| token.symbol.to_lowercase())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn device_class(node: &Node) -> DeviceClass {
    let label = |name: &str| node.labels().get(name).cloned();
    DeviceClass {
        model: label("nvidia.com/gpu.product"),
        memory_mib: label("nvidia.com/gpu.memory").and_then(|text| text.parse().ok()),
    }
}

/// A decimal share as 1/10,000; the schema's pattern allows at most four decimals and nothing above 1.
fn share(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("0000".chars()).take(4).collect();
    whole
        .parse::<u32>()
        .unwrap_or(0)
        .saturating_mul(10_000)
        .saturating_add(digits.parse().unwrap_or(0))
        .min(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_reads_as_ten_thousandths_and_never_above_the_whole() {
        assert_eq!(
            [
                share("0.5"),
                share("1"),
                share("0.0001"),
                share("1.0000"),
                share("0")
            ],
            [5_000, 10_000, 1, 10_000, 0]
        );
    }
}
