//! From the cells of one column to its records and its hash tree.

use super::{CHECKSUM_BYTES, ColumnHasher, ColumnTree, Seal, StripeShape};

/// Makes the records of one column: puts checksums behind cells, and hashes the cells.
///
/// Shape: stripes in any order, each once; builders of some stripes each become one by [`ColumnBuilder::join`].
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    seal: Seal,
    hasher: ColumnHasher,
}

impl ColumnBuilder {
    /// Begins a column whose blocks have these seals, and whose tree has groups of `group_bytes`.
    ///
    /// # Panics
    /// When `group_bytes` is no power of two of at least 1024.
    pub fn new(seal: Seal, group_bytes: u32) -> Self {
        Self { seal, hasher: ColumnHasher::new(group_bytes) }
    }

    /// Makes the record of a stripe from the bytes of its cells, row after row, in any pieces.
    ///
    /// # Panics
    /// When there are more or fewer bytes than the cells have, or they begin within a group of the tree.
    pub fn record<'a>(&mut self, shape: &StripeShape, cells: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut record = Vec::with_capacity(length(shape.record_bytes()));
        cells.into_iter().for_each(|part| record.extend_from_slice(part));
        assert_eq!(record.len() as u64, shape.cell_offset(shape.rows), "bytes of a stripe's cells");
        record.resize(length(shape.record_bytes()), 0);
        self.complete(shape, &mut record);
        record
    }

    /// Completes a record that has the cells of a stripe: puts the checksum of every block behind them.
    ///
    /// # Panics
    /// When the record has another length, or the stripe begins within a group of the tree.
    pub fn complete(&mut self, shape: &StripeShape, record: &mut [u8]) {
        self.hasher.seek(shape.column_offset);
        let hasher = &mut self.hasher;
        seal_blocks(self.seal, shape, record, |block| hasher.update(block));
    }

    /// Completes a record and hashes nothing.
    pub(super) fn seal(&self, shape: &StripeShape, record: &mut [u8]) {
        seal_blocks(self.seal, shape, record, |_| {});
    }

    /// Adds the stripes of another builder of the same column.
    ///
    /// # Panics
    /// When its groups have another size.
    pub fn join(&mut self, other: Self) {
        self.hasher.join(other.hasher);
    }

    /// Makes the hash tree of all stripes.
    ///
    /// # Panics
    /// When a stripe before the last was left out, or one came twice.
    pub fn finish(self) -> ColumnTree {
        self.hasher.finish()
    }
}

/// Puts the checksum of every block behind the cells, and shows each block while it is in the cache.
fn seal_blocks(seal: Seal, shape: &StripeShape, record: &mut [u8], mut show: impl FnMut(&[u8])) {
    assert_eq!(record.len() as u64, shape.record_bytes(), "bytes of a record");
    let (cells, checksums) = record.split_at_mut(length(shape.cell_offset(shape.rows)));
    let mut slots = checksums.chunks_exact_mut(CHECKSUM_BYTES);
    for (row, cell) in (0..shape.rows).zip(cells.chunks_exact(shape.cell_bytes as usize)) {
        for (block, slot) in (0..shape.blocks_per_cell()).zip(&mut slots) {
            let bytes = &cell[shape.block_range(block)];
            slot.copy_from_slice(&seal.seal(shape.index, row, block, bytes).to_le_bytes());
            show(bytes);
        }
    }
}

/// A length in memory, of something that is in memory.
pub(super) fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a record fits the memory that holds it")
}
