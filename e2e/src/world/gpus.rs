//! The GPUs of a world: their ids, the labels that tell of them, and the file that the stub device plugin serves.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use super::state::WorldState;
use crate::image::hex;

const PRODUCT: &str = "NVIDIA-H100-80GB-HBM3";

/// The labels that NVIDIA's GPU feature discovery sets on a node of H100 cards.
/// (github.com/NVIDIA/k8s-device-plugin: docs/gpu-feature-discovery/README.md)
pub(super) fn gpu_labels(gpus: u32) -> Vec<(&'static str, String)> {
    vec![
        ("nvidia.com/gpu.present", "true".into()),
        ("nvidia.com/gpu.product", PRODUCT.into()),
        ("nvidia.com/gpu.count", gpus.to_string()),
        ("nvidia.com/gpu.replicas", "1".into()),
        ("nvidia.com/gpu.sharing-strategy", "none".into()),
        ("nvidia.com/gpu.memory", "81559".into()),
        ("nvidia.com/gpu.family", "hopper".into()),
        ("nvidia.com/gpu.compute.major", "9".into()),
        ("nvidia.com/gpu.compute.minor", "0".into()),
        ("nvidia.com/gpu.machine", "leaseport-world".into()),
        ("nvidia.com/gpu.mode", "compute".into()),
        ("nvidia.com/mig.capable", "true".into()),
        ("nvidia.com/mig.strategy", "single".into()),
        ("nvidia.com/mps.capable", "false".into()),
        ("nvidia.com/cuda.driver-version.full", "580.95.05".into()),
        ("nvidia.com/cuda.driver-version.major", "580".into()),
        ("nvidia.com/cuda.driver-version.minor", "95".into()),
        ("nvidia.com/cuda.driver-version.revision", "05".into()),
        ("nvidia.com/cuda.runtime-version.full", "13.0".into()),
        ("nvidia.com/cuda.runtime-version.major", "13".into()),
        ("nvidia.com/cuda.runtime-version.minor", "0".into()),
        // The names before 0.17 of the plugin, which tools in the field still read.
        ("nvidia.com/cuda.driver.major", "580".into()),
        ("nvidia.com/cuda.driver.minor", "95".into()),
        ("nvidia.com/cuda.driver.rev", "05".into()),
        ("nvidia.com/cuda.runtime.major", "13".into()),
        ("nvidia.com/cuda.runtime.minor", "0".into()),
    ]
}

/// The ids of a world's GPUs: the same in every run of a world of that name, different between worlds.
pub(super) fn gpu_ids(world: &str, gpus: u32) -> Vec<String> {
    (0..gpus)
        .map(|index| {
            let digest = hex(format!("leaseport-world {world} gpu {index}").as_bytes());
            let piece = |from: usize, to: usize| digest.get(from..to).unwrap_or_default().to_owned();
            format!(
                "GPU-{}-{}-4{}-8{}-{}",
                piece(0, 8),
                piece(8, 12),
                piece(13, 16),
                piece(17, 20),
                piece(20, 32)
            )
        })
        .collect()
}

/// Where the stub device plugin reads which GPUs there are.
pub(super) fn inventory(world: &WorldState) -> PathBuf {
    world.run_dir.join("node").join("gpus")
}

/// Writes the inventory: each GPU and whether it is healthy.
pub(super) fn write_inventory(path: &Path, gpus: &[(String, Health)]) -> Result<(), Error> {
    let text = gpus.iter().fold(String::new(), |mut text, (id, health)| {
        let word = match health {
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        };
        writeln!(text, "{id} {word}").ok();
        text
    });
    super::write_atomically(path, text.as_bytes())
}

/// Reads the inventory back.
pub(super) fn read_inventory(path: &Path) -> Result<Vec<(String, Health)>, Error> {
    let text = fs::read_to_string(path).map_err(super::file(path))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, word)| {
            (
                id.to_owned(),
                if word == "healthy" {
                    Health::Healthy
                } else {
                    Health::Unhealthy
                },
            )
        })
        .collect())
}

/// What a device plugin says about a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can be given to pods.
    Healthy,
    /// It cannot; pods that hold it keep it.
    Unhealthy,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn gpu_ids_look_like_uuids_and_differ_between_cards_and_worlds() {
        let (first, second) = (gpu_ids("one", 8), gpu_ids("two", 8));
        let all: BTreeSet<&String> = first.iter().chain(&second).collect();
        assert_eq!(all.len(), 16);
        assert_eq!(first, gpu_ids("one", 8));
        for id in all {
            let groups: Vec<usize> = id
                .strip_prefix("GPU-")
                .unwrap()
                .split('-')
                .map(str::len)
                .collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
        }
    }

    #[test]
    fn an_inventory_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpus");
        let gpus = vec![
            ("GPU-a".to_owned(), Health::Healthy),
            ("GPU-b".to_owned(), Health::Unhealthy),
        ];
        write_inventory(&path, &gpus).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "GPU-a healthy\nGPU-b unhealthy\n"
        );
        assert_eq!(read_inventory(&path).unwrap(), gpus);
    }

    #[test]
    fn every_label_is_one_that_kubernetes_accepts() {
        for (label, value) in gpu_labels(8) {
            assert!(
                label.starts_with("nvidia.com/") && label.len() <= 63 + 11,
                "{label}"
            );
            assert!(
                value.len() <= 63
                    && value
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
            );
        }
    }
}
