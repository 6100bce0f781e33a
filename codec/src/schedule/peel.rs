//! Chains of parity equations: an equation with one unknown cell gives that cell, which may leave the next equation
//! with one. Where chains do not lead to all wanted cells, elimination makes the equations for the others.

use super::eliminate::{self, Equation};
use super::{ErasurePattern, ScheduleError};
use crate::code::{Cell, Code};

/// Most choices of equations that are all tried for one schedule. A lost column of x-code:13 has as many.
const CHOICES_MAX: usize = 1 << 11;
/// Most lost cells of which each gets the lightest equation that was found for it; of more, all are solved for at once.
const LIGHTEST_MAX: usize = 20;
/// Most cells of which the one where a choice matters most is looked for each time; of more, choices are made in order.
const REGRET_MAX: usize = 200;

const WORD_BITS: usize = u64::BITS as usize;

/// A lost cell that was found, with the equations that each give it. All other cells of those survive or were found
/// before it.
struct Found {
    cell: Cell,
    equations: Vec<usize>,
}

/// Targets and the cells that each is the XOR of, in an order in which they can be done.
pub(super) type Steps = Vec<(Cell, Vec<Cell>)>;

/// What a choice of equations costs: surviving cells read, then cells summed up. Less is better, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    inputs: usize,
    sources: usize,
}

/// Finds the steps to the wanted cells, and tells whether chains lead to them all.
pub(super) fn steps(code: &Code, lost: ErasurePattern, wanted: &[Cell]) -> Result<(Steps, bool), ScheduleError> {
    let mut equations: Vec<Equation> =
        code.equations().map(|(parity, of)| of.iter().copied().chain([parity]).collect()).collect();
    let mut search = Search::of(code, lost);
    search.peel(&equations);
    let are_chains = wanted.iter().all(|&cell| search.place(cell).is_some());
    while let Some(&cell) = wanted.iter().find(|&&cell| search.place(cell).is_none()) {
        let unknown: Vec<Cell> = code.cells().filter(|&cell| search.is_unknown(cell)).collect();
        let solved = if unknown.len() <= LIGHTEST_MAX {
            eliminate::lightest(&equations, &unknown, wanted).into_iter().collect()
        } else {
            eliminate::all(&equations, &unknown, wanted)
        };
        if solved.is_empty() {
            return Err(ScheduleError::Undetermined { cell, lost, known: search.found.len() });
        }
        for (cell, equation) in solved {
            search.push(Found { cell, equations: vec![equations.len()] });
            equations.push(equation);
        }
    }
    let plan = Plan::new(code, &equations, &search, wanted);
    let choice = plan.cheapest_choice();
    let mut steps = Steps::new();
    for (found_place, needed) in plan.needed(&choice).into_iter().enumerate() {
        if needed {
            let entry = &search.found[found_place];
            let sources = equations[entry.equations[choice[found_place]]].iter().copied();
            steps.push((entry.cell, sources.filter(|&cell| cell != entry.cell).collect()));
        }
    }
    Ok((steps, are_chains))
}

/// The cells that were found so far, in an order of solution.
struct Search {
    lost: ErasurePattern,
    rows: usize,
    found: Vec<Found>,
    /// For each cell of the code, column by column, its place among those found.
    places: Vec<Option<usize>>,
}

impl Search {
    fn of(code: &Code, lost: ErasurePattern) -> Self {
        Self { lost, rows: code.rows(), found: Vec::new(), places: vec![None; code.columns() * code.rows()] }
    }

    fn number(&self, cell: Cell) -> usize {
        usize::from(cell.column) * self.rows + usize::from(cell.row)
    }

    fn place(&self, cell: Cell) -> Option<usize> {
        self.places[self.number(cell)]
    }

    fn is_lost(&self, cell: Cell) -> bool {
        self.lost.contains(usize::from(cell.column))
    }

    fn is_unknown(&self, cell: Cell) -> bool {
        self.is_lost(cell) && self.place(cell).is_none()
    }

    fn push(&mut self, entry: Found) {
        let number = self.number(entry.cell);
        self.places[number] = Some(self.found.len());
        self.found.push(entry);
    }

    /// Peels in rounds, so that a cell comes with every equation of its earliest round.
    fn peel(&mut self, equations: &[Equation]) {
        let mut equations_of: Vec<Vec<usize>> = vec![Vec::new(); self.places.len()];
        let mut unknown_counts: Vec<usize> = Vec::with_capacity(equations.len());
        for (number, equation) in equations.iter().enumerate() {
            let unknown = equation.iter().filter(|&&cell| self.is_lost(cell));
            unknown_counts.push(unknown.clone().count());
            unknown.for_each(|&cell| equations_of[self.number(cell)].push(number));
        }
        let mut ready: Vec<usize> = (0..equations.len()).filter(|&number| unknown_counts[number] == 1).collect();
        while !ready.is_empty() {
            ready.sort_unstable();
            let mut round: Vec<(Cell, usize)> = Vec::new();
            for &number in &ready {
                // Another equation of the same round may have given its cell to a later one already.
                round.extend(equations[number].iter().find(|&&cell| self.is_unknown(cell)).map(|&cell| (cell, number)));
            }
            round.sort_by_key(|&(cell, _)| cell);
            ready.clear();
            for same in round.chunk_by(|(cell, _), (other, _)| cell == other) {
                let cell = same[0].0;
                for &number in &equations_of[self.number(cell)] {
                    unknown_counts[number] -= 1;
                    if unknown_counts[number] == 1 {
                        ready.push(number);
                    }
                }
                self.push(Found { cell, equations: same.iter().map(|&(_, number)| number).collect() });
            }
            ready.retain(|&number| unknown_counts[number] == 1);
        }
    }
}

/// A set of surviving cells, a bit each.
type Cells = Vec<u64>;

fn add(cells: &mut Cells, more: &Cells) {
    cells.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
}

fn count(cells: &Cells) -> usize {
    cells.iter().map(|word| word.count_ones() as usize).sum()
}

/// Counts the cells that a set lacks of another.
fn count_missing(cells: &Cells, of: &Cells) -> usize {
    cells.iter().zip(of).map(|(word, of)| (of & !word).count_ones() as usize).sum()
}

/// One way to a cell that was found.
struct Way {
    inputs: Cells,
    /// Places of the lost cells that it reads, all found before.
    reads: Vec<usize>,
    sources: usize,
}

/// The cells found, of which some are wanted, and for each of which an equation is to be chosen.
struct Plan {
    /// For each cell found, in order, the ways to it.
    options: Vec<Vec<Way>>,
    wanted: Vec<bool>,
    words: usize,
}

impl Plan {
    fn new(code: &Code, equations: &[Equation], search: &Search, wanted: &[Cell]) -> Self {
        let words = (code.columns() * code.rows()).div_ceil(WORD_BITS);
        let option = |target: Cell, equation: &Equation| {
            let mut option = Way { inputs: vec![0; words], reads: Vec::new(), sources: equation.len() - 1 };
            for &cell in equation.iter().filter(|&&cell| cell != target) {
                match search.place(cell) {
                    Some(place) => option.reads.push(place),
                    None => option.inputs[search.number(cell) / WORD_BITS] |= 1 << (search.number(cell) % WORD_BITS),
                }
            }
            option
        };
        let options = search.found.iter().map(|entry| {
            let ways = entry.equations.iter().map(|&number| option(entry.cell, &equations[number]));
            ways.collect()
        });
        let mut is_wanted = vec![false; search.found.len()];
        wanted.iter().filter_map(|&cell| search.place(cell)).for_each(|place| is_wanted[place] = true);
        Self { options: options.collect(), wanted: is_wanted, words }
    }

    /// Which of the cells found are wanted or lead to a wanted one: liveness, backwards.
    fn needed(&self, choice: &[usize]) -> Vec<bool> {
        self.live(|place| choice[place]..choice[place] + 1)
    }

    /// Which of the cells found are wanted, or read on one of the ways that live cells may go.
    fn live(&self, ways_of: impl Fn(usize) -> core::ops::Range<usize>) -> Vec<bool> {
        let mut live = self.wanted.clone();
        for place in (0..self.options.len()).rev() {
            if live[place] {
                for option in &self.options[place][ways_of(place)] {
                    option.reads.iter().for_each(|&read| live[read] = true);
                }
            }
        }
        live
    }

    fn cost(&self, choice: &[usize]) -> Cost {
        let mut inputs = vec![0; self.words];
        let mut sources = 0;
        for (place, needed) in self.needed(choice).into_iter().enumerate() {
            if needed {
                let option = &self.options[place][choice[place]];
                sources += option.sources;
                add(&mut inputs, &option.inputs);
            }
        }
        Cost { inputs: count(&inputs), sources }
    }

    /// Tries every choice for the cells that matter when they are few enough, and otherwise goes cell by cell.
    fn cheapest_choice(&self) -> Vec<usize> {
        let may_be_needed = self.live(|place| 0..self.options[place].len());
        let open: Vec<usize> =
            (0..self.options.len()).filter(|&place| may_be_needed[place] && self.options[place].len() > 1).collect();
        let choice_count = open.iter().try_fold(1_usize, |count, &place| {
            count.checked_mul(self.options[place].len()).filter(|&count| count <= CHOICES_MAX)
        });
        if choice_count.is_some() { self.best_of_all(&open) } else { self.by_regret(&may_be_needed) }
    }

    fn best_of_all(&self, open: &[usize]) -> Vec<usize> {
        let mut choice = vec![0; self.options.len()];
        let mut best = (self.cost(&choice), choice.clone());
        while self.advance(&mut choice, open) {
            let cost = self.cost(&choice);
            if cost < best.0 {
                best = (cost, choice.clone());
            }
        }
        best.1
    }

    /// Goes on to the next choice for the open cells, like an odometer; false after the last.
    fn advance(&self, choice: &mut [usize], open: &[usize]) -> bool {
        for &place in open {
            choice[place] += 1;
            if choice[place] < self.options[place].len() {
                return true;
            }
            choice[place] = 0;
        }
        false
    }

    /// Chooses first where the choice matters most: where the second best way reads the most cells more than the best,
    /// beyond what is read already.
    ///
    /// In a lost column of a B-code every data cell has two ways, the parities at its ends, and two parities that are
    /// taken share a cell unless the last column of the odd code would have it. So each choice leaves one matter, until all
    /// are made: every second vertex of the path that those cells and the last column are. That is the fewest there can
    /// be, and so it turned out for X-codes up to 17 columns, beyond which nobody knows.
    fn by_regret(&self, may_be_needed: &[bool]) -> Vec<usize> {
        let mut choice = vec![0; self.options.len()];
        let mut read = vec![0; self.words];
        let mut undecided: Vec<usize> = (0..self.options.len()).filter(|&place| may_be_needed[place]).collect();
        while !undecided.is_empty() {
            // Regret, index into the undecided, way; the first of equals.
            let mut most: Option<(usize, usize, usize)> = None;
            let compared = if undecided.len() > REGRET_MAX { 1 } else { undecided.len() };
            for (index, &place) in undecided[..compared].iter().enumerate() {
                let mut costs: Vec<(usize, usize)> = self.options[place]
                    .iter()
                    .enumerate()
                    .map(|(way, option)| (count_missing(&read, &option.inputs), way))
                    .collect();
                costs.sort_unstable();
                let regret = costs.get(1).map_or(usize::MAX, |second| second.0 - costs[0].0);
                if most.is_none_or(|most| regret > most.0) {
                    most = Some((regret, index, costs[0].1));
                }
            }
            let Some((_, index, way)) = most else { break };
            let place = undecided.remove(index);
            choice[place] = way;
            add(&mut read, &self.options[place][way].inputs);
        }
        choice
    }
}
