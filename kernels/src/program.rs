//! What to XOR: a straight-line program in which every cell is written once.

use core::fmt;

/// Most cells, inputs and outputs together, that a program can name.
const CELLS_MAX: usize = u16::MAX as usize + 1;

/// An XOR program in single-assignment form.
///
/// Shape: cells `0..input_count` are inputs; step `i` defines cell `input_count + i` as the XOR of one or more cells
/// numbered below it. Flat: two allocations whatever its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    input_count: usize,
    /// The sources of all steps, one step after the other.
    sources: Vec<u16>,
    /// For each step, where its sources end in `sources`.
    ends: Vec<usize>,
}

/// Why a list of steps is not a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// More cells than a cell number can tell apart.
    TooManyCells {
        /// Inputs and steps given, counted up to the first one too many.
        found: usize,
        /// Most that fit.
        max: usize,
    },
    /// A step without a source.
    EmptyStep {
        /// Its place among the steps.
        step: usize,
    },
    /// A step that reads a cell which is not defined before it.
    UndefinedSource {
        /// Its place among the steps.
        step: usize,
        /// The cell it reads.
        source_cell: usize,
        /// Number of cells defined before the step.
        defined: usize,
    },
    /// A step that reads one cell twice, which cancels out.
    RepeatedSource {
        /// Its place among the steps.
        step: usize,
        /// The cell it reads.
        source_cell: usize,
    },
}

impl fmt::Display for ProgramError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyCells { found, max } => {
                write!(formatter, "a program of {found} cells: at most {max} can be numbered")
            }
            Self::EmptyStep { step } => write!(formatter, "step {step} has no source"),
            Self::UndefinedSource { step, source_cell, defined } => write!(
                formatter,
                "step {step} reads cell {source_cell}, but only cells below {defined} are defined by then"
            ),
            Self::RepeatedSource { step, source_cell } => {
                write!(formatter, "step {step} reads cell {source_cell} more than once")
            }
        }
    }
}

impl core::error::Error for ProgramError {}

impl Program {
    /// Checks steps, each the list of the cells it reads, and makes a program of them.
    ///
    /// # Errors
    /// One per rule: see [`ProgramError`].
    pub fn new<I>(input_count: usize, steps: I) -> Result<Self, ProgramError>
    where
        I: IntoIterator,
        I::Item: AsRef<[usize]>,
    {
        let mut program = Self { input_count, sources: Vec::new(), ends: Vec::new() };
        check_cell_count(input_count)?;
        for step in steps {
            program.push(step.as_ref())?;
        }
        Ok(program)
    }

    fn push(&mut self, step_sources: &[usize]) -> Result<(), ProgramError> {
        let step = self.ends.len();
        let defined = self.input_count + step;
        check_cell_count(defined + 1)?;
        if step_sources.is_empty() {
            return Err(ProgramError::EmptyStep { step });
        }
        let first = self.sources.len();
        for &source_cell in step_sources {
            let number = u16::try_from(source_cell)
                .ok()
                .filter(|_| source_cell < defined)
                .ok_or(ProgramError::UndefinedSource { step, source_cell, defined })?;
            if self.sources[first..].contains(&number) {
                return Err(ProgramError::RepeatedSource { step, source_cell });
            }
            self.sources.push(number);
        }
        self.ends.push(self.sources.len());
        Ok(())
    }

    /// Counts the inputs.
    pub fn input_count(&self) -> usize {
        self.input_count
    }

    /// Counts the outputs, one per step.
    pub fn output_count(&self) -> usize {
        self.ends.len()
    }

    /// Counts the XORs of two cells that one run does; a step of s sources costs s - 1.
    pub fn xor_count(&self) -> usize {
        self.sources.len() - self.ends.len()
    }

    /// Walks over the steps in order, each the list of the cells it reads.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &[u16]> {
        self.ends.iter().enumerate().map(|(step, &end)| {
            let start = if step == 0 { 0 } else { self.ends[step - 1] };
            &self.sources[start..end]
        })
    }

    /// Checks that buffers fit this program and returns their common length.
    ///
    /// # Panics
    /// When the number of inputs or of outputs differs from the program's, or the lengths differ.
    pub(crate) fn cell_len(&self, inputs: &[&[u8]], outputs: &[&mut [u8]]) -> usize {
        assert_eq!(inputs.len(), self.input_count(), "number of input cells");
        assert_eq!(outputs.len(), self.output_count(), "number of output cells");
        let mut lengths = inputs.iter().map(|cell| cell.len()).chain(outputs.iter().map(|cell| cell.len()));
        let cell_len = lengths.next().unwrap_or(0);
        for length in lengths {
            assert_eq!(length, cell_len, "length of a cell");
        }
        cell_len
    }
}

fn check_cell_count(found: usize) -> Result<(), ProgramError> {
    if found > CELLS_MAX {
        return Err(ProgramError::TooManyCells { found, max: CELLS_MAX });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_steps() {
        let program = Program::new(3, [vec![0, 1], vec![2], vec![0, 3, 4]]).unwrap();
        assert_eq!((program.input_count(), program.output_count(), program.xor_count()), (3, 3, 3));
        let steps: Vec<&[u16]> = program.steps().collect();
        assert_eq!(steps, [&[0, 1][..], &[2], &[0, 3, 4]]);
    }

    #[test]
    fn a_program_may_be_empty() {
        let program = Program::new(0, Vec::<Vec<usize>>::new()).unwrap();
        assert_eq!((program.output_count(), program.xor_count(), program.steps().len()), (0, 0, 0));
    }

    #[test]
    fn too_many_cells() {
        let error = ProgramError::TooManyCells { found: 65537, max: 65536 };
        assert_eq!(Program::new(65537, Vec::<Vec<usize>>::new()), Err(error.clone()));
        assert_eq!(Program::new(65536, [vec![0]]), Err(error.clone()));
        assert!(Program::new(65535, [vec![65534]]).is_ok());
        assert_eq!(error.to_string(), "a program of 65537 cells: at most 65536 can be numbered");
    }

    #[test]
    fn empty_step() {
        assert_eq!(Program::new(1, [vec![0], vec![]]), Err(ProgramError::EmptyStep { step: 1 }));
    }

    #[test]
    fn undefined_source() {
        let error = ProgramError::UndefinedSource { step: 1, source_cell: 3, defined: 3 };
        assert_eq!(Program::new(2, [vec![0], vec![0, 3]]), Err(error));
        let far = ProgramError::UndefinedSource { step: 0, source_cell: 65536, defined: 1 };
        assert_eq!(Program::new(1, [vec![65536]]), Err(far));
    }

    #[test]
    fn repeated_source() {
        let error = ProgramError::RepeatedSource { step: 0, source_cell: 1 };
        assert_eq!(Program::new(2, [vec![1, 0, 1]]), Err(error));
    }
}
