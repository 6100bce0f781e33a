//! Reading the cheapest set of cells.

use core::ops::Range;
use std::sync::Arc;

use rain_codec::plan::{ColumnCost, PlanError, ReadCosts, ReadPlan};
use rain_codec::{Cell, Code, ErasurePattern, Schedule, StripeCodec};

use super::brute;
use crate::families::{patterns, small};
use crate::oracle;
use crate::random::Random;
use crate::recovery::cells_of;

/// Checks a plan against linear algebra, and returns it.
fn checked(code: &Code, wanted: &[Cell], costs: &ReadCosts) -> ReadPlan {
    let plan = ReadPlan::new(code, wanted, costs).expect("few enough are lost");
    let what = format!("{code}, {wanted:?}, {costs:?}");
    assert!(plan.reads().iter().all(|cell| costs.of(cell.column.into()).is_some()), "{what}");
    assert!(brute::determine(code, plan.reads(), wanted), "{what}");
    assert_eq!(brute::cost(plan.reads(), costs), plan.cost(), "{what}");
    assert!(plan.bound() <= plan.cost(), "{what}");
    assert_eq!(plan.schedule().verify(code), Ok(()));
    for &cell in wanted {
        let is_made = plan.schedule().targets().contains(&cell);
        assert_ne!(is_made, plan.reads().contains(&cell), "{what}: {cell}");
    }
    assert!(plan.schedule().inputs().iter().all(|input| plan.reads().contains(input)), "{what}");
    plan
}

fn random_costs(random: &mut Random, code: &Code, lost: ErasurePattern) -> ReadCosts {
    let kind = random.below(3);
    let costs = (0..code.columns()).fold(ReadCosts::equal(code), |costs, column| match kind {
        0 => costs,
        1 => costs.with(column, ColumnCost { fixed: 0, per_cell: 1 + random.below(3) as u64 }),
        _ => costs.with(column, ColumnCost { fixed: 2 * random.below(3) as u64, per_cell: 1 + random.below(2) as u64 }),
    });
    costs.without(lost)
}

fn random_wanted(random: &mut Random, code: &Code, from: &[Cell]) -> Vec<Cell> {
    let mut wanted: Vec<Cell> = from.iter().copied().filter(|_| random.below(2) == 0).collect();
    wanted.push(from[random.below(from.len())]);
    // Sometimes with what a reader has anyway.
    for _ in 0..random.below(3) {
        wanted.push(code.data_cell(random.below(code.data_cell_count())));
    }
    wanted
}

/// Every set of cells that costs less is looked at, and none gives what is wanted.
#[test]
fn no_set_of_cells_is_cheaper() {
    for (name, times) in [("b-code:4", 40), ("b-code:5", 40), ("b-code:6", 10), ("rs:2+2", 40), ("rs:3+1", 40)] {
        let code = Code::named(name).unwrap();
        for lost in patterns(&code) {
            for seed in 0..times {
                let random = &mut Random::new(seed);
                let costs = random_costs(random, &code, lost);
                let wanted = random_wanted(random, &code, &cells_of(&code, lost));
                let plan = checked(&code, &wanted, &costs);
                assert_eq!(plan.bound(), plan.cost(), "{name}: small codes are searched whole");
                let cheaper = brute::is_cheaper_possible(&code, &wanted, &costs, plan.cost());
                assert!(!cheaper, "{name} {lost} {seed}: {wanted:?} {costs:?} {plan:?}");
            }
        }
    }
}

/// Larger codes, one pattern of each kind: here the brute force takes its time.
#[test]
fn no_set_of_cells_is_cheaper_in_larger_codes() {
    for (name, lost, rows) in
        [("b-code:7", &[0][..], 3), ("b-code:7", &[2, 6], 3), ("rs:4+2", &[1], 3), ("x-code:5", &[0], 3)]
    {
        let code = Code::named(name).unwrap();
        let lost = ErasurePattern::of(lost);
        let wanted: Vec<Cell> = cells_of(&code, lost).into_iter().filter(|cell| usize::from(cell.row) < rows).collect();
        for seed in 0..3 {
            let costs = random_costs(&mut Random::new(seed), &code, lost);
            let plan = checked(&code, &wanted, &costs);
            assert!(!brute::is_cheaper_possible(&code, &wanted, &costs, plan.cost()), "{name} {costs:?}");
        }
    }
}

/// A limit one higher and the brute force does find the plan: it can find something.
#[test]
fn the_brute_force_finds_what_there_is() {
    let code = Code::named("b-code:4").unwrap();
    let lost = ErasurePattern::of(&[0]);
    let costs = ReadCosts::equal(&code).without(lost);
    for wanted in cells_of(&code, lost) {
        let cost = ReadPlan::new(&code, &[wanted], &costs).unwrap().cost();
        assert_eq!(cost, 2);
        assert!(brute::is_cheaper_possible(&code, &[wanted], &costs, cost + 1));
    }
}

/// Cells read for t cells of one lost column: kt - t(t-1)/2 for B-codes; for X-codes the best run of rows.
#[test]
fn degraded_reads_are_those_of_the_tables() {
    for columns in [6, 7, 10, 12, 14] {
        let code = Code::named(&format!("b-code:{columns}")).unwrap();
        let k = columns - 2;
        for column in 0..columns {
            let costs = ReadCosts::equal(&code).without(ErasurePattern::of(&[column]));
            for t in 1..=code.data_rows(column) {
                let wanted: Vec<Cell> = (0..t).map(|row| Cell::new(column, row)).collect();
                let plan = checked(&code, &wanted, &costs);
                assert_eq!(plan.reads().len(), k * t - t * (t - 1) / 2, "{code}, {t} cells of column {column}");
            }
        }
    }
    let runs: [(&str, &[usize]); 2] =
        [("x-code:7", &[5, 9, 13, 17, 20]), ("x-code:11", &[9, 17, 25, 32, 39, 46, 52, 57, 62])];
    for (name, expected) in runs {
        let code = Code::named(name).unwrap();
        let costs = ReadCosts::equal(&code).without(ErasurePattern::of(&[0]));
        for (t, &most) in (1..).zip(expected) {
            let data_rows = code.data_rows(0);
            let best = (0..=data_rows - t)
                .map(|first| {
                    let wanted: Vec<Cell> = (first..first + t).map(|row| Cell::new(0, row)).collect();
                    checked(&code, &wanted, &costs).reads().len()
                })
                .min();
            assert!(best.unwrap() <= most, "{name}: {t} cells: {best:?}, expected {most}");
        }
    }
}

/// With as many columns lost as can be, each lost cell has one way: one sum of parity equations, in which the cells that
/// two of them have in common cancel. The chains of the papers read those too.
#[test]
fn two_lost_columns_cost_no_more_than_chains() {
    let mut fewer = 0;
    for code in small().filter(|code| code.columns() <= 10) {
        for lost in patterns(&code) {
            let costs = ReadCosts::equal(&code).without(lost);
            for wanted in cells_of(&code, lost) {
                let plan = ReadPlan::new(&code, &[wanted], &costs).unwrap();
                let chains = Schedule::recover(&code, lost, &[wanted]).unwrap();
                assert!(plan.reads().len() <= chains.inputs().len(), "{code} without {lost}: {wanted}");
                fewer += usize::from(plan.reads().len() < chains.inputs().len());
            }
        }
    }
    assert!(fewer > 500, "{fewer}");
}

/// What a codec gives for lost columns reads no more than chains do, and with as many lost as can be nothing can do with
/// less.
#[test]
fn a_codec_leaves_out_what_cancels() {
    for code in small().filter(|code| code.columns() <= 10) {
        let codec = StripeCodec::new(Arc::clone(&code));
        for lost in patterns(&code) {
            let costs = ReadCosts::equal(&code).without(lost);
            let cells = cells_of(&code, lost);
            for wanted in cells.chunks(1).chain(cells.windows(2)).step_by(3).chain([cells.as_slice()]) {
                let schedule = codec.recover_schedule(lost, wanted).unwrap();
                let chains = Schedule::recover(&code, lost, wanted).unwrap();
                // Other cells it may read: those of the pattern turned.
                assert!(schedule.inputs().len() <= chains.inputs().len(), "{code} without {lost}: {wanted:?}");
                // For several cells, fewer reads may cost more XORs: without the cells of the chain nothing is shared.
                let is_fewer = wanted.len() > 1 && schedule.inputs().len() < chains.inputs().len();
                assert!(is_fewer || schedule.xor_count() <= chains.xor_count(), "{code} {lost} {wanted:?}");
                if lost.len() == code.tolerates() {
                    let fewest = ReadPlan::new(&code, wanted, &costs).unwrap().reads().len();
                    assert_eq!(schedule.inputs().len(), fewest, "{code} without {lost}: {wanted:?}");
                }
            }
        }
    }
}

/// b-code:6 by hand: columns 0 and 1 are lost. The starter is {1,3}, {4,5}; column i holds edges {1+i, 3+i} and
/// {4+i, 5+i}. Lost: {1,3}, {4,5} and {2,4}, {5,0}. Vertices 2 and 3 end the paths with living parities: 3-1 ends at the
/// lost parity 1; 2-4-5-0 gives {2,4}, {4,5}, {5,0}. For the last, checks 2, 4 and 5 are summed: stars of four living
/// edges but for the two lost ones each. {2,5} is common to stars 2 and 5; stars 4 have none in common but lost ones.
#[test]
fn what_two_equations_share_is_not_read() {
    let code = Code::named("b-code:6").unwrap();
    let lost = ErasurePattern::of(&[0, 1]);
    let plan = checked(&code, &[Cell::new(1, 1)], &ReadCosts::equal(&code).without(lost));
    // Edges of K_6 without {0,3}, {1,4}, {2,5}, which B_6 does not have: star 2 = 20 21 23 24, star 4 = 40 42 43 45,
    // star 5 = 50 51 53 54. All three: 20 21 23 40 43 50 51 53, of which 50 is what is wanted; and three parities.
    assert_eq!(plan.reads().len(), 7 + 3);
}

/// Where there are too many ways to look at all: never dearer than chains, and the bound holds.
#[test]
fn heuristics_end_no_worse_than_chains() {
    for name in ["b-code:14", "b-code:22", "x-code:11", "rs:8+3", "rs:10+4"] {
        let code = Code::named(name).unwrap();
        for seed in 0..6 {
            let random = &mut Random::new(seed);
            let lost = ErasurePattern::of(&[random.below(code.columns())]);
            let costs = random_costs(random, &code, lost);
            let wanted: Vec<Cell> = cells_of(&code, lost);
            let plan = checked(&code, &wanted, &costs);
            let chains = Schedule::recover(&code, lost, &wanted).unwrap();
            assert!(plan.cost() <= brute::cost(chains.inputs(), &costs), "{name} {costs:?}");
        }
    }
}

/// A column so dear that it is better avoided is not read, though it may be.
#[test]
fn a_dear_column_is_avoided() {
    for name in ["b-code:10", "b-code:22", "x-code:11", "rs:4+2", "rs:10+4"] {
        let code = Code::named(name).unwrap();
        let lost = ErasurePattern::of(&[0]);
        let wanted = [Cell::new(0, 0)];
        for dear in 1..code.columns() {
            let costs = ReadCosts::equal(&code).without(lost).with(dear, ColumnCost { fixed: 1 << 40, per_cell: 1 });
            let plan = checked(&code, &wanted, &costs);
            assert!(plan.reads().iter().all(|cell| usize::from(cell.column) != dear), "{name} {dear}");
        }
    }
}

/// What is read anyway serves for nothing: the data cells of a row, and one of them lost.
#[test]
fn what_is_wanted_anyway_serves() {
    let code = Code::named("b-code:4").unwrap();
    let costs = ReadCosts::equal(&code).without(ErasurePattern::of(&[3]));
    let row: Vec<Cell> = (0..4).map(|column| Cell::new(column, 0)).collect();
    assert_eq!(checked(&code, &row, &costs).reads().len(), 4, "three data cells and one parity cell");
}

#[test]
fn the_longest_costs_do_not_overflow() {
    let code = Code::named("b-code:22").unwrap();
    let dear = ColumnCost { fixed: u64::MAX, per_cell: ColumnCost::per_byte(0, u64::MAX, u64::MAX).per_cell };
    let costs = (1..22).fold(ReadCosts::equal(&code), |costs, column| costs.with(column, dear));
    let lost = ErasurePattern::of(&[0]);
    checked(&code, &cells_of(&code, lost), &costs.without(lost));
}

#[test]
fn refusals_name_numbers() {
    let code = Code::named("b-code:4").unwrap();
    let equal = ReadCosts::equal(&code);
    let refuse = |wanted: Cell, costs: &ReadCosts| ReadPlan::new(&code, &[wanted], costs).unwrap_err();
    let cell = Cell::new(0, 2);
    assert_eq!(refuse(cell, &equal), PlanError::NoSuchCell { code: "b-code:4".into(), cell });
    let other = ReadCosts::equal(&Code::named("b-code:6").unwrap());
    let expected = PlanError::CostCount { code: "b-code:4".into(), expected: 4, found: 6 };
    assert_eq!(refuse(Cell::new(0, 0), &other), expected);
    assert_eq!(expected.to_string(), "b-code:4 has 4 columns: costs are given for 6");
    let lost = ErasurePattern::of(&[0, 1, 2]);
    let cell = Cell::new(0, 0);
    let expected = PlanError::Undetermined { code: "b-code:4".into(), cell, lost };
    assert_eq!(refuse(cell, &equal.clone().without(lost)), expected);
}

/// Every range of small stripes, every pattern: the bytes are those of the stripe, and no more is read than the cells that
/// are named.
#[test]
fn ranges_of_bytes() {
    for (name, cell_bytes) in [("b-code:4", 3), ("b-code:5", 2), ("rs:2+2", 3), ("x-code:5", 1)] {
        let codec = StripeCodec::new(Arc::new(Code::named(name).unwrap()));
        let code = codec.code();
        let data: Vec<Vec<u8>> =
            (0..code.data_cell_count()).map(|seed| Random::new(seed as u64 + 1).bytes(cell_bytes)).collect();
        let stripe = oracle::encode(code, &data);
        let all: Vec<u8> = data.concat();
        for lost in patterns(code).into_iter().chain([ErasurePattern::none()]) {
            for range in (0..=all.len()).flat_map(|start| (start..=all.len()).map(move |end| start..end)) {
                let plan = codec.planner().read_bytes(range.clone(), cell_bytes, lost).unwrap();
                let mut out = vec![0xee; range.len()];
                let named: Vec<(Cell, Range<usize>)> = plan.reads().collect();
                let piece = |cell: Cell, offsets: Range<usize>| {
                    assert!(!lost.contains(cell.column.into()));
                    assert!(named.contains(&(cell, offsets.clone())));
                    &stripe[usize::from(cell.column) * code.rows() + usize::from(cell.row)][offsets]
                };
                plan.run(&codec, piece, &mut out);
                assert_eq!(out, &all[range.clone()], "{name} without {lost}: {range:?}");
                if lost.is_empty() {
                    assert_eq!(plan.bytes_read(), range.len());
                }
            }
        }
    }
}

/// One byte of a lost cell takes k bytes, however long the cell.
#[test]
fn a_byte_takes_k_bytes() {
    let codec = StripeCodec::new(Arc::new(Code::named("b-code:10").unwrap()));
    let plan = codec.planner().read_bytes(5000..5001, 4096, ErasurePattern::of(&[1])).unwrap();
    assert_eq!(plan.bytes_read(), 8);
    assert!(plan.reads().all(|(_, offsets)| offsets == (904..905)));
    let error = codec.planner().read_bytes(0..40 * 4096 + 1, 4096, ErasurePattern::none()).unwrap_err();
    assert_eq!(error, PlanError::OutOfRange { start: 0, end: 40 * 4096 + 1, stripe_bytes: 40 * 4096 });
}

/// Ranges over several cells with two lost columns, in the product's sizes: steps on the way have a place too.
#[test]
fn long_ranges_of_wide_codes() {
    let cell_bytes = 130;
    for name in ["b-code:10", "b-code:13", "x-code:7", "rs:4+3", "rs:8+4"] {
        let codec = StripeCodec::new(Arc::new(Code::named(name).unwrap()));
        let code = codec.code();
        let random = &mut Random::new(7);
        let data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|_| random.bytes(cell_bytes)).collect();
        let stripe = oracle::encode(code, &data);
        let all = data.concat();
        for _ in 0..60 {
            let start = random.below(all.len());
            let end = start + random.below(all.len() - start + 1);
            let lost = ErasurePattern::of(&[random.below(code.columns()), random.below(code.columns())]);
            let plan = codec.planner().read_bytes(start..end, cell_bytes, lost).unwrap();
            let mut out = vec![0xee; end - start];
            let piece = |cell: Cell, offsets: Range<usize>| {
                &stripe[usize::from(cell.column) * code.rows() + usize::from(cell.row)][offsets]
            };
            plan.run(&codec, piece, &mut out);
            assert_eq!(out, &all[start..end], "{name} without {lost}: {start}..{end}");
        }
    }
}
