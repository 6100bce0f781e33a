//! Measures what a viewer notices when nodes, links and switches of a demo cluster die, hang and return.
//!
//! `cargo xtask measure playback` and `cargo xtask measure rebuffer` build what is needed and call this. How it measures
//! and what it found: docs/playback.md.
#![forbid(unsafe_code)]

mod counters;
mod document;
mod false_downs;
mod film;
mod kind;
mod lab;
mod meter;
mod players;
mod rebuffer;
mod report;
mod ring;
mod script;
mod settings;
mod source;
mod trials;
mod viewer;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rain_benches::Trace;
use rain_gauge::Machine;
use rain_harness::{TemporaryFolder, clean_up_on_signals};

use settings::{Part, Settings};

/// Measures playback under faults.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Gaps of a paced viewer, by kind of fault
    Faults(Settings),
    /// Verdicts and gaps in a laboratory; `cargo xtask lab measure` makes one and calls this in it
    Lab(lab::Settings),
    /// Rebuffers of a player in Chromium
    Rebuffer(rebuffer::Settings),
    /// Frozen pictures of the players that people use, in Chromium
    Players(players::Settings),
}

fn main() -> ExitCode {
    let measured = clean_up_on_signals().and_then(|()| match Arguments::parse().command {
        Command::Faults(settings) => faults(&settings),
        Command::Lab(settings) => lab::run(&settings),
        Command::Rebuffer(settings) => rebuffer::run(&settings),
        Command::Players(settings) => players::run(&settings),
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all parts that are wanted, writes what they saw, and fails if a viewer saw a wrong byte or a broken stream.
fn faults(settings: &Settings) -> io::Result<()> {
    let machine = Machine::detect();
    let scratch = TemporaryFolder::new("playback")?;
    // Where only correctness is asked for, nothing is kept unless that is asked for too.
    let root = settings.out.as_deref().or(settings.correctness_only.then_some(scratch.path()));
    let parts = settings.parts();
    let names: Vec<String> = parts.iter().map(|part| part.name()).collect();
    let mut trace = Trace::begin(root, &machine, "playback", &settings.parameters(), &names)?;
    let mut demo = None;
    let mut failures = Vec::new();
    for part in parts {
        println!("== {}", part.name());
        let failed = match part {
            Part::Fault(kind) => trials::run(settings, kind, &mut demo, &mut trace)?,
            Part::FalseDowns => false_downs::run(settings, &mut trace)?,
            Part::Ring => ring::run(settings, &mut trace)?,
        };
        for failure in failed {
            println!("   FAILED: {failure}");
            failures.push(format!("{}: {failure}", part.name()));
        }
    }
    let table = report::table(trace.lines());
    println!("\n{table}");
    if !settings.correctness_only {
        println!("{}", trace.path().display());
        if settings.out.is_none() {
            document::replace("playback", &table)?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(io::Error::other(failures.join("\n"))) }
}
