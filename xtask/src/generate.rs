//! Writes the straight-line bodies of `kernels/` out of the codec's schedules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use rain_codec::schedule::canonical;
use rain_codec::{Cell, Code, ErasurePattern, Schedule};

use crate::tools::Workspace;

/// Codes that have straight-line bodies for encoding and for the loss of one and of two columns.
const CODES: [&str; 14] = [
    "b-code:4", "b-code:5", "b-code:6", "b-code:7", "b-code:10", "b-code:11", "b-code:12", "b-code:13", "b-code:18",
    "b-code:22", "x-code:5", "x-code:7", "x-code:11", "x-code:13",
];
/// Data columns and parity columns that probes of the memory read and write.
const PROBES: [(usize, usize); 8] = [(2, 2), (4, 2), (5, 2), (8, 2), (9, 2), (10, 2), (16, 2), (20, 2)];
/// Sums of one pass, for 32 vector registers and for 16; the rest hold what is being read.
const WIDE_SUMS: usize = 28;
const NARROW_SUMS: usize = 12;
/// Longest line of the table.
const LINE_LENGTH: usize = 120;
const TABLE: &str = "kernels/src/straight/table.rs";

/// Writes the table, or with `check` only says whether it is as it would be written.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let path = workspace.root.join(TABLE);
    let text = table()?;
    if check {
        let found = fs::read_to_string(&path).with_context(|| format!("cannot read {TABLE}"))?;
        ensure!(found == text, "{TABLE} is not what `cargo xtask generate` writes");
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("cannot write {TABLE}"))
}

/// A linear map that gets a body: cells in columns, of which some are XORs of others.
pub(crate) struct Wanted {
    /// What the body is called.
    pub(crate) name: String,
    /// Number of columns.
    pub(crate) columns: usize,
    /// Cells of a column.
    pub(crate) rows: usize,
    /// The first column whose rows turn with the columns.
    turning: usize,
    /// The cells written, each with the cells it is the XOR of; those may be written before it.
    pub(crate) steps: Vec<(Cell, Vec<Cell>)>,
}

/// Lists all that get bodies: of every code encoding, and recovery of one and two columns, once for all patterns that
/// differ by a turn only; and the probes.
pub(crate) fn wanted() -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for name in CODES {
        let code = Code::named(name)?;
        wanted.push(of_schedule(format!("{name} encode"), &code, &Schedule::encode(&code)));
        let mut kinds: Vec<ErasurePattern> = Vec::new();
        for first in 0..code.columns() {
            for second in first..code.columns() {
                let (kind, _) = canonical(&code, ErasurePattern::of(&[first, second]));
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
        for kind in kinds {
            let cells: Vec<Cell> = code.cells().filter(|cell| kind.contains(usize::from(cell.column))).collect();
            let lost: Vec<String> = kind.iter().map(|column| column.to_string()).collect();
            let schedule = Schedule::recover(&code, kind, &cells)?;
            wanted.push(of_schedule(format!("{name} lost {}", lost.join(" ")), &code, &schedule));
        }
    }
    for (data, parity) in PROBES {
        let columns = data + parity;
        wanted.push(probe(format!("probe {data} {parity} streams"), data, columns, 1, |at| Cell::new(at, 0)));
        wanted.push(probe(format!("probe {data} {parity} packed"), data, 1, columns, |at| Cell::new(0, at)));
    }
    Ok(wanted)
}

fn of_schedule(name: String, code: &Code, schedule: &Schedule) -> Wanted {
    let (inputs, targets) = (schedule.inputs(), schedule.targets());
    let cell_of = |number: &u16| {
        let number = usize::from(*number);
        if number < inputs.len() { inputs[number] } else { targets[number - inputs.len()] }
    };
    let sources = schedule.program().steps().map(|sources| sources.iter().map(cell_of).collect());
    Wanted {
        name,
        columns: code.columns(),
        rows: code.rows(),
        turning: if code.turning_columns() == 0 { code.columns() } else { code.turning_columns() },
        steps: targets.iter().copied().zip(sources).collect(),
    }
}

/// Reads `data` cells and writes the others, with as few XORs as can be.
fn probe(name: String, data: usize, columns: usize, rows: usize, cell: impl Fn(usize) -> Cell) -> Wanted {
    let parity = columns * rows - data;
    let sources = |output: usize| (output..data).step_by(parity).map(&cell).collect();
    let steps = (0..parity).map(|output| (cell(data + output), sources(output))).collect();
    Wanted { name, columns, rows, turning: columns, steps }
}

fn table() -> Result<String> {
    let mut bodies = String::new();
    let mut entries = String::new();
    for wanted in wanted()? {
        let wide_name = type_name(&wanted.name);
        bodies += &body(&wide_name, &wanted, WIDE_SUMS);
        let mut narrow_name = format!("{wide_name}Narrow");
        if wanted.steps.len() <= NARROW_SUMS {
            narrow_name.clone_from(&wide_name);
        } else {
            bodies += &body(&narrow_name, &wanted, NARROW_SUMS);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(entries, "    entry!(\"{}\", {wide_name}, {narrow_name}),", wanted.name);
    }
    Ok(format!(
        "//! Generated by `cargo xtask generate`; do not edit.\n\n\
         use super::body::straight_line;\n\
         use super::{{Lines, Run, Stores, StraightLine, entry}};\n\n\
         pub(super) const TABLE: &[StraightLine] = &[\n{entries}];\n{bodies}"
    ))
}

/// The name of a body's type: "b-code:10 lost 0 3" becomes `BCode10Lost0And3`.
pub(crate) fn type_name(name: &str) -> String {
    let mut type_name = String::new();
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut after_digit = false;
    for word in words {
        if after_digit && word.starts_with(|letter: char| letter.is_ascii_digit()) {
            type_name += "And";
        }
        let (first, rest) = word.split_at(1);
        type_name += &first.to_ascii_uppercase();
        type_name += rest;
        after_digit = word.ends_with(|letter: char| letter.is_ascii_digit());
    }
    type_name
}

/// One body: the cells written in passes of at most `sums_max` sums; in a pass every cell is read once, column by column,
/// onto all sums it goes into, then sums that others are made of are added, then all are stored.
fn body(type_name: &str, wanted: &Wanted, sums_max: usize) -> String {
    let passes = wanted.steps.len().div_ceil(sums_max);
    let columns: Vec<String> = (0..wanted.columns).map(|column| column.to_string()).collect();
    let mut text =
        format!("\nstraight_line! {{\n    {type_name}: columns {}, {} rows;\n", columns.join(" "), wanted.rows);
    let suffix = |cell: &Cell| if usize::from(cell.column) < wanted.turning { "" } else { "_turned" };
    // Writing to a string cannot fail.
    for steps in wanted.steps.chunks(wanted.steps.len().div_ceil(passes)) {
        let mut loads: BTreeMap<Cell, Vec<String>> = BTreeMap::new();
        let mut adds: Vec<(usize, usize)> = Vec::new();
        for (sum, (_, sources)) in steps.iter().enumerate() {
            for &source in sources {
                match steps.iter().position(|&(written, _)| written == source) {
                    Some(from) => adds.push((from, sum)),
                    None => loads.entry(source).or_default().push(sum.to_string()),
                }
            }
        }
        let loads = loads.iter().map(|(cell, onto)| {
            format!("load{} {} {} => {};", suffix(cell), cell.column, cell.row, onto.join(" "))
        });
        let adds = adds.iter().map(|(from, onto)| format!("add {from} 0 => {onto};"));
        let stores = steps
            .iter()
            .enumerate()
            .map(|(sum, (cell, _))| format!("store{} {} {} => {sum};", suffix(cell), cell.column, cell.row));
        let _ = writeln!(text, "    pass {} {{", steps.len());
        text += &wrapped(loads.chain(adds).chain(stores));
        text += "    }\n";
    }
    text + "}\n"
}

/// Fills lines with moves.
fn wrapped(moves: impl Iterator<Item = String>) -> String {
    const INDENT: &str = "       ";
    let mut text = String::new();
    let mut line = INDENT.to_owned();
    for step in moves {
        if line.len() + 1 + step.len() > LINE_LENGTH {
            text += &line;
            text += "\n";
            INDENT.clone_into(&mut line);
        }
        line += " ";
        line += &step;
    }
    text + &line + "\n"
}
