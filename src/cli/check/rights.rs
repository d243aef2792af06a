//! The rights that the operator's work begins with, and asking the API server for them on behalf of whoever runs the check. Reads no rule.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::{Finding, answered};
use crate::api;

/// Where a right is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In the whole cluster.
    Everywhere,
    /// In the operator's own namespace.
    Own,
    /// In the namespace of each ComputeProvider.
    Provider,
}

/// One right that the operator's account needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// API group, empty for the core one.
    pub group: &'static str,
    /// Resource, with its subresource after a slash.
    pub resource: &'static str,
    /// Name of the object, empty for any.
    pub name: &'static str,
    /// Verb.
    pub verb: &'static str,
    /// Where.
    pub scope: Where,
}

pub(super) const fn right(
    group: &'static str,
    resource: &'static str,
    name: &'static str,
    verb: &'static str,
    scope: Where,
) -> Right {
    Right {
        group,
        resource,
        name,
        verb,
        scope,
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";

/// What the operator's work begins with, one right a step; inside a lease's namespace it binds its own.
pub const RIGHTS: [Right; 18] = [
    right(api::GROUP, "computemarkets", "", "watch", Where::Everywhere),
    right(
        api::GROUP,
        "computemarkets/status",
        "",
        "patch",
        Where::Everywhere,
    ),
    right(api::GROUP, "computebids", "", "create", Where::Everywhere),
    right(api::GROUP, "computeleases", "", "create", Where::Everywhere),
    right(api::GROUP, "computeleases/status", "", "patch", Where::Everywhere),
    right(api::GROUP, "computetransactions", "", "create", Where::Everywhere),
    right("", "nodes", "", "watch", Where::Everywhere),
    right("", "pods", "", "watch", Where::Everywhere),
    right("", "namespaces", "", "create", Where::Everywhere),
    right(RBAC, "rolebindings", "", "create", Where::Everywhere),
    right(
        RBAC,
        "clusterroles",
        "leaseport-lease-operator",
        "bind",
        Where::Everywhere,
    ),
    right(
        RBAC,
        "clusterroles",
        "leaseport-lease-gateway",
        "bind",
        Where::Everywhere,
    ),
    right("events.k8s.io", "events", "", "create", Where::Everywhere),
    right(COORDINATION, "leases", "", "create", Where::Own),
    right(COORDINATION, "leases", "leaseport-operator", "update", Where::Own),
    right("", "secrets", "", "get", Where::Own),
    right("", "pods", "", "create", Where::Provider),
    right("", "configmaps", "", "create", Where::Provider),
];

/// Whether this account has a right.
pub(super) async fn may(client: &Client, right: &Right, object: &str, namespace: Option<&str>) -> Finding {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (right.resource, None),
    };
    let place = namespace.map_or(String::new(), |namespace| format!(" in {namespace}"));
    let space = if object.is_empty() { "" } else { " " };
    let what = format!("may {} {}{space}{object}{place}", right.verb, right.resource);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: text(right.group),
                resource: text(resource),
                subresource: subresource.and_then(text),
                name: text(object),
                namespace: namespace.and_then(text),
                verb: text(right.verb),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let remedy =
        "give it: the chart's rights of the operator, for a provider's namespace by `providerNamespaces`";
    match answered(reviews.create(&PostParams::default(), &review)).await {
        Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => {
            Finding::holds(what, "yes")
        }
        Ok(_) => Finding::fails(what, "no", remedy),
        Err(why) => Finding::fails(
            what,
            why,
            "let this account ask for its rights (system:basic-user)",
        ),
    }
}
