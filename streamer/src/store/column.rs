//! Reading the store's column files: what is read was checked against the file's own header first.

use super::names::{FileKind, FileName, TitleHash};
use super::{Disk, Store, lock, title_version};
use crate::column_read::ColumnRead;
use rain_cluster::{Content, Manifest, NodeId, Time, Version};
use rain_codec::Code;
use rain_codec::column::{
    CHECKSUM_BYTES, ColumnHeader, ColumnTree, Geometry, HASH_BYTES, HEADER_BYTES, HeaderError, Seal, StripeShape,
    TitleVersion, TreeError,
};
use std::io;

/// The disk could not do it, on every Linux.
const EIO: i32 = 5;

/// Why a column cannot be read. Each is an erasure to the reader.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// The node holds no column of the version.
    #[error("no column is held")]
    Missing,
    /// The disk refused.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// The header is not one.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The file is whole, but of another title, version or column.
    #[error("a foreign file: it says {found}, expected {expected}")]
    Foreign {
        /// What its header says.
        found: String,
        /// What its name says.
        expected: String,
    },
    /// The file is shorter or longer than its header says.
    #[error("the file has {found} bytes, expected {expected}")]
    Length {
        /// Its length.
        found: u64,
        /// Its length by the header.
        expected: u64,
    },
    /// A block is not what its checksum says.
    #[error("stripe {stripe}, row {row}, block {block}: the checksum does not match")]
    Block {
        /// The stripe.
        stripe: u64,
        /// The row of the cell.
        row: u16,
        /// The block of the cell.
        block: u32,
    },
    /// The hash tree behind the records is none.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// The hash tree does not lead to the header's root, or not from these cells.
    #[error("stripe {stripe}: the cells are not those of which the column's root was made")]
    Root {
        /// The first stripe that has others.
        stripe: u64,
    },
    /// The column has no such blocks.
    #[error("the column has no such stripes, rows or blocks")]
    OutOfRange,
}

/// An open column file.
#[derive(Debug)]
pub struct ColumnReader<F> {
    file: F,
    geometry: Geometry,
    index: u16,
    rows: u16,
    seal: Seal,
    root: [u8; HASH_BYTES],
}

impl<F> ColumnReader<F> {
    /// Where the title's bytes lie in the file.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Which column of the code it is.
    pub fn index(&self) -> u16 {
        self.index
    }
}

/// What the column file `name` says it is, checked against its name and length.
pub(super) fn inspect<D: Disk>(disk: &D, name: FileName, column: u16) -> Result<Manifest, ColumnError> {
    let file = disk.open(&name.path())?;
    let (header, _) = read_header(disk, &file, name, column)?;
    Ok(Manifest {
        title: header.title,
        version: version_of(header.version),
        content: Some(Content {
            bytes: header.title_bytes,
            etag: header.etag,
            code: header.code,
            cell_bytes: header.cell_bytes,
            block_bytes: header.block_bytes,
            modified_ms: header.modified_ms,
            media_type: header.media_type,
        }),
    })
}

fn version_of(TitleVersion { counter, node, life, random }: TitleVersion) -> Version {
    Version { counter, node: NodeId(node), life, random }
}

fn read_header<D: Disk>(
    disk: &D,
    file: &D::File,
    name: FileName,
    column: u16,
) -> Result<(ColumnHeader, Geometry), ColumnError> {
    let found = disk.len(file)?;
    let mut bytes = [0; HEADER_BYTES];
    let bytes = &mut bytes[..usize::try_from(found).map_or(HEADER_BYTES, |found| found.min(HEADER_BYTES))];
    disk.read_at(file, 0, bytes)?;
    let header = match ColumnHeader::parse(bytes) {
        Err(HeaderError::TooShort { .. }) => {
            return Err(ColumnError::Length { found, expected: HEADER_BYTES as u64 });
        }
        parsed => parsed?,
    };
    let same = TitleHash::of(&header.title) == name.title
        && header.version == title_version(name.version)
        && header.column == column;
    if !same {
        let version = version_of(header.version);
        return Err(ColumnError::Foreign {
            found: format!("column {} of version {version} of `{}`", header.column, header.title),
            expected: format!("column {column} of version {}", name.version),
        });
    }
    let code = Code::named(&header.code).map_err(|error| ColumnError::Disk(io::Error::other(error.to_string())))?;
    let geometry = Geometry::of(&header, &code);
    let expected = geometry.file_bytes();
    if found == expected { Ok((header, geometry)) } else { Err(ColumnError::Length { found, expected }) }
}

impl<D: Disk> Store<D> {
    /// Opens the node's column of a version and checks its header and length.
    ///
    /// # Errors
    /// [`ColumnError`]; damage is remembered and shown from then on.
    pub fn open_column(&self, now: Time, title: &str, version: Version) -> Result<ColumnReader<D::File>, ColumnError> {
        let key = (TitleHash::of(title), version);
        let column = {
            let mut index = lock(&self.index);
            if index.held(key).is_none() {
                return Err(ColumnError::Missing);
            }
            let held = index.held_mut(key, now);
            held.read = Some(now);
            held.column.as_ref().ok_or(ColumnError::Missing)?.column
        };
        let name = FileName { title: key.0, version, kind: FileKind::Column(column) };
        let opened = self.disk.open(&name.path()).map_err(ColumnError::from).and_then(|file| {
            let (header, geometry) = read_header(&self.disk, &file, name, column)?;
            let seal = Seal::new(title, header.version, column);
            Ok(ColumnReader { file, geometry, index: column, rows: header.rows, seal, root: header.root })
        });
        opened.inspect_err(|error| self.note_if_damage(title, version, error))
    }

    /// Reads blocks of a column, laid out as [`ColumnRead`] says. Nothing is verified: the reader does that.
    ///
    /// # Errors
    /// [`ColumnError::OutOfRange`], and those of the disk, which are remembered as damage.
    pub fn read_blocks(
        &self,
        column: &ColumnReader<D::File>,
        read: &ColumnRead,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ColumnError> {
        if !read.fits(&column.geometry, bytes_max) {
            return Err(ColumnError::OutOfRange);
        }
        let each = read.stripe_bytes(&column.geometry.stripe(read.stripes.start));
        let mut bytes = vec![0; each * usize::try_from(read.stripes.end - read.stripes.start).unwrap_or(0)];
        for (index, buffer) in read.stripes.clone().zip(bytes.chunks_mut(each)) {
            self.read_stripe(column, &column.geometry.stripe(index), read, buffer)?;
        }
        Ok(bytes)
    }

    fn read_stripe(
        &self,
        column: &ColumnReader<D::File>,
        stripe: &StripeShape,
        read: &ColumnRead,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let at = |offset: u64| stripe.record_offset + offset;
        let all_blocks = read.blocks.len() == stripe.blocks_per_cell() as usize;
        if all_blocks && read.rows.len() == usize::from(stripe.rows) {
            // The answer is the record itself.
            return self.disk.read_at(&column.file, at(0), buffer);
        }
        let (cells, checksums) = buffer.split_at_mut(read.checksum_offset(stripe, read.rows.start, read.blocks.start));
        if all_blocks {
            self.disk.read_at(&column.file, at(stripe.cell_offset(read.rows.start)), cells)?;
            return self.disk.read_at(&column.file, at(stripe.checksum_offset(read.rows.start, 0)), checksums);
        }
        let span = read.span(stripe);
        let sums = checksums.chunks_mut(read.blocks.len() * CHECKSUM_BYTES);
        for ((row, cell), sums) in read.rows.clone().zip(cells.chunks_mut(span.len())).zip(sums) {
            self.disk.read_at(&column.file, at(stripe.cell_offset(row) + span.start as u64), cell)?;
            self.disk.read_at(&column.file, at(stripe.checksum_offset(row, read.blocks.start)), sums)?;
        }
        Ok(())
    }

    /// Reads the node's whole column and checks every block, and all cells against the root.
    ///
    /// # Errors
    /// The first [`ColumnError`] met; damage is remembered.
    pub fn verify_column(&self, now: Time, title: &str, version: Version) -> Result<(), ColumnError> {
        let column = self.open_column(now, title, version)?;
        let tree = self.read_tree(&column).inspect_err(|error| self.note_if_damage(title, version, error))?;
        let mut record = Vec::new();
        for index in 0..column.geometry.stripe_count() {
            let checked = self.verify_stripe(&column, &tree, index, &mut record);
            checked.inspect_err(|error| self.note_if_damage(title, version, error))?;
        }
        Ok(())
    }

    fn read_tree(&self, column: &ColumnReader<D::File>) -> Result<ColumnTree, ColumnError> {
        let shape = column.geometry.tree();
        let mut bytes = vec![0; usize::try_from(shape.section_bytes()).map_err(io::Error::other)?];
        self.disk.read_at(&column.file, column.geometry.tree_offset(), &mut bytes)?;
        let tree = ColumnTree::parse(shape, &bytes)?;
        if tree.root() == column.root { Ok(tree) } else { Err(ColumnError::Root { stripe: 0 }) }
    }

    fn verify_stripe(
        &self,
        column: &ColumnReader<D::File>,
        tree: &ColumnTree,
        index: u64,
        record: &mut Vec<u8>,
    ) -> Result<(), ColumnError> {
        let stripe = column.geometry.stripe(index);
        record.resize(usize::try_from(stripe.record_bytes()).map_err(io::Error::other)?, 0);
        self.disk.read_at(&column.file, stripe.record_offset, record)?;
        for row in 0..column.rows {
            for block in 0..stripe.blocks_per_cell() {
                let cell = usize::try_from(stripe.cell_offset(row)).map_err(io::Error::other)?;
                let range = stripe.block_range(block);
                let at = usize::try_from(stripe.checksum_offset(row, block)).map_err(io::Error::other)?;
                let stored = u64::from_le_bytes(record[at..at + CHECKSUM_BYTES].try_into().expect("eight bytes"));
                if !column.seal.check(index, row, block, &record[cell + range.start..cell + range.end], stored) {
                    return Err(ColumnError::Block { stripe: index, row, block });
                }
            }
        }
        let cells = usize::try_from(stripe.cell_offset(stripe.rows)).map_err(io::Error::other)?;
        let first = stripe.column_offset / u64::from(tree.shape().group_bytes());
        match tree.wrong_groups(first, &record[..cells]).next() {
            Some(_) => Err(ColumnError::Root { stripe: index }),
            None => Ok(()),
        }
    }

    /// Remembers an error that will be there at the next read too; not, say, that too many files were open.
    pub fn note_if_damage(&self, title: &str, version: Version, error: &ColumnError) {
        let lasts = match error {
            ColumnError::Missing | ColumnError::OutOfRange => false,
            ColumnError::Disk(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
                    || error.raw_os_error() == Some(EIO)
            }
            ColumnError::Header(_)
            | ColumnError::Foreign { .. }
            | ColumnError::Length { .. }
            | ColumnError::Tree(_)
            | ColumnError::Root { .. }
            | ColumnError::Block { .. } => true,
        };
        if lasts {
            self.note_damage(title, version, &error.to_string());
        }
    }

    /// Remembers that the node's column of a version is not to be trusted.
    pub fn note_damage(&self, title: &str, version: Version, reason: &str) {
        let key = (TitleHash::of(title), version);
        let mut index = lock(&self.index);
        if index.held(key).is_some() {
            let held = index.held_mut(key, Time::default());
            if let Some(column) = &mut held.column {
                column.damage.get_or_insert_with(|| reason.to_owned());
            }
        }
    }
}
