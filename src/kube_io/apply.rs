//! Server-side apply, one field manager a controller, in the order given. The namespace of a lease is created and never adopted: whoever
//! holds it holds everything inside. May not decide what to apply.

use std::fmt::Debug;

use k8s_openapi::{
    NamespaceResourceScope, api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{KubeError, error::Class, within};
use crate::core::workload::{Object, names::Identity};

/// Applies one object by force: fields we state are ours, fields we do not state stay with whoever set them.
///
/// # Errors
/// The request failed or took longer than 5 s.
pub async fn apply<K>(api: &Api<K>, manager: &str, object: &K) -> Result<K, KubeError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
{
    let name = object.name_any();
    let what = format!("apply {} {name}", K::kind(&()));
    let params = PatchParams::apply(manager).force();
    within(&what, api.patch(&name, &params, &Patch::Apply(object))).await
}

/// What a create found.
#[derive(Debug, Clone, PartialEq)]
pub enum Created<K> {
    /// It is there now.
    New(K),
    /// It was there before; read and compare it.
    Exists,
}

/// Creates one object, and only creates: two leaders cannot both succeed.
///
/// # Errors
/// The request failed for another reason than the object being there, or took longer than 5 s.
pub async fn create<K>(api: &Api<K>, manager: &str, object: &K) -> Result<Created<K>, KubeError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
{
    let what = format!("create {} {}", K::kind(&()), object.name_any());
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    match within(&what, api.create(&params, object)).await {
        Ok(made) => Ok(Created::New(made)),
        Err(error) if error.class() == Class::AlreadyExists => Ok(Created::Exists),
        Err(error) => Err(error),
    }
}

/// Applies a lease's objects in the order they are given; the first failure ends it, since what follows builds on what came before.
///
/// # Errors
/// The namespace is somebody else's, or a request failed or took longer than 5 s.
pub async fn apply_lease(
    client: &Client,
    manager: &str,
    identity: Identity,
    objects: &[Object],
) -> Result<(), KubeError> {
    for object in objects {
        apply_object(client, manager, identity, object).await?;
    }
    Ok(())
}

async fn apply_object(
    client: &Client,
    manager: &str,
    identity: Identity,
    object: &Object,
) -> Result<(), KubeError> {
    match object {
        Object::Namespace(namespace) => apply_namespace(client, manager, identity, namespace).await,
        Object::ServiceAccount(object) => inside(client, manager, object.as_ref()).await,
        Object::RoleBinding(object) => inside(client, manager, object.as_ref()).await,
        Object::ResourceQuota(object) => inside(client, manager, object.as_ref()).await,
        Object::NetworkPolicy(object) => inside(client, manager, object.as_ref()).await,
        Object::Secret(object) => inside(client, manager, object.as_ref()).await,
        Object::Service(object) => inside(client, manager, object.as_ref()).await,
        Object::Deployment(object) => inside(client, manager, object.as_ref()).await,
        Object::Job(object) => inside(client, manager, object.as_ref()).await,
    }
}

async fn inside<K>(client: &Client, manager: &str, object: &K) -> Result<(), KubeError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let namespace = object.namespace().ok_or_else(|| KubeError::Incomplete {
        what: format!("apply {} {}", K::kind(&()), object.name_any()),
        field: "namespace",
    })?;
    apply(&Api::<K>::namespaced(client.clone(), &namespace), manager, object)
        .await
        .map(|_| ())
}

async fn apply_namespace(
    client: &Client,
    manager: &str,
    identity: Identity,
    namespace: &Namespace,
) -> Result<(), KubeError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let name = namespace.name_any();
    // Looked for first: in steady state it is there, and a create would only burn a request.
    let found = within(&format!("get Namespace {name}"), api.get_metadata_opt(&name)).await?;
    let found = match found {
        Some(found) => found.metadata,
        None => match create(&api, manager, namespace).await? {
            Created::New(_) => return Ok(()),
            Created::Exists => {
                within(&format!("get Namespace {name}"), api.get_metadata(&name))
                    .await?
                    .metadata
            }
        },
    };
    identity.owns(&found)?;
    // The uid makes it the very object that was looked at: one made in between under the same name is a conflict.
    let pinned = Namespace {
        metadata: ObjectMeta {
            uid: found.uid,
            ..namespace.metadata.clone()
        },
        ..namespace.clone()
    };
    apply(&api, manager, &pinned).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::collections::BTreeMap;

    use alloy::primitives::B256;
    use serde_json::json;

    use super::*;
    use crate::{
        core::ids::{ChainId, Generation, Lane, LeaseId, LeaseKey, ProviderId, TermsHash},
        kube_io::mock::{self, failure},
    };
    use k8s_openapi::api::core::v1::ServiceAccount;

    fn identity() -> Identity {
        let id = LeaseId {
            provider: ProviderId(7),
            lane: Lane(0),
            generation: Generation::new(1).unwrap(),
        };
        Identity {
            chain: ChainId(1),
            lease: LeaseKey {
                id,
                terms: TermsHash(B256::repeat_byte(1)),
            },
        }
    }

    fn namespace() -> Namespace {
        Namespace {
            metadata: ObjectMeta {
                name: Some(identity().namespace()),
                labels: Some(identity().labels()),
                annotations: Some(identity().annotations()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        }
    }

    fn objects() -> Vec<Object> {
        let account = ServiceAccount {
            metadata: identity().metadata("lease"),
            ..ServiceAccount::default()
        };
        vec![namespace().into(), account.into()]
    }

    #[tokio::test]
    async fn a_new_namespace_is_created_and_then_filled_in_order() {
        let (client, api) = mock::client(|request| match (request.method.as_str(), request.path.as_str()) {
            ("GET", _) => failure(404, "NotFound"),
            ("POST" | "PATCH", _) => (201, request.body.clone()),
            other => panic!("{other:?}"),
        });
        apply_lease(&client, "leaseport-lease", identity(), &objects())
            .await
            .unwrap();
        let name = identity().namespace();
        assert_eq!(
            api.seen(),
            [
                format!("GET /api/v1/namespaces/{name}"),
                "POST /api/v1/namespaces?&fieldManager=leaseport-lease".to_owned(),
                format!(
                    "PATCH /api/v1/namespaces/{name}/serviceaccounts/lease?&force=true&fieldManager=leaseport-lease"
                ),
            ]
        );
    }

    #[tokio::test]
    async fn a_namespace_of_the_right_name_that_is_not_ours_is_left_alone() {
        let (client, api) = mock::client(|request| {
            let name = request.path.rsplit('/').next().unwrap_or_default().to_owned();
            (
                200,
                json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": { "name": name, "uid": "u" } }),
            )
        });
        let refused = apply_lease(&client, "m", identity(), &objects()).await;
        assert_eq!(refused.unwrap_err().class(), Class::Foreign);
        assert_eq!(api.seen().len(), 1);
    }

    #[tokio::test]
    async fn a_namespace_made_by_somebody_in_between_is_looked_at_before_it_is_touched() {
        let (client, api) = {
            let mut gets = 0;
            mock::client(move |request| match request.method.as_str() {
                "GET" if gets == 0 => {
                    gets += 1;
                    failure(404, "NotFound")
                }
                "GET" => (
                    200,
                    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": { "name": "x", "labels": BTreeMap::<String, String>::new() } }),
                ),
                "POST" => failure(409, "AlreadyExists"),
                other => panic!("{other}"),
            })
        };
        let refused = apply_lease(&client, "m", identity(), &objects()).await;
        assert_eq!(refused.unwrap_err().class(), Class::Foreign);
        assert_eq!(api.seen().len(), 3);
    }

    #[tokio::test]
    async fn an_update_of_our_namespace_names_the_uid_that_was_looked_at() {
        let ours = serde_json::to_value(namespace()).unwrap();
        let (client, api) = mock::client(move |request| {
            let mut answer = if request.method == "GET" {
                ours.clone()
            } else {
                request.body.clone()
            };
            if request.method == "PATCH"
                && request
                    .path
                    .starts_with("/api/v1/namespaces/lp-1-7-0-1-01010101?")
            {
                assert_eq!(answer["metadata"]["uid"], "u1");
            }
            answer["metadata"]["uid"] = json!("u1");
            (200, answer)
        });
        apply_lease(&client, "m", identity(), &objects()).await.unwrap();
        assert_eq!(api.seen().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_api_server_costs_five_seconds_and_no_more() {
        let (client, _api) = mock::silent();
        let start = tokio::time::Instant::now();
        let error = apply_lease(&client, "m", identity(), &objects())
            .await
            .unwrap_err();
        assert!(matches!(error, KubeError::Timeout { .. }), "{error}");
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
