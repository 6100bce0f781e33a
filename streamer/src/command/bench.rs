//! `rain bench`: what this machine's memory gives, and what the codes make of it.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::output::{print, print_line};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rain_codec::{Code, Kernel, Layout};
use rain_gauge::{Bench, Machine, Regime, Row, layout_name, stores_name};

/// Codes that are measured where none is named.
const CODES: [&str; 9] =
    ["b-code:4", "b-code:6", "b-code:10", "b-code:11", "b-code:12", "b-code:18", "b-code:22", "x-code:7", "x-code:11"];
/// What one round of a code in one regime takes: 16 samples of 3 ms and a little more.
const ROUND_MILLIS: usize = 54;
/// What a code takes in one regime beside its rounds: memory to fill, samples to size.
const OVERHEAD_MILLIS: usize = 250;
const ROUNDS_MAX: usize = 99;
const SECONDS_MAX: usize = 3600;
/// Half the distance of the quartiles, as a part of the median, above which a machine is too busy to be judged.
const SPREAD_MAX: f64 = 0.05;

#[derive(Debug, Args)]
pub(super) struct BenchArguments {
    /// Codes to measure, such as b-code:6
    #[arg(long = "code", value_name = "CODE", value_delimiter = ',')]
    codes: Vec<String>,
    /// About how long to measure
    #[arg(long, default_value_t = 40, value_parser = seconds)]
    seconds: usize,
    /// A table, or JSON lines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn seconds(text: &str) -> Result<usize, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
    seconds.ok_or_else(|| format!("expected whole seconds, 1 to {SECONDS_MAX}"))
}

pub(super) fn run(arguments: &BenchArguments) -> anyhow::Result<()> {
    let asked: Vec<&str> = arguments.codes.iter().map(String::as_str).collect();
    let names = if asked.is_empty() { &CODES[..] } else { &asked };
    let find = |name: &&str| Ok(Arc::new(Code::named(name)?));
    let codes = names.iter().map(find).collect::<anyhow::Result<Vec<Arc<Code>>>>()?;
    let kernel = Kernel::detect();
    let millis_each = arguments.seconds * 1000 / (codes.len() * Regime::ALL.len());
    let rounds = (millis_each.saturating_sub(OVERHEAD_MILLIS) / ROUND_MILLIS).clamp(1, ROUNDS_MAX);
    if arguments.format == Format::Text {
        let (cpu, set) = (Machine::detect().cpu, kernel.name());
        print_line(format_args!(
            "{cpu}; kernels: {set}; one thread; medians of {rounds}; GB = 1e9 bytes of original data"
        ))?;
    }
    let progress = progress_bar(codes.len() * Regime::ALL.len());
    let began = Instant::now();
    let mut spreads = Vec::new();
    for code in &codes {
        let mut of_code = Vec::new();
        for regime in Regime::ALL {
            progress.set_message(format!("{code} {}", regime.name()));
            let mut bench =
                Bench::new(code, regime, kernel).with_context(|| format!("memory for {}", regime.name()))?;
            of_code.extend(bench.run(rounds, Vec::new()).rows);
            progress.inc(1);
        }
        spreads.extend(of_code.iter().map(|row| row.figure.spread));
        progress.suspend(|| match arguments.format {
            Format::Text => print(&table(code, &of_code)),
            Format::Json => of_code.iter().try_for_each(|row| print_line(row.to_json())),
        })?;
    }
    progress.finish_and_clear();
    if arguments.format == Format::Text {
        print_end(began.elapsed(), spreads)?;
    }
    Ok(())
}

fn progress_bar(length: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style)
}

fn print_end(elapsed: Duration, mut spreads: Vec<f64>) -> anyhow::Result<()> {
    spreads.sort_by(f64::total_cmp);
    let middle = spreads.get(spreads.len() / 2).copied().unwrap_or_default();
    let (seconds, percent) = (elapsed.as_secs_f64(), middle * 100.0);
    print_line(format_args!("\n{seconds:.0} s. Samples spread by {percent:.1} % (median of the rows)."))?;
    if middle > SPREAD_MAX {
        print_line(format_args!("This machine is too busy to be judged: more than {:.0} %.", SPREAD_MAX * 100.0))?;
    }
    Ok(())
}

/// A table of one code: a line per operation and layout, a column per regime, and above them the probe.
fn table(code: &Code, rows: &[Row]) -> String {
    let mut text = format!("\n{code}: {} columns, any {} give the data back\n", code.columns(), code.data_columns());
    let line = |first: &str, second: &str, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>9}")).collect();
        format!("  {first:<9}{second:<24}{}\n", cells.concat())
    };
    let names: Vec<String> = Regime::ALL.iter().map(|regime| regime.name().to_owned()).collect();
    text += &line("GB/s", "", &names);
    let probe = |regime: &Regime| {
        let row = rows.iter().find(|row| row.regime == *regime);
        row.map_or_else(String::new, |row| format!("{:.1}", row.probe_gb_per_s))
    };
    text += &line("probe", "what the memory gives", &Regime::ALL.iter().map(probe).collect::<Vec<_>>());
    let mut lines: BTreeMap<(&str, Layout, rain_codec::Stores), Vec<String>> = BTreeMap::new();
    for row in rows {
        let cells = lines.entry((row.operation, row.layout, row.stores)).or_default();
        cells.push(format!("{:.1}", row.figure.gb_per_s));
    }
    let order = |operation: &str| ["encode", "decode1", "decode2"].iter().position(|name| *name == operation);
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|((operation, ..), _)| order(operation));
    for ((operation, layout, stores), cells) in lines {
        text += &line(operation, &format!("{}, {} stores", layout_name(layout), stores_name(stores)), &cells);
    }
    text
}
