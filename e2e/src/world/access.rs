//! The ways into a running world: kubectl, the chain, the node's inside, its parts, its GPUs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::Lane;
use super::part::{Part, Place, Ready, Stop, joining, run_in};
use super::{Error, Health, PATIENCE, STOP_PATIENCE, World, control_plane, file, gpus, node, pki};
use crate::{command, rpc};

impl World {
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

    /// The command line that runs a command where the node's parts run, for a caller that runs it itself.
    ///
    /// # Errors
    /// [`Error::NoNode`] without a real node, [`Error::NotRunning`] if its namespaces are gone.
    pub fn inside_line(&self, arguments: &[String]) -> Result<Vec<String>, Error> {
        self.node()?;
        joining(Place::Sandbox, self.state(), arguments)
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
        let path = gpus::inventory(&self.state);
        let mut listed = gpus::read_inventory(&path)?;
        let Some(gpu) = listed.iter_mut().find(|(id, _)| id == uuid) else {
            return Err(Error::Option {
                option: "uuid",
                value: uuid.to_owned(),
                remedy: format!("one of {}", self.node()?.gpus.join(", ")),
            });
        };
        gpu.1 = health;
        gpus::write_inventory(&path, &listed)
    }

    /// Starts a program of the caller's as a part of this world: it outlives the caller, its output is in the log folder, and `down` ends it
    /// with the rest. One of that name that runs already is stopped first.
    ///
    /// # Errors
    /// [`Error::Part`] if it does not become ready.
    pub fn start_program(
        &mut self,
        name: &str,
        command: Vec<String>,
        ready: Ready,
        limit: Duration,
    ) -> Result<(), Error> {
        if self.state.part(name).is_ok() {
            self.stop_part(name)?;
            self.state.parts.retain(|part| part.name != name);
        }
        self.launch(Part {
            name: name.to_owned(),
            command,
            place: Place::Host,
            ready,
            stop: Stop::Terminate,
            log: self.state.log_dir.join(format!("{name}.log")),
            process: None,
        })?;
        self.state.part(name)?.wait_ready(&self.state, limit)
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
}
