//! Columns on their way in: uploads of a coordinator, and the node's own, restored from others. Their cells are hashed as
//! they come; a column counts once its hash is the root that the manifest names.

use crate::store::names::{FileName, Key, TitleHash};
use crate::store::{Disk, Store, lock, unfinished};
use rain_cluster::{Record, Time, Version};
use rain_codec::column::{ColumnHasher, ColumnTree, Geometry, HEADER_BYTES, StripeShape};
use std::io;
use std::sync::{Arc, Mutex};

/// A column that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPlan {
    /// The title.
    pub title: String,
    /// The version.
    pub version: Version,
    /// Which column of the code.
    pub column: u16,
    /// The code's name.
    pub code: String,
    /// Bytes of a cell of every stripe but the last.
    pub cell_bytes: u32,
    /// Bytes under one checksum.
    pub block_bytes: u32,
    /// Bytes under one leaf of the hash tree.
    pub group_bytes: u32,
}

/// Why an upload cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// There is no such upload, or it failed before.
    #[error("there is no upload of version {0}")]
    Unknown(Version),
    /// Bytes are missing before these.
    #[error("bytes at offset {found}, expected {expected}")]
    Offset {
        /// Offset of the bytes that came.
        found: u64,
        /// Offset that was due.
        expected: u64,
    },
}

/// A column on its way in.
#[derive(Debug)]
pub(in crate::store) struct Upload<F> {
    pub(in crate::store) title: String,
    pub(in crate::store) column: u16,
    pub(in crate::store) touched: Time,
    /// It is being made durable: nobody else may touch it.
    pub(in crate::store) finishing: bool,
    /// The node restores its own column: no coordinator knows of it.
    pub(in crate::store) restores: bool,
    content: Arc<Mutex<Incoming<F>>>,
}

/// What has come so far.
#[derive(Debug)]
struct Incoming<F> {
    file: F,
    /// A full stripe: all records but the last have its shape.
    full: StripeShape,
    group_bytes: u32,
    hasher: ColumnHasher,
    /// Bytes of records so far.
    bytes: u64,
    /// The start of a record of which the rest has not come, or of a last one that is shorter.
    rest: Vec<u8>,
    /// The disk failed: nothing more is taken.
    failed: bool,
}

impl<F> Incoming<F> {
    /// Hashes the cells of every full record that is there.
    fn take(&mut self, mut bytes: &[u8]) {
        let record_bytes = length(self.full.record_bytes());
        if !self.rest.is_empty() {
            let missing = record_bytes - self.rest.len();
            let (first, others) = bytes.split_at(missing.min(bytes.len()));
            self.rest.extend_from_slice(first);
            bytes = others;
            if self.rest.len() < record_bytes {
                return;
            }
            let record = core::mem::take(&mut self.rest);
            self.hash(&record);
        }
        let mut records = bytes.chunks_exact(record_bytes);
        for record in &mut records {
            self.hash(record);
        }
        self.rest.extend_from_slice(records.remainder());
    }

    fn hash(&mut self, record: &[u8]) {
        self.hasher.update(&record[..length(self.full.cell_offset(self.full.rows))]);
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a record fits into memory")
}

impl<D: Disk> Store<D> {
    /// Begins the upload of a column of a version; an upload of it under way begins anew.
    ///
    /// # Errors
    /// Those of the disk; [`io::ErrorKind::AlreadyExists`] when a sound column of the version is held already,
    /// [`io::ErrorKind::InvalidInput`] when there is no such code, or the sizes are not its.
    pub fn begin_upload(&self, now: Time, plan: UploadPlan) -> io::Result<()> {
        self.open_upload(now, plan, false)
    }

    pub(in crate::store) fn open_upload(&self, now: Time, plan: UploadPlan, restores: bool) -> io::Result<()> {
        let UploadPlan { title, version, column, code, cell_bytes, block_bytes, group_bytes } = plan;
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let code = self.codes.named(&code).map_err(|error| invalid(error.to_string()))?;
        if usize::from(column) >= code.columns() {
            return Err(invalid(format!("column {column}, expected less than {}", code.columns())));
        }
        let fits = |bytes: u32, least: u32, most: u32| bytes.is_power_of_two() && (least..=most).contains(&bytes);
        if !(fits(cell_bytes, 4096, 16 << 20)
            && fits(block_bytes, 512, 16 << 20)
            && fits(group_bytes, 1024, cell_bytes))
        {
            return Err(invalid(format!(
                "cells, blocks and groups of {cell_bytes}, {block_bytes} and {group_bytes} bytes"
            )));
        }
        let full_bytes = u64::from(cell_bytes) * code.data_cell_count() as u64;
        let full = Geometry::new(&code, cell_bytes, block_bytes, full_bytes).stripe(0);
        let name = FileName { title: TitleHash::of(&title), version, column };
        let key = (name.title, version);
        {
            let index = lock(&self.index);
            if index.holds_column(key) {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            if index.uploads.get(&key).is_some_and(|upload| upload.finishing || upload.restores) {
                return Err(io::Error::from(io::ErrorKind::ResourceBusy));
            }
        }
        self.check_space(0)?;
        let file = self.disk.create(&unfinished(&name.path()))?;
        let hasher = ColumnHasher::new(group_bytes);
        let incoming = Incoming { file, full, group_bytes, hasher, bytes: 0, rest: Vec::new(), failed: false };
        let content = Arc::new(Mutex::new(incoming));
        let upload = Upload { title, column, touched: now, finishing: false, restores, content };
        lock(&self.index).uploads.insert(key, upload);
        Ok(())
    }

    /// Appends records to an upload: `offset` counts from the start of the first record, after the header. What came
    /// before is skipped.
    ///
    /// # Errors
    /// [`UploadError`]; after an error of the disk nothing of the upload is left.
    pub fn append(
        &self,
        now: Time,
        title: &str,
        version: Version,
        offset: u64,
        records: &[u8],
    ) -> Result<(), UploadError> {
        let key = (TitleHash::of(title), version);
        let content = {
            let index = lock(&self.index);
            let upload = index.uploads.get(&key).filter(|upload| !upload.finishing);
            Arc::clone(&upload.ok_or(UploadError::Unknown(version))?.content)
        };
        let appended = {
            let mut incoming = lock(&content);
            if offset > incoming.bytes {
                return Err(UploadError::Offset { found: offset, expected: incoming.bytes });
            }
            let known = usize::try_from(incoming.bytes - offset).unwrap_or(usize::MAX).min(records.len());
            let fresh = &records[known..];
            let at = HEADER_BYTES as u64 + incoming.bytes;
            let written = if incoming.failed {
                Err(io::Error::other("the upload failed before"))
            } else {
                self.check_space(fresh.len()).and_then(|()| self.disk.write_at(&incoming.file, at, fresh))
            };
            match written {
                Ok(()) => {
                    incoming.bytes += fresh.len() as u64;
                    incoming.take(fresh);
                }
                Err(_) => incoming.failed = true,
            }
            written
        };
        if let Err(error) = appended {
            self.forget_upload(key);
            return Err(error.into());
        }
        if let Some(upload) = lock(&self.index).uploads.get_mut(&key) {
            upload.touched = now;
        }
        Ok(())
    }

    /// Proves an uploaded column, writes its header and its tree, and makes the file durable under its unfinished name.
    pub(in crate::store) fn finish_upload(&self, record: &Record, column: u16) -> io::Result<()> {
        let key = (TitleHash::of(record.title()), record.version());
        let content = {
            let mut index = lock(&self.index);
            let upload = index.uploads.get_mut(&key).filter(|upload| upload.column == column);
            let upload = upload.ok_or_else(|| io::Error::other("no such upload"))?;
            if upload.finishing {
                return Err(io::Error::from(io::ErrorKind::ResourceBusy));
            }
            upload.finishing = true;
            Arc::clone(&upload.content)
        };
        let mut incoming = lock(&content);
        let columns = record.manifest.columns().ok_or_else(|| io::Error::other("a version without columns"))?;
        let geometry = self.codes.geometry(columns).map_err(io::Error::other)?;
        let expected = geometry.tree_offset() - HEADER_BYTES as u64;
        if incoming.bytes != expected || incoming.failed {
            return Err(io::Error::other(format!("{} bytes uploaded, expected {expected}", incoming.bytes)));
        }
        let tree = incoming.finish_hash(&geometry)?;
        let header = self.proven_header(record, column, &tree)?;
        self.disk.write_at(&incoming.file, geometry.tree_offset(), &tree.to_bytes())?;
        self.disk.write_at(&incoming.file, 0, &header)?;
        self.disk.sync(&incoming.file)
    }

    /// Drops an upload whose version was decided without it, or a column that cannot be restored. One that was made
    /// durable meanwhile stays.
    pub(in crate::store) fn forget_upload(&self, key: Key) {
        let upload = lock(&self.index).uploads.remove(&key);
        if let Some(upload) = upload {
            let name = FileName { title: key.0, version: key.1, column: upload.column };
            // What stays behind has an unfinished name and goes at the next start.
            let _ = self.disk.remove(&unfinished(&name.path()));
        }
    }

    /// The plan of the upload by which this node restores its column.
    pub(in crate::store) fn restore_plan(record: &Record, column: u16) -> Option<UploadPlan> {
        let columns = record.manifest.columns()?;
        Some(UploadPlan {
            title: record.title().to_owned(),
            version: record.version(),
            column,
            code: columns.code.clone(),
            cell_bytes: columns.cell_bytes,
            block_bytes: columns.block_bytes,
            group_bytes: columns.group_bytes,
        })
    }
}

impl<F> Incoming<F> {
    /// The tree of the whole column: what is left over is the last record, if it is shorter.
    fn finish_hash(&mut self, geometry: &Geometry) -> io::Result<ColumnTree> {
        let mut hasher = core::mem::replace(&mut self.hasher, ColumnHasher::new(self.group_bytes));
        if !self.rest.is_empty() {
            let last = geometry.stripe(geometry.stripe_count().saturating_sub(1));
            if self.rest.len() as u64 != last.record_bytes() {
                let found = self.rest.len();
                return Err(io::Error::other(format!(
                    "a last record of {found} bytes, expected {}",
                    last.record_bytes()
                )));
            }
            hasher.update(&self.rest[..length(last.cell_offset(last.rows))]);
        }
        Ok(hasher.finish())
    }
}
