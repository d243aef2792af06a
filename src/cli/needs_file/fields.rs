//! The file's fields as they are written. May not judge them.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::core::documents::{
    manifest::{EnvVar, Form, Port, Probe},
    needs::Sharing,
};

/// A number or a text, kept as text: `16`, `"16"`, `0.5`, `128Gi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Amount(pub String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl de::Visitor<'_> for Any {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text such as \"16\", \"500m\" or \"128Gi\"")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
                Ok(Amount(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                Ok(Amount(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
                Ok(Amount(value.to_string()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Amount, E> {
                Ok(Amount(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeedsFile {
    /// What a provider must offer, for each replica.
    #[serde(default)]
    pub needs: NeedsPart,
    /// What runs.
    pub workload: Workload,
    /// Values of the secrets that the workload names: where they are read when the manifest is sent. Never stored.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// What it may cost.
    pub price: Price,
    /// How long.
    pub duration: Bounds,
    /// What is put into escrow; rent of the longest duration at the highest price and the grace, when left out.
    #[serde(default)]
    pub deposit: Option<Amount>,
    /// How long the provider may take to start; 10m when left out.
    #[serde(default)]
    pub start_window: Option<String>,
    /// How long before an end of its own the provider must say so; 0s when left out.
    #[serde(default)]
    pub notice: Option<String>,
    /// Unpaid time after which the provider may evict, paid from the deposit; 0s when left out.
    #[serde(default)]
    pub grace: Option<String>,
    /// How long the order stands, at most 24h; 10m when left out.
    #[serde(default)]
    pub expiry: Option<String>,
    /// Metered (seconds that ran) or reserved (seconds that were held).
    #[serde(default)]
    pub billing: BillingPart,
    /// Whether the provider's own work may push it out.
    #[serde(default)]
    pub interruptible: bool,
    /// The least a provider must put at stake for starting.
    #[serde(default)]
    pub min_bond: Option<Amount>,
}

/// How time is billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BillingPart {
    /// Seconds in which it was delivered.
    #[default]
    Metered,
    /// Seconds in which the capacity was held.
    Reserved,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SecretSource {
    /// In a file, without the newline at its end; relative to the needs file.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

/// Needs of each replica; amounts left out are those of its containers together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeedsPart {
    /// Accelerators.
    #[serde(default)]
    pub gpu: GpuPart,
    /// Cores: `16`, `500m`.
    pub cpu: Option<Amount>,
    /// Memory: `128Gi`.
    pub memory: Option<Amount>,
    /// Ephemeral storage: `100Gi`.
    pub storage: Option<Amount>,
    /// How many replicas.
    pub replicas: Option<u16>,
    /// The image runs as root.
    #[serde(default)]
    pub run_as_root: bool,
    /// Acceptable regions; none named means any.
    #[serde(default)]
    pub regions: Vec<String>,
    /// An expression over the provider's published facts.
    #[serde(rename = "where")]
    pub matching: Option<String>,
}

/// Accelerators of each replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuPart {
    /// Acceptable models, as the node label `nvidia.com/gpu.product` spells them.
    #[serde(default)]
    pub models: Vec<String>,
    /// Devices.
    pub count: Option<u16>,
    /// Least memory of each: `80Gi`.
    pub memory: Option<Amount>,
    /// Whether others may be on the same device.
    #[serde(default)]
    pub sharing: Sharing,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Deployment (runs until the lease ends) or Job (ends when done); Deployment when left out.
    #[serde(default = "deployment")]
    pub form: Form,
    /// The containers of each replica.
    pub containers: Vec<ContainerPart>,
}

fn deployment() -> Form {
    Form::Deployment
}

/// One container; with a single one, amounts left out are the needs'.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerPart {
    /// RFC 1123 label; `main` when left out.
    pub name: Option<String>,
    /// Image reference.
    pub image: String,
    /// Replaces the image's entrypoint.
    #[serde(default)]
    pub command: Vec<String>,
    /// Replaces the image's arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment: name and value, or name and secret.
    #[serde(default)]
    pub env: Vec<EnvVar>,
    /// Cores.
    pub cpu: Option<Amount>,
    /// Memory.
    pub memory: Option<Amount>,
    /// Ephemeral storage.
    pub storage: Option<Amount>,
    /// Devices.
    pub gpus: Option<u16>,
    /// Ports it listens on.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// Decides where traffic goes, never what is paid.
    pub readiness: Option<Probe>,
    /// Numeric user.
    pub run_as_user: Option<u32>,
}

/// What it may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Symbol or address of a listed token; may be left out where the market lists one alone.
    pub currency: Option<String>,
    /// The most it may cost in an hour.
    pub max_per_hour: Amount,
    /// What it pays in an hour at first. Then the first provider to take it has it, at what it pays at that moment, and there is nothing to accept.
    #[serde(default)]
    pub start_per_hour: Option<Amount>,
    /// How long the price takes from startPerHour to maxPerHour, at most 24h; 5m when left out.
    #[serde(default)]
    pub climb: Option<String>,
}

/// How long it runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bounds {
    /// The deposit must cover this long; 1m when left out.
    pub min: Option<String>,
    /// It ends by itself after this long.
    pub max: String,
}
