//! The twin: the model of the market's money (`core::escrow`, written from the design) and the bytecode that `market deploy` deploys do the same
//! random acts of the same people at the same times, and agree after every step on who holds how much of each token, on every word of every
//! lease and lane, on orders, offers, stakes, earnings, credits, fees, records, freezes, reserves and disputes, and on whether the act was
//! possible at all.
//!
//! `TWIN_TRACES` sets how many traces of a hundred steps are run (default 500), `TWIN_SEED` where they begin. A failure is shrunk by leaving
//! out steps, and shows the steps that are left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "what is compared is made for it where it is compared"
)]

mod agree;
mod calls;
mod compare;
mod dice;
mod leave;
mod market;
mod names;
mod trace;
mod views;

use std::{collections::BTreeMap, env, time::Instant};

use agree::Watch;
use dice::Dice;
use leaseport::core::escrow::Escrow;
use market::{Bench, Market, People, people};

const STEPS: usize = 100;
/// Every act is done at least once in so many traces, on average.
const OFTEN: u64 = 5;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}: give a number"))
    })
}

/// Runs a trace; what was done, or where model and contracts part.
fn run(
    base: &Market,
    model: &Escrow,
    people: &People,
    bench: Bench,
    steps: &[u64],
) -> Result<Counts, String> {
    let mut watch = Watch::new(base.branch(), model.clone(), people, bench);
    for step in steps {
        watch.step(*step)?;
    }
    watch.everybody_can_leave()?;
    Ok(watch.counts)
}

/// Most traces have the court's contract, some a judge who does at any time what a court may.
const fn bench(seed: u64) -> Bench {
    if seed % 5 < 2 {
        Bench::Judge
    } else {
        Bench::Contract
    }
}

/// How often each kind of act was done and refused.
type Counts = BTreeMap<&'static str, (u64, u64)>;

/// The steps that matter: leaves out ever smaller pieces while the trace still fails.
fn shrink(steps: &[u64], fails: impl Fn(&[u64]) -> bool) -> Vec<u64> {
    let mut left = steps.to_vec();
    let mut piece = left.len() / 2;
    while piece > 0 {
        let mut from = 0;
        while from + piece <= left.len() {
            let mut without = left.clone();
            without.drain(from..from + piece);
            if fails(&without) {
                left = without;
            } else {
                from += piece;
            }
        }
        piece /= 2;
    }
    left
}

/// Where model and contracts part: the trace, its shortest form, and the last step of that.
struct Finding {
    seed: u64,
    steps: Vec<u64>,
    why: String,
}

/// Runs traces until one fails.
fn search(
    market: &Market,
    model: &Escrow,
    people: &People,
    seeds: impl Iterator<Item = u64>,
) -> Result<Counts, Finding> {
    let mut total = Counts::new();
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let steps: Vec<u64> = (0..STEPS).map(|_| dice.next()).collect();
        let why = match run(market, model, people, bench(seed), &steps) {
            Ok(counts) => {
                add(&mut total, counts);
                continue;
            }
            Err(why) => why,
        };
        let steps = shrink(&steps, |steps| {
            run(market, model, people, bench(seed), steps).is_err()
        });
        let why = run(market, model, people, bench(seed), &steps)
            .err()
            .unwrap_or(why);
        return Err(Finding { seed, steps, why });
    }
    Ok(total)
}

/// The acts of a finding, one after the other, on the test's output.
fn tell(market: &Market, model: &Escrow, people: &People, finding: &Finding) {
    let mut watch = Watch::new(market.branch(), model.clone(), people, bench(finding.seed));
    watch.tell = agree::Tell::Steps;
    let parted = finding.steps.iter().any(|step| watch.step(*step).is_err());
    if !parted {
        println!("and then everybody leaves");
    }
}

fn add(total: &mut Counts, more: Counts) {
    for (name, (done, refused)) in more {
        let sum = total.entry(name).or_default();
        *sum = (sum.0 + done, sum.1 + refused);
    }
}

#[test]
fn model_and_bytecode_agree_after_every_step() {
    let began = Instant::now();
    let count = number("TWIN_TRACES", 500);
    let first = number("TWIN_SEED", 0);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let people = people();
    let total = std::thread::scope(|scope| {
        let searches: Vec<_> = (0..threads)
            .map(|thread| {
                let people = &people;
                scope.spawn(move || {
                    // A chain a thread: founding takes a moment, sharing one would take locks.
                    let (market, model) = agree::founded(people);
                    let seeds = (first..first + count).filter(|seed| seed % threads == thread);
                    search(&market, &model, people, seeds).unwrap_or_else(|finding| {
                        tell(&market, &model, people, &finding);
                        panic!(
                            "trace {}, by {} of {STEPS} steps: {}",
                            finding.seed,
                            finding.steps.len(),
                            finding.why
                        )
                    })
                })
            })
            .collect();
        let mut total = Counts::new();
        for search in searches {
            add(&mut total, search.join().unwrap());
        }
        total
    });
    let seconds = began.elapsed().as_secs_f32();
    println!("{count} traces of {STEPS} steps in {seconds:.0} s");
    for (name, (done, refused)) in &total {
        println!("  {name:<15} {done:>8} done {refused:>8} refused");
    }
    if count >= 500 {
        for (name, (done, refused)) in total {
            assert!(
                done * OFTEN >= count,
                "{name} was done {done} times in {count} traces: too few to prove anything of it"
            );
            // Settle skips what it cannot pay.
            assert!(
                refused > 0 || name == "settle",
                "{name} was never refused: the traces prove nothing of it"
            );
        }
    }
}

#[test]
fn a_rule_that_differs_is_found_and_told_in_few_steps() {
    let people = people();
    let (market, mut model) = agree::founded(&people);
    // As if the contracts took final reports a second longer than the design says.
    model.windows.final_reports -= 1;
    let Err(finding) = search(&market, &model, &people, 0..200) else {
        panic!("200 traces saw no difference between F and F - 1");
    };
    assert!(
        finding.steps.len() <= 12,
        "{} steps: {}",
        finding.steps.len(),
        finding.why
    );
}
