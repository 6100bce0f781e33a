//! Cells in memory, read and written a vector at a time.
//!
//! The one place with unsafe code, for two reasons, both measured (docs/kernels.md). A straight-line body names tens to
//! hundreds of cells: as slices, each of them costs a comparison per vector, which no optimiser can prove away. And
//! streaming stores, which spare reading the lines that are written, have no safe form.
//!
//! What upholds safety: [`Cells`] and [`Columns`] are made of slices that they borrow, each of at least as many lines as
//! they say. A [`Grid`] compares the names of cells with its size; they are constants, so the comparisons vanish where a
//! body is compiled. Lines come from [`Grid::lines`] alone, which stays below their number. That a body touches only
//! cells that have a place, and writes only those that were borrowed to be written, is checked when it is chosen
//! ([`crate::straight::find`]).
#![expect(unsafe_code, reason = "cells by pointer and streaming stores; docs/kernels.md has what doing without costs")]

use core::marker::PhantomData;
use core::ops::Range;

use pulp::Simd;

/// Bytes of a cache line: bodies work on whole lines of cells, and streaming stores write at multiples of it.
pub(crate) const LINE_BYTES: usize = 64;

/// Most cells that a body has.
pub(crate) const CELLS_MAX: usize = 256;

/// Room for the addresses of cells: kept by who runs a body, so that no run allocates.
pub(crate) struct Addresses([*mut u8; CELLS_MAX]);

impl Addresses {
    /// Makes room.
    pub(crate) fn new() -> Self {
        Self([core::ptr::null_mut(); CELLS_MAX])
    }
}

/// Cells that lie anywhere, each in one piece.
///
/// Laid out as [`crate::straight::EntryPoint`] says, for the proof of the machine code, which makes one of its own.
#[repr(C)]
pub(crate) struct Cells<'run> {
    /// Where each begins, column by column; null where no slice was given.
    starts: &'run mut [*mut u8],
    lines: usize,
    slices: PhantomData<&'run mut [u8]>,
}

impl<'run> Cells<'run> {
    /// Takes `count` cells of so many lines, of which none has a place yet.
    ///
    /// # Panics
    /// When there are more than [`CELLS_MAX`].
    pub(crate) fn new(addresses: &'run mut Addresses, count: usize, lines: usize) -> Self {
        let starts = &mut addresses.0[..count];
        starts.fill(core::ptr::null_mut());
        Self { starts, lines, slices: PhantomData }
    }

    /// Takes all cells of columns, from byte `from` of each cell on: cell `row` of a column has its place as number
    /// `rows * column + row`, and its bytes where `found` says that this row is.
    ///
    /// # Panics
    /// When there are more than [`CELLS_MAX`], or cells end before the lines do.
    pub(crate) fn of_columns(
        addresses: &'run mut Addresses,
        columns: &'run mut [&mut [u8]],
        rows: usize,
        (from, lines): (usize, usize),
        found: impl Fn(usize, usize) -> usize,
    ) -> Self {
        let starts = &mut addresses.0[..columns.len() * rows];
        for (number, (starts, column)) in starts.chunks_exact_mut(rows).zip(columns).enumerate() {
            let cell_len = column.len() / rows;
            assert!(from + lines * LINE_BYTES <= cell_len, "a cell of {cell_len} bytes");
            let first = column.as_mut_ptr();
            for (row, start) in starts.iter_mut().enumerate() {
                let row = found(number, row);
                assert!(row < rows, "row {row} of {rows}");
                *start = first.wrapping_add(row * cell_len + from);
            }
        }
        Self { starts, lines, slices: PhantomData }
    }

    /// Gives a cell that is only read its place.
    ///
    /// # Panics
    /// When the slice is shorter than the lines.
    pub(crate) fn read(&mut self, number: usize, cell: &'run [u8]) {
        assert!(cell.len() >= self.lines * LINE_BYTES, "a cell of {} bytes", cell.len());
        self.starts[number] = cell.as_ptr().cast_mut();
    }

    /// Gives a cell that is written its place.
    ///
    /// # Panics
    /// When the slice is shorter than the lines.
    pub(crate) fn write(&mut self, number: usize, cell: &'run mut [u8]) {
        assert!(cell.len() >= self.lines * LINE_BYTES, "a cell of {} bytes", cell.len());
        self.starts[number] = cell.as_mut_ptr();
    }
}

/// Interleaved columns.
///
/// Shape: a line of each row follows the other, then the next line of each row. With `DIVIDED` a column has an upper part
/// in which its upper rows are so interleaved, and a lower part with its other rows. Laid out as
/// [`crate::straight::EntryPoint`] says.
#[repr(C)]
#[expect(clippy::struct_field_names, reason = "they are the columns")]
pub(crate) struct Columns<'run, 'column, const DIVIDED: bool> {
    pub(crate) columns: &'run mut [&'column mut [u8]],
    /// Lines of a cell.
    pub(crate) lines: usize,
    /// By how many rows the columns that turn are turned.
    pub(crate) turn: usize,
}

/// What a body runs on.
pub(crate) trait Operands {
    /// Makes a grid of it.
    ///
    /// # Panics
    /// When it has more or fewer columns or cells than the grid.
    fn grid<const N: usize, const R: usize>(self) -> impl Grid<N, R>;
}

impl Operands for &Cells<'_> {
    #[inline(always)]
    fn grid<const N: usize, const R: usize>(self) -> impl Grid<N, R> {
        let (columns, _) = self.starts.as_chunks::<R>();
        CellGrid { starts: columns.try_into().expect("as many cells as the body has"), lines: self.lines }
    }
}

impl<const DIVIDED: bool> Operands for Columns<'_, '_, DIVIDED> {
    #[inline(always)]
    fn grid<const N: usize, const R: usize>(self) -> impl Grid<N, R> {
        assert_eq!(self.columns.len(), N, "number of columns");
        let mut starts = [core::ptr::null_mut(); N];
        for (start, column) in starts.iter_mut().zip(self.columns) {
            assert!(column.len() >= self.lines * R * LINE_BYTES, "a column of {} bytes", column.len());
            *start = column.as_mut_ptr();
        }
        ColumnGrid::<N, R, DIVIDED> {
            starts,
            lines: self.lines,
            turned: core::array::from_fn(|row| (row + self.turn) % R),
        }
    }
}

/// One line of every cell of a grid.
#[derive(Clone, Copy)]
pub(crate) struct Line(usize);

/// One vector of every cell of a grid.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    line: usize,
    byte: usize,
}

impl Line {
    /// Walks over the vectors of the line.
    #[inline(always)]
    pub(crate) fn positions<S: Simd>(self) -> impl Iterator<Item = Position> {
        (0..LINE_BYTES).step_by(size_of::<S::u64s>()).map(move |byte| Position { line: self.0, byte })
    }
}

/// The cells of N columns of R rows.
pub(crate) trait Grid<const N: usize, const R: usize> {
    /// Counts the lines of each cell.
    fn line_count(&self) -> usize;

    /// Where a vector of a cell is; the upper part of the cell's column has `upper` rows.
    fn place(&self, upper: usize, column: usize, row: usize, at: Position) -> *mut u8;

    /// As [`Grid::place`], in a column that has only an upper part and whose rows turn.
    fn turned_place(&self, column: usize, row: usize, at: Position) -> *mut u8;

    /// Walks over lines.
    ///
    /// # Panics
    /// When there are not as many.
    #[inline(always)]
    fn lines(&self, range: Range<usize>) -> impl Iterator<Item = Line> {
        assert!(range.end <= self.line_count(), "lines to {}", range.end);
        range.map(Line)
    }

    /// Reads a vector of a cell.
    #[inline(always)]
    fn load<S: Simd>(&self, upper: usize, column: usize, row: usize, at: Position) -> S::u64s {
        read::<S>(self.place(upper, column, row, at))
    }

    /// Reads a vector of a cell in a column whose rows turn.
    #[inline(always)]
    fn load_turned<S: Simd>(&self, column: usize, row: usize, at: Position) -> S::u64s {
        read::<S>(self.turned_place(column, row, at))
    }

    /// Asks for the next line of a cell to be brought into the first-level cache, if that is inside the column or not.
    #[cfg_attr(fuzzing, expect(dead_code, reason = "no body among those that are fuzzed asks"))]
    #[inline(always)]
    fn ahead(&self, upper: usize, column: usize, row: usize, at: Position) {
        prefetch(self.place(upper, column, row, Position { line: at.line + 1, ..at }));
    }

    /// Writes a vector of a cell, with `STREAM` past the caches where the instruction set can.
    #[inline(always)]
    fn store<S: Simd, const STREAM: bool>(
        &self,
        upper: usize,
        column: usize,
        row: usize,
        at: Position,
        value: S::u64s,
    ) {
        write::<S, STREAM>(self.place(upper, column, row, at), value);
    }

    /// Writes a vector of a cell in a column whose rows turn.
    #[inline(always)]
    fn store_turned<S: Simd, const STREAM: bool>(&self, column: usize, row: usize, at: Position, value: S::u64s) {
        write::<S, STREAM>(self.turned_place(column, row, at), value);
    }
}

struct CellGrid<'run, const N: usize, const R: usize> {
    starts: &'run [[*mut u8; R]; N],
    lines: usize,
}

impl<const N: usize, const R: usize> Grid<N, R> for CellGrid<'_, N, R> {
    #[inline(always)]
    fn line_count(&self) -> usize {
        self.lines
    }

    #[inline(always)]
    fn place(&self, _upper: usize, column: usize, row: usize, at: Position) -> *mut u8 {
        self.starts[column][row].wrapping_add(at.line * LINE_BYTES + at.byte)
    }

    /// The cells were given their places as turned.
    #[inline(always)]
    fn turned_place(&self, column: usize, row: usize, at: Position) -> *mut u8 {
        self.place(R, column, row, at)
    }
}

struct ColumnGrid<const N: usize, const R: usize, const DIVIDED: bool> {
    starts: [*mut u8; N],
    lines: usize,
    turned: [usize; R],
}

impl<const N: usize, const R: usize, const DIVIDED: bool> Grid<N, R> for ColumnGrid<N, R, DIVIDED> {
    #[inline(always)]
    fn line_count(&self) -> usize {
        self.lines
    }

    #[inline(always)]
    fn place(&self, upper: usize, column: usize, row: usize, at: Position) -> *mut u8 {
        assert!(row < R && upper <= R, "row {row} of {R}");
        let line = if !DIVIDED {
            at.line * R + row
        } else if row < upper {
            at.line * upper + row
        } else {
            self.lines * upper + at.line * (R - upper) + (row - upper)
        };
        self.starts[column].wrapping_add(line * LINE_BYTES + at.byte)
    }

    #[inline(always)]
    fn turned_place(&self, column: usize, row: usize, at: Position) -> *mut u8 {
        self.starts[column].wrapping_add((at.line * R + self.turned[row]) * LINE_BYTES + at.byte)
    }
}

#[inline(always)]
fn read<S: Simd>(place: *mut u8) -> S::u64s {
    // SAFETY: grids give places in borrowed memory only (module docs), and a vector is within a line.
    unsafe { place.cast::<S::u64s>().read_unaligned() }
}

/// Asks for a line that may be read soon; any place will do.
#[cfg_attr(fuzzing, expect(dead_code, reason = "no body among those that are fuzzed asks"))]
#[inline(always)]
fn prefetch(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect but on the caches and faults at no address; every x86-64 processor has it.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[inline(always)]
fn write<S: Simd, const STREAM: bool>(place: *mut u8, value: S::u64s) {
    if STREAM {
        stream::<S>(place, value);
    } else {
        // SAFETY: as in `read`, and the cell was borrowed to be written (module docs).
        unsafe { place.cast::<S::u64s>().write_unaligned(value) };
    }
}

/// Writes past the caches; the place lies at a multiple of the vector's size.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stream<S: Simd>(place: *mut u8, value: S::u64s) {
    use core::any::TypeId;
    use core::arch::x86_64::{_mm256_stream_si256, _mm512_stream_si512};

    if TypeId::of::<S>() == TypeId::of::<pulp::x86::V4>() {
        // SAFETY: as in `write`; a body runs on V4 only with a value of it, which detection alone makes, and `Kernel`
        // streams only where every cell begins at a multiple of a line.
        unsafe { _mm512_stream_si512(place.cast(), pulp::bytemuck::cast(value)) };
    } else if TypeId::of::<S>() == TypeId::of::<pulp::x86::V3>() {
        // SAFETY: as above, with V3 and half a line.
        unsafe { _mm256_stream_si256(place.cast(), pulp::bytemuck::cast(value)) };
    } else {
        write::<S, false>(place, value);
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn stream<S: Simd>(place: *mut u8, value: S::u64s) {
    write::<S, false>(place, value);
}

/// Orders the streaming stores made so far before what this thread writes from now on.
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has SSE.
    unsafe {
        core::arch::x86_64::_mm_sfence();
    }
}
