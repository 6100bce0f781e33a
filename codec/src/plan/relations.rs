//! Which cells give a cell that cannot be read: all ways there are.

use super::cells::CellSet;
use crate::code::{Cell, Code};

/// The ways to make wanted cells out of cells that can be read.
///
/// A way is a relation, that is, a sum of parity equations, in which of the cells that cannot be read none but perhaps
/// the wanted one appears; the others give it. All ways of a cell are one of them plus any sum of relations that have
/// neither it nor any cell that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Relations {
    /// Each sum with its pivot, a cell that cannot be read and that no other sum has.
    solved: Vec<(Cell, CellSet)>,
    /// Relations among cells that can be read, none of them a sum of others.
    free: Vec<CellSet>,
    unreadable: CellSet,
}

/// The ways of one wanted cell.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    /// One way: the cells whose XOR it is.
    first: CellSet,
    /// What makes another way of a way.
    free: Vec<CellSet>,
}

impl Relations {
    /// Finds them by Gauss and Jordan's elimination.
    pub(super) fn find(code: &Code, unreadable: &CellSet) -> Self {
        let mut equations: Vec<CellSet> =
            code.equations().map(|(parity, of)| CellSet::sum(code, of.iter().chain([&parity]))).collect();
        // Light ones first: they become the pivots, and so the sums stay light.
        equations.sort_by_key(CellSet::len);
        let mut solved: Vec<(Cell, CellSet)> = Vec::new();
        let mut free = Vec::new();
        for mut equation in equations {
            for (pivot, other) in &solved {
                if equation.contains(*pivot) {
                    equation.add(other);
                }
            }
            if let Some((pivot, _)) = equation.first_of(unreadable) {
                for (_, other) in solved.iter_mut().filter(|(_, other)| other.contains(pivot)) {
                    other.add(&equation);
                }
                solved.push((pivot, equation));
            } else {
                free.push(equation);
            }
        }
        Self { solved, free, unreadable: unreadable.clone() }
    }

    /// Finds the ways of a cell out of others; `None` when nothing else determines it.
    pub(super) fn ways(&self, cell: Cell) -> Option<Ways> {
        if self.unreadable.contains(cell) {
            let (_, relation) = self.solved.iter().find(|(pivot, _)| *pivot == cell)?;
            let mut first = relation.clone();
            first.toggle(cell);
            return first.first_of(&self.unreadable).is_none().then(|| Ways { first, free: self.free.clone() });
        }
        let mut free = self.free.clone();
        let lightest =
            (0..free.len()).filter(|&place| free[place].contains(cell)).min_by_key(|&place| free[place].len());
        let mut first = free.swap_remove(lightest?);
        free.iter_mut().filter(|other| other.contains(cell)).for_each(|other| other.add(&first));
        first.toggle(cell);
        Some(Ways { first, free })
    }
}

impl Ways {
    /// Counts the ways as a power of two.
    pub(super) fn log_count(&self) -> usize {
        self.free.len()
    }

    /// Takes the way without the first cells of an order, as many as there is a choice about.
    pub(super) fn without_first(&self, order: impl Iterator<Item = Cell>) -> CellSet {
        let mut way = self.first.clone();
        let mut free = self.free.clone();
        for cell in order {
            if free.is_empty() {
                break;
            }
            let Some(place) = free.iter().position(|relation| relation.contains(cell)) else { continue };
            let pivot = free.swap_remove(place);
            for other in free.iter_mut().chain([&mut way]).filter(|other| other.contains(cell)) {
                other.add(&pivot);
            }
        }
        way
    }

    /// Lists the ways that do not have all cells of another: those that do are never cheaper.
    pub(super) fn minimal(&self) -> Vec<CellSet> {
        let mut ways = vec![self.first.clone()];
        for relation in &self.free {
            for place in 0..ways.len() {
                let mut way = ways[place].clone();
                way.add(relation);
                ways.push(way);
            }
        }
        ways.sort_by_cached_key(CellSet::len);
        let mut minimal: Vec<CellSet> = Vec::new();
        for way in ways {
            if !minimal.iter().any(|smaller| smaller.is_subset(&way)) {
                minimal.push(way);
            }
        }
        minimal
    }
}
