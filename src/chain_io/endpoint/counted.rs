//! Calls of one endpoint counted where they leave, by method and by how they ended, whoever makes them. Changes no call and asks nothing.

use std::task::{Context, Poll};

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{RpcError, TransportError, TransportFut},
};
use tower::{Layer, Service};

use crate::{
    chain_io::errors::{Origin, Secrets},
    telemetry::RpcCalls,
};

/// Puts counting around a transport.
#[derive(Clone)]
pub(super) struct Counting(pub(super) RpcCalls);

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            calls: self.0.clone(),
        }
    }
}

/// A transport whose calls are counted.
#[derive(Clone)]
pub(super) struct Counted<S> {
    inner: S,
    calls: RpcCalls,
}

impl<S> Service<RequestPacket> for Counted<S>
where
    S: Service<RequestPacket, Response = ResponsePacket, Error = TransportError>,
    S::Future: Send + 'static,
{
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: RequestPacket) -> TransportFut<'static> {
        let call = match &request {
            RequestPacket::Single(one) => self.calls.begin(one.method()),
            RequestPacket::Batch(_) => self.calls.begin("batch"),
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            // Dropped before its answer, it counts as unanswered.
            let answer = answer.await;
            call.end(outcome(&answer));
            answer
        })
    }
}

/// The words of [`crate::telemetry::RPC_OUTCOMES`].
fn outcome(answer: &Result<ResponsePacket, TransportError>) -> &'static str {
    match answer {
        Ok(packet) => match packet.as_error() {
            Some(refusal) => class(&RpcError::ErrorResp(refusal.clone())),
            None => "ok",
        },
        Err(error) => class(error),
    }
}

fn class(error: &TransportError) -> &'static str {
    // Only the class is looked at, so there is no text that could hold a URL.
    let origin = Origin {
        endpoint: "",
        secrets: &Secrets::default(),
        what: "",
    };
    origin.transport(error).class.label()
}
