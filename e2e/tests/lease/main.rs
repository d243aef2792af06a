//! A market at work on real parts, from an order to money claimed, and through the outages in between. All scenarios share one world and
//! have orders of their own; they run in the order given here. Some bring a world of their own and run after them. `cargo test -p
//! leaseport-e2e --test lease -- WORD` runs those whose name holds the word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod close;
mod denied;
mod disputes;
mod dutch;
mod examples;
mod failover;
mod flow;
mod gateway;
mod hostile;
mod jobs;
mod kinds;
mod mistakes;
mod nonce;
mod orphan;
mod outages;
mod pod;
mod post;
mod raw;
mod refusals;
mod reorg;
mod rivals;
mod serving;
mod sight;
#[path = "../traces/mod.rs"]
mod traces;
mod vouchers;
mod witness;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use leaseport_e2e::scene::demo::Purses;
use leaseport_e2e::scene::{Cuts, GATEWAY, OPERATOR, Scene, SceneOptions};
use leaseport_e2e::world::{Keep, NodeChoice, Options};

/// What scenarios share.
pub(crate) struct Shared {
    pub(crate) scene: Scene,
    /// Who had what before the first order.
    pub(crate) before: Purses,
    /// What the table of mistakes came to, once it ran beside something that takes long.
    pub(crate) table: Option<anyhow::Result<usize>>,
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
        "the_gateway_itself_refuses_expired_sessions_strangers_and_other_manifests_and_changes_nothing",
        gateway::refusals,
    ),
    (
        "a_manifest_that_takes_devices_by_a_variable_is_refused_and_its_lease_declined",
        hostile::devices_by_variable,
    ),
    (
        "a_container_that_asks_for_no_devices_sees_none",
        hostile::devices_of_others,
    ),
    (
        "root_is_refused_unless_the_offer_serves_it_and_then_it_may_little",
        hostile::root,
    ),
    (
        "a_lease_gets_what_was_held_for_it_though_others_wait_for_the_same_devices",
        rivals::lose_what_is_held,
    ),
    (
        "what_the_clusters_own_policy_denies_is_told_in_its_words_and_goes_on_when_it_is_lifted",
        denied::policy_says_no,
    ),
    (
        "an_operator_that_was_killed_goes_on_with_the_same_pod_and_bills_each_second_once",
        outages::operator_killed,
    ),
    (
        "without_the_chain_for_a_minute_the_pod_runs_on_and_the_report_catches_up",
        outages::chain_gone,
    ),
    (
        "without_the_api_server_for_a_while_nothing_is_closed",
        outages::api_server_gone,
    ),
    (
        "a_crashed_leader_is_followed_by_a_warm_standby_and_a_stopped_one_at_once",
        failover::a_standby_takes_over,
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
        "of_two_endpoints_one_alone_deletes_nothing_and_a_lease_goes_when_the_second_is_back",
        witness::second_cut_off,
    ),
    (
        "a_job_that_ended_frees_its_devices_at_once_is_signed_for_unasked_and_costs_what_ran",
        jobs::closed_by_its_tenant,
    ),
    (
        "a_job_whose_tenant_never_comes_back_ends_with_its_lease_and_costs_what_ran",
        jobs::left_by_its_tenant,
    ),
    (
        "the_replicas_of_a_manifest_with_ports_stand_behind_one_service_that_goes_with_the_lease",
        serving::replicas_behind_a_service,
    ),
    (
        "an_order_whose_price_climbs_is_taken_once_it_pays_enough_and_nobody_accepts",
        dutch::taken,
    ),
    (
        "an_order_that_pays_too_little_so_far_holds_nothing_and_is_not_refused",
        dutch::waited_for,
    ),
    (
        "a_voucher_makes_what_the_tenant_signed_claimable_at_once",
        vouchers::redeemed,
    ),
    ("waived_seconds_leave_the_chain_and_the_bill", vouchers::waived),
    (
        "a_lease_whose_opening_was_reorganised_away_keeps_its_pod_and_goes_on_when_it_returns",
        reorg::opening_removed,
    ),
    (
        "a_lease_whose_opening_is_gone_for_good_is_taken_away",
        reorg::opening_lost,
    ),
    (
        "an_object_that_was_let_go_comes_back_while_its_lease_lives_and_bills_no_second_twice",
        orphan::object_lost,
    ),
    (
        "a_contest_is_answered_by_the_operator_with_its_receipt_and_the_ruling_pays_its_bond_back",
        disputes::answered_and_won,
    ),
    (
        "a_ruling_that_the_council_vetoes_gives_both_their_bonds_back",
        disputes::vetoed,
    ),
    (
        "a_contest_that_is_not_answered_gives_the_tenant_what_is_frozen_and_touches_no_stake",
        disputes::silence_pays_the_tenant,
    ),
    (
        "bad_flags_files_keys_chains_and_contracts_each_give_one_clear_error",
        mistakes::each_names_the_field,
    ),
    (
        "mistakes_in_objects_show_in_conditions_and_events_harm_no_other_and_heal",
        kinds::each_heals,
    ),
    ("the_examples_do_what_their_readmes_say", examples::as_written),
    (
        "prometheus_scrapes_the_operator_and_answers_every_query_of_the_dashboards",
        sight::scraped,
    ),
    (
        "a_key_that_a_stranger_used_stands_still_until_nothing_it_signed_can_bind",
        nonce::moved_by_a_stranger,
    ),
    (
        "nothing_that_our_accounts_asked_of_the_api_server_was_forbidden_or_reached_from_afar",
        flow::our_accounts_stayed_within_their_rights,
    ),
    (
        "every_micro_unit_that_tenants_paid_is_claimed_or_a_fee",
        flow::all_money_adds_up,
    ),
];

/// Played at the very end, on what the others left.
const DOWN: &str = "make_down_leaves_nothing_of_a_market_at_work";

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
        println!("{DOWN}: test");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let chosen: Vec<_> = SCENARIOS.iter().filter(|(name, _)| is_wanted(name)).collect();
    let alone: Vec<_> = ALONE.iter().filter(|(name, _)| is_wanted(name)).collect();
    let down = is_wanted(DOWN).then_some(DOWN);
    let played = chosen.len() + alone.len() + usize::from(down.is_some());
    println!("\nrunning {played} tests");
    let began = Instant::now();
    let mut tally = Tally::default();
    if !chosen.is_empty() || down.is_some() {
        play_together(&chosen, down, &mut tally);
    }
    for &&(name, scenario) in &alone {
        tally.play(name, scenario);
    }
    let verdict = if tally.failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        tally.passed,
        tally.failed.len(),
        SCENARIOS.len() + ALONE.len() + 1 - played,
        began.elapsed().as_secs_f64()
    );
    if tally.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// `leaseport-world down`, which is what `make down` runs, from another process, while a lease runs and operator and gateway serve it.
fn leaves_nothing(shared: Shared) -> anyhow::Result<()> {
    let Shared { mut scene, .. } = shared;
    let (_, opened) = scene.tenant().rent("down", &flow::small())?;
    scene.running_pod(&opened.lease)?;
    let world = scene.world.state().clone();
    for part in [OPERATOR, GATEWAY, "anvil", "kubelet", "containerd"] {
        anyhow::ensure!(world.part(part)?.alive(), "{part} does not run");
    }
    let traces = traces::Traces::of(&world);
    traces.assert_there();
    scene.world.keep();
    drop(scene);
    let output = Command::new(env!("CARGO_BIN_EXE_leaseport-world"))
        .arg("--run-dir")
        .arg(&world.run_dir)
        .arg("down")
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    traces.assert_gone();
    anyhow::ensure!(!world.run_dir.exists(), "{} is left", world.run_dir.display());
    Ok(())
}

/// Plays scenarios one after the other in the world they share, and `down` on what they left.
fn play_together(chosen: &[&(&'static str, Scenario)], down: Option<&'static str>, tally: &mut Tally) {
    let mut shared = match raise() {
        Ok(shared) => shared,
        Err(error) => {
            println!("the scene could not be set: {error:#}");
            tally
                .failed
                .extend(chosen.iter().map(|(name, _)| *name).chain(down));
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
    let keep = match (down, tally.failed.is_empty()) {
        (Some(name), true) => {
            tally.play(name, || leaves_nothing(shared));
            return;
        }
        (Some(name), false) => {
            println!("test {name} ... FAILED: not played, since the logs of what failed are kept");
            tally.failed.push(name);
            Keep::Logs
        }
        (None, true) => Keep::Nothing,
        (None, false) => Keep::Logs,
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
    Ok(Shared {
        scene,
        before,
        table: None,
    })
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
