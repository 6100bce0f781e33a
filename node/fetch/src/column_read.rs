//! Which part of a column a peer is asked for, and how the answer is laid out.

use super::ReadProof;
use core::ops::Range;
use rain_codec::column::{CHECKSUM_BYTES, Geometry, StripeShape};

/// Blocks of a column: of every one of `stripes` the blocks `blocks` of the cells in `rows`.
///
/// Shape of the answer: stripe after stripe; in each, row after row, the bytes of the blocks; then, row after row, their
/// checksums, 8 bytes each as stored. All stripes have cells of one size. Behind all that, if asked for, what proves the
/// blocks: see [`ReadProof`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRead {
    /// Stripes of the title.
    pub stripes: Range<u64>,
    /// Rows of the column.
    pub rows: Range<u16>,
    /// Blocks of each cell.
    pub blocks: Range<u32>,
    /// With what proves them against the column's root.
    pub proof: bool,
}

impl ColumnRead {
    /// The query of a request for it.
    pub fn to_query(&self) -> String {
        let Self { stripes, rows, blocks, proof } = self;
        format!(
            "stripes={}-{}&rows={}-{}&blocks={}-{}{}",
            stripes.start,
            stripes.end,
            rows.start,
            rows.end,
            blocks.start,
            blocks.end,
            if *proof { "&proof=1" } else { "" }
        )
    }

    /// What a query asks for.
    pub fn from_query(query: &str) -> Option<Self> {
        let mut parts = query.split('&');
        let range = |part: Option<&str>, name: &str| {
            let (start, end) = part?.strip_prefix(name)?.strip_prefix('=')?.split_once('-')?;
            Some(start.parse::<u64>().ok()?..end.parse::<u64>().ok()?)
        };
        let stripes = range(parts.next(), "stripes")?;
        let (rows, blocks) = (range(parts.next(), "rows")?, range(parts.next(), "blocks")?);
        let rows = u16::try_from(rows.start).ok()?..u16::try_from(rows.end).ok()?;
        let blocks = u32::try_from(blocks.start).ok()?..u32::try_from(blocks.end).ok()?;
        let proof = match parts.next() {
            None => false,
            Some("proof=1") => true,
            Some(_) => return None,
        };
        parts.next().is_none().then_some(Self { stripes, rows, blocks, proof })
    }

    /// Whether a column of this geometry has all of it, in an answer of at most `limit` bytes.
    pub fn fits(&self, geometry: &Geometry, limit: usize) -> bool {
        let Self { stripes, rows, blocks, proof: _ } = self;
        if stripes.is_empty() || rows.is_empty() || blocks.is_empty() || stripes.end > geometry.stripe_count() {
            return false;
        }
        let (first, last) = (geometry.stripe(stripes.start), geometry.stripe(stripes.end - 1));
        first.cell_bytes == last.cell_bytes
            && rows.end <= first.rows
            && blocks.end <= first.blocks_per_cell()
            && (stripes.end - stripes.start).saturating_mul(self.stripe_bytes(&first) as u64) <= limit as u64
            && self.answer_bytes(geometry) <= limit as u64
    }

    /// Bytes of the whole answer, with what proves it if that is asked for.
    ///
    /// # Panics
    /// When a column of this geometry does not have all of it.
    pub fn answer_bytes(&self, geometry: &Geometry) -> u64 {
        self.blocks_bytes(geometry) + if self.proof { ReadProof::of(self, geometry).bytes() } else { 0 }
    }

    /// Bytes of the blocks and their checksums.
    ///
    /// # Panics
    /// When a column of this geometry does not have all of it.
    pub fn blocks_bytes(&self, geometry: &Geometry) -> u64 {
        (self.stripes.end - self.stripes.start) * self.stripe_bytes(&geometry.stripe(self.stripes.start)) as u64
    }

    /// The bytes asked for that lie in one piece, as the column's hash tree counts them, from left to right; and where in
    /// the answer each piece begins.
    ///
    /// # Panics
    /// When a column of this geometry does not have all of it.
    pub fn runs(&self, geometry: &Geometry) -> impl Iterator<Item = (Range<u64>, usize)> {
        let first = geometry.stripe(self.stripes.start);
        let (each, span) = (self.stripe_bytes(&first), self.span(&first));
        let whole = span.len() == first.cell_bytes as usize;
        let rows = self.rows.clone().step_by(if whole { self.rows.len() } else { 1 });
        let length = if whole { self.rows.len() * span.len() } else { span.len() };
        (0..).zip(self.stripes.clone()).flat_map(move |(index, stripe)| {
            let (shape, read, start) = (geometry.stripe(stripe), self, span.start);
            rows.clone().map(move |row| {
                let bytes = shape.column_range(row, start..start + length);
                (bytes, index * each + read.row_offset(&shape, row))
            })
        })
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
        let read = ColumnRead { stripes: 3..9, rows: 0..2, blocks: 1..16, proof: false };
        let proven = ColumnRead { proof: true, ..read.clone() };
        assert_eq!(read.to_query(), "stripes=3-9&rows=0-2&blocks=1-16");
        assert_eq!(proven.to_query(), "stripes=3-9&rows=0-2&blocks=1-16&proof=1");
        for read in [read, proven] {
            let query = read.to_query();
            assert_eq!(ColumnRead::from_query(&query), Some(read));
            for more in ["&proof=0", "&proof=1", "&from=5"] {
                let query = format!("{query}{more}");
                let parsed = ColumnRead::from_query(&query);
                assert!(parsed.is_none() || more == "&proof=1", "{query}");
            }
        }
        for wrong in ["", "stripes=1-2", "stripes=1-2&rows=0-70000&blocks=0-1", "stripes=a-2&rows=0-1&blocks=0-1"] {
            assert_eq!(ColumnRead::from_query(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_column_does_not_have_does_not_fit() {
        // b-code:4: 4 data cells of 4096 bytes, so 2 full stripes and a smaller one.
        let geometry = Geometry::new(&Code::named("b-code:4").unwrap(), 4096, 1024, 2 * 16384 + 100);
        let fits = |stripes, rows, blocks| {
            let read = ColumnRead { stripes, rows, blocks, proof: false };
            let fits = read.fits(&geometry, 1 << 20);
            assert_eq!(ColumnRead { proof: true, ..read }.fits(&geometry, 1 << 20), fits);
            fits
        };
        assert!(fits(0..2, 0..2, 0..4));
        assert!(fits(2..3, 0..2, 0..1));
        assert!(!fits(1..3, 0..2, 0..1), "cells of two sizes");
        assert!(!fits(0..4, 0..2, 0..1));
        assert!(!fits(0..1, 0..3, 0..1));
        assert!(!fits(0..1, 0..1, 0..5));
        assert!(!fits(1..1, 0..1, 0..1));
        let read = ColumnRead { stripes: 0..2, rows: 0..2, blocks: 0..4, proof: false };
        assert!(!read.fits(&geometry, 16000) && read.fits(&geometry, 2 * (8192 + 64)));
        // Four of five groups are asked for: the hash of the fifth proves them.
        let proven = ColumnRead { proof: true, ..read };
        let bytes = 2 * (8192 + 64) + 32;
        assert_eq!(proven.answer_bytes(&geometry), bytes as u64);
        assert!(!proven.fits(&geometry, bytes - 1) && proven.fits(&geometry, bytes));
    }
}
