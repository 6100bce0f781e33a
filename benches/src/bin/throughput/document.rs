//! The tables of docs/kernels.md.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::{fs, iter};

use rain_codec::Layout;
use rain_gauge::{Machine, Regime, Row};

use crate::sections::{Pair, Tables, peers};

const BEGIN: &str = "<!-- throughput: begin -->";
const END: &str = "<!-- throughput: end -->";
/// Above this part of the median, half the distance of the quartiles makes a machine too busy to be judged.
const SPREAD_MAX: f64 = 0.05;

/// Puts the tables between the marks of a document.
pub(crate) fn insert(path: &Path, tables: &str) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    let missing = || io::Error::other(format!("{}: no marks for the tables", path.display()));
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(path, format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
}

pub(crate) fn text(machine: &Machine, tables: &Tables) -> String {
    let mut spreads: Vec<f64> = tables.rows.iter().map(|row| row.figure.spread).collect();
    spreads.sort_by(f64::total_cmp);
    let spread = spreads.get(spreads.len() / 2).copied().unwrap_or_default();
    let mut text = format!(
        "Measured on {}, {}, at commit {}; kernels: {}; beside {}. One thread, GB/s of original data. Samples spread by \
         {:.1} % (median of the rows){}.\n",
        machine.cpu,
        machine.date,
        machine.commit,
        machine.instruction_set,
        if peers().is_empty() { "no other library".to_owned() } else { peers().join(", ") },
        spread * 100.0,
        if spread > SPREAD_MAX { ": too busy to be judged" } else { "" },
    );
    for (operation, what) in
        [("encode", "Encode"), ("decode2", "Decode, columns 0 and 1 lost"), ("decode1", "Decode, column 0 lost")]
    {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{what}:\n\n{}", operation_table(tables, operation));
    }
    let pairs: [(&str, &str, &str, &[Pair]); 5] = [
        ("All patterns of two lost columns, 256 KiB", "slowest", "median", &tables.patterns),
        ("Two threads, encode", "two", "one", &tables.threads),
        (
            "A server with cold stripes, column files' layout",
            "verify, decode one lost, write out",
            "verify, copy",
            &tables.server,
        ),
        ("AVX2, encode, 256 KiB", "ours", "ISA-L AVX2 with GFNI", &tables.avx2),
        ("Small and odd stripes, encode, column files' layout", "so", "64 KiB of whole lines", &tables.small),
    ];
    for (what, ours, theirs, pairs) in pairs {
        let _ = write!(text, "\n{what}:\n\n| | {ours} | {theirs} | ratio |\n|---|---|---|---|\n");
        for pair in pairs {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.2} |",
                pair.what,
                pair.ours,
                pair.theirs,
                pair.ours / pair.theirs
            );
        }
    }
    text
}

/// A row per code and regime: the best layout, its part of the probe and of the others, and column files' layout.
fn operation_table(tables: &Tables, operation: &str) -> String {
    let mut text =
        "| code, k | where | best | layout | of the probe | / E | / P | column files' layout | / E |\n".to_owned();
    text += &iter::repeat_n("|---", 9).collect::<String>();
    text += "|\n";
    let mut at = 0;
    while at < tables.rows.len() {
        let first = &tables.rows[at];
        let same = |row: &&Row| row.code == first.code && row.regime == first.regime;
        let rows: Vec<&Row> = tables.rows[at..].iter().take_while(same).collect();
        at += rows.len();
        let of_operation: Vec<&Row> = rows.into_iter().filter(|row| row.operation == operation).collect();
        let best_of = |wanted: fn(&&&Row) -> bool| {
            let speed = |row: &&&Row| row.figure.gb_per_s;
            of_operation.iter().filter(wanted).max_by(|a, b| speed(a).total_cmp(&speed(b)))
        };
        if let (Some(best), Some(cells)) = (best_of(|_| true), best_of(|row| row.layout == Layout::Cells)) {
            text += &line(tables, operation, best, cells);
        }
    }
    text
}

fn line(tables: &Tables, operation: &str, best: &Row, cells: &Row) -> String {
    let speed = best.figure.gb_per_s;
    let ec = other(tables, best, operation, "isa-l ec_encode_data");
    let raid = other(tables, best, operation, if operation == "decode1" { "isa-l xor_gen" } else { "isa-l pq_gen" });
    let ratio =
        |ours: f64, theirs: Option<f64>| theirs.map_or("-".to_owned(), |theirs| format!("{:.2}", ours / theirs));
    format!(
        "| {}, {} | {} | {speed:.1} | {} | {:.2} | {} | {} | {:.1} | {} |\n",
        best.code,
        best.k,
        best.regime.name(),
        rain_gauge::layout_name(best.layout),
        speed / best.probe_gb_per_s,
        ratio(speed, ec),
        ratio(speed, raid),
        cells.figure.gb_per_s,
        ratio(cells.figure.gb_per_s, ec),
    )
}

/// What another library reached at the same operation. That of `pq_gen` stands beside decoding too: two columns are
/// written from k.
pub(crate) fn other(tables: &Tables, row: &Row, operation: &str, name: &str) -> Option<f64> {
    let is_pq = name == "isa-l pq_gen";
    let of = |regime: Regime, code: &str| {
        tables.others.iter().find(|other| {
            other.regime == regime
                && other.code == code
                && other.name == name
                && (is_pq || other.operation == operation)
        })
    };
    of(row.regime, &row.code).map(|other| other.figure.gb_per_s)
}
