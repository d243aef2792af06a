//! Which endpoint is asked, when, and what its failures say.

#![allow(clippy::unwrap_used)]
use alloy::{primitives::U64, providers::mock::Asserter};

use super::*;

const CHAIN: ChainId = ChainId(31_337);

fn mocked(names: &[&'static str]) -> (Arc<Endpoints>, Vec<Asserter>) {
    let asserters: Vec<Asserter> = names.iter().map(|_| Asserter::new()).collect();
    let clients = names
        .iter()
        .zip(&asserters)
        .map(|(name, asserter)| (*name, RpcClient::mocked(asserter.clone())))
        .collect();
    (
        Endpoints::over(CHAIN, clients, Duration::from_millis(200)),
        asserters,
    )
}

async fn block_number(endpoints: &Endpoints) -> Result<u64, RpcFailure> {
    endpoints
        .ask("eth_blockNumber", |provider| async move {
            provider.get_block_number().await
        })
        .await
}

#[tokio::test]
async fn an_endpoint_is_asked_for_its_chain_before_anything_else() {
    let (endpoints, asserters) = mocked(&["a"]);
    asserters[0].push_success(&U64::from(31_337));
    asserters[0].push_success(&U64::from(7));
    asserters[0].push_success(&U64::from(8));
    assert_eq!(block_number(&endpoints).await, Ok(7));
    assert_eq!(block_number(&endpoints).await, Ok(8));
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_not_used_and_says_what_to_correct() {
    let (endpoints, asserters) = mocked(&["a"]);
    asserters[0].push_success(&U64::from(1));
    let failure = block_number(&endpoints).await.unwrap_err();
    assert_eq!(failure.class, RpcErrorClass::WrongChain);
    assert_eq!(
        failure.to_string(),
        "endpoint a: eth_chainId: serves chain 1, this market is on chain 31337: correct the endpoint's url or the market's chainId"
    );
}

#[tokio::test]
async fn the_next_endpoint_answers_when_the_first_fails_and_is_preferred_while_that_rests() {
    let (endpoints, asserters) = mocked(&["a", "b"]);
    asserters[0].push_success(&U64::from(31_337));
    asserters[0].push_failure_msg("header not found");
    asserters[1].push_success(&U64::from(31_337));
    asserters[1].push_success(&U64::from(9));
    asserters[1].push_success(&U64::from(10));
    assert_eq!(block_number(&endpoints).await, Ok(9));
    assert_eq!(endpoints.ranked()[0].name(), "b");
    assert_eq!(block_number(&endpoints).await, Ok(10));
    assert_eq!(endpoints.health()[0].failures, 1);
}

#[tokio::test]
async fn a_revert_is_the_questions_fault_and_not_the_endpoints() {
    let (endpoints, asserters) = mocked(&["a", "b"]);
    asserters[0].push_success(&U64::from(31_337));
    asserters[0].push_failure_msg("execution reverted");
    let failure = block_number(&endpoints).await.unwrap_err();
    assert_eq!(failure.class, RpcErrorClass::Execution);
    assert_eq!(endpoints.ranked()[0].name(), "a");
}

#[tokio::test]
async fn an_endpoint_that_is_behind_is_asked_last() {
    let (endpoints, _asserters) = mocked(&["a", "b"]);
    endpoints.all()[0].saw_head(10);
    endpoints.all()[1].saw_head(11);
    assert_eq!(endpoints.ranked()[0].name(), "a");
    endpoints.all()[1].saw_head(12);
    assert_eq!(endpoints.ranked()[0].name(), "b");
}

#[tokio::test]
async fn a_dead_endpoint_is_an_error_that_names_the_endpoint_and_not_its_url() {
    let config = EndpointConfig::parse("main", "http://127.0.0.1:9/secret-key-123456").unwrap();
    assert!(!format!("{config:?}").contains("secret-key"));
    let endpoints = Endpoints::new(CHAIN, vec![config]).unwrap();
    let failure = endpoints.assert_chain().await.unwrap_err().to_string();
    assert!(
        failure.contains("endpoint main: eth_chainId: cannot connect"),
        "{failure}"
    );
    assert!(
        !failure.contains("secret-key") && !failure.contains("127.0.0.1"),
        "{failure}"
    );
}

#[test]
fn an_endpoint_needs_a_scheme_that_is_spoken_and_one_must_be_readable() {
    assert!(matches!(
        EndpointConfig::parse("a", "ftp://host/key"),
        Err(EndpointError::Scheme { .. })
    ));
    let refused = EndpointConfig::parse("a", "not a url with key 12345")
        .unwrap_err()
        .to_string();
    assert!(!refused.contains("12345"), "{refused}");
    let hint = EndpointConfig::parse("ws", "ws://host:1").unwrap();
    assert_eq!(
        Endpoints::new(CHAIN, vec![hint]).unwrap_err(),
        EndpointError::NothingToRead
    );
}
