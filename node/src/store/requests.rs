//! What the store answers to nodes.

use super::change::{Change, Standing};
use super::index::{CommittedPage, Held, HeldColumn, Index};
use super::names::{FileName, Key, TitleHash, key_of};
use super::{Disk, Store, TITLE_LOCKS, lock, remove_if_there};
use core::cmp::Ordering;
use rain_cluster::{
    Base, Life, NodeId, Outcome, Placement, Record, Refusal, Reply, Request, Sender, Share, Ticket, Time, Version,
};
use std::collections::BTreeSet;
use std::io;
use std::sync::PoisonError;

/// A version to be prepared.
struct Preparation<'a> {
    record: &'a Record,
    base: Base,
    share: Option<&'a Share>,
    ticket: Ticket,
}

impl<D: Disk> Store<D> {
    /// Answers a request of another node, or of this one. The request was vetted, and its sender admitted.
    ///
    /// # Errors
    /// Those of the disk: the asking node must take them for silence. No promise was made.
    pub fn answer(&self, now: Time, from: Sender, request: &Request) -> io::Result<Reply> {
        match request {
            Request::Lookup { title } => Ok(Reply::State(self.lookup(title))),
            Request::Look { title, version } => {
                lock(&self.index).look_anew((TitleHash::of(title), *version));
                Ok(Reply::State(self.lookup(title)))
            }
            Request::Prepare { record, base, share, ticket } => {
                let preparation = Preparation { record, base: *base, share: share.as_ref(), ticket: *ticket };
                // A version is its coordinator's to make.
                if from.node != record.version().node {
                    return Ok(Reply::Refused(Refusal::Column));
                }
                // Held until it is durable: from when it knows of other members it promises nothing among those before.
                let _promise = self.promising.read().unwrap_or_else(PoisonError::into_inner);
                match record.manifest.epoch.cmp(&self.members().epoch()) {
                    Ordering::Equal => Ok(self.prepare(now, &preparation)),
                    Ordering::Less => {
                        // Else it would be taken for one that is under way when the others say that it is committed.
                        self.forget_upload(key_of(record));
                        Ok(Reply::Refused(Refusal::Epoch))
                    }
                    Ordering::Greater => Err(io::Error::other("it is not known here who the members are by now")),
                }
            }
            Request::Mark { record, spread } => self.mark(now, from, record, *spread),
            Request::Drop { title, version } if self.is_coordinators(from, *version) => {
                self.drop_version(now, title, *version)
            }
            Request::Drop { version, .. } => Err(not_its(from, *version)),
            Request::Outcome { title, version } => Ok(Reply::Outcome(self.outcome(title, *version))),
            Request::Retire { title, node, life } => self.retire(now, title, *node, *life),
            Request::Close { title } => {
                // Also the disk must have forgotten what was decided before: after a loss of power that would be marked
                // once more, and nothing might be left that is newer.
                self.ledger.flush()?;
                lock(&self.index).closed.close(TitleHash::of(title));
                Ok(Reply::State(self.lookup(title)))
            }
            Request::Purge { title, version } => self.purge(now, title, *version),
            Request::Committed { known, from } => {
                let (blank, from) = (self.is_silent(), *from);
                let index = lock(&self.index);
                let CommittedPage { marked, pending, next } = index.committed(known.as_ref(), from);
                Ok(Reply::Committed { blank, from, next, marked, pending, floor: index.floor })
            }
            Request::Digest => {
                let digest = (!self.is_silent()).then(|| lock(&self.index).digests().of_all());
                Ok(Reply::Digest(digest))
            }
            Request::Remembered => Ok(Reply::Remembered(self.remembered(from))),
        }
    }

    /// Makes a version durable as pending: its column, if this node is to keep one, and what it is.
    fn prepare(&self, now: Time, preparation: &Preparation<'_>) -> Reply {
        let Preparation { record, base, share, ticket } = *preparation;
        let key = key_of(record);
        if self.is_false(now, key, record) {
            return Reply::Refused(Refusal::Column);
        }
        if self.is_silent() {
            // In an earlier life it may have prepared something that this one must not come before.
            self.forget_upload(key);
            return Reply::Refused(Refusal::Blank);
        }
        let holds_enough = |held: &Held| held.standing != Standing::Hearsay && (share.is_none() || held.has_column());
        if lock(&self.index).held(key).is_some_and(holds_enough) {
            return Reply::Prepared;
        }
        if let Some(Share { column, records: None }) = share
            && let Err(error) = self.finish_upload(record, *column)
        {
            // The same request came before and is at it: what it makes of the upload is not touched.
            if error.kind() != io::ErrorKind::ResourceBusy {
                self.forget_upload(key);
            }
            return refused(&error);
        }
        let _title = self.lock_title(key.0);
        if self.is_false(now, key, record) {
            return Reply::Refused(Refusal::Column);
        }
        let may = {
            let index = lock(&self.index);
            if index.held(key).is_some_and(holds_enough) {
                return Reply::Prepared;
            }
            if index.retired.contains_key(&(key.1.node, key.1.life)) {
                Err(Refusal::Superseded)
            } else if self.is_given_up(&index, key) {
                // It was decided without this node, or not at all: nobody would ever say what becomes of it.
                Err(Refusal::Superseded)
            } else if index.held(key).is_some_and(Held::is_marked) {
                // It was decided without this column, or with one that is damaged since. A mark is never taken back.
                Err(Refusal::Column)
            } else {
                index.may_prepare(key, base, ticket)
            }
        };
        let prepared = may.and_then(|()| self.keep_pending(now, record, share).map_err(|error| refusal_of(&error)));
        match prepared {
            Ok(()) => Reply::Prepared,
            Err(refusal) => {
                self.forget_upload(key);
                Reply::Refused(refusal)
            }
        }
    }

    /// Whether this node made a version in this life, and is at it no more.
    fn is_given_up(&self, index: &Index<D>, (title, version): Key) -> bool {
        let me = self.whose();
        let is_mine = version.node == me.node && version.life == me.life;
        is_mine && !index.active.contains(&(title, version)) && !index.decisions.contains_key(&(title, version))
    }

    fn keep_pending(&self, now: Time, record: &Record, share: Option<&Share>) -> io::Result<()> {
        let key = key_of(record);
        let column = share.map(|share| share.column);
        let pending = Change::Version { standing: Standing::Pending, column, record: record.clone() };
        let Some(Share { column, records }) = share else {
            self.change(now, [pending])?;
            // One that came whole, and whose coordinator did not hear so: it is restored like any that is lacking.
            self.forget_upload(key);
            return Ok(());
        };
        let name = FileName::of(record, *column);
        let keep = || {
            if let Some(records) = records {
                self.keep_share(now, record, *column, records, pending)
            } else {
                self.publish_column(&name)?;
                self.change(now, [pending])
            }
        };
        keep().inspect_err(|_| {
            // Whatever is left of it is used by no version, and was never promised.
            let _ = self.disk.remove(&name.path());
        })?;
        let mut index = lock(&self.index);
        index.uploads.remove(&key);
        // It may lie where an earlier start or life left one.
        index.unclaimed.remove(&key);
        Ok(())
    }

    /// Makes it durable that a version is committed.
    fn mark(&self, now: Time, from: Sender, record: &Record, spread: Option<Ticket>) -> io::Result<Reply> {
        let key = key_of(record);
        if !self.is_sure() {
            // A promise that is told without its serial could be forgotten unseen. It is asked for again.
            return Err(io::Error::other("the store is not sure yet that it is no old copy"));
        }
        if !self.is_coordinators(from, key.1) {
            if spread.is_none() {
                return Err(not_its(from, key.1));
            }
            if lock(&self.index).held(key).is_none() {
                // One voice is not enough for what was never heard of. It is learnt from those who hold it.
                return Ok(Reply::Absent);
            }
        }
        let _title = self.lock_title(key.0);
        if spread.is_none() && from.node == key.1.node && from.node != self.whose().node {
            // The word of a coordinator whose life is over is taken no more: the others have decided without it.
            if lock(&self.index).retired.contains_key(&(key.1.node, key.1.life)) {
                return Ok(Reply::Absent);
            }
        }
        match self.marking_of(now, key, record, spread) {
            Marking::Change(change) => {
                self.change(now, [change])?;
                Ok(Reply::Marked)
            }
            Marking::Known => Ok(Reply::Marked),
            Marking::Refused => Ok(Reply::Absent),
        }
    }

    /// Whether a version cannot be what it is told to be: another one is held or decided under its number, of which one is
    /// a lie, and what is here stays; or its counter leaps.
    fn is_false(&self, now: Time, key: Key, record: &Record) -> bool {
        // One that knows nothing yet believes those from whom it learns.
        let believes = self.is_blank();
        let mut index = lock(&self.index);
        if !believes && index.held(key).is_none() && index.is_leap(now, key) {
            return true;
        }
        if index.decisions.get(&key).is_some_and(|decision| decision.record != *record) {
            return true;
        }
        let promised = index.held(key).is_some_and(|held| held.standing != Standing::Hearsay);
        promised && index.record(key).is_some_and(|held| held != *record)
    }

    /// Whether a node may say by itself what becomes of a version: its coordinator may, and this node, which has asked.
    fn is_coordinators(&self, from: Sender, version: Version) -> bool {
        from.node == version.node || from.node == self.whose().node
    }

    /// What it takes to mark a version. The title must be locked.
    fn marking_of(&self, now: Time, key: Key, record: &Record, spread: Option<Ticket>) -> Marking {
        if self.is_false(now, key, record) {
            return Marking::Refused;
        }
        let index = lock(&self.index);
        // While its coordinator is at it, nobody else can know what it will be.
        let comes = index.uploads.get(&key).is_some_and(|upload| !upload.restores) || index.active.contains(&key);
        if comes && index.held(key).is_none() {
            return Marking::Refused;
        }
        let late = spread.is_none_or(|ticket| index.closed.is_late(key.0, ticket));
        match index.held(key) {
            Some(held) if held.is_marked() => Marking::Known,
            Some(held) if held.standing != Standing::Hearsay => Marking::Change(Change::Marked(key)),
            None if index.newest_marked(key.0).is_some_and(|newest| newest > key.1) => Marking::Known,
            // It would know.
            None if self.is_given_up(&index, key) => Marking::Refused,
            Some(_) | None if late => Marking::Refused,
            Some(_) => Marking::Change(Change::Marked(key)),
            None => {
                Marking::Change(Change::Version { standing: Standing::Marked, column: None, record: record.clone() })
            }
        }
    }

    /// Marks versions that the others know, all by one sync.
    pub(super) fn mark_all(&self, now: Time, records: &[Record], ticket: Ticket) -> io::Result<()> {
        let keys: Vec<Key> = records.iter().map(key_of).collect();
        // In one order, so that two of them never wait for each other.
        let buckets: BTreeSet<usize> = keys.iter().map(|(title, _)| title.bucket(TITLE_LOCKS)).collect();
        let _titles: Vec<_> = buckets.into_iter().map(|bucket| lock(&self.title_locks[bucket])).collect();
        let mine = keys.into_iter().zip(records).filter(|(key, record)| self.is_wanted(*key, record));
        let changes = mine.filter_map(|(key, record)| match self.marking_of(now, key, record, Some(ticket)) {
            Marking::Change(change) => Some(change),
            Marking::Known | Marking::Refused => None,
        });
        let changes: Vec<_> = changes.collect();
        let learnt = changes.len() as u64;
        self.change(now, changes)?;
        metrics::counter!("rain_versions_learnt_total").increment(learnt);
        Ok(())
    }

    /// Whether this node keeps a version's mark or a column of it, or holds something that it replaces: else that would stay
    /// for ever, and the title could not be purged.
    pub(super) fn is_wanted(&self, key: Key, record: &Record) -> bool {
        let me = self.whose().node;
        let columns = record.placement.seats.len();
        record.placement.column_of(me).is_some()
            || Placement::takers(record.title(), &self.members(), columns).contains(&me)
            || lock(&self.index).holds(key.0)
            || self.members().catalog_of(record.title()).contains(me)
    }

    /// Keeps versions as pending of which it is not known what became.
    pub(super) fn inherit(&self, now: Time, records: &[Record]) -> io::Result<()> {
        for record in records {
            let key = key_of(record);
            let _title = self.lock_title(key.0);
            let believes = self.is_blank();
            let known = {
                let mut index = lock(&self.index);
                let held = index.held(key).is_some_and(|held| held.standing != Standing::Hearsay);
                held || (!believes && index.is_leap(now, key))
                    || index.newest_marked(key.0).is_some_and(|newest| newest > key.1)
            };
            if !known {
                let record = record.clone();
                // Of whoever has forgotten something, or is new, the silence counts for nothing until it is known.
                let standing = if believes { Standing::Inherited } else { Standing::Adopted };
                self.change(now, [Change::Version { standing, column: None, record }])?;
            }
        }
        Ok(())
    }

    /// Drops a version on its coordinator's word.
    fn drop_version(&self, now: Time, title: &str, version: Version) -> io::Result<Reply> {
        let key = (TitleHash::of(title), version);
        let _title = self.lock_title(key.0);
        self.forget_upload(key);
        if lock(&self.index).held(key).is_some_and(Held::is_open) {
            self.remove_versions(now, &[key])?;
        }
        Ok(Reply::Dropped)
    }

    /// What became of a version that this node coordinated.
    fn outcome(&self, title: &str, version: Version) -> Outcome {
        let key = (TitleHash::of(title), version);
        let me = self.whose();
        let index = lock(&self.index);
        if index.decisions.contains_key(&key) || index.held(key).is_some_and(Held::is_marked) {
            Outcome::Committed
        } else if index.active.contains(&key) || !self.is_sure() {
            // An old copy of the disk may have forgotten its decision.
            Outcome::Undecided
        } else if version.node == me.node && version.life == me.life {
            Outcome::Aborted
        } else {
            Outcome::Unknown
        }
    }

    /// Takes no more marks on the word of a life that is over.
    fn retire(&self, now: Time, title: &str, node: NodeId, life: Life) -> io::Result<Reply> {
        let me = self.whose();
        let (known, lives) = {
            let index = lock(&self.index);
            // Whoever says so may be mistaken, or lie: this node must have heard of another life itself.
            let lives = node != me.node && index.remembered.get(&node).is_none_or(|memory| memory.said.life == life);
            (index.retired.contains_key(&(node, life)), lives)
        };
        if node == me.node && life == me.life {
            return Ok(Reply::State(self.lookup(title)));
        }
        if !known {
            if lives {
                return Err(io::Error::other(format!("life {life} of node {node} is not known here to be over")));
            }
            self.change(now, [Change::Retired(node, life)])?;
        }
        Ok(Reply::State(self.lookup(title)))
    }

    /// Forgets a tombstone that has done its work.
    fn purge(&self, now: Time, title: &str, version: Version) -> io::Result<Reply> {
        let key = (TitleHash::of(title), version);
        let _title = self.lock_title(key.0);
        let purgeable = |held: &Held| held.is_marked() && held.column.is_none() && held.is_tombstone();
        let purgeable = lock(&self.index).held(key).is_some_and(purgeable);
        if purgeable {
            self.change(now, [Change::Floor(version.counter), Change::Removed(key)])?;
        }
        Ok(Reply::Dropped)
    }

    /// Removes versions, then their columns. The titles need not be locked: what is removed is not written any more.
    pub(super) fn remove_versions(&self, now: Time, keys: &[Key]) -> io::Result<()> {
        let columns: Vec<(Key, u16)> = {
            let index = lock(&self.index);
            let column = |key: &Key| {
                let HeldColumn { column, .. } = index.held(*key)?.column?;
                Some((*key, column))
            };
            keys.iter().filter_map(column).collect()
        };
        self.change(now, keys.iter().copied().map(Change::Removed))?;
        for (key, column) in columns {
            let name = FileName { title: key.0, version: key.1, column };
            if let Err(error) = remove_if_there(&*self.disk, &name.path()) {
                // It is tried again with those that no version uses.
                lock(&self.index).unclaimed.insert(key, (column, now));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What it takes to mark a version.
enum Marking {
    Change(Change),
    /// It is marked, or a newer one is.
    Known,
    /// Nothing of it is held, and it came too late.
    Refused,
}

fn not_its(from: Sender, version: Version) -> io::Error {
    io::Error::other(format!("node {} is not the coordinator of version {version}", from.node))
}

fn refusal_of(error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::StorageFull { Refusal::NoSpace } else { Refusal::Column }
}

fn refused(error: &io::Error) -> Reply {
    Reply::Refused(refusal_of(error))
}
