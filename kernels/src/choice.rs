//! What is fastest for stripes of a given size: the measured thresholds, all of them here (docs/kernels.md).

use crate::columns::{Layout, Stores};
use crate::memory::LINE_BYTES;

/// Stripes in use at a time, with their parity, that are better written into the caches. At 1 MiB, the second-level cache
/// of the machine measured, normal stores are up to twice as fast; at 8 MiB, a quarter of its third level, both are alike
/// within 3 %; at 512 MiB streaming stores are up to 1.3 times as fast. Between them nothing was lost by choosing either.
const CACHED_BYTES_MAX: usize = 4 << 20;

/// Columns shorter than this are packed: spacing would take up to half as much again of the first-level cache.
const SPACED_BYTES_MIN: usize = 8 * 1024;
/// The bytes after which addresses meet in one set of a first-level cache.
const SETS_BYTES: usize = 4096;

impl Layout {
    /// Chooses the layout in which XOR is fastest where it may be chosen.
    ///
    /// Shape: `working_set_bytes` counts all stripes that are used in turns, with their parity.
    pub fn fastest(working_set_bytes: usize) -> Self {
        if working_set_bytes <= CACHED_BYTES_MAX { Self::Interleaved } else { Self::Divided }
    }
}

impl Stores {
    /// Chooses how cells in one piece each ([`Layout::Cells`]) are written fastest.
    ///
    /// Shape: as [`Layout::fastest`].
    pub fn fastest(working_set_bytes: usize) -> Self {
        if working_set_bytes <= CACHED_BYTES_MAX { Self::Normal } else { Self::Streaming }
    }
}

/// How far apart the columns of a stripe begin best, where they lie in one piece of memory.
///
/// Shape: a multiple of 64 bytes, not less than `column_bytes`. Of long columns each begins as many lines further in its
/// page as it has rows: the lines at which a body works then lie next to each other in the first-level cache, where
/// columns that begin at the same place of their pages would push each other out.
pub fn column_stride(column_bytes: usize, rows: usize) -> usize {
    if column_bytes < SPACED_BYTES_MIN {
        return column_bytes.next_multiple_of(LINE_BYTES);
    }
    let shift = rows * LINE_BYTES % SETS_BYTES;
    (column_bytes.next_multiple_of(LINE_BYTES) - shift).next_multiple_of(SETS_BYTES) + shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_in_the_caches_is_written_into_them() {
        assert_eq!((Layout::fastest(1 << 20), Stores::fastest(1 << 20)), (Layout::Interleaved, Stores::Normal));
        assert_eq!((Layout::fastest(1 << 29), Stores::fastest(1 << 29)), (Layout::Divided, Stores::Streaming));
    }

    #[test]
    fn long_columns_begin_a_row_of_lines_further_in_their_pages() {
        assert_eq!(column_stride(8192, 2), 8192 + 128);
        assert_eq!(column_stride(8192 + 129, 2), 12_288 + 128);
        assert_eq!(column_stride(16_384, 9), 16_384 + 576);
        assert_eq!(column_stride(16_384 + 576, 9), 16_384 + 576);
        assert_eq!(column_stride(16_384, 64), 16_384);
    }

    #[test]
    fn short_columns_are_packed() {
        assert_eq!(column_stride(100, 9), 128);
        assert_eq!(column_stride(0, 9), 0);
    }
}
