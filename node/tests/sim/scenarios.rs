//! Faults that the protocol had, each as the story that shows it. The first eight were found by thinking, the others by
//! seeds.

use crate::disk::Kind;
use crate::history::{Answer, Wish};
use crate::options::Options;
use crate::random::Random;
use crate::safeguard::Safeguard;
use crate::wire::{Body, Message};
use crate::world::{SECOND, World};
use core::cell::Cell;
use core::time::Duration;
use rain_cluster::{Reply, Request};
use std::panic::catch_unwind;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A scenario, and what it is called.
pub type Scenario = (&'static str, fn());

/// All of them.
pub const ALL: [Scenario; 20] = [
    ("a damaged promise resurrects nothing", a_damaged_promise_resurrects_nothing),
    ("no update is lost before a conditional one", no_update_is_lost_before_a_conditional_one),
    (
        "no update is lost before a conditional one that is gone",
        no_update_is_lost_before_a_conditional_one_that_is_gone,
    ),
    ("one lost disk hides no acknowledged write", one_lost_disk_hides_no_acknowledged_write),
    ("what is told to be tolerated is tolerated", what_is_told_to_be_tolerated_is_tolerated),
    ("readers do not go backwards", readers_do_not_go_backwards),
    ("nothing is pending for ever", nothing_is_pending_for_ever),
    ("a late mark brings nothing back", a_late_mark_brings_nothing_back),
    ("an old copy of a disk is found out", an_old_copy_of_a_disk_is_found_out),
    ("a node that goes on is no old copy", a_node_that_goes_on_is_no_old_copy),
    ("an upload of which nobody heard leaves no file", an_upload_of_which_nobody_heard_leaves_no_file),
    ("a disk that refused once is asked again", a_disk_that_refused_once_is_asked_again),
    ("a slow disk holds up no decision", a_slow_disk_holds_up_no_decision),
    ("a node that missed a write is not closed to it", a_node_that_missed_a_write_is_not_closed_to_it),
    ("whoever holds what was replaced hears of it", whoever_holds_what_was_replaced_hears_of_it),
    ("a new life that was refused once begins all the same", a_new_life_that_was_refused_once_begins_all_the_same),
    ("a late question ends no life", a_late_question_ends_no_life),
    ("those who know of no change read nothing old", those_who_know_of_no_change_read_nothing_old),
    ("a newcomer learns what is open", a_newcomer_learns_what_is_open),
    ("what those before began is not decided after them", what_those_before_began_is_not_decided_after_them),
];

thread_local! {
    /// What the scenarios of this thread are told without.
    static MISSING: Cell<Option<Safeguard>> = const { Cell::new(None) };
}

/// The first scenario that does not end well without a safeguard, and how it ends.
pub fn miss(missing: Safeguard) -> Option<(&'static str, String)> {
    MISSING.set(Some(missing));
    let ended = ALL.into_iter().find_map(|(name, scenario)| {
        let panic = catch_unwind(scenario).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        Some((name, text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()))
    });
    MISSING.set(None);
    ended
}

fn world(nodes: usize, codes: &[&'static str]) -> World {
    let mut world = World::new(Options { missing: MISSING.get(), ..Options::quiet(nodes, codes) });
    world.run_for(3 * SECOND).unwrap();
    world
}

fn acknowledged(world: &World, asked: usize) -> bool {
    matches!(world.answer(asked), Some(Answer::Acknowledged { .. }))
}

fn put(world: &mut World, node: usize, content: &[u8]) -> usize {
    let asked = world.put(node, 0, content, Wish::Any);
    world.run_for(SECOND).unwrap();
    assert!(acknowledged(world, asked), "{:?}", world.answer(asked));
    asked
}

fn delete(world: &mut World, node: usize) -> usize {
    let asked = world.delete(node, 0);
    world.run_for(SECOND).unwrap();
    assert!(acknowledged(world, asked), "{:?}", world.answer(asked));
    asked
}

fn is_mark(message: &Message) -> bool {
    matches!(&message.body, Body::Ask(Request::Mark { .. }))
}

fn isolate(world: &mut World, node: usize, from: &[usize]) {
    for other in from {
        world.wires.cut.extend([(node, *other), (*other, node)]);
    }
}

/// A mark that was damaged at rest was taken for none, and the column beside it for one that waits for its coordinator:
/// who found marks of nobody else brought a title back that was deleted.
#[test]
fn a_damaged_promise_resurrects_nothing() {
    for seed in 0..40 {
        let mut world = world(4, &["b-code:4"]);
        put(&mut world, 0, b"one");
        delete(&mut world, 1);
        if seed % 2 == 1 {
            // The tombstone is purged, and the node that rots has missed that.
            world.wires.held =
                Some(Box::new(|message| message.to == 0 && matches!(message.body, Body::Ask(Request::Purge { .. }))));
            world.run_for(150 * SECOND).unwrap();
            world.wires.held = None;
        }
        world.stop(0, true);
        assert!(world.nodes[0].disk.rot(Kind::Ledger, true, &mut Random::new(seed)));
        world.start(0).unwrap();
        world.run_for(20 * SECOND).unwrap();
        world.read_everything().unwrap();
        for node in 0..4 {
            let get = world.get(node, 0);
            world.run_for(SECOND).unwrap();
            assert!(matches!(world.answer(get), Some(Answer::Absent { .. })), "seed {seed}: {:?}", world.answer(get));
        }
    }
}

/// A slow PUT without a condition had taken version 2 when a PUT with If-Match on version 1 became version 3 and was
/// acknowledged. Then the slow one was acknowledged too, and nobody ever saw it.
#[test]
fn no_update_is_lost_before_a_conditional_one() {
    let mut world = world(4, &["b-code:4"]);
    let first = put(&mut world, 0, b"one");
    let slow = world.put(1, 0, b"slow", Wish::Any);
    world.history.operations[slow].gap = 20 * SECOND;
    world.run_for(SECOND).unwrap();
    let base = world.version(first);
    let conditional = world.put(2, 0, b"two", Wish::Version(base));
    world.run_for(SECOND).unwrap();
    assert!(acknowledged(&world, conditional));
    assert!(world.version(slow) < world.version(conditional));
    world.run_for(60 * SECOND).unwrap();
    assert_eq!(world.answer(slow), Some(&Answer::Refused));
    world.read_everything().unwrap();
}

/// The same, but the conditional version was superseded and swept before the slow PUT came to its end: the nodes had
/// forgotten that nothing may come before it.
#[test]
fn no_update_is_lost_before_a_conditional_one_that_is_gone() {
    let mut world = world(4, &["b-code:4"]);
    put(&mut world, 0, b"one");
    delete(&mut world, 0);
    let slow = world.put(1, 0, b"slow", Wish::Any);
    world.history.operations[slow].gap = 100 * SECOND;
    world.run_for(SECOND).unwrap();
    let conditional = world.put(2, 0, b"two", Wish::Nothing);
    world.run_for(SECOND).unwrap();
    assert!(acknowledged(&world, conditional));
    put(&mut world, 3, b"three");
    // One that begins after all of that comes to its end in peace.
    let after = world.put(0, 0, b"four", Wish::Any);
    world.history.operations[after].gap = 90 * SECOND;
    world.run_for(200 * SECOND).unwrap();
    assert_eq!(world.answer(slow), Some(&Answer::Refused));
    assert!(acknowledged(&world, after));
    world.read_everything().unwrap();
}

/// A node marked a version, lost its disk, learnt from R nodes that had not marked it yet, and was blank no longer: R nodes
/// now knew nothing of what had been acknowledged.
#[test]
fn one_lost_disk_hides_no_acknowledged_write() {
    let mut world = world(5, &["b-code:4"]);
    world.wires.held = Some(Box::new(|message| is_mark(message) && message.to >= 3));
    put(&mut world, 0, b"one");
    // Nodes 0, 1 and 2 have the mark.
    for node in [2, 3, 4] {
        isolate(&mut world, node, &[0, 1]);
    }
    world.swap(2, None);
    world.run_for(60 * SECOND).unwrap();
    assert!(world.nodes[2].store().is_blank(), "it has not asked enough");
    for node in [2, 3, 4] {
        let get = world.get(node, 0);
        world.run_for(3 * SECOND).unwrap();
        let answer = world.answer(get);
        assert!(!matches!(answer, Some(Answer::Absent { .. })), "node {node}: {answer:?}");
    }
    world.wires.cut.clear();
    world.wires.release();
    world.run_for(20 * SECOND).unwrap();
    world.nothing_half_done().unwrap();
    world.read_everything().unwrap();
}

/// `Rain-Tolerates` counted columns only: three whole copies, and two nodes may go. But of three catalog nodes two must
/// be there.
#[test]
fn what_is_told_to_be_tolerated_is_tolerated() {
    for (nodes, code, expected) in [
        (3, "replica:3", 1),
        (5, "replica:3", 2),
        (4, "parity:3+1", 1),
        (6, "rs:2+4", 3),
        (9, "rs:3+3", 3),
        (2, "replica:2", 1),
    ] {
        for first in 0..nodes {
            let mut world = world(nodes, &[code]);
            let asked = put(&mut world, 0, b"one");
            let Some(Answer::Acknowledged { tolerates, .. }) = world.answer(asked) else { unreachable!() };
            assert_eq!(*tolerates, expected, "{nodes} nodes, {code}");
            for gone in 0..*tolerates {
                world.stop((first + gone) % nodes, true);
            }
            world.run_for(5 * SECOND).unwrap();
            world.read_everything().unwrap();
        }
    }
}

/// A version was read that few nodes had marked, and could not be settled; the next reader got the one before. Now the
/// first is told that what he read may not stay.
#[test]
fn readers_do_not_go_backwards() {
    let mut world = world(5, &["b-code:4"]);
    put(&mut world, 0, b"one");
    // Nobody hears what became of it.
    world.wires.held = Some(Box::new(|message| is_mark(message) || message.answer && message.from == 0));
    let second = world.put(0, 0, b"two", Wish::Any);
    world.run_for(Duration::from_millis(5500)).unwrap();
    assert_eq!(world.answer(second), Some(&Answer::Unconfirmed));
    let early = world.get(0, 0);
    world.run_for(3 * SECOND).unwrap();
    let Some(Answer::Found { version, fresh, .. }) = world.answer(early) else { panic!("{:?}", world.answer(early)) };
    assert_eq!((*version, *fresh), (world.version(second), false));
    isolate(&mut world, 0, &[1, 2, 3, 4]);
    let late = world.get(4, 0);
    world.run_for(3 * SECOND).unwrap();
    assert!(matches!(world.answer(late), Some(Answer::Found { version, .. }) if *version < world.version(second)));
    world.history.check().unwrap();
    world.wires.cut.clear();
    world.wires.release();
    world.run_for(20 * SECOND).unwrap();
    world.nothing_half_done().unwrap();
    world.read_everything().unwrap();
}

/// The coordinator lost its disk before anybody had a mark: what it had prepared stayed pending for ever, and blocked every
/// conditional PUT.
#[test]
fn nothing_is_pending_for_ever() {
    // Its disk is lost, or its ledger rots: then it inherits the very version from the others.
    for rots in [false, true] {
        let mut world = world(5, &["b-code:4"]);
        put(&mut world, 0, b"one");
        world.wires.held = Some(Box::new(is_mark));
        let second = world.put(0, 0, b"two", Wish::Any);
        world.run_for(Duration::from_millis(300)).unwrap();
        assert_eq!(world.answer(second), None);
        if rots {
            world.stop(0, true);
            assert!(world.nodes[0].disk.rot(Kind::Ledger, true, &mut Random::new(7)));
        } else {
            world.swap(0, None);
        }
        // The marks that it had sent are lost.
        world.wires.held = None;
        world.wires.holding.clear();
        if rots {
            world.start(0).unwrap();
        }
        world.run_for(50 * SECOND).unwrap();
        world.nothing_half_done().unwrap();
        world.read_everything().unwrap();
        let third = world.put(1, 0, b"three", Wish::Nothing);
        world.run_for(SECOND).unwrap();
        assert_eq!(world.answer(third), Some(&Answer::Refused), "version 1 is there");
    }
}

/// A reader's order to mark came after the title was deleted and its tombstone purged: a version without columns was the
/// newest, a 503 for ever.
#[test]
fn a_late_mark_brings_nothing_back() {
    let mut world = world(4, &["b-code:4"]);
    world.wires.held = Some(Box::new(|message| is_mark(message) && message.from != message.to));
    let first = world.put(0, 0, b"one", Wish::Any);
    world.run_for(SECOND).unwrap();
    // He sees the mark of the coordinator, and spreads it; none of his orders arrives.
    let get = world.get(1, 0);
    world.run_for(6 * SECOND).unwrap();
    assert!(world.answer(get).is_some() && world.answer(first).is_some());
    let late: Vec<Message> = core::mem::take(&mut world.wires.holding)
        .into_iter()
        .filter(|message| matches!(&message.body, Body::Ask(Request::Mark { spread: Some(_), .. })))
        .collect();
    assert!(!late.is_empty());
    world.wires.held = None;
    world.run_for(5 * SECOND).unwrap();
    delete(&mut world, 2);
    world.run_for(200 * SECOND).unwrap();
    let get = world.get(3, 0);
    world.run_for(SECOND).unwrap();
    assert_eq!(world.answer(get), Some(&Answer::Absent { tombstone: None, settled: true }), "it was purged");
    world.wires.holding = late;
    world.wires.release();
    world.run_for(5 * SECOND).unwrap();
    world.read_everything().unwrap();
    let get = world.get(0, 0);
    world.run_for(SECOND).unwrap();
    assert_eq!(world.answer(get), Some(&Answer::Absent { tombstone: None, settled: true }));
}

/// A disk of last week was put back, and what it said was believed.
#[test]
fn an_old_copy_of_a_disk_is_found_out() {
    let mut world = world(4, &["b-code:4"]);
    put(&mut world, 0, b"one");
    let copies: Vec<_> = (0..2)
        .map(|node| crate::world::Copy { me: world.nodes[node].store().me(), image: world.nodes[node].disk.image() })
        .collect();
    let second = put(&mut world, 1, b"two");
    world.run_for(30 * SECOND).unwrap();
    world.swap(0, Some(&copies[0]));
    world.run_for(60 * SECOND).unwrap();
    assert_eq!(world.nodes[0].reborn, 1);
    world.nothing_half_done().unwrap();
    world.read_everything().unwrap();
    // Its life is over: put back once more, it is refused by all, though they remember nothing of what it has done since.
    world.swap(0, Some(&copies[0]));
    world.run_for(60 * SECOND).unwrap();
    assert_eq!(world.nodes[0].reborn, 2);
    let get = world.get(0, 0);
    world.run_for(SECOND).unwrap();
    let version = world.version(second);
    assert!(matches!(world.answer(get), Some(Answer::Found { version: found, fresh: true, .. }) if *found == version));
}

/// A peer whose answer came late remembered what this very start had told it, and the node took its disk for an old copy:
/// in a new cluster whole lives ended so, and what they had coordinated with them.
#[test]
fn a_node_that_goes_on_is_no_old_copy() {
    let mut world = World::new(Options::quiet(4, &["b-code:4"]));
    world.wires.held =
        Some(Box::new(|message| message.from == 3 && matches!(&message.body, Body::Answer(Reply::Remembered(_)))));
    world.run_for(3 * SECOND).unwrap();
    put(&mut world, 0, b"one");
    put(&mut world, 1, b"two");
    world.wires.release();
    world.run_for(20 * SECOND).unwrap();
    assert!(world.nodes.iter().all(|node| node.reborn == 0));
}

/// An upload came whole, and its coordinator did not hear so in time: the catalog node prepared the version without it,
/// and the file stayed.
#[test]
fn an_upload_of_which_nobody_heard_leaves_no_file() {
    let mut world = world(4, &["b-code:4"]);
    world.wires.held = Some(Box::new(|message| message.from == 2 && matches!(message.body, Body::Uploaded)));
    let asked = world.put(0, 0, b"one", Wish::Any);
    world.run_for(5 * SECOND).unwrap();
    assert!(acknowledged(&world, asked));
    world.wires.held = None;
    world.run_for(10 * SECOND).unwrap();
    world.nothing_half_done().unwrap();
}

/// Two disks refused a read once, each of its own column: both columns were taken for lost until a restart, and neither
/// could be restored without the other.
#[test]
fn a_disk_that_refused_once_is_asked_again() {
    let mut world = world(4, &["parity:3+1"]);
    let asked = put(&mut world, 0, b"one");
    let version = world.version(asked);
    for node in [1, 2] {
        world.nodes[node].store().note_damage("title 0", version, "the disk refused");
    }
    world.run_for(10 * SECOND).unwrap();
    world.is_whole().unwrap();
    world.read_everything().unwrap();
}

/// A disk was so slow that the answer to an early question of the house came after those to later ones; they were mixed up,
/// and a decision from before a restart was never taken up again.
#[test]
fn a_slow_disk_holds_up_no_decision() {
    for seed in 0..20 {
        let mut options = Options::quiet(4, &["b-code:4"]);
        options.seed = seed;
        let mut world = World::new(options);
        world.run_for(3 * SECOND).unwrap();
        world.wires.held = Some(Box::new(|message| is_mark(message) && message.to == 3));
        put(&mut world, 0, b"one");
        world.stop(0, true);
        world.wires.held = None;
        world.nodes[0].slow_ms = 8000;
        world.start(0).unwrap();
        world.run_for(40 * SECOND).unwrap();
        world.nodes[0].slow_ms = 0;
        world.run_for(10 * SECOND).unwrap();
        world.nothing_half_done().unwrap();
    }
}

/// A node had missed what was written after a DELETE. Whenever it asked what it had missed, it also tried to purge its
/// tombstone, which closed the title to what it was told: for ever.
#[test]
fn a_node_that_missed_a_write_is_not_closed_to_it() {
    let mut world = world(4, &["replica:3"]);
    put(&mut world, 0, b"one");
    delete(&mut world, 0);
    world.run_for(100 * SECOND).unwrap();
    isolate(&mut world, 3, &[0, 1, 2]);
    put(&mut world, 0, b"two");
    world.run_for(30 * SECOND).unwrap();
    world.wires.cut.clear();
    world.run_for(40 * SECOND).unwrap();
    world.nothing_half_done().unwrap();
    let state = world.nodes[3].store().lookup("title 0");
    assert!(state.newest_marked().is_some_and(|newest| !newest.record.manifest.is_tombstone()));
}

/// A version of many columns was replaced by one of few: who was to hold a column of the first, and nothing of the second,
/// never heard of that, kept it for ever, and so the title could not be purged either.
#[test]
fn whoever_holds_what_was_replaced_hears_of_it() {
    let mut options = Options::quiet(6, &["rs:2+4"]);
    options.catalog = Some(2);
    let mut world = World::new(options);
    world.run_for(3 * SECOND).unwrap();
    put(&mut world, 0, b"one");
    world.options.codes = vec!["replica:2"];
    put(&mut world, 0, b"two");
    world.run_for(100 * SECOND).unwrap();
    let files = |world: &World| {
        let of_node =
            |node: &crate::node::Node| node.disk.names().into_iter().filter(|name| name.ends_with(".rain")).count();
        world.nodes.iter().map(of_node).sum::<usize>()
    };
    assert_eq!(files(&world), 2);
    delete(&mut world, 0);
    world.run_for(220 * SECOND).unwrap();
    assert_eq!(files(&world), 0);
    assert!(
        world.nodes.iter().all(|node| node.store().lookup("title 0").entries.is_empty()),
        "it was purged everywhere"
    );
}

/// The disk refused to write down the new life of an old copy. By then the store had made as many changes as the others
/// remembered, was taken for sound, and stayed blank for ever.
#[test]
fn a_new_life_that_was_refused_once_begins_all_the_same() {
    for seed in 0..10 {
        let mut world = world(4, &["b-code:4"]);
        put(&mut world, 0, b"one");
        let copy = crate::world::Copy { me: world.nodes[0].store().me(), image: world.nodes[0].disk.image() };
        put(&mut world, 0, b"two");
        world.run_for(12 * SECOND).unwrap();
        world.stop(0, true);
        world.replace(0, Some(&copy));
        world.start(0).unwrap();
        world.nodes[0].disk.set_faults(2 + seed, 0);
        world.run_for(5 * SECOND).unwrap();
        world.nodes[0].disk.set_faults(0, 0);
        world.run_for(30 * SECOND).unwrap();
        assert_eq!(world.nodes[0].reborn, 1);
        world.nothing_half_done().unwrap();
    }
}

/// A message of an earlier life of a node came minutes late to one that had a new disk and knew no lives. It took the
/// present life for the one that was over, the node began another one, and with that nobody was left who was not blank: what
/// they had was lost.
#[test]
fn a_late_question_ends_no_life() {
    let mut world = world(2, &["replica:2"]);
    let mut late = Vec::new();
    world.wires.held = Some(Box::new(|message| message.from == 1 && !message.answer));
    world.run_for(12 * SECOND).unwrap();
    late.append(&mut world.wires.holding);
    world.wires.release();
    world.swap(1, None);
    world.run_for(60 * SECOND).unwrap();
    put(&mut world, 0, b"one");
    let life = world.nodes[1].store().me().life;
    world.swap(0, None);
    world.run_for(60 * SECOND).unwrap();
    assert!(!late.is_empty());
    world.wires.holding = late;
    world.wires.release();
    world.run_for(30 * SECOND).unwrap();
    assert_eq!(world.nodes[1].store().me().life, life);
    world.read_everything().unwrap();
    let get = world.get(0, 0);
    world.run_for(SECOND).unwrap();
    assert!(matches!(world.answer(get), Some(Answer::Found { fresh: true, .. })));
}

fn world_with_a_spare(nodes: usize, codes: &[&'static str]) -> World {
    let options = Options { missing: MISSING.get(), spares: 1, ..Options::quiet(nodes, codes) };
    let mut world = World::new(options);
    world.run_for(3 * SECOND).unwrap();
    world
}

/// Of four two never hear that there is a fifth. They are enough to say among the four that a title does not exist: as long
/// as they may be, the four are asked for every write.
#[test]
fn those_who_know_of_no_change_read_nothing_old() {
    let titles = 12;
    let options = Options { missing: MISSING.get(), spares: 1, titles, ..Options::quiet(4, &["replica:2"]) };
    let mut world = World::new(options);
    world.run_for(3 * SECOND).unwrap();
    isolate(&mut world, 0, &[2, 3, 4]);
    isolate(&mut world, 1, &[2, 3, 4]);
    world.add_unheard(&[0, 1]);
    world.run_for(20 * SECOND).unwrap();
    world.end_change();
    world.tell_all();
    // Some of them lie on nodes that can be reached.
    let puts: Vec<_> = (0..titles).map(|title| world.put(2, title, b"one", Wish::Any)).collect();
    world.run_for(4 * SECOND).unwrap();
    let gets: Vec<_> = (0..titles).map(|title| world.get(0, title)).collect();
    world.run_for(2 * SECOND).unwrap();
    let denied = |asked: &usize| matches!(world.answer(*asked), Some(Answer::Absent { settled: true, .. }));
    assert_eq!(gets.iter().filter(|asked| denied(asked)).count(), titles, "two of four read");
    assert_eq!(puts.iter().filter(|asked| acknowledged(&world, **asked)).count(), 0);
    world.history.check().unwrap();
}

/// A PUT is prepared on those who teach, and decided by one who knows of no newcomer: who learns only what is marked takes the
/// title for one that is not there.
#[test]
fn a_newcomer_learns_what_is_open() {
    let mut world = world_with_a_spare(3, &["replica:3"]);
    let is_promise = |message: &Message| matches!(&message.body, Body::Answer(Reply::Prepared));
    world.wires.held = Some(Box::new(move |message| is_promise(message) && message.to == 0));
    let asked = world.put(0, 0, b"one", Wish::Any);
    world.run_for(300 * MILLISECOND).unwrap();
    world.add_unheard(&[0]);
    // Before the questions are given up that are not answered.
    world.run_for(1500 * MILLISECOND).unwrap();
    let newcomer = world.nodes[3].store();
    assert!(!newcomer.is_blank(), "it has learnt");
    assert!(newcomer.lookup("title 0").blank, "but not of this title");
    assert!(!newcomer.has_learnt(world.members().epoch()) && !world.end_change());
    world.wires.held = None;
    world.wires.release();
    world.run_for(10 * SECOND).unwrap();
    assert!(acknowledged(&world, asked), "{:?}", world.answer(asked));
    assert!(world.end_change());
    world.ignorant.clear();
    world.tell_all();
    world.run_for(5 * SECOND).unwrap();
    world.nothing_half_done().unwrap();
    world.read_everything().unwrap();
}

/// A PUT begins among three, one of whom holds back; meanwhile there are four. What the three would have decided is given up.
#[test]
fn what_those_before_began_is_not_decided_after_them() {
    let mut world = world_with_a_spare(3, &["replica:3"]);
    let is_prepare = |message: &Message| matches!(&message.body, Body::Ask(Request::Prepare { .. }));
    world.wires.held = Some(Box::new(move |message| is_prepare(message) && message.to != message.from));
    let asked = world.put(0, 0, b"one", Wish::Any);
    world.run_for(SECOND).unwrap();
    world.add_unheard(&[0]);
    isolate(&mut world, 0, &[3]);
    world.run_for(5 * SECOND).unwrap();
    world.end_change();
    world.tell_all();
    world.wires.held = None;
    world.wires.release();
    world.run_for(5 * SECOND).unwrap();
    assert_eq!(world.answer(asked), Some(&Answer::Refused));
    world.wires.cut.clear();
    world.ignorant.clear();
    world.tell_all();
    world.run_for(30 * SECOND).unwrap();
    assert!((0..4).all(|node| world.nodes[node].store().lookup("title 0").entries.is_empty()));
}
