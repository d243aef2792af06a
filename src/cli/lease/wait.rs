//! `leaseport lease wait`: until a lease has started, its Job has ended, or it is closed; with `--close` it then ends the lease by agreement. What the
//! chain says counts; that a Job ended, only the provider's gateway can say.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::super::{
    close::{self, CloseArgs},
    manifest::{gateway_url, session, worth_waiting},
    output::{answer, pairs, progress},
    tenant::{Market, TenantArgs, TenantError, duration, find_lease},
};
use crate::{
    api::duration::format_seconds,
    core::{
        book::{Book, LeaseState, StoredPhase},
        documents::session::Scope,
        ids::LeaseId,
    },
    outbound::GatewayError,
};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);

/// Wait until a lease has come somewhere.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// The lease's id, such as 7-0-1.
    #[arg(value_name = "LEASE")]
    pub lease: LeaseId,
    /// What to wait for.
    #[arg(long = "for", value_name = "STATE", value_enum)]
    pub goal: Goal,
    /// Once its Job has ended, close the lease by agreement and print the bill.
    #[arg(long)]
    pub close: bool,
    /// How long to wait at most.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub timeout: Duration,
    /// Which market, whose key.
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// What a lease can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Its clock runs on chain.
    Started,
    /// Its Job has ended; exit code 1 if it failed.
    Finished,
    /// It is over on chain.
    Closed,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waited {
    /// Which lease.
    pub lease_id: LeaseId,
    /// What came true: `Started`, `Finished` or `Closed`.
    pub reached: &'static str,
    /// How its Job ended, as the gateway says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Value>,
}

/// What a gateway's status says about a Job's end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// It may still come.
    Runs,
    /// This.
    Finished(Value),
    /// There is none.
    NeverEnds,
}

/// Runs the verb.
///
/// # Errors
/// Each [`TenantError`]; a Job that failed is one, after all else was done.
pub async fn run(args: &WaitArgs) -> Result<(), TenantError> {
    if args.close && args.goal != Goal::Finished {
        return Err(TenantError::Usage(
            "--close goes with --for finished: leave it out, or wait for that".to_owned(),
        ));
    }
    let waited = wait(args).await?;
    let failed = waited.finish.as_ref().and_then(failure);
    if args.close {
        if let Some(finish) = &waited.finish {
            progress(format_args!("the Job has ended: {}", told_finish(finish)));
        }
        let ending = CloseArgs {
            lease: args.lease,
            stop: false,
            timeout: Duration::from_secs(60),
            max_seconds: None,
            tenant: args.tenant.clone(),
        };
        close::run(&ending).await?;
    } else {
        answer(args.tenant.output, &waited, told)?;
    }
    match failed {
        Some(why) => Err(TenantError::Refused(format!(
            "the Job of lease {} failed: {why}",
            args.lease
        ))),
        None => Ok(()),
    }
}

async fn wait(args: &WaitArgs) -> Result<Waited, TenantError> {
    let market = args.tenant.market().await?;
    let mut following = market.follow();
    let began = Instant::now();
    let mut said = String::new();
    loop {
        let view = following.view().await?;
        let lease = find_lease(&view.head.book, args.lease)?;
        if let Some(waited) = look(args, &market, &view.head.book, lease, &mut said).await? {
            return Ok(waited);
        }
        if began.elapsed().saturating_add(LOOK) > args.timeout {
            return Err(TenantError::Refused(format!(
                "lease {} was not {} within {}: run it again, or look at it with `leaseport lease get {}`",
                args.lease,
                word(args.goal).to_lowercase(),
                format_seconds(args.timeout.as_secs()),
                args.lease
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One look; none: not yet.
async fn look(
    args: &WaitArgs,
    market: &Market,
    book: &Book,
    lease: &LeaseState,
    said: &mut String,
) -> Result<Option<Waited>, TenantError> {
    let reached = |finish| {
        Ok(Some(Waited {
            lease_id: args.lease,
            reached: word(args.goal),
            finish,
        }))
    };
    let over = lease.ending.is_some();
    match args.goal {
        Goal::Closed if over => return reached(None),
        Goal::Closed => return Ok(None),
        Goal::Started if lease.start_at.0 > 0 => return reached(None),
        Goal::Started | Goal::Finished if over => {
            return Err(TenantError::Refused(format!(
                "lease {} is over without having been seen {}: `leaseport lease get {}` shows how it ended",
                args.lease,
                word(args.goal).to_lowercase(),
                args.lease
            )));
        }
        Goal::Started => return Ok(None),
        Goal::Finished if lease.stored == StoredPhase::Pending => return Ok(None),
        Goal::Finished => {}
    }
    match ask(args, market, book, lease).await {
        Ok(Told::Finished(finish)) => reached(Some(finish)),
        Ok(Told::Runs) => Ok(None),
        Ok(Told::NeverEnds) => Err(TenantError::Refused(format!(
            "lease {} runs a Deployment, which does not end by itself: end it with `leaseport close {}`",
            args.lease, args.lease
        ))),
        Err(TenantError::Gateway(error)) if worth_waiting(&error).is_some() => {
            let words = error.to_string();
            if *said != words {
                progress(format_args!("waiting for the gateway: {words}"));
                *said = words;
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn ask(args: &WaitArgs, market: &Market, book: &Book, lease: &LeaseState) -> Result<Told, TenantError> {
    let key = args.tenant.key()?;
    let url = gateway_url(book, lease)?;
    let status = async {
        let client = session(market, &url, lease, &key, &[Scope::Status]).await?;
        client.status(lease.key.id).await
    };
    let status: Result<Value, GatewayError> = status.await;
    Ok(said_of(&status?))
}

fn said_of(status: &Value) -> Told {
    match (&status["finish"], status["workloads"][0]["kind"].as_str()) {
        (Value::Null, Some("Deployment")) => Told::NeverEnds,
        (Value::Null, _) => Told::Runs,
        (finish, _) => Told::Finished(finish.clone()),
    }
}

const fn word(goal: Goal) -> &'static str {
    match goal {
        Goal::Started => "Started",
        Goal::Finished => "Finished",
        Goal::Closed => "Closed",
    }
}

/// Why it failed, if it did.
fn failure(finish: &Value) -> Option<String> {
    (finish["outcome"] == "Failed").then(|| reasons(finish))
}

fn reasons(finish: &Value) -> String {
    let parts = [&finish["reason"], &finish["message"]];
    let parts: Vec<&str> = parts.into_iter().filter_map(Value::as_str).collect();
    parts.join(": ")
}

/// A Job's end in a line.
pub(super) fn told_finish(finish: &Value) -> String {
    let at = finish["at"]
        .as_str()
        .map_or_else(String::new, |at| format!(" at {at}"));
    let outcome = finish["outcome"].as_str().unwrap_or("unknown");
    let reasons = reasons(finish);
    if reasons.is_empty() {
        format!("{outcome}{at}")
    } else {
        format!("{outcome}{at} ({reasons})")
    }
}

fn told(waited: &Waited) -> String {
    let mut text = pairs(&[
        ("lease", waited.lease_id.to_string()),
        ("reached", waited.reached.to_owned()),
        (
            "job",
            waited.finish.as_ref().map_or_else(String::new, told_finish),
        ),
    ]);
    if waited.finish.is_some() {
        text.push_str(&format!(
            "\nNothing more is billed. Next: leaseport logs {0}\n      leaseport close {0}\n",
            waited.lease_id
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_jobs_end_is_what_the_gateway_says_and_a_deployment_has_none() {
        let kind = |kind: &str| json!({ "workloads": [{ "kind": kind }], "finish": null });
        assert_eq!(said_of(&kind("Job")), Told::Runs);
        assert_eq!(said_of(&kind("Deployment")), Told::NeverEnds);
        assert_eq!(said_of(&json!({})), Told::Runs);
        let finish = json!({ "outcome": "Complete" });
        let ended = json!({ "workloads": [{ "kind": "Job" }], "finish": finish });
        assert_eq!(said_of(&ended), Told::Finished(finish));
    }

    #[test]
    fn a_failed_job_is_told_with_its_reason_and_a_complete_one_is_no_failure() {
        let failed = json!({ "outcome": "Failed", "reason": "BackoffLimitExceeded", "message": "m" });
        assert_eq!(failure(&failed).unwrap(), "BackoffLimitExceeded: m");
        assert_eq!(told_finish(&failed), "Failed (BackoffLimitExceeded: m)");
        let complete = json!({ "outcome": "Complete", "at": "2026-11-22T10:00:00Z" });
        assert_eq!(failure(&complete), None);
        assert_eq!(told_finish(&complete), "Complete at 2026-11-22T10:00:00Z");
    }

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: WaitArgs,
    }

    #[tokio::test]
    async fn closing_goes_with_a_jobs_end_alone() {
        let line = |goal: &str| {
            Line::try_parse_from([
                "wait",
                "7-0-1",
                "--for",
                goal,
                "--close",
                "--rpc",
                "http://127.0.0.1:1",
                "--directory",
                "0x0000000000000000000000000000000000000001",
            ])
            .unwrap()
        };
        let error = run(&line("started").args).await.unwrap_err();
        assert!(
            matches!(&error, TenantError::Usage(text) if text.contains("--for finished")),
            "{error}"
        );
    }
}
