//! One reflector a kind, driven by us: a cache, its health, and the names of what changed. A missing CRD or right slows its own kind and
//! no other. After any error the watch is begun anew from a list, so "live" always means that a list succeeded after the last error.
//! May not act on what it sees.
// Only asked for members, never iterated; kube's ObjectRef is Hash and not Ord.
#![allow(clippy::disallowed_types)]

use std::{collections::HashSet, fmt::Debug, sync::Arc, time::Duration};

use futures::{Future, Stream, StreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        reflector::{ObjectRef, Store, store::Writer},
        utils::Backoff,
        watcher::{self, DefaultBackoff, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

/// Changes a slow reader may fall behind before it is told to look at everything.
const CHANGES: usize = 4_096;

/// Seconds a watch is held open; below the idle limit of common load balancers (240 s).
const WATCH_SECONDS: u32 = 200;

/// How a watch is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not listed yet since the start, no error either.
    Starting,
    /// Listed, and no error since.
    Live,
    /// Failing; what the cache holds may be old.
    Failing {
        /// Since when.
        since: Instant,
        /// The last error.
        error: String,
    },
}

/// The cache of one kind. Cheap to clone.
pub struct Reflected<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store: Store<K>,
    health: watch::Receiver<Health>,
    changes: broadcast::Sender<ObjectRef<K>>,
}

impl<K> Clone for Reflected<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            health: self.health.clone(),
            changes: self.changes.clone(),
        }
    }
}

impl<K> Reflected<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// A cache and the future that feeds it for ever; nothing is read before that is polled. `trim` drops what nobody reads, beyond
    /// managedFields, which always go. For a metadata-only cache take an `Api<PartialObjectMeta<K>>`.
    pub fn new(
        api: Api<K>,
        config: watcher::Config,
        trim: fn(&mut K),
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let writer = Writer::new(());
        let (changes, _) = broadcast::channel(CHANGES);
        let (health_tx, health) = watch::channel(Health::Starting);
        let reflected = Self {
            store: writer.as_reader(),
            health,
            changes: changes.clone(),
        };
        let config = watcher::Config {
            timeout: config.timeout.or(Some(WATCH_SECONDS)),
            ..config
        };
        (
            reflected,
            drive(
                api,
                config,
                trim,
                Feed {
                    listed: HashSet::new(),
                    changed: Vec::new(),
                    writer,
                    changes,
                    health: health_tx,
                },
            ),
        )
    }

    /// The cache, for reading without waiting.
    #[must_use]
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// Waits until the kind was listed once; false when the feeding future is gone.
    pub async fn ready(&self) -> bool {
        self.store.wait_until_ready().await.is_ok()
    }

    /// How the watch is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Names of what changed: first everything that is there, then each change, and everything again after falling behind or on every
    /// `resync`, so that a lost name costs a period and never a lease.
    pub fn changes(&self, resync: Duration) -> impl Stream<Item = ObjectRef<K>> + Send + use<K> {
        let all = |store: &Store<K>| -> Vec<ObjectRef<K>> {
            store
                .state()
                .iter()
                .map(|object| ObjectRef::from_obj(object.as_ref()))
                .collect()
        };
        // Subscribed before the cache is read, so that nothing falls in between.
        let receiver = self.changes.subscribe();
        let first = all(&self.store);
        let state = (receiver, self.store.clone(), Instant::now() + resync);
        let rest = stream::unfold(state, move |(mut receiver, store, due)| async move {
            let batch = tokio::select! {
                change = receiver.recv() => match change {
                    Ok(name) => Some(vec![name]),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(all(&store)),
                    Err(broadcast::error::RecvError::Closed) => None,
                },
                () = tokio::time::sleep_until(due) => {
                    let names = all(&store);
                    return Some((names, (receiver, store, Instant::now() + resync)));
                }
            };
            batch.map(|names| (names, (receiver, store, due)))
        });
        stream::iter(std::iter::once(first))
            .chain(rest)
            .flat_map(stream::iter)
    }
}

struct Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    /// Names the running list has shown.
    listed: HashSet<ObjectRef<K>>,
    /// Names of the running list that are new or changed.
    changed: Vec<ObjectRef<K>>,
    writer: Writer<K>,
    changes: broadcast::Sender<ObjectRef<K>>,
    health: watch::Sender<Health>,
}

async fn drive<K>(api: Api<K>, config: watcher::Config, trim: fn(&mut K), mut feed: Feed<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let mut pauses = DefaultBackoff::default();
    loop {
        let mut events = std::pin::pin!(watcher::watcher(api.clone(), config.clone()));
        let error = loop {
            match events.next().await {
                Some(Ok(event)) => {
                    let event = event.modify(|object| {
                        object.meta_mut().managed_fields = None;
                        trim(object);
                    });
                    feed.take(&event);
                    if matches!(event, Event::InitDone) {
                        pauses.reset();
                    }
                }
                Some(Err(error)) => break error.to_string(),
                None => break "the watch ended".to_owned(),
            }
        };
        feed.failing(error);
        let pause = pauses.next().unwrap_or(Duration::from_secs(30));
        tokio::time::sleep(pause).await;
    }
}

impl<K> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn take(&mut self, event: &Event<K>) {
        match event {
            Event::Init => {
                self.listed.clear();
                self.changed.clear();
            }
            Event::InitApply(object) => {
                let name = ObjectRef::from_obj(object);
                let version = |object: &K| (object.uid(), object.resource_version());
                let held = self.writer.as_reader().get(&name);
                if held.is_none_or(|held| version(&held) != version(object)) {
                    self.changed.push(name.clone());
                }
                self.listed.insert(name);
            }
            // What the cache holds and the list did not show went while nobody watched.
            Event::InitDone => {
                let held = self.writer.as_reader().state();
                let gone = held.iter().map(|held| ObjectRef::from_obj(held.as_ref()));
                self.changed
                    .extend(gone.filter(|name| !self.listed.contains(name)));
                self.listed.clear();
                // Before the cache says that it is ready, so that who waited for it finds a live watch.
                self.health
                    .send_if_modified(|health| std::mem::replace(health, Health::Live) != Health::Live);
            }
            Event::Apply(object) | Event::Delete(object) => self.changed.push(ObjectRef::from_obj(object)),
        }
        self.writer.apply_watcher_event(event);
        match event {
            // A list reaches the cache at its end: names told before would send people to an old cache.
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone | Event::Apply(_) | Event::Delete(_) => self.announce(),
        }
    }

    fn announce(&mut self) {
        for name in self.changed.drain(..) {
            // No receiver is no error: nobody waits for this kind.
            let _ = self.changes.send(name);
        }
    }

    fn failing(&self, error: String) {
        self.health.send_modify(|health| {
            let since = match health {
                Health::Failing { since, .. } => *since,
                Health::Starting | Health::Live => Instant::now(),
            };
            *health = Health::Failing { since, error };
        });
    }
}

/// One kind's health by its name.
type Watched = (String, watch::Receiver<Health>);

/// The health of every watch, for the condition, metric and alert "every watch is live".
#[derive(Clone, Default)]
pub struct Watches {
    all: Arc<Vec<Watched>>,
}

impl Watches {
    /// With one more kind.
    #[must_use]
    pub fn with<K>(self, reflected: &Reflected<K>) -> Self
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        let mut all = self.all.as_ref().clone();
        all.push((K::kind(&()).into_owned(), reflected.health.clone()));
        Self { all: Arc::new(all) }
    }

    /// Every kind's health.
    #[must_use]
    pub fn health(&self) -> Vec<(String, Health)> {
        self.all
            .iter()
            .map(|(kind, health)| (kind.clone(), health.borrow().clone()))
            .collect()
    }

    /// Whether every watch is live.
    #[must_use]
    pub fn live(&self) -> bool {
        self.all
            .iter()
            .all(|(_, health)| *health.borrow() == Health::Live)
    }
}

#[cfg(test)]
mod tests;
