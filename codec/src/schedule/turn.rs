//! Patterns that are the same but for a turn of the columns, and so need one schedule only.

use super::{ErasurePattern, Schedule, ScheduleError};
use crate::code::{Cell, Code};

/// Turns a pattern so that it becomes the first of all that differ only by a turn of the code's columns.
///
/// Shape: the pattern turned, and by how many columns to turn it back ([`Code::turning_columns`]).
pub fn canonical(code: &Code, lost: ErasurePattern) -> (ErasurePattern, usize) {
    let turning = code.turning_columns();
    let turned_back = |by: usize| {
        let back = |column: usize| if column < turning { (column + turning - by) % turning } else { column };
        lost.iter().map(back).fold(ErasurePattern::none(), ErasurePattern::with)
    };
    let starts = lost.iter().filter(|&column| column < turning);
    starts.map(|by| (turned_back(by), by)).min_by_key(|(pattern, _)| columns_of(*pattern)).unwrap_or((lost, 0))
}

/// Recovers wanted cells as [`Schedule::recover`] does, by the schedule of the canonical pattern: so all patterns that
/// differ by a turn run the same straight-line body.
///
/// # Errors
/// As [`Schedule::recover`].
pub(crate) fn recover(code: &Code, lost: ErasurePattern, wanted: &[Cell]) -> Result<Schedule, ScheduleError> {
    let (kind, by) = canonical(code, lost);
    let turned = |cell: Cell, columns: usize, rows: usize| {
        let (column, row, turning) = (usize::from(cell.column), usize::from(cell.row), code.turning_columns());
        if column < turning {
            Cell::new((column + columns) % turning, row)
        } else {
            Cell::new(column, (row + rows) % code.rows())
        }
    };
    let (columns, rows) = (code.turning_columns(), code.rows());
    let in_kind = |&cell: &Cell| turned(cell, columns - by, rows - by % rows);
    let can_turn = by != 0 && wanted.iter().all(|&cell| code.contains(cell));
    match can_turn.then(|| Schedule::recover(code, kind, &wanted.iter().map(in_kind).collect::<Vec<Cell>>())) {
        Some(Ok(schedule)) => Ok(schedule.map_cells(|cell| turned(cell, by, by % rows))),
        // What is wrong is said of the cells and columns that were asked for.
        Some(Err(_)) | None => Schedule::recover(code, lost, wanted),
    }
}

fn columns_of(pattern: ErasurePattern) -> Vec<usize> {
    pattern.iter().collect()
}
