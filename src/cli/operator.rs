//! `leaseport operator`: reads flags, connects to the cluster and runs until told to stop. What it does is app's.

use std::net::SocketAddr;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::value;
use crate::{
    api::name,
    app,
    config::OperatorConfig,
    core::{
        settings::Settings,
        workload::{Account, Accounts, Dns},
    },
};

/// Where tenants' names are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DnsChoice {
    /// The cluster's resolver.
    Cluster,
    /// The node's own.
    Node,
}

/// Run the operator in a provider's cluster.
#[derive(Debug, Clone, Args)]
pub struct OperatorArgs {
    /// Namespace the operator runs in: its leader lock and the Secrets of endpoint URLs.
    #[arg(long, env = "POD_NAMESPACE", default_value = name::SYSTEM_NAMESPACE, value_parser = value::namespace)]
    pub namespace: String,
    /// Name of this replica, for the leader lock and for events.
    #[arg(long, env = "POD_NAME", default_value = "leaseport-operator", value_parser = value::name)]
    pub pod_name: String,
    /// Address and port for /metrics, /livez and /readyz.
    #[arg(long, env = "LEASEPORT_OPS_ADDRESS", default_value = "0.0.0.0:9090", value_parser = value::socket)]
    pub ops_address: SocketAddr,
    /// Image of the placeholder pods that hold promised capacity; it must do nothing until it is stopped.
    #[arg(
        long,
        env = "LEASEPORT_PAUSE_IMAGE",
        default_value = "registry.k8s.io/pause:3.10",
        value_parser = value::image
    )]
    pub pause_image: String,
    /// Priority class of placeholder and lease pods; empty for none.
    #[arg(long, env = "LEASEPORT_PRIORITY_CLASS", default_value = name::LEASE_PRIORITY, value_parser = value::name_or_none)]
    pub priority_class: String,
    /// Seconds a tenant's program has between stop and kill.
    #[arg(long, default_value_t = 30, allow_hyphen_values = true)]
    pub termination_grace_seconds: u32,
    /// Where tenants' names are resolved.
    #[arg(long, env = "LEASEPORT_DNS", value_enum, default_value_t = DnsChoice::Cluster)]
    pub dns: DnsChoice,
    /// Public address blocks that are the provider's own and that tenants may not reach; may be given several times.
    #[arg(long, value_name = "CIDR", value_parser = value::block)]
    pub deny_egress: Vec<IpNet>,
    /// Service account of the operator itself; it is bound inside each lease's namespace.
    #[arg(long, default_value = "leaseport-operator", value_parser = value::name)]
    pub operator_account: String,
    /// Service account of the gateway; it is bound inside each lease's namespace.
    #[arg(long, default_value = "leaseport-gateway", value_parser = value::name)]
    pub gateway_account: String,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// No cluster to talk to, a port that cannot be bound, or the leader's lock was lost.
pub async fn run(args: OperatorArgs) -> anyhow::Result<()> {
    let client = app::connect()
        .await
        .map_err(|error| anyhow!("no cluster to talk to: {}; set KUBECONFIG to a kubeconfig, or run in a pod with a service account", value::one_line(&error.to_string())))?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stopping.cancel();
    });
    app::operator(config(args), client, stop).await?;
    Ok(())
}

fn config(args: OperatorArgs) -> OperatorConfig {
    let account = |name: String| Account {
        namespace: args.namespace.clone(),
        name,
    };
    // A restarted replica keeps its name, and must not take its own old lock for a held one.
    let identity = format!("{}-{}", args.pod_name, std::process::id());
    OperatorConfig {
        settings: Settings {
            accounts: Accounts {
                operator: account(args.operator_account),
                gateway: account(args.gateway_account),
            },
            pause_image: args.pause_image,
            priority_class: (!args.priority_class.is_empty()).then_some(args.priority_class),
            termination_grace_seconds: args.termination_grace_seconds,
            dns: match args.dns {
                DnsChoice::Cluster => Dns::Cluster,
                DnsChoice::Node => Dns::Node,
            },
            denied_blocks: args.deny_egress.iter().map(ToString::to_string).collect(),
        },
        namespace: args.namespace,
        identity,
        ops_address: args.ops_address,
    }
}
