//! The cheapest set of cells that gives wanted cells: degraded reads, repair, and whatever a fetch planner wants.

use core::cmp::Reverse;
use std::sync::Arc;

use super::PlanError;
use super::cells::CellSet;
use super::choose::{self, Pricing};
use super::read_costs::ReadCosts;
use super::relations::{Relations, Ways};
use crate::code::{Cell, CellKind, Code};
use crate::schedule::{ErasurePattern, Schedule, ScheduleError};

/// Up to so many free relations all ways of every cell are listed: 2 to that power, before the useless ones are out.
const LISTED_MAX: usize = 8;
/// Columns that are, each in its turn, left out first in looking for ways.
const ORDERS_MAX: usize = 16;

/// Which cells to read so that wanted cells are had, and what to XOR.
///
/// Shape: each wanted cell is either read or made by the [`schedule`](Self::schedule) out of what is read. Says nothing of
/// cell sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPlan {
    wanted: Vec<Cell>,
    reads: Vec<Cell>,
    schedule: Arc<Schedule>,
    cost: u128,
    bound: u128,
}

impl ReadPlan {
    /// Finds the cheapest set of cells that gives the wanted ones.
    ///
    /// Wanted cells that can be read are read, unless it is cheaper to make them too; those that are read then serve to
    /// make others for nothing.
    ///
    /// Exact, where either the columns that cannot be read leave each wanted cell but one way (as many are lost as the
    /// code tolerates), or there are few enough ways to look at: then [`cost`](Self::cost) equals
    /// [`bound`](Self::bound). Beyond, the search ends after a fixed effort and the bound says how much cheaper a plan
    /// could be at most. Equally cheap plans: the one of fewer XORs.
    /// Cost: tens of microseconds for a cell, up to some milliseconds for whole columns. [`Planner`](super::Planner)
    /// keeps plans.
    ///
    /// # Errors
    /// A wanted cell that the code does not have or that nothing determines, or costs for more or fewer columns.
    pub fn new(code: &Code, wanted: &[Cell], costs: &ReadCosts) -> Result<Self, PlanError> {
        Self::search(code, wanted, costs, false)
    }

    /// As [`ReadPlan::new`]; of the cheapest sets found, one whose dearest column costs least.
    pub(super) fn search(code: &Code, wanted: &[Cell], costs: &ReadCosts, balanced: bool) -> Result<Self, PlanError> {
        costs.check(code)?;
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        if let Some(&cell) = wanted.iter().find(|&&cell| !code.contains(cell)) {
            return Err(PlanError::NoSuchCell { code: code.name().to_owned(), cell });
        }
        let lost = costs.lost();
        let is_lost = |cell: &Cell| lost.contains(usize::from(cell.column));
        let (missing, present): (Vec<Cell>, Vec<Cell>) = wanted.iter().partition(|cell| is_lost(cell));
        let unreadable: Vec<Cell> = code.cells().filter(is_lost).collect();
        let relations = Relations::find(code, &CellSet::sum(code, &unreadable));
        let peeled = peeled(code, lost, &missing);
        // Data cells are independent: where all cost the same, a set of cells that gives one without reading it is no
        // dearer when it is read in place of another one (Steinitz). So these need no search.
        let is_given = |cell: &Cell| costs.are_equal() && matches!(code.cell(*cell), CellKind::Data { .. });
        let (given, open): (Vec<Cell>, Vec<Cell>) = present.iter().partition(|cell| is_given(cell));
        let mut search = Search { code, costs, lost, is_listed: true, ways: Vec::new() };
        for &cell in missing.iter().chain(&open) {
            search.add(&relations, cell, peeled.as_ref())?;
        }
        let Search { is_listed, ways, .. } = search;
        let given = CellSet::sum(code, &given);
        let least = least_total(code, &missing, &given, costs).max(least_by_rank(code, &missing, &given, costs));
        let pricing = Pricing { costs, columns: code.columns(), balanced };
        let choice = choose::choose(pricing, &given, &ways, least, choose::EFFORT);
        let chosen = ways.iter().zip(&choice.ways).map(|(ways, &number)| &ways[number]);
        let chosen: Vec<(Cell, &CellSet)> = missing.iter().chain(&open).copied().zip(chosen).collect();
        let mut reads = given.clone();
        for (_, way) in &chosen {
            reads.unite(way);
        }
        let mut schedule = Schedule::of_steps(code, &steps(chosen, &reads))?;
        if let Some(peeled) = peeled {
            let mut with_peeled = CellSet::sum(code, &present);
            with_peeled.unite(&CellSet::sum(code, peeled.inputs()));
            let price = pricing.price_of_set(&CellSet::none(code), &with_peeled);
            let is_cheap = (price.total, price.peak) <= (choice.price.total, choice.price.peak);
            if is_cheap && peeled.xor_count() <= schedule.xor_count() {
                schedule = peeled;
                reads = with_peeled;
            }
        }
        schedule.verify(code)?;
        let cost = choice.price.total;
        let bound = if is_listed && choice.complete { cost } else { least.min(cost) };
        Ok(Self { wanted, reads: reads.iter().collect(), schedule: Arc::new(schedule), cost, bound })
    }

    /// Gives the wanted cells, by column, then row.
    pub fn wanted(&self) -> &[Cell] {
        &self.wanted
    }

    /// Gives the cells that are read, by column, then row.
    pub fn reads(&self) -> &[Cell] {
        &self.reads
    }

    /// Gives the XORs that make those wanted cells that are not read. Their inputs are among the cells that are read;
    /// [`StripeCodec::run`](crate::StripeCodec::run) runs them.
    pub fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// Gives what reading costs.
    pub fn cost(&self) -> u128 {
        self.cost
    }

    /// Gives a cost below which there is no plan: the plan's own when it is known to be the cheapest.
    ///
    /// Else the cut-set bound: any k columns of the code are independent, so whichever k - 1 of them are left out, the
    /// others must give as much as is wanted (Dimakis and others, "Network Coding for Distributed Storage Systems", IEEE
    /// Transactions on Information Theory 56(9), 2010).
    pub fn bound(&self) -> u128 {
        self.bound
    }

    /// Counts the cells that are read of each column.
    ///
    /// Shape: one number per column of the code.
    pub fn counts(&self, code: &Code) -> Vec<usize> {
        let mut counts = vec![0; code.columns()];
        for cell in &self.reads {
            counts[usize::from(cell.column)] += 1;
        }
        counts
    }

    /// Counts the cells that it and its steps name: how much memory it takes.
    pub(super) fn cell_count(&self) -> usize {
        self.wanted.len() + self.reads.len() + self.schedule.source_count()
    }
}

/// The schedule that follows the chains of the code, or its construction's way of repair.
fn peeled(code: &Code, lost: ErasurePattern, missing: &[Cell]) -> Option<Schedule> {
    // With more lost than tolerated it refuses, although single cells may still be had. With one column lost it also knows
    // the cells from which the construction repairs it: so no plan is dearer than those.
    Schedule::recover(code, lost, missing).ok()
}

/// Makes wanted cells as a schedule does, but leaves out what cancels on the way: along a chain of parity equations a cell
/// that two of them have in common need not be read for what comes behind both.
///
/// Where as many columns are lost as the code tolerates, a lost cell has but one way, and so nothing can do with less.
pub(crate) fn shortened(code: &Code, chains: Schedule, wanted: &[Cell]) -> Result<Schedule, ScheduleError> {
    let sums = chains.sums().into_iter().filter(|(cell, _)| wanted.contains(cell));
    let ways: Vec<(Cell, CellSet)> = sums.map(|(cell, sum)| (cell, CellSet::sum(code, &sum))).collect();
    let chosen = ways.iter().map(|(cell, way)| (*cell, way)).collect();
    let shortened = Schedule::of_steps(code, &steps(chosen, &CellSet::none(code)))?;
    let cost = |schedule: &Schedule| (schedule.inputs().len(), schedule.xor_count());
    Ok(if cost(&shortened) < cost(&chains) { shortened } else { chains })
}

/// The ways among which is chosen.
struct Search<'search> {
    code: &'search Code,
    costs: &'search ReadCosts,
    lost: ErasurePattern,
    /// Whether they are all ways that can be cheapest.
    is_listed: bool,
    ways: Vec<Vec<CellSet>>,
}

impl Search<'_> {
    /// Adds a wanted cell: all its ways, or, if those are too many, some that are likely to be cheap. The first is the
    /// obvious one: to read the cell, or what the chains say.
    fn add(&mut self, relations: &Relations, cell: Cell, peeled: Option<&Schedule>) -> Result<(), PlanError> {
        let mut ways = Vec::new();
        let is_missing = self.lost.contains(usize::from(cell.column));
        if is_missing {
            let sums = peeled.into_iter().flat_map(Schedule::sums);
            ways.extend(sums.filter(|(target, _)| *target == cell).map(|(_, sum)| CellSet::sum(self.code, &sum)));
        } else {
            ways.push(CellSet::sum(self.code, [&cell]));
        }
        match relations.ways(cell) {
            Some(others) if others.log_count() <= LISTED_MAX => ways.extend(others.minimal()),
            Some(others) => {
                self.is_listed = false;
                ways.extend(self.likely(&others, cell));
            }
            None if is_missing => {
                return Err(PlanError::Undetermined { code: self.code.name().to_owned(), cell, lost: self.lost });
            }
            None => {}
        }
        self.ways.push(distinct(ways));
        Ok(())
    }

    /// Single parity equations, and ways that do without dear columns.
    fn likely(&self, others: &Ways, cell: Cell) -> Vec<CellSet> {
        let mut ways = Vec::new();
        for (parity, of) in self.code.equations() {
            let has_lost = |cells: &[Cell]| cells.iter().any(|cell| self.lost.contains(usize::from(cell.column)));
            let rest: Vec<Cell> = of.iter().copied().chain([parity]).filter(|&other| other != cell).collect();
            if rest.len() == of.len() && !has_lost(&rest) {
                ways.push(CellSet::sum(self.code, &rest));
            }
        }
        if self.code.tolerates() <= 2 && self.costs.are_equal() && !ways.is_empty() {
            return ways;
        }
        let mut columns: Vec<usize> =
            (0..self.code.columns()).filter(|&column| self.costs.of(column).is_some()).collect();
        columns.sort_by_key(|&column| {
            let cost = self.costs.of(column).unwrap_or_default();
            Reverse(u128::from(cost.fixed) + u128::from(cost.per_cell))
        });
        let rows = self.code.rows();
        for place in (0..columns.len()).step_by(columns.len().div_ceil(ORDERS_MAX).max(1)) {
            // One column before all others, which are in the order of cost.
            let order = columns[place..=place].iter().chain(&columns[..place]).chain(&columns[place + 1..]);
            ways.push(others.without_first(order.flat_map(|&column| (0..rows).map(move |row| Cell::new(column, row)))));
        }
        ways
    }
}

/// Leaves out what came before; the order stays.
fn distinct(ways: Vec<CellSet>) -> Vec<CellSet> {
    let mut distinct: Vec<CellSet> = Vec::new();
    for way in ways {
        if !distinct.contains(&way) {
            distinct.push(way);
        }
    }
    distinct
}

/// Makes each cell that is not read out of the cells of its way, or out of one made before it and what their ways differ
/// in, whichever is shorter; the cells that are quickest to make come first.
fn steps(chosen: Vec<(Cell, &CellSet)>, reads: &CellSet) -> Vec<(Cell, Vec<Cell>)> {
    struct Open<'chosen> {
        cell: Cell,
        way: &'chosen CellSet,
        rest: CellSet,
        made: Vec<Cell>,
    }
    let to_make = chosen.into_iter().filter(|(cell, _)| !reads.contains(*cell));
    let mut open: Vec<Open<'_>> =
        to_make.map(|(cell, way)| Open { cell, way, rest: way.clone(), made: Vec::new() }).collect();
    let mut steps = Vec::new();
    while let Some(place) = (0..open.len()).min_by_key(|&place| (open[place].rest.len(), open[place].made.len())) {
        let Open { cell, way, rest, made } = open.remove(place);
        steps.push((cell, rest.iter().chain(made).collect()));
        for other in &mut open {
            if other.rest.len_with(way) + 1 < other.rest.len() {
                other.rest.add(way);
                other.made.push(cell);
            }
        }
    }
    steps
}

/// Another bound on the total: data cells are independent of those that are given, so at least one more cell is read for
/// each.
fn least_by_rank(code: &Code, missing: &[Cell], given: &CellSet, costs: &ReadCosts) -> u128 {
    let price = |column: usize| costs.of(column).map(|cost| u128::from(cost.per_cell));
    let least = (0..code.columns()).filter_map(price).min().unwrap_or(0);
    let data_cells = missing.iter().filter(|&&cell| matches!(code.cell(cell), CellKind::Data { .. })).count();
    given.iter().filter_map(|cell| price(cell.column.into())).sum::<u128>() + least * data_cells as u128
}

/// The cut-set bound on the total: see [`ReadPlan::bound`].
///
/// With T cells wanted in q columns, of a columns that can be read any a - k + q give T together. The cheapest numbers
/// of cells that do so are equal ones of the d cheapest columns, for some d; cells given in any case count for nothing.
fn least_total(code: &Code, missing: &[Cell], given: &CellSet, costs: &ReadCosts) -> u128 {
    let mut counts = vec![0_u128; code.columns()];
    given.iter().for_each(|cell| counts[usize::from(cell.column)] += 1);
    let readable: Vec<usize> = (0..code.columns()).filter(|&column| costs.of(column).is_some()).collect();
    let mut fixed = Vec::new();
    let mut per_cell = Vec::new();
    let mut begin = 0;
    for &column in &readable {
        let cost = costs.of(column).unwrap_or_default();
        let is_open = counts[column] > 0;
        begin += counts[column] * u128::from(cost.per_cell) + if is_open { u128::from(cost.fixed) } else { 0 };
        fixed.push(if is_open { 0 } else { u128::from(cost.fixed) });
        per_cell.push(u128::from(cost.per_cell));
    }
    let mut lost_columns: Vec<u16> = missing.iter().map(|cell| cell.column).collect();
    lost_columns.dedup();
    let Some(others) = code.data_columns().checked_sub(lost_columns.len()) else { return begin };
    let Some(together) = readable.len().checked_sub(others).filter(|&together| together > 0) else { return begin };
    let mut given_most: Vec<u128> = readable.iter().map(|&column| counts[column]).collect();
    given_most.sort_unstable_by(|left, right| right.cmp(left));
    let given_most: u128 = given_most[..together].iter().sum();
    let wanted = (missing.len() as u128).saturating_sub(given_most);
    if wanted == 0 {
        return begin;
    }
    fixed.sort_unstable();
    per_cell.sort_unstable();
    let least = (others + 1..=readable.len()).map(|used| {
        let cells = (wanted * per_cell[..used].iter().sum::<u128>()).div_ceil((used - others) as u128);
        cells + fixed[..used].iter().sum::<u128>()
    });
    begin + least.min().unwrap_or(0)
}
