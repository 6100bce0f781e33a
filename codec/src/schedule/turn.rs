//! Patterns that are the same but for a turn of the columns, and so need one schedule only.

use super::ErasurePattern;
use crate::code::Code;

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

fn columns_of(pattern: ErasurePattern) -> Vec<usize> {
    pattern.iter().collect()
}
