//! A column that is silently wrong is found by its syndromes.

use rain_codec::integrity::{Diagnosis, LANE_BYTES, Locator};
use rain_codec::{Cell, CellKind, Code, ErasurePattern};

use crate::oracle;

/// Bytes that look random.
struct Noise(u64);

impl Noise {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.word().to_le_bytes()[3]).collect()
    }
}

/// A sound stripe, cell by cell.
fn stripe(code: &Code, cell_bytes: usize, noise: &mut Noise) -> Vec<Vec<u8>> {
    let data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|_| noise.bytes(cell_bytes)).collect();
    oracle::encode(code, &data)
}

fn slices(cells: &[Vec<u8>]) -> Vec<&[u8]> {
    cells.iter().map(Vec::as_slice).collect()
}

/// The columns that explain a stripe by the formulas of the papers (Xu and others 1999; Xu, Bruck 1999): the two
/// equations of each of its data cells have the same syndrome, and equations without any of its cells have none.
fn by_formula(code: &Code, cells: &[Vec<u8>]) -> Vec<usize> {
    let cell_at = |cell: Cell| &cells[usize::from(cell.column) * code.rows() + usize::from(cell.row)];
    let equations: Vec<Vec<Cell>> =
        code.parity_cells().map(|(parity, of)| of.iter().copied().chain([parity]).collect()).collect();
    let syndrome = |equation: &Vec<Cell>| {
        let mut sum = vec![0; cells[0].len()];
        for cell in equation {
            sum.iter_mut().zip(cell_at(*cell)).for_each(|(byte, other)| *byte ^= other);
        }
        sum
    };
    let syndromes: Vec<Vec<u8>> = equations.iter().map(syndrome).collect();
    let is_zero = |of: usize| syndromes[of].iter().all(|byte| *byte == 0);
    let explains = |column: &usize| {
        let of_column: Vec<Cell> = code.cells().filter(|cell| usize::from(cell.column) == *column).collect();
        let others_are_zero =
            (0..equations.len()).filter(|of| !equations[*of].iter().any(|cell| of_column.contains(cell))).all(is_zero);
        let pairs_agree =
            of_column.iter().filter(|cell| matches!(code.cell(**cell), CellKind::Data { .. })).all(|cell| {
                let of: Vec<usize> = (0..equations.len()).filter(|of| equations[*of].contains(cell)).collect();
                assert_eq!(of.len(), 2, "{code}: a data cell is in two equations");
                syndromes[of[0]] == syndromes[of[1]]
            });
        others_are_zero && pairs_agree
    };
    (0..code.columns()).filter(explains).collect()
}

#[test]
fn one_wrong_column_is_found_and_corrected() {
    let mut noise = Noise(7);
    for name in Code::names() {
        let code = Code::named(&name).unwrap();
        if code.tolerates() < 2 || code.columns() > 14 {
            continue;
        }
        let locator = Locator::new(&code);
        let sound = stripe(&code, 2 * LANE_BYTES, &mut noise);
        assert_eq!(locator.locate(&locator.syndromes(&slices(&sound))), Diagnosis::Consistent);
        for column in 0..code.columns() {
            // Every set of rows of small columns, some of larger ones.
            for turn in 1..(1_u64 << code.rows()).min(16) {
                let rows = if code.rows() <= 4 { turn } else { noise.word() % (1 << code.rows()) };
                let rows = if rows == 0 { 1 } else { rows };
                let mut cells = sound.clone();
                for row in (0..code.rows()).filter(|row| rows >> row & 1 == 1) {
                    // In one lane of two, here and there.
                    let at = usize::try_from(noise.word() % LANE_BYTES as u64).unwrap();
                    cells[column * code.rows() + row][LANE_BYTES + at] ^= 1 + noise.word().to_le_bytes()[0] % 255;
                }
                let syndromes = locator.syndromes(&slices(&cells));
                assert_eq!(locator.locate(&syndromes), Diagnosis::Column(column), "{name} rows {rows:b}");
                if name.starts_with("b-code") || name.starts_with("x-code") {
                    assert_eq!(by_formula(&code, &cells), [column], "{name} rows {rows:b}");
                }
                let mut wrong: Vec<&mut [u8]> =
                    cells[column * code.rows()..][..code.rows()].iter_mut().map(Vec::as_mut_slice).collect();
                locator.correct(column, &syndromes, &mut wrong);
                assert!(cells == sound, "{name} column {column}");
            }
        }
    }
}

#[test]
fn two_wrong_columns_in_different_lanes_are_no_one_column() {
    let mut noise = Noise(9);
    for name in ["b-code:4", "b-code:5", "b-code:10", "x-code:5", "x-code:7", "rs:4+2", "rs:6+3"] {
        let code = Code::named(name).unwrap();
        let locator = Locator::new(&code);
        let mut cells = stripe(&code, 3 * LANE_BYTES, &mut noise);
        cells[code.rows()][LANE_BYTES - 1] ^= 0x10;
        cells[3 * code.rows()][LANE_BYTES] ^= 0x10;
        let diagnosis = locator.locate(&locator.syndromes(&slices(&cells)));
        assert_eq!(diagnosis, Diagnosis::Disagreement(ErasurePattern::of(&[1, 3])), "{name}");
    }
}

/// Random errors of two columns in the same lane may look like a third column with a probability of about
/// n / 2^(8 x rows) (Xu 1999): none of a few hundred. They never look sound.
#[test]
fn two_wrong_columns_in_one_lane_are_not_located() {
    let mut noise = Noise(11);
    for name in ["b-code:4", "b-code:6", "x-code:5", "rs:4+2"] {
        let code = Code::named(name).unwrap();
        let locator = Locator::new(&code);
        let sound = stripe(&code, LANE_BYTES, &mut noise);
        for _ in 0..200 {
            let mut cells = sound.clone();
            for column in [0, 2] {
                for row in 0..code.rows() {
                    cells[column * code.rows() + row] = noise.bytes(LANE_BYTES);
                }
            }
            assert_eq!(locator.locate(&locator.syndromes(&slices(&cells))), Diagnosis::Unlocated, "{name}");
        }
    }
}

#[test]
fn with_one_parity_column_an_error_is_seen_and_not_located() {
    let code = Code::named("rs:3+1").unwrap();
    let locator = Locator::new(&code);
    let mut cells = stripe(&code, 64, &mut Noise(13));
    cells[1][5] ^= 1;
    assert_eq!(locator.locate(&locator.syndromes(&slices(&cells))), Diagnosis::Unlocated);
}
