//! MDR codes: what they are for, and what they cost.

use rain_codec::{Cell, CellKind, Code, ErasurePattern, Schedule};

fn codes() -> impl Iterator<Item = Code> {
    (4..=8).map(|columns| Code::named(&format!("mdr:{columns}")).expect("a code"))
}

fn column(code: &Code, column: usize) -> Vec<Cell> {
    (0..code.rows()).map(|row| Cell::new(column, row)).collect()
}

/// A cell as the XOR of data cells, a bit each, of at most 64.
fn sum_of(code: &Code, cell: Cell) -> u64 {
    let bit = |cell: Cell| match code.cell(cell) {
        CellKind::Data { index } => 1 << index,
        CellKind::Parity { .. } => panic!("{cell} is no data cell"),
    };
    match code.cell(cell) {
        CellKind::Data { index } => 1 << index,
        CellKind::Parity { of } => of.iter().map(|&cell| bit(cell)).fold(0, |sum, bit| sum ^ bit),
    }
}

/// Whether known cells determine others, by elimination over GF(2).
fn determines(code: &Code, known: &[Cell], wanted: &[Cell]) -> bool {
    let mut basis: Vec<u64> = Vec::new();
    let rest = |basis: &[u64], sum: u64| basis.iter().fold(sum, |sum, row| sum.min(sum ^ row));
    for &cell in known {
        let sum = rest(&basis, sum_of(code, cell));
        if sum != 0 {
            basis.push(sum);
            basis.sort_unstable_by(|one, other| other.cmp(one));
        }
    }
    wanted.iter().all(|&cell| rest(&basis, sum_of(code, cell)) == 0)
}

/// By hand, with two data columns a and b: H = (a0 + b0, a1 + b1), Q = (a1 + b0, a0 + b0 + b1): Pamies-Juarez and
/// others, FAST 2016, section 3.
#[test]
fn the_smallest_one_is_that_of_the_paper() {
    let code = Code::named("mdr:4").expect("a code");
    let parity = |column, row, of: &[(usize, usize)]| {
        let of: Vec<Cell> = of.iter().map(|&(column, row)| Cell::new(column, row)).collect();
        assert_eq!(code.cell(Cell::new(column, row)), CellKind::Parity { of: &of });
    };
    assert_eq!((code.rows(), code.data_columns()), (2, 2));
    parity(2, 0, &[(0, 0), (1, 0)]);
    parity(2, 1, &[(0, 1), (1, 1)]);
    parity(3, 0, &[(0, 1), (1, 0)]);
    parity(3, 1, &[(0, 0), (1, 0), (1, 1)]);
}

/// The cut-set bound for two parity columns: half of each of the k + 1 others. All columns but the last meet it; the last
/// takes k whole columns.
#[test]
fn repair_reads_half_of_every_other_column() {
    for code in codes() {
        let (columns, rows, data) = (code.columns(), code.rows(), code.data_columns());
        for lost in 0..columns {
            let schedule =
                Schedule::recover(&code, ErasurePattern::of(&[lost]), &column(&code, lost)).expect("one column");
            schedule.verify(&code).expect("the equations");
            let counts: Vec<usize> = (0..columns)
                .map(|column| schedule.inputs().iter().filter(|cell| usize::from(cell.column) == column).count())
                .collect();
            if lost == columns - 1 {
                // A cell of H may stand for several of the data.
                assert_eq!(counts.iter().sum::<usize>(), data * rows, "{code} without its last column");
            } else {
                let expected: Vec<usize> =
                    (0..columns).map(|column| if column == lost { 0 } else { rows / 2 }).collect();
                assert_eq!(counts, expected, "{code} without column {lost}");
            }
            assert_eq!(schedule.targets().len(), rows, "{code} without column {lost}");
        }
    }
}

/// The cells named for repair suffice by rank, and the bound is a bound: with one cell less they do not.
#[test]
fn no_cell_of_them_can_be_spared() {
    for code in codes().take(3) {
        for lost in 0..code.columns() - 1 {
            let cells = code.repair_cells(lost).expect("an MDR code");
            assert!(determines(&code, cells, &column(&code, lost)), "{code} without {lost}");
            for spared in cells {
                let fewer: Vec<Cell> = cells.iter().copied().filter(|cell| cell != spared).collect();
                assert!(!determines(&code, &fewer, &column(&code, lost)), "{code}: {spared}");
            }
        }
    }
    assert_eq!(Code::named("b-code:6").expect("a code").repair_cells(0), None);
    assert_eq!(Code::named("mdr:4").expect("a code").repair_cells(4), None);
}

/// A read of few cells costs no more than k cells for each: half columns are for whole ones.
#[test]
fn one_cell_of_the_upper_half_reads_k_cells() {
    for code in codes() {
        let lost = ErasurePattern::of(&[0]);
        let schedule = Schedule::recover(&code, lost, &[Cell::new(0, 0)]).expect("one column");
        assert_eq!(schedule.inputs().len(), code.data_columns(), "{code}");
    }
}

/// Cells that a write to one data cell changes besides it, on average: (k + 7) / 4 of k data columns, at the most k + 1;
/// XORs to encode. Counted from the recursion by a program of its own; docs/repair.md shows them beside B-codes'.
#[test]
fn writes_cost_more_than_in_a_b_code() {
    for (code, xors) in codes().zip([4, 18, 60, 176, 480]) {
        let data = code.data_columns();
        let touched: Vec<usize> = (0..code.data_cell_count())
            .map(|index| code.parity_cells().filter(|(_, of)| of.contains(&code.data_cell(index))).count())
            .collect();
        let sum: usize = touched.iter().sum();
        assert_eq!(4 * sum, (data + 7) * touched.len(), "{code}");
        assert_eq!(touched.iter().max(), Some(&(data + 1)), "{code}");
        assert_eq!(Schedule::encode(&code).program().xor_count(), xors, "{code}");
    }
}
