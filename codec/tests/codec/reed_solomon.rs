//! Reed-Solomon codes: their frozen equations, the field behind them, and recovery in every layout.

use std::sync::Arc;

use rain_codec::{Cell, CellKind, Code, InterleavedCodec, Kernel, Layout, Schedule, Stores};

use crate::families::patterns;
use crate::oracle;
use crate::recovery::{cells_of, noise};

fn code(name: &str) -> Arc<Code> {
    Arc::new(Code::named(name).expect("a code"))
}

/// A field of 2^w elements by its logarithms: nothing in common with the multiplication of the construction.
struct Logarithms {
    powers: Vec<usize>,
    logarithms: Vec<usize>,
}

impl Logarithms {
    fn of_field(bits: usize) -> Self {
        let polynomial = [0b111, 0b1011, 0b1_0011, 0b10_0101][bits - 2];
        let mut powers = vec![1];
        while powers.len() < (1 << bits) - 1 {
            let doubled = powers[powers.len() - 1] * 2;
            powers.push(if doubled < 1 << bits { doubled } else { doubled ^ polynomial });
        }
        let mut logarithms = vec![usize::MAX; 1 << bits];
        powers.iter().enumerate().for_each(|(logarithm, &power)| logarithms[power] = logarithm);
        Self { powers, logarithms }
    }

    fn times(&self, left: usize, right: usize) -> usize {
        if left == 0 || right == 0 {
            return 0;
        }
        self.powers[(self.logarithms[left] + self.logarithms[right]) % self.powers.len()]
    }

    fn over(&self, left: usize, right: usize) -> usize {
        self.times(left, self.powers[(self.powers.len() - self.logarithms[right]) % self.powers.len()])
    }

    fn ones(&self, element: usize) -> u32 {
        (0..self.logarithms.len().ilog2()).map(|bit| self.times(element, 1 << bit).count_ones()).sum()
    }

    /// The coefficients of parity columns as the documentation of the codes defines them.
    fn coefficients(&self, data: usize, parity: usize) -> Vec<Vec<usize>> {
        let ones = vec![1; data];
        if parity == 1 {
            return vec![ones];
        }
        if parity == 2 {
            let mut elements: Vec<usize> = (1..self.logarithms.len()).collect();
            elements.sort_by_key(|&element| (self.ones(element), element));
            return vec![ones, elements[..data].to_vec()];
        }
        let mut rows = vec![ones];
        for i in 1..parity {
            let row: Vec<usize> = (parity..parity + data).map(|j| self.over(j, i ^ j)).collect();
            let divided = |by: usize| row.iter().map(|&element| self.over(element, by)).collect::<Vec<usize>>();
            let weight = |row: &[usize]| row.iter().map(|&element| self.ones(element)).sum::<u32>();
            let mut best = divided(row[0]);
            for &by in &row[1..] {
                if weight(&divided(by)) < weight(&best) {
                    best = divided(by);
                }
            }
            rows.push(best);
        }
        rows
    }
}

fn size(code: &Code) -> (usize, usize) {
    (code.data_columns(), code.tolerates())
}

/// Over the field of four elements 2 * 1 = 2 and 2 * 2 = 3. P is a + b, Q is a + 2 b. Frozen: files depend on it.
#[test]
fn two_and_two_by_hand() {
    let code = code("rs:2+2");
    let (a, b) = ([Cell::new(0, 0), Cell::new(0, 1)], [Cell::new(1, 0), Cell::new(1, 1)]);
    let expected = [
        (Cell::new(2, 0), vec![a[0], b[0]]),
        (Cell::new(2, 1), vec![a[1], b[1]]),
        (Cell::new(3, 0), vec![a[0], b[1]]),
        (Cell::new(3, 1), vec![a[1], b[0], b[1]]),
    ];
    let equations: Vec<(Cell, Vec<Cell>)> = code.parity_cells().map(|(cell, of)| (cell, of.to_vec())).collect();
    assert_eq!(equations, expected);
    assert_eq!((0..4).map(|index| code.data_cell(index)).collect::<Vec<Cell>>(), [a[0], b[0], a[1], b[1]]);
}

/// Coefficients of the parity columns behind the first, by number of data and parity columns: over eight elements with
/// x^3 = x + 1, and over sixteen with x^4 = x + 1. Frozen: files depend on them.
const FROZEN: [(usize, usize, &[&[usize]]); 5] = [
    (4, 2, &[&[1, 2, 5, 4]]),
    (8, 2, &[&[1, 2, 9, 4, 8, 13, 3, 6]]),
    (6, 3, &[&[9, 6, 4, 12, 2, 1], &[1, 5, 10, 9, 13, 6]]),
    (8, 3, &[&[9, 6, 4, 12, 2, 1, 11, 13], &[1, 5, 10, 9, 13, 6, 8, 4]]),
    (
        10,
        4,
        &[&[8, 1, 3, 9, 13, 6, 14, 11, 4, 2], &[8, 3, 10, 5, 1, 13, 15, 9, 2, 11], &[8, 9, 5, 3, 11, 2, 12, 1, 6, 13]],
    ),
];

#[test]
fn frozen_coefficients() {
    for (data, parity, expected) in FROZEN {
        let code = code(&format!("rs:{data}+{parity}"));
        assert_eq!(Logarithms::of_field(code.rows()).coefficients(data, parity)[1..], *expected, "{code}");
        // Bit 0 of a data column, element 1, comes back as the coefficient.
        for (index, coefficients) in expected.iter().enumerate() {
            for (column, &coefficient) in coefficients.iter().enumerate() {
                let has = |row: &usize| match code.cell(Cell::new(data + 1 + index, *row)) {
                    CellKind::Parity { of } => of.contains(&Cell::new(column, 0)),
                    CellKind::Data { .. } => panic!("data in a parity column"),
                };
                let found: usize = (0..code.rows()).filter(has).map(|row| 1 << row).sum();
                assert_eq!(found, coefficient, "{code} column {column}");
            }
        }
    }
}

/// Every bit position of the cells is a word of its own: bit t of column j's element is in row t.
#[test]
fn parity_is_what_the_field_says() {
    let sizes = (1..=4).flat_map(|parity| (2..=32 - parity).map(move |data| (data, parity)));
    for (data_columns, parity_columns) in sizes {
        let code = code(&format!("rs:{data_columns}+{parity_columns}"));
        assert_eq!((size(&code), code.turning_columns()), ((data_columns, parity_columns), 0), "{code}");
        let rows = code.rows();
        let field = Logarithms::of_field(rows);
        let stripe = oracle::encode(&code, &noise(&code));
        let element = |column: usize, bit: usize| {
            let bit_of = |row: usize| usize::from(stripe[column * rows + row][bit / 8] >> (bit % 8) & 1);
            (0..rows).map(|row| bit_of(row) << row).sum::<usize>()
        };
        for (parity, coefficients) in field.coefficients(data_columns, parity_columns).iter().enumerate() {
            for bit in 0..8 * stripe[0].len() {
                let products = coefficients.iter().enumerate().map(|(j, &by)| field.times(by, element(j, bit)));
                let expected = products.fold(0, |sum, product| sum ^ product);
                assert_eq!(element(data_columns + parity, bit), expected, "{code} parity {parity} bit {bit}");
            }
        }
    }
}

/// Columns of a stripe in a layout, from its cells.
fn columns(code: &Code, layout: Layout, cells: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const LINE_BYTES: usize = 64;
    let column = |column: usize| -> Vec<u8> {
        let cells = &cells[column * code.rows()..][..code.rows()];
        let lines = |cells: &[Vec<u8>]| -> Vec<u8> {
            let line = |line: usize| cells.iter().flat_map(move |cell| &cell[line * LINE_BYTES..][..LINE_BYTES]);
            (0..cells.first().map_or(0, Vec::len) / LINE_BYTES).flat_map(line).copied().collect()
        };
        match layout {
            Layout::Cells => cells.concat(),
            Layout::Interleaved => lines(cells),
            Layout::Divided => {
                let (upper, lower) = cells.split_at(code.data_rows(column));
                [lines(upper), lines(lower)].concat()
            }
        }
    };
    (0..code.columns()).map(column).collect()
}

fn borrow(columns: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    columns.iter_mut().map(Vec::as_mut_slice).collect()
}

#[test]
fn every_layout_gives_every_pattern_back() {
    for name in ["rs:4+2", "rs:6+3", "rs:8+3", "rs:10+4"] {
        let code = code(name);
        // Cells of two lines, from what the code's noise has.
        let data: Vec<Vec<u8>> = noise(&code).iter().map(|cell| cell.repeat(4)[..128].to_vec()).collect();
        let cells = oracle::encode(&code, &data);
        let codec = InterleavedCodec::with_kernel(Arc::clone(&code), Kernel::detect());
        for layout in Layout::ALL {
            let stripe = columns(&code, layout, &cells);
            for stores in Stores::ALL {
                let mut made = stripe.clone();
                made[code.data_columns()..].iter_mut().for_each(|column| column.fill(0xee));
                codec.encode(layout, stores, &mut borrow(&mut made));
                assert!(made == stripe, "{code} {layout:?} {stores:?}");
            }
            for lost in patterns(&code) {
                let recovery = codec.recovery(lost).expect("a tolerated pattern");
                let mut made = stripe.clone();
                lost.iter().for_each(|column| made[column].fill(0xee));
                codec.recover(&recovery, layout, Stores::Normal, &mut borrow(&mut made));
                assert!(made == stripe, "{code} {layout:?} without {lost}");
            }
        }
    }
}

/// The largest codes: too many patterns for all of them, and a field of 32 elements.
#[test]
fn the_largest_codes_recover_too() {
    for name in ["rs:31+1", "rs:30+2", "rs:29+3", "rs:28+4", "rs:14+3"] {
        let code = code(name);
        let all = patterns(&code);
        for &lost in all.iter().step_by(all.len() / 40 + 1).chain(all.last()) {
            let wanted = cells_of(&code, lost);
            let schedule = Schedule::recover(&code, lost, &wanted).expect("a tolerated pattern");
            assert_eq!(schedule.verify(&code), Ok(()), "{code} without {lost}");
            assert_eq!(schedule.targets().len(), wanted.len(), "{code} without {lost}");
        }
    }
}

/// Encoding sums up as many cells as the matrix has ones: 4.04, 4.22 and 6.30 XORs per data cell. Recovery of lost data
/// columns is to cost no more than it did when this was written: the most for one to four of them.
#[test]
fn xor_counts() {
    let counts: [(&str, usize, &[usize]); 3] =
        [("rs:6+3", 97, &[31, 52, 87]), ("rs:8+3", 135, &[42, 76, 125]), ("rs:10+4", 252, &[53, 96, 154, 217])];
    for (name, encode, recover) in counts {
        let code = code(name);
        assert_eq!(Schedule::encode(&code).program().xor_count(), encode, "{code}");
        for lost in patterns(&code).into_iter().filter(|lost| lost.iter().all(|column| column < code.data_columns())) {
            let schedule = Schedule::recover(&code, lost, &cells_of(&code, lost)).expect("a tolerated pattern");
            assert!(schedule.program().xor_count() <= recover[lost.len() - 1], "{code} without {lost}");
        }
    }
}
