//! The order in which a world's parts start, each when what it needs is ready. Parts that wait for nothing in common
//! start side by side.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::control_plane::{self, Layout};
use super::options::{Lane, Options, Services};
use super::part::{Part, Place, Ready};
use super::ports::Ports;
use super::state::{Node, Phase};
use super::{Error, PATIENCE, World, cgroup, chain, file, gpus, kwok, node, sandbox};
use crate::prepare::Tools;
use crate::rpc;

impl World {
    pub(super) fn start(&mut self, options: &Options, tools: &Tools) -> Result<(), Error> {
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
                self.meet_the_users_cluster()?;
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

    /// Finds out where the user's cluster is, and that it answers.
    fn meet_the_users_cluster(&mut self) -> Result<(), Error> {
        let refuse = |error: Error| Error::Option {
            option: "KUBECONFIG",
            value: self.state.kubeconfig.display().to_string(),
            remedy: format!("kubectl finds no cluster by it: {error}"),
        };
        let view = [
            "config",
            "view",
            "--minify",
            "--output=jsonpath={.clusters[0].cluster.server}",
        ];
        let url = self.kubectl(&view).map_err(refuse)?;
        self.kubectl(&["--request-timeout=10s", "version"])
            .map_err(refuse)?;
        self.state.apiserver_addr = url
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        self.state.apiserver_url = url;
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
                let ids = if options.device_plugin.is_some() {
                    Vec::new()
                } else {
                    gpus::gpu_ids(&state.run_dir.display().to_string(), options.gpus)
                };
                state.node = Some(Node {
                    name: node::NAME.into(),
                    ip: sandbox.node_ip.clone(),
                    gpu_count: options.gpus,
                    gpus: ids,
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

    pub(super) fn launch(&mut self, mut part: Part) -> Result<(), Error> {
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

    pub(super) fn store(&mut self, part: &Part) -> Result<(), Error> {
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
