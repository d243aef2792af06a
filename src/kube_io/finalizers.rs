//! Finalizers, only where money or keys must be settled before an object may go. Each write names the version it was planned on.
//! May not decide when something is settled.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{KubeError, within};

/// Puts our finalizer on an object that has it not and is not going; whether anything was written.
///
/// # Errors
/// The object changed since (Conflict), or the request failed or took longer than 5 s.
pub async fn add<K>(api: &Api<K>, seen: &K, finalizer: &str) -> Result<Option<K>, KubeError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    if seen.meta().deletion_timestamp.is_some() || seen.finalizers().iter().any(|held| held == finalizer) {
        return Ok(None);
    }
    let mut finalizers = seen.finalizers().to_vec();
    finalizers.push(finalizer.to_owned());
    write(api, seen, &finalizers).await.map(Some)
}

/// Takes our finalizer off; the object may then go.
///
/// # Errors
/// The object changed since (Conflict), or the request failed or took longer than 5 s.
pub async fn remove<K>(api: &Api<K>, seen: &K, finalizer: &str) -> Result<Option<K>, KubeError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let finalizers: Vec<String> = seen
        .finalizers()
        .iter()
        .filter(|held| *held != finalizer)
        .cloned()
        .collect();
    if finalizers.len() == seen.finalizers().len() {
        return Ok(None);
    }
    write(api, seen, &finalizers).await.map(Some)
}

async fn write<K>(api: &Api<K>, seen: &K, finalizers: &[String]) -> Result<K, KubeError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let name = seen.name_any();
    let what = format!("finalizers of {} {name}", K::kind(&()));
    let missing = |field| KubeError::Incomplete {
        what: what.clone(),
        field,
    };
    let patch = json!({ "metadata": {
        "uid": seen.uid().ok_or_else(|| missing("uid"))?,
        "resourceVersion": seen.resource_version().ok_or_else(|| missing("resourceVersion"))?,
        "finalizers": finalizers,
    } });
    within(
        &what,
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)),
    )
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::kube_io::mock;

    fn seen(finalizers: &[&str], deleted: Option<&str>) -> ConfigMap {
        serde_json::from_value(json!({ "metadata": {
            "name": "c", "namespace": "n", "uid": "u", "resourceVersion": "7", "finalizers": finalizers, "deletionTimestamp": deleted,
        } }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_finalizer_is_added_once_never_to_what_is_going_and_removed_without_touching_others() {
        let (client, log) = mock::client(|request| (200, json!({ "metadata": request.body["metadata"] })));
        let api: Api<ConfigMap> = Api::namespaced(client, "n");
        assert!(
            add(&api, &seen(&["other"], None), "ours")
                .await
                .unwrap()
                .is_some()
        );
        assert!(add(&api, &seen(&["ours"], None), "ours").await.unwrap().is_none());
        assert!(
            add(&api, &seen(&[], Some("2026-11-22T12:00:00Z")), "ours")
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            remove(&api, &seen(&["a", "ours", "b"], None), "ours")
                .await
                .unwrap()
                .is_some()
        );
        assert!(remove(&api, &seen(&["a"], None), "ours").await.unwrap().is_none());
        let written: Vec<_> = log
            .asked()
            .into_iter()
            .map(|asked| asked.body["metadata"].clone())
            .collect();
        assert_eq!(
            written,
            [
                json!({ "uid": "u", "resourceVersion": "7", "finalizers": ["other", "ours"] }),
                json!({ "uid": "u", "resourceVersion": "7", "finalizers": ["a", "b"] }),
            ]
        );
    }
}
