//! `rain code ls` and `rain code show`.

mod figures;
mod svg;
mod text;

use super::output::{print, say};
use clap::{Subcommand, ValueEnum};
use core::fmt::Write as _;
use rain_codec::{Cell, CellKind, Code};
use serde::Serialize;
use std::collections::BTreeMap;

/// From so many columns on, two losses are little: while one column is rebuilt, one more may go, but not two.
const WIDE_COLUMNS: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum CodeCommand {
    /// List the codes
    Ls,
    /// Show how a code is made, and what it costs
    Show {
        /// The code, for example b-code:6
        name: String,
        /// How
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
    Svg,
}

pub(super) fn run(command: CodeCommand) -> anyhow::Result<()> {
    match command {
        CodeCommand::Ls => print(&list()?),
        CodeCommand::Show { name, format } => {
            let code = Code::named(&name)?;
            let shown = match format {
                Format::Text => text::draw(&code, &figures::of(&code)?),
                Format::Json => serde_json::to_string(&Shown::of(&code))? + "\n",
                Format::Svg => svg::draw(&code, &figures::of(&code)?),
            };
            print(&shown)?;
            if let Some(warning) = warning(&code) {
                say(format_args!("rain: {warning}"));
            }
            Ok(())
        }
    }
}

fn list() -> anyhow::Result<String> {
    let mut listed = format!("{:<15} {:>7} {:>5} {:>9} {:>9}\n", "code", "columns", "rows", "any of", "can lose");
    for name in Code::names() {
        let code = Code::named(&name)?;
        writeln!(
            listed,
            "{:<15} {:>7} {:>5} {:>9} {:>9}{}",
            name,
            code.columns(),
            code.rows(),
            code.data_columns(),
            code.tolerates(),
            if warning(&code).is_some() { "  wide" } else { "" }
        )?;
    }
    listed += "\nAlso rs:K+M (K from 2, M from 1), parity:K+1 (K from 2) and replica:N (N from 2), to 255 columns.\n";
    writeln!(listed, "wide: {WIDE_COLUMNS} columns or more, and only two can be lost.")?;
    Ok(listed)
}

/// What is to be thought about before a code is used.
fn warning(code: &Code) -> Option<String> {
    let (columns, tolerates) = (code.columns(), code.tolerates());
    (columns >= WIDE_COLUMNS && tolerates <= 2).then(|| {
        format!(
            "{code} has {columns} columns and tolerates the loss of {tolerates}: the more columns, the likelier are {} failures before the first is repaired; rs:K+M tolerates M",
            tolerates + 1
        )
    })
}

/// `--format json`.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    columns: usize,
    rows: usize,
    data_columns: usize,
    tolerates: usize,
    cells: Vec<ShownCell>,
}

#[derive(Debug, Serialize)]
struct ShownCell {
    row: u16,
    column: u16,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Vec<[u16; 2]>>,
}

impl Shown {
    fn of(code: &Code) -> Self {
        let shown = |cell: Cell| {
            let (kind, index, of) = match code.cell(cell) {
                CellKind::Data { index } => ("data", Some(index), None),
                CellKind::Parity { of } => ("parity", None, Some(of.iter().map(|of| [of.row, of.column]).collect())),
            };
            ShownCell { row: cell.row, column: cell.column, kind, index, of }
        };
        Self {
            name: code.name().to_owned(),
            columns: code.columns(),
            rows: code.rows(),
            data_columns: code.data_columns(),
            tolerates: code.tolerates(),
            cells: code.cells().map(shown).collect(),
        }
    }
}

/// What cells are called: d and the place in the stripe's byte order; p and the column, with a number from 1 where that
/// column has several parity cells.
struct Labels(BTreeMap<Cell, String>);

impl Labels {
    fn of(code: &Code) -> Self {
        let label = |cell: Cell| match code.cell(cell) {
            CellKind::Data { index } => format!("d{index}"),
            CellKind::Parity { .. } => {
                let first = code.data_rows(usize::from(cell.column));
                let below = usize::from(cell.row) - first;
                if code.rows() - first == 1 {
                    format!("p{}", cell.column)
                } else {
                    format!("p{}.{}", cell.column, below + 1)
                }
            }
        };
        Self(code.cells().map(|cell| (cell, label(cell))).collect())
    }

    fn label(&self, cell: Cell) -> &str {
        self.0.get(&cell).map_or("", String::as_str)
    }

    /// What a parity cell is the XOR of, in words.
    fn sum(&self, of: &[Cell]) -> String {
        of.iter().map(|&cell| self.label(cell)).collect::<Vec<&str>>().join(" + ")
    }

    fn longest(&self) -> usize {
        self.0.values().map(String::len).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of the RAIN slides: columns (a | d + c), (b | d + a), (c | a + b), (d | b + c).
    #[test]
    fn json_of_four_columns() {
        let shown = serde_json::to_value(Shown::of(&Code::named("b-code:4").unwrap())).unwrap();
        let data = |column| serde_json::json!({"row": 0, "column": column, "kind": "data", "index": column});
        let parity =
            |column, a, b| serde_json::json!({"row": 1, "column": column, "kind": "parity", "of": [[0, a], [0, b]]});
        let cells =
            [data(0), parity(0, 2, 3), data(1), parity(1, 0, 3), data(2), parity(2, 0, 1), data(3), parity(3, 1, 2)];
        let expected = serde_json::json!({
            "name": "b-code:4", "columns": 4, "rows": 2, "data_columns": 2, "tolerates": 2, "cells": cells
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn wide_codes_are_warned_of() {
        let warned = |name: &str| warning(&Code::named(name).unwrap()).is_some();
        assert!(warned("b-code:20") && warned("x-code:61") && warned("rs:28+2") && warned("parity:254+1"));
        assert!(!warned("b-code:19") && !warned("rs:28+4") && !warned("dual-b-code:40") && !warned("replica:255"));
    }

    #[test]
    fn labels_tell_parity_cells_of_a_column_apart() {
        let labels = |name: &str, cell| Labels::of(&Code::named(name).unwrap()).label(cell).to_owned();
        assert_eq!(labels("b-code:5", Cell::new(4, 1)), "d5");
        assert_eq!(labels("b-code:5", Cell::new(3, 1)), "p3");
        assert_eq!(labels("x-code:5", Cell::new(2, 4)), "p2.2");
    }
}
