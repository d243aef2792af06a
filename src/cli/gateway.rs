//! `leaseport gateway`: serves the provider's public face until it is told to stop. Reads who it is from the ComputeProvider; needs no
//! wallet and holds no key but its serving key.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use clap::Args;
use ipnet::IpNet;
use kube::Client;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::value;
use crate::{
    core::{
        documents::session::GatewayFacts,
        time::{Steady, UnixMillis},
    },
    gateway::{
        ClusterDirectory, FactsError, Gateway, GatewayOptions, Renewal, ServerError, ServingKey, TlsError,
        load_facts,
        routes::router,
        server::{bind, serve},
        state::Clock,
    },
    ops_http::{self, Ready},
    outbound::{PinnedUrl, address::AddressError},
    telemetry::{Metrics, MetricsError},
};

/// How long a tenant waits for the operator's signature in `POST …/close`.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How often who-am-I is asked while the ComputeProvider or its market is not ready.
const ASK: Duration = Duration::from_secs(2);

/// Serve manifests, status, logs and usage to tenants over TLS.
#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// Address and port to listen on.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8443",
        env = "LEASEPORT_GATEWAY_LISTEN",
        value_parser = value::socket
    )]
    pub listen: SocketAddr,
    /// Address and port for /metrics, /livez and /readyz, without TLS: keep it inside the cluster.
    #[arg(long, env = "LEASEPORT_GATEWAY_OPS_ADDRESS", default_value = "0.0.0.0:9091", value_name = "ADDRESS", value_parser = value::socket)]
    pub ops_address: SocketAddr,
    /// Namespace of the ComputeProvider and its ComputeLeases.
    #[arg(
        long,
        short,
        value_name = "NAMESPACE",
        default_value = "leaseport",
        env = "LEASEPORT_NAMESPACE",
        value_parser = value::namespace
    )]
    pub namespace: String,
    /// Name of the ComputeProvider this gateway belongs to.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "print_pin",
        env = "LEASEPORT_PROVIDER",
        value_parser = value::name
    )]
    pub provider: Option<String>,
    /// Host and port tenants call, as their requests are signed for it; repeat for several. Left out, that of the ComputeProvider's
    /// spec.gateway.url.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = value::authority)]
    pub authority: Vec<String>,
    /// Certificate chain in PEM, leaf first; with --tls-key. Both are looked at again every 30 s, and new connections get what they hold.
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "tls_dir")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Folder with tls.crt and tls.key; a self-signed pair is made there if it holds neither. Keep it across restarts: the key's pin
    /// stands on chain beside the URL. Looked at again every 30 s, as --tls-cert.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "gateway-tls",
        env = "LEASEPORT_GATEWAY_TLS_DIR"
    )]
    pub tls_dir: PathBuf,
    /// Print the serving key's pin as `spki-sha256=…` (to put after `#` in the provider's URL) and exit.
    #[arg(long)]
    pub print_pin: bool,
    /// Network of a proxy whose X-Forwarded-For is believed for rate limits; repeat for several.
    #[arg(long, value_name = "CIDR", value_parser = value::block)]
    pub trust_forwarded_from: Vec<IpNet>,
    /// Seconds that open requests get to finish after a stop was asked for.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        allow_hyphen_values = true
    )]
    pub shutdown_grace: u64,
}

/// Why the gateway did not start.
#[derive(Debug, Error)]
pub enum GatewayCommandError {
    /// No serving key.
    #[error(
        "{flag} {source}; name a file or folder that this process may read, and write where a pair is to be made"
    )]
    Tls {
        /// Where it was looked for.
        flag: &'static str,
        /// Why.
        source: TlsError,
    },
    /// No socket.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The port for probes and metrics.
    #[error("--ops-address {address}: {source}; name another address and port")]
    Ops {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The metrics cannot be registered.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// No cluster.
    #[error("no cluster to talk to: {}; set KUBECONFIG to a kubeconfig, or run in a pod with a service account", value::one_line(&.0.to_string()))]
    Cluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The provider's URL is no https URL.
    #[error("ComputeProvider's spec.gateway.url: {0}")]
    Url(#[from] AddressError),
    /// No provider named.
    #[error("no ComputeProvider is named: pass --provider")]
    NoProvider,
    /// Signals cannot be waited for, or nothing can be printed.
    #[error("the process cannot be set up: {0}")]
    Process(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Anything that keeps the gateway from starting; once it serves, it ends only by a signal.
pub async fn run(args: GatewayArgs) -> Result<(), GatewayCommandError> {
    let stop = CancellationToken::new();
    let signals = {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let stop = stop.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
        }
    };
    tokio::spawn(signals);
    run_until(args, stop).await
}

/// Serves until the token is cancelled.
///
/// # Errors
/// As [`run`].
pub async fn run_until(args: GatewayArgs, stop: CancellationToken) -> Result<(), GatewayCommandError> {
    let key = serving_key(&args)?;
    if args.print_pin {
        use io::Write;
        writeln!(io::stdout(), "spki-sha256={}", key.pin())?;
        return Ok(());
    }
    let provider = args.provider.as_deref().ok_or(GatewayCommandError::NoProvider)?;
    let client = Client::try_default()
        .await
        .map_err(|error| GatewayCommandError::Cluster(Box::new(error)))?;
    // The socket first: a port that is taken is told at once, not after the cluster answered.
    let listener = bind(args.listen).await?;
    let (metrics, ready) = (Metrics::new()?, Ready::default());
    let ops = ops(args.ops_address, metrics.clone(), ready.clone(), stop.clone()).await?;
    let renewal = Renewal::new(key, metrics.clone());
    let key = renewal.served();
    let renewal = until(stop.clone(), renewal.run());
    let Some(facts) = who_am_i(&client, &args, provider, &stop).await? else {
        return Ok(());
    };
    let (directory, watch) = ClusterDirectory::new(client, &args.namespace, provider, facts.chain_id);
    let watch = until(stop.clone(), watch);
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = directory.ready() => {}
    }
    ready.set();
    tracing::info!(listen = %args.listen, pin = key.borrow().pin(), authorities = ?facts.authorities, provider = facts.provider_id.0, "gateway serves");
    let options = GatewayOptions {
        facts,
        trusted_proxies: args.trust_forwarded_from.clone(),
        close_patience: CLOSE_PATIENCE,
        clock: clock(),
        metrics,
    };
    let router = router(Arc::new(Gateway::new(directory, options)));
    serve(
        listener,
        key,
        router,
        stop,
        Duration::from_secs(args.shutdown_grace),
    )
    .await;
    watch.abort();
    renewal.abort();
    ops.abort();
    Ok(())
}

/// Goes on beside what is served until the token is cancelled.
fn until(stop: CancellationToken, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    })
}

/// Probes and metrics on a port of their own, so that what strangers reach tells nothing of the inside. Live at once, ready once leases are known.
async fn ops(
    address: SocketAddr,
    metrics: Metrics,
    ready: Ready,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, GatewayCommandError> {
    let listener = ops_http::bind(address)
        .await
        .map_err(|source| GatewayCommandError::Ops { address, source })?;
    Ok(tokio::spawn(async move {
        if let Err(error) = ops_http::serve(listener, metrics, ready, stop).await {
            tracing::error!(%error, "probes and metrics are no longer served");
        }
    }))
}

fn serving_key(args: &GatewayArgs) -> Result<ServingKey, GatewayCommandError> {
    let of = |flag| move |source| GatewayCommandError::Tls { flag, source };
    match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => ServingKey::from_files(cert, key).map_err(of("--tls-cert and --tls-key:")),
        (_, _) => {
            // Clients go by the pin; the name in the certificate is for people who look.
            let names = args.authority.iter().map(|name| host(name)).collect::<Vec<_>>();
            let names = if names.is_empty() {
                vec!["leaseport-gateway".to_owned()]
            } else {
                names
            };
            ServingKey::self_signed(&args.tls_dir, names).map_err(of("--tls-dir"))
        }
    }
}

/// `gpu.example.org:8443` without its port.
fn host(authority: &str) -> String {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            host.trim_matches(['[', ']']).to_owned()
        }
        Some(_) | None => authority.to_owned(),
    }
}

/// Asks until the provider and its market are there; none when told to stop meanwhile.
async fn who_am_i(
    client: &Client,
    args: &GatewayArgs,
    provider: &str,
    stop: &CancellationToken,
) -> Result<Option<GatewayFacts>, GatewayCommandError> {
    let mut told = String::new();
    loop {
        match load_facts(client, &args.namespace, provider).await {
            Ok((mut facts, found)) => {
                facts.authorities = args
                    .authority
                    .iter()
                    .map(|name| name.to_ascii_lowercase())
                    .collect();
                if facts.authorities.is_empty() {
                    facts
                        .authorities
                        .push(found.spec.gateway.url.parse::<PinnedUrl>()?.authority());
                }
                return Ok(Some(facts));
            }
            Err(error) => {
                let words = format!("{error}; {}", remedy(&error));
                // It may take as long as the admin takes: said once, and again when it changes.
                if words != told {
                    tracing::warn!(
                        namespace = args.namespace,
                        "the gateway does not know yet who it is: {words}"
                    );
                    told = words;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(ASK) => {}
        }
    }
}

/// What an admin does about it.
fn remedy(error: &FactsError) -> &'static str {
    match error {
        FactsError::Read { source, .. } => match source.as_ref() {
            kube::Error::Api(status) if status.code == 404 => {
                "create it, or correct --namespace and --provider, or its spec.marketRef"
            }
            kube::Error::Api(status) if status.code == 403 => {
                "bind the gateway's rights to its service account (deploy/rbac-gateway.yaml)"
            }
            _ => "it is asked again until the API server answers",
        },
        FactsError::NoContracts(_) => "it goes on when the market is Ready",
        FactsError::Field(_, _) => "correct the object",
    }
}

fn clock() -> Clock {
    let begun = Instant::now();
    Arc::new(move || {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        (
            Steady(begun.elapsed()),
            UnixMillis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gateway::renewal::PACE;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: GatewayArgs,
    }

    #[test]
    fn a_provider_is_needed_to_serve_but_not_to_print_the_pin() {
        assert!(Line::try_parse_from(["gateway"]).is_err());
        assert!(Line::try_parse_from(["gateway", "--print-pin"]).is_ok());
        let line = Line::try_parse_from(["gateway", "--provider", "main", "--authority", "gpu.example.org"])
            .unwrap();
        assert_eq!(line.args.listen, "0.0.0.0:8443".parse().unwrap());
        assert_eq!(line.args.ops_address, "0.0.0.0:9091".parse().unwrap());
        assert!(Line::try_parse_from(["gateway", "--provider", "main", "--tls-cert", "x"]).is_err());
    }

    #[test]
    fn the_help_names_the_pace_at_which_certificates_are_looked_at() {
        let help = <Line as clap::CommandFactory>::command()
            .render_long_help()
            .to_string();
        let pace = format!("every {} s", PACE.as_secs());
        assert_eq!(help.matches(&pace).count(), 2, "{help}");
    }

    #[test]
    fn the_certificates_name_is_the_authority_without_its_port() {
        assert_eq!(host("gpu.example.org:8443"), "gpu.example.org");
        assert_eq!(host("gpu.example.org"), "gpu.example.org");
        assert_eq!(host("[::1]:8443"), "::1");
    }
}
