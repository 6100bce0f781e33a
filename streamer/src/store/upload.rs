//! Columns on their way in: uploads of a coordinator, and the node's own rebuilds.

use super::index::{Held, Upload};
use super::names::{FileKind, FileName, TitleHash};
use super::{Disk, Store, lock, title_version, unfinished};
use rain_cluster::{Manifest, Time, Version};
use rain_codec::Code;
use rain_codec::column::{
    ColumnHeader, ColumnLayout, ColumnTree, EtagKind, Geometry, HASH_BYTES, HEADER_BYTES, StoreTag, default_group_bytes,
};
use std::io;
use std::sync::Arc;

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

impl<D: Disk> Store<D> {
    /// Begins the upload of a column of `version`; an upload of it under way begins anew.
    ///
    /// # Errors
    /// Those of the disk; [`io::ErrorKind::AlreadyExists`] when a sound column of the version is held already.
    pub fn begin_upload(&self, now: Time, title: &str, version: Version, column: u16) -> io::Result<()> {
        self.open_upload(now, title, version, column, false)
    }

    /// Begins to rebuild the node's own column of `version`, to be appended to and prepared as an upload is.
    ///
    /// # Errors
    /// Those of [`begin_upload`](Self::begin_upload).
    pub fn begin_rebuild(&self, now: Time, title: &str, version: Version, column: u16) -> io::Result<()> {
        self.open_upload(now, title, version, column, true)
    }

    fn open_upload(&self, now: Time, title: &str, version: Version, column: u16, rebuilding: bool) -> io::Result<()> {
        let name = FileName { title: TitleHash::of(title), version, kind: FileKind::Column(column) };
        if lock(&self.index).held((name.title, version)).is_some_and(Held::has_column) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        if lock(&self.index)
            .uploads
            .get(&(name.title, version))
            .is_some_and(|upload| upload.finishing || upload.rebuilding)
        {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy));
        }
        let file = Arc::new(self.disk.create(&unfinished(&name.path()))?);
        let upload = Upload {
            title: title.to_owned(),
            file,
            column,
            bytes: HEADER_BYTES as u64,
            touched: now,
            finishing: false,
            rebuilding,
        };
        lock(&self.index).uploads.insert((name.title, version), upload);
        Ok(())
    }

    /// Appends records to an upload, and behind the last one the column's hash tree: `offset` counts from the start of the first record, after the header.
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
        let (file, expected) = {
            let index = lock(&self.index);
            let upload = index.uploads.get(&key).ok_or(UploadError::Unknown(version))?;
            (Arc::clone(&upload.file), upload.bytes - HEADER_BYTES as u64)
        };
        if offset > expected {
            return Err(UploadError::Offset { found: offset, expected });
        }
        if let Err(error) = self.disk.write_at(&file, HEADER_BYTES as u64 + offset, records) {
            self.forget_upload(key);
            return Err(error.into());
        }
        if let Some(upload) = lock(&self.index).uploads.get_mut(&key) {
            upload.bytes = upload.bytes.max(HEADER_BYTES as u64 + offset + records.len() as u64);
            upload.touched = now;
        }
        Ok(())
    }

    /// Writes the header of an uploaded column and makes the file durable under its unfinished name.
    pub(super) fn finish_upload(&self, key: (TitleHash, Version), manifest: &Manifest) -> io::Result<Option<u16>> {
        let (file, column, bytes) = {
            let mut index = lock(&self.index);
            let upload = index.uploads.get_mut(&key).ok_or_else(|| io::Error::other("no upload"))?;
            if upload.finishing {
                return Err(io::Error::from(io::ErrorKind::ResourceBusy));
            }
            upload.finishing = true;
            (Arc::clone(&upload.file), upload.column, upload.bytes)
        };
        let (mut header, geometry) = header_of(manifest, column).map_err(io::Error::other)?;
        let expected = geometry.file_bytes();
        if bytes != expected {
            return Err(io::Error::other(format!("{bytes} bytes uploaded, expected {expected}")));
        }
        let shape = geometry.tree();
        let mut tree = vec![0; usize::try_from(shape.section_bytes()).map_err(io::Error::other)?];
        self.disk.read_at(&file, geometry.tree_offset(), &mut tree)?;
        header.root = ColumnTree::parse(shape, &tree).map_err(io::Error::other)?.root();
        self.disk.write_at(&file, 0, &header.to_bytes())?;
        self.disk.sync(&file)?;
        Ok(Some(column))
    }

    /// Drops an upload whose version was decided without it, or a rebuild that cannot go on. A column that was made durable meanwhile stays.
    pub fn drop_upload(&self, title: &str, version: Version) {
        self.forget_upload((TitleHash::of(title), version));
    }

    pub(super) fn forget_upload(&self, key: (TitleHash, Version)) {
        let upload = lock(&self.index).uploads.remove(&key);
        if let Some(upload) = upload {
            let name = FileName { title: key.0, version: key.1, kind: FileKind::Column(upload.column) };
            // What stays behind has an unfinished name and goes at the next start.
            let _ = self.disk.remove(&unfinished(&name.path()));
        }
    }
}

/// The header of a column of `manifest`, but for its root, and the layout of the file.
fn header_of(manifest: &Manifest, column: u16) -> Result<(ColumnHeader, Geometry), String> {
    let content = manifest.content.as_ref().ok_or("a tombstone has no columns")?;
    let code = Code::named(&content.code).map_err(|error| error.to_string())?;
    let header = ColumnHeader {
        code: content.code.clone(),
        columns: u16::try_from(code.columns()).map_err(|error| error.to_string())?,
        rows: u16::try_from(code.rows()).map_err(|error| error.to_string())?,
        column,
        cell_bytes: content.cell_bytes,
        interleave_bytes: 0,
        block_bytes: content.block_bytes,
        layout: ColumnLayout::Striped,
        group_bytes: default_group_bytes(content.cell_bytes),
        title: manifest.title.clone(),
        version: title_version(manifest.version),
        title_bytes: content.bytes,
        etag_kind: EtagKind::Content,
        etag: content.etag,
        modified_ms: content.modified_ms,
        media_type: content.media_type.clone(),
        store: StoreTag::default(),
        root: [0; HASH_BYTES],
    };
    let geometry = Geometry::of(&header, &code);
    Ok((header, geometry))
}
