//! A schedule makes what it says out of cells that are there, for any code, any loss and any wishes.
//!
//! Oracle: the code's parity equations. Every cell is the set of data cells that it is the XOR of; the steps are carried
//! out over such sets, by a loop of this file's own. What may be lost must be recovered, and what may not be, refused.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::{Cell, CellKind, Code, ErasurePattern, Schedule, ScheduleError};

/// Codes of more cells take so long to plan that little else would be tried.
const CELLS_MAX: usize = 1200;

static CODES: LazyLock<Vec<Arc<Code>>> = LazyLock::new(|| rain_fuzz::codes(CELLS_MAX).collect());

#[derive(Debug, Arbitrary)]
struct Case {
    code: u16,
    lost: Vec<u8>,
    /// Which cells of the lost columns are wanted, each bit for one cell in 64; none for a schedule that encodes.
    wanted: Option<u64>,
}

fuzz_target!(|case: Case| {
    let code = &CODES[usize::from(case.code) % CODES.len()];
    let Some(bits) = case.wanted else {
        let schedule = Schedule::encode(code);
        let parity: Vec<Cell> = code.parity_cells().map(|(cell, _)| cell).collect();
        assert_eq!(schedule.targets(), parity, "{code}");
        return check(code, &schedule);
    };
    let tolerates = code.tolerates();
    let columns = case.lost.iter().map(|&column| usize::from(column) % (code.columns() + 1));
    let lost = columns.take(tolerates + 1).fold(ErasurePattern::none(), ErasurePattern::with);
    let cells = code.cells().filter(|cell| lost.contains(usize::from(cell.column)));
    let chosen = cells.enumerate().filter(|(place, _)| bits >> (place % 64) & 1 == 1);
    let wanted: Vec<Cell> = chosen.map(|(_, cell)| cell).collect();
    match Schedule::recover(code, lost, &wanted) {
        Ok(schedule) => {
            assert!(lost.len() <= tolerates, "{code} says that it recovers {lost}");
            assert!(!schedule.inputs().iter().any(|cell| lost.contains(usize::from(cell.column))), "{code} {lost}");
            assert!(wanted.iter().all(|cell| schedule.targets().contains(cell)), "{code} {lost}: {wanted:?}");
            check_need(code, &schedule, &wanted);
            check(code, &schedule);
        }
        Err(ScheduleError::NoSuchColumn { found, .. }) => {
            assert!(lost.contains(found) && found >= code.columns(), "{code} {lost}");
        }
        Err(ScheduleError::TooManyLost { .. }) => assert!(lost.len() > tolerates, "{code} {lost}"),
        Err(error) => panic!("{code} without {lost}, {wanted:?}: {error}"),
    }
});

/// Nothing is read or made that nothing comes of.
fn check_need(code: &Code, schedule: &Schedule, wanted: &[Cell]) {
    let inputs = schedule.inputs().len();
    let mut used = vec![false; inputs + schedule.targets().len()];
    for (target, cell) in schedule.targets().iter().enumerate() {
        used[inputs + target] = wanted.contains(cell);
    }
    for source in schedule.program().steps().flatten() {
        used[usize::from(*source)] = true;
    }
    assert!(used.iter().all(|used| *used), "{code}: a cell for nothing in {schedule:?}");
}

/// Data cells, a bit each.
type Sum = Vec<u64>;

fn check(code: &Code, schedule: &Schedule) {
    let words = code.data_cell_count().div_ceil(64);
    let defined = |cell: Cell| {
        let mut sum = vec![0; words];
        let mut add = |cell: Cell| match code.cell(cell) {
            CellKind::Data { index } => sum[index / 64] ^= 1 << (index % 64),
            CellKind::Parity { .. } => panic!("{code}: parity of parity"),
        };
        match code.cell(cell) {
            CellKind::Data { .. } => add(cell),
            CellKind::Parity { of } => of.iter().copied().for_each(add),
        }
        sum
    };
    let mut cells: Vec<Sum> = schedule.inputs().iter().copied().map(defined).collect();
    for (sources, target) in schedule.program().steps().zip(schedule.targets()) {
        let mut sum = vec![0; words];
        for source in sources {
            sum.iter_mut().zip(&cells[usize::from(*source)]).for_each(|(word, other)| *word ^= other);
        }
        assert!(sum == defined(*target), "{code}: {target} is not what the equations say");
        cells.push(sum);
    }
    assert_eq!(cells.len(), schedule.inputs().len() + schedule.targets().len(), "{code}: as many steps as targets");
}
