//! What the store does for the node's desk.

use super::change::{Change, Standing};
use super::index::Held;
use super::names::{FileName, Key, TITLES, TitleHash, key_of};
use super::shelf::prove;
use super::{Disk, Store, lock, remove_if_there};
use rain_cluster::version::COUNTER_LEAP;
use rain_cluster::{Members, Placement, Record, Time};
use rain_desk::{Decision, StoreOrder, StoreTold};
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

fn told(result: io::Result<()>) -> StoreTold {
    match result {
        Ok(()) => StoreTold::Done,
        Err(error) => StoreTold::Failed(error.to_string()),
    }
}

impl<D: Disk> Store<D> {
    /// Carries out an order.
    pub fn carry_out(&self, now: Time, order: StoreOrder) -> StoreTold {
        match order {
            StoreOrder::Begin { title, version } => {
                lock(&self.index).active.insert((TitleHash::of(&title), version));
                StoreTold::Done
            }
            StoreOrder::Abort { title, version } => {
                lock(&self.index).active.remove(&(TitleHash::of(&title), version));
                StoreTold::Done
            }
            StoreOrder::Decide(decision) => self.decide(now, decision),
            StoreOrder::Settle { title, version } => {
                self.settle(now, (TitleHash::of(&title), version));
                StoreTold::Done
            }
            StoreOrder::Decisions => StoreTold::Decisions(lock(&self.index).decisions.values().cloned().collect()),
            StoreOrder::Ticket => StoreTold::Ticket(lock(&self.index).closed.ticket()),
            StoreOrder::Digests => {
                let index = lock(&self.index);
                StoreTold::Digests(index.closed.ticket(), index.digests().clone())
            }
            StoreOrder::MarkAll { records, ticket } => told(self.mark_all(now, &records, ticket)),
            StoreOrder::Inherit(records) => told(self.inherit(now, &records)),
            StoreOrder::RaiseFloor(floor) => {
                let known = lock(&self.index).floor;
                // One that leaps may be a lie, and is followed by steps: counters last for centuries of them.
                let step = if self.is_blank() { floor } else { floor.min(known.saturating_add(COUNTER_LEAP)) };
                if step > known { told(self.change(now, [Change::Floor(step)])) } else { StoreTold::Already }
            }
            StoreOrder::SetLearnt { life, .. } if life != self.whose().life => {
                StoreTold::Failed("the store has begun a new life since".to_owned())
            }
            StoreOrder::SetLearnt { life, epoch } => {
                let learnt = self.change(now, [Change::Learnt(life, epoch)]);
                if learnt.is_ok() {
                    metrics::counter!("rain_stores_learnt_total").increment(1);
                }
                told(learnt)
            }
            StoreOrder::SetSure => {
                self.sure.store(true, Ordering::Release);
                StoreTold::Done
            }
            StoreOrder::Judge { life, memory } => self.judge(now, life, &memory),
            StoreOrder::Sweep => told(self.sweep(now)),
            StoreOrder::Overdue => StoreTold::Overdue(lock(&self.index).overdue(now)),
            StoreOrder::OldTombstones => StoreTold::Records(lock(&self.index).old_tombstones(now)),
            StoreOrder::Lacking => {
                // Where members were others once, another node may hold it: it moves.
                let is_first = self.members().epoch() == 0;
                StoreTold::Records(if is_first { lock(&self.index).lacking(|_| true) } else { Vec::new() })
            }
            StoreOrder::Moving => StoreTold::Records(self.moving()),
            StoreOrder::SettleColumn { title, version } => {
                lock(&self.index).settle_column((TitleHash::of(&title), version));
                StoreTold::Done
            }
            StoreOrder::ReleaseColumn { record, column } => told(self.release_column(now, &record, column)),
            StoreOrder::DropUpload { title, version } => {
                self.forget_upload((TitleHash::of(&title), version));
                StoreTold::Done
            }
            StoreOrder::BeginColumn { record, column } => self.begin_column(now, &record, column),
            StoreOrder::FinishColumn { record, column } => {
                let finished = self.finish_column(now, &record, column);
                if finished.is_err() {
                    self.forget_upload(key_of(&record));
                }
                told(finished)
            }
        }
    }

    /// Makes a decision to commit durable: from then on the version is committed, whatever happens.
    fn decide(&self, now: Time, decision: Decision) -> StoreTold {
        if decision.record.version().life != self.whose().life {
            return StoreTold::Failed("the store has begun a new life since".to_owned());
        }
        // Held until it is durable: from when it knows of other members it decides nothing among those before.
        let _promise = self.promising.read().unwrap_or_else(PoisonError::into_inner);
        let (found, expected) = (decision.record.manifest.epoch, self.members().epoch());
        if found < expected {
            return StoreTold::Failed(format!("begun in epoch {found}, expected {expected}: the members are others"));
        }
        let Err(error) = self.change(now, [Change::Decision(decision)]) else { return StoreTold::Done };
        // It may lie on the disk all the same, unless what lies there now is known.
        match self.ledger.flush() {
            Ok(_) => StoreTold::Failed(error.to_string()),
            Err(_) => StoreTold::Uncertain(error.to_string()),
        }
    }

    /// Forgets that a version was decided here: all who prepared it have marked it.
    fn settle(&self, now: Time, key: Key) {
        let _title = self.lock_title(key.0);
        // One that a crash brings back is marked once more, which changes nothing as long as the title is not closed.
        // One that cannot be noted stays, and with it all that it forbids.
        for change in self.late_mark(key).into_iter().chain([Change::Settled(key)]) {
            if !self.note_lazily(&change) {
                return;
            }
            lock(&self.index).apply(now, change);
        }
    }

    /// The mark of a version that was decided here, and is not marked here: a coordinator knows of what it committed, also
    /// where it did not prepare it in time itself, and where it is no catalog node: it may be one later, and its silence would
    /// count. The title must be locked.
    fn late_mark(&self, key: Key) -> Option<Change> {
        let record = {
            let index = lock(&self.index);
            let record = index.decisions.get(&key)?.record.clone();
            match index.held(key) {
                Some(held) => return (!held.is_marked()).then_some(Change::Marked(key)),
                None if index.newest_marked(key.0).is_some_and(|newest| newest > key.1) => return None,
                None => record,
            }
        };
        Some(Change::Version { standing: Standing::Marked, column: None, record })
    }

    /// Removes versions that were superseded and are no longer read, uploads that were abandoned, and columns that no
    /// version uses; writes the ledger anew when that is worth it.
    fn sweep(&self, now: Time) -> io::Result<()> {
        let abandoned = lock(&self.index).abandoned_uploads(now);
        for key in abandoned {
            self.forget_upload(key);
        }
        self.look_for_folder()?;
        // What became of a full disk is told though nobody stores anything.
        self.space()?;
        let lingered = lock(&self.index).lingered(now);
        // One that the disk does not let go of holds up no other.
        let removed: Vec<io::Result<()>> = lingered.chunks(64).map(|keys| self.remove_versions(now, keys)).collect();
        if !self.is_silent() {
            // A blank store may yet learn of the versions of these.
            let columns = lock(&self.index).abandoned_columns(now);
            for (key, column) in columns {
                let _title = self.lock_title(key.0);
                if lock(&self.index).unclaimed.contains_key(&key) {
                    let name = FileName { title: key.0, version: key.1, column };
                    remove_if_there(&*self.disk, &name.path())?;
                    lock(&self.index).unclaimed.remove(&key);
                }
            }
        }
        self.note_memories();
        self.sync_shares(now)?;
        self.compact_if_worth_it()?;
        removed.into_iter().collect()
    }

    /// Notices that the folder of columns was taken away while the store runs: all that was in it is damaged, and a new
    /// folder is made for what is rebuilt.
    fn look_for_folder(&self) -> io::Result<()> {
        if self.disk.has_folder(TITLES)? {
            return Ok(());
        }
        tracing::error!("the folder {TITLES} is gone: its columns are rebuilt");
        self.disk.create_folder(TITLES)?;
        self.disk.sync_folder("")?;
        let mut index = lock(&self.index);
        index.unclaimed.clear();
        index.damage_all("the folder of columns was removed");
        Ok(())
    }

    /// Notes how far the serials of the peers have grown.
    fn note_memories(&self) {
        let mut grown = Vec::new();
        for (node, memory) in &mut lock(&self.index).remembered {
            if memory.said.serial > memory.noted {
                memory.noted = memory.said.serial;
                grown.push(Change::Remembered(*node, memory.said));
            }
        }
        for change in &grown {
            self.note_lazily(change);
        }
    }

    /// Whether this node is to hold a column of a version, as the members are.
    fn takes(&self, members: &Members, record: &Record) -> bool {
        let (me, columns) = (self.whose().node, record.placement.seats.len());
        if members.takers().len() < columns {
            // Everything stays where it is.
            return record.placement.column_of(me).is_some();
        }
        Placement::takers(record.title(), members, columns).contains(&me)
    }

    /// Versions of which columns are to move. While the members are about to change, those that were lost alone: who is to hold
    /// the others may be somebody else soon.
    fn moving(&self) -> Vec<Record> {
        let members = self.members();
        if members.epoch() == 0 || self.is_silent() {
            return Vec::new();
        }
        if members.is_joint() {
            return lock(&self.index).lacking(|_| true);
        }
        lock(&self.index).moving(|record| self.takes(&members, record))
    }

    /// Lets go of a column that another node holds by now.
    fn release_column(&self, now: Time, record: &Record, column: u16) -> io::Result<()> {
        let key = key_of(record);
        let _title = self.lock_title(key.0);
        let holds = |held: &Held| held.is_marked() && held.column.is_some_and(|held| held.column == column);
        if !lock(&self.index).held(key).is_some_and(holds) {
            return Err(io::Error::other("the column is not held any more"));
        }
        self.change(now, [Change::Column(key, None)])?;
        metrics::counter!("rain_columns_released_total").increment(1);
        let name = FileName { title: key.0, version: key.1, column };
        remove_if_there(&*self.disk, &name.path()).inspect_err(|_| {
            // It is tried again with those that no version uses.
            lock(&self.index).unclaimed.insert(key, (column, now));
        })
    }

    /// Begins to restore a column; where a file of it is left that is proven to be it, takes that into use: one of an
    /// earlier life, or one that the disk refused to read once and does not now.
    fn begin_column(&self, now: Time, record: &Record, column: u16) -> StoreTold {
        let key = key_of(record);
        let left = {
            let index = lock(&self.index);
            let unclaimed = index.unclaimed.get(&key).is_some_and(|(left, _)| *left == column);
            let damaged = index.held(key).and_then(|held| held.column);
            unclaimed || damaged.is_some_and(|held| held.column == column && held.is_damaged)
        };
        if left {
            let name = FileName { title: key.0, version: key.1, column };
            let proven = prove(&*self.disk, &self.codes, name, record).is_ok();
            // It may have been written and not made durable.
            if proven && self.sync_files().is_ok() {
                let taken = self.change(now, [Change::Column(key, Some(column))]);
                if taken.is_ok() {
                    lock(&self.index).unclaimed.remove(&key);
                    return StoreTold::Already;
                }
            }
        }
        let Some(plan) = Self::restore_plan(record, column) else {
            return StoreTold::Failed("a version without columns".to_owned());
        };
        match self.open_upload(now, plan, true) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => StoreTold::Already,
            opened => told(opened),
        }
    }

    /// Takes a restored column into use, once it is proven and durable.
    fn finish_column(&self, now: Time, record: &Record, column: u16) -> io::Result<()> {
        let key = key_of(record);
        self.finish_upload(record, column)?;
        let _title = self.lock_title(key.0);
        let wanted = |held: &Held| held.standing != Standing::Hearsay;
        if !lock(&self.index).held(key).is_some_and(wanted) {
            return Err(io::Error::other("the version is not held any more"));
        }
        self.publish_column(&FileName { title: key.0, version: key.1, column })?;
        self.change(now, [Change::Column(key, Some(column))])?;
        let mut index = lock(&self.index);
        index.uploads.remove(&key);
        index.unclaimed.remove(&key);
        Ok(())
    }
}
