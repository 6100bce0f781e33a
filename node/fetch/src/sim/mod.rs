//! Seeded simulation: streams that share a budget fetch pieces from nodes that are slow, fall silent, die, come back and
//! lie, some of them under checksums that fit, over paths that go down. `RAIN_SIM_SEEDS` sets how many seeds are run, `RAIN_SIM_FIRST` the first of them. What is
//! planted is looked for in the same seeds always.

mod ledger;
mod options;
mod peers;
mod scenarios;
mod title;
mod wire;
mod world;

use crate::safeguard::Safeguard;
use crate::{Piece, pieces};
use core::time::Duration;
use options::Options;
use peers::{Lie, Peer, ms};
use rain_cluster::random::SplitMix64;
use rain_codec::ErasurePattern;
use title::{Title, title};
use world::World;

/// A few seconds of each build; the stage `sim` has one that is worth more.
const SEEDS: u64 = if cfg!(debug_assertions) { 150 } else { 600 };

/// Where a safeguard that is taken away must be missed, whichever seeds else are asked for.
const PLANTED: core::ops::Range<u64> = 0..40;

fn seeds() -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("RAIN_SIM_FIRST").unwrap_or(0);
    first..first + number("RAIN_SIM_SEEDS").unwrap_or(SEEDS)
}

/// The pieces of some range of a title.
fn some_pieces(random: &mut SplitMix64, title: &Title) -> Vec<Piece> {
    let length = title.content.len() as u64;
    let start = if random.one_in(2) { 0 } else { random.below(length) };
    let end = if random.one_in(2) { length } else { start + 1 + random.below(length - start) };
    pieces(&title.geometry, start..end, random.pick(&[1 << 16, 1 << 18, 1 << 20])).collect()
}

/// Of four seeds, one is calm, the others are anything.
/// Of two, one has peers prove what they answer; some of these lie in ways that only a proof shows.
fn options(seed: u64) -> (Options, &'static Title) {
    let mut random = SplitMix64::new(seed);
    let title = title(random.index(8));
    let code = title.codec.code();
    let calm = seed.is_multiple_of(4);
    let paths = random.index(3) + 1;
    let mut peers: Vec<Peer> = (0..code.columns())
        .map(|_| if calm || random.one_in(3) { Peer::prompt(paths) } else { Peer::any(&mut random, paths, 400) })
        .collect();
    if calm {
        // Pauses that nobody takes for lateness.
        for peer in &mut peers {
            (peer.stalls, peer.stall) = (random.pick(&[0, 10]), ms(15));
        }
    }
    let mut lost = ErasurePattern::none();
    for column in 0..code.columns() {
        if lost.len() < code.tolerates() && random.one_in(12) {
            lost = lost.with(column);
        }
    }
    let own = random.one_in(2).then(|| random.index(code.columns()));
    // A number of its own for each seed, which leaves the others as they were.
    let mut liars = SplitMix64::new(seed ^ 0xf0e9);
    let proof = liars.one_in(2);
    for peer in peers.iter_mut().filter(|_| proof && !calm) {
        if liars.one_in(6) {
            peer.lie = Some(liars.pick(&Lie::PROVEN));
        }
    }
    let streams = (0..=random.index(4)).map(|_| some_pieces(&mut random, title)).collect();
    let options = Options {
        seed,
        peers,
        own,
        proof,
        lost,
        streams,
        ahead: random.index(3) + 1,
        shards: random.pick(&[1, 1, 3]),
        patience: random.pick(&[Duration::ZERO, ms(300), ms(5000), ms(10_000)]),
        queue: random.pick(&[Duration::ZERO, ms(2), ms(300)]),
        spent: random.pick(&[0, 0, 3 << 20, 4 << 20]),
        leavers: if calm { 0 } else { random.pick(&[0, 0, 10]) },
        calm,
        within: None,
    };
    (options, title)
}

fn run(seed: u64, missing: Option<Safeguard>) -> Result<World, String> {
    let (mut options, title) = options(seed);
    options.proof &= missing != Some(Safeguard::Proof);
    let mut world = World::new(options, title, missing);
    world.run().map_err(|what| format!("seed {seed}: {what}\n{:#?}", world.options.peers))?;
    Ok(world)
}

/// Every seed twice: all that is promised is kept, and both runs are alike to the byte.
#[test]
fn pieces_come_whatever_the_peers_do() {
    let (mut pieces, mut useful, mut extra, mut hedges, mut won, mut failed, mut switches) = (0, 0, 0, 0, 0, 0, 0);
    let (mut proven, mut disproven) = (0, 0);
    for seed in seeds() {
        let first = run(seed, None).unwrap_or_else(|what| panic!("{what}"));
        let second = run(seed, None).unwrap_or_else(|what| panic!("{what}"));
        assert!(first.trace == second.trace, "seed {seed} is not the same twice");
        let ledger = &first.ledger;
        pieces += ledger.delivered;
        (useful, extra) = (useful + ledger.useful, extra + ledger.extra);
        (hedges, won) = (hedges + ledger.hedges, won + ledger.won);
        (failed, switches) = (failed + ledger.failed, switches + ledger.switches);
        (proven, disproven) = (proven + ledger.proven, disproven + ledger.disproven);
    }
    println!(
        "{pieces} pieces, {useful} bytes of use, {extra} of none; {hedges} hedges, {won} of them first; {failed} columns \
         failed, {switches} requests left their path; {proven} answers proven, {disproven} disproven"
    );
    // One seed by itself may have a quiet time.
    assert!(seeds().count() < 100 || (won > 0 && failed > 0 && switches > 0 && extra > 0));
    assert!(seeds().count() < 100 || (proven > 0 && disproven > 0));
}

/// Each safeguard is needed: without it a scenario or a seed fails.
#[test]
fn no_safeguard_is_superfluous() {
    use Safeguard::*;
    let mut survived = Vec::new();
    for missing in [
        Progress,
        SecondPath,
        Resume,
        OtherPath,
        Replacement,
        DoingWithout,
        Budget,
        GivingBack,
        Counting,
        Turn,
        Doubt,
        LastResort,
        Deduplication,
        Patience,
        Proof,
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
        match by_seed().or(by_scenario) {
            Some(found) => println!("without {missing:?}: {found}"),
            None => survived.push(missing),
        }
    }
    assert!(survived.is_empty(), "not missed: {survived:?}");
}
