//! What a needs file becomes, and how each bad field is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use alloy::primitives::aliases::U48;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::core::documents::manifest::{Form, Protocol};

const FILE: &str = "
needs:
  gpu: {models: [NVIDIA-H100-80GB-HBM3], count: 2, memory: 80Gi}
  cpu: 16
  memory: 128Gi
  storage: 100Gi
workload:
  containers:
  - image: ghcr.io/acme/train:1
    args: [--steps, '10']
    env: [{name: TOKEN, secret: token}]
    ports: [{name: http, port: 8000}]
    readiness: {http: {path: /, port: 8000}}
secrets:
  token: {file: ./token}
price: {currency: tUSD, maxPerHour: 2.5}
duration: {min: 1m, max: 1h}
grace: 30s
";

fn wish(text: &str) -> Result<Wish, NeedsFileError> {
    read(text)?.wish(B256::repeat_byte(7))
}

fn listed() -> Vec<ListedToken> {
    let token = |index: u8, symbol: &str| ListedToken {
        index,
        asset: Address::repeat_byte(index + 1),
        symbol: symbol.into(),
        scale: 1,
        dollar: true,
    };
    vec![token(0, "tUSD"), token(1, "USDC"), token(2, "USDC")]
}

#[test]
fn quantities_become_the_documents_whole_numbers_and_the_single_container_takes_the_needs() {
    let wish = wish(FILE).unwrap();
    assert_eq!(
        (
            wish.needs.cpu_milli,
            wish.needs.memory_mib,
            wish.needs.storage_mib,
            wish.needs.gpu.memory_mib
        ),
        (16_000, 131_072, 102_400, 81_920)
    );
    let container = &wish.manifest.containers[0];
    assert_eq!(
        (container.name.as_str(), container.gpus, container.cpu_milli),
        ("main", 2, 16_000)
    );
    assert_eq!(container.ports[0].protocol, Protocol::Tcp);
    assert_eq!(wish.manifest.salt, format!("0x{}", "07".repeat(32)));
    assert_eq!(Needs::decode(&wish.needs_bytes).unwrap(), wish.needs);
    assert_eq!(Manifest::decode(&wish.manifest_bytes).unwrap(), wish.manifest);
}

#[test]
fn the_order_names_both_hashes_and_escrows_the_longest_run_and_the_grace_unless_told_otherwise() {
    let wish = wish(FILE).unwrap();
    let listed = listed();
    let token = wish.token(&listed).unwrap();
    let order = wish.order(Address::repeat_byte(9), token, 1_000, B256::repeat_byte(1));
    assert_eq!(order.needsHash, keccak256(&wish.needs_bytes));
    assert_eq!(order.manifestHash, keccak256(&wish.manifest_bytes));
    assert_eq!(
        (order.tenant, order.refundTo),
        (Address::repeat_byte(9), Address::repeat_byte(9))
    );
    // 2.5 an hour: an hour, and 30 s of grace rounded up.
    assert_eq!(order.deposit, 2_500_000 + 20_834);
    assert_eq!(
        (order.minDuration, order.maxDuration, order.grace),
        (60, 3600, 30)
    );
    assert_eq!((order.startWindow, order.expiry, order.lots), (600, 1_600, 1));
}

#[test]
fn needs_left_out_are_what_the_containers_ask_together() {
    let wish = wish(
        "
workload:
  form: Job
  containers:
  - {name: a, image: x/a, cpu: 500m, memory: 1Gi, storage: 1Gi, gpus: 1}
  - {name: b, image: x/b, cpu: '1', memory: 512Mi, storage: 1Gi}
price: {maxPerHour: 1}
duration: {max: 10m}
",
    )
    .unwrap();
    assert_eq!(
        (wish.needs.gpu.count, wish.needs.cpu_milli, wish.needs.memory_mib),
        (1, 1_500, 1_536)
    );
    assert_eq!(wish.manifest.form, Form::Job);
}

#[rstest]
#[case::unknown("cpu: 16", "cpus: 16", "needs.cpus: unknown field `cpus`")]
#[case::quantity(
    "memory: 128Gi",
    "memory: lots",
    "needs.memory is \"lots\": write a Kubernetes quantity"
)]
#[case::type_("count: 2", "count: two", "needs.gpu.count: invalid type")]
#[case::duration("max: 1h", "max: 1d", "duration.max: duration \"1d\"")]
#[case::order(
    "min: 1m",
    "min: 2h",
    "duration.min is \"2h\": write at most duration.max, 1h"
)]
#[case::money("maxPerHour: 2.5", "maxPerHour: cheap", "price.maxPerHour: amount \"cheap\"")]
#[case::free("maxPerHour: 2.5", "maxPerHour: 0", "price.maxPerHour is \"0\"")]
#[case::image("ghcr.io/acme/train:1", "A B", "workload: manifest.containers[0].image")]
#[case::env("name: TOKEN,", "name: NVIDIA_VISIBLE_DEVICES,", "NVIDIA_*")]
#[case::secret("token: {file: ./token}", "other: {file: ./token}", "secrets.token")]
#[case::port(
    "port: 8000}]",
    "port: 80000}]",
    "workload.containers[0].ports[0].port: invalid value"
)]
#[case::deposit(
    "grace: 30s",
    "grace: 30s\ndeposit: 0.01",
    "deposit is \"0.01\": write at least"
)]
#[case::missing("duration: {min: 1m, max: 1h}", "", "missing field `duration`")]
fn a_bad_field_is_named_by_its_path(#[case] from: &str, #[case] to: &str, #[case] told: &str) {
    let text = FILE.replacen(from, to, 1);
    let error = wish(&text).unwrap_err().to_string();
    assert!(error.contains(told), "{error}");
}

#[test]
fn a_token_is_named_by_symbol_or_address_and_never_guessed_between_two() {
    let listed = listed();
    let with =
        |currency: &str| wish(&FILE.replace("currency: tUSD", &format!("currency: {currency}"))).unwrap();
    assert_eq!(with("TUSD").token(&listed).unwrap().index, 0);
    let error = with("USDC").token(&listed).unwrap_err().to_string();
    assert!(
        error.starts_with("price.currency is \"USDC\": the market lists tUSD ("),
        "{error}"
    );
    let address = format!("'{}'", Address::repeat_byte(3));
    assert_eq!(with(&address).token(&listed).unwrap().index, 2);
    let unnamed = wish(&FILE.replace("currency: tUSD, ", "")).unwrap();
    assert!(unnamed.token(&listed).is_err());
    assert_eq!(unnamed.token(&listed[..1]).unwrap().index, 0);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}", value in "[ -~]{0,12}") {
        let _ = wish(&text);
        let result = wish(&FILE.replace("128Gi", &value));
        prop_assert!(result.is_ok() || result.is_err());
    }
}

#[test]
fn a_price_that_starts_somewhere_makes_a_dutch_order_that_climbs_to_the_highest() {
    let order = |price: &str| {
        let text = FILE.replace("{currency: tUSD, maxPerHour: 2.5}", price);
        wish(&text).map(|wish| wish.order(Address::repeat_byte(9), &listed()[0], 1_000, B256::ZERO))
    };
    let auction = order("{currency: tUSD, maxPerHour: 2.5}").unwrap();
    assert_eq!(
        (auction.form, auction.startRate, auction.climb),
        (0, U48::ZERO, 0)
    );
    let dutch = order("{currency: tUSD, maxPerHour: 2.5, startPerHour: 1, climb: 90s}").unwrap();
    assert_eq!(
        (dutch.form, dutch.startRate, dutch.maxRate, dutch.climb),
        (1, U48::from(1_000_000), U48::from(2_500_000), 90)
    );
    let default = order("{currency: tUSD, maxPerHour: 2.5, startPerHour: 0}").unwrap();
    assert_eq!((default.form, default.climb), (1, 300));
}

#[rstest]
#[case("{maxPerHour: 2.5, startPerHour: 2.6}", "price.startPerHour")]
#[case("{maxPerHour: 2.5, climb: 1m}", "price.climb")]
#[case("{maxPerHour: 2.5, startPerHour: 1, climb: 25h}", "price.climb")]
#[case("{maxPerHour: 2.5, startPerHour: 1, climb: soon}", "price.climb")]
fn a_climb_that_cannot_be_is_refused_by_its_field(#[case] price: &str, #[case] field: &str) {
    let text = FILE.replace("{currency: tUSD, maxPerHour: 2.5}", price);
    let error = wish(&text).unwrap_err().to_string();
    assert!(error.contains(field), "{error}");
}
