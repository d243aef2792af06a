//! What operator, contracts and any third party sign and hash must be the same bytes: the vectors of contracts/test/vectors, which were computed
//! by neither (contracts/tools), hold for the Rust types. The contracts' own tests hold them for Solidity.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fmt::Debug, path::Path, str::FromStr};

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    sol_types::SolStruct,
};
use leaseport::core::{
    documents::{
        acts::{Accept, Amend, Close, Fund, Receipt, Stop, Voucher},
        bid::{Bid, LaneUse, SignedBid, lanes_hash},
        offer::Offer,
        order::Order,
        signing,
        terms::Terms,
    },
    ids::{ChainId, Generation, Lane},
};
use serde_json::Value;

fn vector(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contracts/test/vectors")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn field<T: FromStr<Err: Debug>>(object: &Value, name: &str) -> T {
    let text = object[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is no string in {object}"));
    text.parse()
        .unwrap_or_else(|error| panic!("{name} = {text}: {error:?}"))
}

macro_rules! message {
    ($kind:ident, $($name:ident),+) => {
        |message: &Value| {
            assert_eq!(message.as_object().unwrap().len(), [$(stringify!($name)),+].len(), "fields of {}", stringify!($kind));
            $kind { $($name: field(message, stringify!($name))),+ }
        }
    };
}

fn holds<S: SolStruct>(file: &str, read: impl Fn(&Value) -> S) {
    let vector = vector(file);
    let domain = signing::domain(
        ChainId(field(&vector["domain"], "chainId")),
        field(&vector["domain"], "verifyingContract"),
    );
    assert_eq!(
        S::eip712_encode_type(),
        vector["type"].as_str().unwrap(),
        "{file}: type"
    );
    assert_eq!(
        domain.separator(),
        field::<B256>(&vector, "domainSeparator"),
        "{file}: domain"
    );
    let cases = vector["cases"].as_object().unwrap();
    assert!(
        cases.len() >= 3,
        "{file}: ordinary, largest and smallest are expected"
    );
    for (name, case) in cases {
        let act = read(&case["message"]);
        assert_eq!(
            act.eip712_type_hash(),
            field::<B256>(&vector, "typeHash"),
            "{file}: type hash"
        );
        assert_eq!(
            act.eip712_hash_struct(),
            field::<B256>(case, "structHash"),
            "{file} {name}: struct hash"
        );
        let digest = signing::digest(&act, &domain);
        assert_eq!(digest, field::<B256>(case, "digest"), "{file} {name}: digest");
        if case.get("signature").is_some() {
            let signature: Bytes = field(case, "signature");
            let signer: Address = field(&vector, "signer");
            assert_eq!(
                signing::recover(digest, &signature),
                Ok(signer),
                "{file} {name}: signer"
            );
        }
    }
}

const ORDER: fn(&Value) -> Order = message!(
    Order,
    tenant,
    agent,
    refundTo,
    form,
    token,
    flags,
    lots,
    startRate,
    maxRate,
    climb,
    deposit,
    minDuration,
    maxDuration,
    minCommit,
    earlyFeeBps,
    notice,
    grace,
    startWindow,
    minBond,
    minSignedPaid,
    expiry,
    slaPolicy,
    needsHash,
    manifestHash,
    eligible,
    endpointHash,
    salt
);
const BID: fn(&Value) -> Bid = message!(
    Bid,
    orderHash,
    providerId,
    bidEpoch,
    lanesHash,
    ratePerHour,
    bond,
    liability,
    deadline
);
const OFFER: fn(&Value) -> Offer = message!(
    Offer,
    classHash,
    providerId,
    bidEpoch,
    firstLane,
    count,
    token,
    ratePerHour,
    bond,
    liability,
    minDuration,
    maxDuration,
    notice,
    tenants,
    deadline,
    salt
);
const TERMS: fn(&Value) -> Terms = message!(
    Terms,
    id,
    orderHash,
    tenant,
    agent,
    refundTo,
    token,
    flags,
    feeSteps,
    ratePerHour,
    bond,
    liability,
    maxDuration,
    minCommit,
    earlyFeeBps,
    notice,
    grace,
    slaPolicy,
    needsHash,
    manifestHash
);

#[test]
fn everything_that_is_signed_hashes_and_recovers_as_the_vectors_say() {
    holds("order.json", ORDER);
    holds("bid.json", BID);
    holds("accept.json", message!(Accept, orderHash, bidHash, deadline));
    holds("fund.json", message!(Fund, orderHash, funder, amount, deadline));
    holds("stop.json", message!(Stop, id, termsHash, reason, deadline));
    holds("voucher.json", message!(Voucher, id, termsHash, cum));
    holds("close.json", message!(Close, id, termsHash, cum, deadline));
    holds(
        "amend.json",
        message!(Amend, id, oldTerms, newTerms, cumAt, deadline),
    );
    holds("offer.json", OFFER);
    holds("receipt.json", message!(Receipt, id, termsHash, cum, asOf, root));
}

#[test]
fn an_orders_id_is_its_struct_hash_and_a_bids_too() {
    let (orders, bids) = (vector("order.json"), vector("bid.json"));
    for case in orders["cases"].as_object().unwrap().values() {
        assert_eq!(ORDER(&case["message"]).id().0, field::<B256>(case, "structHash"));
    }
    for case in bids["cases"].as_object().unwrap().values() {
        assert_eq!(BID(&case["message"]).id(), field::<B256>(case, "structHash"));
    }
}

#[test]
fn terms_hash_as_the_book_hashes_and_stores_them() {
    let vector = vector("terms.json");
    let cases = vector["cases"].as_object().unwrap();
    assert!(!cases.is_empty());
    for (name, case) in cases {
        let terms = TERMS(&case["message"]);
        assert_eq!(terms.hash().0, field::<B256>(case, "termsHash"), "{name}");
        assert_eq!(terms.stored_hash(), field::<B256>(case, "stored"), "{name}");
    }
}

#[test]
fn a_packed_bid_is_the_bytes_the_bulletin_carries() {
    let vector = vector("packed_bid.json");
    let packed: Bytes = field(&vector, "packed");
    let signed = SignedBid::unpack(&packed).unwrap();
    let lanes: Vec<LaneUse> = vector["lanes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lane| LaneUse {
            lane: Lane(field(lane, "lane")),
            generation: Generation::new(field(lane, "gen")).unwrap(),
        })
        .collect();
    assert_eq!(signed.lanes, lanes);
    assert_eq!(lanes_hash(&lanes), field::<B256>(&vector, "lanesHash"));
    assert_eq!(signed.bid, BID(&vector["message"]));
    assert_eq!(signed.bid.id(), field::<B256>(&vector, "structHash"));
    assert_eq!(signed.pack(), packed);
    let digest: B256 = field(&vector, "digest");
    assert_eq!(
        signing::recover(digest, &signed.signature),
        Ok(field::<Address>(&vector, "signer"))
    );
}

#[test]
fn a_type_hash_is_that_of_its_text() {
    for file in ["order.json", "bid.json", "close.json", "receipt.json"] {
        let vector = vector(file);
        assert_eq!(
            keccak256(vector["type"].as_str().unwrap()),
            field::<B256>(&vector, "typeHash"),
            "{file}"
        );
    }
}
