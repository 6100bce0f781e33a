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
    let in_kind = |&cell: &Cell| turned_back(code, cell, by);
    let can_turn = by != 0 && wanted.iter().all(|&cell| code.contains(cell));
    match can_turn.then(|| Schedule::recover(code, kind, &wanted.iter().map(in_kind).collect::<Vec<Cell>>())) {
        Some(Ok(schedule)) => Ok(schedule.map_cells(|cell| turned(code, cell, by, by % code.rows()))),
        // What is wrong is said of the cells and columns that were asked for.
        Some(Err(_)) | None => Schedule::recover(code, lost, wanted),
    }
}

/// The cell of a canonical pattern that takes the place of one in a pattern turned by so many columns.
pub(crate) fn turned_back(code: &Code, cell: Cell, by: usize) -> Cell {
    if by == 0 {
        return cell;
    }
    turned(code, cell, code.turning_columns() - by, code.rows() - by % code.rows())
}

/// Turns a cell: by columns where its column turns, by rows where that column's rows do.
fn turned(code: &Code, cell: Cell, columns: usize, rows: usize) -> Cell {
    let (column, row, turning) = (usize::from(cell.column), usize::from(cell.row), code.turning_columns());
    if column < turning {
        Cell::new((column + columns) % turning, row)
    } else {
        Cell::new(column, (row + rows) % code.rows())
    }
}

fn columns_of(pattern: ErasurePattern) -> Vec<usize> {
    pattern.iter().collect()
}
