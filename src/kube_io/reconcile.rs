//! A controller's loop: names in, one pass a name at a time, bounded concurrency, each name with its own backoff. Names only: what
//! happened to an object is not passed on, so a pass always plans from what is there now. kube-runtime's scheduler keeps one entry a
//! name and the earliest time asked for. May not read objects.
// Only asked for members, never iterated; kube's ObjectRef is Hash and not Ord.
#![allow(clippy::disallowed_types)]

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    pin::pin,
    time::Duration,
};

use futures::{Stream, StreamExt, channel::mpsc};
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::{
    task::{Id, JoinSet},
    time::Instant,
};

/// What a pass over one name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to do until something changes.
    Done,
    /// Look again after this long, or sooner if something changes.
    After(Duration),
    /// It failed: again after the name's own, growing pause.
    Failed,
}

/// How a loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// For logs.
    pub name: &'static str,
    /// Passes at the same time, at least 1.
    pub concurrency: usize,
    /// Pause after the first failure; also the least between a failure and the next pass, whatever happens.
    pub pause_first: Duration,
    /// Longest pause.
    pub pause_most: Duration,
}

impl Pace {
    /// Four at a time, pauses from 1 s to 2 min.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            concurrency: 4,
            pause_first: Duration::from_secs(1),
            pause_most: Duration::from_secs(120),
        }
    }

    /// With another number of passes at the same time.
    #[must_use]
    pub const fn concurrency(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }

    /// The pause after so many failures in a row (1 for the first): doubling, bounded, and up to a fifth longer by name, so that many
    /// names that failed together do not come back together.
    fn pause<Key: Hash>(&self, key: &Key, failures: u32) -> Duration {
        let doubled = 2u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.pause_first.saturating_mul(doubled).min(self.pause_most);
        let mut hasher = DefaultHasher::new();
        (key, failures).hash(&mut hasher);
        let percent = u32::try_from(hasher.finish() % 20).unwrap_or(0);
        pause.saturating_add(pause.saturating_mul(percent) / 100)
    }
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    times: u32,
    at: Instant,
}

/// How much a loop has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Names that changed and wait for their pass; not those that wait for a time they asked for.
    pub waiting: usize,
    /// Passes that run.
    pub running: usize,
}

/// Runs passes until `stop` or until the names end, then waits for the passes that run. Dropping it aborts them.
/// A pass that panics counts as failed and is logged; it takes no other name with it. `load` is told how much there is to do whenever that changes.
pub async fn run<Key, Names, Reconcile, Pass>(
    pace: Pace,
    load: impl Fn(Load),
    names: Names,
    mut reconcile: Reconcile,
    stop: impl Future<Output = ()>,
) where
    Key: Clone + Debug + Eq + Hash + Send + 'static,
    Names: Stream<Item = Key>,
    Reconcile: FnMut(Key) -> Pass,
    Pass: Future<Output = Outcome> + Send + 'static,
{
    let (requests, received) = mpsc::unbounded::<ScheduleRequest<Key>>();
    let mut due = pin!(scheduler(received));
    let (mut names, mut stop) = (pin!(names), pin!(stop));
    let mut passes: JoinSet<Outcome> = JoinSet::new();
    let mut running: HashMap<Id, Key> = HashMap::new();
    let mut busy: HashSet<Key> = HashSet::new();
    let mut again: HashSet<Key> = HashSet::new();
    let mut waiting: HashSet<Key> = HashSet::new();
    let mut told = Load::default();
    load(told);
    let mut failing: HashMap<Key, Failure> = HashMap::new();
    let schedule = |key: Key, run_at: Instant| {
        // The receiver lives as long as this function.
        let _ = requests.unbounded_send(ScheduleRequest { message: key, run_at });
    };
    loop {
        let now = Load {
            waiting: waiting.len() + again.len(),
            running: busy.len(),
        };
        if now != told {
            told = now;
            load(now);
        }
        let full = busy.len() >= pace.concurrency.max(1);
        let mut ready = due.as_mut().hold_unless(|key| !full && !busy.contains(key));
        tokio::select! {
            () = &mut stop => break,
            name = names.next() => {
                let Some(key) = name else { break };
                // A name that changes during its own pass waits for its end; how that went decides how soon it has another.
                if busy.contains(&key) {
                    again.insert(key);
                    continue;
                }
                let now = Instant::now();
                let soonest = failing.get(&key).map_or(now, |failure| (failure.at + pace.pause_first).max(now));
                waiting.insert(key.clone());
                schedule(key, soonest);
            }
            Some(key) = ready.next() => {
                waiting.remove(&key);
                let pass = passes.spawn(reconcile(key.clone()));
                running.insert(pass.id(), key.clone());
                busy.insert(key);
            }
            Some(ended) = passes.join_next_with_id(), if !passes.is_empty() => {
                let (id, outcome) = match ended {
                    Ok((id, outcome)) => (id, outcome),
                    Err(error) => {
                        tracing::error!(controller = pace.name, %error, "a pass panicked");
                        (error.id(), Outcome::Failed)
                    }
                };
                let Some(key) = running.remove(&id) else { continue };
                busy.remove(&key);
                let now = Instant::now();
                let changed = again.remove(&key);
                match outcome {
                    Outcome::Done | Outcome::After(_) if changed => {
                        failing.remove(&key);
                        waiting.insert(key.clone());
                        schedule(key, now);
                    }
                    Outcome::Done => {
                        failing.remove(&key);
                    }
                    Outcome::After(pause) => {
                        failing.remove(&key);
                        schedule(key, now + pause);
                    }
                    Outcome::Failed => {
                        let times = failing.get(&key).map_or(1, |failure| failure.times.saturating_add(1));
                        failing.insert(key.clone(), Failure { times, at: now });
                        let pause = if changed { pace.pause_first } else { pace.pause(&key, times) };
                        schedule(key, now + pause);
                    }
                }
            }
        }
    }
    while passes.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use futures::stream;

    use super::*;

    type Passes = Arc<Mutex<Vec<(u64, &'static str)>>>;

    /// Runs for so many seconds and tells at which second each name had its pass.
    async fn passes(
        names: Vec<(u64, &'static str)>,
        seconds: u64,
        pace: Pace,
        outcome: impl Fn(&'static str, usize) -> Outcome + Clone + Send + 'static,
        takes: Duration,
    ) -> Vec<(u64, &'static str)> {
        let start = Instant::now();
        let log: Passes = Arc::default();
        let seen = log.clone();
        let timed = stream::iter(names).then(move |(at, name)| async move {
            tokio::time::sleep_until(start + Duration::from_secs(at)).await;
            name
        });
        let reconcile = move |name: &'static str| {
            let (seen, outcome) = (seen.clone(), outcome.clone());
            async move {
                let nth = {
                    let mut seen = seen.lock().unwrap();
                    seen.push((start.elapsed().as_secs(), name));
                    seen.iter().filter(|(_, other)| *other == name).count()
                };
                tokio::time::sleep(takes).await;
                outcome(name, nth)
            }
        };
        let stop = tokio::time::sleep(Duration::from_secs(seconds));
        run(pace, |_| {}, timed.chain(stream::pending()), reconcile, stop).await;
        let log = log.lock().unwrap();
        log.clone()
    }

    const PACE: Pace = Pace::new("test");

    #[tokio::test(start_paused = true)]
    async fn names_that_come_while_one_waits_or_runs_make_one_more_pass() {
        let names = vec![(0, "a"), (1, "a"), (1, "a"), (2, "a")];
        let got = passes(names, 60, PACE, |_, _| Outcome::Done, Duration::from_secs(10)).await;
        assert_eq!(got, [(0, "a"), (10, "a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_may_ask_for_another_and_a_change_comes_sooner() {
        let names = vec![(0, "a"), (35, "a")];
        let got = passes(
            names,
            70,
            PACE,
            |_, _| Outcome::After(Duration::from_secs(30)),
            Duration::ZERO,
        )
        .await;
        assert_eq!(got, [(0, "a"), (30, "a"), (35, "a"), (65, "a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_name_backs_off_alone() {
        let names = vec![(0, "bad"), (0, "good")];
        let outcome = |name: &str, _| {
            if name == "bad" {
                Outcome::Failed
            } else {
                Outcome::After(Duration::from_secs(10))
            }
        };
        let got = passes(names, 39, PACE, outcome, Duration::ZERO).await;
        let times = |name: &str| got.iter().filter(|(_, other)| *other == name).count();
        assert_eq!(times("good"), 4);
        // 0, 1, 3, 7, 15, 31 s, each pause up to a fifth longer.
        assert!((5..=6).contains(&times("bad")), "{got:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_name_that_changes_all_the_time_is_looked_at_once_a_pause() {
        let names = (0..1_000)
            .map(|_| (0, "bad"))
            .chain((1..=9).flat_map(|at| (0..100).map(move |_| (at, "bad"))))
            .collect();
        let got = passes(names, 10, PACE, |_, _| Outcome::Failed, Duration::ZERO).await;
        assert!((5..=11).contains(&got.len()), "{}", got.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_forgets_the_failures() {
        let outcome = |_: &str, nth| {
            if nth == 4 {
                Outcome::After(Duration::from_secs(1))
            } else {
                Outcome::Failed
            }
        };
        let got = passes(vec![(0, "a")], 12, PACE, outcome, Duration::ZERO).await;
        let fourth = got.get(3).unwrap().0;
        let next: Vec<u64> = got.iter().skip(4).map(|(at, _)| at - fourth).collect();
        // Not forgotten, the second would come after 8 s more.
        assert!(matches!(next.get(..2), Some([1, 2 | 3])), "{got:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_passes_run_at_once_than_allowed_and_none_is_forgotten() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let done = Arc::new(AtomicUsize::new(0));
        let (most_seen, all_done) = (most.clone(), done.clone());
        let reconcile = move |_: usize| {
            let (now, most, done) = (now.clone(), most.clone(), done.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                Outcome::Done
            }
        };
        let names = stream::iter(0..20usize).chain(stream::pending());
        let loads = Mutex::new(Vec::new());
        run(
            PACE.concurrency(3),
            |load| loads.lock().unwrap().push((load.waiting, load.running)),
            names,
            reconcile,
            tokio::time::sleep(Duration::from_secs(30)),
        )
        .await;
        assert_eq!(
            (most_seen.load(Ordering::SeqCst), all_done.load(Ordering::SeqCst)),
            (3, 20)
        );
        let loads = loads.into_inner().unwrap();
        assert!(loads.contains(&(17, 3)), "all but those that run wait: {loads:?}");
        assert_eq!(loads.last(), Some(&(0, 0)), "and in the end nothing does");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_panics_fails_its_own_name_only() {
        let outcome = |name: &str, nth| match (name, nth) {
            ("bad", 1) => panic!("on purpose"),
            _ => Outcome::Done,
        };
        let got = passes(vec![(0, "bad"), (1, "good")], 10, PACE, outcome, Duration::ZERO).await;
        let bad = got.iter().filter(|(_, name)| *name == "bad").count();
        assert_eq!((bad, got.len()), (2, 3));
    }
}
