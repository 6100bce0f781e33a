//! Which part of a column a peer is asked for, and how the answer is laid out.

use core::ops::Range;
use rain_codec::column::{CHECKSUM_BYTES, Geometry, StripeShape};

/// Blocks of a column: of every one of `stripes` the blocks `blocks` of the cells in `rows`.
///
/// Shape of the answer: stripe after stripe; in each, row after row, the bytes of the blocks; then, row after row, their
/// checksums, 8 bytes each as stored. All stripes have cells of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRead {
    /// Stripes of the title.
    pub stripes: Range<u64>,
    /// Rows of the column.
    pub rows: Range<u16>,
    /// Blocks of each cell.
    pub blocks: Range<u32>,
}

impl ColumnRead {
    /// The query of a request for it.
    pub fn to_query(&self) -> String {
        let Self { stripes, rows, blocks } = self;
        format!(
            "stripes={}-{}&rows={}-{}&blocks={}-{}",
            stripes.start, stripes.end, rows.start, rows.end, blocks.start, blocks.end
        )
    }

    /// What a query asks for.
    pub fn from_query(query: &str) -> Option<Self> {
        let mut parts = query.split('&');
        let mut range = |name: &str| {
            let (start, end) = parts.next()?.strip_prefix(name)?.strip_prefix('=')?.split_once('-')?;
            Some(start.parse::<u64>().ok()?..end.parse::<u64>().ok()?)
        };
        let stripes = range("stripes")?;
        let (rows, blocks) = (range("rows")?, range("blocks")?);
        let rows = u16::try_from(rows.start).ok()?..u16::try_from(rows.end).ok()?;
        let blocks = u32::try_from(blocks.start).ok()?..u32::try_from(blocks.end).ok()?;
        Some(Self { stripes, rows, blocks })
    }

    /// Whether a column of this geometry has all of it, in an answer of at most `limit` bytes.
    pub fn fits(&self, geometry: &Geometry, limit: usize) -> bool {
        let Self { stripes, rows, blocks } = self;
        if stripes.is_empty() || rows.is_empty() || blocks.is_empty() || stripes.end > geometry.stripe_count() {
            return false;
        }
        let (first, last) = (geometry.stripe(stripes.start), geometry.stripe(stripes.end - 1));
        first.cell_bytes == last.cell_bytes
            && rows.end <= first.rows
            && blocks.end <= first.blocks_per_cell()
            && (stripes.end - stripes.start).saturating_mul(self.stripe_bytes(&first) as u64) <= limit as u64
    }

    /// Where the blocks lie in a cell.
    pub fn span(&self, stripe: &StripeShape) -> Range<usize> {
        stripe.block_range(self.blocks.start).start..stripe.block_range(self.blocks.end - 1).end
    }

    /// Bytes of the answer for each stripe.
    pub fn stripe_bytes(&self, stripe: &StripeShape) -> usize {
        self.rows.len() * (self.span(stripe).len() + self.blocks.len() * CHECKSUM_BYTES)
    }

    /// Where, in the answer's part for one stripe, the blocks of `row` begin.
    pub fn row_offset(&self, stripe: &StripeShape, row: u16) -> usize {
        usize::from(row - self.rows.start) * self.span(stripe).len()
    }

    /// Where, in the answer's part for one stripe, the checksum of a block is.
    pub fn checksum_offset(&self, stripe: &StripeShape, row: u16, block: u32) -> usize {
        let before = usize::from(row - self.rows.start) * self.blocks.len() + (block - self.blocks.start) as usize;
        self.rows.len() * self.span(stripe).len() + before * CHECKSUM_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_codec::Code;

    #[test]
    fn queries_and_back() {
        let read = ColumnRead { stripes: 3..9, rows: 0..2, blocks: 1..16 };
        assert_eq!(ColumnRead::from_query(&read.to_query()), Some(read));
        for wrong in ["", "stripes=1-2", "stripes=1-2&rows=0-70000&blocks=0-1", "stripes=a-2&rows=0-1&blocks=0-1"] {
            assert_eq!(ColumnRead::from_query(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_column_does_not_have_does_not_fit() {
        // b-code:4: 4 data cells of 4096 bytes, so 2 full stripes and a smaller one.
        let geometry = Geometry::new(&Code::named("b-code:4").unwrap(), 4096, 1024, 2 * 16384 + 100);
        let fits = |stripes, rows, blocks| ColumnRead { stripes, rows, blocks }.fits(&geometry, 1 << 20);
        assert!(fits(0..2, 0..2, 0..4));
        assert!(fits(2..3, 0..2, 0..1));
        assert!(!fits(1..3, 0..2, 0..1), "cells of two sizes");
        assert!(!fits(0..4, 0..2, 0..1));
        assert!(!fits(0..1, 0..3, 0..1));
        assert!(!fits(0..1, 0..1, 0..5));
        assert!(!fits(1..1, 0..1, 0..1));
        let read = ColumnRead { stripes: 0..2, rows: 0..2, blocks: 0..4 };
        assert!(!read.fits(&geometry, 16000) && read.fits(&geometry, 2 * (8192 + 64)));
    }
}
