//! What a cache tells when watches break, on paused time.
#![allow(clippy::unwrap_used, clippy::panic)]
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures::FutureExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use serde_json::{Value, json};

use super::*;
use crate::kube_io::mock;

fn object(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "n", "uid": name, "resourceVersion": version, "managedFields": [{ "manager": "x" }] },
        "data": { "large": "text" },
    })
}

fn list(objects: &[Value]) -> (u16, Value) {
    (
        200,
        json!({ "apiVersion": "v1", "kind": "ConfigMapList", "metadata": { "resourceVersion": "9" }, "items": objects }),
    )
}

/// Lists as the test says, one after another (the last for ever); the watch after each breaks at once.
fn serving(lists: Vec<(u16, Value)>) -> Client {
    let at = AtomicUsize::new(0);
    mock::client(move |asked| {
        if asked.path.contains("watch=true") {
            return mock::failure(500, "watch broke");
        }
        let now = at.fetch_add(1, Ordering::SeqCst);
        lists.get(now).or(lists.last()).cloned().unwrap()
    })
    .0
}

fn reflect(client: Client) -> (Reflected<ConfigMap>, impl Future<Output = ()> + Send) {
    Reflected::new(
        Api::all(client),
        watcher::Config::default(),
        |object: &mut ConfigMap| object.data = None,
    )
}

fn name(name: &str) -> ObjectRef<ConfigMap> {
    ObjectRef::new(name).within("n")
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_is_cached_trimmed_and_announced() {
    let (reflected, feeding) = reflect(serving(vec![list(&[object("a", "1")])]));
    let mut changes = Box::pin(reflected.changes(Duration::from_secs(3_600)));
    let task = tokio::spawn(feeding);
    assert!(reflected.ready().await);
    assert_eq!(changes.next().await, Some(name("a")));
    let held = reflected.store().get(&name("a")).unwrap();
    assert_eq!(
        (held.data.as_ref(), held.metadata.managed_fields.as_ref()),
        (None, None)
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn after_an_error_only_what_differs_or_went_is_announced() {
    let lists = vec![
        list(&[object("same", "1"), object("changed", "1"), object("gone", "1")]),
        list(&[object("same", "1"), object("changed", "2"), object("new", "1")]),
    ];
    let (reflected, feeding) = reflect(serving(lists));
    let mut changes = Box::pin(reflected.changes(Duration::from_secs(3_600)));
    let task = tokio::spawn(feeding);
    for expected in ["same", "changed", "gone", "changed", "new", "gone"] {
        assert_eq!(changes.next().await, Some(name(expected)));
    }
    assert!(reflected.store().get(&name("gone")).is_none());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_says_since_when_and_is_live_again_only_after_a_list() {
    let broken = Arc::new(Mutex::new(true));
    let (client, _) = {
        let broken = broken.clone();
        mock::client(
            move |asked| match (asked.path.contains("watch=true"), *broken.lock().unwrap()) {
                (_, true) => mock::failure(403, "Forbidden"),
                (false, false) => list(&[]),
                // An empty answer to a watch is one that ended; the watcher asks again at once, as it does after its timeout.
                (true, false) => (200, json!({})),
            },
        )
    };
    let (reflected, feeding) = reflect(client);
    let watches = Watches::default().with(&reflected);
    assert_eq!(reflected.health(), Health::Starting);
    let start = Instant::now();
    let task = tokio::spawn(feeding);
    tokio::time::sleep(Duration::from_secs(60)).await;
    match reflected.health() {
        Health::Failing { since, error } => {
            assert!(since.duration_since(start) < Duration::from_secs(1));
            assert!(error.contains("Forbidden"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!watches.live() && reflected.ready().now_or_never().is_none());
    *broken.lock().unwrap() = false;
    assert!(reflected.ready().await);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn everything_is_named_again_after_falling_behind_and_on_every_resync() {
    let (reflected, feeding) = reflect(serving(vec![list(&[object("a", "1")])]));
    let task = tokio::spawn(feeding);
    assert!(reflected.ready().await);
    task.abort();
    let mut changes = Box::pin(reflected.changes(Duration::from_secs(600)));
    assert_eq!(changes.next().await, Some(name("a")));
    let start = Instant::now();
    assert_eq!(changes.next().await, Some(name("a")));
    assert_eq!(start.elapsed().as_secs(), 600);
    for _ in 0..=CHANGES {
        reflected.changes.send(name("b")).unwrap();
    }
    assert_eq!(changes.next().await, Some(name("a")));
}
