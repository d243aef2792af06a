//! What an offer and the operator's own settings give to every lease, read once into the plain types that core builds from.
//! An offer that cannot be read is an error with the field in it, and nobody guesses in its place.

use std::time::Duration;

use thiserror::Error;

use crate::{
    api::{
        ComputeOffer,
        duration::{self, DurationError},
        offer::{AllowRoot, ImagePull},
    },
    core::{
        capacity::Supply,
        delivery::PullBilling,
        resources::Resources,
        settings::Settings,
        workload::{Egress, Ground, Isolation, RootPolicy},
    },
};

/// Why an offer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroundError {
    /// A duration does not parse.
    #[error("ComputeOffer {offer}: spec.{field}: {source}")]
    Duration {
        /// Which offer.
        offer: String,
        /// Which field.
        field: &'static str,
        /// Why.
        source: DurationError,
    },
}

/// What an offer gives.
#[must_use]
pub fn ground(offer: &ComputeOffer, settings: &Settings) -> Ground {
    let spec = &offer.spec;
    Ground {
        offer: offer.metadata.name.clone().unwrap_or_default(),
        supply: supply(offer),
        isolation: Isolation {
            root: match spec.isolation.allow_root {
                AllowRoot::Never => RootPolicy::Refused,
                AllowRoot::WhenDeclared => RootPolicy::Allowed,
            },
            runtime_class: spec.isolation.runtime_class_name.clone(),
            overhead: Resources::default(),
            dns: settings.dns.clone(),
            egress: Egress {
                denied_blocks: settings.denied_blocks.clone(),
                ..Egress::default()
            },
        },
        priority_class: settings.priority_class.clone(),
        termination_grace_seconds: settings.termination_grace_seconds,
        accounts: settings.accounts.clone(),
    }
}

/// The nodes and the device an offer sells.
#[must_use]
pub fn supply(offer: &ComputeOffer) -> Supply {
    Supply {
        selector: offer.spec.nodes.selector.clone(),
        device: offer.spec.device.resource_name.clone(),
    }
}

/// Who pays while an image is pulled.
#[must_use]
pub fn pull(offer: &ComputeOffer) -> PullBilling {
    match offer.spec.terms.image_pull {
        ImagePull::Provider => PullBilling::Provider,
        ImagePull::Tenant => PullBilling::Tenant,
    }
}

/// After how long an unknown chain scales to zero; none: never.
///
/// # Errors
/// The field is neither a duration nor `never`.
pub fn suspend_after(offer: &ComputeOffer) -> Result<Option<Duration>, GroundError> {
    let text = &offer.spec.on_chain_unknown.suspend_after;
    if text == "never" {
        return Ok(None);
    }
    duration::parse(text)
        .map(Some)
        .map_err(|source| GroundError::Duration {
            offer: offer.metadata.name.clone().unwrap_or_default(),
            field: "onChainUnknown.suspendAfter",
            source,
        })
}
