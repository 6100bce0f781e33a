//! Situations in which one thing matters.

use super::options::Options;
use super::peers::{Lie, Peer, Trouble, at, ms};
use super::title::title;
use super::world::World;
use crate::safeguard::Safeguard;
use crate::{HedgeBudget, pieces};
use core::time::Duration;
use rain_cluster::Time;
use rain_codec::ErasurePattern;

type Scenario = fn(Option<Safeguard>) -> Result<(), String>;

/// All of them, by name.
pub(super) const ALL: [(&str, Scenario); 10] = [
    ("a silent column is done without early", a_silent_column_is_done_without_early),
    ("a silent column holds nobody up", a_silent_column_holds_nobody_up),
    ("the second path saves the last column", the_second_path_saves_the_last_column),
    ("a path that goes down is replaced", a_path_that_goes_down_is_replaced),
    ("who let readers down is asked last", who_let_readers_down_is_asked_last),
    ("doubtful nodes are the last resort", doubtful_nodes_are_the_last_resort),
    ("columns return in time", columns_return_in_time),
    ("stalls of 25 ms are no death", stalls_are_no_death),
    ("slow nodes do not cost more than is promised", slow_nodes_do_not_cost_more),
    ("forgers are found and read around", forgers_are_found_and_read_around),
];

/// The whole start allowance.
const ALLOWANCE: u64 = 4 << 20;
/// What a piece may take beside what the scenario is about.
const SLACK: Duration = ms(60);

/// Two paths to each of the four nodes of b-code:4, any two of which are enough; all answer promptly. One stream.
fn options() -> Options {
    let title = title(0);
    Options {
        seed: 1,
        peers: vec![Peer::prompt(2); 4],
        own: None,
        proof: false,
        lost: ErasurePattern::none(),
        streams: vec![pieces(&title.geometry, 0..title.content.len() as u64, 1 << 18).collect()],
        ahead: 1,
        shards: 1,
        patience: Duration::ZERO,
        queue: Duration::ZERO,
        spent: 0,
        leavers: 0,
        calm: false,
        within: None,
    }
}

fn run(options: Options, missing: Option<Safeguard>) -> Result<World, String> {
    let mut world = World::new(options, title(0), missing);
    world.run()?;
    Ok(world)
}

/// Runs a stream of which every piece must come.
fn run_whole(options: Options, missing: Option<Safeguard>) -> Result<World, String> {
    let pieces: usize = options.streams.iter().map(Vec::len).sum();
    let world = run(options, missing)?;
    if world.ledger.delivered != pieces {
        return Err(format!("{} pieces of {pieces}", world.ledger.delivered));
    }
    Ok(world)
}

fn silent_from(from: Time) -> Trouble {
    Trouble { from, until: at(1_000_000), breaks: false }
}

/// With a budget, after twice the time that its node usually takes.
fn a_silent_column_is_done_without_early(missing: Option<Safeguard>) -> Result<(), String> {
    for from in 0..20 {
        let mut options = options();
        options.peers[2].troubles.push(silent_from(Time::from_micros(from * 200)));
        options.within = Some(ms(120) + SLACK);
        let world = run(options, missing)?;
        if world.ledger.hedges == 0 {
            return Err("nothing was hedged".into());
        }
    }
    Ok(())
}

/// Without one, after the time that shows no progress.
fn a_silent_column_holds_nobody_up(missing: Option<Safeguard>) -> Result<(), String> {
    for from in 0..20 {
        let mut options = options();
        options.peers[2].troubles.push(silent_from(Time::from_micros(from * 200)));
        options.spent = 2 * ALLOWANCE;
        options.within = Some(ms(500) + SLACK);
        run(options, missing)?;
    }
    Ok(())
}

/// Two columns are lost, and one path to another is mute and never found out: its second path brings what is missing.
fn the_second_path_saves_the_last_column(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.lost = ErasurePattern::of(&[0, 1]);
    options.peers[2].paths[0].cut(at(2), at(1_000_000), ms(2_000_000));
    options.within = Some(ms(60) + SLACK);
    run_whole(options, missing).map(|_| ())
}

/// The same, but the path counts as down soon, and no hedge is allowed.
fn a_path_that_goes_down_is_replaced(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.lost = ErasurePattern::of(&[0, 1]);
    options.spent = 2 * ALLOWANCE;
    options.peers[2].paths[0].cut(at(2), at(1_000_000), ms(40));
    options.within = Some(ms(40) + SLACK);
    run_whole(options, missing).map(|_| ())
}

/// A node that hangs costs the first piece 500 ms, and the next ones nothing.
fn who_let_readers_down_is_asked_last(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.peers[1].troubles.push(silent_from(at(0)));
    options.spent = 2 * ALLOWANCE;
    let world = run_whole(options, missing)?;
    if world.ended > at(700) {
        return Err(format!("the stream took {:?}", world.ended));
    }
    Ok(())
}

/// Two nodes hang for half a second, and one of the others dies soon after: those that hung are asked after all.
fn doubtful_nodes_are_the_last_resort(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.spent = 2 * ALLOWANCE;
    options.peers.iter_mut().for_each(|peer| peer.rate = 1000);
    for node in [0, 1] {
        options.peers[node].troubles.push(Trouble { from: at(0), until: at(510), breaks: false });
    }
    options.peers[2].troubles.push(Trouble { from: at(600), until: at(1_000_000), breaks: true });
    run_whole(options, missing).map(|_| ())
}

/// Three of four nodes are gone, and one of them returns within the patience of the stream.
fn columns_return_in_time(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.patience = ms(10_000);
    for (node, until) in [(0, 1_000_000), (1, 4000), (2, 1_000_000)] {
        options.peers[node].troubles.push(Trouble { from: at(1), until: at(until), breaks: node == 0 });
    }
    run_whole(options, missing).map(|_| ())
}

/// Nobody fails who pauses so long now and then.
fn stalls_are_no_death(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.peers.iter_mut().for_each(|peer| (peer.stalls, peer.stall) = (3, ms(25)));
    let world = run(options, missing)?;
    if world.ledger.failed > 0 {
        return Err(format!("{} columns failed", world.ledger.failed));
    }
    Ok(())
}

/// Nothing is left of the allowance, and every node pauses for 100 ms time and again: no more is wasted than is earned.
fn slow_nodes_do_not_cost_more(missing: Option<Safeguard>) -> Result<(), String> {
    let mut options = options();
    options.spent = ALLOWANCE;
    options.peers.iter_mut().for_each(|peer| (peer.stalls, peer.stall) = (6, ms(100)));
    let title = title(0);
    options.streams = vec![pieces(&title.geometry, 0..title.content.len() as u64, 1 << 18).collect(); 12];
    options.shards = 3;
    run(options, missing).map(|_| ())
}

/// As many nodes lie as the code makes up for, in whatever a proof shows: each is found at its first answer, or has told
/// the truth.
fn forgers_are_found_and_read_around(missing: Option<Safeguard>) -> Result<(), String> {
    let (geometry, end) = (&title(0).geometry, title(0).content.len() as u64);
    for (first, second) in Lie::PROVEN.into_iter().flat_map(|first| Lie::PROVEN.map(|second| (first, second))) {
        for range in [0..end, 10_000..90_000, end - 12_345..end] {
            let mut options = options();
            options.proof = missing != Some(Safeguard::Proof);
            options.streams = vec![pieces(geometry, range.clone(), 1 << 18).collect()];
            options.peers[0].lie = Some(first);
            options.peers[2].lie = Some(second);
            let world = run_whole(options, missing)?;
            let (proven, disproven) = (world.ledger.proven, world.ledger.disproven);
            // Who sends no proof at all breaks off.
            let expected = [first, second].into_iter().filter(|lie| *lie != Lie::NoProof).count();
            if disproven != expected || proven == 0 {
                return Err(format!(
                    "{first:?}, {second:?}, {range:?}: {proven} answers proven, {disproven} disproven"
                ));
            }
        }
    }
    Ok(())
}

/// Without proofs a forger is believed: this is what they are for.
#[test]
fn without_proofs_a_forger_gets_through() {
    let mut options = options();
    options.peers[0].lie = Some(Lie::Forgery);
    let believed = run_whole(options.clone(), None).map(|_| ());
    assert!(believed.as_ref().is_err_and(|what| what.starts_with("wrong bytes in")), "{believed:?}");
    options.proof = true;
    let world = run_whole(options, None).unwrap();
    assert!(world.ledger.disproven > 0 && world.ledger.proven > 0);
}

#[test]
fn scenarios() {
    for (name, scenario) in ALL {
        scenario(None).unwrap_or_else(|what| panic!("{name}: {what}"));
    }
}

/// The parts of a budget are not more than the whole.
#[test]
fn shards_share_the_allowance() {
    for shards in 1..9 {
        let mut parts = vec![HedgeBudget::part_of(shards); shards as usize];
        let each = ALLOWANCE / u64::from(shards);
        assert!(parts.iter_mut().all(|part| part.take(each) && !part.take(1)));
    }
}
