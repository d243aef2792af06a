//! An API server and a chain, small and in memory, that can be told to die at any call. The chain speaks JSON-RPC over loopback
//! HTTP, the API server is a tower service under a real kube client: everything of ours between them runs as it does in a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use alloy::{
    consensus::{Transaction, TxEnvelope},
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, Bytes, U64, U256, address, keccak256},
    providers::{Provider, ProviderBuilder},
};
use axum::{Json, Router, extract::State, routing::post};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{MarketTerms, TransactContext, WalletName};
use crate::{
    api::{ComputeTransaction, ComputeWallet},
    chain_io::{publisher::Publisher, signer::signer_of},
    core::{
        ids::ChainId,
        time::{ChainSeconds, Now, Steady, UnixMillis},
        tx::{Call, FeePolicy, Heads, Intent, IntentKind, KeyUse, Subject},
    },
};

pub(super) const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n";
pub(super) const SIGNER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
const ETHER: u64 = 1_000_000_000_000_000_000;

/// When to die: at which call, and whether that call still has its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    Never,
    Before(usize),
    After(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) hash: B256,
    pub(super) txs: Vec<B256>,
}

/// What the chain remembers of a transaction.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    nonce: u64,
    max_fee: u128,
    input: Bytes,
}

#[derive(Debug)]
pub(super) struct Things {
    objects: BTreeMap<String, Value>,
    versions: u64,
    pub(super) blocks: Vec<Block>,
    pub(super) mempool: BTreeMap<B256, Seen>,
    known: BTreeMap<B256, Seen>,
    pub(super) settled: u64,
    pub(super) first_nonce: u64,
    pub(super) balance: U256,
    pub(super) base_fee: u64,
    /// An error every raw transaction gets.
    pub(super) refuse: Option<(i64, &'static str)>,
    /// An error every simulation gets.
    pub(super) revert: Option<Value>,
    pub(super) clock: u64,
    forks: u64,
    calls: usize,
    death: Death,
    pub(super) creates: usize,
    pub(super) status_writes: usize,
}

pub(super) struct World {
    things: Mutex<Things>,
    pub(super) died: Notify,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        let genesis = Block {
            hash: keccak256("genesis"),
            txs: Vec::new(),
        };
        let world = Arc::new(Self {
            things: Mutex::new(Things {
                objects: BTreeMap::new(),
                versions: 0,
                blocks: vec![genesis],
                mempool: BTreeMap::new(),
                known: BTreeMap::new(),
                settled: 0,
                first_nonce: 3,
                balance: U256::from(ETHER),
                base_fee: 1_000_000_000,
                refuse: None,
                revert: None,
                clock: 1_000,
                forks: 0,
                calls: 0,
                death: Death::Never,
                creates: 0,
                status_writes: 0,
            }),
            died: Notify::new(),
        });
        world.put_secret("privateKey", KEY);
        world.put_wallet("0.5", &["tenants"]);
        world
    }

    pub(super) fn things(&self) -> MutexGuard<'_, Things> {
        self.things.lock().unwrap()
    }

    pub(super) fn put_secret(&self, key: &str, value: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key", "namespace": "market" },
            "data": { key: k8s_openapi::ByteString(value.as_bytes().to_vec()) },
        });
        let mut things = self.things();
        things
            .objects
            .insert("/api/v1/namespaces/market/secrets/key".into(), secret);
    }

    pub(super) fn remove(&self, path: &str) {
        self.things().objects.remove(path);
    }

    pub(super) fn put_wallet(&self, gas_per_day: &str, allowed: &[&str]) {
        let wallet = json!({
            "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeWallet",
            "metadata": { "name": "duty", "namespace": "market", "uid": "wallet", "resourceVersion": "1", "generation": 1 },
            "spec": {
                "marketRef": { "name": "base" }, "signer": { "secretRef": { "name": "key", "key": "privateKey" } },
                "limits": { "gasPerDay": gas_per_day }, "allowedNamespaces": allowed,
            },
        });
        self.things().objects.insert(
            "/apis/leaseport.dev/v1alpha1/namespaces/market/computewallets/duty".into(),
            wallet,
        );
    }

    pub(super) fn wallet(&self) -> ComputeWallet {
        let path = "/apis/leaseport.dev/v1alpha1/namespaces/market/computewallets/duty";
        serde_json::from_value(self.things().objects[path].clone()).unwrap()
    }

    pub(super) fn transactions(&self) -> Vec<Arc<ComputeTransaction>> {
        self.things()
            .objects
            .iter()
            .filter(|(path, _)| path.contains("/computetransactions/"))
            .map(|(_, object)| Arc::new(serde_json::from_value(object.clone()).unwrap()))
            .collect()
    }

    pub(super) fn heads(&self) -> Heads {
        let things = self.things();
        Heads {
            number: things.blocks.len() as u64 - 1,
            hash: things.blocks.last().unwrap().hash,
            time: ChainSeconds(things.clock),
            settled: things.settled,
        }
    }

    /// Puts all that fits the key's nonce into a block, the dearest version of each.
    pub(super) fn mine(&self) {
        let mut things = self.things();
        let mut nonce = things.nonce();
        let mut txs = Vec::new();
        loop {
            let best = things
                .mempool
                .iter()
                .filter(|(_, tx)| tx.nonce == nonce)
                .max_by_key(|(_, tx)| tx.max_fee)
                .map(|(hash, _)| *hash);
            let Some(hash) = best else { break };
            txs.push(hash);
            nonce += 1;
        }
        things.mempool.retain(|_, tx| tx.nonce >= nonce);
        things.forks += 1;
        let hash = keccak256(things.forks.to_be_bytes());
        things.blocks.push(Block { hash, txs });
        things.clock += 12;
    }

    /// Takes the newest blocks away; the mempools have forgotten their transactions.
    pub(super) fn reorganize(&self, depth: usize) {
        let mut things = self.things();
        for _ in 0..depth {
            things.blocks.pop();
        }
    }

    pub(super) fn settle_all(&self) {
        let mut things = self.things();
        things.settled = things.blocks.len() as u64 - 1;
    }

    /// Hashes in blocks, in order.
    pub(super) fn executed(&self) -> Vec<B256> {
        self.things()
            .blocks
            .iter()
            .flat_map(|block| block.txs.clone())
            .collect()
    }

    pub(super) fn die(&self, death: Death) {
        let mut things = self.things();
        things.calls = 0;
        things.death = death;
    }

    /// Counts a call; whether it has its effect, and whether it is the last.
    fn count(&self) -> (bool, bool) {
        let mut things = self.things();
        let call = things.calls;
        things.calls += 1;
        match things.death {
            Death::Never => (true, false),
            Death::Before(at) => (call < at, call >= at),
            Death::After(at) => (call <= at, call >= at),
        }
    }

    async fn hang(&self) -> ! {
        self.died.notify_one();
        std::future::pending::<Infallible>().await;
        unreachable!("pending for ever")
    }

    pub(super) async fn context(self: &Arc<Self>) -> TransactContext {
        self.context_at("leader").await
    }

    /// A process of its own: no memory shared with another one.
    pub(super) async fn context_at(self: &Arc<Self>, name: &str) -> TransactContext {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let routes = Router::new()
            .route("/", post(answer_rpc))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_http(url)
            .erased();
        let publisher = Publisher::fixed(
            (name.to_owned(), provider),
            vec![],
            |_| None,
            Duration::from_secs(30),
        );
        let world = self.clone();
        let service = tower::service_fn(move |request| {
            let world = world.clone();
            async move { Ok::<_, Infallible>(world.answer_kube(request).await) }
        });
        let client = kube::Client::new(service, "market");
        let fees = FeePolicy {
            max_fee_cap: 100_000_000_000,
            replace_after: Duration::from_secs(30),
            rebroadcast_after: Duration::from_secs(30),
        };
        let world = self.clone();
        let now = Arc::new(move || {
            let clock = world.things().clock;
            Now {
                steady: Steady(Duration::from_secs(clock)),
                wall: UnixMillis(i64::try_from(clock).unwrap() * 1000),
                chain: Some(ChainSeconds(clock)),
            }
        });
        TransactContext::new(
            client,
            publisher,
            MarketTerms::new("base", ChainId(31_337), fees),
            now,
        )
    }

    /// A pass of this context over what the API server has now.
    pub(super) async fn pass(&self, context: &TransactContext) -> super::PassReport {
        let objects = self.transactions();
        let heads = self.heads();
        let nonce = context.nonce_at(&objects, &heads).await;
        context
            .pass(&wallet_name(), &objects, Some(heads), nonce, KeyUse::Ours)
            .await
    }

    async fn answer_kube(&self, request: Request<Body>) -> Response<Body> {
        let (effect, last) = self.count();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Option<Value> = serde_json::from_slice(&body).ok();
        let answer = if effect {
            self.things().kube(&parts.method, parts.uri.path(), body)
        } else {
            (500, Value::Null)
        };
        if last {
            self.hang().await;
        }
        Response::builder()
            .status(answer.0)
            .header("content-type", "application/json")
            .body(Body::from(serde_json::to_vec(&answer.1).unwrap()))
            .unwrap()
    }
}

impl Things {
    pub(super) fn nonce(&self) -> u64 {
        self.first_nonce
            + self
                .blocks
                .iter()
                .map(|block| block.txs.len() as u64)
                .sum::<u64>()
    }

    fn kube(&mut self, method: &Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let failed = |code: u16, reason: &str| {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason });
            (code, status)
        };
        let status = path.strip_suffix("/status");
        let path = status.unwrap_or(path);
        self.versions += 1;
        let version = self.versions;
        match (method.as_str(), body) {
            ("GET", _) if path.ends_with("/computetransactions") => {
                let items: Vec<_> = self
                    .objects
                    .iter()
                    .filter(|(each, _)| each.starts_with(&format!("{path}/")))
                    .map(|(_, object)| object.clone())
                    .collect();
                let list = json!({
                    "apiVersion": "leaseport.dev/v1alpha1", "kind": "ComputeTransactionList", "metadata": {}, "items": items,
                });
                (200, list)
            }
            ("GET", _) => match self.objects.get(path) {
                Some(object) => (200, object.clone()),
                None => failed(404, "NotFound"),
            },
            ("POST", Some(mut object)) => {
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return failed(409, "AlreadyExists");
                }
                self.creates += 1;
                object["metadata"]["uid"] = json!(format!("uid-{version}"));
                object["metadata"]["resourceVersion"] = json!(version.to_string());
                object["metadata"]["creationTimestamp"] = json!("1970-01-01T00:16:40Z");
                self.objects.insert(path, object.clone());
                (201, object)
            }
            ("PUT", Some(sent)) if status.is_some() => {
                let Some(object) = self.objects.get_mut(path) else {
                    return failed(404, "NotFound");
                };
                if object["metadata"]["resourceVersion"] != sent["metadata"]["resourceVersion"] {
                    return failed(409, "Conflict");
                }
                self.status_writes += 1;
                object["status"] = sent["status"].clone();
                object["metadata"]["resourceVersion"] = json!(version.to_string());
                (200, object.clone())
            }
            ("DELETE", _) => match self.objects.remove(path) {
                Some(object) => (200, object),
                None => failed(404, "NotFound"),
            },
            other => panic!("not a call this API server knows: {other:?} {path}"),
        }
    }

    fn block(&self, tag: &Value) -> Option<u64> {
        match tag.as_str()? {
            "latest" => Some(self.blocks.len() as u64 - 1),
            number => number.parse::<U64>().ok().map(|number| number.to()),
        }
    }

    fn rpc(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        match method {
            "eth_getTransactionCount" => Ok(json!(U64::from(self.nonce()))),
            "eth_getBalance" => Ok(json!(self.balance)),
            "eth_maxPriorityFeePerGas" => Ok(json!("0x3b9aca00")),
            "eth_getBlockByNumber" => {
                let block = self
                    .block(&params[0])
                    .and_then(|number| self.blocks.get(usize::try_from(number).unwrap()));
                Ok(block.map_or(
                    Value::Null,
                    |block| json!({ "hash": block.hash, "baseFeePerGas": U64::from(self.base_fee) }),
                ))
            }
            "eth_call" | "eth_estimateGas" => match &self.revert {
                Some(error) => Err(error.clone()),
                None if method == "eth_call" => Ok(json!("0x")),
                None => Ok(json!("0xc350")),
            },
            "eth_sendRawTransaction" => self.take(&params[0]),
            "eth_getTransactionReceipt" => {
                let hash: B256 = serde_json::from_value(params[0].clone()).unwrap();
                let place = self.blocks.iter().position(|block| block.txs.contains(&hash));
                Ok(place.map_or(Value::Null, |number| {
                    json!({
                        "transactionHash": hash, "blockNumber": U64::from(number), "blockHash": self.blocks[number].hash,
                        "gasUsed": "0xafc8", "effectiveGasPrice": "0x77359400", "status": "0x1",
                    })
                }))
            }
            other => panic!("not a method this chain knows: {other}"),
        }
    }

    fn take(&mut self, raw: &Value) -> Result<Value, Value> {
        if let Some((code, message)) = self.refuse {
            return Err(json!({ "code": code, "message": message }));
        }
        let raw: Bytes = serde_json::from_value(raw.clone()).unwrap();
        assert_eq!(signer_of(&raw), Some(SIGNER));
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let hash = *tx.tx_hash();
        let tx = Seen {
            nonce: tx.nonce(),
            max_fee: tx.max_fee_per_gas(),
            input: tx.input().clone(),
        };
        let failed = |message: &str| Err(json!({ "code": -32000, "message": message }));
        if tx.nonce < self.nonce() {
            return failed("nonce too low");
        }
        if self.mempool.contains_key(&hash) {
            return failed("already known");
        }
        let rival = self
            .mempool
            .iter()
            .find(|(_, other)| other.nonce == tx.nonce)
            .map(|(hash, other)| (*hash, other.max_fee));
        if let Some((other, fee)) = rival {
            if tx.max_fee * 10 < fee * 11 {
                return failed("replacement transaction underpriced");
            }
            self.mempool.remove(&other);
        }
        self.known.insert(hash, tx.clone());
        self.mempool.insert(hash, tx);
        Ok(json!(hash))
    }

    /// Call data of what was executed, in order: each intent of these tests has its own.
    pub(super) fn effects(&self) -> Vec<Bytes> {
        self.blocks
            .iter()
            .flat_map(|block| &block.txs)
            .map(|hash| self.known[hash].input.clone())
            .collect()
    }
}

async fn answer_rpc(State(world): State<Arc<World>>, Json(request): Json<Value>) -> Json<Value> {
    let (effect, last) = world.count();
    let answer = if effect {
        world
            .things()
            .rpc(request["method"].as_str().unwrap(), &request["params"])
    } else {
        Ok(Value::Null)
    };
    if last {
        world.hang().await;
    }
    Json(match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }),
    })
}

pub(super) fn wallet_name() -> WalletName {
    WalletName {
        namespace: "market".into(),
        name: "duty".into(),
    }
}

pub(super) fn intent(kind: IntentKind, number: u8) -> Intent {
    Intent {
        kind,
        subject: Subject {
            kind: "ComputeLease".into(),
            namespace: "market".into(),
            name: format!("lease-{number}"),
            uid: format!("lease-{number}"),
        },
        epoch: "0".into(),
        call: Call {
            to: Address::repeat_byte(7),
            data: Bytes::from(vec![number]),
            value: U256::ZERO,
        },
    }
}
