//! A minute in which a lease just runs: what operator and gateway do to the API server, to the chain, and what memory they take.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::audit::{Kind, Request, counted, requests};
use super::calls::{Call, by_method};
use super::instant::At;
use super::machine::Memory;
use super::table::{Met, Row};
use super::{Bench, GATEWAY_ACCOUNT, OPERATOR_ACCOUNT};
use crate::scene::{GATEWAY, OPERATOR, Wish, eventually};

/// Until what the lease's beginning set off has come to rest: finality, holds that end by themselves, the wallets' last looks.
const REST: Duration = Duration::from_secs(120);
/// What is measured.
const MINUTE: Duration = Duration::from_secs(60);
/// Most that the operator may take, KiB.
const MEMORY: u64 = 40 * 1024;
/// Most calls a block and endpoint.
const CALLS: usize = 2;

/// Opens a lease, lets it come to rest and looks for a minute.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let scene = &bench.scene;
    let wish = Wish {
        gpus: 1,
        script: super::leases::SCRIPT.into(),
        max_duration: "2h".into(),
        ..Wish::default()
    };
    let (_, opened) = scene.tenant().rent("steady", &wish)?;
    eventually("the lease is started on chain", || {
        Ok((scene.ledger.lease_at(opened.lane)?.state == 2).then_some(()))
    })?;
    bench.say(&format!(
        "lease {} is active; {} s of rest, then a minute that counts",
        opened.lease,
        REST.as_secs()
    ));
    thread::sleep(REST);
    let nonces = nonces(bench)?;
    let from = At::now();
    thread::sleep(MINUTE);
    let to = At::now();
    ensure!(
        scene.ledger.lease_at(opened.lane)?.state == 2,
        "the lease ended in the quiet minute"
    );
    let used: Vec<u64> = self::nonces(bench)?
        .iter()
        .zip(&nonces)
        .map(|(after, before)| after.saturating_sub(*before))
        .collect();
    let calls = bench.calls.between(from, to)?;
    let blocks = bench.heads.between(from, to);
    Ok(vec![
        memory(bench, "operator's resident memory, idle with an active lease")?,
        quiet(bench, from, to, &calls, used.iter().sum())?,
        calls_a_block(&calls, blocks),
    ])
}

/// Memory once all else was measured.
pub(super) fn memory_after_work(bench: &Bench) -> Result<Row> {
    memory(bench, "the same after the work measured here")
}

fn process(bench: &Bench, part: &str) -> Result<i32> {
    let part = bench.scene.world.state().part(part)?;
    Ok(part.process.with_context(|| part.name.clone())?.pid)
}

fn memory(bench: &Bench, what: &'static str) -> Result<Row> {
    let operator = Memory::of(process(bench, OPERATOR)?)?;
    let gateway = Memory::of(process(bench, GATEWAY)?)?;
    let mebibytes = |kibibytes: u64| {
        let tenths = (kibibytes * 10).div_ceil(1024);
        format!("{}.{} MiB", tenths / 10, tenths % 10)
    };
    Ok(Row {
        what,
        bar: "40 MiB",
        measured: format!(
            "{}, of it {} of the program's file; at most {} so far, {} threads (gateway: {})",
            mebibytes(operator.resident),
            mebibytes(operator.file),
            mebibytes(operator.peak),
            operator.threads,
            mebibytes(gateway.resident)
        ),
        met: Met::if_(operator.resident <= MEMORY),
    })
}

fn quiet(bench: &Bench, from: At, to: At, calls: &[Call], nonces_used: u64) -> Result<Row> {
    let log = &bench.scene.world.state().audit_log;
    let operator = requests(log, OPERATOR_ACCOUNT, from, to)?;
    let gateway = requests(log, GATEWAY_ACCOUNT, from, to)?;
    // The lock is renewed all the time: without a trace of it the log was not read right.
    ensure!(
        operator.iter().any(Request::of_the_lock),
        "the audit log shows nothing of the operator"
    );
    let (operator_writes, gateway_writes) = (writes(&operator), writes(&gateway));
    let sent = calls
        .iter()
        .filter(|call| call.method == "eth_sendRawTransaction")
        .count();
    let none = operator_writes.is_empty() && gateway_writes.is_empty() && sent == 0 && nonces_used == 0;
    let reads = |all: &[Request]| {
        counted(
            all.iter()
                .filter(|one| one.kind() == Kind::Read && !one.of_the_lock()),
        )
    };
    bench.say(&format!(
        "the minute's reads: operator {}; gateway {}",
        reads(&operator),
        reads(&gateway)
    ));
    bench.say(&format!(
        "the minute's watches: operator {}; gateway {}",
        watches(&operator),
        watches(&gateway)
    ));
    Ok(Row {
        what: "API writes (leader lock apart) and transactions of operator and gateway in a minute of steady state with an active lease, between reports",
        bar: "0",
        measured: format!(
            "writes: operator {}, gateway {}; transactions: {sent} sent, {nonces_used} mined (reads: operator {}, gateway {})",
            counted(operator_writes),
            counted(gateway_writes),
            reads(&operator),
            reads(&gateway)
        ),
        met: Met::if_(none),
    })
}

fn writes(all: &[Request]) -> Vec<&Request> {
    all.iter()
        .filter(|one| one.kind() == Kind::Write && !one.of_the_lock())
        .collect()
}

fn watches(all: &[Request]) -> String {
    counted(all.iter().filter(|one| one.kind() == Kind::Watch))
}

fn calls_a_block(calls: &[Call], blocks: usize) -> Row {
    let hundredths = (calls.len() * 100).div_ceil(blocks.max(1));
    let each: Vec<String> = by_method(calls)
        .iter()
        .map(|(method, count)| format!("{count} {method}"))
        .collect();
    let tags: BTreeSet<&str> = calls
        .iter()
        .filter(|call| call.method == "eth_getBlockByNumber")
        .map(|call| call.first.as_str())
        .collect();
    let of_tags: Vec<String> = tags
        .iter()
        .map(|tag| {
            let count = calls.iter().filter(|call| call.first == **tag).count();
            format!("{count} {tag}")
        })
        .collect();
    Row {
        what: "RPC calls a block and endpoint in that minute, blocks of 1 s",
        bar: "2",
        measured: format!(
            "{}.{:02} ({} in {blocks} blocks; headers: {})",
            hundredths / 100,
            hundredths % 100,
            each.join(", "),
            of_tags.join(", ")
        ),
        met: Met::if_(blocks > 0 && calls.len() <= CALLS * blocks),
    }
}

/// Nonces of the provider's two wallets, from the chain itself.
fn nonces(bench: &Bench) -> Result<Vec<u64>> {
    let cast = &bench.scene.cast;
    [cast.duty.address, cast.bids.address]
        .iter()
        .map(|address| {
            let count = bench
                .scene
                .ledger
                .rpc("eth_getTransactionCount", &json!([address, "latest"]))?;
            let digits = count
                .as_str()
                .context("no nonce")?
                .trim_start_matches("0x")
                .to_owned();
            Ok(u64::from_str_radix(&digits, 16)?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn call(method: &str, first: &str) -> Call {
        Call {
            method: method.into(),
            first: first.into(),
            asked: At(0),
            answered: None,
            block: None,
            accepted: true,
        }
    }

    #[test]
    fn one_call_more_than_two_a_block_misses_the_bar() {
        let mut calls = vec![call("eth_getBlockByNumber", "latest"); 20];
        let row = calls_a_block(&calls, 10);
        assert_eq!(row.met, Met::Yes);
        assert!(
            row.measured
                .starts_with("2.00 (20 eth_getBlockByNumber in 10 blocks"),
            "{row:?}"
        );
        calls.push(call("eth_getLogs", ""));
        let row = calls_a_block(&calls, 10);
        assert_eq!(row.met, Met::No);
        assert!(row.measured.starts_with("2.10"), "{row:?}");
    }

    #[test]
    fn without_blocks_nothing_was_measured() {
        assert_eq!(calls_a_block(&[], 0).met, Met::No);
    }
}
