//! Sets a market up on a world, step by step, and holds what scenarios pull at: the operator's process, the ways it reaches cluster and
//! chain.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::binary::Leaseport;
use super::cast::Cast;
use super::founding::{Market, deploy, gateway_identity, printed, register};
use super::ledger::Ledger;
use super::patience::{eventually, within};
use super::sight::{condition, get};
use super::{Tenant, admin};
use crate::world::{Options, Ready};
use crate::{Proxy, World};

/// The namespace of the samples' provider.
pub const PROVIDER_NAMESPACE: &str = "gpu-provider";
/// Name of the operator among the world's parts.
pub const OPERATOR: &str = "leaseport-operator";
/// Name of a second operator among them.
pub const STANDBY: &str = "leaseport-standby";
/// Name of the gateway among the world's parts.
pub const GATEWAY: &str = "leaseport-gateway";
/// Where the operator's and the gateway's accounts are.
pub(super) const SYSTEM_NAMESPACE: &str = "leaseport-system";
/// Node label that the sample offer selects by.
const GPU_PRODUCT: &str = "nvidia.com/gpu.product";
/// How long a program may take until it serves.
const START: Duration = Duration::from_secs(30);

/// Whether the operator reaches cluster and chain through proxies that a scenario can cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// Through proxies; they live as long as the scene's value.
    Possible,
    /// Directly, so that the programs outlive the scene's value.
    Never,
}

/// When a world of pods ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// With the scene's value, whatever failed.
    WithTheScene,
    /// By `make down` alone.
    ByDown,
}

/// What a scene is asked to be.
#[derive(Clone, Debug)]
pub struct SceneOptions {
    /// Its world.
    pub world: Options,
    /// Whether outages can be cut.
    pub cuts: Cuts,
    /// The provider's duties: it reports once so much usage is not on chain yet, such as `10s`.
    pub report_every: &'static str,
    /// It settles once so much reported usage is not paid yet, such as `20s`.
    pub settle_every: &'static str,
    /// Dollars minted for the tenant, whole ones.
    pub tenant_dollars: u32,
}

/// A market at work.
#[derive(Debug)]
pub struct Scene {
    /// What it runs on.
    pub world: World,
    /// The program under test.
    pub leaseport: Leaseport,
    /// Who acts.
    pub cast: Cast,
    /// The contracts.
    pub market: Market,
    /// What the chain says.
    pub ledger: Ledger,
    /// The operator's way to the API server, if it can be cut.
    pub api_proxy: Option<Proxy>,
    /// The operator's way to the chain, if it can be cut.
    pub rpc_proxy: Option<Proxy>,
    /// The gateway's URL with its pin.
    pub gateway_url: String,
    pub(super) operator_ops: SocketAddr,
    pub(super) operator_command: Vec<String>,
    pub(super) report_every: &'static str,
    pub(super) settle_every: &'static str,
}

impl Scene {
    /// Starts a world and a market on it, and waits until every object of the samples is ready. `say` is told each step as it is done.
    ///
    /// # Errors
    /// The first step that failed, with what the program said.
    pub fn up(options: &SceneOptions, say: &mut dyn FnMut(&str)) -> Result<Self> {
        let run_dir = std::path::absolute(&options.world.run_dir)?;
        let home = run_dir.join("home");
        say("building the leaseport binary, where that is not done yet");
        let leaseport = Leaseport::find(&home)?;
        let mut world = World::up(&options.world)?;
        match options.cuts {
            Cuts::Possible => {}
            Cuts::Never => world.keep(),
        }
        say("the world is up: control plane, node with GPUs, chain");
        fs::create_dir_all(&home)?;
        let cast = Cast::gather(&run_dir.join("keys"))?;
        let rpc_url = world.rpc_url().to_owned();

        let market = deploy(&leaseport, &cast, &rpc_url, options.tenant_dollars, say)?;
        let gateway = free_address()?;
        let (gateway_url, tls_dir) = gateway_identity(&leaseport, &run_dir.join("gateway-tls"), gateway)?;
        let provider = register(&leaseport, &cast, &rpc_url, &market, &gateway_url)?;
        say(&format!("provider {provider} is registered and has staked 1000"));
        let ledger = Ledger {
            rpc_url: rpc_url.clone(),
            lease_book: printed(&market.printed, "/leaseBook")?,
            token: printed(&market.printed, "/tokens/0/address")?,
            provider,
        };

        let (api_proxy, rpc_proxy) = match options.cuts {
            Cuts::Never => (None, None),
            Cuts::Possible => (
                Some(Proxy::start(world.state().apiserver_addr.parse()?)?),
                Some(Proxy::start(authority(&rpc_url).parse()?)?),
            ),
        };
        let mut scene = Self {
            world,
            leaseport,
            cast,
            market,
            ledger,
            api_proxy,
            rpc_proxy,
            gateway_url,
            operator_ops: free_address()?,
            operator_command: Vec::new(),
            report_every: options.report_every,
            settle_every: options.settle_every,
        };
        admin::install(&scene.world)?;
        say("kubectl apply: crds/, deploy/, deploy/provider/");
        scene.apply_samples(say)?;
        scene.start_operator()?;
        scene.start_gateway(gateway, &tls_dir)?;
        scene.wait_ready()?;
        say("market, wallets, provider and offer are Ready");
        Ok(scene)
    }

    /// The tenant at its command line.
    #[must_use]
    pub fn tenant(&self) -> Tenant<'_> {
        Tenant::new(self, &self.cast.tenant)
    }

    /// The chain as the operator reaches it.
    #[must_use]
    pub fn operator_rpc(&self) -> String {
        match &self.rpc_proxy {
            Some(proxy) => format!("http://{}", proxy.addr()),
            None => self.ledger.rpc_url.clone(),
        }
    }

    pub(super) fn apply_samples(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        for (secret, actor) in [("wallet-duty", &self.cast.duty), ("wallet-bids", &self.cast.bids)] {
            admin::key_secret(&self.world, PROVIDER_NAMESPACE, secret, &actor.key_file)?;
        }
        let chain_id = self.market.printed["chainId"].to_string();
        let product = self.gpu_product()?;
        let symbol = printed(&self.market.printed, "/tokens/0/symbol")?.to_lowercase();
        let rpc_url = self.operator_rpc();
        let provider = self.ledger.provider.to_string();
        let values = [
            ("CHAIN_ID", chain_id.as_str()),
            ("RPC_URL", &rpc_url),
            ("DIRECTORY", &self.market.directory),
            ("PROVIDER_ID", &provider),
            ("PAYOUT_ADDRESS", self.cast.payout.address),
            ("GATEWAY_URL", &self.gateway_url),
            ("GPU_PRODUCT", &product),
            ("CURRENCY", &symbol),
        ];
        for file in ["market.yaml", "wallets.yaml", "provider.yaml", "offer.yaml"] {
            admin::sample(&self.world, file, &values)?;
        }
        let duties = serde_json::json!({ "spec": { "duties": {
            "reportEvery": self.report_every, "settleEvery": self.settle_every,
        } } });
        self.world.kubectl(&[
            "--namespace",
            PROVIDER_NAMESPACE,
            "patch",
            "computeprovider/main",
            "--type=merge",
            &format!("--patch={duties}"),
        ])?;
        say("kubectl apply: deploy/samples (market, wallets, provider, offer), keys as Secrets");
        Ok(())
    }

    /// What the nodes of this world are labelled with.
    fn gpu_product(&self) -> Result<String> {
        let nodes = self.world.kubectl_json(&["get", "nodes"])?;
        let product = nodes["items"].as_array().into_iter().flatten().find_map(|node| {
            node["metadata"]["labels"][GPU_PRODUCT]
                .as_str()
                .map(str::to_owned)
        });
        product.with_context(|| format!("no node has the label {GPU_PRODUCT}"))
    }

    fn kubeconfig(&self, account: &str) -> Result<PathBuf> {
        let url = self
            .api_proxy
            .as_ref()
            .map(|proxy| format!("https://{}", proxy.addr()));
        Ok(self
            .world
            .service_account_kubeconfig(SYSTEM_NAMESPACE, account, url.as_deref())?)
    }

    /// Runs the operator under its own account until it is ready; one that runs already is stopped first.
    ///
    /// # Errors
    /// It ended or is not ready in time, with the end of its log.
    pub fn start_operator(&mut self) -> Result<()> {
        if self.operator_command.is_empty() {
            let kubeconfig = self.kubeconfig("leaseport-operator")?;
            let ops = self.operator_ops.to_string();
            self.operator_command = self.program(
                &kubeconfig,
                &[
                    "operator",
                    "--namespace",
                    SYSTEM_NAMESPACE,
                    "--ops-address",
                    &ops,
                    "--pause-image",
                    crate::image::PAUSE,
                    "--dns",
                    "node",
                    "--termination-grace-seconds",
                    "2",
                ],
            );
        }
        let command = self.operator_command.clone();
        self.world
            .start_program(OPERATOR, command, Ready::Started, START)?;
        let lives = within(START, "the operator is ready", || {
            if !self.world.state().part(OPERATOR)?.alive() {
                return Ok(Some(false));
            }
            Ok(get(self.operator_ops, "/readyz")?
                .starts_with("ok")
                .then_some(true))
        })
        .with_context(|| self.log_tail(OPERATOR))?;
        if !lives {
            bail!("the operator ended; {}", self.log_tail(OPERATOR));
        }
        Ok(())
    }

    fn start_gateway(&mut self, address: SocketAddr, tls_dir: &str) -> Result<()> {
        let kubeconfig = self.kubeconfig("leaseport-gateway")?;
        let listen = address.to_string();
        let ops = free_address()?.to_string();
        let command = self.program(
            &kubeconfig,
            &[
                "gateway",
                "--listen",
                &listen,
                "--ops-address",
                &ops,
                "--namespace",
                PROVIDER_NAMESPACE,
                "--provider",
                "main",
                "--tls-dir",
                tls_dir,
            ],
        );
        let ready = Ready::Logged("gateway serves".into());
        self.world.start_program(GATEWAY, command, ready, START)?;
        Ok(())
    }

    /// A command line that runs a verb of the binary with nothing of the caller's environment.
    fn program(&self, kubeconfig: &std::path::Path, arguments: &[&str]) -> Vec<String> {
        let mut command = vec![
            "env".to_owned(),
            "-i".to_owned(),
            format!("KUBECONFIG={}", kubeconfig.display()),
            "LEASEPORT_LOG=leaseport=debug,warn".to_owned(),
            "RUST_BACKTRACE=1".to_owned(),
            "NO_COLOR=1".to_owned(),
            self.leaseport.path().display().to_string(),
        ];
        command.extend(arguments.iter().map(|&word| word.to_owned()));
        command
    }

    /// Kills the operator as a crash does: no signal it could handle, nothing handed back.
    ///
    /// # Errors
    /// It was never started.
    pub fn kill_operator(&mut self) -> Result<()> {
        Ok(self.world.kill_part(OPERATOR)?)
    }

    /// Runs a second operator under the same account until it is ready, and returns where it shows its metrics.
    ///
    /// # Errors
    /// The first was never started, or this one is not ready in time, with the end of its log.
    pub fn start_standby(&mut self) -> Result<SocketAddr> {
        let ops = free_address()?;
        let (first, second) = (self.operator_ops.to_string(), ops.to_string());
        let command = self
            .operator_command
            .iter()
            .map(|word| {
                if *word == first {
                    second.clone()
                } else {
                    word.clone()
                }
            })
            .chain(["--pod-name".to_owned(), STANDBY.to_owned()])
            .collect();
        self.world
            .start_program(STANDBY, command, Ready::Started, START)?;
        within(START, "the standby is ready", || {
            Ok(get(ops, "/readyz")?.starts_with("ok").then_some(()))
        })
        .with_context(|| self.log_tail(STANDBY))?;
        Ok(ops)
    }

    /// Who holds the operator's lock; empty when nobody does.
    ///
    /// # Errors
    /// There is no lock.
    pub fn lock_holder(&self) -> Result<String> {
        let lock = self.world.kubectl_json(&[
            "--namespace",
            SYSTEM_NAMESPACE,
            "get",
            "lease.coordination.k8s.io/leaseport-operator",
        ])?;
        Ok(lock["spec"]["holderIdentity"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Whether the operator's process runs.
    #[must_use]
    pub fn operator_runs(&self) -> bool {
        self.world
            .state()
            .part(OPERATOR)
            .is_ok_and(crate::world::Part::alive)
    }

    pub(super) fn wait_ready(&self) -> Result<()> {
        let kinds = [
            "computemarket/local",
            "computewallet/duty",
            "computewallet/bids",
            "computeprovider/main",
            "computeoffer/gpus",
        ];
        for kind in kinds {
            let object = || {
                self.world
                    .kubectl_json(&["--namespace", PROVIDER_NAMESPACE, "get", kind])
            };
            eventually(&format!("{kind} is Ready"), || {
                let found = object()?;
                match condition(&found, "Ready") {
                    Some(ready) if ready["status"] == "True" => Ok(Some(())),
                    Some(ready) => bail!("{}: {}", ready["reason"], ready["message"]),
                    None => bail!("no condition Ready"),
                }
            })
            .with_context(|| self.log_tail(OPERATOR))?;
        }
        Ok(())
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// A loopback address with a port that is free now.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
