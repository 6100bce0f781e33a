//! The slow truth about reading: linear algebra over GF(2), and every set of cells there is.

use rain_codec::plan::ReadCosts;
use rain_codec::{Cell, CellKind, Code};

/// Which data cells a cell is the XOR of, a bit each.
fn definition(code: &Code, cell: Cell) -> Vec<u64> {
    let mut bits = vec![0; code.data_cell_count().div_ceil(64)];
    let mut flip = |cell: Cell| match code.cell(cell) {
        CellKind::Data { index } => bits[index / 64] ^= 1 << (index % 64),
        CellKind::Parity { .. } => panic!("parity of parity"),
    };
    match code.cell(cell) {
        CellKind::Data { .. } => flip(cell),
        CellKind::Parity { of } => of.iter().for_each(|&member| flip(member)),
    }
    bits
}

/// Sums of cells, each with a leading one that no other has.
#[derive(Clone, Default)]
struct Span(Vec<(usize, Vec<u64>)>);

impl Span {
    fn reduce(&self, mut bits: Vec<u64>) -> Vec<u64> {
        for (leading, row) in &self.0 {
            if bits[leading / 64] >> (leading % 64) & 1 == 1 {
                bits.iter_mut().zip(row).for_each(|(word, other)| *word ^= other);
            }
        }
        bits
    }

    fn insert(&mut self, bits: Vec<u64>) {
        let bits = self.reduce(bits);
        if let Some(word) = bits.iter().position(|&word| word != 0) {
            let leading = word * 64 + bits[word].trailing_zeros() as usize;
            self.0.push((leading, bits));
        }
    }

    fn contains(&self, bits: &[u64]) -> bool {
        self.reduce(bits.to_vec()).iter().all(|&word| word == 0)
    }
}

/// Tells whether cells determine the wanted ones.
pub(super) fn determine(code: &Code, cells: &[Cell], wanted: &[Cell]) -> bool {
    let mut span = Span::default();
    for &cell in cells {
        span.insert(definition(code, cell));
    }
    wanted.iter().all(|&cell| span.contains(&definition(code, cell)))
}

/// What it costs to read cells.
pub(super) fn cost(cells: &[Cell], costs: &ReadCosts) -> u128 {
    let mut columns: Vec<usize> = cells.iter().map(|cell| usize::from(cell.column)).collect();
    let per_cell: u128 =
        columns.iter().map(|&column| u128::from(costs.of(column).expect("a column that can be read").per_cell)).sum();
    columns.sort_unstable();
    columns.dedup();
    per_cell
        + columns
            .iter()
            .map(|&column| u128::from(costs.of(column).expect("a column that can be read").fixed))
            .sum::<u128>()
}

/// Looks at every set of cells of a cost below a limit; tells whether one determines what is wanted.
pub(super) fn is_cheaper_possible(code: &Code, wanted: &[Cell], costs: &ReadCosts, limit: u128) -> bool {
    let readable: Vec<Cell> = code.cells().filter(|cell| costs.of(usize::from(cell.column)).is_some()).collect();
    let definitions: Vec<Vec<u64>> = readable.iter().map(|&cell| definition(code, cell)).collect();
    let wanted: Vec<Vec<u64>> = wanted.iter().map(|&cell| definition(code, cell)).collect();
    let sets = Sets { readable: &readable, definitions: &definitions, wanted: &wanted, costs, limit };
    sets.any_from(0, &Span::default(), 0, None)
}

struct Sets<'sets> {
    readable: &'sets [Cell],
    definitions: &'sets [Vec<u64>],
    wanted: &'sets [Vec<u64>],
    costs: &'sets ReadCosts,
    limit: u128,
}

impl Sets<'_> {
    fn any_from(&self, place: usize, span: &Span, cost: u128, last: Option<u16>) -> bool {
        if self.wanted.iter().all(|bits| span.contains(bits)) {
            return true;
        }
        // Cells come column by column, so a column is opened by the first of its cells that is taken.
        (place..self.readable.len()).any(|place| {
            let column = self.readable[place].column;
            let column_cost = self.costs.of(column.into()).expect("a column that can be read");
            let fixed = if last == Some(column) { 0 } else { column_cost.fixed };
            let cost = cost + u128::from(column_cost.per_cell) + u128::from(fixed);
            cost < self.limit && {
                let mut span = span.clone();
                span.insert(self.definitions[place].clone());
                self.any_from(place + 1, &span, cost, Some(column))
            }
        })
    }
}
