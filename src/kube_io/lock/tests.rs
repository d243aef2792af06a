//! The lock under crash, silence, sleep and ambiguity, on paused time.
#![allow(clippy::unwrap_used, clippy::panic)]
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::kube_io::mock::{self, failure};

/// tokio's paused time, and a machine that can be put to sleep.
struct Paused {
    start: Instant,
    slept: Mutex<Duration>,
}

impl Paused {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            slept: Mutex::default(),
        })
    }

    fn sleep(&self, time: Duration) {
        *self.slept.lock().unwrap() += time;
    }
}

impl Clock for Paused {
    fn elapsed(&self) -> Duration {
        self.start.elapsed() + *self.slept.lock().unwrap()
    }
}

/// One Lease object behind an API server that checks versions; `Weather` makes it fail.
#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    weather: Weather,
    writes: usize,
    /// Cancelled by the next write, while it is under way.
    stopped_by_a_write: Option<CancellationToken>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Weather {
    #[default]
    Fair,
    /// Answers 503 and does nothing.
    Down,
    /// Does it and answers 504.
    Ambiguous,
}

impl Cluster {
    fn client(&self) -> Client {
        let cluster = self.clone();
        mock::client(move |asked| {
            let mut state = cluster.0.lock().unwrap();
            if state.weather == Weather::Down {
                return failure(503, "ServiceUnavailable");
            }
            let answer = match (asked.method.as_str(), state.lease.clone()) {
                ("GET", Some(lease)) => (200, lease),
                ("GET" | "PUT", None) => failure(404, "NotFound"),
                ("POST", Some(_)) => failure(409, "AlreadyExists"),
                ("PUT", Some(lease))
                    if lease["metadata"]["resourceVersion"] != asked.body["metadata"]["resourceVersion"] =>
                {
                    failure(409, "Conflict")
                }
                ("POST" | "PUT", _) => {
                    state.version += 1;
                    state.writes += 1;
                    if let Some(stop) = state.stopped_by_a_write.take() {
                        stop.cancel();
                    }
                    let mut lease = asked.body.clone();
                    lease["metadata"]["resourceVersion"] = json!(state.version.to_string());
                    lease["metadata"]["uid"] = json!("u");
                    state.lease = Some(lease.clone());
                    (200, lease)
                }
                other => panic!("{other:?}"),
            };
            if state.weather == Weather::Ambiguous {
                failure(504, "Timeout")
            } else {
                answer
            }
        })
        .0
    }

    fn weather(&self, weather: Weather) {
        self.0.lock().unwrap().weather = weather;
    }

    fn holder(&self) -> Value {
        self.0.lock().unwrap().lease.as_ref().unwrap()["spec"]["holderIdentity"].clone()
    }

    fn stop_at_the_next_write(&self, stop: &CancellationToken) {
        self.0.lock().unwrap().stopped_by_a_write = Some(stop.clone());
    }

    fn lock(&self, us: &str, clock: &Arc<Paused>) -> Lock {
        Lock::new(self.client(), "leaseport-system", "leaseport", us, clock.clone())
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Waits for the lock, with nobody to stop it.
async fn taken(lock: &Lock) -> Held<'_> {
    lock.acquire(&CancellationToken::new()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_candidate_told_to_stop_while_it_takes_the_lock_gives_it_back() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    for us in ["first", "later"] {
        let stop = CancellationToken::new();
        cluster.stop_at_the_next_write(&stop);
        let lock = cluster.lock(us, &clock);
        assert!(lock.acquire(&stop).await.is_none(), "{us}");
        assert!(cluster.holder().is_null());
        assert!(!lock.fence().holds());
    }
    let began = Instant::now();
    taken(&cluster.lock("next", &clock)).await;
    assert_eq!(Instant::now(), began);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_told_to_stop_waits_no_longer() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let leader = cluster.lock("a", &clock);
    let _held = taken(&leader).await;
    let (stop, began) = (CancellationToken::new(), Instant::now());
    let waiting = cluster.lock("b", &clock);
    let (waited, ()) = tokio::join!(waiting.acquire(&stop), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
    });
    assert!(waited.is_none());
    assert!(began.elapsed() < RETRIED_EVERY);
    assert_eq!(cluster.holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn the_first_takes_it_and_a_second_waits_while_it_is_renewed() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let (a, b) = (cluster.lock("a", &clock), cluster.lock("b", &clock));
    let held = taken(&a).await;
    let waited = tokio::select! {
        ended = held.keep(std::future::pending()) => panic!("{ended:?}"),
        _ = taken(&b) => panic!("two leaders"),
        () = tokio::time::sleep(seconds(120)) => cluster.holder(),
    };
    assert_eq!(waited, "a");
    assert!(!b.fence().holds());
    assert_eq!(b.holder().borrow().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_crashed_leader_is_followed_within_twenty_seconds_and_never_before_fifteen() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let (a, b) = (cluster.lock("a", &clock), cluster.lock("b", &clock));
    let held = taken(&a).await;
    let candidate = async {
        tokio::select! {
            _ = held.keep(tokio::time::sleep(seconds(3_600))) => {}
            () = tokio::time::sleep(seconds(31)) => {}
        }
        // The crash: nobody renews any more, nothing is given back.
        Instant::now()
    };
    let (crashed, next) = tokio::join!(candidate, taken(&b));
    assert_eq!(next.term(), 1);
    let after = Instant::now() - crashed;
    assert!(after <= seconds(20), "{after:?}");
    assert!(!a.fence().holds() && b.fence().holds());
    // Measured from the last renewal, 1 s before the crash.
    assert!(after + seconds(1) >= HELD_FOR, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_released_lock_is_taken_within_three_seconds() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let (a, b) = (cluster.lock("a", &clock), cluster.lock("b", &clock));
    let held = taken(&a).await;
    let released = async {
        assert_eq!(held.keep(tokio::time::sleep(seconds(31))).await, Ended::Released);
        assert!(!a.fence().holds());
        Instant::now()
    };
    let (released, _next) = tokio::join!(released, taken(&b));
    assert!(Instant::now() - released <= seconds(3));
    assert_eq!(cluster.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn of_two_candidates_for_a_free_lock_one_wins() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let locks: Vec<Lock> = (0..8).map(|at| cluster.lock(&format!("c{at}"), &clock)).collect();
    let all = futures::future::join_all(
        locks
            .iter()
            .map(|lock| tokio::time::timeout(seconds(10), taken(lock))),
    )
    .await;
    assert_eq!(all.iter().filter(|won| won.is_ok()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_api_server_is_deposed_after_ten_seconds_and_before_anybody_can_follow() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let a = cluster.lock("a", &clock);
    let held = taken(&a).await;
    let start = Instant::now();
    let (ended, ()) = tokio::join!(held.keep(std::future::pending()), async {
        tokio::time::sleep(seconds(1)).await;
        cluster.weather(Weather::Down);
    });
    assert!(matches!(ended, Ended::Lost { .. }), "{ended:?}");
    let lasted = start.elapsed();
    assert_eq!(lasted.as_secs(), RENEWED_BY.as_secs());
    // Whatever it had begun by then has ended before anybody may take over.
    assert!(RENEWED_BY + crate::kube_io::REQUEST_TIMEOUT <= HELD_FOR);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_requests_are_never_answered_is_deposed_in_time() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let a = cluster.lock("a", &clock);
    let held = taken(&a).await;
    let deaf = Lock {
        api: Api::namespaced(mock::silent().0, "leaseport-system"),
        ..cluster.lock("a", &clock)
    };
    deaf.fence.set(Some(clock.elapsed()));
    let start = Instant::now();
    let ended = Held {
        lock: &deaf,
        lease: held.lease,
    }
    .keep(std::future::pending())
    .await;
    assert!(matches!(ended, Ended::Lost { .. }), "{ended:?}");
    assert_eq!(start.elapsed().as_secs(), RENEWED_BY.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_wakes_up_deposed() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let a = cluster.lock("a", &clock);
    let held = taken(&a).await;
    assert!(a.fence().holds());
    let writes = cluster.0.lock().unwrap().writes;
    clock.sleep(seconds(60));
    assert!(!a.fence().holds());
    assert!(matches!(
        held.keep(std::future::pending()).await,
        Ended::Lost { .. }
    ));
    assert_eq!(cluster.0.lock().unwrap().writes, writes);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_was_served_but_not_answered_is_recognized_as_ours() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let a = cluster.lock("a", &clock);
    let held = taken(&a).await;
    let storm = async {
        tokio::time::sleep(seconds(1)).await;
        cluster.weather(Weather::Ambiguous);
        tokio::time::sleep(seconds(2)).await;
        cluster.weather(Weather::Fair);
    };
    let (ended, ()) = tokio::join!(held.keep(tokio::time::sleep(seconds(60))), storm);
    assert_eq!(ended, Ended::Released);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_took_is_lost_at_once() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let a = cluster.lock("a", &clock);
    let held = taken(&a).await;
    {
        let mut state = cluster.0.lock().unwrap();
        state.version += 1;
        let version = state.version.to_string();
        let lease = state.lease.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = json!("b");
        lease["metadata"]["resourceVersion"] = json!(version);
    }
    let start = Instant::now();
    let ended = held.keep(std::future::pending()).await;
    assert_eq!(
        ended,
        Ended::Lost {
            why: "\"b\" holds it now".into()
        }
    );
    assert!(start.elapsed() <= seconds(3));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finds_its_own_name_waits_like_anybody_else() {
    let (cluster, clock) = (Cluster::default(), Paused::new());
    let before = cluster.lock("a", &clock);
    let _crashed = taken(&before).await;
    let start = Instant::now();
    let again = cluster.lock("a", &clock);
    assert_eq!(taken(&again).await.term(), 1);
    assert!(start.elapsed() >= HELD_FOR);
}
