//! A desk by itself: what it orders and tells, whatever it is told.

use super::*;
use rain_cluster::{
    Attributes, ColumnStatus, Columns, Content, Digests, Entry, EtagKind, Life, Manifest, Members, Memory, NodeId,
    Outcome, Placement, Record, Reply, Request, RequestKind, Seat, Sender, Signet, Ticket, Time, TitleState, Version,
};
use std::sync::Arc;

const NODES: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];
const ME: NodeId = NODES[0];
const LIFE: Life = Life(7);
const OTHER_LIFE: Life = Life(8);
const TITLE: &str = "film";
const START: Time = Time::from_micros(0);
const SECOND: core::time::Duration = core::time::Duration::from_secs(1);

fn desk_of(nodes: &[NodeId]) -> Desk {
    let me = Sender { node: ME, life: LIFE, serial: 0, epoch: 0, signet: Signet(0) };
    let members = Arc::new(Members::new(0, nodes.to_vec(), None).unwrap());
    Desk::new(DeskPlan { me, members, codes: Arc::default() })
}

/// Of a cluster in which all three nodes are catalog nodes.
fn desk() -> Desk {
    desk_of(&NODES)
}

fn version() -> Version {
    Version { counter: 1, node: ME, life: LIFE, random: 0 }
}

fn record(content: Content, seats: &[NodeId]) -> Record {
    let (title, attributes) = (TITLE.to_owned(), Attributes::default());
    let manifest = Manifest { title, version: version(), epoch: 0, conditional: false, content, attributes };
    let seats = seats.iter().map(|node| Seat { node: *node, store: 5 }).collect();
    Record { manifest: Arc::new(manifest), placement: Arc::new(Placement { generation: 0, seats }) }
}

fn tombstone() -> Record {
    record(Content::None, &[])
}

/// A film of four columns, of which any `data_columns` give it back: two, if the manifest is right.
fn film(data_columns: u16) -> Record {
    let columns = Columns {
        bytes: 1024,
        etag_kind: EtagKind::Content,
        etag: [0; 16],
        code: "b-code:4".to_owned(),
        columns: 4,
        data_columns,
        layout: 0,
        cell_bytes: 4096,
        block_bytes: 4096,
        group_bytes: 1024,
        modified_ms: 0,
        roots: vec![[0; 32]; 4],
    };
    record(Content::Columns(columns), &[0, 1, 2, 3].map(NodeId))
}

fn state(record: Record, column: ColumnStatus) -> Reply {
    let entry = Entry { record, marked: true, column };
    Reply::State(TitleState { entries: vec![entry], ..TitleState::default() })
}

fn orders(desk: &mut Desk) -> Vec<Order> {
    core::iter::from_fn(|| desk.poll_order()).map(|(_, order)| order).collect()
}

fn events(desk: &mut Desk) -> Vec<Event> {
    core::iter::from_fn(|| desk.poll_event()).map(|(_, event)| event).collect()
}

/// A node answers, in the life in which it began.
fn answer(desk: &mut Desk, id: TaskId, node: NodeId, kind: RequestKind, reply: Reply) {
    let from = Sender { node, life: LIFE, serial: 0, epoch: 0, signet: Signet(0) };
    desk.handle(START, id, Told::Answer(from, kind, reply));
}

fn told(desk: &mut Desk, id: TaskId, told: StoreTold) -> Vec<Order> {
    desk.handle(START, id, Told::Stored(told));
    orders(desk)
}

/// A write that was asked to begin its upload.
fn uploading(desk: &mut Desk) -> (TaskId, Begin) {
    let shape = Some(Shape { columns: 3, data_columns: 1 });
    let id = desk.begin(START, Task::Write { title: TITLE.to_owned(), shape, random: 0 });
    for node in NODES {
        answer(desk, id, node, RequestKind::Lookup, Reply::State(TitleState::default()));
    }
    orders(desk);
    assert_eq!(told(desk, id, StoreTold::Done), []);
    match &events(desk)[..] {
        [Event::Begin(begin)] => (id, begin.clone()),
        other => panic!("{other:?}"),
    }
}

/// One of which all are asked whether they prepare.
fn preparing(desk: &mut Desk) -> TaskId {
    let (id, begin) = uploading(desk);
    let (mut record, shares) = (tombstone(), Shares::Uploaded(NODES.to_vec()));
    Arc::make_mut(&mut record.manifest).version = begin.version;
    desk.handle(START, id, Told::Uploaded { record, shares, condition: Condition::None });
    assert_eq!(orders(desk).len(), 3);
    id
}

/// A promise is void when its node is heard of in another life, in whatever it says.
#[test]
fn everybody_hears_of_a_new_disk() {
    let mut desk = desk();
    let id = preparing(&mut desk);
    for node in &NODES[..2] {
        answer(&mut desk, id, *node, RequestKind::Prepare, Reply::Prepared);
    }
    desk.heard(START, NODES[1], OTHER_LIFE);
    desk.handle(START, id, Told::Failed(NODES[2], RequestKind::Prepare));
    let decides = |order: &Order| matches!(order, Order::Store(StoreOrder::Decide(_)));
    assert!(!orders(&mut desk).iter().any(decides), "one promise is not W");
}

#[test]
fn a_version_is_of_the_present_life() {
    let mut desk = desk();
    desk.handle_rebirth(START, OTHER_LIFE);
    let (_, begin) = uploading(&mut desk);
    assert_eq!(begin.version.life, OTHER_LIFE);
}

/// Whoever is told that its life is over asks what the others remember of it.
#[test]
fn a_retired_node_asks_what_is_remembered_of_it() {
    let mut desk = desk();
    let id = desk.begin(START, Task::Read { title: TITLE.to_owned() });
    orders(&mut desk);
    answer(&mut desk, id, NODES[1], RequestKind::Lookup, Reply::Retired);
    let asked = orders(&mut desk);
    for node in &NODES[1..] {
        assert!(asked.contains(&Order::Ask(*node, Request::Remembered)), "{asked:?}");
    }
}

/// What a peer remembers of this node is the store's to judge; a false accusation is told by the name of who made it, and
/// holds up nothing.
#[test]
fn who_accuses_falsely_is_named() {
    let mut desk = desk();
    let id = desk.begin(START, Task::Recall);
    orders(&mut desk);
    let memory = Memory { lives: vec![], retired: true };
    answer(&mut desk, id, NODES[1], RequestKind::Remembered, Reply::Remembered(memory.clone()));
    assert_eq!(orders(&mut desk), [Order::Store(StoreOrder::Judge { life: LIFE, memory })]);
    answer(&mut desk, id, NODES[2], RequestKind::Remembered, Reply::Remembered(Memory::default()));
    assert_eq!(told(&mut desk, id, StoreTold::Unproven), [Order::Store(StoreOrder::SetSure)]);
    assert!(matches!(&events(&mut desk)[..], [Event::Unfit { node, .. }] if *node == NODES[1]));
}

/// Else it would have as many voices as it likes.
#[test]
fn who_says_two_things_of_a_version_is_named() {
    let mut desk = desk();
    let id = desk.begin(START, Task::Read { title: TITLE.to_owned() });
    let Reply::State(mut twice) = state(film(2), ColumnStatus::Missing) else { panic!("a state") };
    twice.entries.extend_from_within(..);
    answer(&mut desk, id, NODES[1], RequestKind::Lookup, Reply::State(twice));
    assert!(
        matches!(&events(&mut desk)[..], [Event::Unfit { node, why }] if *node == NODES[1] && why.contains("more than once"))
    );
}

/// It is taken for silence, and told by name.
#[test]
fn what_cannot_be_reaches_no_machine() {
    let mut desk = desk();
    let id = desk.begin(START, Task::Read { title: TITLE.to_owned() });
    answer(&mut desk, id, NODES[1], RequestKind::Lookup, state(film(1), ColumnStatus::Missing));
    let why = match &events(&mut desk)[..] {
        [Event::Unfit { node, why }] if *node == NODES[1] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why.contains("data columns 1, expected 2"), "{why}");
    answer(&mut desk, id, NODES[2], RequestKind::Lookup, state(film(2), ColumnStatus::Missing));
    assert!(!events(&mut desk).iter().any(|event| matches!(event, Event::Unfit { .. })));
}

#[test]
fn the_house_asks_what_became_of_what_is_overdue() {
    let mut desk = desk();
    let house = desk.begin(START, Task::House);
    told(&mut desk, house, StoreTold::Decisions(vec![]));
    desk.handle_timeout(START + SECOND);
    assert!(orders(&mut desk).contains(&Order::Store(StoreOrder::Overdue)));
    let overdue = Overdue { title: TITLE.to_owned(), version: version(), record: Some(tombstone()), is_over: false };
    let begun = told(&mut desk, house, StoreTold::Overdue(vec![overdue]));
    let outcome = Request::Outcome { title: TITLE.to_owned(), version: version() };
    assert!(begun.contains(&Order::Ask(ME, outcome)), "{begun:?}");
}

/// What was not written down is not known: it stays blank, and learns all of it once more.
#[test]
fn a_store_that_could_not_write_down_what_it_learnt_stays_blank() {
    let mut desk = desk();
    let id = desk.begin(START, Task::Learn);
    assert_eq!(orders(&mut desk), [Order::Store(StoreOrder::Ticket)]);
    assert_eq!(told(&mut desk, id, StoreTold::Ticket(Ticket(3))).len(), 1, "the others for what it does not tell");
    for node in &NODES[1..] {
        let marked = vec![tombstone()];
        let reply = Reply::Committed { blank: false, from: 0, next: None, marked, pending: vec![], floor: 0 };
        answer(&mut desk, id, *node, RequestKind::Committed, reply);
    }
    let marks = StoreOrder::MarkAll { records: vec![tombstone()], ticket: Ticket(3) };
    assert!(orders(&mut desk).contains(&Order::Store(marks)));
    assert_eq!(told(&mut desk, id, StoreTold::Failed("no".to_owned())), []);
    desk.handle_timeout(START + SECOND);
    assert_eq!(orders(&mut desk), [Order::Store(StoreOrder::Ticket)]);
}

/// Whichever of two different digests is the greater.
#[test]
fn a_node_that_was_away_asks_all_that_know_something_else() {
    let mut desk = desk();
    let id = desk.begin(START, Task::CatchUp);
    let mut digests = Digests::none();
    digests.add(0, 5);
    told(&mut desk, id, StoreTold::Digests(Ticket(3), digests.clone()));
    let committed = Request::Committed { known: Some(digests), from: 0 };
    answer(&mut desk, id, NODES[1], RequestKind::Digest, Reply::Digest(Some(4)));
    assert_eq!(orders(&mut desk), [], "who is there is known once all have answered");
    answer(&mut desk, id, NODES[2], RequestKind::Digest, Reply::Digest(Some(6)));
    assert_eq!(orders(&mut desk), [1, 2].map(|node| Order::Ask(NODES[node], committed.clone())));
}

/// Of a version whose coordinator can tell of it itself, another may lie.
#[test]
fn a_version_is_learnt_from_its_coordinator_where_it_is_there() {
    for (life, learnt) in [(LIFE, false), (OTHER_LIFE, true)] {
        let mut desk = desk();
        let id = desk.begin(START, Task::CatchUp);
        let mut digests = Digests::none();
        digests.add(0, 5);
        told(&mut desk, id, StoreTold::Digests(Ticket(3), digests));
        let mut record = tombstone();
        let version = &mut Arc::make_mut(&mut record.manifest).version;
        (version.node, version.life) = (NODES[2], life);
        for node in [NODES[1], NODES[2]] {
            answer(&mut desk, id, node, RequestKind::Digest, Reply::Digest(Some(6)));
        }
        orders(&mut desk);
        let page = Reply::Committed {
            blank: false,
            from: 0,
            next: None,
            marked: vec![record.clone()],
            pending: vec![],
            floor: 0,
        };
        answer(&mut desk, id, NODES[1], RequestKind::Committed, page.clone());
        let marks = Order::Store(StoreOrder::MarkAll { records: vec![record], ticket: Ticket(3) });
        assert_eq!(orders(&mut desk).contains(&marks), learnt, "{life}");
        if !learnt {
            answer(&mut desk, id, NODES[2], RequestKind::Committed, page);
            assert!(orders(&mut desk).contains(&marks), "it tells so itself");
        }
    }
}

/// A column of a film whose other three nodes have these; what comes of it.
fn restoring(columns: [ColumnStatus; 3]) -> (Vec<Order>, Vec<Event>) {
    let mut desk = desk_of(&[0, 1, 2, 3].map(NodeId));
    let id = desk.begin(START, Task::Restore(film(2), 0, vec![]));
    orders(&mut desk);
    assert_eq!(told(&mut desk, id, StoreTold::Done).len(), 3);
    for (node, column) in (1..).zip(columns) {
        answer(&mut desk, id, NodeId(node), RequestKind::Lookup, state(film(2), column));
    }
    desk.handle(START, id, Told::Granted);
    let ordered = orders(&mut desk);
    if matches!(ordered[..], [Order::Store(StoreOrder::DropUpload { .. })]) {
        assert_eq!(events(&mut desk), [], "nothing else is begun before the store has forgotten it");
        told(&mut desk, id, StoreTold::Done);
    }
    (ordered, events(&mut desk))
}

/// Any k whole columns are enough, and none is tried of which its node does not say that it is.
#[test]
fn a_column_is_restored_from_any_k() {
    let damaged = || ColumnStatus::Damaged { column: 2, reason: "rot".to_owned() };
    let (ordered, told) = restoring([ColumnStatus::Ok { column: 1 }, damaged(), ColumnStatus::Ok { column: 3 }]);
    let restore = RestoreOrder { record: film(2), column: 0, stripe: 0, lost: vec![0, 2] };
    assert!(ordered.contains(&Order::Restore(restore)), "{ordered:?}");
    assert_eq!(told, []);
    let (ordered, told) = restoring([ColumnStatus::Ok { column: 1 }, damaged(), ColumnStatus::Missing]);
    assert!(!ordered.iter().any(|order| matches!(order, Order::Restore(_))), "{ordered:?}");
    assert!(matches!(&told[..], [Event::Restored { failed: Some(_), .. }]), "{told:?}");
}

/// Five members, who were others before.
fn five() -> Arc<Members> {
    Arc::new(Members::new(3, (0..5).map(NodeId).collect(), None).unwrap())
}

/// What a node with this id does about `film`, laid on `seats`, where the five nodes say this; nothing but questions is left out.
fn moving(me: NodeId, seats: [NodeId; 4], said: &[(NodeId, ColumnStatus)]) -> Vec<Order> {
    let sender = Sender { node: me, life: LIFE, serial: 0, epoch: 3, signet: Signet(0) };
    let mut desk = Desk::new(DeskPlan { me: sender, members: five(), codes: Arc::default() });
    let Content::Columns(columns) = &film(2).manifest.content else { unreachable!("it has columns") };
    let film = record(Content::Columns(columns.clone()), &seats);
    let id = desk.begin(START, Task::Move(vec![film.clone()]));
    assert_eq!(orders(&mut desk).len(), 5, "all members are asked");
    for (node, column) in said {
        let from = Sender { node: *node, life: LIFE, serial: 0, epoch: 3, signet: Signet(0) };
        desk.handle(START, id, Told::Answer(from, RequestKind::Lookup, state(film.clone(), column.clone())));
    }
    for node in (0..5).map(NodeId).filter(|node| said.iter().all(|(told, _)| told != node)) {
        desk.handle(START, id, Told::Failed(node, RequestKind::Lookup));
    }
    orders(&mut desk)
}

/// Whoever is to hold a column fetches it from where it is; whoever is not lets go of it once another node says that it holds it, sound,
/// and no earlier, however little is heard.
#[test]
fn a_column_goes_when_another_node_holds_it() {
    let takers = Placement::takers(TITLE, &five(), 4);
    let out = (0..5).map(NodeId).find(|node| !takers.contains(node)).unwrap();
    // One of the takers has nothing; its column is with the one who is out.
    let (newcomer, stay) = (takers[3], [takers[0], takers[1], takers[2]]);
    let seats = [stay[0], stay[1], stay[2], out];
    let ok = |column| ColumnStatus::Ok { column };
    let stays = || (0..).zip(stay).map(|(column, node)| (node, ok(column)));
    let said = |more: &[(NodeId, ColumnStatus)]| stays().chain(more.iter().cloned()).collect::<Vec<_>>();

    let ordered = moving(newcomer, seats, &said(&[(out, ok(3)), (newcomer, ColumnStatus::Missing)]));
    let begins = |order: &Order| {
        let Order::Store(StoreOrder::BeginColumn { record, column }) = order else { return None };
        Some((record.placement.nodes().nth(3), *column))
    };
    assert_eq!(ordered.iter().find_map(begins), Some((Some(out), 3)), "{ordered:?}");

    let releases = |ordered: &[Order]| {
        ordered.iter().any(|it| matches!(it, Order::Store(StoreOrder::ReleaseColumn { column: 3, .. })))
    };
    let damaged = ColumnStatus::Damaged { column: 3, reason: "rot".to_owned() };
    for (status, goes) in [(ok(3), true), (ok(2), false), (ColumnStatus::Missing, false), (damaged, false)] {
        let ordered = moving(out, seats, &said(&[(out, ok(3)), (newcomer, status.clone())]));
        assert_eq!(releases(&ordered), goes, "{status:?}: {ordered:?}");
        // It has another one than it should, and may not know.
        let looks = ordered.iter().any(|it| matches!(it, Order::Ask(to, Request::Look { .. }) if *to == newcomer));
        assert_eq!(looks, status == ok(2), "{status:?}: {ordered:?}");
    }
    assert!(!releases(&moving(out, seats, &said(&[(out, ok(3))]))), "the one who is to hold it says nothing");
    assert!(!releases(&moving(stay[0], seats, &said(&[(out, ok(0)), (newcomer, ok(3))]))), "whom the PUT chose stays");
}

/// Also where all had marked it, and it is marked on the word of a decision from before a restart.
#[test]
fn a_node_with_a_new_disk_is_marked_again() {
    let mut desk = desk();
    let id = desk.begin(START, Task::Resume { record: tombstone(), prepared: NODES.to_vec() });
    let mark = Request::Mark { record: tombstone(), spread: None };
    assert_eq!(orders(&mut desk), NODES.map(|node| Order::Ask(node, mark.clone())));
    answer(&mut desk, id, NODES[1], RequestKind::Mark, Reply::Marked);
    desk.heard(START, NODES[1], OTHER_LIFE);
    assert_eq!(orders(&mut desk), [Order::Ask(NODES[1], mark)]);
}

/// It may lie on the disk: it is written again until that is known, and nobody is told to drop anything.
#[test]
fn a_decision_that_may_be_there_is_not_aborted() {
    let mut desk = desk();
    let id = preparing(&mut desk);
    for node in NODES {
        answer(&mut desk, id, node, RequestKind::Prepare, Reply::Prepared);
    }
    let decided = orders(&mut desk);
    assert!(matches!(decided[..], [Order::Store(StoreOrder::Decide(_))]), "{decided:?}");
    assert_eq!(told(&mut desk, id, StoreTold::Uncertain("no".to_owned())), []);
    assert_eq!(events(&mut desk), [Event::Unconfirmed]);
    desk.handle_timeout(START + SECOND);
    assert_eq!(orders(&mut desk), decided);
    let marks = told(&mut desk, id, StoreTold::Done);
    assert!(marks.len() == 3 && marks.iter().all(|order| matches!(order, Order::Ask(_, Request::Mark { .. }))));
}

/// From then on its coordinator says that it was aborted, and not that it is still being decided.
#[test]
fn the_store_hears_that_a_write_was_given_up() {
    let mut desk = desk();
    let (id, Begin { version, .. }) = uploading(&mut desk);
    desk.handle(START, id, Told::GiveUp);
    let title = TITLE.to_owned();
    let ordered = orders(&mut desk);
    assert!(ordered.contains(&Order::Store(StoreOrder::Abort { title: title.clone(), version })), "{ordered:?}");
    for node in NODES {
        assert!(ordered.contains(&Order::Ask(node, Request::Drop { title: title.clone(), version })), "{ordered:?}");
    }
    assert_eq!(events(&mut desk), [], "told once they have dropped it");
    for node in NODES {
        answer(&mut desk, id, node, RequestKind::Drop, Reply::Dropped);
    }
    assert_eq!(events(&mut desk), [Event::Aborted(Abort::Driver)]);
}

/// A coordinator that does not know may have committed it: nothing is dropped on its word.
#[test]
fn a_check_drops_nothing_that_its_coordinator_does_not_know() {
    let mut desk = desk();
    let overdue = Overdue { title: TITLE.to_owned(), version: version(), record: Some(tombstone()), is_over: false };
    let id = desk.begin(START, Task::Check(overdue));
    orders(&mut desk);
    answer(&mut desk, id, ME, RequestKind::Outcome, Reply::Outcome(Outcome::Unknown));
    let retire = Request::Retire { title: TITLE.to_owned(), node: ME, life: LIFE };
    let asked = orders(&mut desk);
    assert!(asked.len() == 3 && asked.contains(&Order::Ask(ME, retire)), "{asked:?}");
}

/// In release, as what is shipped is built: wrong numbers from outside must not wrap around.
#[test]
#[should_panic(expected = "overflow")]
fn a_sum_that_overflows_is_an_error() {
    let most = std::hint::black_box(u64::MAX);
    std::hint::black_box(most + std::hint::black_box(1));
}
