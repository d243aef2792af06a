//! From the later of (opening at its depth, manifest received) to the last object of the workload applied. One lease after another, beside
//! the one that runs all the time.

use anyhow::{Context as _, Result};

use super::Bench;
use super::audit::{Request, requests};
use super::instant::{At, Span};
use super::quantiles::Quantiles;
use super::table::{Met, Row};
use super::{GATEWAY_ACCOUNT, OPERATOR_ACCOUNT};
use crate::scene::{Wish, eventually};

/// What a measured lease runs: nothing that takes time from others.
pub(super) const SCRIPT: &str = "sleep 86400";
/// Leases that count.
const COUNT: usize = 24;
/// The samples' `finality.start.depth`.
const START_DEPTH: u64 = 1;
/// Most at the 99th of a hundred.
const BAR: Span = Span(250_000);

/// Rents and looks.
pub(super) fn measure(bench: &Bench) -> Result<Row> {
    let scene = &bench.scene;
    bench.say(&format!("{COUNT} leases, one after another"));
    let wish = Wish {
        gpus: 1,
        script: SCRIPT.into(),
        ..Wish::default()
    };
    let mut took = Vec::new();
    for nth in 0..COUNT {
        let (_, opened) = scene.tenant().rent(&format!("lease-{nth}"), &wish)?;
        eventually("the lease is started on chain", || {
            Ok((scene.ledger.lease_at(opened.lane)?.state == 2).then_some(()))
        })?;
        let transaction = opened.sent.last().context("accept sent no transaction")?;
        let receipt = scene
            .ledger
            .receipt(&transaction.hash)?
            .context("accept's transaction is not mined")?;
        let deep = bench
            .heads
            .arrival(receipt.block + START_DEPTH)
            .context("the opening never came to its depth")?;
        let namespace = scene.namespace_of(&opened.lease)?;
        let log = &scene.world.state().audit_log;
        let gateway = requests(log, GATEWAY_ACCOUNT, At(0), At(u64::MAX))?;
        let operator = requests(log, OPERATOR_ACCOUNT, At(0), At(u64::MAX))?;
        let manifest = received(&gateway, &namespace).context("the gateway wrote no manifest")?;
        let applied = applied(&operator, &namespace).context("the operator applied no workload")?;
        took.push(applied.since(deep.max(manifest)));
        scene.tenant().close(&opened.lease)?;
    }
    let quantiles = Quantiles::of(took);
    Ok(Row {
        what: "later of (opening at its depth, manifest received) to the last workload object applied",
        bar: "p99 250 ms",
        measured: quantiles.to_string(),
        met: Met::if_(quantiles.at(99).is_some_and(|p99| p99 <= BAR)),
    })
}

/// When the manifest had come: it is written at once, so the first write's arrival is the moment that can be seen from outside.
fn received(gateway: &[Request], namespace: &str) -> Option<At> {
    gateway
        .iter()
        .filter(|one| one.resource == "secrets" && one.namespace == namespace && one.verb == "patch")
        .map(|one| one.received)
        .min()
}

/// When the last object of the workload was applied for the first time; what runs comes last.
fn applied(operator: &[Request], namespace: &str) -> Option<At> {
    operator
        .iter()
        .filter(|one| one.namespace == namespace && one.verb == "patch" && one.code < 300)
        .filter(|one| one.resource == "deployments" || one.resource == "jobs")
        .map(|one| one.answered)
        .min()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn patch(resource: &str, namespace: &str, at: u64) -> Request {
        Request {
            account: "a".into(),
            verb: "patch".into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: "x".into(),
            received: At(at),
            answered: At(at + 5),
            code: 201,
        }
    }

    #[test]
    fn a_manifest_counts_from_its_first_write_and_a_workload_from_its_first_success() {
        let gateway = [
            patch("secrets", "other", 1),
            patch("secrets", "lp", 20),
            patch("secrets", "lp", 10),
        ];
        assert_eq!(received(&gateway, "lp"), Some(At(10)));
        let refused = Request {
            code: 409,
            ..patch("deployments", "lp", 30)
        };
        let operator = [
            patch("services", "lp", 25),
            refused,
            patch("deployments", "lp", 40),
        ];
        assert_eq!(applied(&operator, "lp"), Some(At(45)));
        assert_eq!(applied(&operator, "other"), None);
    }
}
