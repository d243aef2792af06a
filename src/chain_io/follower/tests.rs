//! The follower against a chain in memory that forks, lags and lies, and its loop against a scripted endpoint.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;

use alloy::{
    primitives::{Address, B256, Bloom, BloomInput, Log as RawLog, LogData, U256, keccak256},
    rpc::types::Log,
    sol_types::SolEvent,
};
use proptest::prelude::*;

use super::{
    backfill::backfill,
    source::{ChainSource, Header, Which},
    step::{settle, towards},
    *,
};
use crate::{
    chain_io::{
        bindings::LeaseBook,
        errors::{RpcErrorClass, RpcFailure},
    },
    core::{
        book::{Book, BookEvent, Moment},
        canon::{BlockRef, Canon},
        ids::{Lane, ProviderId},
        time::ChainSeconds,
    },
};

const BOOK: Address = Address::repeat_byte(0xb0);
const VAULT: Address = Address::repeat_byte(0x5a);
const PROVIDER: ProviderId = ProviderId(1);

fn follows() -> FollowerConfig {
    FollowerConfig {
        emitters: Emitters {
            lease_book: BOOK,
            stake_vault: VAULT,
            court: None,
        },
        windows: Windows::default(),
        from_block: 0,
        start_depth: 2,
        settle: Settle::Finalized,
        bloom: HeaderBloom::Trusted,
        poll_interval: None,
        stale_after: Duration::from_secs(60),
        settle_interval: Duration::ZERO,
        settle_blocks: 1,
        checkpoint: None,
    }
}

#[derive(Debug, Clone)]
struct MemoryBlock {
    at: BlockRef,
    logs: Vec<RawLog>,
}

/// A chain in memory that answers as an endpoint does, and counts what it is asked.
#[derive(Debug, Default)]
struct Memory {
    /// Every block ever, also of forks.
    known: Vec<MemoryBlock>,
    /// Hashes of the chain, oldest first; height is the index.
    chain: Vec<B256>,
    finalized: usize,
    /// Ranges above this are refused.
    range_limit: u64,
    asked_headers: Mutex<u64>,
    asked_logs: Mutex<u64>,
    salt: u64,
}

fn seconds_of(lane: u32, seconds: u32) -> RawLog {
    let event = LeaseBook::Usage {
        providerId: PROVIDER.0,
        firstWord: lane / 8,
        asOf: Default::default(),
        root: B256::ZERO,
        words: vec![U256::from(seconds) << (32 * (lane % 8))],
    };
    RawLog {
        address: BOOK,
        data: event.encode_log_data(),
    }
}

fn registration() -> RawLog {
    let event = LeaseBook::ProviderRegistered {
        providerId: PROVIDER.0,
        owner: Address::ZERO,
        payout: Address::ZERO,
    };
    RawLog {
        address: BOOK,
        data: event.encode_log_data(),
    }
}

fn noise() -> RawLog {
    RawLog {
        address: Address::repeat_byte(0x99),
        data: LogData::new_unchecked(vec![B256::repeat_byte(1)], Default::default()),
    }
}

impl Memory {
    fn new() -> Self {
        let mut memory = Self {
            range_limit: u64::MAX,
            ..Self::default()
        };
        memory.mine(vec![registration()]);
        memory
    }

    fn mine(&mut self, logs: Vec<RawLog>) {
        self.salt += 1;
        let number = self.chain.len() as u64;
        let parent = self.chain.last().copied().unwrap_or_default();
        let hash = keccak256([number.to_be_bytes(), self.salt.to_be_bytes()].concat());
        let at = BlockRef {
            number,
            hash,
            parent,
            time: ChainSeconds(1_000 + 2 * number),
        };
        self.known.push(MemoryBlock { at, logs });
        self.chain.push(hash);
    }

    fn reorg(&mut self, depth: usize, logs: Vec<Vec<RawLog>>) {
        let keep = self.chain.len().saturating_sub(depth).max(1);
        self.chain.truncate(keep);
        for logs in logs {
            self.mine(logs);
        }
    }

    fn block(&self, hash: B256) -> Option<&MemoryBlock> {
        self.known.iter().find(|block| block.at.hash == hash)
    }

    fn logs(&self, block: &MemoryBlock, addresses: &[Address]) -> Vec<Log> {
        block
            .logs
            .iter()
            .enumerate()
            .filter(|(_, log)| addresses.contains(&log.address))
            .map(|(index, log)| Log {
                inner: log.clone(),
                block_hash: Some(block.at.hash),
                block_number: Some(block.at.number),
                log_index: Some(index as u64),
                ..Log::default()
            })
            // As a server may: not in order.
            .rev()
            .collect()
    }

    /// The book a naive replay of the first `count` blocks gives.
    fn replay(&self, count: usize) -> Book {
        let mut book = Book::default();
        for hash in &self.chain[..count] {
            let block = self.block(*hash).unwrap();
            for log in &block.logs {
                if let Some(event) = crate::chain_io::decode::decode(&follows().emitters, log) {
                    let at = Moment {
                        block: block.at.number,
                        time: block.at.time,
                    };
                    book.apply(at, &event);
                }
            }
        }
        book
    }

    async fn latest(&self) -> Header {
        self.header(Which::Latest).await.unwrap().unwrap()
    }
}

fn failure(class: RpcErrorClass) -> RpcFailure {
    RpcFailure {
        endpoint: "memory".into(),
        what: "eth_getLogs",
        class,
        code: None,
        detail: "refused".into(),
        revert: None,
    }
}

impl ChainSource for Memory {
    async fn header(&self, which: Which) -> Result<Option<Header>, RpcFailure> {
        *self.asked_headers.lock().unwrap() += 1;
        let hash = match which {
            Which::Latest => self.chain.last().copied(),
            Which::Safe | Which::Finalized => self.chain.get(self.finalized).copied(),
            Which::Number(number) => self.chain.get(usize::try_from(number).unwrap()).copied(),
            Which::Hash(hash) => Some(hash),
        };
        Ok(hash.and_then(|hash| self.block(hash)).map(|block| {
            let mut bloom = Bloom::default();
            for log in &block.logs {
                bloom.accrue(BloomInput::Raw(log.address.as_slice()));
            }
            Header { at: block.at, bloom }
        }))
    }

    async fn logs_of(&self, hash: B256, addresses: &[Address]) -> Result<Vec<Log>, RpcFailure> {
        *self.asked_logs.lock().unwrap() += 1;
        let block = self
            .block(hash)
            .ok_or_else(|| failure(RpcErrorClass::Transient))?;
        Ok(self.logs(block, addresses))
    }

    async fn logs_between(&self, from: u64, to: u64, addresses: &[Address]) -> Result<Vec<Log>, RpcFailure> {
        *self.asked_logs.lock().unwrap() += 1;
        if to - from >= self.range_limit {
            return Err(failure(RpcErrorClass::RangeTooLarge));
        }
        Ok(self
            .chain
            .iter()
            .filter_map(|hash| self.block(*hash))
            .filter(|block| (from..=to).contains(&block.at.number))
            .flat_map(|block| self.logs(block, addresses))
            .collect())
    }

    fn malformed(&self, _: &'static str, _: &str) -> RpcFailure {
        failure(RpcErrorClass::Malformed)
    }

    fn missing(&self, _: &'static str, _: &str) -> RpcFailure {
        failure(RpcErrorClass::Transient)
    }
}

async fn catch_up(memory: &Memory, canon: &mut Canon) {
    while towards(memory, &follows(), canon, memory.latest().await)
        .await
        .unwrap()
        .left
        > 0
    {}
}

#[tokio::test]
async fn the_past_is_read_in_ranges_that_are_halved_until_they_are_accepted() {
    let mut memory = Memory::new();
    for block in 1..=300 {
        memory.mine(if block % 7 == 0 {
            vec![noise(), seconds_of(0, block)]
        } else {
            vec![]
        });
    }
    memory.finalized = 280;
    memory.range_limit = 40;
    let canon = backfill(&memory, &follows()).await.unwrap();
    assert_eq!(canon.finalized().block.number, 280);
    assert_eq!(*canon.finalized().book, memory.replay(281));
    assert_eq!(canon.finalized().book.lane_seconds(PROVIDER, Lane(0)), 280);
}

#[tokio::test]
async fn a_checkpoint_of_another_chain_stops_following_before_it_begins() {
    let mut memory = Memory::new();
    memory.mine(vec![]);
    let mut config = follows();
    config.checkpoint = Some(Checkpoint {
        number: 1,
        hash: B256::repeat_byte(1),
    });
    let error = backfill(&memory, &config).await.unwrap_err();
    assert_eq!(error.label(), "OtherChain");
}

#[tokio::test]
async fn a_quiet_block_costs_one_header_and_no_logs() {
    let mut memory = Memory::new();
    let mut canon = backfill(&memory, &follows()).await.unwrap();
    let (headers, logs) = (
        *memory.asked_headers.lock().unwrap(),
        *memory.asked_logs.lock().unwrap(),
    );
    for _ in 0..10 {
        memory.mine(vec![noise()]);
        let latest = memory.latest().await;
        towards(&memory, &follows(), &mut canon, latest).await.unwrap();
        settle(&memory, &follows(), &mut canon).await.unwrap();
    }
    assert_eq!(*memory.asked_headers.lock().unwrap() - headers, 20);
    assert_eq!(*memory.asked_logs.lock().unwrap() - logs, 0);
    memory.mine(vec![seconds_of(1, 5)]);
    catch_up(&memory, &mut canon).await;
    assert_eq!(*memory.asked_logs.lock().unwrap() - logs, 1);
    assert_eq!(canon.head().book.lane_seconds(PROVIDER, Lane(1)), 5);
}

#[tokio::test]
async fn after_an_outage_blocks_come_in_stretches_and_none_is_skipped() {
    let mut memory = Memory::new();
    let mut canon = backfill(&memory, &follows()).await.unwrap();
    for block in 1..=600 {
        memory.mine(vec![seconds_of(0, block)]);
    }
    let moved = towards(&memory, &follows(), &mut canon, memory.latest().await)
        .await
        .unwrap();
    assert_eq!((moved.added, moved.left), (256, 344));
    catch_up(&memory, &mut canon).await;
    assert_eq!(*canon.head().book, memory.replay(601));
}

#[tokio::test]
async fn a_source_that_lags_changes_nothing() {
    let mut memory = Memory::new();
    for _ in 0..5 {
        memory.mine(vec![]);
    }
    let mut canon = backfill(&memory, &follows()).await.unwrap();
    catch_up(&memory, &mut canon).await;
    let behind = memory.header(Which::Number(3)).await.unwrap().unwrap();
    let moved = towards(&memory, &follows(), &mut canon, behind).await.unwrap();
    assert_eq!(moved.added, 0);
    assert_eq!(canon.head().block.number, 5);
}

#[tokio::test]
async fn a_chain_changed_below_its_final_block_is_refused_and_the_old_view_stays() {
    let mut memory = Memory::new();
    for block in 1..=6 {
        memory.mine(vec![seconds_of(0, block)]);
    }
    memory.finalized = 4;
    let mut canon = backfill(&memory, &follows()).await.unwrap();
    catch_up(&memory, &mut canon).await;
    memory.reorg(4, vec![vec![]; 8]);
    let error = towards(&memory, &follows(), &mut canon, memory.latest().await)
        .await
        .unwrap_err();
    assert_eq!(error.label(), "DeeperThanFinal");
    assert_eq!(canon.head().book.lane_seconds(PROVIDER, Lane(0)), 6);
}

#[tokio::test]
async fn logs_of_another_block_than_asked_for_are_refused() {
    struct Liar(Memory);
    impl ChainSource for Liar {
        async fn header(&self, which: Which) -> Result<Option<Header>, RpcFailure> {
            self.0.header(which).await
        }
        async fn logs_of(&self, _: B256, addresses: &[Address]) -> Result<Vec<Log>, RpcFailure> {
            self.0.logs_of(self.0.chain[0], addresses).await
        }
        async fn logs_between(
            &self,
            from: u64,
            to: u64,
            addresses: &[Address],
        ) -> Result<Vec<Log>, RpcFailure> {
            self.0.logs_between(from, to, addresses).await
        }
        fn malformed(&self, what: &'static str, detail: &str) -> RpcFailure {
            self.0.malformed(what, detail)
        }
        fn missing(&self, what: &'static str, detail: &str) -> RpcFailure {
            self.0.missing(what, detail)
        }
    }
    let mut liar = Liar(Memory::new());
    let mut canon = backfill(&liar, &follows()).await.unwrap();
    liar.0.mine(vec![seconds_of(0, 5)]);
    let latest = liar.0.latest().await;
    let error = towards(&liar, &follows(), &mut canon, latest).await.unwrap_err();
    assert_eq!(error.label(), "Malformed");
    assert_eq!(canon.head().block.number, 0);
}

#[derive(Debug, Clone)]
enum Happens {
    Mined(Vec<(u32, u32)>),
    Reorg(usize, Vec<Vec<(u32, u32)>>),
    Finalized(usize),
    Looked,
}

fn any_usage() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((0..12_u32, 1..1_000_u32), 0..3)
}

fn any_happening() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => any_usage().prop_map(Happens::Mined),
        2 => (1..6_usize, prop::collection::vec(any_usage(), 1..8)).prop_map(|(depth, blocks)| Happens::Reorg(depth, blocks)),
        2 => (0..4_usize).prop_map(Happens::Finalized),
        4 => Just(Happens::Looked),
    ]
}

fn logs(usage: &[(u32, u32)]) -> Vec<RawLog> {
    let mut logs: Vec<RawLog> = usage
        .iter()
        .map(|(lane, seconds)| seconds_of(*lane, *seconds))
        .collect();
    logs.push(noise());
    logs
}

proptest! {
    #[test]
    fn whatever_the_chain_does_between_looks_each_look_ends_at_a_naive_replay_of_it(happenings in prop::collection::vec(any_happening(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut memory = Memory::new();
            let mut canon = backfill(&memory, &follows()).await.unwrap();
            for happens in happenings.iter().chain([&Happens::Looked]) {
                match happens {
                    Happens::Mined(usage) => memory.mine(logs(usage)),
                    Happens::Reorg(depth, blocks) => {
                        let depth = (*depth).min(memory.chain.len() - 1 - memory.finalized);
                        memory.reorg(depth, blocks.iter().map(|usage| logs(usage)).collect());
                    }
                    Happens::Finalized(above) => memory.finalized = (memory.finalized + above).min(memory.chain.len() - 1),
                    Happens::Looked => {
                        catch_up(&memory, &mut canon).await;
                        settle(&memory, &follows(), &mut canon).await.unwrap();
                        assert_eq!(canon.head().block.hash, memory.latest().await.at.hash);
                        assert_eq!(*canon.head().book, memory.replay(memory.chain.len()));
                        assert_eq!(*canon.finalized().book, memory.replay(memory.finalized + 1));
                        let start = usize::try_from(canon.start().block.number).unwrap();
                        assert_eq!(*canon.start().book, memory.replay(start + 1));
                    }
                }
            }
        });
    }
}

mod over_a_mocked_endpoint {
    use alloy::{primitives::U64, providers::mock::Asserter, rpc::client::RpcClient};
    use serde_json::json;

    use super::*;
    use crate::core::{ids::ChainId, view::Freshness};

    fn header_json(number: u64, fork: u8) -> serde_json::Value {
        let hash = |number: u64, fork: u8| {
            let mut hash = B256::left_padding_from(&number.to_be_bytes());
            hash.0[0] = fork;
            hash
        };
        json!({
            "number": U64::from(number), "hash": hash(number, fork), "parentHash": hash(number.wrapping_sub(1), fork),
            "timestamp": U64::from(1_000 + number), "logsBloom": Bloom::ZERO, "transactions": [], "someFieldOfARollup": "0x1",
        })
    }

    /// What a start at block 5 asks, and then the first poll.
    fn script_start(asserter: &Asserter) {
        asserter.push_success(&U64::from(1)); // eth_chainId
        asserter.push_success(&header_json(5, 0)); // finalized
        asserter.push_success(&Vec::<Log>::new()); // logs
        asserter.push_success(&header_json(5, 0)); // finalized again
        asserter.push_success(&header_json(6, 0)); // latest
        asserter.push_success(&header_json(5, 0)); // finalized, after the advance
    }

    fn endpoints(asserter: &Asserter) -> Arc<Endpoints> {
        let client = RpcClient::mocked(asserter.clone());
        Endpoints::over(ChainId(1), vec![("only", client)], Duration::from_millis(100))
    }

    #[tokio::test]
    async fn a_follower_publishes_what_it_reached_and_goes_stale_when_nobody_answers() {
        let asserter = Asserter::new();
        script_start(&asserter);
        let mut config = follows();
        config.stale_after = Duration::from_millis(300);
        config.poll_interval = Some(Duration::from_millis(20));
        let mut follower = Follower::spawn(endpoints(&asserter), config);
        let view = follower
            .view
            .wait_for(Option::is_some)
            .await
            .unwrap()
            .clone()
            .unwrap();
        assert_eq!(view.head.block.number, 6);
        assert_eq!(view.finalized.block.number, 5);
        assert_eq!(view.freshness, Freshness::Fresh);
        // The script is over: every further question fails.
        let stale = tokio::time::timeout(
            Duration::from_secs(3),
            follower.view.wait_for(|view| {
                view.as_ref()
                    .is_some_and(|view| matches!(view.freshness, Freshness::Stale { .. }))
            }),
        )
        .await;
        assert!(stale.is_ok());
        assert!(follower.health.borrow().error.is_some());
        follower.task.abort();
    }

    #[tokio::test]
    async fn an_endpoint_of_another_chain_yields_no_view_and_a_clear_error() {
        let asserter = Asserter::new();
        asserter.push_success(&U64::from(7));
        let mut follower = Follower::spawn(endpoints(&asserter), follows());
        let health = follower
            .health
            .wait_for(|health| health.error.is_some())
            .await
            .unwrap()
            .clone();
        assert_eq!(health.error.unwrap().label(), "WrongChain");
        assert!(follower.view.borrow().is_none());
        follower.task.abort();
    }

    #[tokio::test]
    async fn an_endpoint_that_answers_and_stands_still_is_left_for_one_that_moves() {
        let (stuck, moving) = (Asserter::new(), Asserter::new());
        script_start(&stuck);
        for _ in 0..200 {
            stuck.push_success(&header_json(6, 0));
        }
        moving.push_success(&U64::from(1)); // eth_chainId
        moving.push_success(&header_json(6, 0)); // compared after the first advance
        for _ in 0..2 {
            moving.push_success(&header_json(8, 0)); // compared while nothing came; then latest, as the best endpoint
        }
        moving.push_success(&header_json(7, 0)); // the block between
        moving.push_success(&header_json(5, 0)); // finalized
        let clients = vec![
            ("stuck", RpcClient::mocked(stuck)),
            ("moving", RpcClient::mocked(moving)),
        ];
        let endpoints = Endpoints::over(ChainId(1), clients, Duration::from_millis(100));
        let mut config = follows();
        config.stale_after = Duration::from_millis(800);
        config.poll_interval = Some(Duration::from_millis(20));
        let mut follower = Follower::spawn(endpoints, config);
        let moved = tokio::time::timeout(
            Duration::from_secs(5),
            follower
                .view
                .wait_for(|view| view.as_ref().is_some_and(|view| view.head.block.number == 8)),
        )
        .await;
        assert!(moved.is_ok(), "{:?}", follower.health.borrow());
        follower.task.abort();
    }

    #[tokio::test]
    async fn a_follower_ends_when_nobody_holds_its_view() {
        let asserter = Asserter::new();
        script_start(&asserter);
        let Follower { view, task, .. } = Follower::spawn(endpoints(&asserter), follows());
        drop(view);
        assert!(tokio::time::timeout(Duration::from_secs(5), task).await.is_ok());
    }
}

#[test]
fn an_event_of_the_book_is_what_the_memory_chain_tells() {
    let read = crate::chain_io::decode::decode(&follows().emitters, &seconds_of(9, 4));
    assert!(matches!(read, Some(BookEvent::Usage { first_word: 1, .. })));
}
