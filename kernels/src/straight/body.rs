//! How a straight-line body is written down, and what becomes of it.

use crate::memory::LINE_BYTES;

/// Bytes of cells that a tile aims at where a body has several passes, so that the later passes find them in the
/// first-level cache.
const TILE_BYTES: usize = 24 * 1024;

/// One move of a body. A cell is a column and a row; a sum is a register, and begins as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Reads a cell and XORs it onto sums.
    Load {
        /// Column of the cell.
        column: usize,
        /// Row of the cell, before the rows are turned.
        row: usize,
        /// Whether the column's rows turn with the columns.
        turns: bool,
        /// The sums.
        onto: &'static [usize],
    },
    /// Asks for the next line of a cell, which is read when the next line of all cells is: it computes nothing.
    Ahead {
        /// Column of the cell.
        column: usize,
        /// Row of the cell, before the rows are turned.
        row: usize,
    },
    /// XORs a sum onto other sums.
    Add {
        /// The sum that is added.
        from: usize,
        /// The sums.
        onto: &'static [usize],
    },
    /// Writes a sum to a cell.
    Store {
        /// Column of the cell.
        column: usize,
        /// Row of the cell, before the rows are turned.
        row: usize,
        /// Whether the column's rows turn with the columns.
        turns: bool,
        /// The sum.
        from: usize,
    },
}

/// Counts the lines of a tile: all there are for a single pass.
#[inline(always)]
pub(super) fn tile_lines(passes: usize, cells: usize, lines: usize) -> usize {
    if passes == 1 { lines } else { (TILE_BYTES / (cells * LINE_BYTES)).max(1) }
}

/// Makes the type of a body from its moves: what runs them, and the moves as data, with which programs are compared.
///
/// The numbers of rows in the columns' upper parts come first. A body has one or more passes, each with sums of its own; a
/// tile of lines goes through all passes before the next tile begins. A move is `ahead COLUMN ROW => 0`,
/// `load COLUMN ROW => SUMS`, `add SUM 0 => SUMS` or `store COLUMN ROW => SUM`; `load_turned` and `store_turned` are of a
/// column whose rows turn.
macro_rules! straight_line {
    ($name:ident: $columns:literal columns, $rows:literal rows, upper $($upper:literal)+;
     $(pass $sums:literal { $($kind:ident $a:literal $b:literal => $($onto:literal)+;)+ })+) => {
        pub(super) struct $name<O, const STREAM: bool>(pub(super) O);

        impl $name<(), false> {
            pub(super) const ROWS: usize = $rows;
            pub(super) const UPPER: &'static [usize; $columns] = &[$($upper),+];
            pub(super) const PASSES: &'static [&'static [Move]] =
                &[$(&[$(straight_line!(@move $kind $a, $b, [$($onto),+])),+]),+];
        }

        impl<O: Operands, const STREAM: bool> WithSimd for $name<O, STREAM> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                const UPPER: &[usize; $columns] = $name::<(), false>::UPPER;
                let grid = self.0.grid::<$columns, $rows>();
                let count = grid.line_count();
                let tile = tile_lines([$($sums),+].len(), $columns * $rows, count);
                let mut start = 0;
                while start < count {
                    let end = count.min(start + tile);
                    $(
                        for line in grid.lines(start..end) {
                            for at in line.positions::<S>() {
                                let mut sums = [simd.splat_u64s(0); $sums];
                                $(straight_line!(@do $kind (simd S STREAM UPPER grid at sums) $a $b $($onto)+);)+
                            }
                        }
                    )+
                    start = end;
                }
            }
        }
    };
    (@do load ($simd:ident $set:ident $stream:ident $upper:ident $grid:ident $at:ident $sums:ident)
     $column:literal $row:literal $($onto:literal)+) => {
        let cell = $grid.load::<$set>(const { $upper[$column] }, $column, $row, $at);
        $($sums[$onto] = $simd.xor_u64s($sums[$onto], cell);)+
    };
    (@do ahead ($simd:ident $set:ident $stream:ident $upper:ident $grid:ident $at:ident $sums:ident)
     $column:literal $row:literal $zero:literal) => {
        $grid.ahead(const { $upper[$column] }, $column, $row, $at);
    };
    (@do load_turned ($simd:ident $set:ident $stream:ident $upper:ident $grid:ident $at:ident $sums:ident)
     $column:literal $row:literal $($onto:literal)+) => {
        let cell = $grid.load_turned::<$set>($column, $row, $at);
        $($sums[$onto] = $simd.xor_u64s($sums[$onto], cell);)+
    };
    (@do add ($simd:ident $set:ident $stream:ident $upper:ident $grid:ident $at:ident $sums:ident)
     $from:literal $zero:literal $($onto:literal)+) => {
        $($sums[$onto] = $simd.xor_u64s($sums[$onto], $sums[$from]);)+
    };
    (@do store ($simd:ident $set:ident $stream:ident $upper:ident $grid:ident $at:ident $sums:ident)
     $column:literal $row:literal $from:literal) => {
        $grid.store::<$set, $stream>(const { $upper[$column] }, $column, $row, $at, $sums[$from]);
    };
    (@do store_turned ($simd:ident $set:ident $stream:ident $upper:ident $grid:ident $at:ident $sums:ident)
     $column:literal $row:literal $from:literal) => {
        $grid.store_turned::<$set, $stream>($column, $row, $at, $sums[$from]);
    };
    (@move load $column:literal, $row:literal, $onto:expr) => {
        Move::Load { column: $column, row: $row, turns: false, onto: &$onto }
    };
    (@move ahead $column:literal, $row:literal, $zero:expr) => {
        Move::Ahead { column: $column, row: $row }
    };
    (@move load_turned $column:literal, $row:literal, $onto:expr) => {
        Move::Load { column: $column, row: $row, turns: true, onto: &$onto }
    };
    (@move add $from:literal, $zero:literal, $onto:expr) => {
        Move::Add { from: $from, onto: &$onto }
    };
    (@move store $column:literal, $row:literal, [$from:literal]) => {
        Move::Store { column: $column, row: $row, turns: false, from: $from }
    };
    (@move store_turned $column:literal, $row:literal, [$from:literal]) => {
        Move::Store { column: $column, row: $row, turns: true, from: $from }
    };
}

pub(super) use straight_line;
