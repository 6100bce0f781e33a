//! Developer commands: `cargo xtask test` and its stages, `cargo xtask measure`.
#![forbid(unsafe_code)]

mod bench;
mod browser;
mod capi;
mod deny;
mod fuzz;
mod lab;
mod map;
mod measure;
mod mutate;
mod nightly;
mod stages;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use lab::Lab;
use measure::What;
use stages::Stage;
use tools::{Outcome, Workspace};

/// Developer commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the stages of the test, all of them or those that are named, and stops at the first that fails.
    ///
    /// Tools that a stage needs are installed as Debian packages where that is possible (root, apt-get; set
    /// `RAIN_NO_INSTALL` to forbid it). A stage whose tools cannot be had is skipped, but fails where `CI` is set.
    Test {
        /// A stage to run; may be given several times. They run in the order of the list.
        #[arg(long = "stage", value_name = "STAGE")]
        stages: Vec<Stage>,
    },
    /// Measures what viewers notice when parts of a cluster fail, and writes it to docs/playback.md and benches/record.
    ///
    /// What follows is handed on; `cargo xtask measure playback --help` names it.
    #[command(disable_help_flag = true)]
    Measure {
        /// What to measure.
        what: What,
        /// Options of the measurement.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Measures encoding and decoding in memory, and writes docs/kernels.md, docs/throughput.svg and benches/record.
    ///
    /// What follows is handed on: `--rounds N`, `--code CODE,...`, `--dry` to write nothing.
    Bench {
        /// Beside ISA-L and two Rust crates, which are built first
        #[arg(long)]
        peers: bool,
        /// Options of the measurement.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Real nodes in network namespaces, whose switches and cables can be cut. Linux and root. See docs/laboratory.md.
    #[command(subcommand)]
    Lab(Lab),
    /// Runs fuzz targets, each with an oracle, for as long as is wanted.
    Fuzz(fuzz::Options),
    /// Plants bugs, one by one, and reports which test finds each; writes docs/mutation.md, or docs/mutation-node.md.
    Mutate(mutate::Options),
    /// Runs what takes a night, part after part, whatever fails: the test, long simulations, both suites of bugs, long
    /// fuzzing; writes docs/nightly.md.
    Nightly(nightly::Options),
    /// Draws who stands on whom, crates and modules, into docs/map.md; fails where that must not be.
    Map {
        /// Only say whether it is as it would be drawn.
        #[arg(long)]
        check: bool,
    },
    /// Writes the generated sources: the straight-line bodies of kernels/, and the C header of capi/.
    Generate {
        /// Only say whether they are as they would be written.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Test { stages } => test(&stages),
        Command::Measure { what, options } => measure(what, &options),
        Command::Bench { peers, options } => bench(peers, &options),
        Command::Lab(what) => laboratory(&what),
        Command::Fuzz(options) => fuzzed(&options),
        Command::Mutate(options) => mutated(&options),
        Command::Nightly(options) => tonight(&options),
        Command::Map { check } => map(check),
        Command::Generate { check } => generate(check),
    }
}

fn measure(what: What, options: &[String]) -> ExitCode {
    measured(Workspace::find().and_then(|workspace| measure::run(&workspace, what, options)))
}

fn bench(peers: bool, options: &[String]) -> ExitCode {
    measured(Workspace::find().and_then(|workspace| bench::run(&workspace, peers, options)))
}

fn measured(outcome: anyhow::Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(Outcome::Passed) => return ExitCode::SUCCESS,
        Ok(Outcome::Skipped(reason)) => eprintln!("not measured: {reason}"),
        Err(error) => eprintln!("{error:#}"),
    }
    ExitCode::FAILURE
}

fn laboratory(what: &Lab) -> ExitCode {
    lab::run(what).unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn fuzzed(options: &fuzz::Options) -> ExitCode {
    match Workspace::find().and_then(|workspace| fuzz::run(&workspace, options)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn mutated(options: &mutate::Options) -> ExitCode {
    match Workspace::find().and_then(|workspace| mutate::run(&workspace, options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tonight(options: &nightly::Options) -> ExitCode {
    match Workspace::find().and_then(|workspace| nightly::run(&workspace, options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn map(check: bool) -> ExitCode {
    match Workspace::find().and_then(|workspace| map::run(&workspace, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn generate(check: bool) -> ExitCode {
    match Workspace::find().and_then(|workspace| stages::generate(&workspace, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test(stages: &[Stage]) -> ExitCode {
    let all = stages::ALL.iter().copied();
    let wanted: Vec<Stage> = all.filter(|stage| stages.is_empty() || stages.contains(stage)).collect();
    let tally = stages::run(&wanted);
    println!("{tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
