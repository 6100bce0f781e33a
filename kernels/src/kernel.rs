//! Which instruction set runs a program.

use core::fmt;

use pulp::{Simd, WithSimd};

use crate::columns::{ColumnProgram, Lines, Stores};
use crate::straight::Run as StraightRun;
use crate::{Program, interpreter, stream};

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
    /// Runs a program over interleaved columns, in place.
    ///
    /// Shape: columns as [`ColumnProgram`] says, of any length that is a multiple of a packet's; they need no alignment,
    /// but those that begin at a multiple of 64 bytes are faster, and only they are written by streaming stores. Cells
    /// that are no outputs keep their bytes.
    /// Cost: one dispatch for the whole run. With a straight-line body every input is read once where the sums fit the
    /// registers.
    ///
    /// # Panics
    /// When the number or the lengths of the columns do not fit.
    pub fn run_columns(self, program: &ColumnProgram, lines: Lines, stores: Stores, columns: &mut [&mut [u8]]) {
        self.run_turned(program, 0, lines, stores, columns);
    }

    /// Runs a program over interleaved columns, of which some have their rows turned: what the program calls row r of
    /// them is row r + `turn`, modulo the rows.
    ///
    /// Shape, cost: as [`Kernel::run_columns`]; which columns turn was said by [`ColumnProgram::with_turning`].
    ///
    /// # Panics
    /// When the number or the lengths of the columns do not fit.
    pub fn run_turned(
        self,
        program: &ColumnProgram,
        turn: usize,
        lines: Lines,
        stores: Stores,
        columns: &mut [&mut [u8]],
    ) {
        let stores = program.check(lines, stores, columns);
        let run = |columns| StraightRun { lines, stores, turn, columns };
        match (program.body(), self.0) {
            #[cfg(target_arch = "x86_64")]
            (Some(body), InstructionSet::Avx512(simd)) => (body.avx512)(simd, run(columns)),
            #[cfg(target_arch = "x86_64")]
            (Some(body), InstructionSet::Avx2(simd)) => (body.avx2)(simd, run(columns)),
            #[cfg(target_arch = "aarch64")]
            (Some(body), InstructionSet::Neon(simd)) => (body.neon)(simd, run(columns)),
            (_, set) => set.vectorize(RunColumns { program, turn, lines, columns }),
        }
        if stores == Stores::Streaming {
            stream::fence();
        }
    }
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
    turn: usize,
    lines: Lines,
    columns: &'run mut [&'cells mut [u8]],
}

impl WithSimd for RunColumns<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.lines.bytes() / size_of::<S::u8s>() {
            1 => interpreter::run_columns::<S, 1>(simd, self.program, self.turn, self.columns),
            2 => interpreter::run_columns::<S, 2>(simd, self.program, self.turn, self.columns),
            4 => interpreter::run_columns::<S, 4>(simd, self.program, self.turn, self.columns),
            8 => interpreter::run_columns::<S, 8>(simd, self.program, self.turn, self.columns),
            vectors => unreachable!("{vectors} vectors in a packet of a cell"),
        }
    }
}
