//! Where everything is: from a title's bytes to stripes, and in a column file from stripes to cells, blocks and
//! checksums.

use core::ops::Range;

use super::tree::is_group;
use super::{
    BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, CELL_BYTES_GRAIN, CELL_BYTES_MAX, CELL_BYTES_MIN, CHECKSUM_BYTES, ColumnHeader,
    HEADER_BYTES, STRIPE_DATA_BYTES, TITLE_BYTES_MAX, TreeShape, default_group_bytes,
};
use crate::code::Code;

/// Chooses the cell size of a code: the largest power of two with which a stripe's data are at most 1 MiB, at least
/// 4096.
pub fn default_cell_bytes(code: &Code) -> u32 {
    let most = STRIPE_DATA_BYTES / code.data_cell_count() as u64;
    let mut cell_bytes = CELL_BYTES_MIN;
    while u64::from(cell_bytes) * 2 <= most {
        cell_bytes *= 2;
    }
    cell_bytes
}

/// Tells whether full cells may have this size.
pub(super) fn cell_bytes_fit(cell_bytes: u32) -> bool {
    cell_bytes.is_power_of_two() && (CELL_BYTES_MIN..=CELL_BYTES_MAX).contains(&cell_bytes)
}

/// Tells whether blocks may have this size.
pub(super) fn block_bytes_fit(block_bytes: u32) -> bool {
    block_bytes.is_power_of_two() && (BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&block_bytes)
}

/// Tells whether the groups of a hash tree may have this size.
pub(super) fn group_bytes_fit(group_bytes: u32, cell_bytes: u32) -> bool {
    is_group(group_bytes) && group_bytes <= cell_bytes
}

/// The stripes of a title, and the layout of the column files that hold them.
///
/// Shape: every column file of a title has the same layout. All stripes but the last are full; a title of no bytes has
/// no stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    rows: u16,
    data_cells: u32,
    cell_bytes: u32,
    block_bytes: u32,
    group_bytes: u32,
    title_bytes: u64,
}

/// One stripe of a title, and its record in each column file.
///
/// Shape: the bytes of the title from `title_offset` on fill the data cells in byte order; what they leave of the last
/// ones is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripeShape {
    /// Its number, from 0.
    pub index: u64,
    /// Where its data begin in the title.
    pub title_offset: u64,
    /// Bytes of the title in it.
    pub data_bytes: u64,
    /// Bytes of each of its cells.
    pub cell_bytes: u32,
    /// Bytes of a cell under one checksum; the last block of a cell may be shorter.
    pub block_bytes: u32,
    /// Where its record begins in a column file.
    pub record_offset: u64,
    /// Where its cells begin among all cell bytes of a column, as its hash tree counts them.
    pub column_offset: u64,
    /// Cells of a column.
    pub rows: u16,
    /// Data cells of the stripe.
    pub data_cells: u32,
}

impl Geometry {
    /// Lays out a title of `title_bytes`, with groups of the default size in the hash trees.
    ///
    /// # Panics
    /// When `cell_bytes` is no power of two from 4096 to 16 MiB, `block_bytes` none from 512 to 16 MiB, or
    /// `title_bytes` exceeds 2^60.
    pub fn new(code: &Code, cell_bytes: u32, block_bytes: u32, title_bytes: u64) -> Self {
        assert!(cell_bytes_fit(cell_bytes), "cells of {cell_bytes} bytes");
        assert!(block_bytes_fit(block_bytes), "blocks of {block_bytes} bytes");
        assert!(title_bytes <= TITLE_BYTES_MAX, "a title of {title_bytes} bytes");
        let fit = "the cells of a code are counted in 16 bits";
        Self {
            rows: u16::try_from(code.rows()).expect(fit),
            data_cells: u32::try_from(code.data_cell_count()).expect(fit),
            cell_bytes,
            block_bytes,
            group_bytes: default_group_bytes(cell_bytes),
            title_bytes,
        }
    }

    /// The same with other groups in the hash trees.
    ///
    /// # Panics
    /// When `group_bytes` is no power of two from 1024 to the bytes of a cell.
    #[must_use]
    pub fn with_group_bytes(self, group_bytes: u32) -> Self {
        assert!(group_bytes_fit(group_bytes, self.cell_bytes), "groups of {group_bytes} bytes");
        Self { group_bytes, ..self }
    }

    /// Lays out the title that a header describes.
    ///
    /// # Panics
    /// When the header holds sizes that [`ColumnHeader::validate`] refuses, or is of another code.
    pub fn of(header: &ColumnHeader, code: &Code) -> Self {
        assert_eq!(header.code, code.name(), "code of a header");
        Self::new(code, header.cell_bytes, header.block_bytes, header.title_bytes).with_group_bytes(header.group_bytes)
    }

    /// Counts the stripes.
    pub fn stripe_count(&self) -> u64 {
        self.title_bytes.div_ceil(self.full_data_bytes())
    }

    /// Describes a stripe.
    ///
    /// # Panics
    /// When there are no more than `index` stripes.
    pub fn stripe(&self, index: u64) -> StripeShape {
        assert!(index < self.stripe_count(), "stripe {index} of {}", self.stripe_count());
        let full = StripeShape {
            index,
            title_offset: index * self.full_data_bytes(),
            data_bytes: self.full_data_bytes(),
            cell_bytes: self.cell_bytes,
            block_bytes: self.block_bytes,
            record_offset: 0,
            column_offset: 0,
            rows: self.rows,
            data_cells: self.data_cells,
        };
        let data_bytes = full.data_bytes.min(self.title_bytes - full.title_offset);
        let cell_bytes = data_bytes.div_ceil(u64::from(self.data_cells)).next_multiple_of(u64::from(CELL_BYTES_GRAIN));
        StripeShape {
            data_bytes,
            // A full stripe comes out at the full size, for that is a multiple of the grain.
            cell_bytes: u32::try_from(cell_bytes).unwrap_or(self.cell_bytes).min(self.cell_bytes),
            record_offset: HEADER_BYTES as u64 + index * full.record_bytes(),
            column_offset: index * full.cell_offset(self.rows),
            ..full
        }
    }

    /// Computes the length of each column file: header, records and hash tree.
    pub fn file_bytes(&self) -> u64 {
        self.tree_offset() + self.tree().section_bytes()
    }

    /// Finds the hash tree in a column file, behind the last record.
    pub fn tree_offset(&self) -> u64 {
        match self.last() {
            None => HEADER_BYTES as u64,
            Some(last) => last.record_offset + last.record_bytes(),
        }
    }

    /// Describes the hash tree of each column.
    pub fn tree(&self) -> TreeShape {
        let column_bytes = self.last().map_or(0, |last| last.column_offset + last.cell_offset(last.rows));
        TreeShape::new(column_bytes, self.group_bytes)
    }

    /// Finds cell bytes of a column, as its hash tree counts them, in the column file: a piece for each stripe.
    ///
    /// # Panics
    /// When the range ends behind the column's last cell.
    pub fn cell_pieces(&self, bytes: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let of_stripe = u64::from(self.rows) * u64::from(self.cell_bytes);
        let stripes = bytes.start / of_stripe..bytes.end.div_ceil(of_stripe);
        stripes.map(move |index| {
            let shape = self.stripe(index);
            let cells = shape.column_offset..shape.column_offset + shape.cell_offset(shape.rows);
            assert!(bytes.end <= cells.end || cells.end == shape.column_offset + of_stripe, "{bytes:?} of a column");
            let at = |byte: u64| shape.record_offset + byte.clamp(cells.start, cells.end) - cells.start;
            at(bytes.start)..at(bytes.end)
        })
    }

    fn last(&self) -> Option<StripeShape> {
        Some(self.stripe(self.stripe_count().checked_sub(1)?))
    }

    /// Finds the stripe that holds a byte of the title. A byte past the end has the stripe that it would have in a
    /// longer title.
    pub fn stripe_of(&self, title_offset: u64) -> u64 {
        title_offset / self.full_data_bytes()
    }

    fn full_data_bytes(&self) -> u64 {
        u64::from(self.data_cells) * u64::from(self.cell_bytes)
    }
}

impl StripeShape {
    /// Computes the length of its record in a column file: cells and checksums.
    pub fn record_bytes(&self) -> u64 {
        self.checksum_offset(self.rows, 0)
    }

    /// Counts the blocks of a cell.
    pub fn blocks_per_cell(&self) -> u32 {
        self.cell_bytes.div_ceil(self.block_bytes)
    }

    /// Finds the cell of a row in the record.
    pub fn cell_offset(&self, row: u16) -> u64 {
        u64::from(row) * u64::from(self.cell_bytes)
    }

    /// Finds a block in its cell.
    ///
    /// # Panics
    /// When a cell has no more than `block` blocks.
    pub fn block_range(&self, block: u32) -> Range<usize> {
        assert!(block < self.blocks_per_cell(), "block {block} of {}", self.blocks_per_cell());
        let start = block * self.block_bytes;
        let end = self.cell_bytes.min(start.saturating_add(self.block_bytes));
        start as usize..end as usize
    }

    /// Finds bytes of a cell among all cell bytes of a column, as its hash tree counts them.
    pub fn column_range(&self, row: u16, bytes: Range<usize>) -> Range<u64> {
        let cell = self.column_offset + self.cell_offset(row);
        cell + bytes.start as u64..cell + bytes.end as u64
    }

    /// Finds the checksum of a block in the record.
    pub fn checksum_offset(&self, row: u16, block: u32) -> u64 {
        let checksums_before = u64::from(row) * u64::from(self.blocks_per_cell()) + u64::from(block);
        self.cell_offset(self.rows) + checksums_before * CHECKSUM_BYTES as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str) -> Code {
        Code::named(name).unwrap()
    }

    #[test]
    fn default_cells() {
        for (name, expected) in [("b-code:4", 262_144), ("b-code:6", 65536), ("x-code:13", 4096), ("b-code:10", 16384)]
        {
            assert_eq!(default_cell_bytes(&code(name)), expected, "{name}");
        }
    }

    #[test]
    fn no_bytes_no_stripes() {
        let geometry = Geometry::new(&code("b-code:4"), 4096, 512, 0);
        assert_eq!((geometry.stripe_count(), geometry.file_bytes()), (0, HEADER_BYTES as u64));
    }

    #[test]
    fn the_last_stripe_shrinks() {
        // Four data cells of 4096 bytes: 16384 bytes of data in a full stripe.
        let shapes = [(1, 64), (256, 64), (257, 128), (16383, 4096), (16384, 4096)];
        for (left, cell_bytes) in shapes {
            let geometry = Geometry::new(&code("b-code:4"), 4096, 1024, 2 * 16384 + left);
            assert_eq!(geometry.stripe_count(), 3, "{left} bytes left");
            let last = geometry.stripe(2);
            assert_eq!((last.title_offset, last.data_bytes, last.cell_bytes), (32768, left, cell_bytes));
            let full_record = 2 * 4096 + 2 * 4 * 8;
            assert_eq!(last.record_offset, HEADER_BYTES as u64 + 2 * full_record);
            let blocks = u64::from(cell_bytes.div_ceil(1024));
            assert_eq!(last.record_bytes(), 2 * u64::from(cell_bytes) + 2 * blocks * 8);
            assert_eq!(last.column_offset, 2 * 2 * 4096);
            assert_eq!(geometry.tree_offset(), last.record_offset + last.record_bytes());
            // Groups of 4096 bytes: two of each full stripe, and those of the last.
            let groups = 4 + (2 * u64::from(cell_bytes)).div_ceil(4096);
            assert_eq!(geometry.file_bytes(), geometry.tree_offset() + (2 * groups - 1) * 32 + 8);
            let small = geometry.with_group_bytes(1024);
            assert_eq!(small.tree().group_count(), 16 + (2 * u64::from(cell_bytes)).div_ceil(1024));
            assert_eq!(small.tree_offset(), geometry.tree_offset());
        }
    }

    #[test]
    fn stripes_of_offsets() {
        let geometry = Geometry::new(&code("b-code:4"), 4096, 1024, 40000);
        for (offset, stripe) in [(0, 0), (16383, 0), (16384, 1), (39999, 2)] {
            assert_eq!(geometry.stripe_of(offset), stripe);
            let shape = geometry.stripe(stripe);
            assert!((shape.title_offset..shape.title_offset + shape.data_bytes).contains(&offset));
        }
    }

    #[test]
    fn blocks_and_checksums_fill_the_record() {
        let shape = Geometry::new(&code("b-code:6"), 4096, 1024, 12 * 1100).stripe(0);
        assert_eq!((shape.cell_bytes, shape.blocks_per_cell()), (1152, 2));
        assert_eq!((shape.block_range(0), shape.block_range(1)), (0..1024, 1024..1152));
        assert_eq!((shape.cell_offset(0), shape.cell_offset(2)), (0, 2304));
        assert_eq!((shape.checksum_offset(0, 0), shape.checksum_offset(1, 1)), (3456, 3456 + 24));
        assert_eq!(shape.record_bytes(), 3456 + 6 * 8);
        assert_eq!(shape.column_range(2, shape.block_range(1)), 3328..3456);
    }

    /// The cells of all stripes, one byte after the other.
    #[test]
    fn cell_bytes_are_found_in_the_file() {
        let geometry = Geometry::new(&code("b-code:4"), 4096, 1024, 2 * 16384 + 1000);
        let stripes = (0..3).map(|index| geometry.stripe(index));
        let places: Vec<u64> = stripes
            .flat_map(|shape| shape.record_offset..shape.record_offset + shape.cell_offset(shape.rows))
            .collect();
        let total = geometry.tree().column_bytes();
        assert_eq!(places.len() as u64, total);
        for start in (0..total).step_by(997) {
            for end in (start + 1..=total).step_by(1013).chain([total]) {
                let found = geometry.cell_pieces(start..end).flatten();
                let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
                assert!(found.eq(places[range].iter().copied()), "{start}..{end}");
            }
        }
        assert_eq!(geometry.cell_pieces(5..5).flatten().count(), 0);
    }

    #[test]
    #[should_panic(expected = "of a column")]
    fn no_cell_bytes_past_the_last() {
        let geometry = Geometry::new(&code("b-code:4"), 4096, 1024, 1000);
        let _ = geometry.cell_pieces(0..geometry.tree().column_bytes() + 1).count();
    }

    #[test]
    fn a_block_may_be_larger_than_a_cell() {
        let shape = Geometry::new(&code("x-code:13"), 4096, 16384, 143 * 4096).stripe(0);
        assert_eq!((shape.cell_bytes, shape.blocks_per_cell(), shape.block_range(0)), (4096, 1, 0..4096));
    }

    #[test]
    fn the_longest_title_does_not_overflow() {
        for name in ["b-code:4", "x-code:13"] {
            for (cell_bytes, block_bytes) in [(4096, 512), (CELL_BYTES_MAX, BLOCK_BYTES_MAX)] {
                let geometry = Geometry::new(&code(name), cell_bytes, block_bytes, TITLE_BYTES_MAX);
                assert!(geometry.file_bytes() < TITLE_BYTES_MAX);
                let last = geometry.stripe(geometry.stripe_count() - 1);
                assert_eq!(last.title_offset + last.data_bytes, TITLE_BYTES_MAX);
            }
        }
    }

    #[test]
    #[should_panic(expected = "stripe 1 of 1")]
    fn no_stripe_past_the_last() {
        let _ = Geometry::new(&code("b-code:4"), 4096, 512, 1).stripe(1);
    }
}
