//! Deleting what was looked at and nothing else: uid and resourceVersion travel along, so a frozen leader's delete fails.
//! May not decide what goes.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Preconditions},
};
use serde::de::DeserializeOwned;

use super::{KubeError, error::Class, within};

/// How long what is deleted may take to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// As long as the object says.
    Own,
    /// No time at all; for placeholder pods.
    None,
}

/// How far a deletion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is not there, or no longer.
    Gone,
    /// Finalizers or a grace period still keep it.
    Going,
}

/// Deletes an object as it was seen; dependents go in the background.
///
/// # Errors
/// It changed since (Conflict), or the request failed or took longer than 5 s.
pub async fn delete<K>(api: &Api<K>, seen: &K, grace: Grace) -> Result<Deleted, KubeError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let name = seen.name_any();
    let what = format!("delete {} {name}", K::kind(&()));
    let missing = |field| KubeError::Incomplete {
        what: what.clone(),
        field,
    };
    let preconditions = Preconditions {
        uid: Some(seen.uid().ok_or_else(|| missing("uid"))?),
        resource_version: Some(
            seen.resource_version()
                .ok_or_else(|| missing("resourceVersion"))?,
        ),
    };
    let params = DeleteParams::background().preconditions(preconditions);
    let params = match grace {
        Grace::Own => params,
        Grace::None => params.grace_period(0),
    };
    match within(&what, api.delete(&name, &params)).await {
        Ok(answer) => Ok(answer.either(|_| Deleted::Going, |_| Deleted::Gone)),
        Err(error) if error.class() == Class::NotFound => Ok(Deleted::Gone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;
    use crate::kube_io::mock::{self, failure};

    fn pod() -> Pod {
        serde_json::from_value(
            json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7" } }),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_delete_names_the_uid_and_version_that_were_seen() {
        let (client, api) = mock::client(|_| {
            (
                200,
                json!({ "kind": "Status", "status": "Success", "metadata": {} }),
            )
        });
        assert_eq!(
            delete(&Api::namespaced(client, "n"), &pod(), Grace::None)
                .await
                .unwrap(),
            Deleted::Gone
        );
        let asked = api.asked().remove(0);
        assert_eq!(
            asked.body["preconditions"],
            json!({ "uid": "u", "resourceVersion": "7" })
        );
        assert_eq!(asked.body["gracePeriodSeconds"], 0);
    }

    #[tokio::test]
    async fn what_is_gone_already_is_gone_and_what_changed_is_a_conflict() {
        let (client, _) = mock::client(|_| failure(404, "NotFound"));
        assert_eq!(
            delete(&Api::namespaced(client, "n"), &pod(), Grace::Own)
                .await
                .unwrap(),
            Deleted::Gone
        );
        let (client, _) = mock::client(|_| failure(409, "Conflict"));
        let error = delete(&Api::namespaced(client, "n"), &pod(), Grace::Own)
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Conflict);
    }

    #[tokio::test]
    async fn what_was_never_read_is_not_deleted() {
        let (client, api) = mock::client(|_| failure(500, "never asked"));
        let made_up = Pod {
            metadata: kube::core::ObjectMeta {
                name: Some("p".into()),
                ..Default::default()
            },
            ..Pod::default()
        };
        let error = delete(&Api::namespaced(client, "n"), &made_up, Grace::Own)
            .await
            .unwrap_err();
        assert!(matches!(error, KubeError::Incomplete { field: "uid", .. }));
        assert!(api.seen().is_empty());
    }
}
