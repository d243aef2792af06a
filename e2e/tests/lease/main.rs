//! A market at work on real parts, from an order to money claimed, and through the outages in between. All scenarios share one world and
//! have orders of their own; they run in the order given here. Some bring a world of their own and run after them. `cargo test -p leaseport-e2e --test lease -- WORD` runs those whose name
//! holds the word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod close;
mod flow;
mod mistakes;
mod outages;
mod pod;
mod refusals;
mod reorg;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use leaseport_e2e::scene::demo::Purses;
use leaseport_e2e::scene::{Cuts, OPERATOR, Scene, SceneOptions};
use leaseport_e2e::world::{Keep, NodeChoice, Options};

/// What scenarios share.
pub(crate) struct Shared {
    pub(crate) scene: Scene,
    /// Who had what before the first order.
    pub(crate) before: Purses,
}

type Scenario = fn(&mut Shared) -> anyhow::Result<()>;
/// A scenario that needs nothing of the others.
type Alone = fn() -> anyhow::Result<()>;

const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "an_order_becomes_a_lease_whose_pod_holds_the_gpus_and_whose_bill_is_right",
        flow::an_order_becomes_a_paid_lease,
    ),
    (
        "an_order_that_does_not_fit_is_refused_with_a_reason",
        refusals::too_large,
    ),
    (
        "an_order_that_pays_too_little_is_refused_with_a_reason",
        refusals::too_cheap,
    ),
    (
        "an_order_with_undecodable_needs_is_refused_with_a_reason",
        refusals::undecodable,
    ),
    (
        "a_manifest_from_another_wallet_is_refused_and_the_tenants_is_taken",
        refusals::wrong_signer,
    ),
    (
        "a_manifest_that_does_not_hash_to_the_order_is_refused",
        refusals::wrong_hash,
    ),
    (
        "an_operator_that_was_killed_goes_on_with_the_same_pod_and_bills_each_second_once",
        outages::operator_killed,
    ),
    (
        "without_the_chain_for_a_while_the_pod_runs_on_and_the_report_catches_up",
        outages::chain_gone,
    ),
    (
        "without_the_api_server_for_a_while_nothing_is_closed",
        outages::api_server_gone,
    ),
    (
        "an_image_that_is_not_there_bills_the_tenant",
        close::missing_image,
    ),
    ("a_probe_that_never_passes_bills_the_tenant", close::failing_probe),
    (
        "a_stopped_lease_frees_its_devices_at_once_and_its_namespace_at_finality",
        close::stop_and_finalize,
    ),
    (
        "a_lease_whose_opening_was_reorganised_away_keeps_its_pod_and_goes_on_when_it_returns",
        reorg::opening_removed,
    ),
    (
        "a_lease_whose_opening_is_gone_for_good_is_taken_away",
        reorg::opening_lost,
    ),
    (
        "bad_flags_files_keys_chains_and_contracts_each_give_one_clear_error",
        mistakes::each_names_the_field,
    ),
    (
        "every_micro_unit_that_tenants_paid_is_claimed_or_a_fee",
        flow::all_money_adds_up,
    ),
];

/// Scenarios in worlds of their own; they run when the shared one is down.
const ALONE: &[(&str, Alone)] = &[
    (
        "the_image_holds_the_binary_and_little_else_and_is_the_same_each_time",
        pod::the_image_itself,
    ),
    (
        "operator_and_gateway_run_as_pods_from_the_manifests_and_a_deleted_pod_takes_no_lease_with_it",
        pod::a_lease_through_pods,
    ),
];

/// Which scenarios held and which did not.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<&'static str>,
}

/// How a scenario ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Played {
    /// With a result of its own.
    Returned,
    /// In the middle.
    Panicked,
}

impl Tally {
    /// Plays one scenario, and says whether it came back.
    fn play(&mut self, name: &'static str, scenario: impl FnOnce() -> anyhow::Result<()>) -> Played {
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(scenario));
        let seconds = started.elapsed().as_secs_f64();
        let (played, said) = match result {
            Ok(Ok(())) => {
                self.passed += 1;
                println!("test {name} ... ok ({seconds:.1} s)");
                return Played::Returned;
            }
            Ok(Err(error)) => (Played::Returned, format!("{error:#}")),
            Err(_) => (Played::Panicked, String::new()),
        };
        println!("test {name} ... FAILED ({seconds:.1} s)\n{said}");
        self.failed.push(name);
        played
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|word| word == "--list") {
        let names = SCENARIOS.iter().map(|(name, _)| name);
        for name in names.chain(ALONE.iter().map(|(name, _)| name)) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let chosen: Vec<_> = SCENARIOS.iter().filter(|(name, _)| is_wanted(name)).collect();
    let alone: Vec<_> = ALONE.iter().filter(|(name, _)| is_wanted(name)).collect();
    println!("\nrunning {} tests", chosen.len() + alone.len());
    let began = Instant::now();
    let mut tally = Tally::default();
    if !chosen.is_empty() {
        play_together(&chosen, &mut tally);
    }
    for &&(name, scenario) in &alone {
        tally.play(name, scenario);
    }
    let verdict = if tally.failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        tally.passed,
        tally.failed.len(),
        SCENARIOS.len() + ALONE.len() - chosen.len() - alone.len(),
        began.elapsed().as_secs_f64()
    );
    if tally.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays scenarios one after the other in the world they share.
fn play_together(chosen: &[&(&'static str, Scenario)], tally: &mut Tally) {
    let mut shared = match raise() {
        Ok(shared) => shared,
        Err(error) => {
            println!("the scene could not be set: {error:#}");
            tally.failed.extend(chosen.iter().map(|(name, _)| *name));
            return;
        }
    };
    for &&(name, scenario) in chosen {
        if tally.play(name, || scenario(&mut shared)) == Played::Panicked {
            println!("{}", shared.scene.log_tail(OPERATOR));
        }
        if !shared.scene.operator_runs()
            && let Err(error) = shared.scene.start_operator()
        {
            println!("the operator does not start again: {error:#}");
        }
    }
    let keep = if tally.failed.is_empty() {
        Keep::Nothing
    } else {
        Keep::Logs
    };
    lower(shared, keep);
}

fn raise() -> anyhow::Result<Shared> {
    let started = Instant::now();
    let options = SceneOptions {
        world: Options {
            run_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("lease-scenarios"),
            kubeconfig: None,
            rpc_url: None,
            device_plugin: None,
            node: NodeChoice::Required,
            ..Options::from_env("lease-scenarios")
        },
        cuts: Cuts::Possible,
        report_every: "4s",
        settle_every: "8s",
        tenant_dollars: 1000,
    };
    if let Ok(before) = leaseport_e2e::World::attach(&options.world.run_dir) {
        before.down()?;
    }
    let scene = Scene::up(&options, &mut |step| {
        println!("[{:>6.1} s] {step}", started.elapsed().as_secs_f64());
    })?;
    let before = Purses::read(&scene)?;
    Ok(Shared { scene, before })
}

fn lower(shared: Shared, keep: Keep) {
    let logs = shared.scene.world.state().log_dir.clone();
    if let Err(error) = shared.scene.world.down_keeping(keep) {
        println!("the world is not wholly down: {error}");
    }
    match keep {
        Keep::Nothing => {}
        Keep::Logs => println!("logs are kept in {}", logs.display()),
    }
}
