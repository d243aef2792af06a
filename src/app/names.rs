//! Which names a loop is to look at, and after what: a kind's own changes, another kind's, the chain's. A name, never what changed.

use futures::{Stream, StreamExt, stream};
use kube::{
    Resource,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::sync::watch;

use crate::{api::ComputeTransaction, controllers::context::RESYNC, kube_io::reflected::Reflected};

/// The names in a store that pass, whenever the chain view moved.
pub(super) fn on_blocks<K>(
    moved: watch::Receiver<u64>,
    store: Store<K>,
    pick: impl Fn(&K) -> bool + Clone + Send + 'static,
) -> impl Stream<Item = ObjectRef<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    stream::unfold((moved, store, pick), |(mut moved, store, pick)| async move {
        moved.changed().await.ok()?;
        let names: Vec<_> = store
            .state()
            .iter()
            .filter(|object| pick(object))
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect();
        Some((names, (moved, store, pick)))
    })
    .flat_map(stream::iter)
}

/// Names found through another kind's changes.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the stream outlives the caches it was made from"
)]
pub(super) fn through<K, Via>(
    via: Reflected<Via>,
    find: impl Fn(&ObjectRef<Via>) -> Vec<ObjectRef<K>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    Via: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    via.changes(RESYNC)
        .flat_map(move |name| stream::iter(find(&name)))
}

pub(super) fn names<K>(store: &Store<K>, pick: impl Fn(&K) -> bool) -> Vec<ObjectRef<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .state()
        .iter()
        .filter(|object| pick(object))
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

/// The object a transaction is for.
pub(super) fn subject<K>(
    transactions: &Store<ComputeTransaction>,
    name: &ObjectRef<ComputeTransaction>,
    kind: &str,
) -> Vec<ObjectRef<K>>
where
    K: Resource<DynamicType = ()>,
{
    let Some(found) = transactions.get(name) else {
        return Vec::new();
    };
    let subject = &found.spec.intent.subject;
    if subject.kind == kind {
        vec![ObjectRef::new(&subject.name).within(&subject.namespace)]
    } else {
        Vec::new()
    }
}
