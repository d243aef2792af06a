//! The gateway as its tenants meet it: the real app behind a real TLS listener on loopback, called by the real client, over leases in
//! memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod leases;
mod renewal;
mod vouchers;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use alloy::{
    primitives::{Address, B256, Bytes, address},
    signers::{SignerSync, local::PrivateKeySigner},
};
use futures::StreamExt;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

use leaseport::gateway::{
    renewal::Renewal,
    routes::router,
    server,
    state::{Gateway, GatewayOptions},
    tls::ServingKey,
};
use leaseport::{
    core::{
        documents::{
            exchange::{CloseOffer, Parcel},
            session::{GatewayFacts, Scope, Session, SignedSession},
        },
        ids::{ChainId, LeaseId, ProviderId},
        time::{Steady, UnixMillis},
    },
    outbound::{
        CloseAnswer, GatewayClient, GatewayError, Grant, LogQuery, Outbound, PinnedUrl, Reach,
        gateway_client::LogEnd,
    },
    telemetry::Metrics,
};
use leases::{Memory, lease_of, manifest};

const BOOK: Address = address!("5FbDB2315678afecb367f032d93F642f64180aa3");

fn tenant() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0x11)).unwrap()
}

fn stranger() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0x22)).unwrap()
}

fn id(text: &str) -> LeaseId {
    text.parse().unwrap()
}

/// A running gateway with two leases: 7-0-1 of the tenant, 7-1-1 of a stranger.
struct World {
    url: PinnedUrl,
    address: SocketAddr,
    /// Where the certificate and its key lie.
    tls: tempfile::TempDir,
    /// Looks at them when a test says so.
    renewal: Renewal,
    memory: Memory,
    metrics: Metrics,
    /// Milliseconds to add to the gateway's wall clock.
    shift: Arc<AtomicI64>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl World {
    async fn start() -> Self {
        let memory = Memory::default();
        memory.add(lease_of(tenant().address(), id("7-0-1")));
        memory.add(lease_of(stranger().address(), id("7-1-1")));
        let tls = tempfile::tempdir().unwrap();
        let key = ServingKey::self_signed(tls.path(), vec!["localhost".into()]).unwrap();
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let url: PinnedUrl = format!("https://{address}#spki-sha256={}", key.pin())
            .parse()
            .unwrap();
        let shift = Arc::new(AtomicI64::new(0));
        let clock_shift = Arc::clone(&shift);
        let begun = Instant::now();
        let metrics = Metrics::new().unwrap();
        let renewal = Renewal::new(key, metrics.clone());
        let key = renewal.served();
        let options = GatewayOptions {
            facts: GatewayFacts {
                chain_id: ChainId(31337),
                lease_book: BOOK,
                provider_id: ProviderId(7),
                authorities: vec![url.authority()],
            },
            trusted_proxies: Vec::new(),
            close_patience: Duration::from_millis(700),
            clock: Arc::new(move || {
                let wall = SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap()
                    .as_millis();
                let wall = i64::try_from(wall).unwrap() + clock_shift.load(Ordering::Relaxed);
                (Steady(begun.elapsed()), UnixMillis(wall))
            }),
            metrics: metrics.clone(),
        };
        let app = router(Arc::new(Gateway::new(memory.clone(), options)));
        let stop = CancellationToken::new();
        let served = {
            let stop = stop.clone();
            tokio::spawn(async move { server::serve(listener, key, app, stop, Duration::from_secs(2)).await })
        };
        Self {
            url,
            address,
            tls,
            renewal,
            memory,
            metrics,
            shift,
            stop,
            served,
        }
    }

    async fn client(
        &self,
        wallet: &PrivateKeySigner,
        lease: Option<&str>,
        scopes: &[Scope],
    ) -> GatewayClient {
        self.client_for(wallet, lease, scopes, Duration::from_secs(3600))
            .await
    }

    async fn client_for(
        &self,
        wallet: &PrivateKeySigner,
        lease: Option<&str>,
        scopes: &[Scope],
        lasts: Duration,
    ) -> GatewayClient {
        let grant = Grant {
            chain_id: ChainId(31337),
            lease_book: BOOK,
            provider_id: ProviderId(7),
            lease_id: lease.map(id),
            scopes: scopes.to_vec(),
            lasts,
        };
        let outbound = Outbound::new(Reach::LocalMarket, Vec::new());
        GatewayClient::open_session(&outbound, &self.url, &grant, |digest| {
            let signed = wallet
                .sign_hash_sync(&digest)
                .map(|signature| Bytes::from(signature.as_bytes()));
            async move { signed }
        })
        .await
        .unwrap()
    }

    async fn tenant(&self) -> GatewayClient {
        self.client(&tenant(), Some("7-0-1"), &Scope::ALL).await
    }
}

fn parcel() -> Parcel {
    Parcel::new(
        &manifest(),
        BTreeMap::from([("token".to_owned(), "hunter2".to_owned())]),
    )
}

fn refused<T: std::fmt::Debug>(result: Result<T, GatewayError>) -> (u16, String) {
    match result {
        Err(GatewayError::Refused { problem, .. }) => {
            assert!(!problem.detail.is_empty());
            assert!(problem.kind.starts_with("urn:leaseport:problem:"));
            (problem.status, problem.title)
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn is(status: u16, title: &str) -> (u16, String) {
    (status, title.to_owned())
}

#[tokio::test]
async fn a_manifest_is_taken_once_and_the_same_again_changes_nothing() {
    let world = World::start().await;
    let client = world.tenant().await;
    let first = client.put_manifest(id("7-0-1"), &parcel()).await.unwrap();
    let again = client.put_manifest(id("7-0-1"), &parcel()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(first.revision, 1);
    let kept = world.memory.kept(id("7-0-1")).unwrap();
    assert_eq!(kept.accepted.canonical, manifest());
    assert_eq!(kept.accepted.secrets["token"], "hunter2");
    assert_eq!(kept.writes, 2);
}

#[tokio::test]
async fn a_refused_manifest_leaves_the_old_one_in_place() {
    let world = World::start().await;
    let client = world.tenant().await;
    client.put_manifest(id("7-0-1"), &parcel()).await.unwrap();
    let mut other = manifest();
    let at = other.iter().position(|b| *b == b'b').unwrap();
    other[at] = b'c';
    let secrets = || BTreeMap::from([("token".to_owned(), "x".to_owned())]);
    let put = |parcel: Parcel| {
        let client = &client;
        async move { refused(client.put_manifest(id("7-0-1"), &parcel).await) }
    };
    assert_eq!(
        put(Parcel::new(&other, secrets())).await,
        is(422, "WrongManifestHash")
    );
    assert_eq!(
        put(Parcel::new(b"", secrets())).await,
        is(422, "WrongManifestHash")
    );
    assert_eq!(
        put(Parcel::new(&manifest(), BTreeMap::new())).await,
        is(422, "SecretMissing")
    );
    let mut more = secrets();
    more.insert("other".to_owned(), "x".to_owned());
    assert_eq!(
        put(Parcel::new(&manifest(), more)).await,
        is(422, "SecretUnknown")
    );
    let kept = world.memory.kept(id("7-0-1")).unwrap();
    assert_eq!(kept.accepted.canonical, manifest());
    assert_eq!(kept.accepted.secrets["token"], "hunter2");
    assert_eq!(kept.writes, 1);
}

#[tokio::test]
async fn a_manifest_beyond_the_needs_or_not_canonical_is_refused_although_its_hash_fits() {
    let world = World::start().await;
    let client = world.client(&tenant(), None, &[Scope::Manifest]).await;
    for (lease, bytes) in [
        ("7-5-1", leases::greedy_manifest()),
        ("7-6-1", [manifest(), b" ".to_vec()].concat()),
    ] {
        let mut record = lease_of(tenant().address(), id(lease));
        record.manifest_hash = alloy::primitives::keccak256(&bytes);
        world.memory.add(record);
        let secrets = BTreeMap::from([("token".to_owned(), "x".to_owned())]);
        let answer = client
            .put_manifest(id(lease), &Parcel::new(&bytes, secrets))
            .await;
        assert_eq!(refused(answer), is(422, "ManifestRefused"), "{lease}");
        assert!(world.memory.kept(id(lease)).is_none());
    }
}

#[tokio::test]
async fn a_manifest_that_comes_before_its_namespace_is_told_to_come_again() {
    let world = World::start().await;
    world
        .memory
        .change(id("7-0-1"), |lease| lease.object.namespace.clear());
    let answer = world.tenant().await.put_manifest(id("7-0-1"), &parcel()).await;
    let error = answer.unwrap_err();
    assert_eq!(
        (error.reason(), error.retry_after()),
        (Some("NotReady"), Some(Duration::from_secs(2)))
    );
}

#[tokio::test]
async fn an_ended_lease_is_read_but_takes_no_manifest() {
    let world = World::start().await;
    world.memory.change(id("7-0-1"), |lease| {
        lease.standing = leaseport::gateway::directory::Standing::Stopped;
    });
    let client = world.tenant().await;
    assert_eq!(
        refused(client.put_manifest(id("7-0-1"), &parcel()).await),
        is(410, "LeaseEnded")
    );
    assert!(client.status(id("7-0-1")).await.is_ok());
}

#[tokio::test]
async fn another_tenants_lease_is_forbidden_and_an_unknown_one_not_found() {
    let world = World::start().await;
    let all = world.client(&tenant(), None, &Scope::ALL).await;
    assert!(all.status(id("7-0-1")).await.is_ok());
    assert_eq!(refused(all.status(id("7-1-1")).await), is(403, "WrongSigner"));
    assert_eq!(refused(all.usage(id("7-1-1")).await), is(403, "WrongSigner"));
    assert_eq!(
        refused(all.close_offer(id("7-1-1")).await),
        is(403, "WrongSigner")
    );
    assert_eq!(
        refused(all.put_manifest(id("7-1-1"), &parcel()).await),
        is(403, "WrongSigner")
    );
    assert_eq!(
        refused(all.logs(id("7-1-1"), LogQuery::default()).await.map(|_| ())),
        is(403, "WrongSigner")
    );
    assert_eq!(refused(all.status(id("7-9-9")).await), is(404, "NoSuchLease"));
    assert!(world.memory.kept(id("7-1-1")).is_none());
    // A session for one lease opens no other, not even of the same tenant.
    world.memory.add(lease_of(tenant().address(), id("7-2-1")));
    assert_eq!(
        refused(world.tenant().await.status(id("7-2-1")).await),
        is(403, "WrongLease")
    );
}

#[tokio::test]
async fn every_refusal_is_counted_by_its_reason_every_answer_by_its_route_and_a_session_once() {
    let world = World::start().await;
    let all = world.client(&tenant(), None, &Scope::ALL).await;
    for _ in 0..3 {
        assert!(all.status(id("7-0-1")).await.is_ok());
    }
    assert_eq!(refused(all.usage(id("7-1-1")).await), is(403, "WrongSigner"));
    assert_eq!(refused(all.usage(id("7-9-9")).await), is(404, "NoSuchLease"));
    assert!(world.tenant().await.status(id("7-0-1")).await.is_ok());
    let text = world.metrics.text().unwrap();
    for line in [
        "leaseport_gateway_requests_total{code=\"200\",route=\"status\"} 4",
        "leaseport_gateway_requests_total{code=\"403\",route=\"usage\"} 1",
        "leaseport_gateway_requests_total{code=\"404\",route=\"usage\"} 1",
        "leaseport_gateway_refusals_total{reason=\"WrongSigner\"} 1",
        "leaseport_gateway_refusals_total{reason=\"NoSuchLease\"} 1",
        "leaseport_gateway_sessions_total 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn after_a_reorg_each_tenant_reaches_its_own_lease_of_the_shared_id() {
    let world = World::start().await;
    let mut other = lease_of(stranger().address(), id("7-0-1"));
    other.key.terms = leaseport::core::ids::TermsHash(B256::repeat_byte(0xee));
    other.status = serde_json::json!({ "phase": "theirs" });
    world.memory.add(other);
    let mine = world.tenant().await.status(id("7-0-1")).await.unwrap();
    assert_eq!(mine["phase"], "Active");
    let theirs = world
        .client(&stranger(), None, &[Scope::Status])
        .await
        .status(id("7-0-1"))
        .await
        .unwrap();
    assert_eq!(theirs["phase"], "theirs");
}

#[tokio::test]
async fn only_pages_of_statements_that_the_lease_names_are_handed_out() {
    let world = World::start().await;
    let client = world.tenant().await;
    let said = client.usage(id("7-0-1")).await.unwrap();
    assert_eq!(said["usage"]["evidence"], serde_json::json!(["page-1"]));
    assert_eq!(
        client.statements(id("7-0-1"), "page-1").await.unwrap(),
        [leases::statement()]
    );
    for page in ["page-2", "../secrets/manifest", ""] {
        assert_eq!(
            refused(client.statements(id("7-0-1"), page).await),
            is(404, "NoSuchPage")
        );
    }
}

#[tokio::test]
async fn a_scope_that_was_not_signed_is_not_served() {
    let world = World::start().await;
    let client = world.client(&tenant(), Some("7-0-1"), &[Scope::Status]).await;
    assert!(client.status(id("7-0-1")).await.is_ok());
    assert_eq!(refused(client.usage(id("7-0-1")).await), is(403, "MissingScope"));
    assert_eq!(
        refused(client.put_manifest(id("7-0-1"), &parcel()).await),
        is(403, "MissingScope")
    );
    assert!(world.memory.kept(id("7-0-1")).is_none());
}

#[tokio::test]
async fn a_session_ends_and_may_not_last_longer_than_twelve_hours() {
    let world = World::start().await;
    let short = world.tenant().await;
    world.shift.store(3_700_000, Ordering::Relaxed);
    assert_eq!(
        refused(short.status(id("7-0-1")).await),
        is(401, "ExpiredSession")
    );
    world.shift.store(0, Ordering::Relaxed);
    let long = world
        .client_for(&tenant(), None, &Scope::ALL, Duration::from_secs(13 * 3600))
        .await;
    assert_eq!(refused(long.status(id("7-0-1")).await), is(401, "TooLongSession"));
}

#[tokio::test]
async fn a_session_for_another_chain_book_or_provider_is_not_taken() {
    let world = World::start().await;
    for (change, reason) in [
        (
            (|s: &mut Session| s.chain_id = ChainId(1)) as fn(&mut Session),
            "WrongChain",
        ),
        (|s| s.lease_book = Address::ZERO, "WrongMarket"),
        (|s| s.provider_id = ProviderId(8), "WrongProvider"),
    ] {
        let client = world.tenant().await;
        let mut saved = serde_json::to_value(client.saved()).unwrap();
        let mut session = client.saved().signed.session.clone();
        change(&mut session);
        let signature = tenant()
            .sign_hash_sync(&session.digest())
            .unwrap()
            .as_bytes()
            .into();
        saved["signed"] = serde_json::to_value(SignedSession { session, signature }).unwrap();
        let outbound = Outbound::new(Reach::LocalMarket, Vec::new());
        let client = GatewayClient::resume(&outbound, &world.url, serde_json::from_value(saved).unwrap())
            .await
            .unwrap();
        assert_eq!(refused(client.status(id("7-0-1")).await), is(401, reason));
    }
}

/// The gateway's clock is an hour ahead of the tenant's machine: the client signs once more by the gateway's `Date`. (hyper's `Date`
/// is the machine's, so here the gateway's own idea of now is moved and the second signature is stale too: refused, not looped.)
#[tokio::test]
async fn a_stale_signature_is_refused_with_the_clock_named() {
    let world = World::start().await;
    let client = world.tenant().await;
    world.shift.store(60_000, Ordering::Relaxed);
    let answer = client.status(id("7-0-1")).await;
    assert_eq!(refused(answer), is(401, "StaleSignature"));
}

#[tokio::test]
async fn an_unsigned_request_learns_what_to_do_and_nothing_else() {
    let world = World::start().await;
    let outbound = Outbound::new(Reach::LocalMarket, Vec::new());
    let target = outbound.open(&world.url).await.unwrap();
    let get = |path: &'static str| {
        let target = target.clone();
        async move {
            let request = target.request(http::Method::GET, target.at(path).unwrap());
            target.call(request, Duration::from_secs(5), 4096).await.unwrap()
        }
    };
    let answer = get("/v1/leases/7-0-1/status").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().contains_key("www-authenticate"));
    assert!(String::from_utf8_lossy(answer.body()).contains("leaseport-session"));
    assert_eq!(get("/v1/leases/7-0-1/nothing").await.status(), 404);
    assert_eq!(get("/v1/leases/7-0-1/manifest").await.status(), 405);
    let health = get("/healthz").await;
    assert_eq!(
        (health.status().as_u16(), health.body().as_slice()),
        (200, &b"ok\n"[..])
    );
}

#[tokio::test]
async fn a_body_above_its_bound_is_refused_without_being_kept() {
    let world = World::start().await;
    let client = world.tenant().await;
    let huge = Parcel::new(&vec![b'x'; 100 * 1024], BTreeMap::new());
    assert_eq!(
        refused(client.put_manifest(id("7-0-1"), &huge).await),
        is(413, "ManifestTooLarge")
    );
    let secrets = BTreeMap::from([("token".to_owned(), "x".repeat(600 * 1024))]);
    match client
        .put_manifest(id("7-0-1"), &Parcel::new(&manifest(), secrets))
        .await
    {
        // The gateway answers before the body is sent whole; the connection may break under the client.
        Err(GatewayError::Refused { problem, .. }) => assert_eq!(problem.status, 413),
        Err(GatewayError::Outbound(_)) => {}
        other => panic!("taken: {other:?}"),
    }
    assert!(world.memory.kept(id("7-0-1")).is_none());
}

#[tokio::test]
async fn a_log_is_passed_on_as_it_comes() {
    let world = World::start().await;
    let client = world.tenant().await;
    let query = LogQuery {
        container: Some("main"),
        replica: 1,
        end: LogEnd::Follow,
        tail: Some(5),
    };
    let mut log = Box::pin(client.logs(id("7-0-1"), query).await.unwrap());
    for n in 0..3 {
        world.memory.write_log(format!("line {n}\n"));
        let part = tokio::time::timeout(Duration::from_secs(2), log.next())
            .await
            .expect("a line at once")
            .unwrap();
        assert_eq!(part.unwrap(), Bytes::from(format!("line {n}\n").into_bytes()));
    }
    assert_eq!(world.memory.last_log_request().unwrap().tail, Some(5));
    world.memory.end_log();
    assert!(log.next().await.is_none());
}

#[tokio::test]
async fn a_followed_log_ends_with_its_session() {
    let world = World::start().await;
    let client = world
        .client_for(&tenant(), None, &[Scope::Logs], Duration::from_secs(2))
        .await;
    let query = LogQuery {
        end: LogEnd::Follow,
        ..LogQuery::default()
    };
    let log = Box::pin(client.logs(id("7-0-1"), query).await.unwrap());
    world.memory.write_log("before\n".to_owned());
    let all: Vec<_> = tokio::time::timeout(Duration::from_secs(5), log.collect())
        .await
        .expect("it ends");
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn one_wallet_cannot_hold_every_log_open() {
    let world = World::start().await;
    let client = world.tenant().await;
    let follow = LogQuery {
        end: LogEnd::Follow,
        ..LogQuery::default()
    };
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(client.logs(id("7-0-1"), follow).await.unwrap());
    }
    assert_eq!(
        refused(client.logs(id("7-0-1"), follow).await.map(|_| ())),
        is(429, "TooManyLogs")
    );
}

#[tokio::test]
async fn closing_hands_out_the_providers_signature_when_the_operator_gives_it() {
    let world = World::start().await;
    let client = world.tenant().await;
    match client.close_offer(id("7-0-1")).await.unwrap() {
        CloseAnswer::Later { retry_after } => assert_eq!(retry_after, Duration::from_secs(2)),
        CloseAnswer::Offer(offer) => panic!("nobody signed {offer:?}"),
    }
    assert_eq!(world.memory.asked(id("7-0-1")), Some(tenant().address()));
    let offer = CloseOffer {
        lease_id: id("7-0-1"),
        terms_hash: leaseport::core::ids::TermsHash(B256::repeat_byte(5)),
        cum: 3600,
        deadline: u64::MAX,
        signature: vec![1; 65].into(),
    };
    let signing = {
        let (memory, offer) = (world.memory.clone(), offer.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            memory.change(id("7-0-1"), |lease| lease.close_offer = Some(offer));
        }
    };
    let (answer, ()) = tokio::join!(client.close_offer(id("7-0-1")), signing);
    assert_eq!(answer.unwrap(), CloseAnswer::Offer(offer.clone()));
    // A signature about to expire is asked for anew.
    world.memory.change(id("7-0-1"), |lease| {
        lease.close_offer = Some(CloseOffer { deadline: 1, ..offer });
    });
    assert!(matches!(
        client.close_offer(id("7-0-1")).await.unwrap(),
        CloseAnswer::Later { .. }
    ));
}

#[tokio::test]
async fn a_flood_from_one_address_is_slowed_and_health_is_not() {
    let world = World::start().await;
    let target = Outbound::new(Reach::LocalMarket, Vec::new())
        .open(&world.url)
        .await
        .unwrap();
    let get = |path: &'static str| {
        let target = target.clone();
        async move {
            let request = target.request(http::Method::GET, target.at(path).unwrap());
            target.call(request, Duration::from_secs(5), 4096).await.unwrap()
        }
    };
    let mut slowed = None;
    for _ in 0..300 {
        let answer = get("/v1/leases/7-0-1/status").await;
        if answer.status() == 429 {
            slowed = Some(answer);
            break;
        }
    }
    let slowed = slowed.expect("300 requests in a row are slowed");
    assert!(slowed.headers().contains_key("retry-after"));
    assert_eq!(get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn a_peer_with_another_key_is_not_believed() {
    let world = World::start().await;
    for url in [
        world.url.clone().with_pin([9; 32]),
        format!("https://{}", world.address).parse().unwrap(),
    ] {
        let target = Outbound::new(Reach::LocalMarket, Vec::new())
            .open(&url)
            .await
            .unwrap();
        let request = target.request(http::Method::GET, target.at("/healthz").unwrap());
        let answer = target.call(request, Duration::from_secs(5), 4096).await;
        assert!(
            matches!(answer, Err(leaseport::outbound::OutboundError::NoAnswer { .. })),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_session_key_that_is_not_the_sessions_is_refused_before_a_call() {
    let world = World::start().await;
    let mut saved = serde_json::to_value(world.tenant().await.saved()).unwrap();
    saved["key"] = serde_json::to_value(B256::repeat_byte(1)).unwrap();
    let outbound = Outbound::new(Reach::LocalMarket, Vec::new());
    let result = GatewayClient::resume(&outbound, &world.url, serde_json::from_value(saved).unwrap()).await;
    assert!(matches!(result, Err(GatewayError::Session(_))));
}

#[tokio::test]
async fn who_does_not_speak_tls_is_let_go_and_a_stop_waits_for_open_answers() {
    let world = World::start().await;
    let mut plain = TcpStream::connect(world.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));

    let client = world.tenant().await;
    let query = LogQuery {
        end: LogEnd::Follow,
        ..LogQuery::default()
    };
    let mut log = Box::pin(client.logs(id("7-0-1"), query).await.unwrap());
    world.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.memory.write_log("last words\n".to_owned());
    assert_eq!(
        log.next().await.unwrap().unwrap(),
        Bytes::from_static(b"last words\n")
    );
    world.memory.end_log();
    assert!(log.next().await.is_none());
    tokio::time::timeout(Duration::from_secs(3), world.served)
        .await
        .expect("it stops")
        .unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}
