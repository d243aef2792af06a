#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

/// Wall and steady clock of one process; a restart gives the steady clock a new start.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    wall: i64,
    steady: u64,
}

impl Clocks {
    fn new() -> Self {
        Self {
            wall: 1_700_000_000_000,
            steady: 5_000,
        }
    }

    fn pass(&mut self, ms: u64) {
        self.wall += i64::try_from(ms).unwrap();
        self.steady += ms;
    }

    fn now(self) -> Now {
        Now {
            steady: Steady(Duration::from_millis(self.steady)),
            wall: UnixMillis(self.wall),
            chain: None,
        }
    }
}

fn proof(pod: &str, start: u64) -> Proof {
    Proof {
        pod: pod.into(),
        pod_uid: format!("uid-{pod}"),
        container_id: Some(format!("containerd://{pod}-{start}")),
        started_at: Some(UnixMillis(
            1_600_000_000_000 + i64::try_from(start).unwrap() * 1000,
        )),
    }
}

fn look(meter: &mut Meter, clocks: Clocks, delivery: Delivery) -> Write {
    meter.observe(&BTreeMap::from([(0, delivery)]), Clock::Runs, clocks.now())
}

fn fresh() -> Meter {
    Meter::resume(&MeterState::default(), 1)
}

const GONE: Delivery = Delivery::NotDelivered { ended: None };

#[test]
fn a_count_from_elsewhere_is_joined_by_maximum_and_never_added() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
        Write::Needed
    );
    clocks.pass(5_000);
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
        Write::NotNeeded
    );
    assert_eq!(meter.join(4_000), Write::NotNeeded);
    assert_eq!(meter.replica_millis(), 5_000);
    assert_eq!(meter.join(60_000), Write::Needed);
    assert_eq!(meter.join(60_000), Write::NotNeeded);
    assert_eq!(meter.replica_millis(), 60_000);
    clocks.pass(1_000);
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
        Write::NotNeeded
    );
    assert_eq!(meter.replica_millis(), 61_000);
}

#[test]
fn a_lease_that_just_runs_costs_no_write() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
        Write::Needed
    );
    for _ in 0..100 {
        clocks.pass(1_000);
        assert_eq!(
            look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
            Write::NotNeeded
        );
    }
    assert_eq!(meter.lease_seconds(), 100);
    assert_eq!(look(&mut meter, clocks, GONE), Write::Needed);
    assert_eq!(meter.lease_seconds(), 100);
}

#[test]
fn unknown_closes_nothing_and_is_billed_once_the_same_proof_is_seen_again() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    clocks.pass(10_000);
    assert_eq!(look(&mut meter, clocks, Delivery::Unknown), Write::NotNeeded);
    assert_eq!((meter.lease_seconds(), meter.open_replicas()), (0, 1));
    clocks.pass(50_000);
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
        Write::NotNeeded
    );
    assert_eq!((meter.lease_seconds(), meter.unproven_millis()), (60, 0));
}

#[test]
fn a_gap_that_ends_with_another_container_is_not_billed_and_is_counted() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    clocks.pass(10_000);
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    let _ = look(&mut meter, clocks, Delivery::Unknown);
    clocks.pass(50_000);
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 1))),
        Write::Needed
    );
    assert_eq!((meter.lease_seconds(), meter.unproven_millis()), (10, 50_000));
    clocks.pass(5_000);
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 1)));
    assert_eq!(meter.lease_seconds(), 15);
}

#[test]
fn a_program_that_crashes_under_our_eyes_is_billed_through_its_restarts() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    for start in 0..20 {
        let write = look(&mut meter, clocks, Delivery::Delivered(proof("a", start)));
        assert_eq!(write, Write::Needed, "each start must be on record");
        clocks.pass(3_000);
    }
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 19)));
    assert_eq!(meter.lease_seconds(), 60);
}

#[test]
fn looks_far_apart_are_a_gap_even_when_nobody_said_unknown() {
    for (apart, seconds) in [(WATCHED_MS, 60), (WATCHED_MS + 1, 0)] {
        let (mut meter, mut clocks) = (fresh(), Clocks::new());
        let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
        clocks.pass(apart);
        let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 1)));
        assert_eq!(meter.lease_seconds(), seconds);
    }
}

#[test]
fn a_replica_that_moves_to_another_pod_is_billed_from_the_first_look_at_the_new_one() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    clocks.pass(10_000);
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    clocks.pass(2_000);
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("b", 0))),
        Write::Needed
    );
    clocks.pass(10_000);
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("b", 0)));
    assert_eq!(meter.lease_seconds(), 20);
}

#[test]
fn after_a_kill_the_same_pod_is_billed_through_and_no_second_twice() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    clocks.pass(30_000);
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    let persisted = meter.checkpoint();
    assert_eq!(meter.lease_seconds(), 30, "a checkpoint changes no count");
    clocks.pass(20_000);
    let mut meter = Meter::resume(&persisted, 1);
    clocks.steady = 7;
    assert_eq!(meter.lease_seconds(), 30);
    assert_eq!(
        look(&mut meter, clocks, Delivery::Delivered(proof("a", 0))),
        Write::NotNeeded
    );
    assert_eq!((meter.lease_seconds(), meter.unproven_millis()), (50, 0));
}

#[test]
fn a_job_that_finished_while_nobody_looked_is_billed_to_its_own_stamp() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    let persisted = meter.checkpoint();
    let finished = UnixMillis(clocks.wall + 40_000);
    clocks.pass(100_000);
    let mut meter = Meter::resume(&persisted, 1);
    let ended = |pod| Delivery::NotDelivered {
        ended: Some(Ended {
            proof: proof(pod, 0),
            at: finished,
        }),
    };
    let mut stranger = meter.clone();
    assert_eq!(look(&mut meter, clocks, ended("a")), Write::Needed);
    assert_eq!((meter.lease_seconds(), meter.unproven_millis()), (40, 60_000));
    let _ = look(&mut stranger, clocks, ended("b"));
    assert_eq!(
        (stranger.lease_seconds(), stranger.unproven_millis()),
        (0, 100_000)
    );
}

#[test]
fn a_stamp_of_the_future_bills_no_second_that_has_not_come() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    clocks.pass(10_000);
    let at = UnixMillis(clocks.wall + 3_600_000);
    let ended = Some(Ended {
        proof: proof("a", 0),
        at,
    });
    let _ = look(&mut meter, clocks, Delivery::NotDelivered { ended });
    assert_eq!(meter.lease_seconds(), 10);
}

#[test]
fn nothing_is_billed_after_the_lease_stopped() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    let stop = Clock::Until(UnixMillis(clocks.wall + 15_000));
    let seen = BTreeMap::from([(0, Delivery::Delivered(proof("a", 0)))]);
    clocks.pass(10_000);
    assert_eq!(meter.observe(&seen, stop, clocks.now()), Write::NotNeeded);
    clocks.pass(10_000);
    assert_eq!(meter.observe(&seen, stop, clocks.now()), Write::Needed);
    clocks.pass(10_000);
    assert_eq!(meter.observe(&seen, stop, clocks.now()), Write::NotNeeded);
    assert_eq!((meter.lease_seconds(), meter.open_replicas()), (15, 0));
}

#[test]
fn a_clock_that_stands_bills_nothing_and_starts_again() {
    let (mut meter, mut clocks) = (fresh(), Clocks::new());
    let seen = BTreeMap::from([(0, Delivery::Delivered(proof("a", 0)))]);
    assert_eq!(
        meter.observe(&seen, Clock::Stands, clocks.now()),
        Write::NotNeeded
    );
    clocks.pass(10_000);
    let _ = meter.observe(&seen, Clock::Runs, clocks.now());
    clocks.pass(10_000);
    let _ = meter.observe(&seen, Clock::Runs, clocks.now());
    assert_eq!(meter.observe(&seen, Clock::Stands, clocks.now()), Write::Needed);
    clocks.pass(10_000);
    let _ = meter.observe(&seen, Clock::Runs, clocks.now());
    assert_eq!(meter.lease_seconds(), 10);
}

#[test]
fn replicas_bill_in_proportion() {
    let (mut meter, mut clocks) = (Meter::resume(&MeterState::default(), 3), Clocks::new());
    let seen = BTreeMap::from([
        (0, Delivery::Delivered(proof("a", 0))),
        (1, Delivery::Delivered(proof("b", 0))),
        (2, GONE),
        (9, Delivery::Delivered(proof("stranger", 0))),
    ]);
    let _ = meter.observe(&seen, Clock::Runs, clocks.now());
    clocks.pass(30_500);
    let _ = meter.observe(&seen, Clock::Runs, clocks.now());
    assert_eq!((meter.lease_seconds(), meter.replica_millis()), (20, 61_000));
}

#[test]
fn the_state_reads_as_the_status_shows_it() {
    let (mut meter, clocks) = (fresh(), Clocks::new());
    let _ = look(&mut meter, clocks, Delivery::Delivered(proof("a", 0)));
    let state = meter.checkpoint();
    let json = serde_json::to_value(&state).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "closedMs": 0,
            "open": [{
                "replica": 0, "sinceMs": 1_700_000_000_000_i64, "pod": "a", "podUid": "uid-a",
                "containerId": "containerd://a-0", "startedAt": "2020-09-13T12:26:40Z",
            }],
            "unprovenMs": 0,
        })
    );
    assert_eq!(serde_json::from_value::<MeterState>(json).unwrap(), state);
}

#[test]
fn a_proof_over_several_containers_changes_with_any_of_them() {
    let of = |second: &str| {
        let start = |name, id| ContainerStart {
            name,
            id: Some(id),
            started_at: Some(UnixMillis(1)),
        };
        Proof::of("p", "u", &[start("a", "x"), start("b", second)])
    };
    assert_ne!(of("y"), of("z"));
    assert_eq!(of("y"), of("y"));
    let none = Proof::of(
        "p",
        "u",
        &[ContainerStart {
            name: "a",
            id: None,
            started_at: None,
        }],
    );
    assert_eq!((none.container_id, none.started_at), (None, None));
}

/// What may happen to one replica and to the operator that meters it.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Look,
    Blind,
    Checkpoint,
    /// The operator dies and comes back later; only what was written survives.
    Kill(u64),
    /// The tenant's program crashes: the runtime starts it again, delivery goes on.
    Crash,
    /// The provider fails; delivery stops.
    Fail,
    /// A new pod delivers.
    Recover,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u64..20_000).prop_map(Event::Pass),
        6 => Just(Event::Look),
        1 => Just(Event::Blind),
        1 => Just(Event::Checkpoint),
        1 => (0u64..60_000).prop_map(Event::Kill),
        1 => Just(Event::Crash),
        1 => Just(Event::Fail),
        2 => Just(Event::Recover),
    ]
}

/// The truth beside the meter.
struct World {
    clocks: Clocks,
    delivered_ms: u64,
    pod: Option<(u64, u64)>,
    pods: u64,
    starts: u64,
    meter: Meter,
    persisted: MeterState,
}

impl World {
    fn new() -> Self {
        Self {
            clocks: Clocks::new(),
            delivered_ms: 0,
            pod: Some((0, 0)),
            pods: 0,
            starts: 0,
            meter: fresh(),
            persisted: MeterState::default(),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.clocks.pass(ms);
        if self.pod.is_some() {
            self.delivered_ms += ms;
        }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Pass(ms) => self.pass(*ms),
            Event::Look => {
                let delivery = match self.pod {
                    Some((pod, start)) => Delivery::Delivered(proof(&pod.to_string(), start)),
                    None => GONE,
                };
                if look(&mut self.meter, self.clocks, delivery) == Write::Needed {
                    self.persisted = self.meter.checkpoint();
                }
            }
            Event::Blind => assert_eq!(
                look(&mut self.meter, self.clocks, Delivery::Unknown),
                Write::NotNeeded
            ),
            Event::Checkpoint => self.persisted = self.meter.checkpoint(),
            Event::Kill(ms) => {
                self.pass(*ms);
                self.clocks.steady = *ms % 1000;
                self.meter = Meter::resume(&self.persisted, 1);
            }
            Event::Crash => {
                self.starts += 1;
                self.pod = self.pod.map(|(pod, _)| (pod, self.starts));
            }
            Event::Fail => self.pod = None,
            Event::Recover if self.pod.is_none() => {
                self.pods += 1;
                self.starts += 1;
                self.pod = Some((self.pods, self.starts));
            }
            Event::Recover => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_history_bills_more_than_was_delivered_or_loses_a_persisted_second(events in prop::collection::vec(event(), 1..80)) {
        let mut world = World::new();
        let mut last = 0;
        for event in &events {
            world.step(event);
            let billed = world.meter.replica_millis();
            prop_assert!(billed <= world.delivered_ms, "billed {} of {} ms", billed, world.delivered_ms);
            prop_assert!(billed >= world.persisted.closed_ms, "lost a persisted second");
            if !matches!(event, Event::Kill(_)) {
                prop_assert!(billed >= last, "count fell");
            }
            last = billed;
        }
    }

    #[test]
    fn a_replica_that_ran_all_along_is_billed_in_full_whatever_happened_to_the_operator(
        events in prop::collection::vec(event().prop_filter("the replica keeps running", |event| {
            !matches!(event, Event::Crash | Event::Fail | Event::Recover)
        }), 1..80),
    ) {
        let mut world = World::new();
        world.step(&Event::Look);
        for event in &events {
            world.step(event);
        }
        world.step(&Event::Look);
        prop_assert_eq!(world.meter.replica_millis(), world.delivered_ms);
        prop_assert_eq!(world.meter.unproven_millis(), 0);
    }

    #[test]
    fn what_is_billed_and_what_is_unproven_never_exceed_the_time_that_passed(events in prop::collection::vec(event(), 1..80)) {
        let mut world = World::new();
        let begin = world.clocks.wall;
        for event in &events {
            world.step(event);
        }
        let passed = u64::try_from(world.clocks.wall - begin).unwrap();
        prop_assert!(world.meter.replica_millis() + world.meter.unproven_millis() <= passed);
    }

    #[test]
    fn no_status_makes_the_meter_panic(
        closed_ms: u64, unproven_ms: u64, open in prop::collection::vec((any::<u16>(), any::<i64>()), 0..5), replicas: u16, wall: i64, steady: u32,
    ) {
        let open = open.into_iter().map(|(replica, since_ms)| OpenInterval { replica, since_ms, proof: proof("a", 0) }).collect();
        let mut meter = Meter::resume(&MeterState { closed_ms, open, unproven_ms }, replicas);
        let before = meter.replica_millis();
        let now = Now { steady: Steady(Duration::from_millis(steady.into())), wall: UnixMillis(wall), chain: None };
        let all = (0..3).map(|replica| (replica, Delivery::Delivered(proof("a", 0)))).collect();
        let _ = meter.observe(&all, Clock::Runs, now);
        let _ = meter.observe(&BTreeMap::from([(0, GONE)]), Clock::Runs, now);
        prop_assert!(meter.replica_millis() >= before);
        prop_assert!(meter.checkpoint().closed_ms >= closed_ms);
    }
}
