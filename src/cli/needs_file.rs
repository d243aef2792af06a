//! The file a tenant writes: what to run, what it needs, what it may cost. From its text to the documents and the order; pure: salt and
//! time are arguments. Every refusal names the field's path.

mod fields;
mod template;
mod units;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, keccak256};
use thiserror::Error;

use crate::{
    api::duration::DurationError,
    chain_io::contracts::ListedToken,
    core::{
        documents::{
            canonical::{CanonicalError, Document},
            manifest::{Container, Manifest, ManifestError},
            needs::{GpuNeeds, Needs, NeedsError},
            order::Order,
        },
        money::MoneyError,
    },
    yaml::{self, YamlError},
};
pub use fields::{
    Amount, BillingPart, Bounds, ContainerPart, GpuPart, NeedsFile, NeedsPart, Price, SecretSource, Workload,
};
use units::{bytes, cores, example, seconds};

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

#[cfg(test)]
mod tests;
