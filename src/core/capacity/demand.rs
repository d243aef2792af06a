//! What one pod takes from its node, counted as the scheduler counts it (k8s.io/component-helpers/resource `PodRequests`):
//! containers and sidecars add up, ordinary init containers run one after another, overhead comes on top. May not guess an absent request.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod},
    apimachinery::pkg::api::resource::Quantity,
};

use super::quantity::{self, Rounding};
use crate::core::resources::Resources;

pub(super) fn amounts(map: &BTreeMap<String, Quantity>, device: &str, rounding: Rounding) -> Resources {
    let read = |name: &str, unit: fn(&Quantity, Rounding) -> Option<u64>| {
        map.get(name)
            .and_then(|quantity| unit(quantity, rounding))
            .unwrap_or(0)
    };
    Resources {
        gpus: u32::try_from(read(device, quantity::whole)).unwrap_or(u32::MAX),
        cpu_milli: read("cpu", quantity::milli),
        memory_mib: read("memory", quantity::mebibytes),
        storage_mib: read("ephemeral-storage", quantity::mebibytes),
    }
}

fn of_container(container: &Container, device: &str) -> Resources {
    let Some(resources) = &container.resources else {
        return Resources::default();
    };
    // The API server defaults requests from limits; a pod read from it always carries requests.
    resources
        .requests
        .as_ref()
        .or(resources.limits.as_ref())
        .map_or_else(Resources::default, |map| amounts(map, device, Rounding::Up))
}

fn larger(a: Resources, b: Resources) -> Resources {
    Resources {
        gpus: a.gpus.max(b.gpus),
        cpu_milli: a.cpu_milli.max(b.cpu_milli),
        memory_mib: a.memory_mib.max(b.memory_mib),
        storage_mib: a.storage_mib.max(b.storage_mib),
    }
}

/// Requests of a pod in the offer's device resource, CPU, memory and ephemeral storage.
#[must_use]
pub fn pod_demand(pod: &Pod, device: &str) -> Resources {
    let Some(spec) = &pod.spec else {
        return Resources::default();
    };
    let running = spec
        .containers
        .iter()
        .fold(Resources::default(), |sum, container| {
            sum.plus(of_container(container, device))
        });
    let (mut sidecars, mut peak) = (Resources::default(), Resources::default());
    for container in spec.init_containers.iter().flatten() {
        let wanted = of_container(container, device);
        // A restartable init container (KEP-753) stays for the pod's life, beside everything that starts after it.
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.plus(wanted);
            peak = larger(peak, sidecars);
        } else {
            peak = larger(peak, sidecars.plus(wanted));
        }
    }
    let together = larger(running.plus(sidecars), peak);
    let pod_level = spec
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref())
        .map_or_else(Resources::default, |map| amounts(map, device, Rounding::Up));
    let overhead = spec
        .overhead
        .as_ref()
        .map_or_else(Resources::default, |map| amounts(map, device, Rounding::Up));
    larger(together, pod_level).plus(overhead)
}

/// Whether the pod still takes from its node: a finished one gave everything back.
#[must_use]
pub fn pod_weighs(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn demand(spec: &serde_json::Value) -> Resources {
        let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).unwrap();
        pod_demand(&pod, "nvidia.com/gpu")
    }

    #[test]
    fn containers_and_sidecars_add_up_and_init_containers_do_not() {
        let got = demand(&json!({
            "containers": [
                { "name": "a", "resources": { "requests": { "cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "1Gi" } } },
                { "name": "b", "resources": { "requests": { "cpu": "500m" } } },
            ],
            "initContainers": [
                { "name": "load", "resources": { "requests": { "cpu": "1", "memory": "3Gi" } } },
                { "name": "proxy", "restartPolicy": "Always", "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } } },
            ],
        }));
        assert_eq!(
            got,
            Resources {
                gpus: 1,
                cpu_milli: 1_600,
                memory_mib: 3 * 1024,
                storage_mib: 1024
            }
        );
    }

    #[test]
    fn an_init_container_runs_beside_the_sidecars_before_it() {
        let got = demand(&json!({
            "containers": [{ "name": "a" }],
            "initContainers": [
                { "name": "proxy", "restartPolicy": "Always", "resources": { "requests": { "memory": "64Mi" } } },
                { "name": "load", "resources": { "requests": { "memory": "1Gi" } } },
            ],
        }));
        assert_eq!(got.memory_mib, 1024 + 64);
    }

    #[test]
    fn overhead_of_the_runtime_class_counts() {
        let got = demand(
            &json!({ "containers": [{ "name": "a" }], "overhead": { "cpu": "250m", "memory": "120Mi" } }),
        );
        assert_eq!(
            got,
            Resources {
                cpu_milli: 250,
                memory_mib: 120,
                ..Resources::default()
            }
        );
    }

    #[test]
    fn a_finished_pod_weighs_nothing() {
        let pod = |phase: &str| -> Pod {
            serde_json::from_value(json!({ "metadata": {}, "status": { "phase": phase } })).unwrap()
        };
        assert!(pod_weighs(&pod("Running")) && pod_weighs(&pod("Pending")) && pod_weighs(&pod("Unknown")));
        assert!(!pod_weighs(&pod("Succeeded")) && !pod_weighs(&pod("Failed")));
    }
}
