//! A lease's containers' output, straight from the API server, in parts as they come.

use std::io;

use alloy::primitives::Bytes;
use futures::{AsyncRead, AsyncReadExt, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams},
};

use super::{
    cluster::bounded,
    directory::{DirectoryError, LogEnd, LogRequest, LogStream},
};
use crate::core::workload::names::{Identity, LEASE_LABEL};

/// Kubernetes' own annotation on pods of an indexed Job.
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Bytes passed on at once, at most.
const PART: usize = 16 * 1024;

/// Opens the log of a replica's container.
///
/// # Errors
/// No such replica or container, not started yet, or no answer.
pub(super) async fn open_log(
    client: &Client,
    identity: Identity,
    request: &LogRequest,
) -> Result<LogStream, DirectoryError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &identity.namespace());
    let selector = format!("{LEASE_LABEL}={}", identity.id());
    let found = bounded(
        "the workload",
        pods.list(&ListParams::default().labels(&selector)),
    )
    .await?;
    let pod = replica(&found.items, request.replica).ok_or_else(|| {
        if found.items.is_empty() {
            DirectoryError::NotReady("the workload".to_owned())
        } else {
            DirectoryError::NotFound(format!("replica {} does not run: count from 0", request.replica))
        }
    })?;
    let container = container(pod, request)?;
    let params = LogParams {
        container: Some(container),
        follow: match request.end {
            LogEnd::Stop => false,
            LogEnd::Follow => true,
        },
        tail_lines: request.tail.map(i64::from),
        ..LogParams::default()
    };
    let log = bounded("the container", pods.log_stream(&pod.name_any(), &params)).await?;
    Ok(parts(Box::pin(log)).boxed())
}

/// The pod that is a replica: by completion index in a Job, else by age among those that still run. The youngest attempt wins.
fn replica(pods: &[Pod], wanted: u16) -> Option<&Pod> {
    let index = |pod: &Pod| {
        pod.annotations()
            .get(COMPLETION_INDEX)
            .and_then(|index| index.parse::<u16>().ok())
    };
    let age = |pod: &&Pod| (pod.creation_timestamp(), pod.name_any());
    if pods.iter().any(|pod| index(pod).is_some()) {
        return pods
            .iter()
            .filter(|pod| index(pod) == Some(wanted))
            .max_by_key(age);
    }
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    let live = |pod: &&Pod| {
        pod.metadata.deletion_timestamp.is_none()
            && !matches!(phase(pod).as_deref(), Some("Failed" | "Succeeded"))
    };
    let mut running: Vec<&Pod> = pods.iter().filter(live).collect();
    running.sort_by_key(age);
    running.get(usize::from(wanted)).copied()
}

/// The named container if the pod has it, else its first.
fn container(pod: &Pod, request: &LogRequest) -> Result<String, DirectoryError> {
    let mut names = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .map(|container| container.name.as_str());
    match &request.container {
        Some(wanted) => names
            .find(|name| name == wanted)
            .ok_or_else(|| DirectoryError::NotFound(format!("the manifest has no container {wanted:?}"))),
        None => names
            .next()
            .ok_or_else(|| DirectoryError::NotReady("the workload".to_owned())),
    }
    .map(str::to_owned)
}

fn parts(
    log: impl AsyncRead + Send + Unpin + 'static,
) -> impl futures::Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::try_unfold(log, |mut log| async move {
        let mut part = vec![0; PART];
        let read = log.read(&mut part).await?;
        part.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(part), log)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pod(name: &str, second: u8, index: Option<&str>, phase: &str) -> Pod {
        let annotations = index
            .map(|index| json!({ COMPLETION_INDEX: index }))
            .unwrap_or_else(|| json!({}));
        serde_json::from_value(json!({
            "metadata": { "name": name, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"), "annotations": annotations },
            "spec": { "containers": [{ "name": "main" }, { "name": "side" }] },
            "status": { "phase": phase },
        }))
        .unwrap()
    }

    fn chosen(pods: &[Pod], wanted: u16) -> Option<String> {
        replica(pods, wanted).map(ResourceExt::name_any)
    }

    #[test]
    fn a_deployments_replicas_are_counted_by_age_among_those_that_run() {
        let pods = [
            pod("c", 3, None, "Running"),
            pod("a", 1, None, "Failed"),
            pod("b", 2, None, "Pending"),
        ];
        assert_eq!(chosen(&pods, 0).as_deref(), Some("b"));
        assert_eq!(chosen(&pods, 1).as_deref(), Some("c"));
        assert_eq!(chosen(&pods, 2), None);
    }

    #[test]
    fn a_jobs_replica_is_its_index_and_its_log_outlives_its_end() {
        let pods = [
            pod("x", 1, Some("1"), "Failed"),
            pod("y", 2, Some("0"), "Succeeded"),
            pod("z", 3, Some("1"), "Running"),
        ];
        assert_eq!(chosen(&pods, 0).as_deref(), Some("y"));
        assert_eq!(chosen(&pods, 1).as_deref(), Some("z"));
    }

    #[test]
    fn only_containers_of_the_pod_have_logs() {
        let ask = |name: Option<&str>| {
            let request = LogRequest {
                container: name.map(str::to_owned),
                replica: 0,
                end: LogEnd::Stop,
                tail: None,
            };
            container(&pod("a", 1, None, "Running"), &request)
        };
        assert_eq!(ask(None).unwrap(), "main");
        assert_eq!(ask(Some("side")).unwrap(), "side");
        assert!(matches!(ask(Some("sidecar")), Err(DirectoryError::NotFound(_))));
    }
}
