//! A journaled key against a chain of one function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{sync::Mutex, time::Duration};

use alloy::primitives::keccak256;
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

use super::*;
use crate::{
    chain_io::{
        endpoint::EndpointConfig,
        signer::{LocalKey, signer_of},
    },
    core::ids::ChainId,
};

const KEY: &[u8] = b"0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// A chain that makes a block at each look and mines a transaction once so many versions of it came.
#[derive(Default)]
struct Chain {
    height: u64,
    versions: Vec<Bytes>,
    mines_after: usize,
    /// What it says to the first version.
    refuses: Option<&'static str>,
    /// What was in the journal when each version came.
    journal_then: Vec<String>,
}

type Shared = Arc<Mutex<Chain>>;

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn answer(chain: &Shared, journal: &Path, method: &str, params: &Value) -> Result<Value, Value> {
    let mut chain = chain.lock().unwrap();
    let mined = chain.versions.len() >= chain.mines_after;
    Ok(match method {
        "eth_chainId" => json!("0x7a69"),
        "eth_estimateGas" => json!("0x5208"),
        "eth_call" => json!("0x"),
        "eth_maxPriorityFeePerGas" => json!("0x1"),
        "eth_getBalance" => json!("0xde0b6b3a7640000"),
        "eth_getTransactionCount" => json!(if mined && params[1] != "pending" {
            "0x4"
        } else {
            "0x3"
        }),
        "eth_getBlockByNumber" => {
            if params[0] == "latest" {
                chain.height += 1;
            }
            let number = chain.height;
            let asked = params[0]
                .as_str()
                .and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok());
            block(asked.unwrap_or(number))
        }
        "eth_getTransactionReceipt" => {
            let wanted = params[0].as_str().unwrap_or_default();
            let last = chain.versions.last().map(|raw| keccak256(raw).to_string());
            if mined && last.as_deref() == Some(wanted) {
                json!({ "transactionHash": wanted, "blockNumber": "0x1", "blockHash": hash(1), "gasUsed": "0x5208",
                        "effectiveGasPrice": "0x7", "status": "0x1" })
            } else {
                Value::Null
            }
        }
        "eth_sendRawTransaction" => {
            if let Some(words) = chain.refuses {
                return Err(json!({ "code": -32000, "message": words }));
            }
            let raw: Bytes = serde_json::from_value(params[0].clone()).unwrap();
            if !chain.versions.contains(&raw) {
                chain
                    .journal_then
                    .push(std::fs::read_to_string(journal).unwrap_or_default());
                chain.versions.push(raw.clone());
            }
            json!(keccak256(raw))
        }
        other => panic!("{other} {params}"),
    })
}

fn block(number: u64) -> Value {
    let zero = B256::ZERO;
    json!({
        "number": format!("{number:#x}"), "hash": hash(number), "parentHash": hash(number.saturating_sub(1)), "timestamp": "0x10",
        "baseFeePerGas": "0x10", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "difficulty": "0x0", "extraData": "0x",
        "logsBloom": format!("0x{}", "00".repeat(256)), "miner": Address::ZERO, "mixHash": zero, "nonce": "0x0000000000000000",
        "receiptsRoot": zero, "sha3Uncles": zero, "stateRoot": zero, "transactionsRoot": zero, "size": "0x1",
        "transactions": [], "uncles": [],
    })
}

/// A key whose fees rise after a tenth of a second, on such a chain.
async fn key(chain: &Shared, dir: &Path) -> JournaledKey {
    let path = dir.join("key.journal");
    let (served, journal) = (chain.clone(), path.clone());
    let app = Router::new().route(
        "/",
        post(move |Json(asked): Json<Value>| async move {
            let method = asked["method"].as_str().unwrap_or_default();
            let body = match answer(&served, &journal, method, &asked["params"]) {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }),
                Err(error) => json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error }),
            };
            Json(body)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let endpoints = Endpoints::new(
        ChainId(31_337),
        vec![EndpointConfig::parse("node", &url).unwrap()],
    )
    .unwrap();
    let signer = Arc::new(LocalKey::from_secret(KEY.to_vec(), "test").unwrap());
    let mut key = JournaledKey::new(endpoints, signer, &path).unwrap();
    key.policy.replace_after = Duration::from_millis(100);
    key
}

fn chain(mines_after: usize) -> Shared {
    Arc::new(Mutex::new(Chain {
        mines_after,
        ..Chain::default()
    }))
}

#[tokio::test]
async fn what_is_not_mined_in_time_is_signed_again_at_a_higher_fee_and_written_down_before_it_leaves() {
    let (dir, chain) = (tempfile::tempdir().unwrap(), chain(2));
    let key = key(&chain, dir.path()).await;
    let sent = key
        .send("cancel the order", Address::ZERO, Bytes::from_static(&[1]))
        .await
        .unwrap();
    let seen = chain.lock().unwrap();
    assert_eq!(seen.versions.len(), 2);
    assert_eq!(sent.mined.hash, keccak256(&seen.versions[1]));
    for (version, journal) in seen.versions.iter().zip(&seen.journal_then) {
        assert_eq!(signer_of(version), Some(key.address()));
        assert!(journal.contains(&keccak256(version).to_string()), "{journal}");
    }
    let text = std::fs::read_to_string(dir.path().join("key.journal")).unwrap();
    assert_eq!(unfinished(&text, ChainId(31_337), key.address()), Ok(vec![]));
}

#[tokio::test]
async fn a_run_that_was_cut_off_is_ended_by_the_next_one_which_tells_of_it() {
    let (dir, chain) = (tempfile::tempdir().unwrap(), chain(1));
    let key = key(&chain, dir.path()).await;
    let call = Call {
        to: Address::ZERO,
        data: Bytes::from_static(&[1]),
        value: U256::ZERO,
    };
    let fees = Fees { max_fee: 50, tip: 1 };
    let version = key.sign(3, &call, 30_000, fees).await.unwrap();
    let mut file = key.open().unwrap();
    let line = key.line("cancel the order", 3, &call, 30_000, &version);
    key.write(&mut file, &line).unwrap();
    drop(file);
    let error = key
        .send("post the order", Address::ZERO, Bytes::new())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SendError::EarlierOne { what, hash } if what == "cancel the order" && *hash == version.hash),
        "{error}"
    );
    assert_eq!(chain.lock().unwrap().versions, [version.raw]);
}

#[tokio::test]
async fn a_refusal_of_all_ends_what_nobody_has_and_a_doubt_does_not() {
    let (dir, chain) = (tempfile::tempdir().unwrap(), chain(1));
    let key = key(&chain, dir.path()).await;
    chain.lock().unwrap().refuses = Some("transaction type not supported");
    let error = key
        .send("post the order", Address::ZERO, Bytes::new())
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::NotTaken { .. }), "{error}");
    let journal = dir.path().join("key.journal");
    let open = || {
        unfinished(
            &std::fs::read_to_string(&journal).unwrap(),
            ChainId(31_337),
            key.address(),
        )
    };
    assert_eq!(open(), Ok(vec![]));
    // An internal error may mean that it is in the pool: it stays open.
    chain.lock().unwrap().refuses = Some("internal error");
    let sending = key.send("post the order", Address::ZERO, Bytes::new());
    assert!(
        tokio::time::timeout(Duration::from_millis(700), sending)
            .await
            .is_err()
    );
    assert_eq!(open().unwrap().len(), 1);
}
