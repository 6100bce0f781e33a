//! The list of XORs that makes parity, or gives lost cells back: one form for encoding, decoding, repair and degraded
//! reads.

mod eliminate;
mod lean;
mod pattern;
mod peel;
mod repair;
mod share;
mod symbolic;
mod turn;

use std::collections::BTreeSet;

use rain_kernels::{ColumnProgram, ColumnProgramError, ColumnShape, Place, Program, ProgramError};
use thiserror::Error;

use crate::code::{Cell, Code};

use lean::Lean;
use share::Effort;

pub(crate) use eliminate::lightest;
pub use pattern::ErasurePattern;
pub(crate) use symbolic::definition;
pub use turn::canonical;
pub(crate) use turn::{recover as recover_turned, turned_back};

/// XORs over cells of one stripe, in an order in which they can be done.
///
/// Shape: cell i of the program's inputs is `inputs()[i]`, its output i is `targets()[i]`. Says nothing of cell sizes. The
/// places that the column program gives them may be those of a stripe whose columns are turned. Where sums that several
/// targets have in common save XORs, there is a second program that makes the same targets by way of temporary cells;
/// [`StripeCodec::run`](crate::StripeCodec::run) takes the better one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    inputs: Vec<Cell>,
    targets: Vec<Cell>,
    program: ColumnProgram,
    lean: Option<Lean>,
}

/// Why there is no such schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// A lost column that the code does not have.
    #[error("{code} has {columns} columns: column {found} cannot be lost")]
    NoSuchColumn {
        /// Name of the code.
        code: String,
        /// Number of its columns.
        columns: usize,
        /// The column named.
        found: usize,
    },
    /// More columns lost than the code can lose.
    #[error("{code} tolerates the loss of {tolerates} columns; {} are lost: {lost}", lost.len())]
    TooManyLost {
        /// Name of the code.
        code: String,
        /// Number of columns that it can lose.
        tolerates: usize,
        /// The columns lost.
        lost: ErasurePattern,
    },
    /// A wanted cell that is not in a lost column of the code.
    #[error("cell {cell} (row, column) is not lost: the lost columns are {lost}")]
    NotLost {
        /// The cell wanted.
        cell: Cell,
        /// The columns lost.
        lost: ErasurePattern,
    },
    /// The parity equations leave a wanted cell open; never for a code of this crate and columns that it tolerates.
    #[error(
        "columns {lost} are lost, and the parity equations do not determine cell {cell} (row, column); {known} cells were found"
    )]
    Undetermined {
        /// A wanted cell that stays unknown.
        cell: Cell,
        /// The columns lost.
        lost: ErasurePattern,
        /// Number of lost cells that became known.
        known: usize,
    },
    /// A schedule whose target is not what the code says of that cell.
    #[error("the schedule's cell {cell} (row, column) is not what {code} defines")]
    WrongTarget {
        /// Name of the code.
        code: String,
        /// The cell.
        cell: Cell,
    },
    /// A schedule that names a cell the code does not have: it is of another code.
    #[error("the schedule names cell {cell} (row, column), which {code} does not have")]
    NoSuchCell {
        /// Name of the code.
        code: String,
        /// The cell.
        cell: Cell,
    },
    /// Steps that are no program: more cells than it can number.
    #[error("the schedule cannot be written as a program")]
    Program(#[from] ProgramError),
    /// Cells without a place in the code's columns.
    #[error("the schedule's cells have no places in columns")]
    Places(#[from] ColumnProgramError),
}

impl Schedule {
    /// Makes all parity cells of a stripe.
    ///
    /// Shape: inputs are all data cells in byte order, targets all parity cells by column, then row.
    ///
    /// # Panics
    /// Never for a code of this crate: its cells are few enough for a program.
    pub fn encode(code: &Code) -> Self {
        let inputs: Vec<Cell> = (0..code.data_cell_count()).map(|index| code.data_cell(index)).collect();
        let steps: Vec<(Cell, Vec<Cell>)> = code.equations().map(|(cell, of)| (cell, of.to_vec())).collect();
        Self::assemble(code, inputs, &steps, Some(lean::ENCODE)).expect("every parity cell is the XOR of data cells")
    }

    /// Recovers wanted cells of lost columns from surviving cells.
    ///
    /// Shape: inputs are only the surviving cells that are needed, by column, then row; targets are the wanted cells
    /// and those on the way to them, each after what it is made of. A cell wanted twice counts once.
    /// Cost: k - 1 XORs per target for B-codes and X-codes. Where several chains lead to a cell, they are chosen so
    /// that few cells are read: for one lost column of a B-code or X-code the fewest there can be, for one of an MDR code
    /// half of each other column. Where no chain leads
    /// to a wanted cell, as with more columns of a Reed-Solomon code, a sum of equations does, which has more cells.
    /// Made once per pattern, kept by [`StripeCodec`](crate::StripeCodec).
    ///
    /// # Errors
    /// Columns the code does not have, more of them than it tolerates, or wanted cells that are not lost.
    ///
    /// Source: for chains, Xu and others 1999, proof of theorem 1 (B-code); Xu, Bruck 1999, section on decoding
    /// (X-code).
    pub fn recover(code: &Code, lost: ErasurePattern, wanted: &[Cell]) -> Result<Self, ScheduleError> {
        if let Some(found) = lost.iter().find(|&column| column >= code.columns()) {
            return Err(ScheduleError::NoSuchColumn { code: code.name().to_owned(), columns: code.columns(), found });
        }
        if lost.len() > code.tolerates() {
            return Err(ScheduleError::TooManyLost { code: code.name().to_owned(), tolerates: code.tolerates(), lost });
        }
        let is_lost = |cell: Cell| code.contains(cell) && lost.contains(usize::from(cell.column));
        if let Some(&cell) = wanted.iter().find(|&&cell| !is_lost(cell)) {
            return Err(ScheduleError::NotLost { cell, lost });
        }
        let inputs = |steps: &[(Cell, Vec<Cell>)]| -> Vec<Cell> {
            let mut inputs: Vec<Cell> =
                steps.iter().flat_map(|(_, sources)| sources).copied().filter(|&cell| !is_lost(cell)).collect();
            inputs.sort_unstable();
            inputs.dedup();
            inputs
        };
        let (mut steps, mut are_chains) = peel::steps(code, lost, wanted)?;
        if let (1, Some(column)) = (lost.len(), lost.iter().next())
            && let Some(repair) = repair::steps(code, column, wanted)
            && inputs(&repair).len() < inputs(&steps).len()
        {
            (steps, are_chains) = (repair, false);
        }
        // Cells of a chain have nothing in common but the cells of the chain.
        let effort = (!are_chains).then_some(lean::RECOVER);
        Self::assemble(code, inputs(&steps), &steps, effort)
    }

    /// Makes a schedule of steps, each a target and the cells it is the XOR of; what no step makes is an input. Looks for sums
    /// to share.
    pub(crate) fn of_steps(code: &Code, steps: &[(Cell, Vec<Cell>)]) -> Result<Self, ScheduleError> {
        let made: BTreeSet<Cell> = steps.iter().map(|&(target, _)| target).collect();
        let mut inputs: Vec<Cell> =
            steps.iter().flat_map(|(_, sources)| sources).copied().filter(|cell| !made.contains(cell)).collect();
        inputs.sort_unstable();
        inputs.dedup();
        Self::assemble(code, inputs, steps, Some(lean::RECOVER))
    }

    /// Works out each target as the XOR of inputs.
    pub(crate) fn sums(&self) -> Vec<(Cell, Vec<Cell>)> {
        let steps: Vec<Vec<usize>> =
            self.program().steps().map(|sources| sources.iter().map(|&source| source.into()).collect()).collect();
        let sums = lean::written_out(self.inputs.len(), &steps).into_iter();
        let cells = |sum: Vec<usize>| sum.into_iter().map(|input| self.inputs[input]).collect();
        self.targets.iter().copied().zip(sums.map(cells)).collect()
    }

    /// Numbers the cells of steps (a target and the cells it is the XOR of), inputs first; with an effort, looks for sums to
    /// share.
    fn assemble(
        code: &Code,
        inputs: Vec<Cell>,
        steps: &[(Cell, Vec<Cell>)],
        effort: Option<Effort>,
    ) -> Result<Self, ScheduleError> {
        let targets: Vec<Cell> = steps.iter().map(|&(target, _)| target).collect();
        let mut numbered: Vec<(Cell, usize)> =
            inputs.iter().chain(&targets).copied().enumerate().map(|(number, cell)| (cell, number)).collect();
        numbered.sort_unstable();
        let number = |cell: &Cell| {
            let place = numbered.partition_point(|(numbered_cell, _)| numbered_cell < cell);
            numbered[place].1
        };
        let sources: Vec<Vec<usize>> =
            steps.iter().map(|(_, sources)| sources.iter().map(number).collect::<Vec<usize>>()).collect();
        let program = Program::new(inputs.len(), &sources)?;
        let lean = effort.and_then(|effort| Lean::of(inputs.len(), &sources, program.xor_count(), effort));
        let places = inputs.iter().chain(&targets).map(|cell| Place { column: cell.column, row: cell.row }).collect();
        let program = ColumnProgram::new(column_shape(code), program, places)?;
        Ok(Self { inputs, targets, program, lean })
    }

    /// The same XORs of other cells, which lie in the places that these had.
    fn map_cells(mut self, other: impl Fn(Cell) -> Cell) -> Self {
        for cell in self.inputs.iter_mut().chain(&mut self.targets) {
            *cell = other(*cell);
        }
        self
    }

    /// Gives the cells that are read, in the order of the program's inputs.
    pub fn inputs(&self) -> &[Cell] {
        &self.inputs
    }

    /// Gives the cells that are made, in the order of the program's outputs.
    pub fn targets(&self) -> &[Cell] {
        &self.targets
    }

    /// Counts the XORs of two cells that it takes, with temporary cells where those save some.
    pub fn xor_count(&self) -> usize {
        self.lean.as_ref().map_or_else(|| self.program().xor_count(), |lean| lean.program.xor_count())
    }

    /// Counts the temporary cells: sums that several targets have in common.
    pub fn temporaries(&self) -> usize {
        self.lean.as_ref().map_or(0, Lean::temporaries)
    }

    /// Counts the cells that its steps name: how much memory it takes.
    pub(crate) fn source_count(&self) -> usize {
        let of = |program: &Program| program.xor_count() + program.output_count();
        of(self.program()) + self.lean.as_ref().map_or(0, |lean| of(&lean.program))
    }

    /// The program by way of temporary cells, and for each of its steps the target that it makes, if it makes one. None
    /// where it saves nothing, or where there is a straight-line body: that keeps its sums in registers, and what counts
    /// then is what is read and written.
    pub(crate) fn lean(&self) -> Option<(&Program, &[Option<usize>])> {
        let lean = self.lean.as_ref().filter(|_| self.program.body_name().is_none())?;
        Some((&lean.program, &lean.targets))
    }

    /// Gives the XORs without temporary cells.
    pub fn program(&self) -> &Program {
        self.program.program()
    }

    /// Gives the XORs with the places that the cells have in the code's columns, or in those of a stripe turned.
    pub fn column_program(&self) -> &ColumnProgram {
        &self.program
    }

    /// Runs the schedule symbolically over GF(2): every target must be, as an XOR of data cells, what the code defines, both
    /// with and without temporary cells.
    ///
    /// # Errors
    /// The first target that is something else, or a cell that the code does not have.
    pub fn verify(&self, code: &Code) -> Result<(), ScheduleError> {
        symbolic::verify(self, code)
    }
}

/// The columns of a code as kernels see them: divided, the data cells come first and the parity cells behind them.
fn column_shape(code: &Code) -> ColumnShape {
    let turning = code.turning_columns();
    // A column of parity alone lies the same whether it is called all upper or all lower part.
    let upper = |column: usize| if code.data_rows(column) == 0 { code.rows() } else { code.data_rows(column) };
    ColumnShape {
        rows: code.rows(),
        upper: (0..code.columns()).map(upper).collect(),
        turning: if turning == 0 { code.columns() } else { turning },
    }
}
