//! Whether to bid on an order, and what: a fixed row of questions, cheapest and surest first, the first that fails is the answer (protocol:
//! provider's bid decision). May not hold capacity, sign or send.

use std::collections::BTreeSet;

use alloy::primitives::{B256, keccak256};

use super::{
    pricing::PriceList,
    refusal::{Reason, Refusal},
};
use crate::core::{
    documents::{
        needs::{Needs, Sharing},
        order::{Billing, Order, TradeForm},
        terms::least_deposit,
    },
    money::{MicroUnits, RatePerHour},
    time::ChainSeconds,
};

/// What an offer does about an order that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bids.
    Bid,
    /// Shows what it would have bid.
    Observe,
    /// Bids on nothing.
    Paused,
}

/// What an offer says of workloads that run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootPolicy {
    /// Serves them where the order declares it.
    WhenDeclared,
    /// Refuses them.
    Never,
}

/// One kind of device among an offer's nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceClass {
    /// The nodes' label `nvidia.com/gpu.product`; none where they carry none.
    pub model: Option<String>,
    /// Memory of one device in MiB, from `nvidia.com/gpu.memory`; none where they carry none.
    pub memory_mib: Option<u64>,
}

/// What an offer sells and on what terms. Durations in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferPolicy {
    /// What it does.
    pub mode: Mode,
    /// How its devices are shared.
    pub sharing: Sharing,
    /// Kinds of device among its nodes.
    pub devices: BTreeSet<DeviceClass>,
    /// Where its nodes are.
    pub regions: BTreeSet<String>,
    /// Whether root is served.
    pub root: RootPolicy,
    /// Index of its currency in the token list of Params.
    pub token: u8,
    /// Its prices.
    pub prices: PriceList,
    /// Shortest lease worth serving: a deposit must cover it.
    pub min_duration: u32,
    /// Longest lease served.
    pub max_duration: u32,
    /// Longest notice given.
    pub notice: u32,
    /// Most leases at a time.
    pub max_leases: u32,
    /// Most bids and leases of one tenant at a time; none for no limit.
    pub max_a_tenant: Option<u32>,
    /// Bond named where the order asks for less.
    pub bond: MicroUnits,
    /// Largest bond risked.
    pub max_bond: MicroUnits,
    /// What may be lost in a dispute.
    pub liability: MicroUnits,
    /// Least start window: time for the start's finality and for pulling images.
    pub least_start_window: u32,
    /// Blocks that must lie on an order before it is bid on.
    pub depth: u64,
    /// How long a bid's signature holds; at most 600.
    pub bid_lifetime: u32,
    /// Least time left before an order's expiry.
    pub least_time_left: u32,
}

/// What is known of the order's standing on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStanding {
    /// Open, under this many blocks.
    Open {
        /// 0 for the newest block.
        depth: u64,
    },
    /// Accepted or cancelled.
    Ended,
}

/// What the provider has at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Leases of this offer that are not closed, and its bids that are neither lost nor expired.
    pub leases: u32,
    /// Of these the tenant's.
    pub tenant: u32,
    /// Stake in the order's token that is not locked.
    pub free_stake: MicroUnits,
    /// What was paid under tenants' signatures, in micro-dollars.
    pub signed_paid: u64,
    /// The bid wallet's gas; none where bids go off chain or no budget is set.
    pub gas: Option<BidGas>,
}

/// The bid wallet's budget, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BidGas {
    /// Left of the day's budget.
    pub left: u128,
    /// What one `publishBid` costs now, at most.
    pub cost: u128,
}

/// Whether the needs fit into what is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// They do.
    Fits,
    /// They do not, and why.
    NoFit(String),
    /// Nodes or pods are not known well enough.
    Unknown(String),
}

/// An order to decide on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The order as posted.
    pub order: &'a Order,
    /// Its needs document, as the event carries it.
    pub needs: &'a [u8],
    /// Its standing on chain.
    pub standing: OrderStanding,
    /// Time of the newest block; none while no endpoint has answered.
    pub now: Option<ChainSeconds>,
    /// Time of the block it was posted in; a dutch order's rate climbs from then.
    pub posted: ChainSeconds,
}

/// What to sign, or to fill at: for one lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// How the order is traded.
    pub form: TradeForm,
    /// Price of the lot; of a dutch order the least it was taken for.
    pub rate: RatePerHour,
    /// Bond of the lot.
    pub bond: MicroUnits,
    /// Liability of the lot.
    pub liability: MicroUnits,
    /// Until when the signature holds, in Unix seconds; a fill that was sent may be mined as long as the order stands.
    pub deadline: u64,
    /// What was asked for, decoded.
    pub needs: Needs,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Hold the capacity, then sign and send this.
    Bid(Box<Quote>),
    /// Show this and do nothing.
    WouldBid(Box<Quote>),
    /// No bid, for this reason.
    Refuse(Refusal),
    /// Ask again: something that will be known is not known yet.
    Wait(String),
}

enum Stop {
    Refuse(Refusal),
    Wait(String),
}

fn refuse<T>(reason: Reason, message: impl std::fmt::Display) -> Result<T, Stop> {
    Err(Stop::Refuse(Refusal::new(reason, message)))
}

/// Decides. `room` answers whether needs fit now, and is asked once, after everything that needs no snapshot.
pub fn decide(
    question: &Question<'_>,
    offer: &OfferPolicy,
    standing: &Standing,
    room: impl FnOnce(&Needs) -> Room,
) -> Verdict {
    match weigh(question, offer, standing, room) {
        Ok(quote) => match offer.mode {
            Mode::Bid => Verdict::Bid(Box::new(quote)),
            // A paused offer never comes this far.
            Mode::Observe | Mode::Paused => Verdict::WouldBid(Box::new(quote)),
        },
        Err(Stop::Refuse(refusal)) => Verdict::Refuse(refusal),
        Err(Stop::Wait(reason)) => Verdict::Wait(reason),
    }
}

fn weigh(
    question: &Question<'_>,
    offer: &OfferPolicy,
    standing: &Standing,
    room: impl FnOnce(&Needs) -> Room,
) -> Result<Quote, Stop> {
    let order = question.order;
    if offer.mode == Mode::Paused {
        return refuse(Reason::OfferPaused, "offer.spec.mode is Paused: set it to Bid");
    }
    let now = is_open(question, offer)?;
    let form = is_served(order, offer)?;
    let needs = read_needs(order, question.needs)?;
    matches_devices(&needs, offer)?;
    matches_policy(&needs, order, offer)?;
    match room(&needs) {
        Room::Fits => {}
        Room::NoFit(why) => return refuse(Reason::NoCapacity, why),
        Room::Unknown(why) => return Err(Stop::Wait(why)),
    }
    if standing.leases >= offer.max_leases {
        return refuse(
            Reason::LeaseLimit,
            format_args!(
                "{} leases and bids of {} are taken: raise offer.spec.capacity.maxLeases",
                standing.leases, offer.max_leases
            ),
        );
    }
    let rate = price(order, form, &needs, offer)?;
    let bond = risk(order, offer, standing)?;
    if let Some(gas) = standing.gas.filter(|gas| gas.cost > gas.left) {
        return refuse(
            Reason::GasBudgetSpent,
            format_args!(
                "a bid costs up to {} wei, {} wei are left of the day's budget: raise the bid wallet's limits.gasPerDay",
                gas.cost, gas.left
            ),
        );
    }
    if let Some(limit) = offer.max_a_tenant.filter(|limit| standing.tenant >= *limit) {
        return refuse(
            Reason::TenantExposure,
            format_args!(
                "tenant {} has {} bids and leases here, the limit is {limit}: close one first",
                order.tenant, standing.tenant
            ),
        );
    }
    if order.startWindow < offer.least_start_window {
        return refuse(
            Reason::StartWindowTooShort,
            format_args!(
                "order.startWindow is {} s, finality and image pull need {} s: ask for more",
                order.startWindow, offer.least_start_window
            ),
        );
    }
    let expiry = u64::from(order.expiry);
    let deadline = match form {
        TradeForm::Auction => expiry.min(now.saturating_add(u64::from(offer.bid_lifetime.min(600)))),
        TradeForm::Dutch => {
            pays_enough(order, rate, now.saturating_sub(question.posted.0))?;
            expiry
        }
    };
    Ok(Quote {
        form,
        rate,
        bond,
        liability: offer.liability,
        deadline,
        needs,
    })
}

/// Open, unexpired and deep enough.
fn is_open(question: &Question<'_>, offer: &OfferPolicy) -> Result<u64, Stop> {
    let depth = match question.standing {
        OrderStanding::Open { depth } => depth,
        OrderStanding::Ended => {
            return refuse(
                Reason::OrderNotOpen,
                "the order was accepted or cancelled: post another",
            );
        }
    };
    let Some(ChainSeconds(now)) = question.now else {
        return Err(Stop::Wait("no endpoint has told the chain's time yet".into()));
    };
    let needed = now.saturating_add(u64::from(offer.least_time_left));
    if u64::from(question.order.expiry) < needed {
        return refuse(
            Reason::OrderExpired,
            format_args!(
                "order.expiry is {}, the chain's time is {now} and {} s must be left: post it with a later expiry",
                question.order.expiry, offer.least_time_left
            ),
        );
    }
    if depth < offer.depth {
        return Err(Stop::Wait(format!(
            "the order lies under {depth} blocks, {} are needed",
            offer.depth
        )));
    }
    Ok(now)
}

/// A dutch order's rate has climbed to what is asked: from then on it only rises, so a fill that is mined later earns no less.
fn pays_enough(order: &Order, asked: RatePerHour, elapsed: u64) -> Result<(), Stop> {
    let pays = order.climbed(elapsed).to::<u64>();
    if pays < asked.get() {
        return Err(Stop::Wait(format!(
            "the order pays {} an hour by now, the offer asks {asked}",
            MicroUnits(pays)
        )));
    }
    Ok(())
}

/// A kind of trade, billing and token that is sold here.
fn is_served(order: &Order, offer: &OfferPolicy) -> Result<TradeForm, Stop> {
    let form = match order.trade_form() {
        Some(TradeForm::Auction) => TradeForm::Auction,
        Some(TradeForm::Dutch) if order.eligible == B256::ZERO => TradeForm::Dutch,
        Some(TradeForm::Dutch) => {
            return refuse(
                Reason::NotEligible,
                format_args!(
                    "order.eligible is {}: this provider has no proof that the list holds it; leave it zero",
                    order.eligible
                ),
            );
        }
        None => {
            return refuse(
                Reason::FormUnsupported,
                format_args!(
                    "order.form is {}: auctions (0) and dutch orders (1) are served",
                    order.form
                ),
            );
        }
    };
    if order.lots != 1 {
        return refuse(
            Reason::LotsUnsupported,
            format_args!("order.lots is {}: post one order a lot", order.lots),
        );
    }
    if order.unknown_flags() != 0 {
        return refuse(
            Reason::FlagsUnknown,
            format_args!("order.flags is {}: only bits 0 and 1 have a meaning", order.flags),
        );
    }
    match order.billing() {
        Billing::Metered => {}
        Billing::Reserved => {
            return refuse(
                Reason::BillingUnsupported,
                "order.flags asks for reserved billing: clear bit 0, metered is sold here",
            );
        }
    }
    if order.slaPolicy != B256::ZERO {
        return refuse(
            Reason::SlaUnsupported,
            format_args!("order.slaPolicy is {}: leave it zero", order.slaPolicy),
        );
    }
    if order.token != offer.token {
        return refuse(
            Reason::TokenMismatch,
            format_args!(
                "order.token is {}, the offer is priced in token {}: pay in that one",
                order.token, offer.token
            ),
        );
    }
    Ok(form)
}

fn read_needs(order: &Order, bytes: &[u8]) -> Result<Needs, Stop> {
    // The book checked this; an endpoint that answers falsely must not make us sign.
    if keccak256(bytes) != order.needsHash {
        return refuse(
            Reason::NeedsUndecodable,
            "the needs' bytes do not have the hash that the order names",
        );
    }
    let needs = match Needs::decode(bytes) {
        Ok(needs) => needs,
        Err(error) => return refuse(Reason::NeedsUndecodable, error),
    };
    if needs.matching.is_some() {
        return refuse(
            Reason::WhereUnsupported,
            "needs.where is set: expressions are not evaluated here, leave it out",
        );
    }
    Ok(needs)
}

fn matches_devices(needs: &Needs, offer: &OfferPolicy) -> Result<(), Stop> {
    if needs.gpu.count == 0 {
        return Ok(());
    }
    if needs.gpu.sharing != offer.sharing {
        return refuse(
            Reason::SharingMismatch,
            format_args!(
                "needs.gpu.sharing is {:?}, the offer's devices are {:?}",
                needs.gpu.sharing, offer.sharing
            ),
        );
    }
    let wanted = &needs.gpu;
    let served = |class: &DeviceClass| {
        let model = wanted.models.is_empty()
            || class
                .model
                .as_ref()
                .is_some_and(|model| wanted.models.contains(model));
        let memory =
            wanted.memory_mib == 0 || class.memory_mib.is_some_and(|memory| memory >= wanted.memory_mib);
        model && memory
    };
    if offer.devices.iter().any(served) {
        return Ok(());
    }
    let here: Vec<String> = offer
        .devices
        .iter()
        .map(|class| {
            let memory = class
                .memory_mib
                .map_or_else(|| "unknown".to_owned(), |memory| memory.to_string());
            format!(
                "{} ({memory} MiB)",
                class.model.as_deref().unwrap_or("unlabelled")
            )
        })
        .collect();
    refuse(
        Reason::DeviceMismatch,
        format_args!(
            "needs.gpu asks for models [{}] with {} MiB; here are [{}]",
            wanted.models.join(", "),
            wanted.memory_mib,
            here.join(", ")
        ),
    )
}

fn matches_policy(needs: &Needs, order: &Order, offer: &OfferPolicy) -> Result<(), Stop> {
    if !needs.regions.is_empty() && !needs.regions.iter().any(|region| offer.regions.contains(region)) {
        let here: Vec<&str> = offer.regions.iter().map(String::as_str).collect();
        return refuse(
            Reason::RegionMismatch,
            format_args!(
                "needs.regions is [{}], the offer is in [{}]",
                needs.regions.join(", "),
                here.join(", ")
            ),
        );
    }
    if needs.run_as_root && offer.root == RootPolicy::Never {
        return refuse(
            Reason::RootRefused,
            "needs.runAsRoot is true, the offer serves no root: use an image with another user",
        );
    }
    if order.maxDuration > offer.max_duration {
        return refuse(
            Reason::DurationTooLong,
            format_args!(
                "order.maxDuration is {} s, the offer serves {} s: ask for less",
                order.maxDuration, offer.max_duration
            ),
        );
    }
    if order.maxDuration < offer.min_duration {
        return refuse(
            Reason::DurationTooShort,
            format_args!(
                "order.maxDuration is {} s, the offer's shortest lease is {} s: ask for more",
                order.maxDuration, offer.min_duration
            ),
        );
    }
    if order.notice > offer.notice {
        return refuse(
            Reason::NoticeTooLong,
            format_args!(
                "order.notice is {} s, the offer gives {} s: ask for less",
                order.notice, offer.notice
            ),
        );
    }
    Ok(())
}

fn price(order: &Order, form: TradeForm, needs: &Needs, offer: &OfferPolicy) -> Result<RatePerHour, Stop> {
    let rate = match offer.prices.rate(needs) {
        Ok(rate) => rate,
        Err(error) => return refuse(Reason::PriceInvalid, error),
    };
    let most = order.maxRate.to::<u64>();
    if most != 0 && rate.get() > most {
        return refuse(
            Reason::PriceTooLow,
            format_args!(
                "order.maxRate is {} an hour, the offer asks {rate}: pay at least that",
                MicroUnits(most)
            ),
        );
    }
    let deposit = order.deposit_a_lot().unwrap_or(MicroUnits::ZERO);
    let served = Order {
        minDuration: order.minDuration.max(offer.min_duration),
        ..order.clone()
    };
    // A fill is priced by the block it is mined in: at most the highest rate.
    let billed = match form {
        TradeForm::Auction => rate,
        TradeForm::Dutch => RatePerHour::new(most).unwrap_or(rate),
    };
    let least = least_deposit(&served, billed);
    if deposit < least {
        return refuse(
            Reason::DepositTooSmall,
            format_args!(
                "order.deposit is {deposit}, holdback and {} s at {billed} an hour take {least}: deposit at least that",
                served.minDuration
            ),
        );
    }
    Ok(rate)
}

fn risk(order: &Order, offer: &OfferPolicy, standing: &Standing) -> Result<MicroUnits, Stop> {
    let bond = offer.bond.max(MicroUnits(order.minBond));
    if bond > offer.max_bond.max(offer.bond) {
        return refuse(
            Reason::BondTooLarge,
            format_args!(
                "order.minBond is {}, at most {} is risked here: ask for less",
                MicroUnits(order.minBond),
                offer.max_bond
            ),
        );
    }
    if bond > standing.free_stake {
        return refuse(
            Reason::StakeTooSmall,
            format_args!(
                "the bond is {bond}, free stake is {}: stake more",
                standing.free_stake
            ),
        );
    }
    if standing.signed_paid < order.minSignedPaid {
        return refuse(
            Reason::ReputationTooLow,
            format_args!(
                "order.minSignedPaid is {}, this provider was paid {} under tenants' signatures",
                MicroUnits(order.minSignedPaid),
                MicroUnits(standing.signed_paid)
            ),
        );
    }
    Ok(bond)
}

#[cfg(test)]
mod tests;
