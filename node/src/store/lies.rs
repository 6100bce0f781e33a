//! What the store does not take on the word of a member that lies.

use super::leaps::LEAP_AGE;
use super::tests::{
    Folder, LIFE, ME, OTHER, carried, film, judge, mark, mark_anew, marked, own_word, prepare_share, tombstone, version,
};
use super::{SignetKey, Store, SystemDisk};
use core::time::Duration;
use rain_cluster::version::{COUNTER_LEAP, COUNTER_MAX};
use rain_cluster::{
    Base, Content, Life, NodeId, Placement, Record, Refusal, Reply, Request, Sender, Signet, Testimony, Time, Version,
};
use rain_desk::{StoreOrder, StoreTold};
use std::sync::Arc;

/// A member, and not the coordinator of anything here.
const LIAR: Sender = Sender { node: NodeId(0x11a2), life: Life(1), serial: 1, epoch: 0, signet: Signet(0) };

fn told(store: &Store<SystemDisk>, request: &Request) -> std::io::Result<Reply> {
    store.answer(Time::default(), LIAR, request)
}

/// The same version with other roots; and moved elsewhere.
fn others(film: &Record) -> [Record; 2] {
    let mut roots = film.clone();
    let Content::Columns(columns) = &mut Arc::make_mut(&mut roots.manifest).content else { panic!("columns") };
    columns.roots[0][0] ^= 1;
    let mut moved = film.clone();
    moved.placement =
        Arc::new(Placement { generation: 7, seats: film.placement.seats.iter().rev().copied().collect() });
    [roots, moved]
}

/// Whoever else says that a version is prepared, dropped or committed is not asked for it.
#[test]
fn a_version_is_its_coordinators() {
    let folder = Folder::new("coordinators");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    let ticket = store.lookup("film").ticket;
    let prepare = Request::Prepare { record: film.clone(), base: Base::Any, share: None, ticket };
    assert_eq!(told(&store, &prepare).unwrap(), Reply::Refused(Refusal::Column));
    assert_eq!(store.lookup("film").entries, []);
    // What was never heard of is not committed because one says so.
    let spread = Request::Mark { record: film.clone(), spread: Some(ticket) };
    assert_eq!(told(&store, &spread).unwrap(), Reply::Absent);
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
    told(&store, &Request::Drop { title: "film".to_owned(), version: version(3) }).unwrap_err();
    told(&store, &Request::Mark { record: film.clone(), spread: None }).unwrap_err();
    assert!(marked(&store.lookup("film")).is_empty());
    assert_eq!(mark(&store, &film, None), Reply::Marked);
    store.verify_column(Time::default(), "film", version(3)).unwrap();
}

/// Neither roots nor places of what is held change, whatever is told, and by whom.
#[test]
fn what_is_held_is_not_replaced_by_what_is_told() {
    let folder = Folder::new("replaced");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    let [roots, moved] = others(&film);
    for is_marked in [false, true] {
        if is_marked {
            assert_eq!(mark(&store, &film, None), Reply::Marked);
        } else {
            assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
        }
        for other in [&roots, &moved] {
            let ticket = store.lookup("film").ticket;
            assert_eq!(mark(&store, other, Some(ticket)), Reply::Absent);
            assert_eq!(mark(&store, other, None), Reply::Absent);
            assert_eq!(prepare_share(&store, other, Base::Any, None), Reply::Refused(Refusal::Column));
            let marks = StoreOrder::MarkAll { records: vec![other.clone()], ticket };
            assert_eq!(store.carry_out(Time::default(), marks), StoreTold::Done);
            let [entry] = &store.lookup("film").entries[..] else { panic!("one version") };
            assert_eq!((&entry.record, entry.marked, entry.column.is_ok()), (&film, is_marked, true));
        }
    }
}

/// Else one could end the lives of all others, and what they know with them.
#[test]
fn a_life_is_over_only_where_another_one_was_heard_of() {
    let folder = Folder::new("over");
    let store = folder.open();
    let now = Sender { node: OTHER, life: Life(20), serial: 1, epoch: 0, signet: Signet(0) };
    assert!(store.admit(now).unwrap());
    let retire = |node, life| Request::Retire { title: "film".to_owned(), node, life: Life(life) };
    told(&store, &retire(OTHER, 20)).unwrap_err();
    told(&store, &retire(NodeId(77), 1)).unwrap_err();
    assert!(store.admit(now).unwrap());
    // Of this node itself it is known.
    let mine = store.me().life;
    assert!(matches!(told(&store, &retire(ME, mine.0)).unwrap(), Reply::State(_)));
    assert!(store.admit(store.me()).unwrap());
    assert!(matches!(told(&store, &retire(OTHER, 19)).unwrap(), Reply::State(_)));
    assert!(!store.admit(Sender { life: Life(19), ..now }).unwrap());
}

/// One that is prepared here when nobody is at it any more would stay pending, and hide what it is to readers.
#[test]
fn what_was_given_up_here_is_not_prepared_any_more() {
    let folder = Folder::new("given-up");
    let store = folder.open();
    let me = store.me();
    let mut own = tombstone("film", 3, false);
    Arc::make_mut(&mut own.manifest).version = Version { node: me.node, life: me.life, ..version(3) };
    let (title, version, ticket) = ("film".to_owned(), own.version(), store.lookup("film").ticket);
    let prepare = Request::Prepare { record: own, base: Base::Any, share: None, ticket };
    let prepared = || store.answer(Time::default(), me, &prepare).unwrap();
    assert_eq!(prepared(), Reply::Refused(Refusal::Superseded));
    store.carry_out(Time::default(), StoreOrder::Begin { title, version });
    assert_eq!(prepared(), Reply::Prepared);
}

/// It remembers what the node never said, or what it said of other things: nobody begins a new life for it.
#[test]
fn a_liar_ends_no_life() {
    let folder = Folder::new("accused");
    drop(folder.open());
    let store = folder.open();
    let said = store.me().testimony();
    let others = SignetKey::new([4; 32]).signet(ME, LIFE, said.serial + 1);
    let forged = [
        Testimony { serial: said.serial + 1, ..said },
        Testimony { serial: u64::MAX, ..said },
        Testimony { serial: said.serial + 1, signet: others, ..said },
        Testimony { serial: said.serial + 1, signet: Signet(0), ..said },
    ];
    for forged in forged {
        assert_eq!(judge(&store, LIFE, &[forged, said], false), StoreTold::Unproven, "{forged:?}");
    }
    let later = Testimony { life: Life(99), ..said };
    let of_another = Testimony { signet: SignetKey::new([3; 32]).signet(OTHER, Life(99), said.serial), ..later };
    for lives in [&[][..], &[said], &[later, said], &[of_another]] {
        assert_eq!(judge(&store, LIFE, lives, true), StoreTold::Unproven, "{lives:?}");
    }
    assert_eq!(store.me().life, LIFE);
    assert!(!store.is_blank());
    assert!(matches!(judge(&store, LIFE, &[later, own_word(Life(99), 0)], true), StoreTold::Reborn(_)));
}

/// One that uses the counters up would leave a title that nobody can write.
#[test]
fn counters_do_not_leap() {
    let folder = Folder::new("leap");
    let store = folder.open();
    mark_anew(&store, &tombstone("film", 5, false));
    let ticket = store.lookup("film").ticket;
    for counter in [COUNTER_MAX, 6 + 2 * COUNTER_LEAP] {
        let far = tombstone("film", counter, false);
        assert_eq!(prepare_share(&store, &far, Base::Any, None), Reply::Refused(Refusal::Column));
        assert_eq!(mark(&store, &far, Some(ticket)), Reply::Absent);
        assert_eq!(store.carry_out(Time::default(), StoreOrder::Inherit(vec![far])), StoreTold::Done);
        assert_eq!(store.lookup("film").highest_counter(), 5);
    }
    // Others may have heard of one leap, and of another one later.
    assert_eq!(mark(&store, &tombstone("film", 5 + 2 * COUNTER_LEAP, false), Some(ticket)), Reply::Marked);
    let next = tombstone("other", 3 * COUNTER_LEAP, false);
    let Version { node, life, .. } = next.version();
    let next = Request::Mark { record: next, spread: Some(ticket) };
    let marks = |now| store.answer(now, Sender { node, life, ..LIAR }, &next).unwrap();
    assert_eq!(marks(Time::default() + LEAP_AGE - Duration::from_micros(1)), Reply::Absent);
    assert_eq!(marks(Time::default() + LEAP_AGE), Reply::Marked);
    // What others purged is followed, by steps.
    for step in 1..4 {
        assert_eq!(store.carry_out(Time::default(), StoreOrder::RaiseFloor(COUNTER_MAX)), StoreTold::Done);
        assert_eq!(store.lookup("third").highest_counter(), step * COUNTER_LEAP);
    }
}

/// It has nothing to compare with: two lies that were believed before would keep it from all that was written since.
#[test]
fn a_blank_store_believes_whom_it_learns_from() {
    let folder = Folder::new("believes");
    let store = folder.try_open_on(|disk| disk, &[ME, OTHER], None).unwrap();
    store.begin_incarnation(7).unwrap();
    store.carry_out(Time::default(), StoreOrder::SetSure);
    assert!(store.is_blank());
    let far = tombstone("film", 1 << 40, false);
    let ticket = store.lookup("film").ticket;
    store.carry_out(Time::default(), StoreOrder::MarkAll { records: vec![far], ticket });
    assert_eq!(marked(&store.lookup("film")).len(), 1);
    store.carry_out(Time::default(), StoreOrder::RaiseFloor(1 << 50));
    assert_eq!(store.lookup("other").highest_counter(), 1 << 50);
}

/// While a coordinator is at it, nobody else knows what becomes of its version.
#[test]
fn what_is_coordinated_here_is_not_marked_by_others() {
    let folder = Folder::new("active");
    let store = folder.open();
    let me = store.me();
    let mut own = tombstone("film", 3, false);
    Arc::make_mut(&mut own.manifest).version = Version { node: me.node, life: me.life, ..version(3) };
    let version = own.version();
    let title = "film".to_owned();
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Begin { title, version }), StoreTold::Done);
    let ticket = store.lookup("film").ticket;
    let marks = || store.carry_out(Time::default(), StoreOrder::MarkAll { records: vec![own.clone()], ticket });
    assert_eq!(marks(), StoreTold::Done);
    assert_eq!(store.lookup("film").entries, []);
    // Nor what it gave up.
    let title = "film".to_owned();
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Abort { title, version }), StoreTold::Done);
    assert_eq!(marks(), StoreTold::Done);
    assert_eq!(store.lookup("film").entries, []);
}

/// It was decided without it: its own column came too late.
#[test]
fn a_coordinator_knows_what_it_committed() {
    let folder = Folder::new("committed");
    let store = folder.open();
    let me = store.me();
    let mut own = film(3, &[7; 9000]).0;
    Arc::make_mut(&mut own.manifest).version = Version { node: me.node, life: me.life, ..version(3) };
    let (title, version) = ("film".to_owned(), own.version());
    store.carry_out(Time::default(), StoreOrder::Begin { title: title.clone(), version });
    let decision = rain_desk::Decision { record: own.clone(), prepared: vec![OTHER] };
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Decide(decision)), StoreTold::Done);
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Settle { title, version }), StoreTold::Done);
    assert_eq!(store.carry_out(Time::default(), StoreOrder::Decisions), StoreTold::Decisions(vec![]));
    let [entry] = &store.lookup("film").entries[..] else { panic!("it is known") };
    assert_eq!((&entry.record, entry.marked, entry.column.is_ok()), (&own, true, false));
    let lacking = store.carry_out(Time::default(), StoreOrder::Lacking);
    assert_eq!(lacking, StoreTold::Records(vec![own]), "its column is restored");
}
