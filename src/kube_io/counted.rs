//! A client whose requests are counted by verb and answer, with the time they took. Asks nothing by itself and changes no request.

use http::{Method, Request};
use kube::{Client, client::Body};

use crate::telemetry::Metrics;

/// The client with counting around it; inside the leader's fence, so that what the fence holds back is not a request.
#[must_use]
pub fn counted(client: Client, metrics: Metrics) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, metrics) = (client.clone(), metrics.clone());
        async move {
            let counting = metrics.api_request(verb(&request));
            // Dropped before its answer, it counts as unanswered.
            let answer = client.send(request).await.map_err(tower::BoxError::from)?;
            counting.answered(answer.status().as_u16());
            Ok::<_, tower::BoxError>(answer)
        }
    });
    Client::new(service, namespace)
}

/// What the API server calls it in its audit log.
fn verb<B>(request: &Request<B>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let watches = query
        .split('&')
        .any(|part| matches!(part, "watch=true" | "watch=1"));
    match (request.method(), names_one(request.uri().path())) {
        (&Method::GET | &Method::HEAD, _) if watches => "watch",
        (&Method::GET | &Method::HEAD, true) => "get",
        (&Method::GET | &Method::HEAD, false) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        (_, _) => "other",
    }
}

/// Whether a path names one object and not a collection: /api/V or /apis/G/V, then perhaps namespaces/N, then RESOURCE, then perhaps NAME.
fn names_one(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let group = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        // Versions, health and the like: one document each.
        _ => return true,
    };
    let rest: Vec<&str> = parts.skip(group).collect();
    match rest.as_slice() {
        [] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => true,
        ["namespaces", _, inside @ ..] => inside.len() > 1,
        outside => outside.len() > 1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        api::{DeleteParams, ListParams, Patch, PatchParams},
    };
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::kube_io::{mock, within};

    #[rstest]
    #[case("GET", "/api/v1/namespaces", "list")]
    #[case("GET", "/api/v1/namespaces/a", "get")]
    #[case("PUT", "/api/v1/namespaces/a/status", "update")]
    #[case("GET", "/api/v1/namespaces/a/pods?limit=500", "list")]
    #[case("GET", "/api/v1/namespaces/a/pods/b/log", "get")]
    #[case("GET", "/api/v1/nodes/n", "get")]
    #[case("GET", "/api/v1/pods?watch=true&resourceVersion=7", "watch")]
    #[case("GET", "/apis/leaseport.dev/v1alpha1/computeleases", "list")]
    #[case(
        "PATCH",
        "/apis/leaseport.dev/v1alpha1/namespaces/a/computeleases/b/status",
        "patch"
    )]
    #[case("POST", "/apis/leaseport.dev/v1alpha1/namespaces/a/computebids", "create")]
    #[case("DELETE", "/api/v1/namespaces/a/pods/b", "delete")]
    #[case("DELETE", "/api/v1/namespaces/a/pods", "deletecollection")]
    #[case("GET", "/version", "get")]
    fn a_request_has_the_verb_that_the_audit_log_gives_it(
        #[case] method: &str,
        #[case] uri: &str,
        #[case] expected: &str,
    ) {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        assert_eq!(verb(&request), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_counted_by_verb_and_class_of_the_answer_and_silence_is_a_class() {
        let metrics = Metrics::new().unwrap();
        let (inner, _) = mock::client(|request| {
            if request.method == "PATCH" {
                mock::failure(409, "Conflict")
            } else {
                (200, json!({ "metadata": {}, "items": [] }))
            }
        });
        let api = Api::<ConfigMap>::namespaced(counted(inner, metrics.clone()), "a");
        api.list(&ListParams::default()).await.unwrap();
        api.patch("b", &PatchParams::default(), &Patch::Merge(json!({})))
            .await
            .unwrap_err();
        let silent = Api::<ConfigMap>::namespaced(counted(mock::silent().0, metrics.clone()), "a");
        within("delete", silent.delete("b", &DeleteParams::default()))
            .await
            .unwrap_err();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let text = metrics.text().unwrap();
        for line in [
            "leaseport_api_requests_total{code=\"2xx\",verb=\"list\"} 1",
            "leaseport_api_requests_total{code=\"4xx\",verb=\"patch\"} 1",
            "leaseport_api_requests_total{code=\"none\",verb=\"delete\"} 1",
            "leaseport_api_request_duration_seconds_count{verb=\"list\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
