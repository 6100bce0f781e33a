//! Columns that come with the question whether their version is prepared. Their bytes stand in the ledger, which one sync
//! makes durable together with what is promised of them; the column file is written at once and made durable later, many
//! at a time. A start writes those again of which the ledger does not say that they are.

use crate::store::change::Change;
use crate::store::names::{FileName, Key};
use crate::store::{Disk, Store, lock, remove_if_there};
use rain_cluster::{Record, Time};
use rain_codec::column::{ColumnHasher, HEADER_BYTES};
use std::io;
use std::sync::{Arc, PoisonError};

/// So many bytes of columns may be in files that are not known to be durable; then whoever brings more waits for that.
const UNSYNCED_BYTES_MAX: usize = 16 << 20;

/// So many columns are noted in one record of the ledger.
const SYNCED_MAX: usize = 1024;

/// A column whose file is not known to be durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Unsynced {
    pub(in crate::store) column: u16,
    pub(in crate::store) records: Arc<[u8]>,
}

impl<D: Disk> Store<D> {
    /// Proves a column and writes its file, which is not durable by that; what makes it so is noted together with what is
    /// promised of it.
    pub(in crate::store) fn keep_share(
        &self,
        now: Time,
        record: &Record,
        column: u16,
        records: &Arc<[u8]>,
        promise: Change,
    ) -> io::Result<()> {
        self.check_space(2 * records.len())?;
        if lock(&self.index).unsynced_bytes() > UNSYNCED_BYTES_MAX {
            self.sync_shares(now)?;
        }
        let _sharing = self.sharing.read().unwrap_or_else(PoisonError::into_inner);
        let share = self.write_share(record, column, records)?;
        self.change(now, [share, promise])
    }

    fn write_share(&self, record: &Record, column: u16, records: &Arc<[u8]>) -> io::Result<Change> {
        let name = FileName::of(record, column);
        let file = self.column_file(record, column, records)?;
        let written = self.disk.create(&name.path()).and_then(|to| self.disk.write_at(&to, 0, &file));
        written.inspect_err(|_| {
            // No version uses it.
            let _ = remove_if_there(&*self.disk, &name.path());
        })?;
        Ok(Change::Share((name.title, name.version), column, Arc::clone(records)))
    }

    fn write_again(&self, name: &FileName, bytes: &[u8]) -> io::Result<()> {
        // One that is there may be read meanwhile, and is never longer.
        let file = match self.disk.edit(&name.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create(&name.path())?,
            opened => opened?,
        };
        self.disk.write_at(&file, 0, bytes)
    }

    /// The whole file of a column, from its records; an error unless its root is that of the manifest.
    fn column_file(&self, record: &Record, column: u16, records: &[u8]) -> io::Result<Vec<u8>> {
        let columns = record.manifest.columns().ok_or_else(|| io::Error::other("a version without columns"))?;
        let geometry = self.codes.geometry(columns).map_err(io::Error::other)?;
        let expected = geometry.tree_offset() - HEADER_BYTES as u64;
        if records.len() as u64 != expected {
            return Err(io::Error::other(format!("{} bytes came, expected {expected}", records.len())));
        }
        let mut hasher = ColumnHasher::new(columns.group_bytes);
        let mut rest = records;
        for index in 0..geometry.stripe_count() {
            let stripe = geometry.stripe(index);
            let length = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
            let (stripe_record, behind) = rest.split_at(length(stripe.record_bytes())?);
            hasher.update(&stripe_record[..length(stripe.cell_offset(stripe.rows))?]);
            rest = behind;
        }
        let tree = hasher.finish();
        let header = self.proven_header(record, column, &tree)?;
        Ok([&header[..], records, &tree.to_bytes()].concat())
    }

    /// Makes all column files durable that are not known to be.
    pub(in crate::store) fn sync_shares(&self, now: Time) -> io::Result<()> {
        let unsynced = lock(&self.index).unsynced();
        if unsynced.is_empty() {
            return Ok(());
        }
        self.sync_files()?;
        let keys: Vec<Key> = {
            let index = lock(&self.index);
            // Of one that is damaged the ledger may have the only sound bytes.
            let is_damaged = |key: Key| index.held(key).is_some() && !index.holds_column(key);
            unsynced.into_iter().map(|(key, _)| key).filter(|key| !is_damaged(*key)).collect()
        };
        for keys in keys.chunks(SYNCED_MAX) {
            let change = Change::Synced(keys.to_vec());
            self.note_lazily(&change);
            lock(&self.index).apply(now, change);
        }
        Ok(())
    }

    /// Makes everything durable that was written before.
    ///
    /// Where that fails, the system takes what it could not write for clean, and the next sync would say nothing of it: so
    /// what only the ledger has is written again before anybody syncs, be it just written and not yet in the index.
    pub(in crate::store) fn sync_files(&self) -> io::Result<()> {
        self.files.sync(|| {
            self.disk.sync_all().inspect_err(|_| {
                let _sharing = self.sharing.write().unwrap_or_else(PoisonError::into_inner);
                let unsynced = lock(&self.index).unsynced();
                self.rewrite_shares(unsynced);
            })
        })
    }

    /// Writes the files of columns that may not be there, or not whole, from the records of the ledger. A column that cannot
    /// be written is damaged.
    pub(in crate::store) fn rewrite_shares(&self, unsynced: Vec<(Key, Unsynced)>) {
        for (key, Unsynced { column, records }) in unsynced {
            let held = lock(&self.index).record(key);
            let Some(record) = held else { continue };
            let file = self.column_file(&record, column, &records);
            if let Err(error) = file.and_then(|file| self.write_again(&FileName::of(&record, column), &file)) {
                self.note_damage(record.title(), record.version(), &format!("it cannot be written: {error}"));
            }
        }
    }
}

#[cfg(test)]
pub(in crate::store) mod tests;
