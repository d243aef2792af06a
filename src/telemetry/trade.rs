//! Orders answered and leases moved: refusals, bids, calls, endings, what could not be billed. Counted where it happens, so a restart begins anew.

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    families::{Counters, Gauges, Shelf},
};

/// How leases end, in the words of `core::plan::lease::ending`.
pub const ENDINGS: &[&str] = &[
    "Agreed",
    "EndReached",
    "FundsUsedUp",
    "TenantStopped",
    "ProviderNotice",
    "ProviderFault",
    "Declined",
    "Expired",
    "OpeningGone",
];

const REFUSALS: Metric = Metric {
    name: "order_refusals_total",
    kind: Kind::Counter,
    unit: "orders",
    labels: &[
        OFFER,
        Label {
            name: "reason",
            values: Values::Constants("why, as in `status.refusals` of a ComputeOffer"),
        },
    ],
    help: "Orders not bid on, by offer and reason; an order that stays open counts once",
};
const BIDS: Metric = Metric {
    name: "bids_total",
    kind: Kind::Counter,
    unit: "bids",
    labels: &[Label {
        name: "outcome",
        values: Values::Words(&[
            "Held", "Holding", "Filling", "Signed", "Posted", "Won", "Lost", "Expired", "Refused",
        ]),
    }],
    help: "Bids by how they ended or what step they reached",
};
const LEASE_CALLS: Metric = Metric {
    name: "lease_calls_total",
    kind: Kind::Counter,
    unit: "transactions",
    labels: &[
        Label {
            name: "call",
            values: Values::Words(&["Start", "Decline", "Stop", "Finalize"]),
        },
        Label {
            name: "reason",
            values: Values::Constants("the reason of the lease's phase"),
        },
    ],
    help: "Starts, declines, stops and closings of leases handed to the chain, by the reason they had",
};
const ENDED: Metric = Metric {
    name: "lease_endings_total",
    kind: Kind::Counter,
    unit: "leases",
    labels: &[Label {
        name: "ending",
        values: Values::Words(ENDINGS),
    }],
    help: "Leases that ended for good, by how",
};
const UNPROVEN: Metric = Metric {
    name: "usage_unproven_milliseconds_total",
    kind: Kind::Counter,
    unit: "milliseconds",
    labels: &[Label {
        name: "provider",
        values: Values::Names("ComputeProviders, by their number on chain"),
    }],
    help: "Delivered time that could not be proven after a gap and is not billed",
};
const DISPUTES: Metric = Metric {
    name: "disputes_total",
    kind: Kind::Counter,
    unit: "disputes",
    labels: &[
        Label {
            name: "provider",
            values: Values::Names("ComputeProviders, by their number on chain"),
        },
        Label {
            name: "reason",
            values: Values::Constants("the reason of the condition Disputed"),
        },
    ],
    help: "What became of contested leases: each reason that the condition Disputed took",
};
const ORPHANS: Metric = Metric {
    name: "orphaned_namespaces",
    kind: Kind::Gauge,
    unit: "namespaces",
    labels: &[Label {
        name: "reason",
        values: Values::Constants("why it is kept, as the event on it says"),
    }],
    help: "Namespaces of leases without a ComputeLease that are kept, by reason",
};

pub(super) const OFFER: Label = Label {
    name: "offer",
    values: Values::Names("ComputeOffers, as namespace/name"),
};

pub(super) struct Trade {
    refusals: Counters,
    bids: Counters,
    lease_calls: Counters,
    ended: Counters,
    unproven: Counters,
    disputes: Counters,
    orphans: Gauges,
}

impl Trade {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        shelf.subject("Orders, bids and leases");
        Ok(Self {
            refusals: shelf.counters(&REFUSALS)?,
            bids: shelf.counters(&BIDS)?,
            lease_calls: shelf.counters(&LEASE_CALLS)?,
            ended: shelf.counters(&ENDED)?,
            unproven: shelf.counters(&UNPROVEN)?,
            disputes: shelf.counters(&DISPUTES)?,
            orphans: shelf.gauges(&ORPHANS)?,
        })
    }
}

impl Metrics {
    /// A dispute about a lease of this provider has come to `reason`, a CamelCase constant of core::plan::dispute.
    pub fn dispute(&self, provider: &str, reason: &'static str) {
        self.0.trade.disputes.inc(&[provider, reason]);
    }

    /// So many namespaces without a lease object are kept for `reason`.
    pub fn orphans(&self, reason: &'static str, count: i64) {
        self.0.trade.orphans.set(&[reason], count);
    }

    /// An offer did not bid on an order; `reason` is a CamelCase constant of core::market.
    pub fn refused(&self, offer: &str, reason: &'static str) {
        self.0.trade.refusals.inc(&[offer, reason]);
    }

    /// A bid reached a step: Held, Posted, Won, Lost, Expired, Refused.
    pub fn bid(&self, outcome: &'static str) {
        self.0.trade.bids.inc(&[outcome]);
    }

    /// A lease was started, declined, stopped or finalized on chain; `reason` is a CamelCase constant of core::plan::lease.
    pub fn lease_call(&self, call: &'static str, reason: &'static str) {
        self.0.trade.lease_calls.inc(&[call, reason]);
    }

    /// A lease ended for good, in one of [`ENDINGS`]; to be said when that was first written down.
    pub fn lease_ended(&self, ending: &'static str) {
        self.0.trade.ended.inc(&[ending]);
    }

    /// Delivered time that no proof covers.
    pub fn unbilled(&self, provider: &str, ms: u64) {
        self.0.trade.unproven.add(&[provider], ms);
    }
}
