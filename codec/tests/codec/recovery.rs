//! Every code, every pattern of lost columns that it tolerates: symbolically, against the oracle in bytes, and at the
//! price of the papers.

use std::sync::Arc;

use crate::oracle;
use rain_codec::{Cell, Code, ErasurePattern, Kernel, Schedule, ScheduleError, StripeCodec};

/// Odd on purpose: every cell has a tail.
const CELL_BYTES: usize = 37;

pub(super) fn every_code() -> impl Iterator<Item = Arc<Code>> {
    Code::names().map(|name| Arc::new(Code::named(&name).expect("a listed code")))
}

/// Codes that reach the bounds of the papers on XORs and on parities that a data cell is in.
pub(super) fn lowest_density_codes() -> impl Iterator<Item = Arc<Code>> {
    every_code().filter(|code| !code.name().starts_with("rs:"))
}

/// Every pattern of lost columns that a code tolerates; those of fewer columns come first.
pub(super) fn patterns(code: &Code) -> Vec<ErasurePattern> {
    let mut patterns = vec![ErasurePattern::none()];
    let mut done = 0;
    for _ in 0..code.tolerates() {
        let fewer = done..patterns.len();
        done = fewer.end;
        for lost in fewer.map(|index| patterns[index]).collect::<Vec<ErasurePattern>>() {
            let behind = lost.iter().last().map_or(0, |last| last + 1);
            patterns.extend((behind..code.columns()).map(|column| lost.with(column)));
        }
    }
    patterns.split_off(1)
}

/// Of many patterns some of every kind: tests of single cells would take too long with all.
fn some_patterns(code: &Code) -> Vec<ErasurePattern> {
    let patterns = patterns(code);
    // A prime, so that what is left is not every time the same columns.
    let step = if patterns.len() > 600 { 17 } else { 1 };
    patterns.into_iter().step_by(step).collect()
}

pub(super) fn cells_of(code: &Code, lost: ErasurePattern) -> Vec<Cell> {
    code.cells().filter(|cell| lost.contains(usize::from(cell.column))).collect()
}

pub(super) fn noise(code: &Code) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    (0..code.data_cell_count()).map(|_| (0..CELL_BYTES).map(|_| byte()).collect()).collect()
}

fn place(code: &Code, cell: Cell) -> usize {
    usize::from(cell.column) * code.rows() + usize::from(cell.row)
}

/// Runs a schedule on a whole stripe and compares its targets with what the stripe holds.
fn check_in_bytes(codec: &StripeCodec, schedule: &Schedule, stripe: &[Vec<u8>]) {
    let code = codec.code();
    let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|&cell| stripe[place(code, cell)].as_slice()).collect();
    let mut targets = vec![vec![0xee; CELL_BYTES]; schedule.targets().len()];
    let mut outputs: Vec<&mut [u8]> = targets.iter_mut().map(Vec::as_mut_slice).collect();
    codec.run(schedule, &inputs, &mut outputs);
    for (&cell, bytes) in schedule.targets().iter().zip(&targets) {
        assert!(bytes == &stripe[place(code, cell)], "{code} {cell}");
    }
}

#[test]
fn encoding_is_what_the_equations_say() {
    for code in every_code() {
        let data = noise(&code);
        let stripe = oracle::encode(&code, &data);
        let inputs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        for kernel in Kernel::available() {
            let codec = StripeCodec::with_kernel(Arc::clone(&code), kernel);
            assert_eq!(codec.encode_schedule().verify(&code), Ok(()));
            let mut parity = vec![vec![0; CELL_BYTES]; codec.encode_schedule().targets().len()];
            let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
            codec.encode(&inputs, &mut outputs);
            for ((cell, _), bytes) in code.parity_cells().zip(&parity) {
                assert!(bytes == &stripe[place(&code, cell)], "{code} {cell} {kernel:?}");
            }
        }
    }
}

#[test]
fn every_pattern_gives_all_its_cells_back() {
    for code in every_code() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let stripe = oracle::encode(&code, &noise(&code));
        for lost in patterns(&code) {
            let wanted = cells_of(&code, lost);
            let schedule = codec.recover_schedule(lost, &wanted).expect("a tolerated pattern");
            assert_eq!(schedule.verify(&code), Ok(()), "{code} without {lost}");
            let mut targets = schedule.targets().to_vec();
            targets.sort_unstable();
            assert_eq!(targets, wanted, "{code} without {lost}");
            assert!(schedule.inputs().iter().all(|cell| !lost.contains(usize::from(cell.column))));
            check_in_bytes(&codec, &schedule, &stripe);
        }
    }
}

#[test]
fn every_single_cell_is_given_back() {
    for code in every_code() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let stripe = oracle::encode(&code, &noise(&code));
        for lost in some_patterns(&code) {
            for wanted in cells_of(&code, lost) {
                let schedule = codec.recover_schedule(lost, &[wanted]).expect("a tolerated pattern");
                assert_eq!(schedule.verify(&code), Ok(()), "{code} without {lost}");
                assert_eq!(schedule.targets().last(), Some(&wanted), "what follows the wanted cell is of no use");
                check_in_bytes(&codec, &schedule, &stripe);
                let is_parity = usize::from(wanted.row) >= code.data_rows(usize::from(wanted.column));
                if lost.len() == 1 && !(is_parity && code.name().starts_with("rs:")) {
                    let counts = (schedule.inputs().len(), schedule.targets().len());
                    assert_eq!(counts, (code.data_columns(), 1), "a degraded read of one cell reads k cells");
                }
            }
        }
    }
}

/// Every target serves: it is wanted, or a later target reads it; and every input is read.
#[test]
fn nothing_is_read_or_made_in_vain() {
    for code in every_code() {
        for lost in some_patterns(&code) {
            for wanted in cells_of(&code, lost) {
                let schedule = Schedule::recover(&code, lost, &[wanted]).expect("a tolerated pattern");
                let mut read = vec![false; schedule.inputs().len() + schedule.targets().len()];
                for &source in schedule.program().steps().flatten() {
                    read[usize::from(source)] = true;
                }
                read.pop();
                assert!(read.iter().all(|read| *read), "{code} without {lost}, wanted {wanted}");
            }
        }
    }
}

/// Encoding costs 2 - 2/k XORs per data cell, recovery k - 1 per lost cell, whichever columns are lost.
#[test]
fn xor_counts_are_the_bounds() {
    for code in lowest_density_codes() {
        let (k, data_cells) = (code.data_columns(), code.data_cell_count());
        assert_eq!(Schedule::encode(&code).program().xor_count() * k, data_cells * (2 * k - 2), "{code}");
        for lost in patterns(&code) {
            let wanted = cells_of(&code, lost);
            let schedule = Schedule::recover(&code, lost, &wanted).expect("a tolerated pattern");
            assert_eq!(schedule.program().xor_count(), wanted.len() * (k - 1), "{code} without {lost}");
        }
    }
}

/// Cells read to rebuild one column: the minimum over all linear schemes, where that is known.
#[test]
fn one_lost_column_is_rebuilt_from_the_fewest_cells() {
    for code in lowest_density_codes() {
        let columns = code.columns();
        let n = columns / 2;
        let fewest = match code.name().split_once(':') {
            Some(("b-code", _)) if columns % 2 == 0 => 3 * n * (n - 1) / 2,
            Some(("b-code", _)) => n * (3 * n - 1) / 2,
            _ => (3 * columns * columns + 13 - 8 * columns) / 4,
        };
        for column in 0..columns {
            let lost = ErasurePattern::of(&[column]);
            let schedule = Schedule::recover(&code, lost, &cells_of(&code, lost)).expect("a tolerated pattern");
            assert_eq!(schedule.inputs().len(), fewest, "{code} without {column}");
        }
    }
}

#[test]
fn cells_of_several_columns_may_be_wanted() {
    let code = Code::named("x-code:5").expect("a listed code");
    let lost = ErasurePattern::of(&[1, 2]);
    let nothing = Schedule::recover(&code, lost, &[]).expect("nothing is easy");
    assert_eq!((nothing.inputs().len(), nothing.targets().len()), (0, 0));
    let wanted = [Cell::new(2, 4), Cell::new(1, 0), Cell::new(2, 4)];
    let schedule = Schedule::recover(&code, lost, &wanted).expect("a tolerated pattern");
    assert_eq!(schedule.verify(&code), Ok(()));
    assert!(wanted.iter().all(|cell| schedule.targets().contains(cell)));
}

#[test]
fn refusals_name_numbers() {
    let code = Code::named("b-code:6").expect("a listed code");
    let refuse =
        |lost: &[usize], wanted: &[Cell]| Schedule::recover(&code, ErasurePattern::of(lost), wanted).unwrap_err();
    let too_many = refuse(&[0, 2, 5], &[Cell::new(0, 0)]);
    assert_eq!(too_many.to_string(), "b-code:6 tolerates the loss of 2 columns; 3 are lost: 0, 2, 5");
    let no_column = refuse(&[0, 6], &[Cell::new(0, 0)]);
    assert_eq!(no_column, ScheduleError::NoSuchColumn { code: "b-code:6".into(), columns: 6, found: 6 });
    for cell in [Cell::new(1, 0), Cell::new(0, 3)] {
        let lost = ErasurePattern::of(&[0]);
        assert_eq!(refuse(&[0], &[cell]), ScheduleError::NotLost { cell, lost });
    }
}
