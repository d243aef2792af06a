//! The file a tenant writes: what to run, what it needs, what it may cost. From its text to the documents and the order; pure: salt and
//! time are arguments. Every refusal names the field's path.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use alloy::primitives::{Address, B256, aliases::U48, keccak256};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use crate::{
    api::duration::{self, DurationError},
    chain_io::contracts::ListedToken,
    core::{
        capacity::quantity::{Rounding, mebibytes, milli},
        documents::{
            canonical::{CanonicalError, Document},
            manifest::{Container, EnvVar, Form, Manifest, ManifestError, Port, Probe},
            needs::{GpuNeeds, Needs, NeedsError, Sharing},
            order::Order,
            terms::{holdback, least_deposit},
        },
        money::{MicroUnits, MoneyError, RatePerHour},
    },
    yaml::{self, YamlError},
};

/// Why a file is no wish.
#[derive(Debug, Error)]
pub enum NeedsFileError {
    /// Not one YAML document.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A field is missing, unknown or of another type.
    #[error("{path}: {message}")]
    Shape {
        /// Which field.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A field holds what cannot be.
    #[error("{path} is {value:?}: {remedy}")]
    Field {
        /// Which field.
        path: String,
        /// What it holds.
        value: String,
        /// What to write.
        remedy: String,
    },
    /// An amount of money.
    #[error("{path}: {source}")]
    Money {
        /// Which field.
        path: String,
        /// Why.
        source: MoneyError,
    },
    /// A duration.
    #[error("{path}: {source}")]
    Duration {
        /// Which field.
        path: String,
        /// Why.
        source: DurationError,
    },
    /// The needs are none.
    #[error(transparent)]
    Needs(#[from] NeedsError),
    /// The manifest is none.
    #[error("workload: {0}")]
    Manifest(#[from] ManifestError),
    /// A document is too large.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

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

/// A file with its documents made: all that an order needs but token, tenant and time.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Public.
    pub needs: Needs,
    /// Its canonical bytes.
    pub needs_bytes: Vec<u8>,
    /// Private.
    pub manifest: Manifest,
    /// Its canonical bytes.
    pub manifest_bytes: Vec<u8>,
    /// Where secret values are.
    pub secrets: BTreeMap<String, SecretSource>,
    /// As written; none when left out.
    pub currency: Option<String>,
    /// Seconds that the order stands.
    pub stands: u32,
    template: Order,
}

/// Reads a file's text.
///
/// # Errors
/// Not one YAML document, or a field is missing, unknown or of another type; the field's path is named.
pub fn read(text: &str) -> Result<NeedsFile, NeedsFileError> {
    let value: serde_json::Value = yaml::from_str(text)?;
    serde_path_to_error::deserialize(value).map_err(|error| NeedsFileError::Shape {
        path: match error.path().to_string() {
            root if root == "." => "the file".to_owned(),
            path => path,
        },
        message: error.inner().to_string(),
    })
}

impl NeedsFile {
    /// Makes the documents, with a salt from a random source in the manifest.
    ///
    /// # Errors
    /// The first field that cannot be.
    pub fn wish(&self, salt: B256) -> Result<Wish, NeedsFileError> {
        let containers = self.containers()?;
        let needs = self.needs(&containers)?;
        needs.validate()?;
        let manifest = Manifest {
            version: Manifest::VERSION,
            salt: salt.to_string(),
            form: self.workload.form,
            replicas: needs.replicas,
            containers,
        };
        manifest.validate()?;
        manifest.fits(&needs)?;
        self.check_secrets(&manifest)?;
        let (needs_bytes, manifest_bytes) = (needs.to_canonical()?, manifest.to_canonical()?);
        let template = self.template(keccak256(&needs_bytes), keccak256(&manifest_bytes))?;
        Ok(Wish {
            needs,
            needs_bytes,
            manifest,
            manifest_bytes,
            secrets: self.secrets.clone(),
            currency: self.price.currency.clone(),
            stands: seconds("expiry", self.expiry.as_deref(), "10m")?,
            template,
        })
    }

    fn containers(&self) -> Result<Vec<Container>, NeedsFileError> {
        let alone = self.workload.containers.len() == 1;
        let mut containers = Vec::new();
        for (index, part) in self.workload.containers.iter().enumerate() {
            let at = format!("workload.containers[{index}]");
            // What a single container leaves out, the needs say for it.
            let amount = |name: &str, own: &Option<Amount>, whole: &Option<Amount>| match (own, whole) {
                (Some(own), _) => Ok((format!("{at}.{name}"), own.clone())),
                (None, Some(whole)) if alone => Ok((format!("needs.{name}"), whole.clone())),
                (None, _) => Err(NeedsFileError::Field {
                    path: format!("{at}.{name}"),
                    value: String::new(),
                    remedy: format!("say how much {name} it may use, for example {}", example(name)),
                }),
            };
            let (cpu_at, cpu) = amount("cpu", &part.cpu, &self.needs.cpu)?;
            let (memory_at, memory) = amount("memory", &part.memory, &self.needs.memory)?;
            let (storage_at, storage) = amount("storage", &part.storage, &self.needs.storage)?;
            let gpus = match (part.gpus, self.needs.gpu.count) {
                (Some(own), _) => own,
                (None, Some(all)) if alone => all,
                (None, _) => 0,
            };
            containers.push(Container {
                name: part.name.clone().unwrap_or_else(|| "main".to_owned()),
                image: part.image.clone(),
                command: part.command.clone(),
                args: part.args.clone(),
                env: part.env.clone(),
                cpu_milli: cores(&cpu_at, &cpu)?,
                memory_mib: bytes(&memory_at, &memory)?,
                storage_mib: bytes(&storage_at, &storage)?,
                gpus,
                ports: part.ports.clone(),
                readiness: part.readiness.clone(),
                run_as_user: part.run_as_user,
            });
        }
        Ok(containers)
    }

    fn needs(&self, containers: &[Container]) -> Result<Needs, NeedsFileError> {
        let part = &self.needs;
        let sum = containers.iter().fold(
            Default::default(),
            |sum: crate::core::resources::Resources, container| sum.plus(container.resources()),
        );
        let or = |path: &str,
                  said: &Option<Amount>,
                  read: fn(&str, &Amount) -> Result<u64, NeedsFileError>,
                  sum| { said.as_ref().map_or(Ok(sum), |said| read(path, said)) };
        Ok(Needs {
            version: Needs::VERSION,
            gpu: GpuNeeds {
                models: part.gpu.models.clone(),
                count: part
                    .gpu
                    .count
                    .unwrap_or_else(|| u16::try_from(sum.gpus).unwrap_or(u16::MAX)),
                memory_mib: or("needs.gpu.memory", &part.gpu.memory, bytes, 0)?,
                sharing: part.gpu.sharing,
            },
            run_as_root: part.run_as_root,
            cpu_milli: or("needs.cpu", &part.cpu, cores, sum.cpu_milli)?,
            memory_mib: or("needs.memory", &part.memory, bytes, sum.memory_mib)?,
            storage_mib: or("needs.storage", &part.storage, bytes, sum.storage_mib)?,
            replicas: part.replicas.unwrap_or(1),
            regions: part.regions.clone(),
            matching: part.matching.clone(),
        })
    }

    fn check_secrets(&self, manifest: &Manifest) -> Result<(), NeedsFileError> {
        let named = manifest.secrets();
        if let Some(missing) = named.iter().find(|name| !self.secrets.contains_key(**name)) {
            return Err(NeedsFileError::Field {
                path: format!("secrets.{missing}"),
                value: String::new(),
                remedy:
                    "a container's env names this secret: say where its value is, {file: path} or {env: NAME}"
                        .to_owned(),
            });
        }
        match self.secrets.keys().find(|name| !named.contains(name.as_str())) {
            Some(unused) => Err(NeedsFileError::Field {
                path: format!("secrets.{unused}"),
                value: unused.clone(),
                remedy: "no container's env names it: remove it, or add {name: VAR, secret: …} to an env"
                    .to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The order without token, tenant, times and deposit's default.
    fn template(&self, needs_hash: B256, manifest_hash: B256) -> Result<Order, NeedsFileError> {
        let rate: RatePerHour = money("price.maxPerHour", &self.price.max_per_hour)?;
        if rate.get() == 0 {
            return Err(NeedsFileError::Field {
                path: "price.maxPerHour".to_owned(),
                value: self.price.max_per_hour.0.clone(),
                remedy: "write more than 0: it bounds what a bid may cost".to_owned(),
            });
        }
        let max = seconds("duration.max", Some(&self.duration.max), "")?;
        let min = seconds("duration.min", self.duration.min.as_deref(), "1m")?;
        for (path, value) in [("duration.max", max), ("duration.min", min)] {
            if value == 0 {
                return Err(zero(path));
            }
        }
        if min > max {
            return Err(NeedsFileError::Field {
                path: "duration.min".to_owned(),
                value: duration::format_seconds(u64::from(min)),
                remedy: format!(
                    "write at most duration.max, {}",
                    duration::format_seconds(u64::from(max))
                ),
            });
        }
        let start_window = seconds("startWindow", self.start_window.as_deref(), "10m")?;
        if start_window == 0 {
            return Err(zero("startWindow"));
        }
        let grace = seconds("grace", self.grace.as_deref(), "0s")?;
        let reserved = match self.billing {
            BillingPart::Metered => 0,
            BillingPart::Reserved => Order::RESERVED,
        };
        let interruptible = if self.interruptible {
            Order::INTERRUPTIBLE
        } else {
            0
        };
        let mut order = Order {
            tenant: Address::ZERO,
            agent: Address::ZERO,
            refundTo: Address::ZERO,
            form: 0,
            token: 0,
            flags: reserved | interruptible,
            lots: 1,
            startRate: U48::ZERO,
            maxRate: U48::from(rate.get()),
            climb: 0,
            deposit: 0,
            minDuration: min,
            maxDuration: max,
            minCommit: 0,
            earlyFeeBps: 0,
            notice: seconds("notice", self.notice.as_deref(), "0s")?,
            grace,
            startWindow: start_window,
            minBond: self
                .min_bond
                .as_ref()
                .map_or(Ok(MicroUnits::ZERO), |bond| money("minBond", bond))?
                .0,
            minSignedPaid: 0,
            expiry: 0,
            slaPolicy: B256::ZERO,
            needsHash: needs_hash,
            manifestHash: manifest_hash,
            eligible: B256::ZERO,
            endpointHash: B256::ZERO,
            salt: B256::ZERO,
        };
        let least = least_deposit(&order, rate);
        order.deposit = match &self.deposit {
            None => holdback(rate, grace, 0, 0).0.saturating_add(rate.owed_up(max).0),
            Some(said) => {
                let deposit: MicroUnits = money("deposit", said)?;
                if deposit < least {
                    return Err(NeedsFileError::Field {
                        path: "deposit".to_owned(),
                        value: said.0.clone(),
                        remedy: format!(
                            "write at least {least}: duration.min and grace at price.maxPerHour; a bid at that price could not be accepted"
                        ),
                    });
                }
                deposit.0
            }
        };
        Ok(order)
    }
}

impl Wish {
    /// The token it wants to pay with.
    ///
    /// # Errors
    /// The market does not list it, or lists several and none was named.
    pub fn token<'a>(&self, listed: &'a [ListedToken]) -> Result<&'a ListedToken, NeedsFileError> {
        let offered = || {
            let all = listed
                .iter()
                .map(|token| format!("{} ({})", token.symbol, token.asset));
            all.collect::<Vec<_>>().join(", ")
        };
        let wrong = |value: &str| NeedsFileError::Field {
            path: "price.currency".to_owned(),
            value: value.to_owned(),
            remedy: format!("the market lists {}", offered()),
        };
        match (&self.currency, listed) {
            (None, [only]) => Ok(only),
            (None, _) => Err(wrong("")),
            (Some(name), _) => {
                let by_address = name.parse::<Address>().ok();
                let fits = |token: &&ListedToken| match by_address {
                    Some(address) => token.asset == address,
                    None => token.symbol.eq_ignore_ascii_case(name),
                };
                // Anyone may call a token USDC: of two with one name, the address must be given.
                let mut found = listed.iter().filter(fits);
                match (found.next(), found.next()) {
                    (Some(token), None) => Ok(token),
                    (Some(_), Some(_)) | (None, _) => Err(wrong(name)),
                }
            }
        }
    }

    /// The order of a tenant, posted at a time (Unix seconds), made unique by a salt.
    #[must_use]
    pub fn order(&self, tenant: Address, token: &ListedToken, now: u64, salt: B256) -> Order {
        let expiry = now.saturating_add(u64::from(self.stands));
        Order {
            tenant,
            refundTo: tenant,
            token: token.index,
            expiry: u32::try_from(expiry).unwrap_or(u32::MAX),
            salt,
            ..self.template.clone()
        }
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "cpu" => "4 or 500m",
        "memory" => "16Gi",
        _ => "20Gi",
    }
}

fn zero(path: &str) -> NeedsFileError {
    NeedsFileError::Field {
        path: path.to_owned(),
        value: "0s".to_owned(),
        remedy: "write at least 1s".to_owned(),
    }
}

fn cores(path: &str, amount: &Amount) -> Result<u64, NeedsFileError> {
    milli(&Quantity(amount.0.clone()), Rounding::Up).ok_or_else(|| NeedsFileError::Field {
        path: path.to_owned(),
        value: amount.0.clone(),
        remedy: "write a Kubernetes quantity such as 4 or 500m".to_owned(),
    })
}

fn bytes(path: &str, amount: &Amount) -> Result<u64, NeedsFileError> {
    mebibytes(&Quantity(amount.0.clone()), Rounding::Up).ok_or_else(|| NeedsFileError::Field {
        path: path.to_owned(),
        value: amount.0.clone(),
        remedy: "write a Kubernetes quantity such as 128Gi or 512Mi".to_owned(),
    })
}

fn money<M: std::str::FromStr<Err = MoneyError>>(path: &str, amount: &Amount) -> Result<M, NeedsFileError> {
    amount.0.parse().map_err(|source| NeedsFileError::Money {
        path: path.to_owned(),
        source,
    })
}

fn seconds(path: &str, text: Option<&str>, default: &str) -> Result<u32, NeedsFileError> {
    let text = text.unwrap_or(default);
    let parsed = duration::parse(text).map_err(|source| NeedsFileError::Duration {
        path: path.to_owned(),
        source,
    })?;
    if parsed.subsec_millis() != 0 {
        return Err(NeedsFileError::Field {
            path: path.to_owned(),
            value: text.to_owned(),
            remedy: "write whole seconds: the chain counts no finer".to_owned(),
        });
    }
    u32::try_from(parsed.as_secs()).map_err(|_| NeedsFileError::Duration {
        path: path.to_owned(),
        source: DurationError::TooLong(text.to_owned()),
    })
}

#[cfg(test)]
mod tests;
