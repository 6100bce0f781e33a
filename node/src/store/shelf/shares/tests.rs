//! Columns that come with their versions, on a disk that loses what it must not be trusted with.

use super::*;
use crate::store::names::TITLES;
use crate::store::tests::{Folder, carried, film, mark, mark_anew, prepare_share, version};
use crate::store::{SystemDisk, UPLOAD_LINGER};
use rain_cluster::{Base, Refusal, Reply};
use rain_desk::{StoreOrder, StoreTold};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file system, but that of the columns a loss of power leaves only what was synced. When a sync of everything fails,
/// what was written before is taken for clean, as Linux does: a later one that succeeds does not make it durable.
#[derive(Debug)]
pub(in crate::store) struct Forgetful {
    disk: SystemDisk,
    /// Columns that were written since the last sync.
    dirty: Mutex<BTreeSet<String>>,
    durable: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Columns whose bytes are durable, and whose names are not.
    unnamed: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The next sync of everything fails.
    fails: AtomicBool,
    /// No column can be written.
    refuses: AtomicBool,
    /// No column gets its name.
    pub(in crate::store) names_none: AtomicBool,
    /// The ledger cannot be made durable.
    pub(in crate::store) stuck: AtomicBool,
}

#[derive(Debug)]
pub(in crate::store) struct Handle(String, File);

impl Forgetful {
    fn read(&self, path: &str) -> Vec<u8> {
        let file = self.disk.open(path).unwrap();
        let mut bytes = vec![0; usize::try_from(self.disk.len(&file).unwrap()).unwrap()];
        self.disk.read_at(&file, 0, &mut bytes).unwrap();
        bytes
    }

    fn keep(&self, path: &str) {
        lock(&self.durable).insert(path.to_owned(), self.read(path));
    }

    fn name_all(&self) {
        let named = core::mem::take(&mut *lock(&self.unnamed));
        lock(&self.durable).extend(named);
    }

    pub(in crate::store) fn lose_power(&self) {
        let mut names = Vec::new();
        self.disk.list(TITLES, &mut |name| names.push(name.to_owned())).unwrap();
        for name in names {
            let path = format!("{TITLES}/{name}");
            match lock(&self.durable).get(&path) {
                Some(bytes) => self.disk.write_at(&self.disk.create(&path).unwrap(), 0, bytes).unwrap(),
                None => self.disk.remove(&path).unwrap(),
            }
        }
    }
}

impl Disk for Forgetful {
    type File = Handle;

    const ROOM: &[u8] = &[];

    fn create(&self, path: &str) -> io::Result<Handle> {
        Ok(Handle(path.to_owned(), self.disk.create(path)?))
    }

    fn open(&self, path: &str) -> io::Result<Handle> {
        Ok(Handle(path.to_owned(), self.disk.open(path)?))
    }

    fn edit(&self, path: &str) -> io::Result<Handle> {
        Ok(Handle(path.to_owned(), self.disk.edit(path)?))
    }

    fn len(&self, file: &Handle) -> io::Result<u64> {
        self.disk.len(&file.1)
    }

    fn write_at(&self, file: &Handle, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if file.0.starts_with(TITLES) {
            if self.refuses.load(Ordering::SeqCst) {
                return Err(io::Error::other("the disk does not write"));
            }
            lock(&self.dirty).insert(file.0.clone());
        }
        self.disk.write_at(&file.1, offset, bytes)
    }

    fn read_at(&self, file: &Handle, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(&file.1, offset, buffer)
    }

    fn sync(&self, file: &Handle) -> io::Result<()> {
        if file.0.starts_with("ledger") && self.stuck.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk does not sync"));
        }
        if lock(&self.dirty).remove(&file.0) {
            self.keep(&file.0);
        }
        self.disk.sync(&file.1)
    }

    fn sync_all(&self) -> io::Result<()> {
        let dirty = core::mem::take(&mut *lock(&self.dirty));
        if self.fails.swap(false, Ordering::SeqCst) {
            return Err(io::Error::other("the disk does not sync"));
        }
        dirty.iter().filter(|path| self.disk.open(path).is_ok()).for_each(|path| self.keep(path));
        self.name_all();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if to.starts_with(TITLES) && self.names_none.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk does not rename"));
        }
        let moved = lock(&self.durable).remove(from);
        lock(&self.unnamed).extend(moved.map(|bytes| (to.to_owned(), bytes)));
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        lock(&self.durable).remove(path);
        lock(&self.unnamed).remove(path);
        self.disk.remove(path)
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        self.disk.create_folder(path)
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.name_all();
        self.disk.sync_folder(path)
    }

    fn list(&self, path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.disk.list(path, show)
    }
}

pub(in crate::store) fn forgetful(folder: &Folder) -> Store<Forgetful> {
    folder.open_on(|disk| Forgetful {
        disk,
        dirty: Mutex::default(),
        durable: Mutex::default(),
        unnamed: Mutex::default(),
        fails: AtomicBool::new(false),
        refuses: AtomicBool::new(false),
        names_none: AtomicBool::new(false),
        stuck: AtomicBool::new(false),
    })
}

fn sweep<D: Disk>(store: &Store<D>, now: Time) -> StoreTold {
    store.carry_out(now, StoreOrder::Sweep)
}

/// A store that has promised a film and its column, which came with it.
fn promised(name: &str) -> (Folder, Store<Forgetful>, Record) {
    let folder = Folder::new(name);
    let store = forgetful(&folder);
    let (film, records) = film(3, &[7; 9000]);
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
    assert_eq!(mark(&store, &film, None), Reply::Marked);
    (folder, store, film)
}

/// It was promised: after a loss of power it is whole, and the ledger need not have its bytes any more.
fn is_whole_after_a_loss_of_power(folder: &Folder, store: Store<Forgetful>) {
    store.compact(&mut lock(&store.compacted)).unwrap();
    store.disk.lose_power();
    drop(store);
    folder.open().verify_column(Time::default(), "film", version(3)).unwrap();
}

#[test]
fn a_column_is_durable_before_the_ledger_forgets_it() {
    let (folder, store, _) = promised("shares-synced");
    is_whole_after_a_loss_of_power(&folder, store);
    let (folder, store, _) = promised("shares-swept");
    assert_eq!(sweep(&store, Time::default()), StoreTold::Done);
    assert!(lock(&store.index).unsynced().is_empty());
    is_whole_after_a_loss_of_power(&folder, store);
}

/// The next sync succeeds, and says nothing of what the failed one has lost.
#[test]
fn what_a_failed_sync_has_lost_is_written_again() {
    let (folder, store, _) = promised("shares-failed");
    store.disk.fails.store(true, Ordering::SeqCst);
    assert!(matches!(sweep(&store, Time::default()), StoreTold::Failed(_)));
    assert_eq!(sweep(&store, Time::default()), StoreTold::Done);
    is_whole_after_a_loss_of_power(&folder, store);
}

/// The same, where the sync that failed was for the column of another version, which a reader could not read once.
#[test]
fn what_a_sync_for_another_column_has_lost_is_written_again() {
    let (folder, store, old) = promised("shares-other");
    assert_eq!(sweep(&store, Time::default()), StoreTold::Done);
    store.note_damage("film", version(3), "a reader could not read it");
    let (new, records) = film(4, &[9; 5000]);
    assert_eq!(prepare_share(&store, &new, Base::Any, Some(carried(&records))), Reply::Prepared);
    store.disk.fails.store(true, Ordering::SeqCst);
    let begin = StoreOrder::BeginColumn { record: old, column: 0 };
    assert_eq!(store.carry_out(Time::default(), begin), StoreTold::Done, "it is restored from the others");
    assert_eq!(sweep(&store, Time::default()), StoreTold::Done);
    store.compact(&mut lock(&store.compacted)).unwrap();
    store.disk.lose_power();
    drop(store);
    folder.open().verify_column(Time::default(), "film", version(4)).unwrap();
}

/// The ledger goes on having what cannot be written: it was promised to be as durable.
#[test]
fn what_cannot_be_written_again_stays_in_the_ledger() {
    let (folder, store, _) = promised("shares-refused");
    store.disk.fails.store(true, Ordering::SeqCst);
    store.disk.refuses.store(true, Ordering::SeqCst);
    assert!(matches!(sweep(&store, Time::default()), StoreTold::Failed(_)));
    assert!(!store.lookup("film").entries[0].column.is_ok(), "until then it is not told to be whole");
    assert_eq!(sweep(&store, Time::default()), StoreTold::Done);
    is_whole_after_a_loss_of_power(&folder, store);
}

/// The node fell between the file and the ledger, and was asked again after it came back. What is found at a start and used
/// by no version goes after a while; this is used.
#[test]
fn a_column_that_is_brought_again_is_nobodys_leftover() {
    let folder = Folder::new("shares-again");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    let column = FileName::of(&film, 0).path();
    folder.write(&column, b"the beginning of it");
    drop(store);
    let store = folder.open();
    assert_eq!(prepare_share(&store, &film, Base::Any, Some(carried(&records))), Reply::Prepared);
    assert_eq!(mark(&store, &film, None), Reply::Marked);
    assert_eq!(sweep(&store, Time::default() + UPLOAD_LINGER), StoreTold::Done);
    store.verify_column(Time::default(), "film", version(3)).unwrap();
}

/// A question whether a version prepares, so late that others have decided it and a reader has spread its mark: a mark is
/// never taken back, or the next reader could get the version before.
#[test]
fn a_late_question_takes_no_mark_back() {
    let folder = Folder::new("shares-late");
    let store = folder.open();
    let (film, records) = film(3, &[7; 9000]);
    mark_anew(&store, &film);
    let late = || prepare_share(&store, &film, Base::Any, Some(carried(&records)));
    assert_eq!(late(), Reply::Refused(Refusal::Column));
    assert!(store.lookup("film").entries[0].marked);
    drop(store);
    assert!(folder.open().lookup("film").entries[0].marked, "nor at the next start");
}
