//! Measures what many small titles cost four `rain node` processes, after `cargo build --release`:
//!
//! - `writes`: durable PUTs of 1 KiB a second by 16 clients, beside what 16 threads reach that write 4 KiB each and sync
//!   it, in turns; the memory that a title takes in each process; how soon all serve again after a restart;
//! - `growth`: what a node does while nobody asks for anything; `rain ls` by 16 clients at once; the list that the console
//!   asks for; how fast a node whose disk was replaced learns what the others know.
//!
//! `cargo run --release -p rain-benches --bin catalog -- [--titles N] [writes|growth]`. What a million titles cost, the
//! bench `million` measures.

mod growth;
mod put;
mod writes;

use std::io;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rain_benches::{Results, write_record};
use rain_gauge::Machine;
use rain_harness::clean_up_on_signals;

const NODES: u16 = 4;
const PORT: u16 = 17_300;
const CLIENTS: usize = 16;
/// What the processes do by themselves after writes is over by then: superseded versions, lists of peers.
const CALM: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Writes,
    Growth,
}

#[derive(Debug, Parser)]
struct Arguments {
    /// How many titles there are to be
    #[arg(long, default_value_t = 20_000)]
    titles: u64,
    /// What to measure [default: all]
    part: Option<Part>,
}

fn main() -> io::Result<()> {
    let Arguments { titles, part } = Arguments::parse();
    clean_up_on_signals()?;
    let machine = Machine::detect();
    let wanted = |one| part.is_none_or(|part| part == one);
    if wanted(Part::Writes) {
        record(&machine, "catalog", &writes::measure(titles)?)?;
    }
    if wanted(Part::Growth) {
        record(&machine, "growth", &growth::measure(titles)?)?;
    }
    Ok(())
}

fn record(machine: &Machine, what: &str, results: &Results) -> io::Result<()> {
    println!("benches/record/{}", write_record(machine, what, results)?.display());
    Ok(())
}

/// What is counted here stays below 2^32.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
