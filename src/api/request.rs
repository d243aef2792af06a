//! What a workload asks for, decoded for people and for columns; shared by bids and leases. The canonical text beside it is what counts.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the order asks for, decoded from `needs`. Amounts are for one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestSummary {
    /// How many replicas run.
    #[schemars(range(min = 1, max = 1024))]
    pub replicas: i32,
    /// Devices of one replica; 0 for a workload without accelerator.
    #[schemars(range(min = 0, max = 65535))]
    pub gpus: i32,
    /// Device models the tenant accepts, as the node label `nvidia.com/gpu.product` spells them; none means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    pub gpu_models: Vec<String>,
    /// CPU of one replica in thousandths of a core.
    #[schemars(range(min = 0))]
    pub cpu_milli: i64,
    /// Memory of one replica in MiB.
    #[serde(rename = "memoryMiB")]
    #[schemars(range(min = 0))]
    pub memory_mib: i64,
    /// Ephemeral storage of one replica in MiB.
    #[serde(rename = "storageMiB")]
    #[schemars(range(min = 0))]
    pub storage_mib: i64,
}
