//! A market whose operator and gateway are a release of the Helm chart, on a real node. It gives what an admin gives: values, Secrets, the
//! objects of deploy/samples. What helm then does is the chart's.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::binary::workspace;
use super::container_image::IMAGE;
use super::pod::NODE_PORT;
use super::stage::{Ends, PROVIDER_NAMESPACE, Scene, SceneOptions};
use crate::chart::{Helm, NAMESPACE, RELEASE, folder};

/// How long helm waits for pods.
const PATIENCE: &str = "--timeout=90s";

/// The chart and who installs it.
#[derive(Debug)]
pub struct Release {
    /// helm 4 with the world's kubeconfig.
    pub helm: Helm,
    values: PathBuf,
    certificate: PathBuf,
}

impl Scene {
    /// A world with a market and a registered provider and the image on its node: all that an admin has before `helm install`.
    ///
    /// # Errors
    /// The first step that failed, with what the program said.
    pub fn before_release(
        options: &SceneOptions,
        ends: Ends,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Self, Release)> {
        let run_dir = std::path::absolute(&options.world.run_dir)?;
        let helm = Helm::prepare(&run_dir.join("helm"))?;
        let (scene, certificate) = Self::before_pods(options, ends, say)?;
        let (repository, tag) = IMAGE.rsplit_once(':').context(IMAGE)?;
        // There is no DNS here and no registry.
        let values = json!({
            "image": { "repository": repository, "tag": tag, "pullPolicy": "Never" },
            "leases": { "pauseImage": crate::image::PAUSE, "dns": "node", "terminationGraceSeconds": 2 },
            "providerNamespaces": [{ "name": PROVIDER_NAMESPACE, "walletSecrets": ["wallet-duty", "wallet-bids"] }],
        });
        let path = run_dir.join("values.json");
        fs::write(&path, values.to_string())?;
        let kubeconfig = scene.world.kubeconfig().to_owned();
        let release = Release {
            helm: helm.on(&kubeconfig),
            values: path,
            certificate,
        };
        Ok((scene, release))
    }

    /// The namespace of deploy/namespace.yaml, which enforces pod security level `restricted`, for a release that `--create-namespace` is not
    /// to make one for.
    ///
    /// # Errors
    /// The API server said no.
    pub fn restricted_namespace(&self) -> Result<()> {
        let namespace = workspace().join("deploy/namespace.yaml").display().to_string();
        self.world
            .kubectl(&["apply", "--server-side", "--filename", &namespace])?;
        Ok(())
    }

    /// The admin's objects, once the definitions are served, and the gateway's certificate; then everything of ours Ready.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn furnish(&self, release: &Release, say: &mut dyn FnMut(&str)) -> Result<()> {
        self.apply_samples(say)?;
        let file = |name: &str| release.certificate.join(name).display().to_string();
        self.world.kubectl(&[
            &format!("--namespace={NAMESPACE}"),
            "create",
            "secret",
            "tls",
            "leaseport-gateway-tls",
            &format!("--cert={}", file("tls.crt")),
            &format!("--key={}", file("tls.key")),
        ])?;
        Ok(())
    }

    /// Waits until every object of the samples is Ready and knows where the leading operator's metrics are.
    ///
    /// # Errors
    /// One of them is not in time, with what the pods said.
    pub fn release_serves(&mut self) -> Result<()> {
        self.pods_are_ready()
            .with_context(|| self.pods_say().unwrap_or_default())?;
        self.operator_ops = self.leader_address()?;
        self.wait_ready()
            .with_context(|| self.pods_say().unwrap_or_default())
    }
}

impl Release {
    /// `helm install --wait` with a helm and more words; how long it took, and what it printed.
    ///
    /// # Errors
    /// helm said no.
    pub fn install(&self, helm: &Helm, more: &[&str]) -> Result<(Duration, String)> {
        let values = self.values.display().to_string();
        self.act(
            helm,
            &[
                &[
                    "install",
                    RELEASE,
                    "--create-namespace",
                    "--wait",
                    "--values",
                    &values,
                ],
                more,
            ]
            .concat(),
        )
    }

    /// `helm upgrade --reuse-values --wait` with more words.
    ///
    /// # Errors
    /// helm said no.
    pub fn upgrade(&self, helm: &Helm, more: &[&str]) -> Result<(Duration, String)> {
        self.act(
            helm,
            &[&["upgrade", RELEASE, "--wait", "--reuse-values"], more].concat(),
        )
    }

    /// The words that switch the gateway on, as a node port with the certificate that was given.
    #[must_use]
    pub fn with_gateway() -> Vec<String> {
        [
            "gateway.enabled=true".to_owned(),
            "gateway.provider.name=main".to_owned(),
            format!("gateway.provider.namespace={PROVIDER_NAMESPACE}"),
            "gateway.service.type=NodePort".to_owned(),
            format!("gateway.service.nodePort={NODE_PORT}"),
        ]
        .into_iter()
        .map(|word| format!("--set={word}"))
        .collect()
    }

    fn act(&self, helm: &Helm, words: &[&str]) -> Result<(Duration, String)> {
        let begun = Instant::now();
        let (verb, rest) = words.split_at(2);
        let folder = folder().display().to_string();
        let line = [verb, &[folder.as_str(), "--namespace", NAMESPACE, PATIENCE], rest].concat();
        let said = helm.run(&line)?;
        Ok((begun.elapsed(), said))
    }

    /// A verb that takes the release alone, as `rollback` or `uninstall`.
    ///
    /// # Errors
    /// helm said no.
    pub fn verb(&self, helm: &Helm, verb: &str, more: &[&str]) -> Result<String> {
        helm.run(&[&[verb, RELEASE, "--namespace", NAMESPACE], more].concat())
    }

    /// What helm keeps about the release.
    ///
    /// # Errors
    /// There is none.
    pub fn status(&self, helm: &Helm) -> Result<Value> {
        let text = self.verb(helm, "status", &["--output=json"])?;
        serde_json::from_str(&text).context(text)
    }
}
