//! Chains of parity equations: an equation with one unknown cell gives that cell, which may leave the next equation
//! with one. Where chains do not lead to all wanted cells, elimination makes the equations for the others.

use super::eliminate::{self, Equation};
use super::{ErasurePattern, ScheduleError};
use crate::code::{Cell, Code};

/// Most choices of equations that are tried for one schedule. A lost column of 13 rows has at most 2^11.
const CHOICES_MAX: usize = 1 << 12;

/// A lost cell that was found, with the equations that each give it. All other cells of those survive or were found
/// before it.
struct Found {
    cell: Cell,
    equations: Vec<usize>,
}

/// What a choice of equations costs: surviving cells read, then cells summed up. Less is better, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    inputs: usize,
    sources: usize,
}

/// Finds the steps to the wanted cells, each a target and the cells it is the XOR of, in an order in which they can be
/// done.
pub(super) fn steps(
    code: &Code,
    lost: ErasurePattern,
    wanted: &[Cell],
) -> Result<Vec<(Cell, Vec<Cell>)>, ScheduleError> {
    let mut equations: Vec<Equation> =
        code.parity_cells().map(|(parity, of)| of.iter().copied().chain([parity]).collect()).collect();
    let mut found = peel(&equations, lost);
    while let Some(&cell) = wanted.iter().find(|&&cell| place(&found, cell).is_none()) {
        let is_unknown = |cell: &Cell| lost.contains(usize::from(cell.column)) && place(&found, *cell).is_none();
        let unknown: Vec<Cell> = code.cells().filter(is_unknown).collect();
        let Some((cell, equation)) = eliminate::lightest(&equations, &unknown, wanted) else {
            return Err(ScheduleError::Undetermined { cell, lost, known: found.len() });
        };
        found.push(Found { cell, equations: vec![equations.len()] });
        equations.push(equation);
    }
    let plan = Plan { equations: &equations, found: &found, lost, wanted };
    let choice = plan.cheapest_choice();
    let mut steps: Vec<(Cell, Vec<Cell>)> = Vec::new();
    for (found_place, needed) in plan.needed(&choice).into_iter().enumerate() {
        if needed {
            let target = found[found_place].cell;
            let sources = plan.equation(&choice, found_place).iter().copied().filter(|&cell| cell != target);
            steps.push((target, sources.collect()));
        }
    }
    Ok(steps)
}

/// Peels in rounds, so that a cell comes with every equation of its earliest round. The order of the result is one of
/// solution.
fn peel(equations: &[Equation], lost: ErasurePattern) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    loop {
        let mut round: Vec<Found> = Vec::new();
        for (number, equation) in equations.iter().enumerate() {
            let is_unknown = |cell: &&Cell| lost.contains(usize::from(cell.column)) && place(&found, **cell).is_none();
            let mut unknowns = equation.iter().filter(is_unknown);
            let (Some(&cell), None) = (unknowns.next(), unknowns.next()) else { continue };
            match round.iter_mut().find(|entry| entry.cell == cell) {
                Some(entry) => entry.equations.push(number),
                None => round.push(Found { cell, equations: vec![number] }),
            }
        }
        if round.is_empty() {
            return found;
        }
        round.sort_unstable_by_key(|entry| entry.cell);
        found.append(&mut round);
    }
}

fn place(found: &[Found], cell: Cell) -> Option<usize> {
    found.iter().position(|entry| entry.cell == cell)
}

/// The cells found, of which some are wanted, and for each of which an equation is to be chosen.
struct Plan<'plan> {
    equations: &'plan [Equation],
    found: &'plan [Found],
    lost: ErasurePattern,
    wanted: &'plan [Cell],
}

impl Plan<'_> {
    /// The equation that a choice (for each cell found, which of its equations) takes for a cell.
    fn equation(&self, choice: &[usize], found_place: usize) -> &Equation {
        &self.equations[self.found[found_place].equations[choice[found_place]]]
    }

    /// Which of the cells found are wanted or lead to a wanted one: liveness, backwards.
    fn needed(&self, choice: &[usize]) -> Vec<bool> {
        self.live(|found_place| &self.found[found_place].equations[choice[found_place]..=choice[found_place]])
    }

    /// Which of the cells found are wanted or read by the equations that live cells may use.
    fn live<'uses>(&self, equations_of: impl Fn(usize) -> &'uses [usize]) -> Vec<bool> {
        let mut live: Vec<bool> = self.found.iter().map(|entry| self.wanted.contains(&entry.cell)).collect();
        for found_place in (0..self.found.len()).rev() {
            if live[found_place] {
                let sources = equations_of(found_place).iter().flat_map(|&number| &self.equations[number]);
                for &source in sources.filter(|&&source| self.is_lost(source)) {
                    if let Some(source_place) = place(self.found, source) {
                        live[source_place] = true;
                    }
                }
            }
        }
        live
    }

    fn is_lost(&self, cell: Cell) -> bool {
        self.lost.contains(usize::from(cell.column))
    }

    fn cost(&self, choice: &[usize]) -> Cost {
        let mut inputs: Vec<Cell> = Vec::new();
        let mut sources = 0;
        for (found_place, needed) in self.needed(choice).into_iter().enumerate() {
            if needed {
                let equation = self.equation(choice, found_place);
                sources += equation.len() - 1;
                inputs.extend(equation.iter().filter(|&&cell| !self.is_lost(cell)));
            }
        }
        inputs.sort_unstable();
        inputs.dedup();
        Cost { inputs: inputs.len(), sources }
    }

    /// Tries every choice for the cells that matter when they are few enough, and otherwise cell after cell with the
    /// others kept.
    fn cheapest_choice(&self) -> Vec<usize> {
        let mut choice = vec![0; self.found.len()];
        let may_be_needed = self.live(|found_place| &self.found[found_place].equations);
        let open: Vec<usize> = (0..self.found.len())
            .filter(|&found_place| may_be_needed[found_place] && self.found[found_place].equations.len() > 1)
            .collect();
        let choice_count = open.iter().try_fold(1_usize, |count, &found_place| {
            count.checked_mul(self.found[found_place].equations.len()).filter(|&count| count <= CHOICES_MAX)
        });
        let mut best = (self.cost(&choice), choice.clone());
        if choice_count.is_some() {
            while self.advance(&mut choice, &open) {
                let cost = self.cost(&choice);
                if cost < best.0 {
                    best = (cost, choice.clone());
                }
            }
        } else {
            for &found_place in &open {
                for alternative in 1..self.found[found_place].equations.len() {
                    let mut choice = best.1.clone();
                    choice[found_place] = alternative;
                    let cost = self.cost(&choice);
                    if cost < best.0 {
                        best = (cost, choice);
                    }
                }
            }
        }
        best.1
    }

    /// Goes on to the next choice for the open cells, like an odometer; false after the last.
    fn advance(&self, choice: &mut [usize], open: &[usize]) -> bool {
        for &found_place in open {
            choice[found_place] += 1;
            if choice[found_place] < self.found[found_place].equations.len() {
                return true;
            }
            choice[found_place] = 0;
        }
        false
    }
}
