//! What a code costs: XORs to encode, recover and update, cells read to rebuild; and what no code can go below.

use std::collections::BTreeMap;

use crate::code::{Cell, CellKind, Code};
use crate::schedule::{ErasurePattern, Schedule, ScheduleError, canonical};

/// Most patterns that are looked at for a figure; of more, so many spread evenly.
const PATTERNS_MAX: usize = 24;

/// The costs of a code, counted on its schedules.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeCosts {
    /// XORs per data cell to encode.
    pub encode: f64,
    /// XORs per lost cell to recover one column, and two where the code tolerates that; on average over the patterns.
    pub recover: Vec<f64>,
    /// Parity cells that a write to one data cell changes, on average.
    pub update: f64,
    /// The most of them.
    pub update_max: usize,
    /// Cells read to rebuild one column, on average over the columns.
    pub repair_cells: f64,
    /// Whether every pattern was looked at, and not a sample only.
    pub every_pattern: bool,
}

/// What the costs are measured by.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// XORs per data cell to encode: m (1 - 1/k) for m parity columns. Codes that lose more than two columns may stay below
    /// it.
    pub encode: f64,
    /// Whether nothing can go below it.
    pub encode_is_bound: bool,
    /// XORs per lost cell without sums in common: k - 1.
    pub recover: f64,
    /// Parity cells that a write changes: one in each parity column's worth, m.
    pub update: f64,
    /// Cells read to rebuild a column when k columns are read whole.
    pub repair_conventional: usize,
    /// Cells' worth of bytes that any code must read for it, if all other columns help: the cut-set bound.
    pub repair_cut_set: f64,
}

impl CodeCosts {
    /// Counts the costs of a code.
    ///
    /// Cost: makes schedules for up to 24 patterns of one and 24 of two lost columns: milliseconds, for the widest codes
    /// seconds.
    ///
    /// # Errors
    /// None for a code of this crate: as [`Schedule::recover`].
    pub fn of(code: &Code) -> Result<Self, ScheduleError> {
        let mut updates = vec![0_usize; code.data_cell_count()];
        for (_, of) in code.parity_cells() {
            for &cell in of {
                if let CellKind::Data { index } = code.cell(cell) {
                    updates[index] += 1;
                }
            }
        }
        let encode = Schedule::encode(code).xor_count();
        let mut costs = Self {
            encode: ratio(encode, code.data_cell_count()),
            recover: Vec::new(),
            update: ratio(updates.iter().sum(), updates.len()),
            update_max: updates.iter().copied().max().unwrap_or(0),
            repair_cells: 0.0,
            every_pattern: true,
        };
        for lost in 1..=code.tolerates().min(2) {
            let (mut xors, mut cells, mut inputs, mut patterns) = (0, 0, 0, 0);
            let kinds = kinds(code, lost);
            let step = kinds.len().div_ceil(PATTERNS_MAX).max(1);
            costs.every_pattern &= step == 1;
            for (kind, count) in kinds.into_iter().step_by(step) {
                let wanted: Vec<Cell> = code.cells().filter(|cell| kind.contains(usize::from(cell.column))).collect();
                let schedule = Schedule::recover(code, kind, &wanted)?;
                xors += count * schedule.xor_count();
                cells += count * wanted.len();
                inputs += count * schedule.inputs().len();
                patterns += count;
            }
            costs.recover.push(ratio(xors, cells));
            if lost == 1 {
                costs.repair_cells = ratio(inputs, patterns);
            }
        }
        Ok(costs)
    }
}

impl Bounds {
    /// Gives what the costs of a code of this size are measured by.
    ///
    /// Source: Xu, Bohossian, Bruck, Wagner 1999 (XORs); Dimakis and others, "Network Coding for Distributed Storage
    /// Systems", IEEE Transactions on Information Theory 56(9), 2010 (cut-set).
    pub fn of(code: &Code) -> Self {
        let (k, m) = (code.data_columns(), code.tolerates());
        Self {
            encode: ratio(m * (k - 1), k),
            encode_is_bound: m <= 2 || k == 1,
            recover: ratio(k - 1, 1),
            update: ratio(m, 1),
            repair_conventional: k * code.rows(),
            repair_cut_set: ratio((k + m - 1) * code.rows(), m),
        }
    }
}

/// Patterns of one or two lost columns, one of each kind that differs by a turn only, and how many are of its kind.
fn kinds(code: &Code, lost: usize) -> BTreeMap<ErasurePattern, usize> {
    let mut kinds = BTreeMap::new();
    for first in 0..code.columns() {
        let seconds = if lost == 1 { first..first + 1 } else { first + 1..code.columns() };
        for second in seconds {
            let (kind, _) = canonical(code, ErasurePattern::of(&[first, second]));
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    kinds
}

/// Counts here are far below 2^32, and so exact.
fn ratio(count: usize, of: usize) -> f64 {
    let exact = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    exact(count) / exact(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(name: &str) -> (CodeCosts, Bounds) {
        let code = Code::named(name).unwrap();
        (CodeCosts::of(&code).unwrap(), Bounds::of(&code))
    }

    /// The published table for 6 columns: 1.5 XORs, 3 per lost cell, 2 updates, 9 of 12 cells read.
    #[test]
    fn figures_of_six_columns() {
        let (costs, bounds) = costs("b-code:6");
        let expected = CodeCosts {
            encode: 1.5,
            recover: vec![3.0, 3.0],
            update: 2.0,
            update_max: 2,
            repair_cells: 9.0,
            every_pattern: true,
        };
        assert_eq!(costs, expected);
        assert_eq!((bounds.encode, bounds.encode_is_bound, bounds.recover, bounds.update), (1.5, true, 3.0, 2.0));
        assert_eq!((bounds.repair_conventional, bounds.repair_cut_set), (12, 7.5));
    }

    #[test]
    fn figures_of_codes_that_lose_one_column_or_all_but_one() {
        let (parity, bounds) = costs("parity:3+1");
        assert_eq!((parity.encode * 3.0, parity.recover, parity.repair_cells), (2.0, vec![2.0], 3.0));
        assert_eq!((bounds.repair_conventional, bounds.repair_cut_set), (3, 3.0));
        let (replica, bounds) = costs("replica:3");
        assert_eq!((replica.encode, replica.recover, replica.update), (0.0, vec![0.0, 0.0], 2.0));
        assert_eq!((bounds.encode, bounds.recover, bounds.repair_conventional), (0.0, 0.0, 1));
    }

    #[test]
    fn wide_codes_are_sampled() {
        let (costs, bounds) = costs("x-code:31");
        assert!((costs.encode - bounds.encode).abs() < 1e-9 && costs.every_pattern);
        assert!(!CodeCosts::of(&Code::named("rs:28+2").unwrap()).unwrap().every_pattern);
    }
}
