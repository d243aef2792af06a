//! Answers of endpoints, as clients give them, through a mocked transport.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use alloy::{
    providers::ProviderBuilder,
    transports::mock::{Asserter, MockResponse},
};
use serde_json::value::RawValue;

const PATIENCE: Duration = Duration::from_secs(2);

fn mocked(asserter: &Asserter) -> DynProvider {
    ProviderBuilder::new()
        .disable_recommended_fillers()
        .connect_mocked_client(asserter.clone())
        .erased()
}

fn over(endpoints: &[(&str, &Asserter)]) -> Publisher {
    let mut all: Vec<_> = endpoints
        .iter()
        .map(|(name, asserter)| ((*name).to_owned(), mocked(asserter)))
        .collect();
    let first = all.remove(0);
    Publisher::fixed(first, all, |_| None, PATIENCE)
}

fn failure(code: i64, message: &str, data: Option<&str>) -> MockResponse {
    let payload = json!({ "code": code, "message": message, "data": data });
    MockResponse::Failure(serde_json::from_value(payload).unwrap())
}

fn receipt(block: u64, block_hash: B256) -> Value {
    json!({
        "transactionHash": B256::repeat_byte(1), "blockNumber": U64::from(block), "blockHash": block_hash, "gasUsed": "0x5208",
        "effectiveGasPrice": "0x7", "l1Fee": "0x9", "status": "0x1", "type": "0x7e", "aFieldOfTomorrow": [1],
    })
}

fn raw() -> Bytes {
    Bytes::from_static(&[2, 0xc0])
}

#[tokio::test]
async fn one_endpoint_that_takes_it_is_enough_and_each_is_told() {
    let (good, bad) = (Asserter::new(), Asserter::new());
    good.push_success(&B256::repeat_byte(1));
    bad.push(failure(-32000, "txpool is full", None));
    let published = over(&[("bad", &bad), ("good", &good)]).publish(&raw()).await;
    assert_eq!(published.result, Broadcast::Sent);
    assert_eq!(published.said.len(), 2);
    assert_eq!(published.said[1], ("good".to_owned(), Said::Taken));
}

#[tokio::test]
async fn what_the_endpoints_say_adds_up_to_the_safest_reading() {
    for (answers, result) in [
        (vec![(-32000, "already known")], Broadcast::Sent),
        (vec![(-32603, "internal error")], Broadcast::Sent),
        (
            vec![(-32000, "nonce too low"), (-32005, "rate limited")],
            Broadcast::NonceTooLow,
        ),
        (
            vec![
                (-32000, "replacement transaction underpriced"),
                (-32000, "nonce too low"),
            ],
            Broadcast::Underpriced,
        ),
        (
            vec![(-32000, "insufficient funds for gas * price + value")],
            Broadcast::InsufficientFunds,
        ),
        (
            vec![(-32000, "exceeds block gas limit")],
            Broadcast::Rejected("exceeds block gas limit (code -32000)".into()),
        ),
        (
            vec![(-32000, "exceeds block gas limit"), (-32000, "txpool is full")],
            Broadcast::Unreachable,
        ),
        (vec![(429, "slow down")], Broadcast::Unreachable),
    ] {
        let endpoints: Vec<_> = answers
            .iter()
            .map(|(code, message)| {
                let asserter = Asserter::new();
                asserter.push(failure(*code, message, None));
                asserter
            })
            .collect();
        let named: Vec<_> = endpoints.iter().map(|each| ("e", each)).collect();
        assert_eq!(over(&named).publish(&raw()).await.result, result, "{answers:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_took_nothing_and_its_url_stays_secret() {
    let url = "http://127.0.0.1:1/v2/secret-api-key".parse().unwrap();
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .connect_http(url)
        .erased();
    let publisher = Publisher::fixed(("a".to_owned(), provider), vec![], |_| None, PATIENCE);
    let published = publisher.publish(&raw()).await;
    assert_eq!(published.result, Broadcast::Unreachable);
    let asked = publisher.nonce(Address::ZERO, None).await.unwrap_err();
    for shown in [format!("{published:?}"), format!("{asked} {asked:?}")] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_may_have_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .connect_http(url)
        .erased();
    let publisher = Publisher::fixed(("a".to_owned(), provider), vec![], |_| None, PATIENCE);
    assert_eq!(publisher.publish(&raw()).await.result, Broadcast::Sent);
}

#[tokio::test]
async fn a_receipt_counts_only_in_the_chains_own_block() {
    let asserter = Asserter::new();
    let hash = B256::repeat_byte(1);
    let publisher = over(&[("a", &asserter)]);
    for (block, is_canonical) in [(B256::repeat_byte(5), true), (B256::repeat_byte(6), false)] {
        asserter.push_success(&receipt(12, B256::repeat_byte(5)));
        asserter.push_success(&json!({ "hash": block, "baseFeePerGas": "0x1" }));
        let Lookup::Found(found) = publisher.look_up(hash).await.unwrap() else {
            panic!("there is a receipt")
        };
        assert_eq!(found.is_canonical, is_canonical);
        assert_eq!(
            (
                found.mined.gas_used,
                found.mined.effective_gas_price,
                found.mined.data_fee
            ),
            (21_000, 7, 9)
        );
    }
}

#[tokio::test]
async fn a_receipt_is_absent_only_when_the_other_endpoints_have_none_either() {
    let (first, second) = (Asserter::new(), Asserter::new());
    let publisher = over(&[("a", &first), ("b", &second)]);
    // The list of all endpoints holds the first again.
    first.push_success(&Value::Null);
    first.push_success(&Value::Null);
    second.push_success(&receipt(12, B256::repeat_byte(5)));
    second.push_success(&json!({ "hash": B256::repeat_byte(5) }));
    assert!(matches!(
        publisher.look_up(B256::repeat_byte(1)).await,
        Ok(Lookup::Found(_))
    ));
    first.push_success(&Value::Null);
    first.push_success(&Value::Null);
    second.push(failure(-32000, "down for maintenance", None));
    assert_eq!(publisher.look_up(B256::repeat_byte(1)).await, Ok(Lookup::Absent));
    first.push(failure(-32000, "down for maintenance", None));
    assert!(
        publisher.look_up(B256::repeat_byte(1)).await.is_err(),
        "silence of the endpoint we read from is not absence"
    );
}

#[tokio::test]
async fn a_revert_is_told_in_the_contracts_words_wherever_the_client_puts_its_data() {
    let asserter = Asserter::new();
    let explain: ExplainRevert = |data| (data == [0xde, 0xad, 0xbe, 0xef]).then(|| "OrderClosed()".into());
    let publisher = Publisher::fixed(("a".to_owned(), mocked(&asserter)), vec![], explain, PATIENCE);
    let call = Call {
        to: Address::ZERO,
        data: Bytes::new(),
        value: U256::ZERO,
    };
    let nested: Box<RawValue> =
        serde_json::from_str(r#"{"message":"x","data":{"data":"0xdeadbeef"}}"#).unwrap();
    let nested = json!({ "code": -32015, "message": "VM execution error", "data": nested });
    let nested = MockResponse::Failure(serde_json::from_value(nested).unwrap());
    for answer in [
        failure(3, "execution reverted", Some("0xdeadbeef")),
        failure(-32015, "VM execution error.", Some("Reverted 0xdeadbeef")),
        nested,
    ] {
        asserter.push(answer);
        let error = publisher.simulate(Address::ZERO, &call).await.unwrap_err();
        assert_eq!(error.to_string(), "the call would revert: OrderClosed()");
    }
    asserter.push(failure(-32000, "execution reverted", None));
    assert!(matches!(
        publisher.simulate(Address::ZERO, &call).await,
        Err(SimulateError::Reverted { .. })
    ));
    asserter.push(failure(-32000, "header not found", None));
    assert!(matches!(
        publisher.simulate(Address::ZERO, &call).await,
        Err(SimulateError::Ask(_))
    ));
}
