//! A whole world on one machine: a control plane, a node with GPUs, a chain. `up` starts it and waits until each part
//! is ready, `down` takes all of it away again. It runs real programs and knows nothing of what is tested on them.

mod cgroup;
mod chain;
mod control_plane;
mod kwok;
mod node;
mod options;
mod part;
mod pki;
mod ports;
mod sandbox;
mod state;
mod teardown;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use node::Health;
pub use options::{Lane, Machine, NodeChoice, Options, Services, choose_lane, default_run_dir};
pub use part::{Part, Place, Process, Ready, Stop};
pub use state::{Node, Phase, Sandbox, WorldState};
pub use teardown::Keep;

use control_plane::Layout;
use part::run_in;
use ports::Ports;

use crate::command;
use crate::prepare::{self, Missing, Tools};
use crate::progress::Progress;
use crate::rpc;

/// How long a part may take until it is ready; a cold machine reads 600 MB of programs from its disk first.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a part may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Why a world could not be started, used or taken away.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part did not start, did not become ready or ended.
    #[error("{part} {why}; the end of {log}:\n{tail}", log = .log.display())]
    Part {
        /// The part's name.
        part: String,
        /// What went wrong.
        why: String,
        /// Its whole output.
        log: PathBuf,
        /// The end of its output.
        tail: String,
    },
    /// A part that something else needs does not run.
    #[error("{0} is not running; `leaseport-world status` shows what is, `leaseport-world up` starts anew")]
    NotRunning(String),
    /// There is no part of that name.
    #[error("no part `{name}` in this world; there are: {known}")]
    NoPart {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The world has no real node.
    #[error(
        "this world has no real node (lane kwok-only or external), so it has no containers, logs or devices"
    )]
    NoNode,
    /// The world's cluster is the user's.
    #[error("this needs the world's own cluster, but KUBECONFIG names the user's")]
    NotOwnCluster,
    /// The machine can't have the node that is required.
    #[error("a real node is required but this machine can't have one:\n{}", .0.iter().map(|one| format!("  - {one}")).collect::<Vec<_>>().join("\n"))]
    NodeImpossible(Vec<Missing>),
    /// There is no world in that folder.
    #[error("no world in {}; start one with `leaseport-world up`", .0.display())]
    NoWorld(PathBuf),
    /// Another process starts the same world.
    #[error("another `leaseport-world up` works in {}; wait for it, or choose another --name", .0.display())]
    Busy(PathBuf),
    /// An option does not fit.
    #[error("{option} = `{value}`: {remedy}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it was.
        value: String,
        /// What it should be.
        remedy: String,
    },
    /// `world.json` cannot be read or written.
    #[error("{}: {source}; if it cannot be repaired, end its processes by hand and remove the folder", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No cgroup hierarchy is mounted.
    #[error(
        "no cgroup hierarchy under /sys/fs/cgroup; a real node needs one (in a container: run it with --privileged)"
    )]
    NoCgroups,
    /// All numbers for a world's networks are taken.
    #[error(
        "10.240.1.0/24 to 10.240.255.0/24 are all in use; take down a world or a network of this machine"
    )]
    NoFreeNetwork,
    /// Something of the world is still there after `down`.
    #[error("left behind: {what}")]
    Left {
        /// What it is.
        what: String,
    },
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// What the world runs could not be made ready.
    #[error(transparent)]
    Prepare(#[from] prepare::Error),
    /// A program that was to run to its end failed.
    #[error(transparent)]
    Command(#[from] command::Error),
}

/// A world that runs.
#[derive(Debug)]
pub struct World {
    state: WorldState,
    progress: Progress,
    tenure: Tenure,
}

/// What happens to the world when its value is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenure {
    /// It is taken down.
    Owned,
    /// It goes on.
    Kept,
}

impl World {
    /// Starts a world and waits until all of it is ready. If one of that name runs already, that one is returned; if
    /// the rest of one is there, it is taken away first. On an error nothing is left but the logs.
    ///
    /// # Errors
    /// [`Error::Part`] names the part that failed and shows the end of its log; [`Error::Prepare`] lists what is
    /// missing on the machine.
    pub fn up(options: &Options) -> Result<Self, Error> {
        check_name(&options.name)?;
        let run_dir = std::path::absolute(&options.run_dir).map_err(file(&options.run_dir))?;
        check_run_dir(&run_dir)?;
        let progress = options.progress;
        let _turn = take_turn(&run_dir)?;
        match WorldState::load(&run_dir) {
            Ok(state) if state.phase == Phase::Up && state.parts.iter().all(Part::alive) => {
                progress.say(&format!("world `{}` runs already", state.name));
                return Ok(Self {
                    state,
                    progress,
                    tenure: Tenure::Kept,
                });
            }
            Ok(state) => {
                progress.say(&format!(
                    "world `{}` is there in parts; taking it down first",
                    state.name
                ));
                teardown::down(&state, Keep::Nothing, progress)?;
            }
            Err(Error::NoWorld(_)) => {}
            Err(error) => return Err(error),
        }

        let (lane, lacks) = choose_lane(options, Machine::look()).map_err(Error::NodeImpossible)?;
        if lane == Lane::KwokOnly && !lacks.is_empty() {
            progress.say(
                "no real node on this machine, only nodes that kwok keeps (no logs, no exec, no devices):",
            );
            for one in &lacks {
                progress.say(&format!("  - {one}"));
            }
        }
        let prepared = prepare::prepare(&options.cache, &options.needs(lane), progress);
        let state = new_state(options, run_dir, lane)?;
        let tools = match prepared {
            Ok(tools) => tools,
            Err(error) => {
                teardown::down(&state, Keep::Nothing, Progress::Quiet)?;
                return Err(error.into());
            }
        };
        let mut world = Self {
            state,
            progress,
            tenure: Tenure::Owned,
        };
        if let Err(error) = world.start(options, &tools) {
            world.tenure = Tenure::Kept;
            if let Err(more) = teardown::down(&world.state, Keep::Logs, progress) {
                progress.say(&format!("and taking down what had started failed: {more}"));
            }
            return Err(error);
        }
        Ok(world)
    }

    /// The world that another process has started in `run_dir`. It goes on when the value is dropped.
    ///
    /// # Errors
    /// [`Error::NoWorld`] if there is none.
    pub fn attach(run_dir: &Path) -> Result<Self, Error> {
        let run_dir = std::path::absolute(run_dir).map_err(file(run_dir))?;
        Ok(Self {
            state: WorldState::load(&run_dir)?,
            progress: Progress::Quiet,
            tenure: Tenure::Kept,
        })
    }

    /// Lets the world go on when this value is dropped.
    pub fn keep(&mut self) {
        self.tenure = Tenure::Kept;
    }

    /// Takes the world down. Nothing of it is left: no process, mount, namespace, link, cgroup, nor its folder.
    ///
    /// # Errors
    /// [`Error::Left`] with what could not be removed.
    pub fn down(self) -> Result<(), Error> {
        self.down_keeping(Keep::Nothing)
    }

    /// Takes the world down and says what of its folder stays.
    ///
    /// # Errors
    /// As [`World::down`].
    pub fn down_keeping(mut self, keep: Keep) -> Result<(), Error> {
        self.tenure = Tenure::Kept;
        teardown::down(&self.state, keep, self.progress)
    }

    /// All that is known of the world.
    #[must_use]
    pub fn state(&self) -> &WorldState {
        &self.state
    }

    /// An administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.state.kubeconfig
    }

    /// The chain's JSON-RPC over HTTP.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        &self.state.rpc_url
    }

    /// The chain's JSON-RPC over WebSocket.
    #[must_use]
    pub fn ws_url(&self) -> &str {
        &self.state.ws_url
    }

    /// The real node.
    ///
    /// # Errors
    /// [`Error::NoNode`] on the other lanes.
    pub fn node(&self) -> Result<&Node, Error> {
        self.state.node.as_ref().ok_or(Error::NoNode)
    }

    /// Runs kubectl as the administrator and returns its output.
    ///
    /// # Errors
    /// [`Error::Command`] with what kubectl said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.kubectl_with_input(arguments, "")
    }

    /// Runs kubectl with text on its standard input, as for `apply -f -`.
    ///
    /// # Errors
    /// As [`World::kubectl`].
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String, Error> {
        let line = control_plane::kubectl(&self.state, arguments);
        let Some((program, arguments)) = line.split_first() else {
            return Ok(String::new());
        };
        Ok(command::run_with_input(program, arguments, input.as_bytes())?)
    }

    /// Runs kubectl and reads its output as JSON (`-o json` is added).
    ///
    /// # Errors
    /// As [`World::kubectl`].
    pub fn kubectl_json(&self, arguments: &[&str]) -> Result<serde_json::Value, Error> {
        let text = self.kubectl(&[arguments, &["--output=json"]].concat())?;
        serde_json::from_str(&text).map_err(|source| Error::State {
            path: "kubectl --output=json".into(),
            source,
        })
    }

    /// Calls a JSON-RPC method of the chain and returns its result.
    ///
    /// # Errors
    /// [`Error::File`] with the URL and what the node said.
    pub fn rpc(&self, method: &str, parameters: &serde_json::Value) -> Result<serde_json::Value, Error> {
        rpc::call(&self.state.rpc_url, method, parameters).map_err(file(Path::new(&self.state.rpc_url)))
    }

    /// Runs a command where the node's parts run: in the world's mount and network namespaces.
    ///
    /// # Errors
    /// [`Error::NoNode`] without a real node, [`Error::Command`] if the command fails.
    pub fn inside(&self, arguments: &[&str]) -> Result<String, Error> {
        self.node()?;
        run_in(
            Place::Sandbox,
            &self.state,
            &arguments.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(),
        )
    }

    /// Loads an image (a `docker save` archive) into the node.
    ///
    /// # Errors
    /// [`Error::NoNode`] without a real node, [`Error::Command`] if containerd refuses it.
    pub fn load_image(&self, archive: &Path) -> Result<(), Error> {
        self.node()?;
        node::load_image(&self.state, archive)
    }

    /// Makes the device plugin report a GPU as healthy or not. The node's status follows within about two seconds.
    ///
    /// # Errors
    /// [`Error::Option`] if the node has no such GPU.
    pub fn set_gpu_health(&self, uuid: &str, health: Health) -> Result<(), Error> {
        let path = node::inventory(&self.state);
        let mut gpus = node::read_inventory(&path)?;
        let Some(gpu) = gpus.iter_mut().find(|(id, _)| id == uuid) else {
            return Err(Error::Option {
                option: "uuid",
                value: uuid.to_owned(),
                remedy: format!("one of {}", self.node()?.gpus.join(", ")),
            });
        };
        gpu.1 = health;
        node::write_inventory(&path, &gpus)
    }

    /// Stops one part, as `kube-apiserver`, `kubelet` or `anvil`; the others go on.
    ///
    /// # Errors
    /// [`Error::NoPart`] with the names there are.
    pub fn stop_part(&mut self, name: &str) -> Result<(), Error> {
        self.state.part(name)?;
        for part in self.state.parts.iter_mut().filter(|part| part.name == name) {
            part.stop(STOP_PATIENCE);
        }
        self.state.save()
    }

    /// Kills one part without a word, as a crash does.
    ///
    /// # Errors
    /// [`Error::NoPart`] with the names there are.
    pub fn kill_part(&mut self, name: &str) -> Result<(), Error> {
        self.state.part(name)?;
        for part in self.state.parts.iter_mut().filter(|part| part.name == name) {
            part.kill();
        }
        self.state.save()
    }

    /// Starts a stopped part again, with the same command, and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::Part`] if it does not become ready.
    pub fn start_part(&mut self, name: &str) -> Result<(), Error> {
        let mut part = self.state.part(name)?.clone();
        if !part.alive() {
            part.start(&self.state)?;
        }
        self.store(&part)?;
        part.wait_ready(&self.state, PATIENCE)
    }

    /// Writes a kubeconfig with a day's token of a service account. `server` replaces the API server's URL, as
    /// `https://127.0.0.1:1234` for a proxy in front of it.
    ///
    /// # Errors
    /// [`Error::NotOwnCluster`] on the user's cluster, [`Error::Command`] if there is no such account.
    pub fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        server: Option<&str>,
    ) -> Result<PathBuf, Error> {
        if self.state.lane == Lane::External {
            return Err(Error::NotOwnCluster);
        }
        let token = self.kubectl(&[
            "create",
            "token",
            name,
            &format!("--namespace={namespace}"),
            "--duration=24h",
        ])?;
        let folder = self.state.run_dir.join("kubeconfigs");
        fs::create_dir_all(&folder).map_err(file(&folder))?;
        let server = server.unwrap_or(&self.state.apiserver_url);
        let digest = crate::image::hex(server.as_bytes());
        let path = folder.join(format!(
            "{namespace}-{name}-{}.yaml",
            digest.get(..8).unwrap_or(&digest)
        ));
        let credential = pki::Credential::Token(token.trim());
        pki::kubeconfig(
            &path,
            &self.state.run_dir.join("pki"),
            server,
            namespace,
            &credential,
        )?;
        Ok(path)
    }

    fn start(&mut self, options: &Options, tools: &Tools) -> Result<(), Error> {
        let started = Instant::now();
        let ports = match self.state.lane {
            Lane::Node => Ports::customary(),
            Lane::KwokOnly | Lane::External => Ports::free().map_err(file(Path::new("127.0.0.1")))?,
        };
        self.lay_out(tools, &ports, options)?;
        match self.state.lane {
            Lane::Node => self.start_with_node(options, tools, &ports)?,
            Lane::KwokOnly => self.start_on_loopback(options, tools, &ports)?,
            Lane::External => {
                self.start_chain(options, Place::Host, "127.0.0.1", &ports)?;
                let view = [
                    "config",
                    "view",
                    "--minify",
                    "--output=jsonpath={.clusters[0].cluster.server}",
                ];
                self.state.apiserver_url = self.kubectl(&view)?;
                let address = self
                    .state
                    .apiserver_url
                    .trim_start_matches("https://")
                    .trim_end_matches('/');
                self.state.apiserver_addr = address.to_owned();
                self.kubectl(&["--request-timeout=10s", "version"])?;
            }
        }
        if options.rpc_url.is_none() {
            self.wait("anvil")?;
        } else if options
            .rpc_url
            .as_deref()
            .is_some_and(|url| url.starts_with("http://"))
        {
            rpc::call(&self.state.rpc_url, "eth_blockNumber", &serde_json::json!([])).map_err(|source| {
                Error::Option {
                    option: "LEASEPORT_RPC_URL",
                    value: self.state.rpc_url.clone(),
                    remedy: format!("no EVM node answers there ({source})"),
                }
            })?;
        }
        self.state.phase = Phase::Up;
        self.state.save()?;
        self.progress.say(&format!(
            "world `{}` is up after {:.1} s",
            self.state.name,
            started.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Makes the folders and decides every address, and writes all of it down before anything is started.
    fn lay_out(&mut self, tools: &Tools, ports: &Ports, options: &Options) -> Result<(), Error> {
        let state = &mut self.state;
        fs::remove_dir_all(&state.log_dir).ok();
        for folder in [&state.log_dir, &state.bin_dir, &state.run_dir.join("pids")] {
            fs::create_dir_all(folder).map_err(file(folder))?;
        }
        for (name, path) in tools.programs() {
            let link = state.bin_dir.join(name);
            fs::remove_file(&link).ok();
            std::os::unix::fs::symlink(path, &link).map_err(file(&link))?;
        }
        let address = match state.lane {
            Lane::Node => {
                let sandbox = sandbox::claim()?;
                let gpus = if options.device_plugin.is_some() {
                    Vec::new()
                } else {
                    node::gpu_ids(&state.run_dir.display().to_string(), options.gpus)
                };
                state.node = Some(Node {
                    name: node::NAME.into(),
                    ip: sandbox.node_ip.clone(),
                    gpu_count: options.gpus,
                    gpus,
                });
                let address = sandbox.node_ip.clone();
                state.sandbox = Some(sandbox);
                address
            }
            Lane::KwokOnly | Lane::External => "127.0.0.1".into(),
        };
        match &options.rpc_url {
            Some(url) => state.rpc_url.clone_from(url),
            None => state.rpc_url = format!("http://{address}:{}", ports.chain),
        }
        if let Some(rest) = state.rpc_url.strip_prefix("http") {
            state.ws_url = format!("ws{rest}");
        }
        if state.lane != Lane::External {
            state.apiserver_addr = format!("{address}:{}", ports.apiserver);
            state.apiserver_url = format!("https://{}", state.apiserver_addr);
        }
        state.save()?;
        if let Some(sandbox) = &state.sandbox {
            cgroup::furnish(sandbox)?;
        }
        Ok(())
    }

    fn start_with_node(&mut self, options: &Options, tools: &Tools, ports: &Ports) -> Result<(), Error> {
        let (Some(sandbox), Some(node)) = (self.state.sandbox.clone(), self.state.node.clone()) else {
            return Err(Error::NoNode);
        };
        let pause = control_plane::part(
            &self.state,
            Place::Founder,
            sandbox::FOUNDER,
            Ready::Started,
            Vec::new(),
        );
        self.launch(Part {
            command: vec![control_plane::program(&self.state, "pause")],
            ..pause
        })?;
        sandbox::furnish(&self.state, &sandbox)?;
        self.start_chain(options, Place::Sandbox, "0.0.0.0", ports)?;

        let service_ip = sandbox.first_service_ip();
        let layout = Layout {
            place: Place::Sandbox,
            ports,
            address: &sandbox.node_ip,
            service_ip: &service_ip,
            service_subnet: &sandbox.service_subnet,
            also: &[&sandbox.host_ip],
        };
        let authority = control_plane::identities(&self.state, &layout)?;
        node::configure(&self.state, &sandbox, &node, &authority)?;
        self.launch(control_plane::etcd(&self.state, &layout))?;
        self.launch(node::containerd(&self.state))?;
        self.wait("etcd")?;
        self.launch(control_plane::apiserver(&self.state, &layout))?;
        // The API server takes its time; the images are loaded meanwhile.
        self.wait("containerd")?;
        node::load_images(&self.state, tools, options)?;
        self.wait("kube-apiserver")?;
        self.launch(control_plane::controller_manager(&self.state, &layout))?;
        self.launch(control_plane::scheduler(&self.state, &layout))?;
        self.launch(node::kubelet(&self.state, &node))?;
        self.wait("kube-controller-manager")?;
        self.wait("kube-scheduler")?;
        self.wait("kubelet")?;
        self.launch(node::device_plugin(
            &self.state,
            &node,
            options.device_plugin.as_deref(),
        ))?;
        if options.services == Services::KubeProxy {
            self.launch(node::proxy(&self.state))?;
            self.wait("kube-proxy")?;
        }
        self.start_kwok(options, tools, Place::Sandbox, ports)?;
        self.wait("device-plugin")
    }

    fn start_on_loopback(&mut self, options: &Options, tools: &Tools, ports: &Ports) -> Result<(), Error> {
        self.start_chain(options, Place::Host, "127.0.0.1", ports)?;
        let layout = Layout {
            place: Place::Host,
            ports,
            address: "127.0.0.1",
            service_ip: "10.96.0.1",
            service_subnet: "10.96.0.0/16",
            also: &[],
        };
        control_plane::identities(&self.state, &layout)?;
        self.launch(control_plane::etcd(&self.state, &layout))?;
        self.wait("etcd")?;
        self.launch(control_plane::apiserver(&self.state, &layout))?;
        self.wait("kube-apiserver")?;
        self.launch(control_plane::controller_manager(&self.state, &layout))?;
        self.launch(control_plane::scheduler(&self.state, &layout))?;
        self.wait("kube-controller-manager")?;
        self.wait("kube-scheduler")?;
        self.start_kwok(options, tools, Place::Host, ports)
    }

    fn start_chain(
        &mut self,
        options: &Options,
        place: Place,
        address: &str,
        ports: &Ports,
    ) -> Result<(), Error> {
        if options.rpc_url.is_some() {
            return Ok(());
        }
        self.launch(chain::anvil(&self.state, place, address, ports.chain))
    }

    fn start_kwok(
        &mut self,
        options: &Options,
        tools: &Tools,
        place: Place,
        ports: &Ports,
    ) -> Result<(), Error> {
        if self.state.kwok_nodes == 0 {
            return Ok(());
        }
        self.launch(kwok::kwok(&self.state, tools, place, ports.kwok))?;
        let beside = self.state.node.as_ref().map(|node| node.name.as_str());
        let nodes = kwok::nodes(self.state.kwok_nodes, beside).to_string();
        self.kubectl_with_input(&["create", "--filename=-"], &nodes)?;
        let ready = [
            "wait",
            "--for=condition=Ready",
            "--selector=type=kwok",
            "--timeout=60s",
            "node",
        ];
        if self.kubectl(&ready).is_err() {
            // The log of kwok says why, kubectl does not.
            let mut silent = self.state.part("kwok")?.clone();
            silent.ready = Ready::Answers(control_plane::kubectl(&self.state, &ready));
            silent.wait_ready(&self.state, Duration::ZERO)?;
        }
        self.progress.say(&format!(
            "{} kwok nodes are ready",
            options.kwok_nodes.max(self.state.kwok_nodes)
        ));
        Ok(())
    }

    fn launch(&mut self, mut part: Part) -> Result<(), Error> {
        self.state.parts.push(part.clone());
        self.state.save()?;
        let result = part.start(&self.state);
        self.store(&part)?;
        result
    }

    fn wait(&self, name: &str) -> Result<(), Error> {
        let started = Instant::now();
        self.state.part(name)?.wait_ready(&self.state, PATIENCE)?;
        self.progress.say(&format!(
            "{name} is ready (waited {:.1} s)",
            started.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    fn store(&mut self, part: &Part) -> Result<(), Error> {
        for known in self
            .state
            .parts
            .iter_mut()
            .filter(|known| known.name == part.name)
        {
            *known = part.clone();
        }
        self.state.save()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        match self.tenure {
            Tenure::Kept => {}
            Tenure::Owned => {
                if let Err(error) = teardown::down(&self.state, Keep::Nothing, self.progress) {
                    self.progress
                        .say(&format!("world `{}`: {error}", self.state.name));
                }
            }
        }
    }
}

fn new_state(options: &Options, run_dir: PathBuf, lane: Lane) -> Result<WorldState, Error> {
    let kubeconfig = match &options.kubeconfig {
        Some(path) => std::path::absolute(path).map_err(file(path))?,
        None => run_dir.join("kubeconfig"),
    };
    let log_dir = run_dir.join("logs");
    Ok(WorldState {
        name: options.name.clone(),
        phase: Phase::Starting,
        lane,
        kubeconfig,
        apiserver_url: String::new(),
        apiserver_addr: String::new(),
        rpc_url: String::new(),
        ws_url: String::new(),
        bin_dir: run_dir.join("bin"),
        audit_log: log_dir.join("audit.log"),
        log_dir,
        sandbox: None,
        node: None,
        // Without a real node there has to be something to schedule on.
        kwok_nodes: if lane == Lane::KwokOnly {
            options.kwok_nodes.max(1)
        } else {
            options.kwok_nodes
        },
        parts: Vec::new(),
        run_dir,
    })
}

/// Keeps a second `up` out of the same folder for as long as the returned file is open.
fn take_turn(run_dir: &Path) -> Result<fs::File, Error> {
    fs::create_dir_all(run_dir).map_err(file(run_dir))?;
    let path = run_dir.join("lock");
    let lock = fs::File::create(&path).map_err(file(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => Err(Error::Busy(run_dir.to_owned())),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !name.is_empty() && name.len() <= 40 && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::Option {
        option: "name",
        value: name.to_owned(),
        remedy: "1 to 40 letters, digits and `-`".into(),
    })
}

/// A world hides these folders of the machine behind its own; its files may not be there.
fn check_run_dir(run_dir: &Path) -> Result<(), Error> {
    let hidden = ["/run", "/var/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni"];
    if let Some(folder) = hidden.iter().find(|folder| run_dir.starts_with(folder)) {
        return Err(Error::Option {
            option: "run-dir",
            value: run_dir.display().to_string(),
            remedy: format!("a folder that is not under {folder}, which every node has for itself"),
        });
    }
    Ok(())
}

/// Writes a file so that a reader sees the old or the new content, never half of one.
fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file(folder))?;
    }
    let new = path.with_extension("new");
    fs::write(&new, content).map_err(file(&new))?;
    fs::rename(&new, path).map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_name_that_is_no_folder_name_is_refused() {
        assert!(check_name("test-1").is_ok());
        for name in ["", "a/b", "..", "a b"] {
            assert!(
                check_name(name).unwrap_err().to_string().contains("name = "),
                "{name}"
            );
        }
    }

    #[test]
    fn a_run_folder_that_the_node_would_hide_is_refused() {
        assert!(check_run_dir(Path::new("/home/user/.leaseport/default")).is_ok());
        assert!(
            check_run_dir(Path::new("/run/user/0/world"))
                .unwrap_err()
                .to_string()
                .contains("/run")
        );
    }

    #[test]
    fn a_folder_without_a_world_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(World::attach(folder.path()), Err(Error::NoWorld(_))));
    }
}
