//! Sets of cells of one code.

use crate::code::{Cell, Code};

const WORD_BITS: usize = u64::BITS as usize;

/// Cells of a stripe, a bit each, column after column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CellSet {
    rows: usize,
    words: Vec<u64>,
}

impl CellSet {
    /// Makes the empty set.
    pub(super) fn none(code: &Code) -> Self {
        Self { rows: code.rows(), words: vec![0; (code.columns() * code.rows()).div_ceil(WORD_BITS)] }
    }

    /// Makes the set of these cells; one that comes twice is out again, as in an XOR.
    pub(super) fn sum<'cells>(code: &Code, cells: impl IntoIterator<Item = &'cells Cell>) -> Self {
        let mut set = Self::none(code);
        cells.into_iter().for_each(|&cell| set.toggle(cell));
        set
    }

    /// Puts a cell in, or out if it is in.
    pub(super) fn toggle(&mut self, cell: Cell) {
        let bit = self.bit(cell);
        self.words[bit / WORD_BITS] ^= 1 << (bit % WORD_BITS);
    }

    fn bit(&self, cell: Cell) -> usize {
        usize::from(cell.column) * self.rows + usize::from(cell.row)
    }

    pub(super) fn contains(&self, cell: Cell) -> bool {
        let bit = self.bit(cell);
        self.words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1 == 1
    }

    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Adds another set as XOR does: what is in both is out.
    pub(super) fn add(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word ^= other);
    }

    /// Counts the cells that the sum with another set has.
    pub(super) fn len_with(&self, other: &Self) -> usize {
        self.words.iter().zip(&other.words).map(|(word, other)| (word ^ other).count_ones() as usize).sum()
    }

    pub(super) fn unite(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn remove(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).all(|(word, other)| word & !other == 0)
    }

    /// The first cell that is also in another set, and whether it is the only one.
    pub(super) fn first_of(&self, other: &Self) -> Option<(Cell, bool)> {
        let mut common = bits(self.words.iter().zip(&other.words).map(|(word, other)| word & other));
        let first = common.next()?;
        Some((Cell::new(first / self.rows, first % self.rows), common.next().is_none()))
    }

    /// Walks over the cells, by column, then row.
    pub(super) fn iter(&self) -> impl Iterator<Item = Cell> {
        bits(self.words.iter().copied()).map(|bit| Cell::new(bit / self.rows, bit % self.rows))
    }

    /// Walks over the columns of the cells that are not in another set, one for each cell.
    pub(super) fn columns_without<'sets>(&'sets self, other: &'sets Self) -> impl Iterator<Item = usize> + 'sets {
        let left = self.words.iter().zip(&other.words).map(|(word, other)| word & !other);
        bits(left).map(|bit| bit / self.rows)
    }
}

/// The places of the ones.
fn bits(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(place, mut word)| {
        core::iter::from_fn(move || {
            (word != 0).then(|| {
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                place * WORD_BITS + bit
            })
        })
    })
}
