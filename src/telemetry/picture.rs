//! What is read when Prometheus asks, and not counted on the way: how things stand now, from caches and chain views. Costs no request and
//! no write, needs no clearing when an object goes, and a restarted operator says the same as soon as it leads. A standby says only that it
//! does not lead, so sums over replicas are right. Knows values and labels, not where they come from.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus::{
    IntCounterVec, IntGaugeVec,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    chain::MARKET,
    families::{Shelf, opts, signed},
    trade::OFFER,
};

const PROVIDER: Label = Label {
    name: "provider",
    values: Values::Names("ComputeProviders, by their number on chain"),
};

const LEADER: Metric = Metric {
    name: "leader",
    kind: Kind::Gauge,
    unit: "0 or 1",
    labels: &[],
    help: "1 on the replica that holds the leader's lock, 0 on the others",
};
const DEVICES: Metric = Metric {
    name: "offer_devices",
    kind: Kind::Gauge,
    unit: "devices",
    labels: &[
        OFFER,
        Label {
            name: "state",
            values: Values::Words(&["total", "leased", "held", "free"]),
        },
    ],
    help: "Devices of an offer as its status has them. What is in no state but total is kept free, unhealthy or used by pods that are not ours",
};
const LEASES: Metric = Metric {
    name: "leases",
    kind: Kind::Gauge,
    unit: "leases",
    labels: &[
        MARKET,
        PROVIDER,
        Label {
            name: "phase",
            values: Values::Words(PHASES),
        },
    ],
    help: "ComputeLeases by phase; one that is closed stays until its object is deleted",
};
const RUNWAY: Metric = Metric {
    name: "lease_runway",
    kind: Kind::Gauge,
    unit: "leases",
    labels: &[
        MARKET,
        PROVIDER,
        Label {
            name: "within",
            values: Values::Words(&["0s", "1h", "6h", "24h", "7d", "later", "funded"]),
        },
    ],
    help: "Leases whose clock runs, each in one bucket: within what time the escrow is used up at full use (0s: it is), later than a week, or not before the lease ends (funded)",
};
const OPEN_SECONDS: Metric = Metric {
    name: "usage_open_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &[
        MARKET,
        PROVIDER,
        Label {
            name: "step",
            values: Values::Words(&["metered", "reported", "settled"]),
        },
    ],
    help: "Seconds of leases that are not closed: metered by us, reported on chain, settled there. A gauge that falls when a lease closes, for the distances between the three; not to be rated",
};
const REPORTED: Metric = Metric {
    name: "usage_reported_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    labels: &[MARKET, PROVIDER],
    help: "Seconds ever reported on chain over all lanes, at the finalized block; a restart does not set it back",
};
const MONEY: Metric = Metric {
    name: "earnings_micro_units_total",
    kind: Kind::Counter,
    unit: "10⁻⁶ of the token",
    labels: &[
        MARKET,
        PROVIDER,
        Label {
            name: "token",
            values: Values::Constants("the token's index in the market's list"),
        },
        Label {
            name: "part",
            values: Values::Words(&["net", "fee", "claimed", "compensated"]),
        },
    ],
    help: "Money that leases ever paid, at the finalized block: to the provider (net), to the protocol (fee); and of the former what was claimed, and what went back to tenants (compensated). A restart does not set it back",
};
const OLDEST: Metric = Metric {
    name: "transaction_oldest_open_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    labels: &[MARKET],
    help: "When the oldest ComputeTransaction that is in no block yet was created; none without one",
};

/// Every metric of this file, in the order in which they are told.
const ALL: &[&Metric] = &[
    &LEADER,
    &DEVICES,
    &LEASES,
    &RUNWAY,
    &OPEN_SECONDS,
    &REPORTED,
    &MONEY,
    &OLDEST,
];

/// Phases of a ComputeLease.
pub const PHASES: &[&str] = &[
    "Pending",
    "Starting",
    "Active",
    "Degraded",
    "Suspended",
    "Finished",
    "Stopped",
    "Closed",
];

/// What an offer's devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// All of them.
    Total,
    /// In leases.
    Leased,
    /// Held for bids.
    Held,
    /// Can be promised.
    Free,
}

/// How long a lease's escrow lasts at full use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runway {
    /// So many seconds.
    Seconds(u64),
    /// Not less than the lease.
    Funded,
}

impl Runway {
    /// Its bucket.
    #[must_use]
    pub const fn bucket(self) -> &'static str {
        match self {
            Self::Funded => "funded",
            Self::Seconds(0) => "0s",
            Self::Seconds(..=3_600) => "1h",
            Self::Seconds(..=21_600) => "6h",
            Self::Seconds(..=86_400) => "24h",
            Self::Seconds(..=604_800) => "7d",
            Self::Seconds(_) => "later",
        }
    }
}

/// Seconds of leases that are not closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenSeconds {
    /// Counted by us.
    pub metered: u64,
    /// On chain.
    pub reported: u64,
    /// Paid.
    pub settled: u64,
}

/// Money of a provider in one token, in micro-units, as sums over all time.
///
/// From a finalized block alone. Prometheus takes any fall of a counter for a restart from nothing and adds the whole next value, so a
/// counter that a reorganization sets back by one would show years of income as income of a minute. Sums of a finalized block never fall, and
/// a restarted operator, which shows none until it has read the chain that far, goes on where it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// The provider's, after the protocol's fee.
    pub net: u128,
    /// The protocol's fee.
    pub fee: u128,
    /// Claimed of the provider's.
    pub claimed: u128,
    /// Given back to tenants of the provider's.
    pub compensated: u128,
}

/// Whose leases and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The ComputeMarket.
    pub market: &'a str,
    /// The provider's number on chain.
    pub provider: u32,
}

impl Whose<'_> {
    fn labels(&self, more: &[&str]) -> Vec<String> {
        let own = [self.market.to_owned(), self.provider.to_string()];
        own.into_iter()
            .chain(more.iter().map(|label| (*label).to_owned()))
            .collect()
    }
}

type Series = BTreeMap<(usize, Vec<String>), u64>;

/// How things stand. Values of the same labels add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture(Series);

impl Picture {
    /// What a replica shows that does not lead.
    #[must_use]
    pub fn standby() -> Self {
        let mut picture = Self::default();
        picture.add(&LEADER, Vec::new(), 0);
        picture
    }

    /// What the leader begins with.
    #[must_use]
    pub fn leader() -> Self {
        let mut picture = Self::default();
        picture.add(&LEADER, Vec::new(), 1);
        picture
    }

    fn add(&mut self, metric: &Metric, labels: Vec<String>, value: u64) {
        // One of this file's, by construction.
        if let Some(at) = ALL.iter().position(|known| known.name == metric.name) {
            let known = self.0.entry((at, labels)).or_default();
            *known = known.saturating_add(value);
        }
    }

    /// An offer has so many devices in this state.
    pub fn devices(&mut self, offer: &str, state: Devices, count: u64) {
        let state = match state {
            Devices::Total => "total",
            Devices::Leased => "leased",
            Devices::Held => "held",
            Devices::Free => "free",
        };
        self.add(&DEVICES, vec![offer.to_owned(), state.to_owned()], count);
    }

    /// Every phase of a provider's leases is shown, so that a phase nobody is in is 0 and no hole.
    pub fn provider(&mut self, whose: Whose<'_>) {
        for phase in PHASES {
            self.add(&LEASES, whose.labels(&[phase]), 0);
        }
    }

    /// A lease is in one of [`PHASES`].
    pub fn lease(&mut self, whose: Whose<'_>, phase: &'static str) {
        self.add(&LEASES, whose.labels(&[phase]), 1);
    }

    /// A running lease's escrow lasts so long.
    pub fn runway(&mut self, whose: Whose<'_>, runway: Runway) {
        self.add(&RUNWAY, whose.labels(&[runway.bucket()]), 1);
    }

    /// A lease that is not closed has these seconds.
    pub fn open_seconds(&mut self, whose: Whose<'_>, seconds: OpenSeconds) {
        for (step, count) in [
            ("metered", seconds.metered),
            ("reported", seconds.reported),
            ("settled", seconds.settled),
        ] {
            self.add(&OPEN_SECONDS, whose.labels(&[step]), count);
        }
    }

    /// All seconds a provider ever reported, at the finalized block: see [`Money`] for why only there.
    pub fn reported(&mut self, whose: Whose<'_>, seconds: u64) {
        self.add(&REPORTED, whose.labels(&[]), seconds);
    }

    /// All money of a provider in one token, at the finalized block.
    pub fn money(&mut self, whose: Whose<'_>, token: u8, money: Money) {
        for (part, amount) in [
            ("net", money.net),
            ("fee", money.fee),
            ("claimed", money.claimed),
            ("compensated", money.compensated),
        ] {
            let amount = u64::try_from(amount).unwrap_or(u64::MAX);
            self.add(&MONEY, whose.labels(&[&token.to_string(), part]), amount);
        }
    }

    /// The oldest transaction that is in no block yet was created then.
    pub fn oldest_open(&mut self, market: &str, created: u64) {
        self.add(&OLDEST, vec![market.to_owned()], created);
    }

    fn families(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for (at, metric) in ALL.iter().enumerate() {
            let series = self.0.iter().filter(|((of, _), _)| *of == at);
            let series = series.map(|((_, labels), value)| (labels, *value));
            // Opts and labels were checked when the descriptions were made.
            families.extend(family(metric, series).unwrap_or_default());
        }
        families
    }
}

fn family<'a>(
    metric: &Metric,
    series: impl Iterator<Item = (&'a Vec<String>, u64)>,
) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let names = metric.label_names();
    match metric.kind {
        Kind::Counter => {
            let vec = IntCounterVec::new(opts(metric), &names)?;
            for (labels, value) in series {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                vec.get_metric_with_label_values(&metric.fitted(&labels))?
                    .inc_by(value);
            }
            Ok(vec.collect())
        }
        Kind::Gauge | Kind::Histogram => {
            let vec = IntGaugeVec::new(opts(metric), &names)?;
            for (labels, value) in series {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                vec.get_metric_with_label_values(&metric.fitted(&labels))?
                    .set(signed(value));
            }
            Ok(vec.collect())
        }
    }
}

type Painter = Arc<dyn Fn() -> Picture + Send + Sync>;

/// Asks for a picture whenever it is asked itself.
#[derive(Clone)]
pub(super) struct Painted {
    descriptions: Vec<Desc>,
    painter: Arc<RwLock<Option<Painter>>>,
}

impl Painted {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        let mut descriptions = Vec::new();
        for metric in ALL {
            let names = metric.label_names().into_iter().map(str::to_owned).collect();
            descriptions.push(Desc::new(
                metric.name.to_owned(),
                metric.help.to_owned(),
                names,
                Default::default(),
            )?);
        }
        let painted = Self {
            descriptions,
            painter: Arc::default(),
        };
        shelf.subject("How things stand: offers, leases, money");
        shelf.at_scrape(ALL, painted)
    }
}

impl Collector for Painted {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let painter = self
            .painter
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        painter.map_or_else(Vec::new, |painter| painter().families())
    }
}

impl Metrics {
    /// From now on this says how things stand, whenever somebody reads the metrics. It may not wait.
    pub fn painted_by(&self, painter: impl Fn() -> Picture + Send + Sync + 'static) {
        *self
            .0
            .painted
            .painter
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(painter));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const OURS: Whose<'static> = Whose {
        market: "base",
        provider: 7,
    };

    fn text(picture: Picture) -> String {
        let metrics = Metrics::new().unwrap();
        metrics.painted_by(move || picture.clone());
        metrics.text().unwrap()
    }

    #[test]
    fn a_standby_says_that_it_does_not_lead_and_nothing_else_that_would_be_added_up() {
        let text = text(Picture::standby());
        assert!(text.contains("leaseport_leader 0"), "{text}");
        for metric in ALL.iter().filter(|metric| metric.name != LEADER.name) {
            assert!(!text.contains(&format!("leaseport_{}", metric.name)), "{text}");
        }
    }

    #[test]
    fn a_phase_that_no_lease_is_in_is_zero_and_not_missing() {
        let mut picture = Picture::leader();
        picture.provider(OURS);
        picture.lease(OURS, "Active");
        let text = text(picture);
        let line = |phase, count| {
            format!("leaseport_leases{{market=\"base\",phase=\"{phase}\",provider=\"7\"}} {count}")
        };
        assert!(
            text.contains(&line("Active", 1)) && text.contains(&line("Degraded", 0)),
            "{text}"
        );
        assert!(text.contains("leaseport_leader 1"), "{text}");
    }

    #[test]
    fn money_is_a_counter_in_whole_micro_units() {
        let mut picture = Picture::leader();
        let money = Money {
            net: 9_007_199_254_740_991,
            fee: 3,
            ..Money::default()
        };
        picture.money(OURS, 0, money);
        let text = text(picture);
        assert!(
            text.contains("# TYPE leaseport_earnings_micro_units_total counter"),
            "{text}"
        );
        let line = "leaseport_earnings_micro_units_total{market=\"base\",part=\"net\",provider=\"7\",token=\"0\"} 9007199254740991";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_picture_is_painted_anew_for_each_who_asks() {
        let metrics = Metrics::new().unwrap();
        let asked = std::sync::atomic::AtomicU64::new(0);
        metrics.painted_by(move || {
            let mut picture = Picture::leader();
            let count = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            picture.devices("gpu/h100", Devices::Free, count);
            picture
        });
        for count in 0..3 {
            let line = format!("leaseport_offer_devices{{offer=\"gpu/h100\",state=\"free\"}} {count}\n");
            assert!(metrics.text().unwrap().contains(&line));
        }
    }

    proptest! {
        #[test]
        fn each_running_lease_is_in_exactly_one_bucket_and_buckets_are_few(lasts in prop::collection::vec(prop::option::of(any::<u64>()), 0..40)) {
            let mut picture = Picture::leader();
            for last in &lasts {
                picture.runway(OURS, last.map_or(Runway::Funded, Runway::Seconds));
            }
            let at = ALL.iter().position(|metric| metric.name == RUNWAY.name).unwrap();
            let buckets: Vec<u64> = picture.0.iter().filter(|((of, _), _)| *of == at).map(|(_, count)| *count).collect();
            prop_assert_eq!(buckets.iter().sum::<u64>(), lasts.len() as u64);
            prop_assert!(buckets.len() <= 7);
            for last in lasts {
                let bucket = last.map_or(Runway::Funded, Runway::Seconds).bucket();
                prop_assert_ne!(RUNWAY.fitted(&["base", "7", bucket]).pop().unwrap(), super::super::catalog::OTHER);
            }
        }

        #[test]
        fn a_longer_runway_is_never_in_an_earlier_bucket(a in any::<u64>(), b in any::<u64>()) {
            let place = |seconds| ["0s", "1h", "6h", "24h", "7d", "later"].iter().position(|bucket| *bucket == Runway::Seconds(seconds).bucket()).unwrap();
            prop_assert!(place(a.min(b)) <= place(a.max(b)));
        }
    }
}
