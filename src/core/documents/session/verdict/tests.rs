//! What is allowed, what is not, and that nothing in between is.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::core::documents::{
    session::{content_digest, sign_request},
    signing,
};
use alloy::{
    primitives::{address, b256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use ed25519_dalek::SigningKey;
use http::HeaderValue;
use proptest::prelude::*;
use rstest::rstest;

const NOW: i64 = 1_800_000_000;
const PATH: &str = "/v1/leases/7-0-1/manifest";

struct Sent {
    method: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn wallet() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&b256!(
        "1111111111111111111111111111111111111111111111111111111111111111"
    ))
    .unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn session() -> Session {
    Session {
        chain_id: ChainId(31337),
        lease_book: address!("5FbDB2315678afecb367f032d93F642f64180aa3"),
        provider_id: ProviderId(7),
        lease_id: Some("7-0-1".parse().unwrap()),
        scopes: vec!["manifest".into(), "status".into()],
        key: B256::from(key().verifying_key().to_bytes()),
        not_after: NOW.unsigned_abs() + 3600,
    }
}

fn gateway() -> GatewayFacts {
    GatewayFacts {
        chain_id: ChainId(31337),
        lease_book: address!("5FbDB2315678afecb367f032d93F642f64180aa3"),
        provider_id: ProviderId(7),
        authorities: vec!["gpu.example.org".into(), "127.0.0.1:8443".into()],
    }
}

fn lease() -> LeaseFacts {
    LeaseFacts {
        id: "7-0-1".parse().unwrap(),
        tenant: wallet().address(),
        agent: Address::ZERO,
    }
}

fn signed_by(session: Session, wallet: &PrivateKeySigner) -> SignedSession {
    let signature = wallet
        .sign_hash_sync(&session.digest())
        .unwrap()
        .as_bytes()
        .to_vec()
        .into();
    SignedSession { session, signature }
}

fn sent_with(signed: &SignedSession, created: i64, authority: &str) -> Sent {
    let header = signed.to_header();
    let parts = RequestParts {
        method: "PUT",
        path: PATH,
        query: Some("dry=1"),
        authority,
    };
    let body = b"hello".to_vec();
    let out = sign_request(&key(), parts, &header, Some(&body), created);
    let mut headers = HeaderMap::new();
    headers.insert(SESSION_HEADER, header.parse().unwrap());
    headers.insert("signature-input", out.signature_input.parse().unwrap());
    headers.insert("signature", out.signature.parse().unwrap());
    headers.insert(CONTENT_DIGEST, out.content_digest.unwrap().parse().unwrap());
    Sent {
        method: "PUT".into(),
        path: PATH.into(),
        query: Some("dry=1".into()),
        headers,
        body,
    }
}

fn sent(session: Session) -> Sent {
    sent_with(&signed_by(session, &wallet()), NOW, "gpu.example.org")
}

fn decide(sent: &Sent, gateway: &GatewayFacts, lease: &LeaseFacts, scope: Scope) -> Result<Allowed, Denial> {
    decide_at(sent, gateway, lease, scope, NOW)
}

fn decide_at(
    sent: &Sent,
    gateway: &GatewayFacts,
    lease: &LeaseFacts,
    scope: Scope,
    now: i64,
) -> Result<Allowed, Denial> {
    let head = RequestHead {
        method: &sent.method,
        path: &sent.path,
        query: sent.query.as_deref(),
        headers: &sent.headers,
    };
    authorize(&head, &sent.body, gateway, lease, scope, UnixMillis(now * 1000))
}

fn reason(result: &Result<Allowed, Denial>) -> &'static str {
    match result {
        Ok(_) => "allowed",
        Err(denial) => denial.reason(),
    }
}

#[test]
fn the_tenant_may_do_what_its_wallet_signed_for() {
    let allowed = decide(&sent(session()), &gateway(), &lease(), Scope::Manifest).unwrap();
    assert_eq!(allowed.wallet, wallet().address());
    assert_eq!(allowed.not_after, NOW.unsigned_abs() + 3600);
}

#[test]
fn every_configured_authority_serves_and_no_other() {
    let signed = signed_by(session(), &wallet());
    let at = |authority: &str| {
        reason(&decide(
            &sent_with(&signed, NOW, authority),
            &gateway(),
            &lease(),
            Scope::Status,
        ))
    };
    assert_eq!(at("127.0.0.1:8443"), "allowed");
    assert_eq!(at("evil.example.org"), "BadRequestSignature");
}

#[test]
fn the_agent_may_too_and_the_zero_address_is_nobody() {
    let agent = LeaseFacts {
        tenant: Address::repeat_byte(9),
        agent: wallet().address(),
        ..lease()
    };
    assert_eq!(
        reason(&decide(&sent(session()), &gateway(), &agent, Scope::Status)),
        "allowed"
    );
    let nobody = LeaseFacts {
        tenant: Address::repeat_byte(9),
        agent: Address::ZERO,
        ..lease()
    };
    assert_eq!(
        reason(&decide(&sent(session()), &gateway(), &nobody, Scope::Status)),
        "WrongSigner"
    );
}

#[test]
fn a_session_for_all_leases_opens_only_the_wallets_own() {
    let all = Session {
        lease_id: None,
        ..session()
    };
    let mine = LeaseFacts {
        id: "7-3-2".parse().unwrap(),
        ..lease()
    };
    let other = LeaseFacts {
        tenant: Address::repeat_byte(3),
        ..mine
    };
    assert_eq!(
        reason(&decide(&sent(all.clone()), &gateway(), &mine, Scope::Status)),
        "allowed"
    );
    assert_eq!(
        reason(&decide(&sent(all), &gateway(), &other, Scope::Status)),
        "WrongSigner"
    );
}

#[rstest]
#[case::chain(Session { chain_id: ChainId(1), ..session() }, "WrongChain")]
#[case::book(Session { lease_book: Address::ZERO, ..session() }, "WrongMarket")]
#[case::provider(Session { provider_id: ProviderId(8), ..session() }, "WrongProvider")]
#[case::lease(Session { lease_id: Some("7-0-2".parse().unwrap()), ..session() }, "WrongLease")]
#[case::scope(Session { scopes: vec!["logs".into(), "exec".into()], ..session() }, "MissingScope")]
#[case::no_scope(Session { scopes: vec![], ..session() }, "MissingScope")]
#[case::key(Session { key: B256::repeat_byte(1), ..session() }, "WrongKey")]
#[case::over(Session { not_after: NOW.unsigned_abs() - 1, ..session() }, "ExpiredSession")]
#[case::long(Session { not_after: NOW.unsigned_abs() + 12 * 3600 + 60, ..session() }, "TooLongSession")]
#[case::for_ever(Session { not_after: u64::MAX, ..session() }, "TooLongSession")]
#[case::twelve_hours(Session { not_after: NOW.unsigned_abs() + 12 * 3600, ..session() }, "allowed")]
fn a_session_for_something_else_is_refused_by_name(#[case] session: Session, #[case] expected: &str) {
    assert_eq!(
        reason(&decide(&sent(session), &gateway(), &lease(), Scope::Status)),
        expected
    );
}

#[rstest]
#[case::now(NOW, "allowed")]
#[case::last_second(NOW - 30, "allowed")]
#[case::a_fast_clock(NOW + 10, "allowed")]
#[case::too_old(NOW - 31, "StaleSignature")]
#[case::from_the_future(NOW + 11, "StaleSignature")]
fn a_request_lives_thirty_seconds(#[case] created: i64, #[case] expected: &str) {
    let sent = sent_with(&signed_by(session(), &wallet()), created, "gpu.example.org");
    assert_eq!(
        reason(&decide(&sent, &gateway(), &lease(), Scope::Status)),
        expected
    );
}

#[test]
fn a_replayed_head_is_worthless_after_its_window_and_a_session_after_its_end() {
    let sent = sent(session());
    assert_eq!(
        reason(&decide_at(&sent, &gateway(), &lease(), Scope::Status, NOW + 31)),
        "StaleSignature"
    );
    assert_eq!(
        reason(&decide_at(&sent, &gateway(), &lease(), Scope::Status, NOW + 3601)),
        "ExpiredSession"
    );
}

#[test]
fn another_body_or_a_missing_digest_is_refused() {
    let mut changed = sent(session());
    changed.body = b"hallo".to_vec();
    assert_eq!(
        reason(&decide(&changed, &gateway(), &lease(), Scope::Status)),
        "DigestMismatch"
    );
    // An attacker who also replaces the digest breaks the signature.
    changed
        .headers
        .insert(CONTENT_DIGEST, content_digest(b"hallo").parse().unwrap());
    assert_eq!(
        reason(&decide(&changed, &gateway(), &lease(), Scope::Status)),
        "BadRequestSignature"
    );
    changed.headers.remove(CONTENT_DIGEST);
    assert_eq!(
        reason(&decide(&changed, &gateway(), &lease(), Scope::Status)),
        "UnexpectedComponent"
    );
}

#[test]
fn a_signature_that_covers_less_or_more_is_refused() {
    let with = |from: &str, to: &str| {
        let mut sent = sent(session());
        let input = sent.headers["signature-input"]
            .to_str()
            .unwrap()
            .replace(from, to);
        sent.headers
            .insert("signature-input", HeaderValue::from_str(&input).unwrap());
        reason(&decide(&sent, &gateway(), &lease(), Scope::Status))
    };
    assert_eq!(with(" \"@authority\"", ""), "UncoveredComponent");
    assert_eq!(with(" \"leaseport-session\"", ""), "UncoveredComponent");
    assert_eq!(with(" \"content-digest\"", ""), "UncoveredComponent");
    assert_eq!(with(" \"@query\"", ""), "UncoveredComponent");
    assert_eq!(with("\"@path\"", "\"@path\" \"host\""), "UnexpectedComponent");
    assert_eq!(with("\"@path\"", "\"@path\" \"@path\""), "BadEncoding");
    assert_eq!(with("alg=\"ed25519\"", "alg=\"none\""), "BadEncoding");
}

#[test]
fn a_doubled_or_missing_header_is_refused() {
    let mut doubled = sent(session());
    let again = doubled.headers[SESSION_HEADER].clone();
    doubled.headers.append(SESSION_HEADER, again);
    assert_eq!(
        reason(&decide(&doubled, &gateway(), &lease(), Scope::Status)),
        "BadEncoding"
    );
    for name in [SESSION_HEADER, "signature", "signature-input"] {
        let mut missing = sent(session());
        missing.headers.remove(name);
        assert_eq!(
            decide(&missing, &gateway(), &lease(), Scope::Status),
            Err(Denial::MissingHeader {
                name: name.to_owned().leak()
            })
        );
    }
}

#[test]
fn no_wallet_signature_is_no_wallet() {
    for bytes in [vec![], vec![0; 65], vec![0xff; 65], vec![1; 64], vec![1; 1000]] {
        let signed = SignedSession {
            session: session(),
            signature: bytes.into(),
        };
        let sent = sent_with(&signed, NOW, "gpu.example.org");
        let got = reason(&decide(&sent, &gateway(), &lease(), Scope::Status));
        assert!(["BadWalletSignature", "WrongSigner"].contains(&got), "{got}");
    }
}

/// The digest is the contract's kind of EIP-712: computed here by hand from the encoding rules.
#[test]
fn the_wallet_signs_the_eip_712_hash_of_what_it_shows() {
    use alloy::{primitives::keccak256, sol_types::SolValue};
    let s = session();
    let type_hash =
        keccak256("Session(uint32 providerId,uint96 leaseId,string[] scopes,bytes32 key,uint40 notAfter)");
    let scopes = keccak256([keccak256("manifest").0, keccak256("status").0].concat());
    let lease = alloy::primitives::U256::from(s.lease_id.unwrap().to_u96());
    let body = keccak256(
        (
            type_hash,
            s.provider_id.0,
            lease,
            scopes,
            s.key,
            alloy::primitives::U256::from(s.not_after),
        )
            .abi_encode(),
    );
    let expected = keccak256(
        [
            &[0x19, 1][..],
            signing::domain(s.chain_id, s.lease_book).separator().as_slice(),
            body.as_slice(),
        ]
        .concat(),
    );
    assert_eq!(s.digest(), expected);
}

#[derive(Debug, Clone)]
enum Change {
    Method,
    Path(usize),
    Query(usize),
    DropQuery,
    Body(usize),
    Created(i64),
    SignatureByte(usize),
    Scope,
    Lease(u32),
    NotAfter(u64),
    Provider(u32),
    WalletSignature(usize, u8),
    Key(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Method),
        (0..PATH.len()).prop_map(Change::Path),
        (0..5usize).prop_map(Change::Query),
        Just(Change::DropQuery),
        (0..5usize).prop_map(Change::Body),
        prop_oneof![-5i64..0, 1i64..5].prop_map(Change::Created),
        (0..64usize).prop_map(Change::SignatureByte),
        Just(Change::Scope),
        any::<u32>().prop_map(Change::Lease),
        (1u64..1000).prop_map(Change::NotAfter),
        (8u32..).prop_map(Change::Provider),
        (0..65usize, 1u8..).prop_map(|(at, by)| Change::WalletSignature(at, by)),
        (0..32usize).prop_map(Change::Key),
    ]
}

fn bump(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
    String::from_utf8(bytes).unwrap()
}

fn reheader(sent: &mut Sent, change: impl FnOnce(&mut SignedSession)) {
    let mut signed = SignedSession::from_header(sent.headers[SESSION_HEADER].as_bytes()).unwrap();
    change(&mut signed);
    sent.headers
        .insert(SESSION_HEADER, signed.to_header().parse().unwrap());
}

proptest! {
    /// Whatever is changed after signing, on the way or by a thief of the session header, the request is denied.
    #[test]
    fn any_changed_field_is_denied(change in change()) {
        let mut sent = sent(session());
        match change.clone() {
            Change::Method => sent.method = "GET".into(),
            Change::Path(at) => sent.path = bump(PATH, at),
            Change::Query(at) => sent.query = Some(bump("dry=1", at)),
            Change::DropQuery => sent.query = None,
            Change::Body(at) => sent.body[at] ^= 1,
            Change::Created(by) => {
                let input = sent.headers["signature-input"].to_str().unwrap()
                    .replace(&format!("created={NOW}"), &format!("created={}", NOW + by));
                sent.headers.insert("signature-input", input.parse().unwrap());
            }
            Change::SignatureByte(at) => {
                use base64::{Engine, engine::general_purpose::STANDARD};
                let text = sent.headers["signature"].to_str().unwrap().to_owned();
                let coded = text.trim_start_matches("leaseport=:").trim_end_matches(':');
                let mut bytes = STANDARD.decode(coded).unwrap();
                bytes[at] ^= 1;
                let text = format!("leaseport=:{}:", STANDARD.encode(bytes));
                sent.headers.insert("signature", text.parse().unwrap());
            }
            Change::Scope => reheader(&mut sent, |s| s.session.scopes.push("close".into())),
            Change::Lease(lane) => reheader(&mut sent, |s| {
                s.session.lease_id = Some(format!("7-{lane}-2").parse().unwrap());
            }),
            Change::NotAfter(by) => reheader(&mut sent, |s| s.session.not_after += by),
            Change::Provider(id) => reheader(&mut sent, |s| s.session.provider_id = ProviderId(id)),
            Change::WalletSignature(at, by) => reheader(&mut sent, |s| {
                let mut bytes = s.signature.to_vec();
                bytes[at] ^= by;
                s.signature = bytes.into();
            }),
            Change::Key(at) => reheader(&mut sent, |s| s.session.key.0[at] ^= 1),
        }
        prop_assert!(decide(&sent, &gateway(), &lease(), Scope::Status).is_err(), "{:?} was allowed", change);
    }

    /// A key of one's own and a stolen session body do not help without the wallet.
    #[test]
    fn a_session_resigned_by_any_other_wallet_is_denied(seed in 1u8..255) {
        let thief = PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).unwrap();
        prop_assume!(thief.address() != wallet().address());
        let sent = sent_with(&signed_by(session(), &thief), NOW, "gpu.example.org");
        prop_assert_eq!(reason(&decide(&sent, &gateway(), &lease(), Scope::Status)), "WrongSigner");
    }

    #[test]
    fn no_session_header_makes_the_decision_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut sent = sent(session());
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            sent.headers.insert(SESSION_HEADER, value);
            prop_assert!(decide(&sent, &gateway(), &lease(), Scope::Status).is_err());
        }
        prop_assert!(SignedSession::from_header(&bytes).is_err());
    }

    #[test]
    fn no_moment_makes_the_decision_panic(now in any::<i64>(), not_after in any::<u64>()) {
        let sent = sent(Session { not_after, ..session() });
        let head = RequestHead { method: &sent.method, path: &sent.path, query: sent.query.as_deref(), headers: &sent.headers };
        let verdict = authorize(&head, &sent.body, &gateway(), &lease(), Scope::Status, UnixMillis(now));
        if verdict.is_ok() {
            prop_assert!((NOW - 10..=NOW + 30).contains(&now.div_euclid(1000)));
        }
    }
}
