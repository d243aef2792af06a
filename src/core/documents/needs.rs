//! Needs: what a workload requires of a provider, public, one replica's worth; its bytes travel in the order's event and its hash in the order.
//! It may not decide whether an offer satisfies it: that is `core::market`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    canonical::{CanonicalError, Document, is_default, not_null},
    names::is_label_value,
};
use crate::core::resources::Resources;

/// Largest number of replicas one order may ask for.
pub const MAX_REPLICAS: u16 = 1024;
/// Largest number of device models or regions named.
pub const MAX_NAMES: usize = 32;
/// Longest expression in `where`, in bytes.
pub const MAX_WHERE: usize = 512;

/// Why a needs document is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NeedsError {
    /// Its bytes are not canonical, or a field is missing or unknown.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A field holds what no provider could serve.
    #[error("needs.{field} is {value}: {remedy}")]
    Field {
        /// Path below `needs`.
        field: String,
        /// What it holds.
        value: String,
        /// What to write instead.
        remedy: &'static str,
    },
}

/// How devices may be shared between leases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sharing {
    /// Whole devices, nobody else on them.
    #[default]
    Exclusive,
    /// A hardware slice (NVIDIA MIG).
    Mig,
    /// Time slices of one device, no isolation of memory.
    TimeSliced,
    /// NVIDIA Multi-Process Service.
    Mps,
}

/// What one replica needs of accelerators.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuNeeds {
    /// Acceptable models as the node's label `nvidia.com/gpu.product` spells them; none named means any.
    #[serde(default, skip_serializing_if = "is_default")]
    pub models: Vec<String>,
    /// Devices for each replica; 0 for a workload without accelerator.
    pub count: u16,
    /// Least memory of each device in MiB; 0 means any.
    #[serde(default, skip_serializing_if = "is_default", rename = "memoryMiB")]
    pub memory_mib: u64,
    /// Whether others may be on the same device.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sharing: Sharing,
}

/// The needs document, version 1. Amounts are for one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Needs {
    /// Always 1.
    pub version: u8,
    /// Accelerators of one replica.
    pub gpu: GpuNeeds,
    /// The manifest holds an image that runs as root; a provider may refuse it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub run_as_root: bool,
    /// CPU of one replica in thousandths of a core.
    pub cpu_milli: u64,
    /// Memory of one replica in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// Ephemeral storage of one replica in MiB: writable layers and logs.
    #[serde(rename = "storageMiB")]
    pub storage_mib: u64,
    /// How many replicas.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u16,
    /// Acceptable regions; none named means any.
    #[serde(default, skip_serializing_if = "is_default")]
    pub regions: Vec<String>,
    /// An expression over the provider's published facts.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "not_null",
        rename = "where"
    )]
    pub matching: Option<String>,
}

pub(super) fn one() -> u16 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn is_one(value: &u16) -> bool {
    *value == 1
}

impl Document for Needs {
    const NAME: &'static str = "needs";
    const LIMIT: usize = 4 * 1024;
    const VERSION: u8 = 1;
}

impl Needs {
    /// The resources of one replica.
    #[must_use]
    pub fn replica(&self) -> Resources {
        Resources {
            gpus: u32::from(self.gpu.count),
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            storage_mib: self.storage_mib,
        }
    }

    /// Reads canonical bytes and checks every field.
    ///
    /// # Errors
    /// The bytes are not the canonical form of a needs document, or a field is out of its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, NeedsError> {
        let needs = Self::from_canonical(bytes)?;
        needs.validate()?;
        Ok(needs)
    }

    /// Checks every field against its bounds; needs read from YAML pass through here before they are hashed.
    ///
    /// # Errors
    /// The first field out of its bounds.
    pub fn validate(&self) -> Result<(), NeedsError> {
        let field = |field: &str, value: &dyn std::fmt::Display, remedy| {
            Err(NeedsError::Field {
                field: field.to_owned(),
                value: value.to_string().chars().take(80).collect(),
                remedy,
            })
        };
        if self.version != Self::VERSION {
            return field("version", &self.version, "write 1");
        }
        if !(1..=MAX_REPLICAS).contains(&self.replicas) {
            return field("replicas", &self.replicas, "ask for 1 to 1024 replicas");
        }
        if self.gpu.count > 64 {
            return field(
                "gpu.count",
                &self.gpu.count,
                "ask for at most 64 devices a replica",
            );
        }
        if self.gpu.models.len() > MAX_NAMES {
            return field("gpu.models", &self.gpu.models.len(), "name at most 32 models");
        }
        if let Some(model) = self.gpu.models.iter().find(|model| !is_label_value(model)) {
            return field(
                "gpu.models",
                &format_args!("{model:?}"),
                "write the node label's value: letters, digits, '-', '_', '.', at most 63",
            );
        }
        if self.gpu.memory_mib > (1 << 30) {
            return field(
                "gpu.memoryMiB",
                &self.gpu.memory_mib,
                "ask for at most 1 PiB, in MiB",
            );
        }
        if !(1..=1_000_000).contains(&self.cpu_milli) {
            return field(
                "cpuMilli",
                &self.cpu_milli,
                "ask for 1 to 1000000 thousandths of a core",
            );
        }
        if !(1..=(1 << 30)).contains(&self.memory_mib) {
            return field("memoryMiB", &self.memory_mib, "ask for 1 MiB to 1 PiB, in MiB");
        }
        if !(1..=(1 << 30)).contains(&self.storage_mib) {
            return field("storageMiB", &self.storage_mib, "ask for 1 MiB to 1 PiB, in MiB");
        }
        if self.regions.len() > MAX_NAMES {
            return field("regions", &self.regions.len(), "name at most 32 regions");
        }
        if let Some(region) = self.regions.iter().find(|region| !is_label_value(region)) {
            return field(
                "regions",
                &format_args!("{region:?}"),
                "write letters, digits, '-', '_', '.', at most 63",
            );
        }
        if let Some(text) = self
            .matching
            .as_ref()
            .filter(|text| text.is_empty() || text.len() > MAX_WHERE)
        {
            return field("where", &text.len(), "write 1 to 512 bytes, or leave it out");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn small() -> Needs {
        Needs {
            version: 1,
            gpu: GpuNeeds {
                count: 2,
                ..GpuNeeds::default()
            },
            run_as_root: false,
            cpu_milli: 4000,
            memory_mib: 16_384,
            storage_mib: 10_240,
            replicas: 1,
            regions: vec![],
            matching: None,
        }
    }

    prop_compose! {
        fn any_needs()(
            models in prop::collection::vec("[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", 0..4), count in 0u16..=64, gpu_memory in 0u64..=1 << 30,
            sharing in prop::sample::select(vec![Sharing::Exclusive, Sharing::Mig, Sharing::TimeSliced, Sharing::Mps]),
            run_as_root: bool, cpu_milli in 1u64..=1_000_000, memory_mib in 1u64..=1 << 30, storage_mib in 1u64..=1 << 30,
            replicas in 1..=MAX_REPLICAS, regions in prop::collection::vec("[a-z]{2}-[a-z0-9]{1,8}", 0..4),
            matching in prop::option::of("\\PC{1,40}"),
        ) -> Needs {
            let gpu = GpuNeeds { models, count, memory_mib: gpu_memory, sharing };
            Needs { version: 1, gpu, run_as_root, cpu_milli, memory_mib, storage_mib, replicas, regions, matching }
        }
    }

    proptest! {
        #[test]
        fn needs_survive_their_bytes(needs in any_needs()) {
            prop_assert_eq!(Needs::decode(&needs.to_canonical().unwrap()).unwrap(), needs);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Needs::decode(&bytes).is_err());
        }

        #[test]
        fn no_numbers_make_validation_panic(version: u8, count: u16, memory: u64, cpu_milli: u64, replicas: u16) {
            let mut needs = Needs { version, cpu_milli, memory_mib: memory, storage_mib: memory, replicas, ..small() };
            needs.gpu.count = count;
            let valid = needs.validate().is_ok();
            prop_assert!(!valid || (version == 1 && (1..=MAX_REPLICAS).contains(&replicas)));
        }
    }

    #[test]
    fn the_smallest_form_leaves_out_every_default() {
        let bytes = small().to_canonical().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            r#"{"cpuMilli":4000,"gpu":{"count":2},"memoryMiB":16384,"storageMiB":10240,"version":1}"#
        );
    }

    #[test]
    fn a_default_that_is_spelled_out_is_another_document_and_refused() {
        let text = br#"{"cpuMilli":4000,"gpu":{"count":2},"memoryMiB":16384,"replicas":1,"storageMiB":10240,"version":1}"#;
        assert!(matches!(
            Needs::decode(text),
            Err(NeedsError::Canonical(CanonicalError::NotCanonical { .. }))
        ));
        let null = br#"{"cpuMilli":4000,"gpu":{"count":2},"memoryMiB":16384,"storageMiB":10240,"version":1,"where":null}"#;
        assert!(matches!(
            Needs::decode(null),
            Err(NeedsError::Canonical(CanonicalError::Shape { .. }))
        ));
    }

    #[test]
    fn a_field_out_of_bounds_is_named_with_its_remedy() {
        let message = |needs: Needs| needs.validate().unwrap_err().to_string();
        assert_eq!(
            message(Needs {
                replicas: 0,
                ..small()
            }),
            "needs.replicas is 0: ask for 1 to 1024 replicas"
        );
        assert!(
            message(Needs {
                memory_mib: 0,
                ..small()
            })
            .starts_with("needs.memoryMiB is 0")
        );
        assert!(
            message(Needs {
                cpu_milli: 1_000_001,
                ..small()
            })
            .starts_with("needs.cpuMilli is 1000001")
        );
        assert!(
            message(Needs {
                regions: vec!["eu west".into()],
                ..small()
            })
            .starts_with("needs.regions is \"eu west\"")
        );
        assert!(
            message(Needs {
                matching: Some("x".repeat(513)),
                ..small()
            })
            .starts_with("needs.where is 513")
        );
        let mut needs = small();
        needs.gpu.models = vec!["A100\n".into()];
        assert!(message(needs).starts_with("needs.gpu.models is \"A100\\n\""));
    }
}
