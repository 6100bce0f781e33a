//! Finding a column that is silently wrong: no checksum says so, but the parity equations do.
//!
//! The *syndrome* of a parity equation is the XOR of all its cells, the parity cell included; of a sound stripe all are
//! zero. A wrong column leaves its mark on the syndromes, and no two columns leave the same one when the code tolerates
//! two losses. So one wrong column of a stripe can be told from the others and corrected. Two wrong ones cannot, and may
//! look like a third: what is corrected has to be verified by something else, such as the hash of the content.

use crate::code::{Cell, Code};
use crate::schedule::ErasurePattern;

/// Bytes of a cell that are looked at on their own: every lane must point to the same column.
pub const LANE_BYTES: usize = 64;

/// What the syndromes of a stripe say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// All are zero: the columns agree with each other.
    Consistent,
    /// One column explains them all, in every lane, and no other one does.
    Column(usize),
    /// Each lane has one column that explains it, but not all lanes the same: two or more columns are wrong.
    Disagreement(ErasurePattern),
    /// In some lane no column explains them, or several do: two or more columns are wrong, or the code has too little
    /// parity to tell.
    Unlocated,
}

/// The tests by which the wrong column of a code is found.
///
/// Shape: for each column, sums of syndromes that are zero when no other column is wrong, and for each of its cells the
/// sum of syndromes that is its error. For a B-code and an X-code these are the formulas of the papers: a data cell is in
/// two equations, whose syndromes must be equal; an equation without cells of the column must have none.
/// Cost: made once per code, by elimination over GF(2): columns x equations^2 x rows / 64 steps.
#[derive(Debug)]
pub struct Locator {
    rows: usize,
    equations: Vec<Vec<Cell>>,
    columns: Vec<ColumnTest>,
}

/// Sums of syndromes, each a list of equations.
#[derive(Debug, Default)]
struct ColumnTest {
    zero: Vec<Vec<usize>>,
    errors: Vec<(usize, Vec<usize>)>,
}

impl Locator {
    /// Prepares the tests of a code.
    pub fn new(code: &Code) -> Self {
        let equations: Vec<Vec<Cell>> = equations(code);
        let columns = (0..code.columns()).map(|column| ColumnTest::new(column, code.rows(), &equations)).collect();
        Self { rows: code.rows(), equations, columns }
    }

    /// Computes the syndromes of a stripe, one for each parity cell, by column, then row.
    ///
    /// Shape: `cells` are all cells of the stripe, column by column, of one length.
    ///
    /// # Panics
    /// When there are more or fewer cells, or their lengths differ.
    pub fn syndromes(&self, cells: &[&[u8]]) -> Vec<Vec<u8>> {
        assert_eq!(cells.len(), self.columns.len() * self.rows, "cells of a stripe");
        let length = cells.first().map_or(0, |cell| cell.len());
        let syndrome = |equation: &Vec<Cell>| {
            let members = equation.iter().map(|&cell| cells[self.place(cell)]);
            sum(members, length)
        };
        self.equations.iter().map(syndrome).collect()
    }

    /// Judges syndromes.
    ///
    /// Shape: `syndromes` as [`Locator::syndromes`] gives them.
    ///
    /// # Panics
    /// When there are more or fewer syndromes, or their lengths differ.
    pub fn locate(&self, syndromes: &[Vec<u8>]) -> Diagnosis {
        assert_eq!(syndromes.len(), self.equations.len(), "syndromes of a stripe");
        let lanes = wrong_lanes(syndromes);
        let Some(lane_count) = lanes.first().map(|lane| lane.len().div_ceil(LANE_BYTES)) else {
            return Diagnosis::Consistent;
        };
        if lane_count == 0 {
            return Diagnosis::Consistent;
        }
        let mut found: Vec<Option<usize>> = vec![None; lane_count];
        for (column, test) in self.columns.iter().enumerate() {
            for (lane, explains) in test.explained(&lanes).into_iter().enumerate() {
                if explains && found[lane].replace(column).is_some() {
                    return Diagnosis::Unlocated;
                }
            }
        }
        if found.iter().any(Option::is_none) {
            return Diagnosis::Unlocated;
        }
        let columns = found.into_iter().flatten().fold(ErasurePattern::none(), ErasurePattern::with);
        let mut each = columns.iter();
        match (each.next(), each.next()) {
            (Some(column), None) => Diagnosis::Column(column),
            _ => Diagnosis::Disagreement(columns),
        }
    }

    /// Takes the error out of the cells of the column that was found.
    ///
    /// Shape: `cells` are those of the column, from the first row; `syndromes` those that [`Locator::locate`] judged.
    ///
    /// # Panics
    /// When there are more or fewer cells than rows, or their lengths differ from the syndromes'.
    pub fn correct(&self, column: usize, syndromes: &[Vec<u8>], cells: &mut [&mut [u8]]) {
        assert_eq!(cells.len(), self.rows, "cells of a column");
        for (row, of) in &self.columns[column].errors {
            for &equation in of {
                add(cells[*row], &syndromes[equation]);
            }
        }
    }

    fn place(&self, cell: Cell) -> usize {
        usize::from(cell.column) * self.rows + usize::from(cell.row)
    }
}

/// The cells whose XOR is zero, for each parity cell: itself and the data cells it is made of.
pub(crate) fn equations(code: &Code) -> Vec<Vec<Cell>> {
    let equation = |(parity, of): (Cell, &[Cell])| of.iter().copied().chain([parity]).collect();
    code.parity_cells().map(equation).collect()
}

impl ColumnTest {
    /// Eliminates the errors of the column's cells from the equations: what is left without them must be zero, and what
    /// is left with one of them is that one.
    fn new(column: usize, rows: usize, equations: &[Vec<Cell>]) -> Self {
        let mut relations: Vec<(Bits, Bits)> = Vec::new();
        for (number, equation) in equations.iter().enumerate() {
            let own = equation.iter().filter(|cell| usize::from(cell.column) == column);
            let errors = own.map(|cell| usize::from(cell.row));
            relations.push((Bits::of(rows, errors), Bits::of(equations.len(), [number])));
        }
        let mut solved: Vec<(usize, (Bits, Bits))> = Vec::new();
        let mut test = Self::default();
        for (mut errors, mut sum) in relations {
            for (pivot, (other_errors, other_sum)) in &solved {
                if errors.contains(*pivot) {
                    errors.add(other_errors);
                    sum.add(other_sum);
                }
            }
            let Some(pivot) = errors.first() else {
                test.zero.push(sum.iter().collect());
                continue;
            };
            for (_, (other_errors, other_sum)) in &mut solved {
                if other_errors.contains(pivot) {
                    other_errors.add(&errors);
                    other_sum.add(&sum);
                }
            }
            solved.push((pivot, (errors, sum)));
        }
        test.errors = solved.into_iter().map(|(row, (_, sum))| (row, sum.iter().collect())).collect();
        test
    }

    /// For each lane, whether this column alone can have made the syndromes.
    fn explained(&self, lanes: &[Vec<u8>]) -> Vec<bool> {
        let length = lanes.first().map_or(0, Vec::len);
        let mut explained = vec![true; length.div_ceil(LANE_BYTES)];
        for of in &self.zero {
            let sum = sum(of.iter().map(|&equation| lanes[equation].as_slice()), length);
            for (lane, explained) in sum.chunks(LANE_BYTES).zip(&mut explained) {
                *explained &= lane.iter().all(|byte| *byte == 0);
            }
        }
        explained
    }
}

/// The lanes in which some syndrome is not zero, those of each syndrome behind each other.
fn wrong_lanes(syndromes: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let length = syndromes.first().map_or(0, Vec::len);
    let ranges = (0..length).step_by(LANE_BYTES).map(|start| start..length.min(start + LANE_BYTES));
    let is_wrong = |range: &core::ops::Range<usize>| {
        syndromes.iter().any(|syndrome| syndrome[range.clone()].iter().any(|byte| *byte != 0))
    };
    let wrong: Vec<_> = ranges.filter(is_wrong).collect();
    let gather = |syndrome: &Vec<u8>| wrong.iter().flat_map(|range| &syndrome[range.clone()]).copied().collect();
    syndromes.iter().map(gather).collect()
}

fn sum<'a>(members: impl Iterator<Item = &'a [u8]>, length: usize) -> Vec<u8> {
    let mut sum = vec![0; length];
    for member in members {
        add(&mut sum, member);
    }
    sum
}

fn add(sum: &mut [u8], other: &[u8]) {
    assert_eq!(sum.len(), other.len(), "cells of one length");
    for (byte, other) in sum.iter_mut().zip(other) {
        *byte ^= other;
    }
}

/// A set of small numbers.
#[derive(Clone, Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn of(bound: usize, numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut words = vec![0; bound.div_ceil(64)];
        for number in numbers {
            words[number / 64] ^= 1 << (number % 64);
        }
        Self(words)
    }

    fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    fn add(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word ^= other;
        }
    }

    fn first(&self) -> Option<usize> {
        self.iter().next()
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len() * 64).filter(|&number| self.contains(number))
    }
}
