//! What it costs to read cells of each column.

use super::PlanError;
use crate::code::Code;
use crate::schedule::ErasurePattern;

/// What it costs to read cells of one column, in a unit of the caller's choice: microseconds, bytes, money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ColumnCost {
    /// Once, if anything of the column is read: a request, a seek.
    pub fixed: u64,
    /// For every cell.
    pub per_cell: u64,
}

impl ColumnCost {
    /// Makes the cost of a column of which every byte costs something, for cells of `cell_bytes` bytes or for as many
    /// bytes of each as are read. What exceeds 64 bits costs as much as 64 bits hold.
    pub fn per_byte(fixed: u64, per_byte: u64, cell_bytes: u64) -> Self {
        Self { fixed, per_cell: per_byte.saturating_mul(cell_bytes) }
    }
}

/// What it costs to read cells of each column of a code, and which columns cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadCosts {
    /// By column; `None` for those that cannot be read.
    columns: Vec<Option<ColumnCost>>,
}

impl ReadCosts {
    /// Makes the costs under which the cheapest is to read the fewest cells: every cell costs 1.
    pub fn equal(code: &Code) -> Self {
        Self { columns: vec![Some(ColumnCost { fixed: 0, per_cell: 1 }); code.columns()] }
    }

    /// Makes the costs under which the cheapest is to read the fewest cells, and of these sets one with the fewest cells
    /// of a slow column.
    pub fn sparing(code: &Code, slow: usize) -> Self {
        let all = (code.columns() * code.rows()) as u64;
        let cost = |column: usize| ColumnCost { fixed: 0, per_cell: all + u64::from(column == slow) };
        Self { columns: (0..code.columns()).map(|column| Some(cost(column))).collect() }
    }

    /// Changes what a column costs.
    ///
    /// # Panics
    /// When the code has no such column.
    #[must_use]
    pub fn with(mut self, column: usize, cost: ColumnCost) -> Self {
        self.columns[column] = Some(cost);
        self
    }

    /// Makes columns infinitely dear: they are lost, or must not be asked. Columns that the code does not have change
    /// nothing.
    #[must_use]
    pub fn without(mut self, lost: ErasurePattern) -> Self {
        for (column, cost) in self.columns.iter_mut().enumerate() {
            if lost.contains(column) {
                *cost = None;
            }
        }
        self
    }

    /// Gives what a column costs; `None` when it cannot be read.
    pub fn of(&self, column: usize) -> Option<ColumnCost> {
        self.columns.get(column).copied().flatten()
    }

    /// Gives the columns that cannot be read.
    pub fn lost(&self) -> ErasurePattern {
        let lost = (0..self.columns.len()).filter(|&column| self.columns[column].is_none());
        lost.fold(ErasurePattern::none(), ErasurePattern::with)
    }

    /// Checks that these are the costs of a code of as many columns.
    pub(super) fn check(&self, code: &Code) -> Result<(), PlanError> {
        if self.columns.len() == code.columns() {
            return Ok(());
        }
        let code_name = code.name().to_owned();
        Err(PlanError::CostCount { code: code_name, expected: code.columns(), found: self.columns.len() })
    }

    /// Tells whether the fewest cells cost least: all cells that can be read cost the same, and columns nothing.
    pub(super) fn are_equal(&self) -> bool {
        let mut costs = self.columns.iter().flatten();
        let first = costs.next();
        first.is_none_or(|first| first.fixed == 0 && costs.all(|cost| cost == first))
    }
}
