//! A lease's room, before its manifest is there: namespace, account, our rights, quota, network. The order is the one in which a
//! new namespace accepts pods: account and quota before any workload, and no pod may ever run before the network rules are there.
//! There is no LimitRange: every container of ours carries its limits, and the quota refuses one that does not.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        core::v1::{Namespace, ResourceQuota, ResourceQuotaSpec, ServiceAccount},
        rbac::v1::{RoleBinding, RoleRef, Subject},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::{
    names::{GATEWAY_ROLE, Identity, OFFER_ANNOTATION, OPERATOR_ROLE, TENANT_ACCOUNT},
    network,
    objects::Object,
    template::{Account, BuildError, LeaseTemplate, Level},
};

/// Everything of a lease but what runs, in order of application.
///
/// # Errors
/// The needs ask for root and the offer refuses it, or the offer names a block that is none.
pub fn room(template: &LeaseTemplate<'_>) -> Result<Vec<Object>, BuildError> {
    let identity = template.identity;
    let accounts = &template.ground.accounts;
    let mut objects: Vec<Object> = vec![
        namespace(template)?.into(),
        // Our rights inside come from the binding, so it precedes everything that needs them.
        binding(identity, OPERATOR_ROLE, &accounts.operator).into(),
        binding(identity, GATEWAY_ROLE, &accounts.gateway).into(),
        account(identity).into(),
        quota(template).into(),
    ];
    objects.extend(network::policies(template)?.into_iter().map(Object::from));
    Ok(objects.into_iter().map(Object::stamped).collect())
}

fn namespace(template: &LeaseTemplate<'_>) -> Result<Namespace, BuildError> {
    let level = match template.level()? {
        Level::Restricted => "restricted",
        Level::Baseline => "baseline",
    };
    let mut labels = template.identity.labels();
    for mode in ["enforce", "warn", "audit"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
    }
    labels.insert(
        "pod-security.kubernetes.io/enforce-version".to_owned(),
        "latest".to_owned(),
    );
    let mut annotations = template.identity.annotations();
    annotations.insert(OFFER_ANNOTATION.to_owned(), template.ground.offer.clone());
    Ok(Namespace {
        metadata: ObjectMeta {
            name: Some(template.identity.namespace()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    })
}

fn account(identity: Identity) -> ServiceAccount {
    ServiceAccount {
        metadata: identity.metadata(TENANT_ACCOUNT),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

fn binding(identity: Identity, role: &str, account: &Account) -> RoleBinding {
    RoleBinding {
        metadata: identity.metadata(role),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: account.name.clone(),
            namespace: Some(account.namespace.clone()),
            ..Subject::default()
        }]),
    }
}

/// Exactly what was sold: pods past their grace period do not count, so a dead node does not block the replacement.
fn quota(template: &LeaseTemplate<'_>) -> ResourceQuota {
    let needs = template.needs;
    let total = needs
        .replica()
        .plus(template.ground.isolation.overhead)
        .times(needs.replicas);
    let mut hard: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut at_most = |name: &str, amount: String| hard.insert(name.to_owned(), Quantity(amount));
    for side in ["requests", "limits"] {
        at_most(&format!("{side}.cpu"), format!("{}m", total.cpu_milli));
        at_most(&format!("{side}.memory"), format!("{}Mi", total.memory_mib));
        at_most(
            &format!("{side}.ephemeral-storage"),
            format!("{}Mi", total.storage_mib),
        );
    }
    // Extended resources know no overcommitment, so only requests can be limited.
    at_most(
        &format!("requests.{}", template.ground.supply.device),
        total.gpus.to_string(),
    );
    at_most("pods", needs.replicas.to_string());
    at_most("persistentvolumeclaims", "0".to_owned());
    at_most("services.loadbalancers", "0".to_owned());
    at_most("services.nodeports", "0".to_owned());
    ResourceQuota {
        metadata: template.identity.metadata(TENANT_ACCOUNT),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    }
}
