//! Which instruction set runs a program.

use core::fmt;

use pulp::{Simd, WithSimd};

use crate::columns::{ColumnProgram, Layout, Place, Stores};
use crate::memory::{self, Addresses, Cells, Columns, LINE_BYTES};
use crate::straight::StraightLine;
use crate::{Program, interpreter};

/// An instruction set that this machine has.
///
/// Only detection makes one, so holding it proves that the processor can run it.
#[derive(Clone, Copy)]
pub struct Kernel(InstructionSet);

#[derive(Clone, Copy)]
enum InstructionSet {
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    /// Sixteen bytes at a time as the compiler sees fit for the build's baseline.
    Scalar,
}

impl Kernel {
    /// Picks the widest instruction set that the machine has.
    pub fn detect() -> Self {
        Self::available().swap_remove(0)
    }

    /// Lists every instruction set that the machine has, the widest first.
    ///
    /// Shape: never empty; the last one is "scalar".
    pub fn available() -> Vec<Self> {
        let found = [
            #[cfg(target_arch = "x86_64")]
            pulp::x86::V4::try_new().map(InstructionSet::Avx512),
            #[cfg(target_arch = "x86_64")]
            pulp::x86::V3::try_new().map(InstructionSet::Avx2),
            #[cfg(target_arch = "aarch64")]
            pulp::aarch64::Neon::try_new().map(InstructionSet::Neon),
            Some(InstructionSet::Scalar),
        ];
        found.into_iter().flatten().map(Self).collect()
    }

    /// Names the instruction set: "avx512", "avx2", "neon" or "scalar".
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(_) => "neon",
            InstructionSet::Scalar => "scalar",
        }
    }

    /// Runs a program: every output becomes the XOR that its step says.
    ///
    /// Shape: all cells of one length, which may be any, 0 too; cells need no alignment. What the outputs held before
    /// does not matter.
    /// Cost: one dispatch for the whole run; cells pass through the first-level cache once, strip by strip.
    ///
    /// # Panics
    /// When the number or the lengths of the cells do not fit the program.
    pub fn run(self, program: &Program, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let cell_len = program.cell_len(inputs, outputs);
        self.0.vectorize(Run { program, inputs, outputs, cell_len });
    }
}

impl Kernel {
    /// Runs a program that has places in columns over cells anywhere.
    ///
    /// Shape: as [`Kernel::run`]. Streaming stores write only cells that all begin at multiples of 64 bytes; others are
    /// written by normal ones.
    /// Cost: as [`Kernel::run_columns`].
    ///
    /// # Panics
    /// When the number or the lengths of the cells do not fit the program.
    pub fn run_cells(self, program: &ColumnProgram, stores: Stores, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let cell_len = program.program().cell_len(inputs, outputs);
        let Some(body) = program.body().filter(|_| self.has_bodies() && cell_len >= LINE_BYTES) else {
            return self.run(program.program(), inputs, outputs);
        };
        let stores = if outputs.iter().all(|cell| is_aligned(cell)) { stores } else { Stores::Normal };
        let number = |place: &Place| usize::from(place.column) * body.rows + usize::from(place.row);
        let (input_places, output_places) = program.places().split_at(inputs.len());
        let mut addresses = Addresses::new();
        for (from, lines, stores) in pieces(cell_len, stores) {
            let mut cells = Cells::new(&mut addresses, body.upper.len() * body.rows, lines);
            for (place, cell) in input_places.iter().zip(inputs) {
                cells.read(number(place), &cell[from..]);
            }
            for (place, cell) in output_places.iter().zip(outputs.iter_mut()) {
                cells.write(number(place), &mut cell[from..]);
            }
            self.run_body(body, stores, &cells);
        }
    }

    /// Runs a program over columns, in place.
    ///
    /// Shape: columns of one length, a multiple of [`Layout::grain`]; they need no alignment, but those that begin at
    /// multiples of 64 bytes are faster. `stores` is for [`Layout::Cells`]; the other layouts have their own. Cells that
    /// are no outputs keep their bytes. With a `turn`, what the program calls row r of a column whose rows turn is row
    /// r + `turn`, modulo the rows ([`ColumnShape::turning`](crate::ColumnShape)).
    /// Cost: one dispatch for the whole run. With a straight-line body every input is read once where the sums fit the
    /// registers.
    ///
    /// # Panics
    /// When the number or the lengths of the columns do not fit.
    pub fn run_columns(
        self,
        program: &ColumnProgram,
        turn: usize,
        layout: Layout,
        stores: Stores,
        columns: &mut [&mut [u8]],
    ) {
        let column_len = program.column_len(layout, columns);
        if layout == Layout::Cells {
            return self.run_rows(program, turn, stores, columns);
        }
        let can_stream = || columns.iter().all(|column| is_aligned(column));
        let body = program.body().filter(|_| self.has_bodies() && (layout == Layout::Interleaved || can_stream()));
        let Some(body) = body else {
            return self.0.vectorize(RunColumns { program, layout, turn, columns });
        };
        let lines = column_len / (body.rows * LINE_BYTES);
        if layout == Layout::Interleaved {
            let columns = Columns { columns, lines, turn };
            match self.0 {
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512(simd) => (body.avx512.on_interleaved)(simd, columns),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2(simd) => (body.avx2.on_interleaved)(simd, columns),
                #[cfg(target_arch = "aarch64")]
                InstructionSet::Neon(simd) => (body.neon.on_interleaved)(simd, columns),
                InstructionSet::Scalar => unreachable!("there are no bodies for it"),
            }
        } else {
            let columns = Columns { columns, lines, turn };
            match self.0 {
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512(simd) => (body.avx512.on_divided)(simd, columns),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2(simd) => (body.avx2.on_divided)(simd, columns),
                #[cfg(target_arch = "aarch64")]
                InstructionSet::Neon(simd) => (body.neon.on_divided)(simd, columns),
                InstructionSet::Scalar => unreachable!("there are no bodies for it"),
            }
            memory::fence();
        }
    }

    /// Runs a program over columns of cells in one piece each.
    fn run_rows(self, program: &ColumnProgram, turn: usize, stores: Stores, columns: &mut [&mut [u8]]) {
        let shape = program.shape();
        let cell_len = columns.first().map_or(0, |column| column.len() / shape.rows);
        let Some(body) = program.body().filter(|_| self.has_bodies() && cell_len >= LINE_BYTES) else {
            return self.interpret_rows(program, turn, columns);
        };
        let can_stream = cell_len.is_multiple_of(LINE_BYTES) && columns.iter().all(|column| is_aligned(column));
        let stores = if can_stream { stores } else { Stores::Normal };
        let mut addresses = Addresses::new();
        for (from, lines, stores) in pieces(cell_len, stores) {
            let found = |column, row| shape.turned_row(Place::new(column, row), turn);
            let cells = Cells::of_columns(&mut addresses, columns, shape.rows, (from, lines), found);
            self.run_body(body, stores, &cells);
        }
    }

    /// Interprets a program over columns of cells in one piece each.
    fn interpret_rows(self, program: &ColumnProgram, turn: usize, columns: &mut [&mut [u8]]) {
        let rows = program.shape().rows;
        let cell_len = columns.first().map_or(0, |column| column.len() / rows);
        if cell_len == 0 {
            return;
        }
        let mut cells: Vec<Option<&mut [u8]>> =
            columns.iter_mut().flat_map(|column| column.chunks_exact_mut(cell_len)).map(Some).collect();
        let mut take = |place: &Place| {
            let row = program.shape().turned_row(*place, turn);
            cells[usize::from(place.column) * rows + row].take().expect("every cell has a place of its own")
        };
        let (inputs, outputs) = program.places().split_at(program.program().input_count());
        let inputs: Vec<&[u8]> = inputs.iter().map(|place| &*take(place)).collect();
        let mut outputs: Vec<&mut [u8]> = outputs.iter().map(&mut take).collect();
        self.run(program.program(), &inputs, &mut outputs);
    }

    fn run_body(self, body: &StraightLine, stores: Stores, cells: &Cells<'_>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(simd) => (body.avx512.on_cells)(simd, stores, cells),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(simd) => (body.avx2.on_cells)(simd, stores, cells),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(simd) => (body.neon.on_cells)(simd, stores, cells),
            InstructionSet::Scalar => unreachable!("there are no bodies for it"),
        }
        if stores == Stores::Streaming {
            memory::fence();
        }
    }

    fn has_bodies(self) -> bool {
        !matches!(self.0, InstructionSet::Scalar)
    }
}

/// The pieces in which a body runs over cells: from which byte on, how many lines, with which stores.
///
/// Cells of whole lines are one piece. Else the last line of each is a piece of its own, which ends with the cell and
/// overlaps the piece before: what both write is the same, for no body reads what a run before it wrote.
fn pieces(cell_len: usize, stores: Stores) -> impl Iterator<Item = (usize, usize, Stores)> {
    let lines = cell_len / LINE_BYTES;
    let last = (!cell_len.is_multiple_of(LINE_BYTES)).then(|| (cell_len - LINE_BYTES, 1, Stores::Normal));
    [(0, lines, stores)].into_iter().chain(last)
}

fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(LINE_BYTES)
}

impl InstructionSet {
    fn vectorize(self, run: impl WithSimd<Output = ()>) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => Simd::vectorize(simd, run),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => Simd::vectorize(simd, run),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => Simd::vectorize(simd, run),
            Self::Scalar => Simd::vectorize(pulp::Scalar128b, run),
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kernel({})", self.name())
    }
}

/// The operands of one run, carried into the function that has the instruction set.
struct Run<'run, 'read, 'write> {
    program: &'run Program,
    inputs: &'run [&'read [u8]],
    outputs: &'run mut [&'write mut [u8]],
    cell_len: usize,
}

impl WithSimd for Run<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        interpreter::run(simd, self.program, self.inputs, self.outputs, self.cell_len);
    }
}

/// The operands of a run over columns that is interpreted.
struct RunColumns<'run, 'cells> {
    program: &'run ColumnProgram,
    layout: Layout,
    turn: usize,
    columns: &'run mut [&'cells mut [u8]],
}

impl WithSimd for RunColumns<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match LINE_BYTES / size_of::<S::u8s>() {
            1 => interpreter::run_columns::<S, 1>(simd, self.program, self.layout, self.turn, self.columns),
            2 => interpreter::run_columns::<S, 2>(simd, self.program, self.layout, self.turn, self.columns),
            4 => interpreter::run_columns::<S, 4>(simd, self.program, self.layout, self.turn, self.columns),
            vectors => unreachable!("{vectors} vectors in a line"),
        }
    }
}
