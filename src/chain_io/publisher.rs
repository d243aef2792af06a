//! Raw transactions out to every endpoint, and what the chain says about them back in. Exists because alloy's own sending
//! guesses nonces and may wait for ever (alloy-rs/alloy#2385, #4181). May not decide what an answer means for a transaction:
//! `core::tx` does.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U64, U128, U256, hex},
    providers::{DynProvider, Provider},
    sol_types::decode_revert_reason,
    transports::{TransportError, TransportErrorKind},
};
use futures::future::join_all;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::timeout;

use crate::core::tx::{Broadcast, Call, FeeQuote, Inclusion, Lookup, Mined, RpcErrorClass, classify};

/// The endpoint reads go to at the moment.
pub type ReadEndpoint = Arc<dyn Fn() -> DynProvider + Send + Sync>;
/// Every endpoint, by name; transactions go to all of them.
pub type AllEndpoints = Arc<dyn Fn() -> Vec<(String, DynProvider)> + Send + Sync>;
/// Turns a contract's custom error into words; none for one it does not know.
pub type ExplainRevert = fn(&[u8]) -> Option<String>;

/// Why the chain gave no answer. URLs never appear here, since they hold API keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// Nothing came in time.
    #[error("{method}: no answer in {waited:?}")]
    TimedOut {
        /// What was asked.
        method: &'static str,
        /// How long.
        waited: Duration,
    },
    /// An error, or an answer that is none.
    #[error("{method}: {message}")]
    Failed {
        /// What was asked.
        method: &'static str,
        /// What came back.
        message: String,
    },
}

/// Why a call was not worth sending.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SimulateError {
    /// The contract refuses it as things stand.
    #[error("the call would revert: {reason}")]
    Reverted {
        /// The contract's custom error in words, or the data it gave.
        reason: String,
        /// The revert data as it came, possibly empty.
        data: Bytes,
    },
    /// The chain did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// What one endpoint said to a raw transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It took it.
    Taken,
    /// An error, in its class, with its words.
    Error(RpcErrorClass, String),
}

/// What all endpoints said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The sum of it.
    pub result: Broadcast,
    /// Each endpoint's answer, by its name, for logs and metrics.
    pub said: Vec<(String, Said)>,
}

/// The way to the chain for one market's transactions. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    read: ReadEndpoint,
    all: AllEndpoints,
    explain: ExplainRevert,
    patience: Duration,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    transaction_hash: B256,
    block_number: U64,
    block_hash: B256,
    gas_used: U64,
    #[serde(default)]
    effective_gas_price: U128,
    /// OP stack: what the data cost on layer 1, beside the gas.
    #[serde(default)]
    l1_fee: Option<U128>,
    status: U64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    hash: B256,
    #[serde(default)]
    base_fee_per_gas: U128,
}

/// What alloy asks of a type it decodes an answer into.
trait Answer: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static {}
impl<T: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static> Answer for T {}

impl Publisher {
    /// A publisher over a market's endpoints. `patience` bounds each request to each endpoint.
    #[must_use]
    pub fn new(read: ReadEndpoint, all: AllEndpoints, explain: ExplainRevert, patience: Duration) -> Self {
        Self {
            read,
            all,
            explain,
            patience,
        }
    }

    /// A publisher over endpoints that never change: reads go to the first.
    #[must_use]
    pub fn fixed(
        first: (String, DynProvider),
        others: Vec<(String, DynProvider)>,
        explain: ExplainRevert,
        patience: Duration,
    ) -> Self {
        let read = first.1.clone();
        let all: Vec<_> = std::iter::once(first).chain(others).collect();
        Self::new(
            Arc::new(move || read.clone()),
            Arc::new(move || all.clone()),
            explain,
            patience,
        )
    }

    /// Sends the same bytes to every endpoint at once and sums up what they said. Never fails: what nobody answered is part of
    /// the sum.
    pub async fn publish(&self, raw: &Bytes) -> Published {
        let answers = (self.all)().into_iter().map(|(name, provider)| async move {
            let sent = provider.raw_request::<_, Value>(Cow::Borrowed("eth_sendRawTransaction"), (raw,));
            let said = match timeout(self.patience, sent).await {
                Ok(Ok(_)) => Said::Taken,
                Ok(Err(error)) => Said::Error(class_of(&error), words(&error)),
                Err(_) => Said::Error(RpcErrorClass::Ambiguous, "no answer in time".to_owned()),
            };
            (name, said)
        });
        let said = join_all(answers).await;
        Published {
            result: sum(&said),
            said,
        }
    }

    /// The key's next nonce: at the block with this hash, or at the newest block the endpoint has.
    ///
    /// # Errors
    /// No answer; also when the endpoint does not have that block.
    pub async fn nonce(&self, address: Address, at: Option<B256>) -> Result<u64, AskError> {
        let block = at.map_or_else(|| json!("latest"), |hash| json!({ "blockHash": hash }));
        let nonce: U64 = self
            .ask("eth_getTransactionCount", json!([address, block]))
            .await?;
        Ok(nonce.to())
    }

    /// The key's balance in wei at the newest block.
    ///
    /// # Errors
    /// No answer.
    pub async fn balance(&self, address: Address) -> Result<U256, AskError> {
        self.ask("eth_getBalance", json!([address, "latest"])).await
    }

    /// What the chain asks for gas now.
    ///
    /// # Errors
    /// No answer.
    pub async fn quote(&self) -> Result<FeeQuote, AskError> {
        let header = self.ask::<Option<Header>>("eth_getBlockByNumber", json!(["latest", false]));
        let tip = self.ask::<U128>("eth_maxPriorityFeePerGas", json!([]));
        let (header, tip) = futures::try_join!(header, tip)?;
        let header = header.ok_or_else(|| AskError::Failed {
            method: "eth_getBlockByNumber",
            message: "no newest block".to_owned(),
        })?;
        Ok(FeeQuote {
            base_fee: header.base_fee_per_gas.to(),
            tip: tip.to(),
        })
    }

    /// Looks a version up: in which canonical block it is, or that nobody who answers knows a receipt. The reading endpoint is
    /// asked first, the others only when it has none, since one that lags has none either.
    ///
    /// # Errors
    /// The reading endpoint did not answer, or the block at the receipt's height is unknown.
    pub async fn look_up(&self, hash: B256) -> Result<Lookup, AskError> {
        let provider = (self.read)();
        if let Some(receipt) = self.receipt(&provider, hash).await? {
            return self.included(&provider, receipt).await;
        }
        for (_, other) in (self.all)() {
            // Silence of another endpoint proves nothing either way, and the first has answered.
            if let Ok(Some(receipt)) = self.receipt(&other, hash).await {
                return self.included(&other, receipt).await;
            }
        }
        Ok(Lookup::Absent)
    }

    async fn receipt(&self, provider: &DynProvider, hash: B256) -> Result<Option<Receipt>, AskError> {
        self.ask_of(provider, "eth_getTransactionReceipt", json!([hash]))
            .await
    }

    async fn included(&self, provider: &DynProvider, receipt: Receipt) -> Result<Lookup, AskError> {
        let header: Option<Header> = self
            .ask_of(
                provider,
                "eth_getBlockByNumber",
                json!([receipt.block_number, false]),
            )
            .await?;
        Ok(Lookup::Found(Inclusion {
            is_canonical: header.is_some_and(|header| header.hash == receipt.block_hash),
            mined: Mined {
                hash: receipt.transaction_hash,
                block_number: receipt.block_number.to(),
                block_hash: receipt.block_hash,
                gas_used: receipt.gas_used.to(),
                effective_gas_price: receipt.effective_gas_price.to(),
                data_fee: receipt.l1_fee.unwrap_or_default().to(),
                succeeded: receipt.status == U64::from(1),
            },
        }))
    }

    /// Runs a call from this address on the newest state without sending it, and estimates its gas.
    ///
    /// # Errors
    /// It would revert, with the contract's reason; or no answer.
    pub async fn simulate(&self, from: Address, call: &Call) -> Result<u64, SimulateError> {
        let request = json!({ "from": from, "to": call.to, "data": call.data, "value": call.value });
        self.simulated::<Bytes>("eth_call", json!([request, "latest"]))
            .await?;
        let gas: U64 = self.simulated("eth_estimateGas", json!([request])).await?;
        Ok(gas.to())
    }

    async fn simulated<R: Answer>(&self, method: &'static str, params: Value) -> Result<R, SimulateError> {
        let provider = (self.read)();
        let asked = provider.raw_request::<_, R>(Cow::Borrowed(method), params);
        match self.in_time(method, asked).await? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(match revert_data(&error) {
                Some(data) => SimulateError::Reverted {
                    reason: self.reason(&data),
                    data,
                },
                None if says_revert(&error) => SimulateError::Reverted {
                    reason: words(&error),
                    data: Bytes::new(),
                },
                None => AskError::Failed {
                    method,
                    message: words(&error),
                }
                .into(),
            }),
        }
    }

    fn reason(&self, data: &Bytes) -> String {
        (self.explain)(data)
            .or_else(|| decode_revert_reason(data))
            .unwrap_or_else(|| {
                if data.is_empty() {
                    "without a reason".to_owned()
                } else {
                    let shown = data.get(..data.len().min(68)).unwrap_or_default();
                    format!("with unknown error data {}", hex::encode_prefixed(shown))
                }
            })
    }

    async fn ask<R: Answer>(&self, method: &'static str, params: Value) -> Result<R, AskError> {
        self.ask_of(&(self.read)(), method, params).await
    }

    async fn ask_of<R: Answer>(
        &self,
        provider: &DynProvider,
        method: &'static str,
        params: Value,
    ) -> Result<R, AskError> {
        let asked = provider.raw_request::<_, R>(Cow::Borrowed(method), params);
        self.in_time(method, asked)
            .await?
            .map_err(|error| AskError::Failed {
                method,
                message: words(&error),
            })
    }

    async fn in_time<F: Future>(&self, method: &'static str, asked: F) -> Result<F::Output, AskError> {
        timeout(self.patience, asked)
            .await
            .map_err(|_| AskError::TimedOut {
                method,
                waited: self.patience,
            })
    }
}

/// One endpoint that has it, or may have it, is enough: the rest is gossip's work.
fn sum(said: &[(String, Said)]) -> Broadcast {
    let has = |wanted: RpcErrorClass| {
        said.iter()
            .any(|(_, said)| matches!(said, Said::Error(class, _) if *class == wanted))
    };
    let sent = said.iter().any(|(_, said)| *said == Said::Taken)
        || has(RpcErrorClass::AlreadyKnown)
        || has(RpcErrorClass::Ambiguous);
    let rejected = said.iter().find_map(|(_, said)| match said {
        Said::Error(RpcErrorClass::Rejected, words) => Some(words.clone()),
        Said::Error(_, _) | Said::Taken => None,
    });
    match rejected {
        _ if sent => Broadcast::Sent,
        _ if has(RpcErrorClass::Underpriced) => Broadcast::Underpriced,
        _ if has(RpcErrorClass::NonceTooLow) => Broadcast::NonceTooLow,
        _ if has(RpcErrorClass::InsufficientFunds) => Broadcast::InsufficientFunds,
        Some(words) if !has(RpcErrorClass::Transient) => Broadcast::Rejected(words),
        Some(_) | None => Broadcast::Unreachable,
    }
}

fn class_of(error: &TransportError) -> RpcErrorClass {
    if let Some(answer) = error.as_error_resp() {
        return classify(answer.code, &answer.message);
    }
    match error.as_transport_err() {
        Some(TransportErrorKind::HttpError(http)) => class_of_status(http.status),
        Some(TransportErrorKind::HttpErrorWithRetryAfter { error, .. }) => class_of_status(error.status),
        Some(TransportErrorKind::Custom(source)) if never_connected(source.as_ref()) => {
            RpcErrorClass::Transient
        }
        Some(_) | None => RpcErrorClass::Ambiguous,
    }
}

/// Status codes with which a gateway turns a request away before any node sees it; all others may hide a node that took it.
fn class_of_status(status: u16) -> RpcErrorClass {
    match status {
        401 | 403 | 404 | 405 => RpcErrorClass::Rejected,
        429 | 503 => RpcErrorClass::Transient,
        _ => RpcErrorClass::Ambiguous,
    }
}

/// A connection that was never made carried nothing.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<reqwest::Error>()
        .is_some_and(reqwest::Error::is_connect)
}

/// An error in words without the endpoint's URL, which reqwest's own text would show.
fn words(error: &TransportError) -> String {
    if let Some(answer) = error.as_error_resp() {
        let message: String = answer.message.chars().take(256).collect();
        return format!("{message} (code {})", answer.code);
    }
    match error.as_transport_err() {
        Some(TransportErrorKind::HttpError(http)) => format!("HTTP status {}", http.status),
        Some(TransportErrorKind::HttpErrorWithRetryAfter { error, .. }) => {
            format!("HTTP status {}", error.status)
        }
        Some(TransportErrorKind::Custom(source)) if never_connected(source.as_ref()) => {
            "connection refused or host not found".to_owned()
        }
        Some(_) => "the connection broke".to_owned(),
        None => "an answer that is not what the method returns".to_owned(),
    }
}

/// Revert data wherever clients put it: `data` as hex, or nested in objects (`data.data`, `originalError.data`).
fn revert_data(error: &TransportError) -> Option<Bytes> {
    let answer = error.as_error_resp()?;
    let data: Value = serde_json::from_str(answer.data.as_ref()?.get()).ok()?;
    let found = hex_in(&data, 4)?;
    // Code 3 is geth's "execution reverted"; others are recognized by their words or by data that cannot be anything else.
    (answer.code == 3 || says_revert(error) || found.len() >= 4).then_some(found)
}

fn hex_in(value: &Value, depth: u8) -> Option<Bytes> {
    match value {
        // Parity prefixes "Reverted ".
        Value::String(text) => text.trim_start_matches("Reverted ").parse().ok(),
        Value::Object(fields) if depth > 0 => fields.values().find_map(|field| hex_in(field, depth - 1)),
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn says_revert(error: &TransportError) -> bool {
    error
        .as_error_resp()
        .is_some_and(|answer| answer.code == 3 || answer.message.to_lowercase().contains("revert"))
}

#[cfg(test)]
mod tests;
