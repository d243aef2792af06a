//! Whether to bid on an order, and what: a fixed row of questions, cheapest and surest first, the first that fails is the answer (protocol:
//! provider's bid decision). May not hold capacity, sign or send.

mod fit;
mod money;
mod order;

use std::collections::BTreeSet;

use self::{
    fit::{matches_devices, matches_policy, read_needs},
    money::{pays_enough, price, risk},
    order::{is_open, is_served},
};
use super::{
    pricing::PriceList,
    refusal::{Reason, Refusal},
};
use crate::core::{
    documents::{
        needs::{Needs, Sharing},
        order::{Order, TradeForm},
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

#[cfg(test)]
mod tests;
