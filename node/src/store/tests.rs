//! A store by itself: what it promises, refuses and remembers.

use super::listing::tests::listed;
use super::names::{REGISTER, TITLES};
use super::shelf::shares::tests::forgetful;
use super::*;
use rain_cluster::register::{Ballot, Record as VoterRecord, Save, Voter};
use rain_cluster::{
    Base, Columns, Content, EtagKind, Manifest, Memory, Placement, Record, Refusal, Reply, Request, Seat, Share,
    Signet, Testimony, Ticket, TitleState, Version,
};
use rain_codec::column::{ColumnTree, HEADER_BYTES, StripeEncoder, default_group_bytes};
use rain_codec::{Code, StripeCodec};
use rain_desk::{StoreOrder, StoreTold};
use rain_fetch::{Arrival, ColumnRead, ReadDamage};
use std::path::PathBuf;

pub(super) const ME: NodeId = NodeId(1);
pub(super) const OTHER: NodeId = NodeId(2);
pub(super) const LIFE: Life = Life(10);
const SECRET: [u8; 32] = [3; 32];
const CELL_BYTES: u32 = 4096;

/// A folder that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rain-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn try_open(&self, ids: &[NodeId], catalog: Option<usize>) -> Result<Store<SystemDisk>, OpenError> {
        self.try_open_on(|disk| disk, ids, catalog)
    }

    pub(super) fn try_open_on<D: Disk>(
        &self,
        disk: impl FnOnce(SystemDisk) -> D,
        ids: &[NodeId],
        catalog: Option<usize>,
    ) -> Result<Store<D>, OpenError> {
        let members = Arc::new(Members::new(0, ids.to_vec(), catalog).unwrap());
        let codes = Arc::new(Codes::default());
        let signet_key = SignetKey::new(SECRET);
        let plan = StorePlan { node: ME, members, signet_key, codes, fresh_store: 5, fresh_life: LIFE };
        Store::open(disk(SystemDisk::take(&self.0).unwrap()), plan, Time::default())
    }

    /// Open, sure, and learnt.
    pub(super) fn open(&self) -> Store<SystemDisk> {
        self.open_on(|disk| disk)
    }

    /// The same, on a disk of another kind.
    pub(super) fn open_on<D: Disk>(&self, disk: impl FnOnce(SystemDisk) -> D) -> Store<D> {
        let store = self.try_open_on(disk, &[ME, OTHER], None).unwrap();
        store.begin_incarnation(7).unwrap();
        let life = store.me().life;
        for order in [StoreOrder::SetSure, StoreOrder::SetLearnt { life, epoch: 0 }] {
            assert_eq!(store.carry_out(Time::default(), order), StoreTold::Done);
        }
        store
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    fn columns(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.0.join(TITLES)).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn version(counter: u64) -> Version {
    Version { counter, node: OTHER, life: Life(20), random: 0 }
}

fn from(node: NodeId, life: u32, serial: u64) -> Sender {
    Sender { node, life: Life(life), serial, epoch: 0, signet: Signet(0) }
}

pub(super) fn tombstone(title: &str, counter: u64, conditional: bool) -> Record {
    let content = Content::None;
    let attributes = rain_cluster::Attributes::default();
    let manifest =
        Manifest { title: title.to_owned(), version: version(counter), epoch: 0, conditional, content, attributes };
    Record { manifest: Arc::new(manifest), placement: Arc::new(Placement::none()) }
}

/// A version with the columns of replica:2, and the records of column 0.
pub(super) fn film(counter: u64, content: &[u8]) -> (Record, Vec<u8>) {
    let codec = Arc::new(StripeCodec::new(Arc::new(Code::named("replica:2").unwrap())));
    let of = version(counter);
    let mut encoder = StripeEncoder::new(Arc::clone(&codec), CELL_BYTES, CELL_BYTES, "film", title_version(of));
    let mut records = Vec::new();
    for (index, stripe) in (0..).zip(content.chunks(encoder.stripe_data_bytes())) {
        records.extend_from_slice(&encoder.encode_stripe(index, stripe)[0]);
    }
    let columns = Columns {
        bytes: content.len() as u64,
        etag_kind: EtagKind::Content,
        etag: [0; 16],
        code: "replica:2".to_owned(),
        columns: 2,
        data_columns: 1,
        layout: 0,
        cell_bytes: CELL_BYTES,
        block_bytes: CELL_BYTES,
        group_bytes: default_group_bytes(CELL_BYTES),
        modified_ms: 0,
        roots: encoder.finish().iter().map(ColumnTree::root).collect(),
    };
    let mut record = tombstone("film", counter, false);
    Arc::make_mut(&mut record.manifest).content = Content::Columns(columns);
    let seats = [ME, OTHER].map(|node| Seat { node, store: 5 }).to_vec();
    record.placement = Arc::new(Placement { generation: 0, seats });
    (record, records)
}

pub(super) fn ask<D: Disk>(store: &Store<D>, request: &Request) -> Reply {
    store.answer(Time::default(), from(OTHER, 20, 1), request).unwrap()
}

pub(super) fn prepare<D: Disk>(store: &Store<D>, record: &Record, base: Base, column: Option<u16>) -> Reply {
    prepare_share(store, record, base, column.map(|column| Share { column, records: None }))
}

pub(super) fn prepare_share<D: Disk>(store: &Store<D>, record: &Record, base: Base, share: Option<Share>) -> Reply {
    let ticket = store.lookup(record.title()).ticket;
    ask(store, &Request::Prepare { record: record.clone(), base, share, ticket })
}

pub(super) fn mark<D: Disk>(store: &Store<D>, record: &Record, spread: Option<Ticket>) -> Reply {
    ask(store, &Request::Mark { record: record.clone(), spread })
}

fn upload<D: Disk>(store: &Store<D>, record: &Record, records: &[u8]) {
    let plan = Store::<D>::restore_plan(record, 0).unwrap();
    store.begin_upload(Time::default(), plan).unwrap();
    // In parts that end anywhere, and one of them twice.
    let mut offset = 0;
    for part in records.chunks(1000) {
        store.append(Time::default(), "film", record.version(), offset, part).unwrap();
        offset += part.len() as u64;
    }
    let again = &records[..records.len().min(1500)];
    store.append(Time::default(), "film", record.version(), 0, again).unwrap();
}

pub(super) fn marked(state: &TitleState) -> Vec<u64> {
    state.entries.iter().filter(|entry| entry.marked).map(|entry| entry.record.version().counter).collect()
}

#[test]
fn incarnations_grow() {
    let folder = Folder::new("incarnation");
    let start = || folder.try_open(&[ME, OTHER], None).unwrap().begin_incarnation(7).unwrap();
    assert_eq!([start(), start(), start()], [1, 2, 3]);
}

/// Of a disk that was lost nobody knows how far it had counted, or what it had closed.
#[test]
fn what_another_life_was_asked_comes_late() {
    let folder = Folder::new("other-life");
    let store = folder.open();
    let before = store.lookup("film").ticket;
    drop(store);
    for start in [8, 6] {
        let blank = Folder::new(&format!("other-life-{start}"));
        let store = blank.try_open(&[ME, OTHER], None).unwrap();
        store.begin_incarnation(start).unwrap();
        store.carry_out(Time::default(), StoreOrder::SetSure);
        let late = Request::Mark { record: film(1, b"content").0, spread: Some(before) };
        assert_eq!(store.answer(Time::default(), from(OTHER, 20, 1), &late).unwrap(), Reply::Absent, "{start}");
        let again = Request::Mark { record: film(1, b"content").0, spread: Some(store.lookup("film").ticket) };
        assert_eq!(store.answer(Time::default(), from(OTHER, 20, 1), &again).unwrap(), Reply::Marked);
    }
}

#[test]
fn a_folder_of_others_is_refused_by_name() {
    let folder = Folder::new("others");
    drop(folder.open());
    let refused = |ids: &[NodeId], catalog| folder.try_open(ids, catalog).unwrap_err().to_string();
    assert_eq!(
        refused(&[ME, NodeId(3)], None),
        "the data folder is of a cluster of the nodes 00000001, 00000002, expected 00000001, 00000003"
    );
    assert_eq!(refused(&[ME, OTHER], Some(1)), "the data folder is of a cluster with 2 catalog nodes, expected 1");
    let mut identity = folder.file(IDENTITY);
    identity[8] = 1;
    folder.write(IDENTITY, &identity);
    assert_eq!(refused(&[ME, OTHER], None), "identity: format 1, expected 2");
    std::fs::remove_file(folder.0.join(IDENTITY)).unwrap();
    assert!(refused(&[ME, OTHER], None).contains("a ledger and no identity"));
}

#[test]
fn what_was_promised_is_there_after_a_restart() {
    let folder = Folder::new("restart");
    let store = folder.open();
    let content: Vec<u8> = (0..20_000_u32).map(|byte| byte.to_le_bytes()[1]).collect();
    let (film, records) = film(3, &content);
    upload(&store, &film, &records);
    assert_eq!(prepare(&store, &film, Base::Nothing, Some(0)), Reply::Prepared);
    assert_eq!(prepare(&store, &film, Base::Nothing, Some(0)), Reply::Prepared, "asked twice");
    assert_eq!(prepare(&store, &tombstone("news", 4, false), Base::Any, None), Reply::Prepared);
    assert_eq!(mark(&store, &film, None), Reply::Marked);
    let serial = store.me().serial;
    drop(store);
    let store = folder.open();
    assert!(store.me().serial >= serial);
    assert_eq!(marked(&store.lookup("film")), [3]);
    let news = store.lookup("news");
    assert_eq!((news.entries.len(), marked(&news)), (1, vec![]), "pending");
    store.verify_column(Time::default(), "film", version(3)).unwrap();
    assert_eq!(listed(&store, ["", ""], 9, false), (vec!["film".to_owned()], false));
    drop(store);
    let committed = CommittedVersions::of(std::slice::from_ref(&folder.0));
    assert_eq!(committed.of_title("film").collect::<Vec<_>>(), [version(3)]);
    assert_eq!(committed.of_title("news").next(), None, "pending");
    let of_titles = CommittedVersions::of(&[folder.0.join(TITLES), folder.0.join("nothing")]);
    assert_eq!(of_titles.of_title("film").collect::<Vec<_>>(), [version(3)]);
}

/// One byte of the column, or one of its root: what is not what the manifest says does not count.
#[test]
fn a_column_that_is_not_the_manifests_is_refused() {
    let folder = Folder::new("root");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    let mut wrong = records.clone();
    wrong[100] ^= 1;
    upload(&store, &film, &wrong);
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Refused(Refusal::Column));
    upload(&store, &film, &records[..records.len() - 1]);
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Refused(Refusal::Column), "a byte short");
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Refused(Refusal::Column), "no upload");
    assert!(folder.columns().is_empty(), "nothing is left of it");
    assert!(store.lookup("film").entries.is_empty());
    upload(&store, &film, &records);
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Prepared);
}

pub(super) fn carried(records: &[u8]) -> Share {
    Share { column: 0, records: Some(records.into()) }
}

/// A column that comes with its version is as durable as the ledger: until the file is known to be, its bytes are there.
#[test]
fn a_column_that_comes_with_its_version_outlives_its_file() {
    let folder = Folder::new("carried");
    let store = folder.open();
    let content: Vec<u8> = (0..20_000_u32).map(|byte| byte.to_le_bytes()[1]).collect();
    let (film, records) = film(3, &content);
    let (early, damaged) =
        (&records[..records.len() - 1], [&records[..100], &[!records[100]], &records[101..]].concat());
    for wrong in [early, &damaged] {
        let refused = prepare_share(&store, &film, Base::Any, Some(carried(wrong)));
        assert_eq!(refused, Reply::Refused(Refusal::Column));
        assert!(folder.columns().is_empty(), "nothing is left of it");
    }
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared, "asked twice");
    assert_eq!(mark(&store, &film, None), Reply::Marked);
    store.verify_column(Time::default(), "film", version(3)).unwrap();
    drop(store);
    // What a loss of power can leave of it: nothing, or a part.
    let column = &folder.columns()[0];
    let whole = std::fs::read(column).unwrap();
    for left in [None, Some(&whole[..5000])] {
        std::fs::remove_file(column).unwrap();
        if let Some(bytes) = left {
            std::fs::write(column, bytes).unwrap();
        }
        folder.open().verify_column(Time::default(), "film", version(3)).unwrap();
        assert_eq!(std::fs::read(column).unwrap(), whole);
    }
    // Once the file is durable the ledger says so, and has its bytes only until it is written anew.
    let store = folder.open();
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Sweep), StoreTold::Done);
    let before = store.ledger.bytes();
    store.compact(&mut lock(&store.compacted)).unwrap();
    assert!(store.ledger.bytes() + records.len() as u64 <= before, "{} after {before}", store.ledger.bytes());
    drop(store);
    std::fs::remove_file(column).unwrap();
    let store = folder.open();
    assert!(!store.lookup("film").entries[0].column.is_ok(), "it is restored from the others");
}

/// A column of which only the ledger has the bytes is carried over when that is written anew.
#[test]
fn a_compaction_forgets_no_column_that_is_not_durable() {
    let folder = Folder::new("compacted");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
    store.compact(&mut lock(&store.compacted)).unwrap();
    drop(store);
    std::fs::remove_file(&folder.columns()[0]).unwrap();
    folder.open().verify_column(Time::default(), "film", version(3)).unwrap();
}

/// A slow PUT that was given version 2 must not come between 1 and 3, which replaced 1 on condition that it was there.
#[test]
fn nothing_comes_between_a_conditional_version_and_its_base() {
    let folder = Folder::new("between");
    let store = folder.open();
    mark_anew(&store, &tombstone("film", 1, false));
    let conditional = tombstone("film", 3, true);
    assert_eq!(prepare(&store, &conditional, Base::Version(version(1)), None), Reply::Prepared);
    let late = tombstone("film", 2, false);
    assert_eq!(prepare(&store, &late, Base::Any, None), Reply::Refused(Refusal::Superseded));
    assert_eq!(mark(&store, &conditional, None), Reply::Marked);
    assert_eq!(prepare(&store, &late, Base::Any, None), Reply::Refused(Refusal::Superseded));
    // Above it there is no such promise.
    assert_eq!(prepare(&store, &tombstone("film", 4, false), Base::Any, None), Reply::Prepared);
    assert_eq!(
        prepare(&store, &tombstone("film", 5, true), Base::Version(version(3)), None),
        Reply::Refused(Refusal::Condition),
        "another is pending"
    );
}

pub(super) fn mark_anew<D: Disk>(store: &Store<D>, record: &Record) {
    let ticket = store.lookup(record.title()).ticket;
    assert_eq!(mark(store, record, Some(ticket)), Reply::Marked);
}

/// What a coordinator does first, for a version of its own.
fn prepare_own<D: Disk>(store: &Store<D>, record: &Record) {
    let (title, version) = (record.title().to_owned(), record.version());
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Begin { title, version }), StoreTold::Done);
    let ticket = store.lookup(record.title()).ticket;
    let preparing = Request::Prepare { record: record.clone(), base: Base::Any, share: None, ticket };
    assert_eq!(store.answer(Time::default(), store.me(), &preparing).unwrap(), Reply::Prepared);
}

/// What was decided about a title before all agreed to forget it comes back by no loss of power: it would be marked once
/// more, and nothing is left that is newer.
#[test]
fn what_is_settled_is_forgotten_on_the_disk_before_its_title_is_closed() {
    let (folder, image) = (Folder::new("settled"), Folder::new("settled-image"));
    let store = folder.open();
    let record = own(4);
    prepare_own(&store, &record);
    let decision = rain_desk::Decision { record: record.clone(), prepared: vec![ME] };
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Decide(decision.clone())), StoreTold::Done);
    mark_anew(&store, &record);
    let settle = StoreOrder::Settle { title: "film".to_owned(), version: record.version() };
    assert_eq!(store.carry_out(Time::default(), settle), StoreTold::Done);
    // What a loss of power leaves: the bytes that were written, and not what waits in memory.
    let left = || {
        for file in ["ledger", "identity", "register"] {
            std::fs::copy(folder.0.join(file), image.0.join(file)).unwrap();
        }
        image.open().carry_out(Time::default(), StoreOrder::Decisions)
    };
    assert_eq!(left(), StoreTold::Decisions(vec![decision]), "it waits for something that is written anyway");
    ask(&store, &Request::Close { title: "film".to_owned() });
    assert_eq!(left(), StoreTold::Decisions(vec![]));
}

/// However late a reader's mark comes: once all have agreed to forget a title it brings nothing back.
#[test]
fn what_comes_late_brings_nothing_back() {
    let folder = Folder::new("late");
    let store = folder.open();
    let (before, old) = (store.lookup("film").ticket, tombstone("film", 1, false));
    mark_anew(&store, &tombstone("film", 2, false));
    let closed = ask(&store, &Request::Close { title: "film".to_owned() });
    let Reply::State(state) = closed else { panic!("{closed:?}") };
    assert_eq!(marked(&state), [2]);
    ask(&store, &Request::Purge { title: "film".to_owned(), version: version(2) });
    assert!(store.lookup("film").entries.is_empty());
    assert_eq!(mark(&store, &old, Some(before)), Reply::Absent);
    let request = Request::Prepare { record: old.clone(), base: Base::Any, share: None, ticket: before };
    assert_eq!(ask(&store, &request), Reply::Refused(Refusal::Superseded));
    assert_eq!(store.lookup("film").highest_counter(), 2, "the next version is above the one that was purged");
    // Other titles are as they were; so is this one for whoever asks from now on.
    assert_eq!(mark(&store, &tombstone("news", 1, false), Some(before)), Reply::Marked);
    mark_anew(&store, &tombstone("film", 3, false));
    // A restart takes everything for late that was asked before it.
    drop(store);
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    store.begin_incarnation(8).unwrap();
    let mark_late = Request::Mark { record: tombstone("other", 1, false), spread: Some(before) };
    let unsure = store.answer(Time::default(), from(OTHER, 20, 1), &mark_late);
    assert!(unsure.is_err(), "it makes no promise before it knows that it is no old copy");
    store.carry_out(Time::default(), StoreOrder::SetSure);
    assert_eq!(ask(&store, &mark_late), Reply::Absent);
}

/// A flipped byte in the ledger: what it promised may be forgotten, so it says nothing until it has learnt, and its column
/// counts again only when it is proven.
#[test]
fn a_damaged_ledger_begins_a_new_life() {
    let folder = Folder::new("damaged");
    let store = folder.open();
    let (film, records) = film(3, &[9; 9000]);
    upload(&store, &film, &records);
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Prepared);
    assert_eq!(mark(&store, &film, None), Reply::Marked);
    mark_anew(&store, &tombstone("news", 2, false));
    mark_anew(&store, &tombstone("more", 2, false));
    let life = store.me().life;
    drop(store);
    let mut ledger = folder.file("ledger");
    let middle = ledger.windows(4).position(|bytes| bytes == b"news").unwrap();
    ledger[middle] ^= 1;
    folder.write("ledger", &ledger);
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    assert_ne!(store.me().life, life);
    assert!(store.is_blank() && store.is_sure());
    let state = store.lookup("film");
    assert_eq!((state.blank, marked(&state)), (true, vec![3]), "hearsay");
    assert_eq!(prepare(&store, &tombstone("film", 4, false), Base::Any, None), Reply::Refused(Refusal::Blank));
    // Learnt again: its column is proven, and taken into use.
    let ticket = store.lookup("film").ticket;
    let learn = StoreOrder::MarkAll { records: vec![film.clone()], ticket };
    assert_eq!(store.carry_out(Time::default(), learn), StoreTold::Done);
    let too_late = store.carry_out(Time::default(), StoreOrder::SetLearnt { life, epoch: 0 });
    assert!(matches!(too_late, StoreTold::Failed(_)), "the life that learnt it is over");
    let life = store.me().life;
    assert_eq!(store.carry_out(Time::default(), StoreOrder::SetLearnt { life, epoch: 0 }), StoreTold::Done);
    assert!(store.lookup("more").entries.is_empty(), "what was not learnt again is forgotten");
    store.verify_column(Time::default(), "film", version(3)).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(marked(&store.lookup("film")), [3]);
}

/// What the node of these tests said once.
pub(super) fn own_word(life: Life, serial: u64) -> Testimony {
    let said = [&ME.0.to_le_bytes()[..], &life.0.to_le_bytes(), &serial.to_le_bytes()].concat();
    let signet = blake3::keyed_hash(&SECRET, &said).as_bytes()[..16].try_into().unwrap();
    Testimony { life, serial, signet: Signet(u128::from_le_bytes(signet)) }
}

/// What a peer remembers, asked in the life in which stores are made here.
pub(super) fn judge<D: Disk>(store: &Store<D>, life: Life, lives: &[Testimony], retired: bool) -> StoreTold {
    let memory = Memory { lives: lives.to_vec(), retired };
    store.carry_out(Time::default(), StoreOrder::Judge { life, memory })
}

/// A peer remembers more than the store has done.
fn end_life<D: Disk>(store: &Store<D>) -> StoreTold {
    judge(store, LIFE, &[own_word(LIFE, u64::MAX)], false)
}

/// A peer remembers what this start has told it: the store is no older than that.
#[test]
fn a_store_that_has_gone_on_since_its_start_is_no_old_copy() {
    let folder = Folder::new("gone-on");
    let store = folder.open();
    let serial = store.me().serial;
    assert_eq!(store.me().testimony(), own_word(LIFE, serial));
    let accused = |serial| judge(&store, LIFE, &[own_word(LIFE, serial)], false);
    assert_eq!(accused(serial), StoreTold::Already);
    assert!(matches!(accused(serial + 1), StoreTold::Reborn(_)));
    assert_eq!(accused(serial + 2), StoreTold::Already, "that was said of another life");
}

/// Asked in a life that was put back from a copy, whoever heard of a later one gives that back.
#[test]
fn a_later_life_is_known_by_its_own_word() {
    let folder = Folder::new("later");
    drop(folder.open());
    let store = folder.open();
    let later = own_word(Life(99), 3);
    assert_eq!(judge(&store, LIFE, &[later], false), StoreTold::Already, "it may have been an earlier one");
    let StoreTold::Reborn(life) = judge(&store, LIFE, &[later], true) else { panic!("it is over") };
    drop(store);
    let store = folder.open();
    // Both are known to have come before, and end this life no more.
    for over in [later, own_word(LIFE, u64::MAX)] {
        assert_eq!(judge(&store, life, &[over], true), StoreTold::Unproven);
        assert_eq!(judge(&store, life, &[over], false), StoreTold::Already);
    }
    assert_eq!(store.me().life, life);
}

/// On a new disk the node has had other lives, and whoever remembers these is no witness of a later one.
#[test]
fn a_new_disk_learns_which_lives_came_before() {
    let folder = Folder::new("before");
    let store = folder.open();
    let [told, withheld] = [98, 99].map(|life| own_word(Life(life), 3));
    assert_eq!(judge(&store, LIFE, &[told], false), StoreTold::Already);
    let unknown = judge(&store, LIFE, &[withheld], true);
    assert_eq!(unknown, StoreTold::Unproven, "no copy is newer than what began in this start");
    drop(store);
    let store = folder.open();
    for before in [told, withheld] {
        assert_eq!(judge(&store, LIFE, &[before], true), StoreTold::Unproven);
    }
    assert_eq!(store.me().life, LIFE);
    assert!(matches!(judge(&store, LIFE, &[own_word(Life(97), 3)], true), StoreTold::Reborn(_)));
}

/// The ledger was of the new life, the identity still of the old one when the power went.
#[test]
fn a_new_life_that_was_half_begun_is_begun() {
    let folder = Folder::new("half");
    let store = folder.open();
    let identity = folder.file(IDENTITY);
    assert!(matches!(end_life(&store), StoreTold::Reborn(_)));
    drop(store);
    folder.write(IDENTITY, &identity);
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    assert!(store.is_blank() && store.me().life != LIFE);
}

/// What was said in lives that are over is kept, with all else that is said; of one life what was said last.
#[test]
fn the_word_of_others_is_kept() {
    let folder = Folder::new("words");
    let store = folder.open();
    let word = |life, serial, signet| Sender { signet: Signet(signet), ..from(OTHER, life, serial) };
    for said in [word(20, 5, 1), word(20, 3, 2), word(20, 6, 3), word(20, 6, 4), word(21, 0, 5), word(22, 1, 6)] {
        assert!(store.admit(said).unwrap());
    }
    let kept = [word(22, 1, 6), word(20, 6, 4), word(21, 0, 5)].map(Sender::testimony).to_vec();
    let remembered = |store: &Store<SystemDisk>, life| store.remembered(from(OTHER, life, 9));
    assert_eq!(remembered(&store, 22), Memory { lives: kept.clone(), retired: false });
    assert_eq!(store.remembered(from(ME, 22, 0)), Memory::default(), "that is another node");
    drop(store);
    let store = folder.open();
    assert_eq!(remembered(&store, 20), Memory { lives: kept.clone(), retired: true });
    store.compact(&mut 0).unwrap();
    drop(store);
    assert_eq!(remembered(&folder.open(), 21), Memory { lives: kept, retired: true });
}

#[test]
fn a_column_of_an_earlier_life_counts_once_it_is_proven() {
    for flipped in [false, true] {
        let folder = Folder::new(if flipped { "unproven" } else { "proven" });
        let store = folder.open();
        let (film, records) = film(3, &[5; 9000]);
        upload(&store, &film, &records);
        assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Prepared);
        assert!(matches!(end_life(&store), StoreTold::Reborn(life) if life != LIFE));
        assert!(store.lookup("film").entries.is_empty(), "what was pending is nobody's promise now");
        if flipped {
            let path = &folder.columns()[0];
            let mut bytes = std::fs::read(path).unwrap();
            bytes[3000] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
        mark_anew(&store, &film);
        assert_eq!(store.carry_out(Time::default(), StoreOrder::Lacking), StoreTold::Records(vec![film.clone()]));
        let begin = StoreOrder::BeginColumn { record: film.clone(), column: 0 };
        let told = store.carry_out(Time::default(), begin);
        assert_eq!(told, if flipped { StoreTold::Done } else { StoreTold::Already });
        if flipped {
            store.append(Time::default(), "film", version(3), 0, &records).unwrap();
            let finish = StoreOrder::FinishColumn { record: film, column: 0 };
            assert_eq!(store.carry_out(Time::default(), finish), StoreTold::Done);
        }
        let learnt = StoreOrder::SetLearnt { life: store.me().life, epoch: 0 };
        assert_eq!(store.carry_out(Time::default(), learnt), StoreTold::Done);
        // What was left of the earlier life is in use again: it is nobody's leftover.
        assert_eq!(store.carry_out(Time::default() + UPLOAD_LINGER, StoreOrder::Sweep), StoreTold::Done);
        store.verify_column(Time::default(), "film", version(3)).unwrap();
    }
}

/// Whatever a peer asks for of a column with a last stripe that shrank: what comes is proven, or found to be forged.
#[test]
fn what_is_read_is_proven_against_the_root() {
    let folder = Folder::new("proofs");
    let store = folder.open();
    let content: Vec<u8> = (0..3 * CELL_BYTES + 900).map(|at| (at * at / 7).to_le_bytes()[0]).collect();
    let (film, records) = film(3, &content);
    upload(&store, &film, &records);
    prepare(&store, &film, Base::Any, Some(0));
    mark(&store, &film, None);
    let column = store.open_column(Time::default(), "film", version(3)).unwrap();
    let geometry = *column.geometry();
    let root = film.manifest.columns().unwrap().roots[0];
    let seal = rain_codec::Seal::new("film", title_version(version(3)), 0);
    let verified = |read: &ColumnRead, root: [u8; 32]| {
        let bytes = store.read_blocks(&column, read, usize::MAX).unwrap();
        assert_eq!(bytes.len() as u64, read.answer_bytes(&geometry));
        Arrival::verified(read.clone(), bytes.into(), seal, &root, &geometry)
    };
    assert_eq!(geometry.stripe_count(), 4);
    for start in 0..4 {
        for end in start + 1..=4 {
            let read = ColumnRead { stripes: start..end, rows: 0..1, blocks: 0..1, proof: true };
            if !read.fits(&geometry, usize::MAX) {
                continue;
            }
            verified(&read, root).unwrap();
            assert!(matches!(verified(&read, [7; 32]), Err(ReadDamage::Proof(_))));
            verified(&ColumnRead { proof: false, ..read.clone() }, [7; 32]).unwrap();
            let length = usize::try_from(read.answer_bytes(&geometry)).unwrap();
            assert!(matches!(store.read_blocks(&column, &read, length - 1), Err(ColumnError::OutOfRange)));
        }
    }
}

/// A peer may say that it has made any number of changes.
#[test]
fn any_serial_may_be_claimed() {
    let folder = Folder::new("serial");
    let store = folder.open();
    for serial in [u64::MAX, 0, u64::MAX] {
        assert!(store.admit(from(OTHER, 20, serial)).unwrap());
    }
    let Reply::Remembered(memory) = ask(&store, &Request::Remembered) else { panic!("asked what is remembered") };
    assert_eq!(memory.lives[0].serial, u64::MAX);
}

#[test]
fn a_life_that_is_over_counts_for_nothing() {
    let folder = Folder::new("lives");
    let store = folder.open();
    assert!(store.admit(from(OTHER, 20, 5)).unwrap());
    assert!(store.admit(from(OTHER, 20, 3)).unwrap());
    let remembered = |life, serial| {
        let memory = store.remembered(from(OTHER, life, serial));
        (memory.lives[0].life.0, memory.lives[0].serial, memory.retired)
    };
    assert_eq!(remembered(20, 3), (20, 5, false), "the most that it told");
    // Pending on the word of life 20.
    let record = tombstone("film", 1, false);
    assert_eq!(prepare(&store, &record, Base::Any, None), Reply::Prepared);
    assert!(store.admit(from(OTHER, 21, 0)).unwrap(), "a new disk");
    assert!(!store.admit(from(OTHER, 20, 9)).unwrap(), "the old disk put back");
    assert_eq!(remembered(20, 9), (21, 0, true));
    assert_eq!(mark(&store, &record, None), Reply::Absent, "its word is taken no more");
    mark_anew(&store, &record);
    assert!(!store.admit(from(NodeId(77), 1, 1)).unwrap(), "no member");
    drop(store);
    let store = folder.open();
    assert!(!store.admit(from(OTHER, 20, 9)).unwrap(), "also after a restart");
}

#[test]
fn an_old_copy_says_of_its_own_versions_that_it_does_not_know() {
    let folder = Folder::new("copy");
    drop(folder.open());
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    let mine = Version { node: ME, life: LIFE, ..version(4) };
    let outcome = || ask(&store, &Request::Outcome { title: "film".to_owned(), version: mine });
    assert_eq!(outcome(), Reply::Outcome(rain_cluster::Outcome::Undecided));
    store.carry_out(Time::default(), StoreOrder::SetSure);
    assert_eq!(outcome(), Reply::Outcome(rain_cluster::Outcome::Aborted));
}

#[test]
fn a_title_is_blank_until_it_is_known_what_became_of_what_was_inherited() {
    let folder = Folder::new("inherited");
    // One that knows nothing yet may have promised it in an earlier life.
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    store.begin_incarnation(7).unwrap();
    store.carry_out(Time::default(), StoreOrder::SetSure);
    let record = tombstone("film", 1, false);
    store.carry_out(Time::default(), StoreOrder::Inherit(vec![record.clone()]));
    let life = store.me().life;
    store.carry_out(Time::default(), StoreOrder::SetLearnt { life, epoch: 0 });
    assert!(store.lookup("film").blank && !store.lookup("news").blank && !store.has_learnt(0));
    assert_eq!(mark(&store, &record, None), Reply::Marked);
    assert!(!store.lookup("film").blank && store.has_learnt(0));

    // One that has forgotten nothing knows that it has no mark, and speaks; but it has not learnt all.
    let record = tombstone("news", 1, false);
    store.carry_out(Time::default(), StoreOrder::Inherit(vec![record.clone()]));
    assert!(!store.lookup("news").blank && !store.lookup("news").entries[0].marked && !store.has_learnt(0));
    assert_eq!(mark(&store, &record, None), Reply::Marked);
    assert!(store.has_learnt(0));
}

/// A version that this node coordinates.
fn own(counter: u64) -> Record {
    let mut record = tombstone("film", counter, false);
    Arc::make_mut(&mut record.manifest).version = Version { node: ME, life: LIFE, ..version(counter) };
    record
}

/// Of another life of this node, which may have committed it, nobody can say that it was aborted.
#[test]
fn what_an_earlier_life_decided_is_not_known() {
    let folder = Folder::new("earlier");
    let store = folder.open();
    let outcome = |version| ask(&store, &Request::Outcome { title: "film".to_owned(), version });
    let unknown = Reply::Outcome(rain_cluster::Outcome::Unknown);
    assert_eq!(outcome(Version { node: ME, life: Life(9), ..version(4) }), unknown);
    let decision = |record| StoreOrder::Decide(rain_desk::Decision { record, prepared: vec![ME] });
    let mut earlier = own(4);
    Arc::make_mut(&mut earlier.manifest).version.life = Life(9);
    assert!(matches!(store.carry_out(Time::default(), decision(earlier)), StoreTold::Failed(_)));
    assert!(store.lookup("film").entries.is_empty());
}

/// Whoever asks its coordinator about a version that it alone knows to be decided is told so, also after a compaction and a
/// restart.
#[test]
fn a_decision_is_a_mark() {
    let folder = Folder::new("decision");
    let store = folder.open();
    let record = own(4);
    prepare_own(&store, &record);
    assert_eq!(marked(&store.lookup("film")), Vec::<u64>::new());
    let decision = rain_desk::Decision { record: record.clone(), prepared: vec![ME] };
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Decide(decision.clone())), StoreTold::Done);
    assert_eq!(marked(&store.lookup("film")), [4]);
    store.compact(&mut lock(&store.compacted)).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Decisions), StoreTold::Decisions(vec![decision]));
    assert_eq!(marked(&store.lookup("film")), [4]);
}

/// All agreed that there is no such version: it is neither prepared nor marked on its coordinator's word any more, and that
/// is durable.
#[test]
fn what_was_retired_stays_retired() {
    let folder = Folder::new("retired");
    let store = folder.open();
    assert!(store.admit(from(OTHER, 21, 1)).unwrap(), "it is in another life");
    ask(&store, &Request::Retire { title: "film".to_owned(), node: OTHER, life: Life(20) });
    let late = tombstone("film", 4, false);
    assert_eq!(prepare(&store, &late, Base::Any, None), Reply::Refused(Refusal::Superseded));
    drop(store);
    let store = folder.open();
    assert_eq!(prepare(&store, &late, Base::Any, None), Reply::Refused(Refusal::Superseded));
    assert!(!store.admit(from(OTHER, 20, 1)).unwrap());
}

/// What is written later must be above a tombstone that another node may still have.
#[test]
fn the_counter_of_what_was_purged_is_the_floor() {
    let folder = Folder::new("floor");
    let store = folder.open();
    mark_anew(&store, &tombstone("film", 9, false));
    ask(&store, &Request::Purge { title: "film".to_owned(), version: version(9) });
    let state = store.lookup("film");
    assert_eq!((state.floor, state.entries.len()), (9, 0));
    drop(store);
    assert_eq!(folder.open().lookup("film").floor, 9);
}

/// A client that has not seen version 3 cannot replace it on condition.
#[test]
fn a_conditional_version_replaces_its_base_only() {
    let folder = Folder::new("base");
    let store = folder.open();
    mark_anew(&store, &tombstone("film", 1, false));
    mark_anew(&store, &tombstone("film", 3, false));
    let conditional = tombstone("film", 5, true);
    for base in [Base::Version(version(1)), Base::Nothing] {
        assert_eq!(prepare(&store, &conditional, base, None), Reply::Refused(Refusal::Condition));
    }
    assert_eq!(prepare(&store, &conditional, Base::Version(version(3)), None), Reply::Prepared);
}

/// It stays for a minute after its last read.
#[test]
fn a_superseded_version_stays_while_it_is_read() {
    let folder = Folder::new("superseded");
    let store = folder.open();
    for counter in [3, 4] {
        let (film, records) = film(counter, &[7; 9000]);
        assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
        assert_eq!(mark(&store, &film, None), Reply::Marked);
    }
    let at = |seconds| Time::default() + Duration::from_secs(seconds);
    store.open_column(at(30), "film", version(3)).unwrap();
    assert_eq!(store.carry_out(at(61), StoreOrder::Sweep), StoreTold::Done);
    assert_eq!(marked(&store.lookup("film")), [3, 4]);
    assert_eq!(store.carry_out(at(91), StoreOrder::Sweep), StoreTold::Done);
    assert_eq!(marked(&store.lookup("film")), [4]);
}

/// Nothing of what it promised can be told: it is not the store that it was.
#[test]
fn a_store_without_its_ledger_begins_a_new_life() {
    let folder = Folder::new("lost");
    drop(folder.open());
    std::fs::remove_file(folder.0.join("ledger")).unwrap();
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    assert!(store.is_blank() && store.me().life != LIFE);
}

/// Hearsay of the life before, which nobody told again, is forgotten, though a restart came between.
#[test]
fn hearsay_stays_hearsay_over_a_restart() {
    let folder = Folder::new("hearsay");
    let store = folder.open();
    mark_anew(&store, &tombstone("film", 3, false));
    assert!(matches!(end_life(&store), StoreTold::Reborn(_)));
    drop(store);
    assert!(folder.open().lookup("film").entries.is_empty());
}

/// The others, asked what they remember, must not remember what this very start has told them; and it promises nothing
/// that it could forget unseen.
#[test]
fn a_store_that_is_not_sure_tells_no_change_of_this_start() {
    let folder = Folder::new("unsure");
    drop(folder.open());
    let store = folder.try_open(&[ME, OTHER], None).unwrap();
    let serial = store.me().serial;
    store.begin_incarnation(9).unwrap();
    assert_eq!(store.me().serial, serial);
    let spread = Some(store.lookup("film").ticket);
    let marking = Request::Mark { record: tombstone("film", 3, false), spread };
    store.answer(Time::default(), from(OTHER, 20, 1), &marking).unwrap_err();
    store.carry_out(Time::default(), StoreOrder::SetSure);
    assert!(store.me().serial > serial);
}

/// What it holds of a title would stay for ever, and the title could not be purged.
#[test]
fn a_node_outside_the_catalog_learns_what_replaces_its_own() {
    let folder = Folder::new("outside");
    let store = folder.try_open(&[ME, OTHER], Some(1)).unwrap();
    store.begin_incarnation(10).unwrap();
    store.carry_out(Time::default(), StoreOrder::SetSure);
    let titles: Vec<String> = (0..64).map(|number| format!("film {number}")).collect();
    let [held, other] = [0, 1]
        .map(|at| titles.iter().filter(|title| store.members().catalog_of(title).nodes() == [OTHER]).nth(at).unwrap());
    let ticket = store.lookup(held).ticket;
    assert_eq!(mark(&store, &tombstone(held, 1, false), Some(ticket)), Reply::Marked);
    let records = vec![tombstone(held, 2, false), tombstone(other, 2, false)];
    assert_eq!(store.carry_out(Time::default(), StoreOrder::MarkAll { records, ticket }), StoreTold::Done);
    assert_eq!(marked(&store.lookup(held)), [1, 2]);
    assert!(store.lookup(other).entries.is_empty(), "it is none of its affair");
}

/// What came before is skipped, whether all of a part or some of it.
#[test]
fn an_upload_is_resumed_anywhere() {
    let folder = Folder::new("resumed");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    store.begin_upload(Time::default(), Store::<SystemDisk>::restore_plan(&film, 0).unwrap()).unwrap();
    store.append(Time::default(), "film", version(3), 0, &records[..1000]).unwrap();
    store.append(Time::default(), "film", version(3), 500, &records[500..]).unwrap();
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Prepared);
}

/// A flipped byte of a cell or of its checksum is found, and remembered: the column is not told to be whole, and is
/// restored.
#[test]
fn rot_is_found_and_remembered() {
    for place in [100, CELL_BYTES as usize + 1] {
        let folder = Folder::new(&format!("rot-{place}"));
        let store = folder.open();
        let (film, records) = film(3, &[7; 9000]);
        assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
        assert_eq!(mark(&store, &film, None), Reply::Marked);
        let path = &folder.columns()[0];
        let mut bytes = std::fs::read(path).unwrap();
        bytes[HEADER_BYTES + place] ^= 1;
        std::fs::write(path, bytes).unwrap();
        assert!(store.lookup("film").entries[0].column.is_ok(), "nobody has looked");
        store.verify_column(Time::default(), "film", version(3)).unwrap_err();
        assert!(!store.lookup("film").entries[0].column.is_ok());
        assert_eq!(store.carry_out(Time::default(), StoreOrder::Lacking), StoreTold::Records(vec![film]));
    }
}

/// What was promised of an upload is durable: its bytes, and its name.
#[test]
fn an_uploaded_column_outlives_a_loss_of_power() {
    let folder = Folder::new("power");
    let store = forgetful(&folder);
    let (film, records) = film(3, &[7; 9000]);
    upload(&store, &film, &records);
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Prepared);
    store.disk.lose_power();
    drop(store);
    folder.open().verify_column(Time::default(), "film", version(3)).unwrap();
}

/// A refused version is not pending, whatever the disk refused.
#[test]
fn a_version_whose_column_has_no_name_is_not_held() {
    let folder = Folder::new("unnamed");
    let store = forgetful(&folder);
    let (film, records) = film(3, &[7; 9000]);
    upload(&store, &film, &records);
    store.disk.names_none.store(true, Ordering::SeqCst);
    assert_eq!(prepare(&store, &film, Base::Any, Some(0)), Reply::Refused(Refusal::Column));
    assert!(store.lookup("film").entries.is_empty());
}

/// As long as the ledger has a version its column is there.
#[test]
fn a_column_does_not_go_before_its_version() {
    let folder = Folder::new("dropped");
    let store = forgetful(&folder);
    let (film, records) = film(3, &[7; 9000]);
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
    store.disk.stuck.store(true, Ordering::SeqCst);
    let drop = Request::Drop { title: "film".to_owned(), version: version(3) };
    store.answer(Time::default(), from(OTHER, 20, 1), &drop).unwrap_err();
    store.verify_column(Time::default(), "film", version(3)).unwrap();
    store.disk.stuck.store(false, Ordering::SeqCst);
    assert_eq!(ask(&store, &drop), Reply::Dropped);
    assert!(folder.columns().is_empty());
}

/// A snapshot is not taken between the moment in which a change is durable and that in which it is known.
#[test]
fn a_compaction_waits_for_what_is_durable_and_not_yet_known() {
    let folder = Folder::new("moment");
    let store = &folder.open();
    for counter in 1..=20 {
        let serial = store.ledger.serial();
        let snapshot_taken = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let known = lock(&store.index);
            scope.spawn(|| store.change(Time::default(), [Change::Floor(counter)]).unwrap());
            while store.ledger.serial() == serial {
                std::thread::yield_now();
            }
            // It is durable, and cannot become known.
            scope.spawn(|| {
                let snapshot = || {
                    snapshot_taken.store(true, Ordering::SeqCst);
                    core::iter::once(Change::Floor(lock(&store.index).floor).to_bytes())
                };
                store.ledger.compact(snapshot).unwrap();
            });
            for _ in 0..2000 {
                std::thread::yield_now();
                assert!(!snapshot_taken.load(Ordering::SeqCst), "change {counter}");
            }
            drop(known);
        });
        assert_eq!(lock(&store.index).floor, counter);
    }
}

/// A life begins with a record in which nothing is promised; what is kept afterwards is kept, and of no other life.
#[test]
fn a_voter_remembers_in_its_life() {
    let folder = Folder::new("voter");
    let store = folder.open();
    let me = Voter { node: ME, life: LIFE };
    let found = store.kept_register().unwrap();
    assert_eq!(found, KeptRegister { me, record: Some(VoterRecord::blank(me)), configuration: None });
    let ballot = Ballot { number: 3, proposer: me, incarnation: 1 };
    let promised = VoterRecord { promised: Some(ballot), ..VoterRecord::blank(me) };
    store.keep_register(me, &Save::Record(promised.to_bytes())).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(store.kept_register().unwrap().record, Some(promised.clone()));
    assert!(matches!(end_life(&store), StoreTold::Reborn(_)));
    let reborn = Voter { node: ME, life: store.me().life };
    assert_ne!(reborn, me);
    assert_eq!(store.kept_register().unwrap().record, Some(VoterRecord::blank(reborn)));
    let refused = store.keep_register(me, &Save::Record(promised.to_bytes())).unwrap_err();
    assert_eq!(refused.to_string(), "the store began a new life");
    assert_eq!(store.kept_register().unwrap().record, Some(VoterRecord::blank(reborn)));
    // Damaged, it is none; so it is where it is gone.
    let mut damaged = folder.file(REGISTER);
    damaged[9] ^= 1;
    folder.write(REGISTER, &damaged);
    assert_eq!(store.kept_register().unwrap().record, None);
    folder.write(REGISTER, &promised.to_bytes());
    assert_eq!(store.kept_register().unwrap().record, None, "that of another life");
}

/// From when a store knows who the members are by now it promises and decides nothing among those before; and nothing among
/// those whom it does not know yet. What is decided is marked all the same.
#[test]
fn nothing_is_promised_among_members_of_another_epoch() {
    let folder = Folder::new("epochs");
    let store = folder.open();
    let own_of = |counter, epoch| {
        let mut record = own(counter);
        Arc::make_mut(&mut record.manifest).epoch = epoch;
        record
    };
    let prepare = |record: &Record| {
        let ticket = store.lookup("film").ticket;
        let preparing = Request::Prepare { record: record.clone(), base: Base::Any, share: None, ticket };
        store.answer(Time::default(), store.me(), &preparing)
    };
    let decide = |record: &Record| {
        let decision = rain_desk::Decision { record: record.clone(), prepared: vec![ME] };
        store.carry_out(Time::default(), StoreOrder::Decide(decision))
    };
    let members = |epoch| Arc::new(Members::new(epoch, vec![ME, OTHER], None).unwrap());
    prepare_own(&store, &own_of(4, 0));
    store.set_members(members(7));
    assert_eq!(store.me().epoch, 7);
    // One that comes late.
    store.set_members(members(6));
    assert_eq!(store.me().epoch, 7);
    assert_eq!(prepare(&own_of(5, 6)).unwrap(), Reply::Refused(Refusal::Epoch));
    assert!(prepare(&own_of(5, 8)).is_err(), "it has to hear of them first");
    let StoreTold::Failed(why) = decide(&own_of(4, 0)) else { panic!("it was begun among others") };
    assert_eq!(why, "begun in epoch 0, expected 7: the members are others");
    prepare_own(&store, &own_of(5, 7));
    assert_eq!(decide(&own_of(5, 7)), StoreTold::Done);
    mark_anew(&store, &own_of(5, 7));
}
