//! Rebuilding one column from the fewest cells, and which of them.

use std::sync::Arc;

use rain_codec::plan::{ColumnCost, PlanError, Planner, ReadCosts, RepairPlan};
use rain_codec::{Cell, Code, ErasurePattern, Schedule, StripeCodec};

use super::brute;
use crate::families::small;
use crate::oracle;
use crate::recovery::noise;

fn direct_codes() -> impl Iterator<Item = Code> {
    let codes = ["b-code:4", "b-code:5", "b-code:6", "b-code:7", "b-code:8", "b-code:9", "b-code:10", "b-code:11"];
    let wide = ["b-code:12", "b-code:13", "b-code:14", "b-code:17", "b-code:22", "x-code:5", "x-code:7", "x-code:11"];
    codes.into_iter().chain(wide).chain(["x-code:13"]).map(|name| Code::named(name).expect("a code of this crate"))
}

/// 3n(n-1)/2 for B-codes of 2n columns, n(3n-1)/2 of 2n+1, (3p^2-8p+13)/4 for X-codes of p.
fn fewest(code: &Code) -> usize {
    let columns = code.columns();
    let n = columns / 2;
    match code.name().split_once(':').map_or("", |(family, _)| family) {
        "b-code" if columns.is_multiple_of(2) => 3 * n * (n - 1) / 2,
        "b-code" => n * (3 * n - 1) / 2,
        _ => (3 * columns * columns + 13 - 8 * columns) / 4,
    }
}

fn check(code: &Code, plan: &RepairPlan, column: usize) {
    assert_eq!(plan.schedule().verify(code), Ok(()));
    let mut targets = plan.schedule().targets().to_vec();
    targets.sort_unstable();
    let cells: Vec<Cell> = (0..code.rows()).map(|row| Cell::new(column, row)).collect();
    assert_eq!((targets, plan.column()), (cells.clone(), column), "{code}");
    assert!(brute::determine(code, plan.reads(), &cells), "{code} {column}");
    assert_eq!(plan.schedule().inputs(), plan.reads());
    for (column, &count) in plan.counts().iter().enumerate() {
        assert_eq!(plan.reads().iter().filter(|cell| usize::from(cell.column) == column).count(), count);
    }
    assert_eq!(plan.counts()[column], 0);
}

#[test]
fn the_fewest_cells_are_those_of_the_tables() {
    for code in direct_codes() {
        for column in 0..code.columns() {
            let plan = RepairPlan::new(&code, column, &ReadCosts::equal(&code)).unwrap();
            check(&code, &plan, column);
            assert_eq!(plan.reads().len(), fewest(&code), "{code} {column}");
            assert_eq!(plan.schedule().program().xor_count(), code.rows() * (code.data_columns() - 1), "{code}");
        }
    }
}

/// In bytes, and each column of every code: by the fewest cells, and by those that burden the others evenly.
#[test]
fn a_repaired_column_is_the_encoded_one() {
    for code in small() {
        let codec = StripeCodec::new(Arc::clone(&code));
        let data = noise(&code);
        let stripe = oracle::encode(&code, &data);
        let cell = |cell: Cell| stripe[usize::from(cell.column) * code.rows() + usize::from(cell.row)].as_slice();
        for column in 0..code.columns() {
            let plan = if column % 2 == 0 { RepairPlan::new } else { RepairPlan::balanced };
            let plan = plan(&code, column, &ReadCosts::equal(&code)).unwrap();
            let schedule = plan.schedule();
            assert!(schedule.inputs().iter().all(|input| usize::from(input.column) != column), "{code} {column}");
            let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|&input| cell(input)).collect();
            let mut made = vec![vec![0xee; data[0].len()]; schedule.targets().len()];
            let mut outputs: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
            codec.run(schedule, &inputs, &mut outputs);
            for row in 0..code.rows() {
                let lost = Cell::new(column, row);
                let place = schedule.targets().iter().position(|target| *target == lost).unwrap();
                assert!(made[place] == cell(lost), "{code} {lost}");
            }
        }
    }
}

/// A code made for repair is read as its construction says: a lost column but the last from half of each other one, which
/// is the cut-set bound of k = n - 2, so that no plan is cheaper; the last one from k whole columns. Of codes of any
/// family, and whatever columns cost, no plan is dearer than the cells that the schedule of recovery reads.
#[test]
fn no_plan_is_dearer_than_recovery_and_mdr_codes_read_half() {
    let names = ["mdr:4", "mdr:5", "mdr:6", "b-code:7", "b-code:8", "b-code:15", "dual-b-code:6", "x-code:5", "rs:4+3"];
    for code in names.map(|name| Code::named(name).unwrap()) {
        let is_mdr = code.name().starts_with("mdr");
        for column in 0..code.columns() {
            let wanted: Vec<Cell> = (0..code.rows()).map(|row| Cell::new(column, row)).collect();
            let recovery = Schedule::recover(&code, ErasurePattern::of(&[column]), &wanted).unwrap();
            let dear = (0..code.columns()).fold(ReadCosts::equal(&code), |costs, other| {
                costs.with(other, ColumnCost { fixed: other as u64 % 3, per_cell: 1 + (other as u64 * 5) % 7 })
            });
            for costs in [ReadCosts::equal(&code), dear] {
                let plan = RepairPlan::new(&code, column, &costs).unwrap();
                check(&code, &plan, column);
                assert!(plan.bound() <= plan.cost());
                assert!(plan.cost() <= cost(&costs, recovery.inputs()), "{code} {column}");
                assert_eq!(plan.cost(), cost(&costs, plan.reads()), "{code} {column}");
            }
            let plan = RepairPlan::new(&code, column, &ReadCosts::equal(&code)).unwrap();
            if is_mdr && column + 1 < code.columns() {
                assert_eq!(2 * plan.reads().len(), code.rows() * (code.columns() - 1), "{code} {column}");
                assert!((0..code.columns()).all(|other| other == column || 2 * plan.counts()[other] == code.rows()));
            } else if is_mdr {
                assert!(plan.reads().len() <= code.rows() * code.data_columns(), "{code} {column}");
            }
        }
    }
}

/// What it costs to read cells, column by column.
fn cost(costs: &ReadCosts, cells: &[Cell]) -> u128 {
    let mut columns: Vec<u16> = cells.iter().map(|cell| cell.column).collect();
    columns.dedup();
    let fixed: u64 = columns.iter().map(|&column| costs.of(column.into()).expect("a column that is there").fixed).sum();
    let each: u64 =
        cells.iter().map(|cell| costs.of(cell.column.into()).expect("a column that is there").per_cell).sum();
    u128::from(fixed + each)
}

/// The table of the most cells read of one column is of one best plan; a balanced one reads no more.
#[test]
fn even_codes_are_balanced_at_least_as_well_as_in_the_table() {
    for (name, cells, peak) in [("b-code:6", 9, 2), ("b-code:10", 30, 4), ("b-code:12", 45, 5), ("x-code:7", 26, 5)] {
        let code = Code::named(name).unwrap();
        for column in 0..code.columns() {
            let plan = RepairPlan::balanced(&code, column, &ReadCosts::equal(&code)).unwrap();
            check(&code, &plan, column);
            assert_eq!(plan.reads().len(), cells, "{name} {column}");
            assert!(plan.counts().iter().all(|&count| count <= peak), "{name} {column}: {:?}", plan.counts());
        }
    }
}

/// B-codes of an odd number of columns have 2^(n-1) equally good plans: one that balances the load reads of no column more
/// than the others need; the least peak is found by looking at all of them.
#[test]
fn odd_codes_balance_the_load_at_no_cost() {
    let mut more_even = 0;
    for name in ["b-code:5", "b-code:7", "b-code:9", "b-code:11"] {
        let code = Code::named(name).unwrap();
        for column in 0..code.columns() {
            let costs = ReadCosts::equal(&code);
            let balanced = RepairPlan::balanced(&code, column, &costs).unwrap();
            check(&code, &balanced, column);
            assert_eq!(balanced.reads().len(), fewest(&code), "{name} {column}");
            let peak = |plan: &RepairPlan| plan.counts().iter().copied().max().unwrap();
            assert_eq!(peak(&balanced), least_peak(&code, column), "{name} {column}");
            more_even += peak(&RepairPlan::new(&code, column, &costs).unwrap()) - peak(&balanced);
        }
    }
    assert!(more_even > 0, "balancing changes something");
}

/// The least peak of all choices of one parity equation for each lost cell.
fn least_peak(code: &Code, lost: usize) -> usize {
    let equations: Vec<Vec<Cell>> =
        code.parity_cells().map(|(parity, of)| of.iter().copied().chain([parity]).collect()).collect();
    let of_cell = |row: usize| {
        let cell = Cell::new(lost, row);
        equations.iter().filter(move |equation| equation.contains(&cell)).collect::<Vec<_>>()
    };
    let mut choices: Vec<Vec<Cell>> = vec![Vec::new()];
    for row in 0..code.rows() {
        let ways = of_cell(row);
        choices = choices.iter().flat_map(|read| ways.iter().map(move |way| [read.as_slice(), way].concat())).collect();
    }
    let peaks = choices.into_iter().filter_map(|mut read| {
        read.retain(|cell| usize::from(cell.column) != lost);
        read.sort_unstable();
        read.dedup();
        let counts =
            (0..code.columns()).map(|column| read.iter().filter(|cell| usize::from(cell.column) == column).count());
        if read.len() == fewest(code) { counts.max() } else { None }
    });
    peaks.min().expect("some choice is best")
}

/// Of the sets of fewest cells one that reads little of a slow column: a cell there costs a little more.
#[test]
fn a_slow_column_is_spared() {
    let mut spared = 0;
    for name in ["b-code:7", "b-code:9", "x-code:5"] {
        let code = Code::named(name).unwrap();
        let any = RepairPlan::new(&code, 0, &ReadCosts::equal(&code)).unwrap();
        for slow in 1..code.columns() {
            let plan = RepairPlan::new(&code, 0, &ReadCosts::sparing(&code, slow)).unwrap();
            check(&code, &plan, 0);
            assert_eq!(plan.reads().len(), fewest(&code), "{name}, column {slow} slow");
            assert!(plan.counts()[slow] <= any.counts()[slow]);
            spared += any.counts()[slow] - plan.counts()[slow];
        }
    }
    assert!(spared > 0, "there is a choice in these codes");
}

#[test]
fn columns_that_are_lost_too_are_not_read() {
    let code = Code::named("b-code:10").unwrap();
    let costs = ReadCosts::equal(&code).without(ErasurePattern::of(&[4]));
    let plan = RepairPlan::new(&code, 0, &costs).unwrap();
    check_without(&code, &plan, 4);
    let costs = costs.without(ErasurePattern::of(&[5]));
    let lost = ErasurePattern::of(&[0, 4, 5]);
    let refused = RepairPlan::new(&code, 0, &costs);
    assert!(matches!(refused, Err(PlanError::Undetermined { lost: found, .. }) if found == lost), "{refused:?}");
}

fn check_without(code: &Code, plan: &RepairPlan, lost: usize) {
    assert_eq!(plan.schedule().verify(code), Ok(()));
    assert_eq!((plan.counts()[lost], plan.cost(), plan.bound()), (0, 40, 40), "all k columns of five cells");
}

#[test]
fn there_is_no_such_column() {
    let code = Code::named("b-code:4").unwrap();
    let error = RepairPlan::new(&code, 4, &ReadCosts::equal(&code)).unwrap_err();
    assert_eq!(error, PlanError::NoSuchColumn { code: "b-code:4".into(), columns: 4, found: 4 });
    assert_eq!(error.to_string(), "b-code:4 has 4 columns: there is no column 4");
}

#[test]
fn plans_are_made_once() {
    let planner = Planner::new(Arc::new(Code::named("b-code:6").unwrap()));
    let costs = ReadCosts::equal(planner.code());
    let lost = ErasurePattern::of(&[2]);
    let same = [
        // What the rebuilt column itself costs does not matter.
        (planner.repair(2, &costs).unwrap(), planner.repair(2, &costs.clone().without(lost)).unwrap()),
        (planner.repair_balanced(2, &costs).unwrap(), planner.repair_balanced(2, &costs).unwrap()),
    ];
    assert!(same.iter().all(|(first, second)| Arc::ptr_eq(first, second)));
    let other = planner.repair(2, &costs.clone().with(0, ColumnCost { fixed: 1, per_cell: 1 })).unwrap();
    assert!(!Arc::ptr_eq(&same[0].0, &other));
    let (one, two) = (Cell::new(1, 0), Cell::new(2, 0));
    let costs = costs.without(lost);
    let read = |cells: &[Cell]| planner.read(cells, &costs).unwrap();
    assert!(Arc::ptr_eq(&read(&[one, two]), &read(&[two, one, two])));
    let update = |cells: &[Cell]| planner.update(cells).unwrap();
    assert!(Arc::ptr_eq(&update(&[one, two]), &update(&[two, one, two])));
    let column: Vec<Cell> = (0..3).map(|row| Cell::new(2, row)).collect();
    let chain = || planner.chain(&column, &[0, 1, 3, 4]).unwrap();
    assert!(Arc::ptr_eq(&chain(), &chain()));
}
