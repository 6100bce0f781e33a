//! Repair of one column where the code was made for it: from the cells that its construction names.

use super::eliminate::{self, Equation};
use super::peel::Steps;
use crate::code::{Cell, Code};

/// Steps to wanted cells of a lost column that read no cells but those that the construction names for its repair;
/// `None` for codes that name none.
///
/// Cells that survive and are not read count as unknown: what is left are sums of equations in which they cancel.
pub(super) fn steps(code: &Code, column: usize, wanted: &[Cell]) -> Option<Steps> {
    let readable = code.repair_cells(column)?;
    let equations: Vec<Equation> =
        code.equations().map(|(parity, of)| of.iter().copied().chain([parity]).collect()).collect();
    let unknown: Vec<Cell> = code.cells().filter(|cell| readable.binary_search(cell).is_err()).collect();
    let solved = eliminate::all(&equations, &unknown, wanted);
    let steps: Steps = solved
        .into_iter()
        .map(|(cell, equation)| (cell, equation.into_iter().filter(|&source| source != cell).collect()))
        .collect();
    wanted.iter().all(|wanted| steps.iter().any(|(cell, _)| cell == wanted)).then_some(steps)
}
