//! Raw transactions out to every endpoint, and what the chain says about them back in. Exists because alloy's own sending
//! guesses nonces and may wait for ever (facts/rust-operator.md, B3). May not decide what an answer means for a transaction:
//! `core::tx` does.

use std::{fmt, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U64, U128, U256, hex},
    providers::{DynProvider, Provider},
    rpc::{json_rpc::ErrorPayload, types::TransactionRequest},
    sol_types::decode_revert_reason,
    transports::{TransportError, TransportErrorKind},
};
use futures::future::join_all;
use serde::Deserialize;
use thiserror::Error;
use tokio::time::timeout;

use crate::core::tx::{
    Broadcast, Call, FeeQuote, Inclusion, Lookup, Mined, RpcErrorClass, classify,
};

/// Why the chain could not be asked. Endpoints are named by their names, since their URLs hold API keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// No answer in time.
    #[error("{method}: no answer within {}", .0.as_secs_f32_text())]
    TimedOut(After, &'static str),
    /// An error answer, or no usable one.
    #[error("{method}: {message}")]
    Failed {
        /// What was asked.
        method: &'static str,
        /// What came back, without the endpoint's URL.
        message: String,
    },
}
