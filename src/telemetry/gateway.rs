//! What tenants asked of the gateway and what it answered. Labels hold our own words alone: no path, lease or wallet.

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    families::{Counters, Gauges, Shelf},
};

const REQUESTS: Metric = Metric {
    name: "gateway_requests_total",
    kind: Kind::Counter,
    unit: "requests",
    labels: &[
        Label {
            name: "route",
            values: Values::Words(&["manifest", "status", "usage", "logs", "close", "voucher"]),
        },
        Label {
            name: "code",
            values: Values::Constants("HTTP status"),
        },
    ],
    help: "Requests answered by the gateway, by route and HTTP status",
};
const REFUSED: Metric = Metric {
    name: "gateway_refusals_total",
    kind: Kind::Counter,
    unit: "requests",
    labels: &[Label {
        name: "reason",
        values: Values::Constants("the last word of the answer's problem type"),
    }],
    help: "Requests that the gateway refused, by the reason in its answer",
};
const SESSIONS: Metric = Metric {
    name: "gateway_sessions_total",
    kind: Kind::Counter,
    unit: "sessions",
    labels: &[],
    help: "Sessions that this replica of the gateway served for the first time",
};
const NOT_AFTER: Metric = Metric {
    name: "gateway_certificate_not_after_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    labels: &[],
    help: "When the certificate ends that this replica of the gateway serves to new connections; none where its dates cannot be read. Tenants who go by a pin on chain do not look at it",
};

pub(super) struct Gateway {
    requests: Counters,
    refused: Counters,
    sessions: Counters,
    not_after: Gauges,
}

impl Gateway {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        shelf.subject("Gateway");
        Ok(Self {
            requests: shelf.counters(&REQUESTS)?,
            refused: shelf.counters(&REFUSED)?,
            sessions: shelf.counters(&SESSIONS)?,
            not_after: shelf.gauges(&NOT_AFTER)?,
        })
    }
}

impl Metrics {
    /// The gateway answered a request; `route` is one of its own words.
    pub fn gateway_request(&self, route: &'static str, code: u16) {
        self.0.gateway.requests.inc(&[route, &code.to_string()]);
    }

    /// The gateway refused a request for this reason, one of the words in its problem documents.
    pub fn gateway_refused(&self, reason: &str) {
        self.0.gateway.refused.inc(&[reason]);
    }

    /// The gateway served a session it had not met.
    pub fn gateway_session(&self) {
        self.0.gateway.sessions.inc(&[]);
    }

    /// New connections to the gateway get a certificate that ends then, in seconds since 1970.
    pub fn gateway_certificate(&self, not_after: Option<i64>) {
        match not_after {
            Some(seconds) => self.0.gateway.not_after.set(&[], seconds),
            None => self.0.gateway.not_after.forget(&[]),
        }
    }
}
