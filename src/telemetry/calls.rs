//! Requests to the API server and to the chain's endpoints: how many, how they went, how long they took. A request that nobody waits for
//! any more counts when it is dropped, so that a timeout shows like any other answer.

use std::time::Instant;

use super::{
    Metrics,
    catalog::{Kind, Label, Metric, Values},
    chain::MARKET,
    families::{Counters, Histograms, Shelf},
};

const VERB: Label = Label {
    name: "verb",
    values: Values::Words(&[
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
    ]),
};
const CODE: Label = Label {
    name: "code",
    values: Values::Words(&["1xx", "2xx", "3xx", "4xx", "5xx", NO_ANSWER]),
};
const ENDPOINT: Label = Label {
    name: "endpoint",
    values: Values::Names("`spec.endpoints[].name` of the ComputeMarket"),
};
const METHOD: Label = Label {
    name: "method",
    values: Values::Words(&[
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_sendRawTransaction",
    ]),
};
/// How a call of an endpoint ended, as `chain_io::errors` has it; beside them an answer, and none in time.
pub const RPC_OUTCOMES: &[&str] = &[
    "ok",
    "Transient",
    "RateLimited",
    "RangeTooLarge",
    "WrongChain",
    "Unsupported",
    "Execution",
    "Refused",
    "Malformed",
    NO_ANSWER,
];

/// Nobody waited for the answer any longer.
const NO_ANSWER: &str = "none";

const API: Metric = Metric {
    name: "api_requests_total",
    kind: Kind::Counter,
    unit: "requests",
    labels: &[VERB, CODE],
    help: "Requests to the Kubernetes API server by verb and class of the answer's code; none: no answer came in time. Also on standbys",
};
const API_SECONDS: Metric = Metric {
    name: "api_request_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &[VERB],
    help: "Time until the API server answered; a watch's answer is its beginning. Also on standbys",
};
const RPC: Metric = Metric {
    name: "rpc_requests_total",
    kind: Kind::Counter,
    unit: "calls",
    labels: &[
        MARKET,
        ENDPOINT,
        METHOD,
        Label {
            name: "outcome",
            values: Values::Words(RPC_OUTCOMES),
        },
    ],
    help: "Calls to a chain's endpoints by how they ended. Execution and Refused are answers about the question and no fault of the endpoint; none: no answer came in time. Also on standbys",
};
const RPC_SECONDS: Metric = Metric {
    name: "rpc_request_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &[MARKET, ENDPOINT, METHOD],
    help: "Time until an endpoint answered. Also on standbys",
};

pub(super) struct Calls {
    api: Counters,
    api_seconds: Histograms,
    rpc: Counters,
    rpc_seconds: Histograms,
}

impl Calls {
    pub(super) fn new(shelf: &mut Shelf) -> Result<Self, prometheus::Error> {
        shelf.subject("Requests");
        Ok(Self {
            api: shelf.counters(&API)?,
            api_seconds: shelf.histograms(&API_SECONDS)?,
            rpc: shelf.counters(&RPC)?,
            rpc_seconds: shelf.histograms(&RPC_SECONDS)?,
        })
    }
}

/// Where calls of one endpoint are counted. Cheap to clone.
#[derive(Clone)]
pub struct RpcCalls {
    metrics: Metrics,
    market: String,
    endpoint: String,
}

impl RpcCalls {
    /// A call of `method` begins.
    #[must_use]
    pub fn begin(&self, method: &str) -> RpcCall {
        RpcCall {
            calls: self.clone(),
            method: METHOD.fit(method).to_owned(),
            began: Instant::now(),
            outcome: NO_ANSWER,
        }
    }
}

/// A call on its way; it counts when it is dropped.
pub struct RpcCall {
    calls: RpcCalls,
    method: String,
    began: Instant,
    outcome: &'static str,
}

impl RpcCall {
    /// It ended, in one of [`RPC_OUTCOMES`].
    pub fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for RpcCall {
    fn drop(&mut self) {
        let RpcCalls {
            metrics,
            market,
            endpoint,
        } = &self.calls;
        let calls = &metrics.0.calls;
        calls.rpc.inc(&[market, endpoint, &self.method, self.outcome]);
        calls
            .rpc_seconds
            .observe(&[market, endpoint, &self.method], self.began.elapsed());
    }
}

/// A request to the API server on its way; it counts when it is dropped.
pub struct ApiRequest {
    metrics: Metrics,
    verb: &'static str,
    began: Instant,
    code: &'static str,
}

impl ApiRequest {
    /// It was answered with this code.
    pub fn answered(mut self, code: u16) {
        self.code = match code / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
    }
}

impl Drop for ApiRequest {
    fn drop(&mut self) {
        let calls = &self.metrics.0.calls;
        calls.api.inc(&[self.verb, self.code]);
        calls.api_seconds.observe(&[self.verb], self.began.elapsed());
    }
}

impl Metrics {
    /// A request to the API server begins.
    #[must_use]
    pub fn api_request(&self, verb: &'static str) -> ApiRequest {
        ApiRequest {
            metrics: self.clone(),
            verb,
            began: Instant::now(),
            code: NO_ANSWER,
        }
    }

    /// Where calls of a market's endpoint are counted.
    #[must_use]
    pub fn rpc(&self, market: &str, endpoint: &str) -> RpcCalls {
        RpcCalls {
            metrics: self.clone(),
            market: market.to_owned(),
            endpoint: endpoint.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_call_that_nobody_waits_for_any_more_counts_as_unanswered() {
        let metrics = Metrics::new().unwrap();
        let calls = metrics.rpc("base", "a");
        drop(calls.begin("eth_call"));
        calls.begin("eth_call").end("ok");
        calls.begin("debug_everything").end("Surprise");
        metrics.api_request("watch").answered(200);
        drop(metrics.api_request("patch"));
        let text = metrics.text().unwrap();
        for line in [
            "leaseport_rpc_requests_total{endpoint=\"a\",market=\"base\",method=\"eth_call\",outcome=\"none\"} 1",
            "leaseport_rpc_requests_total{endpoint=\"a\",market=\"base\",method=\"eth_call\",outcome=\"ok\"} 1",
            "leaseport_rpc_requests_total{endpoint=\"a\",market=\"base\",method=\"other\",outcome=\"other\"} 1",
            "leaseport_rpc_request_duration_seconds_count{endpoint=\"a\",market=\"base\",method=\"eth_call\"} 2",
            "leaseport_api_requests_total{code=\"2xx\",verb=\"watch\"} 1",
            "leaseport_api_requests_total{code=\"none\",verb=\"patch\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
