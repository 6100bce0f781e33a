//! Elimination: where every parity equation has more than one unknown cell, a sum of several that has only one.

use crate::code::Cell;

/// A parity equation, or a sum of some: cells whose XOR is zero.
pub(super) type Equation = Vec<Cell>;

const WORD_BITS: usize = u64::BITS as usize;

/// Cells whose XOR is zero, a bit each.
#[derive(Clone, PartialEq, Eq)]
struct Relation {
    words: Vec<u64>,
}

impl Relation {
    fn of(cells: &[Cell], numbered: &[Cell]) -> Self {
        let mut words = vec![0; numbered.len().div_ceil(WORD_BITS)];
        for bit in cells.iter().filter_map(|cell| numbered.binary_search(cell).ok()) {
            words[bit / WORD_BITS] |= 1 << (bit % WORD_BITS);
        }
        Self { words }
    }

    fn contains(&self, bit: usize) -> bool {
        self.words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1 == 1
    }

    fn add(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word ^= other);
    }

    fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Counts the cells that the sum with another has.
    fn len_with(&self, other: &Self) -> u32 {
        self.words.iter().zip(&other.words).map(|(word, other)| (word ^ other).count_ones()).sum()
    }

    /// The first bit that is also one of a mask's, and whether it is the only one.
    fn first_of(&self, mask: &Self) -> Option<(usize, bool)> {
        let common = Self { words: self.words.iter().zip(&mask.words).map(|(word, mask)| word & mask).collect() };
        let word = common.words.iter().position(|&word| word != 0)?;
        Some((word * WORD_BITS + common.words[word].trailing_zeros() as usize, common.len() == 1))
    }
}

/// Finds a wanted cell, and an equation or sum of equations that gives it: of those tried the one of the fewest cells.
/// `None` when the equations determine no wanted cell.
///
/// Sums of fewest cells are as hard to find as codewords of least weight. Here equations of few cells come first, and
/// those without any unknown cell are added as long as that leaves fewer cells. Among these are the equations that gave
/// cells before: so a cell is made from a similar one and what they differ in.
///
/// Shape: all cells but the `unknown` ones are known. The equation found is sorted.
pub(crate) fn lightest(equations: &[Equation], unknown: &[Cell], wanted: &[Cell]) -> Option<(Cell, Equation)> {
    let mut found = Elimination::of(equations, unknown, wanted);
    found.solved.iter_mut().for_each(|(_, relation)| lighten(relation, &found.known));
    let (cell, lightest) = found.solved.iter().min_by_key(|(_, relation)| relation.len())?;
    Some((*cell, found.cells(lightest)))
}

/// Finds an equation for each wanted cell that the equations determine. Of those tried the first is taken, not the
/// lightest: for many cells at once, whose sums are shared afterwards.
///
/// Shape: as [`lightest`]; empty when the equations determine no wanted cell.
pub(super) fn all(equations: &[Equation], unknown: &[Cell], wanted: &[Cell]) -> Vec<(Cell, Equation)> {
    let mut found = Elimination::of(equations, unknown, wanted);
    found.solved.sort_unstable_by_key(|&(cell, _)| cell);
    found.solved.iter().map(|(cell, relation)| (*cell, found.cells(relation))).collect()
}

/// What equations determine.
struct Elimination {
    /// The cells of all equations; a relation has a bit for each.
    numbered: Vec<Cell>,
    /// Wanted cells, each with a relation in which it is the only unknown one.
    solved: Vec<(Cell, Relation)>,
    /// Relations without any unknown cell.
    known: Vec<Relation>,
}

impl Elimination {
    fn of(equations: &[Equation], unknown: &[Cell], wanted: &[Cell]) -> Self {
        let mut numbered: Vec<Cell> = equations.iter().flatten().copied().collect();
        numbered.sort_unstable();
        numbered.dedup();
        let unknown = Relation::of(unknown, &numbered);
        let mut relations: Vec<Relation> = equations.iter().map(|equation| Relation::of(equation, &numbered)).collect();
        relations.sort_by_key(Relation::len);
        let (mut solved, known) = reduce(relations, &unknown);
        solved.retain(|(pivot, relation)| relation.first_of(&unknown) == Some((*pivot, true)));
        let solved = solved.into_iter().map(|(pivot, relation)| (numbered[pivot], relation));
        let solved = solved.filter(|(cell, _)| wanted.contains(cell)).collect();
        Self { numbered, solved, known }
    }

    fn cells(&self, relation: &Relation) -> Equation {
        self.numbered.iter().enumerate().filter(|(bit, _)| relation.contains(*bit)).map(|(_, &cell)| cell).collect()
    }
}

/// Gauss and Jordan's elimination of the unknown cells: sums each with an unknown cell that no other one has, and sums
/// with none. The former are made of the earliest equations that suffice.
fn reduce(relations: Vec<Relation>, unknown: &Relation) -> (Vec<(usize, Relation)>, Vec<Relation>) {
    let mut solved: Vec<(usize, Relation)> = Vec::new();
    let mut known = Vec::new();
    for mut relation in relations {
        for (pivot, other) in &solved {
            if relation.contains(*pivot) {
                relation.add(other);
            }
        }
        if let Some((pivot, _)) = relation.first_of(unknown) {
            for (_, other) in solved.iter_mut().filter(|(_, other)| other.contains(pivot)) {
                other.add(&relation);
            }
            solved.push((pivot, relation));
        } else {
            known.push(relation);
        }
    }
    (solved, known)
}

/// Adds relations as long as one leaves fewer cells.
fn lighten(relation: &mut Relation, known: &[Relation]) {
    while let Some(other) = known.iter().min_by_key(|other| relation.len_with(other))
        && relation.len_with(other) < relation.len()
    {
        relation.add(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(columns: &[usize]) -> Vec<Cell> {
        columns.iter().map(|&column| Cell::new(column, 0)).collect()
    }

    fn found(cell: usize, equation: &[usize]) -> (Cell, Equation) {
        (Cell::new(cell, 0), cells(equation))
    }

    /// Unknown 0, 1, 2 in a ring of three equations, of which no one has a single unknown.
    #[test]
    fn a_sum_of_equations_has_one_unknown() {
        let equations = [cells(&[0, 1, 3]), cells(&[1, 2, 4]), cells(&[0, 1, 2, 5])];
        let unknown = cells(&[0, 1, 2]);
        assert_eq!(lightest(&equations, &unknown, &cells(&[2])), Some(found(2, &[2, 3, 5])));
        assert_eq!(lightest(&equations, &unknown, &cells(&[0])), Some(found(0, &[0, 4, 5])));
        assert_eq!(lightest(&equations, &unknown, &cells(&[1])), Some(found(1, &[1, 3, 4, 5])));
        assert_eq!(lightest(&equations, &unknown, &unknown), Some(found(0, &[0, 4, 5])));
    }

    #[test]
    fn what_the_equations_do_not_determine_is_not_found() {
        let equations = [cells(&[0, 1, 3]), cells(&[0, 1, 4]), cells(&[2, 3, 4])];
        assert_eq!(lightest(&equations, &cells(&[0, 1, 2]), &cells(&[0, 1])), None);
    }

    #[test]
    fn what_is_known_makes_sums_lighter() {
        let equations = [cells(&[0, 1, 2, 3, 4]), cells(&[0, 1]), cells(&[2, 3, 4, 5])];
        assert_eq!(lightest(&equations, &cells(&[0, 1]), &cells(&[0])), None);
        assert_eq!(lightest(&equations, &cells(&[1]), &cells(&[1])), Some(found(1, &[0, 1])));
        let heavy = [cells(&[0, 2, 3, 4]), cells(&[2, 3, 4, 5, 6])];
        assert_eq!(lightest(&heavy, &cells(&[0]), &cells(&[0])), Some(found(0, &[0, 5, 6])));
    }
}
