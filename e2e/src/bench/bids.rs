//! From an order's block to the bid handed over: placeholder pods bound by the real scheduler, the bid signed, written down, and taken by
//! the chain's endpoint. One order in every block, so that the answer to one is under way when the next comes.

use anyhow::{Result, ensure};

use super::Bench;
use super::audit::requests;
use super::calls::Call;
use super::heads::Heads;
use super::instant::{At, Span};
use super::orders::{Placed, Template};
use super::quantiles::Quantiles;
use super::table::{Met, Row};
use crate::scene::{Wish, within};
use std::time::Duration;

/// Orders that are answered first, so that what is built once is built.
const WARM: u64 = 5;
/// Orders that count.
const COUNT: u64 = 60;
/// Most at the 95th of a hundred.
const BAR: Span = Span(300_000);

/// Posts orders and looks for their bids.
pub(super) fn measure(bench: &Bench) -> Result<Row> {
    let scene = &bench.scene;
    let wish = Wish {
        gpus: 1,
        expiry: "1h".into(),
        ..Wish::default()
    };
    let posted = scene.tenant().request("orders", &wish)?;
    let template = Template::of(&scene.ledger, &posted)?;
    scene.tenant().a_bid(&posted.order)?;
    bench.heads.next()?;
    bench.say(&format!("{WARM} and {COUNT} orders, one a block"));
    let from = At::now();
    let placed = template.one_a_block(&scene.ledger, &bench.heads, WARM + COUNT)?;
    let calls = within(Duration::from_secs(20), "a bid for every order", || {
        let calls = bench.calls.between(from, At(u64::MAX))?;
        let answered = placed.iter().filter(|order| handed_over(&calls, order).is_some());
        Ok((answered.count() == placed.len()).then_some(calls))
    })
    .or_else(|_| bench.calls.between(from, At(u64::MAX)))?;
    let counted = placed.get(usize::try_from(WARM)?..).unwrap_or_default();
    let took: Vec<(&Placed, Span)> = counted
        .iter()
        .filter_map(|order| {
            let came = arrival(&bench.heads, &calls, order.block)?;
            Some((order, handed_over(&calls, order)?.since(came)))
        })
        .collect();
    explain(bench, &calls, counted)?;
    let all = took.len() == counted.len();
    ensure!(!took.is_empty(), "no order was answered");
    let quantiles = Quantiles::of(took.iter().map(|(_, span)| *span));
    let unanswered = match counted.len() - took.len() {
        0 => String::new(),
        some => format!("; {some} orders unanswered"),
    };
    Ok(Row {
        what: "order's block at the first endpoint to bid handed over, hold bound, one order a block",
        bar: "p95 300 ms",
        measured: format!("{quantiles}{unanswered}"),
        met: Met::if_(all && quantiles.at(95).is_some_and(|p95| p95 <= BAR)),
    })
}

/// When the endpoint had taken the transaction that holds this order's hash; the block explorer's way to find a bid.
fn handed_over(calls: &[Call], order: &Placed) -> Option<At> {
    sending(calls, order)?.answered
}

fn sending<'a>(calls: &'a [Call], order: &Placed) -> Option<&'a Call> {
    calls.iter().find(|call| {
        call.method == "eth_sendRawTransaction" && call.accepted && call.first.contains(&order.hash)
    })
}

/// When the block arrived: by our own subscription, or by an answer to the operator if that came sooner.
fn arrival(heads: &Heads, calls: &[Call], block: u64) -> Option<At> {
    let told = heads.arrival(block);
    let seen = calls
        .iter()
        .filter(|call| call.method == "eth_getBlockByNumber" && call.block == Some(block))
        .filter_map(|call| call.answered)
        .min();
    match (told, seen) {
        (Some(told), Some(seen)) => Some(told.min(seen)),
        (told, seen) => told.or(seen),
    }
}

/// Where the time goes, for whoever wants to shorten it.
fn explain(bench: &Bench, calls: &[Call], orders: &[Placed]) -> Result<()> {
    let log = &bench.scene.world.state().audit_log;
    let operator = requests(log, super::OPERATOR_ACCOUNT, At(0), At(u64::MAX))?;
    let scheduler = requests(log, "system:kube-scheduler", At(0), At(u64::MAX))?;
    let mut steps: [(&str, Vec<Span>); 6] = [
        ("block seen", Vec::new()),
        ("bid object made", Vec::new()),
        ("hold created", Vec::new()),
        ("hold bound", Vec::new()),
        ("transaction object made", Vec::new()),
        ("handed over", Vec::new()),
    ];
    for order in orders {
        let Some(came) = arrival(&bench.heads, calls, order.block) else {
            continue;
        };
        let Some(sent) = sending(calls, order) else {
            continue;
        };
        let short: String = order.hash.chars().take(12).collect();
        let bid = format!("gpus-{short}");
        let seen = calls
            .iter()
            .filter(|call| call.first == "latest" && call.block >= Some(order.block))
            .filter_map(|call| call.answered)
            .min();
        let answered = |verb: &str, resource: &str, name: &str| {
            operator
                .iter()
                .find(|one| one.verb == verb && one.resource == resource && one.name.starts_with(name))
                .map(|one| one.answered)
        };
        let bound = scheduler
            .iter()
            .find(|one| one.resource == "pods/binding" && one.name.starts_with(&bid))
            .map(|one| one.answered);
        let written = operator
            .iter()
            .filter(|one| one.verb == "create" && one.resource == "computetransactions")
            .map(|one| one.answered)
            .filter(|at| *at <= sent.asked)
            .max();
        let moments = [
            seen,
            answered("create", "computebids", &bid),
            answered("create", "pods", &bid),
            bound,
            written,
            sent.answered,
        ];
        for ((_, spans), moment) in steps.iter_mut().zip(moments) {
            spans.extend(moment.map(|moment| moment.since(came)));
        }
    }
    for (step, spans) in steps {
        bench.say(&format!("  {step}: {}", Quantiles::of(spans)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn sent(data: &str, accepted: bool, at: u64) -> Call {
        Call {
            method: "eth_sendRawTransaction".into(),
            first: data.into(),
            asked: At(at),
            answered: Some(At(at + 1)),
            block: None,
            accepted,
        }
    }

    #[test]
    fn a_bid_is_found_by_the_order_it_names_and_only_if_it_was_taken() {
        let order = Placed {
            hash: "abcd".into(),
            block: 3,
        };
        let calls = [
            sent("0x02ffab", true, 1),
            sent("0x02abcd", false, 2),
            sent("0x0200abcd00", true, 5),
        ];
        assert_eq!(handed_over(&calls, &order), Some(At(6)));
    }
}
