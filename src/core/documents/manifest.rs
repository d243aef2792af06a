//! The manifest: what runs. Private: only its salted hash is on chain, and it travels over the gateway alone. Checked here at the edge, field by
//! field, so that what is built from it later needs no second look. It may not know Kubernetes objects: that is `core::workload`.

mod bounds;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    canonical::{CanonicalError, Document, is_default, not_null},
    needs::{Needs, is_one, one},
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
}

fn ten() -> u16 {
    10
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_ten(value: &u16) -> bool {
    *value == 10
}

#[cfg(test)]
mod tests;
