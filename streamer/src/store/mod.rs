//! What one node keeps on its disk: columns, pending or marked, the marks, and the decisions it made.
//!
//! The store answers the [`Request`]s of other nodes and carries out the disk's side of the two phases. It blocks; the
//! node calls it from blocking threads, the simulator from its one thread on a disk that forgets. A file gets its final
//! name only when its bytes are durable, and a request is answered only when the name is durable too. Column files are
//! never changed after they have their name.

mod column;
mod disk;
mod index;
mod marks;
mod names;
mod record;
mod scan;
mod upload;

pub use column::{ColumnError, ColumnReader};
pub use disk::{Disk, FolderError, SystemDisk};
pub use marks::marked_versions;
pub use record::RecordError;
pub use scan::OpenError;
pub use upload::UploadError;

use core::time::Duration;
use index::{Held, HeldColumn, Index};
use names::{FileKind, FileName, IDENTITY, TITLES, TitleHash, UNFINISHED};
use rain_cluster::message::{Base, Outcome};
use rain_cluster::{Manifest, NodeId, Reply, Request, Time, TitleState, Version};
use rain_codec::column::TitleVersion;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A superseded version stays so long for those who read it, counted from its last read.
pub const SUPERSEDED_LINGER: Duration = Duration::from_mins(1);
/// A pending version is asked about when its mark has not come after so long.
pub const PENDING_PATIENCE: Duration = Duration::from_millis(1500);
/// An upload that has stopped, and whose coordinator cannot be asked, is dropped after so long. Nothing was promised.
pub const UPLOAD_LINGER: Duration = Duration::from_mins(10);
/// A tombstone stays at least so long: longer than any message of an older PUT can be under way.
pub const TOMBSTONE_AGE: Duration = Duration::from_mins(2);

const TITLE_LOCKS: usize = 64;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Identity {
    node: NodeId,
    life: u32,
    blank: bool,
    /// No lower than the counter of any tombstone that was purged: what is written later must be above it, because
    /// another node may still have the tombstone.
    floor: u64,
    /// The code and the nodes, on which it depends what lies where.
    layout: String,
    /// That of the node's last start; 0 in a store that was made before there were any.
    #[serde(default)]
    incarnation: u64,
}

/// A decision to commit, durable until every prepared participant has its mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was committed.
    pub manifest: Manifest,
    /// Who prepared it.
    pub prepared: Vec<NodeId>,
}

/// A version that waits for its coordinator's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The title.
    pub title: String,
    /// The version.
    pub version: Version,
    /// What it is, if it is pending; `None` while it is an upload that has stopped.
    pub manifest: Option<Manifest>,
}

/// Why a decision is not durable.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Nothing of it is on the disk: the version may be aborted.
    #[error("the decision was not written: {0}")]
    Clean(io::Error),
    /// It may or may not be found after a restart: the version must not be aborted any more, nor marked yet. Try again.
    #[error("the decision may or may not have been written: {0}")]
    Uncertain(io::Error),
}

/// The store of one node.
#[derive(Debug)]
pub struct Store<D: Disk> {
    disk: D,
    identity: Mutex<Identity>,
    index: Mutex<Index<D>>,
    title_locks: [Mutex<()>; TITLE_LOCKS],
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> Store<D> {
    /// Answers a request of another node, or of this one.
    ///
    /// # Errors
    /// Those of the disk: the asking node must take them for silence. No promise was made.
    pub fn handle(&self, now: Time, request: &Request) -> io::Result<Reply> {
        match request {
            Request::Lookup { title } => Ok(Reply::State(self.lookup(title))),
            Request::Prepare { manifest, base } => Ok(self.prepare(now, manifest, *base)),
            Request::Mark { manifest, spread } => self.mark(now, manifest, *spread),
            Request::Drop { title, version } => self.drop_version(title, *version),
            Request::Outcome { title, version } => Ok(Reply::Outcome(self.outcome(title, *version))),
            Request::Purge { title, version } => self.purge(title, *version),
            Request::Committed => Ok(self.committed()),
        }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        lock(&self.identity).node
    }

    /// The present life of the store: another one after its disk was lost.
    pub fn life(&self) -> u32 {
        lock(&self.identity).life
    }

    /// Whether the store is new and has not yet learnt what it must know.
    pub fn is_blank(&self) -> bool {
        lock(&self.identity).blank
    }

    /// Notes, durably, that the store has learnt what it must know.
    ///
    /// # Errors
    /// Those of the disk; the store is still blank then.
    pub fn set_learnt(&self) -> io::Result<()> {
        self.change_identity(|identity| identity.blank = false)
    }

    /// Begins another start of the node: an incarnation above all earlier ones, by the clock (`clock_ms` since 1970) or by
    /// what is durable here where the clock was set back.
    ///
    /// # Errors
    /// Those of the disk; nothing has begun.
    pub fn begin_incarnation(&self, clock_ms: u64) -> Result<u64, OpenError> {
        let incarnation = (lock(&self.identity).incarnation + 1).max(clock_ms);
        let changed = self.change_identity(|identity| identity.incarnation = incarnation);
        changed.map_err(|error| OpenError::Disk { what: "writing the incarnation".to_owned(), error })?;
        Ok(incarnation)
    }

    /// Raises the floor of the counters, durably.
    ///
    /// # Errors
    /// Those of the disk; the floor is as it was.
    pub fn raise_floor(&self, floor: u64) -> io::Result<()> {
        if lock(&self.identity).floor >= floor {
            return Ok(());
        }
        self.change_identity(|identity| identity.floor = identity.floor.max(floor))
    }

    fn change_identity(&self, change: impl FnOnce(&mut Identity)) -> io::Result<()> {
        let mut identity = lock(&self.identity);
        let mut changed = identity.clone();
        change(&mut changed);
        self.publish("", IDENTITY, &record::to_bytes(&changed))?;
        *identity = changed;
        Ok(())
    }

    /// All that the node knows of a title.
    pub fn lookup(&self, title: &str) -> TitleState {
        let (blank, floor) = {
            let identity = lock(&self.identity);
            (identity.blank, identity.floor)
        };
        TitleState { blank, floor, ..lock(&self.index).state(TitleHash::of(title)) }
    }

    /// The names of all titles with a marked version, in order.
    pub fn titles(&self) -> Vec<String> {
        lock(&self.index).titles()
    }

    /// Notes that this node coordinates `version`: until it is decided or aborted, its outcome is open.
    pub fn begin(&self, title: &str, version: Version) {
        lock(&self.index).active.insert((TitleHash::of(title), version));
    }

    /// Notes that the coordination of `version` was given up.
    pub fn aborted(&self, title: &str, version: Version) {
        lock(&self.index).active.remove(&(TitleHash::of(title), version));
    }

    /// Makes an uploaded column durable as pending. A pending tombstone holds nothing that could be lost: its mark carries
    /// all of it, and until then it is kept in memory.
    fn prepare(&self, now: Time, manifest: &Manifest, base: Base) -> Reply {
        let key = (TitleHash::of(&manifest.title), manifest.version);
        if lock(&self.index).held(key).is_some_and(|held| held.is_tombstone() || held.has_column()) {
            return Reply::Prepared;
        }
        let written = match &manifest.content {
            Some(_) => self.finish_upload(key, manifest),
            None => Ok(None),
        };
        let column = match written {
            Ok(column) => column,
            // The same request came before and is at it.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return refused(&error),
            Err(error) => {
                self.forget_upload(key);
                return refused(&error);
            }
        };
        let _title = self.lock_title(key.0);
        if lock(&self.index).held(key).is_some_and(Held::has_column) {
            return Reply::Prepared;
        }
        if !lock(&self.index).satisfies(key, base) {
            self.forget_upload(key);
            return Reply::Refused { no_space: false, condition_failed: true };
        }
        if let Some(column) = column {
            let name = FileName { title: key.0, version: key.1, kind: FileKind::Column(column) };
            let published = self.rename(&name);
            lock(&self.index).uploads.remove(&key);
            if let Err(error) = published {
                // Whatever is left of it asks the coordinator after a restart; it was never promised.
                let _ = self.disk.remove(&name.path());
                let _ = self.disk.remove(&unfinished(&name.path()));
                return refused(&error);
            }
        }
        let mut index = lock(&self.index);
        let held = index.held_mut(key, now);
        held.manifest = Some(manifest.clone());
        held.column = column.map(|column| HeldColumn { column, damage: None });
        index.supersede(key.0, now);
        Reply::Prepared
    }

    /// Makes it durable that a version is committed.
    fn mark(&self, now: Time, manifest: &Manifest, spread: bool) -> io::Result<Reply> {
        let key = (TitleHash::of(&manifest.title), manifest.version);
        let _title = self.lock_title(key.0);
        {
            let index = lock(&self.index);
            let superseded = index.newest_marked(key.0).is_some_and(|newest| newest > manifest.version);
            match index.held(key) {
                Some(held) if held.marked => return Ok(Reply::Marked),
                None if superseded => return Ok(Reply::Marked),
                None if !spread => return Ok(Reply::Absent),
                Some(_) | None => {}
            }
        }
        let name = FileName { title: key.0, version: key.1, kind: FileKind::Mark };
        self.publish(TITLES, &name.to_string(), &record::to_bytes(manifest))?;
        let mut index = lock(&self.index);
        let held = index.held_mut(key, now);
        held.marked = true;
        held.manifest = Some(manifest.clone());
        index.supersede(key.0, now);
        Ok(Reply::Marked)
    }

    /// Drops a version on its coordinator's word.
    fn drop_version(&self, title: &str, version: Version) -> io::Result<Reply> {
        let key = (TitleHash::of(title), version);
        let _title = self.lock_title(key.0);
        self.forget_upload(key);
        let pending = lock(&self.index).held(key).is_some_and(|held| !held.marked);
        if pending {
            self.remove_version(key)?;
        }
        Ok(Reply::Dropped)
    }

    /// What became of a version that this node coordinated.
    fn outcome(&self, title: &str, version: Version) -> Outcome {
        let key = (TitleHash::of(title), version);
        let index = lock(&self.index);
        if index.decisions.contains_key(&key) || index.held(key).is_some_and(|held| held.marked) {
            Outcome::Committed
        } else if index.active.contains(&key) {
            Outcome::Undecided
        } else if version.node == self.node() && version.life == self.life() {
            Outcome::Aborted
        } else {
            Outcome::Unknown
        }
    }

    /// Forgets a tombstone that has done its work.
    fn purge(&self, title: &str, version: Version) -> io::Result<Reply> {
        let key = (TitleHash::of(title), version);
        let _title = self.lock_title(key.0);
        let purgeable =
            lock(&self.index).held(key).is_some_and(|held| held.marked && held.column.is_none() && held.is_tombstone());
        if purgeable {
            self.raise_floor(version.counter)?;
            self.remove_version(key)?;
        }
        Ok(Reply::Dropped)
    }

    fn committed(&self) -> Reply {
        let Identity { blank, floor, .. } = *lock(&self.identity);
        Reply::Committed { blank, floor, manifests: lock(&self.index).committed() }
    }

    /// Makes a decision to commit durable: from then on the version is committed, whatever happens.
    ///
    /// # Errors
    /// [`DecideError`], which says whether the version may still be aborted, or this must be called until it succeeds.
    pub fn decide(&self, decision: &Decision) -> Result<(), DecideError> {
        let manifest = &decision.manifest;
        let key = (TitleHash::of(&manifest.title), manifest.version);
        let name = FileName { title: key.0, version: key.1, kind: FileKind::Decision };
        let bytes = record::to_bytes(decision);
        let path = name.path();
        if let Err(error) = self.write_unfinished(&path, &bytes) {
            return Err(DecideError::Clean(error));
        }
        let renamed = self.disk.rename(&unfinished(&path), &path);
        renamed.and_then(|()| self.disk.sync_folder(name.folder())).map_err(DecideError::Uncertain)?;
        let mut index = lock(&self.index);
        index.active.remove(&key);
        index.decisions.insert(key, decision.clone());
        Ok(())
    }

    /// Removes a decision. One that a crash brings back is marked once more, which changes nothing.
    fn remove_decision(&self, key: (TitleHash, Version)) -> io::Result<()> {
        let name = FileName { title: key.0, version: key.1, kind: FileKind::Decision };
        remove_if_there(&self.disk, &name.path())
    }

    /// The decisions whose marks are not all out yet: to be taken up again after a restart.
    pub fn decisions(&self) -> Vec<Decision> {
        lock(&self.index).decisions.values().cloned().collect()
    }

    /// Every prepared participant has its mark: the decision may go. One that the disk does not let go yet is tried again
    /// by [`Self::sweep`].
    pub fn settled(&self, title: &str, version: Version) {
        let key = (TitleHash::of(title), version);
        let removed = self.remove_decision(key);
        let mut index = lock(&self.index);
        match removed {
            Ok(()) => index.decisions.remove(&key).is_some(),
            Err(_) => index.stale_decisions.insert(key),
        };
    }

    /// Pending versions whose marks are overdue, and uploads that have stopped.
    pub fn overdue(&self, now: Time) -> Vec<Overdue> {
        lock(&self.index).overdue(now)
    }

    /// The newest marked versions of which this node has no sound column.
    pub fn lacking(&self) -> Vec<Manifest> {
        lock(&self.index).lacking()
    }

    /// Whether this version, or a newer one, is marked here.
    pub fn knows(&self, manifest: &Manifest) -> bool {
        lock(&self.index).newest_marked(TitleHash::of(&manifest.title)) >= Some(manifest.version)
    }

    /// Tombstones that are old enough to be purged, if the other nodes agree.
    pub fn old_tombstones(&self, now: Time) -> Vec<Manifest> {
        lock(&self.index).old_tombstones(now)
    }

    /// Removes versions that were superseded and are no longer read, uploads that were abandoned, and decisions that
    /// have done their work. Returns how many versions went.
    ///
    /// # Errors
    /// Those of the disk; what was not removed is tried again at the next call.
    pub fn sweep(&self, now: Time) -> io::Result<usize> {
        let stale: Vec<_> = lock(&self.index).stale_decisions.iter().copied().collect();
        for key in stale {
            self.remove_decision(key)?;
            let mut index = lock(&self.index);
            index.stale_decisions.remove(&key);
            index.decisions.remove(&key);
        }
        let abandoned = lock(&self.index).abandoned_uploads(now);
        for key in abandoned {
            self.forget_upload(key);
        }
        let keys = lock(&self.index).lingered(now);
        let removed = keys.iter().map(|key| {
            let _title = self.lock_title(key.0);
            self.remove_version(*key)
        });
        // One that the disk does not let go of holds up no other.
        let removed: Vec<io::Result<()>> = removed.collect();
        removed.into_iter().collect::<io::Result<Vec<()>>>().map(|removed| removed.len())
    }

    fn lock_title(&self, title: TitleHash) -> MutexGuard<'_, ()> {
        lock(&self.title_locks[title.bucket(TITLE_LOCKS)])
    }

    /// Removes a version's files. What a crash brings back does no harm: a mark is superseded anew, a column without
    /// one asks its coordinator.
    fn remove_version(&self, key: (TitleHash, Version)) -> io::Result<()> {
        let held = lock(&self.index).held(key).cloned();
        let Some(Held { marked, column, .. }) = held else { return Ok(()) };
        let name = |kind| FileName { title: key.0, version: key.1, kind }.path();
        if let Some(held) = column {
            remove_if_there(&self.disk, &name(FileKind::Column(held.column)))?;
        }
        if marked {
            remove_if_there(&self.disk, &name(FileKind::Mark))?;
        }
        lock(&self.index).remove(key);
        Ok(())
    }

    fn rename(&self, name: &FileName) -> io::Result<()> {
        self.disk.rename(&unfinished(&name.path()), &name.path())?;
        self.disk.sync_folder(name.folder())
    }

    fn write_unfinished(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let write = || {
            let file = self.disk.create(&unfinished(path))?;
            self.disk.write_at(&file, 0, bytes)?;
            self.disk.sync(&file)
        };
        write().inspect_err(|_| {
            let _ = self.disk.remove(&unfinished(path));
        })
    }

    /// Writes a small file so that it is there whole, or not at all.
    fn publish(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        self.write_unfinished(&path, bytes)?;
        self.disk.rename(&unfinished(&path), &path)?;
        self.disk.sync_folder(folder)
    }
}

fn unfinished(path: &str) -> String {
    format!("{path}{UNFINISHED}")
}

fn refused(error: &io::Error) -> Reply {
    Reply::Refused { no_space: error.kind() == io::ErrorKind::StorageFull, condition_failed: false }
}

fn remove_if_there<D: Disk>(disk: &D, path: &str) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A version as column headers write it.
pub fn title_version(version: Version) -> TitleVersion {
    let Version { counter, node, life, random } = version;
    TitleVersion { counter, node: node.0, life, random }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &std::path::Path) -> Store<SystemDisk> {
        Store::open(SystemDisk::take(folder).unwrap(), NodeId(0), "layout", 1, Time::default()).unwrap()
    }

    /// A clock that was set back would keep a node out for as long: its peers drop what an earlier start sent.
    #[test]
    fn incarnations_grow_whatever_the_clock_says() {
        let folder = std::env::temp_dir().join(format!("rain-incarnation-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let starts = [500, 200, 0, 501, 502, 700].map(|clock_ms| open(&folder).begin_incarnation(clock_ms).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(starts, [500, 501, 502, 503, 504, 700]);
    }
}
