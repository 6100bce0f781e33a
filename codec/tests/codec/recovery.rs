//! Every code, every pattern of lost columns that it tolerates: symbolically, against the oracle in bytes, and at the
//! price of the papers.

use std::sync::Arc;

use crate::families::{narrow, patterns, patterns_up_to, sample, small, wide};
use crate::oracle;
use rain_codec::{Cell, Code, ErasurePattern, Kernel, Schedule, ScheduleError, StripeCodec};

/// Odd on purpose: every cell has a tail.
const CELL_BYTES: usize = 37;

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
    for code in small().chain(wide()) {
        let data = noise(&code);
        let stripe = oracle::encode(&code, &data);
        let inputs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        // The widest and the plainest do where a code is wide: what they differ in is tried with all others.
        let kernels = Kernel::available();
        let kernels = if code.columns() > 22 { vec![kernels[0], kernels[kernels.len() - 1]] } else { kernels };
        for kernel in kernels {
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

/// All lost cells of a pattern, symbolically and in bytes.
fn check_all_cells(codec: &StripeCodec, stripe: &[Vec<u8>], lost: ErasurePattern) {
    let code = codec.code();
    let wanted = cells_of(code, lost);
    let schedule = codec.recover_schedule(lost, &wanted).expect("a tolerated pattern");
    assert_eq!(schedule.verify(code), Ok(()), "{code} without {lost}");
    let mut targets = schedule.targets().to_vec();
    targets.sort_unstable();
    assert_eq!(targets, wanted, "{code} without {lost}");
    assert!(schedule.inputs().iter().all(|cell| !lost.contains(usize::from(cell.column))));
    check_in_bytes(codec, &schedule, stripe);
}

#[test]
fn every_pattern_gives_all_its_cells_back() {
    for code in small() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let stripe = oracle::encode(&code, &noise(&code));
        for lost in patterns(&code) {
            check_all_cells(&codec, &stripe, lost);
        }
    }
}

#[test]
fn up_to_three_columns_of_every_narrow_code_are_given_back() {
    let mut names = Vec::new();
    for code in narrow() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let stripe = oracle::encode(&code, &noise(&code));
        for lost in patterns_up_to(&code, code.tolerates().min(3)) {
            check_all_cells(&codec, &stripe, lost);
        }
        names.push(code.name().to_owned());
    }
    for name in ["rs:7+3", "rs:2+8", "dual-b-code:16", "replica:16"] {
        assert!(names.iter().any(|tried| tried == name), "{name}: {names:?}");
    }
}

#[test]
fn samples_of_wide_codes_give_all_their_cells_back() {
    for code in wide() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let stripe = oracle::encode(&code, &noise(&code));
        for lost in sample(&code, 6) {
            check_all_cells(&codec, &stripe, lost);
            let wanted = cells_of(&code, lost).into_iter().step_by(23);
            for wanted in wanted {
                let schedule = codec.recover_schedule(lost, &[wanted]).expect("a tolerated pattern");
                assert_eq!(schedule.targets().last(), Some(&wanted), "what follows the wanted cell is of no use");
                check_in_bytes(&codec, &schedule, &stripe);
            }
        }
    }
}

#[test]
fn every_single_cell_is_given_back() {
    for code in small() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let stripe = oracle::encode(&code, &noise(&code));
        for lost in some_patterns(&code) {
            for wanted in cells_of(&code, lost) {
                let schedule = codec.recover_schedule(lost, &[wanted]).expect("a tolerated pattern");
                assert_eq!(schedule.verify(&code), Ok(()), "{code} without {lost}");
                assert_eq!(schedule.targets().last(), Some(&wanted), "what follows the wanted cell is of no use");
                check_in_bytes(&codec, &schedule, &stripe);
                let is_parity = usize::from(wanted.row) >= code.data_rows(usize::from(wanted.column));
                if lost.len() == 1 && (!is_parity || code.name().starts_with(['b', 'x'])) {
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
    for code in small() {
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
