//! How a straight-line body is written down, and what becomes of it.

use pulp::Simd;

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
    /// XORs a sum onto other sums.
    Add {
        /// What is XORed.
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

/// A column as packets: of every packet the rows, of every row the vectors.
type Packets<'run, S, const R: usize, const W: usize> = &'run mut [[[<S as Simd>::u8s; W]; R]];

/// Views a column as packets of R rows of W vectors.
#[inline(always)]
pub(super) fn packets<'run, S: Simd, const R: usize, const W: usize>(
    column: &'run mut [u8],
) -> Packets<'run, S, R, W> {
    let (vectors, _) = S::as_mut_simd_u8s(column);
    let (rows, _) = pulp::as_arrays_mut::<W, _>(vectors);
    pulp::as_arrays_mut::<R, _>(rows).0
}

/// Counts the packets of a tile: all there are for a single pass.
#[inline(always)]
pub(super) fn tile_packets(passes: usize, packet_bytes: usize, count: usize) -> usize {
    if passes == 1 { count.max(1) } else { (TILE_BYTES / packet_bytes).max(1) }
}

/// Makes the type of a body from its moves: what runs them, and the moves as data, with which programs are compared.
///
/// A body has one or more passes, each with sums of its own; a tile of packets goes through all passes before the next
/// tile begins. A move is `load COLUMN ROW => SUMS`, `add SUM 0 => SUMS` or `store COLUMN ROW => SUM`; `load_turned`
/// and `store_turned` are of a column whose row r is found in row r + turn, modulo the rows.
macro_rules! straight_line {
    ($name:ident: columns $($column:literal)+, $rows:literal rows;
     $(pass $sums:literal { $($kind:ident $a:literal $b:literal => $($onto:literal)+;)+ })+) => {
        pub(super) struct $name<'run, 'cells, const W: usize, const STREAM: bool> {
            pub(super) columns: &'run mut [&'cells mut [u8]],
            pub(super) turn: usize,
        }

        impl $name<'_, '_, 1, false> {
            pub(super) const COLUMNS: usize = [$($column),+].len();
            pub(super) const ROWS: usize = $rows;
            pub(super) const PASSES: &'static [&'static [$crate::straight::Move]] =
                &[$(&[$(straight_line!(@move $kind $a, $b, [$($onto),+])),+]),+];
        }

        impl<const W: usize, const STREAM: bool> pulp::WithSimd for $name<'_, '_, W, STREAM> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, simd: S) {
                let mut columns = self.columns.iter_mut();
                // Written out for each column, and all cut to one length, so that the loops need no check.
                let mut columns = [$({
                    let _: usize = $column;
                    let column = columns.next().expect("as many columns as the body has");
                    $crate::straight::body::packets::<S, $rows, W>(column)
                }),+];
                let count = columns[0].len();
                $({
                    let column = core::mem::take(&mut columns[$column]);
                    columns[$column] = &mut column[..count];
                })+
                let turned: [usize; $rows] = core::array::from_fn(|row| (row + self.turn) % $rows);
                let passes: usize = [$($sums),+].len();
                let packet_bytes = columns.len() * $rows * W * size_of::<S::u8s>();
                let tile = $crate::straight::body::tile_packets(passes, packet_bytes, count);
                let mut start = 0;
                while start < count {
                    let end = count.min(start + tile);
                    $(
                        for packet in start..end {
                            for line in 0..W {
                                let mut sums = [simd.splat_u8s(0); $sums];
                                $(straight_line!(@do $kind (simd STREAM columns turned packet line sums $rows) $a $b $($onto)+);)+
                            }
                        }
                    )+
                    start = end;
                }
            }
        }
    };
    (@do load ($simd:ident $stream:ident $columns:ident $turned:ident $packet:ident $line:ident $sums:ident $rows:literal)
     $column:literal $row:literal $($onto:literal)+) => {
        let cell = $columns[$column][$packet][$row][$line];
        $($sums[$onto] = $simd.xor_u8s($sums[$onto], cell);)+
    };
    (@do load_turned ($simd:ident $stream:ident $columns:ident $turned:ident $packet:ident $line:ident $sums:ident $rows:literal)
     $column:literal $row:literal $($onto:literal)+) => {
        let cell = $columns[$column].as_flattened()[$packet * $rows + $turned[$row]][$line];
        $($sums[$onto] = $simd.xor_u8s($sums[$onto], cell);)+
    };
    (@do add ($simd:ident $stream:ident $columns:ident $turned:ident $packet:ident $line:ident $sums:ident $rows:literal)
     $from:literal $zero:literal $($onto:literal)+) => {
        $($sums[$onto] = $simd.xor_u8s($sums[$onto], $sums[$from]);)+
    };
    (@do store ($simd:ident $stream:ident $columns:ident $turned:ident $packet:ident $line:ident $sums:ident $rows:literal)
     $column:literal $row:literal $from:literal) => {
        $crate::stream::put::<S, $stream>($simd, &mut $columns[$column][$packet][$row][$line], $sums[$from]);
    };
    (@do store_turned ($simd:ident $stream:ident $columns:ident $turned:ident $packet:ident $line:ident $sums:ident $rows:literal)
     $column:literal $row:literal $from:literal) => {
        let place = &mut $columns[$column].as_flattened_mut()[$packet * $rows + $turned[$row]][$line];
        $crate::stream::put::<S, $stream>($simd, place, $sums[$from]);
    };
    (@move load $column:literal, $row:literal, $onto:expr) => {
        $crate::straight::Move::Load { column: $column, row: $row, turns: false, onto: &$onto }
    };
    (@move load_turned $column:literal, $row:literal, $onto:expr) => {
        $crate::straight::Move::Load { column: $column, row: $row, turns: true, onto: &$onto }
    };
    (@move add $from:literal, $zero:literal, $onto:expr) => {
        $crate::straight::Move::Add { from: $from, onto: &$onto }
    };
    (@move store $column:literal, $row:literal, [$from:literal]) => {
        $crate::straight::Move::Store { column: $column, row: $row, turns: false, from: $from }
    };
    (@move store_turned $column:literal, $row:literal, [$from:literal]) => {
        $crate::straight::Move::Store { column: $column, row: $row, turns: true, from: $from }
    };
}

pub(super) use straight_line;
