//! A market whose operator and gateway run as pods: `kubectl apply -k` of the overlay that deploy/README.md shows, and nothing of ours runs
//! beside the cluster. It may set what an overlay sets (image, flags, how the gateway is reached) and no more.

use std::fs;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::binary::{Leaseport, workspace};
use super::cast::Cast;
use super::container_image::{IMAGE, load};
use super::founding::{deploy, gateway_identity, printed, register};
use super::ledger::Ledger;
use super::stage::{Ends, SYSTEM_NAMESPACE, Scene, SceneOptions};
use super::{admin, condition, eventually, within};
use crate::World;
use crate::world::{Options, Services};

/// Where the gateway's Service is reached on the node: within the range that API servers give to node ports.
pub(super) const NODE_PORT: u16 = 30443;
/// Port of the operator's metrics and probes, as in deploy/operator.yaml.
const OPS_PORT: u16 = 9090;
/// The operator's Deployment, and the name of its leader lock.
const OPERATOR: &str = "leaseport-operator";
/// How long images may take to start and probes to pass.
const ROLLOUT: Duration = Duration::from_secs(90);

impl Scene {
    /// As [`Scene::up`], with operator and gateway as pods of an image built from the Dockerfile. Outages cannot be cut here.
    ///
    /// # Errors
    /// The first step that failed, with what the program said.
    pub fn up_in_pods(options: &SceneOptions, say: &mut dyn FnMut(&str)) -> Result<Self> {
        let (mut scene, overlay) = Self::before_pods(options, Ends::WithTheScene, say)?;
        admin::definitions(&scene.world)?;
        let deploy_folder = workspace().join("deploy");
        let readme = fs::read_to_string(deploy_folder.join("README.md")).context("deploy/README.md")?;
        let written = kustomization(&readme, &relative(&overlay, &deploy_folder))?;
        fs::write(overlay.join("kustomization.yaml"), written)?;
        let folder = overlay.display().to_string();
        scene
            .world
            .kubectl(&["apply", "--server-side", "--kustomize", &folder])?;
        admin::provider_namespace(&scene.world)?;
        say("kubectl apply: crds/, an overlay over deploy/, deploy/provider/");
        scene.apply_samples(say)?;
        scene
            .pods_are_ready()
            .with_context(|| scene.pods_say().unwrap_or_default())?;
        scene.operator_ops = scene.leader_address()?;
        scene
            .wait_ready()
            .with_context(|| scene.pods_say().unwrap_or_default())?;
        say("the pods are ready; market, wallets, provider and offer are Ready");
        Ok(scene)
    }

    /// All that comes before anything of ours is installed: a world, the image on its node, a market, a provider that is registered with the
    /// gateway's pin. The folder holds the gateway's certificate and key.
    pub(super) fn before_pods(
        options: &SceneOptions,
        ends: Ends,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Self, PathBuf)> {
        let run_dir = std::path::absolute(&options.world.run_dir)?;
        let home = run_dir.join("home");
        say("building the leaseport binary, where that is not done yet");
        let leaseport = Leaseport::find(&home)?;
        let mut world = World::up(&Options {
            services: Services::KubeProxy,
            ..options.world.clone()
        })?;
        match ends {
            Ends::WithTheScene => {}
            Ends::ByDown => world.keep(),
        }
        say("the world is up: control plane, node with GPUs and kube-proxy, chain");
        fs::create_dir_all(&home)?;
        let image = load(&world, &leaseport)?;
        say(&format!(
            "image built from the Dockerfile in {:.1} s and loaded: {}",
            image.took.as_secs_f64(),
            image.id
        ));

        let cast = Cast::gather(&run_dir.join("keys"))?;
        let rpc_url = world.rpc_url().to_owned();
        let market = deploy(&leaseport, &cast, &rpc_url, options.tenant_dollars, say)?;
        let gateway = SocketAddr::new(world.node()?.ip.parse()?, NODE_PORT);
        let overlay = run_dir.join("overlay");
        let (gateway_url, _) = gateway_identity(&leaseport, &overlay, gateway)?;
        let provider = register(&leaseport, &cast, &rpc_url, &market, &gateway_url)?;
        say(&format!("provider {provider} is registered and has staked 1000"));
        let ledger = Ledger {
            lease_book: printed(&market.printed, "/leaseBook")?,
            token: printed(&market.printed, "/tokens/0/address")?,
            rpc_url,
            provider,
        };
        let scene = Self {
            world,
            leaseport,
            cast,
            market,
            ledger,
            api_proxy: None,
            rpc_proxy: None,
            gateway_url,
            operator_ops: SocketAddr::from(([127, 0, 0, 1], OPS_PORT)),
            operator_command: Vec::new(),
            report_every: options.report_every,
            settle_every: options.settle_every,
        };
        Ok((scene, overlay))
    }

    pub(super) fn pods_are_ready(&self) -> Result<()> {
        for name in ["leaseport-operator", "leaseport-gateway"] {
            self.world.kubectl(&[
                &format!("--namespace={SYSTEM_NAMESPACE}"),
                "rollout",
                "status",
                &format!("--timeout={}s", ROLLOUT.as_secs()),
                &format!("deployment/{name}"),
            ])?;
        }
        Ok(())
    }

    /// Our own pods that are not on their way out.
    ///
    /// # Errors
    /// The API server does not answer.
    pub fn own_pods(&self) -> Result<Vec<Value>> {
        let pods = self.pods(SYSTEM_NAMESPACE)?;
        Ok(pods
            .into_iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .collect())
    }

    /// The name of the operator's pod that acts.
    ///
    /// # Errors
    /// None of the pods there are holds the lock in time.
    pub fn leader(&self) -> Result<String> {
        eventually("a pod holds the leader's lock", || {
            let lock = self.world.kubectl_json(&[
                &format!("--namespace={SYSTEM_NAMESPACE}"),
                "get",
                &format!("lease.coordination.k8s.io/{OPERATOR}"),
            ])?;
            let holder = lock["spec"]["holderIdentity"].as_str().unwrap_or_default();
            let pods = self.own_pods()?;
            Ok(pods
                .iter()
                .filter_map(|pod| pod["metadata"]["name"].as_str())
                .find(|name| holder.starts_with(&format!("{name}-")))
                .map(str::to_owned))
        })
    }

    pub(super) fn leader_address(&self) -> Result<SocketAddr> {
        let leader = self.leader()?;
        let pods = self.own_pods()?;
        let pod = pods.iter().find(|pod| pod["metadata"]["name"] == leader.as_str());
        let ip = pod.and_then(|pod| pod["status"]["podIP"].as_str());
        Ok(SocketAddr::new(
            ip.with_context(|| format!("pod {leader} has no address"))?
                .parse()?,
            OPS_PORT,
        ))
    }

    /// Where each replica of the operator shows its metrics; a process has no pods.
    pub(super) fn operator_addresses(&self) -> Result<Vec<SocketAddr>> {
        let pods = self.own_pods()?;
        let addresses: Vec<SocketAddr> = pods
            .iter()
            .filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/component"] == "operator")
            .filter_map(|pod| pod["status"]["podIP"].as_str()?.parse().ok())
            .map(|ip| SocketAddr::new(ip, OPS_PORT))
            .collect();
        Ok(if addresses.is_empty() {
            vec![self.operator_ops]
        } else {
            addresses
        })
    }

    /// Deletes one of our own pods and waits until it is gone and its successor is ready.
    ///
    /// # Errors
    /// It does not go, or none comes.
    pub fn replace_pod(&mut self, name: &str) -> Result<()> {
        self.world.kubectl(&[
            &format!("--namespace={SYSTEM_NAMESPACE}"),
            "delete",
            "--timeout=60s",
            &format!("pod/{name}"),
        ])?;
        // A Deployment's status lags behind a deletion; the pods' own does not.
        within(ROLLOUT, "four pods are ready", || {
            let pods = self.own_pods()?;
            let is_ready =
                |pod: &&Value| condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True");
            let ready = pods.iter().filter(is_ready).count();
            ensure!(ready == 4, "{ready} of {} are", pods.len());
            Ok(Some(()))
        })?;
        self.operator_ops = self.leader_address()?;
        Ok(())
    }

    /// What each of our pods has logged, by name; of a container that ended before, that too.
    ///
    /// # Errors
    /// The API server does not answer.
    pub fn pod_logs(&self) -> Result<Vec<(String, String)>> {
        let mut logs = Vec::new();
        for pod in self.pods(SYSTEM_NAMESPACE)? {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let line = ["--namespace", SYSTEM_NAMESPACE, "logs", &name];
            let now = self
                .world
                .kubectl(&line)
                .unwrap_or_else(|error| error.to_string());
            let before = self
                .world
                .kubectl(&[line.as_slice(), &["--previous"]].concat())
                .unwrap_or_default();
            logs.push((name, before + &now));
        }
        Ok(logs)
    }

    /// The state of our pods and the ends of their logs, for a scenario that failed.
    ///
    /// # Errors
    /// The API server does not answer.
    pub fn pods_say(&self) -> Result<String> {
        let mut text = self
            .world
            .kubectl(&["--namespace", SYSTEM_NAMESPACE, "get", "pods,events"])?;
        for (name, log) in self.pod_logs()? {
            text.push_str(&format!(
                "\nthe end of {name}:\n{}\n",
                crate::command::last_lines(&log, 15)
            ));
        }
        Ok(text)
    }
}

/// The overlay that deploy/README.md shows, for this image and with the flags of a scene: there is no DNS here and no registry.
fn kustomization(readme: &str, deploy: &Path) -> Result<String> {
    let shown = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let mut text = shown.context("deploy/README.md shows no overlay")?.to_owned();
    let (repository, tag) = IMAGE.rsplit_once(':').context(IMAGE)?;
    let (deploy, port) = (deploy.display().to_string(), NODE_PORT.to_string());
    for (from, to) in [
        ("../deploy", deploy.as_str()),
        ("registry.example.com/leaseport", repository),
        ("newTag: 0.1.0", &format!("newTag: {tag}")),
        ("30443", &port),
    ] {
        ensure!(
            text.contains(from),
            "the overlay in deploy/README.md has no `{from}`"
        );
        text = text.replace(from, to);
    }
    let flags = [
        format!("--pause-image={}", crate::image::PAUSE),
        "--dns=node".to_owned(),
        "--termination-grace-seconds=2".to_owned(),
    ];
    text.push_str(&format!(
        "  - target: {{ kind: Deployment, name: {OPERATOR} }}\n    patch: |-\n"
    ));
    for flag in flags {
        text.push_str(&format!(
            "      - {{ op: add, path: /spec/template/spec/containers/0/args/-, value: \"{flag}\" }}\n"
        ));
    }
    Ok(text)
}

/// The way from one absolute folder to another; kustomize takes no absolute one.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let shared = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = from.iter().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.iter().skip(shared).copied()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_overlay_in_the_readme_becomes_ours_with_nothing_of_the_example_left() {
        let readme = fs::read_to_string(workspace().join("deploy/README.md")).unwrap();
        let text = kustomization(&readme, Path::new("../../deploy")).unwrap();
        assert!(text.contains("resources: [../../deploy]"), "{text}");
        assert!(
            text.contains("newName: docker.io/local/leaseport, newTag: test"),
            "{text}"
        );
        assert!(text.contains("--dns=node"), "{text}");
        assert!(!text.contains("example"), "{text}");
    }

    #[test]
    fn an_overlay_that_no_longer_names_what_is_replaced_is_refused_by_that_word() {
        let readme = "```yaml\nresources: [../deploy]\n```\n";
        let error = kustomization(readme, Path::new("x")).unwrap_err();
        assert!(error.to_string().contains("registry.example.com"), "{error}");
    }

    #[test]
    fn the_way_to_a_folder_beside_goes_up_and_down_again() {
        let way = relative(Path::new("/a/target/tmp/pod/overlay"), Path::new("/a/deploy"));
        assert_eq!(way, Path::new("../../../../deploy"));
        assert_eq!(relative(Path::new("/a"), Path::new("/b/c")), Path::new("../b/c"));
    }
}
