//! The one thing we write on pods ourselves: where a lease pod is to take over held room. May not pick the node.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{KubeError, error::Class, within};

/// Nominates a node for a pod that waits. Done before the hold there is deleted, it wins the room against pods that already pend,
/// which a higher priority alone does not. A pod that found room of its own meanwhile needs none and takes none.
///
/// # Errors
/// The pod is another by now (Conflict), or the request failed or took longer than 5 s.
pub async fn nominate(api: &Api<Pod>, pod: &Pod, node: &str) -> Result<Pod, KubeError> {
    let name = pod.name_any();
    let what = format!("nominate node {node} for {} {name}", Pod::kind(&()));
    let uid = pod.uid().ok_or_else(|| KubeError::Incomplete {
        what: what.clone(),
        field: "uid",
    })?;
    let patch = json!({ "metadata": { "uid": uid }, "status": { "nominatedNodeName": node } });
    let nominated = within(
        &what,
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)),
    )
    .await;
    match nominated {
        // The scheduler was faster than the cache that said the pod waits: the API server nominates nothing for a bound pod.
        Err(error) if error.class() == Class::Invalid => {
            let now = within(&what, api.get(&name)).await?;
            let bound = now.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
            if bound && now.uid() == pod.uid() {
                Ok(now)
            } else {
                Err(error)
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kube_io::mock::{self, failure};

    #[tokio::test]
    async fn a_pod_that_was_bound_meanwhile_needs_no_nomination_and_another_refusal_stands() {
        for (node, uid, fine) in [
            (json!("node-2"), "u", true),
            (json!(null), "u", false),
            (json!("node-2"), "v", false),
        ] {
            let (client, _) = mock::client(move |request| match request.method.as_str() {
                "GET" => (
                    200,
                    json!({ "metadata": { "name": "p", "uid": uid }, "spec": { "nodeName": node, "containers": [] } }),
                ),
                _ => failure(422, "Invalid"),
            });
            let pod: Pod =
                serde_json::from_value(json!({ "metadata": { "name": "p", "uid": "u" } })).unwrap();
            let nominated = nominate(&Api::namespaced(client, "n"), &pod, "node-1").await;
            assert_eq!(nominated.is_ok(), fine, "{nominated:?}");
        }
    }

    #[tokio::test]
    async fn a_nomination_names_the_pods_uid_and_goes_to_its_status() {
        let (client, log) = mock::client(|request| (200, request.body.clone()));
        let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "p", "uid": "u" } })).unwrap();
        nominate(&Api::namespaced(client, "n"), &pod, "node-1")
            .await
            .unwrap();
        let asked = log.asked().remove(0);
        assert_eq!(asked.path, "/api/v1/namespaces/n/pods/p/status?");
        assert_eq!(
            asked.body,
            json!({ "metadata": { "uid": "u" }, "status": { "nominatedNodeName": "node-1" } })
        );
    }
}
