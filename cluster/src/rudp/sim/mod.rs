//! Seeded simulation: nodes with several paths between them, on a network that loses, delays, repeats and reorders, with
//! cuts in one direction or both, false verdicts and restarts. `RAIN_SIM_SEEDS` sets how many seeds are run,
//! `RAIN_SIM_FIRST` the first of them. What is planted is looked for in the same seeds always.

mod content;
mod ledger;
mod scenarios;
mod wire;
mod world;

use super::safeguard::Safeguard;
use world::{Options, World};

/// A few seconds of each build; the stage `sim` has one that is worth more.
const SEEDS: u64 = if cfg!(debug_assertions) { 20 } else { 60 };

/// Where a part of the protocol that is taken away must be missed, whichever seeds else are asked for.
const PLANTED: core::ops::Range<u64> = 0..20;

fn seeds() -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("RAIN_SIM_FIRST").unwrap_or(0);
    first..first + number("RAIN_SIM_SEEDS").unwrap_or(SEEDS)
}

fn run(seed: u64, missing: Option<Safeguard>) -> Result<World, String> {
    let mut world = World::new(Options::of(seed), missing);
    world.run().map_err(|what| format!("seed {seed}: {what}\n{:#?}", world.options))?;
    Ok(world)
}

/// Every seed twice: all that is promised is kept, and both runs are alike to the byte.
#[test]
fn every_message_comes_once_whatever_the_paths_do() {
    let (mut messages, mut frames, mut again, mut moved, mut virtual_us) = (0, 0, 0, 0, 0);
    for seed in seeds() {
        let first = run(seed, None).unwrap_or_else(|what| panic!("{what}"));
        let second = run(seed, None).unwrap_or_else(|what| panic!("{what}"));
        assert!(first.trace == second.trace, "seed {seed} is not the same twice");
        messages += first.ledger.delivered();
        frames += first.totals.first;
        again += first.totals.again;
        moved += first.totals.moved;
        virtual_us += first.now.micros();
    }
    let overhead = f64::from(u32::try_from(again * 1000 / frames).unwrap()) / 10.0;
    println!(
        "{messages} messages in {frames} frames, {again} sent again ({overhead} %), {moved} of them moved from a path \
         that went Down; {} s of virtual time",
        virtual_us / 1_000_000
    );
    // One seed by itself may have a quiet network.
    assert!(seeds().count() < 20 || (moved > 0 && again > moved));
}

/// Each part of the protocol is needed: without it a scenario or a seed fails.
#[test]
fn no_safeguard_is_superfluous() {
    use Safeguard::*;
    let mut survived = Vec::new();
    for missing in [
        Deduplication,
        Order,
        Requeue,
        OtherPath,
        Backoff,
        SessionFence,
        EpochFence,
        Limit,
        Asking,
        AnswerToRepeats,
        Transition,
    ] {
        let quietly = |check: &dyn Fn() -> Result<(), String>| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_or(Err("an assertion failed".into()))
        };
        let by_scenario = scenarios::ALL.iter().find_map(|(name, scenario)| {
            quietly(&|| scenario(Some(missing))).err().map(|what| format!("scenario {name}: {what}"))
        });
        let by_seed = || {
            PLANTED.into_iter().find_map(|seed| {
                let found = quietly(&|| run(seed, Some(missing)).map(|_| ())).err()?;
                Some(found.lines().next().unwrap_or_default().to_owned())
            })
        };
        match by_scenario.or_else(by_seed) {
            Some(found) => println!("without {missing:?}: {found}"),
            None => survived.push(missing),
        }
    }
    assert!(survived.is_empty(), "not missed: {survived:?}");
}
