//! The Kubernetes kinds of group leaseport.dev, as types with their schema and CEL rules. May use nothing else of ours.
//!
//! Texts that are numbers, hashes or durations stay texts here, bounded by a pattern; `core` turns them into its own types.

// The KubeSchema derive repeats each struct, `pub` and all, inside a function.
#![allow(unreachable_pub)]
// Clippy reads the columns' parameters as attributes of one item.
#![allow(clippy::duplicated_attributes)]

pub mod bid;
pub mod condition;
pub mod duration;
pub mod lease;
pub mod market;
pub mod name;
pub mod offer;
pub mod pattern;
pub mod provider;
pub mod reference;
pub mod request;
pub mod transaction;
pub mod wallet;
pub mod wei;

pub use bid::ComputeBid;
pub use lease::ComputeLease;
pub use market::ComputeMarket;
pub use offer::ComputeOffer;
pub use provider::ComputeProvider;
pub use transaction::ComputeTransaction;
pub use wallet::ComputeWallet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// API group of every kind.
pub const GROUP: &str = "leaseport.dev";
/// The one version served and stored.
pub const VERSION: &str = "v1alpha1";

/// The definitions of all kinds, in the order in which an admin meets them.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        ComputeMarket::crd(),
        ComputeWallet::crd(),
        ComputeProvider::crd(),
        ComputeOffer::crd(),
        ComputeBid::crd(),
        ComputeLease::crd(),
        ComputeTransaction::crd(),
    ];
    for version in all
        .iter_mut()
        .flat_map(|definition| &mut definition.spec.versions)
    {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            join_lines(schema);
        }
    }
    all
}

/// Doc comments break lines where the source does; `kubectl explain` breaks them where the terminal does.
fn join_lines(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        *text = text
            .split("\n\n")
            .map(|paragraph| paragraph.replace('\n', " "))
            .collect::<Vec<_>>()
            .join("\n\n");
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        join_lines(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => join_lines(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(join_lines),
        None => {}
    }
    match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => join_lines(values),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => {}
    }
}
