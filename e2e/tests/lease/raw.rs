//! A gateway's client written out here from RFC 9421, RFC 9530 and EIP-712: it checks nothing before it sends, so that what is refused is
//! refused by the gateway, and a mistake in the product's own client cannot hide. The wallets' keys are the local chain's.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use leaseport_e2e::scene::{Scene, hex};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// What a wallet signs: the pass of a short-lived key.
pub(crate) struct Session {
    key: Ed25519KeyPair,
    header: String,
}

/// What a session is asked to say.
#[derive(Clone, Debug)]
pub(crate) struct Pass<'a> {
    /// Whose wallet signs.
    pub(crate) wallet: &'a str,
    /// For which lease, such as `7-0-1`.
    pub(crate) lease: &'a str,
    /// What for.
    pub(crate) scopes: &'a [&'a str],
    /// Seconds from now until it ends.
    pub(crate) lasts: i64,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Its `Content-Type`.
    pub(crate) kind: String,
    /// Its body.
    pub(crate) body: Value,
}

pub(crate) fn now() -> Result<i64> {
    Ok(i64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    )?)
}

/// providerId 32 | lane 32 | generation 32.
fn number_of(lease: &str) -> Result<u128> {
    lease
        .split('-')
        .try_fold(0_u128, |id, part| Ok((id << 32) | part.parse::<u128>()?))
}

impl Session {
    /// Draws a key and has the wallet sign it.
    pub(crate) fn open(scene: &Scene, pass: &Pass<'_>) -> Result<Self> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).context("no key")?;
        let key =
            Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|error| anyhow::anyhow!("{error}"))?;
        let public = hex(key.public_key().as_ref());
        let not_after = u64::try_from(now()? + pass.lasts)?;
        let book = &scene.ledger.lease_book;
        let chain = scene.market.printed["chainId"].clone();
        let typed = json!({
            "types": {
                "EIP712Domain": [
                    { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" }, { "name": "verifyingContract", "type": "address" },
                ],
                "Session": [
                    { "name": "providerId", "type": "uint32" }, { "name": "leaseId", "type": "uint96" },
                    { "name": "scopes", "type": "string[]" }, { "name": "key", "type": "bytes32" },
                    { "name": "notAfter", "type": "uint40" },
                ],
            },
            "primaryType": "Session",
            "domain": { "name": "Leaseport", "version": "1", "chainId": chain, "verifyingContract": book },
            "message": {
                "providerId": scene.ledger.provider, "leaseId": number_of(pass.lease)?.to_string(), "scopes": pass.scopes,
                "key": public, "notAfter": not_after,
            },
        });
        let signature = scene
            .ledger
            .rpc("eth_signTypedData_v4", &json!([pass.wallet, typed]))?;
        let signed = json!({
            "session": {
                "chainId": chain, "leaseBook": book, "providerId": scene.ledger.provider, "leaseId": pass.lease,
                "scopes": pass.scopes, "key": public, "notAfter": not_after,
            },
            "signature": signature,
        });
        Ok(Self {
            key,
            header: URL_SAFE_NO_PAD.encode(signed.to_string()),
        })
    }

    /// Sends a request with these bytes. `signed_body` is what the signature covers: the same, unless a test lies.
    pub(crate) fn send(
        &self,
        scene: &Scene,
        method: &str,
        path: &str,
        body: &[u8],
        signed_body: &[u8],
    ) -> Result<Answer> {
        let address = authority(scene)?;
        let content = format!(
            "sha-256=:{}:",
            STANDARD.encode(digest(&SHA256, signed_body).as_ref())
        );
        let created = now()?;
        let parameters = format!(
            "(\"@method\" \"@path\" \"@authority\" \"leaseport-session\" \"content-digest\");created={created};expires={};keyid=\"{}\";alg=\"ed25519\"",
            created + 30,
            hex(self.key.public_key().as_ref())
        );
        let base = format!(
            "\"@method\": {method}\n\"@path\": {path}\n\"@authority\": {address}\n\"leaseport-session\": {}\n\"content-digest\": \
             {content}\n\"@signature-params\": {parameters}",
            self.header
        );
        let signature = STANDARD.encode(self.key.sign(base.as_bytes()).as_ref());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \
             {}\r\nContent-Digest: {content}\r\nLeaseport-Session: {}\r\nSignature-Input: leaseport={parameters}\r\nSignature: \
             leaseport=:{signature}:\r\n\r\n",
            body.len(),
            self.header
        );
        answer(&exchange(scene, &address, &[head.as_bytes(), body].concat())?)
    }
}

/// Host and port of the gateway's URL.
fn authority(scene: &Scene) -> Result<String> {
    let rest = scene
        .gateway_url
        .strip_prefix("https://")
        .context("no https URL")?;
    Ok(rest.split(['#', '/']).next().unwrap_or(rest).to_owned())
}

/// One connection over TLS that trusts the gateway's own certificate and no other.
fn exchange(scene: &Scene, address: &str, request: &[u8]) -> Result<Vec<u8>> {
    let file = scene.world.state().run_dir.join("gateway-tls/tls.crt");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(file)?).context("no certificate")?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The name in a certificate that the gateway made for itself.
    let name = ServerName::try_from("leaseport-gateway")?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server may close without saying so first.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error.into()),
        Ok(_) | Err(_) => Ok(answer),
    }
}

fn answer(bytes: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("no HTTP answer: {text}");
    };
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| head.to_owned())?;
    let kind = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map_or(String::new(), |(_, value)| value.trim().to_owned());
    Ok(Answer {
        status,
        kind,
        body: serde_json::from_str(body).with_context(|| body.to_owned())?,
    })
}
