//! Reading the store's column files: what is read was checked against the file's own header first.

use super::title_version;
use crate::store::names::{FileName, Key, TitleHash};
use crate::store::{Disk, Store, lock};
use bytes::Bytes;
use rain_cluster::{Record, Time, Version};
use rain_codec::column::{
    CHECKSUM_BYTES, ColumnHasher, ColumnHeader, Geometry, HASH_BYTES, HEADER_BYTES, HeaderError, Seal, StripeShape,
    TitleVersion,
};
use rain_desk::Codes;
use rain_fetch::{ColumnRead, ReadProof};
use std::io;

/// Whether an error of the disk says nothing of the file that was asked for.
fn passes(error: &io::Error) -> bool {
    let is_short_of_files = matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    is_short_of_files
        || matches!(
            error.kind(),
            io::ErrorKind::OutOfMemory
                | io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::ResourceBusy
                | io::ErrorKind::TimedOut
                | io::ErrorKind::StorageFull
        )
}

/// All processes together have too many files open, on every Linux.
const ENFILE: i32 = 23;
/// This process has.
const EMFILE: i32 = 24;

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
    /// The cells are not those that the manifest names, though each block is what its checksum says.
    #[error("the column's root is not that of the manifest")]
    Root,
    /// The cells are right, the hash tree behind them is not.
    #[error("the hash tree does not match")]
    Tree,
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
    root: [u8; 32],
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

/// Opens a column file and compares its header with what it must say.
fn open_file<D: Disk>(
    disk: &D,
    codes: &Codes,
    name: FileName,
    record: &Record,
) -> Result<ColumnReader<D::File>, ColumnError> {
    let file = disk.open(&name.path())?;
    let found = disk.len(&file)?;
    if found < HEADER_BYTES as u64 {
        return Err(ColumnError::Length { found, expected: HEADER_BYTES as u64 });
    }
    let mut bytes = [0; HEADER_BYTES];
    disk.read_at(&file, 0, &mut bytes)?;
    let header = ColumnHeader::parse(&bytes)?;
    let columns = record.manifest.columns().ok_or(ColumnError::Missing)?;
    let same = header.title == record.title()
        && header.version == title_version(record.version())
        && header.column == name.column
        && header.code == columns.code
        && (header.cell_bytes, header.block_bytes, header.group_bytes, header.title_bytes)
            == (columns.cell_bytes, columns.block_bytes, columns.group_bytes, columns.bytes);
    if !same {
        let TitleVersion { counter, node, life, random } = header.version;
        return Err(ColumnError::Foreign {
            found: format!(
                "column {} of version {counter}-{node:08x}-{life:08x}-{random:08x} of `{}`, code {}",
                header.column, header.title, header.code
            ),
            expected: format!("column {} of version {}, code {}", name.column, record.version(), columns.code),
        });
    }
    let geometry = codes.geometry(columns).map_err(|error| ColumnError::Disk(io::Error::other(error.to_string())))?;
    let expected = geometry.file_bytes();
    if found != expected {
        return Err(ColumnError::Length { found, expected });
    }
    let root = *columns.roots.get(usize::from(name.column)).ok_or(ColumnError::Missing)?;
    if header.root != root {
        return Err(ColumnError::Root);
    }
    let seal = Seal::new(record.title(), header.version, name.column);
    Ok(ColumnReader { file, geometry, index: name.column, rows: header.rows, seal, root })
}

/// Reads a column whole and checks every block of it, and all of them against the root that the manifest names.
///
/// # Errors
/// The first [`ColumnError`] met.
pub(in crate::store) fn prove<D: Disk>(
    disk: &D,
    codes: &Codes,
    name: FileName,
    record: &Record,
) -> Result<(), ColumnError> {
    let column = open_file(disk, codes, name, record)?;
    let mut hasher = ColumnHasher::new(column.geometry.tree().group_bytes());
    let mut bytes = Vec::new();
    for index in 0..column.geometry.stripe_count() {
        let stripe = column.geometry.stripe(index);
        bytes.resize(usize::try_from(stripe.record_bytes()).map_err(io::Error::other)?, 0);
        disk.read_at(&column.file, stripe.record_offset, &mut bytes)?;
        column.check_record(&stripe, &bytes)?;
        hasher.update(&bytes[..usize::try_from(stripe.cell_offset(stripe.rows)).map_err(io::Error::other)?]);
    }
    let tree = hasher.finish();
    if tree.root() != column.root {
        return Err(ColumnError::Root);
    }
    let mut section = vec![0; usize::try_from(tree.shape().section_bytes()).map_err(io::Error::other)?];
    disk.read_at(&column.file, column.geometry.tree_offset(), &mut section)?;
    if section == tree.to_bytes() { Ok(()) } else { Err(ColumnError::Tree) }
}

impl<F> ColumnReader<F> {
    /// Checks every block of a stripe's record.
    fn check_record(&self, stripe: &StripeShape, record: &[u8]) -> Result<(), ColumnError> {
        for row in 0..self.rows {
            for block in 0..stripe.blocks_per_cell() {
                let cell = usize::try_from(stripe.cell_offset(row)).map_err(io::Error::other)?;
                let range = stripe.block_range(block);
                let at = usize::try_from(stripe.checksum_offset(row, block)).map_err(io::Error::other)?;
                let stored = u64::from_le_bytes(record[at..at + CHECKSUM_BYTES].try_into().expect("eight bytes"));
                let bytes = &record[cell + range.start..cell + range.end];
                if !self.seal.check(stripe.index, row, block, bytes, stored) {
                    return Err(ColumnError::Block { stripe: stripe.index, row, block });
                }
            }
        }
        Ok(())
    }
}

impl<D: Disk> Store<D> {
    /// Opens the node's column of a version and checks its header and length.
    ///
    /// # Errors
    /// [`ColumnError`]; damage is remembered and shown from then on.
    pub fn open_column(&self, now: Time, title: &str, version: Version) -> Result<ColumnReader<D::File>, ColumnError> {
        let key = (TitleHash::of(title), version);
        let (record, name) = self.column_of(now, key)?;
        let opened = open_file(&*self.disk, &self.codes, name, &record);
        opened.inspect_err(|error| self.note_if_damage(title, version, error))
    }

    /// What is held of a version, and its column file.
    fn column_of(&self, now: Time, key: Key) -> Result<(Record, FileName), ColumnError> {
        let mut index = lock(&self.index);
        index.touch(key, now);
        let column = index.held(key).ok_or(ColumnError::Missing)?.column.ok_or(ColumnError::Missing)?.column;
        let record = index.record(key).ok_or(ColumnError::Missing)?;
        Ok((record, FileName { title: key.0, version: key.1, column }))
    }

    /// Reads blocks of a column, laid out as [`ColumnRead`] says. Nothing is verified: the reader does that.
    ///
    /// Cost: a read for each stripe, or two for each of its rows. With a proof also one for each piece of the fringe and
    /// for each hash.
    ///
    /// # Errors
    /// [`ColumnError::OutOfRange`], and those of the disk, which are remembered as damage.
    pub fn read_blocks(
        &self,
        column: &ColumnReader<D::File>,
        read: &ColumnRead,
        bytes_max: usize,
    ) -> Result<Bytes, ColumnError> {
        if !read.fits(&column.geometry, bytes_max) {
            return Err(ColumnError::OutOfRange);
        }
        let each = read.stripe_bytes(&column.geometry.stripe(read.stripes.start));
        let blocks = usize::try_from(read.blocks_bytes(&column.geometry)).map_err(io::Error::other)?;
        let length = usize::try_from(read.answer_bytes(&column.geometry)).map_err(io::Error::other)?;
        let mut buffer = self.spares.take(length);
        for (index, stripe) in read.stripes.clone().zip(buffer.part(0..blocks).chunks_mut(each)) {
            self.read_stripe(column, &column.geometry.stripe(index), read, stripe)?;
        }
        if read.proof {
            self.read_proof(column, &ReadProof::of(read, &column.geometry), buffer.part(blocks..length))?;
        }
        Ok(buffer.into())
    }

    /// Reads what proves blocks: the bytes beside them, and hashes one by one, for they lie all over the tree.
    fn read_proof(&self, column: &ColumnReader<D::File>, proof: &ReadProof, mut answer: &mut [u8]) -> io::Result<()> {
        let geometry = &column.geometry;
        let fringe = proof.fringe().iter().flat_map(|bytes| geometry.cell_pieces(bytes.clone()));
        let hashes = proof.places().iter().map(|place| geometry.tree_offset() + place * HASH_BYTES as u64);
        let hashes = hashes.map(|offset| offset..offset + HASH_BYTES as u64);
        for piece in fringe.chain(hashes) {
            let length = usize::try_from(piece.end - piece.start).map_err(io::Error::other)?;
            let (part, rest) = answer.split_at_mut_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
            self.disk.read_at(&column.file, piece.start, part)?;
            answer = rest;
        }
        Ok(())
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

    /// Reads the node's whole column and checks every block, the root and the hash tree.
    ///
    /// # Errors
    /// The first [`ColumnError`] met; damage is remembered.
    pub fn verify_column(&self, now: Time, title: &str, version: Version) -> Result<(), ColumnError> {
        let (record, name) = self.column_of(now, (TitleHash::of(title), version))?;
        let proven = prove(&*self.disk, &self.codes, name, &record);
        proven.inspect_err(|error| self.note_if_damage(title, version, error))
    }

    /// Remembers an error that will be there at the next read too; not, say, that too many files were open. What is
    /// remembered wrongly costs a proof of the column, and nothing else: it is taken into use again.
    pub fn note_if_damage(&self, title: &str, version: Version, error: &ColumnError) {
        let lasts = match error {
            ColumnError::Missing | ColumnError::OutOfRange => false,
            ColumnError::Disk(error) => !passes(error),
            ColumnError::Header(_)
            | ColumnError::Foreign { .. }
            | ColumnError::Length { .. }
            | ColumnError::Root
            | ColumnError::Tree
            | ColumnError::Block { .. } => true,
        };
        if lasts {
            self.note_damage(title, version, &error.to_string());
        }
    }

    /// Remembers that the node's column of a version is not to be trusted.
    pub fn note_damage(&self, title: &str, version: Version, reason: &str) {
        lock(&self.index).damage((TitleHash::of(title), version), reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_that_say_nothing_of_the_file_pass() {
        let of = |error| passes(&io::Error::from_raw_os_error(error));
        // Interrupted, no memory, busy, too many files, no room.
        assert_eq!([4, 12, 16, 23, 24, 28].map(of), [true; 6]);
        // Not permitted, not there, broken, no right, a folder, links that lead to themselves, stale.
        assert_eq!([1, 2, 5, 13, 21, 40, 116].map(of), [false; 7]);
    }
}
