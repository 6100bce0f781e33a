//! Plans that are made once and kept.

use core::ops::Range;
use std::sync::Arc;

use super::{
    PartialSums, Peer, PlanError, RangePlan, ReadCosts, ReadPlan, RepairPlan, UpdatePlan, partial, repair, update,
};
use crate::code::{Cell, Code};
use crate::recent::Recent;
use crate::schedule::ErasurePattern;

/// Plans of each kind that are kept.
const PLANS_MAX: usize = 1024;
/// Cells that all plans of a kind may name together, in their steps too: some megabytes.
const PLAN_CELLS_MAX: usize = 1 << 20;

/// Makes plans for one code, checks each once symbolically, and keeps those used lately.
///
/// Shape: shared by reference between threads. Keeps 1024 plans of each kind at most, of a few hundred bytes for single
/// cells, and fewer where they are of whole columns of the widest codes: megabytes of each kind together.
#[derive(Debug)]
pub struct Planner {
    code: Arc<Code>,
    reads: Recent<(Vec<Cell>, ReadCosts), ReadPlan>,
    repairs: Recent<(usize, ReadCosts, bool), RepairPlan>,
    updates: Recent<Vec<Cell>, UpdatePlan>,
    partial_sums: Recent<(Vec<Cell>, Vec<Peer>), PartialSums>,
}

impl Planner {
    /// Prepares for a code.
    pub fn new(code: Arc<Code>) -> Self {
        Self {
            code,
            reads: Recent::new(PLANS_MAX, PLAN_CELLS_MAX, ReadPlan::cell_count),
            repairs: Recent::new(PLANS_MAX, PLAN_CELLS_MAX, RepairPlan::cell_count),
            updates: Recent::new(PLANS_MAX, PLAN_CELLS_MAX, UpdatePlan::cell_count),
            partial_sums: Recent::new(PLANS_MAX, PLAN_CELLS_MAX, PartialSums::cell_count),
        }
    }

    /// Gives the code.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// Finds the cheapest cells that give wanted ones: see [`ReadPlan::new`].
    ///
    /// # Errors
    /// As [`ReadPlan::new`].
    pub fn read(&self, wanted: &[Cell], costs: &ReadCosts) -> Result<Arc<ReadPlan>, PlanError> {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let key = (wanted, costs.clone());
        self.reads.find_or(&key, || ReadPlan::new(&self.code, &key.0, costs))
    }

    /// Plans the reading of bytes of a stripe's data, though columns are lost: the fewest bytes that give them.
    ///
    /// Shape: `bytes` of a stripe whose cells are of `cell_bytes` bytes.
    ///
    /// # Errors
    /// Bytes beyond the stripe's, or columns lost beyond what the code tolerates.
    pub fn read_bytes(
        &self,
        bytes: Range<usize>,
        cell_bytes: usize,
        lost: ErasurePattern,
    ) -> Result<RangePlan, PlanError> {
        let costs = ReadCosts::equal(&self.code).without(lost);
        RangePlan::new(&self.code, bytes, cell_bytes, |wanted| self.read(wanted, &costs))
    }

    /// Finds the cheapest cells that rebuild a column: see [`RepairPlan::new`].
    ///
    /// # Errors
    /// As [`RepairPlan::new`].
    pub fn repair(&self, column: usize, costs: &ReadCosts) -> Result<Arc<RepairPlan>, PlanError> {
        self.repair_of(column, costs, false)
    }

    /// Finds the cheapest cells that rebuild a column and burden the others evenly: see [`RepairPlan::balanced`].
    ///
    /// # Errors
    /// As [`RepairPlan::new`].
    pub fn repair_balanced(&self, column: usize, costs: &ReadCosts) -> Result<Arc<RepairPlan>, PlanError> {
        self.repair_of(column, costs, true)
    }

    fn repair_of(&self, column: usize, costs: &ReadCosts, balanced: bool) -> Result<Arc<RepairPlan>, PlanError> {
        let (wanted, costs) = repair::wish(&self.code, column, costs)?;
        let key = (column, costs, balanced);
        self.repairs.find_or(&key, || {
            Ok(RepairPlan::of(&self.code, column, ReadPlan::search(&self.code, &wanted, &key.1, balanced)?))
        })
    }

    /// Plans the change of data cells: see [`UpdatePlan::new`].
    ///
    /// # Errors
    /// As [`UpdatePlan::new`].
    pub fn update(&self, cells: &[Cell]) -> Result<Arc<UpdatePlan>, PlanError> {
        let mut cells = cells.to_vec();
        cells.sort_unstable();
        cells.dedup();
        self.updates.find_or(&cells, || UpdatePlan::new(&self.code, &cells))
    }

    /// Overwrites bytes of a stripe's data, and changes its parity with them: see [`update_stripe`](super::update_stripe).
    ///
    /// # Errors
    /// Bytes beyond the stripe's; nothing is changed then.
    ///
    /// # Panics
    /// As [`update_stripe`](super::update_stripe).
    pub fn update_stripe(&self, columns: &mut [&mut [u8]], at: usize, new: &[u8]) -> Result<(), PlanError> {
        update::update_with(&self.code, columns, at, new, |cells| self.update(cells))
    }

    /// Plans partial sums along a tree of peers: see [`PartialSums::new`].
    ///
    /// # Errors
    /// As [`PartialSums::new`].
    pub fn partial_sums(&self, wanted: &[Cell], peers: &[Peer]) -> Result<Arc<PartialSums>, PlanError> {
        let key = (wanted.to_vec(), peers.to_vec());
        self.partial_sums.find_or(&key, || PartialSums::new(&self.code, wanted, peers))
    }

    /// Plans partial sums that are passed from each peer to the next: see [`PartialSums::chain`].
    ///
    /// # Errors
    /// As [`PartialSums::new`].
    pub fn chain(&self, wanted: &[Cell], columns: &[usize]) -> Result<Arc<PartialSums>, PlanError> {
        self.partial_sums(wanted, &partial::chained(columns))
    }
}
