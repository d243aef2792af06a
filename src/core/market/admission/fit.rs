//! Whether what the order needs is what the offer has: devices, regions, root, durations. Asks for no room; that is counted after.

use alloy::primitives::keccak256;

use super::{DeviceClass, OfferPolicy, RootPolicy, Stop, refuse};
use crate::core::{
    documents::{needs::Needs, order::Order},
    market::refusal::Reason,
};

pub(super) fn read_needs(order: &Order, bytes: &[u8]) -> Result<Needs, Stop> {
    // The book checked this; an endpoint that answers falsely must not make us sign.
    if keccak256(bytes) != order.needsHash {
        return refuse(
            Reason::NeedsUndecodable,
            "the needs' bytes do not have the hash that the order names",
        );
    }
    let needs = match Needs::decode(bytes) {
        Ok(needs) => needs,
        Err(error) => return refuse(Reason::NeedsUndecodable, error),
    };
    if needs.matching.is_some() {
        return refuse(
            Reason::WhereUnsupported,
            "needs.where is set: expressions are not evaluated here, leave it out",
        );
    }
    Ok(needs)
}

pub(super) fn matches_devices(needs: &Needs, offer: &OfferPolicy) -> Result<(), Stop> {
    if needs.gpu.count == 0 {
        return Ok(());
    }
    if needs.gpu.sharing != offer.sharing {
        return refuse(
            Reason::SharingMismatch,
            format_args!(
                "needs.gpu.sharing is {:?}, the offer's devices are {:?}",
                needs.gpu.sharing, offer.sharing
            ),
        );
    }
    let wanted = &needs.gpu;
    let served = |class: &DeviceClass| {
        let model = wanted.models.is_empty()
            || class
                .model
                .as_ref()
                .is_some_and(|model| wanted.models.contains(model));
        let memory =
            wanted.memory_mib == 0 || class.memory_mib.is_some_and(|memory| memory >= wanted.memory_mib);
        model && memory
    };
    if offer.devices.iter().any(served) {
        return Ok(());
    }
    let here: Vec<String> = offer
        .devices
        .iter()
        .map(|class| {
            let memory = class
                .memory_mib
                .map_or_else(|| "unknown".to_owned(), |memory| memory.to_string());
            format!(
                "{} ({memory} MiB)",
                class.model.as_deref().unwrap_or("unlabelled")
            )
        })
        .collect();
    refuse(
        Reason::DeviceMismatch,
        format_args!(
            "needs.gpu asks for models [{}] with {} MiB; here are [{}]",
            wanted.models.join(", "),
            wanted.memory_mib,
            here.join(", ")
        ),
    )
}

pub(super) fn matches_policy(needs: &Needs, order: &Order, offer: &OfferPolicy) -> Result<(), Stop> {
    if !needs.regions.is_empty() && !needs.regions.iter().any(|region| offer.regions.contains(region)) {
        let here: Vec<&str> = offer.regions.iter().map(String::as_str).collect();
        return refuse(
            Reason::RegionMismatch,
            format_args!(
                "needs.regions is [{}], the offer is in [{}]",
                needs.regions.join(", "),
                here.join(", ")
            ),
        );
    }
    if needs.run_as_root && offer.root == RootPolicy::Never {
        return refuse(
            Reason::RootRefused,
            "needs.runAsRoot is true, the offer serves no root: use an image with another user",
        );
    }
    if order.maxDuration > offer.max_duration {
        return refuse(
            Reason::DurationTooLong,
            format_args!(
                "order.maxDuration is {} s, the offer serves {} s: ask for less",
                order.maxDuration, offer.max_duration
            ),
        );
    }
    if order.maxDuration < offer.min_duration {
        return refuse(
            Reason::DurationTooShort,
            format_args!(
                "order.maxDuration is {} s, the offer's shortest lease is {} s: ask for more",
                order.maxDuration, offer.min_duration
            ),
        );
    }
    if order.notice > offer.notice {
        return refuse(
            Reason::NoticeTooLong,
            format_args!(
                "order.notice is {} s, the offer gives {} s: ask for less",
                order.notice, offer.notice
            ),
        );
    }
    Ok(())
}
