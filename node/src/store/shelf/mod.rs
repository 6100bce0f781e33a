//! The columns that a store keeps, each a file: on their way in, under their names, and read.
//!
//! All that is asked of the disk here are files under `titles/`; what a column is of, and whether it is in use, the ledger
//! says. Column files get their header last, once what they hold is proven.

mod column;
mod group;
pub(in crate::store) mod shares;
mod spares;
mod upload;

pub(in crate::store) use column::prove;
pub use column::{ColumnError, ColumnReader};
pub(in crate::store) use group::GroupSync;
pub(in crate::store) use shares::Unsynced;
pub(in crate::store) use spares::Spares;
pub(in crate::store) use upload::Upload;
pub use upload::{UploadError, UploadPlan};

use super::names::{self, FileName, TITLES};
use super::{Disk, Store, unfinished};
use rain_cluster::{Record, Version};
use rain_codec::column::{ColumnHeader, ColumnLayout, ColumnTree, EtagKind, HEADER_BYTES, StoreTag, TitleVersion};
use std::io;

impl<D: Disk> Store<D> {
    /// Gives an uploaded column its name, durably.
    pub(in crate::store) fn publish_column(&self, name: &FileName) -> io::Result<()> {
        self.disk.rename(&unfinished(&name.path()), &name.path())?;
        self.titles.sync(|| self.disk.sync_folder(TITLES))
    }

    /// The header of a column whose cells have this hash tree; an error unless its root is that of the manifest.
    fn proven_header(&self, record: &Record, column: u16, tree: &ColumnTree) -> io::Result<[u8; HEADER_BYTES]> {
        let columns = record.manifest.columns().ok_or_else(|| io::Error::other("a version without columns"))?;
        if columns.roots.get(usize::from(column)) != Some(&tree.root()) {
            let expected = columns.roots.get(usize::from(column)).map(|root| names::hex(root)).unwrap_or_default();
            let why = format!("column {column} has the root {}, expected {expected}", names::hex(&tree.root()));
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        header_of(record, column, self.tag(), tree.root()).map_err(io::Error::other)
    }
}

/// A version as column headers write it.
pub fn title_version(version: Version) -> TitleVersion {
    TitleVersion { counter: version.counter, node: version.node.0, life: version.life.0, random: version.random }
}

/// The header of a column of `record`.
fn header_of(record: &Record, column: u16, store: StoreTag, root: [u8; 32]) -> Result<[u8; HEADER_BYTES], String> {
    let manifest = &record.manifest;
    let columns = manifest.columns().ok_or("a version without columns")?;
    let rows = rain_codec::Code::named(&columns.code).map_err(|error| error.to_string())?.rows();
    let media_type = manifest.media_type();
    let header = ColumnHeader {
        code: columns.code.clone(),
        columns: columns.columns,
        rows: u16::try_from(rows).map_err(|error| error.to_string())?,
        column,
        cell_bytes: columns.cell_bytes,
        interleave_bytes: 0,
        block_bytes: columns.block_bytes,
        layout: ColumnLayout::Striped,
        group_bytes: columns.group_bytes,
        title: manifest.title.clone(),
        version: title_version(manifest.version),
        title_bytes: columns.bytes,
        etag_kind: match columns.etag_kind {
            rain_cluster::EtagKind::Content => EtagKind::Content,
            rain_cluster::EtagKind::List => return Err("an entity tag of a list has no columns yet".to_owned()),
        },
        etag: columns.etag,
        modified_ms: columns.modified_ms,
        // The ledger has it whole; here it is for whoever finds the file alone.
        media_type: if media_type.len() <= MEDIA_TYPE_BYTES_MAX { media_type.to_owned() } else { String::new() },
        store,
        root,
    };
    header.validate().map_err(|error| error.to_string())?;
    Ok(header.to_bytes())
}

/// Longest media type of a header.
const MEDIA_TYPE_BYTES_MAX: usize = 127;
