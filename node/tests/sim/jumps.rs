//! Clocks that jump by a year, forwards or back, of one node or of all, at moments that seeds choose: while titles are
//! written, and while nodes start. Nothing is lost, and whoever can be asked answers within five seconds.

use crate::history::{Answer, Wish};
use crate::options::Options;
use crate::random::Random;
use crate::safeguard::{OF_CLOCKS, Safeguard};
use crate::seeds;
use crate::world::{SECOND, World};
use core::time::Duration;
use std::collections::BTreeMap;

/// Moments for each thousand seeds that are asked for.
const MOMENTS: u64 = 200;
const IN_EACH: u64 = 2;
/// Whoever is refused asks again after so long, ten times at most: five seconds in all.
const AGAIN: Duration = Duration::from_millis(500);

/// A cluster that clocks cannot upset.
fn life(seed: u64, missing: Option<Safeguard>) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0x0bad_c10c);
    let nodes = 3 + random.below(4);
    let codes: &[_] = if nodes < 4 { &["replica:3"] } else { &["b-code:4", "replica:3"] };
    let mut world = World::new(Options { seed, missing, titles: nodes, ..Options::quiet(nodes, codes) });
    world.run_for(3 * SECOND)?;
    let put_all = |world: &mut World, random: &mut Random| {
        for title in 0..nodes {
            let asked = world.put(random.below(nodes), title, &random.next().to_le_bytes(), Wish::Any);
            world.history.operations[asked].gap = Duration::from_millis(random.below(300) as u64);
        }
    };
    put_all(&mut world, &mut random);
    for _ in 0..IN_EACH {
        world.run_for(SECOND)?;
        // What is under way when the clocks are set.
        put_all(&mut world, &mut random);
        world.delete(random.below(nodes), random.below(nodes));
        world.run_for(Duration::from_micros(random.below(600_000) as u64))?;
        let restarted = random.one_in(2).then(|| random.below(nodes));
        if let Some(node) = restarted {
            world.stop(node, random.one_in(2));
        }
        world.jump();
        if let Some(node) = restarted {
            world.start(node)?;
        }
        all_take_and_give(&mut world, &mut random)?;
    }
    world.run_for(15 * SECOND)?;
    world.nothing_half_done()?;
    world.read_everything()?;
    world.lose_disks()?;
    world.read_everything()
}

/// Every node takes a title within five seconds, and gives one within as much.
fn all_take_and_give(world: &mut World, random: &mut Random) -> Result<(), String> {
    let nodes = world.nodes.len();
    for write in [true, false] {
        let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
        let mut left: Vec<usize> = (0..nodes).collect();
        for _ in 0..10 {
            for node in left.iter().filter(|node| !waiting.contains_key(node)).copied().collect::<Vec<_>>() {
                let asked = if write {
                    world.put(node, node, &random.next().to_le_bytes(), Wish::Any)
                } else {
                    world.get(node, (node + 1) % nodes)
                };
                waiting.insert(node, asked);
            }
            world.run_for(AGAIN)?;
            left.retain(|node| {
                let answer = world.answer(waiting[node]);
                !matches!(answer, Some(Answer::Acknowledged { .. } | Answer::Found { fresh: true, .. }))
            });
            waiting.retain(|node, asked| left.contains(node) && world.answer(*asked).is_none());
        }
        if !left.is_empty() {
            return Err(format!("nodes {left:?} of {nodes} are locked out (write: {write})"));
        }
    }
    Ok(())
}

#[test]
fn a_clock_that_jumps_loses_nothing_and_locks_nobody_out() {
    let lives = seeds(1000) * MOMENTS / (1000 * IN_EACH);
    for seed in 0..lives {
        life(seed, None).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
    println!("clocks jumped at {} moments", lives * IN_EACH);
}

/// Were clocks to decide who is listened to, or which version is the newest, the same lives would end badly.
#[test]
fn what_clocks_would_decide_is_noticed() {
    for missing in OF_CLOCKS {
        let noticed = (0..MOMENTS / IN_EACH).find_map(|seed| Some((seed, life(seed, Some(missing)).err()?)));
        let (seed, what) = noticed.unwrap_or_else(|| panic!("without {missing:?}: nothing"));
        println!("without {missing:?}: seed {seed}: {what}");
    }
}
