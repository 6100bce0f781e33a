//! The machines of a PUT by themselves: what they promise whatever order answers come in.

use super::*;
use crate::machine::Machine;
use crate::manifest::{Attributes, Content, Manifest, Record};
use crate::members::Members;
use crate::message::{Base, ColumnStatus, Entry, Outcome, Refusal, Reply, Request, Sender, Signet, TitleState};
use crate::placement::Placement;
use crate::time::Time;
use crate::version::{Life, NodeId, Version};
use core::time::Duration;
use std::sync::Arc;

const TITLE: &str = "film";
const NODES: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];
const NOW: Time = Time::from_micros(0);
/// In which every node begins.
const LIFE: Life = Life(7);
const OTHER_LIFE: Life = Life(8);

/// All three are catalog nodes: W is 2.
fn members() -> Arc<Members> {
    Arc::new(Members::new(0, NODES.to_vec(), None).unwrap())
}

fn in_life(node: NodeId, life: Life) -> Sender {
    Sender { node, life, serial: 0, epoch: 0, signet: Signet(0) }
}

fn from(node: NodeId) -> Sender {
    in_life(node, LIFE)
}

fn record(version: Version) -> Record {
    let (content, attributes) = (Content::None, Attributes::default());
    let manifest = Manifest { title: TITLE.to_owned(), version, epoch: 0, conditional: false, content, attributes };
    Record { manifest: Arc::new(manifest), placement: Arc::new(Placement::none()) }
}

fn sent(machine: &mut impl Machine) -> Vec<(NodeId, Request)> {
    let mut sent: Vec<_> = core::iter::from_fn(|| machine.poll_transmit()).collect();
    sent.sort_by_key(|(node, _)| *node);
    sent
}

/// A PUT that may upload: nobody has anything of its title.
fn uploading(data_columns: usize) -> (Put, Version) {
    let shape = Some(Shape { columns: 3, data_columns });
    let (title, members) = (TITLE.to_owned(), members());
    let request = PutRequest { title, members, coordinator: NODES[0], life: LIFE, random: 1, shape };
    let mut put = Put::new(NOW, request);
    for node in NODES {
        put.handle_message(NOW, from(node), Reply::State(TitleState::default()));
    }
    let Some(PutEvent::Begin(begin)) = put.poll_event() else { panic!("all are there") };
    sent(&mut put);
    (put, begin.version)
}

/// One of which everybody has been asked whether it prepares, and has its column.
fn preparing(data_columns: usize) -> (Put, Version) {
    let (mut put, version) = uploading(data_columns);
    put.prepare(NOW, record(version), &Shares::Uploaded(NODES.to_vec()), Condition::None);
    let asked = sent(&mut put).into_iter().filter(|(_, request)| matches!(request, Request::Prepare { .. }));
    assert_eq!(asked.map(|(node, _)| node).collect::<Vec<_>>(), NODES);
    (put, version)
}

/// Two uploads that must not replace anything: whoever has prepared one refuses the other.
#[test]
fn what_must_not_replace_anything_says_so() {
    for (condition, expected) in [(Condition::Unchanged, Base::Nothing), (Condition::None, Base::Any)] {
        let (mut put, version) = uploading(1);
        put.prepare(NOW, record(version), &Shares::Uploaded(NODES.to_vec()), condition);
        let asked = sent(&mut put);
        assert_eq!(asked.len(), 3);
        for (_, request) in asked {
            assert!(matches!(request, Request::Prepare { base, .. } if base == expected), "{request:?}");
        }
    }
}

/// One that is decided, with all three.
fn marking() -> Put {
    let (mut put, _) = preparing(1);
    for node in NODES {
        put.handle_message(NOW, from(node), Reply::Prepared);
    }
    assert!(matches!(put.poll_event(), Some(PutEvent::Decide(_, prepared)) if prepared == NODES));
    put.decided(NOW);
    assert_eq!(sent(&mut put).len(), 3);
    put
}

/// Its column and its promise went with its disk: min(n, k + 1) columns and W promises must be there without it.
#[test]
fn a_promise_of_another_life_does_not_count() {
    let (mut put, _) = preparing(1);
    put.handle_message(NOW, from(NODES[0]), Reply::Prepared);
    put.handle_message(NOW, from(NODES[1]), Reply::Prepared);
    put.handle_life(NOW, NODES[1], OTHER_LIFE);
    put.handle_failure(NOW, NODES[2]);
    assert_eq!(put.poll_event(), Some(PutEvent::Aborted(Abort::TooFewNodes { found: 1, expected: 2 })));
    // The same life heard of again takes nothing away.
    let (mut put, _) = preparing(1);
    put.handle_message(NOW, from(NODES[0]), Reply::Prepared);
    put.handle_message(NOW, from(NODES[1]), Reply::Prepared);
    put.handle_life(NOW, NODES[1], LIFE);
    put.handle_failure(NOW, NODES[2]);
    assert!(matches!(put.poll_event(), Some(PutEvent::Decide(_, prepared)) if prepared == NODES[..2]));
}

/// Where it goes after the decision, the client is not told that the PUT is safe.
#[test]
fn a_column_that_went_with_its_disk_is_not_acknowledged() {
    let (mut put, _) = preparing(1);
    for node in &NODES[..2] {
        put.handle_message(NOW, from(*node), Reply::Prepared);
    }
    put.handle_failure(NOW, NODES[2]);
    assert!(matches!(put.poll_event(), Some(PutEvent::Decide(..))));
    put.decided(NOW);
    put.handle_message(NOW, from(NODES[0]), Reply::Marked);
    put.handle_life(NOW, NODES[1], OTHER_LIFE);
    put.handle_message(NOW, in_life(NODES[1], OTHER_LIFE), Reply::Marked);
    assert_eq!(put.poll_event(), Some(PutEvent::Unconfirmed), "two marks, and one column of two");
}

/// With k columns the next lost disk would take the version with it, though W nodes have promised to mark it.
#[test]
fn k_columns_are_not_enough() {
    let (mut put, _) = preparing(2);
    put.handle_message(NOW, from(NODES[0]), Reply::Prepared);
    put.handle_message(NOW, from(NODES[1]), Reply::Prepared);
    put.handle_failure(NOW, NODES[2]);
    assert_eq!(put.poll_event(), Some(PutEvent::Aborted(Abort::TooFewNodes { found: 2, expected: 3 })));
}

/// Also at those that did not answer, or refused: they may have prepared unheard.
#[test]
fn what_is_aborted_is_dropped_everywhere() {
    let (mut put, version) = preparing(2);
    put.handle_message(NOW, from(NODES[0]), Reply::Prepared);
    put.handle_message(NOW, from(NODES[1]), Reply::Refused(Refusal::Column));
    assert!(matches!(put.poll_event(), Some(PutEvent::Aborted(_))));
    let drop = Request::Drop { title: TITLE.to_owned(), version };
    assert_eq!(sent(&mut put), NODES.map(|node| (node, drop.clone())));
}

/// From the decision on it is committed, whatever its driver wants: nobody is told to drop it, and the marks go on.
#[test]
fn what_is_decided_is_not_aborted() {
    let mut put = marking();
    put.abort();
    assert_eq!((put.poll_event(), sent(&mut put)), (None, vec![]));
    put.handle_message(NOW, from(NODES[0]), Reply::Marked);
    assert_eq!(put.poll_event(), None, "one mark is not W");
    put.handle_message(NOW, from(NODES[1]), Reply::Marked);
    // min(c - k, marks - 1, C - R): 2, 1 and 1.
    assert_eq!(put.poll_event(), Some(PutEvent::Acknowledged { columns: 3, tolerates: 1 }));
    put.abort();
    put.handle_message(NOW, from(NODES[2]), Reply::Marked);
    assert_eq!(put.poll_event(), Some(PutEvent::Settled));
}

/// It is not waited for, and no mark.
#[test]
fn a_node_that_holds_nothing_has_not_marked() {
    let mut marking = Marking::new(NOW, record(Version::LOWEST), NODES);
    marking.handle_message(NOW, from(NODES[0]), Reply::Absent);
    marking.handle_message(NOW, from(NODES[1]), Reply::Marked);
    assert_eq!(marking.marked().collect::<Vec<_>>(), [NODES[1]]);
    assert!(!marking.is_settled());
    marking.handle_message(NOW, from(NODES[2]), Reply::Absent);
    assert!(marking.is_settled());
    let mut put = self::marking();
    for (node, reply) in NODES.into_iter().zip([Reply::Absent, Reply::Absent, Reply::Marked]) {
        put.handle_message(NOW, from(node), reply);
    }
    assert_eq!(put.poll_event(), Some(PutEvent::Unconfirmed), "one mark is not W");
}

/// Its mark went with its disk. It may have learnt of the version since, and is asked again, also where all had answered.
#[test]
fn a_node_with_a_new_disk_is_marked_again() {
    let record = record(Version::LOWEST);
    let mut marking = Marking::new(NOW, record.clone(), NODES);
    assert_eq!(sent(&mut marking).len(), 3);
    for node in NODES {
        marking.handle_message(NOW, from(node), Reply::Marked);
    }
    marking.handle_life(NOW, NODES[0], LIFE);
    assert!(marking.is_settled(), "the life that marked it");
    marking.handle_life(NOW, NODES[1], OTHER_LIFE);
    assert_eq!(marking.marked().collect::<Vec<_>>(), [NODES[0], NODES[2]]);
    assert_eq!(sent(&mut marking), [(NODES[1], Request::Mark { record, spread: None })]);
    assert!(!marking.is_settled());
    marking.handle_message(NOW, in_life(NODES[1], OTHER_LIFE), Reply::Marked);
    assert_eq!(marking.marked().collect::<Vec<_>>(), NODES);
}

/// A question what became of a version of node 0, which does not know.
fn retiring() -> PendingCheck {
    let version = Version { counter: 1, node: NODES[0], life: LIFE, random: 0 };
    let mut check = PendingCheck::new(NOW, TITLE, version, &members());
    assert!(matches!(sent(&mut check)[..], [(node, Request::Outcome { .. })] if node == NODES[0]));
    check.handle_message(NOW, in_life(NODES[0], OTHER_LIFE), Reply::Outcome(Outcome::Unknown));
    assert_eq!(check.poll_event(), None, "its ledger may have forgotten an acknowledged version");
    let retire = Request::Retire { title: TITLE.to_owned(), node: NODES[0], life: LIFE };
    assert_eq!(sent(&mut check), NODES.map(|node| (node, retire.clone())));
    check
}

fn state(marked: bool) -> Reply {
    let version = Version { counter: 1, node: NODES[0], life: LIFE, random: 0 };
    let entry = Entry { record: record(version), marked, column: ColumnStatus::Missing };
    Reply::State(TitleState { entries: vec![entry], ..TitleState::default() })
}

/// A coordinator in another life cannot tell: any mark means that it is committed, and without one all must have said so.
#[test]
fn a_version_whose_coordinator_lost_its_disk_is_dropped_by_all_only() {
    let mut check = retiring();
    check.handle_message(NOW, from(NODES[2]), state(true));
    assert_eq!(check.poll_event(), Some(PendingFate::Mark));

    let mut check = retiring();
    for (node, reply) in NODES.into_iter().zip([Reply::State(TitleState::default()), state(false), state(false)]) {
        assert_eq!(check.poll_event(), None);
        check.handle_message(NOW, from(node), reply);
    }
    assert_eq!(check.poll_event(), Some(PendingFate::Drop));

    let mut check = retiring();
    check.handle_message(NOW, from(NODES[0]), state(false));
    check.handle_failure(NOW, NODES[2]);
    check.handle_message(NOW, from(NODES[1]), state(false));
    assert_eq!(check.poll_event(), Some(PendingFate::Later), "it may have the mark");
}

/// One that is gone for good, and whose life is over by the word of the others, is not waited for.
#[test]
fn a_version_whose_coordinator_was_forgotten_is_settled_without_it() {
    let version = Version { counter: 1, node: NODES[0], life: LIFE, random: 0 };
    for (last, fate) in [(state(true), PendingFate::Mark), (state(false), PendingFate::Drop)] {
        let mut check = PendingCheck::of_one_that_is_over(NOW, TITLE, version, &members());
        let retire = Request::Retire { title: TITLE.to_owned(), node: NODES[0], life: LIFE };
        assert_eq!(sent(&mut check), NODES.map(|node| (node, retire.clone())));
        check.handle_failure(NOW, NODES[0]);
        check.handle_message(NOW, from(NODES[1]), state(false));
        assert_eq!(check.poll_event(), None);
        check.handle_message(NOW, from(NODES[2]), last);
        assert_eq!(check.poll_event(), Some(fate));
    }
    // Two of three that may have forgotten a mark: W is two.
    let mut check = PendingCheck::of_one_that_is_over(NOW, TITLE, version, &members());
    sent(&mut check);
    check.handle_failure(NOW, NODES[0]);
    check.handle_message(NOW, from(NODES[1]), Reply::State(TitleState { blank: true, ..TitleState::default() }));
    check.handle_message(NOW, from(NODES[2]), state(false));
    assert_eq!(check.poll_event(), Some(PendingFate::Later));
}

/// One that does not answer is not over: what is pending elsewhere too may still be decided either way.
#[test]
fn a_version_whose_coordinator_is_silent_is_not_dropped() {
    let version = Version { counter: 1, node: NODES[0], life: LIFE, random: 0 };
    for (last, fate) in [(state(true), PendingFate::Mark), (state(false), PendingFate::Later)] {
        let mut check = PendingCheck::new(NOW, TITLE, version, &members());
        sent(&mut check);
        check.handle_timeout(NOW + Duration::from_secs(1));
        let lookup = Request::Lookup { title: TITLE.to_owned() };
        assert_eq!(sent(&mut check), NODES.map(|node| (node, lookup.clone())));
        check.handle_failure(NOW, NODES[0]);
        check.handle_message(NOW, from(NODES[1]), state(false));
        assert_eq!(check.poll_event(), None);
        check.handle_message(NOW, from(NODES[2]), last);
        assert_eq!(check.poll_event(), Some(fate));
    }
}

fn holds(version: Version, blank: bool) -> Reply {
    let entry = Entry { record: record(version), marked: true, column: ColumnStatus::Missing };
    Reply::State(TitleState { blank, entries: vec![entry], ..TitleState::default() })
}

/// Every member has the tombstone alone or nothing, says so twice, and is none that cannot tell: not the catalog nodes only.
#[test]
fn a_tombstone_goes_when_every_member_has_nothing_else() {
    let nodes: Vec<_> = (0..4).map(NodeId).collect();
    let members = Members::new(0, nodes.clone(), Some(1)).unwrap();
    let tombstone = Version::LOWEST;
    let title = TITLE.to_owned();
    let mut check = PurgeCheck::new(NOW, TITLE, tombstone, &members);
    for request in [Request::Lookup { title: title.clone() }, Request::Close { title: title.clone() }] {
        assert_eq!(sent(&mut check), nodes.iter().map(|node| (*node, request.clone())).collect::<Vec<_>>());
        for node in &nodes {
            assert_eq!(check.may_go(), None);
            check.handle_message(NOW, from(*node), holds(tombstone, false));
        }
    }
    assert_eq!(check.may_go(), Some(true));
    let purge = Request::Purge { title, version: tombstone };
    assert_eq!(sent(&mut check), nodes.iter().map(|node| (*node, purge.clone())).collect::<Vec<_>>());

    let other = Version { counter: tombstone.counter + 1, ..tombstone };
    for speaks_against in [holds(tombstone, true), holds(other, false)] {
        let mut check = PurgeCheck::new(NOW, TITLE, tombstone, &members);
        for node in &nodes[..3] {
            check.handle_message(NOW, from(*node), holds(tombstone, false));
        }
        check.handle_message(NOW, from(nodes[3]), speaks_against);
        assert_eq!(check.may_go(), Some(false));
    }
}
