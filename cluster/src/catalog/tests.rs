//! What counts as knowledge: of a reader, of a blank node, of a store that may be an old copy.

use super::*;
use crate::digests::Digests;
use crate::machine::Machine;
use crate::manifest::{Attributes, Content, Manifest, Record};
use crate::members::Members;
use crate::message::{ColumnStatus, Entry, Memory, Reply, Request, Sender, Signet, Testimony, TitleState};
use crate::placement::Placement;
use crate::time::Time;
use crate::version::{Life, NodeId, Version};
use core::time::Duration;
use std::sync::Arc;

const TITLE: &str = "film";
const NOW: Time = Time::from_micros(0);
const LIFE: Life = Life(7);

fn nodes(count: u32) -> Vec<NodeId> {
    (0..count).map(NodeId).collect()
}

/// All are catalog nodes.
fn members(count: u32) -> Members {
    Members::new(0, nodes(count), None).unwrap()
}

fn from(node: NodeId) -> Sender {
    Sender { node, life: LIFE, serial: 5, epoch: 0, signet: Signet(0) }
}

fn record(counter: u64) -> Record {
    let version = Version { counter, ..Version::LOWEST };
    let (content, attributes) = (Content::None, Attributes::default());
    let manifest = Manifest { title: TITLE.to_owned(), version, epoch: 0, conditional: false, content, attributes };
    Record { manifest: Arc::new(manifest), placement: Arc::new(Placement::none()) }
}

fn nothing(blank: bool) -> Reply {
    Reply::State(TitleState { blank, ..TitleState::default() })
}

/// Of three nodes R is 2. One that may have known the title in an earlier life says nothing by knowing none.
#[test]
fn the_silence_of_a_blank_node_does_not_count() {
    for (blank, expected) in [
        (true, Resolution::TooFew { found: 1, expected: 2 }),
        (false, Resolution::Absent { tombstone: None, settled: true }),
    ] {
        let mut resolve = Resolve::new(NOW, TITLE, &members(3));
        resolve.handle_message(NOW, from(NodeId(0)), nothing(false));
        resolve.handle_message(NOW, from(NodeId(1)), nothing(blank));
        resolve.handle_failure(NOW, NodeId(2));
        assert_eq!(resolve.poll_event(), Some(expected));
    }
}

/// What was said before a tombstone must not be mixed with a ticket from after its purge: all answers that are used come
/// within one second.
#[test]
fn what_comes_after_a_second_is_not_used() {
    let mut resolve = Resolve::new(NOW, TITLE, &members(3));
    let entry = Entry { record: record(3), marked: true, column: ColumnStatus::Missing };
    let state = TitleState { entries: vec![entry], ..TitleState::default() };
    resolve.handle_message(NOW, from(NodeId(0)), Reply::State(state));
    let sent = |resolve: &mut Resolve| core::iter::from_fn(|| resolve.poll_transmit()).count();
    assert_eq!(sent(&mut resolve), 3);
    // Its driver was held up.
    let late = NOW + Duration::from_secs(5);
    resolve.handle_message(late, from(NodeId(1)), nothing(false));
    assert_eq!(sent(&mut resolve), 0, "no mark is spread to it");
    resolve.handle_timeout(late);
    resolve.handle_timeout(late + Duration::from_secs(1));
    assert_eq!(resolve.poll_event(), Some(Resolution::TooFew { found: 1, expected: 2 }));
}

fn tells(entries: Vec<Entry>) -> Reply {
    Reply::State(TitleState { entries, ..TitleState::default() })
}

fn entry(record: Record, marked: bool) -> Entry {
    Entry { record, marked, column: ColumnStatus::Missing }
}

/// The same version, and something else.
fn forged(record: &Record) -> Record {
    let mut forged = record.clone();
    Arc::make_mut(&mut forged.manifest).epoch = 9;
    forged
}

/// A version of node 0, in its present life.
fn of_node_0() -> Record {
    let mut record = record(3);
    Arc::make_mut(&mut record.manifest).version.life = LIFE;
    record
}

/// What four nodes say, by node; and the tombstone that a reader takes for the newest.
fn read(replies: [Option<Reply>; 4]) -> Result<Option<Version>, Option<Resolution>> {
    let mut resolve = Resolve::new(NOW, TITLE, &members(4));
    for (node, reply) in (0..).map(NodeId).zip(replies) {
        match reply {
            Some(reply) => resolve.handle_message(NOW, from(node), reply),
            None => resolve.handle_failure(NOW, node),
        }
    }
    resolve.handle_timeout(NOW + Duration::from_secs(1));
    resolve.handle_timeout(NOW + Duration::from_secs(2));
    match resolve.poll_event() {
        Some(Resolution::Absent { tombstone, .. }) => Ok(tombstone),
        other => Err(other),
    }
}

/// Three others say that it is committed, and it says that it has not decided yet: it is its version.
#[test]
fn a_coordinators_word_about_its_version_counts_alone() {
    let ours = of_node_0();
    let version = ours.version();
    let lie = || Some(tells(vec![entry(forged(&ours), true)]));
    for its in [tells(vec![entry(ours.clone(), false)]), tells(vec![])] {
        assert_eq!(read([Some(its), lie(), lie(), lie()]), Ok(None));
    }
    let its = || Some(tells(vec![entry(ours.clone(), true)]));
    assert_eq!(read([its(), lie(), lie(), lie()]), Ok(Some(version)));
    // And it is that record which is spread, not the other.
    let mut resolve = Resolve::new(NOW, TITLE, &members(4));
    resolve.handle_message(NOW, from(NodeId(1)), lie().unwrap());
    resolve.handle_message(NOW, from(NodeId(0)), its().unwrap());
    resolve.handle_failure(NOW, NodeId(2));
    resolve.handle_failure(NOW, NodeId(3));
    let spread: Vec<_> = core::iter::from_fn(|| resolve.poll_transmit())
        .filter_map(|(to, request)| if let Request::Mark { record, .. } = request { Some((to, record)) } else { None })
        .collect();
    assert_eq!(spread, [(NodeId(1), ours.clone())]);
}

/// Its coordinator is gone: what most say counts, and of as many on both sides nothing is told.
#[test]
fn what_is_contested_is_not_told() {
    let ours = of_node_0();
    let true_one = || Some(tells(vec![entry(ours.clone(), true)]));
    let lie = || Some(tells(vec![entry(forged(&ours), true)]));
    assert_eq!(read([None, lie(), true_one(), true_one()]), Ok(Some(ours.version())));
    let few = Resolution::TooFew { found: 3, expected: 2 };
    assert_eq!(read([None, lie(), true_one(), Some(nothing(false))]), Err(Some(few.clone())));
    // Nor is the version before.
    let old = || Some(tells(vec![entry(record(2), true)]));
    assert_eq!(read([None, lie(), true_one(), old()]), Err(Some(few.clone())));
    // However often it is said.
    let often = Some(tells(vec![entry(forged(&ours), true); 3]));
    assert_eq!(read([None, often, true_one(), Some(nothing(false))]), Err(Some(few)));
}

/// An old copy of its disk does not know of it yet.
#[test]
fn a_coordinator_that_is_not_sure_hides_nothing() {
    let ours = of_node_0();
    let marked = || Some(tells(vec![entry(ours.clone(), true)]));
    let unsure =
        Reply::State(TitleState { blank: true, entries: vec![entry(ours.clone(), false)], ..TitleState::default() });
    assert_eq!(read([Some(unsure), marked(), marked(), marked()]), Ok(Some(ours.version())));
}

fn learnt(learn: &mut Learn) -> Vec<Learnt> {
    core::iter::from_fn(|| learn.poll_event()).collect()
}

fn committed(blank: bool) -> Reply {
    Reply::Committed { blank, from: 0, next: None, marked: vec![], pending: vec![], floor: 0 }
}

/// Of five nodes W is 3: all but two must have told what they know, the asking one among those two. Those that are blank
/// have nothing to tell, unless all are.
#[test]
fn blank_nodes_teach_nobody() {
    let mut learn = Learn::new(NOW, &members(5), NodeId(0));
    for (node, blank) in [(1, true), (2, false), (3, false)] {
        learn.handle_message(NOW, from(NodeId(node)), committed(blank));
        assert_eq!(learnt(&mut learn), [], "node {node}");
    }
    learn.handle_message(NOW, from(NodeId(1)), committed(false));
    assert_eq!(learnt(&mut learn), [Learnt::Enough]);
    let mut learn = Learn::new(NOW, &members(5), NodeId(0));
    for node in 1..5 {
        assert_eq!(learnt(&mut learn), []);
        learn.handle_message(NOW, from(NodeId(node)), committed(true));
    }
    assert_eq!(learnt(&mut learn), [Learnt::Enough], "a cluster in which all are blank is new");
}

/// In order: what is committed, what may have been promised here, the floor; only then it may be enough.
#[test]
fn all_that_a_peer_knows_is_learnt() {
    let mut learn = Learn::new(NOW, &members(2), NodeId(0));
    let (marked, pending) = (vec![record(1)], vec![record(2)]);
    let reply = Reply::Committed { blank: false, from: 0, next: None, marked, pending, floor: 9 };
    learn.handle_message(NOW, from(NodeId(1)), reply);
    let all = [Learnt::Marked(vec![record(1)]), Learnt::Pending(vec![record(2)]), Learnt::Floor(9), Learnt::Enough];
    assert_eq!(learnt(&mut learn), all);
}

fn page(from: u16, next: Option<u16>, counter: u64) -> Reply {
    Reply::Committed { blank: false, from, next, marked: vec![record(counter)], pending: vec![], floor: 0 }
}

fn asked(learn: &mut Learn) -> Vec<(NodeId, Option<Digests>, u16)> {
    let asked = core::iter::from_fn(|| learn.poll_transmit());
    let question = |(node, request)| {
        let Request::Committed { known, from } = request else { panic!("{request:?}") };
        (node, known, from)
    };
    asked.map(question).collect()
}

/// The bucket of the title that all records here are of.
fn bucket() -> u16 {
    let hash = blake3::hash(TITLE.as_bytes());
    u16::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]) / 64
}

/// One tells all it knows; the others are asked for nothing that it told.
#[test]
fn what_one_has_told_the_others_need_not_tell() {
    let [one, two, three] = [1, 2, 3].map(NodeId);
    let mut learn = Learn::new(NOW, &members(4), NodeId(0));
    assert_eq!(asked(&mut learn), [(one, Some(Digests::none()), 0)]);
    let next = bucket() + 1;
    learn.handle_message(NOW, from(one), page(0, Some(next), 3));
    let mut known = Digests::none();
    known.add(bucket().into(), Digests::of(Digests::hash_of(TITLE), record(3).version()));
    assert_eq!(asked(&mut learn), [(one, Some(known.clone()), next)]);
    // What is no page of this one, and what came before.
    for reply in [page(0, Some(next), 4), page(next, Some(next), 4), page(next, Some(1024), 4)] {
        learn.handle_message(NOW, from(one), reply);
        assert_eq!(asked(&mut learn), []);
    }
    learn.handle_message(
        NOW,
        from(one),
        Reply::Committed { blank: false, from: next, next: None, marked: vec![], pending: vec![], floor: 0 },
    );
    assert_eq!(asked(&mut learn), [(two, Some(known.clone()), 0), (three, Some(known), 0)]);
    assert_eq!(learnt(&mut learn), [Learnt::Marked(vec![record(3)])]);
    learn.handle_message(NOW, from(three), committed(false));
    assert_eq!(learnt(&mut learn), [Learnt::Enough], "W is 3: two others have told theirs");
}

/// Whoever is silent holds up no other; one in a new life begins anew, and what it told is not asked for twice.
#[test]
fn a_silent_teacher_is_not_waited_for() {
    let [one, two] = [1, 2].map(NodeId);
    let mut learn = Learn::new(NOW, &members(3), NodeId(0));
    assert_eq!(asked(&mut learn).len(), 1);
    let later = NOW + Duration::from_millis(500);
    learn.handle_timeout(later);
    let nodes: Vec<_> = asked(&mut learn).into_iter().map(|(node, _, from)| (node, from)).collect();
    assert_eq!(nodes, [(one, 0), (two, 0)]);
    learn.handle_message(later, from(two), page(0, Some(500), 3));
    assert_eq!(asked(&mut learn).into_iter().map(|(node, _, from)| (node, from)).collect::<Vec<_>>(), [(two, 500)]);
    let reborn = Sender { life: Life(8), ..from(two) };
    learn.handle_message(later, reborn, page(500, None, 3));
    assert_eq!(learnt(&mut learn), [Learnt::Marked(vec![record(3)])], "it was not told all by this life");
    learn.handle_message(later, reborn, page(0, None, 3));
    assert_eq!(learnt(&mut learn), [Learnt::Marked(vec![record(3)])]);
    learn.handle_message(later, from(one), committed(false));
    assert_eq!(learnt(&mut learn), [Learnt::Enough]);
    let mut learn = Learn::new(NOW, &members(3), NodeId(0));
    asked(&mut learn);
    learn.handle_failure(NOW, one);
    assert_eq!(asked(&mut learn).len(), 2, "one that cannot be reached neither");
}

fn remembers(serial: u64) -> Reply {
    let said = Testimony { life: LIFE, serial, signet: Signet(9) };
    Reply::Remembered(Memory { lives: vec![said], retired: false })
}

/// By one change: that may be the promise.
#[test]
fn a_disk_that_was_rolled_back_by_one_change_is_found_out() {
    let mut recall = Recall::new(NOW, &members(3), from(NodeId(0)));
    recall.handle_message(NOW, from(NodeId(1)), remembers(5));
    assert_eq!(recall.poll_event(), None);
    recall.handle_message(NOW, from(NodeId(2)), remembers(6));
    let Some(Recalled::Told { by: NodeId(2), memory }) = recall.poll_event() else { panic!("it was told") };
    assert_eq!(remembers(6), Reply::Remembered(memory));
}

/// Of five nodes R is 3: two others must agree with it, and time alone is no agreement.
#[test]
fn a_store_believes_itself_once_r_nodes_agree() {
    let mut recall = Recall::new(NOW, &members(5), from(NodeId(0)));
    recall.handle_message(NOW, from(NodeId(1)), remembers(5));
    let later = NOW + Duration::from_secs(1);
    recall.handle_timeout(later);
    recall.handle_timeout(later + Duration::from_secs(1));
    assert_eq!(recall.poll_event(), None);
    recall.handle_message(later, from(NodeId(2)), Reply::Remembered(Memory::default()));
    recall.handle_timeout(later + Duration::from_secs(1));
    assert_eq!(recall.poll_event(), Some(Recalled::Sure));
}

/// What two peers tell is looked at one by one; what turns out to be nothing is an answer that remembers nothing. That a
/// life is over is asked about, not believed.
#[test]
fn what_is_dismissed_agrees() {
    let mut recall = Recall::new(NOW, &members(5), from(NodeId(0)));
    recall.handle_message(NOW, from(NodeId(3)), Reply::Retired);
    let retired = Memory { retired: true, ..Memory::default() };
    recall.handle_message(NOW, from(NodeId(1)), Reply::Remembered(retired.clone()));
    recall.handle_message(NOW, from(NodeId(2)), remembers(6));
    assert_eq!(recall.poll_event(), Some(Recalled::Told { by: NodeId(1), memory: retired }));
    let later = NOW + Duration::from_secs(1);
    recall.handle_timeout(later);
    assert_eq!(recall.poll_event(), None);
    let asked: Vec<NodeId> = core::iter::from_fn(|| recall.poll_transmit()).map(|(node, _)| node).collect();
    assert_eq!(asked[4..], [3, 4].map(NodeId), "who told something is not asked again");
    recall.dismiss(later);
    assert!(matches!(recall.poll_event(), Some(Recalled::Told { by: NodeId(2), .. })));
    recall.dismiss(later);
    recall.handle_timeout(later + Duration::from_secs(1));
    assert_eq!(recall.poll_event(), Some(Recalled::Sure));
}
