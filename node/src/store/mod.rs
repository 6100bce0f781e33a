//! What one node keeps on its disk: columns, and a ledger of all that it has promised.
//!
//! The store answers the requests of other nodes and carries out the orders of the node's desk. It blocks; the
//! node calls it from blocking threads, the simulator from its one thread on a disk that forgets. A change is in the index
//! once it is durable in the ledger, and a request is answered only then. A column file gets its final name only when its
//! bytes are durable and proven, and is never changed after that.

mod change;
mod committed;
mod disk;
mod index;
mod known;
mod leaps;
pub mod ledger;
#[cfg(test)]
mod lies;
mod listing;
mod lives;
mod names;
mod noted;
mod orders;
mod packed;
mod record;
mod register;
mod requests;
mod scan;
mod shelf;
mod signet;
mod space;
#[cfg(test)]
mod tests;

pub use committed::CommittedVersions;
pub use disk::{Disk, DiskSpace, FolderError, SystemDisk};
pub use known::{KnownContent, KnownTitle, Stamp};
pub use ledger::LedgerError;
pub use listing::{FirstTitle, KnownFolder, Listing, ListingItem};
pub use record::RecordError;
pub use register::{KeptRegister, has_configuration, plant_configuration};
pub use scan::{OpenError, StorePlan, check_folder, find_life};
pub use shelf::{ColumnError, ColumnReader, UploadError, UploadPlan, title_version};
pub use signet::SignetKey;
pub use space::StoreSpace;

use change::Change;
use core::time::Duration;
use index::{Index, Remembered, SnapshotPart};
use ledger::Ledger;
use names::{IDENTITY, TitleHash, UNFINISHED};
use rain_cluster::register::Voter;
use rain_cluster::{Life, Members, NodeId, Sender, Time, TitleState};
use rain_codec::column::StoreTag;
use rain_desk::Codes;
use serde::{Deserialize, Serialize};
use shelf::{GroupSync, Spares};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A superseded version stays so long for those who read it, counted from its last read.
pub const SUPERSEDED_LINGER: Duration = Duration::from_mins(1);
/// A pending version is asked about when its mark has not come after so long.
pub const PENDING_PATIENCE: Duration = Duration::from_millis(1500);
/// An upload that has stopped, and whose coordinator cannot be asked, is dropped after so long, and a column that no
/// version uses. Nothing was promised.
pub const UPLOAD_LINGER: Duration = Duration::from_mins(10);
/// A tombstone stays at least so long: purging is work for all, and a title that is written anew soon needs none.
pub const TOMBSTONE_AGE: Duration = Duration::from_mins(2);

const TITLE_LOCKS: usize = 64;
/// The memory of a peer's serial is noted in the ledger at least when it has grown by so much.
const MEMORY_STEP: u64 = 256;
/// A ledger is compacted when it has become so many times as long as after the last time.
const COMPACT_GROWTH: u64 = 2;
/// The records of a version in a ledger are about so long.
const VERSION_BYTES: u64 = 512;

/// Whose store it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    node: NodeId,
    /// Which of the node's stores.
    store: u32,
    life: Life,
    /// The ids of all members.
    members: Vec<NodeId>,
    /// How many of them are catalog nodes of a title.
    catalog: usize,
    /// There is a record of what it promised as a voter; none in a folder from before there were any.
    #[serde(default)]
    votes: bool,
}

/// Which life of which node.
#[derive(Debug, Clone, Copy)]
struct Whose {
    node: NodeId,
    life: Life,
}

/// The store of one node.
#[derive(Debug)]
pub struct Store<D: Disk> {
    disk: Arc<D>,
    /// As far as this store knows.
    members: RwLock<Arc<Members>>,
    /// Held by whoever promises something among the members, until it is durable.
    promising: RwLock<()>,
    codes: Arc<Codes>,
    identity: Mutex<Identity>,
    /// Held by whoever writes what is kept of the register.
    register: Mutex<()>,
    signet_key: SignetKey,
    /// Its life began in this start: no copy of its disk is newer.
    began_now: AtomicBool,
    index: Mutex<Index<D>>,
    ledger: Ledger<D>,
    /// Makes names of columns durable.
    titles: GroupSync,
    /// Makes all files durable.
    files: GroupSync,
    /// Held by those that write columns which come with their versions, until the index has them.
    sharing: RwLock<()>,
    title_locks: [Mutex<()>; TITLE_LOCKS],
    /// The others remember nothing that is forgotten here.
    sure: AtomicBool,
    /// The disk was full when it was last looked at.
    full: AtomicBool,
    /// How many changes were durable when it was opened.
    serial_at_start: u64,
    /// From which the next new life is made.
    fresh: Mutex<Life>,
    /// Length of the ledger after its last compaction. Whoever compacts has it: a new life does not begin in the midst of
    /// a snapshot.
    compacted: Mutex<u64>,
    /// For what is read of columns.
    spares: Spares,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> Store<D> {
    /// Who speaks: the node, in the present life of this store.
    ///
    /// As long as it is not sure, it tells how many changes it had made when it started, and not how many it has made by
    /// now: else the others, asked whether they remember more, would remember what this very start has told them; or a
    /// disk that is an old copy would make changes until it has made as many as they remember.
    pub fn me(&self) -> Sender {
        let Whose { node, life } = self.whose();
        let serial = if self.is_sure() { self.ledger.serial() } else { self.serial_at_start };
        let signet = self.signet_key.signet(node, life, serial);
        Sender { node, life, serial, epoch: self.members().epoch(), signet }
    }

    fn whose(&self) -> Whose {
        let Identity { node, life, .. } = *lock(&self.identity);
        Whose { node, life }
    }

    /// Which of its node's stores it is.
    pub fn store_id(&self) -> u32 {
        lock(&self.identity).store
    }

    fn tag(&self) -> StoreTag {
        let Identity { node, store, .. } = *lock(&self.identity);
        StoreTag { node: node.0, store }
    }

    /// Whether the store is new and has not yet learnt what it must know.
    pub fn is_blank(&self) -> bool {
        let Whose { node, life } = self.whose();
        let members = self.members();
        let learnt = lock(&self.index).learnt;
        // Whoever comes to the members knows nothing of what was decided without it, whatever it has learnt before.
        let least = if members.is_newcomer(node) { members.epoch() } else { 0 };
        !learnt.is_some_and(|(of, epoch)| of == life && epoch >= least)
    }

    /// Who the members are, as far as it knows.
    pub fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these are the members, if they are of a later epoch. What was begun among others is promised no more; what
    /// is being promised is waited for.
    pub fn set_members(&self, members: Arc<Members>) {
        let _promises = self.promising.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.members.write().unwrap_or_else(PoisonError::into_inner);
        if members.epoch() > known.epoch() {
            *known = members;
            lock(&self.index).look_anew_at_all();
        }
    }

    /// Of how many newest versions a column is held.
    pub fn columns_held(&self) -> u64 {
        lock(&self.index).columns_held()
    }

    /// Whether in its present life it has learnt all that was decided by members of epochs before this one, and what became
    /// of all that was open then.
    pub fn has_learnt(&self, epoch: u64) -> bool {
        let life = self.whose().life;
        let index = lock(&self.index);
        index.learnt.is_some_and(|(of, learnt)| of == life && learnt >= epoch) && !index.has_inherited()
    }

    /// Whether the others remember nothing that is forgotten here. Until that is known it speaks as a blank store does.
    pub fn is_sure(&self) -> bool {
        self.sure.load(Ordering::Acquire)
    }

    fn is_silent(&self) -> bool {
        !self.is_sure() || self.is_blank()
    }

    /// Begins another start of the node: an incarnation above all that were ever durable here. `start` is a number that no
    /// other start of the node has, whatever became of its disk: a random one.
    ///
    /// # Errors
    /// Those of the disk; nothing has begun.
    pub fn begin_incarnation(&self, start: u32) -> Result<u64, OpenError> {
        let incarnation = lock(&self.index).incarnation + 1;
        self.change(Time::default(), [Change::Incarnation(incarnation)])
            .map_err(|error| OpenError::Disk { what: "writing the incarnation".to_owned(), error })?;
        lock(&self.index).closed.begin(start);
        Ok(incarnation)
    }

    /// Whether a question is of another life than the one that was heard of. It may be an old one that comes late: which of
    /// the two lives is over can only be told by an answer to a question of this node. Until then it must be taken for
    /// unsaid, and the node be asked; only questions that [change nothing](rain_cluster::RequestKind::only_asks) are
    /// answered, for else two nodes that doubt each other would do so for ever.
    pub fn is_in_doubt(&self, from: Sender) -> bool {
        let index = lock(&self.index);
        let other = index.remembered.get(&from.node).is_some_and(|memory| memory.said.life != from.life);
        other && !index.retired.contains_key(&(from.node, from.life))
    }

    /// Notes who said something, before what was said is used. False when that life of the node is over: it must hear
    /// that, and what it said counts for nothing.
    ///
    /// A life that was not heard of before ends the one before, durably: whoever asks this node from now on learns that. Of
    /// a question, see first whether it [is in doubt](Self::is_in_doubt).
    ///
    /// # Errors
    /// Those of the disk: then what was said must not be used either.
    pub fn admit(&self, from: Sender) -> io::Result<bool> {
        let (Sender { node, life, .. }, said) = (from, from.testimony());
        if node == lock(&self.identity).node {
            return Ok(life == lock(&self.identity).life);
        }
        if !self.members().nodes().contains(&node) {
            return Ok(false);
        }
        let known = {
            let mut index = lock(&self.index);
            if index.retired.contains_key(&(node, life)) {
                return Ok(false);
            }
            match index.remembered.get_mut(&node) {
                Some(memory) if memory.said.life == life => {
                    // Its signets are others once it has another key.
                    if said.serial >= memory.said.serial {
                        memory.said = said;
                    }
                    // A serial may be any number that a peer claims.
                    if memory.said.serial.saturating_sub(memory.noted) < MEMORY_STEP {
                        return Ok(true);
                    }
                    memory.noted = memory.said.serial;
                    memory.said
                }
                Some(Remembered { said: before, .. }) => {
                    let before = *before;
                    drop(index);
                    // What was said in the life that is over is kept: it proves to the node that it had it.
                    let changes = [
                        Change::Remembered(node, before),
                        Change::Retired(node, before.life),
                        Change::Remembered(node, said),
                    ];
                    self.change(Time::default(), changes)?;
                    return Ok(true);
                }
                None => {
                    index.remembered.insert(node, Remembered { said, noted: said.serial });
                    said
                }
            }
        };
        self.note_lazily(&Change::Remembered(node, known));
        Ok(true)
    }

    /// All that the node knows of a title.
    pub fn lookup(&self, title: &str) -> TitleState {
        let silent = self.is_silent();
        let store = self.store_id();
        let state = lock(&self.index).state(TitleHash::of(title));
        TitleState { blank: silent || state.blank, store, ..state }
    }

    /// Makes changes durable, all by one sync, and then known.
    fn change(&self, now: Time, changes: impl IntoIterator<Item = Change>) -> io::Result<()> {
        let changes: Vec<Change> = changes.into_iter().collect();
        if changes.is_empty() {
            return Ok(());
        }
        // From the append until it is known, no compaction may forget it.
        let _hold = self.ledger.hold();
        self.ledger.append_all(changes.iter().map(Change::to_bytes))?;
        let mut index = lock(&self.index);
        for change in changes {
            index.apply(now, change);
        }
        Ok(())
    }

    /// Appends a change that may be lost in a crash. False where it cannot be noted.
    fn note_lazily(&self, change: &Change) -> bool {
        let (kind, payload) = change.to_bytes();
        self.ledger.append_lazy(kind, &payload).is_ok()
    }

    /// Begins a new life, blank, after the present one and these others: what is known becomes hearsay.
    fn be_reborn(&self, now: Time, others: &[Life]) -> io::Result<Life> {
        let _register = lock(&self.register);
        let mut identity = lock(&self.identity);
        let life = {
            let mut fresh = lock(&self.fresh);
            // Weyl's sequence: never the same twice.
            fresh.0 = fresh.0.wrapping_add(0x9e37_79b9);
            *fresh
        };
        self.sure.store(false, Ordering::Release);
        let mut compacted = lock(&self.compacted);
        {
            let mut index = lock(&self.index);
            index.be_reborn(now);
            index.outlived.extend(others.iter().chain([&identity.life]));
        }
        // First the ledger: with the new life's name on a ledger of the old one, hearsay would be taken for knowledge.
        self.compact(&mut compacted)?;
        drop(compacted);
        let reborn = Identity { life, ..identity.clone() };
        register::begin(&*self.disk, Voter { node: identity.node, life })?;
        self.publish_identity(&reborn)?;
        *identity = reborn;
        self.began_now.store(true, Ordering::Release);
        metrics::counter!("rain_store_rebirths_total").increment(1);
        // Whoever remembers something of the old life remembers nothing of this one.
        self.sure.store(true, Ordering::Release);
        Ok(life)
    }

    fn compact(&self, compacted: &mut u64) -> io::Result<()> {
        // Between its parts nothing becomes known but what may stand in the ledger twice or not at all.
        let snapshot = || {
            let mut next = Some(SnapshotPart::Start);
            let parts = core::iter::from_fn(move || {
                let (changes, behind) = lock(&self.index).snapshot(next?);
                next = behind;
                Some(changes)
            });
            parts.flatten().map(|change| change.to_bytes())
        };
        self.ledger.compact(snapshot)?;
        *compacted = self.ledger.bytes();
        Ok(())
    }

    fn compact_if_worth_it(&self) -> io::Result<()> {
        let mut compacted = lock(&self.compacted);
        let versions = lock(&self.index).len() as u64;
        // What is live is guessed; a ledger that was written anew and is no shorter is left alone.
        let grown = self.ledger.bytes() / COMPACT_GROWTH > *compacted;
        let worth_it = grown && self.ledger.should_compact(versions, versions * VERSION_BYTES);
        if worth_it { self.compact(&mut compacted) } else { Ok(()) }
    }

    fn lock_title(&self, title: TitleHash) -> MutexGuard<'_, ()> {
        lock(&self.title_locks[title.bucket(TITLE_LOCKS)])
    }

    fn publish_identity(&self, identity: &Identity) -> io::Result<()> {
        publish(&*self.disk, IDENTITY, &record::to_bytes(identity))
    }
}

/// Writes a small file so that it is there whole, or not at all.
fn publish<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> io::Result<()> {
    let write = || {
        let file = disk.create(&unfinished(name))?;
        disk.write_at(&file, 0, bytes)?;
        disk.sync(&file)
    };
    write().inspect_err(|_| {
        let _ = disk.remove(&unfinished(name));
    })?;
    disk.rename(&unfinished(name), name)?;
    disk.sync_folder("")
}

/// Reads a small file; of a longer one no more than so many bytes.
fn read_small<D: Disk>(disk: &D, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(name)?;
    let length = usize::try_from(disk.len(&file)?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length.min(bytes_max)];
    disk.read_at(&file, 0, &mut bytes)?;
    Ok(bytes)
}

fn unfinished(path: &str) -> String {
    format!("{path}{UNFINISHED}")
}

fn remove_if_there<D: Disk>(disk: &D, path: &str) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
