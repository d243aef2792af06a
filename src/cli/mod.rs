//! One file a verb of the command line. Verbs read, print and ask core; what waits on chain or cluster is in the rooms they call.

use std::{ffi::OsStr, io, path::Path};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

pub mod accept;
pub mod bids;
pub mod cancel;
pub mod chain;
pub mod check;
pub mod close;
pub mod contest;
pub mod crds;
pub mod dispute;
pub mod gateway;
pub mod kept;
pub mod lease;
pub mod logs;
pub mod manifest;
pub mod market;
pub mod needs_file;
pub mod operator;
pub mod output;
pub mod provider;
pub mod request;
pub mod tenant;
pub mod value;
pub mod wallet_file;

/// Connects GPU clusters to a decentralized compute market on an EVM chain.
///
/// Linked or copied as `kubectl-leaseport` it is a kubectl plugin: `kubectl leaseport …`.
#[derive(Debug, Parser)]
#[command(name = "leaseport", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// What to log on standard error, for example `info` or `leaseport=debug` (tracing-subscriber's EnvFilter).
    #[arg(
        long,
        global = true,
        env = "LEASEPORT_LOG",
        default_value = "leaseport=info,warn",
        value_name = "FILTER"
    )]
    pub log: String,
    /// How log lines look.
    #[arg(long, global = true, env = "LEASEPORT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the operator in a provider's cluster.
    Operator(operator::OperatorArgs),
    /// Check whether an operator can do its work in this cluster: kinds, rights, chains, what is not Ready.
    Check(check::CheckArgs),
    /// Print the custom resource definitions.
    Crds(crds::CrdsArgs),
    /// Serve manifests, status, logs and usage to tenants over TLS.
    Gateway(gateway::GatewayArgs),
    /// Deploy a market's contracts, or look at one.
    Market(market::MarketArgs),
    /// Act as a provider's owner.
    Provider(provider::ProviderArgs),
    /// Post a funded order: what to run, what it needs, what it may cost.
    Request(request::RequestArgs),
    /// List the bids for an order.
    Bids(bids::BidsArgs),
    /// Accept a bid: the lease opens, and the manifest goes to the provider.
    Accept(accept::AcceptArgs),
    /// Take an order back that no lease came of; its deposit returns.
    Cancel(cancel::CancelArgs),
    /// Look at leases.
    Lease(lease::LeaseArgs),
    /// Send a lease's manifest again.
    Manifest(manifest::ManifestArgs),
    /// Print the output of a lease's container.
    Logs(logs::LogsArgs),
    /// End a lease and print its bill.
    Close(close::CloseArgs),
    /// Pay out a lease that was stopped or ended.
    Finalize(close::FinalizeArgs),
    /// Contest seconds that a lease has paid for.
    Contest(contest::ContestArgs),
    /// See how contested leases stand, and end disputes.
    Dispute(dispute::DisputeArgs),
}

/// The command line under the name it was called by: as kubectl's plugin its usage lines read as a user typed them.
#[must_use]
pub fn called(program: Option<&OsStr>) -> clap::Command {
    let name = program.and_then(|path| Path::new(path).file_name());
    if name == Some(OsStr::new("kubectl-leaseport")) {
        Cli::command().bin_name("kubectl leaseport")
    } else {
        Cli::command()
    }
}

/// Runs the chosen verb.
///
/// # Errors
/// The verb's own, each naming the flag or field, the value and what to do.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    log(&cli)?;
    match cli.verb {
        Verb::Operator(args) => operator::run(args).await,
        Verb::Check(args) => Ok(check::run(args, &mut io::stdout()).await?),
        Verb::Crds(args) => Ok(crds::run(&args, &mut io::stdout().lock())?),
        Verb::Gateway(args) => Ok(gateway::run(args).await?),
        Verb::Market(args) => Ok(market::run(args, &mut io::stdout()).await?),
        Verb::Provider(args) => Ok(provider::run(args, &mut io::stdout()).await?),
        Verb::Request(args) => Ok(request::run(&args).await?),
        Verb::Bids(args) => Ok(bids::run(&args).await?),
        Verb::Accept(args) => Ok(accept::run(&args).await?),
        Verb::Cancel(args) => Ok(cancel::run(&args).await?),
        Verb::Lease(args) => Ok(lease::run(&args).await?),
        Verb::Manifest(args) => Ok(manifest::run(&args).await?),
        Verb::Logs(args) => Ok(logs::run(&args).await?),
        Verb::Close(args) => Ok(close::run(&args).await?),
        Verb::Finalize(args) => Ok(close::finalize(&args).await?),
        Verb::Contest(args) => Ok(contest::run(&args).await?),
        Verb::Dispute(args) => Ok(dispute::run(&args).await?),
    }
}

/// What the process exits with: 2 where the command line was wrong, else 1.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error
        .downcast_ref::<tenant::TenantError>()
        .map_or(1, tenant::TenantError::exit_code)
}

fn log(cli: &Cli) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&cli.log).map_err(|error| {
        anyhow::anyhow!(
            "--log {:?}: {error}; write for example info or leaseport=debug",
            cli.log
        )
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match cli.log_format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn usage_names_the_program_as_it_was_called() {
        for (called_as, told) in [
            ("/usr/bin/leaseport", "Usage: leaseport close "),
            (
                "/home/me/.krew/bin/kubectl-leaseport",
                "Usage: kubectl leaseport close ",
            ),
            ("kubectl-leaseport", "Usage: kubectl leaseport close "),
        ] {
            let refused = called(Some(OsStr::new(called_as)))
                .try_get_matches_from([called_as, "close"])
                .expect_err("close names no lease")
                .to_string();
            assert!(refused.contains(told), "{called_as}: {refused}");
        }
    }

    #[test]
    fn every_flag_and_verb_is_declared_without_contradiction() {
        Cli::command().debug_assert();
        assert!(
            Cli::command()
                .get_subcommands()
                .all(|verb| verb.get_about().is_some())
        );
    }
}
