//! Rebuilding one column from few cells.

use std::sync::Arc;

use super::{PlanError, ReadCosts, ReadPlan};
use crate::code::{Cell, Code};
use crate::schedule::{ErasurePattern, Schedule};

/// Which cells of which columns to read to rebuild a column, and what to XOR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairPlan {
    column: usize,
    counts: Vec<usize>,
    plan: ReadPlan,
}

impl RepairPlan {
    /// Finds the cheapest cells that give a column; what the column itself costs does not matter.
    ///
    /// With equal costs a direct B-code of an even number of columns n reads 3n(n-2)/8 cells, 3/4 of k columns, an X-code
    /// of p columns (3p^2-8p+13)/4: the fewest that any XORs of whole cells can do with. An MDR code reads half of each
    /// other column, from the cells of [`Code::repair_cells`]. No plan is dearer than the cells that [`Schedule::recover`]
    /// reads.
    ///
    /// # Errors
    /// A column that the code does not have, columns lost beyond what it tolerates, or costs for more or fewer columns.
    ///
    /// Source: L. Xiang and others, "Optimal Recovery of Single Disk Failure in RDP Code Storage Systems", SIGMETRICS 2010,
    /// for the idea of mixing parity equations.
    pub fn new(code: &Code, column: usize, costs: &ReadCosts) -> Result<Self, PlanError> {
        Self::search(code, column, costs, false)
    }

    /// As [`RepairPlan::new`]; of the equally cheap sets of cells that are found, one whose dearest column costs least.
    ///
    /// A direct B-code of an odd number of columns 2n+1 has 2^(n-1) equally cheap ones, an X-code four.
    ///
    /// # Errors
    /// As [`RepairPlan::new`].
    pub fn balanced(code: &Code, column: usize, costs: &ReadCosts) -> Result<Self, PlanError> {
        Self::search(code, column, costs, true)
    }

    fn search(code: &Code, column: usize, costs: &ReadCosts, balanced: bool) -> Result<Self, PlanError> {
        let (wanted, costs) = wish(code, column, costs)?;
        Ok(Self::of(code, column, ReadPlan::search(code, &wanted, &costs, balanced)?))
    }

    pub(super) fn of(code: &Code, column: usize, plan: ReadPlan) -> Self {
        Self { column, counts: plan.counts(code), plan }
    }

    /// Counts the cells that it and its steps name: how much memory it takes.
    pub(super) fn cell_count(&self) -> usize {
        self.plan.cell_count()
    }

    /// Gives the column that is rebuilt.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Gives the cells that are read, by column, then row.
    pub fn reads(&self) -> &[Cell] {
        self.plan.reads()
    }

    /// Gives how many cells are read of each column.
    ///
    /// Shape: one number per column of the code; none is read of the column rebuilt.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// Gives the XORs. Its inputs are the cells read; its targets are all cells of the column, and none on the way to
    /// them where only one column is lost.
    pub fn schedule(&self) -> &Arc<Schedule> {
        self.plan.schedule()
    }

    /// Gives what reading costs.
    pub fn cost(&self) -> u128 {
        self.plan.cost()
    }

    /// Gives a cost below which there is no plan: see [`ReadPlan::bound`].
    pub fn bound(&self) -> u128 {
        self.plan.bound()
    }
}

/// What repair wants: all cells of the column, at these costs.
pub(super) fn wish(code: &Code, column: usize, costs: &ReadCosts) -> Result<(Vec<Cell>, ReadCosts), PlanError> {
    if column >= code.columns() {
        let columns = code.columns();
        return Err(PlanError::NoSuchColumn { code: code.name().to_owned(), columns, found: column });
    }
    let wanted = (0..code.rows()).map(|row| Cell::new(column, row)).collect();
    Ok((wanted, costs.clone().without(ErasurePattern::of(&[column]))))
}
