//! A certificate that is renewed under a running gateway, over real connections: what new ones get, what open ones keep, and what is
//! never served.

use std::{fs, path::Path, sync::Arc, time::Duration};

use futures::StreamExt;
use leaseport::{
    gateway::{renewal::Look, tls::ServingKey},
    outbound::{
        GatewayClient, LogQuery, Outbound, PinnedUrl, Reach, gateway_client::LogEnd, tls::client_config,
    },
};
use rustls::{HandshakeKind, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{World, id};

const NAMES: [&str; 2] = ["tls.crt", "tls.key"];

/// Another pair, in a folder of its own.
fn pair() -> (tempfile::TempDir, [u8; 32]) {
    let folder = tempfile::tempdir().unwrap();
    let key = ServingKey::self_signed(folder.path(), vec!["localhost".into()]).unwrap();
    (folder, key.spki_sha256())
}

/// A pair whose certificate ends with the first second of a year.
fn ending(year: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn put(world: &World, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(world.tls.path().join(name), bytes).unwrap();
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

/// Whether a new connection, believed by the pins of this URL alone, is answered.
async fn answers(url: &PinnedUrl) -> bool {
    let target = Outbound::new(Reach::LocalMarket, Vec::new())
        .open(url)
        .await
        .unwrap();
    let request = target.request(http::Method::GET, target.at("/healthz").unwrap());
    target.call(request, Duration::from_secs(5), 4096).await.is_ok()
}

/// As the kubelet mounts a Secret: the files are links into a folder that is itself a link, exchanged in one step.
fn mount(at: &Path, from: &Path, round: &str) {
    let version = format!("..{round}");
    fs::create_dir(at.join(&version)).unwrap();
    for name in NAMES {
        fs::copy(from.join(name), at.join(&version).join(name)).unwrap();
        let visible = at.join(name);
        if !visible.is_symlink() {
            let _ = fs::remove_file(&visible);
            std::os::unix::fs::symlink(Path::new("..data").join(name), visible).unwrap();
        }
    }
    std::os::unix::fs::symlink(&version, at.join("..data_tmp")).unwrap();
    fs::rename(at.join("..data_tmp"), at.join("..data")).unwrap();
}

#[tokio::test]
async fn a_replaced_pair_is_served_to_new_connections_and_an_open_one_goes_on_with_the_old() {
    let mut world = World::start().await;
    let client = world.tenant().await;
    let follow = LogQuery {
        end: LogEnd::Follow,
        ..LogQuery::default()
    };
    let mut log = Box::pin(client.logs(id("7-0-1"), follow).await.unwrap());
    world.memory.write_log("before\n".to_owned());
    assert_eq!(log.next().await.unwrap().unwrap().as_ref(), b"before\n");

    let old = tempfile::tempdir().unwrap();
    for name in NAMES {
        fs::copy(world.tls.path().join(name), old.path().join(name)).unwrap();
    }
    mount(world.tls.path(), old.path(), "first");
    assert_eq!(
        world.renewal.look().await,
        Look::Same,
        "the same pair under a link"
    );
    let (other, pin) = pair();
    mount(world.tls.path(), other.path(), "second");
    assert!(
        answers(&world.url).await,
        "what nobody looked at yet is not served"
    );
    assert_eq!(world.renewal.look().await, Look::Taken);
    assert_eq!(world.renewal.look().await, Look::Same);

    let renewed = world.url.clone().with_pin(pin);
    assert_eq!(world.renewal.served().borrow().spki_sha256(), pin);
    assert!(answers(&renewed).await, "a new connection gets the new key");
    assert!(!answers(&world.url).await, "and not the old one");
    world.memory.write_log("after\n".to_owned());
    assert_eq!(
        log.next().await.unwrap().unwrap().as_ref(),
        b"after\n",
        "an open stream goes on"
    );
    let outbound = Outbound::new(Reach::LocalMarket, Vec::new());
    let resumed = GatewayClient::resume(&outbound, &renewed, client.saved().clone());
    resumed.await.unwrap().status(id("7-0-1")).await.unwrap();
}

#[tokio::test]
async fn a_pair_that_does_not_fit_is_told_once_and_never_served_and_taken_as_soon_as_it_fits() {
    let mut world = World::start().await;
    let (other, pin) = pair();
    let renewed = world.url.clone().with_pin(pin);
    let whole = bytes(other.path(), "tls.crt");
    let half = &whole[..whole.len() / 2];

    put(&world, "tls.crt", &whole);
    assert_eq!(
        world.renewal.look().await,
        Look::Doubted,
        "its key may be on its way"
    );
    assert_eq!(world.renewal.look().await, Look::Refused);
    assert_eq!(world.renewal.look().await, Look::StillRefused);
    put(&world, "tls.crt", half);
    assert_eq!(world.renewal.look().await, Look::Refused, "for another reason");
    assert_eq!(world.renewal.look().await, Look::StillRefused);
    put(&world, "tls.crt", "");
    assert_eq!(world.renewal.look().await, Look::Refused);
    fs::remove_file(world.tls.path().join("tls.crt")).unwrap();
    assert_eq!(world.renewal.look().await, Look::Refused);
    assert_eq!(world.renewal.look().await, Look::StillRefused);
    put(&world, "tls.crt", &whole);
    put(&world, "tls.key", "no key");
    assert_eq!(world.renewal.look().await, Look::Refused);
    assert!(answers(&world.url).await && !answers(&renewed).await);

    put(&world, "tls.key", bytes(other.path(), "tls.key"));
    assert_eq!(world.renewal.look().await, Look::Taken);
    assert!(answers(&renewed).await && !answers(&world.url).await);
}

#[tokio::test]
async fn the_served_pair_that_comes_back_ends_the_doubt() {
    let mut world = World::start().await;
    let served = bytes(world.tls.path(), "tls.crt");
    put(&world, "tls.crt", "half");
    assert_eq!(world.renewal.look().await, Look::Doubted);
    put(&world, "tls.crt", &served);
    assert_eq!(world.renewal.look().await, Look::Same);
    put(&world, "tls.crt", "half");
    assert_eq!(
        world.renewal.look().await,
        Look::Doubted,
        "a new doubt is one again"
    );
}

#[tokio::test]
async fn the_end_that_is_counted_is_that_of_the_certificate_served() {
    const NAME: &str = "leaseport_gateway_certificate_not_after_timestamp_seconds";
    let mut world = World::start().await;
    let end = |world: &World| {
        let text = world.metrics.text().unwrap();
        let line = text.lines().find(|line| line.starts_with(NAME)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()
    };
    // What the gateway makes itself goes by its pin, and its end is none that an alert could meet.
    assert_eq!(
        end(&world),
        jiff::civil::date(4096, 1, 1)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp()
            .as_second()
    );
    let (certificate, key) = ending(2031);
    put(&world, "tls.crt", &certificate);
    assert_eq!(world.renewal.look().await, Look::Doubted);
    assert!(end(&world) > 2_000_000_000, "what is not served is not counted");
    put(&world, "tls.key", &key);
    assert_eq!(world.renewal.look().await, Look::Taken);
    assert_eq!(end(&world), 1_924_992_000);
    let renewed = {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2032, 1, 1);
        parameters
            .self_signed(&rcgen::KeyPair::from_pem(&key).unwrap())
            .unwrap()
    };
    let pin = world.renewal.served().borrow().pin();
    put(&world, "tls.crt", renewed.pem());
    assert_eq!(
        world.renewal.look().await,
        Look::Taken,
        "a renewal that keeps its key"
    );
    assert_eq!(end(&world), 1_956_528_000);
    assert_eq!(world.renewal.served().borrow().pin(), pin);
}

/// One connection by this connector: how it shook hands.
async fn handshake(world: &World, connector: &TlsConnector) -> HandshakeKind {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    // The tickets come with the answer.
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    stream.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn no_session_of_the_old_pair_is_taken_up_under_the_new_one() {
    let mut world = World::start().await;
    let (other, pin) = pair();
    let old = world.renewal.served().borrow().spki_sha256();
    let mut config = client_config(&[old, pin]).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    assert_eq!(handshake(&world, &connector).await, HandshakeKind::Full);
    assert_eq!(handshake(&world, &connector).await, HandshakeKind::Resumed);
    for name in NAMES {
        put(&world, name, bytes(other.path(), name));
    }
    assert_eq!(world.renewal.look().await, Look::Taken);
    assert_eq!(handshake(&world, &connector).await, HandshakeKind::Full);
}
