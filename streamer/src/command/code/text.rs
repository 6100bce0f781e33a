//! A code as a table of its cells.

use super::Labels;
use super::figures::Figure;
use core::fmt::Write as _;
use rain_codec::{Cell, Code};

/// Characters that a line of the table should not exceed; wider codes are drawn in parts.
const LINE_MAX: usize = 100;

/// Draws the array of cells, what each parity cell is the XOR of, and the costs.
pub(super) fn draw(code: &Code, figures: &[Figure]) -> String {
    let labels = Labels::of(code);
    let mut drawn = format!(
        "{code}: {} columns of {} {}; any {} of them give back the others, so {} may be lost\n\n",
        code.columns(),
        code.rows(),
        if code.rows() == 1 { "cell" } else { "cells" },
        code.data_columns(),
        code.tolerates()
    );
    let width = labels.longest().max(code.columns().to_string().len());
    let beside = code.rows().to_string().len();
    let at_once = ((LINE_MAX - beside - 2) / (width + 3)).max(1);
    for first in (0..code.columns()).step_by(at_once) {
        let columns = first..code.columns().min(first + at_once);
        let line = |left: &str, cross: &str, right: &str| {
            let parts: Vec<String> = columns.clone().map(|_| "─".repeat(width + 2)).collect();
            format!("{:beside$} {left}{}{right}\n", "", parts.join(cross))
        };
        let _ = write!(drawn, "{:beside$} ", "");
        for column in columns.clone() {
            let _ = write!(drawn, "  {column:>width$} ");
        }
        drawn.truncate(drawn.trim_end().len());
        drawn += "\n";
        drawn += &line("┌", "┬", "┐");
        for row in 0..code.rows() {
            let _ = write!(drawn, "{row:>beside$} │");
            for column in columns.clone() {
                let cell = Cell::new(column, row);
                let mark = if row >= code.data_rows(column) { "▪" } else { " " };
                let _ = write!(drawn, "{mark}{:>width$} │", labels.label(cell));
            }
            drawn += "\n";
        }
        drawn += &line("└", "┴", "┘");
    }
    drawn += "\n▪ parity: the XOR of\n";
    for (cell, of) in code.parity_cells() {
        let _ = writeln!(drawn, "  {:<width$} = {}", labels.label(cell), labels.sum(of));
    }
    drawn += "\n";
    let what_width = figures.iter().map(|figure| figure.what.len()).max().unwrap_or(0);
    let found_width = figures.iter().map(|figure| figure.found.len()).max().unwrap_or(0);
    for Figure { what, found, beside } in figures {
        let _ = writeln!(drawn, "{what:<what_width$}  {found:>found_width$}   {beside}");
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_columns() {
        let drawn = draw(&Code::named("b-code:4").unwrap(), &[]);
        let expected = "\
b-code:4: 4 columns of 2 cells; any 2 of them give back the others, so 2 may be lost

     0    1    2    3
  ┌────┬────┬────┬────┐
0 │ d0 │ d1 │ d2 │ d3 │
1 │▪p0 │▪p1 │▪p2 │▪p3 │
  └────┴────┴────┴────┘

▪ parity: the XOR of
  p0 = d2 + d3
  p1 = d0 + d3
  p2 = d0 + d1
  p3 = d1 + d2

";
        let spaced = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<String>>();
        assert_eq!(spaced(&drawn), spaced(expected));
    }

    #[test]
    fn no_line_of_a_wide_table_is_too_long() {
        let drawn = draw(&Code::named("b-code:40").unwrap(), &[]);
        let table = drawn.lines().filter(|line| line.contains(['│', '┬', '┴']));
        assert!(table.map(|line| line.chars().count()).max().is_some_and(|longest| (50..=LINE_MAX).contains(&longest)));
        assert!(drawn.contains("d759"));
    }
}
