//! Seeded simulation of whole clusters: many clients, crashes at any step, power failures of all nodes at once,
//! messages lost, late and repeated, disks that fail and fill up. `RAIN_SIM_SEEDS` sets how many seeds are run.
#![expect(clippy::unwrap_used, reason = "what cannot be is a failure of the simulation")]
#![expect(unreachable_pub, reason = "a test has no outside")]
#![expect(clippy::wildcard_enum_match_arm, reason = "of most operations only two or three kinds are meant")]
#![expect(clippy::large_enum_variant, reason = "a few at a time")]

mod disk;
mod history;
mod node;
mod random;
mod world;

use disk::{Kind, Missing};
use std::time::Instant;
use world::{Options, World};

fn seeds(default: u64) -> u64 {
    std::env::var("RAIN_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_acknowledged_title_is_lost_mixed_stale_or_resurrected() {
    let started = Instant::now();
    let (mut operations, mut messages, mut crashes, mut disk) = (0, 0, 0, 0);
    let count = seeds(3000);
    for seed in 0..count {
        let mut world = World::new(Options::of(seed, None));
        if let Err(what) = world.run() {
            panic!("seed {seed}: {what}\n{:#?}", world.options);
        }
        operations += world.history.operations.len();
        messages += world.delivered;
        crashes += world.crashes;
        disk += world.nodes.iter().map(|node| node.disk.operations()).sum::<u64>();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{count} histories ({operations} operations of clients, {messages} messages, {disk} operations of disks, \
         {crashes} crashes) in {seconds:.1} s: {:.0} histories per second",
        f64::from(u32::try_from(count).unwrap()) / seconds
    );
}

#[test]
fn a_seed_runs_the_same_twice() {
    for seed in 0..seeds(3000) / 30 {
        let run = || {
            let mut world = World::new(Options::of(seed, None));
            world.run().unwrap();
            world.trace()
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

/// Every fsync, folder fsync, rename and mark is needed: without it some seed loses data or leaves something undone.
#[test]
fn no_safeguard_is_superfluous() {
    let kinds = [Kind::Column, Kind::Mark, Kind::Decision, Kind::Identity];
    let syncs =
        kinds.into_iter().flat_map(|kind| [Missing::Sync(kind), Missing::FolderSync(kind), Missing::Rename(kind)]);
    let mut survived = Vec::new();
    for missing in syncs.chain([Missing::Mark, Missing::Spread, Missing::Floor]) {
        let caught = (0..3 * seeds(3000)).find_map(|seed| {
            let mut world = World::new(Options::of(seed, Some(missing)));
            let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
            match run {
                Ok(Ok(())) => None,
                Ok(Err(what)) => Some((seed, what)),
                Err(_) => Some((seed, "an assertion failed".to_owned())),
            }
        });
        match caught {
            Some((seed, what)) => println!("without {missing:?}: seed {seed}: {what}"),
            None => survived.push(missing),
        }
    }
    assert!(survived.is_empty(), "not missed in any seed: {survived:?}");
}
