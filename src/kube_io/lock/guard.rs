//! The fence where every write of a leader passes: a client that sends none once the lock may be gone, and lets none wait longer than the
//! lock is held (architecture: rule 7). Reads pass, since standbys read too. May not repeat a request.

use http::{Method, Request};
use kube::{Client, client::Body};
use thiserror::Error;

use super::{Fence, HELD_FOR};
use crate::kube_io::REQUEST_TIMEOUT;

/// Why a write was not sent, or not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GuardError {
    /// The lock is not ours, or was not renewed in time.
    #[error("not sent: this replica does not hold the leader's lock")]
    NotLeading,
    /// No answer came before somebody else may lead.
    #[error("no answer from the API server before the leader's lock may pass on; it may have been served")]
    TooLate,
}

impl Fence {
    /// The client with this fence around its writes. The lock itself needs one without.
    #[must_use]
    pub fn guard(&self, client: Client) -> Client {
        let fence = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (fence, client) = (fence.clone(), client.clone());
            async move {
                if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
                    return client.send(request).await.map_err(tower::BoxError::from);
                }
                if !fence.holds() {
                    return Err(GuardError::NotLeading.into());
                }
                let left = HELD_FOR.saturating_sub(fence.age()).min(REQUEST_TIMEOUT);
                match tokio::time::timeout(left, client.send(request)).await {
                    Ok(answer) => answer.map_err(tower::BoxError::from),
                    Err(_) => Err(GuardError::TooLate.into()),
                }
            }
        });
        Client::new(service, namespace)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api, ResourceExt,
        api::{DeleteParams, Patch, PatchParams, PostParams},
    };
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::kube_io::{
        lock::{Clock, RENEWED_BY},
        mock,
    };

    struct Paused {
        start: Instant,
        slept: Mutex<Duration>,
    }

    impl Clock for Paused {
        fn elapsed(&self) -> Duration {
            self.start.elapsed() + *self.slept.lock().unwrap()
        }
    }

    fn fence() -> (Fence, Arc<Paused>) {
        let clock = Arc::new(Paused {
            start: Instant::now(),
            slept: Mutex::default(),
        });
        let fence = Fence {
            clock: clock.clone(),
            renewed: Arc::default(),
        };
        (fence, clock)
    }

    fn map() -> ConfigMap {
        serde_json::from_value(json!({ "metadata": { "name": "a", "namespace": "b" } })).unwrap()
    }

    /// One of each kind of write; the words of those that were refused.
    async fn writes(api: &Api<ConfigMap>) -> Vec<String> {
        let map = map();
        let patch = Patch::Merge(json!({}));
        let answers = [
            api.create(&PostParams::default(), &map).await.err(),
            api.replace(&map.name_any(), &PostParams::default(), &map)
                .await
                .err(),
            api.patch("a", &PatchParams::default(), &patch).await.err(),
            api.delete("a", &DeleteParams::default()).await.err(),
        ];
        answers
            .into_iter()
            .flatten()
            .map(|error| error.to_string())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_lead_reads_and_writes_nothing() {
        let (fence, clock) = fence();
        let (inner, log) = mock::client(|_| (200, json!(map())));
        let api = Api::<ConfigMap>::namespaced(fence.guard(inner), "b");
        assert_eq!(writes(&api).await.len(), 4);
        assert!(api.get("a").await.is_ok());
        assert_eq!(log.seen().len(), 1);
        fence.set(Some(clock.elapsed()));
        assert_eq!(writes(&api).await, [] as [String; 0]);
        assert_eq!(log.seen().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_slept_or_was_not_renewed_sends_no_write_from_then_on() {
        let (fence, clock) = fence();
        let (inner, log) = mock::client(|_| (200, json!(map())));
        let api = Api::<ConfigMap>::namespaced(fence.guard(inner), "b");
        fence.set(Some(clock.elapsed()));
        *clock.slept.lock().unwrap() += RENEWED_BY;
        let refused = writes(&api).await;
        assert_eq!(refused.len(), 4);
        assert!(refused[0].contains("leader's lock"), "{refused:?}");
        fence.set(Some(clock.elapsed()));
        tokio::time::sleep(RENEWED_BY).await;
        assert_eq!(writes(&api).await.len(), 4);
        assert_eq!(log.seen().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_begun_at_the_last_moment_ends_before_anybody_else_may_lead() {
        let (fence, clock) = fence();
        let api = Api::<ConfigMap>::namespaced(fence.guard(mock::silent().0), "b");
        let renewed = clock.elapsed();
        fence.set(Some(renewed));
        tokio::time::sleep(RENEWED_BY - Duration::from_millis(1)).await;
        let refused = writes(&api).await;
        assert!(refused[0].contains("may have been served"), "{refused:?}");
        let began = RENEWED_BY - Duration::from_millis(1);
        assert!(began + REQUEST_TIMEOUT <= HELD_FOR);
        // The first was cut in time; those after it were not begun.
        assert!(clock.elapsed() - renewed <= HELD_FOR + Duration::from_millis(5));
        assert!(refused[1].contains("leader's lock"), "{refused:?}");
    }
}
