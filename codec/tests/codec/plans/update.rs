//! Updates by the difference: encode and then update is to encode again.

use std::sync::Arc;

use proptest::prelude::*;
use rain_codec::plan::{PlanError, Planner, UpdatePlan, update_stripe};
use rain_codec::{Cell, CellKind, Code};

use crate::families::{listed, lowest_density, small};
use crate::oracle;
use crate::random::Random;

fn slices(cells: &[Vec<u8>]) -> Vec<&[u8]> {
    cells.iter().map(Vec::as_slice).collect()
}

fn slices_mut(cells: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    cells.iter_mut().map(Vec::as_mut_slice).collect()
}

fn place(code: &Code, cell: Cell) -> usize {
    usize::from(cell.column) * code.rows() + usize::from(cell.row)
}

/// Every data cell of every code, in lengths around the strips; a piece at an odd offset of a cell too.
#[test]
fn every_data_cell_of_every_code() {
    for (number, code) in small().enumerate() {
        let random = &mut Random::new(number as u64 + 1);
        // The lengths take turns: every code has some of them.
        let lengths = [0, 1, 63, 64, 65, 257, 2047, 2048, 2049, 4100];
        for index in 0..code.data_cell_count() {
            let cell_bytes = lengths[(index + number) % lengths.len()];
            let mut data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|_| random.bytes(cell_bytes)).collect();
            let mut stripe = oracle::encode(&code, &data);
            let plan = UpdatePlan::new(&code, &[code.data_cell(index)]).unwrap();
            let start = random.below(cell_bytes + 1);
            let piece = start..start + random.below(cell_bytes - start + 1);
            let new = random.bytes(piece.len());
            let mut parity: Vec<Vec<u8>> =
                plan.parity().iter().map(|&cell| stripe[place(&code, cell)][piece.clone()].to_vec()).collect();
            plan.apply(&[&data[index][piece.clone()]], &[&new], &mut slices_mut(&mut parity));
            for (&cell, parity) in plan.parity().iter().zip(&parity) {
                stripe[place(&code, cell)][piece.clone()].copy_from_slice(parity);
            }
            data[index][piece.clone()].copy_from_slice(&new);
            stripe[place(&code, code.data_cell(index))][piece.clone()].copy_from_slice(&new);
            assert!(stripe == oracle::encode(&code, &data), "{code}, data cell {index}, {piece:?} of {cell_bytes}");
        }
    }
}

#[test]
fn a_data_cell_is_in_two_parity_cells() {
    for code in listed().filter(|code| lowest_density(code)) {
        for index in (0..code.data_cell_count()).step_by(1 + code.columns() / 7) {
            let plan = UpdatePlan::new(&code, &[code.data_cell(index)]).unwrap();
            assert_eq!((plan.parity().len(), plan.xor_count(), plan.reads()), (2, 3, 3), "{code}");
            assert_eq!(plan.rebuild_reads(), 2 * (code.data_columns() - 1), "{code}");
        }
    }
}

/// Two cells of one parity cell change it once; when all data change, there is nothing else to read.
#[test]
fn several_cells_share_parity() {
    let code = Code::named("b-code:4").unwrap();
    // Columns a | d+c, b | d+a, c | a+b, d | b+c: a and b change parity 1, 2 and 3.
    let plan = UpdatePlan::new(&code, &[Cell::new(1, 0), Cell::new(0, 0), Cell::new(1, 0)]).unwrap();
    assert_eq!(plan.data(), [Cell::new(0, 0), Cell::new(1, 0)]);
    assert_eq!(plan.parity(), [1, 2, 3].map(|column| Cell::new(column, 1)));
    assert_eq!((plan.reads(), plan.rebuild_reads(), plan.xor_count()), (5, 2, 6));
    let all: Vec<Cell> = (0..4).map(|column| Cell::new(column, 0)).collect();
    assert_eq!(UpdatePlan::new(&code, &all).unwrap().rebuild_reads(), 0);
    let none = UpdatePlan::new(&code, &[]).unwrap();
    assert_eq!((none.data().len(), none.parity().len()), (0, 0));
    none.apply(&[], &[], &mut []);
}

fn small_names() -> Vec<String> {
    small().map(|code| code.name().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any bytes of a stripe are overwritten, twice: the stripe is what it would be encoded again.
    #[test]
    fn encode_then_update_is_encode_anew(
        name in prop::sample::select(small_names()),
        cell_bytes in 1_usize..70,
        seed in any::<u64>(),
        ranges in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 2),
    ) {
        let code = Arc::new(Code::named(&name).unwrap());
        let planner = Planner::new(Arc::clone(&code));
        let random = &mut Random::new(seed);
        let mut all = random.bytes(code.data_cell_count() * cell_bytes);
        let columns_of = |all: &[u8]| -> Vec<Vec<u8>> {
            let data: Vec<Vec<u8>> = all.chunks_exact(cell_bytes).map(<[u8]>::to_vec).collect();
            oracle::encode(&code, &data).chunks_exact(code.rows()).map(<[Vec<u8>]>::concat).collect()
        };
        let mut columns = columns_of(&all);
        for (number, (first, second)) in ranges.into_iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a length")]
            let at = |share: f64| (share * all.len() as f64) as usize;
            let range = at(first.min(second))..at(first.max(second));
            let new = random.bytes(range.len());
            if number == 0 {
                planner.update_stripe(&mut slices_mut(&mut columns), range.start, &new).unwrap();
            } else {
                update_stripe(&code, &mut slices_mut(&mut columns), range.start, &new).unwrap();
            }
            all[range].copy_from_slice(&new);
            prop_assert!(columns == columns_of(&all));
        }
    }

    /// Any set of cells at once, and back again.
    #[test]
    fn many_cells_at_once(
        name in prop::sample::select(small_names()),
        seed in any::<u64>(),
        cell_bytes in 0_usize..300,
    ) {
        let code = Code::named(&name).unwrap();
        let random = &mut Random::new(seed);
        let data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|_| random.bytes(cell_bytes)).collect();
        let stripe = oracle::encode(&code, &data);
        let cells: Vec<Cell> = (0..data.len()).filter(|_| random.below(3) == 0).map(|index| code.data_cell(index)).collect();
        let plan = UpdatePlan::new(&code, &cells).unwrap();
        let index_of = |cell: &Cell| match code.cell(*cell) {
            CellKind::Data { index } => index,
            CellKind::Parity { .. } => unreachable!("only data cells"),
        };
        let old: Vec<Vec<u8>> = plan.data().iter().map(|cell| data[index_of(cell)].clone()).collect();
        let new: Vec<Vec<u8>> = old.iter().map(|_| random.bytes(cell_bytes)).collect();
        let mut changed = data.clone();
        plan.data().iter().zip(&new).for_each(|(cell, new)| changed[index_of(cell)].clone_from(new));
        let expected = oracle::encode(&code, &changed);
        let parity_of = |stripe: &[Vec<u8>]| -> Vec<Vec<u8>> {
            plan.parity().iter().map(|&cell| stripe[place(&code, cell)].clone()).collect()
        };
        let mut parity = parity_of(&stripe);
        plan.apply(&slices(&old), &slices(&new), &mut slices_mut(&mut parity));
        prop_assert!(parity == parity_of(&expected));
        let mut held = new.clone();
        plan.overwrite(&mut slices_mut(&mut held), &slices(&old), &mut slices_mut(&mut parity));
        prop_assert!(parity == parity_of(&stripe) && held == old);
        // No other parity cell changes with them.
        for (cell, _) in code.parity_cells().filter(|(cell, _)| !plan.parity().contains(cell)) {
            prop_assert!(stripe[place(&code, cell)] == expected[place(&code, cell)]);
        }
    }
}

#[test]
fn what_is_no_data_is_refused() {
    let code = Code::named("b-code:4").unwrap();
    let refuse = |cell: Cell| UpdatePlan::new(&code, &[cell]).unwrap_err();
    let parity = Cell::new(2, 1);
    let error = PlanError::NotData { code: "b-code:4".into(), cell: parity };
    assert_eq!(refuse(parity), error);
    assert_eq!(error.to_string(), "cell (1, 2) (row, column) of b-code:4 is parity: only data cells are written");
    let beyond = Cell::new(4, 0);
    assert_eq!(refuse(beyond), PlanError::NoSuchCell { code: "b-code:4".into(), cell: beyond });
    let mut columns = vec![vec![0; 6]; 4];
    let error = update_stripe(&code, &mut slices_mut(&mut columns), 11, &[1, 2]).unwrap_err();
    assert_eq!(error, PlanError::OutOfRange { start: 11, end: 13, stripe_bytes: 12 });
    assert_eq!(error.to_string(), "bytes 11 to 13 of a stripe: it has 12 bytes of data");
    assert_eq!(columns, vec![vec![0; 6]; 4], "nothing changes");
    assert!(update_stripe(&code, &mut slices_mut(&mut columns), usize::MAX, &[1]).is_err());
    let mut empty = vec![vec![]; 4];
    assert_eq!(update_stripe(&code, &mut slices_mut(&mut empty), 0, &[]), Ok(()));
    assert!(update_stripe(&code, &mut slices_mut(&mut empty), 0, &[1]).is_err());
}

#[test]
#[should_panic(expected = "length of a cell")]
fn cells_are_of_one_length() {
    let plan = UpdatePlan::new(&Code::named("b-code:4").unwrap(), &[Cell::new(0, 0)]).unwrap();
    plan.apply(&[&[1, 2]], &[&[3, 4]], &mut [&mut [0, 0], &mut [0]]);
}
