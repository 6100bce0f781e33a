//! Plans of wide codes: samples, in bytes and in numbers.

use rain_codec::plan::{Hop, PartialSums, ReadCosts, ReadPlan, RepairPlan, UpdatePlan};
use rain_codec::{Cell, Code, ErasurePattern, Schedule};

use super::brute;
use crate::families::{sample, wide};
use crate::recovery::cells_of;

/// One column, as many as can be lost, and single cells of those: what is read determines what is wanted, and is no more
/// than what chains read.
#[test]
fn reads() {
    for code in wide() {
        for lost in sample(&code, 1) {
            let costs = ReadCosts::equal(&code).without(lost);
            let cells = cells_of(&code, lost);
            for wanted in [&cells[..1], &cells[cells.len() / 2..=cells.len() / 2]] {
                let plan = ReadPlan::new(&code, wanted, &costs).unwrap();
                let chains = Schedule::recover(&code, lost, wanted).unwrap();
                assert!(plan.cost() <= chains.inputs().len() as u128, "{code} without {lost}: {wanted:?}");
                assert!(plan.bound() <= plan.cost());
                assert!(brute::determine(&code, plan.reads(), wanted), "{code} without {lost}: {wanted:?}");
            }
        }
    }
}

/// The tables' numbers of cells to rebuild a column hold for every width.
#[test]
fn repair() {
    for (name, cells) in
        [("b-code:52", 3 * 26 * 25 / 2), ("b-code:61", 30 * 89 / 2), ("x-code:31", (3 * 961 - 248 + 13) / 4)]
    {
        let code = Code::named(name).unwrap();
        let plan = RepairPlan::new(&code, 1, &ReadCosts::equal(&code)).unwrap();
        assert_eq!(plan.reads().len(), cells, "{name}");
        assert_eq!(plan.schedule().verify(&code), Ok(()));
    }
}

/// A data cell of a shortened B-code is in three parity cells at most.
#[test]
fn updates() {
    for columns in [50, 51, 54, 55, 62, 63, 64, 65] {
        let code = Code::named(&format!("b-code:{columns}")).unwrap();
        for index in 0..code.data_cell_count() {
            let plan = UpdatePlan::new(&code, &[code.data_cell(index)]).unwrap();
            assert!((2..=3).contains(&plan.parity().len()), "{code}, data cell {index}");
        }
    }
}

/// A chain through all others of wide codes: it is checked symbolically when it is made, and no link has more than a
/// column.
#[test]
fn chains() {
    for name in ["b-code:50", "b-code:61", "x-code:31", "rs:16+3", "rs:40+2", "replica:17", "parity:30+1"] {
        let code = Code::named(name).unwrap();
        let wanted: Vec<Cell> = cells_of(&code, ErasurePattern::of(&[2]));
        let others: Vec<usize> = (0..code.columns()).filter(|&column| column != 2).collect();
        let sums = PartialSums::chain(&code, &wanted, &others).unwrap();
        assert!(sums.hops().iter().all(|hop| hop.sends().len() <= code.rows()), "{name}");
        assert_eq!(sums.hops().last().map(Hop::sends), Some(wanted.as_slice()));
    }
}
