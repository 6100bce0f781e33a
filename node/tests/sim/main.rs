//! Seeded simulation of whole clusters: many clients, crashes at any step, power failures of all nodes at once, messages
//! lost, repeated and later than every time-out, links cut in one direction, clocks that run wrong and are set, processes that
//! stand still, disks that fail, fill up, rot, are lost and come back old. `RAIN_SIM_SEEDS` sets how many seeds are run.
#![expect(clippy::unwrap_used, reason = "what cannot be is a failure of the simulation")]
#![expect(unreachable_pub, reason = "a test has no outside")]
#![expect(clippy::wildcard_enum_match_arm, reason = "of most operations only two or three kinds are meant")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the names are the store's own")]
#![expect(clippy::match_same_arms, reason = "one line for each thing that can happen")]
#![expect(clippy::unnecessary_wraps, reason = "faults of a later kind may fail")]
#![expect(clippy::option_option, reason = "a write of no shape is a DELETE, and a GET is no write")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "figures for people, and random bytes"
)]

mod coder;
mod disk;
mod history;
mod jumps;
mod liar;
mod lies;
mod node;
mod options;
mod random;
mod safeguard;
mod scenarios;
mod wire;
mod world;

use liar::{LIES, Lie};
use options::Options;
use safeguard::Safeguard;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use world::World;

/// Seeds run on so many threads.
const THREADS: u64 = 2;

fn seeds(default: u64) -> u64 {
    std::env::var("RAIN_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a seed came to.
#[derive(Debug, Default, Clone)]
struct Ran {
    operations: u64,
    messages: u64,
    disk: u64,
    crashes: u64,
    jumps: u64,
    changes: u64,
    trace: String,
    /// How often each lie was told.
    lies: BTreeMap<Lie, u64>,
    /// In the face of lies: writes that honest nodes acknowledged, and reads of what honest nodes wrote.
    kept: (u64, u64),
}

fn run(options: Options) -> Result<Ran, String> {
    let mut world = None;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let world = world.insert(World::new(options));
        world.run()
    }));
    match ran {
        Ok(Ok(())) => {
            let world = world.ok_or("it does not begin")?;
            Ok(Ran {
                operations: world.history.operations.len() as u64,
                messages: world.wires.delivered,
                disk: world.disk_operations(),
                crashes: world.crashes,
                jumps: world.jumps,
                changes: world.changes,
                trace: world.trace(),
                kept: world.kept(),
                lies: world.wires.liar.map(|liar| liar.told).unwrap_or_default(),
            })
        }
        Ok(Err(what)) => Err(what),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("a panic: {}", text.unwrap_or_default()))
        }
    }
}

/// Runs every seed below `count` on all threads, until one fails: the lowest that did, and what was seen.
fn run_all(count: u64, of: impl Fn(u64) -> Options + Sync, each: impl Fn(u64, Ran) + Sync) -> Option<(u64, String)> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    match run(of(seed)) {
                        Ok(ran) => each(seed, ran),
                        Err(what) => {
                            // Lower seeds are under way or done: the lowest one is told.
                            stop.store(true, Ordering::Relaxed);
                            let mut failed = failed.lock().unwrap();
                            if failed.as_ref().is_none_or(|(before, _)| seed < *before) {
                                *failed = Some((seed, what));
                            }
                        }
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

/// Every seed runs twice, with the same trace.
#[test]
fn no_acknowledged_title_is_lost_mixed_stale_or_resurrected() {
    let started = Instant::now();
    let count = seeds(1000);
    let sums = Mutex::new(Ran::default());
    let failed = run_all(
        count,
        |seed| Options::of(seed, None),
        |seed, ran| {
            let again = run(Options::of(seed, None)).expect("it ran before");
            assert!(ran.trace == again.trace, "seed {seed} ran another way");
            let mut sums = sums.lock().unwrap();
            sums.operations += ran.operations;
            sums.messages += ran.messages;
            sums.disk += ran.disk;
            sums.crashes += ran.crashes;
            sums.jumps += ran.jumps;
        },
    );
    if let Some((seed, what)) = failed {
        panic!("seed {seed}: {what}\n{:#?}", Options::of(seed, None));
    }
    let seconds = started.elapsed().as_secs_f64();
    let Ran { operations, messages, disk, crashes, jumps, .. } = sums.into_inner().unwrap();
    let each_second = |number: u64| number as f64 / seconds;
    println!(
        "{count} histories, each run twice ({operations} operations of clients, {messages} messages, {disk} operations of \
         disks, {crashes} losses of power or of a process, {jumps} times that clocks were set) in {seconds:.1} s: {:.0} \
         histories run per second, {:.0} messages and operations of disks per second",
        each_second(2 * count),
        each_second(2 * (messages + disk)),
    );
}

/// Every fsync, folder fsync, rename, mark and memory is needed: without it some scenario ends badly, or some seed loses
/// data or leaves something undone.
#[test]
fn no_safeguard_is_superfluous() {
    let mut survived = Vec::new();
    // A panic is as good a way to notice as any.
    std::panic::set_hook(Box::new(|_| {}));
    let rare = safeguard::RARE.into_iter().filter(|_| seeds(1000) >= 10_000);
    for missing in safeguard::SHOWN.into_iter().chain(rare) {
        if let Some((scenario, what)) = scenarios::miss(missing) {
            println!("without {missing:?}: {scenario}: {}", what.lines().next().unwrap_or_default());
            continue;
        }
        if let Some((seed, what)) = run_all(3 * seeds(1000), |seed| Options::of(seed, Some(missing)), |_, _| {}) {
            println!("without {missing:?}: seed {seed}: {}", what.lines().next().unwrap_or_default());
        } else {
            println!("without {missing:?}: NOTHING");
            survived.push(missing);
        }
    }
    drop(std::panic::take_hook());
    assert!(survived.is_empty(), "not missed: {survived:?}");
}

/// One member lies in all that it says, by seed about few things or about all.
#[test]
fn a_member_that_lies_changes_nothing_that_it_did_not_write() {
    let started = Instant::now();
    let count = seeds(200);
    let sums: Mutex<(BTreeMap<Lie, u64>, u64, u64)> = Mutex::default();
    let failed = run_all(
        count,
        |seed| Options::with_a_liar(seed, None),
        |_, ran| {
            let mut sums = sums.lock().unwrap();
            ran.lies.into_iter().for_each(|(lie, told)| *sums.0.entry(lie).or_default() += told);
            sums.1 += ran.kept.0;
            sums.2 += ran.kept.1;
        },
    );
    if let Some((seed, what)) = failed {
        panic!("seed {seed}: {what}\n{:#?}", Options::with_a_liar(seed, None));
    }
    let (sums, promised, read) = sums.into_inner().unwrap();
    let all: u64 = sums.values().sum();
    println!(
        "{count} histories with a liar in {:.1} s: {promised} writes that honest nodes acknowledged, {read} reads of what they \
         wrote, {all} lies: {sums:?}",
        started.elapsed().as_secs_f64()
    );
    let untold: Vec<Lie> = LIES.into_iter().filter(|lie| !sums.contains_key(lie)).collect();
    assert!(count < 200 || untold.is_empty(), "never told: {untold:?}");
}

/// Readers get wrong bytes, unless they hold what they get to the roots.
#[test]
fn a_liar_is_found_out_by_roots_alone() {
    let failed = run_all(3 * seeds(200), |seed| Options::with_a_liar(seed, Some(Safeguard::Root)), |_, _| {});
    let (seed, what) = failed.expect("it is missed");
    println!("without roots: seed {seed}: {what}");
    assert!(what.contains("with other bytes"), "{what}");
}

/// Histories with a liar, where `RAIN_SIM_LIAR` is set.
/// The same, while nodes are added, drained, and changes are taken back half-way: `RAIN_SIM_SEEDS` as well.
#[test]
fn nothing_is_lost_mixed_stale_or_resurrected_while_members_come_and_go() {
    let changes = AtomicU64::new(0);
    let failed = run_all(
        seeds(300),
        |seed| Options::with_changes(seed, None),
        |_, ran| {
            changes.fetch_add(ran.changes, Ordering::Relaxed);
        },
    );
    if let Some((seed, what)) = failed {
        panic!("seed {seed}: {what}\n{:#?}", Options::with_changes(seed, None));
    }
    let changes = changes.into_inner();
    println!("{changes} changes of the members");
    assert!(changes > seeds(300), "{changes} changes");
}

fn asked_for() -> fn(u64) -> Options {
    if std::env::var("RAIN_SIM_LIAR").is_ok() {
        |seed| Options::with_a_liar(seed, None)
    } else if std::env::var("RAIN_SIM_CHANGES").is_ok() {
        |seed| Options::with_changes(seed, None)
    } else {
        |seed| Options::of(seed, None)
    }
}

/// All seeds that fail, for looking at: `RAIN_SIM_SURVEY=1000`.
#[test]
fn the_survey_that_is_asked_for() {
    let Some(count) = std::env::var("RAIN_SIM_SURVEY").ok().and_then(|text| text.parse::<u64>().ok()) else { return };
    let (next, of) = (AtomicU64::new(0), asked_for());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    if let Err(what) = run(of(seed)) {
                        println!("seed {seed}: {}", what.lines().next().unwrap_or_default());
                    }
                }
            });
        }
    });
}

/// One seed, for looking at: `RAIN_SIM_SEED=17 RAIN_SIM_LOG=1`.
#[test]
fn the_seed_that_is_asked_for() {
    let Some(seed) = std::env::var("RAIN_SIM_SEED").ok().and_then(|text| text.parse().ok()) else { return };
    let mut world = World::new(asked_for()(seed));
    println!("{:#?}", world.options);
    if let Err(what) = world.run() {
        if std::env::var("RAIN_SIM_LOG").is_ok() {
            println!("{}", world.show());
        }
        for (index, operation) in world.history.operations.iter().enumerate() {
            println!("{index}: {}", operation.brief());
        }
        panic!("seed {seed}: {what}");
    }
}
