//! Writes the straight-line bodies of `kernels/` out of the codec's schedules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use rain_codec::schedule::canonical;
use rain_codec::{Cell, Code, ErasurePattern, Schedule};

use crate::tools::Workspace;

/// Codes that have straight-line bodies for encoding and for the loss of one and of two columns.
const CODES: [&str; 10] = [
    "b-code:4",
    "b-code:5",
    "b-code:6",
    "b-code:10",
    "b-code:11",
    "b-code:12",
    "b-code:18",
    "b-code:22",
    "x-code:7",
    "x-code:11",
];
/// Codes that have them for encoding only.
const ENCODE_ONLY: [&str; 9] =
    ["b-code:7", "b-code:8", "b-code:9", "b-code:13", "x-code:5", "x-code:13", "rs:6+3", "rs:8+3", "rs:10+4"];
/// Data columns and parity columns that probes of the memory read and write.
const PROBES: [(usize, usize); 11] =
    [(2, 2), (4, 2), (5, 2), (8, 2), (9, 2), (10, 2), (16, 2), (20, 2), (6, 3), (8, 3), (10, 4)];
/// Sums of one pass, for 32 vector registers and for 16; the rest hold what is being read.
const WIDE_SUMS: usize = 28;
const NARROW_SUMS: usize = 12;
/// Longest line of the table.
const LINE_LENGTH: usize = 120;
const FOLDER: &str = "kernels/src/straight/table";

/// Writes the table, or with `check` only says whether it is as it would be written.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let folder = workspace.root.join(FOLDER);
    let files = files()?;
    if check {
        for (name, text) in &files {
            let found =
                fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read {FOLDER}/{name}"))?;
            ensure!(found == *text, "{FOLDER}/{name} is not what `cargo xtask generate` writes");
        }
        let count = fs::read_dir(&folder).with_context(|| format!("cannot list {FOLDER}"))?.count();
        ensure!(count == files.len(), "{FOLDER} has {count} files, `cargo xtask generate` writes {}", files.len());
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {FOLDER}"))?;
    }
    fs::create_dir(&folder).with_context(|| format!("cannot create {FOLDER}"))?;
    for (name, text) in files {
        fs::write(folder.join(&name), text).with_context(|| format!("cannot write {FOLDER}/{name}"))?;
    }
    Ok(())
}

/// A linear map that gets a body: cells in columns, of which some are XORs of others.
pub(crate) struct Wanted {
    /// What the body is called.
    pub(crate) name: String,
    /// The file it is in.
    module: String,
    /// Cells of a column.
    pub(crate) rows: usize,
    /// For each column, how many of its rows are in its upper part.
    pub(crate) upper: Vec<usize>,
    /// The first column whose rows turn with the columns.
    pub(crate) turning: usize,
    /// The cells written, each with the cells it is the XOR of; those may be written before it.
    pub(crate) steps: Vec<(Cell, Vec<Cell>)>,
}

/// Lists all that get bodies: of every code encoding, and recovery of one and two columns, once for all patterns that
/// differ by a turn only; and the probes.
pub(crate) fn wanted() -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for name in CODES.into_iter().chain(ENCODE_ONLY) {
        let code = Code::named(name)?;
        wanted.push(of_schedule(format!("{name} encode"), &code, &Schedule::encode(&code)));
        if ENCODE_ONLY.contains(&name) {
            continue;
        }
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
        let all = data + parity;
        wanted.push(probe(format!("probe {data} {parity} streams"), data, 1, vec![1; all], |at| Cell::new(at, 0)));
        wanted.push(probe(format!("probe {data} {parity} packed"), data, all, vec![data], |at| Cell::new(0, at)));
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
        module: code.name().replace(['-', ':', '+'], "_"),
        rows: code.rows(),
        upper: (0..code.columns()).map(|column| code.data_rows(column)).collect(),
        turning: if code.turning_columns() == 0 { code.columns() } else { code.turning_columns() },
        steps: targets.iter().copied().zip(sources).collect(),
    }
}

/// Reads `data` cells and writes the others, with as few XORs as can be.
fn probe(name: String, data: usize, rows: usize, upper: Vec<usize>, cell: impl Fn(usize) -> Cell) -> Wanted {
    let parity = upper.len() * rows - data;
    let sources = |output: usize| (output..data).step_by(parity).map(&cell).collect();
    let steps = (0..parity).map(|output| (cell(data + output), sources(output))).collect();
    Wanted { name, module: "probe".to_owned(), rows, turning: upper.len(), upper, steps }
}

/// All files of the table, by name: one per code, and one that lists them.
fn files() -> Result<BTreeMap<String, String>> {
    let mut modules: BTreeMap<String, (String, String)> = BTreeMap::new();
    for wanted in wanted()? {
        let (entries, bodies) = modules.entry(wanted.module.clone()).or_default();
        let wide_name = type_name(&wanted.name);
        *bodies += &body(&wide_name, &wanted, WIDE_SUMS);
        let mut narrow_name = format!("{wide_name}Narrow");
        if wanted.steps.len() <= NARROW_SUMS {
            narrow_name.clone_from(&wide_name);
        } else {
            *bodies += &body(&narrow_name, &wanted, NARROW_SUMS);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(entries, "    entry!(\"{}\", {wide_name}, {narrow_name}),", wanted.name);
    }
    const HEAD: &str = "//! Generated by `cargo xtask generate`; do not edit.\n\n";
    let names: Vec<&String> = modules.keys().collect();
    let declarations: String = names.iter().map(|name| format!("mod {name};\n")).collect();
    let tables: String = names.iter().map(|name| format!("    {name}::TABLE,\n")).collect();
    let list = format!(
        "{HEAD}{declarations}\nuse super::StraightLine;\n\n\
         pub(super) const TABLES: &[&[StraightLine]] = &[\n{tables}];\n"
    );
    let mut files = BTreeMap::from([("mod.rs".to_owned(), list)]);
    for (name, (entries, bodies)) in modules {
        let text = format!(
            "{HEAD}use pulp::{{Simd, WithSimd}};\n\n\
             use crate::columns::Stores;\n\
             use crate::memory::{{Grid, Operands}};\n\
             use crate::straight::body::{{straight_line, tile_lines}};\n\
             use crate::straight::{{Entries, Move, StraightLine, entry}};\n\n\
             pub(super) const TABLE: &[StraightLine] = &[\n{entries}];\n{bodies}"
        );
        files.insert(format!("{name}.rs"), text);
    }
    Ok(files)
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
    let upper: Vec<String> = wanted.upper.iter().map(|rows| rows.to_string()).collect();
    let mut text = format!(
        "\nstraight_line! {{\n    {type_name}: {} columns, {} rows, upper {};\n",
        upper.len(),
        wanted.rows,
        upper.join(" ")
    );
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
        let loads = loads
            .iter()
            .map(|(cell, onto)| format!("load{} {} {} => {};", suffix(cell), cell.column, cell.row, onto.join(" ")));
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
