//! What there is to see of a scene: the provider's objects, pods, metrics, logs. It reads as the administrator, past every proxy, and
//! changes nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::patience::eventually;
use super::stage::{OPERATOR, PROVIDER_NAMESPACE, Scene};

impl Scene {
    /// One of the provider's objects, such as `computelease/7-0-1`.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn object(&self, kind_and_name: &str) -> Result<Value> {
        Ok(self
            .world
            .kubectl_json(&["--namespace", PROVIDER_NAMESPACE, "get", kind_and_name])?)
    }

    /// All of the provider's objects of a kind.
    ///
    /// # Errors
    /// The API server does not answer.
    pub fn objects(&self, kind: &str) -> Result<Vec<Value>> {
        let list = self
            .world
            .kubectl_json(&["--namespace", PROVIDER_NAMESPACE, "get", kind])?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The namespace of a lease's workload.
    ///
    /// # Errors
    /// The operator has not named one in time.
    pub fn namespace_of(&self, lease: &str) -> Result<String> {
        let kind_and_name = self.lease_object(lease)?;
        eventually("the lease's namespace", || {
            let object = self.object(&kind_and_name)?;
            Ok(object["status"]["namespace"].as_str().map(str::to_owned))
        })
    }

    /// The ComputeLease of a lease, by kind and name.
    ///
    /// # Errors
    /// There is none in time.
    pub fn lease_object(&self, lease: &str) -> Result<String> {
        eventually(&format!("a ComputeLease for {lease}"), || {
            Ok(self
                .objects("computeleases")?
                .iter()
                .find(|object| object["spec"]["leaseId"] == lease)
                .and_then(|object| object["metadata"]["name"].as_str())
                .map(|name| format!("computelease/{name}")))
        })
        .with_context(|| self.log_tail(OPERATOR))
    }

    /// The pods of a lease.
    ///
    /// # Errors
    /// The API server does not answer.
    pub fn pods(&self, namespace: &str) -> Result<Vec<Value>> {
        let list = self
            .world
            .kubectl_json(&["--namespace", namespace, "get", "pods"])?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The one pod of a lease, once its container runs and holds its devices.
    ///
    /// # Errors
    /// It does not run in time, with how far it came and the operator's last words.
    pub fn running_pod(&self, lease: &str) -> Result<Value> {
        let namespace = self.namespace_of(lease)?;
        eventually(&format!("a running pod in {namespace}"), || {
            let pods = self.pods(&namespace)?;
            let Some(pod) = pods.first() else { return Ok(None) };
            if pod["status"]["phase"] != "Running" || devices(pod).is_empty() {
                bail!("{}", pod["status"]);
            }
            Ok(Some(pod.clone()))
        })
        .with_context(|| self.log_tail(OPERATOR))
    }

    /// The operator's metrics as text.
    ///
    /// # Errors
    /// It does not serve.
    pub fn metrics(&self) -> Result<String> {
        get(self.operator_ops, "/metrics")
    }

    /// The value of one series, 0 where it does not exist.
    ///
    /// # Errors
    /// The operator does not serve.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<u64> {
        let text = self.metrics()?;
        let line = text.lines().find(|line| {
            line.starts_with(name)
                && labels
                    .iter()
                    .all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        });
        let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
        value.parse().with_context(|| format!("{name}: {value}"))
    }

    /// Where a part's output is.
    #[must_use]
    pub fn log(&self, part: &str) -> PathBuf {
        self.world.state().log_dir.join(format!("{part}.log"))
    }

    /// The last lines of a part's output.
    #[must_use]
    pub fn log_tail(&self, part: &str) -> String {
        let text = fs::read(self.log(part)).unwrap_or_default();
        let tail = crate::command::last_lines(&String::from_utf8_lossy(&text), 15);
        format!("the end of {}:\n{tail}", self.log(part).display())
    }
}

/// A condition of an object by its type.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// The ids of the devices a pod's containers hold, as the kubelet tells them.
#[must_use]
pub fn devices(pod: &Value) -> Vec<String> {
    let containers = pod["status"]["containerStatuses"].as_array();
    let resources = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container["allocatedResourcesStatus"].as_array())
        .flatten()
        .filter_map(|resource| resource["resources"].as_array())
        .flatten();
    resources
        .filter_map(|device| device["resourceID"].as_str().map(str::to_owned))
        .collect()
}

/// The body of a plain HTTP answer.
///
/// # Errors
/// Nobody answers there.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let limit = Duration::from_secs(3);
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("{path} after {:?}", started.elapsed()))?;
    Ok(answer
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned()))
}
