//! The one thing we write on pods ourselves: where a lease pod is to take over held room. May not pick the node.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{KubeError, within};

/// Nominates a node for a pod that waits. Done before the hold there is deleted, it wins the room against pods that already pend,
/// which a higher priority alone does not.
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
    within(
        &what,
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)),
    )
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kube_io::mock;

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
