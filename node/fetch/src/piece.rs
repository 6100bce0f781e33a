//! A range of a title, cut into pieces that are fetched one by one.

use core::ops::Range;
use rain_codec::column::{Geometry, StripeShape};

/// A part of a title: of each of some stripes the same data cells, and of each of these the same blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Stripes, all with cells of one size; one only, unless the piece is whole stripes.
    pub stripes: Range<u64>,
    /// Data cells of each stripe, by index.
    pub cells: Range<usize>,
    /// Blocks of each cell.
    pub blocks: Range<u32>,
    /// The bytes of the title that are delivered: what is fetched beyond them is dropped.
    pub bytes: Range<u64>,
}

impl Piece {
    /// Bytes that are delivered.
    pub fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// Whether there are none; never of a piece that [`pieces`] made.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Cuts a range of a title. Pieces begin small, so that the first byte comes soon, and grow to about `bytes_max` or one
/// stripe, whichever is more.
///
/// # Panics
/// When the range ends behind the title.
pub fn pieces(geometry: &Geometry, range: Range<u64>, bytes_max: u64) -> Pieces {
    Pieces { geometry: *geometry, range, bytes_max, target: 0 }
}

/// The pieces of a range of a title, in order.
#[derive(Debug, Clone)]
pub struct Pieces {
    geometry: Geometry,
    /// What is not cut yet.
    range: Range<u64>,
    bytes_max: u64,
    /// About so long is the next piece.
    target: u64,
}

impl Pieces {
    /// The next piece, of at most `bytes_max` or one cell, whichever is less: for whoever has little room.
    pub fn next_small(&mut self, bytes_max: u64) -> Option<Piece> {
        let Range { start, end } = self.range;
        if start >= end {
            return None;
        }
        self.target = 0;
        let stripe = self.geometry.stripe(self.geometry.stripe_of(start));
        let cell = (start - stripe.title_offset) / u64::from(stripe.cell_bytes);
        let cell_end = stripe.title_offset + (cell + 1) * u64::from(stripe.cell_bytes);
        // The small pieces of a title are the same wherever one begins to read.
        let small_end = (start / bytes_max + 1) * bytes_max;
        let end = end.min(stripe.title_offset + stripe.data_bytes).min(cell_end).min(small_end);
        let piece = within(&stripe, start..end);
        self.range.start = piece.bytes.end;
        Some(piece)
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let Range { start, end } = self.range;
        if start >= end {
            return None;
        }
        let stripe = self.geometry.stripe(self.geometry.stripe_of(start));
        let stripe_end = stripe.title_offset + stripe.data_bytes;
        let piece = if start == stripe.title_offset && end >= stripe_end && is_full(&stripe) {
            let fit = (self.target / stripe.data_bytes).max(1);
            let whole = (end - start) / stripe.data_bytes;
            let count = fit.min(whole);
            self.target = (self.target + stripe.data_bytes).min(self.bytes_max);
            Piece {
                stripes: stripe.index..stripe.index + count,
                cells: 0..stripe.data_cells as usize,
                blocks: 0..stripe.blocks_per_cell(),
                bytes: start..start + count * stripe.data_bytes,
            }
        } else {
            within(&stripe, start..end.min(stripe_end))
        };
        self.range.start = piece.bytes.end;
        Some(piece)
    }
}

fn is_full(stripe: &StripeShape) -> bool {
    stripe.data_bytes == u64::from(stripe.data_cells) * u64::from(stripe.cell_bytes)
}

/// The first piece of a range within one stripe: whole cells as far as they go, or blocks of one cell.
fn within(stripe: &StripeShape, range: Range<u64>) -> Piece {
    let cell_bytes = u64::from(stripe.cell_bytes);
    let (start, end) = (range.start - stripe.title_offset, range.end - stripe.title_offset);
    let cell = start / cell_bytes;
    // The end of the data closes the last cell: what follows is zeros.
    let closes = |at: u64| at.is_multiple_of(cell_bytes) || at == stripe.data_bytes;
    let whole_until = if closes(end) { end.div_ceil(cell_bytes) } else { end / cell_bytes };
    let index = |cell: u64| usize::try_from(cell).expect("cells are few");
    if start.is_multiple_of(cell_bytes) && whole_until > cell {
        let bytes_end = end.min(whole_until * cell_bytes) + stripe.title_offset;
        return Piece {
            stripes: stripe.index..stripe.index + 1,
            cells: index(cell)..index(whole_until),
            blocks: 0..stripe.blocks_per_cell(),
            bytes: range.start..bytes_end,
        };
    }
    let end = end.min((cell + 1) * cell_bytes);
    let block =
        |at: u64| u32::try_from((at - cell * cell_bytes) / u64::from(stripe.block_bytes)).expect("blocks are few");
    Piece {
        stripes: stripe.index..stripe.index + 1,
        cells: index(cell)..index(cell) + 1,
        blocks: block(start)..block(end - 1) + 1,
        bytes: range.start..end + stripe.title_offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_codec::Code;

    /// Every byte of a range is in exactly one piece, and in the cells and blocks that the piece names.
    #[test]
    fn pieces_cover_every_range() {
        let code = Code::named("b-code:4").unwrap();
        let length = 3 * 16384 + 777;
        let geometry = Geometry::new(&code, 4096, 1024, length);
        let mut ends = vec![0, 1, 1023, 1024, 4095, 4096, 4097, 16383, 16384, 16385, 40000, 49151, 49152, 49153];
        ends.extend([49152 + 256, 49152 + 257, length - 1, length]);
        for start in &ends {
            for end in ends.iter().filter(|end| *end > start) {
                // Large ones, small ones, and both by turns.
                for turns in [1, 2, 3] {
                    let mut cut = pieces(&geometry, *start..*end, 1 << 15);
                    let mut at = *start;
                    for turn in 0_u32.. {
                        let piece =
                            if turn % turns == turns - 1 && turns > 1 { cut.next_small(2048) } else { cut.next() };
                        let Some(piece) = piece else { break };
                        assert_eq!(piece.bytes.start, at);
                        assert!(!piece.is_empty());
                        at = piece.bytes.end;
                        for byte in [piece.bytes.start, piece.bytes.end - 1] {
                            let stripe = geometry.stripe(geometry.stripe_of(byte));
                            assert!(piece.stripes.contains(&stripe.index));
                            let (cell, offset) = (
                                (byte - stripe.title_offset) / u64::from(stripe.cell_bytes),
                                (byte - stripe.title_offset) % u64::from(stripe.cell_bytes),
                            );
                            assert!(piece.cells.contains(&usize::try_from(cell).unwrap()), "{start}..{end}: {piece:?}");
                            assert!(
                                piece.blocks.contains(&u32::try_from(offset / 1024).unwrap()),
                                "{start}..{end}: {piece:?}"
                            );
                        }
                    }
                    assert_eq!(at, *end);
                }
            }
        }
    }

    #[test]
    fn small_pieces_are_parts_of_one_cell() {
        let code = Code::named("b-code:4").unwrap();
        let geometry = Geometry::new(&code, 4096, 1024, 20 * 16384);
        let mut cut = pieces(&geometry, 1000..60_000, 1 << 20);
        let mut found = Vec::new();
        while let Some(piece) = cut.next_small(3000) {
            assert_eq!((piece.cells.len(), piece.stripes.end - piece.stripes.start), (1, 1), "{piece:?}");
            found.push(piece.bytes);
        }
        assert_eq!(found[..4], [1000..3000, 3000..4096, 4096..6000, 6000..8192]);
        assert_eq!(found.last().map(|bytes| bytes.end), Some(60_000));
    }

    #[test]
    fn pieces_grow() {
        let code = Code::named("b-code:4").unwrap();
        let geometry = Geometry::new(&code, 4096, 1024, 20 * 16384);
        let counts: Vec<_> =
            pieces(&geometry, 0..20 * 16384, 4 * 16384).map(|piece| piece.stripes.end - piece.stripes.start).collect();
        assert_eq!(counts, [1, 1, 2, 3, 4, 4, 4, 1]);
    }

    /// A small range does not fetch a whole cell: at most one block more at either end.
    #[test]
    fn small_ranges_stay_small() {
        let code = Code::named("b-code:4").unwrap();
        let geometry = Geometry::new(&code, 262_144, 16384, 1 << 30);
        let piece = pieces(&geometry, 300_000..310_000, 1 << 20).next().unwrap();
        assert_eq!((piece.cells.clone(), piece.blocks.clone()), (1..2, 2..3));
    }
}
