//! The manifest: what runs. Private: only its salted hash is on chain, and it travels over the gateway alone. Checked here at the edge, field by
//! field, so that what is built from it later needs no second look. It may not know Kubernetes objects: that is `core::workload`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    canonical::{CanonicalError, Document, is_default, not_null},
    names,
    needs::{MAX_REPLICAS, Needs, is_one, one},
};
use crate::core::resources::Resources;

/// Most containers in one replica.
pub const MAX_CONTAINERS: usize = 16;
/// Most entries of one list of a container: command, args, env or ports.
pub const MAX_ENTRIES: usize = 256;
/// Longest command entry, argument or environment value, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Its bytes are not canonical, or a field is missing or unknown.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A field holds what cannot run.
    #[error("manifest.{field} is {value}: {remedy}")]
    Field {
        /// Path below `manifest`.
        field: String,
        /// What it holds, shortened.
        value: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// The variable would take devices that were not leased (architecture: rule 9).
    #[error(
        "manifest.{field} sets {name}: NVIDIA_* variables choose devices behind the scheduler's back; remove it and ask for GPUs by `gpus`"
    )]
    NvidiaVariable {
        /// Path below `manifest`.
        field: String,
        /// The variable.
        name: String,
    },
    /// It wants more than the order's needs say, so no price was agreed for it.
    #[error(
        "manifest wants {field} {wanted}, the order's needs say {agreed}: lower it, or post an order that asks for more"
    )]
    BeyondNeeds {
        /// Which amount.
        field: &'static str,
        /// What all containers of a replica want together.
        wanted: String,
        /// What the needs say.
        agreed: String,
    },
}

/// What keeps the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Replicas that run until the lease ends.
    Deployment,
    /// Replicas that run once; the lease closes when all are done.
    Job,
}

/// Layer-4 protocol of a port, spelled as Kubernetes spells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// The manifest document, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Always 1.
    pub version: u8,
    /// 32 random bytes as `0x` and 64 lower-case hexadecimal digits, so that the hash on chain gives nothing away.
    pub salt: String,
    /// Deployment or Job.
    pub form: Form,
    /// How many replicas; equal to the needs'.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u16,
    /// The containers of one replica.
    pub containers: Vec<Container>,
}

/// One container of each replica. Amounts are both request and limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// RFC 1123 label, unique in the manifest.
    pub name: String,
    /// Image reference: `[host[:port]/]path[:tag][@digest]`.
    pub image: String,
    /// Replaces the image's entrypoint; empty keeps it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub command: Vec<String>,
    /// Replaces the image's arguments; empty keeps them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub args: Vec<String>,
    /// Environment, each name once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<EnvVar>,
    /// CPU in thousandths of a core.
    pub cpu_milli: u64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// Ephemeral storage in MiB: writable layer and logs.
    #[serde(rename = "storageMiB")]
    pub storage_mib: u64,
    /// Devices of the offer's resource.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gpus: u16,
    /// Ports it listens on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: Vec<Port>,
    /// Decides where the Service routes and what the status shows, never what is paid.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "not_null"
    )]
    pub readiness: Option<Probe>,
    /// Numeric user; 0 needs `runAsRoot` in the needs. None keeps the image's.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "not_null"
    )]
    pub run_as_user: Option<u32>,
}

/// One environment variable: a plain value, or the name of a secret value that travels beside the manifest and is not hashed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Letters, digits and `_`, not beginning with a digit.
    pub name: String,
    /// The value itself.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "not_null"
    )]
    pub value: Option<String>,
    /// Name of the secret value.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "not_null"
    )]
    pub secret: Option<String>,
}

impl fmt::Debug for EnvVar {
    /// Values stay out of logs: people put tokens there in spite of `secret`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvVar")
            .field("name", &self.name)
            .field(
                "value",
                &self.value.as_ref().map(|value| format!("{} bytes", value.len())),
            )
            .field("secret", &self.secret)
            .finish()
    }
}

/// One port a container listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// IANA service name: at most 15 of `a-z`, `0-9`, `-`; unique in the manifest.
    pub name: String,
    /// 1 to 65535.
    pub port: u16,
    /// TCP unless it says UDP.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
}

/// How readiness is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Probe {
    /// GET answers 200 to 399.
    Http {
        /// Begins with `/`.
        path: String,
        /// 1 to 65535.
        port: u16,
        /// Seconds between probes, 1 to 3600; 10 unless it says otherwise.
        #[serde(default = "ten", skip_serializing_if = "is_ten")]
        period_seconds: u16,
    },
    /// The port accepts a connection.
    Tcp {
        /// 1 to 65535.
        port: u16,
        /// Seconds between probes, 1 to 3600; 10 unless it says otherwise.
        #[serde(default = "ten", skip_serializing_if = "is_ten")]
        period_seconds: u16,
    },
    /// The command exits 0.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
        /// Seconds between probes, 1 to 3600; 10 unless it says otherwise.
        #[serde(default = "ten", skip_serializing_if = "is_ten")]
        period_seconds: u16,
    },
}

impl Document for Manifest {
    const NAME: &'static str = "manifest";
    const LIMIT: usize = 64 * 1024;
    const VERSION: u8 = 1;
}

impl Container {
    /// What it may use.
    #[must_use]
    pub fn resources(&self) -> Resources {
        Resources {
            gpus: u32::from(self.gpus),
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            storage_mib: self.storage_mib,
        }
    }
}

impl Manifest {
    /// What all containers of one replica use together.
    #[must_use]
    pub fn replica(&self) -> Resources {
        self.containers
            .iter()
            .fold(Resources::default(), |sum, container| {
                sum.plus(container.resources())
            })
    }

    /// The names of the secret values it refers to.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<&str> {
        let variables = self.containers.iter().flat_map(|container| &container.env);
        variables
            .filter_map(|variable| variable.secret.as_deref())
            .collect()
    }

    /// Reads canonical bytes and checks every field.
    ///
    /// # Errors
    /// The bytes are not the canonical form of a manifest, or a field is out of its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest = Self::from_canonical(bytes)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// Whether it stays within what the order's needs say, for which alone a price was agreed.
    ///
    /// # Errors
    /// The first amount beyond the needs.
    pub fn fits(&self, needs: &Needs) -> Result<(), ManifestError> {
        let beyond = |field, wanted: &dyn fmt::Display, agreed: &dyn fmt::Display| {
            Err(ManifestError::BeyondNeeds {
                field,
                wanted: wanted.to_string(),
                agreed: agreed.to_string(),
            })
        };
        if self.replicas != needs.replicas {
            return beyond("replicas", &self.replicas, &needs.replicas);
        }
        if let Some((field, wanted, agreed)) = self.replica().exceeds(&needs.replica()) {
            return beyond(field, &wanted, &agreed);
        }
        let root = self
            .containers
            .iter()
            .any(|container| container.run_as_user == Some(0));
        if root && !needs.run_as_root {
            return beyond("runAsUser", &0, &"runAsRoot false");
        }
        Ok(())
    }

    /// Checks every field against its bounds.
    ///
    /// # Errors
    /// The first field out of its bounds.
    pub fn validate(&self) -> Result<(), ManifestError> {
        if self.version != Self::VERSION {
            return refuse("version", self.version, "write 1");
        }
        if !is_salt(&self.salt) {
            return refuse(
                "salt",
                format_args!("{} characters", self.salt.chars().count()),
                "write 0x and 64 lower-case hexadecimal digits from a random source",
            );
        }
        if !(1..=MAX_REPLICAS).contains(&self.replicas) {
            return refuse("replicas", self.replicas, "run 1 to 1024 replicas");
        }
        if !(1..=MAX_CONTAINERS).contains(&self.containers.len()) {
            return refuse(
                "containers",
                format_args!("{} entries", self.containers.len()),
                "write 1 to 16 containers",
            );
        }
        let (mut containers, mut port_names, mut ports) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, container) in self.containers.iter().enumerate() {
            let at = format!("containers[{index}]");
            container.validate(&at)?;
            if !containers.insert(&container.name) {
                return refuse(
                    format!("{at}.name"),
                    quoted(&container.name),
                    "give each container its own name",
                );
            }
            // One pod has one network namespace: names and numbers must differ across its containers.
            for port in &container.ports {
                if !port_names.insert(&port.name) {
                    return refuse(
                        format!("{at}.ports"),
                        quoted(&port.name),
                        "give each port its own name",
                    );
                }
                if !ports.insert((port.port, port.protocol)) {
                    return refuse(
                        format!("{at}.ports"),
                        port.port,
                        "let each port be listened on by one container",
                    );
                }
            }
        }
        Ok(())
    }
}

impl Container {
    fn validate(&self, at: &str) -> Result<(), ManifestError> {
        if !names::is_dns_label(&self.name) {
            return refuse(
                format!("{at}.name"),
                quoted(&self.name),
                "write a label of RFC 1123: a-z, 0-9, '-', at most 63, letter or digit at both ends",
            );
        }
        if !names::is_image(&self.image) {
            return refuse(
                format!("{at}.image"),
                quoted(&self.image),
                "write [host[:port]/]path[:tag][@sha256:digest], the path in lower case",
            );
        }
        texts(&format!("{at}.command"), &self.command)?;
        texts(&format!("{at}.args"), &self.args)?;
        self.validate_env(at)?;
        if !(1..=1_000_000).contains(&self.cpu_milli) {
            return refuse(
                format!("{at}.cpuMilli"),
                self.cpu_milli,
                "give it 1 to 1000000 thousandths of a core",
            );
        }
        if !(1..=(1 << 30)).contains(&self.memory_mib) {
            return refuse(
                format!("{at}.memoryMiB"),
                self.memory_mib,
                "give it 1 MiB to 1 PiB, in MiB",
            );
        }
        if !(1..=(1 << 30)).contains(&self.storage_mib) {
            return refuse(
                format!("{at}.storageMiB"),
                self.storage_mib,
                "give it 1 MiB to 1 PiB, in MiB",
            );
        }
        if self.gpus > 64 {
            return refuse(format!("{at}.gpus"), self.gpus, "give it at most 64 devices");
        }
        entries(&format!("{at}.ports"), self.ports.len())?;
        for port in &self.ports {
            if !names::is_port_name(&port.name) {
                return refuse(
                    format!("{at}.ports.name"),
                    quoted(&port.name),
                    "write at most 15 of a-z, 0-9 and '-', with a letter in it",
                );
            }
            if port.port == 0 {
                return refuse(format!("{at}.ports.port"), 0, "write 1 to 65535");
            }
        }
        match &self.readiness {
            Some(probe) => probe.validate(&format!("{at}.readiness")),
            None => Ok(()),
        }
    }

    fn validate_env(&self, at: &str) -> Result<(), ManifestError> {
        entries(&format!("{at}.env"), self.env.len())?;
        let mut seen = BTreeSet::new();
        for (index, variable) in self.env.iter().enumerate() {
            let field = format!("{at}.env[{index}]");
            if !names::is_variable(&variable.name) {
                return refuse(
                    format!("{field}.name"),
                    quoted(&variable.name),
                    "write letters, digits and '_', not a digit first, at most 256",
                );
            }
            if variable.name.starts_with("NVIDIA_") {
                return Err(ManifestError::NvidiaVariable {
                    field,
                    name: variable.name.chars().take(80).collect(),
                });
            }
            if !seen.insert(&variable.name) {
                return refuse(
                    format!("{field}.name"),
                    quoted(&variable.name),
                    "set each variable once",
                );
            }
            match (&variable.value, &variable.secret) {
                (Some(value), None) => text(&format!("{field}.value"), value)?,
                (None, Some(secret)) if names::is_label_value(secret) => {}
                (None, Some(secret)) => {
                    return refuse(
                        format!("{field}.secret"),
                        quoted(secret),
                        "name the secret value by letters, digits, '-', '_', '.', at most 63",
                    );
                }
                (Some(_), Some(_)) | (None, None) => {
                    return refuse(
                        field,
                        quoted(&variable.name),
                        "give it either a value or the name of a secret",
                    );
                }
            }
        }
        Ok(())
    }
}

impl Probe {
    fn validate(&self, at: &str) -> Result<(), ManifestError> {
        let (port, period) = match self {
            Self::Http {
                path,
                port,
                period_seconds,
            } => {
                let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
                if !path.starts_with('/') || !plain || path.len() > 1024 {
                    return refuse(
                        format!("{at}.http.path"),
                        quoted(path),
                        "begin with '/', no spaces, at most 1024",
                    );
                }
                (Some(*port), *period_seconds)
            }
            Self::Tcp { port, period_seconds } => (Some(*port), *period_seconds),
            Self::Exec {
                command,
                period_seconds,
            } => {
                texts(&format!("{at}.exec.command"), command)?;
                if command.is_empty() {
                    return refuse(format!("{at}.exec.command"), "empty", "name the program to run");
                }
                (None, *period_seconds)
            }
        };
        if port == Some(0) {
            return refuse(format!("{at}.port"), 0, "write 1 to 65535");
        }
        if !(1..=3600).contains(&period) {
            return refuse(format!("{at}.periodSeconds"), period, "write 1 to 3600 seconds");
        }
        Ok(())
    }
}

fn refuse<T>(
    field: impl Into<String>,
    value: impl fmt::Display,
    remedy: &'static str,
) -> Result<T, ManifestError> {
    Err(ManifestError::Field {
        field: field.into(),
        value: value.to_string(),
        remedy,
    })
}

/// A stranger's text as it may stand in a message: short, and with control characters escaped.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

fn entries(field: &str, count: usize) -> Result<(), ManifestError> {
    if count > MAX_ENTRIES {
        return refuse(field, format_args!("{count} entries"), "write at most 256");
    }
    Ok(())
}

fn texts(field: &str, list: &[String]) -> Result<(), ManifestError> {
    entries(field, list.len())?;
    list.iter().try_for_each(|entry| text(field, entry))
}

fn text(field: &str, value: &str) -> Result<(), ManifestError> {
    if value.len() > MAX_TEXT {
        return refuse(
            field,
            format_args!("{} bytes long", value.len()),
            "write at most 16384 bytes",
        );
    }
    if value.contains('\0') {
        return refuse(
            field,
            "a text with a NUL",
            "remove the NUL: no program can receive it",
        );
    }
    Ok(())
}

fn ten() -> u16 {
    10
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_ten(value: &u16) -> bool {
    *value == 10
}

fn is_salt(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests;
